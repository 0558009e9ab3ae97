"""Tables and progress: on a terminal, elsewhere, and for programs."""

import csv
import io
import json

import pytest

from haizea.cli.progress import Progress, describe
from haizea.cli.summary import blocks, span
from haizea.cli.tables import Block, print_blocks, print_rows
from tests.cli.running import SUMMARY


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (7.46, "7.5 s"), (60, "00:01:00"), (86_399.6, "1 d 00:00:00"), (273_906, "3 d 04:05:06")],
)
def test_spans_are_written_for_people(seconds: float, text: str) -> None:
    """Tenths where they matter, days where there are any."""
    assert span(seconds) == text


def test_a_terminal_gets_the_same_facts() -> None:
    """Every cell of the plain table is in the one with colours."""
    terminal = Terminal()
    made = blocks(SUMMARY)
    print_blocks(made, terminal)
    text = terminal.getvalue()
    assert [cell for block in made for row in block.rows for cell in row if cell not in text] == []


def test_markup_in_a_workload_is_printed_as_it_is() -> None:
    """A reason or name with brackets is text, not a style."""
    terminal = Terminal()
    print_blocks([Block("", [["[red]x[/red]"]])], terminal)
    assert "[red]x[/red]" in terminal.getvalue()


def test_rows_are_json_or_csv_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Both formats carry names and values, commas and quotes included."""
    rows = [("a,b", 'c"d'), ("e", "f")]
    print_rows(("one", "two"), rows, "json")
    assert json.loads(capsys.readouterr().out) == [{"one": "a,b", "two": 'c"d'}, {"one": "e", "two": "f"}]
    print_rows(("one", "two"), rows, "csv")
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["one", "two"], ["a,b", 'c"d'], ["e", "f"]]


def test_an_empty_summary_prints_nothing_wrong() -> None:
    """Whatever is missing is left out."""
    assert [block.title for block in blocks({"workload": "x"})] == ["Run"]


def test_progress_says_how_far_and_how_fast() -> None:
    """Simulated time, leases done, speed."""
    assert describe(90_000_000, 12_345, 2.5) == "1 d 01:00:00 simulated, 12,345 leases done, 4,938 a second"


def test_progress_is_silent_on_short_runs_and_shown_on_long_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is shown, or imported, in the first two seconds; then it is, on standard error."""
    clock = [100.0]
    monkeypatch.setattr("haizea.cli.progress.monotonic", lambda: clock[0])
    shown: list[str] = []

    def display(text: str) -> tuple[None, None]:
        shown.append(text)
        return None, None

    monkeypatch.setattr("haizea.cli.progress._display", display)
    with Progress() as progress:
        progress(1_000_000, 1)
        clock[0] += 1.9
        progress(2_000_000, 2)
        assert shown == []
        clock[0] += 0.2
        progress(3_600_000 + 1_000_000, 21)
    assert shown == ["01:00:00 simulated, 21 leases done, 10 a second"]
    assert capsys.readouterr().out == ""
