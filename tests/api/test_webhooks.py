"""Delivery to webhooks: signed, in order, again until it works, and only where it may lead."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from haizea.api.webhooks import Deliveries, WebhookOptions, sign
from haizea.runtime.rows import WebhookRow
from haizea.service.errors import Invalid, Unauthenticated
from haizea.service.models import EntryPage
from haizea.service.principal import Principal
from haizea.service.webhooks import Targets
from tests.api.calls import over_sockets
from tests.api.fake_manager import ADA, ADMIN, FakeJournal, FakeWebhooks

FAST = WebhookOptions(timeout_s=0.5, backoff_s=0.02, backoff_max_s=0.1, failures_max=4)
LOCAL = Targets(allowed=("127.0.0.0/8",))


class Receiver:
    """Takes deliveries at a port of its own, and answers them with what it is told to, then with 204."""

    def __init__(self, answers: Sequence[bytes] = ()) -> None:
        self.answers = list(answers)
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a delivery."""
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        self.headers.append({"": head.split("\r\n")[0], **headers})
        self.bodies.append(await reader.readexactly(int(headers["content-length"])))
        answer = self.answers.pop(0) if self.answers else b"HTTP/1.1 204 No Content\r\n\r\n"
        if answer == b"wait":
            await asyncio.sleep(2)
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen."""
        server = await asyncio.start_server(self.take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"
        try:
            yield
        finally:
            server.close()


class World:
    """A journal, its webhooks, and who delivers."""

    def __init__(self, *, kinds: tuple[str, ...] = (), cursor: int = 0, reader: Principal | None = ADMIN) -> None:
        self.journal = FakeJournal()
        self.webhooks = FakeWebhooks()
        self.kinds = kinds
        self.cursor = cursor
        self.reader = reader
        self.targets: Callable[[str], Sequence[str]] = LOCAL.addresses

    def as_whom(self, owner: str) -> Principal:
        """Return as whom an owner's webhooks read."""
        if self.reader is None:
            raise Unauthenticated(f"{owner} is disabled.")
        return self.reader

    @contextlib.asynccontextmanager
    async def delivering(self, url: str, options: WebhookOptions = FAST) -> AsyncIterator[None]:
        """Deliver to one webhook."""
        self.webhooks.kept[1] = WebhookRow(1, "ada", url, "s3cret", self.kinds, 0, self.cursor, 0, False)
        deliveries = Deliveries(
            self.journal, self.webhooks, self.targets, self.as_whom, options, chance=random.Random(1)
        )
        task = asyncio.create_task(deliveries.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Wait for something, waking who delivers."""
        for _ in range(400):
            if wanted():
                return
            await asyncio.sleep(0.02)
            with self.journal.news:
                self.journal.news.notify_all()
        raise AssertionError("it did not come to that")


def test_entries_are_delivered_in_order_and_signed() -> None:
    """Each entry is one POST with its number as id, and a signature that its secret confirms."""
    world, receiver = World(), Receiver()

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            for number in range(5):
                world.journal.add("notice", "ada", f"text {number}", lease=number)
            await world.until(lambda: world.webhooks.kept[1].cursor == 5)

    over_sockets(play)
    assert [json.loads(body)["id"] for body in receiver.bodies] == [1, 2, 3, 4, 5]
    assert json.loads(receiver.bodies[0])["entry"]["text"] == "text 0"
    headers = receiver.headers[0]
    assert (headers[""], headers["haizea-event"], headers["haizea-delivery"]) == (
        "POST /hook?a=b HTTP/1.1",
        "notice",
        "1",
    )
    stamp, signature = (part.split("=")[1] for part in headers["haizea-signature"].split(","))
    expected = hmac.new(b"s3cret", stamp.encode() + b"." + receiver.bodies[0], hashlib.sha256).hexdigest()
    assert signature == expected


def test_nothing_is_done_while_nothing_happens() -> None:
    """The journal is read for a webhook when there is something new in it, and not over and over."""
    world, receiver = World(), Receiver()
    reads: list[int] = []
    entries = world.journal.entries

    def counted(*args: Any, **how: Any) -> EntryPage:
        reads.append(1)
        return entries(*args, **how)

    world.journal.entries = counted  # type: ignore[method-assign]

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            world.journal.add("notice", "ada", "one", lease=1)
            await world.until(lambda: world.webhooks.kept[1].cursor == 1)
            await asyncio.sleep(0.5)

    over_sockets(play)
    assert len(receiver.bodies) == 1
    assert len(reads) <= 6


def test_a_signature_is_of_time_and_body() -> None:
    """The same body at another time, or with another secret, has another signature."""
    assert sign("a", b"x", 1) != sign("a", b"x", 2) != sign("b", b"x", 2)
    assert sign("a", b"x", 1).startswith("t=1,v1=")


def test_delivery_goes_on_where_it_was() -> None:
    """What was delivered before the daemon ended is not sent again, and only the kinds asked for are."""
    world, receiver = World(kinds=("notice",), cursor=2), Receiver()
    for kind in ("notice", "notice", "command", "notice"):
        world.journal.add(kind, "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: world.webhooks.kept[1].cursor == 4)

    over_sockets(play)
    assert [json.loads(body)["id"] for body in receiver.bodies] == [4]


def test_a_user_is_told_what_it_may_see() -> None:
    """A webhook gets the entries that its owner could read, and no others."""
    world, receiver = World(reader=ADA), Receiver()
    for actor in ("ada", "bob", "ada"):
        world.journal.add("notice", actor, "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: world.webhooks.kept[1].cursor == 3)

    over_sockets(play)
    assert [json.loads(body)["id"] for body in receiver.bodies] == [1, 3]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 No\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.1 404 No\r\n\r\n",
        b"what?\r\n\r\n",
        b"x" * 100_000,
        b"",
        b"wait",
    ],
)
def test_what_fails_is_tried_again(answer: bytes) -> None:
    """After an error, a redirect, nonsense or silence the same entry is sent again, and the others after it."""
    world, receiver = World(), Receiver([answer, answer])
    for _ in range(2):
        world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: world.webhooks.kept[1].cursor == 2)

    over_sockets(play)
    assert [json.loads(body)["id"] for body in receiver.bodies] == [1, 1, 1, 2]
    assert [failures for _, _, failures, _ in world.webhooks.notes] == [1, 2, 0]


def test_a_webhook_that_never_works_is_disabled() -> None:
    """After so many failures in a row nothing is sent any more, and the journal is told to say so."""
    world, receiver = World(), Receiver([b"HTTP/1.1 500 No\r\n\r\n"] * 10)
    world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: world.webhooks.kept[1].disabled)
            await asyncio.sleep(0.3)

    over_sockets(play)
    assert len(receiver.bodies) == 4
    assert world.webhooks.notes[-1] == (1, 0, 4, True)


def test_a_receiver_that_is_gone_for_ever_is_believed() -> None:
    """The answer 410 disables a webhook at once."""
    world, receiver = World(), Receiver([b"HTTP/1.1 410 Gone\r\n\r\n"])
    world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: world.webhooks.kept[1].disabled)

    over_sockets(play)
    assert len(receiver.bodies) == 1


def test_an_owner_who_may_not_read_any_more_gets_nothing() -> None:
    """The webhooks of a user who is disabled are disabled too."""
    world, receiver = World(reader=None), Receiver()
    world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: world.webhooks.kept[1].disabled)

    over_sockets(play)
    assert receiver.bodies == []


def test_a_webhook_that_was_removed_stays_removed() -> None:
    """A webhook that is removed while something is being sent to it does not come back."""
    world, receiver = World(), Receiver([b"wait"])
    world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: bool(receiver.bodies))
            world.webhooks.kept.clear()
            await world.until(lambda: bool(world.webhooks.notes))

    over_sockets(play)
    assert world.webhooks.kept == {}


def test_addresses_inside_the_network_are_not_served() -> None:
    """Where a name leads is looked at each time; what it may not lead to is not even connected to."""
    world, receiver = World(), Receiver()
    world.targets = Targets().addresses
    world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening(), world.delivering(receiver.url):
            await world.until(lambda: bool(world.webhooks.notes))

    over_sockets(play)
    assert receiver.bodies == []
    assert world.webhooks.notes[0][2] == 1


def test_what_was_checked_is_what_is_connected_to() -> None:
    """A name that leads elsewhere by the time of connecting makes no difference: the checked address is used."""
    world, receiver = World(), Receiver()
    world.targets = lambda _: ["127.0.0.1"]
    world.journal.add("notice", "ada", "")

    async def play() -> None:
        async with receiver.listening():
            url = receiver.url.replace("127.0.0.1", "no-such-name.invalid")
            async with world.delivering(url):
                await world.until(lambda: world.webhooks.kept[1].cursor == 1)

    over_sockets(play)
    assert receiver.headers[0]["host"].startswith("no-such-name.invalid:")


def test_one_webhook_does_not_hold_up_another() -> None:
    """While one receiver is slow, another gets its entries."""
    world, slow, quick = World(), Receiver([b"wait"] * 5), Receiver()

    async def play() -> None:
        async with slow.listening(), quick.listening(), world.delivering(slow.url):
            world.webhooks.kept[2] = WebhookRow(2, "ada", quick.url, "s3cret", (), 0, 0, 0, False)
            world.journal.add("notice", "ada", "")
            await world.until(lambda: world.webhooks.kept[2].cursor == 1)
            assert world.webhooks.kept[1].cursor == 0

    over_sockets(play)


def test_a_url_that_leads_nowhere_is_a_failure_like_any_other() -> None:
    """A name without an address is tried again, and in the end disabled."""
    world = World()
    world.journal.add("notice", "ada", "")

    def nowhere(_: str) -> list[str]:
        raise Invalid("The host has no address.")

    world.targets = nowhere

    async def play() -> None:
        async with world.delivering("http://nowhere.invalid/"):
            await world.until(lambda: world.webhooks.kept[1].disabled)

    over_sockets(play)
