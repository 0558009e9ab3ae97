"""Everything that can reach the scheduler: requests, passing time, observations, an administrator's commands.

Every event is stamped with the instant at which it became known. Events of one instant are handed over one after
the other; :class:`TimePassed` for that instant comes last and makes the scheduler decide.
"""

from enum import Enum, StrEnum
from typing import NamedTuple

from haizea.model.lease import LeaseTerms
from haizea.model.orders import HostOrder, LeaseOrder, SchedulerOrder
from haizea.model.rates import Rates
from haizea.model.resources import Capacity
from haizea.model.site import HostState, Site
from haizea.model.units import Instant, Span


class LeaseRequested(NamedTuple):
    """Somebody asks for a lease."""

    at: Instant
    lease: int
    terms: LeaseTerms


class TimePassed(NamedTuple):
    """It is now ``at``, and all events before and at that instant have been handed over."""

    at: Instant


class Observed(StrEnum):
    """What a platform reports a VM to be."""

    RUNNING = "running"
    GUEST_SHUTDOWN = "guest-shutdown"
    CRASHED = "crashed"
    VANISHED = "vanished"
    UNKNOWN = "unknown"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    STOPPED = "stopped"
    DELETED = "deleted"


class InstanceObserved(NamedTuple):
    """A VM of a lease was seen in a state. ``vm`` is its number, from 1; 0 stands for all VMs of the lease.

    ``host`` is where it was seen, None where that is not known or the VM is nowhere. ``by`` is who brought it there
    where the platform tells: a person's name, or empty for the guest, the platform itself, or nobody knows who.
    DELETED and STOPPED are somebody's intent; VANISHED and CRASHED are not.
    """

    at: Instant
    lease: int
    vm: int
    observed: Observed
    host: int | None = None
    by: str = ""


class OperationOutcome(Enum):
    """How an operation went that did not go as planned; DONE is one that ended earlier than planned."""

    LATE = "late"
    FAILED = "failed"
    DONE = "done"


class OperationReported(NamedTuple):
    """A suspension, resumption, migration, transfer, boot or shutdown does not go as planned.

    What goes as planned needs no report: the plan holds until told otherwise. ``until`` is when a late operation
    is now expected to end. ``vm`` is the VM that it is about, 0 for all of the lease.
    """

    at: Instant
    lease: int
    kind: str
    outcome: OperationOutcome
    until: Instant | None = None
    vm: int = 0
    text: str = ""


class HostObserved(NamedTuple):
    """A host went down, came back, or is to be used differently from now on."""

    at: Instant
    host: int
    state: HostState


class StrangersObserved(NamedTuple):
    """What VMs that nobody here knows use of a host, in all."""

    at: Instant
    host: int
    used: Capacity


class SiteChanged(NamedTuple):
    """Hosts came, went, or have other capacity or labels. Hosts are the same ones where their names are."""

    at: Instant
    site: Site
    by: str = ""


class ClockJumped(NamedTuple):
    """The clock was set: it is ``by`` later (or earlier, negative) than the time that has really passed."""

    at: Instant
    by: Span


class RatesMeasured(NamedTuple):
    """Operations are to be planned as fast as they have been measured to be, from now on."""

    at: Instant
    rates: Rates


class LeaseOrdered(NamedTuple):
    """Somebody orders something to be done with a lease; ``by`` is who, ``reason`` why."""

    at: Instant
    lease: int
    order: LeaseOrder
    by: str = ""
    reason: str = ""


class HostOrdered(NamedTuple):
    """Somebody orders something to be done with a host."""

    at: Instant
    host: int
    order: HostOrder
    by: str = ""
    reason: str = ""


class SchedulerOrdered(NamedTuple):
    """Somebody orders the scheduler to work differently."""

    at: Instant
    order: SchedulerOrder
    by: str = ""
    reason: str = ""


class MaintenancePlanned(NamedTuple):
    """Hosts are to be free of VMs during ``[start, end)``. ``window`` is its number; planned again, it is changed.

    It is refused where leases that were promised that time cannot go elsewhere; with ``force`` those are told, and end
    at its start.
    """

    at: Instant
    window: int
    hosts: tuple[int, ...]
    start: Instant
    end: Instant
    by: str = ""
    reason: str = ""
    force: bool = False


class MaintenanceOver(NamedTuple):
    """A maintenance window is over early, or is not to be."""

    at: Instant
    window: int
    by: str = ""
    reason: str = ""


class LeaseAdopted(NamedTuple):
    """VMs that nobody knew, running on ``hosts`` (one of each VM), are a lease from now on."""

    at: Instant
    lease: int
    terms: LeaseTerms
    hosts: tuple[int, ...]
    by: str = ""


class CancelRequested(NamedTuple):
    """A lease is to be cancelled, in whatever state it is."""

    at: Instant
    lease: int
    by: str = ""


class WishesChanged(NamedTuple):
    """What a lease wishes for beside VMs and times is to be different: ``terms`` are all its terms from now on."""

    at: Instant
    lease: int
    terms: LeaseTerms


Event = (
    LeaseRequested
    | TimePassed
    | InstanceObserved
    | OperationReported
    | HostObserved
    | StrangersObserved
    | SiteChanged
    | ClockJumped
    | RatesMeasured
    | CancelRequested
    | WishesChanged
    | LeaseOrdered
    | HostOrdered
    | SchedulerOrdered
    | MaintenancePlanned
    | MaintenanceOver
    | LeaseAdopted
)
