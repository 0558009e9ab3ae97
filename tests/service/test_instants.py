"""Instants and periods as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.units import DAY, FAR_FUTURE, HOUR
from haizea.service.errors import Invalid
from haizea.service.instants import LAST, PERIODS, iso, period_at, read_instant
from tests.service.fakes import NOW


@given(st.integers(0, LAST))
def test_an_instant_is_read_as_it_was_written(at: int) -> None:
    """Whatever instant is written, the same is read, down to the millisecond."""
    assert read_instant(iso(at), NOW, "start") == at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        (" Now ", NOW),
        ("+01:30:00", NOW + HOUR + HOUR // 2),
        ("+1:00:00:00", NOW + DAY),
        ("2026-11-25", NOW - 13 * HOUR),
        ("2026-11-25T14:00:00+01:00", NOW),
        ("2026-11-25 13:00:00.0009", NOW),
    ],
)
def test_the_forms_of_an_instant(text: str, expected: int) -> None:
    """An instant is ISO 8601, in UTC where no zone is given, or counted from now."""
    assert read_instant(text, NOW, "start") == expected


@given(st.text(max_size=70))
def test_anything_else_is_refused_with_the_field(text: str) -> None:
    """Whatever is written, it is an instant that there is, or refused in one line that names the field."""
    try:
        read = read_instant(text, NOW, "expires")
    except Invalid as error:
        read, field, detail = NOW, error.field, error.detail
    else:
        field, detail = "expires", ""
    assert (0 <= read <= LAST, field, "\n" in detail) == (True, "expires", False)


def test_what_is_far_away_can_be_written() -> None:
    """An instant beyond the year 9999 is written as the end of it, for there is no other way."""
    assert iso(FAR_FUTURE) == iso(LAST) == "9999-12-31T23:59:59.999Z"


@given(st.integers(0, LAST), st.sampled_from(PERIODS))
def test_periods_follow_each_other(at: int, kind: str) -> None:
    """An instant is in its period; periods begin at midnight in UTC, weeks on Monday, months on the first."""
    start, end, label = period_at(at, kind)
    assert start <= at < end
    assert period_at(max(start, 0), kind).label == period_at(end - 1, kind).label == label
    assert end > LAST or period_at(end, kind).start == end
    assert end > LAST or period_at(end, kind).label != label
    first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=start)
    assert (first.hour, first.minute, first.second, first.microsecond) == (0, 0, 0, 0)
    assert kind != "week" or first.weekday() == 0
    assert kind != "month" or first.day == 1


@pytest.mark.parametrize(("kind", "label"), [("day", "2026-11-25"), ("week", "2026-W48"), ("month", "2026-11")])
def test_periods_have_names(kind: str, label: str) -> None:
    """A period is called as ISO 8601 calls it."""
    assert period_at(NOW, kind).label == label


def test_there_is_no_other_period() -> None:
    """A kind of period that there is not is a fault of the caller."""
    with pytest.raises(ValueError, match="day, week, month, not 'year'"):
        period_at(NOW, "year")
