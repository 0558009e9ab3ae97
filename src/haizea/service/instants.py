"""Instants and periods as people and programs write them: ISO 8601 in UTC, days, weeks and months."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from haizea.model.units import DAY, SECOND, Instant
from haizea.service.errors import Invalid
from haizea.workloads.times import parse_span

FORM: Final = "an instant such as 2026-11-25T13:00:00Z or 2026-11-25, now, or +HH:MM:SS from now"
LAST: Final[Instant] = 253_402_300_800_000 - 1
"""The end of the year 9999, after which ISO 8601 has no name for an instant."""

PERIODS: Final = ("day", "week", "month")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT_MAX: Final = 64
_MONDAY: Final = 3
"""Days from a Monday to the epoch, which was a Thursday."""


class Period(NamedTuple):
    """A day, week or month in UTC, ``[start, end)``, with its name: ``2026-11-25``, ``2026-W48``, ``2026-11``."""

    start: Instant
    end: Instant
    label: str


def iso(at: Instant) -> str:
    """Write an instant; one that ISO 8601 has no name for is written as the last one that has."""
    moment = _EPOCH + timedelta(milliseconds=min(at, LAST))
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def iso_or_none(at: Instant | None) -> str | None:
    """Write an instant, if there is one."""
    return None if at is None else iso(at)


def read_instant(text: str, now: Instant, field: str) -> Instant:
    """Read an instant, rounded down to a millisecond; one without a zone is in UTC.

    Raises:
        Invalid: the text is not of this form, or before 1970; ``field`` is the part of the request it stands in.
    """
    given = text.strip() if len(text) <= _TEXT_MAX else ""
    try:
        if given.lower() == "now":
            return now
        if given.startswith("+"):
            return min(now + parse_span(given), LAST)
        moment = datetime.fromisoformat(given)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        span = moment - _EPOCH
    except (ValueError, OverflowError):
        raise Invalid(f"{field}: expected {FORM}, not {text[:_TEXT_MAX]!r}", field=field) from None
    if span.days < 0:
        raise Invalid(f"{field}: {given} is before 1970", field=field)
    return span // timedelta(milliseconds=1)


def period_at(at: Instant, kind: str) -> Period:
    """Return the day, week (from Monday) or month that an instant is in, or the last one that ISO 8601 can name.

    Raises:
        ValueError: there is no such kind of period.
    """
    at = min(at, LAST)
    if kind == "day":
        start = at - at % DAY
        return Period(start, start + DAY, iso(start)[:10])
    if kind == "week":
        start = at - (at + _MONDAY * DAY) % (7 * DAY)
        year, week, _ = (_EPOCH + timedelta(milliseconds=start)).isocalendar()
        return Period(start, start + 7 * DAY, f"{year:04}-W{week:02}")
    if kind == "month":
        moment = _EPOCH + timedelta(milliseconds=at)
        start = _since_epoch(moment.year, moment.month)
        end = (
            LAST + 1 if start >= _LAST_MONTH else _since_epoch(moment.year + moment.month // 12, moment.month % 12 + 1)
        )
        return Period(start, end, f"{moment.year:04}-{moment.month:02}")
    raise ValueError(f"a period is one of {', '.join(PERIODS)}, not {kind!r}")


def _since_epoch(year: int, month: int) -> Instant:
    span = datetime(year, month, 1, tzinfo=UTC) - _EPOCH
    return span.days * DAY + span.seconds * SECOND


_LAST_MONTH: Final = _since_epoch(9999, 12)
