"""What leases wish for when their time is over, other than to be shut down.

One that wishes to be extended gets more time, some minutes before its end, again and again while its hosts stay free:
nobody gives way for that, nobody who waits is passed over, and no limit of its owner's is exceeded. One that wishes to
be suspended is, and is kept for a while until somebody has it resumed or cancelled.
"""

from typing import Final

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.reasons import instant
from haizea.model.lease import LeaseState, OnEnd
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, MINUTE, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of

LEAD: Final = 10 * MINUTE
"""So long before its end, or by how much it is to be extended if that is less, a lease is extended."""


def look_ahead(desk: Desk, stay: Stay) -> None:
    """Have it looked at whether a lease that has begun to run can be extended, before its end."""
    lease = stay.lease
    if lease.terms.reactions.on_end is OnEnd.EXTEND and stay.run_end < FAR_FUTURE:
        desk.alarms.set(Bell.EXTEND, lease.id, max(desk.now, _look_at(stay)))


def _look_at(stay: Stay) -> Instant:
    return stay.run_end - min(LEAD, stay.lease.terms.reactions.extend_by)


class Endings:
    """Extends leases, and ends those that were suspended at their end and that nobody has resumed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def extend(self, number: int) -> None:
        """Extend a lease if that is possible, now that its end is near."""
        desk = self._desk
        lease = desk.leases.get(number)
        if lease is None or not lease.stays or lease.terms.reactions.on_end is not OnEnd.EXTEND:
            return
        stay = lease.stays[0]
        if stay.phase is not Phase.RUNNING or stay.suspending or stay.run_end >= FAR_FUTURE:
            return
        at = _look_at(stay)
        if at <= desk.now:
            again = self._extended(lease, stay)
            if again is None:
                return
            at = again
        desk.alarms.set(Bell.EXTEND, number, max(at, desk.now + 1))

    def _extended(self, lease: Lease, stay: Stay) -> Instant | None:
        """Extend a lease where that is possible; return when to look at it again, None where not at all."""
        desk, terms = self._desk, lease.terms
        more = terms.reactions.extend_by
        run_end, end = stay.run_end + more, stay.end + more
        if lease.extensions >= desk.options.extensions_max:
            desk.notify(lease, f"Lease {lease.id} was extended {lease.extensions} times, which is the most allowed.")
            return None
        if end >= FAR_FUTURE or (terms.deadline is not None and run_end > terms.deadline):
            return None
        if lease.state not in (LeaseState.ACTIVE, LeaseState.PAUSED) or not self._free(lease, stay, end):
            desk.notify(lease, f"Lease {lease.id} cannot be extended: it ends at {instant(stay.run_end)}.")
            return None
        wanted = terms._replace(duration=None if terms.duration is None else terms.duration + more)
        refusal = None if desk.allows is None else desk.allows(lease, wanted, desk.leases.values(), desk.now)
        if refusal is not None:
            if refusal.retry_at is not None and refusal.retry_at < stay.run_end:
                return refusal.retry_at
            text = f"Lease {lease.id} is not extended, and ends at {instant(stay.run_end)}: {refusal.text}"
            desk.notify(lease, text)
            return None
        desk.table.hold(stay.end, end, stay.placement.held)
        stay.run_end, stay.end = run_end, end
        lease.left += more
        lease.terms = wanted
        lease.extensions += 1
        desk.arm(stay)
        desk.notify(lease, f"Lease {lease.id} was extended until {instant(run_end)}.")
        return _look_at(stay)

    def _free(self, lease: Lease, stay: Stay, end: Instant) -> bool:
        """Whether a lease's hosts are free for longer, and nobody waits who could not even be given a time."""
        desk = self._desk
        if desk.options.reservations_max == 0 and desk.queue:
            return False
        for host in sorted(set(hosts_of(stay, desk.table))):
            if not desk.hosts.allowed(host, desk.site.hosts[host], lease.terms.constraints):
                return False
        return desk.table.has_room(desk.table.window(stay.end, end), stay.placement.held)

    def kept_for_long(self, number: int) -> None:
        """Cancel a lease that was suspended at its end, and that nobody has asked for since."""
        desk = self._desk
        lease = desk.leases.get(number)
        if lease is None or not lease.parked or lease.stays or lease.left:
            return
        text = "It was suspended when its time was over, and nobody has had it resumed."
        desk.notify(lease, f"Lease {lease.id} is cancelled, and what it had in memory is lost. {text}")
        desk.retire(lease, LeaseState.CANCELLED, Reason(Cause.PAST, text))
