"""Orders in front of the real service: scheduler, store and pretended platform, in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from haizea.api.rest import Api
from haizea.app.daemon import build
from haizea.backends.pretence import Pretence
from haizea.config import load
from haizea.model.resources import Capacity
from haizea.service.access import VERBS
from haizea.service.host_orders import HOST_VERBS
from haizea.service.lease_orders import LEASE_VERBS
from haizea.service.principal import Principal, Role
from haizea.service.scheduling import SCHEDULER_VERBS
from tests.api.calls import OPEN

ONE = {"nodes": [{"count": 1, "resources": {"CPU": 100, "Memory": 512}}], "duration": 3600}
WHOLE = {"nodes": [{"count": 4, "resources": {"CPU": 400, "Memory": 512}}], "duration": 3600}
SOON = {**ONE, "start": "+02:00:00"}
RULES = ("scheduling.suspension=all", "scheduling.migration=yes")
Call = Callable[..., Awaitable[httpx.Response]]


def scenario(play: Callable[[Call], Awaitable[None]], *sets: str, who: Principal | None = None) -> None:
    """Play a scenario against a site of four hosts with four cores each, as its administrator or somebody else."""
    settings = load(sets=("store.url=memory:", "live.site=4 CPU:400 Memory:8192", *RULES, *sets), environ={})
    warnings: list[str] = []
    parts = build(settings, warn=warnings.append)
    root = who or Principal("root", Role.ADMIN, key="root")

    async def run() -> None:
        api = Api(parts.manager, OPEN)
        parts.engine.start()
        transport = httpx.ASGITransport(_as(api.app, root), raise_app_exceptions=False)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
                await play(client.request)
        finally:
            api.close()
            await asyncio.to_thread(parts.engine.stop)
            parts.store.close()

    asyncio.run(run())
    assert warnings == []


def _as(app: Any, who: Principal) -> Callable[..., Awaitable[None]]:
    """Return an application whose callers are all the same one, but for users that a request names."""
    from haizea.api.door import PRINCIPAL

    async def called(scope: Any, receive: Any, send: Any) -> None:
        named = dict(scope["headers"]).get(b"x-user", b"").decode()
        await app({**scope, PRINCIPAL: Principal(named, Role.USER) if named else who}, receive, send)

    return called


async def order(call: Call, path: str, **body: Any) -> dict[str, Any]:
    """Give an order that is carried out."""
    answer = await call("POST", f"/v1/{path}", json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_lease_is_extended_moved_and_resized() -> None:
    """Each order changes what it is about and nothing else, and the journal has who, what and why."""

    async def play(call: Call) -> None:
        lease = (await call("POST", "/v1/leases", json=SOON)).json()
        longer = await order(call, "leases/1/extend", by=1800, reason="they are slow")
        assert longer["lease"]["duration_s"] == 5400
        assert longer["text"] == "Lease 1 is extended to 1 h 30 min in all."
        assert (await order(call, "leases/1/shorten", duration="01:00:00"))["lease"]["duration_s"] == 3600
        moved = await order(call, "leases/1/move", start="+03:00:00")
        assert moved["lease"]["starts"] > lease["starts"]
        assert (await order(call, "leases/1/resize", count=3))["lease"]["vms"] == 3
        entries = (await call("GET", "/v1/events?lease=1&kind=lease-extend")).json()["items"]
        assert [(entry["actor"], entry["data"]) for entry in entries] == [
            ("root", {"by": 1800.0, "reason": "they are slow"})
        ]
        assert entries[0]["text"] == "root had lease 1 extended to 1 h 30 min in all: they are slow"

    scenario(play)


def test_a_dry_run_tells_who_is_affected_and_changes_nothing() -> None:
    """The answer is that of the order itself, on a copy."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json={**WHOLE, "preemptible": True})
        before = (await call("GET", "/v1/leases/1")).json()
        tried = await order(call, "leases/1/suspend", dry_run=True)
        assert (tried["done"], tried["text"]) == (False, "Lease 1 would be suspended.")
        assert tried["lease"]["state"] == "suspending"
        assert (await call("GET", "/v1/leases/1")).json() == before
        tried = await order(call, "hosts/host-1/down", dry_run=True)
        assert [(each["lease"], each["how"]) for each in tried["affected"]] == [(1, "requeued")]
        assert (await call("GET", "/v1/hosts/host-1")).json()["state"] == "up"
        assert (await call("GET", "/v1/leases/1")).json() == before

    scenario(play)


