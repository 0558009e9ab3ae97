"""The live stack but for threads and doors: scheduler, step, what is under way, and the way to the platform.

:class:`~haizea.live.engine.Engine` runs it in a thread of its own and in real time,
:class:`~haizea.live.rehearsed.Rehearsed` in simulated time and without threads.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from haizea.core.desk import Policies
from haizea.core.memory import Forgotten
from haizea.core.scheduler import Scheduler
from haizea.live.breaker import Breaker, State, Waits
from haizea.live.dispatch import Dispatch
from haizea.live.estimates import ESTIMATES, Estimates, Learner, Rules, usual_boot
from haizea.live.inbox import Inbox
from haizea.live.keeper import Keeper
from haizea.live.mailbox import Heartbeat, Mailbox
from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.operations import Operations, Patience
from haizea.live.reconcile import Diff, Reconciler, Strays
from haizea.live.unwritten import REST, Mending
from haizea.live.writing import MakeMending
from haizea.model.events import ClockJumped, Event
from haizea.model.site import Site
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.plan.options import Options
from haizea.runtime.ports import Platform, Source
from haizea.runtime.rows import Loaded
from haizea.runtime.store import Store, StoreUnusable

INBOX_MAX = 2_000


class Care(NamedTuple):
    """How the platform is looked after. Spans are in real time.

    It is compared with what should be every ``reconcile_every``, 0 for only at the start and on demand. ``seed`` is for
    the waits between attempts. Every ``heartbeat`` what could not be done before is tried. ``ignored``: labels of VMs
    that are no lease's and count as nothing.
    """

    reconcile_every: Span = 30 * SECOND
    strays: Strays = Strays.DESTROY
    rules: Rules = Rules()
    patience: Patience = Patience()
    waits: Waits = Waits()
    seed: int = 0
    ignored: tuple[str, ...] = ()
    heartbeat: Span = SECOND


class Settings(NamedTuple):
    """What a live stack runs by."""

    site: Site
    options: Options
    policies: Policies
    care: Care = Care()


class Time(Protocol):
    """A clock that tells the time at any moment."""

    @property
    def factor(self) -> float:
        """How many times faster than real time it runs."""

    def now(self) -> Instant:
        """Return what time it is."""

    def wake(self) -> None:
        """Have whoever waits look whether there is something to do."""

    def jumps(self) -> list[Span]:
        """Take out by how much the clock was found to have been set."""


class Findings:
    """What the daemon itself has found out that the scheduler is to be told: a source of the loop's."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: deque[Event] = deque()

    def add(self, events: list[Event]) -> None:
        """Have events handed over."""
        self._waiting.extend([event for event in events if self._scheduler.understands(event)])

    @property
    def next_at(self) -> Instant:
        """At once, where something waits."""
        return 0 if self._waiting else FAR_FUTURE

    def due(self, now: Instant, /) -> list[Any]:
        """Take out what waits, as of now."""
        found = [event._replace(at=now) for event in self._waiting]
        self._waiting.clear()
        return found


