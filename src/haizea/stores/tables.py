"""What all stores agree on: which kinds of rows there are, how they are told apart, and how values are written down.

A value is written as an integer, a text or a truth value; whatever is a tree becomes compact JSON with sorted keys.
Nothing here knows a database.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from haizea.runtime.rows import (
    CommandRow,
    Document,
    Entry,
    GroupRow,
    KeyRow,
    LeaseFilter,
    LeaseRow,
    OfferRow,
    QuotaRow,
    RecordRow,
    TokenRow,
    UsageRow,
    UserRow,
    WebhookRow,
)

Value = int | str | bool | None
Form = Literal["integer", "name", "text", "flag", "texts", "integers", "document", "tree"]
R = TypeVar("R", bound=tuple[Any, ...])

INTEGER_MAX: Final = (1 << 63) - 1
NAME_MAX: Final = 255
"""Characters in a name: what is looked up by an index must be short, and two names make the longest key."""

LONG: Final = frozenset({"error", "label", "note", "text", "url"})
"""The columns that hold texts rather than names."""

OPEN_COMMANDS: Final = ("pending", "sent")
ACTIVE: Final = "active"
"""The fact that says which daemon writes: an object of ``name``, ``address``, ``since`` (an instant) and ``epoch``."""


class Unsound(ValueError):
    """A value that was read is not what it must be."""


class FactRow(NamedTuple):
    """One of the facts there is one of each."""

    key: str
    value: Any


class CounterRow(NamedTuple):
    """The next number to be given, where the highest one in use no longer tells because it was deleted."""

    name: str
    next: int


class Column(NamedTuple):
    """One column: its form, and whether it may be without a value."""

    name: str
    form: Form
    optional: bool


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of rows: what it is called, the type of its rows, and the columns that tell them apart."""

    name: str
    row: type[R]
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def encode(self, row: R) -> dict[str, Value]:
        """Return a row's values as they are kept.

        Raises:
            ValueError: a value cannot be kept: a NUL or half a character in a text, a number beyond 64 bits, a tree
                that is not JSON.
        """
        kept: dict[str, Value] = {}
        for column, value in zip(self.columns, row, strict=True):
            if value is None and column.optional:
                kept[column.name] = None
                continue
            try:
                kept[column.name] = _ENCODERS[column.form](value)
            except (TypeError, ValueError, RecursionError) as error:
                raise ValueError(f"{self.name}: {column.name} cannot be kept: {error}") from error
        return kept

    def decode(self, values: Sequence[Any]) -> R:
        """Return the row that was kept as these values, in order of columns.

        Raises:
            Unsound: a value is of another type, or does not parse.
        """
        row: list[Any] = []
        for column, value in zip(self.columns, values, strict=True):
            if value is None and column.optional:
                row.append(None)
                continue
            try:
                row.append(_DECODERS[column.form](value))
            except (TypeError, ValueError, RecursionError) as error:
                which = ", ".join(f"{name} {values[self._place(name)]!r}" for name in self.key)
                raise Unsound(f"{self.name}, {which}: {column.name} is damaged: {error}") from error
        return self.row(*row)

    def key_of(self, row: R) -> tuple[Any, ...]:
        """Return what tells a row apart from others of its kind."""
        return tuple(row[self._place(name)] for name in self.key)

    def _place(self, name: str) -> int:
        return next(place for place, column in enumerate(self.columns) if column.name == name)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_json(tree: Any) -> str:
    """Return a tree as compact JSON with sorted keys.

    Raises:
        TypeError: there is something in it that JSON does not have.
        ValueError: it holds an infinite number or itself, or half a character.
    """
    text = _ENCODER.encode(tree)
    if not text.isascii():
        text.encode()
    return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def from_json(text: str) -> Any:
    """Return the tree that a JSON text describes.

    Raises:
        TypeError: it is not a text.
        ValueError: it is not JSON.
    """
    if type(text) is not str:
        raise TypeError(f"expected JSON, not {type(text).__name__}")
    return _DECODER.decode(text)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected an integer, not {value!r}"[:200])
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise ValueError("the number is beyond 64 bits")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, not {value!r}"[:200])
    if "\0" in value:
        raise ValueError("a text must not hold NUL")
    if not value.isascii():
        value.encode()
    # A member of a StrEnum is a text, and no driver of a database knows it.
    return value if type(value) is str else str.__str__(value)


