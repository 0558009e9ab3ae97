"""What a policy gets to see: read-only views of a lease, a host and the site.

The planner and the core hand these out; nothing here can be used to change a schedule.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from haizea.model.lease import LeaseState, LeaseTerms, LeaseType
from haizea.model.resources import Capacity
from haizea.model.units import Instant, Span


class LeaseView(Protocol):
    """A lease, as it stands now. Whatever has these attributes will do."""

    @property
    def id(self) -> int:
        """The lease's number."""

    @property
    def terms(self) -> LeaseTerms:
        """What was asked for."""

    @property
    def type(self) -> LeaseType:
        """The type that follows from the terms."""

    @property
    def state(self) -> LeaseState:
        """The state the lease is in."""

    @property
    def submitted(self) -> Instant:
        """When it was requested."""

    @property
    def delivered(self) -> Span:
        """How much of its duration it has had so far, in ms."""

    @property
    def remaining(self) -> Span | None:
        """How much of its duration is left, in ms; None where the duration is unlimited."""

    @property
    def suspend_time(self) -> Span:
        """An estimate of how long suspending the whole lease takes, in ms."""

    @property
    def resume_time(self) -> Span:
        """An estimate of how long resuming the whole lease takes, in ms."""

    def remaining_at(self, at: Instant, /) -> Span | None:
        """Return how much of its duration will be left at an instant if the schedule is followed until then.

        None where the duration is unlimited. For a lease that does not run between now and ``at`` this is
        :attr:`remaining`.
        """


class HostView(NamedTuple):
    """A host, as a place for VMs of one lease over one interval of time.

    ``index`` is its position in the site. ``free_vms`` is how many VMs of the kind asked for fit during the whole
    interval. ``used_permille`` is the share of the fullest resource type that is in use when the interval starts
    (0 to 1000). ``leases`` is how many leases hold something on the host then, or have a memory image copied from or to
    it, and may be approximate. ``undisturbed`` is the span from the start until the next reservation on the host begins
    or such a copy begins or ends, :data:`~haizea.model.units.FAR_FUTURE` where none does.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which has no meaning for a host
    name: str
    labels: Mapping[str, str]
    capacity: Capacity
    free_vms: int
    used_permille: int
    leases: int
    undisturbed: Span


class SiteView(NamedTuple):
    """The site: how many hosts it has, and how much of each resource type they have together."""

    hosts: int
    total: Mapping[str, int]
