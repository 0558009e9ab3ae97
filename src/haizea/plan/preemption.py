"""Making room for a reservation by having others give way."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from haizea.model.units import Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.planner import Planner
from haizea.plan.slottable import Placement
from haizea.policy.protocols import PreemptionPolicy


class Victims(NamedTuple):
    """Where a lease can go, if these leases give way."""

    placement: Placement
    leases: tuple[Lease, ...]


class Preemption:
    """Finds which leases to preempt, and plans how each of them gives way."""

    def __init__(self, planner: Planner, policy: PreemptionPolicy) -> None:
        self._planner = planner
        self.policy = policy

    def candidates(self, lease: Lease, others: Iterable[Lease], start: Instant, end: Instant) -> list[Lease]:
        """Return the leases that may give way between two instants, those to be taken first in front."""
        score, cleaning = self.policy.score, self._planner.options.cleaning_time
        scored = []
        for other in others:
            if other is lease or not other.stays or overlapping(other, start, end) is None:
                continue
            if other.terms.grace and not self._told_in_time(other, start, end):
                continue
            if cleaning and not self._clean_in_time(other, start, end):
                continue
            points = score(lease, other, start)
            if points is not None:
                scored.append((-points, other.submitted, other.order, other))
        scored.sort(key=lambda entry: entry[:3])
        return [entry[3] for entry in scored]

    def _told_in_time(self, other: Lease, start: Instant, end: Instant) -> bool:
        """Whether a lease could be told now and have its grace before it gives way, or has not begun."""
        stay = overlapping(other, start, end)
        now = self._planner.table.now
        if stay is None or stay.phase is Phase.PLANNED:
            first = other.stays[0]
            return first.phase is Phase.PLANNED or start >= now + other.terms.grace
        begin = start - self._planner.options.cleaning_time
        if self.can_suspend(other, stay, start, now):
            begin = start - self.suspension(other, stay)
        return begin >= now + other.terms.grace

    def _clean_in_time(self, other: Lease, start: Instant, end: Instant) -> bool:
        """Whether what the VMs of a lease leave would be clean when it is needed, or they are not there yet."""
        planner, stay = self._planner, overlapping(other, start, end)
        if stay is None or stay.phase is Phase.PLANNED:
            return True
        return start >= planner.table.now + planner.options.cleaning_time

    def find(
        self,
        lease: Lease,
        others: Iterable[Lease],
        start: Instant,
        end: Instant,
        give_way: Callable[[Lease], bool] | None = None,
    ) -> Victims | None:
        """Find hosts for a lease during ``[start, end)`` and the fewest, best-scoring leases that must give way.

        Leases are taken one after the other until the VMs fit; then those that turn out not to be needed are let
        go again. The slot table is as before when this returns.

        Args:
            lease: the lease that needs room.
            others: the leases that hold reservations.
            start: when room is needed.
            end: until when.
            give_way: plans, tentatively, how a lease gives way, and says whether that is possible; without it a
                lease simply frees what it holds from ``start`` on.
        """
        planner, table = self._planner, self._planner.table
        usable = planner.hosts.usable(lease.terms.constraints)
        taken: list[Lease] = []
        table.begin()
        try:
            placement = None
            for other in self.candidates(lease, others, start, end):
                table.begin()
                if give_way is None:
                    self._free(other, start)
                elif not give_way(other):
                    table.undo()
                    continue
                table.keep()
                taken.append(other)
                placement = planner.find(lease, start, end, usable)
                if placement is not None:
                    break
            if placement is None:
                return None
            if give_way is None:
                placement = self._spare(lease, taken, placement, start, end)
            return Victims(placement, tuple(taken))
        finally:
            table.undo()

    def _free(self, other: Lease, start: Instant) -> None:
        for stay in other.stays:
            if stay.end > start:
                self._planner.table.release(max(start, stay.start), stay.end, stay.placement.held)

    def _spare(self, lease: Lease, taken: list[Lease], placement: Placement, start: Instant, end: Instant) -> Placement:
        """Let go of every lease without which the VMs fit as well; return where they fit then."""
        planner, table = self._planner, self._planner.table
        usable = planner.hosts.usable(lease.terms.constraints)
        for other in list(taken[:-1]):
            table.begin()
            for stay in other.stays:
                if stay.end > start:
                    table.hold(max(start, stay.start), stay.end, stay.placement.held)
            without = planner.find(lease, start, end, usable)
            if without is None:
                table.undo()
            else:
                table.keep()
                taken.remove(other)
                placement = without
        return placement

    def can_suspend(self, lease: Lease, stay: Stay, at: Instant, now: Instant) -> bool:
        """Whether a stay can be cut short by a suspension that ends at an instant, above the threshold."""
        planner = self._planner
        if not planner.may_suspend(lease) or at <= stay.run_start:
            return False
        suspension = self.suspension(lease, stay)
        if at - suspension <= max(stay.run_start, now - 1):
            return False
        return at - stay.run_start >= planner.threshold(lease, resuming=False)

    def suspension(self, lease: Lease, stay: Stay) -> int:
        """Return how long suspending all VMs of a stay takes, and cleaning what they leave."""
        planner = self._planner
        return planner.suspension(lease, stay.placement) + planner.options.cleaning_time


def overlapping(lease: Lease, start: Instant, end: Instant) -> Stay | None:
    """Return the first stay of a lease that holds capacity between two instants."""
    for stay in lease.stays:
        if stay.start < end and stay.end > start:
            return stay
    return None
