"""The queue of best-effort leases: who is looked at when, and who may go before whom.

Leases are looked at in order of submission. At most ``reservations_max`` of them may hold a reservation in the
future (none: no backfilling, one: EASY, any number: conservative); the others start only if they can start now
without delaying a reservation. When capacity is freed early, reservations in the future are moved up.

EASY backfilling: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995. Conservative: Mu'alem and Feitelson,
"Utilization, predictability, workloads, and user runtime estimates", IEEE TPDS 12(6), 2001.
"""

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.model.lease import LeaseState
from haizea.model.reason import Cause
from haizea.plan.lease import Lease, Phase, Wait


class Backfilling:
    """Gets best-effort leases out of the queue."""

    def __init__(self, desk: Desk, booking: Booking) -> None:
        self._desk = desk
        self._booking = booking
        self._unprepared = desk.images is None and not desk.options.non_schedulable

    def settle(self) -> None:
        """Start or reserve whatever can be, after something has changed."""
        if self._desk.freed:
            self.move_up()
        if self._desk.queue:
            self._serve()

    def move_up(self) -> None:
        """Look anew for the earliest start of every lease that holds a reservation in the future."""
        desk = self._desk
        desk.freed = False
        for lease in list(desk.reserved):
            if lease.reserved and lease.stays[0].phase is Phase.PLANNED and lease.state is not LeaseState.PREPARING:
                self._booking.rebook(lease)

    def _serve(self) -> None:
        desk = self._desk
        limit = desk.options.reservations_max
        queue, desk.queue = desk.queue, []
        waiting: list[Lease] = []
        for i, lease in enumerate(queue):
            future = limit is None or len(desk.reserved) < limit
            free = desk.table.free_now()
            if not future and not free and self._unprepared:
                self._note(queue[i:], Cause.RESERVED, free)
                waiting += queue[i:]
                break
            if not future and self._unprepared and lease.need.key > free:
                refused = True
            else:
                refusal = self._booking.asap(lease, future=future)
                refused = refusal is not None
                if refusal is not None and refusal.cause is Cause.PRICE:
                    desk.retire(lease, LeaseState.REJECTED_BY_USER, refusal)
                    continue
            if refused:
                waiting.append(lease)
                if limit == 0:
                    self._note(waiting, Cause.RESERVED, free)
                    self._note(queue[i + 1 :], Cause.BEHIND, free)
                    waiting += queue[i + 1 :]
                    break
                if lease.wait is None:
                    self._note([lease], Cause.RESERVED, free)
        # Leases that gave way meanwhile are in the desk's queue already.
        requeued, desk.queue = desk.queue, waiting
        for lease in requeued:
            desk.enqueue(lease)

    def _note(self, leases: list[Lease], cause: Cause, free: int) -> None:
        """Remember why leases wait, the first time they do."""
        desk = self._desk
        ahead = desk.reserved[0].id if desk.reserved else 0
        for lease in leases:
            if lease.wait is None:
                lease.wait = Wait(cause, desk.now, free, ahead)
