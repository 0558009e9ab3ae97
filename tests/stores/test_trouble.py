"""Trouble with what is below the store: it is said clearly, nothing is lost, and it goes on when that is over."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from haizea.runtime.store import Deposed, Store, StoreError, StoreUnavailable
from haizea.stores import open_store
from haizea.stores.sql import places
from haizea.stores.sql.leadership import Leadership
from haizea.stores.sql.store import SqlStore
from haizea.stores.tables import ACTIVE
from tests.stores.postgresql import Server
from tests.stores.rows import entry
from tests.stores.writer import whole, write

Open = Callable[..., Store]
ROOT = Path(__file__).resolve().parent.parent.parent


def write_on(store: Store) -> None:
    """Write until that fails."""
    while True:
        write(store, store.load().next_lease)


def test_locked_by_another_program(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another program holds a lock on the file, writing fails after a while; reading goes on."""
    monkeypatch.setattr(places, "BUSY_S", 0.1)
    store = opened(f"sqlite:///{tmp_path}/a.db")
    write(store, 1)
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"kept it locked.*SQLITE_BUSY"):
            write(store, 2)
        assert store.last_entry() == 2
    write(store, 2)
    assert whole(store) == 2


FULL = """
import resource, sys
from haizea.runtime.store import StoreUnavailable
from haizea.stores import open_store
from tests.stores.writer import whole, write

store = open_store(sys.argv[1])
write(store, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
number, faults = 1, 0
while faults < 3:
    try:
        write(store, number + 1)
        number += 1
    except StoreUnavailable as error:
        faults += 1
        print(error)
assert store.lease(number) is not None
assert whole(store) == number
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(store, number + 1)
assert whole(store) == number + 1
store.close()
"""


def run(program: str, *arguments: str) -> str:
    """Run a program beside the tests; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_room_left(tmp_path: Path) -> None:
    """Where its file cannot grow the transaction is refused and those before are kept; with room again, all is well."""
    said = run(FULL, f"sqlite:///{tmp_path}/a.db").splitlines()
    assert len(said) == 3
    assert all("room" in line for line in said)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 2 MB; skip where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False, stderr=subprocess.DEVNULL
        ).returncode
    ):
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(disk: Path) -> None:
    """On a disk that is full, the message says that there is no room; with room again, writing goes on."""
    store = open_store(f"sqlite:///{disk}/a.db")
    write(store, 1)
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(4_000_000))
    with pytest.raises(StoreUnavailable, match="no room left"):
        write_on(store)
    number = store.load().next_lease - 1
    assert whole(store) == number
    ballast.unlink()
    write(store, number + 1)
    assert whole(store) == number + 1
    store.close()


def test_a_disk_that_becomes_read_only(disk: Path) -> None:
    """Where the disk takes no more writes, a new daemon is told so and does not start."""
    url = f"sqlite:///{disk}/a.db"
    store = open_store(url)
    write(store, 1)
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreUnavailable, match="Read-only file system"):
        open_store(url)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    store = open_store(url)
    assert whole(store) == 1
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write whatever the permissions say")
def test_a_file_that_may_only_be_read(tmp_path: Path, opened: Open) -> None:
    """A daemon without the right to write to the file is told so when it starts."""
    url = f"sqlite:///{tmp_path}/a.db"
    opened(url).close()
    (tmp_path / "a.db").chmod(0o400)
    with pytest.raises(StoreUnavailable, match="read-only for this user"):
        open_store(url)


def test_a_server_that_takes_no_writes(server: Server, opened: Open) -> None:
    """Where the server is read-only, as a standby of another is, writing is refused clearly and reading goes on."""
    url = server.make()
    write(opened(url), 1)
    opened(url, read_only=True)
    with server.connect(url) as connection:
        connection.execute("ALTER ROLE haizea SET default_transaction_read_only = on")
        try:
            reader = opened(url, read_only=True)
            assert reader.last_entry() == 2
            connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                open_store(url)
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER ROLE haizea RESET default_transaction_read_only")


def test_the_server_stops_and_starts(server: Server, opened: Open) -> None:
    """While PostgreSQL is away everything fails clearly; when it is back, the same store goes on by itself."""
    store = opened(server.make())
    write(store, 1)
    assert whole(store) == 1
    server.stop()
    try:
        for ask in (store.ping, store.load, lambda: write(store, 2), lambda: store.lease(1)):
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                ask()
    finally:
        server.start()
    write(store, 2)
    write(store, 3)
    assert whole(store) == 3


def test_a_broken_connection_is_replaced(server: Server, opened: Open) -> None:
    """Connections that an administrator ends are replaced: readers do not notice, the writer fails at most once."""
    url = server.make()
    store = opened(url)
    write(store, 1)
    store.ping()
    with server.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                           "WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    store.ping()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        write(store, 2)
    write(store, 2)
    assert whole(store) == 2
    with pytest.raises(StoreError, match="in use by"):
        open_store(url)


def test_a_commit_in_doubt_can_be_repeated(server: Server, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the connection breaks after the server committed, the same transaction is written again without fault."""
    store = opened(server.make())
    write(store, 1)
    commit = psycopg.Connection.commit

    def break_after(connection: psycopg.Connection[object]) -> None:
        commit(connection)
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "commit", break_after)
        with pytest.raises(StoreUnavailable):
            write(store, 2)
    write(store, 2)
    write(store, 3)
    assert whole(store) == 3
    with pytest.raises(StoreError, match="number 5 is not above"):
        write(store, 3)