def is_text(value: str) -> bool:
    """Whether a text could be kept."""
    try:
        _text(value)
    except ValueError:
        return False
    return True


def _name(value: Any) -> str:
    text = _text(value)
    if len(text) > NAME_MAX:
        raise ValueError(f"it has {len(text)} characters, and {NAME_MAX} is the most")
    return text


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected true or false, not {value!r}"[:200])
    return value


def _document(value: Any) -> str:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, not {value!r}"[:200])
    return to_json(dict(value))


def _parsed_object(text: Any) -> Document:
    tree = from_json(text)
    if not isinstance(tree, dict):
        raise TypeError("expected an object")
    return tree


def _parsed_list(text: Any, of: type) -> tuple[Any, ...]:
    tree = from_json(text)
    if not isinstance(tree, list) or not all(type(each) is of for each in tree):
        raise TypeError(f"expected a list of {of.__name__}")
    return tuple(tree)


_ENCODERS: Final[Mapping[Form, Callable[[Any], Value]]] = {
    "integer": _integer,
    "name": _name,
    "text": _text,
    "flag": _flag,
    "texts": lambda value: to_json([_text(each) for each in value]),
    "integers": lambda value: to_json([_integer(each) for each in value]),
    "document": _document,
    "tree": to_json,
}
_DECODERS: Final[Mapping[Form, Callable[[Any], Any]]] = {
    "integer": _integer,
    "name": _name,
    "text": _text,
    "flag": _flag,
    "texts": lambda text: _parsed_list(text, str),
    "integers": lambda text: _parsed_list(text, int),
    "document": _parsed_object,
    "tree": from_json,
}
_FORMS: Final[Mapping[Any, tuple[Form, bool]]] = {
    int: ("integer", False),
    int | None: ("integer", True),
    str: ("name", False),
    str | None: ("name", True),
    bool: ("flag", False),
    tuple[str, ...]: ("texts", False),
    tuple[int, ...]: ("integers", False),
    Document: ("document", False),
    Any: ("tree", False),
}


def _kind(name: str, row: type[R], *key: str) -> Kind[R]:
    columns = []
    for column, type_ in row.__annotations__.items():
        form, optional = _FORMS[type_]
        columns.append(Column(column, "text" if column in LONG else form, optional))
    return Kind(name, row, key, tuple(columns))


LEASES: Final = _kind("leases", LeaseRow, "id")
JOURNAL: Final = _kind("journal", Entry, "number")
COMMANDS: Final = _kind("commands", CommandRow, "id")
USAGE: Final = _kind("usage", UsageRow, "lease", "index")
FACTS: Final = _kind("facts", FactRow, "key")
KEYS: Final = _kind("keys", KeyRow, "owner", "key")
USERS: Final = _kind("users", UserRow, "name")
GROUPS: Final = _kind("groups", GroupRow, "name")
TOKENS: Final = _kind("tokens", TokenRow, "id")
QUOTAS: Final = _kind("quotas", QuotaRow, "kind", "subject")
WEBHOOKS: Final = _kind("webhooks", WebhookRow, "id")
OFFERS: Final = _kind("offers", OfferRow, "id")
RECORDS: Final = _kind("records", RecordRow, "id")
COUNTERS: Final = _kind("counters", CounterRow, "name")

KINDS: Final[tuple[Kind[Any], ...]] = (
    COUNTERS,
    FACTS,
    GROUPS,
    USERS,
    TOKENS,
    QUOTAS,
    WEBHOOKS,
    LEASES,
    KEYS,
    OFFERS,
    RECORDS,
    COMMANDS,
    USAGE,
    JOURNAL,
)
"""All kinds, each after those it refers to."""


class Reference(NamedTuple):
    """A column that must name a row of another kind."""

    of: str
    column: str
    to: str
    key: str


REFERENCES: Final = (
    Reference("tokens", "user", "users", "name"),
    Reference("keys", "lease", "leases", "id"),
    Reference("offers", "lease", "leases", "id"),
    Reference("commands", "lease", "leases", "id"),
)


def ordering(wanted: LeaseFilter) -> tuple[str, bool]:
    """Return the column that leases are sorted by, and whether in descending order.

    Raises:
        ValueError: there is no such column.
    """
    name = wanted.order.removeprefix("-")
    if name == "document" or name not in LeaseRow._fields:
        raise ValueError(f"leases cannot be sorted by {name!r}")
    return name, wanted.order.startswith("-")
