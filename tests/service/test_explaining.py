"""What is said of leases that wait, and when they begin."""

from haizea.live.records import lease_row
from haizea.model.events import InstanceObserved, Observed
from haizea.model.orders import Drain, Migrate, Requeue
from haizea.model.units import MINUTE
from haizea.plan.options import Migration
from haizea.service.explaining import sooner, waiting_of
from haizea.service.pictures import affected, picture
from haizea.service.views import reason_of, reason_waiting
from tests.core.ordering import Ordering


def test_who_waits_for_a_reservation_is_told_what_for_and_what_would_help() -> None:
    """A lease that got a reservation out of the queue waits as others do: for those who leave its hosts before."""
    play = Ordering(2)
    play.ask(1, minutes=60)
    play.ask(2, vms=2, minutes=30)
    play.go()
    found = waiting_of(play.scheduler, 2)
    assert (found.start, found.ahead) == (60 * MINUTE, [1])
    assert "there is no room for it" in found.why
    assert [idea.verb for idea in sooner(play.scheduler.copy(), 2)] == ["lease.resize"]


def test_a_reservation_of_its_own_time_waits_for_nobody() -> None:
    """Whoever asked for a certain time is told of that time alone."""
    play = Ordering(2)
    play.ask(1, minutes=60)
    play.ask(2, start=90, minutes=30)
    play.go()
    assert waiting_of(play.scheduler, 2) == (90 * MINUTE, [], "", "")
    assert sooner(play.scheduler.copy(), 2) == []


def test_who_starts_over_begins_when_it_is_planned_to() -> None:
    """What a lease had before it was put back into the queue is not shown as its time; when it goes on is told."""
    play = Ordering(1)
    play.ask(1, minutes=60)
    play.go(10)
    play.ask(2, minutes=30)
    assert play.order(1, Requeue()) is None
    play.go()
    first, second = sorted(play.scheduler.desk.leases, key=lambda number: play.lease(number).stays[0].start)
    row = lease_row(play.lease(second), play.scheduler.desk, 1)
    assert row.state == "ready"
    assert row.starts == waiting_of(play.scheduler, second).start == play.lease(first).stays[0].end


def test_who_waits_for_hosts_that_take_nothing_new_is_told_so() -> None:
    """Free cores on hosts that are not used are no room, and which hosts those are is said."""
    play = Ordering(2)
    for host in (0, 1):
        assert play.host(host, Drain()) is None
    play.ask(1)
    play.go()
    assert waiting_of(play.scheduler, 1).kept == "Nothing new is started on host-0, host-1."


def test_who_was_suspended_by_somebody_is_not_said_to_wait_for_room() -> None:
    """What keeps it from going on is that person's act, and no lack of hosts."""
    play = Ordering(2)
    play.ask(1)
    play.go(10)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 0, Observed.SUSPENDED, None, "ann"))
    play.go()
    found = reason_waiting(play.lease(1))
    assert found is not None
    assert (found.cause, found.text) == ("held", "It is kept from going on by ann.")
    assert reason_of(lease_row(play.lease(1), play.scheduler.desk, 1)) == found


def test_who_moves_while_it_runs_is_not_said_to_start_later() -> None:
    """A lease that has begun has begun; what a change does to it is that it moves."""
    play = Ordering(2, migration=Migration.YES)
    play.ask(1)
    play.go(10)
    before = picture(play.scheduler)
    assert play.order(1, Migrate(0, 1)) is None
    assert [told.how for told in affected(before, picture(play.scheduler), {})] == ["moved"]
