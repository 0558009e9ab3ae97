"""Reading one value: from a TOML value or from text, to what :class:`~haizea.config.settings.Settings` holds."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from haizea.config.errors import quoted, suggestion
from haizea.config.spans import SPAN_MAX, read_span
from haizea.config.table import POLICIES, POLICY_ALIASES, Option, allowed
from haizea.model.units import DAY, SECOND, Instant

if TYPE_CHECKING:
    from datetime import datetime

TEXT_MAX: Final = 65_536
HOSTS_MAX: Final = 100_000
TYPES_MAX: Final = 100
AMOUNT_DIGITS_MAX: Final = 12
TYPE_NAME_MAX: Final = 64

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_UNLIMITED_KEYS: Final = frozenset({"diskimage-cache-size", "override-memory"})


def read_value(option: Option, raw: object, *, ini: bool = False) -> object:
    """Return the checked value of an option.

    ``raw`` is a TOML value or text; ``ini`` says that it stands in a file of Haizea 1.x, where the number of some
    spans counts another unit.

    Raises:
        ValueError: what is wrong with the value, and what is allowed in its place.
    """
    if isinstance(raw, str):
        raw = raw.strip()
        if len(raw) > TEXT_MAX:
            raise ValueError(f"a text of {len(raw)} characters is too long; allowed: {allowed(option)}")
        if option.optional and raw.lower() in ("none", ""):
            return None
    try:
        return _READERS[option.kind](option, raw, ini)
    except _Unsuitable as wrong:
        raise ValueError(f"{quoted(raw)} is {wrong}; allowed: {allowed(option)}") from None


class _Unsuitable(Exception):
    """What is wrong with a value, to stand after ``VALUE is``."""


def _text(option: Option, raw: object, ini: bool) -> str:
    if not isinstance(raw, str):
        raise _Unsuitable("not text")
    if not raw:
        raise _Unsuitable("empty")
    if any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in raw):
        raise _Unsuitable("text with control characters or line breaks")
    return raw


def _mode(option: Option, raw: object, ini: bool) -> str:
    """Read the permissions of a file; a number is refused, because nobody can tell whether it is octal."""
    if not isinstance(raw, str):
        raise _Unsuitable("not text")
    if not 3 <= len(raw) <= 4 or not raw.isascii() or set(raw) - set("01234567"):
        raise _Unsuitable("not of octal digits")
    mode = int(raw, 8)
    if mode > 0o777 or mode & 0o600 != 0o600:
        raise _Unsuitable("not for a socket that its owner can use")
    return f"{mode:04o}"


def _choice(option: Option, raw: object, ini: bool) -> str:
    if isinstance(raw, bool):
        # TOML's true and false, where 1.x writes yes and no (migration) or off (backfilling).
        raw = next((w for w in (("yes",) if raw else ("no", "off")) if w in option.choices), raw)
    if not isinstance(raw, str):
        raise _Unsuitable("not text")
    for choice in option.choices:
        if choice.lower() == raw.lower():
            return choice
    raise _Unsuitable("not known" + suggestion(raw, option.choices))


def _policy(option: Option, raw: object, ini: bool) -> str:
    name = _text(option, raw, ini)
    kind = option.choices[0]
    name = POLICY_ALIASES[kind].get(name, name)
    if name in POLICIES[kind]:
        return name
    module, colon, attribute = name.partition(":")
    if colon:
        if all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
            return name
        raise _Unsuitable("not of the form module:Class")
    from haizea.config.plugins import entry_points

    known = entry_points(kind)
    if name in known:
        return name
    raise _Unsuitable("not known" + suggestion(name, [*POLICIES[kind], *POLICY_ALIASES[kind], *known]))


def _boolean(option: Option, raw: object, ini: bool) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        if raw.lower() in _TRUE:
            return True
        if raw.lower() in _FALSE:
            return False
    raise _Unsuitable("neither true nor false")


def _integer(option: Option, raw: object, ini: bool) -> int | None:
    number = _decimal(raw)
    if isinstance(number, float):
        if not number.is_integer():
            raise _Unsuitable("not a whole number")
        number = int(number)
    if option.optional and option.key in _UNLIMITED_KEYS and number == -1:
        return None
    _in_range(option, number)
    return number


def _number(option: Option, raw: object, ini: bool) -> float:
    number = _decimal(raw)
    _in_range(option, number)
    number = float(number)
    if option.decimals_max is not None and round(number, option.decimals_max) != number:
        raise _Unsuitable(f"finer than {option.decimals_max} decimals")
    return number


def _decimal(raw: object) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise _Unsuitable("not a number")
    if isinstance(raw, str):
        if len(raw) > 40 or "_" in raw or not raw.isascii():
            raise _Unsuitable("not a number")
        try:
            raw = int(raw) if raw.lstrip("+-").isdigit() else float(raw)
        except ValueError:
            raise _Unsuitable("not a number") from None
    if isinstance(raw, float) and not math.isfinite(raw):
        raise _Unsuitable("not a finite number")
    return raw


def _in_range(option: Option, number: float) -> None:
    if (option.low is not None and number < option.low) or (option.high is not None and number > option.high):
        raise _Unsuitable("out of range")


def _span(option: Option, raw: object, ini: bool) -> int:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise _Unsuitable("not a span of time")
    if isinstance(raw, (int, float)) and not 0 <= raw <= SPAN_MAX // SECOND:
        raise _Unsuitable(f"not between 0 and {SPAN_MAX // DAY} days")
    text = raw if isinstance(raw, str) else f"{raw:.9f}".rstrip("0").rstrip(".") if isinstance(raw, float) else str(raw)
    try:
        span = read_span(text, option.ini_unit if ini else 1)
    except ValueError as wrong:
        raise _Unsuitable(str(wrong)) from None
    if option.low is not None and span < option.low * SECOND:
        raise _Unsuitable("too short")
    return span


def _instant(option: Option, raw: object, ini: bool) -> Instant:
    from datetime import UTC, date, datetime

    if isinstance(raw, str):
        try:
            raw = datetime.fromisoformat(raw) if len(raw) <= 64 else None
        except ValueError:
            raw = None
    if not isinstance(raw, date):
        raise _Unsuitable("not an instant")
    if not isinstance(raw, datetime):
        raw = datetime(raw.year, raw.month, raw.day)
    if raw.tzinfo is None:
        raw = raw.replace(tzinfo=UTC)
    return _since_epoch(raw, datetime(1970, 1, 1, tzinfo=UTC))


def _since_epoch(moment: "datetime", epoch: "datetime") -> Instant:
    try:
        span = moment - epoch
    except OverflowError:
        raise _Unsuitable("out of range") from None
    if span.days < 0:
        raise _Unsuitable("before 1970")
    if span.microseconds % 1000:
        raise _Unsuitable("finer than a millisecond")
    return span.days * DAY + span.seconds * SECOND + span.microseconds // 1000


def _site(option: Option, raw: object, ini: bool) -> str:
    if isinstance(raw, str):
        raw = " ".join(raw.split())
    text = _text(option, raw, ini)
    if text == "in-tracefile":
        return text
    groups = [_hosts(group) for group in text.split(";") if group.strip(" ,")]
    hosts = sum(int(group.split(" ", 1)[0]) for group in groups)
    if not 1 <= hosts <= HOSTS_MAX:
        raise _Unsuitable(f"not a site: a number of hosts from 1 to {HOSTS_MAX} comes first")
    types = {amount.partition(":")[0] for group in groups for amount in group.split()[1:]}
    if len(types) > TYPES_MAX:
        raise _Unsuitable(f"not a site: it has {len(types)} resource types, of which there may be {TYPES_MAX}")
    return "; ".join(groups)


def _hosts(group: str) -> str:
    """Check the hosts of one kind: a number, then amounts per host."""
    count, *amounts = group.replace(",", " ").split()
    if not _digits(count) or not int(count):
        raise _Unsuitable(f"not a site: a number of hosts from 1 to {HOSTS_MAX} comes first")
    amounts_by_name: dict[str, int] = {}
    for amount in amounts:
        name, colon, number = amount.partition(":")
        if not colon or not _digits(number) or not 0 < len(name) <= TYPE_NAME_MAX or not name.isprintable():
            raise _Unsuitable(f"not a site: {quoted(amount)} is not of the form Type:Amount")
        if name in amounts_by_name:
            raise _Unsuitable(f"not a site: {quoted(name)} is there twice")
        amounts_by_name[name] = int(number)
    missing = [name for name in ("CPU", "Memory") if not amounts_by_name.get(name)]
    if missing:
        raise _Unsuitable(f"not a site: its hosts have no {' and '.join(missing)}")
    return " ".join([count, *amounts])


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= AMOUNT_DIGITS_MAX


def _words(option: Option, raw: object, ini: bool) -> tuple[str, ...]:
    if isinstance(raw, str):
        raw = raw.replace(",", " ").split()
    if not isinstance(raw, (list, tuple)):
        raise _Unsuitable("not a list of names")
    words = tuple(_text(option, word, ini) for word in raw)
    if any(len(word.split()) != 1 or "," in word for word in words):
        raise _Unsuitable("not a list of names: a name has no spaces and no commas")
    for word in words:
        if option.choices and word not in option.choices:
            raise _Unsuitable(f"not known: {quoted(word)}{suggestion(word, option.choices)}")
    return words


def _pairs(option: Option, raw: object, ini: bool) -> Mapping[str, str]:
    if isinstance(raw, str):
        pairs: dict[str, object] = {}
        for part in filter(str.strip, raw.split(",")):
            name, equals, value = part.partition("=")
            if not equals:
                raise _Unsuitable(f"not a list of pairs: {quoted(part.strip())} has no '='")
            pairs[name.strip()] = value.strip()
        raw = pairs
    if not isinstance(raw, Mapping):
        raise _Unsuitable("not a table of text")
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in raw.items()):
        raise _Unsuitable("a table with values that are not text")
    for name, value in raw.items():
        _text(option, name, ini)
        _text(option, value or "-", ini)
    return dict(raw)


_READERS: Final[Mapping[str, Callable[[Option, Any, bool], object]]] = {
    "text": _text,
    "path": _text,
    "mode": _mode,
    "choice": _choice,
    "policy": _policy,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "span": _span,
    "instant": _instant,
    "site": _site,
    "words": _words,
    "pairs": _pairs,
}


def read_free(text: str) -> object:
    """Read the value of a user's policy from text: true, false, a whole number, a number, else the text itself."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = _decimal(text)
    except _Unsuitable:
        return text
    return number
