"""Runs of the whole stack with everything going wrong: how a seed is run, repeated, and made small."""

import random
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from haizea.app.chaos_desk import ServiceDesk
from haizea.app.children import end_with_parent
from haizea.app.compose import policies
from haizea.config.options import live_options
from haizea.config.settings import Settings
from haizea.experiments.chaos.coverage import possible
from haizea.experiments.chaos.plan import FAULTS, Plan, make
from haizea.experiments.chaos.runner import MakeStore, Outcome, run
from haizea.experiments.chaos.shrinking import shrink
from haizea.live.assembly import Care
from haizea.live.assembly import Settings as LiveSettings
from haizea.live.estimates import Rules
from haizea.model.units import HOUR, SECOND
from haizea.workloads.oneline import parse_site

HOURS: Final = 6.0
FAULTS_PER_HOUR: Final = 60
_SITES: Final = ("4 CPU:400 Memory:8192", "3 CPU:400 Memory:4096", "6 CPU:200 Memory:4096", "5 CPU:400 Memory:8192")


class ChaosRequest(NamedTuple):
    """A run: ``faults`` are those that are planned. ``only`` these acts, by number; None for all."""

    seed: int
    hours: float = HOURS
    faults: int = 0
    database: str = "memory"
    only: tuple[int, ...] | None = None

    @property
    def plan(self) -> Plan:
        """Everything that is to happen."""
        return make(self.seed, self.hours, self.faults or round(self.hours * FAULTS_PER_HOUR))

    @property
    def command(self) -> str:
        """The command that repeats it."""
        faults = f" --faults {self.faults}" if self.faults else ""
        database = f" --database {self.database}" if self.database != "memory" else ""
        only = "" if self.only is None else f" --only {','.join(map(str, self.only))}"
        return f"haizea chaos --seed {self.seed} --hours {self.hours:g}{faults}{database}{only}"


def settings_of(seed: int) -> LiveSettings:
    """Return the site and the rules of a seed."""
    chance = random.Random(seed ^ 0x5EED)
    scheduling = {
        "suspension": chance.choice(["all", "all", "all", "serial-only", "none"]),
        "migration": chance.choice(["no", "yes", "yes-notransfer"]),
        "policy_preemption": chance.choice(["ar-preempts-everything", "ar-preempts-besteffort", "no-preemption"]),
        "backfilling": chance.choice(["aggressive", "conservative", "off"]),
        "shutdown_time": chance.choice([0, 5 * SECOND]),
        "cleaning_time": chance.choice([0, 0, 90 * SECOND]),
        "extensions_max": chance.choice([0, 3]),
        "kept_max": 4 * HOUR,
    }
    managed = chance.random() < 0.6
    images = {
        "transfer_mechanism": chance.choice(["multicast", "unicast"]),
        "avoid_redundant_transfers": chance.random() < 0.7,
        "diskimage_reuse": chance.choice(["none", "image-caches"]),
        "diskimage_cache_size": chance.choice([None, 2000]),
    }
    general = {"lease_preparation": "imagetransfer" if managed else "unmanaged"}
    chosen = Settings({"scheduling": scheduling, "general": general, "deploy-imagetransfer": images})
    options = live_options(chosen)._replace(images_survive=chance.random() < 0.3)
    care = Care(heartbeat=30 * SECOND, reconcile_every=60 * SECOND, rules=Rules(learn=chance.random() < 0.5), seed=seed)
    return LiveSettings(parse_site(chance.choice(_SITES)), options, policies(chosen), care)


def run_chaos(request: ChaosRequest) -> Outcome:
    """Run a seed."""
    with stores(request.database) as make_store:
        return run(request.plan, settings_of(request.seed), make_store, request.only, ServiceDesk)


class Totals:
    """What has come of many runs."""

    def __init__(self) -> None:
        self.seeds = self.wrong = self.leases = self.steps = self.slowest = 0
        self.faults: Counter[str] = Counter()
        self.orders: Counter[str] = Counter()
        self.reactions: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.states: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.seeds += 1
        self.wrong += outcome.found is not None
        self.leases += outcome.leases
        self.steps += outcome.steps
        self.slowest = max(self.slowest, outcome.slowest)
        self.faults += outcome.faults
        self.orders += outcome.orders
        self.reactions += outcome.reactions
        self.events += outcome.events
        self.states += outcome.states

    def faults_never(self) -> list[str]:
        """Return the classes of faults that never came."""
        return [name for name in FAULTS if not self.faults[name]]

    def reactions_never(self) -> list[str]:
        """Return the entries of the table of reactions that were never come to."""
        return [name for name in possible() if not self.reactions[name]]


def run_all(
    first: ChaosRequest, seeds: int, until: int | None = None, jobs: int = 1
) -> Iterator[tuple[ChaosRequest, Outcome]]:
    """Run so many seeds, and further ones until there were so many faults in all; yield each in order of seeds."""
    requests = (first._replace(seed=seed) for seed in count(first.seed))
    faults = done = 0
    with _pool(jobs) as several:
        for request, outcome in several(islice(requests, seeds if until is None else None)):
            yield request, outcome
            faults, done = faults + outcome.went_wrong, done + 1
            if until is not None and faults >= until and done >= seeds:
                return


Several = Callable[[Iterator[ChaosRequest]], Iterator[tuple[ChaosRequest, Outcome]]]


@contextmanager
def _pool(jobs: int) -> Iterator[Several]:
    """Give a way to run several, so many at a time."""
    if jobs == 1:
        yield lambda requests: ((request, run_chaos(request)) for request in requests)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), end_with_parent) as pool:

        def several(requests: Iterator[ChaosRequest]) -> Iterator[tuple[ChaosRequest, Outcome]]:
            waiting = deque([(each, pool.submit(run_chaos, each)) for each in islice(requests, 2 * jobs)])
            while waiting:
                request, future = waiting.popleft()
                yield request, future.result()
                waiting.extend([(each, pool.submit(run_chaos, each)) for each in islice(requests, 1)])

        try:
            yield several
        finally:
            pool.shutdown(cancel_futures=True)


def smallest(request: ChaosRequest, outcome: Outcome) -> tuple[ChaosRequest, Outcome]:
    """Return the run with as few acts as are found that goes wrong in the same way, and what comes of it."""
    found = outcome.found
    if found is None:
        return request, outcome
    plan = request.plan
    numbers = [act.number for act in plan.acts if act.number <= found.act]
    numbers = [number for number in numbers if request.only is None or number in request.only]

    def fails(only: Collection[int]) -> bool:
        again = run_chaos(request._replace(only=tuple(only), database="memory"))
        return again.found is not None and again.found.kind == found.kind

    small = request._replace(only=tuple(shrink(numbers, fails)))
    return small, run_chaos(small)


@contextmanager
def stores(database: str) -> Iterator[MakeStore]:
    """Give a way to make stores of a kind, and clean up afterwards."""
    from haizea.stores import open_store

    if database == "memory":
        yield lambda: open_store("memory:")
        return
    with tempfile.TemporaryDirectory(prefix="haizea-chaos-") as folder:
        yield lambda: open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
