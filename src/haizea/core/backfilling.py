"""The queue of best-effort leases: who is looked at when, and who may go before whom.

Leases are looked at in order of submission. At most ``reservations_max`` of them may hold a reservation in the
future (none: no backfilling, one: EASY, any number: conservative); the others start only if they can start now
without delaying a reservation. When capacity is freed early, reservations in the future are moved up.

EASY backfilling: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995. Conservative: Mu'alem and Feitelson,
"Utilization, predictability, workloads, and user runtime estimates", IEEE TPDS 12(6), 2001.
"""

from collections import deque

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.reasons import never
from haizea.model.lease import LeaseState
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase, Wait
from haizea.plan.options import Migration


class Backfilling:
    """Gets best-effort leases out of the queue."""

    def __init__(self, desk: Desk, booking: Booking) -> None:
        self._desk = desk
        self._booking = booking
        # Whether a lease that can start now needs no more than room now.
        self._unprepared = desk.images is None and not desk.options.non_schedulable
        # How many leases were left in the queue when it was looked at last, and what the schedule was like then.
        self._looked_at = 0
        self._seen: tuple[int, int] | None = None

    def forget(self) -> None:
        """Look at the whole queue next time: everything has changed."""
        self._looked_at, self._seen = 0, None

    def settle(self) -> None:
        """Start or reserve whatever can be, after something has changed."""
        desk = self._desk
        if desk.freed_until is not None:
            self.move_up()
        if desk.queue:
            if desk.options.reservations_max == 0:
                self._serve_in_order()
            else:
                self._serve()

    def move_up(self) -> None:
        """Look anew for the earliest start of every lease that holds a reservation in the future.

        Each had the earliest start there was; so it can only be earlier where it overlaps what has become free
        since: what was given back early, and what others who move up leave behind.
        """
        desk = self._desk
        until, desk.freed_until = desk.freed_until or desk.now, None
        if not desk.reserved:
            return
        profile, planner = desk.table.profile(), desk.planner
        for lease in list(desk.reserved):
            stay = lease.stays[0]
            if lease.state is LeaseState.PREPARING or stay.phase is not Phase.PLANNED:
                continue
            length = planner.least_window(lease)
            if profile.may_start_earlier(lease.need.key, length, (stay.start, stay.end), until):
                self._booking.rebook(lease)
                if not lease.stays or lease.stays[0].start < stay.start:
                    until = max(until, stay.end)
                profile = desk.table.profile()

    def _serve_in_order(self) -> None:
        """Start leases as long as the one in front can start: nobody overtakes.

        Except for those that the site has become too small for: nobody waits for what may never be.
        """
        desk, queue = self._desk, self._desk.queue
        migrating = desk.options.migration is Migration.YES
        first = 0
        while first < len(queue):
            lease = queue[first]
            free = desk.table.free_now()
            least = 1 if migrating and lease.images else lease.need.key
            if least <= free or not self._unprepared:
                refusal = self._booking.asap(lease, future=False)
                if refusal is None or self._too_expensive(lease, refusal):
                    del queue[first]
                    continue
            if lease.wait is None:
                lease.wait = Wait(Cause.RESERVED, desk.now, free, 0)
                desk.touched.add(lease.id)
            if never(desk, lease) is None:
                return
            first += 1

    def _serve(self) -> None:
        """Look at every lease in the queue that may have got a chance."""
        desk, booking, table, planner = self._desk, self._booking, self._desk.table, self._desk.planner
        limit, unprepared, now = desk.options.reservations_max, self._unprepared, self._desk.now
        migrating = desk.options.migration is Migration.YES
        if self._nobody_fits():
            return
        queue, waiting = desk.queue, deque[Lease]()
        least, free = FAR_FUTURE, table.free_now()
        if self._only_arrivals(free):
            # Those in front had no chance before, and nothing has changed for them.
            least = desk.queue_least
            queue = deque(reversed([queue.pop() for _ in range(len(queue) - self._looked_at)]))
            waiting = desk.queue
        # What is booked on the way may have others give way, who then come back to the desk's queue.
        desk.queue = deque()
        while queue:
            lease = queue.popleft()
            key = lease.need.key
            future = limit is None or len(desk.reserved) < limit
            if not future and unprepared:
                if not free:
                    queue.appendleft(lease)
                    least = 0
                    break
                at_once = not (migrating and lease.images)
                if at_once and (key > free or key > table.free_until(now + planner.least_window(lease))):
                    least = min(least, key)
                    waiting.append(lease)
                    if lease.wait is None:
                        self._note(lease, free)
                    continue
            refusal = booking.asap(lease, future=future)
            free = table.free_now()
            if refusal is None or self._too_expensive(lease, refusal):
                continue
            least = min(least, key)
            waiting.append(lease)
            if lease.wait is None:
                self._note(lease, free)
        waiting.extend(queue)
        requeued, desk.queue = desk.queue, waiting
        desk.queue_least = least
        for lease in requeued:
            desk.enqueue(lease)
        self._looked_at, self._seen = len(waiting), (table.changes, table.free_now())

    def _only_arrivals(self, free: int) -> bool:
        """Whether all that has happened since the queue was looked at is that leases have come to its end."""
        desk = self._desk
        limit = desk.options.reservations_max
        return (
            self._unprepared
            and desk.options.migration is not Migration.YES
            and limit is not None
            and len(desk.reserved) >= limit
            and self._seen == (desk.table.changes, free)
            and self._looked_at <= len(desk.queue)
        )

    def _nobody_fits(self) -> bool:
        """Whether it is plain that no lease in the queue can be given anything."""
        desk = self._desk
        limit = desk.options.reservations_max
        if limit is None or len(desk.reserved) < limit or not self._unprepared:
            return False
        least = 1 if desk.options.migration is Migration.YES else max(1, desk.queue_least)
        return desk.table.free_now() < least

    def _too_expensive(self, lease: Lease, refusal: Reason) -> bool:
        if refusal.cause is not Cause.PRICE:
            return False
        self._desk.retire(lease, LeaseState.REJECTED_BY_USER, refusal)
        return True

    def _note(self, lease: Lease, free: int) -> None:
        """Remember why a lease waits, the first time it does."""
        desk = self._desk
        ahead = desk.reserved[0].id if desk.reserved else 0
        desk.touched.add(lease.id)
        lease.wait = Wait(Cause.RESERVED, desk.now, free, ahead)
