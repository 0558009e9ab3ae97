"""Copying a store in SQLite while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from haizea.runtime.store import StoreUnavailable
from haizea.stores.sql import places
from haizea.stores.sql.places import Place, damaged, explained


def copy_sqlite(at: Place, target: Path) -> None:
    """Copy a store to ``target``, which must not be there: complete and checked, or not at all.

    Raises:
        StoreUnusable: the store is damaged.
        StoreUnavailable: it cannot be read, or the copy not written.
    """
    assert at.path is not None
    if target.exists():
        raise StoreUnavailable(f"store {at.name}: {target} is there already; choose another name for the backup")
    part = target.with_name(target.name + ".part")
    try:
        with explained(at):
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                with (
                    closing(sqlite3.connect(f"{at.path.as_uri()}?mode=ro", uri=True, timeout=places.BUSY_S)) as source,
                    closing(sqlite3.connect(part)) as copy,
                ):
                    source.backup(copy)
                    # One file is easier kept than three; whoever opens it for writing changes that back.
                    copy.execute("PRAGMA journal_mode = DELETE")
                    found = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(3)")]
                if found != ["ok"]:
                    raise damaged(at, "; ".join(found))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.rename(target)
            places.sync_directory(target)
    finally:
        part.unlink(missing_ok=True)
