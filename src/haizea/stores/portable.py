"""Everything in a store as lines of JSON, which SQLite and PostgreSQL share: for backups, moving, and other programs.

The first line is ``{"haizea-store": 1, "revision": …, "at": …}``; then comes ``{"table": …, "row": {…}}`` for each row;
the last line is ``{"end": true, "rows": …}``, without which a file is not complete.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, select

from haizea.runtime.store import StoreError, StoreUnusable
from haizea.stores import tables
from haizea.stores.sql import schema, statements
from haizea.stores.sql.places import damaged
from haizea.stores.sql.store import SqlStore, next_numbers, users_of
from haizea.stores.sql.transaction import SqlTransaction
from haizea.stores.tables import ACTIVE, KINDS, Kind, Unsound, from_json, to_json

FORMAT: Final = 1
LINE_MAX: Final = 16 * 1024 * 1024
"""Bytes in a line; a lease of a thousand VMs has some hundred thousand."""

BATCH: Final = 500


class ImportFault(StoreError):
    """What was to be imported is not what an export looks like; the message names the line."""


def export_lines(store: SqlStore) -> Iterator[str]:
    """Yield a store's contents, all of one moment, without ends of lines. Memory is bounded, whatever its size.

    Raises:
        StoreUnusable: something in it is damaged.
    """
    with store.snapshot() as connection:
        yield to_json({"haizea-store": FORMAT, "revision": schema.REVISION, "at": time.time_ns() // 1_000_000})
        rows = 0
        for kind in KINDS:
            for row in _rows(connection, kind):
                try:
                    content = kind.decode(row)
                except Unsound as error:
                    raise damaged(store.place, str(error)) from error
                if not (kind is tables.FACTS and content.key == ACTIVE):
                    rows += 1
                    yield to_json({"table": kind.name, "row": _plain(content._asdict())})
        yield to_json({"end": True, "rows": rows})


def _rows(connection: Connection, kind: Kind[Any]) -> Iterable[Any]:
    """Return the rows of a kind as they are kept, a batch in memory at a time."""
    if kind is tables.USERS:
        return users_of(connection.execute(statements.users()))
    if kind is tables.COUNTERS:
        # Not what is noted, but what holds: numbers of what is deleted by the time of an import stay used.
        return list(next_numbers(connection).items())
    return stream(connection, kind)


def stream(connection: Connection, kind: Kind[Any]) -> CursorResult[Any]:
    """Return all rows of a kind as they are kept, a batch in memory at a time; close it."""
    return connection.execute(statements.all_of(schema.TABLES[kind.name]), execution_options={"yield_per": BATCH})


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in row.items()}


def import_lines(store: SqlStore, lines: Iterable[bytes]) -> int:
    """Keep what :func:`export_lines` wrote in a store that is empty, all of it or nothing; return how many rows.

    Lines are iterated once; whoever reads them from a file should do so with :func:`bounded_lines`.

    Raises:
        ImportFault: a line is not what it should be; nothing was kept.
        StoreUnusable: the store is not empty.
    """
    numbered = enumerate(lines, 1)
    _check_header(next(numbered, (1, b"")))
    with store.changing() as connection:
        if store.place.path is None:
            # Lines may come slowly; the store is new, and nobody waits for it.
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        _check_empty(store, connection)
        rows = 0
        batch = SqlTransaction(store.statements)
        last_entry = 0
        for number, line in numbered:
            tree = _parse(number, line)
            if "end" in tree:
                _check_end(number, tree, rows, next(numbered, None))
                last_entry = _flush(batch, connection, last_entry)
                break
            _put(batch, number, tree)
            rows += 1
            if rows % BATCH == 0:
                last_entry = _flush(batch, connection, last_entry)
                batch = SqlTransaction(store.statements)
        else:
            raise ImportFault("the import ends before its last line: the file is not complete")
    store.refresh()
    return rows


def bounded_lines(file: Any) -> Iterator[bytes]:
    """Yield the lines of a binary file; one that is too long is cut, so that its reader refuses it."""
    while line := file.readline(LINE_MAX + 1):
        yield line


def _flush(batch: SqlTransaction, connection: Connection, last_entry: int) -> int:
    batch.flush(connection, last_entry, again=False)
    return batch.entries_end(last_entry)


def _check_header(first: tuple[int, bytes]) -> None:
    header = _parse(*first)
    if "haizea-store" not in header:
        raise ImportFault("line 1: this is not an export of a store of Haizea's")
    if header["haizea-store"] != FORMAT or header.get("revision") != schema.REVISION:
        raise ImportFault(
            f"line 1: this is an export of form {header['haizea-store']!r}, revision {header.get('revision')!r}; this "
            f"version reads form {FORMAT}, revision {schema.REVISION}: import it with the version that wrote it, then "
            "`haizea store migrate`"
        )


def _check_end(number: int, tree: dict[str, Any], rows: int, after: tuple[int, bytes] | None) -> None:
    if tree.get("rows") != rows:
        raise ImportFault(f"line {number}: there were {rows} rows, and {tree.get('rows')!r} were written")
    if after is not None:
        raise ImportFault(f"line {after[0]}: there is something after the end")


def _check_empty(store: SqlStore, connection: Connection) -> None:
    for name, table in schema.TABLES.items():
        found = select(table)
        if name == tables.FACTS.name:
            found = found.where(schema.FACTS.c.key != ACTIVE)
        if connection.execute(found.limit(1)).first() is not None:
            message = f"store {store.place.name} is not empty (there are {name}): import into a new one"
            raise StoreUnusable(message)


def _parse(number: int, line: bytes) -> dict[str, Any]:
    if len(line) > LINE_MAX:
        raise ImportFault(f"line {number} is longer than {LINE_MAX} bytes")
    try:
        tree = from_json(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        shown = str(error)[:200]
        raise ImportFault(f"line {number} is not JSON: {shown}") from None
    if not isinstance(tree, dict):
        raise ImportFault(f"line {number}: expected an object")
    return tree


def _put(batch: SqlTransaction, number: int, tree: dict[str, Any]) -> None:
    kind = next((each for each in KINDS if each.name == tree.get("table")), None)
    if kind is None or set(tree) != {"table", "row"}:
        raise ImportFault(f"line {number}: expected a row of a table that there is, not {str(tree)[:100]}")
    try:
        row = _row(kind, tree["row"])
        if kind is tables.FACTS and row.key == ACTIVE:
            raise ValueError(f"the fact {ACTIVE!r} is of the daemon that wrote, and never part of an export")
        batch.put(kind, row)
    except (TypeError, ValueError, StoreError) as error:
        raise ImportFault(f"line {number}: {error}") from None


def _row(kind: Kind[Any], given: Any) -> Any:
    names = [column.name for column in kind.columns]
    if not isinstance(given, dict) or set(given) != set(names):
        raise ValueError(f"expected {kind.name} with {', '.join(names)} and nothing else")
    values = [tuple(given[name]) if isinstance(given[name], list) and form in {"texts", "integers"} else given[name]
              for name, form, _optional in kind.columns]  # fmt: skip
    return kind.row(*values)
