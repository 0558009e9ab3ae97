"""What came of a run: a row for every lease, a row for every operation, and figures."""

from collections.abc import Iterator
from typing import NamedTuple

from haizea.core.desk import Retired
from haizea.core.reasons import instant, waited
from haizea.core.reasons import wanted as asked_for
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.units import DAY, MINUTE, SECOND, Instant, Span
from haizea.plan.lease import Entry, Lease
from haizea.plan.need import Need
from haizea.plan.operations import hosts_of, per_host, spans
from haizea.plan.options import Exclusion
from haizea.plan.slottable import SlotTable
from haizea.policy.money import money_text

LEASE_COLUMNS = (
    "id,type,state,submitted,started,ended,delivered_s,price,"
    "wait_s,bounded_slowdown,suspensions,migrations,nodes,reason"
)
RESERVATION_COLUMNS = "lease,kind,host,vms,start,end,outcome"
SLOWDOWN_BOUND: Span = 10 * SECOND


class OperationRow(NamedTuple):
    """A row of ``reservations.csv``: ``host`` by its number in the site, ``vms`` as ``1-8,12``."""

    lease: int
    kind: str
    host: int
    vms: str
    start: Instant
    end: Instant
    outcome: str


def ranges(numbers: list[int]) -> str:
    """Write ascending numbers as ranges: ``1-8,12``."""
    parts: list[str] = []
    first = last = numbers[0]
    for number in [*numbers[1:], -1]:
        if number == last + 1:
            last = number
            continue
        parts.append(str(first) if first == last else f"{first}-{last}")
        first = last = number
    return ",".join(parts)


def vms_by_host(hosts: tuple[int, ...]) -> dict[int, list[int]]:
    """Return the numbers of the VMs on each host, from the host of every VM."""
    found: dict[int, list[int]] = {}
    for vm, host in enumerate(hosts, 1):
        found.setdefault(host, []).append(vm)
    return found


def operations(lease: Lease, table: SlotTable, exclusion: Exclusion) -> Iterator[OperationRow]:
    """Yield what really happened to a lease: one row for each kind, host and stay, in order of time."""
    for host, vms, start, end in lease.transfers:
        yield OperationRow(lease.id, "transfer", host, ranges(list(vms)), start, end, "done")
    for entry in lease.log:
        kind, stay, start, end, outcome = entry.kind, entry.stay, entry.start, entry.end, entry.outcome
        if kind == "migrate":
            for copy in stay.copies:
                yield OperationRow(
                    lease.id, kind, copy.destination, ranges(list(copy.vms)), copy.start, copy.end, outcome
                )
            continue
        hosts = hosts_of(stay, table)
        vms_of = vms_by_host(hosts)
        if kind in ("suspend", "resume") and outcome == "done":
            yield from _one_at_a_time(lease, entry, hosts, vms_of, exclusion)
            continue
        for host, numbers in vms_of.items():
            yield OperationRow(lease.id, kind, host, ranges(numbers), start, end, outcome)


def _one_at_a_time(
    lease: Lease, entry: Entry, hosts: tuple[int, ...], vms_of: dict[int, list[int]], exclusion: Exclusion
) -> Iterator[OperationRow]:
    """Yield when each host was suspending or resuming its VMs."""
    need = entry.stay.need
    suspending = entry.kind == "suspend"
    times = per_host(need, hosts, need.suspend_vm if suspending else need.resume_vm)
    until = entry.end if suspending else entry.start
    for host, start, end in spans(times, entry.start, exclusion, until=until):
        # One that was over earlier than planned has not begun before all others were over either.
        start, end = min(max(start, entry.start), entry.end), min(end, entry.end)
        yield OperationRow(lease.id, entry.kind, host, ranges(vms_of[host]), start, end, entry.outcome)


