"""Keeping promised times when hosts are lost: another place for what is left, or a lease that is degraded.

A degraded lease has no hosts for the time it was promised. It is tried again whenever capacity changes, until that
time is over; only then has it failed.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from haizea.core.alarms import Bell
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.room import Change, Room
from haizea.core.states import TRANSITIONS
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Stay
from haizea.plan.operations import assign_near, migration_bound
from haizea.plan.options import Migration
from haizea.plan.packing import Mask
from haizea.plan.planner import Point
from haizea.plan.slottable import Placement

STARTS_MAX: Final = 100
PROMISED: Final = frozenset({LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE})


def window_end(lease: Lease) -> Instant:
    """Return when the time that a lease was promised is over; FAR_FUTURE where it was promised none."""
    terms = lease.terms
    if lease.type is LeaseType.DEADLINE:
        return terms.deadline if terms.deadline is not None else FAR_FUTURE
    if lease.type is not LeaseType.ADVANCE_RESERVATION or terms.start is None or terms.duration is None:
        return FAR_FUTURE
    return terms.start + terms.duration


class Promises:
    """Finds what is left of promised times another place."""

    def __init__(self, desk: Desk, booking: Booking, room: Room) -> None:
        self._desk = desk
        self._booking = booking
        self._room = room

    def elsewhere(self, lease: Lease, start: Instant, end: Instant) -> Stay | None:
        """Plan a stay until an instant: from its start on, where others may have to give way, or from a later one.

        One whose disk image is not there yet begins no sooner than it can be.
        """
        desk, points = self._desk, list[Point]()
        if lease.images:
            start = max(start, desk.now + migration_bound(lease, desk.options, self._booking.disk(lease)))
        elif desk.images is not None and lease.terms.software is not None:
            points = self._booking.points(lease)
        for at in self._starts(start, end, points):
            usable: Sequence[Mask] | None = desk.hosts.usable(lease.terms.constraints)
            if points:
                usable = next((point.hosts for point in reversed(points) if point.at <= at), None)
            stay = None if usable is None else self._from(lease, at, end, usable)
            if stay is None and at == start:
                stay = self._with_victims(lease, at, end)
            if stay is not None:
                return stay
        return self._after_grace(lease, start, end)

    def _after_grace(self, lease: Lease, start: Instant, end: Instant) -> Stay | None:
        """Plan a stay from when others can give way that have to be told before."""
        if not self._desk.knows_grace():
            return None
        # Loaded here: hardly any simulation knows of grace.
        from haizea.core.grace import over

        for at in over(self._desk, start):
            stay = self._with_victims(lease, at, end) if at < end else None
            if stay is not None:
                return stay
        return None

    def _starts(self, start: Instant, end: Instant, points: Sequence[Point]) -> Iterator[Instant]:
        """Yield when it may be worth trying: at the start, then whenever something ends or an image can be there."""
        yield start
        ends = {point.at for point in points}
        ends |= {stay.end for lease in self._desk.leases.values() for stay in lease.stays}
        ends |= {piece.end for piece in self._desk.claims.pieces()}
        yield from sorted(at for at in ends if start < at < end)[:STARTS_MAX]

    def _from(self, lease: Lease, at: Instant, end: Instant, usable: Sequence[Mask]) -> Stay | None:
        desk = self._desk
        placement = desk.planner.place(lease, desk.table.window(at, end), usable, at, end)
        return None if placement is None else self._stay(lease, placement, at, end)

    def _with_victims(self, lease: Lease, at: Instant, end: Instant) -> Stay | None:
        desk = self._desk
        if lease.images or (desk.images is not None and lease.terms.software):
            # Nobody gives way for a lease whose images may come too late.
            return None
        changes: list[Change] = []
        found = self._room.make(lease, at, end, changes)
        if found is None:
            return None
        stay = self._stay(lease, found.placement, at, end)
        if stay is not None:
            self._room.carry_out(found.leases, changes, at)
        return stay

    def _stay(self, lease: Lease, placement: Placement, at: Instant, end: Instant) -> Stay | None:
        desk, planner = self._desk, self._desk.planner
        run_end = end - planner.shutdown(lease) if end < FAR_FUTURE else end
        if not lease.images:
            return Stay(lease, placement, at, at, run_end, end) if run_end > at else None
        options = desk.options
        run_start = at + planner.resumption(lease, placement)
        if lease.left < FAR_FUTURE and run_start + lease.left < run_end:
            run_end = run_start + lease.left
            end = run_end + planner.shutdown(lease)
        if run_end <= run_start:
            return None
        stay = Stay(lease, placement, at, run_start, run_end, end)
        stay.resuming = True
        pinned = options.migration is Migration.NO
        stay.vm_hosts = lease.images if pinned else assign_near(desk.table, lease.need, placement, lease.images)
        return stay

    def degrade(self, lease: Lease, reason: Reason) -> bool:
        """Mark a lease that has no hosts for its promised time; return whether any of that time is left."""
        desk = self._desk
        if lease.type not in PROMISED or window_end(lease) <= desk.now:
            return False
        if not lease.stays:
            self._wait(lease)
        self.watch(lease)
        if lease.degraded:
            return True
        lease.degraded, lease.reason = True, reason
        desk.degraded.add(lease.id)
        desk.touched.add(lease.id)
        desk.notify(
            lease, f"Lease {lease.id} is degraded: there are no hosts for it now, it is tried again. {reason.text}"
        )
        return True

    def _wait(self, lease: Lease) -> None:
        state = LeaseState.SUSPENDED_QUEUED if lease.images else LeaseState.QUEUED
        if lease.state not in (state, LeaseState.HELD):
            if state not in TRANSITIONS[lease.state]:
                self._desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
            self._desk.enter(lease, state)

    def restored(self, lease: Lease) -> None:
        """A lease has hosts for its time again."""
        desk = self._desk
        desk.alarms.cancel(Bell.WINDOW, lease.id)
        if lease.degraded:
            lease.degraded, lease.reason = False, None
            desk.degraded.discard(lease.id)
            desk.touched.add(lease.id)
            desk.notify(lease, f"Lease {lease.id} is no longer degraded: it has hosts again.")

    def watch(self, lease: Lease) -> None:
        """See to it that a lease without hosts is over when its time is."""
        end = window_end(lease)
        if end < FAR_FUTURE:
            self._desk.alarms.set(Bell.WINDOW, lease.id, max(end, self._desk.now))
