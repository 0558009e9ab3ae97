"""The API in front of the real service: scheduler, store and simulated platform, in memory."""

import asyncio
import csv
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from haizea.api.rest import Api
from haizea.api.server import Listener, Servers
from haizea.api.webhooks import Deliveries
from haizea.app.daemon import build
from haizea.config import load
from tests.api.calls import OPEN, over_sockets

ONE = {"nodes": [{"count": 1, "resources": {"CPU": 100, "Memory": 512}}], "duration": 3600}
Play = Callable[[httpx.AsyncClient, str], Awaitable[None]]


def scenario(play: Play, tmp_path: Path, *sets: str) -> None:
    """Play a scenario against a site of four hosts, as its administrator, over a Unix socket."""
    settings = load(sets=("store.url=memory:", "server.webhook-networks=127.0.0.0/8", *sets), environ={})
    warnings: list[str] = []
    parts = build(settings, warn=warnings.append)
    path = tmp_path / "haizea.sock"

    async def run() -> None:
        api = Api(parts.manager, OPEN)
        servers = Servers([Listener(api, path=path), Listener(api)], on_stop=api.stop_streams)
        parts.engine.start()
        manager = parts.manager
        deliveries = Deliveries(manager.journal, parts.webhooks, parts.targets.addresses, manager.accounts.by_name)
        delivering = asyncio.create_task(deliveries.run())
        try:
            address = (await servers.start())[1]
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
                await play(client, address)
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            await servers.stop()
            api.close()
            await asyncio.to_thread(parts.engine.stop)
            parts.store.close()

    over_sockets(run)
    assert warnings == []


def test_a_leases_wishes_change_only_while_nobody_else_changed_them(tmp_path: Path) -> None:
    """What is not named stays, a version that is gone is a conflict, and other VMs cannot be had like this."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        asked = {**ONE, "start": "+02:00:00", "extra": {"a": "1", "b": "2"}}
        lease = (await client.post("/v1/leases", json=asked)).json()
        wanted = {"name": "class", "preemptible": True, "extra": {"a": None, "c": "3"}, "reason": "moved"}
        changed = await client.patch("/v1/leases/1", json=wanted, params={"version": lease["version"]})
        assert changed.status_code == 200
        found = changed.json()
        assert (found["name"], found["preemptible"], found["extra"]) == ("class", True, {"b": "2", "c": "3"})
        assert (found["starts"], found["on_failure"]) == (lease["starts"], lease["on_failure"])
        late = await client.patch("/v1/leases/1", json={"name": "x"}, params={"version": lease["version"]})
        assert (late.status_code, late.json()["code"]) == (409, "version")
        assert (await client.patch("/v1/leases/1", json={"nodes": []})).status_code == 422
        entries = (await client.get("/v1/events", params={"kind": "lease-change"})).json()["items"]
        assert [entry["text"] for entry in entries] == [f"{lease['owner']} changed lease 1: moved"]

    scenario(play, tmp_path)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("{now}", 200),
        ('"7", {now}', 200),
        ("*", 200),
        ('"0"', 412),
        ("W/{now}", 412),
        ("7", 400),
        ("{now} {now}", 400),
        ("", 400),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_lease_is_changed_only_as_it_was_seen(tmp_path: Path, method: str, header: str, status: int) -> None:
    """With ``If-Match``, whoever has not seen the latest state of a lease neither changes nor cancels it."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        made = await client.post("/v1/leases", json={**ONE, "start": "+02:00:00"})
        now = (await client.patch("/v1/leases/1", json={"name": "a"})).headers["etag"]
        assert now != made.headers["etag"]
        headers = {"If-Match": header.format(now=now)}
        body = {"name": "b"} if method == "PATCH" else None
        answer = await client.request(method, "/v1/leases/1", json=body, headers=headers)
        assert answer.status_code == status
        shown = (await client.get("/v1/leases/1")).json()
        if status == 200:
            assert answer.json()["version"] == shown["version"]
            assert shown["name" if method == "PATCH" else "state"] in ("b", "cancelled")
        else:
            assert (shown["name"], shown["state"]) == ("a", "ready")
            assert answer.json()["remedy"]
        if status == 412:
            assert (answer.json()["code"], f'"{answer.json()["version"]}"') == ("version", now)

    scenario(play, tmp_path)


