"""Figures for Prometheus: those of the daemon, read when they are asked for, and those of the requests themselves."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from haizea.service.figures import Distribution, Figures

MEDIA: Final = CONTENT_TYPE_LATEST
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Metrics:
    """All figures of one daemon. ``figures`` gives the daemon's own; ``streams`` counts open event streams."""

    def __init__(self, figures: Callable[[], Figures], streams: Callable[[], int] = lambda: 0) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Daemon(figures, streams))
        self._requests = Counter(
            "haizea_http_requests",
            "Requests answered; route is empty for what was refused at the door",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "haizea_http_request_seconds",
            "Time to answer a request, by route",
            ("route",),
            buckets=BOUNDS_S,
            registry=self._registry,
        )
        self._malformed = Counter(
            "haizea_http_malformed", "Connections closed because no HTTP was spoken on them", registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        """Take note of an answer. Routes are those there are, and methods too: clients cannot add to either."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        if route:
            self._seconds.labels(route).observe(took_s)

    def malformed(self) -> None:
        """Take note of a connection on which no HTTP was spoken."""
        self._malformed.inc()

    def page(self) -> bytes:
        """Return all figures as text."""
        return generate_latest(self._registry)


class _Daemon(Collector):
    """Reads a daemon's figures."""

    def __init__(self, figures: Callable[[], Figures], streams: Callable[[], int]) -> None:
        self._figures = figures
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now."""
        now = self._figures()
        yield from _leases(now)
        yield from _load(now)
        yield _gauge("haizea_event_streams", "Event streams open", self._streams())


def _leases(now: Figures) -> Iterator[Metric]:
    """Yield what became of leases, and what waits."""
    leases = GaugeMetricFamily("haizea_leases", "Leases by state and type", labels=("state", "type"))
    for (state, type_), count in sorted(now.leases.items()):
        leases.add_metric((state, type_), count)
    yield leases
    yield _gauge("haizea_queue_length", "Leases in the queue", now.queue)
    yield _gauge("haizea_queue_oldest_seconds", "How long the first of the queue has waited", now.queue_oldest_s)
    yield _counter("haizea_reservations", "Advance reservations by how they went", "outcome", now.reservations)
    yield _histogram("haizea_decision_seconds", "From a request's arrival to its decision", now.decisions)


def _load(now: Figures) -> Iterator[Metric]:
    """Yield how the platform, the store and the loop are doing."""
    commands = HistogramMetricFamily(
        "haizea_command_seconds", "From a command to its result, by verb", labels=("verb",)
    )
    for verb, taken in sorted(now.commands.items()):
        commands.add_metric((verb,), _buckets(taken), taken.total_s)
    yield commands
    yield _counter("haizea_command_failures", "Commands that failed, by verb", "verb", now.command_failures)
    capacity = GaugeMetricFamily(
        "haizea_capacity", "Capacity by resource type: in percent of a core, MiB, or units", labels=("resource", "held")
    )
    for resource, held in sorted(now.capacity.items()):
        for name, amount in held._asdict().items():
            capacity.add_metric((resource, name), amount)
    yield capacity
    hosts = GaugeMetricFamily("haizea_hosts", "Hosts by state", labels=("state",))
    for state, count in sorted(now.hosts.items()):
        hosts.add_metric((state,), count)
    yield hosts
    yield _gauge("haizea_loop_lag_seconds", "How late the loop last woke", now.loop_lag_s)
    platform = now.platform
    yield _gauge("haizea_platform_up", "Whether the platform answers", int(not platform.trouble))
    yield _gauge("haizea_commands_waiting", "Commands that the platform has not taken yet", platform.waiting)
    yield _gauge("haizea_commands_overdue", "Commands that are not over although they were to be", platform.overdue)
    yield _gauge("haizea_inbox_length", "Requests and reports waiting for the loop", now.inbox)
    yield _gauge("haizea_active", "Whether this daemon schedules (1) or stands by (0)", int(now.active))
    yield _histogram("haizea_store_transaction_seconds", "Time to commit a transaction", now.transactions)
    entries = CounterMetricFamily("haizea_journal_entries", "Entries in the journal")
    entries.add_metric((), now.entries)
    yield entries


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


def _counter(name: str, help_: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


def _histogram(name: str, help_: str, taken: Distribution) -> Metric:
    family = HistogramMetricFamily(name, help_)
    family.add_metric((), _buckets(taken), taken.total_s)
    return family


def _buckets(taken: Distribution) -> list[tuple[str, float]]:
    """Return counts as Prometheus wants them: of all observations up to each bound."""
    total, found = 0, []
    for bound, count in zip((*taken.bounds, float("inf")), taken.counts, strict=True):
        total += count
        found.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    return found
