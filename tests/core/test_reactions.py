"""What is done about the unexpected: VMs, operations and hosts that are not as planned."""

from collections.abc import Callable
from typing import Final

import pytest

from haizea.core.reactions import REACTIONS, Desired, Reaction, Sight, desired
from haizea.model.events import (
    CancelRequested,
    HostObserved,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
)
from haizea.model.lease import DiskImage, LeaseState, OnFailure, OnGuestShutdown, Reactions
from haizea.model.reason import Cause
from haizea.model.site import HostState
from haizea.model.units import HOUR, MINUTE, SECOND, Instant
from haizea.plan.options import Suspension, TransferOptions
from tests.core.play import Play


def see(play: Play, observed: Observed, vm: int = 0, number: int = 1) -> None:
    """Report what a VM of a lease was seen to be."""
    play.tell(InstanceObserved(play.scheduler.desk.now, number, vm, observed))


def host(play: Play, number: int, state: HostState) -> None:
    """Report the state of a host."""
    play.tell(HostObserved(play.scheduler.desk.now, number, state))


def late(play: Play, kind: str, minutes: float, number: int = 1) -> None:
    """Report that an operation of a lease will last until an instant."""
    until = round(minutes * MINUTE)
    play.tell(OperationReported(play.scheduler.desk.now, number, kind, OperationOutcome.LATE, until))


def failed(play: Play, kind: str, number: int = 1) -> None:
    """Report that an operation of a lease has failed."""
    play.tell(OperationReported(play.scheduler.desk.now, number, kind, OperationOutcome.FAILED))


def absent() -> Play:
    """Reserved, and not begun."""
    play = Play(2)
    play.ask(1, start=30)
    play.go(1)
    return play


def running(on_failure: OnFailure = OnFailure.REQUEUE, on_shutdown: OnGuestShutdown = OnGuestShutdown.END) -> Play:
    """Two VMs that run for an hour from 0 on; 10 minutes have passed."""
    play = Play(4)
    play.ask(1, vms=2, reactions=Reactions(on_shutdown, on_failure))
    play.go(10)
    return play


def suspended(until: float) -> Play:
    """Suspended from 29:28 to 30:00 for a reservation until 40:00, then resumed until 40:32."""
    play = Play(1)
    play.ask(1)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go(until)
    return play


def parked() -> Play:
    """Suspended behind Haizea's back after 10 of 60 minutes."""
    play = Play(4)
    play.ask(1)
    play.go(10)
    see(play, Observed.SUSPENDED)
    play.go()
    return play


def paused() -> Play:
    """Paused behind Haizea's back."""
    play = Play(4)
    play.ask(1)
    play.go(10)
    see(play, Observed.PAUSED)
    play.go()
    return play


def stopping() -> Play:
    """Being shut down from 10:00 to 10:30."""
    play = Play(4, shutdown_time=30 * SECOND)
    play.ask(1, minutes=10)
    play.go(10.2)
    return play


def held() -> Play:
    """On hold after a crash, with its hosts."""
    play = Play(4)
    play.ask(1, reactions=Reactions(on_failure=OnFailure.HOLD))
    play.go(10)
    see(play, Observed.CRASHED)
    play.go()
    return play


WANTED: Final[dict[Desired, Callable[[], Play]]] = {
    Desired.ABSENT: absent,
    Desired.SUSPENDED: parked,
    Desired.RESUMING: lambda: suspended(40.2),
    Desired.RUNNING: running,
    Desired.PAUSED: paused,
    Desired.SUSPENDING: lambda: suspended(29.6),
    Desired.STOPPING: stopping,
    Desired.HELD: held,
}
ELSEWHERE: Final = {
    Sight.ELSEWHERE: (Sight.RUNNING, Observed.RUNNING),
    Sight.PAUSED_ELSEWHERE: (Sight.PAUSED, Observed.PAUSED),
}
"""What is seen elsewhere: what it would be where it should be, and what it is seen to be."""

