"""Making room for a lease that was promised a time: who gives way, and how those go on who were promised one too.

Everything is tried in an overlay first. Best-effort and immediate leases simply give way; a deadline lease only
if what is left of it can be planned so that it still meets its deadline.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.reasons import instant
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of, image_copies, migration_bound
from haizea.plan.options import Migration
from haizea.plan.planner import Point
from haizea.plan.preemption import Victims, overlapping


class Change(NamedTuple):
    """How one lease's stays are to change: one is cut short by a suspension, some go, one comes."""

    lease: Lease
    cut: Stay | None
    at: Instant
    dropped: tuple[Stay, ...]
    added: Stay | None


class Room:
    """Finds who gives way to a lease, and has them do so."""

    def __init__(self, desk: Desk, booking: Booking, execution: Execution) -> None:
        self._desk = desk
        self._booking = booking
        self._execution = execution
        # Those who are in the way because they cannot be anywhere else give way to nobody.
        self.spared: frozenset[int] = frozenset()

    def make(self, lease: Lease, start: Instant, end: Instant, changes: list[Change]) -> Victims | None:
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

        others = self._booking.may_give_way(start, end)
        if self.spared:
            others = [other for other in others if other.id not in self.spared]
        promised = any(other.type is LeaseType.DEADLINE for other in others)
        return desk.preemption.find(lease, others, start, end, give_way if promised else None)

    def carry_out(self, victims: tuple[Lease, ...], changes: list[Change], at: Instant) -> None:
        """Have leases give way as planned."""
        for victim in victims:
            if victim.terms.grace:
                text = f"Lease {victim.id} gives way to another one, at {instant(at)}."
                self._desk.notify(victim, text)
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
        # What a stay that is ending has run is no longer left.
        left = victim.left - sum(stay.runs for stay in kept if stay.phase is not Phase.ENDING)
        images = hosts_of(kept[-1], desk.table) if kept else victim.images
        ready = kept[-1].end if kept else desk.now
        if desk.preemption.can_suspend(victim, first, start, desk.now) and first.start < start:
            cut, dropped = first, dropped[1:]
            left -= start - desk.preemption.suspension(victim, first) - first.run_start
            images, ready = hosts_of(first, desk.table), start
        elif first.phase is Phase.RUNNING:
            left, images = victim.terms.duration or FAR_FUTURE, None
        elif first.phase is not Phase.PLANNED:
            return None
        if cut is not None:
            desk.table.release(start, cut.end, cut.placement.held)
        for stay in dropped:
            desk.table.release(max(desk.now, stay.start), stay.end, stay.placement.held)
        added = self.rest(victim, max(end, victim.terms.start or 0), left, images, ready)
        if added is None:
            return None
        desk.table.hold(added.start, added.end, added.placement.held)
        return Change(victim, cut, start, tuple(dropped), added)

    def rest(
        self, lease: Lease, after: Instant, left: Span, images: tuple[int, ...] | None, ready: Instant
    ) -> Stay | None:
        """Plan a stay for what will be ``left`` of a lease, from an instant on, so that it meets its deadline.

        Its memory images will be on these hosts, and can be copied to others from ``ready`` on.
        """
        desk = self._desk
        disk = self._booking.disk(lease)
        with _as_of(lease, left, images):
            if images:
                after = max(after, ready + migration_bound(lease, desk.options, disk))
            stay = desk.planner.asap(lease, [Point(after)], future=True)
            if stay is not None and images and desk.options.migration is not Migration.NO:
                stay.copies = image_copies(lease, hosts_of(stay, desk.table), ready, desk.options, disk)
        return stay

    def _apply(self, change: Change) -> None:
        desk, lease = self._desk, change.lease
        for stay in change.dropped:
            if stay.phase is Phase.RUNNING:
                self._execution.abandon(stay)
            else:
                desk.drop(stay)
        # What comes goes first: a suspension that takes no time is over at once, and asks then how the lease goes on.
        if change.added is not None:
            desk.keep(change.added)
            desk.arm(change.added)
        if change.cut is not None:
            self._booking.suspend_by(change.cut, change.at)
        if lease.state is LeaseState.ACTIVE and lease.stays[0].phase is Phase.PLANNED:
            desk.enter(lease, LeaseState.SCHEDULED)


@contextmanager
def _as_of(lease: Lease, left: Span, images: tuple[int, ...] | None) -> Iterator[None]:
    """See a lease as it will be: with so much left, and its memory images on these hosts."""
    before = lease.left, lease.images
    lease.left, lease.images = left, images
    try:
        yield
    finally:
        lease.left, lease.images = before
