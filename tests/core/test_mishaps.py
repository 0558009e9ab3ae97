"""Operations that are late, over early, or fail."""

from typing import Any

import pytest

from haizea.model.effects import Command, Verb
from haizea.model.events import (
    CancelRequested,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
    TimePassed,
)
from haizea.model.lease import DiskImage, LeaseState, OnFailure, Reactions
from haizea.model.units import MINUTE, SECOND
from haizea.plan.options import Mechanism, Overdue, Suspension, TransferOptions
from tests.core.play import Play
from tests.core.test_migration import copying
from tests.core.test_reactions import failed, late, suspended

S = LeaseState


def done(play: Play, kind: str, number: int = 1) -> list[str]:
    """Report that an operation of a lease is over already."""
    play.tell(OperationReported(play.scheduler.desk.now, number, kind, OperationOutcome.DONE))
    return play.go()


def test_a_suspension_that_is_over_early_frees_its_hosts() -> None:
    """Whoever waits starts at once."""
    play = suspended(29.5)
    play.tell(CancelRequested(play.scheduler.desk.now, 2))
    play.ask(3, minutes=5)
    play.go(29.6)
    done(play, "suspend")
    assert play.lease(1).state is not S.SUSPENDING
    assert play.scheduler.desk.table.free_now() < 200
    play.go(500)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_a_resumption_that_is_over_early_starts_the_run_and_ends_it_earlier() -> None:
    """What is left is run earlier, and no more than that."""
    play = suspended(40.2)
    end = play.lease(1).stays[0].end
    done(play, "resume")
    assert play.state(1) is S.ACTIVE
    assert play.lease(1).stays[0].end == end - 20 * SECOND
    play.go(500)
    assert play.lease(1).delivered == 60 * MINUTE


def test_a_late_boot_is_made_up_for_after_the_planned_end() -> None:
    """Best effort runs for all it has asked for; the time until its VMs run is lost and written down."""
    play = Play(1)
    play.ask(1)
    play.go()
    late(play, "boot", 2)
    play.go(61)
    assert (play.state(1), play.lost(1)) == (S.ACTIVE, 2)
    play.go(62)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 60 * MINUTE)


def test_a_reservation_that_boots_late_ends_when_it_was_to() -> None:
    """What it loses is told."""
    play = Play(1)
    play.ask(1, start=0)
    play.go()
    late(play, "boot", 2)
    assert "0s notice 1" in play.said
    play.go(60)
    assert (play.state(1), play.lease(1).delivered, play.lost(1)) == (S.DONE, 58 * MINUTE, 2)


def test_what_somebody_suspends_while_it_is_late_to_boot_loses_time_until_then_only() -> None:
    """Somebody resumes it long before it was to run at last, and no moment is both lost and run."""
    play = Play(1)
    play.ask(1)
    play.go()
    late(play, "boot", 20)
    play.go(5)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 0, Observed.SUSPENDED, None, "root"))
    assert play.lost(1) == 5
    play.go(10)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 0, Observed.RUNNING, None, "root"))
    play.go(500)
    runs = [(entry.start / MINUTE, entry.end / MINUTE, entry.outcome) for entry in play.lease(1).log]
    assert (play.state(1), runs) == (S.DONE, [(0, 5, "lost"), (10, 70, "done")])


def test_a_suspension_that_fails_is_tried_again_while_there_is_time() -> None:
    """The reservation that it was for starts in time."""
    play = Play(1, suspend_rate=128)
    play.ask(1)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go(29 + 52 / 60)
    assert play.state(1) is S.SUSPENDING
    failed(play, "suspend")
    assert play.go(30)[:2] == ["1792s notice 1", "1792s suspend 1"]
    assert (play.state(2), play.lost(1)) == (S.ACTIVE, 0)


def test_a_lease_that_cannot_be_suspended_runs_on_where_another_can_give_way() -> None:
    """The reservation takes the other host, and nothing is lost."""
    play = Play(2)
    play.ask(1)
    play.ask(3)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go(29.9)
    victim = next(number for number in (1, 3) if play.state(number) is S.SUSPENDING)
    failed(play, "suspend", number=victim)
    play.go(30)
    assert play.state(victim) is S.ACTIVE
    assert play.state(2) is S.ACTIVE
    assert play.lost(victim) == 0


def test_a_shutdown_that_fails_ends_in_the_removal_of_the_vms() -> None:
    """The lease is done: it had all its time."""
    play = Play(1, shutdown_time=30 * SECOND)
    play.ask(1, minutes=10)
    play.go(10.2)
    failed(play, "shutdown")
    said = play.go()
    assert [line.split()[1] for line in said] == ["notice", "destroy", "1"]
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 10 * MINUTE)


def test_a_resumption_that_fails_again_and_again_starts_over() -> None:
    """It is tried with growing delays; then the image is taken to be bad."""
    play = suspended(40.2)
    tries = 0
    while play.lease(1).images is not None:
        failed(play, "resume")
        tries += 1
        assert tries < 10
        play.go(play.now + 1.5)
        if play.state(1) is S.ACTIVE:
            break
    play.go(500)
    assert play.state(1) is S.DONE
    assert play.lease(1).delivered == 60 * MINUTE


