"""A run: a plan carried out, everything checked after every step; and what came of it."""

import hashlib
import json
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from typing import NamedTuple

from haizea.experiments.chaos.acts import perform
from haizea.experiments.chaos.calm import converge, finish
from haizea.experiments.chaos.checks import Checks
from haizea.experiments.chaos.coverage import Coverage
from haizea.experiments.chaos.intents import Intents
from haizea.experiments.chaos.plan import Plan
from haizea.experiments.chaos.world import START, Front, Killed, Violation, World
from haizea.live.assembly import Settings
from haizea.model.events import Event
from haizea.model.units import Span
from haizea.runtime.store import Store

MakeStore = Callable[[], Store]
MakeFront = Callable[[World], Front]
ENTRIES_AT_ONCE = 5_000
TOLD_MAX = 25


class Found(NamedTuple):
    """What a run has found wrong: a short kind, a sentence, and the last that happened before."""

    kind: str
    text: str
    act: int
    before: tuple[str, ...]


class Outcome(NamedTuple):
    """What came of a run.

    ``journal`` is the SHA-256 of the journal's bytes, ``faults`` counts what went wrong by class, ``orders`` what was
    ordered, ``reactions`` the entries of the table that were come to, ``events`` what the scheduler was handed.
    """

    seed: int
    found: Found | None
    journal: str
    leases: int
    steps: int
    slowest: Span
    faults: Counter[str]
    orders: Counter[str]
    reactions: Counter[str]
    events: Counter[str]
    states: Counter[str]

    @property
    def went_wrong(self) -> int:
        """How many faults there were in all."""
        return sum(self.faults.values())


def run(
    plan: Plan,
    settings: Settings,
    make_store: MakeStore,
    only: Collection[int] | None = None,
    make_front: MakeFront | None = None,
) -> Outcome:
    """Carry out a plan, or only some of its acts, by their numbers. Without a front no service is asked."""
    store = make_store()
    try:
        world = World(settings, store, plan.seed)
        if make_front is not None:
            world.front = make_front(world)
        return _lived(plan, world, only)
    finally:
        store.close()


def _lived(plan: Plan, world: World, only: Collection[int] | None) -> Outcome:
    checks, coverage, intents = Checks(world), Coverage(), Intents(world)

    def on_event(event: Event) -> None:
        coverage.see(world.live.scheduler, event)
        intents.before(event)

    world.on_event, world.on_handled, world.on_decided = on_event, intents.after, checks.step
    found: Found | None = None
    number, slowest = 0, 0
    try:
        for start, end in plan.storms:
            for act in plan.acts:
                if start <= act.at < end and (only is None or act.number in only):
                    world.run(max(world.now, START + act.at))
                    number = act.number
                    perform(world, act)
                    if act.number % 10 == 0:
                        checks.remembered()
            world.run(max(world.now, START + end))
            slowest = max(slowest, converge(world, checks))
        finish(world, checks)
        world.front.check()
    except Violation as problem:
        found = Found(problem.kind, str(problem), number, _last(world))
    except (KeyboardInterrupt, Killed):
        raise
    except Exception as problem:
        # Whatever it is, Haizea must not raise it.
        where = traceback.extract_tb(problem.__traceback__)[-1]
        kind = f"{type(problem).__name__} in {where.name}"
        text = "".join(traceback.format_exception(problem)[-6:])
        found = Found(kind, text, number, _last(world))
    world.counts.update({f"platform {kind}": count for kind, count in world.platform.done.items()})
    delivered = {name: world.counts.pop(name, 0) for name in ("cpu-delivered", "cpu-lost")}
    journal, states = _journal(world)
    states.update({name: count for name, count in delivered.items() if count})
    return Outcome(
        plan.seed, found, journal, len(world.acknowledged), checks.steps, slowest, world.counts, world.orders,
        coverage.reactions, coverage.events, states,
    )  # fmt: skip


def _journal(world: World) -> tuple[str, Counter[str]]:
    """Return the digest of the journal, and how many leases have come to each state."""
    digest, after, states = hashlib.sha256(), 0, Counter[str]()
    while True:
        entries = world.store.entries(after, limit=ENTRIES_AT_ONCE)
        if not entries:
            return digest.hexdigest(), states
        for entry in entries:
            digest.update(json.dumps([*entry[:-1], dict(entry.data)], sort_keys=True).encode())
            if entry.number != after + 1:
                digest.update(b"gap")
            if entry.kind == "lease-changed":
                states[str(entry.data.get("state"))] += 1
            after = entry.number


def _last(world: World) -> tuple[str, ...]:
    """Return the last lines of the journal."""
    last: int = world.store.last_entry()
    entries = world.store.entries(max(0, last - TOLD_MAX), limit=TOLD_MAX)
    return tuple([f"{(entry.at - START) / 1000:.3f} {entry.text}" for entry in entries])
