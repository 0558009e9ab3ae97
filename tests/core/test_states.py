"""The table of states, and cancelling a lease in each of them."""

from collections.abc import Callable
from typing import Final

import pytest

from haizea.core.states import TRANSITIONS, ImpossibleTransition, diagram
from haizea.model.events import CancelRequested, InstanceObserved, LeaseRequested, Observed
from haizea.model.lease import FINAL_STATES, DiskImage, LeaseState, LeaseTerms, NodeSet, OnFailure, Reactions
from haizea.model.reason import Cause
from haizea.model.units import HOUR, MINUTE, SECOND
from haizea.plan.options import TransferOptions
from tests.core.play import VM, Play

S = LeaseState


def new() -> Play:
    """Asked for, and not yet looked at."""
    play = Play(1)
    play.ask(1)
    return play


def queued() -> Play:
    """Behind another one, with no reservation."""
    play = Play(1, reservations_max=0)
    play.ask(2)
    play.ask(1)
    play.go()
    return play


def ready() -> Play:
    """Reserved."""
    play = Play(1)
    play.ask(1, start=30)
    play.go()
    return play


def scheduled() -> Play:
    """Reserved, its image to be sent later."""
    play = Play(1, transfer=TransferOptions(100))
    play.ask(1, start=30, software=DiskImage("debian", 1000))
    play.go()
    return play


def preparing() -> Play:
    """Its image is on the way."""
    play = scheduled()
    play.go(29)
    return play


def active() -> Play:
    """Running."""
    play = Play(1)
    play.ask(1)
    play.go(10)
    return play


def preempted(until: float) -> Play:
    """Started at 0, suspended from 29:28 to 30:00 for a reservation until 40:00, resumed until 40:32."""
    play = Play(1)
    play.ask(1)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go(until)
    return play


def suspended_queued() -> Play:
    """Suspended, with no reservation."""
    play = Play(1, reservations_max=0)
    play.ask(1)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go(31)
    return play


def seen(observed: Observed) -> Play:
    """Running for 10 minutes, then seen to be something else; on hold where that is a failure."""
    play = Play(1)
    play.ask(1, reactions=Reactions(on_failure=OnFailure.HOLD))
    play.go(10)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 0, observed))
    play.go()
    return play


REACHED: Final[dict[LeaseState, Callable[[], Play]]] = {
    S.NEW: new,
    S.QUEUED: queued,
    S.READY: ready,
    S.SCHEDULED: scheduled,
    S.PREPARING: preparing,
    S.ACTIVE: active,
    S.SUSPENDING: lambda: preempted(29.6),
    S.SUSPENDED_QUEUED: suspended_queued,
    S.SUSPENDED_SCHEDULED: lambda: preempted(35),
    S.RESUMING: lambda: preempted(40.2),
    S.PAUSED: lambda: seen(Observed.PAUSED),
    S.HELD: lambda: seen(Observed.CRASHED),
}
UNUSED: Final = {S.PENDING, S.SUSPENDED_PENDING, S.MIGRATING, S.RESUMED_READY}
"""States that Haizea 1.x clients know, and in which no lease stays when an event has been dealt with."""


@pytest.mark.parametrize("state", REACHED, ids=lambda state: state.label)
def test_a_lease_can_be_cancelled_in_every_state(state: LeaseState) -> None:
    """A cancelled lease frees everything at once, keeps what it was given, and is never heard of again."""
    play = REACHED[state]()
    assert play.state(1) is state
    delivered = {S.ACTIVE: 10 * MINUTE, S.SUSPENDING: 1768 * SECOND, S.SUSPENDED_QUEUED: 1768 * SECOND}
    delivered |= {S.PAUSED: 10 * MINUTE, S.HELD: 10 * MINUTE}
    delivered |= {S.SUSPENDED_SCHEDULED: 1768 * SECOND, S.RESUMING: 1768 * SECOND}
    play.tell(CancelRequested(play.scheduler.desk.now, 1, "ann"))
    play.go()
    lease = play.over[1]
    assert lease.state is S.CANCELLED
    assert (lease.stays, lease.images, lease in play.scheduler.desk.queue) == ([], None, False)
    assert lease.delivered == delivered.get(state, 0)
    assert (play.reason(1).cause, play.reason(1).text) == (Cause.CANCELLED, "It was cancelled by ann.")
    heard = play.go(500)
    assert not [said for said in heard if said.split()[-1] == "1" or said.split()[1] == "1"]
    assert play.verifier.summary()["violations"] == []


def test_every_state_is_reached_or_known_to_be_unused() -> None:
    """No state is forgotten here."""
    assert set(REACHED) | UNUSED | FINAL_STATES == set(LeaseState)


def test_cancelling_frees_the_hosts_for_the_next() -> None:
    """Whoever waits starts at the instant of the cancellation."""
    play = queued()
    play.go(5)
    play.tell(CancelRequested(play.scheduler.desk.now, 2))
    assert play.go() == ["300s destroy 2", "300s 2 cancelled", "300s 1 active", "300s start 1"]


def test_cancelling_breaks_off_a_transfer() -> None:
    """A transfer for nobody ends at once, and the repository is free for the next."""
    play = preparing()
    play.tell(CancelRequested(play.scheduler.desk.now, 1))
    play.ask(3, software=DiskImage("centos", 1000))
    play.go(29)
    assert "1740s transfer 3" in play.said or play.state(3) is S.PREPARING


def test_cancelling_what_is_not_there_does_nothing() -> None:
    """A lease that nobody knows, or that is over, can be cancelled any number of times."""
    play = active()
    play.tell(CancelRequested(play.scheduler.desk.now, 99))
    play.go(60)
    play.tell(CancelRequested(play.scheduler.desk.now, 1))
    assert play.state(1) is S.DONE


def test_final_states_are_final() -> None:
    """Nothing follows a final state, and every other state can be left."""
    assert {state for state, following in TRANSITIONS.items() if not following} == FINAL_STATES
    assert set(TRANSITIONS) == set(LeaseState)


def test_every_state_can_be_cancelled_by_the_table() -> None:
    """The table lets a lease be cancelled from every state that is not final."""
    for state, following in TRANSITIONS.items():
        assert (S.CANCELLED in following) is (state not in FINAL_STATES)


def test_an_impossible_change_raises_with_the_story_of_the_lease() -> None:
    """A change that the table does not know is a bug, told with the states and what had happened."""
    play = preempted(41)
    lease = play.lease(1)
    with pytest.raises(ImpossibleTransition) as caught:
        play.scheduler.desk.enter(lease, S.PENDING)
    assert (caught.value.lease, caught.value.before, caught.value.after) == (1, S.ACTIVE, S.PENDING)
    text = str(caught.value)
    assert "lease 1 cannot go from active to pending" in text
    assert "suspend 1768000-1800000 done" in text


def test_a_lease_without_a_story_says_so() -> None:
    """A lease to which nothing has happened yet has nothing to tell."""
    play = Play(1)
    play.tell(LeaseRequested(0, 1, LeaseTerms((NodeSet(1, VM),), HOUR)))
    with pytest.raises(ImpossibleTransition, match="nothing happened to it"):
        play.scheduler.desk.enter(play.lease(1), S.DONE)


def test_the_diagram_shows_every_change() -> None:
    """The diagram for the documentation has an arrow for every change in the table."""
    text = diagram()
    for state, following in TRANSITIONS.items():
        for after in following:
            assert f"{state.label.replace('-', '_')} --> {after.label.replace('-', '_')}" in text
