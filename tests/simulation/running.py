"""Whole simulations in memory, under the verifier, without files or configuration."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from haizea.backends.simulated import SimulatedBackend
from haizea.core.desk import Policies, Retired
from haizea.core.scheduler import Scheduler
from haizea.experiments.verifier import Verifier
from haizea.model.effects import News
from haizea.model.events import CancelRequested, Event
from haizea.model.lease import LeaseRequest, LeaseState
from haizea.model.site import Site
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Lease
from haizea.plan.options import Options
from haizea.policy.protocols import PolicyContext
from haizea.policy.registry import resolve
from haizea.runtime.clocks import SimulatedClock
from haizea.runtime.loop import Direct, Loop
from haizea.runtime.workload import Arrivals

INSTANTS_MAX = 100_000


class Outcome(NamedTuple):
    """What came of a simulation: what the verifier found, and every lease by its number."""

    violations: list[str]
    leases: dict[int, Lease]
    last: Instant

    def states(self) -> dict[int, LeaseState]:
        """The state that every lease ended in."""
        return {number: lease.state for number, lease in self.leases.items()}


class Script:
    """Events that come at their times, whatever the scheduler does."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = sorted(events, key=lambda event: event.at)

    @property
    def next_at(self) -> Instant:
        """When the next of them comes."""
        return self._events[0].at if self._events else FAR_FUTURE

    def due(self, now: Instant) -> list[Event]:
        """Those that have come."""
        found = [event for event in self._events if event.at <= now]
        del self._events[: len(found)]
        return found


class Kept:
    """A sink that keeps all leases that are over."""

    def __init__(self) -> None:
        self.leases: dict[int, Lease] = {}

    def retired(self, retired: Retired, /) -> None:
        """Keep it."""
        self.leases[retired.lease.id] = retired.lease

    def changed(self, change: News, /) -> None:
        """Let it pass."""


def policies(
    preemption: str = "ar-preempts-besteffort",
    selection: str = "greedy",
    pricing: str = "free",
    admission: str = "accept-all",
    suspension: str = "all",
    settings: dict[str, object] | None = None,
    queue: str = "fcfs",
    shares: dict[str, object] | None = None,
) -> Policies:
    """Built-in policies by their names."""
    context = PolicyContext(
        suspension=suspension != "none", serial_only=suspension == "serial-only", settings=settings or {}
    )
    return Policies(
        resolve("admission", admission, context),
        resolve("host-selection", selection, context),
        resolve("preemption", preemption, context),
        resolve("pricing", pricing, context),
        resolve("queue", queue, PolicyContext(settings=shares or {})),
    )


def simulate(
    site: Site,
    options: Options,
    chosen: Policies,
    requests: Sequence[LeaseRequest],
    events: Iterable[Event] = (),
    full_every: int = 1,
) -> Outcome:
    """Run a workload to its end, and what is left of it then is cancelled; check everything after every event."""
    scheduler = Scheduler(site, 0, options, chosen)
    verifier, backend, sink = Verifier(scheduler, full_every), SimulatedBackend(), Kept()

    def tell(lease: int, real_duration: Span) -> None:
        backend.tell(lease, real_duration)
        verifier.tell(lease, real_duration)

    arrivals = Arrivals(sorted(requests, key=lambda request: request.arrival), 0, tell)
    step = Direct(scheduler, backend, sink, verifier)
    loop = Loop(scheduler, SimulatedClock(), (backend, arrivals, Script(events)), step)
    instants = 0

    def keep_going(_at: Instant) -> bool:
        nonlocal instants
        instants += 1
        assert instants < INSTANTS_MAX, "the simulation does not come to an end"
        return True

    last = loop.run(keep_going) or 0
    for lease in sorted(scheduler.desk.leases):
        for effect in step.handle(CancelRequested(last, lease, "the end of the simulation")):
            if isinstance(effect, Retired):
                sink.retired(effect)
    return Outcome(verifier.summary()["violations"], sink.leases, last)
