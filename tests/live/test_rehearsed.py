"""Platforms that are slow, late, forgetful and wrong, in simulated time."""

import random
from contextlib import suppress

import pytest

from haizea.backends.faulty import NO_FAULTS, Faults
from haizea.backends.pretence import ACTS, Impossible
from haizea.live.assembly import Care
from haizea.live.breaker import Breaker, State, Waits
from haizea.live.estimates import Rules
from haizea.live.reconcile import Strays
from haizea.model.events import Event, InstanceObserved, OperationOutcome, OperationReported, RatesMeasured, TimePassed
from haizea.model.units import HOUR, MINUTE, SECOND
from haizea.runtime.ports import PlatformUnavailable
from haizea.runtime.rows import CommandRow
from tests.live.nursery import LABELS
from tests.live.stage import START, Killed, Stage

FIXED = Care(rules=Rules(learn=False))


def handed(stage: Stage) -> list[Event]:
    """Write down every event that the scheduler is handed from now on."""
    events: list[Event] = []
    plain = stage.live.scheduler.handle

    def handle(event: Event) -> object:
        events.append(event)
        return plain(event)

    stage.live.scheduler.handle = handle  # type: ignore[method-assign,assignment] # to listen
    return events


def reported(events: list[Event]) -> list[OperationReported]:
    """Return what was said of operations."""
    return [event for event in events if isinstance(event, OperationReported)]


def test_what_goes_as_planned_is_nobodys_business() -> None:
    """A suspension that takes just as long as it was to leads to no event at all."""
    stage = Stage(care=FIXED)
    first, second = stage.preempted()
    events = handed(stage)
    stage.at(31 * MINUTE)
    assert reported(events) == []
    assert stage.state(first) == "suspended-scheduled"
    assert stage.state(second) == "active"


def test_a_late_suspension_is_told_at_the_very_instant_and_again() -> None:
    """When it was to be over and is not, the scheduler hears of it before it takes that instant to have passed."""
    stage = Stage(care=FIXED)
    stage.fate.set_pace("suspend", "3x")
    first, _second = stage.preempted()
    events = handed(stage)
    stage.at(60 * MINUTE)
    late = [event for event in reported(events) if event.outcome is OperationOutcome.LATE]
    assert late[0].at == START + 30 * MINUTE
    assert (late[0].lease, late[0].kind) == (first, "suspend")
    assert late[0].until is not None
    assert late[1].at == late[0].until
    place = events.index(late[0])
    assert events[place + 1 :].index(TimePassed(late[0].at)) < 5
    assert stage.vms()[first, 1][0] == "suspended"


def test_a_failed_suspension_is_told_with_its_vms() -> None:
    """The platform's own words are in the journal, and the scheduler knows."""
    stage = Stage(care=FIXED)
    stage.fate.set_fault("suspend", 1)
    first, _second = stage.preempted()
    events = handed(stage)
    stage.at(40 * MINUTE)
    failed = [event for event in reported(events) if event.outcome is OperationOutcome.FAILED]
    assert [(event.lease, event.kind, event.vm) for event in failed][:1] == [(first, "suspend", 0)]
    assert "failed, as it was told to" in stage.told("command-failed")[0]


def test_an_early_suspension_is_told_as_done() -> None:
    """What it gives back early can be used."""
    stage = Stage(care=FIXED)
    stage.fate.set_pace("suspend", "0.5x")
    first, _second = stage.preempted()
    events = handed(stage)
    stage.at(31 * MINUTE)
    done = [event for event in reported(events) if event.outcome is OperationOutcome.DONE]
    assert [(event.lease, event.kind) for event in done] == [(first, "suspend")]
    assert done[0].at < START + 30 * MINUTE


def test_rates_are_learnt_kept_and_planned_with() -> None:
    """Suspensions that take twice as long are planned to take twice as long, by the next daemon too."""
    stage = Stage()
    stage.fate.set_pace("suspend", "2x")
    before = stage.live.scheduler.desk.options.suspend_rate
    events = handed(stage)
    for _ in range(4):
        first, second = stage.preempted()
        stage.after(3 * HOUR)
        for lease in (first, second):
            if lease in stage.live.scheduler.desk.leases:
                stage.cancel(lease)
    assert any(isinstance(event, RatesMeasured) for event in events)
    assert stage.live.scheduler.desk.options.suspend_rate == before // 2
    known = {(each.kind, each.image): each for each in stage.live.assembly.estimates.of(0)}
    assert known["suspend", ""].measured == before // 2
    stage.restart()
    assert stage.live.scheduler.desk.options.suspend_rate == before // 2
    stage.settings = stage.settings._replace(care=FIXED)
    stage.restart()
    stage.after(SECOND)
    assert stage.live.scheduler.desk.options.suspend_rate == before


