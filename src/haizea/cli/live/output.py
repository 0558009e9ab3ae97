"""Rows and documents on standard output: as tables for people, as JSON, YAML or CSV for programs, once or watched."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from time import sleep
from typing import Any, Final, NamedTuple

import click

from haizea.cli.live.words import clean, plain
from haizea.client.errors import ConnectionBroken, ServerGone, TimedOut

Row = Mapping[str, Any]

FORMATS: Final = ("table", "wide", "json", "yaml", "csv")
CLEAR: Final = "\x1b[H\x1b[2J"
BOLD: Final = "\x1b[1m"
RESET: Final = "\x1b[0m"


class Column(NamedTuple):
    """A column: its name, where its value is in a document (``a.b``), how people read it.

    ``wide`` columns are left out of plain tables. Numbers are set to the ``right``. ``cell`` is what programs get of
    the value where that is not the value itself.
    """

    name: str
    path: str
    text: Callable[[Any], str] = plain
    wide: bool = False
    right: bool = False
    cell: Callable[[Any], Any] | None = None

    def of(self, document: Any) -> Any:
        """Return what programs get of a document."""
        found = value_at(document, self.path)
        return found if self.cell is None else self.cell(found)


class View(NamedTuple):
    """What of the answers is shown, and how."""

    output: str = "table"
    columns: tuple[str, ...] = ()
    filters: tuple[tuple[str, str, bool], ...] = ()
    watch: float | None = None

    @property
    def for_people(self) -> bool:
        """Whether people read it."""
        return self.output in ("table", "wide")


def show_rows(view: View, columns: Sequence[Column], fetch: Callable[[], Sequence[Row]], nothing: str = "") -> None:
    """Show a list, again and again where it is watched. People are told ``nothing`` where it is empty.

    Raises:
        click.UsageError: a column or filter names what is not there.
    """
    chosen = _chosen(view, columns)

    def text() -> str:
        items = kept(fetch(), view.filters, columns)
        if not items and nothing and view.for_people and view.watch is None:
            click.echo(nothing, err=True)
            return ""
        return rows_text(view, chosen, items)

    repeated(view.watch, text)


def show_document(view: View, columns: Sequence[Column], fetch: Callable[[], Row], *, more: str = "") -> None:
    """Show one document, as names and values for people; ``more`` names a list of texts in it that stand below.

    Raises:
        click.UsageError: a column names what is not there.
    """
    chosen = _chosen(view, columns)

    def text() -> str:
        document = fetch()
        if not view.for_people:
            return rows_text(view, chosen, [document], single=True)
        pairs = [
            (column.name.replace("_", " "), clean(column.text(value_at(document, column.path)))) for column in chosen
        ]
        below = [clean(str(line)) for line in document.get(more, [])] if more else []
        return aligned([pair for pair in pairs if pair[1]]) + "".join(f"{line}\n" for line in below)

    repeated(view.watch, text)


def repeated(seconds: float | None, text: Callable[[], str]) -> None:
    """Write a text; with ``seconds``, again and again until interrupted, in the same place on a terminal."""
    write(text())
    if seconds is None:
        return
    try:
        while True:
            sleep(seconds)
            try:
                made = text()
            except (ServerGone, ConnectionBroken, TimedOut) as error:
                # Who watches wants to see the server come back.
                made = f"{clean(str(error))}\n"
            write(made, CLEAR if sys.stdout.isatty() else "\n")
    except KeyboardInterrupt:
        return


def write(text: str, before: str = "") -> None:
    """Write to standard output at once; what its encoding lacks becomes ``?``."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(before + text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def rows_text(view: View, columns: Sequence[Column], items: Sequence[Row], *, single: bool = False) -> str:
    """Return rows as a table, JSON, YAML or CSV. JSON and YAML hold whole documents unless columns were chosen."""
    if view.for_people:
        return table([[column.text(value_at(item, column.path)) for column in columns] for item in items], columns)
    if view.output == "csv":
        return _csv(columns, items)
    whole: list[Any] = [dict(item) for item in items]
    if view.columns:
        whole = [{column.name: column.of(item) for column in columns} for item in items]
    found = whole[0] if single else whole
    return json_text(found) if view.output == "json" else _yaml(found)


