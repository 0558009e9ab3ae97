"""Deadline leases: earliest start, latest end, and no other promise broken.

A deadline lease is accepted only if it can end in time: its VMs have run for as long as was asked by the deadline, and
only shutting them down may come after it, as it comes after the time of a reservation. Where it can wait, it takes the
earliest place there is; where it can hardly wait, it first tries to have others with more slack give way. As a last
resort all deadline leases that have not begun are planned anew, those with the least slack first; or it begins when
those in the way have had the grace that they were promised. Whatever is planned for others in doing so is tried in an
overlay first, and kept only if every one of them still meets its own deadline.
"""

from haizea.core import reasons
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.room import Change, Room
from haizea.model.lease import LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.planner import Point

URGENT_RATIO = 2
"""A lease whose window is at most so many times its duration tries to start at once, whoever is in the way."""


class Deadlines:
    """Books deadline leases."""

    def __init__(self, desk: Desk, booking: Booking, execution: Execution, room: Room) -> None:
        self._desk = desk
        self._booking = booking
        self._execution = execution
        self._room = room

    def book(self, lease: Lease) -> Reason | None:
        """Book a deadline lease, or say why it cannot be kept."""
        desk, terms = self._desk, lease.terms
        if terms.start is None or terms.deadline is None:
            raise AssertionError(f"lease {lease.id} has no deadline; this is a bug in Haizea")
        if max(terms.start, desk.now) + lease.left > terms.deadline:
            return reasons.deadline_too_soon(lease, desk.now)
        points = [point._replace(at=max(point.at, terms.start)) for point in self._booking.points(lease)]
        urgent = terms.deadline - terms.start <= URGENT_RATIO * lease.left
        if urgent and points[0].at == terms.start and points[0].hosts is None and self._take_place(lease, terms.start):
            return None
        stay = desk.planner.asap(lease, points, future=True)
        if stay is not None:
            return self._confirm(stay)
        if not urgent and points[0].hosts is None and self._take_place(lease, points[0].at):
            return None
        if self._plan_anew(lease, points[0].at):
            return None
        if points[0].hosts is None and self._after_grace(lease, points[0].at):
            return None
        return reasons.deadline_not_met(desk, lease)

    def _confirm(self, stay: Stay) -> Reason | None:
        refusal = self._booking.price(stay.lease, ())
        if refusal is not None:
            return refusal
        return None if self._booking.confirm(stay) else reasons.NOT_PREPARED

    def _take_place(self, lease: Lease, start: Instant) -> bool:
        """Book a lease for a certain start, having others give way where needed and possible."""
        desk = self._desk
        end = start + lease.left + desk.planner.shutdown(lease)
        if start < desk.now or (lease.terms.deadline is not None and start + lease.left > lease.terms.deadline):
            return False
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = desk.planner.find(lease, start, end, usable)
        changes: list[Change] = []
        victims: tuple[Lease, ...] = ()
        if placement is None:
            found = self._room.make(lease, start, end, changes)
            if found is None:
                return False
            placement, victims = found
        if self._booking.price(lease, victims) is not None:
            return False
        stay = desk.planner.stay(lease, placement, start, end)
        if stay is None:
            return False
        self._room.carry_out(victims, changes, start)
        return self._booking.confirm(stay)

    def _after_grace(self, lease: Lease, start: Instant) -> bool:
        """Book a lease for when others can give way that have to be told before, if it meets its deadline then."""
        desk = self._desk
        if not desk.knows_grace():
            return False
        # Loaded here: hardly any simulation knows of grace.
        from haizea.core.grace import over

        return any(self._take_place(lease, at) for at in over(desk, start))

    def _plan_anew(self, lease: Lease, after: Instant) -> bool:
        """Plan all deadline leases that have not begun anew, together with a new one."""
        desk = self._desk
        others = [other for other in desk.leases.values() if other is not lease and self._movable(other)]
        planned = sorted([*others, lease], key=lambda one: self._slack_permille(one, after))
        desk.table.begin()
        for other in others:
            for old in other.stays:
                desk.table.release(old.start, old.end, old.placement.held)
        found: list[Stay] = []
        for one in planned:
            stay = self._same_place(one) if lease in [s.lease for s in found] else None
            if stay is None:
                stay = desk.planner.asap(one, [Point(max(after, one.terms.start or 0))], future=True)
            if stay is None:
                desk.table.undo()
                return False
            desk.table.hold(stay.start, stay.end, stay.placement.held)
            found.append(stay)
        desk.table.undo()
        if self._booking.price(lease, ()) is not None:
            return False
        moved = [new for new in found if new.lease is not lease and new not in new.lease.stays]
        for new in moved:
            desk.drop(new.lease.stays[0])
        for new in moved:
            desk.keep(new)
            desk.arm(new)
        confirmed = [self._booking.confirm(new) for new in found if new.lease is lease]
        return all(confirmed)

    def _same_place(self, lease: Lease) -> Stay | None:
        """Return a lease's stay as it is, if its hosts are still free then."""
        stay, table = lease.stays[0], self._desk.table
        return stay if table.has_room(table.window(stay.start, stay.end), stay.placement.held) else None

    def _movable(self, lease: Lease) -> bool:
        """Whether a deadline lease has not begun and can be planned anew."""
        prepared = self._desk.images is not None and lease.terms.software is not None
        return (
            lease.type is LeaseType.DEADLINE
            and len(lease.stays) == 1
            and lease.stays[0].phase is Phase.PLANNED
            and not lease.stays[0].resuming
            and not prepared
        )

    def _slack_permille(self, lease: Lease, after: Instant) -> tuple[int, int]:
        window = (lease.terms.deadline or FAR_FUTURE) - after
        return window * 1000 // max(1, lease.left), lease.order

    def move_up(self) -> None:
        """Let deadline leases that have not begun start earlier, where capacity has become free."""
        desk = self._desk
        for lease in sorted(desk.leases.values(), key=lambda one: (one.submitted, one.order)):
            if not self._movable(lease) or lease.stays[0].start <= max(desk.now, lease.terms.start or 0):
                continue
            old = lease.stays[0]
            desk.table.begin()
            desk.table.release(old.start, old.end, old.placement.held)
            new = desk.planner.asap(lease, [Point(max(desk.now, lease.terms.start or 0))], future=True)
            desk.table.undo()
            if new is not None and new.start < old.start:
                desk.drop(old)
                desk.keep(new)
                if new.start <= desk.now:
                    self._execution.begin(new)
                else:
                    desk.arm(new)
