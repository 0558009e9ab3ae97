"""``haizea schedule``: the schedule as a picture in the terminal, or its bars for programs."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveCommand, client_of, list_options
from haizea.cli.live.output import Column, View, colours, repeated, show_rows, terminal_size, write
from haizea.cli.live.words import at, until
from haizea.client.errors import BadAnswer
from haizea.model.units import Span

LINES_ELSEWHERE: Final = 60
"""Where standard output is no terminal, longer pictures are folded."""

WIDTH_ELSEWHERE: Final = 100
WIDTH_MAX: Final = 1_000

BARS: Final = (
    Column("host", "host_name"),
    Column("lease", "lease", right=True),
    Column("type", "type"),
    Column("kind", "kind"),
    Column("start", "start", at),
    Column("end", "end", at),
    Column("vms", "vms"),
)


@click.command(cls=LiveCommand, short_help="Draw the schedule: hosts × time.")
@click.option("--from", "start", metavar="TIME", help="Where it begins: 08:00, yesterday, -2h.")
@click.option("--to", "end", metavar="TIME", help="Where it ends: +12h, 'tomorrow 18:00'.")
@click.option("--host", "patterns", multiple=True, metavar="NAME", shell_complete=complete.hosts,
              help="Only these hosts; * stands for anything. May be repeated.")  # fmt: skip
@click.option(
    "--fold/--no-fold",
    default=None,
    help="Hosts that do the same share a row; without either, where the picture is too long.",
)
@click.option("--pager/--no-pager", default=True, show_default=True, help="Page through a long picture.")
@click.option("--width", type=click.IntRange(40, WIDTH_MAX), metavar="COLUMNS", help="How wide it is drawn.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Only ASCII characters.")
@list_options
@click.pass_context
def schedule(ctx: click.Context, /, view: View, start: str | None, end: str | None, **look: Any) -> None:
    """Draw what ran, runs and is planned to run: hosts × time, with a line for now.

    What is right of the line is planned, and may change. Times are local. In -o json, yaml and csv, one bar a row.
    """
    from haizea.cli.live.present import past_text

    with client_of(ctx) as client:
        first = None if start is None else past_text(client, start, "--from")
        last = None if end is None else past_text(client, end, "--to")
        if not view.for_people:
            show_rows(view, BARS, lambda: _rows(client.schedule(first, last), look["patterns"]))
            return
        if view.watch is None and look["pager"] and sys.stdout.isatty():
            text = _picture(client.schedule(first, last), look, cut=False)
            if text.count("\n") > terminal_size()[1]:
                click.echo_via_pager(text)
            else:
                write(text)
            return
        repeated(view.watch, lambda: _picture(client.schedule(first, last), look, cut=view.watch is not None))


def _rows(found: Mapping[str, Any], patterns: tuple[str, ...]) -> list[dict[str, Any]]:
    wanted = set(_hosts(found, patterns))
    named = [{**bar, "host_name": found["hosts"][bar["host"]]} for bar in found["bars"]]
    return [bar for bar in named if bar["host_name"] in wanted]


def _hosts(found: Mapping[str, Any], patterns: tuple[str, ...]) -> list[str]:
    hosts: list[str] = found["hosts"]
    return [name for name in hosts if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def _picture(found: Mapping[str, Any], look: Mapping[str, Any], *, cut: bool) -> str:
    from haizea.cli.live.gantt import Look, drawing

    hosts = _hosts(found, look["patterns"])
    if not hosts:
        raise click.UsageError("there are no such hosts (haizea host list shows them)")
    columns, height = terminal_size() if sys.stdout.isatty() else (WIDTH_ELSEWHERE, LINES_ELSEWHERE)
    drawn = Look(look["width"] or columns, look["ascii_only"], colours(), bool(look["fold"]), _offset(found["now"]))
    try:
        lines = drawing(found, hosts, drawn)
        if look["fold"] is None and len(lines) + 1 > height:
            lines = drawing(found, hosts, drawn._replace(fold=True))
    except ValueError as error:
        raise BadAnswer(f"the server's schedule makes no sense: {error}") from error
    title = f"{at(found['start'])} to {until(found['start'], found['end'])}, now {at(found['now'])}"
    lines = [title, *lines]
    if cut and sys.stdout.isatty() and len(lines) > height - 1:
        left_out = len(lines) - height + 2
        lines = [*lines[: height - 2], f"{left_out} lines more: make the window larger, or say which --host"]
    return "\n".join(lines) + "\n"


def _offset(now: str) -> Span:
    from datetime import datetime

    # Of the present, for the whole picture: an axis has no place for an hour that is missing.
    offset = datetime.fromisoformat(now).astimezone().utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)
