"""Turning requests into stays: best effort, immediate and exact; giving way; moving up.

Deadline leases are in :mod:`haizea.core.deadlines`, the order in which the queue is looked at in
:mod:`haizea.core.backfilling`.
"""

from collections.abc import Sequence

from haizea.core import reasons
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.model.lease import LeaseState
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
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
        """A suspended lease resumes where it was at once, and elsewhere once its images can be there."""
        desk = self._desk
        if desk.options.migration is not Migration.YES:
            return [Point(now)]
        return [Point(now + migration_bound(lease, desk.options, self.disk(lease)))]

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
            stay = desk.planner.fit(lease, last, None)
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
        if ahead:
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
        desk, lease = self._desk, stay.lease
        preparing = False
        if stay.resuming:
            self._plan_copies(stay)
        elif desk.images is not None and lease.terms.software is not None:
            transfers = desk.images.plan(lease, stay, desk.now + desk.options.non_schedulable)
            if transfers is None:
                return False
            for transfer in transfers:
                desk.arm_transfer(transfer)
            preparing = desk.images.pending(lease)
        desk.keep(stay)
        if stay.resuming:
            if lease.state is not LeaseState.SUSPENDED_SCHEDULED and stay.start > desk.now:
                desk.enter(lease, LeaseState.SUSPENDED_SCHEDULED)
        elif stay.start > desk.now or preparing:
            desk.enter(lease, LeaseState.SCHEDULED if preparing else LeaseState.READY)
        if stay.start <= desk.now:
            self._execution.begin(stay)
        else:
            desk.arm(stay)
        return True

    def _plan_copies(self, stay: Stay) -> None:
        desk, lease = self._desk, stay.lease
        if desk.options.migration is Migration.NO or not lease.images:
            return
        begin = desk.now + desk.options.non_schedulable
        stay.copies = image_copies(lease, hosts_of(stay, desk.table), begin, desk.options, self.disk(lease))

    def exact(self, lease: Lease) -> Reason | None:
        """Book an advance reservation for exactly when it was asked for; return why that is not possible, if so."""
        desk = self._desk
        start = lease.terms.start
        if start is None:
            raise AssertionError(f"lease {lease.id} has no start; this is a bug in Haizea")
        if start < desk.now + desk.options.non_schedulable:
            return reasons.start_is_past(start, desk.now)
        planner = desk.planner
        end = min(start + lease.left + planner.shutdown(lease), FAR_FUTURE)
        states = desk.table.window(start, end)
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = planner.place(lease, states, usable, start, end)
        victims: tuple[Lease, ...] = ()
        if placement is None:
            found = desk.preemption.find(lease, self.may_give_way(start, end), start, end)
            if found is None:
                return reasons.no_room_at(desk, lease, start, end)
            placement, victims = found
        refusal = self.price(lease, victims)
        if refusal is not None:
            return refusal
        stay = planner.stay(lease, placement, start, end)
        if stay is None:
            raise AssertionError(f"lease {lease.id} has no time to run; this is a bug in Haizea")
        desk.table.begin()
        for victim in victims:
            self.give_way(victim, start)
        desk.table.keep()
        if not self.confirm(stay):
            return reasons.NOT_PREPARED
        return None

    def may_give_way(self, start: Instant, end: Instant) -> list[Lease]:
        """Return the leases whose stay between two instants can still be cut short."""
        found = []
        for lease in self._desk.leases.values():
            if lease.stays and lease.terms.preemptible:
                stay = overlapping(lease, start, end)
                if stay is not None and stay.phase is not Phase.ENDING:
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
            self._execution.requeue(lease)
            return
        self.suspend_by(stay, at)

    def suspend_by(self, stay: Stay, at: Instant) -> None:
        """Cut a stay short by a suspension that ends at an instant."""
        desk = self._desk
        desk.table.release(at, stay.end, stay.placement.held)
        stay.end = at
        stay.run_end = at - desk.preemption.suspension(stay.lease, stay)
        stay.suspending = True
        if stay.phase in (Phase.RUNNING, Phase.PLANNED):
            desk.arm(stay)

    def rebook(self, lease: Lease) -> None:
        """Give up a lease's reservation in the future for the earliest there is now."""
        desk = self._desk
        stay = lease.stays[0]
        desk.drop(stay)
        desk.unreserve(lease)
        if desk.images is not None:
            desk.images.cancel(lease)
        desk.enter(lease, LeaseState.SUSPENDED_QUEUED if stay.resuming else LeaseState.QUEUED)
        if self.asap(lease, future=True) is not None:
            desk.enqueue(lease)
