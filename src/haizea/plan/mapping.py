"""Which hosts the VMs of a lease go to.

A mapping starts from what every host has free throughout an interval and a host-selection order, and fills each
chosen host before it goes on to the next (but for SPREAD). Hosts that can take the same number of VMs are
handled together, so that the cost depends on how many VMs fit on one host, not on how many hosts there are.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from haizea.model.lease import NO_CONSTRAINTS, Constraints
from haizea.model.resources import Capacity
from haizea.plan.need import Need
from haizea.plan.packing import Mask, Packing, Shape
from haizea.plan.slottable import Held, Part, Placement, SlotTable
from haizea.policy.protocols import HostOrder

Scorer = Callable[[int, int], int]
"""Scores a host: the site's host number and how many VMs would fit there; higher is better."""


class Mapper:
    """Maps the VMs of leases to hosts of a slot table, in one host-selection order."""

    def __init__(self, table: SlotTable, order: HostOrder) -> None:
        self._table = table
        self.packings = table.packings
        self.order = order
        self._quick = order is HostOrder.MOST_FREE and len(self.packings) == 1

    def place(
        self,
        need: Need,
        states: Sequence[int],
        usable: Sequence[Mask],
        constraints: Constraints,
        scorer: Scorer | None = None,
    ) -> Placement | None:
        """Find hosts for all VMs, or return None.

        Args:
            need: the VMs.
            states: for each block, what is free throughout the interval.
            usable: for each block, the hosts that may be used.
            constraints: whether the VMs must be together or apart; labels are already in ``usable``.
            scorer: scores hosts; needed where the order is SCORED, comes before any other order where it is given.
        """
        if scorer is None and self._quick and len(need.counts) == 1 and constraints is NO_CONSTRAINTS:
            return self._one_block(need, states[0], usable[0])
        if constraints.together and need.vms > 1:
            if constraints.spread:
                return None
            return self._together(need, states, usable, scorer)
        if len(need.counts) == 1:
            most = 1 if constraints.spread else 0
            parts = self._fill(0, need.counts[0], need.shapes[0], states, usable, most, scorer)
            if parts is None:
                return None
            return Placement(tuple(parts), self._held(need, parts), self.packings)
        return self._place_sets(need, states, usable, constraints, scorer)

    def _one_block(self, need: Need, state: int, usable: Mask) -> Placement | None:
        """Place identical VMs on a site of one block, the hosts that can take most first.

        What :meth:`_most_free_first` does, for the case that most of a long simulation consists of.
        """
        packing, shape = self.packings[0], need.shapes[0][0]
        vector, count, packed = shape.vector, need.vms, 0
        parts: list[Part] = []
        for level in range(shape.per_host_max, 0, -1):
            mask = packing.hosts_with(state, shape.multiples[level], usable)
            if not mask:
                continue
            placed = mask.bit_count() * level
            if placed > count:
                whole, rest = count // level, count % level
                others = mask
                if whole:
                    mask = packing.lowest(mask, whole)
                    parts.append(Part(0, 0, level, mask))
                    packed += packing.held(mask, vector * level)
                    others ^= mask
                if rest:
                    last = others & -others
                    parts.append(Part(0, 0, rest, last))
                    packed += packing.held(last, vector * rest)
                return Placement(tuple(parts), (Held(0, packed, need.key),), self.packings)
            parts.append(Part(0, 0, level, mask))
            packed += packing.held(mask, vector * level)
            if placed == count:
                return Placement(tuple(parts), (Held(0, packed, need.key),), self.packings)
            count -= placed
            usable ^= mask
        return None

    def place_whole(self, need: Need, roomy: Iterable[Mask]) -> Placement | None:
        """Place identical VMs of which no host can take two.

        ``roomy`` gives, block by block, the hosts with room for one; no more blocks are asked for than are needed.
        """
        count, shapes = need.vms, need.shapes[0]
        parts: list[Part] = []
        held: list[Held] = []
        for block, mask in enumerate(roomy):
            hosts = mask.bit_count()
            if not hosts:
                continue
            packing, shape = self.packings[block], shapes[block]
            if hosts > count:
                mask, hosts = packing.lowest(mask, count), count
            parts.append(Part(block, 0, 1, mask))
            held.append(Held(block, packing.held(mask, shape.vector), hosts * shape.key))
            count -= hosts
            if not count:
                return Placement(tuple(parts), tuple(held), self.packings)
        return None

    def place_whole_later(self, need: Need, roomy: list[Mask], room_now: list[Mask]) -> Placement | None:
        """Place as :meth:`place_whole` does where there is room for all, on hosts without room now as far as can be."""
        count = need.vms
        chosen: list[Mask] = []
        for packing, mask, now in zip(self.packings, roomy, room_now, strict=True):
            preferred = packing.lowest(mask & ~now, min(count, (mask & ~now).bit_count()))
            count -= preferred.bit_count()
            chosen.append(preferred)
        for block, packing in enumerate(self.packings):
            if not count:
                break
            others = roomy[block] & ~chosen[block]
            others = packing.lowest(others, min(count, others.bit_count()))
            count -= others.bit_count()
            chosen[block] |= others
        return self.place_whole(need, chosen)

    def place_later(
        self,
        need: Need,
        states: Sequence[int],
        present: Sequence[int],
        usable: Sequence[Mask],
        constraints: Constraints,
    ) -> Placement | None:
        """Find hosts for VMs that are to start later, so that as few as possible of them have room now.

        Hosts with room now are worth more to those who could start now. Only identical VMs without constraints are
        treated so; for others this is :meth:`place`.
        """
        if len(need.counts) != 1 or constraints is not NO_CONSTRAINTS:
            return self.place(need, states, usable, constraints)
        shapes = need.shapes[0]
        if sum([packing.total(state) for packing, state in zip(self.packings, states, strict=True)]) < need.key:
            return None
        count, parts = need.vms, list[Part]()
        # For each block and number of VMs the hosts where no more fit, but for those that were taken.
        others: list[tuple[int, int, Mask]] = []
        free = list(usable)
        with_room = [
            packing.hosts_with(now, shape.multiples[1], hosts) if shape.per_host_max else 0
            for packing, shape, now, hosts in zip(self.packings, shapes, present, usable, strict=True)
        ]
        for level in range(max([shape.per_host_max for shape in shapes]), 0, -1):
            for block, packing in enumerate(self.packings):
                if not free[block] or level > shapes[block].per_host_max:
                    continue
                mask = packing.hosts_with(states[block], shapes[block].multiples[level], free[block])
                if mask:
                    free[block] ^= mask
                    at_once = mask & with_room[block]
                    if at_once:
                        others.append((level, block, at_once))
                        mask ^= at_once
                    if mask:
                        count = _take(parts, packing, Part(block, 0, level, mask), count)
                        if not count:
                            return Placement(tuple(parts), self._held(need, parts), self.packings)
        for level, block, mask in others:
            count = _take(parts, self.packings[block], Part(block, 0, level, mask), count)
            if not count:
                return Placement(tuple(parts), self._held(need, parts), self.packings)
        return None

    def _place_sets(
        self,
        need: Need,
        states: Sequence[int],
        usable: Sequence[Mask],
        constraints: Constraints,
        scorer: Scorer | None,
    ) -> Placement | None:
        """Place one node set after the other, the largest VMs first, each in what the ones before it left."""
        left, allowed, chosen = list(states), list(usable), []
        for i in need.sequence:
            parts = self._fill(i, need.counts[i], need.shapes[i], left, allowed, int(constraints.spread), scorer)
            if parts is None:
                return None
            for part in parts:
                block = part.block
                left[block] -= self.packings[block].held(part.mask, need.shapes[i][block].vector * part.per_host)
                if constraints.spread:
                    allowed[block] &= ~part.mask
            chosen += parts
        return Placement(tuple(chosen), self._held(need, chosen), self.packings)

    def _together(
        self, need: Need, states: Sequence[int], usable: Sequence[Mask], scorer: Scorer | None
    ) -> Placement | None:
        """Place all VMs on one host."""
        total = Capacity()
        for count, demand in zip(need.counts, need.demands, strict=True):
            total = total.plus(demand, count)
        found = self._fill(0, 1, self._table.shapes(total), states, usable, 1, scorer)
        if found is None:
            return None
        block, mask = found[0].block, found[0].mask
        parts = [Part(block, i, count, mask) for i, count in enumerate(need.counts)]
        return Placement(tuple(parts), self._held(need, parts), self.packings)

    def on_hosts(self, need: Need, hosts: Sequence[int], over: Collection[int] = ()) -> Placement:
        """Return the placement that has each VM, in order of VM numbers, on the host with this number of the site.

        VMs that are ``over``, given by their numbers from 1, hold nothing.
        """
        parts = self._parts(need, hosts, ())
        return Placement(
            tuple(parts), self._held(need, self._parts(need, hosts, over) if over else parts), self.packings
        )

    def _parts(self, need: Need, hosts: Sequence[int], over: Collection[int]) -> list[Part]:
        size = self._table.block_hosts
        parts: list[Part] = []
        first = 0
        for nodes, count in enumerate(need.counts):
            vms: dict[int, int] = {}
            for vm, host in enumerate(hosts[first : first + count], first + 1):
                if vm not in over:
                    vms[host] = vms.get(host, 0) + 1
            first += count
            alike: dict[tuple[int, int], list[int]] = {}
            for host, number in sorted(vms.items()):
                alike.setdefault((host // size, number), []).append(host % size)
            for (block, number), members in alike.items():
                parts.append(Part(block, nodes, number, self.packings[block].mask_of(members)))
        return parts

    def _held(self, need: Need, parts: Iterable[Part]) -> tuple[Held, ...]:
        packed: dict[int, int] = {}
        amounts: dict[int, int] = {}
        for part in parts:
            block, shape = part.block, need.shapes[part.nodes][part.block]
            held = self.packings[block].held(part.mask, shape.vector * part.per_host)
            packed[block] = packed.get(block, 0) + held
            amounts[block] = amounts.get(block, 0) + part.mask.bit_count() * part.per_host * shape.key
        return tuple([Held(block, held, amounts[block]) for block, held in packed.items()])

    def _fill(
        self,
        nodes: int,
        count: int,
        shapes: tuple[Shape, ...],
        states: Sequence[int],
        usable: Sequence[Mask],
        most: int,
        scorer: Scorer | None,
    ) -> list[Part] | None:
        """Place ``count`` identical VMs, at most ``most`` on a host (0: as many as fit)."""
        deepest = max([shape.per_host_max for shape in shapes])
        if most:
            deepest = min(deepest, most)
        if not deepest:
            return None
        order = HostOrder.SCORED if scorer is not None else self.order
        if order is HostOrder.MOST_FREE or (deepest == 1 and order is not HostOrder.SCORED):
            return self._most_free_first(nodes, count, shapes, states, usable, deepest)
        levels = [
            _levels(packing, state, shape, hosts, deepest)
            for packing, state, shape, hosts in zip(self.packings, states, shapes, usable, strict=True)
        ]
        if sum(level.bit_count() for masks in levels for level in masks[1:]) < count:
            return None
        if order is HostOrder.LEAST_FREE:
            return self._least_free_first(nodes, count, levels, deepest)
        if order is HostOrder.SPREAD:
            return self._spread(nodes, count, levels, deepest)
        return self._one_by_one(nodes, count, levels, scorer if order is HostOrder.SCORED else None)

    def _most_free_first(
        self,
        nodes: int,
        count: int,
        shapes: tuple[Shape, ...],
        states: Sequence[int],
        usable: Sequence[Mask],
        deepest: int,
    ) -> list[Part] | None:
        parts: list[Part] = []
        free = list(usable)
        for level in range(deepest, 0, -1):
            for block, packing in enumerate(self.packings):
                shape = shapes[block]
                if level > shape.per_host_max:
                    continue
                mask = packing.hosts_with(states[block], shape.multiples[level], free[block])
                if not mask:
                    continue
                count = _take(parts, packing, Part(block, nodes, level, mask), count)
                if not count:
                    return parts
                free[block] ^= mask
        return None

    def _least_free_first(self, nodes: int, count: int, levels: list[list[Mask]], deepest: int) -> list[Part]:
        parts: list[Part] = []
        for level in range(1, deepest + 1):
            for block, masks in enumerate(levels):
                exact = masks[level] & ~masks[level + 1]
                if exact:
                    count = _take(parts, self.packings[block], Part(block, nodes, level, exact), count)
                    if not count:
                        return parts
        return parts

    def _spread(self, nodes: int, count: int, levels: list[list[Mask]], deepest: int) -> list[Part]:
        """Give one VM to every host that can take one, then a second to those that can, and so on."""
        depth = 0
        while count > (here := sum(masks[depth + 1].bit_count() for masks in levels)):
            count -= here
            depth += 1
        parts: list[Part] = []
        extra = [0] * len(levels)
        for level in range(deepest, depth, -1):
            for block, masks in enumerate(levels):
                exact = masks[level] & ~masks[level + 1]
                chosen = self.packings[block].lowest(exact, min(count, exact.bit_count())) if count else 0
                extra[block] |= chosen
                count -= chosen.bit_count()
        for block, masks in enumerate(levels):
            if extra[block]:
                parts.append(Part(block, nodes, depth + 1, extra[block]))
            for level in range(1, depth + 1):
                reach = masks[level] & ~masks[level + 1] if level < depth else masks[level]
                rest = reach & ~extra[block]
                if rest:
                    parts.append(Part(block, nodes, level, rest))
        return parts

    def _one_by_one(self, nodes: int, count: int, levels: list[list[Mask]], scorer: Scorer | None) -> list[Part]:
        """Fill host after host, by score where there is one, else by number."""
        rooms: list[tuple[int, int, int, int]] = []
        found = 0
        for block, masks in enumerate(levels):
            for number in self.packings[block].members(masks[1]):
                bit = self.packings[block].mask_of([number])
                room = sum(1 for mask in masks[1:] if mask & bit)
                host = self._table.host(block, number)
                rooms.append((-scorer(host, room) if scorer else 0, host, block, room))
                found += room
                if scorer is None and found >= count:
                    break
        rooms.sort()
        parts: list[Part] = []
        for _score, host, block, room in rooms:
            if not count:
                break
            here = min(room, count)
            mask = self.packings[block].mask_of([host - block * self._table.block_hosts])
            last = parts[-1] if parts else None
            if last and last.block == block and last.per_host == here and scorer is None:
                parts[-1] = Part(block, nodes, here, last.mask | mask)
            else:
                parts.append(Part(block, nodes, here, mask))
            count -= here
        return parts


def _take(parts: list[Part], packing: Packing, offer: Part, count: int) -> int:
    """Use hosts of an offer until ``count`` VMs are placed; return how many are left."""
    level, mask = offer.per_host, offer.mask
    hosts = mask.bit_count()
    if hosts * level <= count:
        parts.append(offer)
        return count - hosts * level
    whole, rest = count // level, count % level
    chosen = packing.lowest(mask, whole) if whole else 0
    if chosen:
        parts.append(Part(offer.block, offer.nodes, level, chosen))
    if rest:
        others = mask ^ chosen
        parts.append(Part(offer.block, offer.nodes, rest, others & -others))
    return 0


def _levels(packing: Packing, state: int, shape: Shape, usable: Mask, deepest: int) -> list[Mask]:
    """Return for each number of VMs the usable hosts where at least so many fit; one empty mask beyond."""
    levels = [usable]
    for level in range(1, deepest + 1):
        fitting = level <= shape.per_host_max and levels[-1]
        levels.append(packing.hosts_with(state, shape.multiples[level], levels[-1]) if fitting else 0)
    levels.append(0)
    return levels


def room(packings: Sequence[Packing], shapes: Sequence[Shape], states: Sequence[int], usable: Sequence[Mask]) -> int:
    """Count the VMs of one kind that fit in the states, over all usable hosts."""
    total = 0
    for packing, shape, state, hosts in zip(packings, shapes, states, usable, strict=True):
        for level in range(1, shape.per_host_max + 1):
            fitting = packing.fits(state, shape.multiples[level]) & hosts
            if not fitting:
                break
            total += fitting.bit_count()
    return total
