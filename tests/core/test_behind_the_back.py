"""What people do to VMs with the platform's own tools is followed, not fought."""

from typing import Any, Final

from haizea.model.effects import Command, Verb
from haizea.model.events import (
    CancelRequested,
    ClockJumped,
    Event,
    HostObserved,
    InstanceObserved,
    LeaseOrdered,
    LeaseRequested,
    Observed,
    TimePassed,
)
from haizea.model.lease import DiskImage, LeaseState, LeaseTerms, NodeSet, OnFailure, Reactions
from haizea.model.orders import Release, Resume, Suspend
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import MINUTE, SECOND
from haizea.plan.options import TransferOptions
from tests.core.ordering import Ordering
from tests.core.play import VM, Play

S: Final = LeaseState


def see(play: Play, observed: Observed, vm: int = 0, number: int = 1, host: int | None = None) -> list[str]:
    """Report what an administrator has done to a VM; return what comes of it."""
    play.tell(InstanceObserved(play.scheduler.desk.now, number, vm, observed, host, "root"))
    return play.go()


def running(hosts: int = 2, vms: int = 1, **terms: Any) -> Ordering:
    """A lease that runs for an hour from 0 on; 10 minutes have passed."""
    play = Ordering(hosts)
    play.ask(1, vms=vms, **terms)
    play.go(10)
    return play


# Suspended and resumed -----------------------------------------------------------------------------------------


def test_what_somebody_suspends_gives_its_hosts_away_and_is_not_resumed() -> None:
    """Whoever waits gets the capacity; the lease stays suspended as long as nobody says otherwise."""
    play = running(1)
    play.ask(2)
    play.go()
    see(play, Observed.SUSPENDED)
    assert (play.state(1), play.lease(1).parked, play.state(2)) == (S.SUSPENDED_QUEUED, "root", S.ACTIVE)
    play.go(300)
    assert play.state(1) is S.SUSPENDED_QUEUED
    assert play.lease(1).delivered == 10 * MINUTE


def test_what_somebody_resumes_is_accounted_where_it_runs() -> None:
    """The lease goes on for what is left, on the host on which it was resumed, and nothing is commanded."""
    play = running(2)
    see(play, Observed.SUSPENDED)
    (home,) = play.lease(1).images or ()
    play.go(20)
    said = see(play, Observed.RUNNING, vm=1, host=1 - home)
    assert not [line for line in said if line.split()[1] in ("start", "resume", "suspend", "destroy")]
    assert play.hosts(1) == (1 - home,)
    assert play.stays(1) == [(20, 70)]
    play.go(70)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def look(play: Play, *seen: tuple[int, int, Observed]) -> list[tuple[Verb, tuple[int, ...], tuple[int, ...]]]:
    """Report at one look of which VMs of lease 1 what is seen where; return the commands about them that come of it."""
    now = play.scheduler.desk.now
    events: list[Event] = [InstanceObserved(now, 1, vm, observed, host) for vm, host, observed in seen]
    effects = [effect for event in [*events, TimePassed(now)] for effect in play.scheduler.handle(event)]
    return [(one.verb, one.vms, one.hosts()) for one in effects if isinstance(one, Command)]


def suspended_on(play: Ordering) -> tuple[int, ...]:
    """Have lease 1 suspended for some minutes; return where its VMs are."""
    play.order(1, Suspend())
    play.go(20)
    images = play.lease(1).images
    assert images is not None
    return images


def test_what_somebody_left_suspended_of_a_lease_is_resumed_with_the_rest() -> None:
    """The other VMs of a lease of which somebody resumed one are resumed as well, where their images are."""
    play = running(4, vms=3)
    images = suspended_on(play)
    assert look(play, (1, images[0], Observed.RUNNING)) == [(Verb.RESUME, (2, 3), images)]
    assert play.state(1) is S.RESUMING


