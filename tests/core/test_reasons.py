"""Why a lease was refused or waits: causes, counts per cause, who is in the way, and when it would fit."""

import pytest

from haizea.core.reasons import instant, span, waited, wanted
from haizea.model.events import HostObserved, SiteChanged
from haizea.model.lease import Constraints, LeaseState, NodeSet
from haizea.model.reason import Cause
from haizea.model.resources import Capacity
from haizea.model.site import Host, HostState, Site
from haizea.model.units import DAY, HOUR, MINUTE, SECOND
from haizea.plan.options import Suspension
from tests.core.play import VM, Play, site
from tests.simulation.running import policies

NONE = policies("no-preemption")


def test_a_rejected_reservation_says_who_is_in_the_way_and_when_it_would_fit() -> None:
    """Hosts are counted by cause, leases in the way are named, and the nearest start is exact."""
    play = Play(4, NONE)
    play.ask(1, vms=2, start=60, minutes=60)
    play.ask(2, vms=1, start=60, minutes=120)
    play.ask(3, vms=3, start=90, minutes=60)
    play.go()
    reason = play.reason(3)
    assert reason.cause is Cause.RESERVED
    assert dict(reason.hosts) == {Cause.RESERVED: 3}
    assert reason.leases == (1, 2)
    assert reason.retry_at == 120 * MINUTE
    assert "3 VMs with 1 core and 1024 MiB" in reason.text
    assert "from 1970-01-01T01:30:00Z to 1970-01-01T02:30:00Z" in reason.text
    assert "1 of 4 hosts" in reason.text
    assert "3 are reserved by leases 1, 2 until 1970-01-01T02:00:00Z" in reason.text
    assert reason.text.endswith("The nearest start at which it would fit is 1970-01-01T02:00:00Z.")


def test_the_nearest_start_is_one_at_which_the_lease_is_accepted() -> None:
    """Asking again for the start that was named succeeds; asking for a little earlier does not."""
    play = Play(3, NONE)
    for number, (vms, start, minutes) in enumerate([(2, 10, 50), (1, 30, 200), (2, 90, 30), (1, 130, 20)], 1):
        play.ask(number, vms=vms, start=start, minutes=minutes)
    play.ask(10, vms=2, start=20, minutes=25)
    play.go()
    retry = play.reason(10).retry_at
    assert retry is not None
    play.ask(11, vms=2, start=(retry - 1000) / MINUTE, minutes=25)
    play.ask(12, vms=2, start=retry / MINUTE, minutes=25)
    play.go()
    assert play.state(11) is LeaseState.REJECTED
    assert play.state(12) is LeaseState.READY


def test_hosts_that_will_not_do_are_counted_by_cause() -> None:
    """Too small, not up, without the labels wanted, reserved: every host counts once."""
    small = Capacity({"CPU": 50, "Memory": 512})
    hosts = (
        Host("small", small, {"zone": "a"}),
        Host("down", VM, {"zone": "a"}),
        Host("elsewhere", VM, {"zone": "b"}),
        Host("taken", VM, {"zone": "a"}),
        Host("free", VM, {"zone": "a"}),
    )
    play = Play(Site(hosts), NONE)
    only_a = Constraints(require=(("zone", "a"),))
    play.ask(1, start=10, constraints=only_a)
    play.go()
    play.tell(HostObserved(0, 1, HostState.DOWN))
    play.ask(2, vms=2, start=10, constraints=only_a)
    play.go()
    reason = play.reason(2)
    assert dict(reason.hosts) == {Cause.RESERVED: 1, Cause.TOO_SMALL: 1, Cause.NOT_UP: 1, Cause.LABELS: 1}
    assert reason.leases == (1,)
    assert reason.retry_at == 70 * MINUTE


def test_an_immediate_lease_that_finds_no_room_says_when_it_would() -> None:
    """An immediate lease is told of the next start as well."""
    play = Play(1, NONE)
    play.ask(1, minutes=20)
    play.go(5)
    play.ask(2, immediate=True, minutes=10)
    play.go()
    assert play.reason(2).retry_at == 20 * MINUTE


def test_a_start_in_the_past_is_refused_with_the_present() -> None:
    """A reservation for an instant that is over names the instant and the present."""
    play = Play(1)
    play.go(10)
    play.ask(1, start=5)
    play.go()
    reason = play.reason(1)
    assert reason.cause is Cause.PAST
    assert "1970-01-01T00:05:00Z" in reason.text
    assert "1970-01-01T00:10:00Z" in reason.text


