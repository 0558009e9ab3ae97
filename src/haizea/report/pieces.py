"""A schedule's reservations, merged for drawing.

Reservations of one lease, kind, outcome and time form a *group*; its neighbouring hosts, as long as the numbers of
the VMs go on evenly, form one *stretch*. A parallel lease on 100 hosts is then one group of one stretch.

Above :data:`STRETCHES_MAX` or :data:`ROWS_MAX` the shortest groups are left out, and how many is told.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from haizea.model.units import FAR_FUTURE, Instant, Span

Row = tuple[int, str, int, str, Instant, Instant, str]
"""A reservation: lease, kind, host, VMs as ``1-8,12``, start, end, outcome."""

STRETCHES_MAX: Final = 400_000
"""Beyond this many stretches the shortest groups are not drawn: a page of some 7 MB."""

ROWS_MAX: Final = 2_000_000
"""Beyond this many rows (stretches counted host by host) likewise: what a browser draws without waiting."""

WAITING_MAX: Final = 500_000
"""So many rows are held before they are merged, whatever their number."""


class Stretch(NamedTuple):
    """``hosts`` neighbouring hosts from ``host`` on.

    With ``per_host`` > 0 the first holds the VMs from ``vm`` on, ``per_host`` of them, the next host the next ones;
    otherwise ``vms`` says which VMs each holds.
    """

    host: int
    hosts: int
    vm: int
    per_host: int
    vms: str


class Group(NamedTuple):
    """What one lease did at one time: ``[start, end)``."""

    start: Instant
    end: Instant
    lease: int
    kind: str
    outcome: str
    stretches: tuple[Stretch, ...]

    @property
    def rows(self) -> int:
        """How many reservations this stands for."""
        return sum(stretch.hosts for stretch in self.stretches)


class Pieces(NamedTuple):
    """The groups to draw, by start; how many reservations there were, how many are left out and how long those are."""

    groups: list[Group]
    rows: int
    left_out: int = 0
    left_out_longest: Span = 0


def parse_vms(vms: str) -> tuple[int, int]:
    """Return the first number and the count of ``4`` or ``1-8``; ``(0, 0)`` for anything that is not one range."""
    first, dash, last = vms.partition("-")
    if not (vms.isascii() and first.isdigit() and len(vms) < 20):
        return 0, 0
    if not dash:
        return int(first), 1
    if not last.isdigit() or int(last) < int(first):
        return 0, 0
    return int(first), int(last) - int(first) + 1


def merge(
    reservations: Iterable[Row],
    hosts: int,
    *,
    stretches_max: int = STRETCHES_MAX,
    rows_max: int = ROWS_MAX,
) -> Pieces:
    """Merge reservations on ``hosts`` hosts, keeping to the limits whatever comes.

    Raises:
        ValueError: a reservation ends before it starts or names a host that is not there.
    """
    kept: list[Group] = []
    total = left_out = longest = 0
    waiting: dict[tuple[Instant, Instant, int, str, str], list[tuple[int, str]]] = {}
    waiting_rows = 0
    for lease, kind, host, vms, start, end, outcome in reservations:
        if end < start:
            raise ValueError(f"a reservation of lease {lease} ends ({end}) before it starts ({start})")
        if not 0 <= host < hosts:
            raise ValueError(f"a reservation of lease {lease} is on host {host}, but there are {hosts} hosts")
        waiting.setdefault((start, end, lease, kind, outcome), []).append((host, vms))
        total += 1
        waiting_rows += 1
        if waiting_rows >= min(WAITING_MAX, rows_max):
            kept, dropped, span = _thin(kept + _groups(waiting), stretches_max, rows_max)
            left_out, longest = left_out + dropped, max(longest, span)
            waiting, waiting_rows = {}, 0
    kept, dropped, span = _thin(kept + _groups(waiting), stretches_max, rows_max)
    kept.sort(key=lambda group: group[:5])
    return Pieces(_closed(kept), total, left_out + dropped, max(longest, span))


def _groups(waiting: dict[tuple[Instant, Instant, int, str, str], list[tuple[int, str]]]) -> list[Group]:
    ranges: dict[str, tuple[int, int]] = {}
    groups = []
    for (start, end, lease, kind, outcome), places in waiting.items():
        places.sort()
        groups.append(Group(start, end, lease, kind, outcome, _stretches(places, ranges)))
    return groups


def _stretches(places: list[tuple[int, str]], ranges: dict[str, tuple[int, int]]) -> tuple[Stretch, ...]:
    found = []
    host, count, vm, per_host, text = -1, 0, 0, 0, ""
    for next_host, vms in places:
        parsed = ranges.get(vms)
        if parsed is None:
            parsed = ranges[vms] = parse_vms(vms)
        first, several = parsed
        if count and next_host == host + count and per_host == several:
            if several and first == vm + count * several:
                count += 1
                continue
            if not several and vms == text:
                count += 1
                continue
        if count:
            found.append(Stretch(host, count, vm, per_host, text))
        host, count, vm, per_host, text = next_host, 1, first, several, "" if several else vms
    found.append(Stretch(host, count, vm, per_host, text))
    return tuple(found)


def _thin(groups: list[Group], stretches_max: int, rows_max: int) -> tuple[list[Group], int, Span]:
    stretches, rows = sum(len(group.stretches) for group in groups), sum(group.rows for group in groups)
    if stretches <= stretches_max and rows <= rows_max:
        return groups, 0, 0
    groups.sort(key=lambda group: (group.end - group.start, group[:5]))
    dropped, longest, first_kept = 0, 0, 0
    for group in groups:
        if stretches <= stretches_max and rows <= rows_max:
            break
        group_rows = group.rows
        stretches, rows, dropped = stretches - len(group.stretches), rows - group_rows, dropped + group_rows
        longest, first_kept = group.end - group.start, first_kept + 1
    return groups[first_kept:], dropped, longest


def _closed(groups: list[Group]) -> list[Group]:
    """End what has no end with everything else, so that it does not stretch the axis of time."""
    open_ended = FAR_FUTURE // 2
    if all(group.end < open_ended for group in groups):
        return groups
    finite = [at for group in groups for at in (group.start, group.end) if at < open_ended]
    horizon = max(finite, default=0)
    return [
        group if group.end < open_ended else group._replace(end=max(horizon, group.start + 1))
        for group in groups
        if group.start < open_ended
    ]
