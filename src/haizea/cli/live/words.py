"""How what a server says is written for people: local times, lengths, amounts, and nothing that steers a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from haizea.cli.summary import span
from haizea.model.resources import CPU, DISK, MEMORY

NAMES_MAX: Final = 4
"""Longer lists of names are cut in sentences and tables."""

_BIDI: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff")


_INSTANT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"


def clean(text: str) -> str:
    """Return text as people can read it, with instants in local time.

    Characters that steer a terminal or hide others become ``?`` each, blanks one blank.
    """
    if "Z" in text:
        import re

        text = re.sub(_INSTANT, lambda found: at(found.group()), text)
    if text.isascii() and text.isprintable():
        return text
    spaced = text.replace("\n", " ").replace("\t", " ")
    return "".join("?" if _steers(c) else c for c in spaced)


def _steers(character: str) -> bool:
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or character in _BIDI


def at(text: Any) -> str:
    """Write an instant in local time; nothing for none."""
    if not isinstance(text, str):
        return ""
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return text


def until(start: str, end: Any) -> str:
    """Write the end of a time that starts at ``start`` (both as answered): the time alone on the same day."""
    first, last = at(start), at(end)
    return last[11:] if last[:10] == first[:10] and len(last) > 11 else last


def length(seconds: Any) -> str:
    """Write a length in seconds; ``unlimited`` for none."""
    return span(seconds) if isinstance(seconds, int | float) else "unlimited"


def waited(seconds: Any) -> str:
    """Write a length in seconds; nothing for none."""
    return span(seconds) if isinstance(seconds, int | float) else ""


def amounts(found: Any) -> str:
    """Write amounts of resources: ``2 cores, 4 GiB, 1 GPU``."""
    if not isinstance(found, Mapping):
        return ""
    return ", ".join(amount(name, value) for name, value in found.items())


def amount(name: str, value: Any) -> str:
    """Write an amount of one resource."""
    if not isinstance(value, int | float):
        return f"{value} {name}"
    if name == CPU:
        cores = value / 100
        return f"{cores:g} core" if cores == 1 else f"{cores:g} cores"
    if name == MEMORY:
        return mebibytes(value)
    if name == DISK:
        return f"{mebibytes(value)} of disk"
    return f"{value:g} {name}"


def mebibytes(value: float) -> str:
    """Write an amount of memory."""
    for unit, size in (("TiB", 1 << 20), ("GiB", 1 << 10)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value:g} MiB"


def truth(value: Any) -> str:
    """Write a truth."""
    return "yes" if value else "no"


def listed(names: Iterable[Any], most: int = NAMES_MAX) -> str:
    """Write names in a row, cut where there are many."""
    found = [str(name) for name in names]
    if len(found) > most:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return ", ".join(found)


def counted(number: int, noun: str) -> str:
    """Write how many there are."""
    return f"{number} {noun if number == 1 else noun + 's'}"


def plain(value: Any) -> str:
    """Write any value that JSON has for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return truth(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={plain(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ",".join(plain(each) for each in value)
    return str(value)
