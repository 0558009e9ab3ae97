"""Workloads and annotations made up after a recipe: how many leases, how large, when, for how long, at what price.

Each property is drawn from a distribution with a generator of its own, so that a change of one leaves the others as
they were. The same recipe and seed always give the same leases.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from random import Random
from typing import Final, NamedTuple

from haizea.model.lease import NO_EXTRA, DiskImage, LeaseRequest, LeaseTerms, NodeSet
from haizea.model.resources import CPU, Capacity
from haizea.model.site import Site
from haizea.model.units import SECOND, Span
from haizea.workloads.annotations import Annotation, Annotations
from haizea.workloads.distributions import Choice, Distribution
from haizea.workloads.errors import WorkloadError
from haizea.workloads.leasexml import Start
from haizea.workloads.times import SPAN_FORM, SPAN_MAX
from haizea.workloads.workload import Workload

LEASES_MAX: Final = 10_000_000
"""Most leases that are made up at a time."""

USER_RATE: Final = "simul_userrate"
_NOBODY: Final = ("", "-1")
_SHORTEST_RUN_S: Final = 10.0


class Drawn(NamedTuple):
    """A property that is drawn: from what, by which rule (``kind``), and with which seed (None: the recipe's)."""

    distribution: Distribution
    kind: str = ""
    seed: int | None = None


class Count(NamedTuple):
    """How many leases there are to be: ``leases``, or as many as use ``utilization`` (a share) until ``last_request``.

    ``interval`` is drawn in seconds: the time between two leases, or what it differs from the mean.
    """

    leases: int | None
    utilization: float
    last_request: Span
    interval: Drawn | None


class Recipe(NamedTuple):
    """What leases, or annotations of leases, are made up from; a property that is None is left alone.

    ``start`` is how long after its submission a lease starts: in seconds (``absolute``) or in durations of the lease
    (``multiple-of-duration``). ``deadline`` is how much later than it could a lease may end: in seconds, in durations,
    or in terms of the slowdown that a trace tells (``original-slowdown``). ``rate`` is what a user would pay.
    ``software`` draws ``image|size``.
    """

    path: str
    attributes: Mapping[str, str] = NO_EXTRA
    site: Site | None = None
    resources: Capacity | None = None
    leases: Count | None = None
    start: Drawn | None = None
    deadline: Drawn | None = None
    rate: Drawn | None = None
    nodes: Drawn | None = None
    duration: Drawn | None = None
    software: Drawn | None = None

    def wrong(self, what: str, expected: str) -> WorkloadError:
        """Return the error of a recipe that cannot be followed."""
        return WorkloadError(self.path, None, what, expected)


class _Draws:
    """The generators of a recipe's properties."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self._recipe = recipe
        self._seed = seed
        self._randoms: dict[str, Random] = {}

    def _random(self, name: str, drawn: Drawn) -> Random:
        if name not in self._randoms:
            self._randoms[name] = Random(f"{name} {self._seed}" if drawn.seed is None else drawn.seed)
        return self._randoms[name]

    def number(self, name: str, drawn: Drawn) -> float:
        """Return a number for a property."""
        return drawn.distribution.draw(self._random(name, drawn))

    def image(self) -> DiskImage | None:
        """Return an image, None where the recipe has none."""
        drawn = self._recipe.software
        if drawn is None or not isinstance(drawn.distribution, Choice):
            return None
        name, _, size = str(drawn.distribution.pick(self._random("software", drawn))).rpartition("|")
        return DiskImage(name, int(size))


def make_workload(recipe: Recipe, seed: int, name: str) -> Workload:
    """Make a workload up.

    Leases with a start are advance reservations that may not be preempted; where the recipe has no start, they are
    best effort.

    Raises:
        WorkloadError: the recipe does not say enough, or asks for more than :data:`LEASES_MAX` leases.
    """
    count = recipe.leases
    if recipe.nodes is None or recipe.duration is None or recipe.resources is None or count is None:
        raise recipe.wrong("not enough to make leases", "the sections numleases, nodes (with resources) and duration")
    if recipe.start is not None and recipe.start.kind != "absolute":
        raise recipe.wrong(f"start-delay of type {recipe.start.kind}", "absolute, where leases are made up")
    draws = _Draws(recipe, seed)
    made = _by_interval(recipe, count, draws) if count.leases is not None else _by_utilization(recipe, count, draws)
    made.sort(key=attrgetter("arrival"))
    requests = tuple(request._replace(id=number) for number, request in enumerate(made, 1))
    return Workload(name, requests, attributes=recipe.attributes, site=recipe.site)


def _leases(recipe: Recipe, draws: _Draws, resources: Capacity) -> Callable[[], tuple[LeaseTerms, Span]]:
    """Return what makes one lease after the other: its terms, and how long after its submission it starts."""
    nodes, duration, start = recipe.nodes, recipe.duration, recipe.start
    assert nodes is not None
    assert duration is not None

    def make() -> tuple[LeaseTerms, Span]:
        sets = (NodeSet(int(draws.number("nodes", nodes)), resources),)
        delay = 0 if start is None else math.ceil(draws.number("start-delay", start)) * SECOND
        length = int(draws.number("duration", duration)) * SECOND
        software = draws.image()
        return LeaseTerms(sets, length, preemptible=start is None, software=software), delay

    return make


def _placed(recipe: Recipe, terms: LeaseTerms, arrival: Span, start: Span) -> LeaseRequest:
    for each in (arrival, start):
        if not 0 <= each <= SPAN_MAX:
            raise recipe.wrong(f"a lease at {each // SECOND} s", f"{SPAN_FORM}, from the start of the workload")
    return LeaseRequest(0, arrival, terms if recipe.start is None else terms._replace(start=start))


def _by_interval(recipe: Recipe, count: Count, draws: _Draws) -> list[LeaseRequest]:
    assert recipe.resources is not None
    make, time = _leases(recipe, draws, recipe.resources), 0
    made = []
    for _ in range(count.leases or 0):
        terms, delay = make()
        time += _interval(count, draws)
        made.append(_placed(recipe, terms, time, time + delay))
    return made


def _by_utilization(recipe: Recipe, count: Count, draws: _Draws) -> list[LeaseRequest]:
    """Make leases until they ask for a share of the site's cores, and spread their starts evenly, give or take."""
    assert recipe.resources is not None
    if recipe.site is None:
        raise recipe.wrong("numleases of type utilization without a site", "site in the section general")
    wanted = int(count.utilization * recipe.site.total(CPU) * count.last_request)
    make, cpu, asked = _leases(recipe, draws, recipe.resources), recipe.resources[CPU], 0
    found = []
    while asked < wanted:
        terms, delay = make()
        found.append((terms, delay))
        asked += cpu * terms.node_count * (terms.duration or 0)
        if len(found) > LEASES_MAX:
            raise recipe.wrong(f"more than {LEASES_MAX} leases", "longer or larger ones, or a lower utilization")
    mean = count.last_request // SECOND // max(1, len(found)) * SECOND
    made, time = [], 0
    for terms, delay in found:
        time = max(0, time + mean + _interval(count, draws))
        made.append(_placed(recipe, terms, max(0, time - delay), time))
    return made


def _interval(count: Count, draws: _Draws) -> Span:
    return 0 if count.interval is None else int(draws.number("numleases", count.interval)) * SECOND


def make_annotations(recipe: Recipe, seed: int, leases: Iterable[LeaseRequest] | int) -> Annotations:
    """Make annotations up: for each of some leases, by their ids, or so many without ids.

    Raises:
        WorkloadError: the recipe needs to know more of a lease than is there.
    """
    draws, rates = _Draws(recipe, seed), dict[str, float]()
    if isinstance(leases, int):
        items = [_annotation(recipe, draws, None, rates) for _ in range(leases)]
    else:
        items = [_annotation(recipe, draws, lease, rates) for lease in leases]
    return Annotations(recipe.path, tuple(items), recipe.attributes)


def _annotation(recipe: Recipe, draws: _Draws, lease: LeaseRequest | None, rates: dict[str, float]) -> Annotation:
    extra: dict[str, str] = {}
    start = deadline = None
    if recipe.start is not None:
        delay = draws.number("start-delay", recipe.start)
        span = delay * SECOND
        if recipe.start.kind == "multiple-of-duration":
            span = delay * _duration(recipe, lease, "start-delay")
        start = _whole_seconds(recipe, span)
        extra["simul_start_delta"] = f"{delay:.2f}"
        if recipe.deadline is not None:
            deadline, stretch = _deadline(recipe, recipe.deadline, draws, lease, start)
            extra["simul_deadline_tau"] = f"{stretch:.2f}"
    if recipe.rate is not None:
        extra[USER_RATE] = f"{_rate(recipe.rate, draws, lease, rates):.2f}"
    software = draws.image()
    return Annotation(
        0, None if lease is None else lease.id, None if start is None else Start(start), deadline,
        software is not None, software, extra,
    )  # fmt: skip


def _rate(drawn: Drawn, draws: _Draws, lease: LeaseRequest | None, rates: dict[str, float]) -> float:
    """Return what the user of a lease would pay: the same for all leases of a user, where there is one."""
    user = "" if lease is None else lease.terms.user
    if user in _NOBODY:
        return draws.number("user-rate", drawn)
    if user not in rates:
        rates[user] = draws.number("user-rate", drawn)
    return rates[user]


def _deadline(
    recipe: Recipe, drawn: Drawn, draws: _Draws, lease: LeaseRequest | None, start: Span
) -> tuple[Span, float]:
    """Return the deadline, from the lease's submission on, and by how many durations it is later than it could be."""
    duration = _duration(recipe, lease, "deadline-stretch")
    stretch = draws.number("deadline-stretch", drawn)
    if drawn.kind == "absolute":
        stretch = stretch * SECOND / duration
    elif drawn.kind == "original-slowdown":
        assert lease is not None
        stretch *= _slowdown(recipe, lease) - 1
    return _whole_seconds(recipe, start + (1 + stretch) * duration), stretch


def _slowdown(recipe: Recipe, lease: LeaseRequest) -> float:
    """Return the slowdown that a lease's trace tells."""
    try:
        run, wait = (float(lease.terms.extra[name]) for name in ("SWF_runtime", "SWF_waittime"))
    except (KeyError, ValueError):
        run = wait = math.nan
    if not (math.isfinite(run) and math.isfinite(wait)):
        wrong = f"deadline-stretch of type original-slowdown for lease {lease.id}, whose slowdown is not known"
        raise recipe.wrong(wrong, "leases of a trace, with SWF_runtime and SWF_waittime in <extra>")
    run = max(run, _SHORTEST_RUN_S)
    return (max(wait, 0.0) + run) / run


def _duration(recipe: Recipe, lease: LeaseRequest | None, section: str) -> Span:
    if lease is None:
        raise recipe.wrong(f"{section} counts in durations, and there are no leases", "the workload to annotate")
    if lease.terms.duration is None:
        raise recipe.wrong(f"{section} for lease {lease.id}, which is of unlimited duration", "leases of limited ones")
    return lease.terms.duration


def _whole_seconds(recipe: Recipe, span: float) -> Span:
    if not 0 <= span <= SPAN_MAX:
        raise recipe.wrong(f"a start or deadline {span / SECOND:.0f} s after the submission", SPAN_FORM)
    return math.ceil(span / SECOND) * SECOND