QUIET: Final = (Reaction.AGREES, Reaction.NOTHING, Reaction.RECORD, Reaction.ACCOUNT)
BECOMES: Final[dict[Reaction, set[LeaseState]]] = {
    Reaction.GUEST: {LeaseState.DONE},
    Reaction.OVER: {LeaseState.DONE},
    Reaction.ENDED: {LeaseState.DONE},
    Reaction.REMOVED: {LeaseState.CANCELLED},
    Reaction.FAILURE: {LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED},
    Reaction.LOST: {LeaseState.QUEUED, LeaseState.HELD},
    Reaction.SUSPEND: {LeaseState.SUSPENDED_QUEUED},
    Reaction.PAUSE: {LeaseState.PAUSED},
    Reaction.UNPAUSE: {LeaseState.ACTIVE},
    Reaction.RESUME: {LeaseState.ACTIVE},
    Reaction.RESUME_PAUSED: {LeaseState.PAUSED},
    Reaction.MOVE_PAUSED: {LeaseState.ACTIVE},  # with the other VM running
}


def test_every_pair_of_desired_and_seen_has_a_reaction() -> None:
    """The table says what is done about every VM, whatever is wanted of it and whatever it is seen to be."""
    assert set(REACTIONS) == {(wanted, sight) for wanted in Desired for sight in Sight}
    assert {sight.value for sight in Sight} == {one.value for one in Observed} | {each.value for each in ELSEWHERE}


def test_only_what_is_absent_cannot_be_elsewhere() -> None:
    """No other pair is taken to be impossible."""
    impossible = [pair for pair, reaction in REACTIONS.items() if reaction is Reaction.IMPOSSIBLE]
    assert impossible == [(Desired.ABSENT, sight) for sight in ELSEWHERE]


@pytest.mark.parametrize("wanted", Desired, ids=lambda wanted: wanted.value)
@pytest.mark.parametrize("sight", Sight, ids=lambda sight: sight.name.lower())
def test_every_entry_of_the_table_can_be_visited(wanted: Desired, sight: Sight) -> None:
    """Each reaction leaves a schedule that goes on to a sound end."""
    play = WANTED[wanted]()
    lease = play.lease(1)
    assert desired(lease) is wanted
    play.said.clear()
    before, reaction = lease.state, REACTIONS[wanted, sight]
    if sight in ELSEWHERE:
        here, observed = ELSEWHERE[sight]
        if reaction is Reaction.IMPOSSIBLE:
            # What is absent is seen to be there, wherever that is.
            reaction = REACTIONS[wanted, here]
        where = lease.images or (play.hosts(1) if lease.stays else (0,))
        other = 1 - where[0] if len(play.scheduler.desk.site.hosts) > 1 else 0
        other = other if other >= 0 else 0
        vm = 1 if other != where[0] else 0
        play.tell(InstanceObserved(play.scheduler.desk.now, 1, vm, observed, other))
        if other == where[0]:
            reaction = REACTIONS[wanted, here]
    else:
        see(play, Observed(sight.value))
    commands = [said.split()[1] for said in play.said]
    if reaction in QUIET:
        assert (lease.state, play.said) == (before, [])
    elif reaction is Reaction.GRACE:
        assert (lease.state, commands) == (before, ["notice"])
    elif reaction is Reaction.DESTROY:
        assert lease.state is before
        assert "destroy" in commands
    elif reaction in (Reaction.MOVE, Reaction.ACCOUNT_MOVED):
        assert lease.state is before
        assert "notice" in commands
    else:
        assert lease.state in BECOMES[reaction]
    play.go(1000)
    if lease.parked:
        play.tell(CancelRequested(play.scheduler.desk.now, 1))
    play.go(2000)
    assert play.verifier.summary()["violations"] == []


def test_reports_of_what_is_as_planned_change_nothing() -> None:
    """A report that comes twice, late or out of order does no harm."""
    play = running()
    play.go()
    for observed in (Observed.RUNNING, Observed.RUNNING):
        see(play, observed)
    assert play.go() == []
    play.go(60)
    see(play, Observed.CRASHED)
    see(play, Observed.GUEST_SHUTDOWN, number=99)
    assert play.go() == []
    assert play.state(1) is LeaseState.DONE


