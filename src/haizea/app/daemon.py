"""``haizea serve``: the live lease manager, put together from settings, and taken apart again."""

import asyncio
import os
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from haizea.api.webhooks import Deliveries
from haizea.app.compose import policies
from haizea.app.couriers import Couriers
from haizea.app.doors import Doors, Signals, anonymous_role, store_url
from haizea.app.field import LiveField
from haizea.app.identity import identity
from haizea.app.logs import logs_requests
from haizea.app.notify import sd_notify
from haizea.app.platforms import Lookup, choose
from haizea.app.reloading import Adapted, Changed, reload
from haizea.app.rules import adopt
from haizea.app.sites import follow
from haizea.config.errors import ConfigError
from haizea.config.layers import changed as changed_settings
from haizea.config.options import live_options
from haizea.config.settings import Settings
from haizea.core.desk import Policies
from haizea.core.reasons import instant
from haizea.live.assembly import Care
from haizea.live.clock import LiveClock, Scale, real_now
from haizea.live.engine import Engine
from haizea.live.engine import Settings as EngineSettings
from haizea.live.estimates import Rules
from haizea.live.onlookers import Checkpoint
from haizea.live.reconcile import Strays
from haizea.model.site import Site
from haizea.model.units import MINUTE, Instant, Span
from haizea.runtime.changes import Change
from haizea.runtime.ports import Platform
from haizea.runtime.store import Store, StoreError
from haizea.service.accounts import Accounts
from haizea.service.allowance import allowed_by
from haizea.service.errors import ServiceError
from haizea.service.field import Field
from haizea.service.figures import PlatformFigures
from haizea.service.ledger import Ledger
from haizea.service.live import Live, Loop
from haizea.service.manager import Manager
from haizea.service.measures import Measures
from haizea.service.notices import UNTIL as NOTICES_UNTIL
from haizea.service.notices import Notices
from haizea.service.oidc import TokenVerifier
from haizea.service.oidc import load as load_verifier
from haizea.service.system import Identity
from haizea.service.system import Pulse as PulseOfLoop
from haizea.service.webhooks import Targets, Webhooks
from haizea.stores import open_store

if TYPE_CHECKING:
    from haizea.stores.sql.leadership import Leadership

CLOCK_FACT: Final = "clock"
LEAD_S: Final = 1.0
RECUR_EVERY: Final = 10 * MINUTE


class Pulse:
    """What is seen of the loop from outside."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._engine.alive

    @property
    def trouble(self) -> str:
        """Why the store cannot be written."""
        return self._engine.keeper.writing.trouble

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._engine.inbox)

    @property
    def lag(self) -> Span:
        """How late it woke last."""
        return self._engine.clock.lag

    @property
    def platform(self) -> PlatformFigures:
        """How it is with the platform."""
        assembly = self._engine.assembly
        return PlatformFigures(assembly.degraded, assembly.dispatch.waiting, assembly.operations.overdue())

    @property
    def newest(self) -> int:
        """The number of the newest journal entry."""
        return self._engine.keeper.writing.newest


class Helper(Protocol):
    """Something that works beside the loop, in a thread of its own, while a daemon serves."""

    def start(self) -> None:
        """Begin; the loop runs."""

    def stop(self) -> None:
        """End; the loop still runs."""


class Parts(NamedTuple):
    """A daemon's parts."""

    settings: Settings
    engine: Engine
    store: Store
    manager: Manager
    webhooks: Webhooks
    targets: Targets
    measures: Measures
    field: LiveField
    helpers: tuple[Helper, ...] = ()


class Assembled(NamedTuple):
    """The verbs, and what they stand on."""

    manager: Manager
    webhooks: Webhooks
    targets: Targets
    live: Live
    identity: Identity


