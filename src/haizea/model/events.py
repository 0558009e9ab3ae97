"""Everything that can reach the scheduler: requests, passing time, observations, an administrator's commands.

Every event is stamped with the instant at which it became known. Events of one instant are handed over one after
the other; :class:`TimePassed` for that instant comes last and makes the scheduler decide.
"""

from enum import Enum, StrEnum
from typing import NamedTuple

from haizea.model.lease import LeaseTerms
from haizea.model.site import HostState
from haizea.model.units import Instant


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


class InstanceObserved(NamedTuple):
    """A VM of a lease was seen in a state. ``vm`` is its number, from 1; 0 stands for all VMs of the lease."""

    at: Instant
    lease: int
    vm: int
    observed: Observed


class OperationOutcome(Enum):
    """How an operation went that did not go as planned."""

    LATE = "late"
    FAILED = "failed"


class OperationReported(NamedTuple):
    """A suspension, resumption, transfer, boot or shutdown does not go as planned.

    What goes as planned needs no report: the plan holds until told otherwise. ``until`` is when a late operation
    is now expected to end.
    """

    at: Instant
    lease: int
    kind: str
    outcome: OperationOutcome
    until: Instant | None = None


class HostObserved(NamedTuple):
    """A host went down, came back, or is to be used differently from now on."""

    at: Instant
    host: int
    state: HostState


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
    LeaseRequested | TimePassed | InstanceObserved | OperationReported | HostObserved | CancelRequested | WishesChanged
)
