"""``haizea host drain``, ``evacuate`` and all other orders about hosts."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveCommand, client_of, fail
from haizea.cli.live.ordering import give, named, order_options
from haizea.cli.live.output import View
from haizea.cli.live.present import start_text
from haizea.cli.live.values import parse_pair, parse_resource

PERCENT_MAX: Final = 10_000


def hosts_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument HOST..., as ``hosts``."""
    argument = click.argument("hosts", metavar="HOST...", nargs=-1, required=True, shell_complete=complete.hosts)
    return argument(command)


def _plain(name: str, says: str, more: str, question: str = "", *, together: bool = True) -> click.Command:
    """Return a command that takes hosts and says nothing else about them.

    ``together``: it is one order about all of them, for whoever has to leave one of them is not to go to another.
    """

    @hosts_argument
    @order_options
    @click.pass_context
    def command(ctx: click.Context, /, hosts: tuple[str, ...], view: View, **how: Any) -> None:
        with client_of(ctx) as client:
            orders = (
                [partial(client.order_host, hosts[0], name, _others(hosts))]
                if together
                else [partial(client.order_host, host, name) for host in hosts]
            )
            give(ctx, view, orders, question=f"{question} {named('host', hosts)}?" if question else "", **how)

    return click.command(name, cls=LiveCommand, help=f"{says}\n\n{more}".strip(), short_help=says)(command)


def _others(hosts: Sequence[str]) -> dict[str, Any]:
    return {"also": list(hosts[1:])} if len(hosts) > 1 else {}


evacuate = _plain(
    "evacuate", "Empty hosts now.",
    "Whoever is on them migrates, is suspended or goes back to the queue; who cannot is told of. Where there are "
    "several, nobody goes from one of them to another.", "Empty",
)  # fmt: skip
disable = _plain("disable", "Keep hosts out of all planning.", "Who runs there may finish.")
enable = _plain("enable", "Use hosts again.", "It takes back drain, evacuate, disable and down.", together=False)
down = _plain(
    "down", "Take hosts to have failed.", "Their leases are seen to as if that had been observed.", "Take as failed",
)  # fmt: skip


@click.command(cls=LiveCommand, short_help="Let hosts run empty.")
@hosts_argument
@click.option("--until", metavar="TIME", help="Whoever is still there then has to make way: 18:00, 'tomorrow noon'.")
@order_options
@click.pass_context
def drain(ctx: click.Context, /, hosts: tuple[str, ...], until: str | None, view: View, **how: Any) -> None:
    """Let hosts run empty: they finish what runs, and take nothing new."""
    with client_of(ctx) as client:
        wanted = {"until": None if until is None else start_text(client, until, "--until"), **_others(hosts)}
        give(ctx, view, [partial(client.order_host, hosts[0], "drain", wanted)], **how)


@click.command(cls=LiveCommand, short_help="Give a host labels, or take them away.")
@click.argument("host", shell_complete=complete.hosts)
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@order_options
@click.pass_context
def label(ctx: click.Context, /, host: str, pairs: tuple[str, ...], view: View, **how: Any) -> None:
    """Give a HOST labels, which leases may require or exclude; NAME= takes one away."""
    labels = {name: value or None for name, value in _pairs(pairs)}
    with client_of(ctx) as client:
        give(ctx, view, [partial(client.order_host, host, "label", {"labels": labels})], **how)


@click.command(cls=LiveCommand, short_help="Plan with more of a host, or less, than it has.")
@click.argument("host", shell_complete=complete.hosts)
@click.argument("pairs", metavar="TYPE=PERCENT...", nargs=-1, required=True)
@order_options
@click.pass_context
def overcommit(ctx: click.Context, /, host: str, pairs: tuple[str, ...], view: View, **how: Any) -> None:
    """Plan with so many percent of what a HOST has: CPU=150 is half as much again, CPU=100 just what it has."""
    percent = {}
    for name, text in _pairs(pairs):
        number = text.removesuffix("%").strip()
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= PERCENT_MAX):
            fail(f"{name}: expected 1 to {PERCENT_MAX} percent, not {text!r}")
        percent[name] = int(number)
    with client_of(ctx) as client:
        give(ctx, view, [partial(client.order_host, host, "overcommit", {"percent": percent})], **how)


@click.command(cls=LiveCommand, short_help="Add a host.")
@click.argument("name")
@click.argument("resources", metavar="TYPE=AMOUNT...", nargs=-1, required=True)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of it. May be repeated.")
@order_options
@click.pass_context
def add(
    ctx: click.Context, /, name: str, resources: tuple[str, ...], labels: tuple[str, ...], view: View, **how: Any
) -> None:
    """Add a host NAME, which has so much of everything: CPU=8 (cores), Memory=32G.

    A platform that tells by itself which hosts there are needs no such order.
    """
    capacity = {}
    for text in resources:
        try:
            kind, amount = parse_resource(text)
        except ValueError as error:
            fail(str(error))
        capacity[kind] = amount
    with client_of(ctx) as client:
        give(ctx, view, [partial(client.add_host, name, capacity, dict(_pairs(labels)))], **how)


@click.command(cls=LiveCommand, short_help="Remove hosts.")
@hosts_argument
@order_options
@click.pass_context
def remove(ctx: click.Context, /, hosts: tuple[str, ...], view: View, **how: Any) -> None:
    """Remove hosts from the site; whoever runs there is seen to elsewhere, as if they had failed."""
    with client_of(ctx) as client:
        orders = partial(client.remove_host, hosts[0], also=hosts[1:])
        give(ctx, view, [orders], question=f"Remove {named('host', hosts)}?", **how)


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    try:
        return [parse_pair(text) for text in texts]
    except ValueError as error:
        fail(str(error))
