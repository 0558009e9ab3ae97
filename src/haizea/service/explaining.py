"""Why a lease is where it is, when it will start, and what would make it start sooner.

What would help is found by trying it, on copies of the schedule, in the thread of whoever asks.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from haizea.core.pauses import SCHEDULING
from haizea.core.reasons import never
from haizea.core.scheduler import Scheduler
from haizea.core.wishes import WAITS
from haizea.model import orders
from haizea.model.effects import Refused
from haizea.model.events import Event, HostOrdered, LeaseOrdered, SchedulerOrdered, TimePassed
from haizea.model.lease import LeaseState
from haizea.model.site import HostState
from haizea.model.units import MINUTE, SECOND, Instant
from haizea.plan.lease import Lease
from haizea.service.instants import iso
from haizea.service.models import SoonerOut

AHEAD_MAX: Final = 10
LEASES_MAX: Final = 5_000
"""With more leases than this, copies take too long to try anything on."""

_WAITING: Final = frozenset({LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED, LeaseState.SUSPENDED_SCHEDULED})
_BOOKED: Final = frozenset({LeaseState.SCHEDULED, LeaseState.PREPARING, LeaseState.READY})
_LEAST: Final = 10 * MINUTE


class Waiting(NamedTuple):
    """How a lease waits: when it is expected to start, who is before it, what keeps it from starting.

    ``why`` says that of one that has left the queue for a reservation, or has no chance.
    """

    start: Instant | None
    ahead: list[int]
    kept: str
    why: str = ""


class Idea(NamedTuple):
    """Something that may make a lease start sooner: what it is, the verb it takes, and the events it comes to."""

    text: str
    verb: str
    events: tuple[Event, ...]


def waiting_of(scheduler: Scheduler, number: int) -> Waiting:
    """Return how a lease waits; nothing where it does not."""
    lease = scheduler.desk.leases.get(number)
    if lease is None or (lease.started is not None and not _waits(lease) and lease.state is not LeaseState.HELD):
        return Waiting(None, [], "" if lease is None else _kept(scheduler, lease))
    if lease.reserved and lease.stays:
        return _reserved(scheduler, lease)
    ahead: list[int] = []
    for other in scheduler.desk.queue:
        if other is lease:
            break
        ahead.append(other.id)
    ahead = ahead[:AHEAD_MAX] if lease in scheduler.desk.queue else []
    start = expected(scheduler, number) if lease.state is not LeaseState.HELD else None
    hopeless = never(scheduler.desk, lease) if _waits(lease) and start is None else None
    return Waiting(start, ahead, _kept(scheduler, lease), "" if hopeless is None else hopeless.text)


def _waits(lease: Lease) -> bool:
    """Whether a lease waits in the queue, or for a reservation that it got out of the queue."""
    return lease.state in _WAITING or (lease.reserved and lease.state in _BOOKED)


def _reserved(scheduler: Scheduler, lease: Lease) -> Waiting:
    """Return how a lease waits that has a reservation out of the queue: for those who leave their hosts until then."""
    start = lease.stays[0].start
    leaving = [
        (-stay.end, other.id)
        for other in scheduler.desk.leases.values()
        if other is not lease
        for stay in other.stays
        if stay.end <= start
    ]
    kept = _kept(scheduler, lease)
    why = "" if kept or not leaving else "It waits: there is no room for it, and for as long as it lasts, before that."
    ahead = list(dict.fromkeys(number for _, number in sorted(leaving)))[:AHEAD_MAX]
    return Waiting(start, ahead if why else [], kept, why)


def expected(scheduler: Scheduler, number: int) -> Instant | None:
    """Return when a lease is expected to start or go on, if all run for as long as they asked for."""
    lease = scheduler.desk.leases.get(number)
    if lease is None:
        return None
    stay = lease.stays[0] if lease.stays else scheduler.prospect.forecast().get(number)
    return None if stay is None else stay.start


def sooner(scheduler: Scheduler, number: int) -> list[SoonerOut]:
    """Return what would make a lease that waits start sooner, the best first; ``scheduler`` is a copy already."""
    lease = scheduler.desk.leases.get(number)
    if lease is None or not _waits(lease) or len(scheduler.desk.leases) > LEASES_MAX:
        return []
    start = expected(scheduler, number)
    found = []
    for idea in _ideas(scheduler, lease):
        then = _tried(scheduler, idea, number)
        if then is not None and (start is None or then < start):
            now = then <= scheduler.desk.now
            when = "It would start at once" if now else f"It would start at {iso(then)}"
            found.append((then, SoonerOut(text=f"{when} {idea.text}.", start=iso(then), verb=idea.verb)))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _kept(scheduler: Scheduler, lease: Lease) -> str:
    """Say what keeps a lease from starting that is no matter of room, and what to do about it."""
    if lease.state is LeaseState.HELD:
        return f"It is held back until somebody releases it (haizea lease release {lease.id})."
    if lease.state is LeaseState.PAUSED:
        return f"Its VMs stand still until somebody lets them go on (haizea lease unpause {lease.id})."
    if lease.parked == WAITS:
        return "Its VMs could not be started; it is tried again in a while."
    if lease.parked and lease.state is not LeaseState.SUSPENDING:
        return f"It stays suspended until somebody resumes it (haizea lease resume {lease.id})."
    if lease.degraded:
        return "It was promised a time and has lost its hosts; it is tried again whenever there is more room."
    if lease.state in _WAITING and SCHEDULING in scheduler.desk.pauses:
        return f"Nothing is started at the moment. {scheduler.desk.pauses[SCHEDULING]}"
    return _out_of_use(scheduler) if lease.state in _WAITING else ""


def _out_of_use(scheduler: Scheduler) -> str:
    """Say which hosts take nothing new, whatever is free there; nothing where all are used."""
    desk = scheduler.desk
    # A host that was taken away has nothing any more.
    there = [host for host, each in enumerate(desk.site.hosts) if each.capacity]
    out = [host for host in there if desk.hosts.states[host] is not HostState.UP]
    names = ", ".join(desk.site.hosts[host].name for host in out[:5]) + (" and others" if len(out) > 5 else "")
    return f"Nothing new is started on {names}." if out else ""


def _ideas(scheduler: Scheduler, lease: Lease) -> Iterator[Idea]:
    """Yield what may help."""
    now, terms, number = scheduler.desk.now, lease.terms, lease.id
    if SCHEDULING in scheduler.desk.pauses:
        resume = SchedulerOrdered(now, orders.ResumeScheduling())
        yield Idea("if scheduling was resumed", "scheduler.resume", (resume,))
    out = [host for host, state in scheduler.desk.hosts.ordered.items() if state is not HostState.UP]
    if out:
        names = ", ".join(scheduler.desk.site.hosts[host].name for host in sorted(out)[:5])
        enabled = tuple(HostOrdered(now, host, orders.Enable()) for host in out)
        yield Idea(f"if {names} {'was' if len(out) == 1 else 'were'} used again", "host.enable", enabled)
    yield Idea("at the top of the queue", "lease.top", (LeaseOrdered(now, number, orders.ToTop()),))
    if len(terms.nodes) == 1 and terms.nodes[0].count > 1 and lease.started is None:
        count = terms.nodes[0].count // 2
        smaller = orders.Resize((terms.nodes[0]._replace(count=count),))
        text = f"with {count} VM{'s' if count > 1 else ''} instead of {terms.nodes[0].count}"
        yield Idea(text, "lease.resize", (LeaseOrdered(now, number, smaller),))
    if terms.duration is not None and terms.duration >= 2 * _LEAST and lease.started is None:
        half = terms.duration // 2 // SECOND * SECOND
        text = f"if it lasted {half // MINUTE} minutes instead of {terms.duration // MINUTE}"
        yield Idea(text, "lease.shorten", (LeaseOrdered(now, number, orders.Last(half)),))


def _tried(scheduler: Scheduler, idea: Idea, number: int) -> Instant | None:
    """Return when a lease would start if something was done, None where it cannot be done or it is not known."""
    other = scheduler.copy()
    for event in (*idea.events, TimePassed(other.desk.now)):
        if any(isinstance(effect, Refused) for effect in other.handle(event)):
            return None
    lease = other.desk.leases.get(number)
    if lease is not None and lease.stays and lease.stays[0].start <= other.desk.now:
        return other.desk.now
    return expected(other, number)
