"""The journal as it grows, as server-sent events: ``/v1/events/stream``.

An event's id is the entry's number; a client that comes back with it in ``Last-Event-ID`` misses nothing. Nothing is
kept for a client: each reads the journal from its own cursor, so one that is slow only gets its entries later.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import structlog
from starlette.responses import Response

from haizea.api.asgi import Receive, Scope, Send
from haizea.api.door import RENEW
from haizea.api.facade import Journal
from haizea.api.options import ApiOptions
from haizea.api.protocol import ABORT
from haizea.api.workers import Lane
from haizea.service.errors import ServiceError, TooMany, Unavailable
from haizea.service.models import EntryOut
from haizea.service.principal import Principal

PAGE: Final = 100
WAIT_S: Final = 1.0
RETRY_MS: Final = 2_000
HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Wanted(NamedTuple):
    """Who wants which entries, after which number."""

    who: Principal
    after: int
    lease: int | None
    kinds: Sequence[str]
    host: str | None


class Feed:
    """Tells everybody in the event loop when the journal has grown. One thread waits for all of them.

    Another one finds out for newcomers how far the journal is.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="haizea-feed")
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._followers = 0
        self.newest = 0
        self.closed = False

    async def enter(self) -> None:
        """Begin to follow. Returns when :attr:`newest` is known."""
        self.newest = max(self.newest, await self._wait(0, 0.0))
        self._followers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())

    def leave(self) -> None:
        """Follow no longer."""
        self._followers -= 1

    async def after(self, number: int, timeout_s: float) -> None:
        """Return when there is a newer entry, when time is up, or when all is to end."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.newest <= number and not self.closed:
                    await self._news.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Wake everybody, to end."""
        self.closed = True
        self._wake()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _follow(self) -> None:
        while self._followers and not self.closed:
            try:
                newest = await self._wait(self.newest, WAIT_S)
            except (ServiceError, OSError) as error:
                structlog.get_logger("haizea.api").warning("the journal cannot be followed", error=str(error))
                await asyncio.sleep(WAIT_S)
                continue
            if newest > self.newest:
                self.newest = newest
                self._wake()

    async def _wait(self, after: int, timeout_s: float) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._journal.wait, after, timeout_s)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Streams:
    """Open event streams: so many over all, and for each principal. Belongs to one event loop."""

    def __init__(self, journal: Journal, reads: Lane, options: ApiOptions) -> None:
        self.journal = journal
        self.reads = reads
        self.options = options
        self.feed = Feed(journal)
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    def enter(self, who: Principal) -> str:
        """Count a stream in. Returns what :meth:`leave` takes.

        Raises:
            TooMany: this principal has as many as it may.
            Unavailable: there are as many as there may be, or the server is stopping.
        """
        key = who.key or f"user:{who.user}"
        if self._open[key] >= self.options.streams_each:
            raise TooMany(f"{self._open[key]} streams are open already.", remedy="Close one.", retry_after_s=5)
        if self.feed.closed or self.count >= self.options.streams_max:
            raise Unavailable("No more streams can be opened at the moment.", code="busy", retry_after_s=5)
        self._open[key] += 1
        return key

    def leave(self, key: str) -> None:
        """Count a stream out."""
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]

    def close(self) -> None:
        """End all streams."""
        self.feed.close()


class Stream(Response):
    """One stream, as an answer. ``wanted.after`` below 0 begins with what comes from now on."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, wanted: Wanted, *, head: bool) -> None:
        super().__init__()
        self._streams = streams
        self._wanted = wanted
        self._only_head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send entries until the client goes, is not believed any more, or the server stops."""
        feed = self._streams.feed
        key = self._streams.enter(self._wanted.who)
        try:
            # Before the head of the answer: whoever has that misses nothing of what comes after it.
            await feed.enter()
            try:
                await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
                if not self._only_head:
                    await self._follow(scope, receive, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                feed.leave()
        finally:
            self._streams.leave(key)

    async def _follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _first_of(self._send_all(scope, send), _gone(receive))
        except ServiceError as error:
            # The caller is not believed any more, or the journal cannot be read: it may come back and be told.
            structlog.get_logger("haizea.api").info("event stream ended", reason=error.detail)
        except TimeoutError:
            # Unread for too long. Closing would wait for what is still unread.
            abort = scope.get("state", {}).get(ABORT)
            if abort is None:
                raise
            abort()

    async def _send_all(self, scope: Scope, send: Send) -> None:
        feed, options = self._streams.feed, self._streams.options
        cursor = self._wanted.after if self._wanted.after >= 0 else feed.newest
        await self._send(send, b"retry: %d\nid: %d\n\n" % (RETRY_MS, cursor))
        renew = scope.get(RENEW)
        loop = asyncio.get_running_loop()
        beat = loop.time() + options.heartbeat_s
        while not feed.closed:
            # Known before reading: everything up to there is in what is read.
            newest = feed.newest
            if newest > cursor:
                # Asked each time, because what is new may be that the caller has lost its token.
                await self._renew(renew)
                text, reached = await self._streams.reads.run(self._page, cursor)
                if text:
                    await self._send(send, text)
                    beat = loop.time() + options.heartbeat_s
                if cursor < reached < newest:
                    cursor = reached
                    continue
                cursor = max(reached, newest)
            await feed.after(cursor, max(0.0, beat - loop.time()))
            if loop.time() >= beat:
                await self._renew(renew)
                await self._send(send, b"id: %d\n: still here\n\n" % cursor)
                beat = loop.time() + options.heartbeat_s

    async def _renew(self, renew: Callable[[], Awaitable[Principal]] | None) -> None:
        """Raise where the caller is not believed any more; that it cannot be found out at the moment is no reason."""
        if renew is None:
            return
        try:
            self._wanted = self._wanted._replace(who=await renew())
        except (TooMany, Unavailable):
            return

    def _page(self, cursor: int) -> tuple[bytes, int]:
        """Return entries after a number as events, and up to which number there are no others."""
        wanted = self._wanted
        page = self._streams.journal.entries(
            wanted.who, after=cursor, limit=PAGE, lease=wanted.lease, kinds=wanted.kinds, host=wanted.host
        )
        text = b"".join(event(entry) for entry in page.items)
        last = page.items[-1].number if page.items else cursor
        return text, max(last, page.cursor)

    async def _send(self, send: Send, text: bytes) -> None:
        async with asyncio.timeout(self._streams.options.stall_s):
            await send({"type": "http.response.body", "body": text, "more_body": True})


def event(entry: EntryOut) -> bytes:
    """Return an entry as a server-sent event. JSON has no line breaks in it, so data is one line."""
    kind = entry.kind.replace("\n", " ").replace("\r", " ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.number, kind.encode(), entry.model_dump_json().encode())


async def _gone(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(*work: Coroutine[Any, Any, None]) -> None:
    """Run several until one ends, and end the others with it."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
