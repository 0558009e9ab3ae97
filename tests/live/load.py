"""Clients that request and cancel leases of all kinds while the daemon may die, and note what they are told."""

import http.client
import json
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from haizea.core.states import TRANSITIONS

TIMEOUT_S = 30.0
STATES = {state.label: state for state in TRANSITIONS}


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, url: str, body: Any = None, key: str = "") -> tuple[int, Any]:
    """Send one request; return the status and the answer.

    Raises:
        OSError: there is no answer.
    """
    connection = UnixConnection(path)
    headers = {"content-type": "application/json", **({"idempotency-key": key} if key else {})}
    try:
        connection.request(method, url, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except http.client.HTTPException as problem:
        raise ConnectionError(str(problem)) from problem
    finally:
        connection.close()


def answers(path: Path) -> bool:
    """Whether a daemon takes requests."""
    try:
        return ask(path, "GET", "/readyz")[0] == 200
    except (OSError, ValueError):
        return False


def reachable(before: str, after: str) -> bool:
    """Whether a lease may have come from one state to another."""
    seen, front = {STATES[before]}, [STATES[before]]
    while front:
        for state in TRANSITIONS[front.pop()] - seen:
            seen.add(state)
            front.append(state)
    return STATES[after] in seen


class Promise:
    """A request, and what was answered: the lease, once it was acknowledged."""

    def __init__(self, key: str, body: dict[str, Any]) -> None:
        self.key = key
        self.body = body
        self.lease: dict[str, Any] | None = None
        self.state = "new"
        self.cancel_asked = False
        self.cancelled = False

    def heard(self, lease: dict[str, Any]) -> None:
        """Take note of what a daemon says of the lease; it must go with what was said before."""
        first = self.lease
        assert lease["name"] == self.key
        if first is None:
            self.lease = lease
        else:
            for name in ("id", "nodes", "duration_s", "start", "deadline", "submitted", "owner", "type", "preemptible"):
                assert lease[name] == first[name], (self.key, name, first[name], lease[name])
        assert reachable(self.state, lease["state"]), (self.key, self.state, lease["state"])
        assert not self.cancelled or lease["state"] == self.state, (self.key, "was cancelled", lease["state"])
        self.state = lease["state"]


class Load:
    """Several clients at once. One error of the daemon's is remembered, and raised by :meth:`pause`."""

    def __init__(self, path: Path, seed: int, clients: int = 3) -> None:
        self.path = path
        self.promises: list[Promise] = []
        self.refusals: list[dict[str, Any]] = []
        self.retried = 0
        self._lock = threading.Lock()
        self._clients = clients
        self._random = random.Random(seed)
        self._number = 0
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._doubtful: list[Promise] = []
        self._living: list[Promise] = []

    def go(self) -> None:
        """Begin to ask, first for everything that was not answered before."""
        self._stop.clear()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._clients)]
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """Ask nothing more; raise what was wrong with an answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def settle(self) -> None:
        """Ask once more for everything that was not answered."""
        while self._doubtful:
            self._one(self._doubtful.pop())

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    action = self._next()
                action()
                self._stop.wait(self._random.uniform(0, 0.02))
        except (OSError, ValueError):
            # The daemon is gone, perhaps in the middle of an answer.
            return
        except BaseException as failure:
            self._failure = failure

    def _next(self) -> Callable[[], None]:
        chosen = self._random
        if self._doubtful:
            promise = self._doubtful.pop(0)
            self.retried += 1
            return lambda: self._one(promise)
        if self._living and chosen.random() < 0.45:
            promise = self._living.pop(chosen.randrange(len(self._living)))
            promise.cancel_asked = True
            return lambda: self._one(promise)
        self._number += 1
        key = f"key-{self._number}"
        promise = Promise(key, {"name": key, **self._wish()})
        self.promises.append(promise)
        return lambda: self._one(promise)

    def _wish(self) -> dict[str, Any]:
        chosen = self._random
        nodes = [{"count": chosen.randint(1, 3), "resources": {"CPU": chosen.choice([50, 100, 200]), "Memory": 512}}]
        wish: dict[str, Any] = {"nodes": nodes, "duration": chosen.choice([20, 60, 300, 900])}
        kind = chosen.randrange(6)
        if kind in (0, 1):
            wish["start"] = f"+00:{chosen.randint(0, 9):02}:{chosen.randint(0, 59):02}"
        elif kind == 2:
            wish["start"] = "now"
        elif kind == 3:
            wish["deadline"] = f"+0{chosen.randint(1, 3)}:00:00"
        elif kind == 4:
            wish |= {"start": "now", "duration": "unlimited", "preemptible": False}
        return wish

    def _one(self, promise: Promise) -> None:
        """Have a promise made, or cancelled."""
        try:
            if promise.cancel_asked:
                self._cancel(promise)
            else:
                self._request(promise)
        except BaseException:
            self._doubtful.append(promise)
            raise

    def _request(self, promise: Promise) -> None:
        status, lease = ask(self.path, "POST", "/v1/leases", promise.body, promise.key)
        if status == 503:
            self.refusals.append(lease)
            self._doubtful.append(promise)
            self._stop.wait(0.1)
            return
        assert status in (200, 201), (status, lease)
        promise.heard(lease)
        self._living.append(promise)

    def _cancel(self, promise: Promise) -> None:
        assert promise.lease is not None
        status, lease = ask(self.path, "DELETE", f"/v1/leases/{promise.lease['id']}")
        if status == 503:
            self.refusals.append(lease)
            self._doubtful.append(promise)
            self._stop.wait(0.1)
            return
        if status == 409:
            # It was over already, or is since a cancellation that was not answered.
            status, lease = ask(self.path, "GET", f"/v1/leases/{promise.lease['id']}")
        assert status == 200, (status, lease)
        promise.heard(lease)
        promise.cancelled = True
        assert STATES[promise.state].final, (promise.key, promise.state)
