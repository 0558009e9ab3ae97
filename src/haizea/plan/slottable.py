"""The slot table: every reservation of capacity over hosts and time.

It answers what is free where, from when until when, takes and gives back capacity, and keeps a journal of
tentative changes so that a plan can be undone. Hosts are dealt out to blocks of at most :data:`BLOCK_HOSTS`
(see :mod:`haizea.plan.timeline`); a reservation touches only the blocks it has VMs in, which is what keeps the
cost of a change and of a question nearly independent of the size of the site.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.packing import Mask, Packing, Shape
from haizea.plan.profile import Profile
from haizea.plan.timeline import Timeline

BLOCK_HOSTS = 256


class Part:
    """``per_host`` VMs of node set ``nodes`` on every host of ``mask`` in a block."""

    __slots__ = ("block", "mask", "nodes", "per_host")

    def __init__(self, block: int, nodes: int, per_host: int, mask: Mask) -> None:
        self.block = block
        self.nodes = nodes
        self.per_host = per_host
        self.mask = mask


class Held:
    """What a placement holds in one block: the packed difference and its amount of the key resource type.

    ``fingerprint`` tells differences apart; next to never is it 0, or do those of several blocks add up to 0.
    """

    __slots__ = ("amount", "block", "fingerprint", "packed")

    def __init__(self, block: int, packed: int, amount: int) -> None:
        self.block = block
        self.packed = packed
        self.amount = amount
        # Integers hash to themselves modulo a prime, so this is the same wherever and whenever it is worked out.
        self.fingerprint = hash(packed) * (block + 1)


class Placement:
    """Where the VMs of a lease are. ``parts`` are in the order in which VMs were placed.

    ``packings`` say, block by block, what the masks of the parts mean.
    """

    __slots__ = ("held", "packings", "parts")

    def __init__(self, parts: tuple[Part, ...], held: tuple[Held, ...], packings: tuple[Packing, ...]) -> None:
        self.parts = parts
        self.held = held
        self.packings = packings


class Reservation(NamedTuple):
    """Capacity held on hosts during ``[start, end)``."""

    start: Instant
    end: Instant
    held: tuple[Held, ...]


class SlotTable:
    """Reservations over the hosts of a site and time."""

    def __init__(
        self, site: Site, now: Instant, block_hosts: int = BLOCK_HOSTS, units: tuple[int, ...] | None = None
    ) -> None:
        """Begin with empty hosts; ``units`` are what amounts of each type are counted in (see ``Packing``)."""
        self.site = site
        self.units = units or (1,) * len(site.resource_types)
        # Hosts of few kinds make up most sites.
        self.capacities = frozenset([host.capacity for host in site.hosts])
        self.now = now
        self.block_hosts = block_hosts
        self.key = site.resource_types[0]
        self.timelines: list[Timeline] = []
        for first in range(0, len(site.hosts), block_hosts):
            hosts = site.hosts[first : first + block_hosts]
            packing = Packing(hosts, site.resource_types, self.units)
            self.timelines.append(Timeline(packing, sum(h.capacity[self.key] for h in hosts), now))
        self.packings = tuple([t.packing for t in self.timelines])
        # Where there are several blocks, how much of the key resource type all of them have together.
        total = site.total(self.key)
        whole = Packing((Host("site", Capacity({self.key: total})),), (self.key,))
        self._total = self.timelines[0] if len(self.timelines) == 1 else Timeline(whole, total, now)
        self._shapes: dict[Capacity, tuple[Shape, ...]] = {}
        # Counts what was held or given back, and every time at which something began or ended as planned.
        self.changes = 0
        self._journals: list[list[tuple[Reservation, int]]] = []
        self._profile: Profile | None = None
        self._profiled = -1

    def shapes(self, demand: Capacity) -> tuple[Shape, ...]:
        """Return a VM's demand, prepared for every block."""
        known = self._shapes.get(demand)
        if known is None:
            known = self._shapes[demand] = tuple(t.packing.shape(demand) for t in self.timelines)
        return known

    def refine(self, units: tuple[int, ...]) -> tuple[Packing, ...]:
        """Count in finer units from now on; return how blocks are laid out then. Not within an overlay.

        The timelines, and all that was placed, still have to be written anew: see :mod:`haizea.plan.units`.
        """
        if self._journals:
            raise AssertionError("units were changed while a plan was being tried out; this is a bug in Haizea")
        self.units = units
        self._shapes.clear()
        self.packings = tuple([Packing(p.hosts, p.types, units) for p in self.packings])
        return self.packings

    def advance(self, now: Instant) -> None:
        """Make ``now`` the present. Not within an overlay."""
        self.now = now
        for timeline in self.timelines:
            if timeline.advance(now):
                self.changes += 1
        if len(self.timelines) > 1:
            self._total.advance(now)

    def free_now(self) -> int:
        """Return how much of the key resource type is free now, over all hosts."""
        return self._total.free

    def free_until(self, until: Instant) -> int:
        """Return how much of the key resource type is free from now until an instant, over all hosts."""
        total = self._total
        return self.profile().throughout(until) if total.claimed else total.free

    def hold(self, start: Instant, end: Instant, held: Sequence[Held]) -> None:
        """Take capacity during ``[start, end)``."""
        self._change(start, end, held, 1)
        if self._journals:
            self._journals[-1].append((Reservation(start, end, tuple(held)), 1))

    def release(self, start: Instant, end: Instant, held: Sequence[Held]) -> None:
        """Give back capacity that was held during ``[start, end)``, or during more than that."""
        self._change(start, end, held, -1)
        if self._journals:
            self._journals[-1].append((Reservation(start, end, tuple(held)), -1))

    def _change(self, start: Instant, end: Instant, held: Sequence[Held], sign: int) -> None:
        self.changes += 1
        timelines = self.timelines
        for part in held:
            timelines[part.block].change(start, end, sign * part.packed, sign * part.amount)
        if len(timelines) > 1:
            # The instants of all blocks are kept, also those at which amounts cancel out but hosts change hands: what
            # takes the place of the packed difference here is next to never 0 where any of those is not.
            total = sum([part.amount for part in held])
            fingerprint = sum([part.fingerprint for part in held])
            self._total.change(start, end, sign * fingerprint, sign * total)

    def begin(self) -> None:
        """Begin an overlay: changes from here on are tentative. Overlays nest."""
        self._journals.append([])

    def keep(self) -> None:
        """End the overlay and keep its changes."""
        journal = self._journals.pop()
        if self._journals:
            self._journals[-1].extend(journal)

    def undo(self) -> None:
        """End the overlay and undo its changes."""
        for (start, end, held), sign in reversed(self._journals.pop()):
            self._change(start, end, held, -sign)

    def window(self, start: Instant, end: Instant) -> list[int]:
        """Return, for each block, what is free throughout ``[start, end)``."""
        timelines = self.timelines
        if len(timelines) == 1:
            return [timelines[0].window(start, end)]
        return [t.window(start, end) for t in timelines]

    def roomy(self, shapes: Sequence[Shape], start: Instant, end: Instant, usable: Sequence[Mask]) -> Iterable[Mask]:
        """Return, block by block as they are asked for, the usable hosts with room for a VM in ``[start, end)``."""
        if len(self.timelines) == 1:
            return [self._roomy_in(0, shapes[0], start, end, usable[0])]
        return self._block_by_block(shapes, start, end, usable)

    def all_roomy(self, shapes: Sequence[Shape], start: Instant, end: Instant, usable: Sequence[Mask]) -> list[Mask]:
        """Return the same as :meth:`roomy`, all blocks at once."""
        return [self._roomy_in(i, shapes[i], start, end, usable[i]) for i in range(len(self.timelines))]

    def _block_by_block(
        self, shapes: Sequence[Shape], start: Instant, end: Instant, usable: Sequence[Mask]
    ) -> Iterator[Mask]:
        for i in range(len(self.timelines)):
            yield self._roomy_in(i, shapes[i], start, end, usable[i])

    def _roomy_in(self, block: int, shape: Shape, start: Instant, end: Instant, usable: Mask) -> Mask:
        fits = shape.per_host_max and usable
        return self.timelines[block].roomy(start, end, shape.multiples[1]) & usable if fits else 0

    def present(self) -> list[int]:
        """Return, for each block, what is free now."""
        return [t.window(self.now, self.now) for t in self.timelines]

    def claims(self, until: Instant) -> list[tuple[Instant, int, int]]:
        """Return, in order of time, the instants to come at which capacity is taken: instant, block, state."""
        timelines = self.timelines
        if len(timelines) == 1:
            return [(at, 0, state) for at, state in timelines[0].claims(until)]
        found = [(at, i, state) for i, t in enumerate(timelines) for at, state in t.claims(until)]
        found.sort(key=lambda claim: claim[:2])
        return found

    def profile(self) -> Profile:
        """Return how much of the key resource type is free over time, from now on, over all hosts."""
        total = self._total
        if self._profile is None or total.version != self._profiled:
            self._profile, self._profiled = total.profile(), total.version
        return self._profile

    def host(self, block: int, number: int) -> int:
        """Return the site's number of a block's host."""
        return block * self.block_hosts + number

    def hosts_of(self, placement: Placement) -> dict[int, int]:
        """Return how many VMs a placement has on each host, by the site's host numbers, ascending."""
        count: dict[int, int] = {}
        for part in placement.parts:
            for number in placement.packings[part.block].members(part.mask):
                host = part.block * self.block_hosts + number
                count[host] = count.get(host, 0) + part.per_host
        return dict(sorted(count.items()))

    def masks(self, hosts: "set[int] | frozenset[int]") -> list[Mask]:
        """Return hosts given by the site's numbers as one mask for each block."""
        size = self.block_hosts
        return [
            t.packing.mask_of({h - i * size for h in hosts if i * size <= h < (i + 1) * size})
            for i, t in enumerate(self.timelines)
        ]

    def everything(self) -> list[Mask]:
        """Return all hosts, as one mask for each block."""
        return [t.packing.every_host for t in self.timelines]

    def check(self, reservations: Sequence[Reservation]) -> list[str]:
        """Verify from zero that these reservations are what the table holds, and that no host is over capacity.

        Returns what is wrong, a sentence each; nothing where all is well. O(reservations x log) additions.
        """
        wrong = []
        for number, timeline in enumerate(self.timelines):
            packing = timeline.packing
            differences: dict[Instant, int] = {}
            for start, end, held in reservations:
                for part in held:
                    if part.block == number and end > self.now:
                        at = max(start, self.now)
                        differences[at] = differences.get(at, 0) - part.packed
                        if end < FAR_FUTURE:
                            differences[end] = differences.get(end, 0) + part.packed
            state = packing.full
            for at in sorted({self.now, *differences, *timeline.instants()}):
                state += differences.get(at, 0)
                if not packing.sound(state):
                    wrong.append(f"at {at} a host of block {number} is above its capacity or below nothing")
                    break
                if state != timeline.state(at):
                    wrong.append(f"at {at} block {number} is not what its reservations add up to")
                    break
        return wrong

    def falls(self, start: Instant, end: Instant) -> list[tuple[Instant, int, int]]:
        """Return, in order of time, when capacity is taken between two instants: instant, block, state from then."""
        if start <= self.now:
            return self.claims(end)
        found = [
            (at, number, state)
            for number, timeline in enumerate(self.timelines)
            for at, state in timeline.walk(start, end)
            if at > start
        ]
        found.sort(key=lambda fall: fall[:2])
        return found

    def room_until(self, start: Instant, end: Instant, held: Sequence[Held]) -> Instant:
        """Return the first instant of ``[start, end)`` at which this cannot be held; ``end`` if it always can."""
        for part in held:
            end = self.timelines[part.block].room_until(start, end, part.packed)
        return end

    def has_room(self, states: Sequence[int], held: Sequence[Held]) -> bool:
        """Whether exactly this can be held where no more than ``states`` is free."""
        for part in held:
            guards = self.timelines[part.block].packing.guards
            if (states[part.block] - part.packed) & guards != guards:
                return False
        return True
