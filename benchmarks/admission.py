"""Admitting one advance reservation into a schedule that is half full, and finding a best-effort lease its start."""

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from benchmarks import goals, tables
from benchmarks.machine import isolated, own_megabytes
from benchmarks.schedules import Schedule
from benchmarks.tables import Column, Result, Row, tell
from haizea.model.events import TimePassed
from haizea.model.lease import LeaseTerms
from haizea.plan.lease import Lease

REQUESTS: Final = 500
STARTS: Final = 200
WARM_UP: Final = 20
SIZES: Final = ((100, 10_000), (1_000, 10_000), (1_000, 100_000), (10_000, 10_000), (10_000, 100_000))


class Times(NamedTuple):
    """What requests took, in microseconds: ``median`` and ``p99``; ``share`` is how many of them were accepted."""

    median: float
    p99: float
    share: float


class Measured(NamedTuple):
    """One schedule: how long building it took, the peak of memory in MB, and what requests took by kind."""

    build_s: float
    memory_mb: float
    accepted: int
    times: dict[str, Times]


def _timed(requests: int, ask: Callable[[], tuple[int, bool]]) -> Times:
    """Return what a number of requests take; ``ask`` handles one and returns its nanoseconds and its success."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(WARM_UP):
            ask()
        found = [ask() for _ in range(requests)]
    finally:
        gc.enable()
    taken = sorted(nanoseconds / 1000 for nanoseconds, _ in found)
    return Times(statistics.median(taken), taken[len(taken) * 99 // 100], sum(ok for _, ok in found) / len(found))


def _request(schedule: Schedule, draw: Callable[[], LeaseTerms]) -> tuple[int, bool]:
    """Time a request from event to effects, then withdraw it."""
    handle = schedule.scheduler.handle
    event = schedule.request(draw())
    passed = TimePassed(event.at)
    before = time.process_time_ns()
    handle(event)
    handle(passed)
    taken = time.process_time_ns() - before
    ok = event.lease in schedule.scheduler.desk.leases
    schedule.withdraw(event.lease)
    return taken, ok


def _plan(schedule: Schedule) -> tuple[int, bool]:
    """Time the planner alone: finding hosts that are free, and holding them; then give them back."""
    desk = schedule.scheduler.desk
    terms = schedule.reservation()
    start, end = terms.start or 0, (terms.start or 0) + (terms.duration or 0)
    lease = Lease(0, terms, desk.needs.of(terms), desk.now, 0)
    before = time.process_time_ns()
    placement = desk.planner.find(lease, start, end, desk.hosts.usable(terms.constraints))
    if placement is not None:
        desk.table.hold(start, end, placement.held)
    taken = time.process_time_ns() - before
    if placement is not None:
        desk.table.release(start, end, placement.held)
    return taken, placement is not None


def _build(hosts: int, reservations: int, *, shared: bool) -> tuple[Schedule, float]:
    before = time.process_time()
    schedule = Schedule(hosts, reservations, shared=shared)
    return schedule, time.process_time() - before


def admit(hosts: int, reservations: int, shared: bool, requests: int) -> Measured:
    """Build a schedule and measure admissions into it."""
    schedule, seconds = _build(hosts, reservations, shared=shared)
    times = {
        "whole": _timed(requests, partial(_request, schedule, schedule.reservation)),
        "planner": _timed(requests, partial(_plan, schedule)),
    }
    return Measured(seconds, own_megabytes(), schedule.accepted, times)


def median_of(runs: int, measure: Callable[[], Measured]) -> Measured:
    """Measure several times over, each in its own process; return the medians."""
    found = [measure() for _ in range(runs)]
    times = {
        kind: Times(*(statistics.median(each.times[kind][i] for each in found) for i in range(3)))
        for kind in found[0].times
    }
    middle = (statistics.median(each.build_s for each in found), statistics.median(each.memory_mb for each in found))
    return Measured(*middle, found[0].accepted, times)


COLUMNS: Final = (
    *tables.SIZE,
    Column("vms", "VMs"),
    *tables.TIMES,
    Column("ratio", "p99/med", ".1f"),
    Column("planner_us", "planner us", ",.0f"),
    Column("planner_p99_us", "its p99", ",.0f"),
    *tables.GOALS,
    Column("share", "accepted", ".0%"),
    Column("build_us", "build us each", ",.0f"),
    tables.MEMORY,
)


def admission(runs: int, quick: bool) -> Result:
    """Measure admissions at every size, with VMs of a whole host and of a quarter."""
    sizes = SIZES[:2] if quick else SIZES
    rows = []
    for shared in (False, True):
        for hosts, reservations in sizes:
            rows.append(admission_row(hosts, reservations, shared, runs, 300 if quick else REQUESTS))
    notes = (
        "Half the hosts are reserved at any time; a request is for 1 to 2 % of the hosts, which are chosen.",
        "whole: a VM is a host (2 resource types); quarter: 4 VMs share one (5 resource types).",
        "median, p99: Scheduler.handle, request to booking. planner: finding hosts and holding them only.",
    )
    return Result("admission", "Admitting one advance reservation", COLUMNS, rows, notes)


def admission_row(hosts: int, reservations: int, shared: bool, runs: int, requests: int) -> Row:
    """Measure admissions into one schedule."""
    kind = "quarter" if shared else "whole"
    tell(f"admission: {hosts:,} hosts, {reservations:,} reservations, {kind}")
    found = median_of(runs, lambda: isolated(admit, hosts, reservations, shared, requests))
    whole, planner = found.times["whole"], found.times["planner"]
    return {
        "hosts": hosts,
        "reservations": reservations,
        "vms": kind,
        "median_us": whole.median,
        "p99_us": whole.p99,
        "ratio": whole.p99 / whole.median,
        "planner_us": planner.median,
        "planner_p99_us": planner.p99,
        "floor_us": goals.ADMISSION_FLOOR_US,
        "target_us": None if shared else goals.ADMISSION_TARGET_US.get((hosts, reservations)),
        "share": whole.share,
        "build_us": found.build_s / reservations * 1e6,
        "memory_mb": found.memory_mb,
    }


START_SHARES: Final = ((0.01, 0.02), (0.4, 0.5), (0.6, 0.7), (1.0, 1.0))


def earliest(hosts: int, reservations: int, requests: int) -> Measured:
    """Build a schedule and measure finding starts for best-effort leases of several sizes."""
    schedule, seconds = _build(hosts, reservations, shared=False)
    times = {}
    for preemptible in (False, True):
        for least, most in START_SHARES:
            draw = partial(schedule.best_effort, least, most, preemptible=preemptible)
            times[f"{least:.0%}-{most:.0%} {preemptible}"] = _timed(requests, partial(_request, schedule, draw))
    return Measured(seconds, own_megabytes(), schedule.accepted, times)


START_COLUMNS: Final = (
    *tables.SIZE,
    Column("size", "hosts wanted"),
    Column("suspendable", "suspendable"),
    *tables.TIMES,
    *tables.GOALS,
)


def start(runs: int, quick: bool) -> Result:
    """Measure finding the earliest start of best-effort leases."""
    hosts, reservations = (100, 1_000) if quick else (1_000, 10_000)
    tell(f"start: {hosts:,} hosts, {reservations:,} reservations")
    found = median_of(runs, lambda: isolated(earliest, hosts, reservations, STARTS))
    rows: list[Row] = []
    for kind, times in found.times.items():
        size, preemptible = kind.split()
        row: Row = {"hosts": hosts, "reservations": reservations, "size": size}
        row |= {"suspendable": "yes" if preemptible == "True" else "no"}
        row |= {"median_us": times.median, "p99_us": times.p99}
        rows.append(row | {"floor_us": goals.START_US.floor, "target_us": goals.START_US.target})
    notes = ("A lease is handed over, given the earliest start there is, and withdrawn again.",)
    return Result("start", "Earliest start of a best-effort lease", START_COLUMNS, rows, notes)
