"""The store is out of reach for a while: requests are refused, what was promised goes on, nothing is lost."""

import contextlib
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import QUICK
from tests.live.load import Promise, answers, ask
from tests.live.nursery import Running, Site
from tests.live.truth import recovered
from tests.stores.postgresql import Server

SMALL = [{"count": 1, "resources": {"CPU": 100, "Memory": 512}}]
FULL_BYTES = 128 * 1024
PATIENCE_S = 60.0


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Site:
    """Return a site whose store is a file."""
    return Site(tmp_path, f"sqlite:///{tmp_path}/haizea.db", QUICK)


@contextlib.contextmanager
def running(site: Site) -> Iterator[Running]:
    """Run a daemon, and stop it cleanly."""
    daemon = Running(site)
    try:
        assert daemon.wait(lambda: answers(site.socket)), daemon.log()
        yield daemon
    finally:
        daemon.stop()


def promised(site: Site, name: str, **more: Any) -> Promise:
    """Request a lease that is acknowledged."""
    promise = Promise(name, {"name": name, "nodes": SMALL, "duration": "10:00:00", **more})
    status, lease = ask(site.socket, "POST", "/v1/leases", promise.body, name)
    assert status == 201, lease
    promise.heard(lease)
    return promise


def vms(site: Site) -> set[tuple[int, str]]:
    """Return the leases that have VMs on the platform, and what these do."""
    with contextlib.closing(sqlite3.connect(site.platform)) as database:
        return set(database.execute("SELECT lease, state FROM vms").fetchall())


def soon(what: Callable[[], bool]) -> None:
    """Wait until something is so, however much else the machine has to do."""
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < until, f"not within {PATIENCE_S} s"
        time.sleep(0.02)


def goes_through(site: Site, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Check that a daemon goes through an outage as it should."""
    before = promised(site, "before", start="now")
    # Site time runs sixty times as fast: this one starts during the outage, whether that is noticed at once or not.
    during = promised(site, "during", start="+00:06:00")
    promises = [before, during]
    begin()
    refused = Promise("refused", {"name": "refused", "nodes": SMALL, "duration": 600})
    promises.append(refused)
    status, problem = ask(site.socket, "POST", "/v1/leases", refused.body, "refused")
    assert (status, problem["status"]) == (503, 503)
    assert problem["remedy"]
    assert "store" in problem["detail"]
    assert ask(site.socket, "POST", "/v1/leases", refused.body, "refused")[0] == 503
    assert ask(site.socket, "GET", "/readyz")[0] == 503
    number = during.lease["id"] if during.lease is not None else 0
    soon(lambda: (number, "running") in vms(site))
    end()
    soon(lambda: answers(site.socket))
    status, lease = ask(site.socket, "POST", "/v1/leases", refused.body, "refused")
    assert status in (200, 201), lease
    refused.heard(lease)
    for promise in promises:
        assert promise.lease is not None
        status, lease = ask(site.socket, "GET", f"/v1/leases/{promise.lease['id']}")
        promise.heard(lease)
        assert lease["state"] == "active"


def afterwards(site: Site, names: list[str]) -> None:
    """Check store and platform when the daemon has stopped."""
    recovered(site)
    assert len({lease for lease, _state in vms(site)}) == len(names)


def test_postgresql_is_stopped_and_started_again(server: Server, tmp_path: Path) -> None:
    """While the server is away a reservation starts on time; when it is back all is as if it had never been away."""
    site = Site(tmp_path, server.make(), QUICK)
    with running(site):
        try:
            goes_through(site, server.stop, server.start)
        except BaseException:
            server.start()
            raise
    afterwards(site, ["before", "during", "refused"])


def test_postgresql_crashes(server: Server, tmp_path: Path) -> None:
    """The same where the server does not end in order."""
    site = Site(tmp_path, server.make(), QUICK)
    with running(site):
        goes_through(site, lambda: server.stop("immediate"), server.start)
    afterwards(site, ["before", "during", "refused"])


def test_another_program_locks_the_file(sqlite_site: Site) -> None:
    """Somebody keeps the database locked: the loop does not wait for that."""
    with running(sqlite_site):
        other = sqlite3.connect(sqlite_site.url.removeprefix("sqlite:///"), isolation_level=None)
        goes_through(sqlite_site, lambda: _lock(other), lambda: _unlock(other))
        other.close()
    afterwards(sqlite_site, ["before", "during", "refused"])


def _lock(other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")


def _unlock(other: sqlite3.Connection) -> None:
    other.execute("ROLLBACK")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs a system that limits files of a running process")
def test_the_disk_is_full(sqlite_site: Site) -> None:
    """No file can grow any more: what was acknowledged stays, and the daemon goes on by itself when there is room."""
    log = Path(sqlite_site.url.removeprefix("sqlite:///") + "-wal")
    with running(sqlite_site) as daemon:
        number = 0
        while log.stat().st_size < FULL_BYTES:
            number += 1
            status, lease = ask(
                sqlite_site.socket, "POST", "/v1/leases", {"nodes": SMALL, "start": "+99:00:00", "duration": 60}
            )
            assert status == 201, lease
        pid = daemon.process.pid
        assert pid is not None
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        goes_through(
            sqlite_site,
            lambda: _limit(pid, (FULL_BYTES, before[1])),
            lambda: _limit(pid, before),
        )
    afterwards(sqlite_site, ["before", "during", "refused"])


def _limit(pid: int, limit: tuple[int, int]) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def test_killed_during_an_outage(server: Server, tmp_path: Path) -> None:
    """What the daemon did while it could not write is found out by the next one, and nothing is done twice."""
    site = Site(tmp_path, server.make(), QUICK)
    daemon = Running(site)
    assert daemon.wait(lambda: answers(site.socket)), daemon.log()
    endless = promised(site, "endless", start="now", duration="unlimited")
    during = promised(site, "during", start="+00:03:00")
    short = promised(site, "short", start="now", duration=180)
    server.stop()
    try:
        assert ask(site.socket, "POST", "/v1/leases", {"nodes": SMALL, "start": "now", "duration": 9_000})[0] == 503
        numbers = [promise.lease["id"] for promise in (endless, during, short) if promise.lease is not None]
        soon(lambda: {lease for lease, _state in vms(site)} == set(numbers[:2]))
        daemon.kill()
    finally:
        server.start()
    recovered(site)
    assert vms(site) == {(number, "running") for number in numbers[:2]}
    with running(site):
        promised(site, "after", start="now")
        soon(lambda: len(vms(site)) == 3)
        for promise in (endless, during, short):
            assert promise.lease is not None
            promise.heard(ask(site.socket, "GET", f"/v1/leases/{promise.lease['id']}")[1])
        assert (endless.state, during.state, short.state) == ("active", "active", "done")
