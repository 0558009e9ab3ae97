"""Advance reservations: exactly when they were asked for, or not at all."""

from typing import NamedTuple

from haizea.core import reasons
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.room import Change, Room
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Stay


class Reservations:
    """Books advance reservations."""

    def __init__(self, desk: Desk, booking: Booking, room: Room) -> None:
        self._desk = desk
        self._booking = booking
        self._room = room

    def book(self, lease: Lease) -> Reason | None:
        """Book a reservation for exactly when it was asked for; return why that is not possible, if so."""
        booking = self._booking
        draft = self.draft(lease)
        if isinstance(draft, Reason):
            return draft
        # Nobody gives way, and no price is agreed upon, for a lease whose images come too late.
        if not booking.prepare(draft.stay):
            return reasons.NOT_PREPARED
        refusal = booking.price(lease, draft.victims)
        if refusal is not None:
            booking.unprepare(lease)
            return refusal
        self._room.carry_out(draft.victims, draft.changes, draft.stay.start)
        booking.book(draft.stay)
        return None

    def draft(self, lease: Lease) -> "Draft | Reason":
        """Find out how a reservation could be booked, or why it cannot; nothing is changed."""
        desk, planner = self._desk, self._desk.planner
        start = lease.terms.start
        if start is None:
            raise AssertionError(f"lease {lease.id} has no start; this is a bug in Haizea")
        if start < desk.now:
            return reasons.start_is_past(start, desk.now)
        if start < desk.now + desk.options.non_schedulable:
            return reasons.start_is_too_soon(start, desk.now, desk.options.non_schedulable)
        end = min(start + lease.left + planner.shutdown(lease), FAR_FUTURE)
        usable = desk.hosts.usable(lease.terms.constraints)
        placement = planner.find(lease, start, end, usable)
        victims: tuple[Lease, ...] = ()
        changes: list[Change] = []
        if placement is None:
            found = self._room.make(lease, start, end, changes)
            if found is None:
                return self.refused(lease, start, end)
            placement, victims = found
        stay = planner.stay(lease, placement, start, end)
        if stay is None:
            raise AssertionError(f"lease {lease.id} has no time to run; this is a bug in Haizea")
        return Draft(stay, victims, changes)

    def refused(self, lease: Lease, start: Instant, end: Instant) -> Reason:
        """Return why there is no room for a lease, and from when on there would be."""
        desk = self._desk
        refusal = reasons.no_room_at(desk, lease, start, end)
        if not desk.knows_grace():
            return refusal
        # Loaded here: hardly any simulation knows of grace.
        from haizea.core.grace import advised

        return advised(desk, self._room, lease, refusal, start)


class Draft(NamedTuple):
    """How a reservation could be booked: its stay, who gives way, and how those go on that were promised a time."""

    stay: Stay
    victims: tuple[Lease, ...]
    changes: list[Change]
