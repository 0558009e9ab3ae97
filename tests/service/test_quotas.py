"""Quotas: what may be asked for, and what is said where it is too much."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.units import DAY, HOUR
from haizea.service.errors import Forbidden, Invalid, NotFound, QuotaExceeded
from haizea.service.models import QuotaIn
from haizea.service.quotas import Quotas, ScheduledClaims
from tests.core.play import Play
from tests.service.fakes import ADMIN, ANNA, BOB, NOW, OPERATOR, World, keep, lease, terms, used, world


def quotas(there: World, **limits: dict[str, Any]) -> Quotas:
    """Return the quotas of a world, with those set that are named: ``anna={…}``, ``default={…}``, ``wind={…}``."""
    service = Quotas(there.ledger, there.clock)
    for subject, chosen in limits.items():
        kind = {"default": "default", "wind": "group", "water": "group"}.get(subject, "user")
        service.put(ADMIN, kind, "" if kind == "default" else subject, QuotaIn(**chosen))
    return service


def refused(service: Quotas, wanted: LeaseTerms, groups: tuple[str, ...] = (), user: str = "anna") -> QuotaExceeded:
    """Return how a request is refused."""
    with pytest.raises(QuotaExceeded) as error:
        service.check(user, groups, wanted, NOW)
    return error.value


def test_without_a_quota_there_is_no_limit() -> None:
    """Where nothing is set, anything may be asked for."""
    quotas(world(), bob={"vms": 0}).check("anna", (), terms(10_000, duration=None), NOW)


@pytest.mark.parametrize(
    ("limits", "fits", "detail"),
    [
        (
            {"vms": 4},
            2,
            "anna may have 4 VMs in unfinished leases, has 2 VMs, and this request asks for 3 VMs",
        ),
        (
            {"cpu": 450},
            2,
            "anna may have 4.5 cores in unfinished leases, has 2 cores, and this request asks for 3 cores",
        ),
        (
            {"memory": 4096},
            2,
            "anna may have 4096 MiB of memory in unfinished leases, has 2048 MiB of memory, "
            "and this request asks for 3072 MiB of memory",
        ),
    ],
)
def test_unfinished_leases_count_together(limits: dict[str, Any], fits: int, detail: str) -> None:
    """All unfinished leases together are limited: up to the limit is fine, one more is refused, and why is said."""
    there = world()
    service = quotas(there, anna=limits)
    keep(
        there.store,
        lease(1, terms(1)),
        lease(2, terms(1), state="active", starts=NOW),
        lease(3, terms(50), state="done"),
        lease(4, terms(50), owner="bob"),
    )
    service.check("anna", (), terms(fits), NOW)
    error = refused(service, terms(fits + 1))
    assert error.detail == detail
    assert error.field == "nodes"
    assert error.facts["limit"] == next(iter(limits))
    assert error.remedy.startswith("Ask for at most 2")


def test_a_quota_that_is_used_up_leaves_nothing_to_ask_for() -> None:
    """Where nothing is left, the advice is to wait, to cancel, or to ask for more."""
    there = world()
    service = quotas(there, anna={"vms": 1})
    keep(there.store, lease(1, terms(1)))
    error = refused(service, terms(1))
    assert error.remedy == "You can wait until a lease ends, cancel one, or ask an administrator for a larger quota."
    assert error.facts == {"limit": "vms", "kind": "user", "subject": "anna", "allowed": 1, "used": 1, "asked": 1}


def test_sets_of_different_vms_are_added_up() -> None:
    """A lease counts with all of its VMs, whatever their sizes."""
    service = quotas(world(), anna={"cpu": 1000})
    small, large = NodeSet(2, Capacity({"CPU": 100})), NodeSet(2, Capacity({"CPU": 400}))
    service.check("anna", (), LeaseTerms(nodes=(small, large), duration=HOUR), NOW)
    assert refused(service, LeaseTerms(nodes=(small, small, large), duration=HOUR)).facts["asked"] == 1200


def test_ones_own_quota_stands_in_place_of_the_default() -> None:
    """The default holds for every user without a quota; one's own replaces it, one without limits too."""
    service = quotas(world(), default={"vms": 1}, bob={}, olga={"vms": 5})
    assert refused(service, terms(2), user="anna").facts["allowed"] == 1
    assert refused(service, terms(2), user="somebody@elsewhere").facts["allowed"] == 1
    service.check("bob", (), terms(100), NOW)
    service.check("olga", (), terms(5), NOW)


def test_a_group_has_a_quota_of_its_own() -> None:
    """A lease that is booked on a group must fit into the group's quota and the user's; of others it needs nothing."""
    there = world()
    service = quotas(there, anna={"vms": 8}, wind={"vms": 6}, water={"vms": 0})
    keep(there.store, lease(1, terms(4), owner="bob", group="wind"))
    service.check("anna", ("wind",), terms(2), NOW)
    service.check("anna", (), terms(8), NOW)
    error = refused(service, terms(3), ("wind",))
    assert error.detail.startswith("the group wind may have 6 VMs")
    assert (error.facts["kind"], error.facts["subject"]) == ("group", "wind")
    assert refused(service, terms(9), ("wind",)).facts["kind"] == "user"