def test_a_version_and_a_tag_must_agree(tmp_path: Path) -> None:
    """A lease that is cancelled with an old version is not, whichever way it is named."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        lease = (await client.post("/v1/leases", json={**ONE, "start": "+02:00:00"})).json()
        await client.patch("/v1/leases/1", json={"name": "a"})
        old = {"version": lease["version"]}
        for dry_run in (True, False):
            late = await client.delete("/v1/leases/1", params={**old, "dry_run": dry_run})
            assert (late.status_code, late.json()["code"]) == (409, "version")
        now = (await client.get("/v1/leases/1")).headers["etag"]
        assert (await client.delete("/v1/leases/1", params=old, headers={"If-Match": now})).status_code == 412
        assert (await client.delete("/v1/leases/1", headers={"If-Match": now})).json()["state"] == "cancelled"

    scenario(play, tmp_path)


@pytest.mark.parametrize(
    ("query", "accept", "sheet"),
    [
        ("", "text/csv", True),
        ("?format=csv", "application/json", True),
        ("?format=json", "text/csv", False),
        ("", "*/*", False),
        ("", "application/json, text/csv;q=0.5", False),
        ("", "text/*, application/json;q=0.1", True),
        ("", "text/csv;q=nonsense", False),
    ],
)
def test_usage_is_had_as_a_table(tmp_path: Path, query: str, accept: str, sheet: bool) -> None:
    """Whoever would rather have CSV gets it: a line of names, and one for each user."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        lease = (await client.post("/v1/leases", json={**ONE, "start": "now"})).json()
        await asyncio.sleep(0.05)
        answer = await client.get(f"/v1/usage{query}", headers={"accept": accept})
        assert answer.headers["content-type"] == ("text/csv; charset=utf-8" if sheet else "application/json")
        assert "accept" in answer.headers["vary"]
        if sheet:
            [names, line] = csv.reader(answer.text.splitlines())
            assert (names[2:5], line[2:5]) == (["subject", "period", "leases"], [lease["owner"], "", "1"])
        else:
            assert answer.json()["items"][0]["leases"] == 1

    scenario(play, tmp_path)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"preemptible": 0}, "preemptible"),
        ({"duration": True}, "duration"),
        ({"nodes": [{"count": "2", "resources": {"CPU": 100}}]}, "nodes.0.count"),
        ({"nodes": [{"resources": {"CPU": "100"}}]}, "nodes.0.resources.CPU"),
        ({"nodes": [{"resources": {"CPU": 100.0}}]}, "nodes.0.resources.CPU"),
        ({"constraints": {"spread": "no"}}, "constraints.spread"),
        ({"nodes": [{"resources": {"CPU": 0, "Memory": 512}}]}, "nodes"),
        ({"nodes": [{"resources": {"CPU": 100, "Memory": 0}}]}, "nodes"),
        ({"name": 7}, "name"),
    ],
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, wrong: dict[str, Any], field: str) -> None:
    """Nothing is guessed: 0 is not false, text is no number, and no CPU is not any CPU."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        answer = await client.post("/v1/leases", json={**ONE, **wrong})
        assert answer.status_code == 422
        assert answer.json()["field"].startswith(field)

    scenario(play, tmp_path)


def test_a_lease_from_request_to_end(tmp_path: Path) -> None:
    """A lease is requested once, listed, shown, followed in the journal, and cancelled once."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        key = {"Idempotency-Key": "once"}
        lease = (await client.post("/v1/leases", json={**ONE, "start": "+02:00:00"}, headers=key)).json()
        assert (lease["id"], lease["state"]) == (1, "ready")
        assert (await client.post("/v1/leases", json={**ONE, "start": "+02:00:00"}, headers=key)).json()["id"] == 1
        shown = await client.get("/v1/leases/1")
        assert (await client.get("/v1/leases/1", headers={"If-None-Match": shown.headers["etag"]})).status_code == 304
        assert (await client.get("/v1/leases?state=ready")).json()["total"] == 1
        assert (await client.get("/v1/events?lease=1")).json()["items"][0]["kind"] == "lease-requested"
        assert (await client.delete("/v1/leases/1")).json()["state"] == "cancelled"
        assert (await client.delete("/v1/leases/1")).status_code == 409
        assert (await client.get("/v1/leases/1")).headers["etag"] != shown.headers["etag"]

    scenario(play, tmp_path)


def test_what_cannot_be_is_said_and_offered_otherwise(tmp_path: Path) -> None:
    """A dry run says no and keeps nothing; a request is rejected with a reason."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        large = {**ONE, "nodes": [{"count": 100, "resources": {"CPU": 100}}], "start": "now"}
        assert (await client.post("/v1/dry-run", json=large)).json()["accepted"] is False
        assert (await client.get("/v1/leases")).json()["total"] == 0
        lease = (await client.post("/v1/leases", json=large)).json()
        assert lease["state"] == "rejected"
        assert lease["reason"]["text"]

    scenario(play, tmp_path)


def test_a_token_is_good_until_it_is_revoked(tmp_path: Path) -> None:
    """A token made over the socket works over TCP, within its scopes, until it is revoked."""

    async def play(client: httpx.AsyncClient, address: str) -> None:
        token = (await client.post("/v1/tokens", json={"scopes": ["read"]})).json()
        headers = {"authorization": f"Bearer {token['secret']}"}
        async with httpx.AsyncClient(base_url=address, headers=headers) as other:
            assert (await other.get("/v1/whoami")).json()["scopes"] == ["read"]
            assert (await other.get("/v1/hosts")).status_code == 200
            assert (await other.post("/v1/leases", json=ONE)).status_code == 403
            assert (await client.delete(f"/v1/tokens/{token['id']}")).status_code == 204
            assert (await other.get("/v1/whoami")).status_code == 401

    scenario(play, tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root is an administrator by themselves whoever runs the daemon")
def test_a_webhook_is_told_of_a_lease(tmp_path: Path) -> None:
    """A webhook gets what happens to leases after it was added."""
    told: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.readuntil(b"}}"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def play(client: httpx.AsyncClient, address: str) -> None:
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        hook = (await client.post("/v1/webhooks", json={"url": url, "kinds": ["lease-requested"]})).json()
        assert hook["secret"]
        await client.post("/v1/leases", json=ONE)
        async with asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0.02)
        server.close()
        assert b'"kind": "lease-requested"' in told[0]

    scenario(play, tmp_path)


def test_figures_are_those_of_the_daemon(tmp_path: Path) -> None:
    """Leases, capacity and transactions of the daemon are on the page for Prometheus."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        await client.post("/v1/leases", json={**ONE, "start": "+02:00:00"})
        page = (await client.get("/metrics")).text
        assert 'haizea_leases{state="ready",type="AR"} 1.0' in page
        assert 'haizea_capacity{held="total",resource="CPU"} 1600.0' in page
        assert "haizea_store_transaction_seconds_count" in page

    scenario(play, tmp_path)


