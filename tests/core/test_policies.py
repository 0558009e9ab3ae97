"""Admission, prices and placement, as the scheduler applies them."""

from typing import Any

import pytest

from haizea.model.events import InstanceObserved, Observed
from haizea.model.lease import Constraints, LeaseState
from haizea.model.reason import Cause
from haizea.model.site import Host, Site
from haizea.policy.guarded import GuardedPreemption
from haizea.policy.money import money
from haizea.policy.protocols import PolicyError
from tests.core.play import VM, Play, site
from tests.simulation.running import policies


def test_an_admission_policy_may_refuse_reservations() -> None:
    """With no ARs admitted reservations are rejected in words, and everything else is scheduled."""
    play = Play(2, policies(admission="no-ARs"))
    play.ask(1, start=10)
    play.ask(2)
    play.ask(3, immediate=True)
    play.ask(4, start=200, deadline=500)
    play.go()
    assert (play.state(1), play.reason(1).cause) == (LeaseState.REJECTED, Cause.POLICY)
    assert play.reason(1).text.startswith("this site takes no advance reservations")
    assert {play.state(2), play.state(3)} == {LeaseState.ACTIVE}
    assert play.state(4) is LeaseState.READY


def priced(preemption: str = "ar-preempts-besteffort") -> Play:
    """One host; a VM costs 0.10 an hour."""
    return Play(1, policies(preemption, pricing="constant", settings={"rate": "0.10"}))


def test_a_lease_has_the_price_that_its_user_agreed_to() -> None:
    """Rate times VMs times hours, where the user would pay so much or has said nothing."""
    play = priced()
    play.ask(1, minutes=120, extra={"simul_userrate": "0.10"})
    play.go(120)
    play.ask(2, minutes=30)
    play.go()
    assert play.lease(1).price == money("0.2")
    assert play.lease(2).price == money("0.05")


@pytest.mark.parametrize("terms", [{}, {"start": 10}, {"immediate": True}, {"start": 10, "deadline": 300}])
def test_a_user_who_would_pay_less_is_not_served(terms: dict[str, Any]) -> None:
    """A lease of any type is rejected by its user where it is too expensive, and nothing of it is scheduled."""
    play = priced()
    play.ask(1, extra={"simul_userrate": "0.09"}, **terms)
    play.go()
    assert play.state(1) is LeaseState.REJECTED_BY_USER
    assert play.reason(1).cause is Cause.PRICE
    assert "its user pays at most 0.09" in play.reason(1).text
    assert play.scheduler.desk.table.free_now() == 100
    play.ask(2)
    play.go()
    assert play.state(2) is LeaseState.ACTIVE


def test_preempting_others_costs_more_and_nobody_gives_way_for_a_price_that_is_refused() -> None:
    """The surcharge counts; a user who does not pay it leaves everybody where they are."""
    play = priced()
    play.ask(1)
    play.go(10)
    play.ask(2, start=30, extra={"simul_userrate": "0.1001"})
    play.go()
    assert play.state(2) is LeaseState.REJECTED_BY_USER
    assert (play.lease(1).preemptions, play.stays(1)) == (0, [(0, 60)])
    play.ask(3, start=30, extra={"simul_userrate": "0.102"})
    play.go()
    assert play.state(3) is LeaseState.READY
    assert play.lease(1).preemptions == 1


def test_a_price_once_agreed_upon_stays() -> None:
    """A lease that is preempted and comes back is not priced again, though the rate has changed meanwhile."""
    play = Play(1, policies(pricing="adaptive", settings={"rate": "0.10"}))
    play.ask(1, user="ann", extra={"simul_userrate": "0.10"})
    play.go(10)
    agreed = play.lease(1).price
    for number in (2, 3):
        play.ask(number, start=30 + number, minutes=1, user="bob", extra={"simul_userrate": "5"})
    play.go(1000)
    assert play.state(1) is LeaseState.DONE
    assert play.lease(1).price == agreed


LABELLED = Site(
    (Host("a", VM, {"zone": "left", "ssd": "yes"}), Host("b", VM, {"zone": "left"}), Host("c", VM, {"zone": "right"}))
)


