"""VMs that move while they run, when that is late, over early, or fails. Moving a VM takes 82 s."""

from haizea.model.events import (
    HostObserved,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
    StrangersObserved,
)
from haizea.model.lease import LeaseState
from haizea.model.orders import Evacuate, Migrate, Resume, Suspend
from haizea.model.site import HostState
from haizea.model.units import MINUTE, SECOND
from haizea.plan.lease import Lease
from haizea.plan.options import Migration
from tests.core.ordering import Ordering
from tests.core.play import VM
from tests.core.test_mishaps import done
from tests.core.test_reactions import failed, late

S = LeaseState
WAY = 82 * SECOND


def moving(hosts: int = 2) -> Ordering:
    """Lease 1 runs for an hour, and is on its way from the first to the second host from 10:00 on."""
    play = Ordering(hosts, migration=Migration.YES)
    play.ask(1)
    play.go(10)
    assert play.order(1, Migrate(0, 1)) is None
    assert play.hosts(1) == (1,)
    return play


def claimed(play: Ordering, host: int = 0) -> list[tuple[float, float]]:
    """Return when something is claimed of a host, in minutes."""
    return [(p.start / MINUTE, p.end / MINUTE) for p in play.scheduler.desk.claims.pieces() if p.host == host]


def migrations(lease: Lease) -> list[tuple[int, int, str]]:
    """Return when VMs of a lease were moved, in seconds, and what came of it."""
    return [(e.start // SECOND, e.end // SECOND, e.outcome) for e in lease.log if e.kind == "migrate"]


def test_a_vm_that_could_not_be_moved_stays_where_it_was() -> None:
    """Its old host is its own again, the new one is free, and it ends when it was to."""
    play = moving()
    play.go(10.5)
    failed(play, "migrate")
    assert (play.hosts(1), play.state(1), play.lease(1).migrations) == ((0,), S.ACTIVE, 0)
    assert claimed(play) == []
    assert play.go() == ["630s notice 1"]
    play.ask(2, minutes=10)
    play.go(11)
    assert play.hosts(2) == (1,)
    play.go(60)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)
    assert migrations(play.lease(1)) == [(600, 630, "cancelled")]


def test_whoever_was_to_have_the_old_place_is_planned_anew() -> None:
    """A reservation that was booked there while the VM was on its way goes elsewhere."""
    play = moving()
    play.ask(2, start=30, minutes=10)
    play.go(10.5)
    assert play.hosts(2) == (0,)
    failed(play, "migrate")
    assert (play.hosts(1), play.hosts(2)) == ((0,), (1,))
    play.go(30)
    assert (play.state(1), play.state(2)) == (S.ACTIVE, S.ACTIVE)


def test_only_the_vm_that_failed_goes_back() -> None:
    """Of two VMs that move one arrives."""
    play = Ordering(4, migration=Migration.YES)
    play.ask(1, vms=2)
    play.go(10)
    assert play.order(1, Migrate(0, None, 0)) is None
    assert play.order(1, Migrate(0, 3, 1)) is None
    assert play.hosts(1) == (2, 3)
    play.tell(OperationReported(play.scheduler.desk.now, 1, "migrate", OperationOutcome.FAILED, vm=2))
    assert play.hosts(1) == (2, 1)
    assert (claimed(play, 0) != [], claimed(play, 1)) == (True, [])
    assert play.lease(1).migrations == 1


def test_a_vm_that_has_to_leave_its_host_is_moved_elsewhere_when_that_fails() -> None:
    """First to a host where it was not tried yet; a bounded number of times; then it gives way."""
    play = Ordering(3, migration=Migration.YES)
    play.ask(1)
    play.go(10)
    assert play.host(0, Evacuate()) is None
    went = [play.hosts(1)]
    said = play.go()
    while play.state(1) is S.ACTIVE:
        said += play.go(play.now + 1)
        failed(play, "migrate")
        went.append(play.hosts(1))
        assert len(went) < 10
    assert went == [(1,), (2,), (1,), (2,), (0,)]
    assert play.state(1) is S.SUSPENDING
    assert [line.split()[0] for line in said if "migrate" in line] == ["600s", "660s", "720s", "780s"]
    assert "660s notice 1" in said
    play.go(200)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_a_reservation_that_cannot_be_moved_stays_and_that_is_told() -> None:
    """What was promised is not given up for a host that is to be empty."""
    play = Ordering(2, migration=Migration.YES)
    play.ask(1, start=0)
    play.go(10)
    assert play.host(0, Evacuate()) is None
    for _ in range(4):
        failed(play, "migrate")
    assert (play.hosts(1), play.state(1)) == ((0,), S.ACTIVE)
    play.go(60)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_what_goes_back_leaves_its_room_to_the_strangers_where_it_was_to_go() -> None:
    """They have come there meanwhile, and could not be given theirs as long as it was on its way there."""
    play = Ordering(2, migration=Migration.YES)
    play.ask(1, start=0)
    play.go(10)
    assert play.host(0, Evacuate()) is None
    play.tell(StrangersObserved(play.scheduler.desk.now, 1, VM))
    play.go(10.5)
    assert (play.hosts(1), claimed(play, 1)[0][0]) == ((1,), 60)
    failed(play, "migrate")
    play.go()
    assert (play.hosts(1), play.state(1), claimed(play, 1)[0][0]) == ((0,), S.ACTIVE, 10.5)


def test_maintenance_that_has_begun_ends_who_could_not_be_moved_in_time() -> None:
    """With force the window is kept; what is left of a reservation's time goes on elsewhere."""
    play = Ordering(2, migration=Migration.YES)
    play.ask(1, start=0)
    play.go(10)
    assert play.maintain((0,), 10, 60, force=True) is None
    assert play.hosts(1) == (1,)
    for _ in range(4):
        failed(play, "migrate")
    assert play.hosts(1) == (1,)
    play.go(60)
    assert (play.state(1), play.lost(1)) == (S.DONE, 10)


def test_a_late_migration_keeps_the_old_place_for_longer() -> None:
    """Who was to have it by then is planned anew; people are told once."""
    play = moving()
    play.ask(2, start=12, minutes=10)
    play.go(11)
    assert play.hosts(2) == (0,)
    play.go(10 + WAY / MINUTE - 0.001)
    play.said.clear()
    late(play, "migrate", 15)
    assert claimed(play)[-1][1] == 15
    assert play.stays(2) == [(15, 22)]
    told = [line.split()[1:] for line in play.go()]
    assert told.count(["notice", "1"]) == 1
    late(play, "migrate", 16)
    assert ["notice", "1"] not in [line.split()[1:] for line in play.go()]
    play.go(16)
    assert (play.state(2), play.stays(2), play.hosts(2)) == (S.ACTIVE, [(16, 22)], (0,))
    assert migrations(play.lease(1)) == [(600, 960, "done")]


def test_a_migration_that_is_late_for_too_long_is_taken_to_have_failed() -> None:
    """The VM is where it was as far as anybody knows; that it arrived after all would be seen."""
    play = moving()
    play.go(11)
    late(play, "migrate", 600)
    assert (play.hosts(1), play.state(1)) == ((0,), S.ACTIVE)


def test_a_migration_that_is_over_early_gives_the_old_place_back() -> None:
    """Whoever waits for it starts at once."""
    play = moving()
    play.ask(2)
    play.go(10.5)
    assert play.state(2) is S.READY
    done(play, "migrate")
    assert (play.state(2), play.hosts(2), claimed(play)) == (S.ACTIVE, (0,), [])
    assert migrations(play.lease(1)) == [(600, 630, "done")]


def test_a_vm_on_its_way_may_be_seen_where_it_comes_from() -> None:
    """Nobody has moved it there: the plan stays as it is. Once it has arrived, it has been moved back."""
    play = moving()
    play.go(10.5)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 1, Observed.RUNNING, 0))
    assert (play.go(), play.hosts(1)) == ([], (1,))
    play.go(20)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 1, Observed.RUNNING, 0))
    assert play.hosts(1) == (0,)


