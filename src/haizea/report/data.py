"""What a report is made of, and the part of it that travels inside the page for its script to draw.

The embedded object is plain JSON; long columns are packed (see :mod:`haizea.report.pack`). Times count units of
``unit`` milliseconds from ``origin``. Groups refer to leases by position, stretches follow the order of their groups.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import gcd
from typing import Final, NamedTuple, SupportsFloat, cast

from haizea.model.units import FAR_FUTURE, Instant
from haizea.report import look
from haizea.report.pack import pack, pack_changes, zigzag
from haizea.report.pieces import Group, Pieces, Row
from haizea.report.series import Point, thin

COLUMNS: Final = (
    "id",
    "type",
    "state",
    "submitted",
    "started",
    "ended",
    "delivered_s",
    "price",
    "wait_s",
    "bounded_slowdown",
    "suspensions",
    "migrations",
    "nodes",
    "reason",
)
"""The columns of ``leases.csv``; a lease given as a tuple has them in this order."""

EMPTY_SPAN: Final = 3_600_000


class ReportData(NamedTuple):
    """What a report shows.

    ``leases`` are rows of ``leases.csv``, as mappings by column or tuples in order of :data:`COLUMNS`, with instants
    in milliseconds or None. ``reservations`` are ``(lease, kind, host, vms, start, end, outcome)``, the host by its
    position in ``hosts``. ``utilisation`` holds the steps ``(instant, permille used)``, ``queue`` the steps
    ``(instant, leases waiting)``. ``summary`` is what ``summary.json`` holds, ``config`` the effective settings.
    """

    title: str
    hosts: list[str]
    leases: Sequence[Mapping[str, object] | Sequence[object]]
    reservations: Iterable[Row]
    utilisation: list[Point]
    queue: list[Point]
    summary: Mapping[str, object]
    config: Mapping[str, object]


class LeaseRow(NamedTuple):
    """What the page shows of a lease. Instants in milliseconds, ``wait_s`` in seconds, None where there is none."""

    id: int
    type: str
    state: str
    submitted: Instant | None
    started: Instant | None
    ended: Instant | None
    wait_s: float | None
    bounded_slowdown: float | None
    nodes: int
    reason: str


def read_lease(row: Mapping[str, object] | Sequence[object]) -> LeaseRow:
    """Take a row of ``leases.csv``.

    Raises:
        ValueError: a number is not one, or the id is missing.
    """
    cells = row if isinstance(row, Mapping) else dict(zip(COLUMNS, row, strict=True))
    number = _number(cells, "id")
    if number is None:
        raise ValueError("a lease of the report has no id")
    return LeaseRow(
        id=int(number),
        type=str(cells.get("type") or look.OTHER),
        state=str(cells.get("state") or ""),
        submitted=_instant(cells, "submitted"),
        started=_instant(cells, "started"),
        ended=_instant(cells, "ended"),
        wait_s=_number(cells, "wait_s"),
        bounded_slowdown=_number(cells, "bounded_slowdown"),
        nodes=int(_number(cells, "nodes") or 0),
        reason=str(cells.get("reason") or ""),
    )


def _number(cells: Mapping[str, object], column: str) -> float | None:
    value = cells.get(column)
    if value is None or value == "":
        return None
    try:
        number = float(cast(SupportsFloat, value))
    except (TypeError, ValueError):
        raise ValueError(f"{column} of lease {cells.get('id')} must be a number, not {value!r}") from None
    if number - number != 0:
        raise ValueError(f"{column} of lease {cells.get('id')} must be finite, not {value!r}")
    return number


def _instant(cells: Mapping[str, object], column: str) -> Instant | None:
    value = cells.get(column)
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return value
    raise ValueError(f"{column} of lease {cells.get('id')} must be integer milliseconds, not {value!r}")


def embedded(data: ReportData, leases: Sequence[LeaseRow], pieces: Pieces) -> dict[str, object]:
    """Build what the page's script reads."""
    utilisation, queue = thin(data.utilisation), thin(data.queue)
    drawn = {group.lease for group in pieces.groups}
    shown = sorted({lease.id: lease for lease in leases if lease.id in drawn}.values())
    unknown = sorted(drawn - {lease.id for lease in shown})
    shown += [LeaseRow(number, look.OTHER, "", None, None, None, None, None, 0, "") for number in unknown]
    first, last = _extent(pieces.groups, utilisation, queue, leases)
    times = [at for group in pieces.groups for at in group[:2]] + [at for at, _ in utilisation + queue]
    times += [lease.submitted for lease in shown if lease.submitted is not None]
    unit = gcd(*(at - first for at in times), last - first) or 1
    return {
        "origin": first,
        "unit": unit,
        "end": (last - first) // unit,
        "hosts": data.hosts,
        "leases": _leases(shown, first, unit),
        **_groups(pieces.groups, {lease.id: i for i, lease in enumerate(shown)}, first, unit),
        "utilisation": _series(utilisation, first, unit),
        "queue": _series(queue, first, unit),
    }


