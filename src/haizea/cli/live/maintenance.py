"""``haizea maintenance``: when hosts are to be free of VMs."""

from functools import partial
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, client_of, fail, list_options
from haizea.cli.live.ordering import give, order_options
from haizea.cli.live.output import Column, View, show_rows
from haizea.cli.live.present import length_option, start_text
from haizea.cli.live.words import at, listed, truth

WINDOWS: Final = (
    Column("id", "id", right=True),
    Column("hosts", "hosts", lambda hosts: listed(hosts or [])),
    Column("start", "start", at),
    Column("end", "end", at),
    Column("open", "open", truth),
    Column("by", "by"),
    Column("reason", "reason"),
)


@click.group(cls=LiveGroup, short_help="Plan, list and call off maintenance of hosts.")
def maintenance() -> None:
    """Plan when hosts are to be free of VMs: leases are planned around it, and their owners told."""


@maintenance.command("list", short_help="List maintenance that is open or to come.")
@list_options
@click.pass_context
def list_windows(ctx: click.Context, view: View) -> None:
    """List the maintenance windows that are not over."""
    with client_of(ctx) as client:
        show_rows(view, WINDOWS, client.maintenance, "no maintenance is planned")


@maintenance.command(short_help="Plan maintenance of hosts.")
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True, shell_complete=complete.hosts)
@click.option("-t", "--start", metavar="TIME", required=True, help="From when: 'tonight' is '22:00'; now, +2h.")
@click.option("--until", metavar="TIME", help="Until when.")
@click.option("-d", "--duration", metavar="LENGTH", help="Or for how long: 2h.")
@click.option("--change", "window", type=click.IntRange(1), metavar="ID", help="Change this window instead.")
@click.option("--force", is_flag=True, help="Even where leases that were promised that time have to leave.")
@order_options
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    hosts: tuple[str, ...],
    start: str,
    until: str | None,
    duration: str | None,
    window: int | None,
    force: bool,
    view: View,
    **how: Any,
) -> None:
    """Have hosts free of VMs during a time to come: what is planned then goes elsewhere, or its owner is told."""
    if (until is None) == (duration is None):
        fail("say --until TIME or --duration LENGTH")
    with client_of(ctx) as client:
        wanted = {
            "end": None if until is None else start_text(client, until, "--until"),
            "duration": length_option(duration, "--duration"),
            "window": window,
            "force": force,
        }
        begin = start_text(client, start, "--start")
        give(ctx, view, [partial(client.plan_maintenance, hosts, begin, **wanted)], **how)


@maintenance.command(short_help="End maintenance, or have it not begin.")
@click.argument("windows", metavar="ID...", nargs=-1, required=True, type=click.IntRange(1))
@order_options
@click.pass_context
def cancel(ctx: click.Context, /, windows: tuple[int, ...], view: View, **how: Any) -> None:
    """End maintenance that is open, or have it not begin; its hosts are used again at once."""
    with client_of(ctx) as client:
        give(ctx, view, [partial(client.end_maintenance, window) for window in windows], **how)
