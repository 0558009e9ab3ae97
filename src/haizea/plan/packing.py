"""Capacities of many hosts in one integer.

A block of hosts is described by one Python integer: every host has a field for each resource type, every field
ends in a *guard* bit that is set in every state. Fields never borrow from their neighbours while a schedule is
sound, so that adding and subtracting what a lease holds on any number of hosts is one addition, and asking
which hosts have room for a VM is one subtraction: the guard bit of a field survives where the field was large
enough. This is SIMD within a register (Lamport, "Multiple byte processing with full-word instructions", CACM
18(8), 1975) with registers as long as the site.
"""

from haizea.model.resources import Capacity
from haizea.model.site import Host

Mask = int
"""A set of hosts of one block: the lowest guard bit of every member is set."""


class Shape:
    """What one VM needs, prepared for one :class:`Packing`.

    ``vector`` is the demand of one VM on one host, ``multiples[k]`` the demand of ``k`` VMs on every host of the
    block, ``per_host_max`` how many fit on the roomiest empty host (0: on none), ``key`` the demand for the
    packing's key resource.
    """

    __slots__ = ("demand", "key", "multiples", "per_host_max", "vector")

    def __init__(self, demand: Capacity, vector: int, multiples: tuple[int, ...], key: int) -> None:
        self.demand = demand
        self.vector = vector
        self.multiples = multiples
        self.per_host_max = len(multiples) - 1
        self.key = key


