"""``haizea host``: the machines of the site."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, client_of, document_options, list_options
from haizea.cli.live.output import Column, View, show_document, show_rows
from haizea.cli.live.words import amounts, at, counted, listed

HOSTS: Final = (
    Column("id", "id", right=True),
    Column("name", "name"),
    Column("state", "state"),
    Column("ordered", "ordered", wide=True),
    Column("observed", "observed", wide=True),
    Column("used", "used", amounts),
    Column("capacity", "capacity", amounts),
    Column("leases", "leases", lambda leases: listed(leases or [])),
    Column("next_lease", "next_lease", right=True, wide=True),
    Column("starts", "next_start", at, wide=True),
    Column("labels", "labels", wide=True),
    Column("overcommit", "overcommit", wide=True),
)


_ORDERS: Final = "haizea.cli.live.host_orders"


class HostGroup(LiveGroup):
    """The verbs of hosts."""

    lazy: ClassVar[Mapping[str, tuple[str, str]]] = {
        "drain": (f"{_ORDERS}:drain", "Let hosts run empty."),
        "evacuate": (f"{_ORDERS}:evacuate", "Empty hosts now."),
        "disable": (f"{_ORDERS}:disable", "Keep hosts out of all planning."),
        "enable": (f"{_ORDERS}:enable", "Use hosts again."),
        "down": (f"{_ORDERS}:down", "Take hosts to have failed."),
        "label": (f"{_ORDERS}:label", "Give a host labels, or take them away."),
        "overcommit": (f"{_ORDERS}:overcommit", "Plan with more of a host, or less, than it has."),
        "add": (f"{_ORDERS}:add", "Add a host."),
        "remove": (f"{_ORDERS}:remove", "Remove hosts."),
    }


@click.group(cls=HostGroup, short_help="List and show hosts; drain, evacuate, disable, add and remove them.")
def host() -> None:
    """Look at the hosts, what they have and what they do, and say what they are to be used for."""


@host.command("list", short_help="List the hosts.")
@list_options
@click.pass_context
def list_hosts(ctx: click.Context, view: View) -> None:
    """List the hosts: their state, what is used of them, by which leases."""
    with client_of(ctx) as client:
        show_rows(view, HOSTS, client.hosts, "there are no hosts")


@host.command(short_help="Show one host.")
@click.argument("name", metavar="HOST", shell_complete=complete.hosts)
@document_options
@click.pass_context
def show(ctx: click.Context, name: str, view: View) -> None:
    """Show a HOST, by name or number: what it has, what was ordered and observed of it, how fast it was."""
    whole = view if view.output != "table" or view.columns else view._replace(output="wide")
    with client_of(ctx) as client:

        def fetch() -> dict[str, Any]:
            found = dict(client.host(name))
            return {**found, "lines": [_estimate(each) for each in found.get("estimates") or []]}

        show_document(whole, HOSTS, fetch if view.for_people else lambda: client.host(name), more="lines")


def _estimate(found: Mapping[str, Any]) -> str:
    """Say how fast an operation was measured to be, and what is planned with."""
    image = f" of {found['image']}" if found["image"] else ""
    measured = f"{found['kind']}{image}: measured {found['measured']} {found['unit']}"
    planned = "planned as configured" if found["planned"] is None else f"planned with {found['planned']}"
    return f"{measured} in {counted(found['samples'], 'sample')}, {planned}"
