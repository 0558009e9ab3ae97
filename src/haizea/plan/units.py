"""In which units amounts are counted in the slot table: as coarse as the demands allow.

All VMs of a workload often ask for multiples of the same amounts, 1024 MiB for instance. Where the slot table counts
in those, its integers are a fraction as long, and every step of the planner is faster; nothing else changes, for
multiples of a unit fit wherever their quotients do. When a demand comes that is no multiple, everything the table
knows is written anew in a finer unit. That is rare: a unit can only become smaller, at least by half.
"""

from collections.abc import Callable, Collection, Iterable
from math import gcd

from haizea.model.resources import Capacity
from haizea.plan.hosts import Hosts
from haizea.plan.lease import Lease
from haizea.plan.mapping import Mapper
from haizea.plan.need import Needs
from haizea.plan.packing import Mask, Packing
from haizea.plan.slottable import Placement, SlotTable


class Rewriting:
    """Writes what is in the layout of one packing in that of another, which has the same hosts and finer units."""

    def __init__(self, old: Packing, new: Packing) -> None:
        self._old = old
        self._new = new
        fields = len(old.hosts) * len(old.types)
        # Fields move apart in halves, then in quarters, and so on: which of them stay, which move, and how far.
        self._steps: list[tuple[int, int, int]] = []
        half = 1 << (max(1, fields - 1).bit_length() - 1)
        while half and new.width != old.width:
            low = high = 0
            for first in range(0, fields, 2 * half):
                block = ((1 << (half * old.width)) - 1) << (first * new.width)
                low |= block
                high |= block << (half * old.width)
            self._steps.append((low, high, half * (new.width - old.width)))
            half >>= 1
        ones = new.every_host >> (new.width - 1)
        value = (1 << (new.width - 1)) - 1
        ratios = [before // after if after else 1 for before, after in zip(old.units, new.units, strict=True)]
        self._types = [(ones * (value << (j * new.width)), max(1, ratio)) for j, ratio in enumerate(ratios)]
        self._same = all(ratio <= 1 for ratio in ratios)

    def _spread(self, fields: int) -> int:
        for low, high, shift in self._steps:
            fields = (fields & low) | ((fields & high) << shift)
        return fields

    def held(self, packed: int) -> int:
        """Return amounts that are held, none of them below 0, in the new layout."""
        fields = self._spread(packed)
        if self._same:
            return fields
        return sum([(fields & mask) * ratio for mask, ratio in self._types])

    def state(self, state: int) -> int:
        """Return what is free in the new layout. The fields of a state may hold more there: what was cut off."""
        return self._new.full - self.held(self._old.full - state)

    def mask(self, mask: Mask) -> Mask:
        """Return a set of hosts in the new layout."""
        return self._spread(mask >> (self._old.width - 1)) << (self._new.width - 1)


Others = Callable[[], Iterable[Placement]]
"""Returns what is held in a slot table beside the stays of leases."""


class Units:
    """Keeps the units of a slot table such that every demand is a multiple of them."""

    def __init__(
        self, table: SlotTable, hosts: Hosts, mapper: Mapper, leases: dict[int, Lease], others: Others
    ) -> None:
        """Take the table, all that looks at its layout, the leases with stays in it by their numbers, and others."""
        self._table = table
        self._hosts = hosts
        self._mapper = mapper
        self._leases = leases
        self._others = others

    def suit(self, demands: Collection[Capacity], needs: Needs) -> None:
        """See to it that demands are multiples of the units, but for those that no host is large enough for."""
        table = self._table
        possible = [d for d in demands if any(d.fits_in(capacity) for capacity in table.capacities)]
        units = tuple(
            gcd(unit, *[demand[name] for demand in possible])
            for name, unit in zip(table.site.resource_types, table.units, strict=True)
        )
        if units == table.units:
            return
        old = table.packings
        rewritings = [Rewriting(*pair) for pair in zip(old, table.refine(units), strict=True)]
        for timeline, rewriting, packing in zip(table.timelines, rewritings, table.packings, strict=True):
            timeline.rewrite(packing, rewriting.state)
        self._hosts.forget()
        self._mapper.packings = table.packings
        needs.renew(lease.need for lease in self._leases.values())
        for lease in self._leases.values():
            # Those of stays that are over hold nothing any more, and know in which layout they are written.
            placements = [stay.placement for stay in lease.stays]
            for placement in placements if lease.rested is None else [*placements, lease.rested]:
                if placement.packings is old:
                    self._rewrite(placement, rewritings)
        for placement in self._others():
            self._rewrite(placement, rewritings)

    def _rewrite(self, placement: Placement, rewritings: list[Rewriting]) -> None:
        placement.packings = self._table.packings
        for part in placement.parts:
            part.mask = rewritings[part.block].mask(part.mask)
        for held in placement.held:
            held.packed = rewritings[held.block].held(held.packed)
