"""The store in a database: one connection that writes, several that read."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Select, exc, select

from haizea.model.units import Instant
from haizea.runtime.rows import (
    Entry,
    GroupRow,
    KeyRow,
    LeaseFilter,
    LeaseRow,
    Loaded,
    OfferRow,
    QuotaRow,
    RecordRow,
    TokenRow,
    UsageRow,
    UserRow,
    WebhookRow,
)
from haizea.runtime.store import Deposed, StoreError, StoreUnavailable
from haizea.stores import tables
from haizea.stores.sql import places, schema, statements
from haizea.stores.sql.leadership import Leadership
from haizea.stores.sql.places import Place, damaged, explained
from haizea.stores.sql.soundness import broken_references, quick_check
from haizea.stores.sql.statements import Statements
from haizea.stores.sql.transaction import SqlTransaction
from haizea.stores.tables import ACTIVE, FactRow, Kind, R, Unsound

NUMBERED: Final = ("leases", "journal", "commands", "webhooks")


class SqlStore:
    """A store at a place; without leadership it can only be read.

    ``own`` says that the lead was taken for this store alone, and ends with it.
    """

    def __init__(self, at: Place, leadership: Leadership | None = None, *, own: bool = False) -> None:
        """Open it; the schema must be there."""
        self.place: Final = at
        self._readers = places.reading(at)
        self._leadership = leadership
        self._own = own
        self._writer: Engine | None = None
        self._turn = threading.Lock()
        self._epoch = 0
        self._last_entry = 0
        self._in_doubt = False
        self._lost = False
        if leadership is not None:
            self._writer = places.writing(at)
            self.statements = Statements(self._writer)
            try:
                self._take_lead(leadership)
            except BaseException:
                self._writer.dispose()
                self._readers.dispose()
                raise

    # Writing ---------------------------------------------------------------------------------------------------

    @contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        """Begin a transaction.

        After :class:`StoreUnavailable` the same transaction may be written again, alone or with more: had it been kept
        after all, its rows are replaced by themselves and its entries recognised.

        Raises:
            StoreError: it contradicts what is kept, or the store was opened for reading only.
            StoreUnavailable: it was not kept, or it is not known whether it was.
            Deposed: another daemon leads.
        """
        writer = self._writing_engine()
        transaction = SqlTransaction(self.statements)
        if not self._turn.acquire(timeout=places.BUSY_S):
            raise StoreUnavailable(f"store {self.place.name}: another transaction of this process is still open")
        try:
            yield transaction
            if transaction:
                self._keep(writer, transaction)
        finally:
            self._turn.release()

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Begin a transaction with statements of one's own, for the maintenance of the store."""
        writer = self._writing_engine()
        with self._turn, explained(self.place), writer.begin() as connection:
            self._fence(connection)
            yield connection

    def close(self) -> None:
        """Let go of it, and of the lead where that was its own."""
        if self._writer is not None:
            self._writer.dispose()
        self._readers.dispose()
        if self._own and self._leadership is not None:
            self._leadership.release()

    def refresh(self) -> None:
        """Look at what there is again, after it was changed by other means than :meth:`write`."""
        with explained(self.place), self.snapshot() as connection:
            self._last_entry = next_numbers(connection)["journal"] - 1

    def _writing_engine(self) -> Engine:
        if self._writer is None:
            raise StoreError(f"store {self.place.name} was opened for reading only")
        return self._writer

    def _keep(self, writer: Engine, transaction: SqlTransaction) -> None:
        self._lead_again()
        with explained(self.place), self._noticing_loss(), writer.connect() as connection:
            begun = connection.begin()
            try:
                self._fence(connection)
                transaction.flush(connection, self._last_entry, again=self._in_doubt)
            except BaseException:
                _undo(begun.rollback)
                raise
            try:
                begun.commit()
            except exc.IntegrityError:
                _undo(begun.rollback)
                raise
            except BaseException:
                # Whether it was kept cannot be told now.
                self._in_doubt = True
                _undo(begun.rollback)
                raise
        self._in_doubt = False
        self._last_entry = transaction.entries_end(self._last_entry)

    @contextmanager
    def _noticing_loss(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            self._lost = self._lost or error.connection_invalidated
            raise

    def _lead_again(self) -> None:
        """Take one's own lead again where its connection will have broken with the one for writing.

        Where another has it by now nothing is to be done: the epoch tells.
        """
        if self._lost and self._own and self._leadership is not None:
            self._leadership.try_acquire()
        self._lost = False

    def _fence(self, connection: Connection) -> None:
        epoch = connection.execute(self.statements.epoch).scalar()
        if epoch != self._epoch:
            raise Deposed(
                f"store {self.place.name}: another daemon has taken over (epoch {epoch}, this one had {self._epoch}); "
                "this one must stop writing"
            )

    def _take_lead(self, leadership: Leadership) -> None:
        active = {"name": leadership.name, "address": leadership.address, "since": time.time_ns() // 1_000_000}
        writer = self._writing_engine()
        with explained(self.place), writer.begin() as connection:
            if self.statements.throw_out is not None:
                connection.exec_driver_sql(self.statements.throw_out)
            self._epoch = connection.execute(self.statements.take_lead).scalar_one()
            fact = tables.FACTS.encode(FactRow(ACTIVE, {**active, "epoch": self._epoch}))
            connection.execute(self.statements.upserts["facts"], [fact])
            self._last_entry = next_numbers(connection)["journal"] - 1

    # Reading ---------------------------------------------------------------------------------------------------

    def load(self) -> Loaded:
        """Return what a daemon starts from.

        Raises:
            StoreUnusable: the store is damaged.
        """
        with explained(self.place), self.snapshot() as connection:
            found = quick_check(connection) or next((what for _table, what in broken_references(connection)), "")
            if found:
                raise damaged(self.place, found)
            numbers = next_numbers(connection)
            facts = self._decoded(tables.FACTS, connection.execute(statements.all_of(schema.FACTS)))
            return Loaded(
                tuple(self._decoded(tables.LEASES, connection.execute(statements.unfinished()))),
                tuple(self._decoded(tables.COMMANDS, connection.execute(statements.open_commands()))),
                {fact.key: fact.value for fact in facts},
                numbers["leases"],
                numbers["journal"],
                numbers["commands"],
                numbers["webhooks"],
                tuple(self._decoded(tables.COMMANDS, connection.execute(statements.over_since()))),
            )

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection that sees one and the same state, however long that takes and whoever writes meanwhile."""
        with self._readers.connect() as connection:
            if self.place.path is None:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                with connection.begin():
                    yield connection
                return
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                _undo(lambda: connection.exec_driver_sql("ROLLBACK"))

    def ping(self) -> None:
        """Return if the store can be read."""
        self._rows(select(schema.LEADER))

    def lease(self, lease: int, /) -> LeaseRow | None:
        """Return a lease."""
        return self._one(tables.LEASES, statements.one_of(schema.LEASES, lease))

    def leases(self, wanted: LeaseFilter, /, *, limit: int, offset: int = 0) -> list[LeaseRow]:
        """Return leases, at most ``limit``."""
        return self._many(tables.LEASES, statements.leases(wanted, limit, offset))

    def count_leases(self, wanted: LeaseFilter, /) -> int:
        """Count leases."""
        return int(self._rows(statements.count(wanted))[0][0])

    def entries(
        self, after: int, /, *, limit: int, lease: int | None = None, kinds: Sequence[str] = (), host: str | None = None
    ) -> list[Entry]:
        """Return journal entries with numbers above ``after``, in order."""
        return self._many(tables.JOURNAL, statements.entries(after, limit, lease, tuple(kinds), host))

    def last_entry(self) -> int:
        """Return the number of the newest journal entry, 0 where there is none."""
        return int(self._rows(statements.highest(schema.JOURNAL))[0][0] or 0)

    def usage(self, start: Instant, end: Instant, /, *, owner: str | None = None) -> list[UsageRow]:
        """Return usage that overlaps ``[start, end)``."""
        return self._many(tables.USAGE, statements.usage(start, end, owner))

    def key(self, owner: str, key: str, /) -> KeyRow | None:
        """Return what an idempotency key led to."""
        return self._one(tables.KEYS, statements.one_of(schema.KEYS, owner, key))

    def fact(self, key: str, /) -> Any:
        """Return one fact."""
        found = self._one(tables.FACTS, statements.one_of(schema.FACTS, key))
        return None if found is None else found.value

    def user(self, name: str, /) -> UserRow | None:
        """Return a user."""
        return next(iter(self._users(statements.users(name))), None)

    def users(self) -> list[UserRow]:
        """Return all users, by name."""
        return self._users(statements.users())

    def groups(self) -> list[GroupRow]:
        """Return all groups, by name."""
        return self._all(tables.GROUPS)

    def tokens(self, user: str | None = None, /) -> list[TokenRow]:
        """Return tokens, of one user or all."""
        return self._many(tables.TOKENS, statements.tokens(user))

    def token(self, digest: str, /) -> TokenRow | None:
        """Return the token with this digest."""
        return self._one(tables.TOKENS, statements.token(digest))

    def quotas(self) -> list[QuotaRow]:
        """Return all quotas."""
        return self._all(tables.QUOTAS)

    def webhooks(self) -> list[WebhookRow]:
        """Return all webhooks."""
        return self._all(tables.WEBHOOKS)

    def offers(self) -> list[OfferRow]:
        """Return all offers."""
        return self._all(tables.OFFERS)

    def records(self, kind: str, /) -> list[RecordRow]:
        """Return all records of a kind, by id."""
        return self._many(tables.RECORDS, statements.records_of(kind))

    def _all(self, kind: Kind[R]) -> list[R]:
        return self._many(kind, statements.all_of(schema.TABLES[kind.name]))

    def _many(self, kind: Kind[R], statement: Select[Any]) -> list[R]:
        return self._decoded(kind, self._rows(statement))

    def _one(self, kind: Kind[R], statement: Select[Any]) -> R | None:
        return next(iter(self._many(kind, statement)), None)

    def _users(self, statement: Select[Any]) -> list[UserRow]:
        found = users_of(self._rows(statement))
        return self._decoded(tables.USERS, found)

    def _rows(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        with explained(self.place):
            try:
                return self._fetch(statement)
            except exc.DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # The connection was broken, perhaps long ago; a new one need not be.
            return self._fetch(statement)

    def _fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        with self._readers.connect() as connection:
            return connection.execute(statement).all()

    def _decoded(self, kind: Kind[R], rows: Iterable[Sequence[Any]]) -> list[R]:
        try:
            return [kind.decode(row) for row in rows]
        except Unsound as error:
            raise damaged(self.place, str(error)) from error


def users_of(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return users' values as they are decoded, from a row for each membership."""
    groups: dict[str, list[str]] = {}
    users: dict[str, Sequence[Any]] = {}
    for name, role, *rest, group in rows:
        users[name] = (role, *rest)
        groups.setdefault(name, []).extend([] if group is None else [group])
    return [(name, role, tables.to_json(groups[name]), *rest) for name, (role, *rest) in users.items()]


def next_numbers(connection: Connection) -> dict[str, int]:
    """Return the next number of leases, entries, commands and webhooks: above all that were ever used."""
    numbers = dict.fromkeys(NUMBERED, 1) | {row.name: row.next for row in connection.execute(select(schema.COUNTERS))}
    for name in NUMBERED:
        highest = connection.execute(statements.highest(schema.TABLES[name])).scalar()
        numbers[name] = max(numbers[name], (highest or 0) + 1)
    return numbers


def _undo(what: Callable[[], object]) -> None:
    """Undo a transaction that failed: where the connection is broken, that is done already."""
    try:
        what()
    except exc.SQLAlchemyError:
        return
