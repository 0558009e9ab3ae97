"""Workloads made up by models, from a seed: the same seed always gives the same workload.

The Lublin-Feitelson model describes the jobs of a parallel supercomputer: U. Lublin and D. G. Feitelson, "The workload
on parallel supercomputers: modeling the characteristics of rigid jobs", Journal of Parallel and Distributed Computing
63(11), 2003; with the parameters that they give for jobs of all kinds together.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from typing import Final, NamedTuple

from haizea.model.lease import LeaseRequest, LeaseTerms, NodeSet
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import HOUR, MINUTE, SECOND, Span

SMALL_VM: Final = Capacity({CPU: 100, MEMORY: 1024})
"""A VM of one core and 1 GiB."""

JOBS_MAX: Final = 100_000_000
PROCESSORS_MAX: Final = 100_000
USERS: Final = 200
_PILOT_JOBS: Final = 20_000

_ESTIMATES: Final = tuple(
    [minutes * 60 for minutes in (5, 10, 15, 30)]
    + [hours * 3600 for hours in (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 168)]
)
"""Round times that users ask for, in seconds: the last one is above the longest run time of the model, 45 hours."""


class Lublin(NamedTuple):
    """The parameters of the Lublin-Feitelson model; the defaults are the published ones.

    Sizes: a share of ``serial`` jobs, one of ``power_of_two``; the base-2 logarithm of a parallel job's size is
    uniform in [``low``, medium] with probability ``low_share``, else in [medium, high], where high is that of the
    machine and medium ``medium_below`` less. Run times: the natural logarithm of the seconds is from the gamma
    distribution (``a1``, ``b1``) with probability p = ``pa`` x size + ``pb``, else from (``a2``, ``b2``), each shape
    and scale. Arrivals: the logarithm of a gap at rush hour is from gamma (``a_gap``, ``b_gap``), and the share of
    jobs in each half hour of the day follows gamma (``a_day``, ``b_day``).
    """

    serial: float = 0.244
    power_of_two: float = 0.576
    low: float = 0.8
    medium_below: float = 2.5
    low_share: float = 0.86
    a1: float = 4.2
    b1: float = 0.94
    a2: float = 312.0
    b2: float = 0.03
    pa: float = -0.0054
    pb: float = 0.78
    a_gap: float = 10.2303 * 1.0225
    b_gap: float = 0.4871
    a_day: float = 8.1737
    b_day: float = 3.9631
    log_time_max: float = 12.0
    log_gap_max: float = 13.0


PUBLISHED: Final = Lublin()


class Job(NamedTuple):
    """A job of the model; times in seconds."""

    submit: int
    run: int
    processors: int
    requested: int
    user: int


def lublin_jobs(
    jobs: int, seed: int, processors: int, *, load: float | None = None, stretch: float = 1.0, model: Lublin = PUBLISHED
) -> Iterator[Job]:
    """Yield jobs of the Lublin-Feitelson model for a machine, in order of submission, the first one at 0.

    ``stretch`` lengthens every gap between submissions. ``load`` chooses it so that the work offered is about this
    share of what the machine can do, on average over seeds.

    Raises:
        ValueError: a parameter makes no sense.
    """
    _check(jobs, processors, load, stretch)
    if load is not None:
        stretch *= _offered(Random(f"pilot {seed}"), processors, model) / load
    return islice(_lublin(Random(seed), processors, stretch, model), jobs)


def generate_lublin(
    jobs: int,
    seed: int,
    processors: int,
    *,
    load: float | None = None,
    stretch: float = 1.0,
    demand: Capacity = SMALL_VM,
    model: Lublin = PUBLISHED,
) -> Iterator[LeaseRequest]:
    """Yield the jobs of :func:`lublin_jobs` as best-effort leases of one VM per processor.

    Raises:
        ValueError: a parameter makes no sense.
    """
    made = lublin_jobs(jobs, seed, processors, load=load, stretch=stretch, model=model)
    return _leases(made, demand)


def swf_lines(jobs: Iterable[Job], processors: int, *, note: str = "") -> Iterator[str]:
    """Yield the lines of an SWF file of jobs, each ended by a newline, the header first."""
    yield "; Version: 2.2\n; Computer: Lublin-Feitelson model\n"
    yield f"; MaxNodes: {processors}\n; MaxProcs: {processors}\n"
    if note:
        yield f"; Note: {' '.join(note.split())}\n"
    for number, job in enumerate(jobs, 1):
        size = job.processors
        yield (
            f"{number} {job.submit} -1 {job.run} {size} -1 -1 {size} {job.requested} -1 1 {job.user} 1 1 1 -1 -1 -1\n"
        )


def generate_reservations(
    seed: int,
    *,
    hosts: int,
    length: Span,
    share: float,
    mean_duration: Span,
    sizes: tuple[int, int],
    demand: Capacity = SMALL_VM,
    notice: Span = 24 * HOUR,
) -> Iterator[LeaseRequest]:
    """Yield advance reservations to inject into another workload, in order of arrival.

    They arrive at random (a Poisson process) in [0, ``length``) and start ``notice`` later; they ask for between
    ``sizes[0]`` and ``sizes[1]`` hosts, one VM on each, for ``mean_duration`` give or take a fifth, and for about
    ``share`` (0 to 1) of the capacity of all ``hosts`` in total.

    Raises:
        ValueError: a parameter makes no sense.
    """
    least, most = sizes
    if not (1 <= least <= most <= hosts and 0 < share <= 1 and length > 0 and mean_duration >= MINUTE and notice >= 0):
        raise ValueError(
            f"sizes {sizes} on {hosts} hosts, share {share}, length {length} ms, mean duration {mean_duration} ms, "
            f"notice {notice} ms; expected sizes within the hosts, a share above 0 up to 1, a positive length, "
            "a minute or more for the mean duration"
        )
    return _reservations(Random(seed), (least, most), length, share * hosts, mean_duration, demand, notice)


def _reservations(
    random: Random, sizes: tuple[int, int], length: Span, hosts: float, mean: Span, demand: Capacity, notice: Span
) -> Iterator[LeaseRequest]:
    nodes = {count: (NodeSet(count, demand),) for count in range(sizes[0], sizes[1] + 1)}
    gap_mean = (sizes[0] + sizes[1]) / 2 * mean / hosts
    arrival = 0
    number = 0
    while True:
        arrival += max(SECOND, round(random.expovariate(1 / gap_mean) / SECOND) * SECOND)
        if arrival >= length:
            return
        number += 1
        duration = round(random.uniform(0.8, 1.2) * mean / SECOND) * SECOND
        terms = LeaseTerms(nodes[random.randint(*sizes)], duration, start=arrival + notice, preemptible=False)
        yield LeaseRequest(number, arrival, terms)


def _leases(jobs: Iterable[Job], demand: Capacity) -> Iterator[LeaseRequest]:
    nodes: dict[int, tuple[NodeSet, ...]] = {}
    for number, job in enumerate(jobs, 1):
        sets = nodes.get(job.processors)
        if sets is None:
            sets = nodes[job.processors] = (NodeSet(job.processors, demand),)
        terms = LeaseTerms(sets, job.requested * SECOND, user=str(job.user))
        yield LeaseRequest(number, job.submit * SECOND, terms, job.run * SECOND)


def _lublin(random: Random, processors: int, stretch: float, model: Lublin) -> Iterator[Job]:
    arrivals = _arrivals(random, stretch, model)
    first = next(arrivals)
    submit = first
    while True:
        size = _size(random, processors, model)
        run = _run_time(random, size, model)
        yield Job(int(submit - first), run, size, _requested(random, run), 1 + int(USERS * random.random() ** 2))
        submit = next(arrivals)


def _size(random: Random, processors: int, model: Lublin) -> int:
    kind = random.random()
    if kind < model.serial or processors == 1:
        return 1
    high = math.log2(processors)
    medium = max(model.low, high - model.medium_below)
    low_part = random.random() < model.low_share
    log = random.uniform(model.low, medium) if low_part else random.uniform(medium, max(medium, high))
    if kind < model.serial + model.power_of_two:
        log = round(log)
    return max(1, min(processors, round(2**log)))


def _run_time(random: Random, size: int, model: Lublin) -> int:
    first = min(1.0, max(0.0, model.pa * size + model.pb))
    while True:
        short = random.random() < first
        log = random.gammavariate(model.a1, model.b1) if short else random.gammavariate(model.a2, model.b2)
        if log <= model.log_time_max:
            return max(1, int(math.exp(log)))


def _requested(random: Random, run: int) -> int:
    """Return a round time not below the run time: users know about how long, and ask for more to be safe."""
    wanted = run * (1 + random.expovariate(1.0))
    return next((estimate for estimate in _ESTIMATES if estimate >= wanted), _ESTIMATES[-1])


def _arrivals(random: Random, stretch: float, model: Lublin) -> Iterator[float]:
    """Yield instants of submission in seconds, from midnight; a half hour with twice the weight passes half as fast."""
    weights = _day_weights(model)
    period = 24 * 3600 / len(weights)
    at = 0.0
    place, left = 0, weights[0]
    while True:
        log = random.gammavariate(model.a_gap, model.b_gap)
        if log > model.log_gap_max:
            continue
        points = math.exp(log) * stretch / period
        while points >= left:
            points -= left
            place += 1
            left = weights[place % len(weights)]
        left -= points
        weight = weights[place % len(weights)]
        at = (place + 1 - left / weight) * period
        yield at


def _day_weights(model: Lublin, periods: int = 48, first: int = 11) -> list[float]:
    """Return the weight of each half hour of the day, 1 on average.

    The gamma distribution is over half hours, and its day goes from number ``first`` to the same of the next day.
    """
    weights = [0.0] * periods
    for number in range(first, first + periods):
        log = (model.a_day - 1) * math.log(number) - number / model.b_day
        weights[(number - 1) % periods] = math.exp(log)
    mean = sum(weights) / periods
    return [weight / mean for weight in weights]


def _offered(random: Random, processors: int, model: Lublin) -> float:
    """Return the share of a machine's capacity that the model asks for without stretching."""
    sizes = [_size(random, processors, model) for _ in range(_PILOT_JOBS)]
    work = sum(size * _run_time(random, size, model) for size in sizes) / _PILOT_JOBS
    return work / (processors * _mean_gap(model))


def _mean_gap(model: Lublin, steps: int = 1_000) -> float:
    """Return the mean of the gaps in seconds: by integration, because rare long gaps would make a trial too rough."""
    width = model.log_gap_max / steps
    total = mass = 0.0
    for step in range(steps):
        log = (step + 0.5) * width
        density = math.exp((model.a_gap - 1) * math.log(log) - log / model.b_gap)
        mass += density
        total += density * math.exp(log)
    return total / mass


def _check(jobs: int, processors: int, load: float | None, stretch: float) -> None:
    if not 1 <= jobs <= JOBS_MAX:
        raise ValueError(f"{jobs} jobs; expected 1 to {JOBS_MAX}")
    if not 1 <= processors <= PROCESSORS_MAX:
        raise ValueError(f"{processors} processors; expected 1 to {PROCESSORS_MAX}")
    if not 0 < stretch <= 1000 or (load is not None and not 0 < load <= 100):
        raise ValueError(f"stretch {stretch}, load {load}; expected them above 0, at most 1000 and 100")