def test_core_hours_count_where_a_lease_starts() -> None:
    """Leases that start in a month share its core-hours: with what they ran if over, else with what they ask for."""
    there = world()
    service = quotas(there, anna={"core_hours": 10})
    long_ago = NOW - 40 * DAY
    keep(
        there.store,
        lease(1, terms(2, duration=2 * HOUR), starts=NOW + HOUR, state="scheduled"),  # 4 core-hours
        lease(2, terms(1, duration=HOUR)),  # waits, so counts as starting now: 1
        lease(3, terms(9), starts=NOW + 30 * DAY, state="scheduled"),  # next month's
        lease(4, terms(1, duration=50 * HOUR), starts=NOW - 5 * HOUR, state="done"),
        used(4, NOW - 5 * HOUR, NOW - 3 * HOUR, cpu=100),  # 2, whatever was asked for
        used(4, NOW - 3 * HOUR, NOW - 2 * HOUR, index=1, outcome="lost"),  # not charged
        used(5, long_ago, long_ago + HOUR),  # started in October
        used(5, NOW - HOUR, NOW, index=1),
    )
    service.check("anna", (), terms(3, duration=HOUR), NOW)
    error = refused(service, terms(4, duration=HOUR))
    assert error.detail == (
        "anna may have 10 core-hours in leases that start in 2026-11, has 7 core-hours, "
        "and this request asks for 4 core-hours"
    )
    assert error.remedy.startswith("Ask for at most 3 core-hours, or let the lease start in another month")
    assert (error.facts["limit"], error.facts["period"], error.field) == ("core_hours", "month", "duration")
    service.check("anna", (), terms(1, duration=HOUR, start=NOW + 31 * DAY), NOW)
    assert refused(service, terms(2, duration=HOUR, start=NOW + 31 * DAY)).facts["used"] == 9


def test_an_unfinished_lease_is_not_counted_twice() -> None:
    """What an unfinished lease has run is part of what it asked for."""
    there = world()
    service = quotas(there, anna={"core_hours": 10})
    keep(
        there.store,
        lease(1, terms(1, duration=4 * HOUR), starts=NOW - 3 * HOUR, state="suspended-queued"),
        used(1, NOW - 3 * HOUR, NOW - HOUR),
    )
    service.check("anna", (), terms(6, duration=HOUR), NOW)
    assert refused(service, terms(7, duration=HOUR)).facts["used"] == 4


def test_core_hours_by_day_and_week() -> None:
    """The period of a quota is a day, a week from Monday, or a month, in UTC."""
    there = world()
    keep(there.store, used(1, NOW - 2 * DAY, NOW - 2 * DAY + HOUR), used(2, NOW - 3 * DAY, NOW - 3 * DAY + HOUR))
    for period, count in (("day", 0), ("week", 1), ("month", 2)):
        service = quotas(there, anna={"core_hours": 0, "period": period})
        assert refused(service, terms()).facts["used"] == count


def test_what_has_no_end_fits_into_no_core_hours() -> None:
    """A lease without end is refused where core-hours are limited; an older one counts until the period ends."""
    there = world()
    service = quotas(there, anna={"core_hours": 1_000})
    error = refused(service, terms(duration=None))
    assert error.detail.endswith("this request has no end")
    keep(there.store, lease(1, terms(1, duration=None), starts=NOW, state="active"))
    assert refused(service, terms(1_000)).facts["used"] == 24 * 5 + 11


@pytest.mark.parametrize("deadline", [None, NOW + 30 * DAY])
def test_a_reservation_is_not_too_far_ahead(deadline: int | None) -> None:
    """A lease with a start may start up to the horizon ahead; one without waits as long as it takes."""
    service = quotas(world(), anna={"horizon_s": 7 * 86_400})
    service.check("anna", (), terms(start=NOW + 7 * DAY, deadline=deadline), NOW)
    error = refused(service, terms(start=NOW + 7 * DAY + HOUR, deadline=deadline))
    assert error.detail == "anna may reserve 7 days ahead, and this request is for 7.042 days ahead"
    assert (error.facts["limit"], error.field) == ("horizon", "start")
    service.check("anna", (), terms(), NOW)
    service.check("anna", (), terms(immediate=True), NOW)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 400), st.booleans()), max_size=8),
    st.integers(0, 40),
    st.integers(0, 4_000),
)
def test_what_is_accepted_never_exceeds_the_limits(requests: list[tuple[int, int, bool]], vms: int, cpu: int) -> None:
    """However requests come, the leases that pass hold no more than the limits together, and a refused one would."""
    there = world()
    service = quotas(there, anna={"vms": vms, "cpu": cpu})
    held_vms = held_cpu = 0
    for number, (count, each, over) in enumerate(requests, 1):
        wanted = terms(count, cpu=each)
        try:
            service.check("anna", (), wanted, NOW)
        except QuotaExceeded:
            assert held_vms + count > vms or held_cpu + count * each > cpu
            continue
        keep(there.store, lease(number, wanted, state="done" if over else "queued"))
        held_vms, held_cpu = held_vms + (not over) * count, held_cpu + (not over) * count * each
        assert held_vms <= vms
        assert held_cpu <= cpu


