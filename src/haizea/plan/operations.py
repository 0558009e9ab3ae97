"""How long suspending, resuming and migrating the VMs of a placement takes, and which host each VM is on."""

from collections.abc import Sequence

from haizea.model.resources import MEMORY
from haizea.model.units import Instant, Span
from haizea.plan.lease import Copy, Lease, Stay
from haizea.plan.need import Need, transfer_time
from haizea.plan.options import Exclusion, Migration, Options
from haizea.plan.slottable import Placement, SlotTable


def assign(table: SlotTable, need: Need, placement: Placement) -> tuple[int, ...]:
    """Return the host of every VM: node set by node set, in the order in which they were placed."""
    hosts: list[list[int]] = [[] for _ in need.counts]
    for part in placement.parts:
        for number in placement.packings[part.block].members(part.mask):
            hosts[part.nodes] += [table.host(part.block, number)] * part.per_host
    return tuple([host for chosen in hosts for host in chosen])


def assign_near(table: SlotTable, need: Need, placement: Placement, images: Sequence[int]) -> tuple[int, ...]:
    """Return the host of every VM such that as many as possible stay where their images are."""
    fresh = assign(table, need, placement)
    result: list[int] = []
    first = 0
    for count in need.counts:
        seats = list(fresh[first : first + count])
        chosen: list[int | None] = []
        for image in images[first : first + count]:
            if image in seats:
                seats.remove(image)
                chosen.append(image)
            else:
                chosen.append(None)
        seats.reverse()
        result += [seats.pop() if host is None else host for host in chosen]
        first += count
    return tuple(result)


def hosts_of(stay: Stay, table: SlotTable) -> tuple[int, ...]:
    """Return the host of every VM of a stay."""
    if stay.vm_hosts is None:
        stay.vm_hosts = assign(table, stay.need, stay.placement)
    return stay.vm_hosts


class HostsOf:
    """Gives the host of every VM of a stay when it is called: most are never asked for.

    It is as the stay is when this is made, whatever becomes of the stay before anybody asks.
    """

    __slots__ = ("_hosts", "_need", "_placement", "_table")

    def __init__(self, stay: Stay, table: SlotTable) -> None:
        self._hosts = stay.vm_hosts
        self._need = stay.need
        self._placement = stay.placement
        self._table = table

    def __call__(self) -> tuple[int, ...]:
        """Return the host of every VM."""
        if self._hosts is None:
            self._hosts = assign(self._table, self._need, self._placement)
        return self._hosts


def per_host(need: Need, hosts: Sequence[int], per_vm: Sequence[Span]) -> dict[int, Span]:
    """Return how long an operation on all VMs takes on each host, one VM after the other."""
    times: dict[int, Span] = {}
    first = 0
    for count, time in zip(need.counts, per_vm, strict=True):
        for host in hosts[first : first + count]:
            times[host] = times.get(host, 0) + time
        first += count
    return times


def length(table: SlotTable, need: Need, placement: Placement, per_vm: Sequence[Span], exclusion: Exclusion) -> Span:
    """Return how long an operation on all VMs of a placement takes.

    Hosts work in parallel where the exclusion is local, one after the other where it is global.
    """
    if exclusion is Exclusion.GLOBAL:
        return sum(n * t for n, t in zip(need.counts, per_vm, strict=True))
    if len(need.counts) == 1:
        return max(part.per_host for part in placement.parts) * per_vm[0]
    return max(per_host(need, assign(table, need, placement), per_vm).values())


def spans(
    times: dict[int, Span], start: Instant, exclusion: Exclusion, *, until: Instant
) -> list[tuple[int, Instant, Instant]]:
    """Return when each host works on its VMs, as ``(host, from, to)``.

    Local: every host in parallel, so as to end at ``until`` where that is later than ``start`` (a suspension
    ends together), or to begin at ``start`` (a resumption begins together) where ``until`` equals ``start``.
    Global: one host after the other from ``start``.
    """
    found = []
    at = start
    for host, time in times.items():
        if exclusion is Exclusion.GLOBAL:
            found.append((host, at, at + time))
            at += time
        elif until > start:
            found.append((host, until - time, until))
        else:
            found.append((host, start, start + time))
    return found


def image_copies(lease: Lease, hosts: Sequence[int], begin: Instant, options: Options, disk: int) -> tuple[Copy, ...]:
    """Plan the copies that bring each VM's images to the host it resumes on.

    Copies that share a host go one after the other, others in parallel: each round takes every copy whose two
    hosts are not yet busy in it. Disk images first (``disk`` MiB each, 0 for none), then memory images.
    """
    images = lease.images or ()
    moves = [(vm, a, b) for vm, (a, b) in enumerate(zip(images, hosts, strict=True)) if a != b]
    if not moves:
        return ()
    if options.migration is Migration.FREE:
        return tuple(Copy(a, b, (vm + 1,), begin, begin) for vm, a, b in moves)
    copies: list[Copy] = []
    at = begin
    memory = [
        demand[MEMORY]
        for count, demand in zip(lease.need.counts, lease.need.demands, strict=True)
        for _ in range(count)
    ]
    for kind_of_image in ("disk", "memory"):
        if kind_of_image == "disk" and not disk:
            continue
        left = moves
        while left:
            busy: set[int] = set()
            later, sizes, chosen = [], [], []
            for vm, a, b in left:
                if a in busy or b in busy:
                    later.append((vm, a, b))
                    continue
                busy |= {a, b}
                chosen.append((vm, a, b))
                sizes.append(disk if kind_of_image == "disk" else memory[vm])
            end = at + transfer_time(max(sizes), options.migration_bandwidth)
            copies += [Copy(a, b, (vm + 1,), at, end) for vm, a, b in chosen]
            at, left = end, later
    return tuple(copies)


def migration_bound(lease: Lease, options: Options, disk: int) -> Span:
    """Bound from above how long bringing all images of a lease to other hosts takes, one after the other."""
    if options.migration is not Migration.YES:
        return 0
    bandwidth, need = options.migration_bandwidth, lease.need
    bound = sum(n * transfer_time(d[MEMORY], bandwidth) for n, d in zip(need.counts, need.demands, strict=True))
    return bound + (transfer_time(disk, bandwidth) * need.vms if disk else 0)