def build(
    settings: Settings,
    *,
    warn: Callable[[str], None],
    leadership: "Leadership | None" = None,
    checkpoint: Checkpoint = lambda _label: None,
) -> Parts:
    """Make a daemon's parts. It has the lead that is given, or takes its own; ``checkpoint`` is for tests.

    Raises:
        haizea.runtime.store.StoreError: the store cannot be used.
        ConfigError: settings do not go together.
    """
    store = open_store(store_url(settings), migrate=False, leadership=leadership)
    try:
        return _build(settings, store, warn, checkpoint)
    except BaseException:
        store.close()
        raise


def _build(settings: Settings, store: Store, warn: Callable[[str], None], checkpoint: Checkpoint) -> Parts:
    terms = Lookup()
    clock = clock_of(settings, store, warn)
    chosen = choose(settings, store, terms, warn, clock)
    platform = chosen.platform
    measures = Measures()
    engine = Engine(
        engine_settings(settings, chosen.kept or chosen.site, keeps_changing=chosen.keeps_changing),
        store,
        platform,
        clock,
        measures,
        warn,
        checkpoint,
    )
    terms.source = engine.terms
    follow(engine, store, chosen.kept, chosen.configured or chosen.site, warn)
    field = LiveField(engine, platform, settings)
    made = assemble(settings, engine, store, clock, Pulse(engine), measures, field)
    engine.scheduler.desk.allows = allowed_by(made.manager.accounts)
    engine.chores.append(_expire(engine, made.manager))
    engine.chores.append(_recur(engine, made.manager))
    engine.chores.append(_tell_ahead(engine, settings))
    helpers = helpers_of(settings, platform, made.manager, warn)
    return Parts(settings, engine, store, made.manager, made.webhooks, made.targets, measures, field, helpers)


def helpers_of(
    settings: Settings, platform: Platform, manager: Manager, warn: Callable[[str], None]
) -> tuple[Helper, ...]:
    """Return what is to work beside the loop: with OpenNebula, what takes VMs in that ask to be leases."""
    if settings.live.backend != "opennebula":
        return ()
    from haizea.app.opennebula import intake_of

    return (intake_of(settings, platform, manager, _zone(settings.server.time_zone), warn),)


def engine_settings(settings: Settings, site: Site, *, keeps_changing: bool = True) -> EngineSettings:
    """Return what a scheduler of this site runs by; ``keeps_changing`` is as :class:`~haizea.app.platforms.Chosen`."""
    return EngineSettings(site, live_options(settings), policies(settings), care_of(settings, keeps_changing))


def care_of(settings: Settings, keeps_changing: bool) -> Care:
    """Return how the platform is looked after."""
    live = settings.live
    rules = Rules(live.learn, live.learn_quantile, live.learn_least, live.learn_most, live.learn_samples)
    every = live.reconcile_every if keeps_changing else 0
    return Care(every, Strays(live.strays), rules, seed=settings.simulation.seed, ignored=live.ignored_strays)


def assemble(
    settings: Settings,
    loop: Loop,
    store: Store,
    clock: LiveClock,
    pulse: PulseOfLoop,
    measures: Measures,
    field: Field,
) -> Assembled:
    """Put the verbs together around whatever carries them out."""
    ledger = Ledger(store, loop)
    server = settings.server
    accounts = Accounts(
        ledger,
        clock.now,
        daemon_uid=os.getuid(),
        anonymous=anonymous_role(settings),
        verifiers=_verifiers(settings),
        priority_max=server.priority_max,
    )
    targets = Targets(server.webhook_networks)
    webhooks = Webhooks(ledger, clock.now, targets)
    live = Live(loop, store, accounts, clock.now, clock.factor)
    shown = identity(settings, clock.now())
    manager = Manager(live, pulse, measures, shown, webhooks, field, _zone(server.time_zone))
    return Assembled(manager, webhooks, targets, live, shown)


