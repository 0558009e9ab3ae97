"""The whole lease manager with everything going wrong, for as long as there is time for; and bugs that must be noticed.

``HAIZEA_CHAOS=all`` tries every bug; ``haizea chaos`` and ``make chaos`` run for longer.
"""

import os

import pytest

from haizea.app.chaos import ChaosRequest, Totals, run_all, run_chaos, settings_of, smallest
from haizea.cli.experiment import processors
from haizea.core import reactions
from haizea.core.reactions import Desired, Reaction, Sight
from haizea.experiments.chaos.checks import Checks
from haizea.experiments.chaos.plan import FAULTS, REQUEST, make
from haizea.experiments.chaos.shrinking import shrink
from haizea.experiments.chaos.world import START, Ledger, Violation, World
from haizea.model.events import Observed
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.units import HOUR, MINUTE
from haizea.runtime.rows import CommandRow
from haizea.stores.memory import MemoryStore
from tests.core.play import VM
from tests.simulation.mutations import MUTATIONS, Mutation, caught

FAULTS_IN_CI = 10_000
"""So many go wrong in each run of all tests."""

FIRST, HOURS = 0, 2.0
SAMPLE = MUTATIONS[:24:6]

of_the_source = pytest.mark.skipif(
    not reactions.__file__.endswith(".py"), reason="bugs can be put into the source only, and this is compiled"
)


def test_ten_thousand_faults_break_no_promise() -> None:
    """Nothing is found wrong, everything comes to rest, and every class of faults has come."""
    totals = Totals()
    for request, outcome in run_all(ChaosRequest(FIRST, HOURS), 1, FAULTS_IN_CI, min(2, processors())):
        totals.add(outcome)
        assert outcome.found is None, f"{request.command}\n{outcome.found.kind}: {outcome.found.text}"
    assert totals.faults.total() >= FAULTS_IN_CI
    assert totals.faults_never() == []
    assert len(totals.reactions_never()) <= 16


def test_the_same_seed_writes_the_same_journal() -> None:
    """Kills, clocks that are set, and all: byte for byte."""
    once, again = [run_chaos(ChaosRequest(3, 2.0)) for _ in range(2)]
    assert once.journal == again.journal
    assert once == again
    assert run_chaos(ChaosRequest(4, 2.0)).journal != once.journal


@pytest.mark.parametrize("seed", [434, 445])
def test_what_seeds_have_found_of_disk_images_is_repaired(seed: int) -> None:
    """What begins at once holds no reservation in the future; removing one VM does not cut off another one's image."""
    assert run_chaos(ChaosRequest(seed, 2.0)).found is None


@pytest.mark.parametrize("moved", [False, True])
def test_a_vm_is_in_two_places_only_where_nobody_brought_it_elsewhere_meanwhile(moved: bool) -> None:
    """A command that would bring a VM to run where it does not is wrong, unless somebody has moved it since."""
    ledger = Ledger(["a", "b"], lambda: START)
    ledger.fate.put(1, 1, Observed.RUNNING, 0)
    ledger.fate.set_pace("resume", "1000")
    ledger.submit(CommandRow(1, START, START, "resume", 1, (0,) if moved else (1,), "pending", 0, ""))
    if moved:
        ledger.fate.act(1, 1, "migrate", "ann", "b")
    ledger.advance(START + 1000)
    assert [kind for kind, _text in ledger.wrong] == ([] if moved else ["two-places"])


@pytest.mark.parametrize("silent", [True, False])
def test_of_what_runs_where_nothing_is_heard_nobody_can_know(silent: bool) -> None:
    """A VM that runs while its lease waits, or of no lease, is to be gone soon; not on a host that does not answer."""
    world = World(settings_of(0), MemoryStore(), 0)
    world.request("one", LeaseTerms((NodeSet(1, VM),), HOUR, start=START + 10 * HOUR))
    world.run(START + MINUTE)
    (lease,) = world.acknowledged
    world.fate.put(lease, 1, Observed.RUNNING, 0)
    world.fate.put(lease + 1, 1, Observed.RUNNING, 0)
    if silent:
        world.fate.act_on_host(world.settings.site.hosts[0].name, "silence")
    checks, found = Checks(world), set[str]()
    for _ in range(60):
        world.quiet += MINUTE
        try:
            checks.step()
        except Violation as problem:
            found.add(problem.kind)
    assert bool(found & {"stray", "unwanted"}) is not silent


def test_a_database_makes_no_difference() -> None:
    """The journal in SQLite is the one in memory."""
    request = ChaosRequest(7, 1.0)
    assert run_chaos(request._replace(database="sqlite")).journal == run_chaos(request).journal


def test_a_plan_has_all_that_was_asked_for_and_goes_on_as_planned_without_some() -> None:
    """Acts are numbered from 1 in order of time, and carry what they need to be chosen by."""
    plan = make(5, 4.0, 200)
    assert [act.number for act in plan.acts] == list(range(1, len(plan.acts) + 1))
    assert sorted(act.at for act in plan.acts) == [act.at for act in plan.acts]
    assert sum(act.kind in FAULTS for act in plan.acts) == 200
    assert any(act.kind == REQUEST for act in plan.acts)
    assert len(plan.storms) == 2
    assert all(any(start <= act.at < end for start, end in plan.storms) for act in plan.acts)


def test_shrinking_keeps_what_matters() -> None:
    """Of a hundred acts of which three are to blame, three are left."""
    wanted = {17, 40, 93}
    assert shrink(range(1, 101), lambda numbers: wanted <= set(numbers)) == sorted(wanted)


@of_the_source
def test_what_is_found_is_made_small_and_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that is printed goes wrong in the same way, with few acts."""
    monkeypatch.setitem(reactions.REACTIONS, (Desired.RUNNING, Sight.CRASHED), Reaction.NOTHING)
    requests = (ChaosRequest(seed, 1.0) for seed in range(40))
    request, outcome = next((each, o) for each in requests if (o := run_chaos(each)).found is not None)
    small, shown = smallest(request, outcome)
    assert small.only is not None
    assert len(small.only) < len(request.plan.acts) // 2
    assert outcome.found is not None
    assert shown.found is not None
    assert shown.found.kind == outcome.found.kind
    assert f"--seed {request.seed}" in small.command
    assert "--only" in small.command


@of_the_source
def test_it_is_noticed_that_what_somebody_has_removed_is_not_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not enough that its lease starts over because the next comparison does not find it."""
    monkeypatch.setitem(reactions.REACTIONS, (Desired.SUSPENDED, Sight.DELETED), Reaction.NOTHING)
    outcomes = (run_chaos(ChaosRequest(seed, 2.0)) for seed in range(40))
    found = next(outcome.found for outcome in outcomes if outcome.found is not None)
    assert found.kind == "not-over"


@of_the_source
@pytest.mark.parametrize(
    "mutation", MUTATIONS if os.environ.get("HAIZEA_CHAOS") == "all" else SAMPLE, ids=lambda each: each.name
)
def test_bugs_are_noticed(mutation: Mutation) -> None:
    """What Haizea does about the unexpected is done for a reason: leaving it out is noticed."""
    assert caught(mutation)
