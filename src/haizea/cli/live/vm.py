"""``haizea vm``, ``haizea stray``, ``haizea adopt``: VMs one by one, and those that nobody knows."""

import re
from functools import partial
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveCommand, LiveGroup, client_of, fail, list_options
from haizea.cli.live.lease_orders import LEASE_ID
from haizea.cli.live.ordering import give, named, order_options
from haizea.cli.live.output import Column, View, show_rows
from haizea.cli.live.values import parse_lease_length
from haizea.cli.live.words import amounts
from haizea.model.units import SECOND

VMS: Final = (
    Column("vm", "name"),
    Column("host", "host"),
    Column("desired", "desired"),
    Column("observed", "observed"),
    Column("resources", "resources", amounts),
)

STRAYS: Final = (
    Column("name", "name"),
    Column("host", "host"),
    Column("resources", "resources", amounts),
    Column("labels", "labels"),
)


@click.group(cls=LiveGroup, short_help="List, stop and restart single VMs of leases.")
def vm() -> None:
    """Look at the VMs of leases, stop one, or start one over. A VM is called LEASE.NUMBER, such as 7.2."""


@vm.command("list", short_help="List the VMs of leases.")
@click.argument("numbers", metavar="[LEASE...]", nargs=-1, type=LEASE_ID, shell_complete=complete.leases)
@list_options
@click.pass_context
def list_vms(ctx: click.Context, /, numbers: tuple[int, ...], view: View) -> None:
    """List the VMs of leases, by default of all that are not over: where each is, what it is to do, what it does."""
    with client_of(ctx) as client:

        def fetch() -> list[Any]:
            leases = numbers or [lease["id"] for lease in client.all_leases(active=True)]
            return [{**each, "name": f"{each['lease']}.{each['vm']}"} for lease in leases for each in client.vms(lease)]

        show_rows(view, VMS, fetch, "there are no VMs")


def _order(name: str, says: str, more: str, question: str) -> click.Command:
    @click.argument("vms", metavar="LEASE.VM...", nargs=-1, required=True)
    @order_options
    @click.pass_context
    def command(ctx: click.Context, /, vms: tuple[str, ...], view: View, **how: Any) -> None:
        pairs = [_parsed(text) for text in vms]
        with client_of(ctx) as client:
            orders = [partial(client.order_lease, lease, name, vm=number) for lease, number in pairs]
            give(ctx, view, orders, question=f"{question} {named('VM', vms)}?", **how)

    return vm.command(name, help=f"{says}\n\n{more}", short_help=says)(command)


stop = _order("stop", "Stop single VMs of leases for good.", "With its last VM, a lease is done.", "Stop")
restart = _order("restart", "Start single VMs of leases over.", "What is not on disk is lost.", "Start over")


def _parsed(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,15})\.([0-9]{1,6})", text, re.ASCII)
    if found is None:
        fail(f"{text!r} is not LEASE.VM, such as 7.2")
    return int(found[1]), int(found[2])


@click.group(cls=LiveGroup, short_help="List VMs that nobody knows.")
def stray() -> None:
    """Look at VMs that run on hosts and are no lease's. What they use counts as used."""


@stray.command("list", short_help="List VMs that nobody knows.")
@list_options
@click.pass_context
def list_strays(ctx: click.Context, view: View) -> None:
    """List the VMs that are no lease's, as the platform shows them now."""
    with client_of(ctx) as client:
        show_rows(view, STRAYS, client.strays, "there are no strays")


@click.command(cls=LiveCommand, short_help="Take VMs that nobody knows as a lease.")
@click.argument("strays", metavar="STRAY...", nargs=-1, required=True)
@click.option("-d", "--duration", metavar="LENGTH", required=True, help="For how long from now on: 2h, unlimited.")
@click.option("--owner", metavar="USER", shell_complete=complete.users, help="Whose it is; yours if not given.")
@click.option("--group", metavar="GROUP", default="", shell_complete=complete.groups, help="On whose account.")
@click.option("--name", metavar="NAME", default="", help="A name for it.")
@click.option("--preemptible", is_flag=True, help="It may have to give way.")
@order_options
@click.pass_context
def adopt(ctx: click.Context, /, strays: tuple[str, ...], duration: str, view: View, **given: Any) -> None:
    """Take STRAYs as one lease, which runs where they are; haizea stray list shows them."""
    try:
        length = parse_lease_length(duration)
    except ValueError as error:
        fail(f"--duration: {error}")
    wanted = {
        "strays": list(strays),
        "duration": "unlimited" if length is None else length / SECOND,
        **{name: given.pop(name) for name in ("owner", "group", "name", "preemptible")},
    }
    with client_of(ctx) as client:
        give(ctx, view, [partial(client.adopt, wanted)], **given)
