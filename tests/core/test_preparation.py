"""Images before VMs: when a lease can start that needs one, and what it says of the wait."""

import pytest

from haizea.core.reasons import waited, wanted
from haizea.model.lease import DiskImage, LeaseState
from haizea.model.reason import Cause
from haizea.model.units import SECOND
from haizea.plan.options import Mechanism, TransferOptions
from tests.core.play import Play, site
from tests.simulation.running import policies

DEBIAN = DiskImage("debian", 1024)
"""Takes 82 s at 100 Mb/s."""
CENTOS = DiskImage("centos", 500)
"""Takes 40 s."""

UNICAST = TransferOptions(bandwidth=100, mechanism=Mechanism.UNICAST)
MULTICAST = TransferOptions(bandwidth=100)


def seconds(play: Play, number: int) -> tuple[int, int]:
    """From when to when a lease stays, in seconds."""
    begin, end = play.stays(number)[0]
    return round(begin * 60), round(end * 60)


@pytest.mark.parametrize(
    ("hosts", "cores", "vms", "begin"), [(4, 1, 1, 82), (4, 1, 3, 246), (2, 2, 4, 164), (1, 4, 4, 82), (2, 4, 6, 164)]
)
def test_unicast_sends_an_image_to_one_host_after_the_other(hosts: int, cores: int, vms: int, begin: int) -> None:
    """A host with several VMs needs it once, and the lease starts when the last host has it."""
    play = Play(site(hosts, cores=cores), transfer=UNICAST)
    play.ask(1, vms=vms, minutes=10, software=DEBIAN)
    play.go()
    assert seconds(play, 1) == (begin, begin + 600)


def test_multicast_sends_an_image_to_all_hosts_at_once() -> None:
    """However many there are."""
    play = Play(4, transfer=MULTICAST)
    play.ask(1, vms=4, minutes=10, software=DEBIAN)
    play.go()
    assert seconds(play, 1) == (82, 682)


def test_who_asks_first_does_not_start_after_who_uses_the_same_image() -> None:
    """Both VMs of each lease are on the one host, which needs the image once for all four."""
    play = Play(site(1, cores=4), transfer=UNICAST)
    for number in (1, 2):
        play.ask(number, vms=2, minutes=5, software=DEBIAN)
    play.go()
    assert [seconds(play, number)[0] for number in (1, 2)] == [82, 82]


def test_with_unicast_only_hosts_without_the_image_are_waited_for() -> None:
    """One of two hosts has kept it from an earlier lease."""
    play = Play(2, transfer=UNICAST._replace(cache_size=-1))
    play.ask(1, minutes=1, software=DEBIAN)
    play.go(5)
    play.ask(2, vms=2, minutes=10, software=DEBIAN)
    play.go()
    assert seconds(play, 2) == (382, 982)


def test_what_starts_when_its_image_is_there_runs_no_longer_than_asked_for() -> None:
    """In a gap that is too short by the reckoning, but not when it is known that one host needs the image."""
    play = Play(site(1, cores=4), policies("no-preemption"), transfer=UNICAST)
    play.ask(9, start=20, minutes=10)
    play.ask(1, vms=4, minutes=17, software=DEBIAN)
    play.go()
    # From 82 s on it fits whole before the reservation; by VMs it would have been sent until 328 s.
    assert seconds(play, 1) == (82, 82 + 17 * 60)
    assert not play.lease(1).stays[0].suspending


def test_a_lease_that_waits_for_its_image_says_so() -> None:
    """Nobody was in front."""
    play = Play(1, transfer=MULTICAST)
    play.ask(1, minutes=1, software=DEBIAN)
    play.go(10)
    lease = play.over[1]
    assert lease.started == 82 * SECOND
    assert (
        waited(lease, wanted(lease.terms)) == "waited 1 min 22 s: its disk image had to be brought to its hosts first"
    )


def test_a_lease_that_starts_as_soon_as_anything_says_so() -> None:
    """With a non-schedulable interval of ten seconds nothing starts before that."""
    play = Play(1, non_schedulable=10 * SECOND)
    play.ask(1, minutes=1)
    play.go(10)
    lease = play.over[1]
    assert lease.started == 10 * SECOND
    reason = waited(lease, wanted(lease.terms), 10 * SECOND)
    assert reason == "waited 10 s: nothing starts sooner after it was asked for"


@pytest.mark.parametrize(("start", "state"), [(9, LeaseState.REJECTED), (10, LeaseState.READY)])
def test_a_reservation_within_the_non_schedulable_interval_is_refused(start: int, state: LeaseState) -> None:
    """It could not be prepared any more; the reason says when it could start, and not that it is late already."""
    play = Play(1, non_schedulable=10 * SECOND)
    play.ask(1, minutes=1, start=start / 60)
    play.go()
    found = play.over[1] if state is LeaseState.REJECTED else play.lease(1)
    assert found.state is state
    if state is LeaseState.REJECTED:
        reason = play.reason(1)
        assert (reason.cause, reason.retry_at) == (Cause.PAST, 10 * SECOND)
        assert reason.text == (
            "It was to start at 1970-01-01T00:00:09Z, but what is asked for at 1970-01-01T00:00:00Z can start at "
            "1970-01-01T00:00:10Z at the earliest: 10 s have to pass before."
        )


def test_images_of_reservations_make_way_for_each_other() -> None:
    """Two of 82 s each, to be there at 200 s and 230 s: the first, which was to be sent as late as it can, is not."""
    play = Play(2, transfer=MULTICAST)
    play.ask(1, minutes=5, start=200 / 60, software=DEBIAN)
    play.go(50 / 60)
    play.ask(2, minutes=5, start=230 / 60, software=DiskImage("arch", 1024))
    play.go(20)
    assert {number: play.over[number].state for number in (1, 2)} == {1: LeaseState.DONE, 2: LeaseState.DONE}
    sent = [play.over[number].transfers[0][2:] for number in (1, 2)]
    assert sent == [(66 * SECOND, 148 * SECOND), (148 * SECOND, 230 * SECOND)]


def test_a_reservation_whose_images_cannot_be_in_time_moves_nobodys() -> None:
    """A second later there would not be room for both."""
    play = Play(2, transfer=MULTICAST)
    play.ask(1, minutes=5, start=200 / 60, software=DEBIAN)
    play.go(67 / 60)
    play.ask(2, minutes=5, start=230 / 60, software=DiskImage("arch", 1024))
    play.go(20)
    assert play.reason(2).cause is Cause.PREPARATION
    assert play.over[1].transfers[0][2:] == (118 * SECOND, 200 * SECOND)
