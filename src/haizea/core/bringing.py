"""Disk images of VMs that are to be started again on a host that their image was not brought to.

They were moved there while they ran, by an order, to make room, or behind Haizea's back. A VM that is still there, shut
down, starts from the disk that came along; any other is made anew from its image. That is brought first, and until then
the VM is down.
"""

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.model.events import Observed
from haizea.model.units import FAR_FUTURE, SECOND
from haizea.plan.lease import Lease, Stay
from haizea.plan.operations import hosts_of


def lacking(desk: Desk, stay: Stay, vms: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of some VMs that cannot be started where they are, for want of their disk image."""
    images, lease = desk.images, stay.lease
    if images is None or lease.terms.software is None:
        return ()
    hosts = hosts_of(stay, desk.table)
    moving = {move.vm for move in lease.moving if move.until >= desk.now}
    there = {vm for vm, seen in lease.seen.items() if seen is Observed.GUEST_SHUTDOWN} - moving
    return tuple([vm for vm in vms if vm not in there and not images.has(lease, hosts[vm - 1])])


def removed(desk: Desk, lease: Lease, vms: tuple[int, ...]) -> None:
    """Take note that VMs are removed: where they were shut down, they are there no more."""
    if desk.images is not None and lease.seen:
        shut = [vm for vm, seen in lease.seen.items() if vm in vms and seen is Observed.GUEST_SHUTDOWN]
        lease.seen = {vm: seen for vm, seen in lease.seen.items() if vm not in shut}


def bring(desk: Desk, stay: Stay, vms: tuple[int, ...]) -> None:
    """Have the disk image of VMs brought to where they are, unless it is on its way; they are started when it is there.

    What was on its way and does not come is sent once more.
    """
    images, lease = desk.images, stay.lease
    if images is None:
        raise AssertionError("an image is to be brought although images are not managed; this is a bug in Haizea")
    hosts = hosts_of(stay, desk.table)
    wanted: dict[int, list[int]] = {}
    for vm in vms:
        if images.coming(lease, hosts[vm - 1]) is None:
            wanted.setdefault(hosts[vm - 1], []).append(vm)
    if wanted:
        for transfer in images.bring(lease, wanted, desk.now):
            desk.arm_transfer(transfer)
        names = ", ".join(desk.site.hosts[host].name for host in sorted(wanted))
        desk.notify(lease, f"The disk image of lease {lease.id} is brought to {names} before VMs start there again.")
    desk.touched.add(lease.id)
    for vm in vms:
        at = images.coming(lease, hosts[vm - 1])
        # What ends at this very instant is dealt with after whatever rings.
        desk.alarms.set(Bell.RESTART, lease.id, max(desk.now + SECOND, at or FAR_FUTURE), vm)


def again(desk: Desk, lease: Lease) -> bool:
    """Have what waits for an image that does not come look for it anew; return whether anything does."""
    waiting = [vm for vm in sorted(lease.down) if desk.alarms.get(Bell.RESTART, lease.id, vm) is not None]
    for vm in waiting:
        desk.alarms.set(Bell.RESTART, lease.id, desk.now, vm)
    return bool(waiting)
