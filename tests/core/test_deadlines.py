"""Deadline leases: accepted only if they can end in time, and then they do."""

import pytest

from haizea.model.events import InstanceObserved, Observed
from haizea.model.lease import LeaseState
from haizea.model.reason import Cause
from haizea.model.units import MINUTE, SECOND
from haizea.plan.options import Suspension
from tests.core.play import Play
from tests.simulation.running import policies


def play_with(policy: str = "deadline", hosts: int = 1, suspension: Suspension = Suspension.ALL) -> Play:
    """A site where deadline leases may preempt, or as the policy says."""
    return Play(hosts, policies(policy, suspension=suspension.value), suspension=suspension)


def test_a_deadline_lease_does_not_start_before_its_start() -> None:
    """An idle host waits for the earliest start."""
    play = play_with()
    play.ask(1, start=30, minutes=10, deadline=200)
    play.go()
    assert play.stays(1) == [(30, 40)]


def test_a_deadline_lease_starts_late_where_it_can_wait() -> None:
    """It takes the place after a reservation."""
    play = play_with()
    play.ask(1, start=30, minutes=30)
    play.ask(2, start=20, minutes=30, deadline=120)
    play.go()
    assert play.stays(2) == [(60, 90)]


def test_a_deadline_lease_never_breaks_the_promise_to_a_reservation() -> None:
    """Where a reservation is in the way until too late, the deadline lease is rejected."""
    play = play_with()
    play.ask(1, start=30, minutes=60)
    play.ask(2, start=30, minutes=30, deadline=100)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.reason(2).cause in (Cause.DEADLINE, Cause.RESERVED)
    assert play.stays(1) == [(30, 90)]


def test_a_reservation_has_a_deadline_lease_wait() -> None:
    """A deadline lease with slack is moved, and both promises are kept."""
    play = play_with()
    play.ask(1, start=30, minutes=30, deadline=200)
    play.go()
    play.ask(2, start=40, minutes=30)
    play.go()
    assert play.state(2) is LeaseState.READY
    play.go(300)
    lease = play.lease(1)
    assert (lease.state, lease.delivered) == (LeaseState.DONE, 30 * MINUTE)
    assert lease.ended is not None
    assert lease.ended <= 200 * MINUTE


def test_a_reservation_is_rejected_rather_than_a_deadline_missed() -> None:
    """A deadline lease without slack does not give way."""
    play = play_with()
    play.ask(1, start=30, minutes=30, deadline=65)
    play.go()
    play.ask(2, start=40, minutes=30)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.stays(1) == [(30, 60)]


def test_a_running_deadline_lease_is_suspended_and_resumed_in_time() -> None:
    """It is suspended for a reservation, resumes afterwards, and ends before its deadline with all it asked for."""
    play = play_with()
    play.ask(1, start=0, minutes=60, deadline=200)
    play.go(10)
    play.ask(2, start=30, minutes=30)
    play.go(45)
    assert play.state(1) is LeaseState.SUSPENDED_SCHEDULED
    play.go(200)
    lease = play.lease(1)
    assert (lease.state, lease.delivered, lease.suspensions) == (LeaseState.DONE, 60 * MINUTE, 1)
    assert lease.ended == 90 * MINUTE + 64 * SECOND


@pytest.mark.parametrize(("deadline", "state"), [(135, LeaseState.READY), (115, LeaseState.REJECTED)])
def test_without_suspension_a_running_deadline_lease_must_be_able_to_start_over(
    deadline: int, state: LeaseState
) -> None:
    """It gives way only where its whole duration still fits before its deadline."""
    play = play_with(suspension=Suspension.NONE)
    play.ask(1, start=0, minutes=60, deadline=deadline)
    play.go(10)
    play.ask(2, start=30, minutes=30)
    play.go()
    assert play.state(2) is state
    play.go(200)
    assert (play.state(1), play.lease(1).delivered) == (LeaseState.DONE, 60 * MINUTE)


