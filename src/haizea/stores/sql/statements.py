"""The statements of the store, made once for a database and then only given values."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Engine,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from haizea.runtime.rows import LeaseFilter
from haizea.stores.sql.schema import (
    COMMANDS,
    JOURNAL,
    LEADER,
    LEASES,
    MEMBERS,
    OPEN,
    QUOTAS,
    TABLES,
    TOKENS,
    USAGE,
    USERS,
)
from haizea.stores.tables import INTEGER_MAX, OPEN_COMMANDS, is_text, ordering

_THROW_OUT: Final = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = '{LEADER.name}'::regclass AND mode IN ('RowShareLock', 'RowExclusiveLock') AND granted
AND usename = current_user AND pid <> pg_backend_pid()
"""


class Statements:
    """The statements that write, in the dialect of an engine."""

    def __init__(self, engine: Engine) -> None:
        """Make them all."""
        name = engine.dialect.name
        self.upserts: Mapping[str, Insert] = {table.name: _upsert(table, name) for table in TABLES.values()}
        self.append: Insert = insert(JOURNAL)
        self.settle: Update = (
            update(COMMANDS)
            .where(COMMANDS.c.id == bindparam("of"))
            .values(state=bindparam("state"), error=bindparam("error"))
        )
        epoch = select(LEADER.c.epoch)
        # A shared lock on the row: another daemon can take over before this transaction or after it, not during it.
        self.epoch: Select[int] = epoch.with_for_update(read=True) if name == "postgresql" else epoch
        take = (postgresql.insert if name == "postgresql" else sqlite.insert)(LEADER).values(id=1, epoch=1)
        self.take_lead = take.on_conflict_do_update(
            index_elements=[LEADER.c.id], set_={"epoch": LEADER.c.epoch + 1}
        ).returning(LEADER.c.epoch)
        # Who had the lead may stand still within a transaction, with the row locked: it is not waited for.
        self.throw_out: str | None = _THROW_OUT if name == "postgresql" else None
        self.count_up = self._count_up(name)
        self.members_of: Delete = delete(MEMBERS).where(MEMBERS.c.user == bindparam("user"))
        self.join: Insert = insert(MEMBERS)
        self.delete_quota: Delete = delete(QUOTAS).where(
            QUOTAS.c.kind == bindparam("kind"), QUOTAS.c.subject == bindparam("subject")
        )
        self.deletes: Mapping[str, Delete] = {
            table.name: delete(table).where(next(iter(table.primary_key)) == bindparam("key"))
            for table in TABLES.values()
        }

    @staticmethod
    def _count_up(dialect: str) -> Insert:
        counters = TABLES["counters"]
        statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(counters)
        above = statement.excluded["next"] > counters.c.next
        return statement.on_conflict_do_update(
            index_elements=[counters.c.name], set_={"next": statement.excluded["next"]}, where=above
        )


def _upsert(table: Table, dialect: str) -> Insert:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    rest = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=rest)


def all_of(table: Table) -> Select[Any]:
    """Select all rows in order of key."""
    return select(table).order_by(*table.primary_key)


def one_of(table: Table, *key: int | str) -> Select[Any]:
    """Select the row with this key."""
    return select(table).where(*(_same(column, value) for column, value in zip(table.primary_key, key, strict=True)))


def unfinished() -> Select[Any]:
    """Select the leases that are not in a final state."""
    return select(LEASES).where(LEASES.c.final.is_(False)).order_by(LEASES.c.id)


def open_commands() -> Select[Any]:
    """Select the commands that are not over."""
    return select(COMMANDS).where(text(OPEN)).order_by(COMMANDS.c.id)


def over_since() -> Select[Any]:
    """Select the commands that are over although one that is not, of the same lease, was given before them."""
    waiting = select(COMMANDS.c.lease, func.min(COMMANDS.c.id).label("first")).where(text(OPEN))
    waiting_of = waiting.group_by(COMMANDS.c.lease).subquery()
    found = select(COMMANDS).join(waiting_of, waiting_of.c.lease == COMMANDS.c.lease)
    later = COMMANDS.c.id > waiting_of.c.first
    return found.where(later, COMMANDS.c.state.not_in(OPEN_COMMANDS)).order_by(COMMANDS.c.id)