def _extent(
    groups: Sequence[Group], utilisation: Sequence[Point], queue: Sequence[Point], leases: Sequence[LeaseRow]
) -> tuple[Instant, Instant]:
    firsts, lasts = [group.start for group in groups], [group.end for group in groups]
    for series in (utilisation, queue):
        firsts += [at for at, _ in series[:1]]
        lasts += [at for at, _ in series[-1:]]
    if not firsts:
        firsts = [lease.submitted for lease in leases if lease.submitted is not None]
        lasts = firsts
    first = min(firsts, default=0)
    last = max((at for at in lasts if at < FAR_FUTURE // 2), default=first)
    return first, last if last > first else first + EMPTY_SPAN


def _leases(shown: Sequence[LeaseRow], first: Instant, unit: int) -> dict[str, object]:
    types, states = _names(lease.type for lease in shown), _names(lease.state for lease in shown)
    submitted = [0 if lease.submitted is None else (lease.submitted - first) // unit for lease in shown]
    return {
        "types": list(types),
        "states": list(states),
        "id": pack_changes(lease.id for lease in shown),
        "type": pack(types[lease.type] for lease in shown),
        "state": pack(states[lease.state] for lease in shown),
        "nodes": pack(lease.nodes for lease in shown),
        "known": pack(int(lease.submitted is not None) for lease in shown),
        "submitted": pack_changes(submitted),
    }


def _groups(groups: Sequence[Group], position: Mapping[int, int], first: Instant, unit: int) -> dict[str, object]:
    kinds, outcomes = _names(group.kind for group in groups), _names(group.outcome for group in groups)
    stretches = [stretch for group in groups for stretch in group.stretches]
    texts = _names(stretch.vms for stretch in stretches if not stretch.per_host)
    gaps = []
    for group in groups:
        end = 0
        for stretch in group.stretches:
            gaps.append(stretch.host - end)
            end = stretch.host + stretch.hosts
    return {
        "kinds": list(kinds),
        "outcomes": list(outcomes),
        "texts": list(texts),
        "groups": {
            "start": pack_changes((group.start - first) // unit for group in groups),
            "length": pack((group.end - group.start) // unit for group in groups),
            "lease": pack_changes(position[group.lease] for group in groups),
            "what": pack(kinds[group.kind] * len(outcomes) + outcomes[group.outcome] for group in groups),
            "stretches": pack(len(group.stretches) for group in groups),
        },
        "stretches": {
            "gap": pack(zigzag(gap) for gap in gaps),
            "hosts": pack(stretch.hosts for stretch in stretches),
            "per_host": pack(stretch.per_host for stretch in stretches),
            "vm": pack(stretch.vm if stretch.per_host else texts[stretch.vms] for stretch in stretches),
        },
    }


def _series(points: Sequence[Point], first: Instant, unit: int) -> dict[str, object]:
    return {"at": pack_changes((at - first) // unit for at, _ in points), "value": pack_changes(v for _, v in points)}


def _names(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(names))}