def test_a_refusal_says_why_and_what_would_help() -> None:
    """It is a conflict with a reason for machines, the same as a dry run and as the order itself."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=SOON)
        for dry_run in (True, False):
            answer = await call("POST", "/v1/leases/1/pause", json={"dry_run": dry_run})
            problem = answer.json()
            assert (answer.status_code, problem["code"], problem["reason"]["cause"]) == (409, "order-refused", "state")
            assert problem["detail"] == "Lease 1 is ready; only a lease that is active can be paused."
            assert problem["remedy"]
            assert problem["retry_at"] is None
        assert (await call("GET", "/v1/events?kind=lease-pause")).json()["items"] == []
        shorter = await call("POST", "/v1/leases/1/extend", json={"duration": 60})
        assert (shorter.status_code, shorter.json()["code"]) == (409, "not-longer")
        both = await call("POST", "/v1/leases/1/extend", json={"by": 60, "duration": 60})
        assert (both.status_code, both.json()["field"]) == (422, "by")
        assert (await call("POST", "/v1/leases/9/extend", json={"by": 60})).status_code == 404

    scenario(play)


def test_an_order_for_a_version_that_is_gone_is_refused() -> None:
    """By the version in the query, or by the lease's ETag."""

    async def play(call: Call) -> None:
        lease = (await call("POST", "/v1/leases", json=SOON)).json()
        tag = (await call("GET", "/v1/leases/1")).headers["etag"]
        good = await call("POST", "/v1/leases/1/extend", json={"by": 60}, headers={"if-match": tag})
        assert good.status_code == 200
        late = await call("POST", "/v1/leases/1/extend", json={"by": 60}, headers={"if-match": tag})
        assert (late.status_code, late.json()["version"] > lease["version"]) == (412, True)
        late = await call("POST", "/v1/leases/1/extend", json={"by": 60}, params={"version": lease["version"]})
        assert (late.status_code, late.json()["code"]) == (409, "version")

    scenario(play)


