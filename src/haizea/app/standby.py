"""A daemon that stands by: it answers what only reads from what is kept, and takes over when the one that leads fails.

Several daemons on one PostgreSQL are each other's standby. Which one leads is decided by the store
(:mod:`haizea.stores.sql.leadership`), and nobody but that one writes or commands VMs.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar

import structlog

from haizea.api.server import CannotListen
from haizea.app.compose import policies
from haizea.app.daemon import CLOCK_FACT, LEAD_S, Ending, assemble, engine_settings
from haizea.app.doors import Doors, Signals, store_url
from haizea.app.field import NoField
from haizea.app.identity import identity
from haizea.app.logs import logs_requests
from haizea.app.reloading import Adapted, reload
from haizea.config.settings import Settings
from haizea.core.scheduler import Scheduler
from haizea.live.clock import LiveClock, Scale
from haizea.live.engine import restored
from haizea.live.records import SITE, site_from
from haizea.model.site import Site
from haizea.model.units import Instant, Span
from haizea.runtime.changes import Change
from haizea.runtime.store import Store, StoreError, StoreUnavailable
from haizea.service.errors import Unavailable
from haizea.service.figures import Figures, PlatformFigures
from haizea.service.live import Live
from haizea.service.manager import Manager
from haizea.service.measures import Measures
from haizea.service.models import StatusOut
from haizea.service.principal import Principal
from haizea.service.system import Identity, System
from haizea.stores import open_store
from haizea.stores.tables import ACTIVE
from haizea.workloads.oneline import parse_site

if TYPE_CHECKING:
    from haizea.stores.sql.leadership import Leadership

T = TypeVar("T")

RETRY_AFTER_S: Final = 10


def may_stand_by(settings: Settings) -> bool:
    """Whether the store is one that several daemons can share."""
    return not store_url(settings).startswith(("sqlite:", "memory:"))


class _Known(NamedTuple):
    """What a look is handed in place of the loop's change: there is nothing to change with."""

    now: Instant
    scheduler: Scheduler


class Onlooker:
    """Stands where the loop is in the daemon that leads: looks at what that one has kept, and changes nothing."""

    def __init__(self, settings: Settings, site: Site, store: Store, now: Callable[[], Instant]) -> None:
        self._settings = engine_settings(settings, site)
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._scheduler: Scheduler | None = None
        self._seen = -1
        self.newest = 0

    def go_by(self, settings: Settings) -> None:
        """Look at the schedule with other rules from now on."""
        with self._lock:
            self._settings = engine_settings(settings, self._settings.site)
            self._scheduler = None

    def change(self, _job: Callable[[Change], T], /) -> T:
        """Refuse.

        Raises:
            Unavailable: always; it says who leads.
        """
        self.refuse()

    def refuse(self) -> NoReturn:
        """Raise why nothing can be changed here."""
        raise Unavailable(
            f"this daemon stands by and only answers questions; {self.active()}",
            code="standby",
            remedy="Send it to the daemon that leads; if that has failed, this one takes over within 10 seconds.",
            retry_after_s=RETRY_AFTER_S,
            facts={"active": dict(self._active())},
        )

    def active(self) -> str:
        """Return a sentence's end about who leads."""
        found = self._active()
        if not found:
            return "it is not known who leads"
        where = f", at {found['address']}" if found.get("address") else ""
        return f"{found.get('name')} leads{where}"

    def _active(self) -> Mapping[str, Any]:
        try:
            return self._store.fact(ACTIVE) or {}
        except StoreError:
            return {}

    def look(self, job: Callable[[Change], T], /) -> T:
        """Have a job look at the schedule as it was kept last.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be read.
        """
        with self._lock:
            # Only one at a time: a forecast tries things on.
            newest = self._store.last_entry()
            if self._scheduler is None or newest != self._seen:
                self._scheduler = restored(self._settings, self._store.load(), self._now())
                self._seen = newest
            known: Any = _Known(self._scheduler.desk.now, self._scheduler)
            return job(known)

    @property
    def site(self) -> Site:
        """The hosts, as they were kept last."""
        scheduler = self._scheduler
        return self._settings.site if scheduler is None else scheduler.desk.site

    # What is seen of a loop from outside ----------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """It has no loop that could end."""
        return True

    @property
    def trouble(self) -> str:
        """It has nothing to write."""
        return ""

    @property
    def waiting(self) -> int:
        """Nothing waits here."""
        return 0

    @property
    def platform(self) -> PlatformFigures:
        """It has nothing to do with the platform."""
        return PlatformFigures()

    @property
    def lag(self) -> Span:
        """Nothing is late here."""
        return 0