def test_vms_that_could_not_be_resumed_are_tried_again_together_and_no_others_with_them() -> None:
    """The platform tells of each: that is one failure, and the VM that runs is left alone."""
    play = Play(3, suspension=Suspension.ALL)
    play.ask(1, vms=3)
    play.ask(2, vms=3, minutes=10, start=30)
    play.go(40)
    assert play.state(1) is S.RESUMING
    now, handle = play.scheduler.desk.now, play.scheduler.handle
    for vm in (1, 3):
        handle(OperationReported(now, 1, "resume", OperationOutcome.FAILED, vm=vm))
    commands = [effect for effect in handle(TimePassed(now)) if isinstance(effect, Command)]
    assert [(command.verb, command.vms) for command in commands] == [(Verb.RESUME, (1, 3))]
    assert play.lease(1).retries == 1
    # At the same instant, but of the same VM: that is the next one.
    handle(OperationReported(now, 1, "resume", OperationOutcome.FAILED, vm=3))
    assert play.lease(1).retries == 2
    commands = []
    while not commands:
        due = play.scheduler.next_instant()
        assert due is not None
        commands = [effect for effect in handle(TimePassed(due)) if isinstance(effect, Command)]
    assert [(command.verb, command.vms) for command in commands] == [(Verb.RESUME, (3,))]


def test_a_resume_that_fails_at_once_is_kept_as_tried() -> None:
    """How often it was tried is to be written down even where nothing else has changed."""
    play = suspended(40)
    assert play.state(1) is S.RESUMING
    play.scheduler.desk.touched.clear()
    failed(play, "resume")
    assert (play.state(1), play.lease(1).retries) == (S.RESUMING, 1)
    assert 1 in play.scheduler.desk.touched


@pytest.mark.parametrize(("rule", "state"), [(Overdue.CANCEL, S.CANCELLED), (Overdue.FORCE, S.DONE)])
def test_what_is_overdue_for_too_long_is_broken_off(rule: Overdue, state: LeaseState) -> None:
    """By the site's choice the operation is taken to have failed, or the lease is cancelled."""
    play = Play(1, shutdown_time=30 * SECOND, overdue=rule, overdue_max=5 * MINUTE)
    play.ask(1, minutes=10)
    play.go(10.2)
    late(play, "shutdown", 12)
    late(play, "shutdown", 17)
    play.go()
    assert play.state(1) is state


def test_an_image_that_was_not_sent_is_sent_again() -> None:
    """A best-effort lease starts later; after some times it has failed, with the reason."""
    play = Play(1, transfer=TransferOptions(100))
    play.ask(1, minutes=10, software=DiskImage("debian", 1000))
    play.go(0.5)
    assert play.state(1) is S.PREPARING
    failed(play, "transfer")
    play.go(30)
    assert (play.state(1), play.lease(1).retries) == (S.DONE, 1)


def test_an_image_that_cannot_be_sent_fails_its_lease() -> None:
    """It is tried a bounded number of times."""
    play = Play(1, transfer=TransferOptions(100))
    play.ask(1, minutes=10, software=DiskImage("debian", 1000))
    for turn in range(4):
        play.go(0.5 + turn)
        failed(play, "transfer")
    play.go()
    assert play.state(1) is S.FAILED
    assert "transfer of its image failed" in play.reason(1).text


def test_a_move_that_fails_leaves_the_vm_where_it_is() -> None:
    """People are told."""
    play = Play(2)
    play.ask(1)
    play.go(1)
    failed(play, "migrate")
    assert play.go() == ["60s notice 1"]


def waiting(vms: int = 1, **terms: Any) -> Play:
    """A lease waits for its image, which takes 80 s to come; 30 s have passed."""
    play = Play(2, transfer=TransferOptions(100))
    play.ask(1, vms, software=DiskImage("debian", 1000), **{"minutes": 10, **terms})
    play.go(0.5)
    assert play.state(1) is S.PREPARING
    return play


def test_a_late_transfer_is_waited_for() -> None:
    """Best effort starts when its image is there, and runs for all its time; nothing is sent anew."""
    play = waiting()
    play.go(1.3)
    late(play, "transfer", 3)
    assert play.stays(1) == [(3, 13)]
    late(play, "transfer", 4)
    said = play.go(20)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 10 * MINUTE)
    assert not any("transfer" in line for line in said)
    assert play.lease(1).transfers[0][2:] == (0, 4 * MINUTE)


def test_a_reservation_of_which_the_image_is_late_starts_late_and_ends_when_it_was_to() -> None:
    """It is told."""
    play = waiting(start=80 / 60, minutes=10)
    play.go(1.2)
    play.said.clear()
    late(play, "transfer", 3)
    assert "72s notice 1" in play.go()
    assert play.stays(1) == [(3, 80 / 60 + 10)]


