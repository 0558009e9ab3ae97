"""The queue: who overtakes whom, moving up, gaps, the scheduling threshold, keeping one's place."""

import pytest

from haizea.model.events import CancelRequested, InstanceObserved, Observed
from haizea.model.lease import DiskImage, LeaseState
from haizea.model.units import MINUTE, SECOND
from haizea.plan.options import Suspension, TransferOptions
from tests.core.play import Play
from tests.simulation.running import policies


def over(play: Play, number: int) -> None:
    """Have all guests of a lease shut themselves down now."""
    play.tell(InstanceObserved(play.scheduler.desk.now, number, 0, Observed.GUEST_SHUTDOWN))


def queued(reservations_max: int | None, suspension: Suspension = Suspension.NONE) -> Play:
    """Four hosts: 1 takes three for an hour; 2 and 3 need all four; 4 and 5 one each, for 30 and 90 minutes."""
    play = Play(4, reservations_max=reservations_max, suspension=suspension)
    play.ask(1, vms=3, minutes=60)
    play.go()
    play.ask(2, vms=4, minutes=60)
    play.ask(3, vms=4, minutes=60)
    play.ask(4, minutes=30)
    play.ask(5, minutes=90)
    play.go()
    return play


def running(play: Play) -> set[int]:
    """The leases that run."""
    return {lease.id for lease in play.scheduler.desk.leases.values() if lease.state is LeaseState.ACTIVE}


def test_without_backfilling_nobody_overtakes() -> None:
    """A free host stays free until those who asked first have started."""
    play = queued(0)
    assert running(play) == {1}
    assert play.scheduler.desk.reserved == []


def test_easy_backfilling_lets_only_those_overtake_who_delay_nobody() -> None:
    """The first in the queue gets a reservation; who is over before it begins may start, who is not waits."""
    play = queued(1)
    assert play.stays(2) == [(60, 120)]
    assert play.state(3) is LeaseState.QUEUED
    assert running(play) == {1, 4}
    assert play.state(5) is LeaseState.QUEUED


def test_intermediate_backfilling_reserves_for_the_first_few() -> None:
    """With two reservations the second in the queue has one too, and the others wait."""
    play = queued(2)
    assert [play.stays(number) for number in (2, 3)] == [[(60, 120)], [(120, 180)]]
    assert running(play) == {1, 4}
    assert play.state(5) is LeaseState.QUEUED


def test_conservative_backfilling_reserves_for_everybody() -> None:
    """Every lease has a reservation, and nobody delays anybody."""
    play = queued(None)
    assert [play.stays(number) for number in (2, 3)] == [[(60, 120)], [(120, 180)]]
    assert play.stays(5) == [(180, 270)]
    assert len(play.scheduler.desk.reserved) == 3


@pytest.mark.parametrize("reservations_max", [1, 2, None])
def test_reservations_move_up_when_capacity_is_freed_early(reservations_max: int | None) -> None:
    """When guests shut themselves down before their time, whoever has a reservation starts earlier."""
    play = queued(reservations_max)
    play.go(31)
    over(play, 1)
    play.go()
    assert play.state(2) is LeaseState.ACTIVE
    assert play.lease(1).delivered == 31 * MINUTE


def test_cancelling_a_reservation_lets_others_move_up() -> None:
    """With nobody in front any more, the next ones take the place."""
    play = queued(None)
    play.go(1)
    play.tell(CancelRequested(play.scheduler.desk.now, 2))
    play.go()
    assert play.stays(3) == [(60, 120)]
    assert play.stays(5) == [(120, 210)]


def test_a_lease_that_may_be_suspended_starts_in_a_gap() -> None:
    """Before a reservation in its way a lease runs until it must be suspended, and goes on afterwards."""
    play = Play(1, chosen=policies("no-preemption"))
    play.ask(1, start=30, minutes=30)
    play.ask(2, minutes=60)
    play.go()
    assert play.go(30)[:2] == ["1768s 2 suspending", "1768s suspend 2"]
    assert play.state(2) is LeaseState.SUSPENDED_SCHEDULED
    assert play.stays(2) == [(60, 60 + 32 / 60 + 60 - 1768 / 60)]
    play.go(300)
    assert play.lease(2).delivered == 60 * MINUTE
    assert (play.lease(2).suspensions, play.lease(2).resumptions) == (1, 1)


@pytest.mark.parametrize(
    ("suspension", "preemptible"), [(Suspension.NONE, True), (Suspension.ALL, False), (Suspension.SERIAL, True)]
)
def test_a_lease_that_may_not_be_suspended_must_fit_whole(suspension: Suspension, preemptible: bool) -> None:
    """A gap that is too short stays empty for a lease that could not be suspended in time."""
    play = Play(2, chosen=policies("no-preemption"), suspension=suspension)
    play.ask(1, vms=2, start=30, minutes=30)
    play.ask(2, vms=2, minutes=60, preemptible=preemptible)
    play.go()
    assert play.stays(2) == [(60, 120)]


