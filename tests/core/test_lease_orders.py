"""What people can order to be done with leases, and why some of it is refused."""

from typing import Any, get_args

import pytest

from haizea.core.orders import RULES, table
from haizea.model.effects import Verb
from haizea.model.lease import LeaseState, NodeSet
from haizea.model.orders import (
    EndBy,
    Hold,
    Last,
    LeaseOrder,
    Migrate,
    Pause,
    Recover,
    Recovery,
    Release,
    Requeue,
    Resize,
    Restart,
    Resume,
    StartAt,
    StopVM,
    Suspend,
    Terminate,
    ToBottom,
    ToTop,
    Unpause,
)
from haizea.model.units import HOUR, MINUTE
from haizea.plan.options import Migration, Suspension
from tests.core.ordering import Ordering
from tests.core.play import VM, site

S = LeaseState


def running(hosts: int = 2, vms: int = 1, **options: Any) -> Ordering:
    """Lease 1 runs for an hour from 0 on; 10 minutes have passed."""
    play = Ordering(hosts, **options)
    play.ask(1, vms=vms)
    play.go(10)
    return play


def reserved(hosts: int = 2) -> Ordering:
    """Lease 1 has a host from 30:00 to 60:00; a minute has passed."""
    play = Ordering(hosts)
    play.ask(1, start=30, minutes=30)
    play.go(1)
    return play


def test_there_is_a_rule_for_every_order() -> None:
    """No order is forgotten, and the table in the documentation has a row for each."""
    assert set(RULES) == set(get_args(LeaseOrder))
    assert len(table().splitlines()) == len(RULES) + 2


@pytest.mark.parametrize("order", [Suspend(), Terminate(), Last(HOUR)])
def test_of_a_lease_that_is_over_nothing_can_be_ordered(order: LeaseOrder) -> None:
    """The refusal says that there is no such lease."""
    play = running()
    play.go(61)
    assert play.refused(1, order) == "There is no lease 1 that is not over."


def test_an_order_that_does_not_go_with_the_state_says_which_would() -> None:
    """A lease that runs cannot be released, and is told what could be."""
    assert running().refused(1, Release()) == "Lease 1 is active; only a lease that is held can be released."


# Time ------------------------------------------------------------------------------------------------------------


def test_a_lease_is_extended_where_its_host_is_free() -> None:
    """The end moves, and nobody else has to."""
    play = running()
    assert play.order(1, Last(90 * MINUTE)) is None
    play.go(89)
    assert play.state(1) is S.ACTIVE
    play.go(90)
    assert play.state(1) is S.DONE


def test_an_extension_into_a_reservation_is_refused_and_says_until_when_it_is_possible() -> None:
    """Nobody is preempted for it; up to the reservation it can be extended."""
    play = running(1)
    play.ask(2, start=80, minutes=30)
    play.go()
    text = play.refused(1, Last(2 * HOUR))
    assert "reserved by lease 2 from 1970-01-01T01:20:00Z" in text
    assert text.endswith("until 1970-01-01T01:20:00Z it can be extended.")
    assert play.stays(1) == [(0, 60)]
    assert play.order(1, Last(80 * MINUTE)) is None
    assert play.stays(1) == [(0, 80)]


def test_who_only_waits_in_the_queue_does_not_hinder_an_extension() -> None:
    """A best-effort lease with a place after it is planned anew."""
    play = running(1)
    play.ask(2, minutes=30)
    play.go()
    assert play.stays(2) == [(60, 90)]
    assert play.order(1, Last(2 * HOUR)) is None
    play.go()
    assert (play.stays(1), play.stays(2)) == ([(0, 120)], [(120, 150)])


def test_what_is_cut_off_is_free_at_once_and_less_than_has_run_is_refused() -> None:
    """The lease behind moves up; a lease cannot be shorter than it has been."""
    play = running(1)
    play.ask(2, minutes=30)
    play.go()
    assert play.order(1, Last(20 * MINUTE)) is None
    play.go()
    assert (play.stays(1), play.stays(2)) == ([(0, 20)], [(20, 50)])
    assert play.refused(1, Last(10 * MINUTE)).endswith("to end it, terminate it.")


def test_a_reservation_is_moved_or_stays_where_it_was() -> None:
    """It is booked as if it was asked for now; where there is no room nothing changes."""
    play = reserved(1)
    play.ask(2, start=90, minutes=30)
    play.go()
    assert play.refused(1, StartAt(100 * MINUTE)).startswith("It needs 1 VM")
    assert play.stays(1) == [(30, 60)]
    assert play.order(1, StartAt(40 * MINUTE)) is None
    assert play.stays(1) == [(40, 70)]
    play.go(40)
    assert play.state(1) is S.ACTIVE
    assert play.refused(1, StartAt(50 * MINUTE)).startswith("Lease 1 is active; only")


