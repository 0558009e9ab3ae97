"""Probes: what a run records beside its summary, under the names that Haizea 1.x gave.

A probe keeps counters, each a number and how it changed in the course of the run, or values of single leases. They
look on, change nothing, and cost nothing where none is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.experiments.disk import DiskUse
from haizea.experiments.records import bounded_slowdown, seconds
from haizea.model.effects import Effect
from haizea.model.events import Event, LeaseRequested, TimePassed
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.resources import CPU
from haizea.model.units import Instant
from haizea.plan.lease import Lease
from haizea.policy.money import money_text
from haizea.policy.pricing import price_at, user_rate

COUNTER_COLUMNS: Final = ("counter", "time_s", "value", "average")

REQUESTED: Final = "Requested leases"
COMPLETED: Final = "Completed leases"
REJECTED: Final = "Rejected leases"
REJECTED_BY_USER: Final = "Rejected leases (by user)"
QUEUE: Final = "Queue size"
UTILIZATION: Final = "CPU utilization"
DISK: Final = "Disk usage"
BEST_EFFORT: Final = "Best-effort completed"
REVENUE: Final = "Revenue"
UNDERCHARGED: Final = "Missed revenue (undercharging)"
MISSED: Final = "Missed revenue (reject)"
MISSED_BY_USER: Final = "Missed revenue (reject by user)"

COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "lease": (REQUESTED, COMPLETED, REJECTED, REJECTED_BY_USER),
    "ar": ("Accepted AR", "Rejected AR"),
    "immediate": ("Accepted Immediate", "Rejected Immediate"),
    "best-effort": (BEST_EFFORT, QUEUE),
    "cpu-utilization": (UTILIZATION,),
    "disk-usage": (DISK,),
    "price": (REVENUE, UNDERCHARGED, MISSED, MISSED_BY_USER),
}
"""The counters of each probe that keeps any."""

_AVERAGED: Final = frozenset({QUEUE, UTILIZATION})
_REFUSED: Final = (LeaseState.REJECTED, LeaseState.REJECTED_BY_USER)


class Point(NamedTuple):
    """A counter's value from an instant on, and its mean until then, weighed by time (None: it has none)."""

    counter: str
    at: Instant
    value: int
    average: float | None


