"""Mending the schedule after something went wrong.

Whom it hits and who is in the way then is planned anew: best effort goes back to the queue, a lease that was promised
a time gets another place, and is degraded where there is none (:mod:`haizea.core.promises`).
"""

from collections.abc import Callable, Sequence

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.promises import PROMISED, Promises, window_end
from haizea.core.reasons import instant, span
from haizea.core.room import Change, Room
from haizea.core.states import TRANSITIONS
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE, SECOND, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Placement


class Repair:
    """Finds leases that lost their hosts another place, and moves others out of the way."""

    def __init__(self, desk: Desk, execution: Execution, booking: Booking, room: Room) -> None:
        self._desk = desk
        self._execution = execution
        self._booking = booking
        self._room = room
        self.promises = Promises(desk, booking, room)

    # Another place -------------------------------------------------------------------------------------------

    def replace(self, lease: Lease, reason: Reason, stay: Stay | None = None) -> None:
        """Find another place for a lease that cannot go on where it is.

        ``stay`` is when it was to be there, where its stays no longer say so.

        Best effort goes back to the queue, and so does an immediate lease that has given way once, or is to. A
        reservation gets what is left of its time elsewhere, a deadline lease all that is left to deliver before its
        deadline; where there is no room for that, it is degraded.
        """
        desk = self._desk
        cut_short = lease.preemptions or any(one.suspending for one in lease.stays)
        if lease.type is LeaseType.BEST_EFFORT or (lease.type is LeaseType.IMMEDIATE and cut_short):
            lease.parked = ""
            self._execution.requeue(lease)
            desk.free_early(FAR_FUTURE)
            return
        stays = [stay] if stay is not None else lease.stays
        start, end = max(desk.now, stays[0].start), stays[-1].end
        keeps_images = not any(stay.phase in (Phase.RUNNING, Phase.ENDING) for stay in lease.stays)
        self._execution.stop(lease, "lost", keep=keeps_images)
        desk.free_early(FAR_FUTURE)
        if lease.images is None or not keeps_images:
            self._execution.start_over(lease)
        desk.give_claims()
        moved = self._again(lease) if lease.type is LeaseType.DEADLINE else self.promises.elsewhere(lease, start, end)
        if moved is None or not self._booking.prepare(moved):
            self._give_up(lease, reason)
            return
        later = f" It starts at {instant(moved.start)}." if moved.start > start and not moved.resuming else ""
        desk.notify(lease, f"Lease {lease.id} goes on on other hosts. {reason.text}{later}")
        self._go_on(lease, moved)

    def regain(self, lease: Lease) -> bool:
        """Find a lease without hosts a place in what is left of its promised time; return whether there is one."""
        if not self.go_on(lease):
            text = f"No hosts are free for what is left of the time of lease {lease.id}."
            self._give_up(lease, lease.reason or Reason(Cause.RESERVED, text))
            return False
        self._desk.notify(lease, f"Lease {lease.id} goes on.")
        return True

    def go_on(self, lease: Lease) -> bool:
        """Have a lease without hosts go on in what is left of its promised time, if there are hosts for that."""
        desk = self._desk
        if lease.type is LeaseType.DEADLINE:
            moved = self._again(lease)
        else:
            end = window_end(lease)
            end = min(end + desk.planner.shutdown(lease), FAR_FUTURE) if lease.left < FAR_FUTURE else FAR_FUTURE
            moved = self.promises.elsewhere(lease, max(desk.now, lease.terms.start or 0), end)
        if moved is None or not self._booking.prepare(moved):
            self._booking.unprepare(lease)
            return False
        self.promises.restored(lease)
        self._go_on(lease, moved)
        return True

    def heal(self) -> None:
        """Capacity has changed: try all degraded leases again, in order of submission."""
        desk = self._desk
        waiting = [desk.leases[number] for number in desk.degraded]
        for lease in sorted(waiting, key=lambda one: (one.submitted, one.order)):
            if not lease.degraded or lease.parked:
                continue
            if not lease.stays:
                self.regain(lease)
            elif lease.reason is not None and len(lease.stays) == 1:
                self.plan_rest(lease.stays[0], lease.reason)

    def _go_on(self, lease: Lease, moved: Stay) -> None:
        desk = self._desk
        if lease.state is LeaseState.HELD:
            # It has hosts again, and still is not to begin.
            desk.keep(moved)
            desk.arm(moved)
            return
        lease.parked = ""
        if not moved.resuming:
            self._scheduled(lease)
        elif lease.state is not LeaseState.SUSPENDED_SCHEDULED:
            if LeaseState.SUSPENDED_SCHEDULED not in TRANSITIONS[lease.state]:
                desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
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
        if not self.promises.degrade(lease, reason):
            self._desk.retire(lease, LeaseState.FAILED, reason)

    def _again(self, lease: Lease) -> Stay | None:
        """Plan a deadline lease from now on."""
        earliest = lease.terms.start or 0
        points = [point._replace(at=max(point.at, earliest)) for point in self._booking.points(lease)]
        return self._desk.planner.asap(lease, points, future=True)

    # Longer than planned -------------------------------------------------------------------------------------

    def extend(self, stay: Stay, until: Instant, reason: Reason) -> None:
        """Let an operation last longer than planned; whom that collides with is planned anew."""
        if stay.phase is Phase.RESUMING:
            self._resume_later(stay, until, reason)
        elif stay.phase is Phase.ENDING and until > stay.end:
            self.hold_longer(stay, until, reason)
            if not _is_over(stay):
                self._desk.arm(stay)
                self.plan_rest(stay, reason)

    def run_on(self, overdue: Sequence[tuple[Stay, Instant]], reason: Reason) -> None:
        """Let stays whose VMs ran longer than planned hold their hosts until an instant each.

        All of them get that before anybody in the way is planned anew, who must not get in another one's way.
        """
        now, moved, latest = self._desk.now, list[Stay](), 0
        for stay, until in overdue:
            stay.end = max(stay.end, now)
            if until > stay.end and not self._take(stay, until, moved):
                self._leave(stay, reason)
            latest = max(latest, until)
            self._desk.touched.add(stay.lease.id)
        self._move(moved, latest, reason, [stay.lease for stay, _until in overdue])
        for stay, _until in overdue:
            if stay.suspending and stay.phase is not Phase.OVER:
                self.plan_rest(stay, reason)

    def boot_later(self, stay: Stay, until: Instant, reason: Reason) -> None:
        """VMs take until an instant to boot: the time until then is lost, or made up for after the planned end."""
        desk, lease = self._desk, stay.lease
        if until <= stay.run_start or stay.phase is not Phase.RUNNING:
            return
        shift = until - max(stay.run_start, desk.now)
        begun, stay.run_start = stay.run_start, until
        desk.log("run", stay, begun, until, "lost")
        desk.touched.add(lease.id)
        longer = lease.type is LeaseType.BEST_EFFORT and not stay.suspending and stay.end < FAR_FUTURE
        if longer and self.can_run_on(stay, stay.end + until - begun):
            shift = until - begun
            self.hold_longer(stay, stay.end + shift, reason)
            stay.run_end += shift
        else:
            desk.notify(
                lease, f"Lease {lease.id} has lost {span(shift // SECOND * SECOND)}: its VMs took longer to start."
            )
        if not _is_over(stay) and stay.run_end < FAR_FUTURE:
            desk.arm(stay)

    def _resume_later(self, stay: Stay, until: Instant, reason: Reason) -> None:
        desk = self._desk
        shift = until - stay.run_start
        if shift <= 0:
            return
        fixed = stay.suspending or stay.lease.type is LeaseType.ADVANCE_RESERVATION
        if fixed and until >= stay.run_end:
            # It would have to be suspended, or would be over, before it runs.
            self.replace(stay.lease, reason)
            return
        stay.run_start = until
        if not fixed and stay.end < FAR_FUTURE:
            self.hold_longer(stay, stay.end + shift, reason)
            stay.run_end += shift
        if _is_over(stay):
            return
        desk.arm(stay)
        self.plan_rest(stay, reason)

    def put_off(self, stay: Stay, start: Instant) -> bool:
        """Have a stay of a lease that was promised no time begin later on its hosts, if nobody else is to have them.

        Its images are on the way there: anywhere else they would have to be copied once more.
        """
        desk, table, lease = self._desk, self._desk.table, stay.lease
        if lease.type is not LeaseType.BEST_EFFORT or stay.suspending or stay.end >= FAR_FUTURE:
            return False
        later, held = start - stay.start, stay.placement.held
        end = stay.end + later
        table.release(max(desk.now, stay.start), stay.end, held)
        if not table.has_room(table.window(start, end), held):
            table.hold(max(desk.now, stay.start), stay.end, held)
            return False
        table.hold(start, end, held)
        stay.start, stay.end, stay.run_start, stay.run_end = start, end, stay.run_start + later, stay.run_end + later
        stay.copies = tuple([copy._replace(end=max(copy.end, start)) for copy in stay.copies])
        desk.touched.add(lease.id)
        desk.free_early(start)
        desk.arm(stay)
        return True

    def plan_rest(self, stay: Stay, reason: Reason) -> None:
        """Plan anew what is to come after a stay, for a lease that is promised to go on then."""
        desk, lease = self._desk, stay.lease
        if lease.type is not LeaseType.DEADLINE or not stay.suspending:
            return
        for other in lease.stays[1:]:
            desk.drop(other)
        left = lease.left if stay.phase is Phase.ENDING else lease.left - stay.runs
        rest = self._room.rest(lease, stay.end, left, hosts_of(stay, desk.table), stay.end)
        if rest is None:
            self.promises.degrade(lease, reason)
            return
        self.promises.restored(lease)
        desk.keep(rest)
        desk.arm(rest)

    def hold_longer(self, stay: Stay, until: Instant, reason: Reason) -> None:
        """Have a stay hold its hosts until an instant; whoever is in the way is planned anew."""
        moved: list[Stay] = []
        if not self._take(stay, until, moved):
            self._leave(stay, reason)
        self._move(moved, until, reason, [stay.lease])

    def _leave(self, stay: Stay, reason: Reason) -> None:
        """Have a stay end now that cannot last longer, because its hosts have become too small for it."""
        if stay.phase is Phase.ENDING and not stay.suspending:
            self.remove(stay.lease, reason)
        else:
            self.replace(stay.lease, reason)

    def remove(self, lease: Lease, reason: Reason, what: str = "shut down") -> None:
        """Remove the VMs of a lease that has had its time, because they could not be ended otherwise."""
        self._desk.notify(lease, f"Lease {lease.id} could not be {what}: its VMs are removed. {reason.text}")
        self._execution.stop(lease, "cancelled")
        self._desk.free_early(FAR_FUTURE)
        self._desk.retire(lease, LeaseState.DONE)

    def _take(self, stay: Stay, until: Instant, moved: list[Stay]) -> bool:
        """Have a stay hold its hosts until an instant; return whether that can be: not where they have shrunk.

        ``moved`` gets the stays that hold nothing any more for that.
        """
        desk = self._desk
        if not desk.table.has_room(desk.table.window(stay.end, until), stay.placement.held):
            self._clear(stay, stay.end, until, moved)
        if desk.table.has_room(desk.table.window(stay.end, until), stay.placement.held):
            desk.table.hold(stay.end, until, stay.placement.held)
            stay.end = until
            return True
        # Those who are not leases cannot be planned anew: what is left of their hosts is theirs.
        claimed = sorted(set(hosts_of(stay, desk.table)).intersection(desk.claims.hosts()))
        for host in claimed:
            desk.claims.let_go(host)
        fits = desk.table.has_room(desk.table.window(stay.end, until), stay.placement.held)
        if fits:
            desk.table.hold(stay.end, until, stay.placement.held)
            stay.end = until
        for host in claimed:
            desk.claims.take(host)
        return fits

    # Out of the way ------------------------------------------------------------------------------------------

    def clear_for(self, there: Stay, until: Instant, reason: Reason, take: Callable[[], None]) -> None:
        """Free hosts from now until an instant for what is no stay; ``take`` takes them before others can."""
        moved: list[Stay] = []
        self._clear(there, self._desk.now, until, moved)
        take()
        self._move(moved, until, reason, [there.lease])

    def claim(
        self,
        stay: Stay,
        hosts: tuple[int, ...],
        reason: Reason,
        then: Callable[[], None] = lambda: None,
        placement: Placement | None = None,
    ) -> bool:
        """Have a stay that holds nothing be on hosts from now on, as it is there already; return whether it can be.

        Who was to be there later is planned anew. Best effort that runs there and may be preempted gives way, where
        that is what it takes; nobody else does. ``then`` is done once it is there, before anybody is planned anew.
        ``placement`` is what it holds there, where that is not what all of its VMs hold that are not over. Nobody
        can be on a host that was given up: of what runs there nothing would be heard.
        """
        desk, table, lease = self._desk, self._desk.table, stay.lease
        if any(desk.hosts.states[host] is HostState.DOWN for vm, host in enumerate(hosts, 1) if vm not in lease.over):
            return False
        start, end = max(desk.now, stay.start), stay.end
        placement = placement or desk.share(lease, hosts)
        victims = self._in_the_way(stay, hosts, placement, start, end)
        if victims is None:
            return False
        for victim in victims:
            self._execution.requeue(victim)
        stay.placement, stay.vm_hosts = placement, hosts
        moved: list[Stay] = []
        if not table.has_room(table.window(start, end), placement.held):
            self._clear(stay, start, end, moved)
        table.hold(start, end, placement.held)
        if stay not in lease.stays:
            lease.stays.insert(0, stay)
        desk.touched.add(lease.id)
        desk.free_early(FAR_FUTURE)
        then()
        self._move(moved, end, reason, [lease])
        return True

    def _in_the_way(
        self, stay: Stay, hosts: tuple[int, ...], placement: Placement, start: Instant, end: Instant
    ) -> list[Lease] | None:
        """Return the leases that run on hosts and have to give way there; None where that would not be enough."""
        desk, table, mine = self._desk, self._desk.table, set(hosts)
        table.begin()
        try:
            runners: list[Lease] = []
            for lease in desk.leases.values():
                for other in lease.stays:
                    if other is stay or not mine & set(hosts_of(other, table)):
                        continue
                    if other.phase is Phase.PLANNED:
                        table.release(max(desk.now, other.start), other.end, other.placement.held)
                    elif lease is not stay.lease and lease.type is LeaseType.BEST_EFFORT and lease.terms.preemptible:
                        runners.append(lease)
            victims: list[Lease] = []
            while not table.has_room(table.window(start, end), placement.held):
                if not runners:
                    return None
                victim = runners.pop()
                victims.append(victim)
                for other in victim.stays:
                    if other.phase is not Phase.PLANNED:
                        table.release(desk.now, other.end, other.placement.held)
            return victims
        finally:
            table.undo()

    def can_run_on(self, stay: Stay, until: Instant) -> bool:
        """Whether a stay could hold its hosts until an instant, and all promises made to others still be kept."""
        desk, table = self._desk, self._desk.table
        mine, promised = set(hosts_of(stay, table)), list[Stay]()
        table.begin()
        try:
            for lease in desk.leases.values():
                for other in lease.stays:
                    late = other.phase is Phase.PLANNED and other.start < until and other.end > stay.end
                    if other is not stay and late and mine & set(hosts_of(other, table)):
                        table.release(max(desk.now, other.start), other.end, other.placement.held)
                        if lease is not stay.lease and lease.type in PROMISED:
                            promised.append(other)
            if not table.has_room(table.window(stay.end, until), stay.placement.held):
                return False
            table.hold(stay.end, until, stay.placement.held)
            return all(self._could_move(other) for other in promised)
        finally:
            table.undo()

    def _could_move(self, stay: Stay) -> bool:
        """Whether a stay that holds nothing has another place, if need be where others give way; it holds that then."""
        desk, lease, table = self._desk, stay.lease, self._desk.table
        if lease.type is not LeaseType.ADVANCE_RESERVATION:
            return False
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = desk.planner.place(lease, table.window(stay.start, stay.end), usable, stay.start, stay.end)
        if placement is None:
            return self._room.make(lease, stay.start, stay.end, []) is not None
        table.hold(stay.start, stay.end, placement.held)
        return True

    def _move(self, moved: list[Stay], until: Instant, reason: Reason, spared: Sequence[Lease]) -> None:
        """Plan stays that hold nothing any more anew; those that are in their way do not give way to them."""
        before, self._room.spared = self._room.spared, self._room.spared | {lease.id for lease in spared}
        try:
            self._move_all(moved, until, reason)
        finally:
            self._room.spared = before

    def _move_all(self, moved: list[Stay], until: Instant, reason: Reason) -> None:
        for other in moved:
            # Planning one anew may have ended another one's lease.
            if other.phase is Phase.PLANNED:
                for twin in moved:
                    # What plans a lease anew must not come upon a stay of it that holds nothing.
                    if twin is not other and twin.lease is other.lease and twin.phase is Phase.PLANNED:
                        self._desk.forget(twin)
                self._make_way(other, until, reason)

    def _clear(self, stay: Stay, start: Instant, until: Instant, moved: list[Stay]) -> None:
        """Free the hosts of a stay for others' plans; ``moved`` gets the stays that hold nothing any more."""
        desk = self._desk
        mine = set(hosts_of(stay, desk.table))
        for lease in list(desk.leases.values()):
            for other in list(lease.stays):
                late = other.phase is Phase.PLANNED and other.start < until and other.end > start
                if other is stay or other in moved or not late or not mine & set(hosts_of(other, desk.table)):
                    continue
                if lease.type is LeaseType.BEST_EFFORT:
                    self._execution.requeue(lease)
                    break
                desk.table.release(max(desk.now, other.start), other.end, other.placement.held)
                # It still says where it was to be; what gives back what it holds gives back nothing.
                other.placement = Placement(other.placement.parts, (), other.placement.packings)
                desk.touched.add(lease.id)
                moved.append(other)

    def _make_way(self, stay: Stay, until: Instant, reason: Reason) -> None:
        """Plan a stay that holds nothing any more anew: elsewhere, in place of others, or from a later start on."""
        desk, lease, table = self._desk, stay.lease, self._desk.table
        usable = desk.hosts.usable(lease.terms.constraints)
        start, before = stay.start, hosts_of(stay, table)
        exact = lease.type is LeaseType.ADVANCE_RESERVATION
        placement = None
        if exact and not lease.images and not (desk.images is not None and lease.terms.software):
            placement = desk.planner.place(lease, table.window(start, stay.end), usable, start, stay.end)
            changes: list[Change] = []
            found = None if placement is not None else self._room.make(lease, start, stay.end, changes)
            if found is not None:
                placement = found.placement
                self._room.carry_out(found.leases, changes, start)
        same = desk.share(lease, before)
        late = exact and placement is None and not stay.resuming and until < stay.run_end
        if late and table.has_room(table.window(until, stay.end), same.held):
            start, placement = until, same
            late_by = span((until - stay.start) // SECOND * SECOND)
            desk.notify(lease, f"Lease {lease.id} will start {late_by} late: its hosts are not free in time.")
        if placement is not None:
            stay.placement, stay.vm_hosts = placement, before if placement is same else None
            stay.start = stay.run_start = start
            table.hold(stay.start, stay.end, stay.placement.held)
            desk.arm(stay)
            return
        desk.forget(stay)
        present = next((other for other in lease.stays if other.phase is not Phase.PLANNED), None)
        if present is None:
            self.replace(lease, reason, stay)
        else:
            self.plan_rest(present, reason)

    def evacuate(self, host: int, reason: Reason, failed: Callable[[Lease, Reason], None]) -> None:
        """Deal with every lease that has or was to have VMs, or has memory images, on a host that is lost."""
        desk = self._desk
        for lease in list(desk.leases.values()):
            if lease.images and host in lease.images and not desk.options.images_survive:
                self.lose_images(lease, reason)
                continue
            stays = [stay for stay in lease.stays if host in hosts_of(stay, desk.table)]
            if not stays:
                continue
            if lease.stays[0].phase is Phase.PLANNED:
                self.replace(lease, reason)
            elif stays[0] is not lease.stays[0]:
                self.plan_rest(lease.stays[0], reason)
            else:
                failed(lease, reason)

    def lose_images(self, lease: Lease, reason: Reason) -> None:
        """Have a lease whose memory images are gone start over."""
        desk = self._desk
        when = " when it is released" if lease.parked else ""
        desk.notify(lease, f"The memory images of lease {lease.id} are lost: it starts over{when}. {reason.text}")
        if lease.type in PROMISED and lease.stays:
            desk.remove_images(lease)
            self.replace(lease, reason)
            return
        self._execution.lose_images(lease)
        desk.free_early(FAR_FUTURE)

    def vacate(self, host: int, reason: Reason) -> None:
        """Have everybody who has not begun on a host start elsewhere; who runs there may finish."""
        desk = self._desk
        for lease in list(desk.leases.values()):
            if not any(stay.phase is Phase.PLANNED and host in hosts_of(stay, desk.table) for stay in lease.stays):
                continue
            if lease.stays[0].phase is Phase.PLANNED:
                self.replace(lease, reason)
            else:
                self.plan_rest(lease.stays[0], reason)

    def react(self, host: int, state: HostState, failed: Callable[[Lease, Reason], None]) -> None:
        """Deal with what a host may be used for from now on."""
        name = self._desk.site.hosts[host].name
        if state is HostState.DOWN:
            self.evacuate(host, Reason(Cause.HOST_LOST, f"Host {name} went down."), failed)
        elif state in (HostState.DRAINING, HostState.DISABLED):
            self.vacate(host, Reason(Cause.HOST_LOST, f"Host {name} takes no new VMs."))


def _is_over(stay: Stay) -> bool:
    """Whether making way has ended a stay meanwhile."""
    return stay.phase is Phase.OVER
