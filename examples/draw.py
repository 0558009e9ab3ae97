"""Draw a schedule from the results of ``haizea simulate``: an example of a program of your own that reads them.

    haizea simulate examples/first.lwf --config examples/first.toml --output build/first
    python examples/draw.py build/first                            on the terminal
    python examples/draw.py build/first --svg schedule.svg "Title" as a picture, for a few dozen hosts at most

What the columns of the two files mean is told in docs/guide/simulating.md.
"""

import csv
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from haizea.report.svg import gantt_svg
from haizea.report.terminal import gantt_text

Reservation = tuple[int, str, int, str, int, int, str]
"""Lease, kind, host (by its position), VMs, start, end (milliseconds since 1970), outcome."""


def rows(file: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file, each by column."""
    with file.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def milliseconds(instant: str) -> int:
    """Return an instant in ISO 8601 as milliseconds since 1970."""
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def natural(name: str) -> list[tuple[int, str]]:
    """Return what names are sorted by so that host-10 comes after host-9."""
    return [(int(digits or 0), text) for text, digits in re.findall(r"(\D+)|(\d+)", name)]


def draw(folder: Path, title: str | None = None) -> str:
    """Draw the schedule in a folder of results: as SVG under a title, without one as text for the terminal."""
    types = {int(row["id"]): row["type"] for row in rows(folder / "leases.csv")}
    happened = list(rows(folder / "reservations.csv"))
    if not happened:
        return "Nothing ran.\n"
    hosts = sorted({row["host"] for row in happened}, key=natural)
    number = {name: i for i, name in enumerate(hosts)}
    reservations: list[Reservation] = [
        (
            int(row["lease"]),
            row["kind"],
            number[row["host"]],
            row["vms"],
            milliseconds(row["start"]),
            milliseconds(row["end"]),
            row["outcome"],
        )
        for row in happened
    ]
    start, end = min(row[4] for row in reservations), max(row[5] for row in reservations)
    if title is not None:
        return gantt_svg(hosts, reservations, types, start, end, title=title)
    width = min(shutil.get_terminal_size((100, 24)).columns, 160)
    plain = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    return gantt_text(hosts, reservations, types, start, end, width, ascii_only=plain)


def main(arguments: list[str]) -> None:
    """Draw what the command line asks for."""
    if len(arguments) == 1:
        sys.stdout.write(draw(Path(arguments[0])))
    elif len(arguments) == 4 and arguments[1] == "--svg":
        Path(arguments[2]).write_text(draw(Path(arguments[0]), arguments[3]), encoding="utf-8")
    else:
        sys.exit("usage: draw.py FOLDER [--svg FILE TITLE]")


if __name__ == "__main__":
    main(sys.argv[1:])
