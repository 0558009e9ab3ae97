"""Where a store is: what its URL means, connections to it, and what is said when the database fails."""

import os
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import QueuePool

from haizea.runtime.store import StoreError, StoreUnavailable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_S: Final = 5
READERS: Final = 8
READERS_MORE: Final = 24
CONNECT_S: Final = 3

# A machine that dies says nothing. Both ends notice within 2 + 3 × 1 seconds, so that another daemon can take over.
_KEEPALIVE: Final = {"keepalives": 1, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3}
_SESSION: Final = (
    "SET tcp_keepalives_idle = 2",
    "SET tcp_keepalives_interval = 1",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = 5000",
    f"SET lock_timeout = '{BUSY_S}s'",
    f"SET idle_in_transaction_session_timeout = '{BUSY_S}s'",
    # What was acknowledged must be durable, whatever is the custom of the server.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)


class Place(NamedTuple):
    """A database: the URL its driver is given, and the file where it is SQLite."""

    url: URL
    path: Path | None

    @property
    def name(self) -> str:
        """How it is called in messages: without its password."""
        if self.path is not None:
            return str(self.path)
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)


def place(url: str) -> Place:
    """Return what a URL means.

    Raises:
        StoreUnusable: it means nothing, or a library is missing.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise StoreUnusable(_expected("what was given is not a URL")) from None
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.query or parsed.host:
            raise StoreUnusable(_expected("a store in SQLite needs the path of its file and nothing else"))
        path = Path(parsed.database).expanduser().absolute()
        return Place(URL.create("sqlite+pysqlite", database=str(path)), path)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        if find_spec("psycopg") is None:
            message = "a store in PostgreSQL needs psycopg: install haizea with its extra, haizea[postgresql]"
            raise StoreUnusable(message)
        return Place(parsed.set(drivername="postgresql+psycopg"), None)
    raise StoreUnusable(_expected(f"a store cannot be in {parsed.drivername}"))


def _expected(fault: str) -> str:
    return f"store: {fault}; expected memory:, sqlite:///path or postgresql://user@host/database"


def reading(at: Place) -> Engine:
    """Return an engine for readers on any thread: each statement sees what is committed when it begins."""
    engine = create_engine(
        at.url,
        isolation_level="AUTOCOMMIT",
        poolclass=QueuePool,
        pool_size=READERS,
        max_overflow=READERS_MORE,
        pool_timeout=BUSY_S,
        connect_args=_arguments(at),
    )
    if at.path is not None:
        event.listen(engine, "connect", _set_up_reader)
    return engine


def writing(at: Place) -> Engine:
    """Return an engine of one connection, for the writer: each of its transactions shuts out other writers."""
    engine = create_engine(
        at.url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=BUSY_S, connect_args=_arguments(at)
    )
    if at.path is None:
        event.listen(engine, "connect", _set_up_session)
    else:
        event.listen(engine, "connect", _set_up_writer)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def leading(at: Place) -> Engine:
    """Return an engine whose connections are each opened anew, for holding a lock of PostgreSQL's."""
    from sqlalchemy.pool import NullPool

    engine = create_engine(at.url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=_arguments(at))
    event.listen(engine, "connect", _set_up_session)
    return engine


def _arguments(at: Place) -> dict[str, Any]:
    if at.path is not None:
        return {"check_same_thread": False, "timeout": BUSY_S}
    given = {"application_name": "haizea", "connect_timeout": CONNECT_S, "tcp_user_timeout": 5000, **_KEEPALIVE}
    return {name: value for name, value in given.items() if name not in at.url.query}


