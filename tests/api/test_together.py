"""Leases that start together, by REST, in front of the real service and scheduler."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.test_with_the_service import scenario

HOST = {"CPU": 400, "Memory": 512}


def wanted(count: int, **how: Any) -> dict[str, Any]:
    """Return a request for so many VMs, each of which fills a host of the four."""
    return {"nodes": [{"count": count, "resources": HOST}], "duration": 3600, **how}


async def total(client: httpx.AsyncClient, **query: Any) -> int:
    """Return how many leases there are."""
    return int((await client.get("/v1/leases", params=query)).json()["total"])


async def ask(client: httpx.AsyncClient, *leases: dict[str, Any], **how: Any) -> httpx.Response:
    """Ask for leases together."""
    headers = {"Idempotency-Key": how.pop("key")} if "key" in how else {}
    return await client.post("/v1/leases/together", json={"leases": leases, **how}, headers=headers)


def test_leases_start_together_as_soon_as_there_is_room_for_all(tmp_path: Path) -> None:
    """Two hosts are free, four are needed: all start when the lease that is there ends, and each knows the others."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        first = (await client.post("/v1/leases", json=wanted(2, start="now"))).json()
        answer = await ask(client, wanted(1, name="a"), wanted(2, name="b"), wanted(1, name="c"), reason="a cluster")
        assert answer.status_code == 201, answer.text
        made = answer.json()["leases"]
        assert [lease["name"] for lease in made] == ["a", "b", "c"]
        assert [lease["extra"]["together"] for lease in made] == ["3,4", "2,4", "2,3"]
        assert [lease["type"] for lease in made] == ["AR"] * 3
        assert not any(lease["preemptible"] for lease in made)
        (start,) = {lease["starts"] for lease in made}
        assert start == first["ends"]
        entries = (await client.get("/v1/events", params={"kind": "lease-requested", "lease": 3})).json()["items"]
        assert [entry["text"] for entry in entries] == ["Lease 3 was requested together with 2, 4: a cluster"]

    scenario(play, tmp_path)


def test_where_there_is_room_they_start_at_once(tmp_path: Path) -> None:
    """What is to start now does so with those that have no start; where it cannot, nothing waits in its place."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        made = (await ask(client, wanted(1), wanted(1, start="now"))).json()["leases"]
        assert len({lease["starts"] for lease in made}) == 1
        starts, asked = (datetime.fromisoformat(made[0][when]) for when in ("starts", "submitted"))
        assert timedelta(0) <= starts - asked < timedelta(minutes=5)
        refused = await ask(client, wanted(2), wanted(1, start="now"))
        assert refused.status_code == 409
        assert await total(client) == 2

    scenario(play, tmp_path)


def test_reservations_are_all_booked_or_none_is(tmp_path: Path) -> None:
    """The first that cannot be had is named with its reason, and no lease is kept, not even a rejected one."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        early, late = "+01:00:00", "+03:00:00"
        refused = await ask(client, wanted(3, start=early), wanted(2, start=late), wanted(2, start=early, name="lab"))
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["number"]) == (409, "together-refused", 3)
        assert "(lab)" in problem["detail"]
        assert problem["reason"]["cause"] == "reserved"
        assert problem["retry_at"]
        assert await total(client) == 0
        made = await ask(client, wanted(3, start=early), wanted(2, start=late), wanted(1, start=early))
        assert [lease["state"] for lease in made.json()["leases"]] == ["ready"] * 3
        assert await total(client) == 3

    scenario(play, tmp_path)


