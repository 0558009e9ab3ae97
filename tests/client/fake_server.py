"""A small HTTP server that answers as a lease manager would, from documents that the service's own models make."""

import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel

from haizea.service import models, order_models


class Seen(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any


class Reply(NamedTuple):
    """An answer; a ``body`` of bytes is sent as it is. ``broken``: the connection ends in the middle."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}
    broken: bool = False


Answer = Reply | BaseModel | list[Any] | dict[str, Any] | Callable[[Seen], Any]


def problem(status: int, code: str, detail: str, remedy: str = "", field: str = "") -> Reply:
    """Return a refusal."""
    document = {"type": f"urn:{code}", "status": status, "title": code, "detail": detail, "code": code}
    document |= {"remedy": remedy, "field": field}
    return Reply(status, document, {"Content-Type": "application/problem+json"})


class FakeServer:
    """Answers by method and path; a list of answers is given one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.queues: dict[tuple[str, str], list[Answer]] = {}
        self.seen: list[Seen] = []
        self.streams: list[bytes] = []
        self.connections = 0
        self.address = ""

    def put(self, method: str, path: str, *answers: Answer) -> None:
        """Say how requests are answered."""
        self.queues[method, path] = list(answers)

    def answer(self, seen: Seen) -> Reply:
        """Answer a request."""
        self.seen.append(seen)
        queue = self.queues.get((seen.method, seen.path))
        if not queue:
            return problem(404, "not-found", f"there is nothing at {seen.path}")
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        if callable(found) and not isinstance(found, BaseModel):
            found = found(seen)
        return found if isinstance(found, Reply) else Reply(200, found)

    def requests(self, method: str, path: str) -> list[Seen]:
        """Return what was asked of a path."""
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]


def dumped(body: Any) -> bytes:
    """Return a body as JSON."""
    return json.dumps(body, default=lambda model: model.model_dump(mode="json")).encode()


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            fake.connections += 1

        def log_message(self, format: str, *args: Any) -> None:
            return

        def address_string(self) -> str:
            return ""

        def handle_any(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length) if length else b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(
                self.command, split.path, parse_qs(split.query), headers, json.loads(content) if content else None
            )
            if split.path == "/v1/events/stream":
                self.stream(seen)
                return
            reply = fake.answer(seen)
            body = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else dumped(reply.body)
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + (10 if reply.broken else 0)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or reply.broken

        def stream(self, seen: Seen) -> None:
            fake.seen.append(seen)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            content = fake.streams.pop(0) if fake.streams else b"id: 0\n\n"
            for start in range(0, len(content), 50):
                piece = content[start : start + 50]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            # The end of the connection without the last chunk, as when a server dies.
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    return Handler


