"""How long operations really take, by host and disk image, and what is planned with therefore.

Measured are suspensions and resumptions in MiB a second, transfers in Mb/s, boots, migrations and shutdowns as spans.
Of the last few the one is taken that all but one in ten do not exceed; never far from what was configured, so that a
single odd host does not spoil the schedule. A lease may go to any host that is in service, so that it is looked for
with the slowest of them; what is planned on hosts then goes by those of the hosts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from haizea.core.scheduler import Scheduler
from haizea.live.operations import KINDS, Operation
from haizea.model.events import RatesMeasured
from haizea.model.lease import LeaseTerms
from haizea.model.rates import ANY_IMAGE, RESUME, SUSPEND, TRANSFER, Measured, Rates
from haizea.model.resources import MEMORY
from haizea.model.site import HostState
from haizea.model.units import SECOND, Instant, Span
from haizea.plan.options import Options
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow

ESTIMATES: Final = "estimates"
"""The fact under which measurements are kept."""

UNITS: Final = MappingProxyType({"suspend": "MiB/s", "resume": "MiB/s", "transfer": "Mb/s"})
RATED: Final = frozenset(UNITS)
SAMPLES_LEAST: Final = 3
HOSTS_MAX: Final = 5_000
"""Of so many hosts and images the scheduler is told what is known of each."""
_PAIRS_MAX: Final = 20_000
_IN_SERVICE: Final = (HostState.UP, HostState.SUSPECT, HostState.DRAINING)


_BY_HOST: Final = frozenset({SUSPEND, RESUME, TRANSFER})

_UNKNOWN: Final = LeaseTerms(nodes=(), duration=None)


class Rules(NamedTuple):
    """How measurements are used: not at all unless ``learn``.

    ``quantile`` is in percent. What is planned with takes at least ``low`` and at most ``high`` percent of the time
    configured. The last ``samples`` measurements of each kind, host and image count.
    """

    learn: bool = True
    quantile: int = 90
    low: int = 50
    high: int = 400
    samples: int = 50


class Estimate(NamedTuple):
    """What is known of one kind of operation on a host: ``measured``, and ``planned`` with, in ``unit``.

    ``unit`` is ``MiB/s``, ``Mb/s`` or ``ms``. ``image`` is empty for VMs of all images. ``planned`` is None where
    nothing is planned with it.
    """

    kind: str
    image: str
    unit: str
    measured: int
    planned: int | None
    samples: int


class Estimates:
    """Measurements of a site."""

    def __init__(self, rules: Rules, options: Options, kept: Iterable[Any] | None = None) -> None:
        """``options`` are what is configured, ``kept`` what was remembered."""
        self._rules = rules
        self.follow(options)
        self._known: dict[tuple[str, int, str], deque[int]] = {}
        for kind, host, image, values in kept or ():
            self._known[kind, host, image] = deque(values, rules.samples)

    def follow(self, options: Options) -> None:
        """Go by what is configured from now on: what is planned with is never far from that."""
        self.options = options
        self._configured = configured(options)
        self._fixed = fixed(options)

    def remember(self) -> list[Any]:
        """Return all that is known, as a tree of what JSON has."""
        return [[kind, host, image, list(values)] for (kind, host, image), values in self._known.items()]

    def learn(self, operation: Operation, report: Report, now: int, terms: LeaseTerms | None, factor: float) -> bool:
        """Take a measurement from how a command went; return whether there was something to learn.

        ``factor`` is how many times faster than real time the loop's time runs.
        """
        kind = KINDS.get(report.verb)
        if not self._rules.learn or kind is None or report.error or operation.superseded:
            return False
        if terms is None:
            # The lease is over; how long its end took can be told without it.
            terms = _UNKNOWN
        took = dict(report.took) or self._measured_here(operation, now)
        scaled = factor if report.took else 1.0
        demands = [demand for count, demand in terms.nodes for _ in range(count)]
        image = "" if terms.software is None else terms.software.id
        learnt = False
        for vm, span in took.items():
            if not 1 <= vm <= len(operation.command.hosts):
                continue
            size = demands[vm - 1][MEMORY] if vm <= len(demands) else 0
            if kind == "transfer":
                size = terms.software.size * 8 if terms.software else 0
            value = _value(kind, max(1, round(span * scaled)), size)
            if value is not None:
                self._add(kind, operation.command.hosts[vm - 1], image, value)
                learnt = True
        return learnt

    def _measured_here(self, operation: Operation, now: int) -> dict[int, Span]:
        """Tell how long each VM took by when all were over: it can be told where each host had just one."""
        hosts = [operation.command.hosts[vm - 1] for vm in operation.vms if vm <= len(operation.command.hosts)]
        if len(set(hosts)) != len(hosts):
            return {}
        return dict.fromkeys(operation.vms, now - operation.sent)

    def _add(self, kind: str, host: int, image: str, value: int) -> None:
        for name in {image, ANY_IMAGE}:
            key = kind, host, name
            if key not in self._known and len(self._known) >= _PAIRS_MAX:
                continue
            self._known.setdefault(key, deque(maxlen=self._rules.samples)).append(value)

    # What comes of it ----------------------------------------------------------------------------------------

    def of(self, host: int) -> list[Estimate]:
        """Return what is known of a host, for people."""
        found = []
        for (kind, of_host, image), values in sorted(self._known.items()):
            if of_host != host:
                continue
            value = self._quantile(kind, values)
            planned = None
            if (image == ANY_IMAGE or kind == TRANSFER) and self._plans(kind) and len(values) >= SAMPLES_LEAST:
                planned = self._bounded(kind, value)
            found.append(Estimate(kind, image, UNITS.get(kind, "ms"), value, planned, len(values)))
        return found

    def rates(self, usable: Callable[[int], bool]) -> Rates:
        """Return what is to be planned with: of each kind the slowest of the hosts that can be used, and of each."""
        if not self._rules.learn:
            return Rates()
        known = [
            Measured(kind, host, image, self._bounded(kind, self._quantile(kind, samples)))
            for (kind, host, image), samples in sorted(self._known.items())
            if self._plans(kind) and len(samples) >= SAMPLES_LEAST and usable(host)
        ]
        found: dict[str, int] = {}
        for kind, _host, image, value in known:
            if image == ANY_IMAGE:
                slowest = min if kind in RATED else max
                found[kind] = slowest(value, found.get(kind, value))
        site = found.get(SUSPEND), found.get(RESUME), found.get("shutdown"), found.get(TRANSFER)
        return Rates(*site, tuple(_otherwise(known, found)))

    def booting(self, hosts: Iterable[int], image: str) -> Span | None:
        """Return how long booting VMs of a disk image on these hosts takes: on the slowest of them, as far as known."""
        found = []
        for host in set(hosts) if self._rules.learn else ():
            for name in (image, ANY_IMAGE):
                values = self._known.get(("boot", host, name), ())
                if len(values) >= SAMPLES_LEAST:
                    found.append(self._quantile("boot", values))
                    break
        return max(found, default=None)

    def _plans(self, kind: str) -> bool:
        return kind in self._configured and kind not in self._fixed

    def _quantile(self, kind: str, values: Iterable[int]) -> int:
        """Return what all but a few were at least as fast as."""
        ordered = sorted(values, reverse=kind in RATED)
        return ordered[min(len(ordered) - 1, len(ordered) * self._rules.quantile // 100)]

    def _bounded(self, kind: str, value: int) -> int:
        base = self._configured[kind]
        if kind in RATED:
            low, high = base * 100 // self._rules.high, base * 100 // self._rules.low
        else:
            low, high = base * self._rules.low // 100, base * self._rules.high // 100
        return max(1, min(max(value, low), high))


def _otherwise(known: Iterable[Measured], slowest: Mapping[str, int]) -> list[Measured]:
    """Return what is noticeably not as is planned with without it: hosts, then images on hosts."""
    of_hosts = {
        (each.kind, each.host): each
        for each in known
        if each.image == ANY_IMAGE and each.kind in _BY_HOST and not _alike(slowest.get(each.kind), each.value)
    }
    of_images = []
    for each in known:
        if each.image != ANY_IMAGE and each.kind == TRANSFER:
            host = of_hosts.get((each.kind, each.host))
            if not _alike(slowest.get(each.kind) if host is None else host.value, each.value):
                of_images.append(each)
    return [*of_hosts.values(), *of_images][:HOSTS_MAX]


def _value(kind: str, span: Span, size: int) -> int | None:
    """Return a measurement in its unit, None where nothing can be told."""
    if kind not in RATED:
        return span
    return max(1, size * SECOND // span) if size > 0 else None


def configured(options: Options) -> Mapping[str, int]:
    """Return what is configured of each kind that is planned with, as whole numbers, which learnt ones are."""
    found = {"suspend": max(1, round(options.suspend_rate)), "resume": max(1, round(options.resume_rate))}
    if options.shutdown_time > 0:
        found["shutdown"] = options.shutdown_time
    if options.transfer is not None:
        found["transfer"] = options.transfer.bandwidth
    return found


def fixed(options: Options) -> frozenset[str]:
    """Return the kinds of which the time is fixed by configuration."""
    transfer = None if options.transfer is None else options.transfer.fixed_time
    times = {"suspend": options.suspend_time, "resume": options.resume_time, "transfer": transfer}
    return frozenset([kind for kind, time in times.items() if time is not None])


class Learner:
    """Learns as commands are carried out, and says when the scheduler is to plan with other rates."""

    def __init__(
        self,
        estimates: Estimates,
        scheduler: Scheduler,
        keep: Callable[[str, Any], None],
        factor: float,
    ) -> None:
        """``keep`` has a fact written with the step."""
        self.estimates = estimates
        self._scheduler = scheduler
        self._keep = keep
        self._factor = factor

    def carried_out(self, operation: Operation, report: Report, now: Instant) -> list[RatesMeasured]:
        """Learn from how a command went."""
        lease = self._scheduler.desk.leases.get(report.lease)
        terms = None if lease is None else lease.terms
        if not self.estimates.learn(operation, report, now, terms, self._factor):
            return []
        self._keep(ESTIMATES, self.estimates.remember())
        return self.news(now)

    def news(self, now: Instant) -> list[RatesMeasured]:
        """Return the rates to be planned with, if they are noticeably other ones than now."""
        desk = self._scheduler.desk
        if desk.configured is not self.estimates.options:
            # Other rates were set by an order.
            self.estimates.follow(desk.configured)
        states = desk.hosts.states
        rates = self.estimates.rates(lambda host: host < len(states) and states[host] in _IN_SERVICE)
        return [] if _same(desk.rates, rates) else [RatesMeasured(now, rates)]


def usual_boot(estimates: Estimates, scheduler: Scheduler, most: Span) -> Callable[[CommandRow], Span]:
    """Return what says how long the boots that a command asks for usually take: ``most`` at most, 0 if not known."""

    def usual(command: CommandRow) -> Span:
        lease = scheduler.desk.leases.get(command.lease)
        if command.verb != "start" or lease is None:
            return 0
        image = lease.terms.software
        hosts = [command.hosts[vm - 1] for vm in command.vms] if command.vms else command.hosts
        return min(most, estimates.booting(hosts, ANY_IMAGE if image is None else image.id) or 0)

    return usual


def _same(old: Rates, new: Rates) -> bool:
    """Whether rates are not noticeably other ones."""
    before = {each[:3]: each.value for each in old.hosts}
    after = {each[:3]: each.value for each in new.hosts}
    if before.keys() != after.keys() or not all(_alike(value, after[key]) for key, value in before.items()):
        return False
    return all(_alike(one, other) for one, other in zip(old[:-1], new[:-1], strict=True))


def _alike(old: int | None, new: int | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) * 20 <= old
