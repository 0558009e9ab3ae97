"""Amounts and lengths of time as people write them: ``4G``, ``200%``, ``90m``."""

import re
from fractions import Fraction
from math import ceil
from typing import Final

from haizea.model.resources import AMOUNT_MAX, CPU, DISK, MEMORY
from haizea.model.units import DAY, HOUR, MINUTE, SECOND, Span
from haizea.workloads.oneline import is_type_name
from haizea.workloads.times import SPAN_MAX, UNLIMITED, parse_span

TEXT_MAX: Final = 100
LENGTH_FORM: Final = "a length of time such as 90m, 1h 30m, 2 days or 01:30:00"
MEMORY_FORM: Final = "memory such as 4G, 512M or 1.5GiB; a number alone is MiB"
CPU_FORM: Final = "CPU such as 2 (cores), 0.5 or 200%"

_NUMBER: Final = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_UNITS: Final = (
    (7 * DAY, ("w", "week", "weeks")),
    (DAY, ("d", "day", "days")),
    (HOUR, ("h", "hr", "hrs", "hour", "hours")),
    (MINUTE, ("m", "min", "mins", "minute", "minutes")),
    (SECOND, ("s", "sec", "secs", "second", "seconds")),
)
_MIB: Final = {"": 1, "m": 1, "mi": 1, "mib": 1, "g": 1024, "gi": 1024, "gib": 1024}
_MIB_LARGE: Final = {"t": 1 << 20, "ti": 1 << 20, "tib": 1 << 20, "p": 1 << 30, "pi": 1 << 30, "pib": 1 << 30}


def parse_length(text: str) -> Span:
    """Read a length of time: numbers with units, or ``[[DD:]HH:]MM:SS``. Rounded up to a millisecond.

    Raises:
        ValueError: the text is none, or more than a hundred years.
    """
    said = _short(text, LENGTH_FORM).lower()
    if ":" in said:
        return parse_span(said)
    pieces = re.findall(rf"({_NUMBER})\s*([a-z]+)", said)
    rest = re.sub(rf"{_NUMBER}\s*[a-z]+", "", said)
    if not pieces or re.sub(r"[\s,]|\band\b", "", rest):
        if re.fullmatch(_NUMBER, said):
            raise ValueError(f"{said} of which unit? Expected {LENGTH_FORM}")
        raise ValueError(f"{_shown(text)} is not {LENGTH_FORM}")
    total, smallest = Fraction(0), 8 * 7 * DAY
    for number, name in pieces:
        unit = next((unit for unit, names in _UNITS if name in names), None)
        if unit is None:
            raise ValueError(f"{_shown(name)} is no unit of time; expected {LENGTH_FORM}")
        if unit >= smallest:
            raise ValueError(f"{_shown(text)} says {name} twice, or after a smaller unit; expected {LENGTH_FORM}")
        smallest = unit
        total += Fraction(number) * unit
    if total > SPAN_MAX:
        raise ValueError("more than a hundred years")
    return ceil(total)


def parse_lease_length(text: str) -> Span | None:
    """Read a length above 0, or ``unlimited`` as None.

    Raises:
        ValueError: the text is neither.
    """
    if text.strip().lower() == UNLIMITED:
        return None
    length = parse_length(text)
    if length == 0:
        raise ValueError("a duration of 0")
    return length


def parse_memory(text: str) -> int:
    """Read an amount of memory or disk in MiB, rounded up to a whole one.

    Raises:
        ValueError: the text is none, or too much.
    """
    said = _short(text, MEMORY_FORM).lower()
    match = re.fullmatch(rf"({_NUMBER})\s*([a-z]*)", said)
    if match is None:
        raise ValueError(f"{_shown(text)} is not {MEMORY_FORM}")
    number, unit = match.groups()
    if unit in ("mb", "gb", "tb", "pb"):
        binary = unit[0].upper()
        raise ValueError(
            f"{_shown(text)} may mean {unit[0]}×1000 or ×1024; write {number}{binary} or {number}{binary}iB"
        )
    factor = _MIB.get(unit) or _MIB_LARGE.get(unit)
    if factor is None:
        raise ValueError(f"{_shown(unit)} is no unit of memory; expected {MEMORY_FORM}")
    return _amount(Fraction(number) * factor, text)


def parse_cpu(text: str) -> int:
    """Read an amount of CPU in percent of a core.

    Raises:
        ValueError: the text is none, or not a whole number of percent.
    """
    said = _short(text, CPU_FORM)
    match = re.fullmatch(rf"({_NUMBER})\s*(%?)", said)
    if match is None:
        raise ValueError(f"{_shown(text)} is not {CPU_FORM}")
    percent = Fraction(match[1]) * (1 if match[2] else 100)
    if percent.denominator != 1:
        raise ValueError(f"{_shown(text)} is not a whole number of percent of a core; expected {CPU_FORM}")
    return _amount(percent, text)


def parse_resource(text: str) -> tuple[str, int]:
    """Read ``TYPE=AMOUNT``; CPU, Memory and Disk are written as their own options take them.

    Raises:
        ValueError: the text is no such pair.
    """
    name, equals, amount = _short(text, "TYPE=AMOUNT").partition("=")
    if not equals or not is_type_name(name):
        raise ValueError(f"{_shown(text)} is not TYPE=AMOUNT such as GPU=1")
    if name == CPU:
        return name, parse_cpu(amount)
    if name in (MEMORY, DISK):
        return name, parse_memory(amount)
    if not (amount.isascii() and amount.isdigit() and len(amount) <= 13):
        raise ValueError(f"{_shown(amount)} is no whole amount of {name}")
    return name, _amount(Fraction(amount), text)


def parse_pair(text: str) -> tuple[str, str]:
    """Read ``KEY=VALUE``.

    Raises:
        ValueError: there is no key or no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"{_shown(text)} is not KEY=VALUE")
    return key.strip(), value


def _amount(amount: Fraction, text: str) -> int:
    whole = ceil(amount)
    if whole > AMOUNT_MAX:
        raise ValueError(f"{_shown(text)} is more than {AMOUNT_MAX}")
    return whole


def _short(text: str, form: str) -> str:
    if len(text) > TEXT_MAX:
        raise ValueError(f"a text of {len(text)} characters is not {form}")
    return text.strip()


def _shown(text: str) -> str:
    return "'" + "".join(c if c.isprintable() else "?" for c in text[:TEXT_MAX]) + "'"
