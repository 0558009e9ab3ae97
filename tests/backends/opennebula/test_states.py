"""What OpenNebula's states mean, and what follows from them for what is to be done next."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.backends.opennebula.operations import Aim, Call, Done, Failed, Goal, Past, Rules, Wait, next_step
from haizea.backends.opennebula.pools import Machine, Record
from haizea.backends.opennebula.states import LIFE_CYCLE, STATES, Place, actor, host_of, look, observed
from haizea.model.events import Observed

OURS = 2
RULES = Rules()


def vm(state: int, lcm: int = 0, action: int = 0, by: int = -1, host: int = 3, *, on: bool = True) -> Machine:
    """Return a VM in a state, whose last history record says who did what."""
    record = Record(0, host, action, by, on)
    return Machine(7, "vm", "ana", "users", state, lcm, 100, 0, 128, 0, record, {}, None)


@pytest.mark.parametrize("state", range(12))
def test_every_state_means_something(state: int) -> None:
    """All twelve states are known, the active one through its life cycle."""
    assert state == 3 or state in STATES


@pytest.mark.parametrize("lcm", range(72))
def test_every_state_of_the_life_cycle_means_something(lcm: int) -> None:
    """All 72 states of the life cycle are known."""
    assert lcm in LIFE_CYCLE


def test_a_state_of_the_future_is_unknown() -> None:
    """A state that no OpenNebula has had is one that nothing is known of, not an error."""
    assert look(vm(3, 99)).place is Place.UNKNOWN
    assert look(vm(42)).place is Place.UNKNOWN


@pytest.mark.parametrize(
    ("found", "expected", "who"),
    [
        (vm(3, 3), Observed.RUNNING, None),
        (vm(3, 16), Observed.UNKNOWN, None),
        (vm(5, 0, 10, OURS), Observed.SUSPENDED, None),
        (vm(5, 0, 10, 0), Observed.SUSPENDED, 0),
        (vm(5, 0, 44), Observed.PAUSED, None),
        (vm(8, 0, 44), Observed.GUEST_SHUTDOWN, None),
        (vm(8, 0, 19, 0), Observed.STOPPED, 0),
        (vm(8, 0, 20, 5), Observed.STOPPED, 5),
        (vm(4, 0, 9, 0, on=False), Observed.SUSPENDED, 0),
        (vm(9, 0, 5, 0, on=False), Observed.STOPPED, 0),
        (vm(1, 0, 9, 0, on=False), Observed.SUSPENDED, 0),
        (vm(1, 0, 14, 0, on=False), None, 0),
        (vm(6, 0, 28, 0, on=False), None, None),
        (vm(6, 0, 13, 0, on=False), None, 0),
        (vm(3, 36), Observed.CRASHED, None),
        (vm(3, 39), Observed.CRASHED, None),
        (vm(3, 48), Observed.SUSPENDED, None),
    ],
)
def test_who_brought_a_vm_where(found: Machine, expected: Observed | None, who: int | None) -> None:
    """The last history record tells the guest, a person and Haizea itself apart."""
    assert observed(found, OURS) is expected
    assert actor(found, OURS) == who


def test_where_capacity_is_held() -> None:
    """Suspended, powered-off and failed VMs hold their host's capacity; stopped, undeployed and pending ones none."""
    assert [host_of(vm(state, lcm)) for state, lcm in ((3, 3), (5, 0), (8, 0), (3, 36))] == [3, 3, 3, 3]
    assert [host_of(vm(state)) for state in (1, 2, 4, 6, 9)] == [None] * 5


