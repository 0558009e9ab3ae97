"""What a lease gets beyond what it was requested with is held to quotas."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Effect, Notice
from haizea.model.events import LeaseOrdered
from haizea.model.lease import LeaseState, NodeSet, OnEnd, Reactions
from haizea.model.orders import Last, Resize, Resume, StartAt
from haizea.model.units import HOUR, MINUTE
from haizea.plan.options import Suspension
from haizea.runtime.store import StoreUnavailable
from haizea.service.accounts import Accounts
from haizea.service.allowance import allowed_by, check_change
from haizea.service.errors import QuotaExceeded
from haizea.service.lease_orders import terms_after
from haizea.service.models import QuotaIn
from tests.core.play import VM, Play
from tests.service.fakes import ADMIN, World, world

EXTEND = Reactions(on_end=OnEnd.EXTEND, extend_by=30 * MINUTE)


def accounts(there: World, **limits: Any) -> Accounts:
    """Return accounts in which anna has a quota."""
    service = Accounts(there.ledger, there.clock, daemon_uid=990)
    service.put_quota(ADMIN, "user", "anna", QuotaIn(**limits))
    return service


def limited(play: Play, there: World, **limits: Any) -> list[str]:
    """Hold the leases of a play to anna's quota, and return the texts of notices as they come."""
    service = accounts(there, **limits)
    play.scheduler.desk.allows = allowed_by(service)
    texts: list[str] = []
    note = play._note

    def told(effect: Effect | Retired) -> None:
        if isinstance(effect, Notice):
            texts.append(effect.text)
        note(effect)

    play._note = told  # type: ignore[method-assign] # to listen
    return texts


def test_a_lease_is_extended_only_as_far_as_its_owners_quota_goes() -> None:
    """An extension that would go past the quota is not given, and the notice says which limit it was."""
    play = Play(1)
    texts = limited(play, world(), core_hours=2)
    play.ask(1, minutes=60, reactions=EXTEND, user="anna")
    play.go(300)
    assert play.lease(1).ended == 2 * HOUR
    assert texts[-1].startswith("Lease 1 is not extended, and ends at ")
    assert "anna may have 2 core-hours" in texts[-1]


def test_others_are_extended_as_ever() -> None:
    """Who has no quota is not held to any."""
    play = Play(1, extensions_max=5)
    limited(play, world(), core_hours=2)
    play.ask(1, minutes=60, reactions=EXTEND, user="bob")
    play.go(600)
    assert play.lease(1).ended == 60 * MINUTE + 5 * 30 * MINUTE


def test_while_quotas_cannot_be_read_it_is_asked_again() -> None:
    """A store that is away for a minute does not end anybody's lease; away until the end, it is not extended."""
    there = world()
    play = Play(1, extensions_max=1)
    limited(play, there, core_hours=10)
    play.ask(1, minutes=60, reactions=EXTEND, user="anna")
    play.ask(2, minutes=60, start=400, reactions=EXTEND, user="anna")
    with away(there):
        play.go(53)
        assert play.lease(1).terms.duration == HOUR
    play.go(55)
    assert play.lease(1).terms.duration == 90 * MINUTE
    with away(there):
        play.go(480)
    assert play.lease(2).ended == 460 * MINUTE


@contextmanager
def away(there: World) -> Iterator[None]:
    """Have a store out of reach for as long as the context lasts."""

    def nothing() -> list[Any]:
        raise StoreUnavailable("it is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(there.store, "quotas", nothing)
        yield


def check(scheduler: Scheduler, service: Accounts, order: Any) -> bool:
    """Whether an order about lease 1 passes."""
    desk = scheduler.desk
    lease = desk.leases[1]
    terms = terms_after(lease, order, desk.now)
    try:
        if terms is not None:
            anew = isinstance(order, StartAt)
            check_change(service, lease, terms, desk.leases.values(), desk.now, anew=anew)
    except QuotaExceeded:
        return False
    return True


def test_what_takes_nothing_more_is_no_matter_of_quotas() -> None:
    """Who has more than the quota, because it was made smaller since, may still have less."""
    play = Play(4)
    play.ask(1, vms=3, minutes=120, user="anna")
    play.go(10)
    service = accounts(world(), vms=1)
    verdicts = [
        check(play.scheduler, service, order)
        for order in (Resize((NodeSet(2, VM),)), Resize((NodeSet(4, VM),)), Last(HOUR), Last(3 * HOUR))
    ]
    assert verdicts == [True, False, True, False]


def test_core_time_counts_for_when_a_lease_has_started() -> None:
    """More time for one that has begun yesterday is taken from yesterday's share, and not from today's."""
    play = Play(2)
    day = 24 * 60
    play.ask(1, minutes=2 * day, user="anna")
    play.go(day + 60)
    play.ask(2, minutes=30 * 60, user="anna")
    play.go(day + 61)
    service = accounts(world(), core_hours=60, period="day")
    assert check(play.scheduler, service, Last(59 * HOUR))
    assert not check(play.scheduler, service, Last(61 * HOUR))


def test_how_far_ahead_one_may_reserve_is_asked_only_when_the_start_changes() -> None:
    """A reservation that was booked further ahead than one may now is extended, but not moved out even further."""
    play = Play(2)
    play.ask(1, minutes=60, start=10 * 60, user="anna")
    play.go()
    service = accounts(world(), horizon_s=5 * 3600)
    assert check(play.scheduler, service, Last(2 * HOUR))
    assert not check(play.scheduler, service, StartAt(11 * HOUR))
    assert check(play.scheduler, service, StartAt(4 * HOUR))


def test_being_resumed_for_more_time_is_an_extension() -> None:
    """A lease that was suspended at its end gets more by being resumed, which must fit into the quota."""
    play = Play(1, suspension=Suspension.ALL)
    play.ask(1, minutes=60, reactions=Reactions(on_end=OnEnd.SUSPEND, extend_by=30 * MINUTE), user="anna")
    play.go(70)
    assert play.state(1) is LeaseState.SUSPENDED_QUEUED
    assert not check(play.scheduler, accounts(world(), core_hours=1.2), Resume())
    assert check(play.scheduler, accounts(world(), core_hours=1.6), Resume())
    play.tell(LeaseOrdered(play.scheduler.desk.now, 1, Resume(), "ann"))
    assert check(play.scheduler, accounts(world(), core_hours=1), Resume())