def test_a_deadline_can_be_later_and_is_not_earlier_than_possible() -> None:
    """What cannot be met is refused with what could be."""
    play = Ordering(1)
    play.ask(1, minutes=60, start=0, deadline=120)
    play.go(10)
    assert "after its deadline" in play.refused(1, EndBy(30 * MINUTE)) or "has begun" in play.refused(
        1, EndBy(30 * MINUTE)
    )
    assert play.order(1, EndBy(3 * HOUR)) is None
    assert play.lease(1).terms.deadline == 3 * HOUR


# Suspending, pausing, holding back ---------------------------------------------------------------------------------


def test_a_lease_suspended_by_hand_waits_until_it_is_ordered_to_go_on() -> None:
    """Its host is free for others, and no free host brings it back."""
    play = running(1)
    assert play.order(1, Suspend()) is None
    play.ask(2, minutes=10)
    play.go(30)
    assert (play.state(1), play.state(2)) == (S.SUSPENDED_QUEUED, S.DONE)
    assert play.order(1, Resume()) is None
    play.go()
    assert play.state(1) is S.RESUMING
    play.go(90)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, HOUR)


def test_the_time_of_a_reservation_goes_on_while_it_is_suspended() -> None:
    """Resumed in time it has what is left; its time over, it is done."""
    for again in (True, False):
        play = reserved(1)
        play.go(40)
        assert play.order(1, Suspend()) is None
        play.go(45)
        if again:
            assert play.order(1, Resume()) is None
            play.go(46)
            assert (play.state(1), play.stays(1)) == (S.ACTIVE, [(45, 60)])
        play.go(60)
        assert play.state(1) is S.DONE


def test_a_site_that_suspends_nothing_says_so() -> None:
    """The refusal names the option."""
    text = running(2, suspension=Suspension.NONE).refused(1, Suspend())
    assert text == "This site suspends no leases (its option suspension is none)."


def test_a_paused_lease_keeps_its_host_and_its_time_goes_on() -> None:
    """The platform is told to pause and to go on."""
    play = running(1)
    assert play.order(1, Pause()) is None
    assert (play.state(1), play.said[-1]) == (S.PAUSED, "600s pause 1")
    play.go(20)
    assert play.order(1, Unpause()) is None
    assert (play.state(1), play.said[-1]) == (S.ACTIVE, "1200s unpause 1")
    play.go(60)
    assert play.state(1) is S.DONE


def test_a_lease_that_is_paused_at_its_end_goes_on_to_be_shut_down() -> None:
    """VMs that stand still cannot shut themselves down."""
    play = running(1)
    play.order(1, Pause())
    assert play.go(60)[-3:] == ["3600s unpause 1", "3600s shut-down 1", "3600s 1 done"]


def test_a_lease_held_back_gives_up_its_place_and_gets_another_when_released() -> None:
    """It comes back at its old place in the queue."""
    play = running(1)
    play.ask(2, minutes=30)
    play.ask(3, minutes=30)
    play.go()
    assert play.order(2, Hold()) is None
    play.go()
    assert (play.state(2), play.stays(2), play.stays(3)) == (S.HELD, [], [(60, 90)])
    play.go(60)
    assert play.order(2, Release()) is None
    play.go(90)
    assert (play.state(2), play.stays(2)) == (S.ACTIVE, [(90, 120)])


def test_a_reservation_held_back_keeps_its_host_until_its_time_is_over() -> None:
    """Released late it has what is left; never released it is cancelled at its end."""
    for release in (40, None):
        play = reserved(1)
        assert play.order(1, Hold()) is None
        play.go(release or 60)
        if release is None:
            assert (play.state(1), play.reason(1).text) == (
                S.CANCELLED,
                "It was held back until its time was over.",
            )
            continue
        assert play.state(1) is S.HELD
        assert play.order(1, Release()) is None
        assert (play.state(1), play.stays(1)) == (S.ACTIVE, [(40, 60)])


# The queue ---------------------------------------------------------------------------------------------------------


def test_a_lease_moved_to_the_top_of_the_queue_goes_first() -> None:
    """Whoever had a reservation out of the queue is planned behind it, also by a scheduler that was made anew."""
    play = running(1)
    for number in (2, 3, 4):
        play.ask(number, minutes=30)
    play.go()
    assert play.order(4, ToTop()) is None
    assert play.order(2, ToBottom()) is None
    play.go()
    other = play.scheduler.copy()
    assert [lease.id for lease in other.desk.queue] == [lease.id for lease in play.scheduler.desk.queue] == [3, 2]
    assert play.stays(4) == [(60, 90)]
    play.go(150)
    assert [play.lease(number).started for number in (4, 3, 2)] == [60 * MINUTE, 90 * MINUTE, 120 * MINUTE]


def test_a_lease_that_was_promised_a_time_has_no_place_in_the_queue() -> None:
    """It can be moved in time instead."""
    play = reserved()
    assert "promised a time" in play.refused(1, ToTop())
    assert "promised a time" in play.refused(1, Requeue())


def test_a_requeued_lease_starts_over() -> None:
    """What it has run is lost."""
    play = running(1)
    assert play.order(1, Requeue()) is None
    play.go()
    assert (play.state(1), play.lost(1), play.stays(1)) == (S.ACTIVE, 10, [(10, 70)])


