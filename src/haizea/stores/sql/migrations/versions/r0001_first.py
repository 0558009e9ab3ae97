"""The first schema."""

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    text,
)

revision = "0001"
down_revision = None

# What a migration does must never change, so it says everything itself and takes nothing from the schema of today.
BIG = BigInteger().with_variant(Integer(), "sqlite")
NAME = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables and indexes."""
    _accounts()
    _leases()
    _journal()
    op.create_table("counters", _name("name"), _big("next"), PrimaryKeyConstraint("name"))
    op.create_table("facts", _name("key"), _free("value"), PrimaryKeyConstraint("key"))
    op.create_table(
        "leader",
        Column("id", Integer(), CheckConstraint("id = 1", name="one"), autoincrement=False, nullable=False),
        _big("epoch"),
        PrimaryKeyConstraint("id"),
    )


def _accounts() -> None:
    op.create_table("groups", _name("name"), _big("created"), _name("note"), PrimaryKeyConstraint("name"))
    op.create_table(
        "users", _name("name"), _name("role"), _flag("disabled"), _big("created"), _name("note"), _name("mail"),
        PrimaryKeyConstraint("name"),
    )  # fmt: skip
    op.create_table(
        "members", _name("user"), _name("group"),
        _reference("user", "users.name", cascade=True), _reference("group", "groups.name", cascade=True),
        PrimaryKeyConstraint("user", "group"),
    )  # fmt: skip
    _index("members", "group")
    op.create_table(
        "tokens", _name("id"), _name("user"), _name("digest"), _free("scopes"), _name("label"), _big("created"),
        _big("expires", optional=True), _big("revoked", optional=True),
        _reference("user", "users.name", cascade=True), PrimaryKeyConstraint("id"),
    )  # fmt: skip
    _index("tokens", "digest", unique=True)
    _index("tokens", "user")
    limits = [_big(each, optional=True) for each in ("vms", "cpu", "memory", "core_time")]
    op.create_table(
        "quotas", _name("kind"), _name("subject"), *limits, _name("period"), _big("horizon", optional=True),
        PrimaryKeyConstraint("kind", "subject"),
    )  # fmt: skip
    op.create_table(
        "webhooks", _big("id"), _name("owner"), _name("url"), _name("secret"), _free("kinds"), _big("created"),
        _big("cursor"), _big("failures"), _flag("disabled"), PrimaryKeyConstraint("id"),
    )  # fmt: skip


def _leases() -> None:
    op.create_table(
        "leases", _big("id"), _name("type"), _name("state"), _flag("final"), _name("owner"), _name("group"),
        _name("name"), _big("vms"), _big("submitted"), _big("starts", optional=True), _big("ends", optional=True),
        _big("version"), _free("document"), PrimaryKeyConstraint("id"),
    )  # fmt: skip
    for column in ("state", "type", "owner", "group", "name"):
        _index("leases", column, "id")
    for column in ("submitted", "starts", "ends"):
        _index("leases", column)
    op.create_index(
        "leases_unfinished", "leases", ["id"],
        sqlite_where=text("final IS 0"), postgresql_where=text("final IS false"),
    )  # fmt: skip
    op.create_table(
        "keys", _name("owner"), _name("key"), _name("digest"), _big("lease"), _big("at"),
        _reference("lease", "leases.id"), PrimaryKeyConstraint("owner", "key"),
    )  # fmt: skip
    _index("keys", "lease")
    op.create_table(
        "offers", _name("id"), _name("owner"), _big("lease"), _big("expires"), _free("document"),
        _reference("lease", "leases.id"), PrimaryKeyConstraint("id"),
    )  # fmt: skip
    _index("offers", "lease")
    op.create_table(
        "records", _name("id"), _name("kind"), _name("owner"), _free("document"), PrimaryKeyConstraint("id"),
    )  # fmt: skip
    _index("records", "kind", "id")
    op.create_table(
        "commands", _big("id"), _big("at"), _big("until"), _name("verb"), _big("lease"), _free("hosts"),
        _name("state"), _big("attempts"), _name("error"), _free("vms"),
        _reference("lease", "leases.id"), PrimaryKeyConstraint("id"),
    )  # fmt: skip
    _index("commands", "lease")
    unsettled = text("state IN ('pending', 'sent')")
    op.create_index("commands_open", "commands", ["id"], sqlite_where=unsettled, postgresql_where=unsettled)


def _journal() -> None:
    op.create_table(
        "journal", _big("number"), _big("at"), _name("kind"), _big("lease", optional=True),
        _name("host", optional=True), _name("actor"), _name("text"), _free("data"), PrimaryKeyConstraint("number"),
    )  # fmt: skip
    _index("journal", "lease", "number", where="lease IS NOT NULL")
    _index("journal", "host", "number", where="host IS NOT NULL")
    _index("journal", "kind", "number")
    op.create_table(
        "usage", _big("lease"), _big("index"), _name("owner"), _name("group"), _name("type"), _big("vms"),
        _big("cpu"), _big("memory"), _big("start"), _big("end"), _name("outcome"),
        PrimaryKeyConstraint("lease", "index"),
    )  # fmt: skip
    _index("usage", "end")
    _index("usage", "owner", "end")


def _big(name: str, *, optional: bool = False) -> Column[int]:
    return Column(name, BIG, autoincrement=False, nullable=optional)


def _name(name: str, *, optional: bool = False) -> Column[str]:
    return Column(name, NAME, nullable=optional)


def _free(name: str) -> Column[str]:
    return Column(name, Text(), nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean(), nullable=False)


def _reference(column: str, to: str, *, cascade: bool = False) -> ForeignKeyConstraint:
    on_delete = "CASCADE" if cascade else None
    return ForeignKeyConstraint([column], [to], ondelete=on_delete, initially="DEFERRED", deferrable=True)


def _index(table: str, *columns: str, where: str | None = None, unique: bool = False) -> None:
    kept: dict[str, Any] = {} if where is None else {"sqlite_where": text(where), "postgresql_where": text(where)}
    op.create_index(f"{table}_by_{'_'.join(columns)}", table, list(columns), unique=unique, **kept)