def test_a_lease_that_runs_is_paused_suspended_and_goes_on() -> None:
    """Each order is taken in the states that it makes sense in."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=ONE)
        assert (await order(call, "leases/1/pause"))["lease"]["state"] == "paused"
        vms = (await call("GET", "/v1/leases/1/vms")).json()["items"]
        assert [(vm["vm"], vm["desired"], vm["resources"]["CPU"]) for vm in vms] == [(1, "paused", 100)]
        assert (await order(call, "leases/1/unpause"))["lease"]["state"] == "active"
        assert (await order(call, "leases/1/migrate", to="host-3"))["done"]
        assert (await order(call, "leases/1/restart"))["lease"]["state"] == "active"
        assert (await order(call, "leases/1/suspend"))["lease"]["state"] == "suspending"
        assert (await order(call, "leases/1/terminate"))["lease"]["state"] in ("done", "cancelled")
        gone = await call("POST", "/v1/leases/1/resume")
        assert (gone.status_code, gone.json()["code"]) == (409, "lease-over")

    scenario(play)


def test_the_queue_is_changed_by_orders() -> None:
    """A lease is held and released, moved to the top and the bottom, given away, prioritised and annotated."""

    async def play(call: Call) -> None:
        await call("PUT", "/v1/users/bob", json={"role": "user"})
        for _ in range(3):
            await call("POST", "/v1/leases", json=WHOLE)

        async def queue() -> list[int]:
            return [item["lease"] for item in (await call("GET", "/v1/queue")).json()["items"]]

        assert (await queue()) == [2, 3]
        moved = await order(call, "leases/3/top")
        assert [each["lease"] for each in moved["affected"]] == [2]
        assert (await queue()) == [3, 2]
        await order(call, "leases/3/bottom")
        assert (await queue()) == [2, 3]
        assert (await order(call, "leases/2/hold"))["lease"]["state"] == "held"
        assert (await order(call, "leases/2/release"))["lease"]["state"] == "queued"
        assert (await order(call, "leases/2/give", to="bob"))["lease"]["owner"] == "bob"
        nobody = await call("POST", "/v1/leases/2/give", json={"to": "nobody"})
        assert nobody.status_code == 422
        assert (await order(call, "leases/2/annotate", extra={"a": "1"}))["lease"]["extra"] == {"a": "1"}
        assert (await order(call, "leases/2/prioritise", priority=5))["text"] == "Lease 2 is given the priority 5."
        assert (await order(call, "leases/1/requeue"))["lease"]["state"] in ("queued", "ready")

    scenario(play)


def test_what_is_given_more_must_fit_into_the_quota() -> None:
    """Extending, resizing and taking over a lease count against the quota, without what the lease has already."""

    async def play(call: Call) -> None:
        for user, vms in (("ada", 2), ("bob", 1)):
            await call("PUT", f"/v1/users/{user}", json={"role": "user"})
            await call("PUT", f"/v1/quotas/user/{user}", json={"vms": vms})
        assert (await call("POST", "/v1/leases", json={**SOON, "owner": "ada"})).status_code == 201
        assert (await order(call, "leases/1/resize", count=2))["lease"]["vms"] == 2
        for path, body, user in (("resize", {"count": 3}, "ada"), ("give", {"to": "bob"}, "")):
            answer = await call("POST", f"/v1/leases/1/{path}", json=body, headers={"x-user": user})
            assert (answer.status_code, answer.json()["code"]) == (403, "quota-exceeded")
        await call("PUT", "/v1/quotas/user/ada", json={"vms": 2, "core_hours": 2})
        answer = await call("POST", "/v1/leases/1/extend", json={"by": 3600}, headers={"x-user": "ada"})
        assert (answer.status_code, answer.json()["limit"]) == (403, "core_hours")


def test_an_administrator_goes_past_quotas() -> None:
    """Whoever could change the quota gives more of it by an order; the owner cannot, and may still take less."""

    async def play(call: Call) -> None:
        await call("PUT", "/v1/users/ada", json={"role": "user"})
        await call("PUT", "/v1/quotas/user/ada", json={"vms": 2, "core_hours": 2})
        await call("POST", "/v1/leases", json={**SOON, "owner": "ada"})
        assert (await order(call, "leases/1/resize", count=3))["done"]
        assert (await order(call, "leases/1/extend", by=3600))["done"]
        more = await call("POST", "/v1/leases/1/extend", json={"by": 60}, headers={"x-user": "ada"})
        assert more.status_code == 403
        less = await call("POST", "/v1/leases/1/resize", json={"count": 1}, headers={"x-user": "ada"})
        assert (less.status_code, less.json()["lease"]["vms"]) == (200, 1)

    scenario(play)


def test_hosts_are_drained_evacuated_and_used_again() -> None:
    """A host's admin state is shown beside what was observed; who is on an evacuated host goes, or is told of."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=WHOLE)
        drained = await order(call, "hosts/host-1/drain", reason="a new disk")
        assert drained["text"] == "Host host-1 is drained."
        host = (await call("GET", "/v1/hosts/host-1")).json()
        assert (host["state"], host["ordered"], host["observed"], host["leases"]) == ("draining", "draining", "up", [1])
        emptied = await order(call, "hosts/0/evacuate")
        assert emptied["left"] == [] or emptied["notes"]
        assert (await order(call, "hosts/host-1/enable"))["text"] == "Host host-1 is enabled."
        again = await call("POST", "/v1/hosts/host-1/enable")
        assert (again.status_code, again.json()["code"]) == (409, "order-refused")
        assert (await order(call, "hosts/host-2/disable"))["done"]
        assert (await order(call, "hosts/host-3/label", labels={"rack": "b", "old": None}))["done"]
        assert (await order(call, "hosts/host-3/overcommit", percent={"CPU": 150}))["done"]
        host = (await call("GET", "/v1/hosts/host-3")).json()
        assert (host["labels"], host["overcommit"], host["capacity"]["CPU"]) == ({"rack": "b"}, {"CPU": 150}, 600)
        await order(call, "hosts/host-3/label", labels={"rack": None})
        await order(call, "hosts/host-3/overcommit", percent={"CPU": 100})
        host = (await call("GET", "/v1/hosts/host-3")).json()
        assert (host["labels"], host["overcommit"], host["capacity"]["CPU"]) == ({}, {}, 400)
        entry = (await call("GET", "/v1/events?kind=host-drain")).json()["items"][0]
        assert (entry["host"], entry["text"]) == ("host-1", "root had host host-1 drained: a new disk")
        assert (await call("POST", "/v1/hosts/nowhere/drain")).status_code == 404

    scenario(play)