def test_only_one_leads(server: Server) -> None:
    """Of two daemons one leads; when it lets go, or its connection breaks, the other can."""
    url = server.make()
    first, second = Leadership(url, name="one"), Leadership(url, name="two")
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    assert (first.held(), second.held()) == (True, False)
    first.release()
    assert (first.held(), second.try_acquire()) == (False, True)
    with server.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
    assert not second.held()
    assert first.try_acquire()
    first.release()


def test_takeover_and_fencing(url: str, opened: Open) -> None:
    """A daemon that lost the lead without knowing it cannot write once another has taken over, which is soon."""
    first = Leadership(url, name="one", address="http://one")
    store = open_store(url, leadership=first)
    standby = opened(url, read_only=True)
    write(store, 1)
    active = standby.fact(ACTIVE)
    assert (active["name"], active["address"], active["epoch"]) == ("one", "http://one", 1)
    assert abs(active["since"] - time.time() * 1000) < 60_000
    second = Leadership(url, name="two", address="http://two")
    assert not second.try_acquire()
    first.release()
    write(store, 2)
    assert second.try_acquire()
    successor = open_store(url, leadership=second)
    assert whole(successor) == 2
    with pytest.raises(Deposed, match="another daemon has taken over"):
        write(store, 3)
    write(successor, 3)
    with pytest.raises(Deposed):
        write(store, 4)
    assert whole(standby) == 3
    assert standby.fact(ACTIVE)["name"] == "two"
    store.close()
    successor.close()
    assert second.held()
    second.release()


def test_a_transaction_that_hangs_does_not_keep_others_from_the_lead(server: Server) -> None:
    """A daemon that stands still within a transaction is thrown out by the next, and nothing of it is kept."""
    url = server.make()
    first = Leadership(url)
    store = open_store(url, leadership=first)
    assert isinstance(store, SqlStore)

    took: list[float] = []

    def stand_still() -> None:
        with store.changing() as connection:
            connection.exec_driver_sql("INSERT INTO counters VALUES ('leases', 77)")
            first.release()
            began = time.monotonic()
            open_store(url).close()
            took.append(time.monotonic() - began)

    with pytest.raises(StoreUnavailable):
        stand_still()
    # Well before the server would end the transaction because nothing comes in it.
    assert took[0] < places.BUSY_S - 1
    successor = open_store(url)
    assert successor.load().next_lease == 1
    successor.close()
    store.close()


def test_a_lock_file_that_is_removed(tmp_path: Path) -> None:
    """Whoever removes the lock file lets a second daemon in; the first one is fenced off all the same."""
    url = f"sqlite:///{tmp_path}/a.db"
    first = open_store(url)
    write(first, 1)
    (tmp_path / "a.db.lock").unlink()
    second = open_store(url)
    with pytest.raises(Deposed):
        write(first, 2)
    write(second, 2)
    assert whole(second) == 2
    first.close()
    second.close()


def test_too_many_readers(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all connections are busy the next reader is told so, and does not wait for ever."""
    monkeypatch.setattr(places, "BUSY_S", 0.1)
    monkeypatch.setattr(places, "READERS", 1)
    monkeypatch.setattr(places, "READERS_MORE", 0)
    store = opened(f"sqlite:///{tmp_path}/a.db")
    assert isinstance(store, SqlStore)
    with store.snapshot(), pytest.raises(StoreUnavailable, match="all connections are busy"):
        store.ping()
    store.ping()


def test_a_writer_waits_for_its_turn(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction within another of the same store is refused rather than waited for for ever."""
    monkeypatch.setattr(places, "BUSY_S", 0.1)
    store = opened(f"sqlite:///{tmp_path}/a.db")
    with store.write() as transaction:
        with pytest.raises(StoreUnavailable, match="still open"):
            write(store, 1)
        transaction.append([entry(1)])
    assert store.last_entry() == 1