def test_leases_in_the_schedulers_hands_count() -> None:
    """In the loop's thread, what was requested in the same step counts too, though no store has it yet."""
    service = quotas(world(), anna={"vms": 4, "core_hours": 3}, wind={"vms": 3})
    play = Play(hosts=2)
    play.ask(1, vms=2, user="anna", group="wind")
    play.ask(2, vms=1, start=60 * 24 * 40, user="anna")
    play.ask(3, vms=2, user="bob")
    claims = ScheduledClaims(play.scheduler.desk.leases.values())
    service.check("anna", ("wind",), terms(1), 0, claims)
    for wanted, limit in ((terms(2), "vms"), (terms(1, duration=2 * HOUR), "core_hours")):
        with pytest.raises(QuotaExceeded) as error:
            service.check("anna", (), wanted, 0, claims)
        assert error.value.facts["limit"] == limit
    with pytest.raises(QuotaExceeded, match="the group wind may have 3 VMs"):
        service.check("bob", ("wind",), terms(2), 0, claims)
    assert [(each.lease, each.starts) for each in claims.unfinished(owner="anna")] == [(1, None), (2, 40 * DAY)]
    play.go(30)
    assert [(each.lease, each.vms, each.starts) for each in claims.unfinished(group="wind")] == [(1, 2, 0)]
    play.go(61)
    assert [each.lease for each in claims.unfinished(owner="anna")] == [2]


def test_quotas_are_shown_with_what_is_used() -> None:
    """Operators see every quota; users their own, or the default as it stands for them, and their groups'."""
    there = world()
    service = quotas(there, default={"vms": 9}, anna={"cpu": 800, "core_hours": 20}, wind={"vms": 6}, water={})
    keep(there.store, lease(1, terms(2, cpu=200), group="wind"), lease(2, terms(3), owner="bob"))
    shown = {(each.kind, each.subject): each for each in service.list(OPERATOR)}
    assert list(shown) == [("default", ""), ("group", "water"), ("group", "wind"), ("user", "anna")]
    anna = shown["user", "anna"]
    assert (anna.used_vms, anna.used_cpu, anna.used_memory, anna.used_core_hours) == (2, 400, 2048, 4.0)
    assert (anna.cpu, anna.core_hours, anna.vms) == (800, 20.0, None)
    assert [(each.kind, each.subject) for each in service.list(ANNA)] == [("group", "wind"), ("user", "anna")]
    assert [(each.kind, each.subject, each.used_vms) for each in service.list(BOB)] == [("default", "bob", 3)]


def test_a_quota_is_set_replaced_and_deleted() -> None:
    """A quota replaces the one before altogether; deleting it brings the default back; both are in the journal."""
    there = world()
    service = quotas(there, default={"vms": 1}, anna={"vms": 5, "horizon_s": 0.5})
    assert service.put(ADMIN, "user", "anna", QuotaIn(cpu=100)).vms is None
    service.check("anna", (), terms(50, cpu=0), NOW)
    service.delete(ADMIN, "user", "anna")
    assert refused(service, terms(2)).facts["allowed"] == 1
    assert [note.text for note in there.writer.notes][1:] == [
        "quota of user anna set",
        "quota of user anna set",
        "quota of user anna deleted",
    ]


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda service: service.put(ADMIN, "user", "zoe", QuotaIn()), NotFound),
        (lambda service: service.put(ADMIN, "group", "zoe", QuotaIn()), NotFound),
        (lambda service: service.put(ADMIN, "team", "anna", QuotaIn()), Invalid),
        (lambda service: service.put(ADMIN, "default", "anna", QuotaIn()), Invalid),
        (lambda service: service.put(ADMIN, "user", "anna", QuotaIn(vms=1 << 70)), Invalid),
        (lambda service: service.delete(ADMIN, "user", "anna"), NotFound),
        (lambda service: service.put(OPERATOR, "user", "anna", QuotaIn()), Forbidden),
        (lambda service: service.delete(OPERATOR, "user", "anna"), Forbidden),
    ],
)
def test_a_quota_is_of_somebody(attempt: Callable[[Quotas], object], error: type[Exception]) -> None:
    """A quota is set by administrators, for a user or group there is, or by default, within what can be counted."""
    there = world()
    with pytest.raises(error):
        attempt(Quotas(there.ledger, there.clock))
    assert [note.kind for note in there.writer.notes] == ["order-refused"]
