"""Forgetting what is old: journal entries and leases that have long been over. Numbers are never given again."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, CursorResult, Table, delete, func, or_, select

from haizea.model.units import Instant
from haizea.stores.sql.schema import COMMANDS, JOURNAL, KEYS, LEASES, TABLES
from haizea.stores.sql.store import SqlStore, next_numbers
from haizea.stores.tables import OPEN_COMMANDS

BATCH: Final = 1_000


class Pruned(NamedTuple):
    """How many rows were forgotten, and whether there may be more to forget."""

    leases: int
    commands: int
    keys: int
    entries: int
    more: bool


def prune_some(store: SqlStore, before: Instant, limit: int = BATCH) -> Pruned:
    """Forget at most ``limit`` leases and entries from before an instant, in one transaction.

    A daemon may call it between two transactions of its own. A lease goes with its commands and idempotency keys; one
    that an offer or a command that is not over refers to stays. Usage stays, and so does the newest entry.

    Raises:
        StoreError: as :meth:`haizea.runtime.store.Store.write`.
    """
    with store.changing() as connection:
        for name, next_ in next_numbers(connection).items():
            connection.execute(store.statements.count_up, {"name": name, "next": next_})
        leases = _old_leases(connection, before, limit)
        commands = _delete(connection, COMMANDS, COMMANDS.c.lease, leases)
        keys = _delete(connection, KEYS, KEYS.c.lease, leases)
        _delete(connection, LEASES, LEASES.c.id, leases)
        entries = _old_entries(connection, before, limit)
        if entries:
            connection.execute(delete(JOURNAL).where(JOURNAL.c.number <= entries[-1]))
    return Pruned(len(leases), commands, keys, len(entries), max(len(leases), len(entries)) >= limit)


def prune(store: SqlStore, before: Instant) -> Pruned:
    """Forget everything from before an instant, a batch in each transaction.

    Raises:
        StoreError: as :func:`prune_some`; the batches until then are forgotten.
    """
    done = Pruned(0, 0, 0, 0, True)
    while done.more:
        some = prune_some(store, before)
        done = Pruned(
            done.leases + some.leases,
            done.commands + some.commands,
            done.keys + some.keys,
            done.entries + some.entries,
            some.more,
        )
    return done


def _old_leases(connection: Connection, before: Instant, limit: int) -> list[int]:
    offers = TABLES["offers"]
    unsettled = select(COMMANDS.c.id).where(COMMANDS.c.lease == LEASES.c.id, COMMANDS.c.state.in_(OPEN_COMMANDS))
    held = select(offers.c.id).where(offers.c.lease == LEASES.c.id)
    wanted = (
        select(LEASES.c.id)
        .where(LEASES.c.final.is_(True), LEASES.c.submitted < before)
        .where(or_(LEASES.c.ends.is_(None), LEASES.c.ends < before))
        .where(~unsettled.exists(), ~held.exists())
        .order_by(LEASES.c.id)
        .limit(limit)
    )
    return list(connection.execute(wanted).scalars())


def _old_entries(connection: Connection, before: Instant, limit: int) -> list[int]:
    newest = select(func.max(JOURNAL.c.number)).scalar_subquery()
    oldest = select(JOURNAL.c.number, JOURNAL.c.at).where(JOURNAL.c.number < newest).order_by(JOURNAL.c.number)
    found = []
    for number, at in connection.execute(oldest.limit(limit)):
        if at >= before:
            break
        found.append(number)
    return found


def _delete(connection: Connection, table: Table, column: Any, values: list[int]) -> int:
    if not values:
        return 0
    done = connection.execute(delete(table).where(column.in_(values)))
    assert isinstance(done, CursorResult)
    return done.rowcount
