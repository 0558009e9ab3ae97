"""The whole live stack in simulated time: one thread, no waiting, the same story every time.

The scheduler, the step, the store, the outbox and what looks after the platform are those of a daemon; only the clock
and the platform are driven by hand. To be killed is to be dropped, at any moment or by an exception at a labelled point
of a step; another one is made of what the store has.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from haizea.live.assembly import Assembly, Settings
from haizea.live.inbox import Inbox
from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.reconcile import Diff
from haizea.live.unwritten import MendingByHand
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.runtime.changes import Change
from haizea.runtime.loop import Loop
from haizea.runtime.ports import Platform, Source
from haizea.runtime.store import Store

T = TypeVar("T")


class Driven(Platform, Protocol):
    """A platform without threads: it does what is due when it is told what time it is."""

    @property
    def next_at(self) -> Instant:
        """When something is due next."""

    def advance(self, now: Instant) -> None:
        """Do what is due."""


class RehearsedClock:
    """Time that passes as fast as things can be dealt with, and can be set. It outlives whoever is killed."""

    factor = 1.0

    def __init__(self, now: Instant) -> None:
        self._now = now
        self._jumps: list[Span] = []

    def now(self) -> Instant:
        """Return what time it is."""
        return self._now

    def wake(self) -> None:
        """Nobody sleeps."""

    def wait_until(self, at: Instant, /) -> Instant:
        """Have it be ``at``, if it is not later already."""
        self._now = max(self._now, at)
        return self._now

    def jump(self, by: Span) -> None:
        """Set the clock. What is set back stands still for that long, so that nobody sees it go back."""
        self._now += max(0, by)
        self._jumps.append(by)

    def jumps(self) -> list[Span]:
        """Take out by how much the clock was set."""
        found, self._jumps = self._jumps, []
        return found


class _Silent:
    """Measures nothing."""

    def decided(self, _seconds: float, /) -> None:
        """Do nothing."""

    def written(self, _seconds: float, /) -> None:
        """Do nothing."""

    def failed(self, /) -> None:
        """Do nothing."""

    def carried_out(self, _verb: str, _seconds: float, _well: bool, /) -> None:
        """Do nothing."""


class _Inbox:
    """A source that has the loop look at jobs at once."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    @property
    def next_at(self) -> Instant:
        """At once, where a job waits."""
        return 0 if len(self._inbox) else FAR_FUTURE

    def due(self, _now: Instant, /) -> list[Any]:
        """The step takes them out."""
        return []


class _Turns:
    """A source that has the platform do what is due, before what it has to say is looked at."""

    def __init__(self, platform: Driven) -> None:
        self._platform = platform

    @property
    def next_at(self) -> Instant:
        """When something is due there."""
        return self._platform.next_at

    def due(self, now: Instant, /) -> list[Any]:
        """What it says goes into the mailbox."""
        self._platform.advance(now)
        return []


class Rehearsed:
    """A daemon's loop, to be moved on by hand.

    ``warnings`` is what an operator was told. Whatever an exception breaks off, of a checkpoint's too, leaves the store
    as a kill would.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        platform: Driven,
        clock: RehearsedClock,
        gauge: Gauge | None = None,
        checkpoint: Checkpoint = lambda _label: None,
    ) -> None:
        """Begin: recover what the store has, look into what is in doubt, compare.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be used.
        """
        self.store = store
        self.clock = clock
        self.warnings: list[str] = []
        self.assembly = Assembly(
            settings, store, platform, clock, gauge or _Silent(), self.warnings.append, checkpoint, MendingByHand
        )
        self.scheduler = self.assembly.scheduler
        self.keeper = self.assembly.keeper
        self._platform = platform
        with self._killable():
            begun = self.assembly.begin()
        sources: tuple[Source, ...] = (_Inbox(self.assembly.inbox), _Turns(platform), *begun)
        self._loop = Loop(self.scheduler, clock, sources, self.keeper)

    def run(self, until: Instant) -> None:
        """Live through everything that happens up to an instant, that one included."""
        with self._killable():
            self._loop.run(lambda at: at <= until)
        self.clock.wait_until(until)

    def change(self, job: Callable[[Change], T], /) -> T:
        """Have a job done now that may change something; return its answer once that is durable.

        Raises:
            haizea.runtime.store.StoreUnavailable: it could not be kept; nothing was changed.
            Exception: what the job raised.
        """
        answer: T = self._wait(self.assembly.inbox.put(job, writes=True))
        return answer

    def look(self, job: Callable[[Change], T], /) -> T:
        """Have a job done now that only looks."""
        answer: T = self._wait(self.assembly.inbox.put(job, writes=False))
        return answer

    def diff(self) -> Diff:
        """Return what should be beside what is.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: the platform cannot be asked.
        """
        return self.assembly.diff(self.clock.now())

    def stop(self) -> None:
        """Stop as a daemon does that is told to: write what is left; VMs run on, and the platform can be used again."""
        self.keeper.flush()

    def _wait(self, future: "Future[Any]") -> Any:
        with self._killable():
            self._loop.run(lambda _at: not future.done())
        return future.result(timeout=0)

    def _killable(self) -> "_Killable":
        return _Killable(self)


class _Killable:
    """Gives up what is not committed when an exception breaks things off, as a store does when its writer is killed."""

    def __init__(self, rehearsed: Rehearsed) -> None:
        self._rehearsed = rehearsed

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        """Give up what is not committed."""
        if problem is not None:
            self._rehearsed.assembly.keeper.writing.abandon(problem)