def test_rates_stay_within_bounds() -> None:
    """However slow a platform is, it is not planned with more than so many times what is configured."""
    stage = Stage(care=Care(rules=Rules(high=150)))
    stage.fate.set_pace("suspend", "20x")
    before = stage.live.scheduler.desk.options.suspend_rate
    for _ in range(4):
        first, second = stage.preempted()
        stage.after(10 * HOUR)
        for lease in (first, second):
            if lease in stage.live.scheduler.desk.leases:
                stage.cancel(lease)
    assert stage.live.scheduler.desk.options.suspend_rate >= before * 100 // 150


def test_a_vm_that_went_unseen_is_found_by_comparing() -> None:
    """A platform that says nothing of a VM that is gone is looked at every half minute."""
    stage = Stage()
    lease = stage.request()
    stage.pretended._pretence.remove(lease, [1])
    events = handed(stage)
    stage.after(MINUTE)
    assert [event.observed.value for event in events if isinstance(event, InstanceObserved)][:1] == ["vanished"]


def test_a_vm_that_is_being_suspended_contradicts_nothing() -> None:
    """While an operation is under way the VM may be as before, or as it will be, or anything between."""
    stage = Stage(care=FIXED._replace(reconcile_every=SECOND))
    stage.preempted()
    events = handed(stage)
    stage.at(29 * MINUTE)
    stage.at(31 * MINUTE)
    assert [event for event in events if isinstance(event, InstanceObserved)] == []


def test_what_should_be_is_shown_beside_what_is() -> None:
    """Every VM that should be there or is, and every host, with whether they agree."""
    stage = Stage()
    lease = stage.request(vms=2)
    diff = stage.live.diff()
    assert [(row.lease, row.vm, row.desired, row.observed, row.agrees) for row in diff.vms] == [
        (lease, 1, "running", "running", True),
        (lease, 2, "running", "running", True),
    ]
    assert all(row.agrees for row in diff.hosts)
    stage.fate.put(lease, 2, diff_state := stage.pretended.observe()[0].observed, 3)
    stage.fate.put(99, 1, diff_state, 2)
    rows = {(row.lease, row.vm): row for row in stage.live.diff().vms}
    assert not rows[lease, 2].agrees
    assert not rows[99, 1].known


@pytest.mark.parametrize("strays", list(Strays))
def test_strays_are_destroyed_or_reported(strays: Strays) -> None:
    """VMs of a lease that there is not are dealt with as the site wants it, and told of once."""
    stage = Stage(care=Care(strays=strays))
    stage.request()
    stage.fate.put(99, 1, stage.pretended.observe()[0].observed, 2)
    stage.after(5 * MINUTE)
    assert ((99, 1) in stage.vms()) is (strays is Strays.REPORT)
    assert len(stage.told("stray")) == 1


def test_while_the_platform_is_away_promises_stand() -> None:
    """What is due is decided upon, nothing counts as failed, and all is sent when it answers again."""
    stage = Stage(care=FIXED)
    later = stage.request(start=START + 10 * MINUTE)
    runs = stage.request()
    stage.platform.faults = Faults(refused=1000, unanswered=1000)
    events = handed(stage)
    stage.at(20 * MINUTE)
    assert stage.state(later) == stage.state(runs) == "active"
    assert (later, 1) not in stage.vms()
    assert not any(isinstance(event, InstanceObserved) for event in events)
    assert stage.live.assembly.degraded == "no answer came in time"
    with pytest.raises(PlatformUnavailable):
        stage.live.diff()
    stage.platform.faults = NO_FAULTS
    stage.at(23 * MINUTE)
    assert stage.vms()[later, 1][0] == "running"
    assert stage.live.assembly.degraded == ""
    assert [warning.partition(":")[0] for warning in stage.live.warnings][-1].startswith("the platform answers again")


def test_what_timed_out_is_looked_at_before_it_is_sent_again() -> None:
    """A command that was carried out although its answer was lost is settled, not repeated."""
    stage = Stage(care=FIXED)
    stage.platform.faults = Faults(timed_out=1000)
    lease = stage.request()
    sent: list[CommandRow] = []
    stage.pretended.submit = sent.append  # type: ignore[method-assign] # to listen
    stage.platform.faults = NO_FAULTS
    stage.after(MINUTE)
    assert sent == []
    assert stage.vms()[lease, 1][0] == "running"
    assert stage.live.assembly.operations.all() == []


@pytest.mark.parametrize("label", [label for label in LABELS if label not in ("jobs", "flushed")])
def test_a_kill_at_any_point_of_a_step_changes_nothing_but_what_was_not_acknowledged(label: str) -> None:
    """Killed within the step in which a suspension begins, and started again, all goes on as it was to."""
    armed: list[str] = []

    def checkpoint(passed: str) -> None:
        if passed in armed:
            armed.clear()
            raise Killed

    stage = Stage(care=FIXED, checkpoint=checkpoint)
    first, second = stage.preempted()
    stage.at(20 * MINUTE)
    armed.append(label)
    try:
        stage.at(40 * MINUTE)
    except Killed:
        stage.restart()
    assert not armed
    stage.at(40 * MINUTE)
    assert stage.state(second) == "active"
    assert stage.vms()[second, 1][0] == "running"
    assert stage.state(first) == "suspended-scheduled"
    assert stage.vms()[first, 1][0] == "suspended"


