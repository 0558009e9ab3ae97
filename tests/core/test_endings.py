"""What leases wish for at their end, and being told before giving way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.model.effects import Command, Effect, LeaseChanged, Notice, Verb
from haizea.model.events import LeaseOrdered, TimePassed
from haizea.model.lease import LeaseState, OnEnd, Reactions
from haizea.model.orders import Recover, Recovery, Resume
from haizea.model.units import DAY, HOUR, MINUTE, SECOND
from haizea.plan.options import Suspension
from tests.core.ordering import Ordering
from tests.core.play import Play, made_anew

EXTEND = Reactions(on_end=OnEnd.EXTEND, extend_by=30 * MINUTE)
SUSPEND = Reactions(on_end=OnEnd.SUSPEND, extend_by=30 * MINUTE)


def ended(play: Play, number: int) -> float:
    """When a lease was over, in minutes."""
    at = play.lease(number).ended
    assert at is not None
    return at / MINUTE


def test_a_lease_is_extended_while_there_is_room() -> None:
    """Ten minutes before its end it gets half an hour more, again and again, as often as the site allows."""
    play = Play(1, extensions_max=2)
    play.ask(1, minutes=60, reactions=EXTEND)
    assert "3000s notice 1" in play.go(51)
    assert play.stays(1) == [(0, 90)]
    play.go(300)
    assert (play.state(1), ended(play, 1)) == (LeaseState.DONE, 120)
    assert play.lease(1).terms.duration == 2 * HOUR


def test_nobody_gives_way_for_an_extension() -> None:
    """It ends at its time where its hosts are promised to others then, be it a reservation or one out of the queue."""
    for start in (75, None):
        play = Play(1)
        play.ask(1, minutes=60, reactions=EXTEND)
        play.go()
        play.ask(2, minutes=30, start=start)
        play.go(200)
        assert ended(play, 1) == 60
        assert play.state(2) is LeaseState.DONE


def test_without_reservations_those_who_wait_come_first() -> None:
    """Without backfilling nobody in the queue holds a reservation; one who waits is not passed over all the same."""
    play = Play(1, reservations_max=0)
    play.ask(1, minutes=60, reactions=EXTEND)
    play.go()
    play.ask(2, minutes=30)
    play.go(200)
    assert ended(play, 1) == 60


def test_a_deadline_is_not_extended_over() -> None:
    """A deadline lease is extended only as long as it meets its deadline."""
    play = Play(1)
    play.ask(1, minutes=60, start=0, deadline=100, reactions=EXTEND)
    play.go(300)
    assert ended(play, 1) == 90


def test_a_lease_is_suspended_at_its_end_and_resumed_for_more() -> None:
    """Its hosts are free for others meanwhile; resumed, it gets the time that it would have been extended by."""
    play = Play(1, suspension=Suspension.ALL)
    play.ask(1, minutes=60, reactions=SUSPEND)
    play.go(62)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED
    assert play.lease(1).suspensions == 1
    play.ask(2, minutes=60)
    play.go(130)
    assert play.state(2) is LeaseState.DONE
    play.tell(LeaseOrdered(play.scheduler.desk.now, 1, Resume(), "ann"))
    play.go(131)
    assert play.state(1) is LeaseState.ACTIVE
    play.go(163)
    # At its end it is suspended again.
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED
    assert play.lease(1).delivered == 90 * MINUTE


def test_a_suspension_at_the_end_that_is_begun_anew_is_still_one_at_the_end() -> None:
    """An administrator has it done again; that the owner wanted it is not forgotten, and is written down."""
    play = Ordering(1, suspension=Suspension.ALL)
    play.ask(1, minutes=60, reactions=SUSPEND)
    play.go(60)
    assert play.state(1) is LeaseState.SUSPENDING
    why = play.lease(1).parked
    assert play.order(1, Recover(Recovery.RETRY)) is None
    assert play.lease(1).parked == why
    play.go(70)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED
    assert play.order(1, Resume()) is None
    play.go(72)
    assert play.state(1) is LeaseState.ACTIVE


def test_who_is_being_suspended_at_its_end_is_resumed_when_that_is_over() -> None:
    """There is nothing left that it could be resumed for before it is known to be suspended."""
    play = Ordering(1, suspension=Suspension.ALL)
    play.ask(1, minutes=60, reactions=SUSPEND)
    play.go(60)
    refused = play.order(1, Resume())
    assert refused is not None
    assert "it can be resumed then" in refused.text
    play.go(70)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED


def test_a_clock_that_is_a_little_late_is_no_reason_not_to_suspend() -> None:
    """Real clocks never say the very instant that was planned; what is tolerated counts as then."""
    play = Play(1, suspension=Suspension.ALL, lateness_max=5 * SECOND)
    play.ask(1, minutes=60, reactions=SUSPEND)
    play.go(59)
    play.tell(TimePassed(HOUR + 2 * SECOND))
    assert play.state(1) is LeaseState.SUSPENDING
    play.go(62)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED


@pytest.mark.parametrize(("taken", "state"), [(False, LeaseState.SUSPENDED_QUEUED), (True, LeaseState.DONE)])
def test_a_suspension_at_the_end_that_takes_longer_by_now_takes_what_is_free(taken: bool, state: LeaseState) -> None:
    """Where suspending has become slower since the lease was planned, it is suspended if nobody is to have the room."""
    play = Play(1, suspension=Suspension.ALL)
    play.ask(1, minutes=60, reactions=SUSPEND)
    play.go(30)
    if taken:
        play.ask(2, minutes=60, start=60 + 32 / 60, preemptible=False)
    play.go(31)
    options = play.scheduler.desk.options
    play.scheduler.follow(options._replace(suspend_rate=16), play.scheduler.desk.policies)
    play.go(63)
    assert play.state(1) is state


def test_a_reservation_that_was_suspended_at_its_end_is_resumed() -> None:
    """A reservation is resumed for as long as it would have been extended, if there is room at once or soon."""
    play = Play(1, suspension=Suspension.ALL)
    play.ask(1, minutes=60, start=10, reactions=SUSPEND, preemptible=False)
    play.go(80)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED
    play.tell(LeaseOrdered(play.scheduler.desk.now, 1, Resume(), "ann"))
    play.go(85)
    assert play.state(1) is LeaseState.ACTIVE
    play.go(115)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED


def test_a_suspended_lease_is_kept_for_a_while_only() -> None:
    """After what the site allows it is cancelled, and its owner is told."""
    play = Play(1, suspension=Suspension.ALL, kept_max=2 * DAY)
    play.ask(1, minutes=60, reactions=SUSPEND)
    play.go(60 + 2 * DAY / MINUTE - 1)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED
    said = play.go(62 + 2 * DAY / MINUTE)
    assert play.state(1) is LeaseState.CANCELLED
    assert any("notice 1" in line for line in said)
    assert play.scheduler.next_instant() is None


def test_where_nothing_is_suspended_it_is_shut_down() -> None:
    """A site that suspends no leases shuts it down, and says so."""
    play = Play(1, suspension=Suspension.NONE)
    play.ask(1, minutes=60, reactions=SUSPEND)
    said = play.go(70)
    assert play.state(1) is LeaseState.DONE
    assert any("notice 1" in line for line in said)


@pytest.mark.parametrize("reactions", [EXTEND, SUSPEND])
def test_wishes_for_the_end_are_remembered(reactions: Reactions) -> None:
    """A scheduler that is made anew in the middle does the same at the end."""
    play = Play(1, suspension=Suspension.ALL, extensions_max=1)
    play.ask(1, minutes=60, reactions=reactions)
    play.go(30)
    again = made_anew(play.scheduler)
    told: list[list[str]] = [[], []]
    for story, scheduler in zip(told, (play.scheduler, again), strict=True):
        while (at := scheduler.next_instant()) is not None and at < 200 * MINUTE:
            story += [str(e) for e in scheduler.handle(TimePassed(at)) if isinstance(e, LeaseChanged | Notice)]
    assert told[0] == told[1] != []


# Grace -------------------------------------------------------------------------------------------------------


def test_who_has_grace_does_not_give_way_at_once() -> None:
    """A reservation that begins in 20 minutes is refused; one that begins in 40 has the lease suspended in time."""
    play = Play(1, suspension=Suspension.ALL)
    play.ask(1, minutes=600, grace=30 * MINUTE)
    play.go()
    play.ask(2, minutes=10, start=20)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    play.ask(3, minutes=10, start=40)
    said = play.go()
    assert play.state(3) is LeaseState.READY
    assert any("notice 1" in line for line in said)
    assert play.stays(1) == [(0, 40)]


def test_who_has_not_begun_needs_no_grace() -> None:
    """A lease that only holds a reservation in the future is planned anew, however short the notice."""
    play = Play(1)
    play.ask(1, minutes=60)
    play.go()
    play.ask(2, minutes=60, grace=DAY)
    play.go()
    play.ask(3, minutes=60, start=60)
    play.go()
    assert play.state(3) is LeaseState.READY


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 3), st.integers(5, 120), st.integers(0, 40), st.booleans()),
        min_size=2,
        max_size=10,
    ),
    st.sampled_from([Suspension.ALL, Suspension.NONE]),
)
def test_nobody_is_preempted_sooner_than_promised(
    asked: list[tuple[int, int, int, int, bool]], how: Suspension
) -> None:
    """Whatever is asked for when, between the notice and the suspension or the end lies the grace."""
    play = Play(3, suspension=how)
    told: dict[int, int] = {}
    too_soon: list[str] = []
    note = play._note

    def watch(effect: Effect) -> None:
        if isinstance(effect, Notice) and "gives way" in effect.text:
            told[effect.lease] = effect.at
        if isinstance(effect, Command) and effect.verb in (Verb.START, Verb.RESUME):
            # One that begins in a gap before others knows from its start when it will be suspended.
            stays = play.lease(effect.lease).stays
            if stays and stays[0].suspending:
                told[effect.lease] = effect.at
        if isinstance(effect, Command) and effect.verb in (Verb.SUSPEND, Verb.DESTROY):
            lease = play.lease(effect.lease)
            if lease.terms.grace and effect.at < told.get(effect.lease, effect.at) + lease.terms.grace:
                too_soon.append(f"{effect.lease} at {effect.at}")
        note(effect)

    play._note = watch  # type: ignore[method-assign, assignment]
    for number, (at, vms, minutes, ahead, promised) in enumerate(sorted(asked), 1):
        play.go(at)
        if promised:
            play.ask(number, vms=vms, minutes=minutes, start=at + ahead)
        else:
            play.ask(number, vms=vms, minutes=minutes, grace=ahead * MINUTE)
        play.go()
    play.go(2000)
    assert too_soon == [], (asked, how)
