"""The order of the queue where a policy says more about it than who came first."""

from typing import Any

import pytest

from haizea.core.desk import Policies
from haizea.model.events import LeaseOrdered, LeaseRequested, TimePassed, WishesChanged
from haizea.model.lease import LeaseState, LeaseTerms, NodeSet
from haizea.model.orders import ToTop
from haizea.model.units import HOUR, MINUTE
from haizea.policy.protocols import QueueOrder
from haizea.policy.views import LeaseView
from tests.core.play import VM, Play, made_anew
from tests.simulation.running import policies


def by(queue: str, **settings: Any) -> Policies:
    """Policies with another one for the queue."""
    return policies(queue=queue, shares={key.replace("_", "-"): value for key, value in settings.items()})


def waiting(play: Play) -> list[int]:
    """Who waits: those with a reservation, then those in the queue."""
    desk = play.scheduler.desk
    return [lease.id for lease in [*desk.reserved, *desk.queue]]


def busy(chosen: Policies, reservations_max: int | None = 1) -> Play:
    """One host, taken by lease 1 for an hour."""
    play = Play(1, chosen, reservations_max=reservations_max)
    play.ask(1, minutes=60, user="ann")
    play.go()
    return play


@pytest.mark.parametrize("reservations_max", [0, 1, 2, None])
def test_priority_comes_before_submission(reservations_max: int | None) -> None:
    """Whatever backfilling there is, those of higher priority start first, and then those that came first."""
    play = busy(by("priority"), reservations_max)
    for number, priority in [(2, 0), (3, 5), (4, -1), (5, 5)]:
        play.ask(number, minutes=10, priority=priority)
        play.go()
    assert waiting(play) == [3, 5, 2, 4]
    play.go(200)
    ended = sorted(play.over.values(), key=lambda lease: lease.started or 0)
    assert [lease.id for lease in ended] == [1, 3, 5, 2, 4]


def test_first_come_first_served_ignores_priorities() -> None:
    """Without a policy for them priorities mean nothing."""
    play = busy(policies())
    play.ask(2, minutes=10)
    play.ask(3, minutes=10, priority=99)
    play.go()
    assert waiting(play) == [2, 3]


def test_a_reservation_goes_to_whom_it_belongs_now() -> None:
    """Who had the reservation at 60 minutes waits behind one of higher priority, and has the next one."""
    play = busy(by("priority"), None)
    play.ask(2, minutes=30)
    play.go()
    assert play.stays(2) == [(60, 90)]
    play.ask(3, minutes=30, priority=1)
    play.go()
    assert (play.stays(3), play.stays(2)) == ([(60, 90)], [(90, 120)])


def test_nobody_gives_up_a_reservation_for_nothing() -> None:
    """Where one of higher priority can start now without it, or not at all, a reservation stays."""
    play = Play(2, by("priority"), reservations_max=None)
    play.ask(1, minutes=60)
    play.ask(2, vms=2, minutes=30)
    play.go()
    assert play.stays(2) == [(60, 90)]
    play.said.clear()
    play.ask(3, minutes=30, priority=9)
    said = play.go()
    assert play.state(3) is LeaseState.ACTIVE
    assert not any(" 2 queued" in line for line in said)


def test_promised_leases_are_not_outranked() -> None:
    """An advance reservation keeps its time, whatever the priority of those in the queue."""
    play = busy(by("priority"), None)
    play.ask(2, minutes=30, start=60)
    play.go()
    play.ask(3, minutes=30, priority=1000)
    play.go()
    assert play.stays(2) == [(60, 90)]
    assert play.stays(3) == [(90, 120)]


