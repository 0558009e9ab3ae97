"""What a lease needs, prepared for the slot table it is planned in."""

from typing import NamedTuple

from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import MEMORY, Capacity
from haizea.model.units import Span, whole_seconds
from haizea.plan.options import Options
from haizea.plan.packing import Shape
from haizea.plan.slottable import SlotTable


class Need(NamedTuple):
    """The VMs of a lease, by node set.

    ``shapes[i]`` is the demand of node set ``i`` in every block, ``sequence`` the node sets in the order in which
    they are placed (largest first), ``key`` the amount of the key resource type of all VMs. ``suspend_vm`` and
    ``resume_vm`` are what suspending and resuming one VM of each node set takes, overhead included;
    ``suspend_time`` and ``resume_time`` bound from above what all VMs take wherever they are placed: one VM
    after the other.
    """

    counts: tuple[int, ...]
    shapes: tuple[tuple[Shape, ...], ...]
    sequence: tuple[int, ...]
    vms: int
    key: int
    demands: tuple[Capacity, ...]
    suspend_vm: tuple[Span, ...]
    resume_vm: tuple[Span, ...]
    suspend_time: Span
    resume_time: Span


class Needs:
    """Prepares the needs of leases; node sets that were seen before are looked up."""

    def __init__(self, table: SlotTable, options: Options) -> None:
        self._table = table
        self._options = options
        self._known: dict[tuple[NodeSet, ...], Need] = {}

    def of(self, terms: LeaseTerms) -> Need:
        """Return what a lease of these terms needs."""
        known = self._known.get(terms.nodes)
        if known is None:
            if len(self._known) > 100_000:
                self._known.clear()
            known = self._known[terms.nodes] = self._prepare(terms.nodes)
        return known

    def _prepare(self, nodes: tuple[NodeSet, ...]) -> Need:
        options = self._options
        merged: dict[Capacity, int] = {}
        for count, demand in nodes:
            merged[demand] = merged.get(demand, 0) + count
        demands, counts = tuple(merged), tuple(merged.values())
        largest = Capacity()
        for demand in demands:
            largest = Capacity({name: max(demand[name], largest[name]) for name in {*demand, *largest}})

        def size(i: int) -> int:
            return sum(demands[i][name] * 1_000_000 // amount for name, amount in largest.items())

        def operation(demand: Capacity, rate: int, fixed: Span | None) -> Span:
            time = fixed if fixed is not None else whole_seconds(demand[MEMORY], rate)
            return time + options.enactment_overhead

        suspend = tuple(operation(d, options.suspend_rate, options.suspend_time) for d in demands)
        resume = tuple(operation(d, options.resume_rate, options.resume_time) for d in demands)
        key = self._table.key
        return Need(
            counts,
            tuple(self._table.shapes(demand) for demand in demands),
            tuple(sorted(range(len(demands)), key=size, reverse=True)),
            sum(counts),
            sum(count * demand[key] for count, demand in zip(counts, demands, strict=True)),
            demands,
            suspend,
            resume,
            options.suspend_time or sum(n * t for n, t in zip(counts, suspend, strict=True)),
            options.resume_time or sum(n * t for n, t in zip(counts, resume, strict=True)),
        )


def transfer_time(size: int, bandwidth: int) -> Span:
    """How long ``size`` MiB take at ``bandwidth`` Mb/s, rounded up to a whole second."""
    return whole_seconds(size * 8, bandwidth)