@pytest.mark.parametrize(("verb", "how"), [("evacuate", "moved"), ("down", "moved"), ("remove", "moved")])
def test_several_hosts_are_emptied_together_and_tried_together(verb: str, how: str) -> None:
    """Nobody goes from one of them to another; the dry run says what comes of it, and both are one order."""

    async def play(call: Call) -> None:
        reserved = {**ONE, "start": "+02:00:00", "constraints": {"require": {"rack": "a"}}}
        for host in ("host-1", "host-2", "host-3"):
            await order(call, f"hosts/{host}/label", labels={"rack": "a"})
        lease = (await call("POST", "/v1/leases", json=reserved)).json()
        assert list(lease["plan"][0]["hosts"]) == ["host-1"]

        async def ordered(*, dry_run: bool) -> Any:
            if verb == "remove":
                query = "also=host-2&reason=sold" + ("&dry_run=true" if dry_run else "")
                return (await call("DELETE", f"/v1/hosts/host-1?{query}")).json()
            return await order(call, f"hosts/host-1/{verb}", also=["host-2"], reason="sold", dry_run=dry_run)

        tried, done = await ordered(dry_run=True), await ordered(dry_run=False)
        assert tried["text"].startswith("Hosts host-1, host-2 would be ")
        assert done["text"].startswith("Hosts host-1, host-2 are ")
        assert [(each["lease"], each["how"]) for each in tried["affected"]] == [(1, how)]
        assert tried["affected"] == done["affected"]
        assert list((await call("GET", "/v1/leases/1")).json()["plan"][0]["hosts"]) == ["host-3"]
        entries = (await call("GET", f"/v1/events?kind=host-{verb}")).json()["items"]
        assert [entry["host"] for entry in entries] == ["host-1", "host-2"]
        assert {entry["data"]["reason"] for entry in entries} == {"sold"}

    scenario(play)


def test_an_order_about_several_hosts_is_carried_out_as_a_whole_or_not_at_all() -> None:
    """One host that there is not, and nothing is done with the others; the journal has what was wanted."""

    async def play(call: Call) -> None:
        answer = await call("POST", "/v1/hosts/host-1/evacuate", json={"also": ["host-9"]})
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no host 'host-9'")
        late = await call("POST", "/v1/hosts/host-1/drain", json={"also": ["host-2"], "until": "2020-01-01"})
        assert late.status_code == 409
        assert {host["state"] for host in (await call("GET", "/v1/hosts")).json()["items"]} == {"up"}
        entries = (await call("GET", "/v1/events?kind=order-refused")).json()["items"]
        assert [entry["data"]["about"] for entry in entries] == ["hosts host-1, host-9", "hosts host-1, host-2"]

    scenario(play)


def test_maintenance_is_forced_where_that_is_said() -> None:
    """What was promised has nowhere to go: it is refused, and says how it is done all the same."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json={**WHOLE, "start": "+02:00:00"})
        wanted = {"hosts": [f"host-{n}" for n in range(1, 5)], "start": "+02:30:00", "duration": 7200}
        refused = (await call("POST", "/v1/maintenance", json=wanted)).json()
        assert (refused["code"], "with force" in refused["remedy"]) == ("order-refused", True)
        planned = await order(call, "maintenance", **wanted, force=True)
        assert planned["text"].startswith("Maintenance 1 of ")
        assert planned["notes"][0].startswith("Lease 1 is degraded")

    scenario(play)


@pytest.mark.parametrize(
    ("path", "body", "remedy"),
    [
        ("leases/1/resize", {"count": 900}, "Ask for fewer or smaller VMs."),
        ("leases/1/pause", {}, "Look at how it is (haizea lease explain 1), and give another order."),
        ("leases/2/move", {"start": "+01:00:00"}, "What waits for room is moved to the top of the queue"),
        ("hosts/host-1/enable", {}, "Look at how it is (haizea host show host-1), and give another order."),
        ("hosts/host-1/overcommit", {"percent": {"CPU": 10}}, "Have those leases leave first"),
        ("hosts/host-1/overcommit", {"percent": {"GPU": 10}}, "Name a type of resource that the site has"),
        ("scheduler/resume", {}, "Look at how it is (haizea scheduler status), and give another order."),
        ("hosts", {"name": "host-1", "capacity": {"CPU": 100}}, "Choose another name"),
    ],
)
def test_what_would_help_fits_what_was_ordered(path: str, body: dict[str, Any], remedy: str) -> None:
    """Nobody is told to ask for smaller VMs who wanted less of a host, or to look at a lease where it is about none."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=SOON)
        await call("POST", "/v1/leases", json=WHOLE)
        answer = await call("POST", f"/v1/{path}", json=body)
        assert answer.status_code == 409, answer.text
        assert answer.json()["remedy"].startswith(remedy)

    scenario(play)


