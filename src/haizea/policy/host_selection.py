"""The built-in host selection policies.

Each names an order that the planner implements by itself. Its score says the same preference for one host at a
time: it is what the order means, and what a policy derived from a built-in one can add to.
"""

from haizea.model.units import FAR_FUTURE, Instant
from haizea.policy.protocols import HostOrder, PolicyContext
from haizea.policy.views import HostView, LeaseView


class FirstFit:
    """The first hosts, in the site's order, that have room."""

    order = HostOrder.FIRST_FIT

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return a score that falls along the site's order."""
        return -host.index


class Greedy:
    """Hosts with the fewest leases to preempt, then those that stay undisturbed longest.

    A host that sends or receives a memory image has the lease whose image that is, and is disturbed when the copy is
    over. Being undisturbed for longer than the whole duration of the lease counts for nothing, so that long gaps are
    not used up by short leases without need.
    """

    order = HostOrder.MOST_FREE

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return a score that falls with the leases on the host, then grows with the time until the next."""
        whole = FAR_FUTURE if lease.terms.duration is None else lease.terms.duration
        return min(host.undisturbed, whole) - host.leases * (FAR_FUTURE + 1)


class BestFit:
    """The hosts that are fullest already, so that others stay empty for large leases, or can be turned off."""

    order = HostOrder.LEAST_FREE

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return a score that grows with what is in use."""
        return host.used_permille


class Spread:
    """The hosts that are emptiest, so that load is even and a failing host takes few leases with it."""

    order = HostOrder.SPREAD

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return a score that falls with what is in use."""
        return -host.used_permille
