"""``haizea scheduler``, ``haizea intake``, ``haizea diff``: the scheduler itself, desired and observed."""

from functools import partial
from typing import Any, Final

import click

from haizea.cli.live.common import LiveCommand, LiveGroup, client_of, document_options, fail, list_options
from haizea.cli.live.ordering import give, order_options
from haizea.cli.live.output import Column, View, show_document, show_rows, write
from haizea.cli.live.site import POLICIES
from haizea.cli.live.words import amounts, at, counted, listed, truth

SCHEDULER: Final = (
    Column("now", "now", at),
    Column("scheduling", "scheduling", lambda on: "on" if on else "paused"),
    Column("intake", "intake", lambda on: "on" if on else "paused"),
    Column("queue", "queue"),
    Column("changed", "changed"),
    Column("options", "options", wide=True),
)

DIFF: Final = (
    Column("what", "what"),
    Column("desired", "desired"),
    Column("on", "host"),
    Column("observed", "observed"),
    Column("seen_on", "seen_on"),
    Column("under_way", "under_way"),
    Column("strays", "strays", lambda names: listed(names or [])),
    Column("agrees", "agrees", truth),
    Column("capacity", "capacity", amounts, wide=True),
    Column("observed_capacity", "observed_capacity", amounts, wide=True),
)


@click.group(cls=LiveGroup, short_help="Pause, replan, tune and look at the scheduler.")
def scheduler() -> None:
    """Have the scheduler pause, plan anew, go by other options, or compare itself with the platform."""


@click.group(cls=LiveGroup, short_help="Take no requests, or take them again.")
def intake() -> None:
    """Refuse all requests for a while; what was promised goes on."""


def _plain(group: click.Group, noun: str, name: str, says: str, more: str = "") -> click.Command:
    @order_options
    @click.pass_context
    def command(ctx: click.Context, /, view: View, **how: Any) -> None:
        with client_of(ctx) as client:
            give(ctx, view, [partial(client.order_scheduler, f"{noun}/{name}")], **how)

    return group.command(name, help=f"{says}\n\n{more}".strip(), short_help=says)(command)


pause = _plain(
    scheduler, "scheduler", "pause", "Start nothing new but what is promised at a certain time.", "What runs goes on."
)
resume = _plain(scheduler, "scheduler", "resume", "Schedule again.")
replan = _plain(
    scheduler, "scheduler", "replan", "Plan everything anew that is not promised and has not begun.",
    "As after a change of options, which leaves alone what is planned.",
)  # fmt: skip
pause_intake = _plain(intake, "intake", "pause", "Refuse all requests.", "They are told why: give a --reason.")
resume_intake = _plain(intake, "intake", "resume", "Take requests again.")


@scheduler.command(short_help="Show whether it schedules, and what was changed at run time.")
@document_options
@click.pass_context
def status(ctx: click.Context, view: View) -> None:
    """Show whether the scheduler schedules and takes requests, and which options were changed at run time."""
    with client_of(ctx) as client:
        show_document(view, SCHEDULER, client.scheduler)


@scheduler.command(short_help="List the policies that can be chosen.")
@list_options
@click.pass_context
def policies(ctx: click.Context, view: View) -> None:
    """List the policies that can be chosen, and which are."""
    with client_of(ctx) as client:
        show_rows(view, POLICIES, client.policies, "there are no policies")


@scheduler.command("set", short_help="Change policies, rates and other options at run time.")
@click.argument("pairs", metavar="SECTION.KEY=VALUE...", nargs=-1, required=True)
@order_options
@click.pass_context
def set_options(ctx: click.Context, /, pairs: tuple[str, ...], view: View, **how: Any) -> None:
    """Have the scheduler go by other options from now on, such as scheduling.policy-pricing=free.

    This holds until the daemon is restarted: write it into the configuration as well to have it hold for longer.
    """
    parted = [text.partition("=") for text in pairs]
    if not all(equals and name.strip() for name, equals, _value in parted):
        fail("expected SECTION.KEY=VALUE, such as scheduling.suspend-rate=64")
    options = {name.strip(): value.strip() for name, _equals, value in parted}
    with client_of(ctx) as client:
        give(ctx, view, [partial(client.configure_scheduler, options)], **how)


@scheduler.command(short_help="Compare the schedule with the platform now, and mend.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the journal.")
@click.option("--dry-run", is_flag=True, help="Only count the differences; haizea diff shows them.")
@click.pass_context
def reconcile(ctx: click.Context, /, reason: str, dry_run: bool) -> None:
    """Compare the schedule with what the platform has, now, and deal with every difference."""
    with client_of(ctx) as client:
        found = client.reconcile(reason=reason, dry_run=dry_run)["differences"]
        done = "found" if dry_run else "found and dealt with"
        write(f"{counted(found, 'difference')} {done}.\n")


@click.command(cls=LiveCommand, short_help="Show what is desired beside what is observed.")
@click.option("-a", "--all", "everything", is_flag=True, help="What agrees, too.")
@list_options
@click.pass_context
def diff(ctx: click.Context, /, everything: bool, view: View) -> None:
    """Show VMs and hosts that are not as they should be, or with --all everything, as the platform shows it now.

    Exit status: 0 all agrees, 1 something differs.
    """
    differ = False

    def fetch() -> list[dict[str, Any]]:
        nonlocal differ
        found = client.diff(everything=everything)
        rows = [{"what": f"VM {row['lease']}.{row['vm']}", **row} for row in found["vms"]]
        rows += [{"what": f"host {row['host']}", **row} for row in found["hosts"]]
        differ = not all(row["agrees"] for row in rows)
        return rows

    with client_of(ctx) as client:
        show_rows(view, DIFF, fetch, "all is as it should be")
    ctx.exit(1 if differ else 0)