def test_a_vm_on_its_way_to_a_host_that_is_lost_is_still_where_it_comes_from() -> None:
    """It goes on, and nothing of what has run is lost."""
    play = moving()
    play.go(10.5)
    play.tell(HostObserved(play.scheduler.desk.now, 1, HostState.DOWN))
    assert (play.hosts(1), play.state(1)) == ((0,), S.ACTIVE)
    play.go(60)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_a_vm_of_which_both_hosts_are_lost_is_lost() -> None:
    """It has failed, and goes on as it wishes."""
    play = moving(3)
    play.go(10.5)
    play.tell(HostObserved(play.scheduler.desk.now, 0, HostState.DOWN))
    failed(play, "migrate")
    play.go(11)
    assert (play.hosts(1), play.lost(1) > 0) == ((1,), True)


def test_images_that_could_not_be_moved_are_where_they_were() -> None:
    """The lease waits on, and is resumed from there."""
    play = Ordering(2, migration=Migration.YES)
    play.ask(1)
    play.go(10)
    play.order(1, Suspend())
    play.go(15)
    assert play.order(1, Migrate(0, 1)) is None
    assert (play.state(1), play.lease(1).images) == (S.MIGRATING, (1,))
    late(play, "migrate", 17)
    play.go(16.5)
    assert play.state(1) is S.MIGRATING
    failed(play, "migrate")
    assert (play.state(1), play.lease(1).images) == (S.SUSPENDED_QUEUED, (0,))


def test_what_could_go_elsewhere_resumes_where_it_is_at_once() -> None:
    """Nobody waits for copies of memory images that need not be made: only where others are, they are copied first."""
    play = Ordering(2, migration=Migration.YES, resume_in_place=True)
    play.ask(1)
    play.go(10)
    assert play.order(1, Suspend()) is None
    play.go(15)
    assert play.order(1, Resume()) is None
    play.go()
    assert (play.state(1), play.hosts(1), play.lease(1).stays[0].copies) == (S.RESUMING, (0,), ())
    play.go(20)
    assert play.order(1, Suspend()) is None
    play.go(25)
    play.ask(2, minutes=60)
    play.go()
    assert play.hosts(2) == (0,)
    assert play.order(1, Resume()) is None
    play.go()
    assert (play.state(1), play.hosts(1)) == (S.SUSPENDED_SCHEDULED, (1,))
    assert play.lease(1).stays[0].start == 25 * MINUTE + WAY
