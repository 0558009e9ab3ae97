"""Reading traces in SWF, the Standard Workload Format of the Parallel Workloads Archive, version 2.2.

A line is a job of 18 fields, -1 where unknown; lines that begin with ``;`` are comments, the first of them the
header. Every job becomes a best-effort lease of one-core VMs.

A trace of a million jobs is read as it is iterated and never in memory as a whole, unless it is not in order of
submission: then its leases are sorted, stably. Lines are read in pieces of many, a column at a time; only a piece in
which something is out of the ordinary is read line by line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice, repeat
from operator import attrgetter, lt, mul
from typing import Final, NamedTuple

from haizea.model.lease import DEFAULT_REACTIONS, NO_CONSTRAINTS, LeaseRequest, LeaseTerms, NodeSet
from haizea.model.resources import AMOUNT_MAX, CPU, MEMORY, Capacity
from haizea.model.units import SECOND, Span
from haizea.workloads.source import Source
from haizea.workloads.swf_lines import Columns, columns_quickly, columns_slowly
from haizea.workloads.swf_text import Piece, in_order, largest_job, pieces, read_header, refuse_repeated_jobs
from haizea.workloads.workload import Workload

MEMORY_DEFAULT: Final = 1024
"""MiB of memory of a VM where neither the options nor the trace say."""

CANCELLED: Final = "cancelled while waiting"
PARTIAL: Final = "parts of a job listed elsewhere"
NO_SUBMISSION: Final = "no time of submission"
NO_PROCESSORS: Final = "no number of processors"
NO_TIME: Final = "neither requested time nor run time"
OTHER_QUEUE: Final = "in another queue"
OUTSIDE: Final = "outside the interval"

_EXTRA_FIELDS: Final = {
    "SWF_waittime": 2,
    "SWF_runtime": 3,
    "SWF_avgcputime": 5,
    "SWF_queue": 14,
    "SWF_group": 12,
    "SWF_execnumber": 13,
}


class SwfOptions(NamedTuple):
    """How jobs become leases.

    ``memory`` is MiB per VM; None takes field 10 where it is given, else :data:`MEMORY_DEFAULT`. ``processors`` is
    ``requested`` (field 8, field 5 where unknown) or ``allocated`` (field 5). A VM stands for ``scale`` processors,
    the number of VMs being rounded up; it has one core all the same. ``queues`` None takes jobs of all queues.
    ``start`` and ``interval`` take the jobs submitted in [start, start + interval) only, and count arrivals from
    ``start``.
    """

    memory: int | None = None
    processors: str = "requested"
    scale: int = 1
    preemptible: bool = True
    queues: frozenset[int] | None = None
    start: Span = 0
    interval: Span | None = None


DEFAULT_OPTIONS: Final = SwfOptions()


class SwfExtra(Mapping[str, str]):
    """The fields of a job that a lease has no use for, found in its line when they are asked for."""

    __slots__ = ("_line",)

    def __init__(self, line: str) -> None:
        """Keep the line of a job."""
        self._line = line

    def __getitem__(self, name: str) -> str:
        return self._line.split(None, 15)[_EXTRA_FIELDS[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(_EXTRA_FIELDS)

    def __len__(self) -> int:
        return len(_EXTRA_FIELDS)

    def __repr__(self) -> str:
        return repr(dict(self))


def open_swf(source: Source, options: SwfOptions) -> Workload:
    """Read the header of a trace and make its jobs ready for iteration.

    Raises:
        WorkloadError: the header is not that of an SWF file.
        ValueError: the options cannot be followed.
    """
    _check(options)
    header = read_header(source)
    requests = SwfRequests(source.path, source.max_bytes, options)
    return Workload(
        name=header.name,
        requests=requests,
        description=header.fields.get("Computer", ""),
        attributes=header.fields,
        start=header.start,
        skipped=requests.skipped,
    )


class SwfRequests:
    """The leases of a trace in order of arrival; each iteration reads the file again."""

    __slots__ = (
        "_capacities",
        "_interned",
        "_max_bytes",
        "_nodes",
        "_options",
        "_ordered",
        "_queues",
        "path",
        "skipped",
    )

    def __init__(self, path: str, max_bytes: int, options: SwfOptions) -> None:
        """Name the file."""
        self.path = path
        self.skipped: Counter[str] = Counter()
        self._max_bytes = max_bytes
        self._options = options
        self._ordered: bool | None = None
        self._queues = None if options.queues is None else frozenset(map(str, options.queues))
        self._nodes: dict[tuple[int, int], tuple[NodeSet, ...]] = {}
        self._interned: dict[tuple[NodeSet, ...], tuple[NodeSet, ...]] = {}
        self._capacities: dict[Capacity, Capacity] = {}

    def __iter__(self) -> Iterator[LeaseRequest]:
        if self._ordered is None:
            with Source(self.path, self._max_bytes) as source:
                self._ordered = in_order(source)
        requests = chain.from_iterable(self._read())
        return requests if self._ordered else iter(sorted(requests, key=attrgetter("arrival")))

    def largest_id(self) -> int:
        """Return the largest job number, 0 without jobs, without making leases."""
        with Source(self.path, self._max_bytes) as source:
            return largest_job(source)

    def _read(self) -> Iterator[Iterator[LeaseRequest]]:
        """Yield the leases of one piece after the other."""
        self.skipped.clear()
        ascending = True
        last = -1
        with Source(self.path, self._max_bytes) as source:
            for piece in pieces(source):
                columns = self._columns(piece)
                jobs = columns.jobs
                if ascending and jobs:
                    ascending = last < jobs[0] and all(map(lt, jobs, islice(jobs, 1, None)))
                    last = jobs[-1]
                    if not ascending:
                        self._refuse_repeated()
                yield self._leases(columns)

    def _refuse_repeated(self) -> None:
        with Source(self.path, self._max_bytes) as source:
            refuse_repeated_jobs(source)

    def _columns(self, piece: Piece) -> Columns:
        wanted = 7 if self._options.processors == "requested" else 4
        scale = self._options.scale
        columns = columns_quickly(piece.text, wanted, scale) if piece.plain else None
        return columns or columns_slowly(self.path, piece.number, piece.text, wanted, scale)

    def _leases(self, columns: Columns) -> Iterator[LeaseRequest]:
        options = self._options
        selective = options.queues is not None or options.interval is not None or options.start > 0
        if not selective and (options.memory is not None or set(columns.memories) == {"-1"}):
            if columns.complete:
                return self._all_at_once(columns)
            causes = list(map(_left_out, columns.statuses, columns.runs, columns.submits))
            others = columns.only([cause is None for cause in causes])
            if others.complete:
                self.skipped.update(filter(None, causes))
                return self._all_at_once(others)
        return self._one_by_one(columns, selective)

    def _all_at_once(self, columns: Columns) -> Iterator[LeaseRequest]:
        """Make leases of jobs of which none is left out, and none needs a second look.

        The loops are those of the interpreter, for most of a long trace passes here.
        """
        nodes = self._nodes
        for count in {(count, 0) for count in columns.counts} - nodes.keys():
            self._node_sets(*count)
        new, unit = tuple.__new__, repeat(columns.unit)
        terms = zip(
            map(nodes.__getitem__, zip(columns.counts, repeat(0), strict=False)),
            map(mul, columns.asked, unit),
            repeat(None), repeat(False), repeat(None), repeat(self._options.preemptible), repeat(None),
            columns.users, map(SwfExtra, columns.lines), repeat(NO_CONSTRAINTS), repeat(DEFAULT_REACTIONS),
            repeat(""), repeat(""), repeat(0), repeat(0),
            strict=False,
        )  # fmt: skip
        leases = map(new, repeat(LeaseTerms), terms)
        spans = (map(mul, columns.submits, unit), leases, map(mul, columns.runs, unit))
        return map(new, repeat(LeaseRequest), zip(columns.jobs, *spans, strict=False))

    def _one_by_one(self, columns: Columns, selective: bool) -> Iterator[LeaseRequest]:
        options = self._options
        fixed_memory, nodes, unit, skipped = options.memory, self._nodes, columns.unit, self.skipped
        for line, job, submit, run, count, allocated, asked, kilobytes, status, user in columns.rows():
            cause = _left_out(status, run, submit)
            if cause is None and selective:
                cause = self._cause(line, submit * unit)
            if cause is None and count <= 0 and (count := int(allocated)) <= 0:
                cause = NO_PROCESSORS
            if cause is None and asked <= 0 and run < 0:
                cause = NO_TIME
            if cause is not None:
                skipped[cause] += 1
                continue
            real = run * unit if run > 0 else SECOND if run == 0 else None
            duration = asked * unit if asked > 0 else real
            memory = 0 if fixed_memory is not None or kilobytes == "-1" else int(kilobytes)
            sets = nodes.get((count, memory)) or self._node_sets(count, memory)
            user = "" if user == "-1" else user
            preemptible = options.preemptible
            terms = LeaseTerms(sets, duration, None, False, None, preemptible, None, user, SwfExtra(line))
            yield LeaseRequest(job, submit * unit - options.start, terms, real)

    def _cause(self, line: str, submit: Span) -> str | None:
        """Say why a job was not selected; None if it is."""
        options = self._options
        if submit < options.start or (options.interval is not None and submit >= options.start + options.interval):
            return OUTSIDE
        if self._queues is None or line.split(None, 15)[14] in self._queues:
            return None
        return OTHER_QUEUE

    def _node_sets(self, processors: int, kilobytes: int) -> tuple[NodeSet, ...]:
        """Return the VMs of a job; equal ones are the same object. ``kilobytes`` are per processor, 0 if unknown."""
        options = self._options
        memory = options.memory
        if memory is None:
            memory = -(-kilobytes * options.scale // 1024) if kilobytes > 0 else MEMORY_DEFAULT
        demand = Capacity({CPU: 100, MEMORY: memory})
        demand = self._capacities.setdefault(demand, demand)
        made = (NodeSet(-(-processors // options.scale), demand),)
        sets = self._interned.setdefault(made, made)
        self._nodes[processors, kilobytes] = sets
        return sets


def _check(options: SwfOptions) -> None:
    if options.scale < 1 or options.processors not in ("requested", "allocated"):
        raise ValueError(f"{options}: expected a scale of at least 1, processors 'requested' or 'allocated'")
    if options.memory is not None and not 0 <= options.memory <= AMOUNT_MAX:
        raise ValueError(f"{options.memory} MiB of memory; expected 0 to {AMOUNT_MAX}")
    if options.start < 0 or (options.interval is not None and options.interval <= 0):
        raise ValueError(f"{options}: expected a start of at least 0, an interval above 0")


def _left_out(status: str, run: int, submit: int) -> str | None:
    if status == "5" and run < 0:
        return CANCELLED
    if status in ("2", "3", "4"):
        return PARTIAL
    return NO_SUBMISSION if submit < 0 else None