@pytest.mark.parametrize(
    ("constraints", "allowed"),
    [
        (Constraints(), {0, 1, 2}),
        (Constraints(require=(("zone", "left"),)), {0, 1}),
        (Constraints(require=(("zone", "left"), ("ssd", "*"))), {0}),
        (Constraints(exclude=(("ssd", "*"),)), {1, 2}),
        (Constraints(exclude=(("zone", "left"),)), {2}),
        (Constraints(require=(("zone", "*"),), exclude=(("ssd", "no"),)), {0, 1, 2}),
    ],
)
def test_labels_say_which_hosts_will_do(constraints: Constraints, allowed: set[int]) -> None:
    """As many leases run at a time as there are hosts with the labels wanted, and on no other hosts."""
    play = Play(LABELLED)
    for number in range(1, 5):
        play.ask(number, constraints=constraints)
    play.go()
    active = [lease.id for lease in play.scheduler.desk.leases.values() if lease.state is LeaseState.ACTIVE]
    assert {host for number in active for host in play.hosts(number)} == allowed


def test_vms_that_must_be_apart_are_on_different_hosts() -> None:
    """With anti-affinity one large host is not enough for two VMs."""
    play = Play(site(2, cores=4))
    play.ask(1, vms=2, constraints=Constraints(spread=True))
    play.ask(2, vms=2)
    play.go()
    assert set(play.hosts(1)) == {0, 1}


def test_vms_that_must_be_together_wait_for_a_host_with_room_for_all() -> None:
    """With affinity two VMs do not start on two half-empty hosts."""
    play = Play(site(2, cores=2))
    play.ask(1, vms=2, minutes=30, constraints=Constraints(spread=True))
    play.ask(2, vms=2, minutes=30, constraints=Constraints(together=True))
    play.go()
    assert play.stays(2) == [(30, 60)]
    assert len(set(play.hosts(2))) == 1


def test_host_selection_decides_where_a_lease_goes() -> None:
    """First fit takes the first host, best fit the fullest, spread the emptiest."""
    for name, expected in (("first-fit", 0), ("best-fit", 1), ("spread", 2)):
        play = Play(Site((Host("a", VM.plus(VM)), Host("b", VM), Host("c", VM.plus(VM, 3)))), policies(selection=name))
        play.ask(1)
        play.go()
        assert play.hosts(1) == (expected,), name


class HighestNumber:
    """A host selection policy that a user wrote: the last host is best."""

    def __init__(self) -> None:
        from haizea.policy.protocols import HostOrder

        self.order = HostOrder.SCORED

    def score(self, host: object, lease: object, start: object, /) -> int:
        """Higher numbers are better."""
        return int(host.index)  # type: ignore[attr-defined]


def test_a_policy_that_a_user_wrote_is_asked() -> None:
    """Every host is scored, and the best ones are taken."""
    play = Play(3, policies()._replace(selection=HighestNumber()))
    for number in (1, 2, 3):
        play.ask(number, minutes=10 * number)
        play.go()
    assert [play.hosts(number) for number in (1, 2, 3)] == [(2,), (1,), (0,)]


class Ruthless:
    """A preemption policy that a user wrote: everybody gives way to everybody."""

    def score(self, preemptor: object, victim: object, at: object, /) -> int:
        """Give any lease away."""
        return 1


def test_a_users_policy_cannot_break_the_promise_of_a_reservation() -> None:
    """Who would have one reservation give way to another is told so by name; the first one keeps its place."""
    play = Play(1, policies()._replace(preemption=GuardedPreemption("preemption policy 'my:Ruthless'", Ruthless())))
    play.ask(1, start=30, preemptible=True)
    play.go()
    play.ask(2, start=40, preemptible=True)
    with pytest.raises(PolicyError, match=r"'my:Ruthless': score\(\) returned 1 .* lease 1, which is an advance"):
        play.go()
    assert play.stays(1) == [(30, 90)]


def test_a_lease_that_is_not_preemptible_is_not_even_offered() -> None:
    """The planner asks a policy only about leases that may give way at all: the others cannot be named."""
    play = Play(1, policies()._replace(preemption=GuardedPreemption("preemption policy 'my:Ruthless'", Ruthless())))
    play.ask(1, preemptible=False)
    play.go()
    play.ask(2, start=30)
    play.go()
    assert (play.state(1), play.state(2)) == (LeaseState.ACTIVE, LeaseState.REJECTED)


def test_nobody_is_told_about_states_that_were_not_asked_for() -> None:
    """A simulation only wants to hear of the end of a lease; what happens is the same."""
    play = Play(1)
    play.scheduler.desk.announced = frozenset({LeaseState.DONE})
    play.ask(1)
    assert play.go() == ["0s start 1"]
    play.go(10)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 0, Observed.GUEST_SHUTDOWN))
    assert play.go() == ["600s 1 done"]
