"""``haizea simulate``, as click reads it."""

from typing import Any

import click

from haizea.cli.flags import FLAGS, MEMORY_MAX, Flag
from haizea.cli.run import request_of
from haizea.cli.run import simulate as run_simulation


def _option(flag: Flag) -> click.Option:
    names = [f"--{flag.name}", flag.name.replace("-", "_")]
    if flag.short:
        names.append(f"-{flag.short}")
    if not flag.value:
        return click.Option(names, is_flag=True, help=flag.help)
    if flag.choices:
        return click.Option(
            names, type=click.Choice(flag.choices), default=flag.choices[0], show_default=True, help=flag.help
        )
    kind = click.IntRange(1, MEMORY_MAX) if flag.number else click.Path() if flag.value in ("FILE", "DIR") else None
    return click.Option(names, type=kind, multiple=flag.many, metavar=flag.value, help=flag.help)


def _live_options() -> list[click.Option]:
    """Return the options of what is tried on a copy of a live state."""
    return [
        click.Option(["--live"], is_flag=True,
                     help="Try it on a copy of a lease manager's present state, and compare. With this, --set is what "
                          "the server would go by, and there is no WORKLOAD."),
        click.Option(["--fail-host"], multiple=True, metavar="HOST", help="Of --live: this host fails now."),
        click.Option(["--add-hosts"], metavar="SITE", help="Of --live: hosts are added: '2 CPU:400 Memory:8192'."),
        click.Option(["--request"], multiple=True, type=click.Path(), metavar="FILE",
                     help="Of --live: a lease is requested, as XML, TOML or JSON."),
        click.Option(["--ahead"], metavar="LENGTH", help="Of --live: how far to look ahead. [default: 30 days]"),
        click.Option(["--server"], metavar="URI", help="Of --live: the server."),
        click.Option(["--context"], metavar="NAME", help="Of --live: a server of 'haizea context list'."),
    ]  # fmt: skip


def _run(ctx: click.Context, **values: Any) -> None:
    if values["live"]:
        if values["workloads"]:
            raise click.UsageError("--live takes its leases from the server, and so no WORKLOAD", ctx)
        from haizea.cli.live.whatif import simulate_live

        ctx.exit(simulate_live(values))
    only = [name for name in ("fail_host", "add_hosts", "request", "ahead", "server", "context") if values.pop(name)]
    if only:
        raise click.UsageError(f"--{only[0].replace('_', '-')} goes with --live only", ctx)
    values.pop("live")
    if not values["workloads"] and values["config"] is None:
        raise click.UsageError("Missing argument 'WORKLOAD...': name a workload, or a --config that does", ctx)
    ctx.exit(run_simulation(request_of(values), values["format"], values["quiet"]))


simulate = click.Command(
    "simulate",
    callback=click.pass_context(_run),
    params=[
        click.Argument(["workloads"], nargs=-1, type=click.Path(), metavar="WORKLOAD..."),
        *(_option(flag) for flag in FLAGS),
        *_live_options(),
    ],
    help="""Schedule a WORKLOAD (LWF or SWF, plain or gzip) in simulated time and print a summary.

    Several workloads are simulated as one, each later one injected into those before. With --live, it tells instead
    what would become of a lease manager's leases: if a host failed, hosts were added, a lease was requested, or it
    went by other options.

    Exit status: 0 done, 2 wrong input, 3 the verification of --verify failed.""",
    short_help="Schedule a workload in simulated time.",
)
"""The command."""