@pytest.mark.parametrize(
    ("goal", "found", "expected"),
    [
        (Goal.START, None, Call.MAKE),
        (Goal.START, vm(2), Call.DEPLOY),
        (Goal.START, vm(1), Call.DEPLOY),
        (Goal.START, vm(3, 3), Done()),
        (Goal.START, vm(3, 3, host=1), Call.MIGRATE_LIVE),
        (Goal.START, vm(3, 2), Wait()),
        (Goal.START, vm(3, 36), Call.RECREATE),
        (Goal.START, vm(3, 16), Call.RESUME),
        (Goal.START, vm(3, 16, host=1), Call.RECREATE),
        (Goal.START, vm(8), Call.RESUME),
        (Goal.RESUME, vm(5), Call.RESUME),
        (Goal.RESUME, vm(5, host=1), Call.MIGRATE_SAVED),
        (Goal.RESUME, vm(4), Call.DEPLOY),
        (Goal.RESUME, vm(9), Call.DEPLOY),
        (Goal.RESUME, vm(3, 48), Call.GIVE_UP),
        (Goal.RESUME, vm(3, 16), Wait()),
        (Goal.SUSPEND, vm(3, 3), Call.SUSPEND),
        (Goal.SUSPEND, vm(5), Done()),
        (Goal.SUSPEND, vm(3, 6), Wait()),
        (Goal.PAUSE, vm(3, 3), Call.SUSPEND),
        (Goal.MOVE, vm(3, 3, host=1), Call.MIGRATE_LIVE),
        (Goal.MOVE, vm(5, host=1), Call.MIGRATE_SAVED),
        (Goal.MOVE, vm(4), Done()),
        (Goal.END, vm(3, 3), Call.TERMINATE),
        (Goal.END, vm(8), Call.TERMINATE_HARD),
        (Goal.END, None, Done()),
        (Goal.REMOVE, vm(3, 3), Call.TERMINATE_HARD),
        (Goal.REMOVE, vm(3, 6), Wait()),
        (Goal.REMAKE, vm(3, 3), Call.RECREATE),
        (Goal.REMAKE, vm(1, on=False), Call.HOLD),
        (Goal.REMAKE, vm(2), Done()),
        (Goal.REMAKE, None, Done()),
    ],
)
def test_what_is_done_first(goal: Goal, found: Machine | None, expected: object) -> None:
    """From what a VM looks like follows the next call."""
    assert next_step(Aim(goal, 3), found, Past(), 0.0, RULES) == expected


def test_stopping_where_that_is_configured() -> None:
    """With opennebula.suspend = stop a VM is stopped, so that it may resume anywhere; a pause stays a suspension."""
    rules = Rules(stop=True)
    assert next_step(Aim(Goal.SUSPEND), vm(3, 3), Past(), 0.0, rules) is Call.STOP
    assert next_step(Aim(Goal.PAUSE), vm(3, 3), Past(), 0.0, rules) is Call.SUSPEND


def test_a_move_is_not_believed_at_once() -> None:
    """A VM that is to be moved shows to run on its new host before it begins to move: that is waited out."""
    past = Past(Call.MIGRATE_LIVE, at=10.0, calls=(Call.MIGRATE_LIVE,))
    assert isinstance(next_step(Aim(Goal.MOVE, 3), vm(3, 3), past, 10.5, RULES), Wait)
    assert isinstance(next_step(Aim(Goal.MOVE, 3), vm(3, 3), past._replace(moved=True), 10.5, RULES), Done)
    assert isinstance(next_step(Aim(Goal.MOVE, 3), vm(3, 3), past, 13.0, RULES), Done)


def test_what_is_refused_is_given_up_in_the_end() -> None:
    """A call that OpenNebula refuses for a minute fails, with what OpenNebula has said."""
    past = Past(refused=0.0, error="not available for state SAVE")
    assert next_step(Aim(Goal.SUSPEND), vm(3, 3), past, 59.0, RULES) is Call.SUSPEND
    step = next_step(Aim(Goal.SUSPEND), vm(3, 3), past, 61.0, RULES)
    assert isinstance(step, Failed)
    assert "not available for state SAVE" in step.why


_places = [(state, 0) for state in STATES] + [(3, lcm) for lcm in [*LIFE_CYCLE, 99]]


@given(goal=st.sampled_from(list(Goal)), course=st.lists(st.sampled_from(_places), min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_every_errand_ends(goal: Goal, course: list[tuple[int, int]]) -> None:
    """Whatever a VM does, an errand makes a bounded number of calls, and ends if it stays anywhere long enough."""
    past, now = Past(), 0.0
    rules = Rules(settle=1.0, shutdown=5.0, stuck=20.0, patience=5.0)
    places = [vm(*place) for place in course]
    for turn in range(4_000):
        found = places[min(turn // 2, len(places) - 1)]
        moving = not look(found).settled
        if moving and past.call is not None:
            past = past._replace(moved=True)
        step = next_step(Aim(goal, 1), found, past, now, rules)
        if isinstance(step, Done | Failed):
            assert len(past.calls) < 40
            return
        if isinstance(step, Call):
            past = past._replace(call=step, at=now, moved=False, since=now, calls=(*past.calls, step))
        now += 0.5
    # What may be waited for without end is only a VM that is to resume and of which nothing is heard.
    assert goal is Goal.RESUME
    assert look(places[-1]).place is Place.UNKNOWN
