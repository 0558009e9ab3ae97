"""Several daemons on one PostgreSQL: one leads, the others stand by, and one of them takes over when it fails."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import QUICK
from tests.live.load import Promise, answers, ask
from tests.live.nursery import Running, Site
from tests.live.test_outages import PATIENCE_S, SMALL, promised, soon, vms
from tests.live.truth import recovered
from tests.stores.postgresql import Server


@pytest.fixture
def pair(server: Server, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    """Return a daemon that leads and one that stands by, each with its own socket, before the same platform."""
    url = server.make()
    options = {**QUICK, "live.platform-file": str(tmp_path / "platform")}
    sites = [Site(tmp_path / name, url, options) for name in ("a", "b")]
    for site in sites:
        site.folder.mkdir()
    first = Running(sites[0], many=True)
    assert first.wait(lambda: answers(sites[0].socket)), first.log()
    second = Running(sites[1], many=True)
    assert second.wait(lambda: stands_by(sites[1])), second.log()
    yield first, second
    for daemon in (first, second):
        if daemon.process.is_alive():
            daemon.kill()


def get(site: Site, path: str) -> Any:
    """Return what a daemon answers."""
    status, answer = ask(site.socket, "GET", path)
    assert status == 200, answer
    return answer


def stands_by(site: Site) -> bool:
    """Whether a daemon answers, and stands by."""
    try:
        return bool(ask(site.socket, "GET", "/v1/status")[1].get("role") == "standby")
    except (OSError, ValueError):
        return False


def again(site: Site, promise: Promise) -> Any:
    """Send a request once more, and until it is answered: a connection to the server may have broken."""
    until = time.monotonic() + PATIENCE_S
    while True:
        status, lease = ask(site.socket, "POST", "/v1/leases", promise.body, promise.key)
        if status != 503:
            assert status in (200, 201), lease
            return lease
        assert time.monotonic() < until, lease
        time.sleep(0.1)


def still_there(site: Site, promises: list[Promise]) -> None:
    """Check that a daemon knows what was promised, and gives nothing twice."""
    for promise in promises:
        assert promise.lease is not None
        promise.heard(get(site, f"/v1/leases/{promise.lease['id']}"))
        promise.heard(again(site, promise))
    assert get(site, "/v1/leases")["total"] == len(promises)


def test_who_stands_by_answers_questions_and_refuses_the_rest(pair: tuple[Running, Running]) -> None:
    """It shows what the one that leads has kept, and says who that is to whoever wants more."""
    leads, waits = pair[0].site, pair[1].site
    lease = promised(leads, "one", start="now").lease
    assert lease is not None
    soon(lambda: get(waits, "/v1/leases")["total"] == 1)
    assert get(waits, f"/v1/leases/{lease['id']}") == get(leads, f"/v1/leases/{lease['id']}")
    assert get(waits, "/v1/events")["items"] == get(leads, "/v1/events")["items"]
    used = [(host["name"], host["leases"]) for host in get(waits, "/v1/hosts")["items"]]
    assert used == [(host["name"], host["leases"]) for host in get(leads, "/v1/hosts")["items"]]
    assert get(waits, "/v1/queue")["total"] == 0
    for method, path, body in (
        ("POST", "/v1/leases", {"nodes": SMALL, "duration": 60}),
        ("DELETE", f"/v1/leases/{lease['id']}", None),
        ("PUT", "/v1/users/ann", {"role": "user"}),
    ):
        status, problem = ask(waits.socket, method, path, body)
        assert (status, problem["code"]) == (503, "standby"), problem
        assert "leads" in problem["detail"]
        assert problem["remedy"]
        assert problem["active"]["name"] == f"process {pair[0].process.pid} on {os.uname().nodename}"
    status, problem = ask(waits.socket, "GET", "/readyz")
    assert status == 503
    assert get(leads, "/v1/status")["role"] == "active"


def test_when_the_one_that_leads_is_killed_another_takes_over(pair: tuple[Running, Running]) -> None:
    """With everything that was promised; and the first one stands by when it is back."""
    first, second = pair
    promises = [promised(first.site, "runs", start="now"), promised(first.site, "later", start="+00:05:00")]
    first.kill()
    soon(lambda: answers(second.site.socket))
    still_there(second.site, promises)
    promises.append(promised(second.site, "new", start="now"))
    again = Running(first.site, many=True)
    try:
        assert again.wait(lambda: stands_by(first.site)), again.log()
        soon(lambda: len(vms(second.site)) == 3)
        second.stop()
        soon(lambda: answers(first.site.socket))
        still_there(first.site, promises)
    finally:
        again.kill()
    recovered(first.site)


def test_one_that_was_cut_off_finds_that_it_is_deposed(pair: tuple[Running, Running], server: Server) -> None:
    """It stops writing as soon as it can know, takes nothing more, and stands by."""
    first, second = pair
    promises = [promised(first.site, "before", start="now")]
    pid = first.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with server.connect(first.site.url) as connection:
            holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({holder}) AS holders")
        soon(lambda: answers(second.site.socket))
        promises.append(promised(second.site, "after", start="now"))
    finally:
        os.kill(pid, signal.SIGCONT)
    status, problem = ask(first.site.socket, "POST", "/v1/leases", {"nodes": SMALL, "duration": 60}, "lost")
    assert status == 503, problem
    soon(lambda: stands_by(first.site))
    still_there(second.site, promises)
    assert len(vms(second.site)) == 2
    for daemon in pair:
        daemon.kill()
    recovered(first.site)


def test_the_lead_survives_a_restart_of_the_server(pair: tuple[Running, Running], server: Server) -> None:
    """Whoever reaches the server first leads; nothing is lost or doubled, and exactly one leads."""
    first, second = pair
    promises = [promised(first.site, "one", start="now")]
    server.stop("immediate")
    server.start()
    sites = [first.site, second.site]
    soon(lambda: _settled(sites))
    leads = next(site for site in sites if answers(site.socket))
    still_there(leads, promises)
    promised(leads, "two", start="now")
    soon(lambda: len(vms(leads)) == 2)


def _settled(sites: list[Site]) -> bool:
    """Whether one leads and the other stands by, and that not only because the first has not found out yet."""
    before = [(answers(site.socket), stands_by(site)) for site in sites]
    time.sleep(2.5)
    after = [(answers(site.socket), stands_by(site)) for site in sites]
    return before == after and sorted(after) == [(False, True), (True, False)]