class Assembly:
    """Everything that a loop runs on.

    ``chores`` are called every second or so, in the loop's thread, while the store can be used.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        platform: Platform,
        clock: Time,
        gauge: Gauge,
        warn: Callable[[str], None],
        checkpoint: Checkpoint = lambda _label: None,
        mending: MakeMending = Mending,
    ) -> None:
        """Load what the store has. ``checkpoint`` is called at labelled points of each step.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be used.
        """
        self.settings = settings
        self.store = store
        self.platform = platform
        self.clock = clock
        self.loaded = store.load()
        self.chores: list[Callable[[Instant], None]] = []
        care = scaled(settings.care, clock.factor)
        self._care = care
        self._warn = warn
        self.inbox = Inbox(clock.wake, INBOX_MAX, time.monotonic)
        self.mailbox = Mailbox(clock.wake)
        self.scheduler = restored(settings, self.loaded, clock.now())
        self.findings = Findings(self.scheduler)
        self.estimates = Estimates(care.rules, settings.options, self.loaded.facts.get(ESTIMATES))
        longest = care.patience.unplanned * care.rules.high // 100
        boots = usual_boot(self.estimates, self.scheduler, longest)
        self.operations = Operations(care.patience, self.loaded.commands, boots, self.loaded.over_since)
        self.breaker = Breaker(care.waits, random.Random(care.seed))
        self.dispatch = Dispatch(platform, self.breaker, self.operations, self.mailbox.put, warn, clock.now)
        learner = self._learner = Learner(self.estimates, self.scheduler, self._keep, clock.factor)
        self.keeper = Keeper(
            self.scheduler, store, self.inbox, self.loaded, self.dispatch.send, self.operations, learner, gauge, warn,
            checkpoint, mending,
        )  # fmt: skip
        self.reconciler = Reconciler(
            self.scheduler, platform, self.operations, self._order_about_strays, care.strays, care.ignored
        )
        self._to_reconcile = True
        self._reconcile_at: Instant = 0
        self._checkpoint = checkpoint
        self.findings.add([*learner.news(self.scheduler.desk.now)])

    def begin(self) -> tuple[Source, ...]:
        """Begin: what is in doubt is looked into, what the platform has is compared with what it should have.

        Returns what the loop is to listen to.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be written.
        """
        self.keeper.reserve()
        self._checkpoint("reserved")
        self.platform.start(self.mailbox.put)
        self.dispatch.doubt(self.loaded.commands, self.loaded.over_since)
        self.look_after(self.clock.now())
        self._checkpoint("resent")
        heartbeat = Heartbeat(self.clock.now(), self._care.heartbeat, self.look_after)
        # What was found out by comparing is older than what the platform has said since.
        return self.findings, self.mailbox, heartbeat, self.operations

    def _keep(self, key: str, value: Any) -> None:
        self.keeper.writing.unwritten.facts[key] = value

    def _order_about_strays(self, verb: str, lease: int, hosts: tuple[int, ...]) -> None:
        self.keeper.order(verb, lease, hosts, known=self.store.lease(lease) is not None)

    # The platform --------------------------------------------------------------------------------------------

    def look_after(self, now: Instant) -> None:
        """Do what is to be done every now and then, and what could not be done before."""
        jumps = self.clock.jumps()
        if jumps:
            self.findings.add([ClockJumped(now, by) for by in jumps])
            self.operations.clock_jumped(sum([by for by in jumps if by > 0]))
            self._to_reconcile = True
        every = self._care.reconcile_every
        if every and now >= self._reconcile_at + every:
            self._to_reconcile = True
        sent = self.dispatch.catch_up()
        if self.keeper.writing.trouble:
            # Chores ask the store; one that does not answer would keep the loop waiting.
            self._to_reconcile = True
            return
        if sent and self._to_reconcile and self.breaker.allows(now):
            self._reconcile(now)
        for chore in self.chores:
            chore(now)

    def _reconcile(self, now: Instant) -> None:
        try:
            self.findings.add(self.reconcile(now))
            # Which host is the slowest depends on which are in service.
            self.findings.add([*self._learner.news(now)])
        except Exception as problem:
            # Whatever a platform raises, nothing of what it has is known.
            if self.breaker.failed(now, str(problem)):
                self._warn(f"the platform cannot be asked what it has; it is asked again later: {problem}")
        else:
            if self.breaker.succeeded():
                self._warn("the platform answers again")

    def reconcile(self, now: Instant) -> list[Event]:
        """Compare what should be with what is, now; return what the scheduler is to be told.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: the platform cannot be asked.
        """
        events = self.reconciler.run(now)
        self.dispatch.look_again(self.reconciler.seen, now)
        for one in self.reconciler.seen:
            self.keeper.leftovers.saw(one.lease, one.vm, one.observed)
        self._to_reconcile = False
        self._reconcile_at = now
        return events

    def diff(self, now: Instant) -> Diff:
        """Return what should be beside what is.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: the platform cannot be asked.
        """
        return self.reconciler.diff(now)

    @property
    def degraded(self) -> str:
        """Why the platform is left alone at the moment; empty while it answers."""
        now = self.clock.now()
        state = self.breaker.state(now)
        return "" if state is State.CLOSED else self.breaker.why or "it does not answer"


def scaled(care: Care, factor: float) -> Care:
    """Return care with all spans in the time of a loop that runs faster than real time."""

    def long(span: Span) -> Span:
        return max(1, round(span * factor)) if span else 0

    patience = Patience(*[long(span) for span in care.patience])
    waits = care.waits._replace(first=long(care.waits.first), most=long(care.waits.most))
    every, heartbeat = long(care.reconcile_every), long(care.heartbeat)
    return care._replace(reconcile_every=every, patience=patience, waits=waits, heartbeat=heartbeat)


def restored(settings: Settings, loaded: Loaded, now: Instant) -> Scheduler:
    """Return a scheduler that knows what the store knew.

    Raises:
        StoreUnusable: it does not go with the settings.
    """
    rest: Mapping[str, Any] | None = loaded.facts.get(REST)
    if rest is None:
        if loaded.leases:
            raise StoreUnusable(
                "the store has leases, but not what the scheduler knew beside them; restore a backup of it"
            )
        return Scheduler(settings.site, now, settings.options, settings.policies)
    scheduler = Scheduler(settings.site, min(now, rest["now"]), settings.options, settings.policies)
    try:
        scheduler.recall([row.document for row in loaded.leases], rest)
    except Forgotten as problem:
        raise StoreUnusable(
            f"{problem}. Start with the site and the rules that the store was made with, or restore a backup of it."
        ) from problem
    return scheduler