def test_hosts_come_and_go() -> None:
    """A host that is added is used at once; one that is removed is not shown any more, and may come back."""

    async def play(call: Call) -> None:
        added = await order(call, "hosts", name="extra", capacity={"CPU": 400, "Memory": 8192})
        assert added["text"] == "Host extra is added."
        twice = await call("POST", "/v1/hosts", json={"name": "extra", "capacity": {"CPU": 400}})
        assert (twice.status_code, twice.json()["code"]) == (409, "host-exists")
        odd = await call("POST", "/v1/hosts", json={"name": "odd", "capacity": {"Wheels": 4}})
        assert (odd.status_code, odd.json()["field"]) == (422, "capacity")
        five = {**WHOLE, "nodes": [{"count": 5, "resources": {"CPU": 400, "Memory": 512}}]}
        assert (await call("POST", "/v1/leases", json=five)).json()["state"] == "active"
        removed = (await call("DELETE", "/v1/hosts/extra", params={"reason": "sold"})).json()
        assert [each["lease"] for each in removed["affected"]] == [1]
        names = [host["name"] for host in (await call("GET", "/v1/hosts")).json()["items"]]
        assert names == ["host-1", "host-2", "host-3", "host-4"]
        assert (await call("GET", "/v1/hosts/extra")).status_code == 404
        await order(call, "hosts", name="extra", capacity={"CPU": 400, "Memory": 8192})
        assert len((await call("GET", "/v1/hosts")).json()["items"]) == 5

    scenario(play)


def test_leases_are_planned_around_maintenance() -> None:
    """A window is planned, shown, changed and called off; what would be in its way goes elsewhere or is refused."""

    async def play(call: Call) -> None:
        lease = (await call("POST", "/v1/leases", json=SOON)).json()
        host = next(iter(lease["plan"][0]["hosts"]))
        wanted = {"hosts": [host], "start": "+01:30:00", "duration": 7200, "reason": "a new kernel"}
        tried = await order(call, "maintenance", **wanted, dry_run=True)
        assert [each["lease"] for each in tried["affected"]] == [1]
        assert (await call("GET", "/v1/maintenance")).json()["items"] == []
        planned = await order(call, "maintenance", **wanted)
        assert [(each["lease"], each["how"]) for each in planned["affected"]] == [(1, "moved")]
        window = (await call("GET", "/v1/maintenance")).json()["items"][0]
        assert (window["id"], window["hosts"], window["by"], window["open"]) == (1, [host], "root", False)
        assert (await call("POST", "/v1/leases", json={**WHOLE, "start": "+02:00:00"})).json()["state"] == "rejected"
        changed = await call("PUT", "/v1/maintenance/1", json={**wanted, "start": "+05:00:00"})
        assert changed.status_code == 200
        over = await call("DELETE", "/v1/maintenance/1")
        assert over.json()["text"] == "Maintenance 1 is called off."
        assert (await call("DELETE", "/v1/maintenance/1")).status_code == 404
        assert (await call("PUT", "/v1/maintenance/1", json=wanted)).status_code == 404
        assert (await order(call, "maintenance", **wanted))["text"].startswith("Maintenance 2 of ")
        backwards = await call("POST", "/v1/maintenance", json={**wanted, "duration": None, "end": "+00:10:00"})
        assert (backwards.status_code, backwards.json()["field"]) == (422, "end")

    scenario(play)


def test_scheduling_and_intake_are_paused_and_resumed() -> None:
    """What is paused is shown, is refused to be paused twice, and requests say why they are not taken."""

    async def play(call: Call) -> None:
        assert (await order(call, "scheduler/pause"))["text"] == "Scheduling is paused."
        assert (await call("POST", "/v1/leases", json=ONE)).json()["state"] == "queued"
        assert (await call("POST", "/v1/scheduler/pause")).status_code == 409
        shown = (await call("GET", "/v1/scheduler")).json()
        assert (shown["scheduling"], shown["intake"], shown["queue"]) == (False, True, 1)
        await order(call, "scheduler/resume")
        assert (await call("GET", "/v1/leases/1")).json()["state"] == "active"
        await order(call, "intake/pause", reason="the year ends")
        refused = (await call("POST", "/v1/leases", json=ONE)).json()
        assert (refused["state"], "the year ends" in refused["reason"]["text"]) == ("rejected", True)
        await order(call, "intake/resume")
        assert (await order(call, "scheduler/replan"))["text"] == "What is not promised is planned anew."

    scenario(play)


