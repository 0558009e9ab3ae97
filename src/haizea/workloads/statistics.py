"""What a workload consists of: counts, sizes, durations and work."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from haizea.model.lease import LeaseRequest, LeaseType
from haizea.model.resources import CPU
from haizea.model.units import Span


class Spread(NamedTuple):
    """How values are spread: percentiles are values that occur (nearest rank). All are 0 without values."""

    least: int
    mean: float
    median: int
    p95: int
    most: int


class Statistics(NamedTuple):
    """A workload in numbers. Spans are in milliseconds, work is in milliseconds of one core (CPU 100).

    ``durations`` are those asked for, of leases of limited duration; ``run_times`` how long leases really run where
    that is known, at most as long as asked. ``work`` is of leases of limited duration, as asked, ``real_work`` as
    really run. ``images`` counts the leases that start from each disk image.
    """

    leases: int
    by_type: Mapping[LeaseType, int]
    preemptible: int
    unlimited: int
    users: int
    first_arrival: Span
    last_arrival: Span
    vms: Spread
    durations: Spread
    run_times: Spread
    work: int
    real_work: int
    images: Mapping[str, int]

    @property
    def arrival_span(self) -> Span:
        """How long after the first lease the last one arrives."""
        return self.last_arrival - self.first_arrival


def statistics(requests: Iterable[LeaseRequest]) -> Statistics:
    """Count what a workload's requests consist of, in one pass over them."""
    tally = _Tally()
    for request in requests:
        tally.add(request)
    return Statistics(
        leases=sum(tally.types.values()),
        by_type={kind: tally.types[kind] for kind in LeaseType if tally.types[kind]},
        preemptible=tally.preemptible,
        unlimited=tally.unlimited,
        users=len(tally.users),
        first_arrival=min(tally.arrivals, default=0),
        last_arrival=max(tally.arrivals, default=0),
        vms=spread(tally.vms),
        durations=spread(tally.durations),
        run_times=spread(tally.run_times),
        work=tally.work,
        real_work=tally.real_work,
        images=dict(sorted(tally.images.items())),
    )


def spread(values: Sequence[int]) -> Spread:
    """Return how values are spread."""
    if not values:
        return Spread(0, 0.0, 0, 0, 0)
    ordered = sorted(values)
    count = len(ordered)
    return Spread(
        ordered[0], sum(ordered) / count, ordered[-(-count // 2) - 1], ordered[-(-count * 95 // 100) - 1], ordered[-1]
    )


class _Tally:
    """Sums so far."""

    def __init__(self) -> None:
        self.types: Counter[LeaseType] = Counter()
        self.images: Counter[str] = Counter()
        self.users: set[str] = set()
        self.preemptible = self.unlimited = self.work = self.real_work = 0
        self.arrivals: list[int] = []
        self.vms: list[int] = []
        self.durations: list[int] = []
        self.run_times: list[int] = []

    def add(self, request: LeaseRequest) -> None:
        terms = request.terms
        self.types[terms.type] += 1
        self.preemptible += terms.preemptible
        self.arrivals.append(request.arrival)
        self.vms.append(terms.node_count)
        if terms.user:
            self.users.add(terms.user)
        if terms.software is not None:
            self.images[terms.software.id] += 1
        cores = sum(nodes.count * nodes.demand[CPU] for nodes in terms.nodes)
        real = request.real_duration
        if terms.duration is None:
            self.unlimited += 1
        else:
            self.durations.append(terms.duration)
            self.work += cores * terms.duration // 100
            real = terms.duration if real is None else min(real, terms.duration)
        if real is not None:
            self.real_work += cores * real // 100
            if request.real_duration is not None:
                self.run_times.append(real)
