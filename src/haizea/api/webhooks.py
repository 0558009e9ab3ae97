"""Delivering journal entries to webhooks: in order, signed, at least once, again and again until it works.

Each webhook has a cursor in the store. It is moved on after deliveries, so that an entry may be sent twice when the
daemon ends in between, and none is left out. Entries carry their number as their id.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import structlog

from haizea.api.facade import Journal
from haizea.api.post import post
from haizea.runtime.rows import WebhookRow
from haizea.runtime.store import StoreError
from haizea.service.errors import ServiceError, Unauthenticated
from haizea.service.models import EntryOut, EntryPage
from haizea.service.principal import Principal

SIGNATURE: Final = "haizea-signature"
GONE: Final = 410
PAGE: Final = 50
REFRESH_S: Final = 1.0


class WebhookOptions(NamedTuple):
    """How webhooks are delivered.

    A delivery may take ``timeout_s`` seconds. After a
    failure it is tried again in ``backoff_s`` seconds, twice as long each time up to ``backoff_max_s``, give or take a
    half; after ``failures_max`` failures in a row the webhook is disabled. ``parallel`` are served at once.
    """

    timeout_s: float = 10.0
    backoff_s: float = 5.0
    backoff_max_s: float = 3600.0
    failures_max: int = 20
    parallel: int = 8


class Records(Protocol):
    """Where webhooks are kept. May block, and raise ServiceError."""

    def rows(self) -> list[WebhookRow]:
        """Return all webhooks."""

    def note(self, webhook: int, *, cursor: int, failures: int, disabled: bool = False) -> None:
        """Keep how far a webhook has come, if it is still there; that it is disabled goes into the journal."""


def sign(secret: str, body: bytes, at: int) -> str:
    """Return the signature of a body that is sent at a time, in seconds since the epoch: ``t=…,v1=…``."""
    mac = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def document(webhook: int, entry: EntryOut) -> bytes:
    """Return what is sent of an entry."""
    return json.dumps({"id": entry.number, "webhook": webhook, "entry": entry.model_dump()}).encode()


class _Place(NamedTuple):
    """How far a webhook is, when it is to be tried again (0: not), and how far the journal was read for it."""

    cursor: int
    failures: int = 0
    not_before: float = 0.0
    seen: int = -1


class Deliveries:
    """Delivers to all webhooks until it is cancelled. Belongs to one event loop.

    ``addresses`` gives the addresses that a URL may be sent to, or raises Invalid; it is asked each time. ``reader``
    gives as whom an owner's webhooks read the journal, or raises Unauthenticated where they may not any more. Both may
    block.
    """

    def __init__(
        self,
        journal: Journal,
        records: Records,
        addresses: Callable[[str], Sequence[str]],
        reader: Callable[[str], Principal],
        options: WebhookOptions = WebhookOptions(),  # noqa: B008 - a tuple, nobody changes it
        *,
        chance: random.Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._records = records
        self._addresses = addresses
        self._reader = reader
        self._options = options
        self._chance = chance or random.Random()
        self._clock = clock
        self._trust = ssl.create_default_context()
        self._places: dict[int, _Place] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._newest = 0
        self._log = structlog.get_logger("haizea.webhooks")

    async def run(self) -> None:
        """Deliver for ever."""
        watcher = asyncio.create_task(self._watch())
        try:
            while True:
                self._news.clear()
                try:
                    self._start_due(await asyncio.to_thread(self._records.rows))
                except (ServiceError, StoreError) as error:
                    self._log.warning("webhooks cannot be looked at", error=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s()):
                        await self._news.wait()
        finally:
            tasks = [watcher, *self._busy.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Tell of what is new in the journal."""
        while True:
            try:
                found = await asyncio.to_thread(self._journal.wait, self._newest, REFRESH_S)
            except (ServiceError, StoreError) as error:
                self._log.warning("the journal cannot be followed", error=str(error))
                await asyncio.sleep(REFRESH_S)
                continue
            if found > self._newest:
                self._newest = found
                self._news.set()

    def _pause_s(self) -> float:
        """Return for how long there is nothing to do unless something new comes."""
        now = self._clock()
        later = [place.not_before - now for webhook, place in self._places.items() if webhook not in self._busy]
        # Those that are due already wait for one that is busy, whose end is told.
        return min([REFRESH_S, *(pause for pause in later if pause > 0)])

    def _start_due(self, rows: list[WebhookRow]) -> None:
        """Begin with the webhooks that there is news for, or whose time has come, and that nobody is busy with."""
        present = {row.id for row in rows}
        for gone in [webhook for webhook in self._places if webhook not in present]:
            del self._places[gone]
        for row in rows:
            place = self._places.get(row.id, _Place(row.cursor, row.failures))
            wanted = place.seen < self._newest or place.not_before > 0
            due = wanted and place.not_before <= self._clock()
            if due and not row.disabled and row.id not in self._busy and len(self._busy) < self._options.parallel:
                task = asyncio.create_task(self._serve(row, place))
                self._busy[row.id] = task
                task.add_done_callback(lambda task, webhook=row.id: self._ended(webhook, task))  # type: ignore[misc]

    def _ended(self, webhook: int, task: asyncio.Task[None]) -> None:
        del self._busy[webhook]
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a webhook could not be served", webhook=webhook, error=repr(error))
            self._places[webhook] = _Place(0, 0, self._clock() + self._options.backoff_max_s)

    async def _serve(self, row: WebhookRow, place: _Place) -> None:
        """Deliver what there is for one webhook, until there is no more or a delivery fails."""
        cursor, failures, newest = max(place.cursor, row.cursor), place.failures, self._newest
        kept = row.cursor, row.failures
        while True:
            try:
                page = await asyncio.to_thread(self._page, row, cursor)
            except Unauthenticated:
                self._log.warning("a webhook is disabled: its owner may not read any more", webhook=row.id)
                await self._keep(row, cursor, failures, disabled=True)
                return
            except (ServiceError, StoreError) as error:
                self._log.warning("the journal cannot be read for a webhook", webhook=row.id, error=str(error))
                self._places[row.id] = _Place(cursor, failures, self._clock() + REFRESH_S)
                return
            for entry in page.items:
                problem, pause_s = await self._deliver(row, entry)
                if problem:
                    await self._failed(row, cursor, failures + 1, problem, pause_s)
                    return
                cursor, failures = entry.number, 0
            more = bool(page.items) or page.cursor > cursor
            cursor = max(cursor, page.cursor)
            if (cursor, failures) != kept:
                kept = cursor, failures
                await self._keep(row, cursor, failures)
            if not more:
                self._places[row.id] = _Place(cursor, failures, seen=newest)
                return

    def _page(self, row: WebhookRow, cursor: int) -> EntryPage:
        """Return the next entries for a webhook, as its owner may see them."""
        who = self._reader(row.owner)
        return self._journal.entries(who, after=cursor, limit=PAGE, kinds=row.kinds)

    async def _deliver(self, row: WebhookRow, entry: EntryOut) -> tuple[str, int]:
        """Send one entry. Returns what went wrong, empty for nothing, and the pause that the other end asks for."""
        body = document(row.id, entry)
        headers = {
            SIGNATURE: sign(row.secret, body, int(self._clock())),
            "haizea-event": entry.kind.encode("ascii", "replace").decode(),
            "haizea-delivery": str(entry.number),
            "user-agent": "haizea",
        }
        try:
            async with asyncio.timeout(self._options.timeout_s):
                addresses = await asyncio.to_thread(self._addresses, row.url)
            outcome = await post(
                row.url, addresses, body, headers, timeout_s=self._options.timeout_s, trust=self._trust
            )
        except TimeoutError:
            return f"no answer within {self._options.timeout_s:g} seconds", 0
        except (ServiceError, OSError, ValueError) as error:
            return str(error) or type(error).__name__, 0
        if 200 <= outcome.status < 300:
            return "", 0
        return f"the answer was {outcome.status}", -1 if outcome.status == GONE else outcome.retry_after_s

    async def _failed(self, row: WebhookRow, cursor: int, failures: int, problem: str, pause_s: int) -> None:
        """Note a failure: try again later, or never again. A pause below 0 says that nobody will ever be there."""
        options = self._options
        if failures >= options.failures_max or pause_s < 0:
            self._log.warning("a webhook is disabled", webhook=row.id, failures=failures, problem=problem)
            await self._keep(row, cursor, failures, disabled=True)
            return
        pause = min(options.backoff_max_s, max(options.backoff_s * 2 ** (failures - 1), pause_s))
        pause *= self._chance.uniform(0.5, 1.5)
        self._log.info("a webhook failed", webhook=row.id, failures=failures, problem=problem, again_s=round(pause, 1))
        await self._keep(row, cursor, failures, not_before=self._clock() + pause)

    async def _keep(
        self, row: WebhookRow, cursor: int, failures: int, *, not_before: float = 0.0, disabled: bool = False
    ) -> None:
        """Keep how far a webhook is, in the store and here."""
        self._places[row.id] = _Place(cursor, failures, not_before)
        try:
            await asyncio.to_thread(
                lambda: self._records.note(row.id, cursor=cursor, failures=failures, disabled=disabled)
            )
        except (ServiceError, StoreError) as error:
            # Known here all the same: only after an end of the daemon would something be sent twice.
            self._log.warning("a webhook's place cannot be kept", webhook=row.id, error=str(error))
