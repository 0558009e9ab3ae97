"""Tables of measured figures, as text for people and as values for programs."""

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

Row = dict[str, str | int | float | None]


class Column(NamedTuple):
    """A column: the key of its figures in a row, its heading, and how its figures are formatted."""

    key: str
    heading: str
    form: str = ""


BACKFILLING: Final = Column("backfilling", "backfilling")
MEMORY: Final = Column("memory_mb", "peak MB", ",.0f")
SIZE: Final = (Column("hosts", "hosts", ","), Column("reservations", "reservations", ","))
TIMES: Final = (Column("median_us", "median us", ",.0f"), Column("p99_us", "p99 us", ",.0f"))
GOALS: Final = (Column("floor_us", "floor us", ",.0f"), Column("target_us", "target us", ",.0f"))
COST: Final = (Column("leases", "leases", ","), Column("cpu_s", "CPU s", ".2f"))
RATE: Final = Column("rate", "leases/s", ",.0f")
SCHEDULE: Final = (Column("wait_s", "mean wait s", ",.1f"), Column("slowdown", "mean b.sld.", ",.3f"))


class Result(NamedTuple):
    """What a benchmark has found out: a table, with notes for those who read it."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()


def render(result: Result) -> str:
    """Return a result as plain text: names to the left, figures to the right."""
    cells = [[_cell(row.get(column.key), column.form) for column in result.columns] for row in result.rows]
    headings = [column.heading for column in result.columns]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    lines = [f"{result.title}", ""]
    for line in (headings, ["-" * width for width in widths], *cells):
        padded = [
            text.rjust(width) if column.form else text.ljust(width)
            for text, width, column in zip(line, widths, result.columns, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    lines += ["", *result.notes] if result.notes else []
    return "\n".join(lines) + "\n"


def _cell(value: str | float | None, form: str) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else format(value, form)


def tell(text: str) -> None:
    """Say on standard error what is being measured."""
    print(text, file=sys.stderr, flush=True)