def test_what_is_only_tried_changes_nothing(tmp_path: Path) -> None:
    """A change and a cancellation that are tried tell how the lease would be, which stays as it is."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        lease = (await client.post("/v1/leases", json={**ONE, "start": "+02:00:00", "name": "class"})).json()
        tried = await client.patch("/v1/leases/1", json={"name": "other", "dry_run": True})
        assert tried.json()["name"] == "other"
        tried = await client.delete("/v1/leases/1", params={"dry_run": True})
        assert tried.json()["state"] == "cancelled"
        assert (await client.get("/v1/leases/1")).json() == lease
        refused = await client.patch("/v1/leases/1", json={"name": "x", "dry_run": True}, params={"version": 0})
        assert refused.status_code == 409

    scenario(play, tmp_path)


@pytest.mark.parametrize(
    ("method", "path", "body", "verb"),
    [
        ("POST", "/v1/leases/9/extend", {"by": 60}, "lease.extend"),
        ("POST", "/v1/leases/9/vms/1/stop", {}, "vm.stop"),
        ("DELETE", "/v1/leases/9", None, "lease.cancel"),
        ("PATCH", "/v1/leases/9", {"name": "x"}, "lease.change"),
        ("POST", "/v1/hosts/h9/drain", {}, "host.drain"),
        ("DELETE", "/v1/hosts/h9", None, "host.remove"),
        ("POST", "/v1/maintenance", {"hosts": ["h9"], "start": "now", "duration": 60}, "host.maintain"),
        ("PATCH", "/v1/scheduler", {"options": {"scheduling.nonsense": "1"}}, "scheduler.configure"),
        ("POST", "/v1/strays/adopt", {"strays": ["x"], "duration": 60}, "lease.adopt"),
    ],
)
def test_a_refused_order_is_in_the_journal(
    tmp_path: Path, method: str, path: str, body: dict[str, Any] | None, verb: str
) -> None:
    """Whatever the order is about, that it was refused is kept with who gave it, why, and why not; a dry run is not."""
    because = f"because of {verb}"

    async def play(client: httpx.AsyncClient, _: str) -> None:
        who = (await client.get("/v1/whoami")).json()["user"]
        for dry_run in (True, False):
            if body is None:
                params = {"reason": because, "dry_run": str(dry_run).lower()}
                answer = await client.request(method, path, params=params)
            else:
                sent = {**body, "reason": because, "dry_run": dry_run}
                answer = await client.request(method, path, json=sent)
            assert 400 <= answer.status_code < 500
            entries = (await client.get("/v1/events", params={"kind": "order-refused"})).json()["items"]
            assert len(entries) == (not dry_run)
        (entry,) = entries
        assert (entry["data"]["verb"], entry["data"]["reason"]) == (verb, because)
        assert (entry["data"]["code"], entry["actor"]) == (answer.json()["code"], who)
        assert answer.json()["detail"] in entry["text"]

    scenario(play, tmp_path)


def test_a_lease_is_not_extended_past_its_owners_quota(tmp_path: Path) -> None:
    """The daemon asks for quotas when a lease is to be extended at its end, and says in a notice why it is not."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        assert (await client.put("/v1/quotas/default", json={"core_hours": 0.5})).status_code == 200
        wanted = {**ONE, "duration": 900, "on_end": "extend", "extend_by": 600}
        assert (await client.post("/v1/leases", json=wanted)).status_code == 201
        for _wait in range(100):
            lease = (await client.get("/v1/leases/1")).json()
            if lease["state"] == "done":
                break
            await asyncio.sleep(0.1)
        assert (lease["state"], lease["duration_s"]) == ("done", 1500)
        notices = (await client.get("/v1/events", params={"kind": "notice"})).json()["items"]
        assert any("is not extended" in each["text"] and "0.5 core-hours" in each["text"] for each in notices)

    scenario(play, tmp_path, "live.time-scale=1000")
