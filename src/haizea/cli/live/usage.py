"""``haizea usage``: who used how much."""

from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveCommand, client_of, list_options
from haizea.cli.live.output import Column, View, show_rows


def _hours(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, int | float) else ""


USAGE: Final = (
    Column("who", "subject"),
    Column("period", "period"),
    Column("leases", "leases", right=True),
    Column("vm_hours", "vm_hours", _hours, right=True),
    Column("core_hours", "core_hours", _hours, right=True),
    Column("GiB_hours", "memory_gib_hours", _hours, right=True),
    Column("lost_core_hours", "lost_core_hours", _hours, right=True),
)


@click.command(cls=LiveCommand, short_help="Show who used how much.")
@click.option("--from", "start", metavar="TIME", help="From when: 2026-11-01, yesterday, '30 days ago'.")
@click.option("--to", "end", metavar="TIME", help="Until when; now where not given.")
@click.option("--by", type=click.Choice(["user", "group", "lease"]), default="user", show_default=True,
              help="Added up for each of these.")  # fmt: skip
@click.option("--period", type=click.Choice(["day", "week", "month"]), help="And for each of these.")
@click.option("--owner", metavar="USER", help="Only of this user.", shell_complete=complete.users)
@list_options
@click.pass_context
def usage(
    ctx: click.Context, /, view: View, start: str | None, end: str | None, by: str, period: str | None,
    owner: str | None,
) -> None:  # fmt: skip
    """Show how much was used: VMs, cores and memory times hours, and what was lost to failures and preemption."""
    from haizea.cli.live.present import past_text

    with client_of(ctx) as client:
        first = None if start is None else past_text(client, start, "--from")
        last = None if end is None else past_text(client, end, "--to")

        def fetch() -> list[Any]:
            return list(client.usage(start=first, end=last, by=by, period=period, owner=owner)["items"])

        # Where nothing is added up by period people need no empty column; programs get the same columns always.
        bare = view.for_people and not period and not view.columns
        columns = tuple(each for each in USAGE if each.name != "period") if bare else USAGE
        show_rows(view, columns, fetch, "nothing was used")