# VMs ---------------------------------------------------------------------------------------------------------------


def test_the_last_vms_of_a_lease_are_taken_away_while_it_runs() -> None:
    """Their hosts are free at once."""
    play = running(3, vms=3)
    assert play.order(1, Resize((NodeSet(1, VM),))) is None
    play.ask(2, vms=2)
    play.go()
    assert (len(play.hosts(1)), play.state(2)) == (1, S.ACTIVE)
    play.go(60)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, HOUR)


def test_vms_are_added_while_a_lease_runs_where_there_is_room() -> None:
    """Only the new ones are started; where there is no room until its end, it is refused."""
    play = running(2)
    assert play.refused(1, Resize((NodeSet(3, VM),))).startswith("It needs 3 VMs")
    assert play.order(1, Resize((NodeSet(2, VM),))) is None
    assert (sorted(play.hosts(1)), play.said[-1]) == ([0, 1], "600s start 1")
    play = running(2)
    play.ask(2, start=30)
    play.go()
    assert "no room for 1 more VM" in play.refused(1, Resize((NodeSet(2, VM),)))


def test_a_lease_that_waits_can_have_any_other_vms() -> None:
    """It is planned anew for them."""
    play = running(2, vms=2)
    play.ask(2, vms=2)
    play.go()
    assert play.order(2, Resize((NodeSet(1, VM),))) is None
    play.go(60)
    assert (play.state(2), len(play.hosts(2))) == (S.ACTIVE, 1)


def test_a_single_vm_is_stopped_and_the_last_one_ends_the_lease() -> None:
    """What it held is free; the lease is done with its last VM."""
    play = running(2, vms=2)
    assert play.order(1, StopVM(2)) is None
    play.ask(2)
    play.go()
    assert play.state(2) is S.ACTIVE
    assert play.refused(1, StopVM(2)).startswith("VM 2 of lease 1 was stopped before")
    assert play.refused(1, StopVM(3)) == "Lease 1 has no VM 3; its VMs have the numbers 1 to 2."
    assert play.order(1, StopVM(1)) is None
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 10 * MINUTE)


def test_a_vm_is_restarted_where_it_is() -> None:
    """It is removed and started again; the lease goes on."""
    play = running(2, vms=2)
    assert play.order(1, Restart(2)) is None
    assert play.said[-2:] == ["600s destroy 1", "600s start 1"]
    play.go(60)
    assert play.state(1) is S.DONE


def test_running_vms_move_to_another_host_and_keep_their_old_one_until_they_are_there() -> None:
    """A copy of 1024 MiB takes 82 s at 100 Mb/s; until then the host they come from is not free."""
    play = Ordering(site(3), migration=Migration.YES)
    play.ask(1)
    play.go(10)
    assert play.order(1, Migrate(away_from=0)) is None
    assert (play.hosts(1), play.said[-1]) == ((1,), f"600s {Verb.MIGRATE.value} 1")
    play.ask(2, vms=2)
    play.go()
    assert play.state(2) is S.READY
    play.go(12)
    assert (play.state(2), sorted(play.hosts(2))) == (S.ACTIVE, [0, 2])
    assert "cannot move" in play.refused(1, Migrate(to=2))
    play.go(60)
    assert (play.state(1), play.lease(1).delivered, play.lease(1).migrations) == (S.DONE, HOUR, 1)


def test_where_vms_do_not_move_the_refusal_says_so() -> None:
    """It names the option."""
    text = running().refused(1, Migrate(away_from=0))
    assert text == "VMs of this site do not move between hosts (its option migration is no)."


def test_memory_images_are_moved_before_the_lease_resumes() -> None:
    """A suspended lease resumes on the host to which its image was moved."""
    play = Ordering(site(2), migration=Migration.YES)
    play.ask(1)
    play.go(10)
    play.order(1, Suspend())
    play.go(12)
    assert play.order(1, Migrate(to=1)) is None
    assert play.state(1) is S.MIGRATING
    play.go(15)
    assert (play.state(1), play.lease(1).images) == (S.SUSPENDED_QUEUED, (1,))


def test_a_terminated_lease_is_over_at_once() -> None:
    """What it has run counts, and it is done; one that has not run at all is cancelled."""
    play = running()
    assert play.order(1, Terminate()) is None
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, 10 * MINUTE)
    play.ask(2, start=60)
    play.go()
    assert play.order(2, Terminate()) is None
    assert play.state(2) is S.CANCELLED


@pytest.mark.parametrize(
    ("how", "state"),
    [
        (Recovery.RETRY, S.SUSPENDING),
        (Recovery.SUCCEEDED, S.SUSPENDED_QUEUED),
        (Recovery.RECREATE, S.QUEUED),
    ],
)
def test_a_suspension_in_doubt_is_said_to_have_gone_one_way_or_the_other(how: Recovery, state: LeaseState) -> None:
    """It is begun anew, taken to be over, or the lease starts from nothing."""
    play = running()
    play.order(1, Suspend())
    assert play.order(1, Recover(how)) is None
    assert play.state(1) is state
