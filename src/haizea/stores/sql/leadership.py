"""Who may write: one daemon at a time, the one that leads.

In PostgreSQL the lead is an advisory lock, held by a connection that does nothing else: it goes with the connection,
and so with the process or the machine. In SQLite it is a lock on a file beside the database.

A lock alone is not enough, for its holder may not know yet that it is gone. So each store that is opened for writing
counts the epoch up, and each of its transactions makes sure that the epoch is still its own.
"""

import fcntl
import os
import threading
from contextlib import suppress
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from haizea.runtime.store import StoreUnavailable
from haizea.stores.sql.places import Place, explained, leading, place

ADVISORY_KEY: Final = 0x4861697A6561  # "Haizea"


class _Lock(Protocol):
    def acquire(self, note: str) -> bool: ...

    def held(self) -> bool: ...

    def release(self) -> None: ...

    def holder(self) -> str: ...


class Leadership:
    """The lead over the store at ``url``; ``name`` and ``address`` tell others who has it and where to reach it.

    It may be lost without notice where the connection breaks: ask :meth:`held` now and then, and :meth:`try_acquire`
    again where it is. As long as nobody else took the lead in between, a store that was opened under it may go on
    writing.

    Raises:
        StoreUnusable: the URL means nothing.
    """

    def __init__(self, url: str, *, name: str = "", address: str = "") -> None:
        self.place = place(url)
        self.name = name or f"process {os.getpid()} on {os.uname().nodename}"
        self.address = address
        self._lock: _Lock = _AdvisoryLock(self.place) if self.place.path is None else _FileLock(self.place)
        # The loop asks whether it is held, and another thread may close the store.
        self._mutex = threading.Lock()

    def try_acquire(self) -> bool:
        """Take the lead unless another has it; return whether it is held now.

        Raises:
            StoreUnavailable: that cannot be found out at the moment.
        """
        with self._mutex:
            return self._lock.held() or self._lock.acquire(self.name)

    def held(self) -> bool:
        """Whether the lead is still held; False too where the connection that held it is broken."""
        with self._mutex:
            return self._lock.held()

    def release(self) -> None:
        """Let another have the lead."""
        with self._mutex:
            self._lock.release()

    def holder(self) -> str:
        """Return who has the lead, as far as that can be told, for a message."""
        return self._lock.holder()


class _FileLock:
    """A lock on a file beside the database. The file stays: removing it would let two lock two files of one name."""

    def __init__(self, at: Place) -> None:
        assert at.path is not None
        self._at = at
        self._path = at.path.with_name(at.path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self, note: str) -> bool:
        with explained(self._at):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, note.encode(errors="replace"), 0)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return True

    def held(self) -> bool:
        if self._descriptor is None:
            return False
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._descriptor), os.stat(self._path)):
                return True
        # Somebody removed the file that was locked: the next to come locks another one.
        self.release()
        return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")[:200]
        except OSError:
            return "another process"


class _AdvisoryLock:
    """A lock in the server, held as long as its connection lives."""

    def __init__(self, at: Place) -> None:
        self._at = at
        self._engine = leading(at)
        self._connection: Connection | None = None

    def acquire(self, _note: str) -> bool:
        self.release()
        with explained(self._at):
            connection = self._engine.connect()
            try:
                got = self._ask(connection, f"SELECT pg_try_advisory_lock({ADVISORY_KEY})")
            except BaseException:
                _discard(connection)
                raise
        if not got:
            _discard(connection)
            return False
        self._connection = connection
        if not self.held():
            message = (
                f"store {self._at.name}: the server does not keep a lock for the session: where a connection pooler "
                "stands between, let it pool sessions, or go past it"
            )
            raise StoreUnavailable(message)
        return True

    def held(self) -> bool:
        if self._connection is None:
            return False
        # The number stands in two halves, and another database may have the same.
        high, low = ADVISORY_KEY >> 32, ADVISORY_KEY & 0xFFFFFFFF
        try:
            with explained(self._at):
                there = self._ask(
                    self._connection,
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted "
                    f"AND classid = {high} AND objid = {low} AND objsubid = 1",
                )
        except StoreUnavailable:
            there = 0
        if not there:
            self.release()
        return bool(there)

    def release(self) -> None:
        if self._connection is not None:
            _discard(self._connection)
            self._connection = None

    def holder(self) -> str:
        return "another daemon"

    @staticmethod
    def _ask(connection: Connection, statement: str) -> Any:
        return connection.exec_driver_sql(statement).scalar()


def _discard(connection: Connection) -> None:
    # Closing what is broken already would only raise another error about the same thing.
    connection.invalidate()
    connection.close()
