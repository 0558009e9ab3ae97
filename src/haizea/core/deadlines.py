"""Deadline leases: earliest start, latest end, and no other promise broken.

A deadline lease is accepted only if it can end in time. Where it can wait, it takes the earliest place there is;
where it can hardly wait, it first tries to have others with more slack give way. As a last resort all deadline
leases that have not begun are planned anew, those with the least slack first. Whatever is planned for others in
doing so is tried in an overlay first, and kept only if every one of them still meets its own deadline.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from haizea.core import reasons
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.planner import Point
from haizea.plan.preemption import Victims, overlapping

URGENT_RATIO = 2
"""A lease whose window is at most so many times its duration tries to start at once, whoever is in the way."""


class Change(NamedTuple):
    """How one lease's stays are to change: one is cut short by a suspension, some go, one comes."""

    lease: Lease
    cut: Stay | None
    at: Instant
    dropped: tuple[Stay, ...]
    added: Stay | None


class Deadlines:
    """Books deadline leases, and plans how they give way."""

    def __init__(self, desk: Desk, booking: Booking, execution: Execution) -> None:
        self._desk = desk
        self._booking = booking
        self._execution = execution

    def book(self, lease: Lease) -> Reason | None:
        """Book a deadline lease, or say why it cannot be kept."""
        desk, terms = self._desk, lease.terms
        if terms.start is None or terms.deadline is None:
            raise AssertionError(f"lease {lease.id} has no deadline; this is a bug in Haizea")
        duration = lease.left + desk.planner.shutdown(lease)
        if max(terms.start, desk.now) + duration > terms.deadline:
            return reasons.deadline_too_soon(lease, desk.now)
        points = [Point(max(point.at, terms.start), point.hosts) for point in self._booking.points(lease)]
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
        if start < desk.now or (lease.terms.deadline is not None and end > lease.terms.deadline):
            return False
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = desk.planner.place(lease, desk.table.window(start, end), usable, start, end)
        changes: list[Change] = []
        victims: tuple[Lease, ...] = ()
        if placement is None:
            found = self.make_room(lease, start, end, changes)
            if found is None:
                return False
            placement, victims = found
        if self._booking.price(lease, victims) is not None:
            return False
        stay = desk.planner.stay(lease, placement, start, end)
        if stay is None:
            return False
        self.carry_out(victims, changes, start)
        return self._booking.confirm(stay)

    def make_room(self, lease: Lease, start: Instant, end: Instant, changes: list[Change]) -> Victims | None:
        """Find who must give way to a lease, and how deadline leases among them go on; nothing is changed yet."""
        desk = self._desk

        def give_way(victim: Lease) -> bool:
            if victim.type is not LeaseType.DEADLINE:
                for stay in victim.stays:
                    if stay.end > start:
                        desk.table.release(max(start, stay.start), stay.end, stay.placement.held)
                return True
            change = self._draft(victim, start, end)
            if change is None:
                return False
            changes.append(change)
            return True

        return desk.preemption.find(lease, self._booking.may_give_way(start, end), start, end, give_way)

    def carry_out(self, victims: tuple[Lease, ...], changes: list[Change], at: Instant) -> None:
        """Have leases give way as planned."""
        for victim in victims:
            if victim.type is not LeaseType.DEADLINE:
                self._booking.give_way(victim, at)
        for change in changes:
            change.lease.preemptions += 1
            self._apply(change)

    def _draft(self, victim: Lease, start: Instant, end: Instant) -> Change | None:
        """Plan how a deadline lease frees its hosts during an interval and still meets its deadline."""
        desk = self._desk
        if desk.images is not None and victim.terms.software is not None:
            return None
        first = overlapping(victim, start, end)
        if first is None:
            return None
        kept = victim.stays[: victim.stays.index(first)]
        dropped = victim.stays[len(kept) :]
        cut: Stay | None = None
        left = victim.left - sum(stay.runs for stay in kept)
        images = hosts_of(kept[-1], desk.table) if kept else victim.images
        if desk.preemption.can_suspend(victim, first, start, desk.now) and first.start < start:
            cut, dropped = first, dropped[1:]
            left -= start - desk.preemption.suspension(victim, first) - first.run_start
            images = hosts_of(first, desk.table)
        elif first.phase is Phase.RUNNING:
            left, images = victim.terms.duration or FAR_FUTURE, None
        elif first.phase is not Phase.PLANNED:
            return None
        if cut is not None:
            desk.table.release(start, cut.end, cut.placement.held)
        for stay in dropped:
            desk.table.release(max(desk.now, stay.start), stay.end, stay.placement.held)
        added = self._rest(victim, max(end, victim.terms.start or 0), left, images)
        if added is None:
            return None
        desk.table.hold(added.start, added.end, added.placement.held)
        return Change(victim, cut, start, tuple(dropped), added)

    def _rest(self, lease: Lease, after: Instant, left: Span, images: tuple[int, ...] | None) -> Stay | None:
        """Plan a stay for what will be left of a lease, from an instant on, so that it meets its deadline."""
        with _as_of(lease, left, images):
            return self._desk.planner.asap(lease, [Point(after)], future=True)

    def _apply(self, change: Change) -> None:
        desk, lease = self._desk, change.lease
        for stay in change.dropped:
            if stay.phase is Phase.RUNNING:
                self._execution.abandon(stay)
            else:
                desk.drop(stay)
        if change.cut is not None:
            self._booking.suspend_by(change.cut, change.at)
        if change.added is not None:
            desk.keep(change.added)
            desk.arm(change.added)
        if lease.state is LeaseState.ACTIVE and lease.stays[0].phase is Phase.PLANNED:
            desk.enter(lease, LeaseState.SCHEDULED)

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
        return all([self._booking.confirm(new) for new in found if new.lease is lease])

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


@contextmanager
def _as_of(lease: Lease, left: Span, images: tuple[int, ...] | None) -> Iterator[None]:
    """See a lease as it will be: with so much left, and its memory images on these hosts."""
    before = lease.left, lease.images
    lease.left, lease.images = left, images
    try:
        yield
    finally:
        lease.left, lease.images = before