class Packing:
    """How the hosts of one block are laid out in an integer.

    Host ``i`` of the block occupies the bits from ``i * stride``; within them resource type ``j`` the ``width``
    bits from ``j * width``, of which the highest is the guard.
    """

    __slots__ = (
        "_below",
        "_firsts",
        "_folds",
        "_modulus",
        "_ones",
        "_shapes",
        "_shift",
        "_strides",
        "every_host",
        "full",
        "guards",
        "hosts",
        "stride",
        "types",
        "units",
        "width",
    )

    def __init__(self, hosts: tuple[Host, ...], types: tuple[str, ...], units: tuple[int, ...] = ()) -> None:
        """Lay out hosts.

        Args:
            hosts: the hosts of the block.
            types: their resource types.
            units: what amounts of each type are counted in: all demands are multiples of it. 0 where there is no
                demand; 1 each if left out.
        """
        self.hosts = hosts
        self.types = types
        self.units = units or (1,) * len(types)
        rooms = [self._room(host.capacity) for host in hosts]
        self.width = max([1, *(max(room) for room in rooms)]).bit_length() + 1
        self.stride = self.width * len(types)
        ones = 0
        for i in range(len(hosts)):
            ones |= 1 << (i * self.stride)
        self._ones = ones
        self.every_host: Mask = ones << (self.width - 1)
        guard = sum(1 << (j * self.width + self.width - 1) for j in range(len(types)))
        self.guards = ones * guard
        self._shift = self.width - 1
        self._below = [(1 << (i * self.stride)) - 1 for i in range(len(hosts) + 1)]
        self._strides = tuple(j * self.width for j in range(1, len(types)))
        full = self.guards
        for i, room in enumerate(rooms):
            full |= sum([amount << (i * self.stride + j * self.width) for j, amount in enumerate(room)])
        self.full = full
        self._firsts = ones * ((1 << self._shift) - 1)
        self._folds: list[tuple[int, int]] = []
        base, total = self.stride, sum([room[0] for room in rooms])
        while (1 << base) - 1 <= total:
            mask = sum([((1 << base) - 1) << i for i in range(0, len(hosts) * self.stride, 2 * base)])
            self._folds.append((base, mask))
            base *= 2
        self._modulus = (1 << base) - 1
        self._shapes: dict[Capacity, Shape] = {}

    def _room(self, capacity: Capacity) -> list[int]:
        """Return a capacity in units; what is less than a unit is of no use to anybody."""
        return [capacity[name] // unit if unit else 0 for name, unit in zip(self.types, self.units, strict=True)]

    def vector(self, amounts: Capacity) -> int:
        """Return the bits of one host that has these amounts, which must be multiples of the units and fit."""
        vector = 0
        for j, (name, unit) in enumerate(zip(self.types, self.units, strict=True)):
            amount = amounts[name]
            if amount:
                vector |= amount // unit << (j * self.width)
        return vector

    def shape(self, demand: Capacity) -> Shape:
        """Prepare a demand; the same demand gives the same object."""
        known = self._shapes.get(demand)
        if known is None:
            known = self._shapes[demand] = self._prepare(demand)
        return known

    def _prepare(self, demand: Capacity) -> Shape:
        if not len(demand) or any(name not in self.types for name in demand):
            return Shape(demand, 0, (0,), 0)
        most = 0
        for capacity in {host.capacity for host in self.hosts}:
            most = max(most, min(capacity[name] // amount for name, amount in demand.items()))
        if not most:
            return Shape(demand, 0, (0,), 0)
        vector = self.vector(demand)
        multiples = tuple(self._ones * (vector * k) for k in range(most + 1))
        return Shape(demand, vector, multiples, demand[self.types[0]])

    def fits(self, state: int, needed: int) -> Mask:
        """Return the hosts whose free amounts in ``state`` cover those in ``needed``, for every type."""
        return self.guarded(state - needed)

    def total(self, state: int) -> int:
        """Return how much of the first resource type all hosts have free in a state, in whole units."""
        fields = state & self._firsts
        for shift, mask in self._folds:
            fields = (fields & mask) + ((fields >> shift) & mask)
        # The sum of the digits of a number is what is left of it modulo its base less one, where that is larger.
        return fields % self._modulus * self.units[0]

    def hosts_with(self, state: int, needed: int, among: Mask) -> Mask:
        """Return those of some hosts whose free amounts in ``state`` cover those in ``needed``, for every type."""
        left = state - needed
        mask = left & among
        for shift in self._strides:
            if not mask:
                break
            mask &= left >> shift
        return mask

    def guarded(self, left: int) -> Mask:
        """Return the hosts of which every guard bit is set."""
        mask = left & self.every_host
        for shift in self._strides:
            mask &= left >> shift
        return mask

    def held(self, mask: Mask, vector: int) -> int:
        """Return the state difference that ``vector`` makes when it is held on every host of the mask."""
        return (mask >> self._shift) * vector

    def minimum(self, a: int, b: int) -> int:
        """Return the state that has in every field the smaller amount of the two."""
        guards = self.guards
        larger = (a - (b ^ guards)) & guards
        if larger == guards:
            return b
        return a ^ ((a ^ b) & (larger - (larger >> self._shift)))

    def sound(self, state: int) -> bool:
        """Whether no field of a state went below zero or above its host's capacity."""
        guards = self.guards
        return state >= 0 and state & guards == guards and ((self.full | guards) - (state & ~guards)) & guards == guards

    def members(self, mask: Mask) -> list[int]:
        """Return the hosts of a mask in ascending order, as numbers within the block."""
        found = []
        stride = self.stride
        while mask:
            low = mask & -mask
            found.append((low.bit_length() - 1) // stride)
            mask ^= low
        return found

    def mask_of(self, hosts: "list[int] | range | set[int]") -> Mask:
        """Return the mask of hosts given by their numbers within the block."""
        stride = self.stride
        mask = 0
        for i in hosts:
            mask |= 1 << (i * stride)
        return mask << (self.width - 1)

    def free(self, state: int, host: int) -> Capacity:
        """Return what a host has free in a state."""
        taken = (self.full - state) >> (host * self.stride)
        value, capacity = (1 << self.width) - 1, self.hosts[host].capacity
        return Capacity(
            [
                (name, capacity[name] - ((taken >> (j * self.width)) & value) * unit)
                for j, (name, unit) in enumerate(zip(self.types, self.units, strict=True))
            ]
        )

    def lowest(self, mask: Mask, count: int) -> Mask:
        """Return the ``count`` lowest hosts of a mask that has at least so many."""
        surplus = mask.bit_count() - count
        if surplus <= 2:
            for _ in range(surplus):
                mask ^= 1 << (mask.bit_length() - 1)
            return mask
        if count <= 2:
            chosen = 0
            for _ in range(count):
                low = mask & -mask
                chosen |= low
                mask ^= low
            return chosen
        # Halve what is looked at, counting members, until one host is left: the last that is wanted.
        below, rest, first, size = self._below, mask, 0, len(self.hosts)
        while size > 1:
            half = size >> 1
            low = rest & below[half]
            found = low.bit_count()
            if found >= count:
                rest, size = low, half
            else:
                count -= found
                rest >>= half * self.stride
                first += half
                size -= half
        return mask & below[first + 1]
