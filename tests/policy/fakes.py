"""Leases as the tests of policies need them: nothing but what a policy can see."""

from typing import Any, NamedTuple

from haizea.model.lease import LeaseState, LeaseTerms, LeaseType, NodeSet
from haizea.model.resources import Capacity
from haizea.model.units import HOUR, MINUTE, SECOND, Instant, Span
from haizea.policy.views import HostView, SiteView

VM = Capacity({"CPU": 100, "Memory": 1024})
SITE = SiteView(hosts=4, total={"CPU": 400, "Memory": 4096})


class SeenLease(NamedTuple):
    """A lease at one instant; ``runs_from`` is when the present plan has it run without a break."""

    id: int
    terms: LeaseTerms
    submitted: Instant = 0
    state: LeaseState = LeaseState.PENDING
    delivered: Span = 0
    suspend_time: Span = 32 * SECOND
    resume_time: Span = 32 * SECOND
    runs_from: Instant | None = None

    @property
    def type(self) -> LeaseType:
        """The type that follows from the terms."""
        return self.terms.type

    @property
    def remaining(self) -> Span | None:
        """What is left of the duration."""
        return None if self.terms.duration is None else self.terms.duration - self.delivered

    def remaining_at(self, at: Instant, /) -> Span | None:
        """What will be left at an instant."""
        ran = 0 if self.runs_from is None else max(0, at - self.runs_from)
        return None if self.remaining is None else max(0, self.remaining - ran)


def vms(count: int) -> tuple[NodeSet, ...]:
    """So many equal VMs."""
    return (NodeSet(count, VM),)


def best_effort(lease_id: int = 1, *, count: int = 1, duration: Span | None = HOUR, **given: Any) -> SeenLease:
    """A best-effort lease; ``given`` goes to the terms or to the lease, wherever it belongs."""
    return _seen(lease_id, LeaseTerms(vms(count), duration), given)


def reservation(start: Instant = HOUR, lease_id: int = 2, *, duration: Span | None = HOUR, **given: Any) -> SeenLease:
    """An advance reservation of one VM."""
    return _seen(lease_id, LeaseTerms(vms(1), duration, start), given)


def immediate(lease_id: int = 3, **given: Any) -> SeenLease:
    """An immediate lease of one VM for an hour."""
    return _seen(lease_id, LeaseTerms(vms(1), HOUR, immediate=True), given)


def deadline_lease(start: Instant, duration: Span, deadline: Instant, lease_id: int = 4, **given: Any) -> SeenLease:
    """A deadline lease of one VM."""
    return _seen(lease_id, LeaseTerms(vms(1), duration, start, deadline=deadline), given)


def host(index: int = 0, *, used: int = 0, leases: int = 0, undisturbed: Span = 30 * MINUTE, **labels: str) -> HostView:
    """A host with four cores."""
    capacity = Capacity({"CPU": 400, "Memory": 4096})
    return HostView(index, f"host-{index + 1}", labels, capacity, 4, used, leases, undisturbed)


def _seen(lease_id: int, terms: LeaseTerms, given: dict[str, Any]) -> SeenLease:
    of_terms = {name: value for name, value in given.items() if name in LeaseTerms._fields}
    of_lease = {name: value for name, value in given.items() if name not in LeaseTerms._fields}
    return SeenLease(lease_id, terms)._replace(terms=terms._replace(**of_terms), **of_lease)