def test_what_one_look_shows_to_run_elsewhere_is_not_resumed_where_it_was() -> None:
    """What was said to be suspended runs, and on another host: a second of it must not be made of its image."""
    play = running(4, vms=3)
    images = suspended_on(play)
    (other,) = {0, 1, 2, 3} - set(images)
    there = (images[0], other, images[2])
    said = look(play, (1, images[0], Observed.RUNNING), (2, other, Observed.RUNNING))
    assert (said, play.hosts(1)) == ([(Verb.RESUME, (3,), there)], there)


def test_what_one_look_shows_to_run_altogether_counts_as_running_at_once() -> None:
    """Nothing is commanded, and there is nothing to wait for."""
    play = running(2, vms=2)
    images = suspended_on(play)
    seen = [(vm, host, Observed.RUNNING) for vm, host in enumerate(images, 1)]
    assert look(play, *seen) == []
    assert (play.state(1), play.lease(1).images) == (S.ACTIVE, None)
    play.go(90)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_what_one_look_shows_to_be_paused_elsewhere_is_accounted_for_there() -> None:
    """Somebody paused it there: it is not resumed in a second place, nor against their will."""
    play = running(4, vms=2)
    images = suspended_on(play)
    other = ({0, 1, 2, 3} - set(images)).pop()
    assert look(play, (1, images[0], Observed.RUNNING), (2, other, Observed.PAUSED)) == []
    assert (play.state(1), play.hosts(1)) == (S.ACTIVE, (images[0], other))


def test_what_is_resumed_where_there_is_no_room_is_suspended_again() -> None:
    """Somebody who was promised the host keeps it; people are told."""
    play = running(1)
    see(play, Observed.SUSPENDED)
    play.ask(2, start=11, preemptible=False)
    play.go(20)
    said = see(play, Observed.RUNNING)
    assert "1200s suspend 1" in said
    assert (play.state(1), play.state(2)) == (S.SUSPENDED_QUEUED, S.ACTIVE)


def test_best_effort_gives_way_to_what_somebody_resumes() -> None:
    """The one that the schedule had put there instead goes back to the queue."""
    play = running(1)
    see(play, Observed.SUSPENDED)
    play.ask(2)
    play.go(20)
    see(play, Observed.RUNNING)
    assert (play.state(1), play.state(2)) == (S.ACTIVE, S.READY)
    assert play.stays(2) == [(70, 130)]


def test_a_lease_of_which_some_vms_are_suspended_keeps_its_hosts() -> None:
    """Time in which not all of its VMs run does not count; when the last one is suspended, so is the lease."""
    play = running(2, vms=2)
    see(play, Observed.SUSPENDED, vm=1)
    assert play.state(1) is S.ACTIVE
    play.go(20)
    see(play, Observed.RUNNING, vm=1)
    play.go(30)
    see(play, Observed.SUSPENDED, vm=1)
    see(play, Observed.SUSPENDED, vm=2)
    assert play.state(1) is S.SUSPENDED_QUEUED
    assert (play.lease(1).delivered, play.lost(1)) == (20 * MINUTE, 10)


def test_a_reservation_that_somebody_keeps_suspended_is_over_when_its_time_is() -> None:
    """Its memory image is removed then."""
    play = running(1, start=0)
    see(play, Observed.SUSPENDED)
    said = play.go(61)
    assert said[-2:] == ["3600s destroy 1", "3600s 1 done"]


def test_no_memory_image_is_left_when_a_suspended_lease_ends() -> None:
    """One that is cancelled while it is suspended has its image removed."""
    play = running(1)
    see(play, Observed.SUSPENDED)
    play.tell(CancelRequested(play.scheduler.desk.now, 1))
    assert play.go() == ["600s destroy 1", "600s 1 cancelled"]


def test_an_image_that_is_gone_has_its_lease_start_over() -> None:
    """What was delivered is lost, and told."""
    play = running(1)
    see(play, Observed.SUSPENDED)
    see(play, Observed.VANISHED)
    assert (play.state(1), play.lost(1), play.lease(1).images) == (S.HELD, 10, None)
    play.tell(LeaseOrdered(play.scheduler.desk.now, 1, Resume()))
    play.go()
    assert play.state(1) is S.ACTIVE


