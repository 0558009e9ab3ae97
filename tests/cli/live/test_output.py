"""Tables on terminals and elsewhere, and what is made of the texts of strangers."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.cli.live.output import BOLD, Column, View, fitted, kept, rows_text, value_at
from haizea.cli.live.words import amounts, at, clean, length, listed, plain, until

COLUMNS = (Column("id", "id", right=True), Column("text", "text"))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Say so."""
        return True


@given(st.text(max_size=60))
def test_a_cleaned_text_can_be_printed(text: str) -> None:
    """It steers nothing, is as long as before, and says the same where there was nothing to clean."""
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u2028" for c in cleaned)
    assert clean(cleaned) == cleaned
    if text.isalnum():
        assert cleaned == text


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are cut at its width, with a mark; the header is bold unless colours are not wanted."""
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((12, 24)))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    rows = [{"id": 1, "text": "long enough to be cut"}]
    header, line = rows_text(View(), COLUMNS, rows).splitlines()
    assert (header.startswith(BOLD), line) == (True, " 1  long en…")
    monkeypatch.setenv("NO_COLOR", "1")
    assert rows_text(View(), COLUMNS, rows).splitlines()[0] == "id  text"


def test_a_csv_on_a_terminal_steers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets what the server said, a terminal does not."""
    rows = [{"id": 1, "text": "a\x1bb"}]
    assert rows_text(View("csv"), COLUMNS, rows) == "id,text\n1,a\x1bb\n"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert rows_text(View("csv"), COLUMNS, rows) == "id,text\n1,a?b\n"


def test_values_are_found_by_path() -> None:
    """Through objects and lists; nothing where there is nothing."""
    document = {"a": [{"b": 1}], "c": None}
    assert [value_at(document, path) for path in ("a.0.b", "a.1.b", "a.x", "c.d", "x", "a.0.b.c")] == [1] + [None] * 5


def test_filters_look_into_lists() -> None:
    """One element that matches is enough."""
    rows = [{"id": 1, "text": ["a", "b"]}, {"id": 2, "text": []}]
    assert kept(rows, [("text", "B", True)], COLUMNS) == [rows[0]]
    assert kept(rows, [("text", "b", False)], COLUMNS) == [rows[1]]
    assert kept([], [("anything", "x", True)], COLUMNS) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (1.5, "1.5"), ([1, 2], "1,2"), ({"a": 1, "b": None}, "a=1 b="), ("x", "x")],
)
def test_values_for_people(value: object, text: str) -> None:
    """Whatever JSON has."""
    assert plain(value) == text


def test_words() -> None:
    """Amounts, lengths, lists and instants as people read them."""
    assert amounts({"CPU": 150, "Memory": 1536, "Disk": 512, "GPU": 2}) == "1.5 cores, 1.5 GiB, 512 MiB of disk, 2 GPU"
    assert (length(None), length(90)) == ("unlimited", "00:01:30")
    assert listed(range(7)) == "0, 1, 2, 3 and 3 more"
    assert (at("not a time"), at(None)) == ("not a time", "")
    assert until("2026-11-25T13:00:00Z", "2026-11-29T14:00:00Z").startswith("2026-11-29")
    assert fitted("abc", 3) == "abc"