def users(*names: str) -> Select[Any]:
    """Select users, or one of them: a row for each membership, with the group last."""
    joined = USERS.outerjoin(MEMBERS, MEMBERS.c.user == USERS.c.name)
    found = select(*USERS.c, MEMBERS.c.group).select_from(joined).order_by(USERS.c.name, MEMBERS.c.group)
    return found.where(_same(USERS.c.name, names[0])) if names else found


def tokens(user: str | None) -> Select[Any]:
    """Select tokens, of one user or all."""
    found = all_of(TOKENS)
    return found if user is None else found.where(_same(TOKENS.c.user, user))


def token(digest: str) -> Select[Any]:
    """Select the token with this digest."""
    return select(TOKENS).where(_same(TOKENS.c.digest, digest))


def records_of(kind: str) -> Select[Any]:
    """Select the records of a kind."""
    table = TABLES["records"]
    return all_of(table).where(_same(table.c.kind, kind))


def highest(table: Table) -> Select[Any]:
    """Select the highest key of a table."""
    return select(func.max(next(iter(table.primary_key))))


def usage(start: int, end: int, owner: str | None) -> Select[Any]:
    """Select usage that overlaps ``[start, end)``."""
    found = all_of(USAGE).where(USAGE.c.start < _big(end), USAGE.c.end > _big(start))
    return found if owner is None else found.where(_same(USAGE.c.owner, owner))


def entries(after: int, limit: int, lease: int | None, kinds: tuple[str, ...], host: str | None) -> Select[Any]:
    """Select entries of the journal."""
    found = all_of(JOURNAL).where(JOURNAL.c.number > _big(after)).limit(_big(limit))
    if lease is not None:
        found = found.where(_same(JOURNAL.c.lease, lease))
    if kinds:
        found = found.where(_among(JOURNAL.c.kind, kinds))
    return found if host is None else found.where(_same(JOURNAL.c.host, host))


def leases(wanted: LeaseFilter, limit: int, offset: int) -> Select[Any]:
    """Select a page of leases."""
    name, descending = ordering(wanted)
    column, id_ = LEASES.c[name], LEASES.c.id
    order: list[ColumnElement[Any]] = [column.desc() if descending else column.asc()]
    if column.nullable:
        # The databases disagree on where to put what has no value.
        order.insert(0, column.is_(None))
    if name != "id":
        order.append(id_.desc() if descending else id_.asc())
    return select(LEASES).where(_conditions(wanted)).order_by(*order).limit(_big(limit)).offset(_big(offset))


def count(wanted: LeaseFilter) -> Select[Any]:
    """Count leases."""
    return select(func.count()).select_from(LEASES).where(_conditions(wanted))


def _conditions(wanted: LeaseFilter) -> ColumnElement[bool]:
    all_ = [
        _same(LEASES.c[name], value)
        for name in ("owner", "group", "name")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.states:
        all_.append(_among(LEASES.c.state, wanted.states))
    if wanted.types:
        all_.append(_among(LEASES.c.type, wanted.types))
    if wanted.active is not None:
        all_.append(LEASES.c.final.is_(not wanted.active))
    if wanted.since is not None:
        all_ += [LEASES.c.starts.is_not(None), or_(LEASES.c.ends.is_(None), LEASES.c.ends > _big(wanted.since))]
    if wanted.until is not None:
        all_.append(LEASES.c.starts < _big(wanted.until))
    return and_(literal(True), *all_)


def _same(column: ColumnElement[Any], value: int | str) -> ColumnElement[bool]:
    """Whether a column has a value. One that cannot be kept is nowhere, and drivers would stumble over it."""
    keepable = is_text(value) if isinstance(value, str) else abs(value) <= INTEGER_MAX
    return column == value if keepable else false()


def _among(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    return column.in_([value for value in values if is_text(value)])


def _big(value: int) -> int:
    """Return what compares with all numbers that are kept as ``value`` does, within 64 bits."""
    return max(-INTEGER_MAX, min(value, INTEGER_MAX))