def test_policies_and_rates_change_while_it_runs() -> None:
    """The scheduler goes by them at once; what cannot be changed, or not to that, is refused as a whole."""

    async def play(call: Call) -> None:
        path = "/v1/scheduler"
        wanted = {"options": {"scheduling.policy-admission": "no-ARs", "scheduling.suspend-rate": "64"}}
        tried = (await call("PATCH", path, json={**wanted, "dry_run": True})).json()
        assert (tried["done"], (await call("GET", path)).json()["changed"]) == (False, {})
        await call("POST", "/v1/leases", json=ONE)
        changed = (await call("PATCH", path, json={**wanted, "reason": "busy"})).json()
        assert "until the daemon is restarted" in changed["notes"][0]
        shown = (await call("GET", path)).json()
        assert shown["changed"] == wanted["options"]
        assert shown["options"]["scheduling.suspend-rate"] == 64
        assert (await call("POST", "/v1/leases", json=SOON)).json()["state"] == "rejected"
        assert (await call("GET", "/v1/leases/1")).json()["state"] == "active"
        for options, code in (
            ({"server.listen": "x"}, "not-changeable"),
            ({"scheduling.nothing": "1"}, "bad-option"),
            ({"scheduling.policy-pricing": "constant"}, "bad-option"),
            ({"scheduling.suspend-rate": "-1"}, "bad-option"),
            ({"policy.fair-share.half-life": "often"}, "bad-option"),
            ({"policy.fairshare.half-life": "2h"}, "bad-option"),
        ):
            answer = await call("PATCH", path, json={"options": options})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await call("GET", path)).json()["changed"] == wanted["options"]
        priced = {"options": {"scheduling.policy-pricing": "constant", "pricing.rate": "2"}}
        assert (await call("PATCH", path, json=priced)).status_code == 200
        assert (await call("POST", "/v1/leases", json=ONE)).json()["price"] is not None

    scenario(play)


def test_what_is_in_force_is_shown_as_it_would_be_written() -> None:
    """Policies, options and the advice how to keep them are those of now, with times as a configuration has them."""

    async def play(call: Call) -> None:
        wanted = {"scheduling.policy-queue": "priority", "live.vm-grace": "90s", "policy.fair-share.half-life": "2h"}
        changed = (await call("PATCH", "/v1/scheduler", json={"options": wanted})).json()
        assert changed["notes"][0].endswith(
            'in [scheduling]: policy-queue = "priority"; in [live]: vm-grace = "90s"; '
            'in [policy.fair-share]: half-life = "2h".'
        )
        chosen = {each["name"] for each in (await call("GET", "/v1/policies")).json()["items"] if each["chosen"]}
        assert "priority" in chosen
        assert "fcfs" not in chosen
        options = (await call("GET", "/v1/scheduler")).json()["options"]
        assert (options["live.vm-grace"], options["live.host-grace"]) == ("90s", "120s")
        shown = (await call("GET", "/v1/configuration")).json()
        assert (shown["scheduling"]["policy-queue"], shown["live"]["vm-grace"]) == ("priority", "90s")

    scenario(play)


def test_the_queue_is_shown_in_the_order_of_its_policy() -> None:
    """Who is looked at first stands first, whoever was submitted first."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=WHOLE)
        for priority in (0, 5, 9):
            await call("POST", "/v1/leases", json={**WHOLE, "priority": priority})
        queue = (await call("GET", "/v1/queue")).json()["items"]
        assert [(each["position"], each["lease"]) for each in queue] == [(1, 4), (2, 3), (3, 2)]
        await order(call, "leases/2/top")
        assert [each["lease"] for each in (await call("GET", "/v1/queue")).json()["items"]] == [2, 4, 3]

    scenario(play, "scheduling.policy-queue=priority")


def test_who_is_affected_by_another_order_of_the_queue_is_told_before_and_after() -> None:
    """A reservation out of the queue goes to whoever comes first by the policy that is set."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=WHOLE)
        for priority in (0, 5):
            await call("POST", "/v1/leases", json={**WHOLE, "priority": priority})
        options = {"scheduling.policy-queue": "priority"}
        for dry_run in (True, False):
            found = (await call("PATCH", "/v1/scheduler", json={"options": options, "dry_run": dry_run})).json()
            assert [(each["lease"], each["how"]) for each in found["affected"]] == [(2, "unplanned"), (3, "earlier")]

    scenario(play)


