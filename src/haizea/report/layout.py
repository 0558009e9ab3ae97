"""How the leases that share a host share its row: each in slots of its own, as many as it has VMs there."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from haizea.model.units import Instant
from haizea.report.look import COPIES
from haizea.report.pieces import Row, parse_vms

SLOTS_MAX: Final = 12
"""A host with more VMs at once than this gives each lease one slot, however many VMs it has there."""


class Bar(NamedTuple):
    """A reservation drawn in the row of its host: ``slots`` slots from ``slot`` on. Copies have no slot."""

    lease: int
    kind: str
    vms: str
    start: Instant
    end: Instant
    outcome: str
    slot: int
    slots: int


class HostRow(NamedTuple):
    """The bars of one host by start, and how many slots its row has."""

    bars: list[Bar]
    slots: int


def rows(hosts: int, reservations: Iterable[Row]) -> list[HostRow]:
    """Lay out the rows of ``hosts`` hosts. A lease keeps its slot from one reservation to the next if it can.

    Raises:
        ValueError: a reservation names a host that is not there.
    """
    by_host: list[list[Row]] = [[] for _ in range(hosts)]
    for row in reservations:
        if not 0 <= row[2] < hosts:
            raise ValueError(f"a reservation of lease {row[0]} is on host {row[2]}, but there are {hosts} hosts")
        by_host[row[2]].append(row)
    return [_host_row(sorted(on_host, key=lambda r: (r[4], r[0], r[5], r[1]))) for on_host in by_host]


def _host_row(on_host: list[Row]) -> HostRow:
    laid_out = _stack(on_host, weighted=True)
    return laid_out if laid_out.slots <= SLOTS_MAX else _stack(on_host, weighted=False)


def _stack(on_host: list[Row], *, weighted: bool) -> HostRow:
    ends: list[Instant] = []
    last_slot: dict[int, int] = {}
    bars = []
    for lease, kind, _, vms, start, end, outcome in on_host:
        if kind in COPIES:
            bars.append(Bar(lease, kind, vms, start, end, outcome, 0, 0))
            continue
        slots = min(max(1, parse_vms(vms)[1] or vms.count(",") + 1), SLOTS_MAX + 1) if weighted else 1
        slot = _free_slot(ends, start, slots, last_slot.get(lease, 0))
        last_slot[lease] = slot
        ends += [start] * (slot + slots - len(ends))
        ends[slot : slot + slots] = [end] * slots
        bars.append(Bar(lease, kind, vms, start, end, outcome, slot, slots))
    return HostRow(bars, max(1, len(ends)))


def _free_slot(ends: list[Instant], start: Instant, slots: int, wanted: int) -> int:
    if all(end <= start for end in ends[wanted : wanted + slots]) and wanted < len(ends):
        return wanted
    for slot in range(len(ends)):
        if all(end <= start for end in ends[slot : slot + slots]):
            return slot
    return len(ends)