def test_a_report_about_a_vm_that_the_lease_does_not_have_is_ignored() -> None:
    """VM 3 of a lease of two cannot have crashed."""
    play = running()
    see(play, Observed.CRASHED, vm=3)
    see(play, Observed.CRASHED, vm=-1)
    assert play.go() == []


# Guests that shut themselves down ------------------------------------------------------------------------------


def test_a_lease_is_done_when_its_last_guest_has_shut_down() -> None:
    """One guest of two ends nothing; the second one ends the lease early."""
    play = running()
    see(play, Observed.GUEST_SHUTDOWN, vm=1)
    see(play, Observed.GUEST_SHUTDOWN, vm=1)
    assert play.go() == []
    play.go(15)
    see(play, Observed.GUEST_SHUTDOWN, vm=2)
    play.go()
    assert play.state(1) is LeaseState.DONE
    assert play.lease(1).delivered == 15 * MINUTE


def test_a_guest_that_shuts_down_is_restarted_where_the_lease_wishes_so() -> None:
    """The VM is started again, and the lease runs to its end."""
    play = running(on_shutdown=OnGuestShutdown.RESTART)
    see(play, Observed.GUEST_SHUTDOWN, vm=1)
    assert play.go() == ["600s notice 1", "600s start 1"]
    play.go(60)
    assert play.state(1) is LeaseState.DONE
    assert play.lease(1).delivered == 60 * MINUTE


def test_a_guest_that_shuts_down_is_left_alone_where_the_lease_wishes_so() -> None:
    """The lease is held, says why, and keeps its hosts until its end."""
    play = running(on_shutdown=OnGuestShutdown.HOLD)
    see(play, Observed.GUEST_SHUTDOWN)
    assert play.go() == ["600s 1 held", "600s notice 1"]
    assert play.reason(1).text == "Lease 1 shut down by itself; the lease keeps its hosts until its end."
    assert play.stays(1) == [(0, 60)]
    play.go(60)
    assert play.state(1) is LeaseState.DONE
    assert (play.lease(1).delivered, play.lost(1)) == (10 * MINUTE, 50)


def test_an_early_end_frees_the_hosts_at_once() -> None:
    """Whoever waits for them starts at that instant."""
    play = Play(1)
    play.ask(1)
    play.ask(2)
    play.go(10)
    see(play, Observed.GUEST_SHUTDOWN)
    assert play.go() == ["600s 1 done", "600s 2 queued", "600s 2 active", "600s start 2"]


# VMs that fail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observed", [Observed.CRASHED, Observed.VANISHED])
def test_a_best_effort_lease_that_fails_starts_over(observed: Observed) -> None:
    """By default a lease whose VM fails goes back to the queue, and what it has run is lost."""
    play = running()
    see(play, observed, vm=2)
    play.go(10)
    assert play.lost(1) == 10
    play.go(70)
    assert play.state(1) is LeaseState.DONE
    assert play.lease(1).delivered == 60 * MINUTE


def test_a_vm_that_fails_is_restarted_where_the_lease_wishes_so() -> None:
    """It is started again at once, then after 10 s, then after 20 s; the time until it runs again is lost."""
    play = running(OnFailure.RESTART)
    see(play, Observed.CRASHED, vm=1)
    assert play.go() == ["600s destroy 1", "600s notice 1", "600s start 1"]
    for wait in (10, 20):
        begun = round(play.scheduler.desk.now / SECOND)
        see(play, Observed.CRASHED, vm=1)
        said = play.go(play.now + 1)
        assert said[-1] == f"{begun + wait}s start 1"
    assert play.lost(1) == 0.5
    play.go(60)
    assert play.lease(1).delivered == 59.5 * MINUTE


