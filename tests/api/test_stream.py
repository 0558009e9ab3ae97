"""The stream of events: resuming, filters, who sees what, and clients that do not read."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from haizea.api.options import ApiOptions
from haizea.api.rest import Api
from haizea.service.errors import Unavailable
from haizea.service.models import EntryPage
from tests.api.calls import UNLIMITED, over_sockets, serving
from tests.api.fake_manager import FakeManager, StuckJournal

OPTIONS = ApiOptions(door=UNLIMITED, heartbeat_s=0.2)
ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield blocks of a stream: their fields, with ``data`` read as JSON, and ``comment``."""
    block: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        if not line:
            yield block
            block = {}
        elif line.startswith(":"):
            block["comment"] = line
        else:
            name, _, value = line.partition(": ")
            block[name] = json.loads(value) if name == "data" else value


async def take(url: str, headers: dict[str, str], count: int) -> list[tuple[str, str, int]]:
    """Return id, kind and number of the first entries of a stream."""
    found: list[tuple[str, str, int]] = []
    async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", url, headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        async for block in events(answer):
            if "data" in block:
                found.append((block["id"], block["event"], block["data"]["number"]))
                if len(found) == count:
                    break
    return found


def filled(count: int = 5) -> FakeManager:
    """Return a manager with entries, odd ones ada's, even ones bob's."""
    manager = FakeManager()
    for number in range(1, count + 1):
        manager.journal.add("notice" if number % 3 else "command", "ada" if number % 2 else "bob", "", lease=number)
    return manager


def test_a_stream_begins_where_it_is_told_to() -> None:
    """With after, or the id of the last event, all later entries come, old ones first, then new ones at once."""
    manager = filled()

    async def play() -> None:
        async with serving(Api(manager, OPTIONS)) as (_, addresses):
            url = addresses[0] + "/v1/events/stream"
            assert await take(url + "?after=3", ROOT, 2) == [("4", "notice", 4), ("5", "notice", 5)]
            assert [number for *_, number in await take(url, {**ROOT, "Last-Event-ID": "2"}, 3)] == [3, 4, 5]
            later = asyncio.create_task(take(url, ROOT, 1))
            await asyncio.sleep(0.2)
            manager.journal.add("started", "haizea", "")
            assert await later == [("6", "started", 6)]

    over_sockets(play)


def test_users_see_what_they_may() -> None:
    """A user's stream has what the journal shows them, and an administrator's has all, in order, each once."""

    async def play() -> None:
        async with serving(Api(filled(250), OPTIONS)) as (_, addresses):
            url = addresses[0] + "/v1/events/stream?after=0"
            assert [number for *_, number in await take(url, ADA, 125)] == list(range(1, 251, 2))
            assert [number for *_, number in await take(url, ROOT, 250)] == list(range(1, 251))

    over_sockets(play)


def test_streams_can_be_filtered() -> None:
    """Only entries of a kind, or about a lease, come if that is asked for."""

    async def play() -> None:
        async with serving(Api(filled(9), OPTIONS)) as (_, addresses):
            url = addresses[0] + "/v1/events/stream?after=0"
            assert [number for *_, number in await take(url + "&kind=command&kind=started", ROOT, 3)] == [3, 6, 9]
            assert [number for *_, number in await take(url + "&lease=4", ROOT, 1)] == [4]

    over_sockets(play)


def test_a_quiet_stream_gives_signs_of_life() -> None:
    """While nothing comes, comments do, and with them the place from which to go on past what was not wanted."""

    async def play() -> None:
        async with serving(Api(filled(), OPTIONS)) as (_, addresses), httpx.AsyncClient(timeout=60) as client:
            url = addresses[0] + "/v1/events/stream?after=0&kind=none"
            async with client.stream("GET", url, headers=ROOT) as answer:
                blocks = events(answer)
                first = await anext(blocks)
                assert (first["retry"], first["id"]) == ("2000", "0")
                beat = await anext(blocks)
                assert (beat["comment"], beat["id"]) == (": still here", "5")
            head = await client.head(url, headers=ROOT)
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")

    over_sockets(play)


@pytest.mark.parametrize("last", ["x", "-1", "99999999999999999999", "1.5"])
def test_a_last_id_that_is_none_is_refused(last: str) -> None:
    """The id to go on from is a number of an entry."""

    async def play() -> None:
        async with serving(Api(filled(), OPTIONS)) as (_, addresses), httpx.AsyncClient() as client:
            answer = await client.get(addresses[0] + "/v1/events/stream", headers={**ROOT, "Last-Event-ID": last})
            assert (answer.status_code, answer.json()["field"]) == (422, "Last-Event-ID")

    over_sockets(play)


