"""The live loop in its thread: made from a store, reconciled with the platform, run, stopped.

Everything else reaches it through :meth:`Engine.change` and :meth:`Engine.look`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, NamedTuple, TypeVar

from haizea.core.desk import Policies
from haizea.core.memory import Forgotten
from haizea.core.scheduler import Scheduler
from haizea.live.clock import LiveClock
from haizea.live.inbox import Inbox, InboxFull
from haizea.live.keeper import Keeper
from haizea.live.mailbox import Heartbeat, Mailbox
from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.unwritten import REST
from haizea.model.events import Observed
from haizea.model.lease import LeaseType
from haizea.model.site import Site
from haizea.model.units import SECOND, Instant
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of
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
        checkpoint: Checkpoint = lambda _label: None,
    ) -> None:
        """Load what the store has. ``checkpoint`` is called at labelled points of each step.

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
        self.scheduler = restored(settings, self._loaded, clock.now())
        self.keeper = Keeper(self.scheduler, store, self.inbox, self._loaded, self._send, gauge, warn, checkpoint)
        self._checkpoint = checkpoint
        self._unsent: deque[CommandRow] = deque()
        self._to_reconcile = False
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="haizea-loop", daemon=True)
        self.chores: list[Callable[[Instant], None]] = []

    # Life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: commands in doubt are sent again, and what the platform has is compared with what it should have.

        Raises:
            haizea.runtime.store.StoreError: the store cannot be written.
        """
        self.keeper.reserve()
        self._checkpoint("reserved")
        self._platform.start(self._mailbox.put)
        for command in self._loaded.commands:
            self._send(command)
        self._checkpoint("resent")
        self._to_reconcile = True
        self._catch_up()
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
        finally:
            self.keeper.refuse_all()

    def _keep_going(self, _at: Instant) -> bool:
        return not self._stopping and not self.keeper.writing.deposed

    def _do_chores(self, now: Instant) -> None:
        self._catch_up()
        if self.keeper.writing.trouble:
            # Chores ask the store; one that does not answer would keep the loop waiting.
            self._to_reconcile = True
            return
        for chore in self.chores:
            chore(now)

    def _send(self, command: CommandRow) -> None:
        """Hand a command to the platform, after those that it would not take before."""
        if not self._unsent:
            try:
                self._platform.submit(command)
            except Exception as problem:
                # Whatever a platform raises, the command is to be carried out: it is tried again.
                self._warn(f"the platform takes no commands, they are sent again later: {problem}")
            else:
                return
        self._unsent.append(command)

    def _catch_up(self) -> None:
        """Do what the platform did not allow before: send what is unsent, then look whether all is as it should be."""
        try:
            while self._unsent:
                self._platform.submit(self._unsent[0])
                self._unsent.popleft()
            if self._to_reconcile and not self.keeper.writing.trouble:
                self.reconcile()
                self._to_reconcile = False
        except Exception as problem:
            # As above.
            if not self._unsent:
                self._warn(f"the platform cannot be asked what it has; it is asked again later: {problem}")

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

    # Reconciling ---------------------------------------------------------------------------------------------

    def reconcile(self) -> int:
        """Compare what leases are to be doing with what there is, and see to every difference; return how many.

        Commands in doubt must have been sent before: a VM that one of them starts is not missing.
        """
        seen = self._platform.observe()
        now = self.clock.now()
        missing = differences(self.scheduler, seen, now)
        for observation in missing:
            self._mailbox.put(observation)
        orders = strays(self.scheduler, seen, now)
        for verb, lease, hosts in orders:
            self.keeper.order(verb, lease, hosts, known=self.store.lease(lease) is not None)
        return len(missing) + len(orders)


def differences(scheduler: Scheduler, seen: Sequence[Seen], now: Instant) -> list[Seen]:
    """Return what a platform does not show but should, or shows to be otherwise.

    A lease whose time is over by ``now`` is ended anyway, and may have been already.
    """
    found: list[Seen] = []
    by_vm = {(one.lease, one.vm): one for one in seen}
    table = scheduler.desk.table
    for lease in scheduler.desk.leases.values():
        stay = lease.stays[0] if lease.stays else None
        if stay is None or stay.phase is not Phase.RUNNING or stay.run_end <= now:
            continue
        for vm, host in enumerate(hosts_of(stay, table), 1):
            one = by_vm.get((lease.id, vm))
            if one is None or one.host not in (None, host):
                found.append(Seen(lease.id, vm, Observed.VANISHED, None))
            elif one.observed is not Observed.RUNNING:
                found.append(one)
    return found


def strays(scheduler: Scheduler, seen: Sequence[Seen], now: Instant) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return what is to be done about VMs that no lease wants where or as they are: verb, lease, hosts.

    There are some where a daemon was killed while it could send commands but not write down that it had.
    """
    vms: dict[int, list[Seen]] = {}
    for one in seen:
        vms.setdefault(one.lease, []).append(one)
    leases = scheduler.desk.leases
    found: list[tuple[str, int, tuple[int, ...]]] = []
    for number, there in vms.items():
        lease = leases.get(number)
        if lease is None:
            found.append(("destroy", number, _hosts(there)))
        elif lease.stays and (lease.stays[0].phase is not Phase.PLANNED or _begun(lease, there, scheduler, now)):
            continue
        elif lease.images is None:
            found.append(("destroy", number, _hosts(there)))
        elif any(one.observed is not Observed.SUSPENDED for one in there):
            found.append(("suspend", number, lease.images))
    return found


def _begun(lease: Lease, there: Sequence[Seen], scheduler: Scheduler, now: Instant) -> bool:
    """Whether VMs are there that are to be started now anyway, and just where they are."""
    stay = lease.stays[0]
    promised = lease.type in (LeaseType.ADVANCE_RESERVATION, LeaseType.IMMEDIATE) and not stay.resuming
    running = all(one.observed is Observed.RUNNING for one in there)
    return promised and stay.start <= now and running and _hosts(there) == hosts_of(stay, scheduler.desk.table)


def _hosts(there: Sequence[Seen]) -> tuple[int, ...]:
    return tuple([one.host for one in sorted(there, key=lambda one: one.vm) if one.host is not None])


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
