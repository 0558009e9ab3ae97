"""When leases that may not give way at once could: who is told now has given way once the grace is over."""

from itertools import islice
from typing import Final

from haizea.core.desk import Desk
from haizea.core.reasons import instant
from haizea.core.room import Room
from haizea.model.reason import Reason
from haizea.model.units import FAR_FUTURE, MINUTE, Instant
from haizea.plan.lease import Lease, Phase

TRIED_MAX: Final = 20
SLACK: Final = MINUTE
"""So much later than could be, for whoever is told of it and asks again."""


def over(desk: Desk, after: Instant) -> list[Instant]:
    """Return the instants after one at which leases will have had their grace, if they were told now, in order."""
    found = set()
    for lease in desk.leases.values():
        grace = lease.terms.grace
        if not grace or not lease.terms.preemptible or not lease.stays or lease.stays[0].phase is Phase.PLANNED:
            continue
        suspended = desk.planner.may_suspend(lease)
        leaving = desk.preemption.suspension(lease, lease.stays[0]) if suspended else desk.options.cleaning_time
        at = desk.now + grace + leaving
        if after < at < FAR_FUTURE:
            found.add(at)
    return list(islice(sorted(found), TRIED_MAX))


def advised(desk: Desk, room: Room, lease: Lease, refusal: Reason, start: Instant) -> Reason:
    """Return why a lease is refused; where others could give way after their grace before there is room, with when.

    That is when a reservation like it could be had: what is wanted at once has nobody give way.
    """
    wanted = lease
    if lease.terms.immediate:
        terms = lease.terms._replace(start=desk.now, immediate=False)
        wanted = Lease(lease.id, terms, lease.need, lease.submitted, lease.order)
    for at in over(desk, start - SLACK):
        later = at + SLACK
        if refusal.retry_at is not None and refusal.retry_at <= later:
            return refusal
        if room.make(wanted, later, min(later + lease.left, FAR_FUTURE), []) is not None:
            text = f" From {instant(later)} on others could have given way, after the grace that they have."
            return refusal._replace(text=refusal.text + text, retry_at=later)
    return refusal
