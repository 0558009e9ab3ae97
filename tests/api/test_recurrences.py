"""Recurring reservations, by REST, in front of the real service and scheduler."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.api.test_with_the_service import ONE, scenario

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0, tzinfo=None)


def day(number: int) -> str:
    """Return a day, counted from tomorrow."""
    return (TOMORROW + timedelta(days=number)).date().isoformat()


def wanted(**how: Any) -> dict[str, Any]:
    """Return a request for three mornings."""
    lease = {**ONE, "start": TOMORROW.isoformat(), "name": "class", **how.pop("lease", {})}
    return {"lease": lease, "rule": "FREQ=DAILY;COUNT=3", **how}


def test_each_occurrence_is_a_lease_of_its_own(tmp_path: Path) -> None:
    """Three mornings are three reservations; one that is left out is cancelled; removing the rest cancels them."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        seen = (await client.post("/v1/recurrences", json=wanted(), params={"dry_run": True})).json()
        assert [each["state"] for each in seen["occurrences"]] == ["not booked yet"] * 3
        assert (await client.get("/v1/leases")).json()["total"] == 0
        made = (await client.post("/v1/recurrences", json=wanted(reason="term"))).json()
        assert [each["state"] for each in made["occurrences"]] == ["ready"] * 3
        leases = [each["lease"] for each in made["occurrences"]]
        assert leases == [1, 2, 3]
        lease = (await client.get("/v1/leases/2")).json()
        assert lease["type"] == "AR"
        assert lease["start"] == f"{day(1)}T09:00:00Z"
        assert lease["name"] == "class"
        tried = await client.patch("/v1/recurrences/1", json={"leave_out": [day(1)], "dry_run": True})
        assert [each["state"] for each in tried.json()["occurrences"]] == ["ready", "left out", "ready"]
        over = (await client.delete("/v1/recurrences/1", params={"dry_run": True})).json()
        assert (over["ended"], [each["state"] for each in over["occurrences"]]) == (True, ["cancelled"] * 3)
        assert [each["state"] for each in (await client.get("/v1/recurrences/1")).json()["occurrences"]] == [
            "ready"
        ] * 3
        changed = await client.patch("/v1/recurrences/1", json={"leave_out": [day(1)], "reason": "holiday"})
        assert [each["state"] for each in changed.json()["occurrences"]] == ["ready", "left out", "ready"]
        out = (await client.get("/v1/leases/2")).json()
        assert (out["state"], "holiday" in out["reason"]["text"]) == ("cancelled", True)
        never = await client.patch("/v1/recurrences/1", json={"leave_out": [day(9)]})
        assert (never.status_code, never.json()["field"]) == (422, "leave_out")
        again = await client.patch("/v1/recurrences/1", json={"take_in": [day(1)]})
        assert [each["lease"] for each in again.json()["occurrences"]] == [1, 4, 3]
        over = (await client.delete("/v1/recurrences/1", params={"reason": "holidays"})).json()
        assert (over["ended"], [each["state"] for each in over["occurrences"]]) == (True, ["cancelled"] * 3)
        states = [(await client.get(f"/v1/leases/{lease}")).json()["state"] for lease in (1, 3, 4)]
        assert states == ["cancelled"] * 3
        assert (await client.get("/v1/recurrences")).json()["items"] == []
        (over,) = (await client.get("/v1/recurrences", params={"ended": True})).json()["items"]
        assert over["ended"]
        assert (await client.patch("/v1/recurrences/1", json={})).status_code == 409

    scenario(play, tmp_path)


def test_one_morning_that_is_taken(tmp_path: Path) -> None:
    """What cannot be had is told, with its day; or, if all or none is wanted, nothing is kept."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        all_hosts = {"nodes": [{"count": 4, "resources": {"CPU": 400, "Memory": 512}}]}
        taken = {**ONE, **all_hosts, "start": f"{day(1)}T09:30:00Z"}
        assert (await client.post("/v1/leases", json=taken)).json()["state"] == "ready"
        refused = await client.post("/v1/recurrences", json=wanted(all_or_none=True))
        problem = refused.json()
        assert refused.status_code == 409
        assert problem["code"] == "recurrence-refused"
        assert problem["refused"] == [f"{day(1)}T09:00:00"]
        assert (await client.get("/v1/leases", params={"active": True})).json()["total"] == 1
        made = (await client.post("/v1/recurrences", json=wanted())).json()
        assert [each["state"] for each in made["occurrences"]] == ["ready", "rejected", "ready"]
        assert "reserved" in made["occurrences"][1]["reason"]

    scenario(play, tmp_path)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """A rule, a day, a zone, a start that makes no sense: the part is named, and nothing is kept."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        past = {"start": "2020-01-01T09:00:00"}
        for body, field in (
            (wanted(rule="FREQ=YEARLY"), "rule"),
            (wanted(zone="Nowhere/Land"), "zone"),
            (wanted(exceptions=["2026-02-30"]), "exceptions"),
            (wanted(lease={"start": "tomorrow"}), "lease.start"),
            (wanted(lease={"start": "2026-12-01T09:00:00Z"}), "lease.start"),
            (wanted(lease={"duration": "unlimited"}), "duration"),
            (wanted(lease={"deadline": "+99:00:00"}), "deadline"),
            (wanted(lease=past), "rule"),
        ):
            answer = await client.post("/v1/recurrences", json=body)
            assert answer.status_code == 422, body
            assert field in str(answer.json()), body
        assert (await client.get("/v1/recurrences/1")).status_code == 404
        assert (await client.get("/v1/recurrences", params={"ended": True})).json()["items"] == []

    scenario(play, tmp_path)
