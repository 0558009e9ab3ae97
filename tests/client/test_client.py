"""Calls: what is sent, what comes back, what is tried again, and how it ends where nothing comes."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from haizea.client import (
    BadAddress,
    BadAnswer,
    Client,
    ClientError,
    ConnectionBroken,
    ServerGone,
    TimedOut,
    order_shapes,
    shapes,
)
from haizea.service import models, order_models
from tests.client.fake_server import FakeServer, Reply, entry, event, lease, page, problem, served, status

REQUEST = {"nodes": [{"count": 2, "resources": {"CPU": 100}}], "duration": "01:00:00"}


def test_a_lease_is_requested(server: FakeServer, client: Client) -> None:
    """The request travels as it is, with a key that names it."""
    server.put("POST", "/v1/leases", lease(17))
    assert client.request_lease(REQUEST)["id"] == 17
    (seen,) = server.seen
    assert seen.body == REQUEST
    assert len(seen.headers["idempotency-key"]) == 32


def test_two_requests_have_two_keys(server: FakeServer, client: Client) -> None:
    """Two leases of the same terms are wanted where the same is requested twice."""
    server.put("POST", "/v1/leases", lease(17))
    client.request_lease(REQUEST)
    client.request_lease(REQUEST)
    assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 2


def test_a_request_whose_connection_broke_is_repeated_with_its_key(server: FakeServer, client: Client) -> None:
    """A lost answer leads to the same lease, not to a second one."""
    made: dict[str, int] = {}

    def once(seen: Any) -> Any:
        first = seen.headers["idempotency-key"] not in made
        number = made.setdefault(seen.headers["idempotency-key"], len(made) + 1)
        return Reply(201, lease(number), broken=True) if first else Reply(201, lease(number))

    server.put("POST", "/v1/leases", once)
    assert client.request_lease(REQUEST)["id"] == 1
    assert len(server.seen) == 2
    assert len(made) == 1


def test_a_key_of_ones_own_is_used(server: FakeServer, client: Client) -> None:
    """Who names a request decides which one it is."""
    server.put("POST", "/v1/leases", lease(17))
    client.request_lease(REQUEST, key="monday")
    assert server.seen[0].headers["idempotency-key"] == "monday"


def test_what_could_be_done_twice_is_not_repeated(server: FakeServer, client: Client) -> None:
    """A cancellation whose answer is lost is told as such."""
    server.put("DELETE", "/v1/leases/17", Reply(200, lease(17), broken=True))
    with pytest.raises(ConnectionBroken, match="broke before the answer came"):
        client.cancel_lease(17)
    assert len(server.seen) == 1


def test_reads_are_repeated_until_patience_ends(server: FakeServer, client: Client) -> None:
    """A server that always breaks off is given up after a few tries."""
    server.put("GET", "/v1/queue", Reply(200, {}, broken=True))
    with pytest.raises(ConnectionBroken):
        client.queue()
    assert len(server.seen) == 5


def test_a_refusal_says_what_why_and_what_to_do(server: FakeServer, client: Client) -> None:
    """The problem document is in the error."""
    server.put("POST", "/v1/leases", problem(422, "invalid", "no VMs", "ask for at least one", "nodes.0.count"))
    with pytest.raises(ClientError) as raised:
        client.request_lease(REQUEST)
    error = raised.value
    assert (error.status, error.code, error.field) == (422, "invalid", "nodes.0.count")
    assert str(error) == "no VMs; ask for at least one"


def test_a_refusal_without_a_document_is_one_too(server: FakeServer, client: Client) -> None:
    """What stands in between may answer with HTML."""
    server.put("GET", "/v1/queue", Reply(502, b"<html>", {"Content-Type": "text/html", "Retry-After": "7"}))
    with pytest.raises(ClientError, match="HTTP status 502") as raised:
        client.queue()
    assert raised.value.retry_after_s == 7


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"', b"[" * 100_000, b"\xff"])
def test_an_answer_of_something_else_is_no_answer(server: FakeServer, client: Client, body: bytes) -> None:
    """HTML, the wrong JSON, or JSON without an end is not taken for a lease."""
    server.put("GET", "/v1/leases/17", Reply(200, body))
    with pytest.raises(BadAnswer):
        client.lease(17)


def test_an_answer_may_not_be_larger_than_allowed(server: FakeServer) -> None:
    """Nothing that answers can fill the memory."""
    server.put("GET", "/v1/leases/17", Reply(200, b" " * 300_000))
    with Client(server.address, answer_bytes_max=200_000) as client, pytest.raises(BadAnswer, match="200,000 bytes"):
        client.lease(17)


def test_nobody_listens(tmp_path: Path) -> None:
    """The error says how to start a server."""
    with Client(f"unix://{tmp_path}/none.sock") as client, pytest.raises(ServerGone, match="haizea serve"):
        client.status()


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """A call ends when its time is up."""
    with (
        _listening(tmp_path / "mute.sock", b""),
        Client(f"unix://{tmp_path}/mute.sock", timeout_s=0.2) as client,
        pytest.raises(TimedOut, match=r"0\.2 s"),
    ):
        client.status()


def test_a_server_that_dribbles_is_given_up(tmp_path: Path) -> None:
    """A byte now and then does not keep a call alive."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with (
        _listening(tmp_path / "slow.sock", head, drip=b" "),
        Client(f"unix://{tmp_path}/slow.sock", timeout_s=0.3) as client,
        pytest.raises(TimedOut),
    ):
        client.cancel_lease(1)


