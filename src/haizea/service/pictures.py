"""Two pictures of a schedule, and what differs between them: who is affected by something, and how."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Notice, Refused
from haizea.model.events import Event, TimePassed
from haizea.model.lease import LeaseState
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of
from haizea.service.instants import iso
from haizea.service.models import AffectedOut

AFFECTED_MAX: Final = 1_000

_SUSPENDED: Final = frozenset(
    {
        LeaseState.SUSPENDING,
        LeaseState.SUSPENDED_PENDING,
        LeaseState.SUSPENDED_QUEUED,
        LeaseState.SUSPENDED_SCHEDULED,
    }
)
_RUNNING: Final = frozenset({LeaseState.ACTIVE, LeaseState.RESUMING, LeaseState.RESUMED_READY, LeaseState.PREPARING})


class Look(NamedTuple):
    """How a lease is: its state, when its next or present stay begins and ends (None: not planned), and where."""

    owner: str
    state: LeaseState
    start: Instant | None
    end: Instant | None
    hosts: tuple[int, ...]
    suspending: bool


Picture = dict[int, Look]


class Rehearsal(NamedTuple):
    """What became of an event on a copy of the schedule, which stands as it would be when all was decided upon."""

    scheduler: Scheduler
    refusal: Reason | None
    retired: Mapping[int, Lease]
    notes: tuple[str, ...]


def picture(scheduler: Scheduler) -> Picture:
    """Return how all leases are that are not over."""
    table = scheduler.desk.table
    found = {}
    for lease in scheduler.desk.leases.values():
        stay = lease.stays[0] if lease.stays else None
        found[lease.id] = Look(
            lease.terms.user,
            lease.state,
            None if stay is None else stay.start,
            None if stay is None else min(stay.end, FAR_FUTURE),
            () if stay is None else hosts_of(stay, table),
            stay is not None and stay.suspending,
        )
    return found


def rehearse(scheduler: Scheduler, events: Iterable[Event]) -> Rehearsal:
    """Hand events to a copy of a schedule, and have it decide; what refuses one refuses all."""
    other = scheduler.copy()
    retired: dict[int, Lease] = {}
    notes: list[str] = []
    for event in (*events, None):
        for effect in other.handle(TimePassed(other.desk.now) if event is None else event):
            if isinstance(effect, Refused):
                return Rehearsal(other, effect.reason, retired, tuple(notes))
            if isinstance(effect, Retired):
                retired[effect.lease.id] = effect.lease
            elif isinstance(effect, Notice):
                notes.append(effect.text)
    return Rehearsal(other, None, retired, tuple(notes))


def affected(before: Picture, after: Picture, over: Mapping[int, str], *, but: int | None = None) -> list[AffectedOut]:
    """Return whom a change affects and how, in order of numbers, at most :data:`AFFECTED_MAX`.

    ``over`` gives the states of leases that have ended in between, as far as they are known; ``but`` is not told of.
    """
    found = []
    for number in sorted(before):
        if number == but:
            continue
        old, new = before[number], after.get(number)
        if new is None:
            found.append(_told(number, old, over.get(number, "ended"), old.end, None))
        elif old != new:
            change = _change(old, new)
            if change is not None:
                found.append(_told(number, old, *change))
        if len(found) == AFFECTED_MAX:
            break
    return found


def _told(lease: int, old: Look, how: str, before: Instant | None, after: Instant | None) -> AffectedOut:
    return AffectedOut(lease=lease, owner=old.owner, how=how, before=_iso(before), after=_iso(after))


def _change(old: Look, new: Look) -> tuple[str, Instant | None, Instant | None] | None:
    """Return how a lease is affected, with what it is about before and after: its start, or its end."""
    if new.state is not old.state:
        if new.state in _SUSPENDED and old.state not in _SUSPENDED:
            return "suspended", old.end, new.end
        if new.state is LeaseState.QUEUED and old.state in _RUNNING:
            return "requeued", old.end, None
        if new.state in (LeaseState.HELD, LeaseState.PAUSED):
            return new.state.label, old.end, new.end
    if new.suspending and not old.suspending:
        return "suspended", old.end, new.end
    if old.hosts != new.hosts and old.state is new.state is LeaseState.ACTIVE:
        return "moved", old.end, new.end
    if old.start != new.start:
        if new.start is None:
            return "unplanned", old.start, None
        return ("earlier" if old.start is None or new.start < old.start else "later"), old.start, new.start
    if old.hosts != new.hosts:
        return "moved", old.start, new.start
    if old.end != new.end and new.end is not None:
        return ("shorter" if old.end is not None and new.end < old.end else "longer"), old.end, new.end
    return None if old.state is new.state else (new.state.label, old.start, new.start)


def on_hosts(scheduler: Scheduler, hosts: Iterable[int]) -> list[int]:
    """Return the leases that have VMs on hosts at present, in order of numbers."""
    wanted = set(hosts)
    desk = scheduler.desk
    return sorted(
        lease.id
        for lease in desk.leases.values()
        if lease.stays
        and lease.stays[0].phase is not Phase.PLANNED
        and not wanted.isdisjoint(hosts_of(lease.stays[0], desk.table))
    )


def _iso(at: Instant | None) -> str | None:
    return None if at is None or at >= FAR_FUTURE else iso(at)