class _Quiet(socketserver.BaseServer):
    """Says nothing of clients that have gone: some tests are about that."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _UnixServer(_Quiet, socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _TcpServer(_Quiet, ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def served(path: Path | None = None) -> Iterator[FakeServer]:
    """Serve on a Unix socket, or on a free port of loopback where no path is given."""
    fake = FakeServer()
    server: socketserver.BaseServer
    if path is not None:
        server = _UnixServer(str(path), _handler(fake))
        fake.address = f"unix://{path}"
    else:
        tcp = _TcpServer(("127.0.0.1", 0), _handler(fake))
        fake.address, server = f"http://127.0.0.1:{tcp.server_port}", tcp
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def lease(number: int = 17, **changes: Any) -> models.LeaseOut:
    """Return a lease: an advance reservation of two VMs, or as the changes say."""
    given: dict[str, Any] = {
        "id": number, "name": "", "owner": "ada", "group": "", "type": "AR", "state": "scheduled", "preemptible": False,
        "nodes": [{"count": 2, "resources": {"CPU": 100, "Memory": 1024}}], "vms": 2, "duration_s": 3600.0,
        "start": "2026-11-25T13:00:00Z", "deadline": None, "submitted": "2026-11-22T20:00:00Z",
        "starts": "2026-11-25T13:00:00Z", "ends": "2026-11-25T14:00:00Z", "delivered_s": 0.0, "remaining_s": 3600.0,
        "price": None, "reason": None, "software": None, "constraints": {}, "on_guest_shutdown": "end",
        "on_failure": "requeue", "extra": {}, "plan": [stay()], "suspensions": 0, "resumptions": 0, "migrations": 0,
        "preemptions": 0, "requeued": 0, "version": 3,
    }  # fmt: skip
    return models.LeaseOut(**given | changes)


def outcome(of: models.LeaseOut | None = None, **changes: Any) -> order_models.OutcomeOut:
    """Return what came of an order: that it was done, and nobody else was affected."""
    given: dict[str, Any] = {
        "done": True, "text": "It is done.", "lease": of, "affected": [], "left": [], "notes": [],
    }  # fmt: skip
    return order_models.OutcomeOut(**given | changes)


def stay(**changes: Any) -> dict[str, Any]:
    """Return a stay on two hosts."""
    given: dict[str, Any] = {
        "phase": "scheduled", "start": "2026-11-25T13:00:00Z", "run_start": "2026-11-25T13:00:00Z",
        "run_end": "2026-11-25T14:00:00Z", "end": "2026-11-25T14:00:00Z", "resuming": False, "suspending": False,
        "hosts": {"host-1": "1", "host-2": "2"},
    }  # fmt: skip
    return given | changes


def rejected(number: int = 18) -> models.LeaseOut:
    """Return a lease that was refused."""
    reason = {
        "cause": "no-room", "text": "the hosts are full until 15:00", "hosts": {"full": 4}, "leases": [17],
        "retry_at": "2026-11-25T15:00:00Z",
    }  # fmt: skip
    return lease(number, state="rejected", reason=reason, plan=[], starts=None, ends=None)


def page(*leases: models.LeaseOut, total: int | None = None, offset: int = 0) -> models.LeasePage:
    """Return part of a list of leases."""
    return models.LeasePage(total=len(leases) if total is None else total, limit=500, offset=offset, items=list(leases))


def entry(number: int, **changes: Any) -> models.EntryOut:
    """Return a journal entry."""
    given: dict[str, Any] = {
        "number": number, "at": "2026-11-22T20:00:00Z", "kind": "lease-changed", "lease": 17, "host": None,
        "actor": "haizea", "text": "lease 17 is active", "data": {},
    }  # fmt: skip
    return models.EntryOut(**given | changes)


def event(found: models.EntryOut) -> bytes:
    """Return an entry as a server-sent event."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (found.number, found.kind.encode(), found.model_dump_json().encode())


def verdict(accepted: bool = True, **changes: Any) -> models.VerdictOut:
    """Return what would become of a request."""
    given: dict[str, Any] = {
        "accepted": accepted, "state": "scheduled" if accepted else "rejected",
        "starts": "2026-11-25T13:00:00Z" if accepted else None, "ends": "2026-11-25T14:00:00Z" if accepted else None,
        "plan": [stay()] if accepted else [], "price": None, "affected": [],
        "reason": None if accepted else rejected().reason,
    }  # fmt: skip
    return models.VerdictOut(**given | changes)


def offers(*found: dict[str, Any]) -> models.OffersOut:
    """Return what could be had instead of what is refused."""
    return models.OffersOut(verdict=verdict(False), offers=[models.OfferOut(**each) for each in found])


def later(offer: str | None = None) -> dict[str, Any]:
    """Return an offer of the same, two hours later."""
    return {
        "id": offer, "kind": "later", "text": "the same two hours later", "verdict": verdict(),
        "request": {"nodes": [{"count": 2, "resources": {"CPU": 100}}], "duration": "01:00:00"},
        "expires": "2026-11-22T20:05:00Z" if offer else None,
    }  # fmt: skip


def status(**changes: Any) -> models.StatusOut:
    """Return how a daemon is."""
    given: dict[str, Any] = {
        "version": "2.0.0", "state": "running", "role": "active", "now": "2026-11-22T20:00:00Z",
        "started": "2026-11-22T08:00:00Z", "time_scale": 1.0, "hosts": {"up": 4}, "leases": {"active": 1, "done": 3},
        "queue": 2, "utilisation": {"CPU": 0.5}, "next_event": None, "entries": 120, "warnings": ["the disk is full"],
    }  # fmt: skip
    return models.StatusOut(**given | changes)


def host(number: int = 1, **changes: Any) -> models.HostOut:
    """Return a host."""
    given: dict[str, Any] = {
        "id": number, "name": f"host-{number}", "state": "up", "labels": {"rack": "r1"},
        "capacity": {"CPU": 800, "Memory": 16384}, "used": {"CPU": 200, "Memory": 4096}, "leases": [17],
    }  # fmt: skip
    return models.HostOut(**given | changes)