def json_text(found: Any) -> str:
    """Return JSON in which nothing steers a terminal."""
    import json

    return json.dumps(found, indent=2) + "\n"


def _yaml(found: Any) -> str:
    from importlib import import_module

    try:
        yaml = import_module("yaml")
    except ImportError as error:
        raise click.UsageError("-o yaml needs PyYAML (the package pyyaml)") from error
    # Escaped as in JSON: some of what Unicode has turns text round.
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=False))


def _csv(columns: Sequence[Column], items: Sequence[Row]) -> str:
    import csv
    from io import StringIO

    # On a terminal a cell could steer it; a program gets what the server said.
    shown = clean if sys.stdout.isatty() else str
    made = StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([[shown(_cell(column.of(item))) for column in columns] for item in items])
    return made.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else plain(value)


def table(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> str:
    """Return rows as aligned text; on a terminal, the header is bold and lines are cut at its width."""
    cells = [[clean(cell) for cell in row] for row in rows]
    headers = [column.name.replace("_", " ") for column in columns]
    widths = [max(len(row[i]) for row in [headers, *cells]) for i in range(len(headers))]
    lines = []
    for row in [headers, *cells]:
        placed = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        lines.append("  ".join(placed).rstrip())
    if sys.stdout.isatty():
        lines = [fitted(line, terminal_size()[0]) for line in lines]
        if colours():
            lines[0] = f"{BOLD}{lines[0]}{RESET}"
    return "".join(f"{line}\n" for line in lines)


def aligned(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and values, the values below each other."""
    width = max((len(name) for name, _ in pairs), default=0)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in pairs)


def fitted(line: str, width: int) -> str:
    """Return a line cut to a width, with a mark where something is missing."""
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def terminal_size() -> tuple[int, int]:
    """Return the columns and lines of the terminal."""
    from shutil import get_terminal_size

    found = get_terminal_size((100, 40))
    return found.columns, found.lines


def colours() -> bool:
    """Whether standard output shows colours and the user wants them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def value_at(document: Any, path: str) -> Any:
    """Return what is at a path such as ``reason.text`` or ``plan.0.hosts``; None where there is nothing."""
    found = document
    for name in path.split(".") if path else ():
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def kept(items: Sequence[Row], filters: Sequence[tuple[str, str, bool]], columns: Sequence[Column]) -> Sequence[Row]:
    """Return the items that every filter lets through: ``(key, pattern, wanted)``.

    A key is a column or a path. ``*`` in a pattern stands for anything; of a list, one element is enough.

    Raises:
        click.UsageError: a key is neither.
    """
    paths = {column.name: column.path for column in columns}
    for key, pattern, wanted in filters:
        path = paths.get(key, key)
        if items and not any(path.split(".")[0] in item for item in items):
            raise click.UsageError(f"--filter {clean(key)}: there is no such column; there are {', '.join(paths)}")
        items = [item for item in items if _matches(value_at(item, path), pattern) == wanted]
    return items


def _matches(value: Any, pattern: str) -> bool:
    if isinstance(value, list | Mapping):
        return any(_matches(each, pattern) for each in value)
    return fnmatchcase(_cell(value).lower(), pattern.lower())


def _chosen(view: View, columns: Sequence[Column]) -> Sequence[Column]:
    if not view.columns:
        return [column for column in columns if not column.wide or view.output != "table"]
    known = {column.name: column for column in columns}
    chosen = []
    for name in view.columns:
        if name not in known and "." not in name:
            raise click.UsageError(f"--columns: there is no column {clean(name)}; there are {', '.join(known)}")
        chosen.append(known.get(name, Column(name, name)))
    return chosen
