"""``haizea status``: how the daemon is."""

from collections.abc import Mapping
from typing import Any, Final

import click

from haizea.cli.live.common import LiveCommand, client_of, document_options
from haizea.cli.live.output import Column, View, show_document
from haizea.cli.live.words import at


def _counts(found: Any) -> str:
    if not isinstance(found, Mapping):
        return ""
    return ", ".join(f"{count} {name}" for name, count in found.items() if count) or "none"


def _shares(found: Any) -> str:
    if not isinstance(found, Mapping):
        return ""
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.items())


def _scale(value: Any) -> str:
    return "" if value == 1 else f"{value:g} times as fast as life"


STATUS: Final = (
    Column("version", "version"),
    Column("state", "state"),
    Column("role", "role"),
    Column("active_at", "active_at"),
    Column("now", "now", at),
    Column("started", "started", at),
    Column("time", "time_scale", _scale),
    Column("hosts", "hosts", _counts),
    Column("leases", "leases", _counts),
    Column("queue", "queue"),
    Column("utilisation", "utilisation", _shares),
    Column("next_event", "next_event", at),
    Column("journal_entries", "entries"),
)


@click.command(cls=LiveCommand, short_help="Show how the lease manager is.")
@document_options
@click.pass_context
def status(ctx: click.Context, view: View) -> None:
    """Show how the lease manager is: its state, hosts, leases, what comes next, what it warns of."""
    with client_of(ctx) as client:

        def fetch() -> dict[str, Any]:
            found = dict(client.status())
            if view.for_people:
                found["warning"] = [f"warning: {text}" for text in found["warnings"]]
            return found

        show_document(view, STATUS, fetch, more="warning")
