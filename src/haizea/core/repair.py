"""Mending the schedule after something went wrong.

Whom it hits and who is in the way then is planned anew: best effort goes back to the queue, a lease that was promised
a time gets another place, and has failed only where there is none.
"""

from collections.abc import Callable, Sequence

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.reasons import span
from haizea.core.room import Room
from haizea.core.states import TRANSITIONS
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE, SECOND, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.planner import Point


class Repair:
    """Finds leases that lost their hosts another place, and moves others out of the way."""

    def __init__(self, desk: Desk, execution: Execution, booking: Booking, room: Room) -> None:
        self._desk = desk
        self._execution = execution
        self._booking = booking
        self._room = room

    def replace(self, lease: Lease, reason: Reason, stay: Stay | None = None) -> None:
        """Find another place for a lease that cannot go on where it is.

        ``stay`` is when it was to be there, where its stays no longer say so.

        Best effort goes back to the queue, and so does an immediate lease that has given way once, or is to. A
        reservation gets what is left of its time elsewhere at once, a deadline lease all that is left to deliver
        before its deadline; where there is no room for that, it has failed.
        """
        desk = self._desk
        cut_short = lease.preemptions or any(one.suspending for one in lease.stays)
        if lease.type is LeaseType.BEST_EFFORT or (lease.type is LeaseType.IMMEDIATE and cut_short):
            self._execution.requeue(lease)
            desk.free_early(FAR_FUTURE)
            return
        stays = [stay] if stay is not None else lease.stays
        start, end = max(desk.now, stays[0].start), stays[-1].end
        keeps_images = not any(stay.phase in (Phase.RUNNING, Phase.ENDING) for stay in lease.stays)
        self._execution.stop(lease, "lost")
        desk.free_early(FAR_FUTURE)
        if lease.images is None or not keeps_images:
            self._execution.start_over(lease)
        moved = self._again(lease) if lease.type is LeaseType.DEADLINE else self._elsewhere(lease, start, end)
        if moved is None or not self._booking.prepare(moved):
            self._give_up(lease, reason)
            return
        desk.notify(lease, f"Lease {lease.id} goes on on other hosts. {reason.text}")
        if not moved.resuming:
            self._scheduled(lease)
        elif lease.state is LeaseState.RESUMING:
            desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
        if moved.resuming and lease.state is LeaseState.SUSPENDED_QUEUED:
            desk.enter(lease, LeaseState.SUSPENDED_SCHEDULED)
        desk.keep(moved)
        if moved.start <= desk.now:
            self._execution.begin(moved)
        else:
            desk.arm(moved)

    def _scheduled(self, lease: Lease) -> None:
        desk = self._desk
        if lease.state in (LeaseState.SCHEDULED, LeaseState.HELD):
            return
        if LeaseState.SCHEDULED not in TRANSITIONS[lease.state]:
            desk.enter(lease, LeaseState.QUEUED)
        desk.enter(lease, LeaseState.SCHEDULED)

    def _give_up(self, lease: Lease, reason: Reason) -> None:
        self._booking.unprepare(lease)
        self._desk.retire(lease, LeaseState.FAILED, reason)

    def _elsewhere(self, lease: Lease, start: Instant, end: Instant) -> Stay | None:
        desk = self._desk
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = desk.planner.place(lease, desk.table.window(start, end), usable, start, end)
        if placement is None:
            return None
        run_end = end - desk.planner.shutdown(lease) if end < FAR_FUTURE else end
        return Stay(lease, placement, start, start, run_end, end) if run_end > start else None

    def _again(self, lease: Lease) -> Stay | None:
        """Plan a deadline lease from now on."""
        earliest = lease.terms.start or 0
        points = [Point(max(point.at, earliest), point.hosts) for point in self._booking.points(lease)]
        return self._desk.planner.asap(lease, points, future=True)

    def extend(self, stay: Stay, until: Instant, reason: Reason) -> None:
        """Let an operation last longer than planned; whom that collides with is planned anew."""
        if stay.phase is Phase.RESUMING:
            self._resume_later(stay, until, reason)
        elif stay.phase is Phase.ENDING and until > stay.end:
            self._hold_longer(stay, until, reason)
            self._desk.arm(stay)
            if stay.suspending:
                self._plan_rest(stay, reason)

    def run_on(self, overdue: Sequence[tuple[Stay, Instant]], reason: Reason) -> None:
        """Let stays whose VMs ran longer than planned hold their hosts until an instant each.

        All of them get that before anybody in the way is planned anew, who must not get in another one's way.
        """
        now, moved, latest = self._desk.now, list[Stay](), 0
        for stay, until in overdue:
            stay.end = max(stay.end, now)
            if until > stay.end:
                self._take(stay, until, moved)
            latest = max(latest, until)
            self._desk.touched.add(stay.lease.id)
        self._move(moved, latest, reason)
        for stay, _until in overdue:
            if stay.suspending:
                self._plan_rest(stay, reason)

    def _resume_later(self, stay: Stay, until: Instant, reason: Reason) -> None:
        desk = self._desk
        shift = until - stay.run_start
        if shift <= 0:
            return
        if stay.suspending and until >= stay.run_end:
            # It would have to be suspended before it runs.
            self.replace(stay.lease, reason)
            return
        stay.run_start = until
        if not stay.suspending and stay.end < FAR_FUTURE:
            self._hold_longer(stay, stay.end + shift, reason)
            stay.run_end += shift
        desk.arm(stay)
        if stay.suspending:
            self._plan_rest(stay, reason)

    def _plan_rest(self, stay: Stay, reason: Reason) -> None:
        """Plan anew what is to come after a stay, for a lease that is promised to go on then."""
        desk, lease = self._desk, stay.lease
        if lease.type is not LeaseType.DEADLINE or not stay.suspending:
            return
        for other in lease.stays[1:]:
            desk.drop(other)
        left = lease.left if stay.phase is Phase.ENDING else lease.left - stay.runs
        rest = self._room.rest(lease, stay.end, left, hosts_of(stay, desk.table), stay.end)
        if rest is None:
            self._execution.stop(lease, "lost")
            desk.free_early(FAR_FUTURE)
            self._give_up(lease, reason)
            return
        desk.keep(rest)
        desk.arm(rest)

    def plan_rest(self, stay: Stay, reason: Reason) -> None:
        """Plan anew what is to come after the present stay of a lease."""
        self._plan_rest(stay, reason)

    def _hold_longer(self, stay: Stay, until: Instant, reason: Reason) -> None:
        moved: list[Stay] = []
        self._take(stay, until, moved)
        self._move(moved, until, reason)

    def _take(self, stay: Stay, until: Instant, moved: list[Stay]) -> None:
        """Have a stay hold its hosts until an instant; ``moved`` gets the stays that hold nothing any more for that."""
        desk = self._desk
        if not desk.table.has_room(desk.table.window(stay.end, until), stay.placement.held):
            self._clear(stay, until, moved)
        desk.table.hold(stay.end, until, stay.placement.held)
        stay.end = until

    def _move(self, moved: list[Stay], until: Instant, reason: Reason) -> None:
        for other in moved:
            # Planning one anew may have ended another one's lease.
            if other.phase is Phase.PLANNED:
                for twin in moved:
                    # What gives back what a lease holds must not come upon a stay of it that holds nothing.
                    if twin is not other and twin.lease is other.lease and twin.phase is Phase.PLANNED:
                        self._desk.forget(twin)
                self._make_way(other, until, reason)

    def _clear(self, stay: Stay, until: Instant, moved: list[Stay]) -> None:
        """Free the hosts of a stay for longer; ``moved`` gets the stays that hold nothing any more."""
        desk = self._desk
        mine = set(hosts_of(stay, desk.table))
        for lease in list(desk.leases.values()):
            for other in list(lease.stays):
                late = other.phase is Phase.PLANNED and other.start < until and other.end > stay.end
                if other is stay or other in moved or not late or not mine & set(hosts_of(other, desk.table)):
                    continue
                if lease.type is LeaseType.BEST_EFFORT:
                    self._execution.requeue(lease)
                    break
                desk.table.release(other.start, other.end, other.placement.held)
                desk.touched.add(lease.id)
                moved.append(other)

    def _make_way(self, stay: Stay, until: Instant, reason: Reason) -> None:
        """Plan a stay that holds nothing any more anew: elsewhere, or from a later start on."""
        desk, lease, table = self._desk, stay.lease, self._desk.table
        usable = desk.hosts.usable(lease.terms.constraints)
        start = stay.start
        exact = lease.type is LeaseType.ADVANCE_RESERVATION
        placement = None
        if exact and not (desk.images is not None and lease.terms.software):
            placement = desk.planner.place(lease, table.window(start, stay.end), usable, start, stay.end)
        late = exact and placement is None and until < stay.run_end
        if late and table.has_room(table.window(until, stay.end), stay.placement.held):
            placement, start = stay.placement, until
            late_by = span((until - stay.start) // SECOND * SECOND)
            desk.notify(lease, f"Lease {lease.id} will start {late_by} late: its hosts are not free in time.")
        if placement is not None:
            if placement is not stay.placement:
                stay.placement, stay.vm_hosts = placement, None
            stay.start = stay.run_start = start
            table.hold(stay.start, stay.end, stay.placement.held)
            desk.arm(stay)
            return
        desk.forget(stay)
        present = next((other for other in lease.stays if other.phase is not Phase.PLANNED), None)
        if present is None:
            self.replace(lease, reason, stay)
        else:
            self._plan_rest(present, reason)

    def evacuate(self, host: int, reason: Reason, failed: Callable[[Lease, Reason], None]) -> None:
        """Deal with every lease that has or was to have VMs, or has memory images, on a host that is lost."""
        desk = self._desk
        for lease in list(desk.leases.values()):
            if lease.images and host in lease.images:
                if lease.type is LeaseType.DEADLINE and lease.stays:
                    lease.images = None
                    desk.touched.add(lease.id)
                    self.replace(lease, reason)
                else:
                    self._execution.lose_images(lease)
                continue
            stays = [stay for stay in lease.stays if host in hosts_of(stay, desk.table)]
            if not stays:
                continue
            if lease.stays[0].phase is Phase.PLANNED:
                self.replace(lease, reason)
            elif stays[0] is not lease.stays[0]:
                self._plan_rest(lease.stays[0], reason)
            else:
                failed(lease, reason)

    def vacate(self, host: int, reason: Reason) -> None:
        """Have everybody who has not begun on a host start elsewhere; who runs there may finish."""
        desk = self._desk
        for lease in list(desk.leases.values()):
            if not any(stay.phase is Phase.PLANNED and host in hosts_of(stay, desk.table) for stay in lease.stays):
                continue
            if lease.stays[0].phase is Phase.PLANNED:
                self.replace(lease, reason)
            else:
                self._plan_rest(lease.stays[0], reason)

    def react(self, host: int, state: HostState, failed: Callable[[Lease, Reason], None]) -> None:
        """Deal with what a host may be used for from now on."""
        name = self._desk.site.hosts[host].name
        if state is HostState.DOWN:
            self.evacuate(host, Reason(Cause.HOST_LOST, f"Host {name} went down."), failed)
        elif state in (HostState.DRAINING, HostState.DISABLED):
            self.vacate(host, Reason(Cause.HOST_LOST, f"Host {name} takes no new VMs."))
