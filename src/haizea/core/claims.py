"""What others than leases hold of hosts: maintenance windows, VMs that nobody here knows, the old place of moving VMs.

Whoever plans sees what is claimed as taken, like the stays of leases. A window takes all that a host has, whatever
else is claimed of it; the others add up.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from haizea.model.resources import Capacity
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.slottable import Held, Placement, Reservation, SlotTable

NOTHING: Final = Capacity()


class Window(NamedTuple):
    """A maintenance window: these hosts are to be free of VMs during ``[start, end)``."""

    number: int
    hosts: tuple[int, ...]
    start: Instant
    end: Instant
    by: str = ""
    reason: str = ""


class Piece(NamedTuple):
    """What is claimed of a host during ``[start, end)``."""

    host: int
    start: Instant
    end: Instant
    amounts: Capacity


class Claims:
    """Holds what is claimed of hosts in a slot table.

    ``windows`` are the maintenance windows by number, ``strangers`` what VMs that nobody knows use of each host,
    ``astray`` what VMs use that run though their suspended lease is on hold, by lease and VM. ``leaving`` says until
    when VMs that move away still use how much of the host they come from, or what they have left is being cleaned;
    ``fresh`` are the hosts of which what was left since is still to be held, ``short`` those of which not all could be
    held that was to be.
    """

    def __init__(self, table: SlotTable) -> None:
        self._table = table
        self.windows: dict[int, Window] = {}
        self.strangers: dict[int, Capacity] = {}
        self.astray: dict[int, tuple[tuple[int, Piece], ...]] = {}
        self.leaving: list[Piece] = []
        self.fresh: set[int] = set()
        self.short: set[int] = set()
        self._held: dict[int, list[tuple[Piece, Placement]]] = {}

    def placements(self) -> Iterable[Placement]:
        """Return what is held, to be written anew in other units."""
        return [placement for held in self._held.values() for _piece, placement in held]

    def reservations(self) -> list[Reservation]:
        """Return what is held, and when."""
        return [Reservation(p.start, p.end, placement.held) for held in self._held.values() for p, placement in held]

    def hosts(self) -> list[int]:
        """Return the hosts of which anything is claimed, ascending."""
        windows = {host for window in self.windows.values() for host in window.hosts}
        others = [piece.host for piece in (*self.leaving, *self._astray())]
        return sorted({*windows, *self.strangers, *self._held, *others})

    def _astray(self) -> list[Piece]:
        return [piece for found in self.astray.values() for _vm, piece in found]

    def pieces(self) -> list[Piece]:
        """Return what is held of which host, and when."""
        return [piece for held in self._held.values() for piece, _placement in held]

    def amounts(self, host: int) -> list[Capacity]:
        """Return the amounts that may be claimed of a host, which the units of the slot table must divide."""
        capacity = self._table.site.hosts[host].capacity
        left = [piece.amounts for piece in (*self.leaving, *self._astray()) if piece.host == host]
        return [capacity, least(self.strangers.get(host, NOTHING), capacity), *left]

    def room(self, host: int, capacity: Capacity) -> Capacity:
        """Return what leases may hold of a host that has a capacity, beside strangers."""
        used = least(self.strangers.get(host, NOTHING), capacity)
        return Capacity([(name, amount - used[name]) for name, amount in capacity.items()])

    def wanted(self, host: int) -> list[Piece]:
        """Return what is to be held of a host from now on, in order of time, whatever is free."""
        now, capacity = self._table.now, self._table.site.hosts[host].capacity
        windows = [w for w in self.windows.values() if host in w.hosts and w.end > now]
        moving = [p for p in (*self.leaving, *self._astray()) if p.host == host and p.end > now]
        stranger = self.strangers.get(host, NOTHING)
        if not windows and not moving and stranger == NOTHING:
            return []
        edges = {now, FAR_FUTURE}
        for start, end in [*[(w.start, w.end) for w in windows], *[(p.start, p.end) for p in moving]]:
            edges |= {max(now, start), end}
        found = []
        times = sorted(edges)
        for start, end in pairwise(times):
            amounts = stranger
            for piece in moving:
                if piece.start <= start < piece.end:
                    amounts = amounts.plus(piece.amounts)
            if any(window.start <= start < window.end for window in windows):
                amounts = capacity
            amounts = least(amounts, capacity)
            if amounts != NOTHING:
                found.append(Piece(host, start, end, amounts))
        return found

    def let_go(self, host: int) -> None:
        """Give back all that is held of a host."""
        table = self._table
        for piece, placement in self._held.pop(host, ()):
            if piece.end > table.now:
                table.release(max(table.now, piece.start), piece.end, placement.held)

    def take(self, host: int) -> None:
        """Hold what is wanted of a host, as far as it is free: nothing must be held of it yet."""
        held = []
        self.short.discard(host)
        for wanted in self.wanted(host):
            pieces = self._free(wanted)
            if pieces != [wanted]:
                self.short.add(host)
            for piece in pieces:
                placement = self._placement(host, piece.amounts)
                self._table.hold(piece.start, piece.end, placement.held)
                held.append((piece, placement))
        if held:
            self._held[host] = held

    def lacks(self, host: int) -> bool:
        """Whether more could be held now of a host, at any time, of what is wanted of it."""
        table, held = self._table, [piece for piece, _placement in self._held.get(host, ())]
        block, number = divmod(host, table.block_hosts)
        timeline = table.timelines[block]
        for wanted in self.wanted(host):
            edges = {
                wanted.start,
                *timeline.instants(),
                *[piece.start for piece in held],
                *[piece.end for piece in held],
            }
            for at in sorted(edges):
                if not wanted.start <= at < wanted.end:
                    continue
                free = timeline.packing.free(timeline.state(at), number)
                there = next((piece.amounts for piece in held if piece.start <= at < piece.end), NOTHING)
                if any(free[name] and there[name] < amount for name, amount in wanted.amounts.items()):
                    return True
        return False

    def _free(self, wanted: Piece) -> list[Piece]:
        """Return what can be held of what is wanted, cut where less of it is free."""
        table = self._table
        block, number = divmod(wanted.host, table.block_hosts)
        timeline = table.timelines[block]
        times = [wanted.start, *[at for at in timeline.instants() if wanted.start < at < wanted.end], wanted.end]
        found: list[Piece] = []
        for start, end in pairwise(times):
            amounts = least(wanted.amounts, timeline.packing.free(timeline.state(start), number))
            if amounts == NOTHING:
                continue
            if found and found[-1].end == start and found[-1].amounts == amounts:
                found[-1] = found[-1]._replace(end=end)
            else:
                found.append(Piece(wanted.host, start, end, amounts))
        return found

    def _placement(self, host: int, amounts: Capacity) -> Placement:
        table = self._table
        block, number = divmod(host, table.block_hosts)
        packing = table.packings[block]
        packed = packing.held(packing.mask_of([number]), packing.vector(amounts))
        return Placement((), (Held(block, packed, amounts[table.key]),), table.packings)

    def forget_past(self) -> None:
        """Forget what is over."""
        now = self._table.now
        self.leaving = [piece for piece in self.leaving if piece.end > now]

    def remember(self) -> dict[str, Any]:
        """Return what is claimed, as a tree of what JSON has."""
        return {
            "windows": [[w.number, list(w.hosts), w.start, w.end, w.by, w.reason] for w in self.windows.values()],
            "strangers": {str(host): dict(used.items()) for host, used in self.strangers.items()},
            "leaving": [_document(piece) for piece in self.leaving],
            "held": [_document(piece) for piece in self.pieces()],
            **(
                {"astray": [[n, vm, _document(p)] for n, f in self.astray.items() for vm, p in f]}
                if self.astray
                else {}
            ),
            **({"fresh": sorted(self.fresh)} if self.fresh else {}),
            **({"short": sorted(self.short)} if self.short else {}),
        }

    def recall(self, found: Mapping[str, Any]) -> list[Piece]:
        """Take back what was claimed; return what was held, which is to be held again."""
        for number, hosts, start, end, by, reason in found["windows"]:
            self.windows[number] = Window(number, tuple(hosts), start, end, by, reason)
        self.strangers.update({int(host): Capacity(used) for host, used in found["strangers"].items()})
        self.leaving = [_piece(one) for one in found["leaving"]]
        self.fresh.update(found.get("fresh", ()))
        self.short.update(found.get("short", ()))
        for number, vm, piece in found.get("astray", ()):
            self.astray[number] = (*self.astray.get(number, ()), (vm, _piece(piece)))
        return [_piece(one) for one in found["held"]]

    def hold(self, piece: Piece) -> None:
        """Hold what was held when it was remembered."""
        placement = self._placement(piece.host, piece.amounts)
        if piece.end > self._table.now:
            self._table.hold(max(self._table.now, piece.start), piece.end, placement.held)
        self._held.setdefault(piece.host, []).append((piece, placement))


def least(one: Capacity, other: Capacity) -> Capacity:
    """Return the smaller amount of each type."""
    return Capacity([(name, min(amount, other[name])) for name, amount in one.items()])


def _document(piece: Piece) -> list[Any]:
    return [piece.host, piece.start, piece.end, dict(piece.amounts.items())]


def _piece(found: Any) -> Piece:
    host, start, end, amounts = found
    return Piece(host, start, end, Capacity(amounts))
