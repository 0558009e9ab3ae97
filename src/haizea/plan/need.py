"""What a lease needs, prepared for the slot table it is planned in."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import MEMORY, Capacity
from haizea.model.units import Span, whole_seconds
from haizea.plan.options import Options
from haizea.plan.slottable import SlotTable

if TYPE_CHECKING:
    from fractions import Fraction


class Need:
    """The VMs of a lease, by node set. Leases with the same node sets share one object.

    ``shapes[i]`` is the demand of node set ``i`` in every block, ``sequence`` the node sets in the order in which
    they are placed (largest first), ``key`` the amount of the key resource type of all VMs. ``suspend_vm`` and
    ``resume_vm`` are what suspending and resuming one VM of each node set takes, overhead included;
    ``suspend_time`` and ``resume_time`` are what all VMs are reckoned to take: one VM after the other, or what the
    site says instead. ``resume_bound`` bounds from above what resuming takes wherever they are placed.
    """

    __slots__ = (
        "counts",
        "demands",
        "key",
        "resume_bound",
        "resume_time",
        "resume_vm",
        "sequence",
        "shapes",
        "suspend_time",
        "suspend_vm",
        "vms",
        "whole",
    )

    def __init__(self, table: SlotTable, options: Options, nodes: tuple[NodeSet, ...]) -> None:
        merged: dict[Capacity, int] = {}
        for count, demand in nodes:
            merged[demand] = merged.get(demand, 0) + count
        demands, counts = tuple(merged), tuple(merged.values())
        largest = Capacity()
        for demand in demands:
            largest = Capacity({name: max(demand[name], largest[name]) for name in {*demand, *largest}})

        def size(i: int) -> int:
            return sum(demands[i][name] * 1_000_000 // amount for name, amount in largest.items())

        self.counts = counts
        self.demands = demands
        self.vms = sum(counts)
        self.key = sum(count * demand[table.key] for count, demand in zip(counts, demands, strict=True))
        self.shapes = tuple(table.shapes(demand) for demand in demands)
        self.whole = len(self.shapes) == 1 and max(shape.per_host_max for shape in self.shapes[0]) == 1
        self.sequence = tuple(sorted(range(len(demands)), key=size, reverse=True))
        self.reckon(options)

    def reckon(self, options: Options) -> None:
        """Work out how long suspending and resuming takes."""
        demands, counts = self.demands, self.counts

        def operation(demand: Capacity, rate: "int | Fraction", fixed: Span | None) -> Span:
            time = fixed if fixed is not None else whole_seconds(demand[MEMORY], rate)
            return time + options.enactment_overhead

        def together(per_vm: tuple[Span, ...], fixed: Span | None) -> Span:
            return fixed if fixed is not None else sum(n * t for n, t in zip(counts, per_vm, strict=True))

        self.suspend_vm = tuple(operation(d, options.suspend_rate, options.suspend_time) for d in demands)
        self.resume_vm = tuple(operation(d, options.resume_rate, options.resume_time) for d in demands)
        self.suspend_time = together(self.suspend_vm, options.suspend_time)
        self.resume_time = together(self.resume_vm, options.resume_time)
        self.resume_bound = together(self.resume_vm, None)


Suit = Callable[[list[Capacity], "Needs"], None]
"""Told of demands that were not seen before: sees to it that the slot table can hold them."""


def demands_of(need: Need) -> list[Capacity]:
    """Return the demand of every VM, in order of VM numbers."""
    return [demand for count, demand in zip(need.counts, need.demands, strict=True) for _ in range(count)]


class Needs:
    """Prepares the needs of leases; node sets that were seen before are looked up."""

    _KNOWN_MAX = 100_000

    def __init__(self, table: SlotTable, options: Options, suit: Suit | None = None) -> None:
        self._table = table
        self._options = options
        self._suit = suit
        self._known: dict[tuple[NodeSet, ...], Need] = {}
        # Readers share equal node sets, so that most are found by identity, without comparing them.
        self._seen: dict[int, tuple[tuple[NodeSet, ...], Need]] = {}

    def of(self, terms: LeaseTerms) -> Need:
        """Return what a lease of these terms needs."""
        nodes = terms.nodes
        seen = self._seen.get(id(nodes))
        if seen is not None and seen[0] is nodes:
            return seen[1]
        need = self._known.get(nodes)
        if len(self._seen) >= self._KNOWN_MAX:
            self._seen.clear()
        if len(self._known) >= self._KNOWN_MAX:
            self._known.clear()
        if need is None:
            if self._suit is not None:
                self._suit([n.demand for n in nodes], self)
            need = self._known[nodes] = Need(self._table, self._options, nodes)
        self._seen[id(nodes)] = (nodes, need)
        return need

    def set_options(self, options: Options, others: Iterable[Need]) -> None:
        """Plan all needs by other rules, those too that may have been forgotten here."""
        self._options = options
        for need in {*self._known.values(), *others}:
            need.reckon(options)

    def renew(self, others: Iterable[Need]) -> None:
        """Prepare the demands of all needs anew, and those of some that may have been forgotten here."""
        for need in {*self._known.values(), *others}:
            need.shapes = tuple([self._table.shapes(demand) for demand in need.demands])


def transfer_time(size: int, bandwidth: int) -> Span:
    """How long ``size`` MiB take at ``bandwidth`` Mb/s, rounded up to a whole second."""
    return whole_seconds(size * 8, bandwidth)
