"""Spans of time as people write them."""

from typing import Final

from haizea.model.units import DAY, HOUR, MINUTE, SECOND, Span

SPAN_MAX: Final[Span] = 1_000_000 * DAY
"""The longest span that a configuration may hold."""

_TEXT_MAX = 64
_UNITS: Final = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_CLOCK: Final = (SECOND, MINUTE, HOUR, DAY)


def read_span(text: str, unit_s: int = 1) -> Span:
    """Read a span: ``90``, ``1.5``, ``90s``, ``1h30m``, ``MM:SS``, ``HH:MM:SS`` or ``DD:HH:MM:SS``.

    A number alone counts units of ``unit_s`` seconds.

    Raises:
        ValueError: the text is none of these, or the span is longer than :data:`SPAN_MAX`.
    """
    text = text.strip()
    if not text or len(text) > _TEXT_MAX or not text.isascii():
        raise ValueError("not a span of time")
    if ":" in text:
        span = _clock(text.split(":"))
    elif text[-1].isalpha():
        span = _units(text.lower())
    else:
        span = _scaled(text, unit_s * SECOND)
    if span > SPAN_MAX:
        raise ValueError(f"longer than {SPAN_MAX // DAY} days")
    return span


def format_span(span: Span) -> str:
    """Write a span so that :func:`read_span` reads it back: ``90s``, ``1500ms``."""
    return f"{span}ms" if span % SECOND else f"{span // SECOND}s"


def _scaled(number: str, unit: Span) -> Span:
    # Decimals are cut into digits by hand: a float would turn 0.3 s into 299 or 300 ms as it pleases.
    whole, point, decimals = number.strip().partition(".")
    if not (whole or decimals) or not (whole + decimals).isdigit() or (point and not decimals):
        raise ValueError("not a span of time")
    digits = int(whole + decimals or "0") * unit
    scale = int(10 ** len(decimals))
    if digits % scale:
        raise ValueError("finer than a millisecond")
    return digits // scale


def _clock(parts: list[str]) -> Span:
    if not 2 <= len(parts) <= 4 or not all(p.isdigit() for p in parts[:-1]):
        raise ValueError("not a span of time")
    total = 0
    for part, unit in zip(reversed(parts), _CLOCK, strict=False):
        total += _scaled(part, unit)
    return total


def _units(text: str) -> Span:
    total, number, index = 0, "", 0
    while index < len(text):
        char = text[index]
        if char.isalpha():
            unit = "ms" if text.startswith("ms", index) else char
            if unit not in _UNITS or not number:
                raise ValueError("not a span of time")
            total += _scaled(number, _UNITS[unit])
            number = ""
            index += len(unit)
        else:
            number += char
            index += 1
    return total
