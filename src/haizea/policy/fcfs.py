"""The queue policy of most sites, in a module of its own so that they load nothing else."""

from haizea.model.units import Instant
from haizea.policy.protocols import PolicyContext, QueueOrder
from haizea.policy.views import LeaseView


class FirstComeFirstServed:
    """Leases wait in the order in which they were submitted."""

    order = QueueOrder.SUBMITTED

    def __init__(self, context: PolicyContext | None = None) -> None:
        """It has no settings."""

    def score(self, lease: LeaseView, now: Instant, /) -> int:
        """Return the same for every lease."""
        return 0

    def used(self, lease: LeaseView, amount: int, start: Instant, end: Instant, /) -> None:
        """Learn nothing."""
