"""The live loop in its thread: made from a store, reconciled with the platform, run, stopped.

Everything else reaches it through :meth:`Engine.change` and :meth:`Engine.look`.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, NamedTuple, TypeVar

from haizea.core.desk import Policies
from haizea.core.memory import Forgotten
from haizea.core.scheduler import Scheduler
from haizea.live.clock import LiveClock
from haizea.live.inbox import Inbox, InboxFull
from haizea.live.keeper import REST, Gauge, Keeper
from haizea.live.mailbox import Heartbeat, Mailbox
from haizea.model.events import Observed
from haizea.model.site import Site
from haizea.model.units import SECOND, Instant
from haizea.plan.options import Options
from haizea.runtime.changes import Change
from haizea.runtime.loop import Loop
from haizea.runtime.ports import Platform, Seen
from haizea.runtime.rows import CommandRow, Loaded
from haizea.runtime.store import Store, StoreUnavailable, StoreUnusable

T = TypeVar("T")

INBOX_MAX = 2_000
WAIT_MAX_S = 30.0
HEARTBEAT_S = 1


class Settings(NamedTuple):
    """What the engine runs by."""

    site: Site
    options: Options
    policies: Policies


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
    ) -> None:
        """Load what the store has.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be used.
        """
        self.settings = settings
        self.store = store
        self.clock = clock
        self._platform = platform
        self._gauge = gauge
        self._warn = warn
        self._loaded = store.load()
        self.inbox = Inbox(clock.wake, INBOX_MAX, time.monotonic)
        self._mailbox = Mailbox(clock.wake)
        self.scheduler = _restored(settings, self._loaded, clock.now())
        self.keeper = Keeper(self.scheduler, store, self.inbox, self._loaded, self._send, gauge, warn)
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="haizea-loop", daemon=True)
        self.chores: list[Callable[[Instant], None]] = []

    # Life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: commands in doubt are sent again, and what the platform has is compared with what it should have."""
        self._platform.start(self._mailbox.put)
        for command in self._loaded.commands:
            self._send(command)
        self.reconcile()
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more in, finish the step under way, write what is left; VMs run on."""
        self._stopping = True
        for job in self.inbox.close():
            job.future.set_exception(StoreUnavailable("the daemon is stopping"))
        self.clock.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=WAIT_MAX_S)
        self.keeper.flush()
        self._platform.stop()

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
        heartbeat = Heartbeat(self.clock.now(), round(HEARTBEAT_S * SECOND * self.clock.factor), self._do_chores)
        loop = Loop(self.scheduler, self.clock, (self._mailbox, heartbeat), self.keeper)
        try:
            loop.run(self._keep_going)
        except BaseException as failure:
            self._failure = failure
            self._warn(f"the loop has ended: {failure!r}")
            raise

    def _keep_going(self, _at: Instant) -> bool:
        return not self._stopping and not self.keeper.deposed

    def _do_chores(self, now: Instant) -> None:
        for chore in self.chores:
            chore(now)

    def _send(self, command: CommandRow) -> None:
        self._platform.submit(command)

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
            future.cancel()
            raise StoreUnavailable(f"it was not done within {WAIT_MAX_S:g} s") from problem

    # Reconciling ---------------------------------------------------------------------------------------------

    def reconcile(self) -> int:
        """Compare what leases are to be doing with what there is, and report every difference; return how many.

        Commands in doubt must have been sent before: a VM that one of them starts is not missing.
        """
        seen = self._platform.observe()
        told = 0
        for observation in differences(self.scheduler, seen):
            self._mailbox.put(observation)
            told += 1
        return told


def differences(scheduler: Scheduler, seen: Sequence[Seen]) -> list[Seen]:
    """Return what a platform shows that the schedule does not want, and what it does not show but should."""
    found: list[Seen] = []
    by_vm = {(one.lease, one.vm): one for one in seen}
    leases = scheduler.desk.leases
    for lease in leases.values():
        stay = lease.stays[0] if lease.stays else None
        running = stay is not None and stay.phase.name == "RUNNING"
        for vm in range(1, lease.need.vms + 1):
            one = by_vm.get((lease.id, vm))
            if running and one is None:
                found.append(Seen(lease.id, vm, Observed.VANISHED, None))
            elif running and one is not None and one.observed is not Observed.RUNNING:
                found.append(one)
    return found


def strays(scheduler: Scheduler, seen: Sequence[Seen]) -> list[Seen]:
    """Return the VMs of leases that are over, or that should not be there now."""
    leases = scheduler.desk.leases
    return [one for one in seen if one.lease not in leases]


def _restored(settings: Settings, loaded: Loaded, now: Instant) -> Scheduler:
    """Return a scheduler that knows what the store knew."""
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
