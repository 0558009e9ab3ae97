"""Leases that were to give way, when what they were to give way to is gone.

Only a site day and night looks for them (:attr:`~haizea.plan.options.Options.spares`): in Haizea 1.x, and so in
simulations, what was once cut short stays so.
"""

from typing import Final

from haizea.core.desk import Desk
from haizea.model.lease import LeaseType
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase, Stay

_TYPES: Final = (LeaseType.BEST_EFFORT, LeaseType.IMMEDIATE)


def settle(desk: Desk) -> None:
    """Have those who are to be suspended run on for as long as nobody has a use for their hosts."""
    for lease in desk.leases.values():
        if len(lease.stays) == 1 and lease.type in _TYPES:
            stay = lease.stays[0]
            if stay.suspending and stay.phase is Phase.RUNNING and not lease.parked:
                _lengthen(desk, lease, stay)


def _lengthen(desk: Desk, lease: Lease, stay: Stay) -> None:
    """Have a stay end when its lease does, or else be suspended later."""
    run_end = FAR_FUTURE if lease.terms.duration is None else stay.run_start + lease.left
    over = FAR_FUTURE if run_end >= FAR_FUTURE else run_end + desk.planner.shutdown(lease)
    usable = desk.hosts.usable(lease.terms.constraints)
    if over <= stay.end or any(part.mask & ~usable[part.block] for part in stay.placement.parts):
        return
    until: Instant = desk.table.room_until(stay.end, over, stay.placement.held)
    if until >= over:
        stay.suspending = False
    else:
        run_end, over = stay.run_end + until - stay.end, until
        if run_end >= stay.run_start + lease.left:
            return
    if over > stay.end:
        desk.table.hold(stay.end, over, stay.placement.held)
        stay.run_end, stay.end = run_end, over
        desk.rearm(stay)