def test_who_cannot_wait_for_a_late_transfer_is_planned_anew() -> None:
    """A deadline lease that would end too late has failed, and says why; who waits for the same image waits on."""
    play = waiting(start=80 / 60, minutes=10, deadline=12)
    play.go(1.2)
    late(play, "transfer", 5)
    play.go(20)
    assert play.state(1) is S.FAILED
    assert "longer than planned" in play.reason(1).text


def test_transfers_after_a_late_one_begin_later() -> None:
    """The repository sends one at a time."""
    play = waiting()
    play.ask(2, minutes=10, software=DiskImage("fedora", 1000))
    play.go(1)
    assert play.stays(2)[0][0] == 160 / 60
    late(play, "transfer", 3)
    assert play.stays(2)[0][0] == 260 / 60
    play.go(30)
    assert (play.state(1), play.state(2)) == (S.DONE, S.DONE)


def test_a_transfer_goes_on_for_others_when_the_first_of_them_is_cancelled() -> None:
    """What is told of it in the name of a lease that is over still counts."""
    options = TransferOptions(100, mechanism=Mechanism.MULTICAST, avoid_redundant=True)
    play = Play(2, transfer=options)
    image = DiskImage("debian", 1000)
    play.ask(1, start=2, minutes=10, software=image)
    play.ask(2, start=2, minutes=10, software=image)
    play.go(1)
    assert (play.state(1), play.state(2)) == (S.PREPARING, S.PREPARING)
    play.tell(CancelRequested(play.scheduler.desk.now, 1))
    late(play, "transfer", 3)
    assert play.stays(2) == [(3, 12)]


def test_what_is_told_of_an_earlier_transfer_does_not_end_one_that_a_lease_rides_on() -> None:
    """It was sent in the name of another lease: whoever rides on it has had others, and their end is told late."""
    play = Play(2, transfer=TransferOptions(100, mechanism=Mechanism.MULTICAST, avoid_redundant=True))
    for number in (1, 2):
        play.ask(number, minutes=10, software=DiskImage("debian", 1000))
    assert "0s transfer 1" in play.go(0.5)
    done(play, "transfer", 2)
    failed(play, "transfer", 2)
    assert (play.state(1), play.state(2), play.lease(2).retries) == (S.PREPARING, S.PREPARING, 0)
    done(play, "transfer", 1)
    assert (play.state(1), play.state(2)) == (S.ACTIVE, S.ACTIVE)


def test_who_waits_for_an_image_that_is_there_early_starts_early() -> None:
    """And ends early; a reservation starts at its time."""
    play = waiting()
    done(play, "transfer")
    assert (play.state(1), play.stays(1)) == (S.ACTIVE, [(0.5, 10.5)])
    play = waiting(start=80 / 60, minutes=10)
    done(play, "transfer")
    assert (play.state(1), play.stays(1)) == (S.READY, [(80 / 60, 80 / 60 + 10)])
    play.go(2)
    assert play.state(1) is S.ACTIVE


def test_a_transfer_that_is_late_for_too_long_is_begun_anew() -> None:
    """It counts as one that has failed."""
    play = waiting()
    play.go(1.2)
    late(play, "transfer", 60)
    assert play.lease(1).retries == 1
    play.go(20)
    assert play.state(1) is S.DONE


def test_memory_images_that_arrive_late_are_waited_for() -> None:
    """The lease goes on where they arrive, for all its time; they are not sent elsewhere, nor once more."""
    play = copying(2)
    begins, ends = play.stays(1)[0]
    play.go(21)
    late(play, "migrate", 23)
    assert play.stays(1) == [(23, 23 + ends - begins)]
    play.go(22.9)
    late(play, "migrate", 24)
    said = play.go(200)
    assert not any("migrate" in line for line in said)
    assert (play.state(1), play.where[1], play.lease(1).migrations) == (S.DONE, (0,), 1)
    assert play.lease(1).delivered == 60 * MINUTE


def test_memory_images_that_arrive_too_late_are_not_waited_for() -> None:
    """Where its hosts are somebody else's afterwards, the lease is planned anew."""
    play = copying(2)
    play.ask(3, vms=2, start=play.stays(1)[0][1], minutes=10)
    play.go(21)
    late(play, "migrate", 23)
    assert play.lease(1).stays == [] or play.stays(1)[0][0] != 23
    play.go(300)
    assert (play.state(1), play.state(3)) == (S.DONE, S.DONE)


def test_what_goes_wrong_just_after_its_end_credits_a_lease_with_no_more_than_its_time() -> None:
    """A step comes some seconds late, and hears of a failure before the lease is taken to be over."""
    play = Play(1)
    play.ask(1, start=0, minutes=10, reactions=Reactions(on_failure=OnFailure.HOLD))
    play.go(9)
    at = 10 * MINUTE + 4 * SECOND
    play.scheduler.handle(InstanceObserved(at, 1, 1, Observed.CRASHED, 0))
    lease = play.lease(1)
    play.scheduler.handle(TimePassed(at))
    runs = [(entry.start, entry.end) for entry in lease.log if entry.kind == "run" and entry.end > entry.start]
    assert (lease.delivered, runs) == (10 * MINUTE, [(0, 10 * MINUTE)])
