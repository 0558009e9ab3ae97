"""The command ``haizea`` and its subcommands, each imported only when it is asked for."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import click

from haizea import __version__
from haizea.cli.main import INTERRUPTED, PIPE_CLOSED, tell

SUBCOMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "simulate": ("haizea.cli.simulate:simulate", "Schedule a workload in simulated time."),
    "serve": ("haizea.cli.serve:serve", "Run the live lease manager."),
    "experiment": ("haizea.cli.experiment:experiment", "Run all simulations of a multi-configuration file."),
    "workload": ("haizea.cli.workload:workload", "Convert, show, check and generate workloads."),
    "config": ("haizea.cli.config:config", "Check, show and convert configurations."),
    "policy": ("haizea.cli.policy:policy", "List the policies that can be chosen."),
    "lease": ("haizea.cli.live.lease:lease", "Request leases, look after them, change and end them."),
    "queue": ("haizea.cli.live.queue:queue", "Show who waits, why, and until when."),
    "schedule": ("haizea.cli.live.schedule:schedule", "Draw the schedule: hosts × time."),
    "calendar": ("haizea.cli.live.site:calendar", "Show how much is free, and when."),
    "host": ("haizea.cli.live.host:host", "List and show hosts; drain, evacuate, disable, add and remove them."),
    "maintenance": ("haizea.cli.live.maintenance:maintenance", "Plan, list and call off maintenance of hosts."),
    "vm": ("haizea.cli.live.vm:vm", "List, stop and restart single VMs of leases."),
    "stray": ("haizea.cli.live.vm:stray", "List VMs that nobody knows."),
    "adopt": ("haizea.cli.live.vm:adopt", "Take VMs that nobody knows as a lease."),
    "scheduler": ("haizea.cli.live.scheduler:scheduler", "Pause, replan, tune and look at the scheduler."),
    "intake": ("haizea.cli.live.scheduler:intake", "Take no requests, or take them again."),
    "diff": ("haizea.cli.live.scheduler:diff", "Show what is desired beside what is observed."),
    "event": ("haizea.cli.live.event:event", "List and follow events."),
    "usage": ("haizea.cli.live.usage:usage", "Show who used how much."),
    "status": ("haizea.cli.live.status:status", "Show how the lease manager is."),
    "policies": ("haizea.cli.live.site:policies", "List the server's policies, and which it goes by."),
    "configuration": ("haizea.cli.live.site:configuration", "Show the settings that the server runs with."),
    "whoami": ("haizea.cli.live.site:whoami", "Show whom the server takes you for."),
    "user": ("haizea.cli.live.user:user", "List, set and delete users."),
    "group": ("haizea.cli.live.user:group", "List, set and delete groups."),
    "token": ("haizea.cli.live.token:token", "Make, list and revoke tokens."),
    "quota": ("haizea.cli.live.quota:quota", "List, set and delete quotas."),
    "recurrence": ("haizea.cli.live.recurrence:recurrence", "Reservations that recur, daily or weekly."),
    "webhook": ("haizea.cli.live.webhook:webhook", "Add, list and remove webhooks."),
    "store": ("haizea.cli.store:store", "Back up, check, migrate, move and prune the store."),
    "chaos": ("haizea.cli.chaos:chaos", "Run the lease manager with everything going wrong."),
    "pretend": ("haizea.cli.pretend:pretend", "Act behind Haizea's back on the pretended platform."),
    "opennebula": ("haizea.cli.opennebula:opennebula", "Check an OpenNebula that Haizea is to schedule."),
    "context": ("haizea.cli.live.context:context", "Name servers, and choose among them."),
    "completion": ("haizea.cli.completion:completion", "Print a script that lets a shell complete commands."),
}
"""The subcommands: where each is, and what the help says of it."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are invoked, not when help lists them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _, name = SUBCOMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in SUBCOMMANDS.items()])


@click.command(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="haizea")
@click.option("-c", "--conf", metavar="FILE", help="Run what a configuration says, as Haizea 1.x does.")
@click.option("-f", "--fg", is_flag=True, help="Stay in the foreground (simulations always do).")
@click.option("--stop", is_flag=True, help="Stop this user's daemon, or with -c that of a configuration.")
@click.pass_context
def haizea(ctx: click.Context, conf: str | None, fg: bool, stop: bool) -> None:
    """Lease virtual machines: decide which hosts they run on, and when."""
    if ctx.invoked_subcommand is not None:
        if conf is not None or stop:
            raise click.UsageError("-c and --stop go without a command; a command takes --config FILE")
    elif stop:
        from haizea.cli.serve import stop_daemon

        ctx.exit(stop_daemon(conf))
    elif conf is not None:
        from haizea.cli.legacy import run_configuration

        ctx.exit(run_configuration(conf))
    else:
        click.echo(ctx.get_help())


def run_click(arguments: Sequence[str], command: click.Command = haizea, name: str = "haizea") -> int:
    """Run a click command and return its exit status; mistakes on the command line are told in one line."""
    try:
        status = command.main(list(arguments), prog_name=name, standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        tell(f"{' '.join(error.format_message().split())} (see {path} --help)")
        return error.exit_code
    except click.ClickException as error:
        tell(error.format_message())
        return error.exit_code
    except SystemExit:
        # click's own way to end where standard output was closed by its reader.
        return PIPE_CLOSED
    except click.Abort:
        sys.stderr.write("haizea: interrupted\n")
        return INTERRUPTED
    return status if isinstance(status, int) else 0