def test_what_is_no_http_is_no_answer(tmp_path: Path) -> None:
    """Another program at the socket is told apart from a server that is gone."""
    with (
        _listening(tmp_path / "x.sock", b"hello\r\n\r\n"),
        Client(f"unix://{tmp_path}/x.sock", timeout_s=2) as client,
        pytest.raises(BadAnswer, match="does not answer as a Haizea server"),
    ):
        client.cancel_lease(1)


@contextmanager
def _listening(path: Path, said: bytes, drip: bytes = b"") -> Iterator[None]:
    stop = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.recv(65536)
                    connection.sendall(said)
                    try:
                        while drip and not stop.wait(0.05):
                            connection.sendall(drip)
                    except OSError:
                        continue
                    if not said:
                        stop.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def test_a_connection_is_kept() -> None:
    """Calls one after the other need one connection."""
    with served() as server, Client(server.address) as client:
        server.put("GET", "/v1/status", status())
        for _ in range(3):
            client.status()
        assert (len(server.seen), server.connections) == (3, 1)


def test_a_connection_that_the_server_closed_is_made_anew(server: FakeServer, client: Client) -> None:
    """A kept connection that ended in the meantime is noticed before anything is sent on it."""
    server.put("GET", "/v1/status", Reply(200, status(), {"Connection": "close"}))
    server.put("DELETE", "/v1/leases/17", lease(17, state="cancelled"))
    client.status()
    assert client.cancel_lease(17)["state"] == "cancelled"


