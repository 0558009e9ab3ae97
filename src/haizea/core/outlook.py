"""What would become of a request, and when those who wait will start: asked, not done.

Everything is tried in an overlay of the slot table and thrown away. A deadline lease, whose acceptance may plan others
anew, is tried on a copy of the whole schedule instead.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from haizea.core import reasons
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.reservations import Reservations
from haizea.model.lease import LeaseState, LeaseTerms, LeaseType
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Stay
from haizea.policy.money import Money

FORECAST_MAX: Final = 300
"""For so many leases in the queue, at most, it is worked out when they will start."""


class Affected(NamedTuple):
    """A lease that would give way, and whether it would be suspended rather than start over."""

    lease: Lease
    suspended: bool


class Outlook(NamedTuple):
    """What would become of a request: the state it would enter, its first stay, its price, who would give way."""

    state: LeaseState
    stay: Stay | None
    price: Money | None
    affected: tuple[Affected, ...]
    reason: Reason | None

    @property
    def accepted(self) -> bool:
        """Whether it would be accepted."""
        return not self.state.final


class Prospect:
    """Looks ahead."""

    def __init__(
        self,
        desk: Desk,
        booking: Booking,
        reservations: Reservations,
        refusal: Callable[[Lease], Reason | None],
        rehearse: Callable[[LeaseTerms], Lease],
    ) -> None:
        """``refusal`` is the admission's, ``rehearse`` requests a lease of a copy of the schedule."""
        self._desk = desk
        self._booking = booking
        self._reservations = reservations
        self._refusal = refusal
        self._rehearse = rehearse

    def of(self, terms: LeaseTerms) -> Outlook:
        """Return what would become of a lease of these terms if it was requested now."""
        desk = self._desk
        lease = Lease(0, terms, desk.needs.of(terms), desk.now, 0)
        refusal = self._refusal(lease)
        if refusal is not None:
            return Outlook(LeaseState.REJECTED, None, None, (), refusal)
        if lease.type is LeaseType.DEADLINE:
            return self._rehearsed(terms)
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            return self._reservation(lease)
        if lease.type is LeaseType.IMMEDIATE:
            stay = desk.planner.asap(lease, self._booking.points(lease), future=False)
            if stay is None:
                end = min(desk.now + lease.left, FAR_FUTURE)
                refusal = self._reservations.refused(lease, desk.now, end)
                return Outlook(LeaseState.REJECTED, None, None, (), refusal)
            return self._priced(lease, stay, ())
        stay = self.forecast(lease).get(0)
        return self._priced(lease, stay, ())

    def forecast(self, last: Lease | None = None) -> dict[int, Stay]:
        """Return the next stay of each lease in the queue, if all run for as long as they asked for.

        Each is given the earliest place there is after those before it, as conservative backfilling would. ``last`` is
        looked at as if it stood at the end. Leases of which nothing can be said, and those behind the first
        :data:`FORECAST_MAX`, are left out.
        """
        desk = self._desk
        found: dict[int, Stay] = {}
        waiting = list(islice(desk.queue, FORECAST_MAX))
        desk.table.begin()
        for lease in waiting if last is None else [*waiting, last]:
            stay = desk.planner.asap(lease, self._booking.points(lease), future=True)
            if stay is not None:
                desk.table.hold(stay.start, stay.end, stay.placement.held)
                found[lease.id] = stay
        desk.table.undo()
        return found

    def _reservation(self, lease: Lease) -> Outlook:
        draft = self._reservations.draft(lease)
        if isinstance(draft, Reason):
            return Outlook(LeaseState.REJECTED, None, None, (), draft)
        if not self._booking.can_prepare(draft.stay):
            return Outlook(LeaseState.REJECTED, None, None, (), reasons.NOT_PREPARED)
        start = draft.stay.start
        affected = tuple([Affected(victim, self._booking.would_suspend(victim, start)) for victim in draft.victims])
        return self._priced(lease, draft.stay, affected)

    def _priced(self, lease: Lease, stay: Stay | None, affected: tuple[Affected, ...]) -> Outlook:
        quote = self._desk.policies.pricing.quote(lease, [one.lease for one in affected])
        if not quote.accepted:
            refusal = reasons.too_expensive(quote.reason)
            return Outlook(LeaseState.REJECTED_BY_USER, None, quote.price, (), refusal)
        if stay is None:
            return Outlook(LeaseState.QUEUED, None, quote.price, affected, None)
        now = self._desk.now
        waits = lease.type is LeaseType.BEST_EFFORT and stay.start > now
        state = LeaseState.QUEUED if waits else LeaseState.ACTIVE if stay.start <= now else LeaseState.READY
        return Outlook(state, stay, quote.price, affected, None)

    def _rehearsed(self, terms: LeaseTerms) -> Outlook:
        lease = self._rehearse(terms)
        stay = lease.stays[0] if lease.stays else None
        return Outlook(lease.state, stay, lease.price, (), lease.reason if lease.state.final else None)
