"""Leases that were to give way, when what they were to give way to is gone."""

from haizea.model.events import CancelRequested
from haizea.model.lease import LeaseState
from haizea.model.orders import Drain, Resume, StartAt, Suspend
from haizea.model.units import MINUTE
from tests.core.ordering import Ordering

S = LeaseState


def cut(hosts: int = 1) -> Ordering:
    """Lease 1 runs for four hours on all hosts, and lease 2 has them from 10:00 to 11:00 in between."""
    play = Ordering(hosts, spares=True)
    play.ask(1, vms=hosts, minutes=240, preemptible=True)
    play.go(1)
    play.ask(2, vms=hosts, start=60, minutes=60)
    play.go()
    assert play.stays(1) == [(0, 60)]
    return play


def test_nobody_is_suspended_for_a_reservation_that_was_cancelled() -> None:
    """It runs on to its end, and its plan says so as soon as the reservation is gone."""
    play = cut()
    play.tell(CancelRequested(play.scheduler.desk.now, 2, "ann"))
    play.go()
    assert play.stays(1) == [(0, 240)]
    play.go(240)
    assert (play.state(1), play.lease(1).suspensions) == (S.DONE, 0)


def test_who_gives_way_does_so_only_when_it_has_to() -> None:
    """A reservation that was moved has the lease suspended for its new start."""
    play = cut()
    assert play.order(2, StartAt(120 * MINUTE)) is None
    play.go()
    assert play.stays(1) == [(0, 120)]
    play.go(120)
    assert (play.state(1), play.state(2)) == (S.SUSPENDED_SCHEDULED, S.ACTIVE)


def test_who_waits_comes_first() -> None:
    """What has become free is given to those who wait in the queue before somebody is spared."""
    play = cut(hosts=2)
    play.ask(3, vms=2, minutes=30)
    play.go()
    before = play.stays(3)
    play.tell(CancelRequested(play.scheduler.desk.now, 2, "ann"))
    play.go()
    assert play.stays(3)[0][0] <= before[0][0]
    assert play.stays(1)[0][1] <= play.stays(3)[0][0]


def test_nobody_stays_on_a_host_that_takes_nothing_new() -> None:
    """A host that is to run empty is not held for longer by somebody who was to leave it."""
    play = cut()
    assert play.host(0, Drain()) is None
    play.tell(CancelRequested(play.scheduler.desk.now, 2, "ann"))
    play.go()
    assert play.stays(1) == [(0, 60)]


def test_what_was_suspended_by_order_is_left_alone() -> None:
    """A lease that is being suspended because somebody wants it is suspended."""
    play = cut()
    assert play.order(1, Suspend()) is None
    play.tell(CancelRequested(play.scheduler.desk.now, 2, "ann"))
    play.go(5)
    assert play.state(1) is S.SUSPENDED_QUEUED
    assert play.order(1, Resume()) is None
    play.go(6)
    assert play.state(1) is S.ACTIVE
