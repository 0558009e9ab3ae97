"""The order of the queue, where the site's policy says more about it than who came first.

What leases use is told to a policy that wants to know, scores are asked for, and the queue is brought into their order.
Reservations in the future that leases out of the queue hold are no promises: who has not begun gives its reservation up
for one that comes before it now, if that one can be given anything with it.
"""

from itertools import islice
from typing import Final

from haizea.core.booking import Booking
from haizea.core.desk import Desk, place
from haizea.core.replanning import Replanning
from haizea.model.lease import LeaseState
from haizea.model.units import Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.policy.protocols import QueueOrder

MILLIONTHS: Final = 1_000_000
_TRIED_MAX: Final = 10
"""So many leases in front of the queue are tried with the reservations of those they come before."""


class Queueing:
    """Has the policy for the queue bring it into order."""

    def __init__(self, desk: Desk, booking: Booking, replanning: Replanning) -> None:
        self._desk = desk
        self._booking = booking
        self._replanning = replanning
        desk.meter = self._ran

    def settle(self) -> None:
        """Bring the queue into the order of the present instant, and have reservations go to those they belong to."""
        desk = self._desk
        order = desk.policies.queue.order
        if order is QueueOrder.CHANGING:
            self._tell()
        if desk.rescore or order is QueueOrder.CHANGING:
            self._score(order)
        if desk.queue and desk.reserved and place(desk.queue[0]) < place(desk.reserved[-1]):
            self._take_over()

    def _score(self, order: QueueOrder) -> None:
        desk = self._desk
        for lease in self._replanning.queue():
            lease.turn = 0 if order is QueueOrder.SUBMITTED else -desk.policies.queue.score(lease, desk.now)
        desk.ordered, desk.rescore = order is not QueueOrder.SUBMITTED, False
        reserved = list(desk.reserved)
        queue = list(desk.queue)
        if sorted(queue, key=place) == queue and sorted(reserved, key=place) == reserved:
            return
        desk.reorder()
        # Reservations were made in the old order: those behind the first that has another place are made anew.
        moved = [new is not old for new, old in zip(desk.reserved, reserved, strict=True)]
        if any(moved):
            self._give_up(list(desk.reserved)[moved.index(True) :])

    def _take_over(self) -> None:
        """Have leases give up their reservations for one in the queue that comes before them."""
        for lease in list(islice(self._desk.queue, _TRIED_MAX)):
            behind = [one for one in self._desk.reserved if place(lease) < place(one) and self._movable(one)]
            if not behind:
                return
            if self._gains(lease, behind):
                self._give_up(behind)
                return

    def _gains(self, lease: Lease, behind: list[Lease]) -> bool:
        """Whether a lease cannot start now, but could be given a time if others gave up theirs."""
        desk = self._desk
        points = self._booking.points(lease)
        if desk.planner.asap(lease, points, future=False) is not None:
            return False
        desk.table.begin()
        for one in behind:
            for stay in one.stays:
                desk.table.release(max(stay.start, desk.now), stay.end, stay.placement.held)
        found = desk.planner.asap(lease, points, future=True)
        desk.table.undo()
        return found is not None

    def _give_up(self, leases: list[Lease]) -> None:
        for lease in leases:
            if self._movable(lease):
                self._replanning.to_queue(lease)

    def _movable(self, lease: Lease) -> bool:
        """Whether nothing has begun for a reservation, not even copying."""
        if not lease.stays or lease.state in (LeaseState.PREPARING, LeaseState.HELD):
            return False
        stay = lease.stays[0]
        return stay.phase is Phase.PLANNED and not any(copy.start <= self._desk.now for copy in stay.copies)

    # What is used --------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell the policy what leases that run have used up to now."""
        desk = self._desk
        if desk.metered >= desk.now:
            return
        for lease in desk.leases.values():
            if lease.stays and lease.stays[0].phase is Phase.RUNNING:
                stay = lease.stays[0]
                self._ran(stay, stay.run_start, min(desk.now, stay.run_end))
        desk.metered = desk.now

    def _ran(self, stay: Stay, start: Instant, end: Instant) -> None:
        """Tell the policy that a lease's VMs have run, as far as it was not told before."""
        desk = self._desk
        begin = max(start, desk.metered)
        policy = desk.policies.queue
        if end > begin and policy.order is QueueOrder.CHANGING:
            policy.used(stay.lease, self._share(stay), begin, end)

    def _share(self, stay: Stay) -> int:
        """Return how much of the site a lease takes up, in millionths of the type of which that is most."""
        need, total = stay.need, self._desk.site_view.total
        share = 0
        for name, whole in total.items():
            mine = sum(n * demand[name] for n, demand in zip(need.counts, need.demands, strict=True))
            share = max(share, mine * MILLIONTHS // whole if whole else 0)
        vms = need.vms
        return share * (vms - len(stay.lease.over)) // vms
