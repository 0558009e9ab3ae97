"""Which entries of the table of reactions a run has come to, and which events it has handed over."""

from collections import Counter

from haizea.core.reactions import BY_PLACE, REACTIONS, Desired, Reaction, Sight, desired
from haizea.core.scheduler import Scheduler
from haizea.model.events import Event, InstanceObserved, OperationReported
from haizea.plan.lease import Phase
from haizea.plan.operations import hosts_of

Entry = tuple[Desired, Sight]


class Coverage:
    """Counts, from the events alone and what leases are at that moment."""

    def __init__(self) -> None:
        self.reactions: Counter[str] = Counter()
        self.events: Counter[str] = Counter()

    def see(self, scheduler: Scheduler, event: Event) -> None:
        """Count an event that is about to be handed over."""
        self.events[type(event).__name__] += 1
        if isinstance(event, OperationReported):
            self.events[f"{event.kind} {event.outcome.value}"] += 1
        elif isinstance(event, InstanceObserved):
            entry = _entry(scheduler, event)
            if entry is not None:
                self.reactions[name(entry)] += 1


def name(entry: Entry) -> str:
    """Return how an entry of the table is called."""
    return f"{entry[0].value} × {entry[1].value}"


def possible() -> list[str]:
    """Return all entries of the table that can be come to."""
    return [name(entry) for entry, reaction in REACTIONS.items() if reaction is not Reaction.IMPOSSIBLE]


def _entry(scheduler: Scheduler, event: InstanceObserved) -> Entry | None:
    desk = scheduler.desk
    lease = desk.leases.get(event.lease)
    if lease is None or not 0 <= event.vm <= lease.need.vms:
        return None
    wanted = desired(lease, event.vm)
    sight = Sight(event.observed.value)
    if event.observed in BY_PLACE and event.host is not None and wanted is not Desired.ABSENT and event.vm:
        where = lease.images or ()
        if lease.stays and (lease.stays[0].phase is not Phase.PLANNED or not where):
            where = hosts_of(lease.stays[0], desk.table)
        if where and where[event.vm - 1] != event.host:
            sight = BY_PLACE[event.observed]
    return wanted, sight