def test_a_vm_that_fails_again_and_again_is_tried_on_another_host() -> None:
    """After the restarts that are allowed where it is, it is started elsewhere; after that the lease is requeued."""
    play = running(OnFailure.RESTART)
    (home, other) = play.hosts(1)
    for _ in range(3):
        see(play, Observed.CRASHED, vm=1)
        play.go(play.now + 1)
    assert play.hosts(1) == (home, other)
    see(play, Observed.CRASHED, vm=1)
    play.go()
    assert play.hosts(1)[1] == other
    assert play.hosts(1)[0] not in (home, other)
    see(play, Observed.CRASHED, vm=1)
    play.go()
    assert play.lease(1).requeued == 1


def test_only_the_vm_on_a_lost_host_starts_elsewhere_where_the_lease_wishes_so() -> None:
    """The other VMs of the lease run on where they are."""
    play = running(OnFailure.RESTART)
    (home, other) = play.hosts(1)
    host(play, home, HostState.DOWN)
    play.go()
    assert play.state(1) is LeaseState.ACTIVE
    assert play.hosts(1)[1] == other
    assert play.hosts(1)[0] != home


def test_a_lease_fails_with_its_vm_where_it_wishes_so() -> None:
    """The lease has failed, with a reason, and its hosts are free."""
    play = running(OnFailure.FAIL)
    see(play, Observed.CRASHED)
    play.go()
    assert play.state(1) is LeaseState.FAILED
    assert play.reason(1).cause is Cause.FAILED
    assert play.lease(1).delivered == 0
    assert play.scheduler.desk.table.free_now() == 400


def test_a_lease_holds_its_hosts_where_it_wishes_so() -> None:
    """The lease is held and says why; time in which its VMs do not run does not count."""
    play = running(OnFailure.HOLD)
    see(play, Observed.CRASHED)
    assert play.go() == ["600s 1 held", "600s notice 1"]
    play.go(60)
    assert play.state(1) is LeaseState.DONE
    assert play.lease(1).delivered == 10 * MINUTE


def test_a_reservation_that_fails_gets_the_rest_of_its_time_elsewhere() -> None:
    """A reservation starts anew at once on hosts that are free, until its end, and people are told."""
    play = Play(2)
    play.ask(1, start=0)
    play.go(10)
    see(play, Observed.CRASHED)
    play.go()
    assert play.state(1) is LeaseState.ACTIVE
    assert play.stays(1) == [(10, 60)]


# Hosts ---------------------------------------------------------------------------------------------------------


def test_a_best_effort_lease_whose_host_goes_down_starts_over_elsewhere() -> None:
    """The lease is requeued and finds another host."""
    play = Play(2)
    play.ask(1)
    play.go(10)
    (before,) = play.hosts(1)
    host(play, before, HostState.DOWN)
    play.go()
    assert play.hosts(1) == (1 - before,)
    assert play.stays(1) == [(10, 70)]


def test_a_reservation_whose_host_goes_down_before_it_starts_moves() -> None:
    """A reservation keeps its time on another host."""
    play = Play(2)
    play.ask(1, start=30)
    play.go(10)
    (before,) = play.hosts(1)
    host(play, before, HostState.DOWN)
    play.go()
    assert play.hosts(1) == (1 - before,)
    assert play.stays(1) == [(30, 90)]


def test_a_reservation_is_degraded_where_no_other_host_is_free() -> None:
    """It is told at once, tried until its end, and has failed then; the reason says which host it was."""
    play = Play(1)
    play.ask(1, start=30)
    play.go(10)
    host(play, 0, HostState.DOWN)
    assert play.go() == ["600s 1 queued", "600s notice 1"]
    assert play.lease(1).degraded
    assert play.reason(1).text == "Host host-0 went down."
    play.go(89)
    assert play.state(1) is LeaseState.QUEUED
    play.go(91)
    assert play.state(1) is LeaseState.FAILED
    assert play.lease(1).ended == 90 * MINUTE
    assert (play.reason(1).cause, play.reason(1).text) == (
        Cause.HOST_LOST,
        "Host host-0 went down. Its time is over.",
    )


