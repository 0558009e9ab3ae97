"""Printing tables: with rich on a terminal, aligned text elsewhere, and JSON or CSV for programs."""

import sys
from collections.abc import Sequence
from typing import NamedTuple, TextIO

Row = Sequence[str]


class Block(NamedTuple):
    """A small table with a title; ``headers`` may be empty. All columns but the first are set to the right.

    With ``texts``, all columns are set to the left.
    """

    title: str
    rows: Sequence[Row]
    headers: Row = ()
    texts: bool = False


def print_blocks(blocks: Sequence[Block], stream: TextIO | None = None) -> None:
    """Print tables one below the other."""
    stream = sys.stdout if stream is None else stream
    if stream.isatty():
        _print_rich(blocks, stream)
    else:
        stream.write("\n".join(_plain(block) for block in blocks))


def print_rows(headers: Row, rows: Sequence[Row], output_format: str) -> None:
    """Print rows as a ``table``, as ``json`` (a list of objects) or as ``csv``."""
    if output_format == "json":
        import json

        sys.stdout.write(json.dumps([dict(zip(headers, row, strict=True)) for row in rows], indent=2) + "\n")
    elif output_format == "csv":
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(headers)
        writer.writerows(rows)
    else:
        print_blocks([Block("", rows, headers, texts=True)])


def _plain(block: Block) -> str:
    rows = [list(row) for row in ([block.headers] if block.headers else [])] + [list(row) for row in block.rows]
    widths = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(_columns(rows))]
    lines = [block.title] if block.title else []
    indent = "  " if block.title else ""
    for row in rows:
        cells = [
            cell.ljust(width) if index == 0 or block.texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines) + "\n"


def _columns(rows: Sequence[Row]) -> int:
    return max((len(row) for row in rows), default=0)


def _print_rich(blocks: Sequence[Block], stream: TextIO) -> None:
    # Importing rich takes longer than scheduling a small workload: only where its colours are seen.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream)
    for block in blocks:
        if block.title:
            console.print(Text(block.title, style="bold"))
        table = Table(
            box=box.SIMPLE_HEAD if block.headers else None,
            show_header=bool(block.headers),
            show_edge=False,
            pad_edge=False,
        )
        for index in range(_columns([*([block.headers] if block.headers else []), *block.rows])):
            header = block.headers[index] if index < len(block.headers) else ""
            table.add_column(header, justify="left" if index == 0 or block.texts else "right", overflow="fold")
        for row in block.rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
        console.print()