class Probes:
    """The probes of one run; an observer of its loop."""

    def __init__(self, names: Sequence[str], scheduler: Scheduler) -> None:
        """Begin to look on; ``names`` are those of probes, and those without anything to keep are let be."""
        self._names = frozenset(names)
        self._scheduler = scheduler
        self._start = scheduler.desk.now
        self._steps: dict[str, dict[Instant, int]] = {
            counter: {} for name, counters in COUNTERS.items() if name in self._names for counter in counters
        }
        # What is looked up at the end of an instant: each value with the instant from which on it was so.
        self._courses: dict[str, list[tuple[Instant, int]]] = {c: [] for c in (QUEUE, DISK) if c in self._steps}
        self._disk = DiskUse(scheduler) if DISK in self._steps else None
        self._of_leases: dict[int, dict[str, str]] = {}
        notes: Mapping[str, Callable[[Lease], None]] = {
            "lease": self._lease,
            "ar": self._reservation,
            "immediate": self._immediate,
            "best-effort": self._best_effort,
            "cpu-utilization": self._use,
            "price": self._price,
            "deadline": self._deadline,
            "lease-extras": self._extras,
        }
        self._notes = [note for name, note in notes.items() if name in self._names]

    def after(self, event: Event, effects: Sequence[Effect | Retired], /) -> None:
        """Look at what an event has led to."""
        used = None if self._disk is None else self._disk.largest()
        if isinstance(event, TimePassed):
            if QUEUE in self._courses:
                self._look_up(QUEUE, event.at, len(self._scheduler.desk.queue))
            if used is not None:
                self._look_up(DISK, event.at, used)
        elif isinstance(event, LeaseRequested) and REQUESTED in self._steps:
            self._add(REQUESTED, event.at)
        for effect in effects:
            if isinstance(effect, Retired):
                for note in self._notes:
                    note(effect.lease)

    def _look_up(self, counter: str, at: Instant, value: int) -> None:
        course = self._courses[counter]
        if not course or course[-1][1] != value:
            course.append((at, value))

    def _add(self, counter: str, at: Instant, amount: int = 1) -> None:
        steps = self._steps[counter]
        steps[at] = steps.get(at, 0) + amount

    def _tell(self, lease: Lease, **values: str) -> None:
        names = {name.replace("_", " "): value for name, value in values.items()}
        self._of_leases.setdefault(lease.id, {}).update(names)

    def _lease(self, lease: Lease) -> None:
        counter = {
            LeaseState.DONE: COMPLETED,
            LeaseState.REJECTED: REJECTED,
            LeaseState.REJECTED_BY_USER: REJECTED_BY_USER,
        }.get(lease.state)
        if counter is not None:
            self._add(counter, _end(lease))

    def _reservation(self, lease: Lease) -> None:
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            self._accepted_or_not(lease, "AR")

    def _immediate(self, lease: Lease) -> None:
        if lease.type is LeaseType.IMMEDIATE:
            self._accepted_or_not(lease, "Immediate")

    def _accepted_or_not(self, lease: Lease, kind: str) -> None:
        if lease.state in _REFUSED:
            self._add(f"Rejected {kind}", _end(lease))
        else:
            self._add(f"Accepted {kind}", lease.submitted)

    def _best_effort(self, lease: Lease) -> None:
        if lease.type is not LeaseType.BEST_EFFORT:
            return
        if lease.started is not None:
            self._tell(lease, Waiting_time=seconds(lease.started - lease.submitted))
        if lease.state is LeaseState.DONE:
            self._add(BEST_EFFORT, _end(lease))
            self._tell(lease, Slowdown=f"{bounded_slowdown(_end(lease) - lease.submitted, lease.delivered):.3f}")

    def _use(self, lease: Lease) -> None:
        used = sum(n.count * n.demand[CPU] for n in lease.terms.nodes)
        for entry in lease.log:
            if entry.kind == "run":
                self._add(UTILIZATION, entry.start, used)
                self._add(UTILIZATION, entry.end, -used)

    def _price(self, lease: Lease) -> None:
        price, at = lease.price or 0, _end(lease)
        if lease.state is LeaseState.DONE:
            self._add(REVENUE, at, price)
            self._tell(lease, Price=money_text(price))
        try:
            rate = user_rate(lease)
        except ValueError:
            # Nobody knows what a user who has written no amount would have paid.
            return
        if rate is None:
            return
        would = price_at(lease, rate)
        if lease.state is LeaseState.DONE:
            self._add(UNDERCHARGED, at, would - price)
        elif lease.state in _REFUSED:
            self._add(MISSED if lease.state is LeaseState.REJECTED else MISSED_BY_USER, at, would)

    def _deadline(self, lease: Lease) -> None:
        start = lease.terms.start
        if lease.type is LeaseType.DEADLINE and lease.state is LeaseState.DONE and start is not None:
            self._tell(lease, Slowdown=f"{bounded_slowdown(_end(lease) - start, lease.delivered):.3f}")

    def _extras(self, lease: Lease) -> None:
        terms = lease.terms
        found = {"State": lease.state.label, "Number of nodes": str(terms.node_count)}
        if terms.duration is not None:
            found["Requested duration"] = seconds(terms.duration)
        found["Actual duration"] = seconds(lease.delivered)
        if terms.start is not None:
            found["Start"] = seconds(max(0, terms.start - lease.submitted))
            if terms.deadline is not None:
                found["Deadline"] = seconds(max(0, terms.deadline - terms.start))
        self._of_leases.setdefault(lease.id, {}).update({**terms.extra, **found})

    def points(self, end: Instant) -> Iterator[Point]:
        """Yield all counters from the start of the run to its end, each in order of time."""
        for counter, steps in self._steps.items():
            values: list[tuple[Instant, int]] = []
            if counter in self._courses:
                values = self._courses[counter]
            else:
                level = 0
                for at in sorted(steps):
                    level += steps[at]
                    values.append((at, level))
            yield from self._course(counter, values, end)

    def _course(self, counter: str, values: list[tuple[Instant, int]], end: Instant) -> Iterator[Point]:
        start, averaged = self._start, counter in _AVERAGED
        weighed, before, level, told = 0, start, 0, -1
        course = [] if values and values[0][0] <= start else [(start, 0)]
        for at, value in [*course, *values, (max(end, start), None)]:
            weighed += level * (at - before)
            last, before = level, at
            level = level if value is None else value
            if at > start and (value == last if value is not None else at == told):
                continue
            told = at
            average = weighed / (at - start) if at > start else float(level)
            yield Point(counter, at, level, average if averaged else None)

    def counter_rows(self, end: Instant) -> Iterator[Sequence[str]]:
        """Yield the rows of ``counters.csv`` (:data:`COUNTER_COLUMNS`), times in seconds since the start."""
        cpu = max(1, self._scheduler.desk.site.total(CPU))
        for counter, at, value, average in self.points(end):
            time = seconds(at - self._start)
            if counter == UTILIZATION:
                mean = "" if average is None else f"{average / cpu:.6f}"
                yield counter, time, f"{value / cpu:.6f}", mean
            elif counter in COUNTERS["price"]:
                yield counter, time, money_text(value), ""
            else:
                yield counter, time, str(value), "" if average is None else f"{average:.6f}"

    @property
    def has_lease_data(self) -> bool:
        """Whether anything is kept of single leases."""
        return bool(self._names & {"best-effort", "price", "deadline", "lease-extras"})

    def lease_rows(self) -> Iterator[Sequence[str]]:
        """Yield the rows of ``lease-data.csv``, its header first."""
        columns = list(dict.fromkeys(name for values in self._of_leases.values() for name in values))
        yield ["lease_id", *columns]
        for lease, values in sorted(self._of_leases.items()):
            yield [str(lease), *(values.get(name, "") for name in columns)]


def _end(lease: Lease) -> Instant:
    return lease.submitted if lease.ended is None else lease.ended