def test_nobody_gives_way_to_those_who_can_wait(tmp_path: Path) -> None:
    """A best-effort lease that runs is not suspended for a group without a start: the group starts after it."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        running = (await client.post("/v1/leases", json=wanted(4))).json()
        made = (await ask(client, wanted(2), wanted(2))).json()["leases"]
        assert {lease["starts"] for lease in made} == {running["ends"]}
        assert (await client.get("/v1/leases/1")).json()["ends"] == running["ends"]

    scenario(play, tmp_path)


def test_images_are_brought_before_they_start(tmp_path: Path) -> None:
    """Nothing has to end, but images have to be transferred: all start when those can be at the hosts."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        image = {"id": "disk", "size": 4096}
        made = (await ask(client, wanted(1, software=image), wanted(2, software=image))).json()["leases"]
        (start,) = {lease["starts"] for lease in made}
        late = datetime.fromisoformat(start) - datetime.fromisoformat(made[0]["submitted"])
        assert timedelta(minutes=1) <= late <= timedelta(hours=2)

    scenario(play, tmp_path, "general.lease-preparation=imagetransfer")


def test_a_group_that_fits_nowhere_is_refused(tmp_path: Path) -> None:
    """Five hosts at once are more than there are, each lease by itself would fit; and one alone is no group."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        refused = await ask(client, wanted(3), wanted(2))
        assert (refused.status_code, refused.json()["number"]) == (409, 2)
        assert (await ask(client, wanted(1))).status_code == 422
        assert (await ask(client, *[wanted(1)] * 51)).status_code == 422
        assert (await ask(client, wanted(1), wanted(1, extra={str(each): "" for each in range(64)}))).status_code == 422
        assert await total(client) == 0

    scenario(play, tmp_path)


def test_a_group_can_be_tried(tmp_path: Path) -> None:
    """What would be is told as it would be kept, quotas and refusals included, and nothing is kept."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        body = {"leases": [wanted(1), wanted(2)], "dry_run": True}
        tried = (await client.post("/v1/leases/together", json=body)).json()["leases"]
        assert [(lease["id"], lease["vms"], lease["type"]) for lease in tried] == [(0, 1, "AR"), (0, 2, "AR")]
        assert tried[0]["starts"] == tried[1]["starts"]
        refused = await client.post("/v1/leases/together", json={**body, "leases": [wanted(3), wanted(2)]})
        assert (refused.status_code, await total(client)) == (409, 0)
        assert (await client.get("/v1/events?kind=order-refused")).json()["items"] == []

    scenario(play, tmp_path)


def test_quotas_count_all_of_them_together(tmp_path: Path) -> None:
    """Two leases of two VMs do not fit into a quota of three VMs, though each does."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        assert (await client.put("/v1/quotas/default", json={"vms": 3})).status_code == 200
        refused = await ask(client, wanted(2), wanted(2))
        assert (refused.status_code, refused.json()["code"]) == (403, "quota-exceeded")
        assert (refused.json()["used"], await total(client)) == (2, 0)
        assert (await ask(client, wanted(2), wanted(1))).status_code == 201

    scenario(play, tmp_path)


def test_the_same_key_gives_the_same_leases(tmp_path: Path) -> None:
    """Sent twice with one key there is one group; the key is not good for anything else."""

    async def play(client: httpx.AsyncClient, _: str) -> None:
        one, two = [(await ask(client, wanted(1), wanted(2), key="k")).json()["leases"] for _ in range(2)]
        assert [lease["id"] for lease in one] == [lease["id"] for lease in two] == [1, 2]
        assert await total(client) == 2
        other = await ask(client, wanted(1), wanted(1), key="k")
        assert (other.status_code, other.json()["code"]) == (409, "key-reused")

    scenario(play, tmp_path)


def test_what_comes_in_between_leaves_nobody_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one is rejected although the trial went well, the others are cancelled, and the answer is no."""
    monkeypatch.setattr("haizea.service.together._try", lambda *_: None)

    async def play(client: httpx.AsyncClient, _: str) -> None:
        refused = await ask(client, wanted(3, start="+1:00:00"), wanted(2, start="+1:00:00"))
        assert (refused.status_code, refused.json()["number"]) == (409, 2)
        assert await total(client, active=True) == 0

    scenario(play, tmp_path)
