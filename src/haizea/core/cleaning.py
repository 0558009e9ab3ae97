"""Time to clean what VMs have left of a host, before others get it.

Where VMs end as planned, that time is part of the plan: their stay ends with it. Where they leave earlier, it is held
from then on as far as the host is free. Either way a lease is over, or suspended, when its VMs have left, and what is
being cleaned is claimed of the host (:mod:`haizea.core.claims`).
"""

from haizea.core.claiming import reclaim
from haizea.core.claims import Piece
from haizea.core.desk import Desk
from haizea.model.units import Instant
from haizea.plan.lease import Stay
from haizea.plan.need import demands_of
from haizea.plan.operations import hosts_of


def note(desk: Desk, stay: Stay, vms: tuple[int, ...], until: Instant) -> None:
    """Note that what VMs of a stay leave is to be cleaned until an instant; 0 VMs are all that are not over.

    It is held by :func:`settle`: whoever leaves has not given back yet what it held.
    """
    lease, claims = stay.lease, desk.claims
    need, hosts = stay.need, hosts_of(stay, desk.table)
    demands = demands_of(need)
    for vm in vms or [vm for vm in range(1, need.vms + 1) if vm not in lease.over]:
        claims.leaving.append(Piece(hosts[vm - 1], desk.now, until, demands[vm - 1]))
        claims.fresh.add(hosts[vm - 1])


def settle(desk: Desk) -> None:
    """Hold what has been left since, as far as nobody else has it by now."""
    hosts = sorted(desk.claims.fresh)
    desk.claims.fresh.clear()
    reclaim(desk, hosts)
