"""Rules of recurring reservations."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.service.errors import Invalid
from haizea.service.rules import OCCURRENCES_MAX, occurrences, read_rule, read_zone

MADRID = ZoneInfo("Europe/Madrid")
NINE = datetime(2026, 10, 19, 9, 0)  # a Monday, the week before clocks go back


def instants(rule: str, first: datetime = NINE, zone: ZoneInfo = MADRID, *out: date) -> list[str]:
    """Return when a rule recurs, in UTC."""
    found = occurrences(read_rule(rule), first, zone, out)
    return [datetime.fromtimestamp(each.at / 1000, UTC).strftime("%Y-%m-%d %H:%M") for each in found]


def test_the_clock_on_the_wall_counts() -> None:
    """Every Monday at nine is at nine in summer and in winter, which is another instant in UTC."""
    assert instants("FREQ=WEEKLY;COUNT=3") == ["2026-10-19 07:00", "2026-10-26 08:00", "2026-11-02 08:00"]


def test_certain_days_up_to_a_day() -> None:
    """UNTIL names the last day, all of which is meant; BYDAY the days of the week."""
    found = instants("FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20261026")
    assert found == ["2026-10-19 07:00", "2026-10-21 07:00", "2026-10-26 08:00"]


def test_every_other_day_but_one() -> None:
    """A day that is left out counts all the same."""
    found = instants("RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3", NINE, MADRID, date(2026, 10, 21))
    assert found == ["2026-10-19 07:00", "2026-10-23 07:00"]


def test_an_hour_that_is_left_out_or_twice() -> None:
    """When clocks go forward 02:30 is the instant that would have been; when they go back, the first of two."""
    assert instants("FREQ=DAILY;COUNT=1", datetime(2027, 3, 28, 2, 30)) == ["2027-03-28 01:30"]
    assert instants("FREQ=DAILY;COUNT=1", datetime(2026, 10, 25, 2, 30)) == ["2026-10-25 00:30"]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "is not understood"),
        ("FREQ=HOURLY", "FREQ=DAILY or FREQ=WEEKLY"),
        ("FREQ=DAILY;FREQ=DAILY", "is not understood"),
        ("FREQ=DAILY;COUNT=0", "COUNT is a number"),
        ("FREQ=DAILY;COUNT=-1", "COUNT is a number"),
        ("FREQ=DAILY;COUNT=99999", "COUNT is a number"),
        ("FREQ=DAILY;COUNT=٣", "COUNT is a number"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "exclude each other"),
        ("FREQ=DAILY;UNTIL=20269999", "UNTIL is a day"),
        ("FREQ=DAILY;UNTIL=20200101", "over before it begins"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY names days"),
        ("FREQ=DAILY;BYHOUR=3", "is not understood"),
        ("A" * 300, "is not understood"),
    ],
)
def test_what_is_not_understood_is_said(rule: str, says: str) -> None:
    """Only part of iCalendar's rules is known; whatever else is asked for gets an error that says what is."""
    with pytest.raises(Invalid, match=says) as problem:
        occurrences(read_rule(rule), NINE, MADRID, [])
    assert problem.value.field == "rule"


def test_a_zone_that_is_none() -> None:
    """Names of zones are looked up, and paths are no names."""
    for name in ("Mars/Base", "", "../../etc/passwd", "\0"):
        with pytest.raises(Invalid, match="there is no time zone"):
            read_zone(name)


@given(
    st.booleans(),
    st.integers(1, 60),
    st.sets(st.integers(0, 6)),
    st.integers(1, 50),
    st.datetimes(datetime(2026, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from(["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_rules_name_times_in_order(
    weekly: bool, interval: int, days: set[int], count: int, first: datetime, zone: str
) -> None:
    """What a rule names comes in order, begins no earlier than it, and is read back from its text the same."""
    names = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
    parts = ["FREQ=WEEKLY" if weekly else "FREQ=DAILY", f"INTERVAL={interval}", f"COUNT={count}"]
    if days:
        parts.append("BYDAY=" + ",".join(names[day] for day in sorted(days)))
    rule = read_rule(";".join(parts))
    assert read_rule(rule.text()) == rule
    first = first.replace(microsecond=0)
    try:
        found = occurrences(rule, first, ZoneInfo(zone), [])
    except Invalid:
        # Every seventh day is never another day of the week than the first.
        assert not weekly
        assert interval % 7 == 0
        assert first.weekday() not in days
        return
    assert len(found) <= min(count, OCCURRENCES_MAX)
    assert found[0].local >= first
    # Local times grow by whole days, so instants grow whatever the clocks do in between.
    assert all(b.local - a.local >= timedelta(days=1) and b.at > a.at for a, b in itertools.pairwise(found))
    assert not days or all(each.local.weekday() in days for each in found)
