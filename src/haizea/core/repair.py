"""Mending the schedule after something went wrong."""

from collections.abc import Callable

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of


class Repair:
    """Finds leases that lost their hosts another place, and moves others out of the way."""

    def __init__(self, desk: Desk, execution: Execution, booking: Booking) -> None:
        self._desk = desk
        self._execution = execution
        self._booking = booking

    def replace(self, lease: Lease, reason: Reason) -> None:
        """Find another place for a lease that cannot go on where it is.

        Best effort goes back to the queue. A lease that was promised a time gets what is left of it elsewhere at
        once, if there is room; otherwise it has failed.
        """
        desk = self._desk
        if lease.type is LeaseType.BEST_EFFORT:
            self._execution.requeue(lease)
            return
        start, end = desk.now, max(stay.end for stay in lease.stays)
        if lease.stays[0].phase is Phase.PLANNED:
            start = lease.stays[0].start
        self._execution.stop(lease, "lost")
        lease.images = None
        moved = self._elsewhere(lease, start, end)
        if moved is None:
            desk.retire(lease, LeaseState.FAILED, reason)
            return
        if lease.state is not LeaseState.SCHEDULED:
            desk.enter(lease, LeaseState.SCHEDULED)
        desk.keep(moved)
        desk.notify(lease, f"Lease {lease.id} goes on on other hosts. {reason.text}")
        if moved.start <= desk.now:
            self._execution.begin(moved)
        else:
            desk.arm(moved)

    def _elsewhere(self, lease: Lease, start: Instant, end: Instant) -> Stay | None:
        desk = self._desk
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = desk.planner.find(lease, start, end, usable)
        if placement is None:
            return None
        run_end = end - desk.planner.shutdown(lease) if end < FAR_FUTURE else end
        return Stay(lease, placement, start, start, run_end, end) if run_end > start else None

    def extend(self, stay: Stay, until: Instant) -> None:
        """Let a stay hold its hosts longer than planned; whom that collides with is planned anew."""
        desk = self._desk
        if stay.phase is Phase.RESUMING:
            shift = until - stay.run_start
            if shift <= 0:
                return
            stay.run_start = until
            if not stay.suspending and stay.end < FAR_FUTURE:
                self._hold_longer(stay, stay.end + shift)
                stay.run_end += shift
            desk.arm(stay)
        elif stay.phase is Phase.ENDING and until > stay.end:
            self._hold_longer(stay, until)
            desk.arm(stay)

    def _hold_longer(self, stay: Stay, until: Instant) -> None:
        desk = self._desk
        mine = set(hosts_of(stay, desk.table))
        for lease in list(desk.leases.values()):
            for other in list(lease.stays):
                collides = other.phase is Phase.PLANNED and other.start < until and other.end > stay.end
                if collides and mine & set(hosts_of(other, desk.table)):
                    self._make_way(other, until)
        desk.table.hold(stay.end, until, stay.placement.held)
        stay.end = until

    def _make_way(self, stay: Stay, until: Instant) -> None:
        """Move a stay that has not begun off hosts that are not free in time: elsewhere, or to a later start."""
        desk, lease = self._desk, stay.lease
        if lease.type is LeaseType.BEST_EFFORT:
            self._execution.requeue(lease)
            return
        desk.table.release(stay.start, stay.end, stay.placement.held)
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = desk.planner.find(lease, stay.start, stay.end, usable)
        if placement is not None:
            stay.placement, stay.vm_hosts = placement, None
        else:
            late = until - stay.start
            stay.start, stay.run_start = until, stay.run_start + late
            desk.notify(lease, f"Lease {lease.id} will start {late // 1000} s late: its hosts are not free in time.")
        desk.table.hold(stay.start, stay.end, stay.placement.held)
        desk.arm(stay)

    def evacuate(self, host: int, reason: Reason, failed: Callable[[Lease, Reason], None]) -> None:
        """Deal with every lease that has or was to have VMs, or has memory images, on a host that is lost."""
        desk = self._desk
        for lease in list(desk.leases.values()):
            if lease.images and host in lease.images:
                self._execution.lose_images(lease)
            stays = [stay for stay in lease.stays if host in hosts_of(stay, desk.table)]
            if not stays:
                continue
            if stays[0].phase is Phase.PLANNED:
                self.replace(lease, reason)
            else:
                failed(lease, reason)