def test_streams_have_a_limit() -> None:
    """A principal may have so many streams, and all together so many; when one ends there is room again."""
    options = OPTIONS._replace(streams_each=2, streams_max=3)

    async def play() -> None:
        api = Api(filled(), options)
        async with serving(api) as (_, addresses), httpx.AsyncClient(timeout=60) as client:
            url = addresses[0] + "/v1/events/stream"
            open_ = [await client.send(client.build_request("GET", url, headers=ADA), stream=True) for _ in range(2)]
            assert (await client.get(url, headers=ADA)).status_code == 429
            open_.append(await client.send(client.build_request("GET", url, headers=ROOT), stream=True))
            assert (await client.get(url, headers={"authorization": "Bearer bob-token"})).status_code == 503
            assert "haizea_event_streams 3.0" in (await client.get(addresses[0] + "/metrics")).text
            for answer in open_:
                await answer.aclose()
            while api.streams.count:
                await asyncio.sleep(0.02)
            assert len(await take(url + "?after=0", ADA, 1)) == 1

    over_sockets(play)


def test_a_stream_ends_when_its_caller_is_not_believed_any_more() -> None:
    """A token that is revoked ends the streams that were opened with it."""
    manager = filled()

    async def play() -> None:
        async with (
            serving(Api(manager, OPTIONS)) as (_, addresses),
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", addresses[0] + "/v1/events/stream", headers=ADA) as answer,
        ):
            blocks = events(answer)
            await anext(blocks)
            del manager.accounts.tokens_valid["ada-token"]
            assert all("data" not in block for block in [block async for block in blocks])

    over_sockets(play)


def test_streams_end_when_the_server_stops() -> None:
    """A server that is told to stop does not wait for streams: it ends them, in good order."""

    async def play() -> None:
        api = Api(filled(), OPTIONS)
        async with (
            serving(api) as (servers, addresses),
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", addresses[0] + "/v1/events/stream", headers=ADA) as answer,
        ):
            blocks = events(answer)
            await anext(blocks)
            stopping = asyncio.create_task(servers.stop())
            async with asyncio.timeout(3):
                assert [block async for block in blocks if "data" in block] == []
                await stopping

    over_sockets(play)


def test_who_does_not_read_is_cut_off() -> None:
    """A client that takes nothing in is dropped after a while, and holds up nobody."""
    options = OPTIONS._replace(stall_s=0.3)
    manager = FakeManager()
    for _ in range(3_000):
        manager.journal.add("notice", "ada", "x" * 10_000)

    async def play() -> None:
        api = Api(manager, options)
        async with serving(api) as (_, addresses):
            host, port = addresses[0].removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port), limit=1024)
            head = (
                b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer root-token\r\n\r\n"
            )
            writer.write(head)
            async with asyncio.timeout(8):
                while not api.streams.count:
                    await asyncio.sleep(0.01)
                assert len(await take(addresses[0] + "/v1/events/stream?after=2990", ADA, 5)) == 5
                while api.streams.count:
                    await asyncio.sleep(0.05)
            writer.close()

    over_sockets(play)


def test_a_journal_that_cannot_be_read_is_said_to_be() -> None:
    """When the store is away no stream begins, and the client is told to come back."""
    manager = FakeManager()
    manager.journal = StuckJournal()

    async def play() -> None:
        async with serving(Api(manager, OPTIONS)) as (_, addresses), httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(addresses[0] + "/v1/events/stream", headers=ADA)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert (await client.get(addresses[0] + "/healthz")).status_code == 200

    over_sockets(play)


def test_a_stream_ends_when_the_journal_cannot_be_read_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    """When the store goes away the stream ends in good order, so that the client comes back."""
    manager = filled()

    def fail(*_: object, **__: object) -> EntryPage:
        raise Unavailable("The store cannot be reached.")

    async def play() -> None:
        async with (
            serving(Api(manager, OPTIONS)) as (_, addresses),
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", addresses[0] + "/v1/events/stream", headers=ADA) as answer,
        ):
            manager.journal.entries = fail  # type: ignore[method-assign]
            manager.journal.add("notice", "ada", "")
            assert [block async for block in events(answer) if "data" in block] == []

    over_sockets(play)
    assert "event stream ended" in capsys.readouterr().out
