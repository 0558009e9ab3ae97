"""``haizea webhook``: where the journal is sent."""

from typing import Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, answer_options, client_of, confirmed, list_options, say, yes_option
from haizea.cli.live.output import Column, View, rows_text, show_rows, write
from haizea.cli.live.words import at, clean, truth

WEBHOOKS: Final = (
    Column("id", "id", right=True),
    Column("owner", "owner"),
    Column("url", "url"),
    Column("kinds", "kinds", lambda kinds: ",".join(kinds or []) or "all"),
    Column("created", "created", at),
    Column("sent_up_to", "cursor", right=True),
    Column("failures", "failures", right=True),
    Column("disabled", "disabled", truth),
)


@click.group(cls=LiveGroup, short_help="Add, list and remove webhooks.")
def webhook() -> None:
    """Have events sent to a URL as they happen, signed, until they have arrived."""


@webhook.command(short_help="Have events sent to a URL.")
@click.argument("url")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only these; may be repeated.")
@answer_options
@click.pass_context
def add(ctx: click.Context, url: str, kinds: tuple[str, ...], view: View) -> None:
    """Have events sent to URL. The secret that signs them alone goes to standard output, this once."""
    with client_of(ctx) as client:
        made = client.add_webhook({"url": url, "kinds": list(kinds)})
    if not view.for_people:
        write(rows_text(view, WEBHOOKS, [made], single=True))
        return
    say(f"webhook {made['id']} to {made['url']}; the secret that its deliveries are signed with is shown this once:")
    write(f"{clean(made['secret'] or '')}\n")


@webhook.command("list", short_help="List the webhooks.")
@list_options
@click.pass_context
def list_webhooks(ctx: click.Context, view: View) -> None:
    """List the webhooks, and how far each has come."""
    with client_of(ctx) as client:
        show_rows(view, WEBHOOKS, client.webhooks, "there are no webhooks")


@webhook.command(short_help="Remove a webhook.")
@click.argument("number", metavar="WEBHOOK", type=click.IntRange(0, (1 << 53) - 1), shell_complete=complete.webhooks)
@yes_option
@click.pass_context
def remove(ctx: click.Context, number: int, yes: bool) -> None:
    """Remove a WEBHOOK: nothing more is sent there."""
    with client_of(ctx) as client:
        confirmed(f"Remove webhook {number}?", yes)
        client.remove_webhook(number)
    say(f"webhook {number} was removed")