def _expire(engine: Engine, manager: Manager) -> Callable[[Instant], None]:
    """Return what looks now and then whether offers have expired."""

    def expire(_now: Instant) -> None:
        try:
            waiting = bool(engine.store.offers())
        except StoreError:
            # The loop tells of that by itself, and this can wait.
            return
        if waiting and engine.alive and not len(engine.inbox):
            engine.inbox.put(lambda change: _expired(manager, change), writes=True)

    return expire


def _recur(engine: Engine, manager: Manager) -> Callable[[Instant], None]:
    """Return what looks now and then whether recurring reservations have come near enough to be booked."""
    next_look: Instant = 0

    def look(now: Instant) -> None:
        nonlocal next_look
        if now < next_look or not engine.alive or len(engine.inbox):
            return
        try:
            due = manager.recurrences.due()
        except (StoreError, ServiceError):
            # The loop tells of that by itself, and this can wait.
            return
        next_look = now + RECUR_EVERY
        if due:
            engine.inbox.put(manager.recurrences.go_on, writes=True)

    return look


def _tell_ahead(engine: Engine, settings: Settings) -> Callable[[Instant], None]:
    """Return what looks now and then what is about to happen that somebody wants to know."""
    wanted = settings.notices
    notices = Notices(wanted.before_start, wanted.before_end, engine.store.fact(NOTICES_UNTIL))

    def look(now: Instant) -> None:
        before = notices.last
        if not engine.alive or not (found := notices.due(engine.scheduler, now, engine.clock.factor)):
            return
        told = engine.inbox.put(lambda change: notices.tell(change, found), writes=True)
        told.add_done_callback(lambda done: notices.again(before) if done.cancelled() or done.exception() else None)

    return look


def _expired(manager: Manager, change: Change) -> None:
    manager.planning.expire(change)


def clock_of(settings: Settings, store: Store, warn: Callable[[str], None]) -> LiveClock:
    """Return the clock; a site that lives faster than real time goes on from when it stopped."""
    factor = settings.live.time_scale
    kept = store.fact(CLOCK_FACT)
    now = real_now()
    if kept is None and factor == 1.0:
        return LiveClock(warn=warn)
    if kept is not None and kept["factor"] == factor:
        return LiveClock(Scale(kept["real"], kept["shown"], factor), warn=warn)
    shown = now if kept is None else Scale(kept["real"], kept["shown"], kept["factor"]).shown_at(now)
    with store.write() as transaction:
        transaction.set_fact(CLOCK_FACT, {"real": now, "shown": shown, "factor": factor})
    return LiveClock(Scale(now, shown, factor), warn=warn)


def _verifiers(settings: Settings) -> list[TokenVerifier]:
    name = settings.server.token_verifier
    return [] if name is None else [load_verifier(name, settings.policy.get(name, {}))]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise ConfigError(f"server.time-zone: there is no zone {name!r}, as in Europe/Madrid") from problem


# Serving -----------------------------------------------------------------------------------------------------


class Ending(Enum):
    """How a daemon's time ends."""

    STOPPED = "it was told to stop"
    LEADS = "it has the lead now"
    DEPOSED = "another daemon has taken over"


