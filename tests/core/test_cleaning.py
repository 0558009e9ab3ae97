"""What VMs have left of a host is cleaned before others get it."""

import pytest

from haizea.model.effects import Command, LeaseChanged, Verb
from haizea.model.events import (
    CancelRequested,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
    TimePassed,
)
from haizea.model.lease import LeaseState
from haizea.model.units import MINUTE, SECOND
from haizea.plan.options import Suspension
from tests.core.play import Play, made_anew

CLEANING = 10 * MINUTE


def ended(play: Play, number: int) -> float:
    """When a lease was over, in minutes."""
    at = play.lease(number).ended
    assert at is not None
    return at / MINUTE


def began(play: Play, number: int) -> float:
    """When a lease began to run, in minutes."""
    at = play.lease(number).started
    assert at is not None
    return at / MINUTE


def test_a_reservation_cannot_follow_another_at_once() -> None:
    """On one host, one that begins where the other ends is refused; one that begins ten minutes later is not."""
    play = Play(1, cleaning_time=CLEANING)
    play.ask(1, minutes=60, start=10)
    play.go()
    play.ask(2, minutes=60, start=70)
    play.ask(3, minutes=60, start=80)
    play.go(200)
    assert [play.state(n) for n in (1, 2, 3)] == [LeaseState.DONE, LeaseState.REJECTED, LeaseState.DONE]
    assert (ended(play, 1), began(play, 3)) == (70, 80)


def test_without_cleaning_one_follows_another_at_once() -> None:
    """Where nothing is to be cleaned, a reservation begins where the other ends."""
    play = Play(1)
    play.ask(1, minutes=60, start=10)
    play.go()
    play.ask(2, minutes=60, start=70)
    play.go(200)
    assert (ended(play, 1), began(play, 2)) == (70, 70)


@pytest.mark.parametrize("reservations_max", [0, 1])
def test_who_waits_begins_when_the_host_is_clean(reservations_max: int) -> None:
    """A lease is over once its VMs are shut down; the next in the queue begins ten minutes later."""
    play = Play(1, cleaning_time=CLEANING, shutdown_time=MINUTE, reservations_max=reservations_max)
    play.ask(1, minutes=60)
    play.ask(2, minutes=60)
    play.go(200)
    assert (ended(play, 1), began(play, 2), ended(play, 2)) == (61, 71, 132)


def test_a_command_is_to_be_over_before_cleaning_begins() -> None:
    """What VMs are given to shut themselves down is without the time for cleaning."""
    play = Play(1, cleaning_time=CLEANING, shutdown_time=MINUTE)
    play.ask(1, minutes=60)
    play.go(59)
    effects = play.scheduler.handle(TimePassed(60 * MINUTE))
    assert [e.until for e in effects if isinstance(e, Command) and e.verb is Verb.SHUT_DOWN] == [61 * MINUTE]


def test_a_victim_is_suspended_early_enough() -> None:
    """A lease that gives way is suspended ten minutes before its host is needed, and resumed ten minutes after."""
    play = Play(1, cleaning_time=CLEANING, suspension=Suspension.ALL)
    play.ask(1, minutes=120)
    play.go()
    play.ask(2, minutes=30, start=60)
    play.go(300)
    log = [(e.kind, e.start / SECOND, e.end / SECOND) for e in play.lease(1).log]
    assert log[:3] == [("run", 0, 2968), ("suspend", 2968, 3000), ("resume", 6000, 6032)]
    assert (began(play, 2), ended(play, 2)) == (60, 90)
    assert play.state(1) is LeaseState.DONE
    assert play.lease(1).delivered == 120 * MINUTE


def test_nobody_gives_way_for_what_would_not_be_clean_in_time() -> None:
    """Without suspension, a lease that runs is not ended for a reservation that begins in less than ten minutes."""
    play = Play(1, cleaning_time=CLEANING)
    play.ask(1, minutes=120)
    play.go()
    play.ask(2, minutes=30, start=9)
    play.ask(3, minutes=30, start=15)
    play.go(1)
    assert (play.state(2), play.state(3)) == (LeaseState.REJECTED, LeaseState.READY)
    play.go(15)
    assert began(play, 3) == 15