def test_what_is_suspended_and_then_deleted_is_cancelled() -> None:
    """The reason names who did it."""
    play = running(1)
    see(play, Observed.SUSPENDED)
    see(play, Observed.DELETED)
    assert play.state(1) is S.CANCELLED
    assert (play.reason(1).cause, "deleted by root" in play.reason(1).text) == (Cause.CANCELLED, True)


# Paused, moved, stopped ----------------------------------------------------------------------------------------


def test_what_somebody_pauses_keeps_its_capacity_and_its_time_goes_on() -> None:
    """Back to running, the lease is active again; its end stays."""
    play = running(1)
    play.ask(2)
    play.go()
    see(play, Observed.PAUSED)
    assert (play.state(1), play.state(2)) == (S.PAUSED, S.READY)
    play.go(20)
    see(play, Observed.RUNNING)
    assert (play.state(1), play.stays(1)) == (S.ACTIVE, [(0, 60)])


def test_what_is_paused_goes_on_to_be_suspended_when_it_must_give_way() -> None:
    """VMs that stand still are let go before they are suspended."""
    play = running(1)
    play.ask(2, start=30, minutes=10)
    play.go()
    see(play, Observed.PAUSED)
    said = play.go(30)
    assert said.index("1768s unpause 1") < said.index("1768s suspend 1")
    assert play.state(2) is S.ACTIVE


def test_a_vm_that_somebody_moved_is_where_it_was_moved_to() -> None:
    """The reservation that was to be there goes elsewhere."""
    play = running(2)
    (home,) = play.hosts(1)
    play.ask(2, start=30, minutes=10)
    play.go()
    assert play.hosts(2) == (1 - home,)
    see(play, Observed.RUNNING, vm=1, host=1 - home)
    assert (play.hosts(1), play.hosts(2)) == ((1 - home,), (home,))
    play.go(60)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_a_vm_moved_to_where_there_is_no_room_is_moved_back() -> None:
    """It is told so, and the schedule stays."""
    play = running(2)
    (home,) = play.hosts(1)
    play.ask(2, preemptible=False)
    play.go()
    said = see(play, Observed.RUNNING, vm=1, host=1 - home)
    assert "600s migrate 1" in said
    assert play.hosts(1) == (home,)


def test_a_vm_that_somebody_moved_and_paused_is_both() -> None:
    """It is accounted for where it is, its time goes on, and it goes on there."""
    play = running(2)
    (home,) = play.hosts(1)
    see(play, Observed.PAUSED, vm=1, host=1 - home)
    assert (play.hosts(1), play.state(1)) == ((1 - home,), S.PAUSED)
    play.go(20)
    see(play, Observed.RUNNING, vm=1, host=1 - home)
    assert play.state(1) is S.ACTIVE
    play.go(60)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_a_paused_vm_is_followed_to_another_host() -> None:
    """What was paused already and is found elsewhere is accounted for there, and stays paused."""
    play = running(2)
    (home,) = play.hosts(1)
    see(play, Observed.PAUSED, vm=1, host=home)
    assert play.state(1) is S.PAUSED
    see(play, Observed.PAUSED, vm=1, host=1 - home)
    assert (play.hosts(1), play.state(1)) == ((1 - home,), S.PAUSED)
    assert see(play, Observed.PAUSED, vm=1, host=1 - home) == []


def test_a_paused_vm_of_a_lease_on_hold_is_followed_to_another_host() -> None:
    """The lease stays on hold, and gives back the room that it does not use."""
    play = running(2, reactions=Reactions(on_failure=OnFailure.HOLD))
    (home,) = play.hosts(1)
    see(play, Observed.CRASHED, vm=1)
    assert play.state(1) is S.HELD
    see(play, Observed.PAUSED, vm=1, host=1 - home)
    assert (play.hosts(1), play.state(1)) == ((1 - home,), S.HELD)


def test_a_vm_moved_to_a_host_that_is_down_is_moved_back() -> None:
    """Of what runs on a host that was given up nothing would be heard: its lease is not to count as running there."""
    play = running(3)
    (home,) = play.hosts(1)
    play.tell(HostObserved(play.scheduler.desk.now, (home + 1) % 3, HostState.DOWN))
    said = see(play, Observed.RUNNING, vm=1, host=(home + 1) % 3)
    assert "600s migrate 1" in said
    assert (play.state(1), play.hosts(1)) == (S.ACTIVE, (home,))