class Daemon:
    """Serves until it is told to stop."""

    def __init__(
        self,
        parts: Parts,
        ready: Callable[[Sequence[str]], None],
        read: Callable[[], Settings] | None = None,
        leadership: "Leadership | None" = None,
        log: Callable[[Settings], None] = lambda _settings: None,
    ) -> None:
        """``ready`` is called with the addresses once requests are taken, ``read`` reads the configuration anew.

        ``leadership`` is the lead that it has; where it has its own, nobody else can take it. ``log`` sets how much is
        logged.
        """
        self.settings = parts.settings
        self._parts = parts
        self._follow = log
        self._ready = ready
        self._read = read or (lambda: parts.settings)
        self._leadership = leadership
        self._log = structlog.get_logger("haizea")

    async def serve(self, signals: Signals | None = None) -> Ending:
        """Listen, work, and stop cleanly when told to: no new requests, state saved, VMs left running.

        Raises:
            haizea.api.server.CannotListen: an address cannot be listened at.
            haizea.runtime.store.StoreError: the store cannot be used.
        """
        parts, signals = self._parts, signals or Signals()
        doors = await self._bound()
        deliveries = Deliveries(
            parts.manager.journal, parts.webhooks, parts.targets.addresses, parts.manager.accounts.by_name
        )
        couriers = Couriers(parts.settings.notices, parts.store, parts.engine.change)
        tasks: list[asyncio.Task[Any]] = []
        try:
            parts.engine.start()
            for helper in parts.helpers:
                helper.start()
            addresses = await doors.open()
            tasks = [
                asyncio.create_task(each)
                for each in (
                    deliveries.run(),
                    couriers.run(),
                    self._reload(doors, signals),
                    self._keep_lead(),
                    signals.stop.wait(),
                    doors.watch(),
                    self._watch(),
                )
            ]
            self._ready(addresses)
            await asyncio.wait(tasks[4:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end(doors, tasks)
        if parts.engine.failure is not None:
            raise parts.engine.failure
        return Ending.DEPOSED if parts.engine.keeper.writing.deposed else Ending.STOPPED

    async def _bound(self) -> Doors:
        """Take the addresses before anything is begun: where one is wrong or taken, nothing has happened."""
        doors = Doors(self._parts.manager, self.settings)
        doors.log_requests(logs_requests(self.settings))
        try:
            doors.bind()
        except BaseException:
            await doors.close()
            self._parts.engine.stop()
            self._parts.store.close()
            raise
        return doors

    async def _end(self, doors: Doors, tasks: Sequence[asyncio.Task[Any]]) -> None:
        parts = self._parts
        self._log.info("stopping", deposed=parts.engine.keeper.writing.deposed or None)
        sd_notify("STOPPING=1")
        parts.manager.system.stopping = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await doors.close()
        for helper in parts.helpers:
            await asyncio.to_thread(helper.stop)
        await asyncio.to_thread(parts.engine.stop)
        parts.store.close()
        self._log.info("stopped", at=instant(parts.engine.clock.now()))

    async def _reload(self, doors: Doors, signals: Signals) -> None:
        def log(settings: Settings) -> None:
            self._follow(settings)
            doors.log_requests(logs_requests(settings))

        def rules(made: Policies, settings: Settings, changed: Sequence[Changed]) -> None:
            adopt(self._parts.engine, made, as_ordered(settings), changed)

        def as_ordered(settings: Settings) -> Settings:
            # What was set by an order holds until the daemon is restarted, whatever the configuration says by then.
            return changed_settings(settings, self._parts.manager.scheduling.changes)

        system = self._parts.manager.system
        while True:
            await signals.reload.wait()
            signals.reload.clear()
            self.settings = await reload(
                doors, self.settings, self._read, Adapted(lambda new: policies(as_ordered(new)), log, rules)
            )
            system.identity = identity(self.settings, system.identity.started)
            self._parts.field.settings = self.settings

    async def _keep_lead(self) -> None:
        """See to it that the lead is held; where another has it, end."""
        while self._leadership is not None:
            await asyncio.sleep(LEAD_S)
            try:
                held = await asyncio.to_thread(self._leadership.try_acquire)
            except StoreError:
                # It cannot be asked, and so nobody else can take the lead either, as far as can be known here.
                continue
            if not held:
                self._parts.engine.depose("another daemon has the lead")
                return

    async def _watch(self) -> None:
        """Return when the loop has ended by itself; tell who waits for news of them meanwhile."""
        newest = -1
        while self._parts.engine.alive:
            if self._parts.engine.keeper.writing.newest != newest:
                newest = self._parts.engine.keeper.writing.newest
                self._parts.manager.journal.tell()
            await asyncio.sleep(0.05)
