"""The four types of lease, from the request to the end."""

import pytest

from haizea.core.scheduler import Scheduler
from haizea.model.events import LeaseRequested, TimePassed, WishesChanged
from haizea.model.lease import DiskImage, LeaseState, LeaseTerms, NodeSet
from haizea.model.reason import Cause
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import SECOND
from haizea.plan.options import Options, TransferOptions
from tests.core.play import VM, Play, site
from tests.simulation.running import policies

DEBIAN = DiskImage("debian", 1000)


def test_a_best_effort_lease_starts_at_once_where_there_is_room() -> None:
    """A best-effort lease goes through the queue, runs for its duration and is done."""
    play = Play()
    play.ask(1, vms=2)
    assert play.go() == ["0s 1 queued", "0s 1 active", "0s start 1"]
    assert play.go(60) == ["3600s shut-down 1", "3600s 1 done"]
    assert play.lease(1).delivered == 3600 * SECOND


def test_a_reservation_starts_when_it_was_asked_for() -> None:
    """An advance reservation is accepted at once and starts at its time, not earlier."""
    play = Play()
    play.ask(1, start=30)
    assert play.go() == ["0s 1 pending", "0s 1 ready"]
    assert play.go(29) == []
    assert play.go(30) == ["1800s 1 active", "1800s start 1"]
    assert play.go(90) == ["5400s shut-down 1", "5400s 1 done"]


def test_a_reservation_may_start_at_the_instant_it_is_asked_for() -> None:
    """A reservation for now runs now."""
    play = Play()
    play.ask(1, start=0)
    assert play.go() == ["0s 1 pending", "0s 1 active", "0s start 1"]


def test_an_immediate_lease_runs_now_or_not_at_all() -> None:
    """An immediate lease starts at once; one that finds no room is rejected."""
    play = Play()
    play.ask(1, vms=2, immediate=True)
    play.ask(2, immediate=True)
    assert play.go() == ["0s 1 pending", "0s 1 active", "0s start 1", "0s 2 pending", "0s 2 rejected"]
    assert play.reason(2).cause is Cause.RESERVED


def test_a_deadline_lease_starts_as_early_as_there_is_room() -> None:
    """A deadline lease waits for room if it can, and ends by its deadline."""
    play = Play(1)
    play.ask(1, start=0, minutes=30)
    play.ask(2, start=0, minutes=60, deadline=120)
    play.go()
    assert play.stays(2) == [(30, 90)]
    play.go(90)
    assert play.state(2) is LeaseState.DONE


def test_a_deadline_lease_that_cannot_end_in_time_is_rejected() -> None:
    """A deadline lease for which there is no room before its deadline is refused, with a reason."""
    play = Play(1)
    play.ask(1, start=0, minutes=60)
    play.ask(2, start=0, minutes=60, deadline=90)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.reason(2).cause in (Cause.DEADLINE, Cause.RESERVED)


def test_a_deadline_lease_with_too_short_a_window_is_rejected() -> None:
    """A deadline lease whose duration is longer than its window can never be kept."""
    play = Play(1)
    play.ask(1, start=0, minutes=60, deadline=59)
    play.go()
    assert play.reason(1).cause is Cause.DEADLINE


def test_a_lease_of_unlimited_duration_runs_until_it_is_told_to_stop() -> None:
    """A best-effort lease without duration holds its hosts, and one behind it waits."""
    play = Play(1)
    play.ask(1, minutes=None)
    play.ask(2)
    play.go(100_000)
    assert play.state(1) is LeaseState.ACTIVE
    assert play.state(2) is LeaseState.QUEUED


def test_all_vms_of_a_lease_run_or_none() -> None:
    """A lease that needs one host more than there is waits with all of its VMs."""
    play = Play(2)
    play.ask(1, minutes=10)
    play.ask(2, vms=2)
    play.go()
    assert play.state(2) is LeaseState.READY
    assert play.stays(2) == [(10, 70)]


def test_vms_of_different_kinds_go_where_they_fit() -> None:
    """The large VM goes to the large host and the small ones to what is left."""
    hosts = (Host("small", VM), Host("large", Capacity({"CPU": 400, "Memory": 4096})))
    play = Play(Site(hosts))
    play.ask(1, nodes=(NodeSet(2, VM), NodeSet(1, Capacity({"CPU": 300, "Memory": 3072}))))
    play.go()
    assert sorted(play.hosts(1)[:2]) == [0, 1]
    assert play.hosts(1)[2] == 1