def test_what_is_resumed_on_a_host_that_is_down_is_suspended_again() -> None:
    """Its image is where it was, on a host that works, and it is resumed there when that is ordered."""
    play = running(3)
    see(play, Observed.SUSPENDED)
    (home,) = play.lease(1).images or ()
    play.tell(HostObserved(play.scheduler.desk.now, (home + 1) % 3, HostState.DOWN))
    said = see(play, Observed.RUNNING, vm=1, host=(home + 1) % 3)
    assert "600s suspend 1" in said
    assert (play.state(1), play.lease(1).images) == (S.SUSPENDED_QUEUED, (home,))


def test_what_somebody_stops_is_over_and_people_are_told_who_it_was() -> None:
    """It is as if the guest had shut itself down; the lease is done with its last VM."""
    play = running(3, vms=2)
    play.ask(2, vms=2)
    play.go()
    said = see(play, Observed.STOPPED, vm=1)
    assert (said[0], said[-2:]) == ("600s notice 1", ["600s 2 active", "600s start 2"])
    see(play, Observed.DELETED, vm=2)
    assert play.state(1) is S.DONE


def test_a_vm_that_is_not_to_be_there_is_removed() -> None:
    """Also where it is one of a lease of which others run."""
    play = running(2, vms=2)
    see(play, Observed.STOPPED, vm=1)
    said = see(play, Observed.RUNNING, vm=1, host=0)
    assert said[-1] == "600s destroy 1"
    assert play.state(1) is S.ACTIVE


# Contradictions ------------------------------------------------------------------------------------------------


def test_after_some_contradictions_a_lease_is_held_and_says_why() -> None:
    """Three times the schedule suspends a lease, and somebody resumes it."""
    play = Play(2)
    play.ask(1, minutes=600)
    for turn in range(3):
        play.go(20 + 60 * turn)
        play.ask(10 + turn, vms=2, start=30 + 60 * turn, minutes=5, preemptible=True)
        play.go(32 + 60 * turn)
        assert play.state(1) in (S.SUSPENDED_QUEUED, S.SUSPENDED_SCHEDULED)
        play.tell(CancelRequested(play.scheduler.desk.now, 10 + turn))
        see(play, Observed.RUNNING)
    assert play.state(1) is S.HELD
    assert play.reason(1).text == ("What was commanded for it was undone 3 times; at last it was resumed by root.")


def test_undoing_ones_own_act_contradicts_nobody() -> None:
    """Who suspends and resumes a lease undoes what was commanded only once."""
    play = running(1)
    for _ in range(5):
        see(play, Observed.SUSPENDED)
        see(play, Observed.RUNNING)
    assert (play.state(1), play.lease(1).contradictions) == (S.ACTIVE, 1)


# Unknown ---------------------------------------------------------------------------------------------------------


def test_a_vm_of_which_nothing_is_known_has_failed_after_its_grace() -> None:
    """Until then nothing is done."""
    play = running(2)
    see(play, Observed.UNKNOWN)
    play.go(10.9)
    assert (play.state(1), play.lease(1).requeued) == (S.ACTIVE, 0)
    play.go(11)
    assert play.lease(1).requeued == 1


def test_a_vm_that_is_heard_of_within_its_grace_runs_on() -> None:
    """It was only that nobody could see it."""
    play = running(2)
    see(play, Observed.UNKNOWN)
    play.go(10.5)
    see(play, Observed.RUNNING)
    play.go(60)
    assert (play.state(1), play.lease(1).requeued) == (S.DONE, 0)


def test_a_clock_that_is_set_does_not_end_a_grace() -> None:
    """What waits for time to pass waits for as long as before; what is due is done once."""
    play = running(2)
    see(play, Observed.UNKNOWN)
    now = play.scheduler.desk.now + 5 * MINUTE
    play.tell(ClockJumped(now, 5 * MINUTE))
    play.go(15.9)
    assert play.lease(1).requeued == 0
    play.go(16)
    assert play.lease(1).requeued == 1


