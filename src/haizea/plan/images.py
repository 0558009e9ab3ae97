"""Bringing disk images to hosts before VMs start there.

All images leave one repository, which sends one transfer at a time. For reservations and deadline leases the one
that must be there first is sent first, as late as is safe; for the others whoever asked first is served first. A
lease may ride on a transfer that another one causes, and hosts may keep images for later.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final

from haizea.model.lease import DiskImage, LeaseType
from haizea.model.rates import ANY_IMAGE
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.hosts import Hosts
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.need import transfer_time
from haizea.plan.operations import hosts_of
from haizea.plan.options import Mechanism, TransferOptions
from haizea.plan.planner import Point
from haizea.plan.slottable import SlotTable

UNLIMITED = -1

_MOVED_MAX: Final = 100
"""So many transfers, those that come first, may be put anew for one more."""


class TransferState(Enum):
    """A transfer is planned, under way, or over."""

    PLANNED = "planned"
    ACTIVE = "active"
    OVER = "over"


class Transfer:
    """An image on its way from the repository to hosts, during ``[start, end)``.

    ``targets`` are the leases it is for, each with the hosts and the numbers of the VMs there. ``told`` is the lease in
    the name of which it was commanded, ``due`` when it was to be over before it was late for the first time.
    """

    __slots__ = ("due", "end", "image", "size", "start", "state", "targets", "timer", "told")

    def __init__(self, image: str, size: int, start: Instant, end: Instant) -> None:
        self.image = image
        self.size = size
        self.start = start
        self.end = end
        self.state = TransferState.PLANNED
        self.timer = 0
        self.told = 0
        self.due: Instant | None = None
        self.targets: list[tuple[Lease, int, tuple[int, ...]]] = []

    @property
    def hosts(self) -> set[int]:
        """The hosts it goes to."""
        return {host for _lease, host, _vms in self.targets}

    def destinations(self) -> Callable[[], tuple[int, ...]]:
        """Return what gives the hosts it goes to now, in ascending order, whoever is taken off it later."""
        return partial(_hosts_of, tuple(self.targets))


def _hosts_of(targets: Iterable[tuple[Lease, int, tuple[int, ...]]]) -> tuple[int, ...]:
    return tuple(sorted({host for _lease, host, _vms in targets}))


class _Cache:
    """The images that one host keeps; the least recently used first."""

    def __init__(self) -> None:
        self.images: dict[str, int] = {}
        self.users: dict[str, set[int]] = {}

    def touch(self, image: str) -> None:
        """Make an image the most recently used."""
        self.images[image] = self.images.pop(image)

    def add(self, image: str, size: int, limit: int) -> bool:
        """Keep an image if it fits once unused ones are evicted; say whether it is kept."""
        if image in self.images:
            self.touch(image)
            return True
        if limit != UNLIMITED:
            idle = [i for i in self.images if not self.users.get(i)]
            used = sum(self.images.values())
            if used - sum(self.images[i] for i in idle) + size > limit:
                return False
            for old in idle:
                if used + size <= limit:
                    break
                used -= self.images.pop(old)
        self.images[image] = size
        return True


class Images:
    """Plans image transfers, and knows which images are where."""

    def __init__(self, table: SlotTable, hosts: Hosts, options: TransferOptions) -> None:
        self._table = table
        self._hosts = hosts
        self._options = options
        self._caches = [_Cache() for _ in table.site.hosts] if options.cache_size is not None else []
        self.transfers: list[Transfer] = []
        self._of_lease: dict[int, list[Transfer]] = {}
        # What single hosts were measured to take, for single images, and the slowest of each image.
        self._known: Mapping[tuple[int, str], int] = {}
        self._slowest: dict[str, int] = {}

    def placed(self) -> list[tuple[Transfer, Instant, Instant]]:
        """Return all transfers and when they are, for :meth:`put_back`."""
        return [(transfer, transfer.start, transfer.end) for transfer in self.transfers]

    def put_back(self, placed: Sequence[tuple[Transfer, Instant, Instant]]) -> None:
        """Have transfers be when they were, after something was only tried."""
        for transfer, start, end in placed:
            transfer.start, transfer.end = start, end
        self.transfers = [transfer for transfer, _start, _end in placed]

    def set_bandwidth(self, bandwidth: int, known: Mapping[tuple[int, str], int]) -> None:
        """Plan transfers that are not planned yet with another bandwidth, in Mb/s, that of the slowest host.

        ``known`` are hosts that are otherwise, for one image or for any.
        """
        self._options = self._options._replace(bandwidth=bandwidth)
        self._known, self._slowest = known, {}
        for (_host, image), rate in known.items():
            if image != ANY_IMAGE:
                self._slowest[image] = min(rate, self._slowest.get(image, bandwidth))

    def points(self, lease: Lease, now: Instant) -> list[Point]:
        """Return from when on which hosts could have the lease's image, if it was sent as soon as possible."""
        times = self._earliest(lease, now)
        if not times:
            return [Point(now, self._table.masks(set()))]
        points = []
        for at in sorted(set(times.values())):
            ready = self._table.masks({host for host, time in times.items() if time <= at})
            points.append(Point(at, ready))
        return points

    def _earliest(self, lease: Lease, now: Instant) -> dict[int, Instant]:
        image = lease.terms.software
        if image is None:
            raise ValueError("a lease without a disk image needs no transfer")
        bound = self._bound(image, lease.need.vms)
        arrival = self._next_slot(now, bound) + bound
        joined: list[Transfer] = []
        if self._options.mechanism is Mechanism.MULTICAST and self._options.avoid_redundant:
            joined = self._open(image.id, now)
        if not self._known:
            arrival = min([arrival, *[t.end for t in joined]])
            joined = []
        times = {}
        for host, spec in enumerate(self._table.site.hosts):
            if self._hosts.allowed(host, spec, lease.terms.constraints):
                # What is planned already has not time for every host.
                ends = [t.end for t in joined if t.end - t.start >= self._one(image, host)]
                times[host] = min([arrival, *ends]) if ends else arrival
        if self._options.avoid_redundant:
            for transfer in self.transfers:
                if transfer.image == image.id and not _missed(transfer, now):
                    for host in transfer.hosts & times.keys():
                        times[host] = min(times[host], transfer.end)
        for host, cache in enumerate(self._caches):
            if image.id in cache.images and host in times:
                times[host] = now
        return times

    def _open(self, image: str, now: Instant) -> list[Transfer]:
        """Return the transfers of an image that have not begun, so that hosts can still be added."""
        mine = [t for t in self.transfers if t.image == image and t.state is TransferState.PLANNED]
        return [transfer for transfer in mine if not _missed(transfer, now)]

    def _one(self, image: DiskImage, host: int | None = None) -> Span:
        """Return how long sending an image to a host takes: to the slowest where none is named."""
        if self._options.fixed_time is not None:
            return self._options.fixed_time
        rate = self._slowest.get(image.id, self._options.bandwidth)
        if host is not None and self._known:
            own = self._known.get((host, image.id)) or self._known.get((host, ANY_IMAGE))
            rate = rate if own is None else max(rate, own)
        return transfer_time(image.size, rate)

    def _all(self, image: DiskImage, hosts: Sequence[int]) -> Span:
        """Return how long sending an image to hosts takes: to one after the other, or to all at the slowest's pace."""
        if not self._known:
            return self._bound(image, len(hosts))
        times = [self._one(image, host) for host in hosts]
        return sum(times) if self._options.mechanism is Mechanism.UNICAST else max(times)

    def _bound(self, image: DiskImage, hosts: int) -> Span:
        """Return how long sending an image to so many hosts takes at most, whichever they are."""
        one = self._one(image)
        return one * hosts if self._options.mechanism is Mechanism.UNICAST else one

    def plan(self, lease: Lease, stay: Stay, now: Instant) -> list[Transfer] | None:
        """Plan the transfers that a stay needs; return those that are new or come at another time than before.

        None if they cannot be in time.
        """
        image = lease.terms.software
        if image is None:
            return []
        wanted: dict[int, list[int]] = {}
        for vm, host in enumerate(hosts_of(stay, self._table)):
            wanted.setdefault(host, []).append(vm + 1)
        riding: list[tuple[Transfer, int]] = []
        missing: list[int] = []
        for host in wanted:
            if self._caches and image.id in self._caches[host].images:
                continue
            ride = self._ride(image, host, stay.start, now)
            if ride is None:
                missing.append(host)
            else:
                riding.append((ride, host))
        new: list[Transfer] = []
        if missing:
            time = self._all(image, missing)
            start = self._slot(lease, stay.start, time, now)
            if start is None and lease.type is not LeaseType.BEST_EFFORT:
                start, new = self._make_way([transfer for transfer, _host in riding], stay.start, time, now)
            if start is None:
                return None
            transfer = Transfer(image.id, image.size, start, start + time)
            self.transfers.append(transfer)
            self.transfers.sort(key=lambda t: t.start)
            new.append(transfer)
            riding += [(transfer, host) for host in missing]
        self._note(lease, image, wanted, riding)
        return new

    def bring(self, lease: Lease, wanted: Mapping[int, Sequence[int]], now: Instant) -> list[Transfer]:
        """Plan to bring the image of a lease that has begun to more hosts, as soon as can be; return what is new.

        ``wanted`` are the numbers of the VMs that wait for it, by host.
        """
        image = lease.terms.software
        if image is None:
            raise ValueError("a lease without a disk image needs no transfer")
        whole = self._all(image, list(wanted))
        by = self._next_slot(now, whole) + whole
        rides = [(self._ride(image, host, by, now), host) for host in wanted]
        riding = [(ride, host) for ride, host in rides if ride is not None]
        missing = [host for ride, host in rides if ride is None]
        new: list[Transfer] = []
        if missing:
            time = self._all(image, missing)
            start = self._next_slot(now, time)
            transfer = Transfer(image.id, image.size, start, start + time)
            self.transfers = sorted([*self.transfers, transfer], key=lambda t: t.start)
            new.append(transfer)
            riding += [(transfer, host) for host in missing]
        self._note(lease, image, wanted, riding)
        return new

    def _note(
        self,
        lease: Lease,
        image: DiskImage,
        wanted: Mapping[int, Sequence[int]],
        riding: Iterable[tuple[Transfer, int]],
    ) -> None:
        """Have hosts get the image of a lease by transfers, and keep it where they can."""
        for transfer, host in riding:
            transfer.targets.append((lease, host, tuple(wanted[host])))
            mine = self._of_lease.setdefault(lease.id, [])
            if transfer not in mine:
                mine.append(transfer)
        for host in wanted:
            if self._caches:
                self._caches[host].users.setdefault(image.id, set()).add(lease.id)
                if image.id in self._caches[host].images:
                    self._caches[host].touch(image.id)

    def _ride(self, image: DiskImage, host: int, by: Instant, now: Instant) -> Transfer | None:
        """Return a transfer that brings an image to a host in time, or can be made to."""
        if not self._options.avoid_redundant:
            return None
        for transfer in self.transfers:
            if transfer.image != image.id or transfer.end > by or _missed(transfer, now):
                continue
            if host in transfer.hosts:
                return transfer
            if self._options.mechanism is not Mechanism.MULTICAST or transfer.state is not TransferState.PLANNED:
                continue
            if not self._known or transfer.end - transfer.start >= self._one(image, host):
                return transfer
        return None

    def _slot(self, lease: Lease, by: Instant, time: Span, now: Instant) -> Instant | None:
        if lease.type in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE):
            return self._last_slot(now, by, time)
        start = self._next_slot(now, time)
        return start if start + time <= by else None

    def _make_way(
        self, riding: Sequence[Transfer], by: Instant, time: Span, now: Instant
    ) -> tuple[Instant | None, list[Transfer]]:
        """Put transfers for leases that were promised a time anew, so that another one is over by an instant.

        From the latest deadline to the earliest, each as late as it may be, so that nothing is left between them that
        is too short for any. ``riding`` have to be over by that instant too. Returns the start of the other one, and
        what comes at another time now; no start where it cannot be, and nothing has changed then.
        """
        before = self.transfers
        others = [t for t in before if t.state is TransferState.PLANNED and _promised(t)][:_MOVED_MAX]
        movable: list[tuple[Instant, Transfer | None]] = [
            (self._due(t, by if t in riding else FAR_FUTURE), t) for t in others
        ]
        fixed = [transfer for transfer in before if transfer not in others]
        start: Instant | None = None
        changed: list[tuple[Transfer, Instant, Instant]] = []
        self.transfers = fixed
        for due, transfer in sorted([*movable, (by, None)], key=lambda each: each[0], reverse=True):
            length = time if transfer is None else transfer.end - transfer.start
            at = self._last_slot(now, due, length)
            if at is None:
                for moved, old_start, old_end in changed:
                    moved.start, moved.end = old_start, old_end
                self.transfers = before
                return None, []
            if transfer is None:
                start = at
                transfer = Transfer("", 0, at, at + length)
            elif at != transfer.start:
                changed.append((transfer, transfer.start, transfer.end))
                transfer.start, transfer.end = at, at + length
            self.transfers = sorted([*self.transfers, transfer], key=lambda t: t.start)
        self.transfers = sorted([*fixed, *others], key=lambda t: t.start)
        return start, [moved for moved, _start, _end in changed]

    def _due(self, transfer: Transfer, by: Instant) -> Instant:
        """Return when a transfer must be over, at ``by`` at the latest: who waits for it starts then."""
        return min([by, *(lease.stays[0].start if lease.stays else transfer.end for lease, _h, _v in transfer.targets)])

    def _next_slot(self, now: Instant, time: Span) -> Instant:
        """Return the earliest start at which the repository is free for so long."""
        start = now
        for transfer in self.transfers:
            if transfer.start >= start + time:
                break
            start = max(start, transfer.end)
        return start

    def _last_slot(self, now: Instant, by: Instant, time: Span) -> Instant | None:
        """Return the latest start from which the repository is free until the transfer is over by an instant."""
        end = by
        for transfer in reversed(self.transfers):
            if transfer.end <= end - time:
                break
            end = min(end, transfer.start)
        return end - time if end - time >= now else None

    def begin(self, transfer: Transfer) -> None:
        """Note that a transfer has begun: hosts can no longer be added."""
        transfer.state = TransferState.ACTIVE

    def delay(self, transfer: Transfer, until: Instant) -> list[Transfer]:
        """Have a transfer under way be over at an instant, and those after it begin later where they must.

        Returns those that have changed, in order of time.
        """
        transfer.end = until
        changed = [transfer]
        for other in self.transfers:
            if other.state is not TransferState.PLANNED:
                continue
            if other.start >= until:
                break
            other.start, other.end = until, until + other.end - other.start
            until = other.end
            changed.append(other)
        return changed

    def ready_at(self, lease: Lease) -> Instant | None:
        """Return when all images of a lease will be where it wants them; None where none is to come."""
        ends = [t.end for t in self._of_lease.get(lease.id, ()) if t.state is not TransferState.OVER]
        return max(ends, default=None)

    def finish(self, transfer: Transfer) -> None:
        """Note that a transfer is over; hosts with a cache keep the image if they can."""
        transfer.state = TransferState.OVER
        self.transfers.remove(transfer)
        if self._options.cache_size is not None:
            for host in transfer.hosts:
                self._caches[host].add(transfer.image, transfer.size, self._options.cache_size)

    def has(self, lease: Lease, host: int) -> bool:
        """Whether the image of a lease is on a host: kept there, or brought there for the lease as it is now."""
        image = lease.terms.software
        if image is None or (self._caches and image.id in self._caches[host].images):
            return True
        return any(t.state is TransferState.OVER and host in _for(t, lease) for t in self._of_lease.get(lease.id, ()))

    def coming(self, lease: Lease, host: int) -> Instant | None:
        """Return when the image of a lease will be on a host to which it is to be brought; None where it is not."""
        mine = self._of_lease.get(lease.id, ())
        return min([t.end for t in mine if t.state is not TransferState.OVER and host in _for(t, lease)], default=None)

    def pending(self, lease: Lease) -> bool:
        """Whether images of a lease are still to come."""
        return any(t.state is not TransferState.OVER for t in self._of_lease.get(lease.id, ()))

    def cancel(self, lease: Lease) -> list[Transfer]:
        """Take a lease off all transfers that are not over; return those that are for nobody now, which are dropped.

        A transfer under way that loses its last lease is broken off. What was brought counts no more, unless the lease
        has begun and goes on from there.
        """
        dropped, mine = [], self._of_lease.pop(lease.id, ())
        for transfer in mine:
            if transfer.state is TransferState.OVER:
                continue
            transfer.targets = [target for target in transfer.targets if target[0] is not lease]
            if not transfer.targets:
                transfer.state = TransferState.OVER
                self.transfers.remove(transfer)
                dropped.append(transfer)
        if not lease.images and not _has_begun(lease):
            self.forget(lease)
        elif brought := [transfer for transfer in mine if _for(transfer, lease)]:
            self._of_lease[lease.id] = brought
        return dropped

    def forget(self, lease: Lease) -> None:
        """Note that a lease no longer uses its images."""
        self._of_lease.pop(lease.id, None)
        image = lease.terms.software
        if image is not None:
            for cache in self._caches:
                users = cache.users.get(image.id)
                if users is not None:
                    users.discard(lease.id)

    def remember(self) -> dict[str, Any]:
        """Return what is known, as a tree of what JSON has."""
        return {
            "transfers": [
                [
                    *(t.image, t.size, t.start, t.end, t.state.value, t.timer),
                    [[o.id, h, list(v)] for o, h, v in t.targets],
                    *(t.told, t.due),
                ]
                for t in self.transfers
            ],
            "caches": [_cache_document(cache) for cache in self._caches],
            "brought": self._brought(),
        }

    def _brought(self) -> list[list[Any]]:
        """Return to which hosts images have been brought for which leases."""
        found: list[list[Any]] = []
        for number, mine in sorted(self._of_lease.items()):
            over = [t for t in mine if t.state is TransferState.OVER]
            hosts = {host for t in over for lease, host, _vms in t.targets if lease.id == number}
            if hosts:
                found.append([number, sorted(hosts)])
        return found

    def recall(self, remembered: Mapping[str, Any], leases: Mapping[int, Lease]) -> list[Transfer]:
        """Take back what was known; return the transfers that are not over."""
        # Who did not know yet what was brought for whom knows when it was brought.
        past = [[lease.id, [host for host, *_when in lease.transfers]] for lease in leases.values() if lease.transfers]
        for number, hosts in remembered.get("brought", past):
            brought = Transfer("", 0, 0, 0)
            brought.state = TransferState.OVER
            brought.targets = [(leases[number], host, ()) for host in hosts]
            self._of_lease[number] = [brought]
        for image, size, start, end, state, timer, targets, *more in remembered["transfers"]:
            transfer = Transfer(image, size, start, end)
            transfer.state, transfer.timer = TransferState(state), timer
            if more:
                transfer.told, transfer.due = more
            transfer.targets = [(leases[lease], host, tuple(vms)) for lease, host, vms in targets]
            self.transfers.append(transfer)
            for lease in dict.fromkeys([lease for lease, _host, _vms in targets]):
                self._of_lease.setdefault(lease, []).append(transfer)
        for cache, (kept, expected) in zip(self._caches, remembered["caches"], strict=False):
            for image, size, users in kept:
                cache.images[image] = size
                cache.users[image] = set(users)
            for image, users in expected:
                cache.users[image] = set(users)
        return self.transfers

    @property
    def caching(self) -> bool:
        """Whether hosts keep images for later leases."""
        return bool(self._caches)

    def kept(self, host: int) -> int:
        """Return how many MiB of images a host keeps."""
        return sum(self._caches[host].images.values()) if self._caches else 0

    def cached(self, host: int) -> Sequence[str]:
        """Return the images a host keeps, the least recently used first."""
        return list(self._caches[host].images) if self._caches else []