def test_a_degraded_reservation_gets_what_is_left_of_its_time_when_a_host_comes_back() -> None:
    """It is tried whenever capacity changes, and people are told that it goes on."""
    play = Play(1)
    play.ask(1, start=30)
    play.go(40)
    host(play, 0, HostState.DOWN)
    play.go(60)
    assert (play.state(1), play.lost(1)) == (LeaseState.QUEUED, 10)
    host(play, 0, HostState.UP)
    play.go()
    assert (play.state(1), play.lease(1).degraded) == (LeaseState.ACTIVE, False)
    assert play.stays(1) == [(60, 90)]


def test_a_reservation_that_loses_its_host_gets_another_one_later_if_not_now() -> None:
    """It runs for as long as it still has when another lease has ended."""
    play = Play(2)
    play.ask(2, minutes=50, preemptible=False)
    play.ask(1, start=30)
    play.go(10)
    (home,) = play.hosts(1)
    host(play, home, HostState.DOWN)
    play.go()
    assert play.stays(1) == [(50, 90)]


def test_best_effort_gives_way_to_a_reservation_that_lost_its_host() -> None:
    """Where the site lets reservations preempt, they do that to keep their promise as well."""
    play = Play(2)
    play.ask(2, minutes=200)
    play.ask(1, start=30)
    play.go(10)
    (home,) = play.hosts(1)
    host(play, home, HostState.DOWN)
    play.go(30)
    assert play.state(1) is LeaseState.ACTIVE
    assert play.stays(1) == [(30, 90)]


def test_a_suspect_host_is_down_after_its_grace() -> None:
    """Nothing new is placed there; when the grace is over its leases are dealt with."""
    play = Play(2)
    play.ask(1)
    play.go(10)
    (home,) = play.hosts(1)
    host(play, home, HostState.SUSPECT)
    play.go(11.9)
    assert play.lease(1).requeued == 0
    play.go(12)
    assert play.scheduler.desk.hosts.states[home] is HostState.DOWN
    assert play.hosts(1) == (1 - home,)


def test_a_suspect_host_that_is_heard_of_again_keeps_what_it_has() -> None:
    """Up within the grace, it is as if nothing had been."""
    play = Play(2)
    play.ask(1)
    play.go(10)
    (home,) = play.hosts(1)
    host(play, home, HostState.SUSPECT)
    play.go(11)
    host(play, home, HostState.UP)
    play.go(60)
    assert (play.state(1), play.lease(1).requeued) == (LeaseState.DONE, 0)


def test_images_that_outlive_their_host_are_kept() -> None:
    """Where the storage allows, a suspended lease waits for its host, or resumes elsewhere."""
    play = Play(2, images_survive=True)
    play.ask(1)
    play.go(1)
    (home,) = play.hosts(1)
    play.ask(2, vms=2, start=30, minutes=10)
    play.go(35)
    host(play, home, HostState.DOWN)
    play.go(60)
    assert play.lease(1).images == (home,)
    host(play, home, HostState.UP)
    play.go(200)
    assert (play.state(1), play.lost(1)) == (LeaseState.DONE, 0)


@pytest.mark.parametrize("wish", OnFailure, ids=lambda wish: wish.value)
def test_nothing_is_restarted_on_a_host_that_is_down(wish: OnFailure) -> None:
    """Whatever a lease wishes for when a VM fails, nothing is started on the lost host."""
    play = Play(2)
    play.ask(1, reactions=Reactions(OnGuestShutdown.RESTART, wish))
    play.go(10)
    (before,) = play.hosts(1)
    play.where.clear()
    host(play, before, HostState.DOWN)
    play.go()
    see(play, Observed.GUEST_SHUTDOWN)
    play.go()
    assert play.where in ({}, {1: (1 - before,)})


def test_a_host_that_comes_back_is_used_again() -> None:
    """A lease that waits for want of hosts starts when one comes back."""
    play = Play(1)
    host(play, 0, HostState.DOWN)
    play.ask(1)
    assert play.go() == ["0s 1 queued"]
    play.go(5)
    host(play, 0, HostState.UP)
    assert play.go() == ["300s 1 active", "300s start 1"]