def test_time_stands_still_until_a_clock_that_was_set_back_has_caught_up() -> None:
    """Events of meanwhile are of now; nothing is done twice, and nothing raises."""
    play = running(2)
    scheduler, now = play.scheduler, play.scheduler.desk.now
    scheduler.handle(ClockJumped(now - 60 * SECOND, -60 * SECOND))
    scheduler.handle(LeaseRequested(now - 50 * SECOND, 2, LeaseTerms((NodeSet(1, VM),), MINUTE)))
    effects = scheduler.handle(TimePassed(now - 50 * SECOND))
    assert {effect.at for effect in effects} == {now}
    assert scheduler.desk.leases[2].state is S.ACTIVE


def test_a_held_lease_goes_on_when_it_is_released() -> None:
    """A VM that was down is started again."""
    play = running(1, reactions=Reactions(on_failure=OnFailure.HOLD))
    see(play, Observed.CRASHED)
    play.go(20)
    play.tell(LeaseOrdered(play.scheduler.desk.now, 1, Release()))
    assert play.state(1) is S.ACTIVE
    assert (play.lease(1).delivered, play.lost(1)) == (10 * MINUTE, 10)


def test_a_held_lease_that_loses_its_images_stays_held_and_starts_over_when_it_is_released() -> None:
    """The loss is told, and nobody starts it meanwhile."""
    play = running(2)
    see(play, Observed.SUSPENDED)
    lease = play.lease(1)
    play.scheduler._reactions.wishes.hold(lease, Reason(Cause.HELD, "What was commanded for it was undone."), "root")
    (host,) = set(lease.images or ())
    play.tell(HostObserved(play.scheduler.desk.now, host, HostState.DOWN))
    assert "600s notice 1" in play.go(20)
    assert (play.state(1), lease.images, lease.parked) == (S.HELD, None, "root")
    assert play.order(1, Release()) is None
    play.go()
    assert play.state(1) is S.ACTIVE


def test_a_reservation_that_lost_its_images_while_it_was_suspended_gets_what_is_left_of_its_time() -> None:
    """It starts over on hosts that are free, and ends when it was to."""
    play = running(2, start=0, minutes=60)
    assert play.order(1, Suspend()) is None
    play.go(12)
    see(play, Observed.VANISHED)
    assert play.state(1) is S.HELD
    play.go(20)
    assert play.order(1, Resume()) is None
    play.go()
    assert (play.state(1), play.stays(1)) == (S.ACTIVE, [(20, 60)])


def test_a_reservation_for_which_there_is_no_room_any_more_is_not_resumed() -> None:
    """It is told why, stays suspended, and can be resumed when there is room."""
    play = running(1, start=0, minutes=60)
    assert play.order(1, Suspend()) is None
    early = play.order(1, Resume())
    assert early is not None
    assert early.retry_at == 632 * SECOND
    play.go(12)
    play.ask(2, start=13, minutes=60)
    play.go(14)
    refused = play.order(1, Resume())
    assert refused is not None
    assert (refused.cause, play.state(1), bool(play.lease(1).parked)) == (Cause.RESERVED, S.SUSPENDED_QUEUED, True)
    play.tell(CancelRequested(play.scheduler.desk.now, 2))
    assert play.order(1, Resume()) is None
    play.go(16)
    assert play.state(1) is S.ACTIVE


def test_a_vm_is_started_again_only_where_its_disk_image_is() -> None:
    """When its host is lost and no other one has the image, that is sent anew before."""
    play = Ordering(2, transfer=TransferOptions(100))
    wish = Reactions(on_failure=OnFailure.RESTART)
    play.ask(1, minutes=10, software=DiskImage("debian", 1000), reactions=wish)
    play.go(2)
    (host,) = play.hosts(1)
    play.tell(HostObserved(play.scheduler.desk.now, host, HostState.DOWN))
    play.go(3)
    assert play.state(1) is S.PREPARING
    play.go(30)
    assert (play.state(1), play.where[1]) == (S.DONE, (1 - host,))
