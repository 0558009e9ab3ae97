"""The tutorial does what it says: its files are written, its commands run, and its tables compared with the results."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import split

import pytest

TUTORIAL = (Path(__file__).resolve().parent.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
FILE = re.compile(r"as `([\w.]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
RUN = re.compile(r"```sh\nhaizea (.*?)\n```\n\n(\| lease .*?)\n\n", re.DOTALL)
HAIZEA = [sys.executable, "-c", "import sys; from haizea.cli.main import main; sys.exit(main())"]


def claims(table: str) -> list[list[str]]:
    """Return the cells of the rows of a Markdown table."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def results(folder: Path) -> Iterator[list[str]]:
    """Yield what the tutorial's tables show of each lease; of instants they show the time of the day."""
    with (folder / "leases.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            times = [row[column][11:19] for column in ("started", "ended")]
            yield [row["id"], row["type"], row["state"], times[0], times[1] if row["state"] == "done" else ""]


@pytest.mark.parametrize(("command", "table"), RUN.findall(TUTORIAL))
def test_tutorial(command: str, table: str, tmp_path: Path) -> None:
    """Each command of the tutorial gives the leases the fate that the table below it tells."""
    for name, text in FILE.findall(TUTORIAL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    arguments = split(command)
    subprocess.run([*HAIZEA, *arguments], cwd=tmp_path, check=True, timeout=60)
    output = tmp_path / arguments[arguments.index("--output") + 1]
    assert list(results(output)) == claims(table)
