"""Who has to be told before giving way is waited for, where that helps."""

import pytest

from haizea.model.events import HostObserved
from haizea.model.lease import LeaseState
from haizea.model.site import HostState
from haizea.model.units import HOUR, MINUTE, SECOND
from haizea.plan.options import Suspension
from tests.core.play import Play
from tests.simulation.running import policies


def busy(how: Suspension = Suspension.ALL, hosts: int = 1, policy: str = "ar-preempts-everything") -> Play:
    """A site of which one host is taken for long by a lease with half an hour of grace."""
    play = Play(hosts, policies(policy), suspension=how)
    play.ask(1, minutes=600, grace=30 * MINUTE)
    play.go()
    return play


@pytest.mark.parametrize(("how", "start"), [(Suspension.ALL, 30 + 32 / 60), (Suspension.NONE, 30)])
def test_a_deadline_lease_begins_when_the_grace_is_over(how: Suspension, start: float) -> None:
    """It is refused no longer because nobody can give way at once, where it can be done by its deadline afterwards."""
    play = busy(how, policy="deadline")
    play.ask(2, minutes=60, start=0, deadline=120)
    said = play.go()
    assert "0s notice 1" in said
    assert play.stays(2)[0][0] == pytest.approx(start)
    play.go(800)
    assert play.state(2) is LeaseState.DONE
    assert play.lease(2).ended == round(start * MINUTE) + HOUR


def test_a_deadline_that_comes_before_is_not_met_by_waiting() -> None:
    """Where it would be over too late, it is refused, and nobody is told to give way."""
    play = busy(policy="deadline")
    play.ask(2, minutes=60, start=0, deadline=90)
    assert "0s notice 1" not in play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.stays(1) == [(0, 600)]


def test_a_reservation_that_comes_too_soon_hears_when_it_could_be() -> None:
    """The refusal names the instant after the grace, a minute later than could be; asked for then, it is accepted."""
    play = busy()
    play.ask(2, minutes=10, start=20)
    play.go()
    reason = play.reason(2)
    assert reason.retry_at == 31 * MINUTE + 32 * SECOND
    assert "after the grace" in reason.text
    play.go(0.5)
    play.ask(3, minutes=10, start=reason.retry_at / MINUTE)
    play.go()
    assert play.state(3) is LeaseState.READY


def test_who_wants_to_start_now_hears_it_too() -> None:
    """What is wanted at once cannot wait, and is told from when on it could be had; nothing is decided by telling."""
    play = busy()
    play.ask(2, minutes=10, start=None, immediate=True)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.reason(2).retry_at == 31 * MINUTE + 32 * SECOND
    assert play.stays(1) == [(0, 600)]


def test_room_that_is_free_sooner_is_named_instead() -> None:
    """Where somebody's end comes before the end of the grace, that is when it is told to ask for."""
    play = Play(1)
    play.ask(1, minutes=25, grace=30 * MINUTE)
    play.go()
    play.ask(2, minutes=10, start=20)
    play.go()
    assert play.reason(2).retry_at == 25 * MINUTE


def test_a_reservation_that_loses_its_host_gets_another_after_the_grace() -> None:
    """It is late, and not lost, where the only other host has somebody who is to be told before."""
    play = busy(hosts=2)
    play.ask(2, minutes=120, start=0, preemptible=False)
    play.go(5)
    host = play.hosts(2)[0]
    play.tell(HostObserved(5 * MINUTE, host, HostState.DOWN))
    play.go(6)
    assert not play.lease(2).degraded
    ((start, end),) = play.stays(2)
    assert (round(start * MINUTE), end) == (35 * MINUTE + 32 * SECOND, 120)
    play.go(200)
    assert play.state(2) is LeaseState.DONE
