"""When a recurring reservation recurs: a part of the recurrence rules of iCalendar (RFC 5545).

Rules are about what a clock on the wall shows: every Monday at nine is at nine in summer and in winter. An hour that a
zone leaves out is the one after it, one that it has twice is the first.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from haizea.model.units import Instant
from haizea.service.errors import Invalid

FORM: Final = (
    "FREQ=DAILY or FREQ=WEEKLY, then INTERVAL=n, BYDAY=MO,TU,WE,TH,FR,SA,SU, and COUNT=n or UNTIL=YYYYMMDD, "
    "with ; between them"
)
OCCURRENCES_MAX: Final = 1_000
"""A rule is looked at so far; one that goes on for longer is taken to end there."""

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS: Final = ("FREQ", "INTERVAL", "BYDAY", "COUNT", "UNTIL")
_UNTIL: Final = re.compile(r"\d{8}(T\d{6}Z?)?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class Rule(NamedTuple):
    """A rule that was read: how often, on which days (Monday is 0), how many times or up to when."""

    weekly: bool
    interval: int
    days: tuple[int, ...]
    count: int | None  # type: ignore[assignment]  # hides tuple.count, which means nothing here
    until: datetime | None

    def text(self) -> str:
        """Write it as iCalendar does."""
        parts = [f"FREQ={'WEEKLY' if self.weekly else 'DAILY'}"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.days:
            parts.append("BYDAY=" + ",".join(_DAYS[day] for day in self.days))
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until:%Y%m%dT%H%M%S}")
        return ";".join(parts)


class Occurrence(NamedTuple):
    """One time that a rule names: what the wall clock shows then, and the instant."""

    local: datetime
    at: Instant


def read_rule(text: str) -> Rule:
    """Read a rule.

    Raises:
        Invalid: it is none, or one of the many kinds that are not known here.
    """
    given: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS or not value or name in given:
            raise _invalid(f"{part[:40]!r} is not understood")
        given[name] = value
    frequency = given.get("FREQ")
    if frequency not in ("DAILY", "WEEKLY"):
        raise _invalid("it must say FREQ=DAILY or FREQ=WEEKLY")
    if "COUNT" in given and "UNTIL" in given:
        raise _invalid("COUNT and UNTIL exclude each other")
    days = given["BYDAY"].split(",") if "BYDAY" in given else []
    if any(day not in _DAYS for day in days):
        raise _invalid("BYDAY names days as MO,TU,WE,TH,FR,SA,SU")
    return Rule(
        frequency == "WEEKLY",
        _number(given, "INTERVAL", 1),
        tuple(sorted({_DAYS.index(day) for day in days})),
        _number(given, "COUNT", 0) or None,
        _until(given.get("UNTIL")),
    )


def _number(given: dict[str, str], name: str, otherwise: int) -> int:
    text = given.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= OCCURRENCES_MAX):
        raise _invalid(f"{name} is a number from 1 to {OCCURRENCES_MAX}")
    return int(text)


def _until(text: str | None) -> datetime | None:
    """Read UNTIL; a day alone is meant with all of it."""
    if text is None:
        return None
    try:
        if not _UNTIL.fullmatch(text):
            raise ValueError(text)
        moment = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")
    except ValueError:
        raise _invalid("UNTIL is a day such as 20270131, or 20270131T120000") from None
    return moment if "T" in text else moment + timedelta(days=1) - _SECOND


def read_zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        Invalid: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise Invalid(f"there is no time zone {name[:64]!r}, as in Europe/Madrid", field="zone") from problem


def occurrences(rule: Rule, first: datetime, zone: ZoneInfo, exceptions: Iterable[date]) -> list[Occurrence]:
    """Return when a rule that begins with ``first``, a local time without a zone, recurs, in order.

    Days that are exceptions count for COUNT, as in iCalendar, and are left out.

    Raises:
        Invalid: the rule never recurs.
    """
    from dateutil.rrule import DAILY, WEEKLY, rrule

    until = rule.until if rule.until is not None and rule.until >= first else None
    if rule.until is not None and until is None:
        raise _invalid("it is over before it begins")
    count = rule.count if rule.count is not None else None if until is not None else OCCURRENCES_MAX
    found = rrule(
        WEEKLY if rule.weekly else DAILY,
        dtstart=first,
        interval=rule.interval,
        byweekday=rule.days or None,
        count=count,
        until=until,
    )
    left_out = set(exceptions)
    wanted: list[Occurrence] = []
    for number, local in enumerate(found):
        if number >= OCCURRENCES_MAX:
            break
        if local.date() not in left_out:
            wanted.append(Occurrence(local, _instant(local, zone)))
    if not wanted:
        raise _invalid("it never recurs")
    return wanted


def _instant(local: datetime, zone: ZoneInfo) -> Instant:
    return (local.replace(tzinfo=zone).astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def _invalid(what: str) -> Invalid:
    return Invalid(f"rule: {what}; expected {FORM}", code="recurrence-rule", field="rule")