def test_a_changed_priority_counts_at_once() -> None:
    """An administrator gives a lease a higher priority, and it comes first; the top of the queue comes before that."""
    play = busy(by("priority"))
    for number in (2, 3, 4):
        play.ask(number, minutes=10)
        play.go(number)
    terms = play.lease(4).terms._replace(priority=3)
    play.tell(WishesChanged(play.scheduler.desk.now, 4, terms))
    play.go()
    assert waiting(play) == [4, 2, 3]
    play.tell(LeaseOrdered(play.scheduler.desk.now, 3, ToTop()))
    play.go()
    assert waiting(play) == [3, 4, 2]


def test_an_arrival_in_the_middle_of_the_queue_is_looked_at() -> None:
    """One that comes before others that were looked at in vain may fit where they do not."""
    play = Play(3, by("priority"), reservations_max=1)
    play.ask(1, vms=2, minutes=60)
    play.go()
    play.ask(2, vms=3, minutes=60, priority=5)
    play.ask(3, vms=2, minutes=30, priority=-5)
    play.go()
    play.ask(4, minutes=30)
    play.go()
    assert play.state(4) is LeaseState.ACTIVE


def test_fair_shares_let_those_first_who_have_used_less() -> None:
    """Ann has used the site for an hour; Bob, who asks after her, starts before her next lease."""
    play = busy(by("fair-share"))
    play.ask(2, minutes=30, user="ann")
    play.go(30)
    play.ask(3, minutes=30, user="bob")
    play.go(31)
    assert waiting(play) == [3, 2]
    play.go(300)
    assert play.lease(3).started == 60 * MINUTE
    assert play.lease(2).started == 90 * MINUTE


def test_leases_count_while_they_run() -> None:
    """Two run at once: whose is larger comes behind, before any of them is over."""
    play = Play(3, by("fair-share"), reservations_max=0)
    play.ask(1, vms=2, minutes=600, user="ann")
    play.ask(2, vms=1, minutes=600, user="bob")
    play.go()
    play.ask(3, minutes=10, user="ann")
    play.ask(4, minutes=10, user="bob")
    play.go(60)
    assert waiting(play) == [4, 3]


def test_a_scheduler_that_is_made_anew_knows_who_has_used_what() -> None:
    """What was used is remembered with the schedule, up to the same instant."""
    play = busy(by("fair-share"))
    play.ask(2, minutes=30, user="ann")
    play.go(30)
    desk, again = play.scheduler.desk, made_anew(play.scheduler, by("fair-share"))
    again.handle(LeaseRequested(desk.now, 3, LeaseTerms((NodeSet(1, VM),), HOUR, user="bob")))
    again.handle(TimePassed(desk.now))
    assert [lease.id for lease in [*again.desk.reserved, *again.desk.queue]] == [3, 2]
    assert again.desk.metered == desk.metered == 30 * MINUTE


def test_another_policy_can_take_over_and_leave_again() -> None:
    """The queue follows the policy that is chosen while it runs, and goes back to submission without one."""
    play = busy(policies())
    play.ask(2, minutes=10)
    play.go(1)
    play.ask(3, minutes=10, priority=9)
    play.go()
    desk = play.scheduler.desk
    play.scheduler.follow(desk.options, by("priority"))
    play.go()
    assert waiting(play) == [3, 2]
    play.scheduler.follow(desk.options, policies())
    play.go()
    assert waiting(play) == [2, 3]
    assert not desk.ordered


def test_a_policy_of_ones_own_can_order_the_queue() -> None:
    """A policy that scores by size has the smallest first."""

    class SmallestFirst:
        order = QueueOrder.FIXED

        def score(self, lease: LeaseView, now: int, /) -> int:
            return -lease.terms.node_count

        def used(self, lease: LeaseView, amount: int, start: int, end: int, /) -> None:
            raise AssertionError("it did not ask for that")

    play = Play(3, policies()._replace(queue=SmallestFirst()), reservations_max=0)
    play.ask(1, vms=3, minutes=60)
    play.go()
    for number, vms in [(2, 3), (3, 1), (4, 2)]:
        play.ask(number, vms=vms, minutes=10)
    play.go()
    assert waiting(play) == [3, 4, 2]