@pytest.mark.parametrize("state", [HostState.DRAINING, HostState.DISABLED, HostState.SUSPECT])
def test_a_host_that_takes_no_new_work_finishes_what_runs(state: HostState) -> None:
    """A lease runs to its end on such a host, and the next one goes elsewhere."""
    play = Play(2, host_grace=HOUR)
    play.ask(1)
    play.go(10)
    (before,) = play.hosts(1)
    host(play, before, state)
    play.ask(2, minutes=10)
    play.ask(3, minutes=10)
    play.go()
    assert play.hosts(2) == (1 - before,)
    assert play.stays(3) == [(20, 30)]
    play.go(60)
    assert play.state(1) is LeaseState.DONE


@pytest.mark.parametrize("state", [HostState.DRAINING, HostState.DISABLED])
def test_who_has_not_begun_moves_off_a_host_that_is_taken_out(state: HostState) -> None:
    """A reservation moves to another host, a best-effort reservation looks for a new time."""
    play = Play(2)
    play.ask(1, start=30)
    play.go()
    (before,) = play.hosts(1)
    host(play, before, state)
    play.go()
    assert play.hosts(1) == (1 - before,)


def test_a_reservation_may_try_its_luck_on_a_host_that_is_only_suspect() -> None:
    """Nothing new is placed there, but what was to start there still does."""
    play = Play(1, host_grace=HOUR)
    play.ask(1, start=30)
    play.go()
    host(play, 0, HostState.SUSPECT)
    play.ask(2, start=100)
    play.go(30)
    assert play.state(1) is LeaseState.ACTIVE
    assert play.state(2) is LeaseState.REJECTED
    assert (Cause.NOT_UP, 1) in play.reason(2).hosts


def test_a_suspended_lease_whose_host_goes_down_starts_over() -> None:
    """Its memory image is gone, and with it all that it has run."""
    play = Play(2, suspension=Suspension.ALL)
    play.ask(1)
    play.go(1)
    (home,) = play.hosts(1)
    play.ask(2, vms=2, start=30, minutes=10)
    play.go(35)
    assert play.lease(1).images == (home,)
    host(play, home, HostState.DOWN)
    play.go(200)
    assert play.state(1) is LeaseState.DONE
    assert play.lost(1) == pytest.approx(1768 / 60)
    assert play.lease(1).delivered == 60 * MINUTE


def test_a_state_that_is_known_already_changes_nothing() -> None:
    """The same report twice, or one about a host that does not exist, does nothing."""
    play = running()
    host(play, 0, HostState.UP)
    host(play, 17, HostState.DOWN)
    host(play, -1, HostState.DOWN)
    assert play.go() == []


def test_with_every_host_down_a_lease_with_an_image_waits() -> None:
    """No image is sent to hosts that cannot be used."""
    play = Play(1, transfer=TransferOptions(100))
    host(play, 0, HostState.DOWN)
    play.ask(1, software=DiskImage("debian", 100))
    assert play.go(10) == ["0s 1 queued"]


# Operations ----------------------------------------------------------------------------------------------------


def test_a_late_suspension_delays_the_reservation_it_was_for() -> None:
    """With no other host free the reservation starts when the suspension is over, and people are told."""
    play = suspended(29.9)
    late(play, "suspend", 31)
    assert play.go(31)[0].endswith("notice 2")
    assert play.state(2) is LeaseState.ACTIVE
    starts = [entry.end for entry in play.lease(1).log if entry.kind == "suspend"]
    assert starts == [31 * MINUTE]


