"""Planning anew what has not begun: plans are given up, and made again in another order or with other terms."""

from haizea.core.booking import Booking
from haizea.core.deadlines import Deadlines
from haizea.core.desk import Desk
from haizea.core.reservations import Reservations
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase


class Replanning:
    """Gives up the plans of leases that have not begun, and books leases again."""

    def __init__(self, desk: Desk, booking: Booking, reservations: Reservations, deadlines: Deadlines) -> None:
        self._desk = desk
        self._booking = booking
        self._reservations = reservations
        self._deadlines = deadlines

    def queue(self) -> list[Lease]:
        """Return the leases that wait in the queue or hold a reservation in the future out of it."""
        return [*self._desk.queue, *self._desk.reserved]

    def unplan(self, lease: Lease) -> None:
        """Give up a lease's plan, of which nothing has begun; its state is not changed."""
        desk = self._desk
        for stay in list(lease.stays):
            desk.free_early(stay.end)
            desk.drop(stay)
        desk.unreserve(lease)
        self._booking.unprepare(lease)

    def to_queue(self, lease: Lease) -> None:
        """Put a lease of which nothing has begun into the queue, where it is planned anew."""
        desk = self._desk
        self.unplan(lease)
        state = LeaseState.SUSPENDED_QUEUED if lease.images else LeaseState.QUEUED
        if lease.state is not state:
            desk.enter(lease, state)
        if lease not in desk.queue:
            desk.enqueue(lease)

    def unplan_queue(self) -> None:
        """Put all leases with a reservation in the future back into the queue."""
        for lease in list(self._desk.reserved):
            if lease.stays and lease.stays[0].phase is Phase.PLANNED and lease.state is not LeaseState.PREPARING:
                self.to_queue(lease)

    def book(self, lease: Lease) -> Reason | None:
        """Book a lease without a plan that is wanted at a certain time; return why that is not possible, if so."""
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            return self._reservations.book(lease)
        self._desk.has_deadlines = True
        return self._deadlines.book(lease)

    def everything(self) -> None:
        """Plan everything anew that is not promised at a certain time and has not begun."""
        self.unplan_queue()
        self._desk.free_early(FAR_FUTURE)
        if self._desk.has_deadlines:
            self._deadlines.move_up()
