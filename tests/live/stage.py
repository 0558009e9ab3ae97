"""A whole live stack on a stage: simulated time, a pretended platform, a store in memory; killed at will."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from haizea.app.compose import policies
from haizea.backends.faulty import NO_FAULTS, Faults, FaultyPlatform
from haizea.backends.pretended import PretendedPlatform
from haizea.config.options import to_options
from haizea.config.settings import Settings
from haizea.live.assembly import Care
from haizea.live.assembly import Settings as LiveSettings
from haizea.live.rehearsed import Rehearsed, RehearsedClock
from haizea.model.events import CancelRequested, LeaseRequested
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import HOUR, MINUTE, Instant
from haizea.plan.lease import Lease
from haizea.runtime.changes import Change
from haizea.runtime.rows import Entry
from haizea.runtime.store import Store
from haizea.stores.memory import MemoryStore
from haizea.workloads.oneline import parse_site

START: Instant = 1_000_000_000_000
SITE = parse_site("4 CPU:400 Memory:8192")
USUAL = Care()
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Killed(BaseException):
    """The process is gone."""


class Stage:
    """The stack, what it stands on, and short ways to say what happens."""

    def __init__(
        self,
        store: Store | None = None,
        care: Care = USUAL,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
        checkpoint: Callable[[str], None] = lambda _label: None,
        live: Mapping[str, Any] = NOTHING,
        **scheduling: Any,
    ) -> None:
        self.clock = RehearsedClock(START)
        self.store = store or MemoryStore()
        names = [host.name for host in SITE.hosts]
        self.pretended = PretendedPlatform(":memory:", names, self.clock.now, threaded=False)
        self.fate = self.pretended._pretence
        self.platform = FaultyPlatform(self.pretended, faults, random.Random(seed), self.clock.now)
        chosen = {"suspension": "all", "policy_preemption": "ar-preempts-everything", **scheduling}
        settings = Settings({"scheduling": chosen, "live": live})
        self.settings = LiveSettings(SITE, to_options(settings), policies(settings), care)
        self.checkpoint = checkpoint
        self.live = Rehearsed(self.settings, self.store, self.platform, self.clock, checkpoint=checkpoint)

    def restart(self) -> None:
        """Start anew, of what the store has; whoever ran before is just dropped."""
        self.live = Rehearsed(self.settings, self.store, self.platform, self.clock, checkpoint=self.checkpoint)

    def after(self, span: Instant) -> None:
        """Let time pass."""
        self.live.run(self.clock.now() + span)

    def at(self, span: Instant) -> None:
        """Let time pass until so long after the start."""
        self.live.run(START + span)

    def request(self, vms: int = 1, cpu: int = 100, memory: int = 1024, duration: Instant = HOUR, **how: Any) -> int:
        """Request a lease; return its number."""

        def job(change: Change) -> int:
            lease = change.new_lease()
            terms = LeaseTerms((NodeSet(vms, Capacity({CPU: cpu, MEMORY: memory})),), duration, **how)
            change.hand_over(LeaseRequested(change.now, lease, terms))
            return lease

        return self.live.change(job)

    def cancel(self, lease: int) -> None:
        """Cancel a lease."""
        self.live.change(lambda change: change.hand_over(CancelRequested(change.now, lease, "ann")))

    def lease(self, number: int) -> Lease:
        """Return a lease that is not over."""
        return self.live.scheduler.desk.leases[number]

    def state(self, number: int) -> str:
        """Return a lease's state, as it is kept."""
        row = self.store.lease(number)
        assert row is not None
        return row.state

    def vms(self) -> dict[tuple[int, int], tuple[str, int | None]]:
        """Return state and host of the VMs there are."""
        return {(one.lease, one.vm): (one.observed.value, one.host) for one in self.fate.vms()}

    def journal(self) -> list[Entry]:
        """Return everything that happened."""
        return self.store.entries(0, limit=100_000)

    def told(self, kind: str) -> list[str]:
        """Return what was told of one kind."""
        return [entry.text for entry in self.journal() if entry.kind == kind]

    def preempted(self) -> tuple[int, int]:
        """Have a lease that fills the site give way to a reservation in half an hour; return both."""
        first = self.request(vms=4, cpu=400, memory=6400, duration=2 * HOUR)
        second = self.request(vms=4, cpu=400, memory=1024, duration=HOUR, start=self.clock.now() + 30 * MINUTE)
        return first, second