def test_a_guest_that_shuts_itself_down_leaves_a_host_to_be_cleaned() -> None:
    """Who waits, and who asks then, gets the host ten minutes after that."""
    play = Play(1, cleaning_time=CLEANING)
    play.ask(1, minutes=60)
    play.ask(2, minutes=60)
    play.go(20)
    play.tell(InstanceObserved(20 * MINUTE, 1, 0, Observed.GUEST_SHUTDOWN))
    play.ask(3, minutes=5, start=20)
    play.go(200)
    assert (ended(play, 1), began(play, 2)) == (20, 30)
    assert play.state(3) is LeaseState.REJECTED


def test_of_a_lease_of_several_vms_one_may_leave() -> None:
    """The host of a VM that is over is cleaned and given to others, while the other VM runs on."""
    play = Play(2, cleaning_time=CLEANING)
    play.ask(1, vms=2, minutes=60)
    play.ask(2, minutes=60)
    play.go(20)
    play.tell(InstanceObserved(20 * MINUTE, 1, 2, Observed.GUEST_SHUTDOWN))
    play.go(200)
    assert (began(play, 2), ended(play, 1)) == (30, 60)


def test_a_cancelled_lease_leaves_a_host_to_be_cleaned() -> None:
    """Cancelling a lease that runs frees its host ten minutes later; one that has not begun leaves nothing behind."""
    play = Play(1, cleaning_time=CLEANING)
    play.ask(1, minutes=60)
    play.go(20)
    play.ask(2, minutes=60, start=100)
    play.go(20)
    play.tell(CancelRequested(20 * MINUTE, 1))
    play.tell(CancelRequested(20 * MINUTE, 2))
    play.ask(3, minutes=500)
    play.go(40)
    assert began(play, 3) == 30


def test_a_shutdown_that_is_over_early_begins_the_cleaning_early() -> None:
    """It is over at 62 instead of 65 minutes, and the host is clean at 72; where it is late, later."""
    for outcome, until, clean in ((OperationOutcome.DONE, None, 72), (OperationOutcome.LATE, 68 * MINUTE, 78)):
        play = Play(1, cleaning_time=CLEANING, shutdown_time=5 * MINUTE)
        play.ask(1, minutes=60)
        play.ask(2, minutes=60)
        at = 62 if outcome is OperationOutcome.DONE else 65
        play.go(at - 1)
        play.tell(OperationReported(at * MINUTE, 1, "shutdown", outcome, until))
        play.go(200)
        assert (ended(play, 1), began(play, 2)) == (clean - 10, clean)


@pytest.mark.parametrize("at", [20, 25, 65])
def test_cleaning_is_remembered(at: int) -> None:
    """A scheduler that is made anew while a host is cleaned gives it to the next one at the same time."""
    play = Play(1, cleaning_time=CLEANING)
    play.ask(1, minutes=60)
    play.ask(2, minutes=60)
    play.go(20)
    if at < 60:
        play.tell(InstanceObserved(20 * MINUTE, 1, 0, Observed.GUEST_SHUTDOWN))
        if at > 20:
            play.go(at)
    else:
        play.go(at)
    again = made_anew(play.scheduler)
    told: list[list[str]] = [[], []]
    for story, scheduler in zip(told, (play.scheduler, again), strict=True):
        scheduler.handle(TimePassed(at * MINUTE))
        while (due := scheduler.next_instant()) is not None and due < 300 * MINUTE:
            story += [f"{e.at} {e.state}" for e in scheduler.handle(TimePassed(due)) if isinstance(e, LeaseChanged)]
    assert told[0] == told[1]
    assert f"{(30 if at < 60 else 70) * MINUTE} {LeaseState.ACTIVE}" in told[0]
