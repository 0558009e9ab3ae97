"""Opening a store: making a new one, telling its version, bringing an older one up to date."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, inspect

from haizea.runtime.store import StoreUnavailable, StoreUnusable
from haizea.stores.sql import places
from haizea.stores.sql.copying import copy_sqlite
from haizea.stores.sql.leadership import Leadership
from haizea.stores.sql.places import Place, damaged, explained, place
from haizea.stores.sql.schema import REVISION, VERSION_TABLE
from haizea.stores.sql.store import SqlStore


class Migrations(NamedTuple):
    """The folder with ``versions`` of the schema, and the last of them."""

    folder: Path
    last: int


MIGRATIONS: Final = Migrations(Path(__file__).with_name("migrations"), REVISION)


def open_sql(
    url: str, *, read_only: bool = False, migrate: bool = False, leadership: Leadership | None = None
) -> SqlStore:
    """Open a store in a database, as :func:`haizea.stores.open_store` does."""
    at = place(url)
    if read_only:
        return _open_to_read(at)
    with _led(url, at, leadership) as (lead, own):
        prepare(at, migrate=migrate)
        return SqlStore(at, lead, own=own)


@contextmanager
def _led(url: str, at: Place, leadership: Leadership | None) -> Iterator[tuple[Leadership, bool]]:
    """Take the lead; give it up again where opening fails and nobody else asked for it."""
    if leadership is not None and leadership.place != at:
        raise ValueError(f"the lead over {leadership.place.name} does not allow writing to {at.name}")
    if at.path is not None:
        with explained(at):
            # A folder that is there already is its owner's business.
            at.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lead = leadership or Leadership(url)
    before = lead.held()
    if not before and not lead.try_acquire():
        message = f"store {at.name} is in use by {lead.holder()}: one daemon at a time may write; stop the other one"
        raise StoreUnusable(message)
    try:
        yield lead, leadership is None
    except BaseException:
        if not before:
            lead.release()
        raise


def _open_to_read(at: Place) -> SqlStore:
    if at.path is not None and not at.path.exists():
        raise StoreUnavailable(f"store {at.name}: there is none yet; `haizea serve` makes it")
    store = SqlStore(at)
    try:
        with explained(at), store.snapshot() as connection:
            found = revision(connection, at)
            if found == 0:
                raise StoreUnavailable(f"store {at.name}: there is nothing in it yet; `haizea serve` makes it")
            _check_revision(at, found, REVISION)
    except BaseException:
        store.close()
        raise
    return store


def prepare(at: Place, *, migrate: bool, migrations: Migrations = MIGRATIONS) -> int:
    """See to it that the schema is there in this version; return the revision that it had before.

    The caller leads. A new file gets its name only when it is complete, so that one that is there and empty is known
    to be damaged.

    Raises:
        StoreUnusable: it is newer, older while ``migrate`` is not given, damaged, or somebody else's.
        StoreUnavailable: it cannot be reached, read or written.
    """
    if at.path is not None and not at.path.exists():
        _make_file(at, migrations)
        return 0
    engine = places.writing(at)
    try:
        with explained(at):
            if at.path is not None and at.path.stat().st_size == 0:
                raise damaged(at, "its file is empty")
            with engine.connect() as connection:
                found = revision(connection, at)
            if found == 0 and at.path is not None:
                raise damaged(at, "nothing is in it")
            if not migrate or found == 0:
                _check_revision(at, found or migrations.last, migrations.last)
            if found < migrations.last:
                if found and at.path is not None:
                    copy_sqlite(at, backup_name(at.path, found))
                _upgrade(engine, migrations)
            elif found > migrations.last:
                _check_revision(at, found, migrations.last)
            return found
    finally:
        engine.dispose()


def backup_name(path: Path, found: int) -> Path:
    """Return the name of the backup that is made before a migration from a revision: one that is not taken."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    plain = path.with_name(f"{path.name}.revision-{found}-{stamp}")
    tried = [plain, *(plain.with_name(f"{plain.name}-{number}") for number in range(2, 100))]
    return next((each for each in tried if not each.exists()), plain)


def revision(connection: Connection, at: Place) -> int:
    """Return the revision of the schema, 0 where there is nothing at all.

    Raises:
        StoreUnusable: there is something, but no store of Haizea's.
    """
    names = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        if names:
            shown = ", ".join(sorted(names)[:5])
            message = f"store {at.name} holds something else ({shown}); Haizea needs a file, or a database, of its own"
            raise StoreUnusable(message)
        return 0
    rows = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").all()
    if len(rows) != 1 or not str(rows[0][0]).isdecimal() or int(rows[0][0]) < 1:
        raise damaged(at, f"its version cannot be told from {[row[0] for row in rows][:3]}")
    return int(rows[0][0])


def _check_revision(at: Place, found: int, ours: int) -> None:
    if found > ours:
        message = (
            f"store {at.name} is of a newer version of Haizea (revision {found}, this one knows {ours}): "
            "use that version, or restore a backup from before it"
        )
        raise StoreUnusable(message)
    if found < ours:
        message = (
            f"store {at.name} is of an older version of Haizea (revision {found}, this one needs {ours}): "
            "run `haizea store migrate`"
        )
        raise StoreUnusable(message)


def _make_file(at: Place, migrations: Migrations) -> None:
    assert at.path is not None
    new = at.path.with_name(at.path.name + ".new")
    with explained(at):
        for leftover in (new, new.with_name(new.name + "-wal"), new.with_name(new.name + "-shm")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        engine = places.writing(place(f"sqlite:///{new}"))
        try:
            _upgrade(engine, migrations)
        except BaseException:
            engine.dispose()
            with suppress(FileNotFoundError):
                new.unlink()
            raise
        engine.dispose()
        new.rename(at.path)
        places.sync_directory(at.path)


def _upgrade(engine: Engine, migrations: Migrations) -> None:
    """Run the migrations that are missing, all in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
        config.attributes["connection"] = connection
        command.upgrade(config, f"{migrations.last:04}")
