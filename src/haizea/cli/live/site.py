"""What the site has to give and goes by: ``haizea calendar``, ``policies``, ``configuration``, ``whoami``."""

from typing import Any, Final

import click

from haizea.cli.live.common import LiveCommand, client_of, document_options, list_options
from haizea.cli.live.output import Column, View, show_document, show_rows
from haizea.cli.live.words import amounts, at, listed, truth

CALENDAR: Final = (
    Column("from", "at", at),
    Column("until", "until", at),
    Column("free", "free", amounts),
    Column("used", "used", amounts),
)

POLICIES: Final = (
    Column("kind", "kind"),
    Column("name", "name"),
    Column("chosen", "chosen", truth),
    Column("what_it_does", "summary"),
)

CONFIGURATION: Final = (Column("option", "option"), Column("value", "value"))

WHO: Final = (
    Column("user", "user"),
    Column("role", "role"),
    Column("groups", "groups", lambda groups: listed(groups or [])),
    Column("scopes", "scopes", lambda scopes: listed(scopes or []) or "all that the role may"),
    Column("by", "via"),
)


@click.command(cls=LiveCommand, short_help="Show how much is free, and when.")
@click.option("--from", "start", metavar="TIME", help="From when: now where not given, 'tomorrow 08:00'.")
@click.option("--to", "end", metavar="TIME", help="Until when; a week ahead where not given.")
@list_options
@click.pass_context
def calendar(ctx: click.Context, /, view: View, start: str | None, end: str | None) -> None:
    """Show how much of the site is free, and from when until when, as far as is planned.

    What is added up over all hosts may be in pieces: haizea lease request --dry-run says whether a lease would fit.
    """
    from haizea.cli.live.present import past_text

    with client_of(ctx) as client:
        first = None if start is None else past_text(client, start, "--from")
        last = None if end is None else past_text(client, end, "--to")

        def fetch() -> list[Any]:
            samples = list(client.calendar(first, last)["samples"])
            ends = [each["at"] for each in samples[1:]] + [last]
            return [{**each, "until": until} for each, until in zip(samples, ends, strict=True)]

        show_rows(view, CALENDAR, fetch, "nothing is planned then")


@click.command(cls=LiveCommand, short_help="List the server's policies, and which it goes by.")
@click.option("--chosen", is_flag=True, help="Only those that it goes by.")
@list_options
@click.pass_context
def policies(ctx: click.Context, /, view: View, chosen: bool) -> None:
    """List the policies that the server has, and which of them it goes by now.

    haizea policy list shows those of this machine, and needs no server.
    """
    with client_of(ctx) as client:

        def fetch() -> list[Any]:
            return [each for each in client.policies() if each["chosen"] or not chosen]

        show_rows(view, POLICIES, fetch, "there are no such policies")


@click.command(cls=LiveCommand, short_help="Show the settings that the server runs with.")
@click.argument("section", required=False, metavar="[SECTION]")
@list_options
@click.pass_context
def configuration(ctx: click.Context, /, view: View, section: str | None) -> None:
    """Show the settings that the server runs with now, of one SECTION or all; without secrets.

    haizea config show tells what a file comes to, and needs no server.
    """
    with client_of(ctx) as client:

        def fetch() -> list[Any]:
            found = client.configuration()
            if section is not None and section not in found:
                raise click.UsageError(f"there is no section {section!r}; there are {', '.join(found)}")
            return [
                {"option": f"{name}.{key}", "value": value}
                for name, values in found.items()
                if section in (None, name)
                for key, value in values.items()
            ]

        show_rows(view, CONFIGURATION, fetch, "nothing is set")


@click.command(cls=LiveCommand, short_help="Show whom the server takes you for.")
@document_options
@click.pass_context
def whoami(ctx: click.Context, /, view: View) -> None:
    """Show whom the server takes you for, what you may do there, and how it knows."""
    with client_of(ctx) as client:
        show_document(view, WHO, client.whoami)
