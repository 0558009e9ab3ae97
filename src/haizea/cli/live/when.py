"""Times as people write them: ``now``, ``+2h``, ``14:00``, ``tomorrow 14:00``, ``friday noon``, ``2026-11-25 13:00``.

Pure: the present and the time zone are given. What could mean two times is refused with both ways to write it.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

from haizea.cli.live.values import TEXT_MAX, parse_length
from haizea.model.units import Instant, Span
from haizea.workloads.times import SPAN_MAX, format_span

NOW: Final = "now"
WHEN_FORM: Final = "a time such as now, +2h, 14:00, 'tomorrow 14:00', 'friday noon' or '2026-11-25 13:00'"
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE: Final = re.compile(r"(?<=[\w.])\s*(z|utc|gmt|(?<!\d{4}-\d{2})[+-]\d{2}:?\d{2}|[a-z_]+/[a-z0-9_+/-]+)$", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?\s*([ap]m)?", re.ASCII)
_ISO_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:t|\s|$)", re.ASCII)
_OTHER_DAY: Final = re.compile(r"\d{1,4}[./]\d{1,2}[./]?(\d{1,4})?\b", re.ASCII)


class Moment(NamedTuple):
    """A day and a time of the day as written, either of which may be missing."""

    day: date | None
    clock: time | None


def relative_text(text: str) -> str | None:
    """Return what an API takes of a time that counts from now, ``now`` or ``+HH:MM:SS``; None for any other time.

    Raises:
        ValueError: it counts from now, but not by a length of time.
    """
    said = " ".join(_short(text).lower().split())
    if said == NOW:
        return NOW
    if said.startswith("+"):
        return f"+{format_span(parse_length(said[1:]))}"
    if said.startswith("in "):
        return f"+{format_span(parse_length(re.sub('^an? ', '1 ', said[3:])))}"
    return None


def instant_of(text: str, now: Instant, zone: tzinfo, *, past: bool = False) -> Instant:
    """Return the instant that a person means who writes ``text`` at ``now`` in ``zone``.

    Times to come are meant; with ``past`` any time may be, ``yesterday``, ``-2h`` and days without a time (their first
    instant) included. A zone may follow the time: ``14:00 UTC``, ``14:00+01:00``, ``14:00 Europe/Berlin``.

    Raises:
        ValueError: it is no time, could mean two, does not exist (clocks go forward), or has passed.
    """
    ahead = relative_text(text)
    if ahead is not None:
        return now + (0 if ahead == NOW else parse_length(ahead[1:]))
    said = " ".join(_short(text).lower().split())
    if past and said.startswith("-"):
        return now - parse_length(said[1:])
    if past and said.endswith(" ago"):
        return now - parse_length(said[:-4])
    said, zone = _with_zone(said, zone)
    found = _instant(said, text, now, zone, past)
    if found < now and not past:
        raise ValueError(f"{_shown(text)} has passed: it is {_local(now, zone)}")
    if abs(found - now) > SPAN_MAX:
        raise ValueError(f"{_shown(text)} is more than a hundred years away")
    return found


def iso(instant: Instant) -> str:
    """Write an instant as an API takes it: ISO 8601 in UTC.

    Raises:
        ValueError: it is beyond the year 9999.
    """
    try:
        text = (_EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds")
    except OverflowError as error:
        raise ValueError("a time beyond the year 9999") from error
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"


def instant_of_iso(text: str) -> Instant:
    """Read an instant as an API writes it.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    return _milliseconds(found if found.tzinfo else found.replace(tzinfo=UTC))


def _instant(said: str, text: str, now: Instant, zone: tzinfo, past: bool) -> Instant:
    today = _datetime(now, zone).date()
    if said == "midnight":
        return _at(Moment(today + timedelta(days=1), time()), zone, text)
    day, rest = _day(said, text, today, past)
    clock = _clock(rest, text)
    if clock is None:
        if day is None:
            raise ValueError(f"{_shown(text)} is not {WHEN_FORM}")
        if not past:
            raise ValueError(f"{_shown(text)} says no time of the day; write {_shown(f'{said} 14:00')}, say")
        clock = time()
    if day is not None:
        return _at(Moment(day, clock), zone, text)
    found = _at(Moment(today, clock), zone, text)
    if found < now and not past:
        raise ValueError(
            f"{_shown(text)} has passed today (it is {_local(now, zone)}); write {_shown(f'tomorrow {said}')}"
        )
    return found


