"""``haizea token``: secrets with which programs and people at other machines say who they are."""

from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, answer_options, client_of, confirmed, list_options, say, yes_option
from haizea.cli.live.output import Column, View, rows_text, show_rows, write
from haizea.cli.live.words import at, clean

TOKENS: Final = (
    Column("id", "id"),
    Column("user", "user"),
    Column("label", "label"),
    Column("scopes", "scopes", lambda scopes: ",".join(scopes or []) or "all"),
    Column("created", "created", at),
    Column("expires", "expires", lambda when: at(when) or "never"),
    Column("revoked", "revoked", at),
)


@click.group(cls=LiveGroup, short_help="Make, list and revoke tokens.")
def token() -> None:
    """Look after tokens: secrets that say who asks, where no Unix user can."""


@token.command(short_help="Make a token and print its secret, once.")
@click.option("--user", metavar="USER", help="Whose it is; your own where not given.", shell_complete=complete.users)
@click.option("--label", metavar="TEXT", default="", help="What it is for.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE",
              help="All it may be used for: read, lease, operate, admin, or a verb such as lease.request.")  # fmt: skip
@click.option("--expires", metavar="TIME", help="+30d, '2026-12-31 00:00', never. [default: in 90 days]")
@answer_options
@click.pass_context
def create(
    ctx: click.Context, view: View, user: str | None, label: str, scopes: tuple[str, ...], expires: str | None
) -> None:
    """Make a token. Its secret alone goes to standard output, this once: HAIZEA_TOKEN=$(haizea token create)."""
    with client_of(ctx) as client:
        request: dict[str, Any] = {"label": label, "scopes": list(scopes)}
        if user is not None:
            request["user"] = user
        if expires is not None:
            request["expires"] = _expires(client, expires)
        made = client.make_token(request)
    if not view.for_people:
        write(rows_text(view, TOKENS, [made], single=True))
        return
    say(f"token {made['id']} of {made['user']}, expires {at(made['expires']) or 'never'}; its secret, this once:")
    write(f"{clean(made['secret'] or '')}\n")


def _expires(client: Any, text: str) -> str:
    from haizea.cli.live.present import start_text

    return "never" if text.strip().lower() == "never" else start_text(client, text, "--expires")


@token.command("list", short_help="List tokens, without their secrets.")
@click.option("--user", metavar="USER", help="Only of this user.", shell_complete=complete.users)
@list_options
@click.pass_context
def list_tokens(ctx: click.Context, view: View, user: str | None) -> None:
    """List tokens, without their secrets."""
    with client_of(ctx) as client:
        show_rows(view, TOKENS, lambda: client.tokens(user), "there are no tokens")


@token.command(short_help="Make a token worthless.")
@click.argument("number", metavar="TOKEN", shell_complete=complete.tokens)
@yes_option
@click.pass_context
def revoke(ctx: click.Context, number: str, yes: bool) -> None:
    """Make a TOKEN, named by its id, worthless at once."""
    with client_of(ctx) as client:
        confirmed(f"Revoke token {number}?", yes)
        client.revoke_token(number)
    say(f"token {number} was revoked")