class Iso:
    """Writes instants in ISO 8601 in UTC, fast for many that are on few days."""

    __slots__ = ("_dates", "_minutes", "_seconds")

    _DATES_MAX = 100_000

    def __init__(self) -> None:
        self._dates: dict[int, str] = {}
        two = [f"{n:02d}" for n in range(60)]
        self._minutes = [f"{h}:{m}:" for h in two[:24] for m in two]
        self._seconds = [f"{s}Z" for s in two]

    def text(self, at: Instant) -> str:
        """Return an instant as text."""
        # Not divmod: compiled, a quotient and a remainder cost a fraction of the tuple they come in.
        day, rest = at // DAY, at % DAY
        date = self._dates.get(day)
        if date is None:
            if len(self._dates) >= self._DATES_MAX:
                self._dates.clear()
            date = self._dates[day] = instant(day * DAY)[:11]
        minutes, second, milli = self._minutes[rest // MINUTE], rest % MINUTE // SECOND, rest % SECOND
        if milli:
            return f"{date}{minutes}{second:02d}.{milli:03d}Z"
        return f"{date}{minutes}{self._seconds[second]}"


def quoted(text: str) -> str:
    """Return text as a field of CSV."""
    if "," in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def seconds(span: Span) -> str:
    """Write a span in seconds, without needless decimals."""
    whole, milli = span // SECOND, span % SECOND
    return f"{whole}.{milli:03d}".rstrip("0") if milli else str(whole)


def bounded_slowdown(turnaround: Span, delivered: Span) -> float:
    """Return how many times longer a lease took than it ran, very short ones counting as 10 s; at least 1.

    Feitelson et al., "Theory and practice in parallel job scheduling", JSSPP 1997.
    """
    return max(1.0, turnaround / max(delivered, SLOWDOWN_BOUND))


class Ledger:
    """Takes every lease that is over, keeps the figures, and hands its rows to whoever wants them.

    ``soonest`` is how long after it was asked for a lease can start: the non-schedulable interval.
    """

    def __init__(self, soonest: Span = 0) -> None:
        self._soonest = soonest
        self.count: dict[LeaseType, dict[LeaseState, int]] = {}
        self.waits: list[Span] = []
        self.slowdowns: list[float] = []
        self.rejections: dict[str, int] = {}
        self.last_best_effort: Instant | None = None
        self.done = 0
        self.preemptions = self.suspensions = self.resumptions = self.migrations = self.requeued = 0
        self.transfers = 0
        self.lost: Span = 0
        self.overhead: dict[str, Span] = {"suspend": 0, "resume": 0, "migrate": 0, "transfer": 0, "shutdown": 0}
        self._wanted: dict[Need, str] = {}
        self._usage: dict[Need, int] = {}
        self.iso = Iso()

    def row(self, retired: Retired) -> str:
        """Take note of a lease that is over; return its row of ``leases.csv``."""
        lease, iso = retired.lease, self.iso
        state, kind = lease.state, lease.type
        self.done += 1
        by_state = self.count.get(kind)
        if by_state is None:
            by_state = self.count[kind] = {}
        by_state[state] = by_state.get(state, 0) + 1
        started, ended, submitted, delivered = lease.started, lease.ended, lease.submitted, lease.delivered
        need, usage = lease.need, self._usage
        for entry in lease.log:
            length = entry.end - entry.start
            if entry.kind == "run":
                usage[need] = usage.get(need, 0) + length
                if entry.outcome == "lost":
                    self.lost += length * need.vms
            else:
                self.overhead[entry.kind] += length
        wait = slowdown = reason = ""
        if kind is LeaseType.BEST_EFFORT and started is not None:
            self.waits.append(started - submitted)
            wait = seconds(started - submitted)
            if state is LeaseState.DONE and ended is not None:
                bounded = bounded_slowdown(ended - submitted, delivered)
                self.slowdowns.append(bounded)
                slowdown = format(bounded, ".3f")
                self.last_best_effort = ended
        if lease.preemptions or lease.suspensions or lease.migrations or lease.requeued or lease.transfers:
            self._add_counts(lease)
        if lease.reason is not None:
            reason = quoted(lease.reason.text)
            if state is LeaseState.REJECTED or state is LeaseState.REJECTED_BY_USER:
                ended = None
                cause = lease.reason.cause.value
                self.rejections[cause] = self.rejections.get(cause, 0) + 1
        elif started != submitted and kind is LeaseType.BEST_EFFORT:
            reason = self._waited(lease)
        return (
            f"{lease.id},{kind},{state.label},{iso.text(submitted)},"
            f"{'' if started is None else iso.text(started)},{'' if ended is None else iso.text(ended)},"
            f"{seconds(delivered)},{_price(lease)},{wait},{slowdown},"
            f"{lease.suspensions},{lease.migrations},{need.vms},{reason}\n"
        )

    def _waited(self, lease: Lease) -> str:
        """Say why a lease waited; what it asked for is put into words once for all leases that ask for the same."""
        need = lease.need
        wanted = self._wanted.get(need)
        if wanted is None:
            wanted = self._wanted[need] = asked_for(lease.terms)
        return quoted(waited(lease, wanted, self._soonest))

    def _add_counts(self, lease: Lease) -> None:
        self.preemptions += lease.preemptions
        self.suspensions += lease.suspensions
        self.resumptions += lease.resumptions
        self.migrations += lease.migrations
        self.requeued += lease.requeued
        self.transfers += len(lease.transfers)
        for _host, _vms, start, end in lease.transfers:
            self.overhead["transfer"] += end - start

    def report_row(self, lease: Lease) -> dict[str, object]:
        """Return what the report shows of a lease that is over."""
        waited_for = None if lease.started is None else (lease.started - lease.submitted) / SECOND
        best_effort = lease.type is LeaseType.BEST_EFFORT
        slowdown = None
        if best_effort and lease.state is LeaseState.DONE and lease.ended is not None:
            slowdown = round(bounded_slowdown(lease.ended - lease.submitted, lease.delivered), 3)
        return {
            "id": lease.id,
            "type": lease.type.value,
            "state": lease.state.label,
            "submitted": lease.submitted,
            "started": lease.started,
            "ended": lease.ended,
            "delivered_s": lease.delivered / SECOND,
            "price": None if lease.price is None else money_text(lease.price),
            "wait_s": waited_for if best_effort else None,
            "bounded_slowdown": slowdown,
            "suspensions": lease.suspensions,
            "migrations": lease.migrations,
            "nodes": lease.need.vms,
            "reason": lease.reason.text if lease.reason else self._waited(lease) if waited_for else "",
        }

    def used_amounts(self) -> dict[str, int]:
        """Return how much of each resource type has been used, times milliseconds."""
        used: dict[str, int] = {}
        for need, length in self._usage.items():
            for count, demand in zip(need.counts, need.demands, strict=True):
                for name, amount in demand.items():
                    used[name] = used.get(name, 0) + amount * count * length
        return used


def _price(lease: Lease) -> str:
    return "" if lease.price is None else money_text(lease.price) if lease.price else "0"
