"""Turning requests into stays as soon as possible; giving way; moving up.

Reservations are in :mod:`haizea.core.reservations`, deadline leases in :mod:`haizea.core.deadlines`, the order in
which the queue is looked at in :mod:`haizea.core.backfilling`.
"""

from collections.abc import Sequence

from haizea.core import reasons
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.model.effects import Verb
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.images import Images
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of, image_copies, migration_bound
from haizea.plan.options import Migration
from haizea.plan.planner import Point
from haizea.plan.preemption import overlapping


class Booking:
    """Books stays for leases in the slot table."""

    def __init__(self, desk: Desk, execution: Execution) -> None:
        self._desk = desk
        self._execution = execution

    def points(self, lease: Lease) -> list[Point]:
        """Return from when on which hosts a lease could start, counting what has to be prepared before."""
        desk = self._desk
        now = desk.now + desk.options.non_schedulable
        if lease.images:
            return self._resumption_points(lease, now)
        if desk.images is None or lease.terms.software is None:
            return [Point(now)]
        return desk.images.points(lease, now)

    def _resumption_points(self, lease: Lease, now: Instant) -> list[Point]:
        """A suspended lease resumes where it was at once; where it may move, once its images could be anywhere."""
        desk = self._desk
        if desk.options.migration is not Migration.YES:
            return [Point(now)]
        elsewhere = Point(now + migration_bound(lease, desk.options, self.disk(lease)))
        return [Point(now, still=True), elsewhere] if desk.options.resume_in_place else [elsewhere]

    def disk(self, lease: Lease) -> int:
        """Return how large the disk image is that moves with each VM of a lease, in MiB; 0 for none."""
        image = lease.terms.software
        return image.size if image is not None and self._desk.images is not None else 0

    def asap(self, lease: Lease, *, future: bool) -> Reason | None:
        """Book the earliest stay for a best-effort or immediate lease.

        With ``future`` the stay may begin at any later instant, else only as soon as the lease can be prepared.
        Returns None where the lease is booked, else why not.
        """
        desk = self._desk
        if lease.images or (desk.images is not None and lease.terms.software is not None):
            points = self.points(lease)
            last = points[-1].at
            stay = desk.planner.asap(lease, points, future=future)
        else:
            last = desk.now + desk.options.non_schedulable
            stay = desk.planner.fit(lease, last, None) if desk.planner.might_fit(lease, last) else None
            if stay is None and future:
                stay = desk.planner.later(lease, last)
        if stay is None:
            return reasons.NO_ROOM
        refusal = self.price(lease, ())
        if refusal is not None:
            return refusal
        ahead = stay.start > last
        if not self.confirm(stay):
            return reasons.NOT_PREPARED
        if ahead and stay.phase is Phase.PLANNED:
            # Where a transfer was over sooner than it is known to be, it has begun.
            desk.reserve(lease)
        return None

    def price(self, lease: Lease, victims: Sequence[Lease]) -> Reason | None:
        """Agree on a price with the lease's user; return why that failed, if it did. What was agreed upon stays."""
        if lease.price is not None:
            return None
        pricing = self._desk.policies.pricing
        quote = pricing.quote(lease, victims)
        pricing.feedback(lease, quote.accepted)
        if not quote.accepted:
            return reasons.too_expensive(quote.reason)
        lease.price = quote.price
        return None

    def confirm(self, stay: Stay) -> bool:
        """Book a stay with what has to be prepared for it; start it if it is to begin now.

        Returns whether the images can be there in time; if they cannot, nothing is booked.
        """
        if not self.prepare(stay):
            return False
        self.book(stay)
        return True

    def prepare(self, stay: Stay) -> bool:
        """Plan what has to be copied for a stay; return whether it can be there in time."""
        desk, lease = self._desk, stay.lease
        if stay.resuming:
            self._plan_copies(stay)
        elif desk.images is not None and lease.terms.software is not None:
            transfers = desk.images.plan(lease, stay, desk.now + desk.options.non_schedulable)
            if transfers is None:
                return False
            for transfer in transfers:
                desk.arm_transfer(transfer)
            if lease.type is not LeaseType.ADVANCE_RESERVATION:
                self._start_when_ready(stay, desk.images)
        return True

    def _start_when_ready(self, stay: Stay, images: Images) -> None:
        """Have a stay begin when its images are there, where they were reckoned to take longer.

        Sending one to each host in turn is reckoned by VMs as long as nobody knows how many hosts those are on, and
        which of these have the image already.
        """
        desk, lease = self._desk, stay.lease
        soonest = max(desk.now + desk.options.non_schedulable, lease.terms.start or 0)
        ready = images.ready_at(lease)
        at = soonest if ready is None else max(soonest, ready)
        if at >= stay.start or not desk.table.has_room(desk.table.window(at, stay.start), stay.placement.held):
            return
        sooner = desk.planner.stay(lease, stay.placement, at, stay.end)
        if sooner is not None:
            stay.start, stay.run_start, stay.run_end, stay.end = at, sooner.run_start, sooner.run_end, sooner.end
            stay.suspending = sooner.suspending

    def can_prepare(self, stay: Stay) -> bool:
        """Whether what has to be copied for a stay that is only thought of could be there in time."""
        desk, lease = self._desk, stay.lease
        if desk.images is None or lease.terms.software is None:
            return True
        before = desk.images.placed()
        transfers = desk.images.plan(lease, stay, desk.now + desk.options.non_schedulable)
        desk.images.cancel(lease)
        desk.images.put_back(before)
        return transfers is not None

    def would_suspend(self, lease: Lease, at: Instant) -> bool:
        """Whether a lease that has to give way at an instant would be suspended, and not start over."""
        desk = self._desk
        stay = overlapping(lease, at, FAR_FUTURE)
        return stay is not None and stay.start < at and desk.preemption.can_suspend(lease, stay, at, desk.now)

    def unprepare(self, lease: Lease) -> None:
        """Take back what was planned to be copied for a lease."""
        if self._desk.images is not None:
            self._desk.images.cancel(lease)

    def book(self, stay: Stay) -> None:
        """Book a stay that has been prepared; start it if it is to begin now."""
        desk, lease = self._desk, stay.lease
        preparing = desk.images is not None and lease.terms.software is not None and desk.images.pending(lease)
        desk.keep(stay)
        if stay.start > desk.now or preparing:
            state = LeaseState.SCHEDULED if preparing else LeaseState.READY
            if stay.resuming:
                state = LeaseState.SUSPENDED_SCHEDULED
            if lease.state is not state:
                desk.enter(lease, state)
        if stay.start <= desk.now:
            self._execution.begin(stay)
        else:
            desk.arm(stay)

    def _plan_copies(self, stay: Stay) -> None:
        desk, lease = self._desk, stay.lease
        if desk.options.migration is Migration.NO or not lease.images:
            return
        begin = desk.now + desk.options.non_schedulable
        stay.copies = image_copies(lease, hosts_of(stay, desk.table), begin, desk.options, self.disk(lease))
        if stay.copies:
            desk.command(Verb.MIGRATE, stay, max(copy.end for copy in stay.copies))

    def may_give_way(self, start: Instant, end: Instant) -> list[Lease]:
        """Return the leases whose stay between two instants can still be cut short."""
        found = []
        for lease in self._desk.leases.values():
            if lease.stays and lease.terms.preemptible:
                stay = overlapping(lease, start, end)
                if stay is None or stay.phase is Phase.ENDING:
                    continue
                # Wanted now or not at all: before it has begun there is no later for it.
                if lease.type is LeaseType.IMMEDIATE and lease.started is None:
                    continue
                # Where only shutting down is left at that time, giving way would throw away all that has run.
                if stay.suspending or stay.run_end > start:
                    found.append(lease)
        return found

    def give_way(self, lease: Lease, at: Instant) -> None:
        """Have a lease free what it holds from an instant on: suspended by then, or requeued."""
        desk = self._desk
        stay = overlapping(lease, at, FAR_FUTURE)
        if stay is None:
            return
        lease.preemptions += 1
        if stay.start >= at or not desk.preemption.can_suspend(lease, stay, at, desk.now):
            if (
                lease.terms.grace
                and stay.phase is Phase.RUNNING
                and desk.now < at - desk.options.cleaning_time
                and at < stay.run_end
            ):
                self._cut(stay, at)
            else:
                self._execution.requeue(lease)
            return
        self.suspend_by(stay, at)

    def _cut(self, stay: Stay, at: Instant) -> None:
        """Have a lease that was told beforehand run until an instant, and start over then."""
        desk = self._desk
        desk.table.release(at, stay.end, stay.placement.held)
        stay.run_end, stay.end = at - desk.options.cleaning_time, at
        stay.suspending, stay.cut = False, True
        desk.arm(stay)

    def suspend_by(self, stay: Stay, at: Instant) -> None:
        """Cut a stay short by a suspension that ends at an instant."""
        desk = self._desk
        desk.touched.add(stay.lease.id)
        desk.table.release(at, stay.end, stay.placement.held)
        stay.end = at
        stay.run_end = at - desk.preemption.suspension(stay.lease, stay)
        stay.suspending = True
        if stay.phase in (Phase.RUNNING, Phase.PLANNED):
            desk.arm(stay)
        # What begins or even ends at once has to, before whoever needs the capacity begins.
        for phase, due in ((Phase.RUNNING, stay.run_end), (Phase.ENDING, desk.left_at(stay))):
            if stay.phase is phase and due <= desk.now:
                self._execution.move(stay)

    def rebook(self, lease: Lease) -> None:
        """Give up a lease's reservation in the future for the earliest there is now."""
        desk = self._desk
        stay = lease.stays[0]
        desk.drop(stay)
        desk.unreserve(lease)
        self.unprepare(lease)
        desk.enter(lease, LeaseState.SUSPENDED_QUEUED if stay.resuming else LeaseState.QUEUED)
        if self.asap(lease, future=True) is not None:
            desk.enqueue(lease)