def test_with_suspension_for_single_vms_a_lease_of_one_vm_starts_in_a_gap() -> None:
    """Serial-only suspension is for leases of one VM."""
    play = Play(2, chosen=policies("no-preemption"), suspension=Suspension.SERIAL)
    play.ask(1, vms=2, start=30, minutes=30)
    play.ask(2, minutes=60)
    play.go()
    assert play.stays(2) == [(0, 30)]


@pytest.mark.parametrize(("seconds", "starts"), [(63, False), (64, True)])
def test_a_gap_below_the_scheduling_threshold_is_not_used(seconds: int, starts: bool) -> None:
    """Suspending takes 32 s; with a factor of 1 a gap must be twice as long to be worth it."""
    play = Play(1, chosen=policies("no-preemption"))
    play.ask(1, start=seconds / 60, minutes=30)
    play.ask(2, minutes=60)
    play.go()
    assert (play.state(2) is LeaseState.ACTIVE) is starts


SENT = TransferOptions(bandwidth=100)
"""An image of 1024 MiB takes 82 s: eight times as many Mb, at 100 a second."""


@pytest.mark.parametrize(("seconds", "starts"), [(145, False), (146, True)])
def test_preparation_does_not_count_for_the_scheduling_threshold(seconds: int, starts: bool) -> None:
    """Its image takes 82 s; from then on a lease runs for as long as suspending it takes, and that is 32 s."""
    play = Play(1, chosen=policies("no-preemption"), transfer=SENT)
    play.ask(1, start=seconds / 60, minutes=30)
    play.ask(2, minutes=60, software=DiskImage("debian", 1024))
    play.go()
    assert round(play.stays(2)[0][0] * 60) == (82 if starts else seconds + 1800)


@pytest.mark.parametrize(("seconds", "suspended"), [(145, False), (146, True)])
def test_who_has_been_prepared_already_gives_way_by_suspension_if_that_is_worth_while(
    seconds: int, suspended: bool
) -> None:
    """What is over when a lease has to give way counts no more: 82 s until it starts, and twice the 32 s."""
    play = Play(1, transfer=SENT)
    play.ask(1, minutes=60, software=DiskImage("debian", 1024))
    play.go(1)
    play.ask(2, start=seconds / 60, minutes=30)
    play.go(100)
    assert (play.lease(1).suspensions == 1) is suspended


def test_the_threshold_can_be_set_outright() -> None:
    """A forced threshold replaces what follows from the overheads."""
    play = Play(1, chosen=policies("no-preemption"), threshold=10 * MINUTE)
    play.ask(1, start=9, minutes=30)
    play.ask(2, minutes=60)
    play.go()
    assert play.stays(2) == [(39, 99)]


def test_a_suspended_lease_keeps_its_place_by_submission() -> None:
    """A lease that was suspended goes on before those who asked later, though they have waited too."""
    play = Play(1, reservations_max=0)
    play.ask(1, minutes=60)
    play.go(1)
    play.ask(2, minutes=10)
    play.ask(3, start=20, minutes=10)
    play.go(20)
    assert [lease.id for lease in play.scheduler.desk.queue] == [1, 2]
    play.go(31)
    assert running(play) == {1}


def test_a_requeued_lease_keeps_its_place_by_submission() -> None:
    """A lease that had to give way and starts over is before those who asked later."""
    play = Play(1, reservations_max=0, suspension=Suspension.NONE)
    play.ask(1, minutes=60)
    play.go(1)
    play.ask(2, minutes=10)
    play.ask(3, start=20, minutes=10)
    play.go(20)
    assert play.lease(1).requeued == 1
    assert [lease.id for lease in play.scheduler.desk.queue] == [1, 2]
    play.go(500)
    assert play.lease(1).delivered == 60 * MINUTE
    assert play.lease(1).started == 0


def test_leases_submitted_at_one_instant_keep_their_order() -> None:
    """Who was handed over first is looked at first."""
    play = Play(1, reservations_max=0)
    for number in (3, 1, 2):
        play.ask(number, minutes=10)
    play.go()
    assert running(play) == {3}
    play.go(10)
    assert running(play) == {1}


def test_a_lease_that_is_being_prepared_does_not_move_up() -> None:
    """While its image is on the way a lease keeps its start, whatever becomes free."""
    play = Play(1, transfer=TransferOptions(bandwidth=100))
    play.ask(1, minutes=1, software=DiskImage("debian", 100))
    play.go()
    play.ask(2, minutes=10, software=DiskImage("centos", 500))
    play.go(0.2)
    before = play.stays(2)
    play.go(0.5)
    over(play, 1)
    play.go()
    assert play.state(2) is LeaseState.PREPARING
    assert play.stays(2) == before
    assert before[0][0] * MINUTE >= 48 * SECOND
