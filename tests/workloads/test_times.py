"""Lengths of time in workloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.workloads.times import SPAN_MAX, format_duration, format_span, parse_duration, parse_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:00", 0),
        ("01:30", 90_000),
        ("90:00", 5_400_000),
        ("01:30:00", 5_400_000),
        ("36:00:00", 129_600_000),
        ("1:12:00:00", 129_600_000),
        ("00:07:30.00", 450_000),
        ("+1:00:00.00", 3_600_000),
        ("00:00:01.5", 1_500),
        ("00:00:00.0001", 1),
        (" 00:00:02 ", 2_000),
    ],
)
def test_spans_are_read(text: str, span: int) -> None:
    """Days, hours and fractions are optional; a fraction is rounded up to a millisecond."""
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 min", "-01:00:00", "01:60:00", "00:00:60", "1:24:00:00", "1:1:1:1:1", "01:3o:00", "99999:00:00:00",
     "9" * 10_000 + ":00", "2006-11-25 13:00:00", "00:00:1", "unlimited", "٠١:٠٠"],
)  # fmt: skip
def test_what_is_not_a_span_is_refused(text: str) -> None:
    """Other forms, fields above their limits and more than a hundred years are errors."""
    with pytest.raises(ValueError, match=r".+"):
        parse_span(text)


@given(st.integers(0, SPAN_MAX))
def test_a_span_that_is_written_reads_back_the_same(span: int) -> None:
    """Formatting a span and parsing it gives the span."""
    assert parse_span(format_span(span)) == span


def test_a_span_is_written_as_haizea_1_does() -> None:
    """Hours are written always, days and fractions where there are any."""
    assert [format_span(s) for s in (0, 450_000, 129_600_000, 1_500)] == [
        "00:00:00",
        "00:07:30",
        "1:12:00:00",
        "00:00:01.500",
    ]


def test_a_negative_span_cannot_be_written() -> None:
    """Formatting what is not a length of time is an error."""
    with pytest.raises(ValueError, match="negative"):
        format_span(-1)


def test_a_duration_may_be_unlimited_but_not_zero() -> None:
    """``unlimited`` is None both ways; nothing lasts no time."""
    assert parse_duration("Unlimited") is None
    assert format_duration(None) == "unlimited"
    assert parse_duration(format_duration(60_000)) == 60_000
    with pytest.raises(ValueError, match="duration of 0"):
        parse_duration("00:00:00")
