"""Having single VMs of a lease that has begun be on other hosts."""

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

from haizea.core.desk import Desk
from haizea.core.repair import Repair
from haizea.model.reason import Reason
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Placement


class Relocation:
    """Moves VMs in the slot table."""

    def __init__(self, desk: Desk, repair: Repair) -> None:
        self._desk = desk
        self._repair = repair

    def other_host(self, stay: Stay, vm: int, hosts: list[int]) -> int | None:
        """Return a host that has room for a VM of a stay from now on, beside those on which its VMs are.

        Where the site sends disk images to hosts, it must be one that has the image already.
        """
        desk, lease = self._desk, stay.lease
        constraints = lease.terms.constraints
        if constraints.together and lease.need.vms > 1:
            return None
        lasts = list(accumulate(lease.need.counts))
        shapes, table = lease.need.shapes[bisect_left(lasts, vm)], desk.table
        usable = desk.hosts.usable(constraints)
        avoided = set(hosts) if constraints.spread else {hosts[vm - 1]}
        for block, mask in enumerate(table.all_roomy(shapes, desk.now, stay.end, usable)):
            for number in table.packings[block].members(mask):
                host = table.host(block, number)
                if host not in avoided and self._has_image(lease, host):
                    return host
        return None

    def _has_image(self, lease: Lease, host: int) -> bool:
        images = self._desk.images
        return images is None or images.has(lease, host)

    def move(self, stay: Stay, hosts: tuple[int, ...], reason: Reason, then: Callable[[], None] = lambda: None) -> bool:
        """Have a stay that has begun be on these hosts from now on; return whether there is room, or can be made.

        ``then`` is done once it is there, before anybody in the way is planned anew.
        """
        desk, lease = self._desk, stay.lease
        before, start = stay.placement, max(desk.now, stay.start)
        # What happened until now happened where the VMs were.
        past = stay.past(hosts_of(stay, desk.table))
        desk.table.release(start, stay.end, before.held)
        stay.placement = Placement(before.parts, (), before.packings)
        if not self._repair.claim(stay, hosts, reason, then):
            stay.placement = before
            desk.table.hold(start, stay.end, before.held)
            return False
        for entry in lease.log:
            if entry.stay is stay:
                entry.stay = past
        self._suspend_in_time(stay, reason)
        return True

    def _suspend_in_time(self, stay: Stay, reason: Reason) -> None:
        """Have a stay that is to be suspended end sooner where that takes longer on the hosts it is on now."""
        desk = self._desk
        if not stay.suspending or stay.phase is not Phase.RUNNING:
            return
        run_end = stay.end - desk.preemption.suspension(stay.lease, stay)
        if max(desk.now, stay.run_start) < run_end < stay.run_end:
            stay.run_end = run_end
            desk.rearm(stay)
            self._repair.plan_rest(stay, reason)