def _day(said: str, text: str, today: date, past: bool) -> tuple[date | None, str]:
    iso_day = _ISO_DAY.match(said)
    if iso_day is not None:
        try:
            return date(*(int(part) for part in iso_day.groups())), said[iso_day.end() :]
        except ValueError as error:
            raise ValueError(f"{_shown(text)}: there is no such day") from error
    if _OTHER_DAY.match(said):
        raise ValueError(f"{_shown(text)} may be read in two ways; write days as 2026-11-25")
    word, _, rest = said.partition(" ")
    word = word.removesuffix(",")
    if word == "yesterday" and not past:
        raise ValueError(f"{_shown(text)} has passed")
    if word == "next":
        raise ValueError(f"{_shown(text)} may be read in two ways; name the day as 2026-11-25")
    if word in ("today", "tomorrow") or (past and word == "yesterday"):
        return today + timedelta(days=("yesterday", "today", "tomorrow").index(word) - 1), rest
    number = next(
        (i for i, name in enumerate(WEEKDAYS) if word == name or (len(word) >= 3 and name.startswith(word))), -1
    )
    if number < 0:
        return None, said
    return _weekday(number, text, today, past), rest


def _weekday(number: int, text: str, today: date, past: bool) -> date:
    if past:
        raise ValueError(f"{_shown(text)} may be the last one or the next; name the day as 2026-11-25")
    ahead = (number - today.weekday()) % 7
    if not ahead:
        later = today + timedelta(days=7)
        raise ValueError(f"{_shown(text)} may mean today or in a week; write 'today …' or '{later} …'")
    return today + timedelta(days=ahead)


def _clock(said: str, text: str) -> time | None:
    said = said.strip().removeprefix("at ").strip()
    if not said:
        return None
    if said == "noon":
        return time(12)
    if said == "midnight":
        raise ValueError(f"{_shown(text)} may mean the day's beginning or its end; write 00:00 and the day that begins")
    match = _CLOCK.fullmatch(said)
    if match is None or (match[2] is None and match[5] is None):
        raise ValueError(f"{_shown(text)} is not {WHEN_FORM}")
    hour, minute, second = (int(match[i] or 0) for i in (1, 2, 3))
    if match[5]:
        if not 1 <= hour <= 12:
            raise ValueError(f"{_shown(text)}: hours before am and pm are 1 to 12")
        hour = hour % 12 + (12 if match[5] == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{_shown(text)}: there is no such time of the day")
    return time(hour, minute, second, int((match[4] or "").ljust(6, "0")))


def _with_zone(said: str, zone: tzinfo) -> tuple[str, tzinfo]:
    match = _ZONE.search(said)
    if match is None:
        return said, zone
    name, rest = match[1], said[: match.start()].rstrip()
    if name in ("z", "utc", "gmt"):
        return rest, UTC
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[-2:])
        if hours > 14 or minutes > 59:
            raise ValueError(f"there is no zone {name}")
        offset = timedelta(hours=hours, minutes=minutes)
        return rest, timezone(-offset if name[0] == "-" else offset)
    return rest, zone_named(name)


def zone_named(name: str) -> tzinfo:
    """Return a time zone by its name, whatever the case of its letters.

    Raises:
        ValueError: there is none of this name here.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    written = "/".join("_".join(word.capitalize() for word in part.split("_")) for part in name.split("/"))
    for each in (name, written):
        try:
            return ZoneInfo(each)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            continue
    raise ValueError(f"there is no time zone {_shown(name)}; expected one such as Europe/Berlin or +01:00")


def _at(moment: Moment, zone: tzinfo, text: str) -> Instant:
    assert moment.day is not None
    assert moment.clock is not None
    try:
        naive = datetime.combine(moment.day, moment.clock)
        first, second = naive.replace(tzinfo=zone, fold=0), naive.replace(tzinfo=zone, fold=1)
        early, late = _milliseconds(first), _milliseconds(second)
    except OverflowError as error:
        raise ValueError(f"{_shown(text)} is beyond the times that can be told") from error
    if early == late:
        return early
    if _datetime(early, zone).replace(tzinfo=None, microsecond=0) != naive.replace(microsecond=0):
        raise ValueError(f"{_shown(text)} does not exist: the clocks of {zone} go forward then")
    ways = " or ".join(f"{naive:%Y-%m-%d %H:%M}{each:%z}" for each in (first, second))
    raise ValueError(f"{_shown(text)} comes twice, as the clocks of {zone} go back then; write {ways}")


def _milliseconds(at: datetime) -> Instant:
    # Whole numbers: a float holds no millisecond of the far future.
    since: Span = (at - _EPOCH) // timedelta(milliseconds=1)
    return since


def _datetime(at: Instant, zone: tzinfo) -> datetime:
    try:
        return (_EPOCH + timedelta(milliseconds=at)).astimezone(zone)
    except OverflowError as error:
        raise ValueError("a time beyond the year 9999") from error


def _local(at: Instant, zone: tzinfo) -> str:
    return f"{_datetime(at, zone):%Y-%m-%d %H:%M:%S}"


def _short(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise ValueError(f"a text of {len(text)} characters is not {WHEN_FORM}")
    return text.strip()


def _shown(text: str) -> str:
    return "'" + "".join(c if c.isprintable() else "?" for c in text[:TEXT_MAX]) + "'"
