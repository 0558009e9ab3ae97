"""How much of the hosts' disks images take up: those of VMs' disks, and those of the memory of suspended VMs."""

from haizea.core.scheduler import Scheduler
from haizea.model.resources import MEMORY
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of


class DiskUse:
    """Adds up images host by host, lease by lease as they change. All amounts are MiB.

    A VM has its disk image from when it first starts, or from the end of the transfer that brings it, until its lease
    is over; its memory image from the end of a suspension until it has been resumed. Images that hosts keep for later
    leases count beside those of VMs.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        """Begin with the leases there are."""
        self._desk = scheduler.desk
        self._of_lease: dict[int, dict[int, int]] = {}
        self._of_host = [0] * len(scheduler.desk.site.hosts)
        for lease in scheduler.desk.leases:
            self._note(lease)

    def largest(self) -> int:
        """Take in what the scheduler's present event has touched; return what images take up on the fullest host."""
        for lease in self._desk.touched:
            self._note(lease)
        images = self._desk.images
        if images is None or not images.caching:
            return max(self._of_host, default=0)
        return max([used + images.kept(host) for host, used in enumerate(self._of_host)], default=0)

    def _note(self, number: int) -> None:
        lease = self._desk.leases.get(number)
        for host, amount in self._of_lease.pop(number, {}).items():
            self._of_host[host] -= amount
        found = {} if lease is None else self._images_of(lease)
        if found:
            self._of_lease[number] = found
        for host, amount in found.items():
            self._of_host[host] += amount

    def _images_of(self, lease: Lease) -> dict[int, int]:
        """Return what the images of a lease take up on each host."""
        found: dict[int, int] = {}
        suspended, image = lease.images or (), lease.terms.software
        if suspended:
            sets = zip(lease.need.counts, lease.need.demands, strict=True)
            memory = [demand[MEMORY] for count, demand in sets for _ in range(count)]
            for host, amount in zip(suspended, memory, strict=True):
                found[host] = found.get(host, 0) + amount
        if image is not None:
            for host in self._disks(lease):
                found[host] = found.get(host, 0) + image.size
        return found

    def _disks(self, lease: Lease) -> list[int]:
        """Return the host of every VM that has its disk image."""
        if lease.stays and lease.stays[0].phase is not Phase.PLANNED:
            return list(hosts_of(lease.stays[0], self._desk.table))
        if lease.images:
            return list(lease.images)
        if not lease.stays or self._desk.images is None or self._desk.images.caching:
            return []
        # What was brought for a stay that was given up is gone with it.
        since = lease.log[-1].end if lease.log else lease.submitted
        hosts = hosts_of(lease.stays[0], self._desk.table)
        brought = {(host, vm) for host, vms, _start, end in lease.transfers if end > since for vm in vms}
        return [host for vm, host in enumerate(hosts, 1) if (host, vm) in brought]
