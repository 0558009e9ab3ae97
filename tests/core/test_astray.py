"""VMs of suspended leases on hold that somebody runs behind Haizea's back are accounted for where they run."""

from haizea.model.events import InstanceObserved, LeaseOrdered, Observed
from haizea.model.lease import LeaseState
from haizea.model.orders import LeaseOrder, Release
from tests.core.play import Play, made_anew


def see(play: Play, observed: Observed, host: int, vm: int = 1) -> None:
    """Report what a VM of lease 1 was seen to be, and where."""
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, vm, observed, host, "ann"))


def order(play: Play, what: LeaseOrder) -> None:
    """Order something of lease 1."""
    play.tell(LeaseOrdered(play.scheduler.desk.now, 1, what, "bob"))


def on_hold(hosts: int = 2, vms: int = 1) -> Play:
    """Suspended behind Haizea's back after 10 of 60 minutes, and on hold because that was once too often."""
    play = Play(hosts, contradictions_max=1)
    play.ask(1, vms=vms)
    play.go(10)
    for vm, host in enumerate(play.hosts(1), 1):
        see(play, Observed.SUSPENDED, host, vm)
    play.go(11)
    assert (play.state(1), play.stays(1)) == (LeaseState.HELD, [])
    return play


def free(play: Play) -> int:
    """Percent of processors that nobody holds now."""
    return play.scheduler.desk.table.free_now()


def test_a_vm_that_runs_though_its_lease_is_on_hold_keeps_its_room() -> None:
    """Nobody is put where it runs; the lease stays on hold, and its time does not go on."""
    play = on_hold()
    see(play, Observed.RUNNING, 0)
    assert play.go() == ["660s notice 1"]
    assert free(play) == 100
    play.ask(2)
    play.ask(3)
    play.go(20)
    assert play.hosts(2) == (1,)
    assert play.stays(3)[0][0] == play.stays(2)[0][1]
    assert (play.state(1), play.lease(1).delivered) == (LeaseState.HELD, 10 * 60_000)


def test_nobody_is_told_again_of_what_is_only_seen_once_more() -> None:
    """A comparison that finds the VM running still changes nothing."""
    play = on_hold()
    see(play, Observed.RUNNING, 0)
    play.go(12)
    see(play, Observed.RUNNING, 0)
    assert play.go() == []
    assert free(play) == 100


def test_its_room_is_given_back_when_it_is_suspended_again() -> None:
    """Whoever waits for it starts at that instant."""
    play = on_hold(hosts=1)
    see(play, Observed.RUNNING, 0)
    play.ask(2)
    play.go(20)
    assert play.state(2) is LeaseState.QUEUED
    see(play, Observed.SUSPENDED, 0)
    play.go()
    assert play.state(2) is LeaseState.ACTIVE


def test_a_paused_or_unknown_vm_that_ran_still_keeps_its_room() -> None:
    """It is there, whatever is known of what it does."""
    play = on_hold()
    for observed in (Observed.PAUSED, Observed.UNKNOWN):
        see(play, observed, 0)
        play.go()
        assert free(play) == 100
    see(play, Observed.CRASHED, 0)
    play.go()
    assert free(play) == 200


def test_who_was_to_be_there_is_planned_anew() -> None:
    """A reservation on its host goes to another one."""
    play = on_hold()
    play.ask(2, start=30)
    play.go(12)
    where = play.hosts(2)[0]
    see(play, Observed.RUNNING, where)
    play.go(31)
    assert play.state(2) is LeaseState.ACTIVE
    assert play.hosts(2) == (1 - where,)
    assert play.lease(1).images == (where,)


def test_best_effort_that_may_be_preempted_gives_way() -> None:
    """The VM runs, and what runs where it does goes back to the queue."""
    play = on_hold(hosts=1)
    play.ask(2, preemptible=True)
    play.go(12)
    assert play.state(2) is LeaseState.ACTIVE
    see(play, Observed.RUNNING, 0)
    play.go()
    assert (play.state(2), free(play)) == (LeaseState.QUEUED, 0)


def test_where_there_is_no_room_it_is_suspended_again() -> None:
    """A lease that may not be preempted runs there: it stays, and the VM is saved again."""
    play = on_hold(hosts=1)
    play.ask(2, preemptible=False)
    play.go(12)
    see(play, Observed.RUNNING, 0)
    assert play.go() == ["720s notice 1", "720s notice 1", "720s suspend 1"]
    see(play, Observed.SUSPENDED, 0)
    play.go()
    assert (play.state(1), play.state(2)) == (LeaseState.HELD, LeaseState.ACTIVE)
    play.go(100)
    assert free(play) == 100


def test_of_several_vms_only_those_that_run_keep_room() -> None:
    """The other one's host is free."""
    play = on_hold(hosts=2, vms=2)
    images = play.lease(1).images
    assert images is not None
    see(play, Observed.RUNNING, images[1], vm=2)
    play.go()
    play.ask(2)
    play.go(12)
    assert play.hosts(2) == (images[0],)
    assert free(play) == 0


def test_a_lease_that_is_released_goes_on_where_it_runs() -> None:
    """What was claimed for it is held by its stay from then on."""
    play = on_hold()
    see(play, Observed.RUNNING, 1)
    play.go(12)
    order(play, Release())
    see(play, Observed.RUNNING, 1)
    play.go(13)
    assert play.hosts(1) == (1,)
    assert play.state(1) in (LeaseState.ACTIVE, LeaseState.RESUMING)
    assert free(play) == 100
    play.go(120)
    assert play.state(1) is LeaseState.DONE
    assert free(play) == 200


def test_what_is_claimed_for_it_is_remembered() -> None:
    """A scheduler made of what is kept has as little room as the one before."""
    play = on_hold()
    see(play, Observed.RUNNING, 0)
    play.go()
    again = made_anew(play.scheduler)
    assert again.desk.table.free_now() == 100
    assert again.desk.claims.astray == play.scheduler.desk.claims.astray


def test_a_vm_that_is_moved_though_its_lease_is_on_hold_is_accounted_for_there() -> None:
    """A lease on hold with its hosts has its VM where somebody has moved it."""
    play = Play(2, contradictions_max=1)
    play.ask(1)
    play.go(10)
    where = play.hosts(1)[0]
    see(play, Observed.PAUSED, where)
    play.go()
    assert play.state(1) is LeaseState.HELD
    see(play, Observed.RUNNING, 1 - where)
    play.go()
    assert (play.state(1), play.hosts(1)) == (LeaseState.HELD, (1 - where,))
