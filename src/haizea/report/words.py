"""Numbers as a person reads them: lengths of time, instants, counts, shares."""

from typing import Final

from haizea.model.units import DAY, HOUR, MINUTE, SECOND, Instant, Span

UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))

TICKS: Final = (
    *(n * SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 5, 10, 30, 90, 365)),
)
"""Distances between the marks of a time axis, in milliseconds."""

NONE: Final = "\u2013"
"""What stands where there is no number: an en dash."""

_YEAR_MAX: Final = 253_402_300_799_999


def length(span: Span) -> str:
    """Say a length given in milliseconds with its two largest units: ``2 d 4 h``, ``45 s``, ``0.25 s``."""
    if span < 0:
        return "-" + length(-span)
    if span < SECOND:
        return f"{span / SECOND:g} s"
    for i, (unit, name) in enumerate(UNITS):
        if span >= unit:
            whole, rest = divmod(span, unit)
            if i + 1 < len(UNITS):
                smaller, smaller_name = UNITS[i + 1]
                if rest >= smaller:
                    return f"{whole} {name} {rest // smaller} {smaller_name}"
            return f"{whole} {name}"
    return "0 s"


def seconds(amount: float | None) -> str:
    """Say a length given in seconds; a dash for none."""
    return NONE if amount is None else length(round(amount * SECOND))


def instant(at: Instant | None) -> str:
    """Write an instant as ``2006-11-25 13:00:00`` in UTC; a dash for none, plain milliseconds beyond year 9999."""
    from datetime import datetime, timedelta

    if at is None:
        return NONE
    if not 0 <= at <= _YEAR_MAX:
        return f"{at} ms"
    return str(datetime(1970, 1, 1) + timedelta(milliseconds=at // SECOND * SECOND))


def number(amount: float | None) -> str:
    """Write a count with thousands set apart, a fraction with at most two decimals; a dash for none."""
    if amount is None:
        return NONE
    if isinstance(amount, int) or amount == int(amount):
        return f"{int(amount):,}"
    return f"{amount:,.2f}"


def counted(amount: float | None, noun: str) -> str:
    """Say how many there are: ``1 migration``, ``2 migrations``."""
    return f"{number(amount)} {noun if amount == 1 else noun + 's'}"


def percent(share: float | None) -> str:
    """Write a share between 0 and 1 as a percentage with one decimal; a dash for none."""
    return NONE if share is None else f"{share * 100:.1f} %"


def tick_step(span: Span, marks: int) -> Span:
    """Return the smallest distance of :data:`TICKS` that puts at most ``marks`` marks on an axis of ``span``."""
    for step in TICKS:
        if span <= step * marks:
            return step
    return -(-span // (TICKS[-1] * marks)) * TICKS[-1]


def tick_label(at: Instant, step: Span) -> str:
    """Write a mark: the day at midnights and for steps of days, otherwise the time of day."""
    text = instant(at)
    if step >= DAY or at % DAY == 0:
        return text[:10]
    return text[11:19] if step < MINUTE else text[11:16]
