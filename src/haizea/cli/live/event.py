"""``haizea event``: the journal, of what was and as it is written."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import click

from haizea.cli.live import complete
from haizea.cli.live.common import TIMED_OUT, LiveGroup, client_of, list_options
from haizea.cli.live.lease import LEASE_ID, LIMIT_MAX
from haizea.cli.live.lease_words import EVENTS
from haizea.cli.live.output import View, show_rows, write
from haizea.cli.live.words import at, clean

NUMBER = click.IntRange(0, (1 << 63) - 1)


@click.group(cls=LiveGroup, short_help="List and follow events.")
def event() -> None:
    """Look at the journal: what happened, when, who did it."""


def wanted_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which events are wanted."""
    for option in (
        click.option("--host", metavar="HOST", help="Only about this host.", shell_complete=complete.hosts),
        click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only of this kind; may be repeated."),
        click.option("--lease", type=LEASE_ID, metavar="LEASE", help="Only about this lease.",
                     shell_complete=complete.leases),
    ):  # fmt: skip
        command = option(command)
    return command


@event.command("list", short_help="List the latest events.")
@wanted_options
@click.option("--after", type=NUMBER, metavar="NUMBER", help="Those after this one, instead of the latest.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=50, show_default=True,
              help="The newest so many, or with --after the first so many.")  # fmt: skip
@list_options
@click.pass_context
def list_events(ctx: click.Context, /, view: View, after: int | None, limit: int, **wanted: Any) -> None:
    """List the latest events, or those --after one, in order."""
    with client_of(ctx) as client:
        show_rows(view, EVENTS, lambda: _listed(client, after, limit, wanted), "there are no such events")


def _listed(client: Any, after: int | None, limit: int, wanted: dict[str, Any]) -> list[Any]:
    if after is not None:
        found: Iterator[Any] = client.all_events(after, **wanted)
        return [entry for entry, _ in zip(found, range(limit), strict=False)]
    newest, back = client.status()["entries"], limit
    while True:
        # Not all that is there is wanted, or for everybody to see: then one has to look further back.
        begin = max(newest - back, 0)
        latest = deque(client.all_events(begin, **wanted), maxlen=limit)
        if len(latest) == limit or not begin:
            return list(latest)
        back *= 4


@event.command(short_help="Print events as they happen.")
@wanted_options
@click.option("--after", type=NUMBER, metavar="NUMBER", help="Begin after this one, not with what comes.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many.")
@click.option("--time-limit", metavar="LENGTH", help="End after 90s, 10m; exit status 6 then.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="json: an object a line.")  # fmt: skip
@click.pass_context
def follow(
    ctx: click.Context, /, after: int | None, count: int | None, time_limit: str | None, output: str, **wanted: Any
) -> None:
    """Print events as they happen, until interrupted.

    Where the connection breaks, it is made again, and no event is missed or printed twice.
    """
    from haizea.cli.live.present import length_option

    limit_s = length_option(time_limit, "--time-limit")
    until = None if limit_s is None else monotonic() + limit_s
    idle_s = 15.0 if limit_s is None else min(15.0, max(limit_s, 0.05))
    with client_of(ctx) as client:
        try:
            for entry in client.follow(after, **wanted, idle_s=idle_s):
                if entry is not None:
                    write(json.dumps(entry) + "\n" if output == "json" else line(entry) + "\n")
                    count = None if count is None else count - 1
                if count == 0:
                    return
                if until is not None and monotonic() >= until:
                    ctx.exit(TIMED_OUT)
        except KeyboardInterrupt:
            return


def line(entry: Any) -> str:
    """Write an event in one line."""
    about = [f"lease {entry['lease']}"] if entry["lease"] is not None else []
    about += [str(entry["host"])] if entry["host"] else []
    where = f" {', '.join(about)}:" if about else ""
    return clean(f"{at(entry['at'])} #{entry['number']} {entry['kind']}{where} {entry['text']} ({entry['actor']})")
