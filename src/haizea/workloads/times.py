"""Lengths of time as workloads write them: ``[[DD:]HH:]MM:SS[.ss]``, and ``unlimited``."""

import re
from typing import Final

from haizea.model.units import DAY, HOUR, MINUTE, SECOND, Span

SPAN_MAX: Final[Span] = 36_525 * DAY
"""Longest length of time that is accepted: a hundred years."""

SPAN_FORM: Final = "a length of time of at most a hundred years, [[DD:]HH:]MM:SS[.ss]"
UNLIMITED: Final = "unlimited"

_SPAN: Final = r"\+?(?:(?:([0-9]{1,9}):)?([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{2})(?:\.([0-9]{1,9}))?"


def parse_span(text: str) -> Span:
    """Read ``[[DD:]HH:]MM:SS[.ss]``, with an optional leading ``+``; fractions are rounded up to a millisecond.

    Only the first field that is given may exceed its natural limit: ``90:00`` is an hour and a half.

    Raises:
        ValueError: the text is not of this form, or longer than :data:`SPAN_MAX`.
    """
    match = re.fullmatch(_SPAN, text.strip())
    if match is None:
        raise ValueError(f"not {SPAN_FORM}")
    days, hours, minutes, seconds, fraction = match.groups()
    if days is not None and int(hours) > 23:
        raise ValueError("hours above 23 after days")
    if hours is not None and int(minutes) > 59:
        raise ValueError("minutes above 59 after hours")
    if int(seconds) > 59:
        raise ValueError("seconds above 59")
    span = int(days or 0) * DAY + int(hours or 0) * HOUR + int(minutes) * MINUTE + int(seconds) * SECOND
    if fraction:
        span += -(-int(fraction) * SECOND // 10 ** len(fraction))
    if span > SPAN_MAX:
        raise ValueError("more than a hundred years")
    return span


def parse_duration(text: str) -> Span | None:
    """Read a span above 0, or ``unlimited`` as None.

    Raises:
        ValueError: the text is neither.
    """
    if text.strip().lower() == UNLIMITED:
        return None
    span = parse_span(text)
    if span == 0:
        raise ValueError("a duration of 0")
    return span


def format_span(span: Span) -> str:
    """Write a span as ``[DD:]HH:MM:SS[.sss]``; :func:`parse_span` reads back the same.

    Raises:
        ValueError: the span is negative.
    """
    if span < 0:
        raise ValueError(f"a length of time cannot be negative, as {span} ms is")
    seconds, fraction = divmod(span, SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{hours:02}:{minutes:02}:{seconds:02}"
    if days:
        text = f"{days}:{text}"
    return f"{text}.{fraction:03}" if fraction else text


def format_duration(duration: Span | None) -> str:
    """Write a duration; None is ``unlimited``."""
    return UNLIMITED if duration is None else format_span(duration)