def test_strays_are_adopted_by_their_names(tmp_path: Path) -> None:
    """What VMs are called is said as it is; a stray is a difference to be seen, and none that is mended."""
    file = tmp_path / "platform"

    async def play(call: Call) -> None:
        pretence = Pretence(file)
        pretence.put_stranger("desktop", "host-1", Capacity({"CPU": 100, "Memory": 512}))
        pretence.put_stranger("monitor", "host-2", Capacity({"CPU": 100, "Memory": 512}), {"role": "monitor"})
        pretence.close()
        assert [each["name"] for each in (await call("GET", "/v1/strays")).json()["items"]] == ["desktop"]
        await order(call, "scheduler/reconcile")
        assert [row["strays"] for row in (await call("GET", "/v1/diff")).json()["hosts"]] == [["desktop"]]
        assert await order(call, "scheduler/reconcile", dry_run=True) == {"differences": 0}
        adopted = {"strays": ["desktop"], "duration": 3600}
        tried = await order(call, "strays/adopt", **adopted, dry_run=True)
        assert (tried["text"], tried["lease"]["id"]) == ("VM desktop would be adopted as one lease.", 0)
        done = await order(call, "strays/adopt", **adopted)
        assert (done["text"], done["lease"]["state"]) == ("VM desktop is adopted as lease 1.", "active")

    scenario(play, f"live.platform-file={file}", "live.ignored-strays=role=monitor")


def test_desired_is_compared_with_observed() -> None:
    """What agrees is only shown when all is asked for; reconciling finds nothing to be done."""

    async def play(call: Call) -> None:
        await call("POST", "/v1/leases", json=ONE)
        found = (await call("GET", "/v1/diff")).json()
        assert (found["vms"], found["hosts"]) == ([], [])
        found = (await call("GET", "/v1/diff?everything=true")).json()
        assert [(vm["lease"], vm["desired"], vm["agrees"]) for vm in found["vms"]] == [(1, "running", True)]
        assert len(found["hosts"]) == 4
        assert (await call("POST", "/v1/scheduler/reconcile")).json() == {"differences": 0}
        assert (await call("GET", "/v1/strays")).json() == {"items": []}
        nobody = await call("POST", "/v1/strays/adopt", json={"strays": ["x"], "duration": 60})
        assert (nobody.status_code, nobody.json()["code"]) == (404, "no-stray")

    scenario(play)


def test_a_what_if_is_compared_with_how_it_stands() -> None:
    """A host that fails, hosts that are added, a request, other options: told on a copy, and nothing is changed."""

    async def play(call: Call) -> None:
        for _ in range(2):
            await call("POST", "/v1/leases", json=WHOLE)
        same = (await call("POST", "/v1/what-if", json={})).json()
        assert same["before"] == same["after"]
        assert (same["affected"], same["complete"]) == ([], True)
        assert same["before"]["done"] == 2
        worse = (await call("POST", "/v1/what-if", json={"fail_hosts": ["host-1"]})).json()
        assert worse["after"]["unfinished"] == 2
        assert [each["lease"] for each in worse["affected"]] == [1, 2]
        better = (await call("POST", "/v1/what-if", json={"add_hosts": "4 CPU:400 Memory:8192"})).json()
        assert [(each["lease"], each["how"]) for each in better["affected"]] == [(2, "earlier")]
        assert better["after"]["waiting_s"] < better["before"]["waiting_s"]
        asked = (await call("POST", "/v1/what-if", json={"requests": [{**WHOLE, "start": "now"}]})).json()
        assert [lease["state"] for lease in asked["requests"]] == ["rejected"]
        other = (await call("POST", "/v1/what-if", json={"options": {"scheduling.backfilling": "off"}})).json()
        assert other["after"]["done"] == 2
        assert (await call("GET", "/v1/leases")).json()["total"] == 2
        assert (await call("GET", "/v1/hosts/host-1")).json()["state"] == "up"
        for wrong in ({"add_hosts": "many"}, {"fail_hosts": ["nowhere"]}, {"options": {"server.listen": "x"}}):
            assert (await call("POST", "/v1/what-if", json=wrong)).status_code in (404, 422)

    scenario(play)


PATHS = [
    *(("POST", f"/v1/leases/1/{'vms/1/' if verb.of_vm else ''}{verb.name}", verb.verb) for verb in LEASE_VERBS),
    *(("POST", f"/v1/hosts/host-1/{verb.name}", verb.verb) for verb in HOST_VERBS),
    *(("POST", f"/v1/{verb.verb.replace('.', '/')}", verb.verb) for verb in SCHEDULER_VERBS),
    ("POST", "/v1/hosts", "host.add"),
    ("DELETE", "/v1/hosts/host-1", "host.remove"),
    ("POST", "/v1/maintenance", "host.maintain"),
    ("DELETE", "/v1/maintenance/1", "host.maintain"),
    ("PATCH", "/v1/scheduler", "scheduler.configure"),
    ("POST", "/v1/scheduler/reconcile", "scheduler.reconcile"),
    ("GET", "/v1/diff", "scheduler.diff"),
    ("GET", "/v1/strays", "scheduler.diff"),
    ("POST", "/v1/strays/adopt", "lease.adopt"),
    ("POST", "/v1/what-if", "scheduler.simulate"),
]
BODIES: dict[str, dict[str, Any]] = {
    "lease.extend": {"by": 60}, "lease.shorten": {"by": 60}, "lease.move": {"start": "+01:00:00"},
    "lease.resize": {"count": 1}, "lease.recover": {"how": "retry"}, "lease.give": {"to": "bob"},
    "lease.prioritise": {"priority": 1}, "lease.annotate": {"extra": {"a": "b"}},
    "host.label": {"labels": {"a": "b"}}, "host.overcommit": {"percent": {"CPU": 110}},
    "host.add": {"name": "h", "capacity": {"CPU": 100}},
    "host.maintain": {"hosts": ["host-1"], "start": "+01:00:00", "duration": 60},
    "scheduler.configure": {"options": {"scheduling.backfilling": "off"}},
    "lease.adopt": {"strays": ["s"], "duration": 60},
}  # fmt: skip


