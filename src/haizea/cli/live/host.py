"""``haizea host``: the machines of the site."""

from typing import Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, client_of, document_options, list_options
from haizea.cli.live.output import Column, View, show_document, show_rows
from haizea.cli.live.words import amounts, at, listed

HOSTS: Final = (
    Column("id", "id", right=True),
    Column("name", "name"),
    Column("state", "state"),
    Column("used", "used", amounts),
    Column("capacity", "capacity", amounts),
    Column("leases", "leases", lambda leases: listed(leases or [])),
    Column("next_lease", "next_lease", right=True, wide=True),
    Column("starts", "next_start", at, wide=True),
    Column("labels", "labels", wide=True),
)


@click.group(cls=LiveGroup, short_help="List and show hosts.")
def host() -> None:
    """Look at the hosts: what they have, what they do."""


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
    """Show a HOST, by name or number."""
    whole = view if view.output != "table" or view.columns else view._replace(output="wide")
    with client_of(ctx) as client:
        show_document(whole, HOSTS, lambda: client.host(name))
