"""``haizea queue``: who waits, in which order, why, and until when."""

import click

from haizea.cli.live.common import LiveCommand, client_of, list_options
from haizea.cli.live.lease_words import QUEUE
from haizea.cli.live.output import View, show_rows


@click.command(cls=LiveCommand, short_help="Show who waits, why, and until when.")
@list_options
@click.pass_context
def queue(ctx: click.Context, view: View) -> None:
    """Show the queue: who waits, in which order, why, and when each is expected to start.

    Expected starts suppose that all run as long as they asked for.
    """
    with client_of(ctx) as client:
        show_rows(view, QUEUE, lambda: client.queue()["items"], "nobody waits")