def test_a_clock_that_is_set_forward_has_what_is_due_done_in_order() -> None:
    """Nothing is done twice, and what was to end first ends first."""
    stage = Stage(care=FIXED)
    short = stage.request(duration=10 * MINUTE)
    longer = stage.request(duration=20 * MINUTE)
    stage.clock.jump(HOUR)
    stage.after(MINUTE)
    ended = [entry.lease for entry in stage.journal() if entry.data.get("state") == "done"]
    assert ended == [short, longer]
    assert stage.vms() == {}
    verbs = [entry.data["verb"] for entry in stage.journal() if entry.kind == "command"]
    assert verbs.count("shut-down") == 2


def story(seed: int) -> tuple[list[object], dict[str, int]]:
    """Live through a day in which much goes wrong; return the journal and what did."""
    faults = Faults(*[60] * 10)
    stage = Stage(care=Care(heartbeat=10 * SECOND), faults=faults, seed=seed)
    chance = random.Random(seed)
    for hour in range(12):
        for _ in range(3):
            stage.request(vms=chance.randrange(1, 4), duration=chance.randrange(10, 90) * MINUTE)
        if hour % 3 == 2:
            stage.restart()
        stage.after(HOUR)
    stage.platform.faults = NO_FAULTS
    stage.after(24 * HOUR)
    return [entry._replace(data=dict(entry.data)) for entry in stage.journal()], dict(stage.platform.done)


def test_the_same_seed_tells_the_same_story() -> None:
    """Faults, kills and all: the journals are equal, entry by entry, and many things went wrong."""
    once, again = story(7), story(7)
    assert once == again
    assert len(once[1]) >= 8


def test_a_breaker_waits_ever_longer_and_tries_one_thing_first() -> None:
    """Closed, then open, then half-open; closed again at the first answer."""
    breaker = Breaker(Waits(first=1000, most=10_000, opens=3), random.Random(1))
    now, waits = 0, []
    for _ in range(8):
        breaker.failed(now, "no answer")
        waits.append(breaker.retry_at - now)
        assert not breaker.allows(breaker.retry_at - 1)
        now = breaker.retry_at
        assert breaker.allows(now)
    assert breaker.state(now - 1) is State.OPEN
    assert breaker.state(now) is State.HALF_OPEN
    assert all(least <= wait <= least * 5 // 4 for least, wait in zip([1000, 2000, 4000, 8000], waits, strict=False))
    assert max(waits) <= 12_500
    assert breaker.succeeded()
    assert breaker.state(now) is State.CLOSED


@pytest.mark.parametrize("seed", range(3))
def test_when_faults_stop_what_is_agrees_with_what_should_be(seed: int) -> None:
    """Guests, administrators and fate acted, answers were lost and wrong, the daemon was killed: all is mended."""
    stage = Stage(care=Care(heartbeat=10 * SECOND), faults=Faults(*[60] * 10), seed=seed)
    chance = random.Random(seed)
    for _ in range(8):
        for _ in range(3):
            start = stage.clock.now() + chance.randrange(5, 180) * MINUTE if chance.randrange(2) else None
            stage.request(vms=chance.randrange(1, 4), duration=chance.randrange(10, 90) * MINUTE, start=start)
        lease, vm = chance.choice(sorted(stage.vms()) or [(0, 0)])
        with suppress(Impossible):
            stage.fate.act(lease, vm, chance.choice(sorted(ACTS.keys() - {"migrate"})), "ada")
        if not chance.randrange(3):
            stage.restart()
        stage.after(HOUR)
    stage.platform.faults = NO_FAULTS
    stage.after(48 * HOUR)
    left = stage.live.scheduler.desk.leases.values()
    assert [lease for lease in left if not lease.parked] == []
    assert stage.live.assembly.operations.all() == []
    assert [row for row in stage.live.diff().vms if not row.agrees] == []


def test_what_runs_too_long_after_the_clock_was_set_is_not_taken_for_slow() -> None:
    """An operation under way when the clock jumps an hour ahead needs no hour more."""
    stage = Stage(care=FIXED)
    stage.fate.set_pace("suspend", "1x")
    first, _second = stage.preempted()
    begins = stage.lease(first).stays[0].run_end
    stage.live.run(begins + SECOND)
    events = handed(stage)
    stage.clock.jump(HOUR)
    stage.after(SECOND)
    late = [event for event in reported(events) if event.outcome is OperationOutcome.LATE]
    assert all(event.until is not None and event.until - event.at < 10 * MINUTE for event in late)
