"""What would change: the plans of leases before and after, on a copy of the schedule that is thrown away."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from haizea.core.desk import Desk, Retired
from haizea.model.effects import Effect, HostChanged, Notice, Refused
from haizea.model.events import Event, TimePassed
from haizea.model.lease import LeaseState
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Lease
from haizea.plan.operations import hosts_of

STEPS_MAX: Final = 200_000
"""So many instants, at most, a what-if looks ahead."""


class Plan(NamedTuple):
    """What is planned for a lease: its state, when it holds hosts first and last, the host of every VM first.

    ``end`` is None where there is none, ``start`` and ``hosts`` where nothing is planned. ``suspended`` says that it is
    to be suspended at ``end``, and to go on when there is room.
    """

    state: LeaseState
    start: Instant | None = None
    end: Instant | None = None
    hosts: tuple[int, ...] = ()
    suspended: bool = False


class PlanChange(NamedTuple):
    """What is planned for a lease before and after; None before where there was no lease."""

    lease: int
    before: Plan | None
    after: Plan
    reason: Reason | None


class Rehearsal(NamedTuple):
    """What an event would change. ``refusal`` says why it would be refused; nothing would change then."""

    refusal: Reason | None
    changes: tuple[PlanChange, ...]
    hosts: tuple[HostChanged, ...]
    notices: tuple[Notice, ...]


class Fate(NamedTuple):
    """What becomes of a lease: its state then, when it starts first and when it is over, what it has run until then."""

    lease: int
    state: LeaseState
    started: Instant | None
    ended: Instant | None
    delivered: Span
    reason: Reason | None


class Forecast(NamedTuple):
    """What becomes of every lease that is known now or comes until then; ``refusals`` are those of orders, in order.

    ``until`` is how far it was looked ahead.
    """

    until: Instant
    fates: tuple[Fate, ...]
    refusals: tuple[Reason, ...]


class Runs(Protocol):
    """A scheduler that can be run ahead."""

    desk: Desk

    def handle(self, event: Event) -> Sequence[Effect | Retired]:
        """Take in an event."""

    def next_instant(self) -> Instant | None:
        """Return when it has something to do next."""


def plan_of(lease: Lease, desk: Desk) -> Plan:
    """Return what is planned for a lease."""
    if not lease.stays:
        return Plan(lease.state)
    first, last = lease.stays[0], lease.stays[-1]
    end = None if last.end >= FAR_FUTURE else last.end
    return Plan(lease.state, first.start, end, hosts_of(first, desk.table), last.suspending)


def plans(desk: Desk) -> dict[int, Plan]:
    """Return what is planned for every lease."""
    return {number: plan_of(lease, desk) for number, lease in desk.leases.items()}


def rehearsal(before: Mapping[int, Plan], after: Mapping[int, Plan], effects: Sequence[Effect | Retired]) -> Rehearsal:
    """Compare what was planned before with what is planned after something."""
    changes: list[PlanChange] = []
    over = {effect.lease.id: effect.lease for effect in effects if isinstance(effect, Retired)}
    for number in sorted({*before, *after, *over}):
        lease = over.get(number)
        new = Plan(lease.state) if lease is not None else after[number]
        if before.get(number) != new:
            changes.append(PlanChange(number, before.get(number), new, None if lease is None else lease.reason))
    return Rehearsal(
        next((effect.reason for effect in effects if isinstance(effect, Refused)), None),
        tuple(changes),
        tuple([effect for effect in effects if isinstance(effect, HostChanged)]),
        tuple([effect for effect in effects if isinstance(effect, Notice)]),
    )


def run_on(scheduler: Runs, events: Sequence[Event], until: Instant) -> Forecast:
    """Have a scheduler that is thrown away do what is planned until an instant, with these events on the way."""
    fates: dict[int, Fate] = {}
    refusals: list[Reason] = []
    waiting = list(reversed(events))

    def take(event: Event) -> None:
        for effect in scheduler.handle(event):
            if isinstance(effect, Retired):
                fates[effect.lease.id] = _fate(effect.lease, scheduler.desk.now)
            elif isinstance(effect, Refused):
                refusals.append(effect.reason)

    now = scheduler.desk.now
    for _ in range(STEPS_MAX):
        while waiting and waiting[-1].at <= now:
            take(waiting.pop())
        take(TimePassed(now))
        following = [at for at in (scheduler.next_instant(), waiting[-1].at if waiting else None) if at is not None]
        if not following or min(following) > until:
            now = until
            break
        now = max(now, min(following))
    for lease in scheduler.desk.leases.values():
        fates[lease.id] = _fate(lease, now)
    return Forecast(now, tuple([fates[number] for number in sorted(fates)]), tuple(refusals))


def _fate(lease: Lease, now: Instant) -> Fate:
    running = sum(
        [max(0, min(stay.run_end, now) - stay.run_start) for stay in lease.stays[:1] if not lease.state.final]
    )
    return Fate(lease.id, lease.state, lease.started, lease.ended, lease.delivered + running, lease.reason)