def test_a_token_is_sent(tmp_path: Path) -> None:
    """It says who asks."""
    with served(tmp_path / "s") as server, Client(server.address, token="secret") as client:
        server.put("GET", "/v1/status", status())
        client.status()
        assert server.seen[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("token", ["a b", "a\nb", "é", "a\r\nX: y"])
def test_a_token_that_is_none_is_not_sent(token: str) -> None:
    """What could end a header never comes so far."""
    with pytest.raises(BadAddress, match="characters that no token has"):
        Client("unix:///s", token=token)


def test_a_token_does_not_travel_unencrypted() -> None:
    """Plain HTTP to another machine is refused where there is a secret; to this one it is not."""
    with pytest.raises(BadAddress, match="unencrypted"):
        Client("http://haizea.example.org:42480", token="secret")
    Client("http://127.0.0.1:42480", token="secret").close()
    Client("http://[::1]:42480", token="secret").close()


def test_all_leases_come_page_by_page(server: FakeServer, client: Client) -> None:
    """Pages follow each other to the end; a lease that slid to the next page comes once."""
    pages = {"0": page(lease(1), lease(2), total=4), "2": page(lease(2), lease(3), total=4, offset=2)}
    server.put("GET", "/v1/leases", lambda seen: pages[seen.query["offset"][0]])
    assert [found["id"] for found in client.all_leases(states=("active", "queued"), active=True)] == [1, 2, 3]
    assert server.seen[0].query["state"] == ["active", "queued"]
    assert server.seen[0].query["active"] == ["true"]


def test_no_more_leases_come_than_wanted(server: FakeServer, client: Client) -> None:
    """A limit ends the pages."""
    server.put("GET", "/v1/leases", page(lease(1), lease(2), total=400))
    assert [found["id"] for found in client.all_leases(most=2)] == [1, 2]
    assert server.seen[0].query["limit"] == ["2"]


def test_all_events_come_page_by_page(server: FakeServer, client: Client) -> None:
    """The cursor of a page leads to the next."""
    pages = {"0": {"items": [entry(1), entry(2)], "cursor": 2}, "2": {"items": [], "cursor": 2}}
    server.put("GET", "/v1/events", lambda seen: pages[seen.query["after"][0]])
    assert [found["number"] for found in client.all_events()] == [1, 2]


def test_names_cannot_lead_elsewhere(server: FakeServer, client: Client) -> None:
    """A name with slashes, dots or blanks is one part of a path."""
    server.put("DELETE", "/v1/users/..%2Ftokens%3F", Reply(204))
    server.put("DELETE", "/v1/users/%2E%2E", Reply(204))
    client.delete_user("../tokens?")
    client.delete_user("..")
    assert len(server.seen) == 2


EVENTS = b"id: 5\n\n" + event(entry(6)) + event(entry(7)) + event(entry(8))[:30]


def test_following_goes_on_where_it_broke(server: FakeServer, client: Client) -> None:
    """A stream that ends in the middle of an event is opened again after the last whole one: none lost, none twice."""
    server.streams = [EVENTS, event(entry(7)) + event(entry(8)) + b"id: 9\n: still here\n\n", event(entry(10))]
    numbers: list[int] = []
    for found in client.follow(4, lease=17):
        if found is not None:
            numbers.append(found["number"])
        if len(numbers) == 4:
            break
    assert numbers == [6, 7, 8, 10]
    assert [seen.headers["last-event-id"] for seen in server.seen] == ["4", "7", "9"]
    assert server.seen[0].query == {"lease": ["17"]}


def test_following_begins_now_where_nothing_is_said(server: FakeServer, client: Client) -> None:
    """The server says where it begins, and that the stream is open, before anything happens."""
    server.streams = [b"retry: 2000\nid: 5\n\n", event(entry(6))]
    stream = client.follow()
    assert next(stream) is None
    found = next(stream)
    assert found is not None
    assert found["number"] == 6
    assert [seen.headers.get("last-event-id") for seen in server.seen] == [None, "5"]


def test_following_gives_up_where_nobody_comes_back(tmp_path: Path) -> None:
    """A server that is gone for good ends it."""
    paused: list[float] = []
    with (
        Client(f"unix://{tmp_path}/none.sock", pause=paused.append) as client,
        pytest.raises(ServerGone),
    ):
        next(client.follow(0, give_up_s=60))
    assert 30 < sum(paused) <= 60


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: " + b"x" * 2_000_000 + b"\n\n"])
def test_a_stream_of_something_else_ends_in_one_error(server: FakeServer, client: Client, data: bytes) -> None:
    """No JSON, or a line without an end."""
    server.streams = [data]
    with pytest.raises(BadAnswer):
        next(client.follow(0))


PAIRS = {
    "Reason": "ReasonOut", "NodeSet": "NodeSetOut", "Stay": "StayOut", "Activity": "ActivityOut", "Lease": "LeaseOut",
    "LeasePage": "LeasePage", "Entry": "EntryOut", "EntryPage": "EntryPage", "Timeline": "TimelineOut",
    "Affected": "AffectedOut", "Verdict": "VerdictOut", "Offer": "OfferOut", "Offers": "OffersOut",
    "QueueItem": "QueueItemOut", "Queue": "QueueOut", "Host": "HostOut", "Estimate": "EstimateOut",
    "Hosts": "HostsOut", "Bar": "BarOut",
    "Schedule": "ScheduleOut", "Sample": "SampleOut", "Calendar": "CalendarOut", "UsageLine": "UsageLineOut",
    "Usage": "UsageOut", "User": "UserOut", "Group": "GroupOut", "Token": "TokenOut", "Quota": "QuotaOut",
    "Webhook": "WebhookOut", "Occurrence": "OccurrenceOut", "Recurrence": "RecurrenceOut",
    "Status": "StatusOut", "Policy": "PolicyOut", "Explanation": "ExplainOut", "Sooner": "SoonerOut",
}  # fmt: skip
ORDER_PAIRS = {
    "Outcome": "OutcomeOut", "VM": "VMOut", "VMs": "VMsOut", "Stray": "StrayOut", "Strays": "StraysOut",
    "Maintenance": "MaintenanceOut", "Maintenances": "MaintenancesOut", "Scheduler": "SchedulerOut",
    "Difference": "DifferenceOut", "HostDifference": "HostDifferenceOut", "Reconciled": "ReconciledOut",
    "Diff": "DiffOut",
    "Together": "TogetherOut", "Figures": "FiguresOut", "WhatIf": "WhatIfOut",
}  # fmt: skip


@pytest.mark.parametrize(("shape", "model"), ORDER_PAIRS.items())
def test_the_shapes_of_orders_are_those_of_the_service(shape: str, model: str) -> None:
    """What the client says an answer to an order holds is what the service puts into it."""
    found: type[BaseModel] = getattr(order_models, model)
    assert set(getattr(order_shapes, shape).__annotations__) == set(found.model_fields)


def test_every_answer_to_an_order_has_a_shape() -> None:
    """A new kind of answer is not forgotten here."""
    own = {
        name for name, found in vars(order_models).items()
        if isinstance(found, type) and issubclass(found, models.Answer) and found.__module__ == order_models.__name__
    }  # fmt: skip
    assert own == set(ORDER_PAIRS.values())


@pytest.mark.parametrize(("shape", "model"), PAIRS.items())
def test_the_shapes_are_those_of_the_service(shape: str, model: str) -> None:
    """What the client says an answer holds is what the service puts into it."""
    found: type[BaseModel] = getattr(models, model)
    assert set(getattr(shapes, shape).__annotations__) == set(found.model_fields)


def test_every_answer_has_a_shape() -> None:
    """A new kind of answer of the service is not forgotten here."""
    answers = {
        name for name, found in vars(models).items()
        if isinstance(found, type) and issubclass(found, models.Answer | models.QuotaOut)
    }  # fmt: skip
    assert answers - {"Answer", "Page"} == set(PAIRS.values())


def test_the_client_needs_only_the_standard_library() -> None:
    """Neither pydantic nor an HTTP library is imported for a call, and no http.client before the first one."""
    code = (
        "import sys; from haizea.client import Client, ServerGone\n"
        "assert 'http.client' not in sys.modules\n"
        "try:\n    Client('unix:///nowhere').status()\n"
        "except ServerGone: pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('pydantic', 'httpx', 'requests', 'click', 'rich', 'lxml', 'fastapi', 'sqlalchemy')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "[]\n", "")
