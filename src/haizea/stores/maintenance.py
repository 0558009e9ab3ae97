"""What an administrator does with a store: back it up and restore it, check, migrate, move and prune it.

Every function takes URLs as :func:`haizea.stores.open_store` does, and raises :class:`~haizea.runtime.store.StoreError`
with a sentence for its keeper. Those that write need the lead, and so a store that no daemon is using.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from sqlalchemy import select

from haizea.model.units import Instant
from haizea.runtime.rows import LeaseRow
from haizea.runtime.store import StoreError, StoreUnavailable, StoreUnusable
from haizea.stores import portable, pruning, tables
from haizea.stores.pruning import Pruned
from haizea.stores.sql import schema, statements
from haizea.stores.sql.copying import copy_sqlite
from haizea.stores.sql.leadership import Leadership
from haizea.stores.sql.opening import open_sql, prepare
from haizea.stores.sql.places import Place, explained, place, sync_directory
from haizea.stores.sql.soundness import broken_references, integrity
from haizea.stores.sql.store import SqlStore, next_numbers, users_of
from haizea.stores.tables import KINDS, LEASES, Kind, Unsound

FINDINGS_MAX: Final = 100


class Finding(NamedTuple):
    """Something that is wrong with a store: where (a table, or the file), and what."""

    where: str
    what: str


class Migrated(NamedTuple):
    """What a migration did: the revisions before and after; equal where there was nothing to do."""

    before: int
    after: int


def backup(url: str, target: Path) -> None:
    """Copy a store, while it may be in use, to a file that is not there yet: complete and checked, or not at all.

    The copy of a store in SQLite is one; that of one in PostgreSQL is an export, which :func:`restore` takes too.

    Raises:
        StoreUnusable: the store is damaged.
        StoreUnavailable: it cannot be read, or the file not written.
    """
    at = place(url)
    if at.path is None:
        export(url, target)
        return
    if not at.path.exists():
        raise StoreUnavailable(f"store {at.name}: there is none to back up")
    copy_sqlite(at, target)


def restore(url: str, source: Path) -> None:
    """Make a store from a backup of either kind. There must be none yet, or an empty one in PostgreSQL.

    Raises:
        StoreUnusable: there is something already, or the backup is damaged.
        StoreError: the backup is no such thing.
    """
    at = place(url)
    with explained(place(f"sqlite:///{source.absolute()}")), source.open("rb") as file:
        is_sqlite = file.read(16) == b"SQLite format 3\0"
    if not is_sqlite:
        import_(url, source)
        return
    if at.path is None:
        message = f"{source} is a copy of a store in SQLite: export that one, and import it into {at.name}"
        raise StoreUnusable(message)
    for path in (at.path, at.path.with_name(at.path.name + "-wal")):
        if path.exists():
            raise StoreUnusable(f"{path} is there already; move it, and {at.path.name}-wal and -shm, out of the way")
    with _lead(url):
        copy_sqlite(place(f"sqlite:///{source.absolute()}"), at.path)


def migrate(url: str) -> Migrated:
    """Bring a store up to date; where it is SQLite, make a backup beside it first.

    Raises:
        StoreUnusable: it is newer, damaged, or in use.
    """
    at = place(url)
    if at.path is not None and not at.path.exists():
        raise StoreUnavailable(f"store {at.name}: there is none to migrate")
    with _lead(url):
        before = prepare(at, migrate=True)
    return Migrated(before or schema.REVISION, schema.REVISION)


def export(url: str, target: Path | IO[bytes]) -> int:
    """Write everything in a store, all of one moment, as lines of JSON; return the number of lines.

    A path must not be there yet, and will be there only when it is complete.

    Raises:
        StoreUnavailable: the store cannot be read, or the file not written.
        StoreUnusable: the store is damaged.
    """
    store = open_sql(url, read_only=True)
    try:
        with explained(store.place):
            if not isinstance(target, Path):
                return _write(target, store)
            with _new_file(target, store.place) as file:
                return _write(file, store)
    finally:
        store.close()


def import_(url: str, source: Path | Iterable[bytes]) -> int:
    """Fill a new or empty store from an export, wholly or not at all; return how many rows there were.

    Raises:
        StoreUnusable: the store is not empty, or in use.
        StoreError: the export is not sound: the message names the line.
    """
    store = open_sql(url)
    try:
        if not isinstance(source, Path):
            return portable.import_lines(store, source)
        try:
            file = source.open("rb")
        except OSError as error:
            raise StoreError(f"{source} cannot be read: {error.strerror}") from error
        with file:
            return portable.import_lines(store, portable.bounded_lines(file))
    finally:
        store.close()


def prune(url: str, before: Instant) -> Pruned:
    """Forget journal entries and leases that were over before an instant; a daemon in use has its own way to.

    Raises:
        StoreUnusable: it is in use, or of another version.
    """
    store = open_sql(url)
    try:
        return pruning.prune(store, before)
    finally:
        store.close()


def check(url: str) -> list[Finding]:
    """Return what is wrong with a store, at most a hundred things of a table; empty where all is well.

    It reads everything, beside a daemon that may be using the store.
    """
    try:
        at = place(url)
        store = open_sql(url, read_only=True)
    except StoreError as error:
        return [Finding("store", str(error))]
    try:
        return [*_check_file(at), *_check_rows(store)]
    except StoreError as error:
        return [Finding("store", str(error))]
    finally:
        store.close()


def _check_file(at: Place) -> Iterator[Finding]:
    if at.path is None:
        return
    with explained(at):
        if at.path.stat().st_mode & 0o077:
            yield Finding("file", f"others may read {at.path}: chmod 600 {at.path}")


def _check_rows(store: SqlStore) -> Iterator[Finding]:
    with explained(store.place), store.snapshot() as connection:
        broken = integrity(connection)
        if broken:
            # What stands on bad pages need not be read: it would only say the same in many ways.
            yield from (Finding("file", each) for each in broken)
            return
        yield from (Finding(where, what) for where, what in broken_references(connection))
        numbers = next_numbers(connection)
        leases = connection.execute(select(schema.LEASES.c.id)).scalars()
        known = set(leases)
        for kind in KINDS:
            if kind is tables.USERS:
                yield from _check_kind(kind, users_of(connection.execute(statements.users())), numbers, known)
                continue
            with portable.stream(connection, kind) as rows:
                yield from _check_kind(kind, rows, numbers, known)


def _check_kind(kind: Kind[Any], rows: Iterable[Any], numbers: dict[str, int], leases: set[int]) -> Iterator[Finding]:
    found = 0
    for row in rows:
        try:
            what = _wrong(kind, kind.decode(row), numbers, leases)
        except Unsound as error:
            what = [str(error)]
        yield from (Finding(kind.name, each) for each in what)
        found += len(what)
        if found >= FINDINGS_MAX:
            yield Finding(kind.name, "and perhaps more")
            return


def _wrong(kind: Kind[Any], row: Any, numbers: dict[str, int], leases: set[int]) -> list[str]:
    """Return what is wrong with a row that can be read."""
    if kind is LEASES:
        return list(_wrong_lease(row, numbers["journal"]))
    if kind is tables.JOURNAL and row.lease is not None and not 0 <= row.lease < numbers["leases"]:
        return [f"entry {row.number} is about lease {row.lease}, which there never was"]
    if kind is tables.USAGE and (row.start > row.end or row.lease >= numbers["leases"]):
        return [f"usage {row.index} of lease {row.lease} cannot be: from {row.start} to {row.end}"]
    if kind is tables.COMMANDS and row.state not in {*tables.OPEN_COMMANDS, "done", "failed"}:
        return [f"command {row.id} is {row.state!r}, which no command can be"]
    return []


def _wrong_lease(row: LeaseRow, next_entry: int) -> Iterator[str]:
    if row.version >= next_entry:
        yield f"lease {row.id} was changed by entry {row.version}, which is not in the journal"
    if row.starts is not None and row.ends is not None and row.ends < row.starts:
        yield f"lease {row.id} ends before it starts"
    if row.id < 1 or row.vms < 0:
        yield f"lease {row.id} has {row.vms} VMs"


def _write(file: IO[bytes], store: SqlStore) -> int:
    lines = 0
    for line in portable.export_lines(store):
        file.write(line.encode() + b"\n")
        lines += 1
    return lines


@contextmanager
def _new_file(target: Path, at: Place) -> Iterator[IO[bytes]]:
    if target.exists():
        raise StoreUnavailable(f"store {at.name}: {target} is there already; choose another name")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
        sync_directory(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _lead(url: str) -> Iterator[Leadership]:
    lead = Leadership(url)
    if not lead.try_acquire():
        raise StoreUnusable(f"store {lead.place.name} is in use by {lead.holder()}; stop that first")
    try:
        yield lead
    finally:
        lead.release()