def _promised(transfer: Transfer) -> bool:
    """Whether all leases that a transfer is for were promised a start; others are served as they come."""
    kinds = (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE)
    return all(lease.type in kinds and not _has_begun(lease) for lease, _host, _vms in transfer.targets)


def _missed(transfer: Transfer, now: Instant) -> bool:
    """Whether a transfer that is not over was to begin before now, or to be over and nothing was heard of it.

    Its image is not to be counted on. In a simulation nothing is ever missed.
    """
    return (transfer.start if transfer.state is TransferState.PLANNED else transfer.end) < now


def _has_begun(lease: Lease) -> bool:
    return bool(lease.stays) and lease.stays[0].phase is not Phase.PLANNED


def _for(transfer: Transfer, lease: Lease) -> list[int]:
    """Return the hosts to which a transfer brings the image of a lease."""
    return [host for one, host, _vms in transfer.targets if one is lease]


def _cache_document(cache: _Cache) -> list[list[Any]]:
    """Return the images that are kept, the least recently used first, with their users; and who waits for others."""
    kept = [[image, size, sorted(cache.users.get(image, ()))] for image, size in cache.images.items()]
    awaited = [[image, sorted(users)] for image, users in sorted(cache.users.items()) if image not in cache.images]
    return [kept, awaited]
