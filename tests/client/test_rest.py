"""The client against the real REST API, on both of its doors, with a made-up lease manager behind it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haizea.client import Client, ClientError
from tests.api.background import background
from tests.api.fake_manager import FakeManager

REQUEST = {"nodes": [{"count": 2, "resources": {"CPU": 100, "Memory": 1024}}], "duration": "01:00:00"}


@pytest.fixture
def manager() -> FakeManager:
    """Return the manager behind the API."""
    return FakeManager()


@pytest.fixture
def addresses(manager: FakeManager, tmp_path: Path) -> Iterator[list[str]]:
    """Serve it on TCP and a Unix socket."""
    with background(manager, path=tmp_path / "haizea.sock") as found:
        yield found


@pytest.fixture
def admin(addresses: list[str]) -> Iterator[Client]:
    """Return a client of somebody who may everything."""
    with Client(addresses[0], "root-token", timeout_s=10) as client:
        yield client


def test_both_doors_are_found_as_the_server_writes_them(addresses: list[str], admin: Client) -> None:
    """What a daemon prints can be given to the client; on the Unix socket, a token does as well."""
    admin.request_lease(REQUEST)
    with Client(addresses[1], "ada-token") as client:
        assert client.address.scheme == "unix"
        assert client.whoami()["user"] == "ada"


def test_a_lease_from_request_to_end(admin: Client) -> None:
    """Every call about leases."""
    made = admin.request_lease(REQUEST, key="once")
    assert admin.request_lease(REQUEST, key="once") == made
    assert admin.lease(made["id"]) == made
    assert [each["id"] for each in admin.all_leases(states=("scheduled",), order="-id")] == [made["id"]]
    assert admin.leases(owner="nobody")["total"] == 0
    assert admin.explanation(made["id"])["lease"] == made["id"]
    assert admin.cancel_lease(made["id"], dry_run=True)["state"] == "cancelled"
    assert admin.lease(made["id"])["state"] == "scheduled"
    assert admin.cancel_lease(made["id"], reason="enough")["state"] == "cancelled"
    assert [each["text"] for each in admin.timeline(made["id"])["entries"]][-1] == "enough"


def test_plans(admin: Client) -> None:
    """Dry runs, offers that are held and taken, the queue, the schedule, the calendar."""
    assert admin.dry_run(REQUEST)["accepted"] is True
    first = admin.offers(REQUEST, hold=True)["offers"][0]["id"]
    assert first is not None
    assert admin.accept_offer(first)["vms"] == 2
    second = admin.offers(REQUEST, hold=True)["offers"][0]["id"]
    assert second is not None
    admin.decline_offer(second)
    with pytest.raises(ClientError) as raised:
        admin.accept_offer(second)
    assert (raised.value.status, raised.value.code) == (404, "not-found")
    assert admin.queue()["total"] == 1
    assert admin.schedule("2026-11-25T13:00:00Z", "+02:00:00")["start"] == "2026-11-25T13:00:00Z"
    assert admin.calendar()["total"] == {"CPU": 400}


CALLS: dict[str, Callable[[Client], Any]] = {
    "hosts": lambda c: c.hosts()[1]["name"] == c.host("node2")["name"] == c.host(2)["name"],
    "events": lambda c: c.events(limit=5, kinds=("x", "y"), lease=1, host="node1")["items"] == [],
    "all_events": lambda c: list(c.all_events()) == [],
    "status": lambda c: c.status()["state"] == "running",
    "version": lambda c: c.version() == "2.0",
    "policies": lambda c: c.policies()[0]["chosen"] is True,
    "configuration": lambda c: c.configuration()["scheduling"] == {"backfilling": "aggressive"},
    "usage": lambda c: "items" in c.usage(start="2026-11-01", by="group", period="week"),
    "users": lambda c: c.put_user("bob", {"role": "viewer"})["role"] == c.user("bob")["role"],
    "users listed": lambda c: isinstance(c.users(), list),
    "groups": lambda c: isinstance(c.groups(), list),
    "tokens": lambda c: isinstance(c.tokens("ada"), list),
    "quota": lambda c: c.put_quota("user", "ada", {"vms": 5})["vms"] == 5,
    "default quota": lambda c: c.put_quota("default", "", {"cpu": 400})["cpu"] == 400,
    "quotas": lambda c: isinstance(c.quotas(), list),
    "webhooks": lambda c: isinstance(c.webhooks(), list),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_other_call_is_understood(admin: Client, name: str) -> None:
    """The path, the query and the body are those of the API, and the answer is of the kind that is said."""
    assert CALLS[name](admin)


def test_refusals_carry_code_field_and_remedy(addresses: list[str]) -> None:
    """Of a wrong request, of one over quota, of one that is not allowed, of somebody who is not known."""
    with Client(addresses[0], "ada-token") as client:
        with pytest.raises(ClientError) as wrong:
            client.request_lease({**REQUEST, "nodes": [{"count": 0, "resources": {"CPU": 1}}]})
        assert (wrong.value.status, wrong.value.field) == (422, "nodes.0.count")
        with pytest.raises(ClientError) as over:
            client.request_lease({**REQUEST, "nodes": [{"count": 101, "resources": {"CPU": 1}}]})
        assert (over.value.code, over.value.remedy) == ("quota-exceeded", "Ask for fewer VMs.")
        with pytest.raises(ClientError) as forbidden:
            client.configuration()
        assert forbidden.value.status == 403
    with Client(addresses[0], "nobodys-token") as client, pytest.raises(ClientError) as unknown:
        client.status()
    assert unknown.value.status == 401


def test_events_are_followed_while_they_happen(manager: FakeManager, admin: Client) -> None:
    """Those of one lease, from now on."""
    admin.request_lease(REQUEST)
    stream = admin.follow(lease=2)
    assert next(stream) is None

    def happen() -> None:
        manager.journal.add("lease-changed", "haizea", "of another", lease=1)
        manager.journal.add("lease-changed", "haizea", "of this one", lease=2)

    thread = threading.Thread(target=happen)
    thread.start()
    found = next(entry for entry in stream if entry is not None)
    thread.join()
    stream.close()  # type: ignore[attr-defined]
    assert (found["lease"], found["text"]) == (2, "of this one")


def test_following_survives_a_restart(manager: FakeManager, tmp_path: Path) -> None:
    """A server that stops and starts again is found again, and nothing that happened meanwhile is missed."""
    path = tmp_path / "haizea.sock"
    manager.journal.add("lease-changed", "haizea", "1")
    client = Client(f"unix://{path}", "root-token")
    stream = client.follow(0)
    texts: list[str] = []
    for _ in range(2):
        with background(manager, path=path):
            texts.append(next(entry for entry in stream if entry is not None)["text"])
        manager.journal.add("lease-changed", "haizea", "2")
    stream.close()  # type: ignore[attr-defined]
    client.close()
    assert texts == ["1", "2"]