def test_any_resource_type_counts() -> None:
    """Two leases that each need the site's only licence run one after the other."""
    host = Host("host", Capacity({"CPU": 400, "Memory": 4096, "Licence": 1}))
    play = Play(Site((host,), ("CPU", "Memory", "Licence")))
    for number in (1, 2):
        play.ask(number, nodes=(NodeSet(1, Capacity({"CPU": 100, "Licence": 1})),), minutes=10)
    play.go()
    assert play.state(1) is LeaseState.ACTIVE
    assert play.stays(2) == [(10, 20)]


def test_the_shutdown_time_holds_the_hosts_but_does_not_count() -> None:
    """After its duration a lease is shut down; the next one starts when that is over."""
    play = Play(1, shutdown_time=30 * SECOND, enactment_overhead=5 * SECOND)
    play.ask(1, minutes=10)
    play.ask(2, minutes=10)
    play.go()
    assert play.go(11) == ["600s shut-down 1", "635s 1 done", "635s 2 active", "635s start 2"]
    assert play.lease(1).delivered == 600 * SECOND


def test_nothing_is_scheduled_within_the_non_schedulable_interval() -> None:
    """A lease starts no earlier than the non-schedulable interval from now."""
    play = Play(1, non_schedulable=10 * SECOND)
    play.ask(1)
    play.ask(2, start=0.1)
    assert play.go() == ["0s 1 queued", "0s 2 pending", "0s 2 rejected", "0s 1 ready"]
    assert play.reason(2).cause is Cause.PAST
    assert play.go(1)[:2] == ["10s 1 active", "10s start 1"]


def test_an_image_is_sent_before_a_best_effort_lease_starts() -> None:
    """A lease with a disk image starts when its image has arrived: 1000 MiB at 100 Mb/s take 80 s."""
    play = Play(1, transfer=TransferOptions(bandwidth=100))
    play.ask(1, software=DEBIAN)
    assert play.go(2) == [
        "0s 1 queued",
        "0s 1 scheduled",
        "0s 1 preparing",
        "0s transfer 1",
        "80s 1 ready",
        "80s 1 active",
        "80s start 1",
    ]


def test_an_image_for_a_reservation_arrives_just_in_time() -> None:
    """The image of a reservation is sent so that it arrives as the reservation starts."""
    play = Play(1, transfer=TransferOptions(bandwidth=100))
    play.ask(1, software=DEBIAN, start=30)
    play.go()
    assert play.go(30) == ["1720s 1 preparing", "1720s transfer 1", "1800s 1 ready", "1800s 1 active", "1800s start 1"]


def test_a_reservation_whose_image_comes_too_late_preempts_nobody() -> None:
    """A reservation is rejected where its image cannot be there in time, and whoever runs goes on running."""
    play = Play(1, transfer=TransferOptions(bandwidth=100))
    play.ask(1)
    play.go(5)
    play.ask(2, start=6, software=DEBIAN)
    play.go()
    assert play.reason(2).cause is Cause.PREPARATION
    assert play.stays(1) == [(0, 60)]


def test_a_lease_larger_than_the_site_is_rejected_whatever_its_type() -> None:
    """What could not even run on the empty site is refused at once; best effort does not wait for ever."""
    play = Play(2)
    play.ask(1, vms=3)
    play.ask(2, vms=3, start=10)
    play.ask(3, vms=3, immediate=True)
    play.ask(4, vms=3, start=10, deadline=500)
    play.go()
    for number in (1, 2, 3, 4):
        assert play.state(number) is LeaseState.REJECTED
        assert play.reason(number).cause is Cause.TOO_SMALL


def test_a_request_that_comes_twice_counts_once() -> None:
    """Handing over the same request again changes nothing."""
    play = Play(2)
    play.ask(1)
    play.ask(1)
    assert play.go() == ["0s 1 queued", "0s 1 active", "0s start 1"]


def test_the_past_cannot_be_changed() -> None:
    """An event that lies before one that was handled already is refused."""
    scheduler = Scheduler(site(), 0, Options(), policies())
    scheduler.handle(TimePassed(1000))
    with pytest.raises(ValueError, match="handed over after one of 1000"):
        scheduler.handle(LeaseRequested(999, 1, LeaseTerms((NodeSet(1, VM),), 1000)))


def test_what_a_lease_wishes_for_can_be_changed_but_not_what_was_planned() -> None:
    """A name and a reaction are taken over at once; other VMs or times would need another plan, and are refused."""
    play = Play()
    play.ask(1, minutes=60)
    play.go()
    terms = play.lease(1).terms
    play.tell(WishesChanged(0, 1, terms._replace(name="mine", preemptible=False)))
    assert (play.lease(1).terms.name, play.lease(1).terms.preemptible) == ("mine", False)
    with pytest.raises(ValueError, match="another plan"):
        play.tell(WishesChanged(0, 1, terms._replace(duration=1)))
    assert play.lease(1).terms.duration == terms.duration
