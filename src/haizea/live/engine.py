"""The live loop in its thread: made from a store, reconciled with the platform, run, stopped.

Everything else reaches it through :meth:`Engine.change` and :meth:`Engine.look`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from haizea.core.memory import terms_of
from haizea.live.assembly import Assembly, Settings, restored
from haizea.live.clock import LiveClock
from haizea.live.inbox import InboxFull
from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.reconcile import Diff
from haizea.model.lease import LeaseTerms
from haizea.model.site import Site
from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.runtime.loop import Loop
from haizea.runtime.ports import Platform, Source
from haizea.runtime.store import Store, StoreUnavailable

__all__ = ["Engine", "Settings", "restored"]

T = TypeVar("T")

WAIT_MAX_S = 30.0


class Engine:
    """Runs the scheduler for a live site."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        platform: Platform,
        clock: LiveClock,
        gauge: Gauge,
        warn: Callable[[str], None],
        checkpoint: Checkpoint = lambda _label: None,
    ) -> None:
        """Load what the store has. ``checkpoint`` is called at labelled points of each step.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be used.
        """
        self.settings = settings
        self.store = store
        self.clock = clock
        self.assembly = Assembly(settings, store, platform, clock, gauge, warn, checkpoint)
        self.inbox = self.assembly.inbox
        self.scheduler = self.assembly.scheduler
        self.keeper = self.assembly.keeper
        self.estimates = self.assembly.estimates
        self.progress = self.assembly.mailbox.progress
        self.chores = self.assembly.chores
        self._platform = platform
        self._warn = warn
        self._sources: tuple[Source, ...] = ()
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="haizea-loop", daemon=True)

    # Life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: commands in doubt are looked into, and what the platform has is compared with what it should have.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be written.
        """
        self._sources = self.assembly.begin()
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more in, finish the step under way, write what is left; VMs run on."""
        self._stopping = True
        for job in self.inbox.close():
            job.future.set_exception(StoreUnavailable("the daemon is stopping"))
        self.clock.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=WAIT_MAX_S)
        if self._thread.ident is not None and not self._thread.is_alive():
            self.keeper.flush()
        self._platform.stop()

    def depose(self, why: str) -> None:
        """End: another daemon leads. Nothing is sent or written any more."""
        self.keeper.writing.deposed = why
        self.clock.wake()

    def terms(self, lease: int) -> LeaseTerms | None:
        """Return what was asked for with a lease, from any thread; None where there is no such lease.

        Raises:
            haizea.runtime.store.StoreError: it is over, and the store cannot be read.
        """
        known = self.scheduler.desk.leases.get(lease)
        if known is not None:
            return known.terms
        row = self.store.lease(lease)
        return None if row is None else terms_of(row.document["terms"])

    @property
    def site(self) -> Site:
        """The hosts there are at present, from any thread."""
        return self.scheduler.desk.site

    @property
    def alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive() and not self._stopping

    @property
    def failure(self) -> BaseException | None:
        """Why the loop ended by itself, if it did."""
        return self._failure

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the loop's end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        loop = Loop(self.scheduler, self.clock, self._sources, self.keeper)
        try:
            loop.run(self._keep_going)
        except BaseException as failure:
            self._failure = failure
            self._warn(f"the loop has ended: {failure!r}")
        finally:
            self.keeper.refuse_all()

    def _keep_going(self, _at: Instant) -> bool:
        return not self._stopping and not self.keeper.writing.deposed

    # Work ----------------------------------------------------------------------------------------------------

    def change(self, job: Callable[[Change], T], /) -> T:
        """Have a job done that may change something; return its answer once that is durable."""
        answer: T = self._wait(job, writes=True)
        return answer

    def look(self, job: Callable[[Change], T], /) -> T:
        """Have a job done that only looks."""
        answer: T = self._wait(job, writes=False)
        return answer

    def _wait(self, job: Callable[[Change], Any], writes: bool) -> Any:
        if not self.alive:
            raise StoreUnavailable("the daemon is stopping")
        try:
            future = self.inbox.put(job, writes=writes)
        except InboxFull as problem:
            raise StoreUnavailable(str(problem)) from problem
        try:
            return future.result(timeout=WAIT_MAX_S)
        except FutureTimeout as problem:
            if future.cancel():
                raise StoreUnavailable(f"it was not done within {WAIT_MAX_S:g} s, and will not be") from problem
            raise StoreUnavailable(f"it was not done within {WAIT_MAX_S:g} s, but may yet be") from problem

    # Desired and observed ------------------------------------------------------------------------------------

    def reconcile(self) -> int:
        """Compare what leases are to be doing with what there is, now; return how many differences were dealt with.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: the platform cannot be asked.
            haizea.runtime.store.StoreUnavailable: it could not be kept.
        """

        def compare(change: Change) -> int:
            events = [event for event in self.assembly.reconcile(change.now) if self.scheduler.understands(event)]
            for event in events:
                change.hand_over(event)
            return len(events)

        return self.change(compare)

    def diff(self) -> Diff:
        """Return what should be beside what there is, for every VM and host.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: the platform cannot be asked.
        """
        return self.look(lambda change: self.assembly.diff(change.now))