class StandbySystem(System):
    """The verbs of a daemon that stands by."""

    def __init__(self, live: Live, onlooker: Onlooker, identity: Identity) -> None:
        super().__init__(live, onlooker, Measures(), identity)
        self._onlooker = onlooker

    def status(self, who: Principal) -> StatusOut:
        """Return how the daemon is."""
        status = super().status(who)
        return status.model_copy(
            update={"role": "standby", "state": "standby", "warnings": [f"it stands by; {self._onlooker.active()}"]}
        )

    def ready(self) -> tuple[bool, str]:
        """It takes no requests, and whoever distributes them should know."""
        return False, f"it stands by; {self._onlooker.active()}"

    def figures(self) -> Figures:
        """Return what is measured."""
        return super().figures()._replace(active=False)


class Standby:
    """Waits for the lead."""

    def __init__(
        self,
        settings: Settings,
        leadership: "Leadership",
        ready: Callable[[Sequence[str], str], None],
        read: Callable[[], Settings],
        log: Callable[[Settings], None] = lambda _settings: None,
    ) -> None:
        """``ready`` is called with the addresses and who leads when it has begun to stand by.

        ``log`` sets how much is logged.
        """
        self.settings = settings
        self._follow = log
        self._leadership = leadership
        self._ready = ready
        self._read = read
        self._log = structlog.get_logger("haizea")
        self._why = ""

    async def serve(self, signals: Signals) -> Ending:
        """Return as soon as it has the lead, or is told to stop; answer questions until then.

        Raises:
            haizea.runtime.store.StoreUnusable: the store is not for this version, or damaged.
            haizea.api.server.CannotListen: an address cannot be listened at.
        """
        if await self._has_lead():
            return Ending.LEADS
        reading: _Reading | None = None
        try:
            while not signals.stop.is_set():
                reading = reading or await self._open()
                if reading is not None:
                    await reading.refresh()
                    if signals.reload.is_set():
                        self.settings = await reload(reading.doors, self.settings, self._read, self._adapted(reading))
                        reading.identify(self.settings)
                signals.reload.clear()
                if await _happened(signals.stop, LEAD_S):
                    break
                if await self._has_lead():
                    self._log.info("taking over")
                    return Ending.LEADS
            return Ending.STOPPED
        finally:
            if reading is not None:
                await reading.close()

    def _adapted(self, reading: "_Reading") -> Adapted:
        def log(settings: Settings) -> None:
            self._follow(settings)
            reading.doors.log_requests(logs_requests(settings))

        return Adapted(policies, log, lambda _made, settings, _changed: reading.onlooker.go_by(settings))

    async def _has_lead(self) -> bool:
        try:
            return await asyncio.to_thread(self._leadership.try_acquire)
        except StoreUnavailable as problem:
            self._tell(str(problem))
            return False

    async def _open(self) -> "_Reading | None":
        """Open the store to read, and the doors; None where there is nothing to be read yet."""
        try:
            reading = await asyncio.to_thread(_Reading, self.settings)
        except StoreUnavailable as problem:
            self._tell(str(problem))
            return None
        try:
            addresses = await reading.doors.open()
        except CannotListen:
            await reading.close()
            raise
        self._why = ""
        self._ready(addresses, reading.onlooker.active())
        return reading

    def _tell(self, why: str) -> None:
        if why != self._why:
            self._why = why
            self._log.warning("waiting for the store", why=why)


class _Reading:
    """The store, open to read, and the doors that lead to it."""

    def __init__(self, settings: Settings) -> None:
        self._store = open_store(store_url(settings), read_only=True)
        try:
            site = site_from(self._store.fact(SITE)) or parse_site(settings.live.site)
            kept = self._store.fact(CLOCK_FACT)
            clock = LiveClock(None if kept is None else Scale(kept["real"], kept["shown"], kept["factor"]))
            self.onlooker = Onlooker(settings, site, self._store, clock.now)
            self._manager = _manager(settings, self.onlooker, self._store, site, clock)
            self.doors = Doors(self._manager, settings)
            self.doors.log_requests(logs_requests(settings))
        except BaseException:
            self._store.close()
            raise

    async def refresh(self) -> None:
        """See whether there is news."""
        try:
            newest = await asyncio.to_thread(self._store.last_entry)
        except StoreError:
            # Whoever asks is told so; the next look may find it back.
            return
        if newest != self.onlooker.newest:
            self.onlooker.newest = newest
            self._manager.journal.tell()

    def identify(self, settings: Settings) -> None:
        """Show other settings."""
        system = self._manager.system
        system.identity = identity(settings, system.identity.started)

    async def close(self) -> None:
        """Close the doors and the store."""
        await self.doors.close()
        self._store.close()


def _manager(settings: Settings, onlooker: Onlooker, store: Store, site: Site, clock: LiveClock) -> Manager:
    field = NoField(settings, onlooker.refuse)
    made = assemble(settings, onlooker, store, clock, onlooker, Measures(), field)
    manager = made.manager
    manager.system = StandbySystem(made.live, onlooker, made.identity)
    return manager


async def _happened(event: asyncio.Event, within_s: float) -> bool:
    """Wait for an event; return whether it came in time."""
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False
    return True