def test_best_effort_gives_way_to_a_deadline_lease_that_cannot_wait() -> None:
    """A best-effort lease is suspended for it and goes on afterwards."""
    play = play_with()
    play.ask(1, minutes=120)
    play.go(10)
    play.ask(2, start=30, minutes=30, deadline=65)
    play.go()
    assert play.stays(2) == [(30, 60)]
    play.go(400)
    assert play.lease(1).delivered == 120 * MINUTE


@pytest.mark.parametrize("policy", ["no-preemption", "ar-preempts-besteffort", "ar-preempts-everything"])
def test_deadline_leases_preempt_only_where_the_policy_says_so(policy: str) -> None:
    """With the other policies a deadline lease takes what is free or is rejected."""
    play = play_with(policy)
    play.ask(1, minutes=120)
    play.go(10)
    play.ask(2, start=30, minutes=30, deadline=65)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.lease(1).preemptions == 0


def test_deadline_leases_are_planned_anew_where_they_fit_together_in_another_order() -> None:
    """Two leases of which the second is urgent are both accepted."""
    play = play_with("no-preemption")
    play.ask(1, start=10, minutes=30, deadline=300)
    play.go()
    play.ask(2, start=10, minutes=30, deadline=45)
    play.go()
    assert play.state(2) is LeaseState.READY
    play.go(300)
    for number, deadline in ((1, 300), (2, 45)):
        lease = play.lease(number)
        assert lease.state is LeaseState.DONE
        assert lease.ended is not None
        assert lease.ended <= deadline * MINUTE


def test_a_deadline_lease_moves_up_when_hosts_become_free_early() -> None:
    """A deadline lease that waits for its turn starts at once when the one before it is over early."""
    play = play_with()
    play.ask(1, start=0, minutes=60)
    play.ask(2, start=5, minutes=30, deadline=300)
    play.go(20)
    assert play.stays(2) == [(60, 90)]
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 0, Observed.GUEST_SHUTDOWN))
    play.go()
    assert play.state(2) is LeaseState.ACTIVE


def test_a_lease_that_gives_way_again_while_it_is_suspended_runs_for_its_whole_time() -> None:
    """The rest of it is moved a second time during the suspension: what it has run is counted once, not twice."""
    play = play_with()
    play.ask(1, minutes=60, start=0, deadline=300)
    play.ask(2, minutes=30, start=40)
    play.go(39.75)
    assert play.state(1) is LeaseState.SUSPENDING
    play.ask(3, minutes=30, start=70)
    play.go(300)
    assert {number: play.state(number) for number in (1, 2, 3)} == dict.fromkeys((1, 2, 3), LeaseState.DONE)
    assert play.lease(1).delivered == 60 * MINUTE


def test_what_is_left_of_a_lease_that_is_being_suspended_is_told_truly() -> None:
    """A policy that asks during the suspension, or for any time after it, hears what has not been delivered yet."""
    play = play_with()
    play.ask(1, minutes=60, start=0, deadline=300)
    play.ask(2, minutes=30, start=40)
    play.go(39.75)
    lease = play.lease(1)
    assert lease.remaining == lease.remaining_at(play.scheduler.desk.now) == 60 * MINUTE - lease.delivered
    assert lease.remaining_at(45 * MINUTE) == lease.remaining


def test_a_suspension_that_takes_no_time_leaves_one_stay_to_come() -> None:
    """Who is cut short at once goes on once, when it was planned to, and is in no queue meanwhile."""
    play = Play(4, chosen=policies("deadline"), suspend_time=0)
    play.ask(1, vms=4, minutes=30, start=0, deadline=210)
    play.go()
    play.go(10)
    play.ask(2, vms=2, minutes=30, start=10, deadline=40)
    play.go(10)
    assert len(play.stays(1)) == 1
    assert list(play.scheduler.desk.queue) == []
    play.go(210)
    assert play.state(1) is LeaseState.DONE