def test_a_late_suspension_moves_the_reservation_to_a_free_host() -> None:
    """Where another host is free the reservation starts there, at its time."""
    play = Play(2)
    play.ask(1)
    play.go(1)
    play.ask(3, minutes=20)
    play.go(2)
    play.ask(2, start=10, minutes=10)
    play.go(9.9)
    victim = next(number for number in (1, 3) if play.state(number) is LeaseState.SUSPENDING)
    see(play, Observed.GUEST_SHUTDOWN, number=4 - victim)
    late(play, "suspend", 12, number=victim)
    play.go(10)
    assert play.state(2) is LeaseState.ACTIVE
    assert play.lease(2).started == 10 * MINUTE


def test_a_late_resumption_pushes_the_end_back() -> None:
    """The lease runs for all that is left from when it is resumed, and whoever comes next waits."""
    play = suspended(40.2)
    play.ask(3, minutes=10)
    play.go()
    late(play, "resume", 45)
    play.go(500)
    assert play.lease(1).delivered == 60 * MINUTE
    resumptions = [(entry.start, entry.end) for entry in play.lease(1).log if entry.kind == "resume"]
    assert resumptions == [(40 * MINUTE, 45 * MINUTE)]
    assert play.lease(3).delivered == 10 * MINUTE


def test_a_resumption_that_lasts_until_the_lease_must_give_way_is_given_up() -> None:
    """A lease that would have to be suspended before it runs goes back to the queue with its image."""
    play = Play(1)
    play.ask(1)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.ask(3, start=50, minutes=10)
    play.go(40.2)
    late(play, "resume", 55)
    play.go(500)
    first = next(entry for entry in play.lease(1).log if entry.kind == "resume")
    assert (first.end, first.outcome) == (round(40.2 * MINUTE), "cancelled")
    assert (play.lease(1).delivered, play.lost(1)) == (60 * MINUTE, 0)


def test_a_failed_suspension_loses_what_has_run() -> None:
    """A lease whose memory could not be saved starts over."""
    play = suspended(29.6)
    failed(play, "suspend")
    play.go(500)
    assert play.lost(1) == pytest.approx(1768 / 60)
    assert play.lease(1).delivered == 60 * MINUTE


def test_a_failed_resumption_can_be_tried_again() -> None:
    """The memory image is still there: nothing is lost."""
    play = suspended(40.2)
    failed(play, "resume")
    play.go(500)
    assert (play.lost(1), play.lease(1).delivered) == (0, 60 * MINUTE)
    assert play.lease(1).suspensions == 1


@pytest.mark.parametrize("kind", ["suspend", "resume", "shutdown", "transfer", "sing"])
def test_a_report_about_an_operation_that_is_not_under_way_is_ignored(kind: str) -> None:
    """A lease that just runs is not disturbed by reports about something else."""
    play = running()
    play.go()
    failed(play, kind)
    late(play, kind, 90)
    assert play.go() == []


def test_a_late_shutdown_holds_the_hosts_for_longer() -> None:
    """Whoever comes next starts when the hosts are really free."""
    play = Play(1, shutdown_time=30 * SECOND)
    play.ask(1, minutes=10)
    play.ask(2, minutes=10)
    play.go(10.2)
    late(play, "shutdown", 15)
    play.go(30)
    assert play.lease(2).started == 15 * MINUTE
    assert play.lease(1).ended == 15 * MINUTE


def test_an_operation_that_is_late_into_the_past_changes_nothing() -> None:
    """A report that an operation lasts until an instant that is not after its planned end is ignored."""
    play = suspended(29.6)
    end: Instant = play.lease(1).stays[0].end
    late(play, "suspend", 29.9)
    assert play.lease(1).stays[0].end == end


def test_an_immediate_lease_in_a_gap_that_loses_its_host_is_not_over_when_the_gap_is() -> None:
    """It was to be suspended for the reservation and go on after it; so it goes back to the queue."""
    play = Play(2)
    play.ask(1, vms=2, start=60, minutes=30)
    play.go()
    play.ask(2, minutes=None, immediate=True)
    play.go()
    assert play.stays(2) == [(0, 60)]
    play.tell(HostObserved(play.scheduler.desk.now, play.hosts(2)[0], HostState.DOWN))
    play.go(61)
    assert play.state(2) is not LeaseState.DONE