def test_a_lease_too_large_for_the_empty_site_says_what_is_missing() -> None:
    """Hosts that are too small or lack a label are counted, whatever state they are in."""
    hosts = Site(
        (Host("a", VM, {"ssd": "yes"}), Host("b", Capacity({"CPU": 50, "Memory": 2048}), {"ssd": "yes"}), Host("c", VM))
    )
    play = Play(hosts)
    play.ask(1, vms=2, constraints=Constraints(require=(("ssd", "*"),)))
    play.go()
    reason = play.reason(1)
    assert reason.cause is Cause.TOO_SMALL
    assert dict(reason.hosts) == {Cause.LABELS: 1, Cause.TOO_SMALL: 1}
    assert "1 does not have the labels wanted" in reason.text
    assert "1 is too small for one VM" in reason.text


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (Constraints(together=True), "its VMs must be on one host"),
        (Constraints(spread=True), "its VMs must be on different hosts"),
    ],
)
def test_a_lease_that_affinity_makes_impossible_says_so(constraints: Constraints, words: str) -> None:
    """Two hosts of two cores have room for three VMs, but not on one host, and not on three."""
    play = Play(site(2, cores=2))
    play.ask(1, vms=3, constraints=constraints)
    play.go()
    assert words in play.reason(1).text


def test_a_resource_that_the_site_does_not_have_is_named() -> None:
    """A lease that asks for a GPU where there is none is told what there is."""
    play = Play(1)
    play.ask(1, nodes=(NodeSet(1, Capacity({"CPU": 100, "GPU": 1})),))
    play.ask(2, nodes=(NodeSet(1, Capacity()),))
    play.go()
    reason = play.reason(1)
    assert reason.cause is Cause.UNKNOWN_RESOURCE
    assert reason.text == "It asks for GPU, which this site does not have; it has CPU, Memory."
    assert play.reason(2).cause is Cause.UNKNOWN_RESOURCE


def test_a_lease_that_has_waited_says_for_how_long_and_why() -> None:
    """A best-effort lease that had to wait tells what it needed, what there was and who had a reservation."""
    play = Play(4, suspension=Suspension.NONE)
    play.ask(1, vms=3, minutes=60)
    play.go()
    play.ask(2, vms=4, minutes=60)
    play.ask(3, vms=2, minutes=30)
    play.go(500)
    text = waited(play.lease(3), wanted(play.lease(3).terms))
    assert text.startswith("waited 2 h: needs 2 VMs with 1 core and 1024 MiB; room for 1 of 2 when")
    assert text.endswith("lease 2 had a reservation")


def test_a_lease_behind_others_says_so() -> None:
    """Without backfilling those who were not even looked at say that others were in front, or what there was."""
    play = Play(1, reservations_max=0)
    for number in (1, 2, 3):
        play.ask(number, minutes=10)
    play.go(500)
    assert waited(play.lease(2), "a VM") == "waited 10 min: needs a VM; room for 0 of 1 when it was looked at first"
    assert waited(play.lease(3), "a VM").startswith("waited 20 min: ")


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        (1_164_459_600_000, "2006-11-25T13:00:00Z"),
        (-DAY + HOUR, "1969-12-31T01:00:00Z"),
    ],
)
def test_instants_are_written_in_utc(at: int, text: str) -> None:
    """Leap days, the lack of them, and the time before 1970 are told right."""
    assert instant(at) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0 s"),
        (2_500, "2.5 s"),
        (59 * SECOND, "59 s"),
        (90 * SECOND, "1 min 30 s"),
        (10 * HOUR, "10 h"),
        (DAY + 30 * MINUTE, "1 d 30 min"),
        (-5, "0 s"),
    ],
)
def test_spans_are_written_as_people_say_them(length: int, text: str) -> None:
    """In the units that there are of, and seconds only where some are left."""
    assert span(length) == text


def test_a_host_that_was_taken_away_is_none_of_those_that_have_no_room() -> None:
    """It keeps its number, and is counted nowhere: what is said is true of the hosts that there are."""
    play = Play(3, NONE)
    hosts = play.scheduler.desk.real.hosts
    play.tell(SiteChanged(play.scheduler.desk.now, Site(hosts[:2], ("CPU", "Memory"))))
    play.go()
    play.ask(1, vms=2, start=60, minutes=60, preemptible=False)
    play.ask(2, vms=1, start=60, minutes=60)
    play.ask(3, vms=3, start=60, minutes=60)
    play.go()
    assert "0 of 2 hosts have room" in play.reason(2).text
    assert dict(play.reason(2).hosts) == {Cause.RESERVED: 2}
    assert "not up" not in play.reason(2).text
    assert "the site's 2 hosts have no room for that." in play.reason(3).text