def _set_up_reader(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("query_only = ON", "foreign_keys = ON", "cache_size = -8192"):
        connection.execute(f"PRAGMA {pragma}")


def _set_up_writer(connection: Any, _record: Any) -> None:
    # The driver must begin no transactions by itself: it would not shut out other writers from the start.
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "journal_size_limit = 67108864",
        "cache_size = -16384",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _set_up_session(connection: Any, _record: Any) -> None:
    before = connection.autocommit
    connection.autocommit = True
    for statement in _SESSION:
        connection.execute(statement)
    connection.autocommit = before


def sync_directory(path: Path) -> None:
    """Make sure that a file's name is as durable as the file."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(at: Place) -> "Iterator[None]":
    """Turn errors of the database into :class:`StoreError` with a sentence for the store's keeper."""
    try:
        yield
    except (exc.SQLAlchemyError, OSError) as error:
        raise explain(error, at) from error
    except Exception as error:
        # The driver's own, where its connection is used directly.
        if type(error).__module__.split(".")[0] in {"sqlite3", "psycopg"}:
            raise explain(error, at) from error
        raise


def explain(error: BaseException, at: Place) -> StoreError:
    """Return what is said about an error of the database."""
    if isinstance(error, exc.TimeoutError):
        return StoreUnavailable(f"store {at.name}: all connections are busy; try again later")
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    if isinstance(cause, OSError):
        return StoreUnavailable(f"store {at.name}: {cause.strerror or cause}; try again when that is remedied")
    if at.path is not None:
        return _explain_sqlite(cause, at)
    return _explain_postgresql(cause, at)


_SQLITE: Final = (
    (("SQLITE_BUSY", "SQLITE_LOCKED"), f"another program has kept it locked for {BUSY_S} s; end that program"),
    (("SQLITE_FULL",), "there is no room left on its disk; make room"),
    (("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"), "it cannot be written: it, its directory or its disk is "
     "read-only for this user"),
    (("SQLITE_CANTOPEN",), "it cannot be opened; check that its directory is there and belongs to this user"),
    (("SQLITE_IOERR",), "its disk cannot be read or written, for a fault or for want of room; check the disk"),
    (("SQLITE_NOMEM",), "there is no memory left"),
)  # fmt: skip


def _explain_sqlite(cause: BaseException, at: Place) -> StoreError:
    code = str(getattr(cause, "sqlite_errorname", ""))
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damaged(at, str(cause))
    if code.startswith("SQLITE_CONSTRAINT"):
        return StoreError(f"store {at.name}: what was to be kept contradicts what is kept: {cause}")
    for codes, sentence in _SQLITE:
        if code.startswith(codes):
            return StoreUnavailable(f"store {at.name}: {sentence} ({code})")
    if "no such table" in str(cause) or "no such column" in str(cause):
        return damaged(at, str(cause))
    return StoreError(f"store {at.name}: {cause}")


_POSTGRESQL: Final = (
    (("53100",), "there is no room left on the server's disk; make room"),
    (("53",), "the server is short of means ({cause}); raise its limits or close other connections"),
    (("55P03", "40001", "40P01"), "another program keeps it locked ({cause}); end that program"),
    (("25P03",), "the server ended a transaction that stood still: {cause}"),
    (("25006",), "the server takes no writes, as a standby of another does; use the one that does"),
    (("28",), "the server refused the user or the password: {cause}"),
    (("3D000",), "there is no such database; make it, `createdb` does, or correct the URL"),
    (("42501",), "the user lacks a right: {cause}"),
    (("57014",), "the server gave up on a statement: {cause}"),
)


def _explain_postgresql(cause: BaseException, at: Place) -> StoreError:
    import psycopg

    code = str(getattr(cause, "sqlstate", None) or "")
    text = " ".join(str(cause).split())
    if code.startswith("XX00"):
        return damaged(at, text)
    if code in {"42P01", "42703"}:
        return damaged(at, text)
    if code.startswith("23"):
        return StoreError(f"store {at.name}: what was to be kept contradicts what is kept: {text}")
    for codes, sentence in _POSTGRESQL:
        if code.startswith(codes):
            return StoreUnavailable(f"store {at.name}: {sentence.format(cause=text)}")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(f"store {at.name}: the server cannot be reached: {text or type(cause).__name__}")
    return StoreError(f"store {at.name}: {text}")


def damaged(at: Place, how: str) -> StoreUnusable:
    """Return what is said about a store that is not sound."""
    return StoreUnusable(
        f"store {at.name} is damaged: {how}; stop what uses it, look with `haizea store check`, and restore a backup"
    )
