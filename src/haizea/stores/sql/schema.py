"""The schema as it is now: what the store's statements are made from.

How it came to be, and what a database is made by, are the migrations; a test holds both to the same result. A change
here takes a new revision there, and a new :data:`REVISION`.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

from haizea.stores import tables
from haizea.stores.tables import KINDS, REFERENCES, Form

REVISION: Final = 1
"""The revision of the schema that this version works with."""

VERSION_TABLE: Final = "haizea_schema"

# SQLite makes an integer key the number of the row only where it is called INTEGER; its integers have 64 bits anyway.
BIG: Final = BigInteger().with_variant(Integer(), "sqlite")
# Sorted by code point in both databases, whatever the language of the server.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
OPEN: Final = "state IN ('pending', 'sent')"

_TYPES: Final[Mapping[Form, TypeEngine[Any]]] = {
    "integer": BIG,
    "name": TEXT,
    "text": TEXT,
    "flag": Boolean(),
    "texts": Text(),
    "integers": Text(),
    "document": Text(),
    "tree": Text(),
}

metadata = MetaData()


def _make(kind: tables.Kind[tuple[object, ...]]) -> Table:
    columns: list[Column[Any]] = []
    to = {reference.column: f"{reference.to}.{reference.key}" for reference in REFERENCES if reference.of == kind.name}
    for column in kind.columns:
        if (kind.name, column.name) == ("users", "groups"):
            continue  # in a table of their own
        # Whoever writes may do so in any order within a transaction.
        foreign = [
            ForeignKey(
                to[column.name],
                deferrable=True,
                initially="DEFERRED",
                ondelete="CASCADE" if kind.name == "tokens" else None,
            )
            for _ in range(column.name in to)
        ]
        key = column.name in kind.key
        columns.append(
            Column(
                column.name,
                _TYPES[column.form],
                *foreign,
                primary_key=key,
                autoincrement=False,
                nullable=column.optional,
            )
        )
    return Table(kind.name, metadata, *columns)


TABLES: Final[Mapping[str, Table]] = {kind.name: _make(kind) for kind in KINDS}

COUNTERS = TABLES["counters"]
LEASES = TABLES["leases"]
JOURNAL = TABLES["journal"]
COMMANDS = TABLES["commands"]
USAGE = TABLES["usage"]
FACTS = TABLES["facts"]
KEYS = TABLES["keys"]
USERS = TABLES["users"]
TOKENS = TABLES["tokens"]
QUOTAS = TABLES["quotas"]


def _member(name: str, of: str) -> Column[str]:
    foreign = ForeignKey(of, ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    return Column(name, TEXT, foreign, primary_key=True)


MEMBERS = Table("members", metadata, _member("user", "users.name"), _member("group", "groups.name"))

LEADER = Table(
    "leader",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one"), primary_key=True, autoincrement=False),
    Column("epoch", BIG, nullable=False),
)
"""One row: how often the lead has changed hands. Whoever took it last may write."""


def _index(table: Table, *columns: str, where: str | None = None, unique: bool = False) -> None:
    of = [table.c[column] for column in columns]
    kept = None if where is None else text(where)
    Index(f"{table.name}_by_{'_'.join(columns)}", *of, unique=unique, sqlite_where=kept, postgresql_where=kept)


_index(LEASES, "state", "id")
_index(LEASES, "type", "id")
_index(LEASES, "owner", "id")
_index(LEASES, "group", "id")
_index(LEASES, "name", "id")
_index(LEASES, "submitted")
_index(LEASES, "starts")
_index(LEASES, "ends")
Index("leases_unfinished", LEASES.c.id, sqlite_where=text("final IS 0"), postgresql_where=text("final IS false"))
_index(JOURNAL, "lease", "number", where="lease IS NOT NULL")
_index(JOURNAL, "host", "number", where="host IS NOT NULL")
_index(JOURNAL, "kind", "number")
_index(COMMANDS, "lease")
Index("commands_open", COMMANDS.c.id, sqlite_where=text(OPEN), postgresql_where=text(OPEN))
_index(USAGE, "end")
_index(USAGE, "owner", "end")
_index(KEYS, "lease")
_index(TABLES["offers"], "lease")
_index(TABLES["records"], "kind", "id")
_index(TOKENS, "digest", unique=True)
_index(TOKENS, "user")
_index(MEMBERS, "group")
