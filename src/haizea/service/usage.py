"""Usage accounting: what ran between two instants, by user, group or lease, and by day, week or month.

What counts is the time in which VMs ran: rows that the store has of stays that are over, and what runs at this moment.
Everything is cut to the interval that is asked for and added up as integers; only the sums become hours. Work that was
lost, because a lease was broken off and had to start over, is in ``lost_core_hours`` and nowhere else.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from haizea.core.memory import terms_of
from haizea.model.units import DAY, HOUR, Instant
from haizea.runtime.rows import LeaseFilter, LeaseRow, UsageRow
from haizea.runtime.store import Store
from haizea.service import access
from haizea.service.errors import Invalid
from haizea.service.instants import PERIODS, iso, period_at, read_instant
from haizea.service.models import UsageLineOut, UsageOut
from haizea.service.principal import Principal
from haizea.service.quotas import cpu_of
from haizea.service.reads import leases, reading

Running = Callable[[LeaseRow, Instant], Iterable[UsageRow]]
"""What of a lease runs at an instant and is not in the store's usage yet: rows that end then, or before."""

KEYS: Final = ("user", "group", "lease")
LINES_MAX: Final = 100_000
"""The most lines that a report may have."""
INTERVAL_MAX: Final = 3_660 * DAY

_RAN: Final = ("running", "ending")
_CHUNK: Final = 7 * DAY
_CORE: Final = 100
_GIB: Final = 1_024


class _Sum(NamedTuple):
    """VMs, CPU and memory, each times milliseconds, and the CPU times milliseconds that was lost."""

    vms: int = 0
    cpu: int = 0
    memory: int = 0
    lost: int = 0

    def plus(self, row: UsageRow, start: Instant, end: Instant) -> "_Sum":
        """Add what a row has in an interval."""
        span = min(row.end, end) - max(row.start, start)
        if row.outcome == "lost":
            return self._replace(lost=self.lost + row.cpu * span)
        return _Sum(self.vms + row.vms * span, self.cpu + row.cpu * span, self.memory + row.memory * span, self.lost)


class Usage:
    """Reports of usage."""

    def __init__(self, store: Store, clock: Callable[[], Instant], running: Running | None = None) -> None:
        """Take the store, what tells the time, and what tells what is running (read from stored leases if None)."""
        self._store = store
        self._clock = clock
        self._running: Running = running_stays if running is None else running

    def report(
        self,
        who: Principal,
        *,
        start: str | None = None,
        end: str | None = None,
        by: str = "user",
        period: str | None = None,
        owner: str | None = None,
    ) -> UsageOut:
        """Return usage between two instants: by default since the month began, until now.

        Who may not see what others use gets their own. Lines are sorted by period, then by subject.

        Raises:
            Invalid: the interval is empty, too long, or cannot be read; or there is no such grouping.
            Forbidden: that owner's usage is not theirs to see.
        """
        if owner is None and not access.may(who, "usage.report"):
            owner = who.user
        access.check(who, "usage.report", owner=owner, what=f"user {owner!r}")
        if by not in KEYS:
            raise Invalid(f"by: expected {', '.join(KEYS)}, not {by[:64]!r}", field="by")
        if period is not None and period not in PERIODS:
            raise Invalid(f"period: expected {', '.join(PERIODS)}, not {period[:64]!r}", field="period")
        now = self._clock()
        first, last = _interval(start, end, now)
        sums: dict[tuple[str, str | int], _Sum] = {}
        counted: dict[tuple[str, str | int], set[int]] = {}
        for row in self._rows(first, last, now, owner):
            key: str | int = row.owner if by == "user" else row.group if by == "group" else row.lease
            for label, begin, until in _pieces(row, first, last, period):
                line = label, key
                sums[line] = sums.get(line, _NOTHING).plus(row, begin, until)
                counted.setdefault(line, set()).add(row.lease)
            if len(sums) > LINES_MAX:
                raise Invalid(
                    f"the report would have more than {LINES_MAX} lines: ask for a shorter interval", field="start"
                )
        items = [
            _line(label, key, sums[label, key], len(counted[label, key])) for label, key in sorted(sums, key=_place)
        ]
        return UsageOut(start=iso(first), end=iso(last), items=items)

    def _rows(self, start: Instant, end: Instant, now: Instant, owner: str | None) -> Iterator[UsageRow]:
        """Yield each row that overlaps the interval, piece by piece where it is long; of those running, the latest.

        What runs is read first: a stay that ends meanwhile is then in both, and is told by its lease and start.
        """
        running: dict[tuple[int, Instant], UsageRow] = {}
        if start < now:
            for lease in leases(self._store, LeaseFilter(owner=owner, active=True)):
                running |= {(row.lease, row.start): row for row in self._running(lease, now)}
        for begin in range(start, end, _CHUNK):
            until = min(begin + _CHUNK, end)
            with reading():
                rows = self._store.usage(begin, until, owner=owner)
            for row in rows:
                running.pop((row.lease, row.start), None)
                yield row._replace(start=max(row.start, begin), end=min(row.end, until))
        yield from (row for row in running.values() if row.start < end and row.end > start)


def running_stays(row: LeaseRow, now: Instant) -> Iterator[UsageRow]:
    """Yield what of a stored lease is running, as its document has it, until ``now``."""
    document = row.document
    stays: list[dict[str, Any]] = [stay for stay in document.get("stays", ()) if stay["phase"] in _RAN]
    if not stays:
        return
    terms = terms_of(document["terms"])
    for stay in stays:
        start, end = stay["run_start"], min(stay["run_end"], now)
        if start < end:
            yield UsageRow(
                row.id, -1, row.owner, row.group, row.type, row.vms, cpu_of(terms), terms.memory, start, end, "done"
            )


_NOTHING: Final = _Sum()


def _interval(start: str | None, end: str | None, now: Instant) -> tuple[Instant, Instant]:
    last = now if end is None else read_instant(end, now, "end")
    first = period_at(min(now, last), "month").start if start is None else read_instant(start, now, "start")
    if first > last:
        raise Invalid(f"start: {iso(first)} is after the end, {iso(last)}", field="start")
    if last - first > INTERVAL_MAX:
        raise Invalid("start: expected at most ten years before the end", field="start")
    return first, last


def _pieces(row: UsageRow, start: Instant, end: Instant, period: str | None) -> Iterator[tuple[str, Instant, Instant]]:
    """Yield the periods that a row is in, each with its name and its part of the interval."""
    start, end = max(start, row.start), min(end, row.end)
    if period is None:
        yield "", start, end
        return
    while start < end:
        found = period_at(start, period)
        yield found.label, start, min(end, found.end)
        start = found.end


def _place(line: tuple[str, str | int]) -> tuple[str, int, str]:
    label, key = line
    return (label, key, "") if isinstance(key, int) else (label, 0, key)


def _line(period: str, key: str | int, total: _Sum, count: int) -> UsageLineOut:
    return UsageLineOut(
        subject=str(key),
        period=period,
        leases=count,
        vm_hours=total.vms / HOUR,
        core_hours=total.cpu / (_CORE * HOUR),
        memory_gib_hours=total.memory / (_GIB * HOUR),
        lost_core_hours=total.lost / (_CORE * HOUR),
    )