def test_every_verb_is_refused_to_who_may_not() -> None:
    """Over REST, a viewer may give no order at all, and a user none about what is another's or nobody's."""

    def refusals(who: Principal) -> None:
        async def play(call: Call) -> None:
            for method, path, verb in PATHS:
                body = None if method in ("GET", "DELETE") else {**BODIES.get(verb, {})}
                answer = await call(method, path, json=body)
                found = answer.status_code, answer.json().get("code")
                # Of a lease that is not there nothing is told, and that is looked at before the role.
                expected = (404, "not-found") if path.startswith("/v1/leases/") else (403, "role")
                assert found == expected, (who.role, method, path, answer.text)

        scenario(play, who=who)

    refusals(Principal("eve", Role.VIEWER, key="eve"))
    refusals(Principal("eve", Role.USER, key="eve"))


def test_every_order_has_a_path() -> None:
    """No verb of the table of access that is an order is left out here."""
    orders = {verb for verb, rule in VERBS.items() if rule.scope.label in ("lease", "operate")}
    known = {verb for _, _, verb in PATHS} | {"lease.request", "lease.change", "lease.observed"}
    others = {verb for verb in orders if verb.partition(".")[0] in ("offer", "webhook", "recurrence")}
    assert orders - known - others == set()


@pytest.mark.parametrize(
    ("role", "own", "expected"),
    [
        (Role.VIEWER, True, {"role"}),
        (Role.USER, False, {"role"}),
        (Role.USER, True, {"", "role"}),
        (Role.OPERATOR, False, {""}),
    ],
)
def test_who_may_order_what_about_a_lease(role: Role, own: bool, expected: set[str]) -> None:
    """A lease's orders are given as the matrix says: whoever passes is told by the scheduler, not by the role."""
    from haizea.service import access

    who = Principal("eve", role, key="eve")
    owner = "eve" if own else "ada"
    answers = {"" if access.may(who, verb.verb, owner=owner) else "role" for verb in LEASE_VERBS}
    assert answers == expected


def test_what_would_help_is_found_by_trying_it() -> None:
    """A lease that waits is told when it would start at the top of the queue, smaller, shorter, or with more hosts."""

    async def play(call: Call) -> None:
        await order(call, "hosts/host-4/disable")
        three = {**WHOLE, "nodes": [{"count": 3, "resources": {"CPU": 400, "Memory": 512}}]}
        for _ in range(2):
            await call("POST", "/v1/leases", json=three)
        for count in (2, 1):
            await call("POST", "/v1/leases", json={**WHOLE, "nodes": [{"count": count, "resources": {"CPU": 400}}]})
        found = (await call("GET", "/v1/leases/3/explanation")).json()
        assert found["in_the_way"] == [2]
        ideas = {idea["verb"]: idea for idea in found["sooner"]}
        assert set(ideas) == {"lease.top"}
        assert ideas["lease.top"]["start"] < found["expected_start"]
        ideas = {idea["verb"]: idea for idea in (await call("GET", "/v1/leases/2/explanation")).json()["sooner"]}
        assert "lease.top" not in ideas
        ideas = {idea["verb"]: idea for idea in (await call("GET", "/v1/leases/4/explanation")).json()["sooner"]}
        assert ideas["host.enable"]["text"] == "It would start at once if host-4 was used again."
        await order(call, "leases/3/hold")
        held = (await call("GET", "/v1/leases/3/explanation")).json()
        assert "haizea lease release 3" in held["text"]
        assert held["expected_start"] is None
        await order(call, "scheduler/pause", reason="a look at things")
        paused = (await call("GET", "/v1/leases/2/explanation")).json()
        assert "a look at things" in paused["text"]

    scenario(play)
