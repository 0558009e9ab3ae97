"""Who gives way to whom, and how: suspended in time, or requeued."""

import pytest

from haizea.model.lease import Constraints, LeaseState, NodeSet
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import MINUTE, SECOND
from haizea.plan.options import Exclusion, Migration, Suspension
from tests.core.play import VM, Play, site
from tests.simulation.running import policies

HALF = Capacity({"CPU": 50, "Memory": 512})


def test_a_victim_is_suspended_in_time_and_resumes_afterwards() -> None:
    """The suspension ends as the reservation starts; afterwards the lease runs on for what was left."""
    play = Play(1)
    play.ask(1)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go()
    assert play.go(40)[:6] == [
        "1768s 1 suspending",
        "1768s suspend 1",
        "1800s 1 suspended-queued",
        "1800s 2 active",
        "1800s start 2",
        "1800s 1 suspended-scheduled",
    ]
    assert play.go(300) == ["2432s 1 active", "4264s shut-down 1", "4264s 1 done"]
    lease = play.lease(1)
    assert (lease.delivered, lease.preemptions, lease.suspensions) == (60 * MINUTE, 1, 1)


@pytest.mark.parametrize(
    ("exclusion", "overhead", "expected"),
    [(Exclusion.LOCAL, 0, 32), (Exclusion.LOCAL, 3, 38), (Exclusion.GLOBAL, 0, 64), (Exclusion.GLOBAL, 3, 76)],
)
def test_suspending_takes_as_long_as_exclusion_and_overhead_demand(
    exclusion: Exclusion, overhead: int, expected: int
) -> None:
    """Four VMs of 512 MiB on two hosts: two rounds of 16 s where hosts work in parallel, four where they do not."""
    play = Play(2, exclusion=exclusion, enactment_overhead=overhead * SECOND)
    play.ask(1, nodes=(NodeSet(4, HALF),))
    play.go(1)
    play.ask(2, vms=2, start=30, minutes=10)
    play.go(2)
    stay = play.lease(1).stays[0]
    assert (stay.end - stay.run_end, stay.end) == (expected * SECOND, 30 * MINUTE)


def test_a_victim_that_cannot_be_suspended_in_time_starts_over() -> None:
    """A reservation that comes sooner than a suspension would take throws the work away and requeues the lease."""
    play = Play(1)
    play.ask(1)
    play.go(10)
    play.ask(2, start=10.5, minutes=10)
    assert play.go() == ["600s 2 pending", "600s destroy 1", "600s 1 queued", "600s 2 ready", "600s 1 ready"]
    play.go(300)
    lease = play.lease(1)
    assert (lease.delivered, lease.requeued, play.lost(1)) == (60 * MINUTE, 1, 10)


def test_without_suspension_a_victim_starts_over() -> None:
    """Where leases may not be suspended, the one that gives way is requeued."""
    play = Play(1, suspension=Suspension.NONE)
    play.ask(1)
    play.go(10)
    play.ask(2, start=30, minutes=10)
    play.go()
    assert play.stays(1) == [(40, 100)]
    assert (play.lease(1).requeued, play.lost(1)) == (1, 10)


def test_a_victim_below_the_scheduling_threshold_starts_over() -> None:
    """A lease that would have run too shortly for a suspension to be worth it is requeued."""
    play = Play(1, threshold=20 * MINUTE)
    play.ask(1)
    play.go(5)
    play.ask(2, start=10, minutes=10)
    play.go()
    assert play.lease(1).requeued == 1


def test_a_lease_that_is_not_preemptible_stays() -> None:
    """A reservation is rejected where only a lease that must not be preempted is in the way."""
    play = Play(1)
    play.ask(1, preemptible=False)
    play.go(1)
    play.ask(2, start=30)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.stays(1) == [(0, 60)]


def test_a_reservation_is_not_preempted() -> None:
    """One reservation does not give way to another, whatever the policy."""
    for name in ("ar-preempts-besteffort", "ar-preempts-everything", "deadline"):
        play = Play(1, policies(name))
        play.ask(1, start=10)
        play.ask(2, start=20)
        play.go()
        assert play.state(2) is LeaseState.REJECTED


def test_an_immediate_lease_that_is_about_to_begin_gives_way_to_nobody() -> None:
    """Now or not at all: until it has begun there is no later for it; the reservation is refused."""
    play = Play(2, policies("ar-preempts-everything"), non_schedulable=10 * SECOND)
    play.ask(1, vms=2, minutes=30, immediate=True)
    play.ask(2, start=1 / 3)
    play.go(1)
    assert play.state(2) is LeaseState.REJECTED
    assert play.stays(1) == [(10 / 60, 30 + 10 / 60)]


def test_an_immediate_lease_is_preempted_only_where_the_policy_says_so() -> None:
    """The policy decides whether an immediate lease gives way."""
    for name, state in (("ar-preempts-besteffort", LeaseState.REJECTED), ("ar-preempts-everything", LeaseState.READY)):
        play = Play(1, policies(name))
        play.ask(1, immediate=True)
        play.go(1)
        play.ask(2, start=30)
        play.go()
        assert play.state(2) is state


def test_without_preemption_a_reservation_finds_what_is_free() -> None:
    """With no preemption a reservation in the way of a best-effort lease is rejected."""
    play = Play(1, policies("no-preemption"))
    play.ask(1)
    play.go(1)
    play.ask(2, start=30)
    play.go()
    assert play.state(2) is LeaseState.REJECTED


def test_the_fewest_leases_give_way() -> None:
    """Of two victims the one is let go again that turns out not to be needed."""
    play = Play(4)
    play.ask(1, vms=1)
    play.go(1)
    play.ask(2, vms=3)
    play.go(2)
    play.ask(3, vms=3, start=30, minutes=10)
    play.go()
    assert (play.lease(1).preemptions, play.lease(2).preemptions) == (0, 1)


def test_the_oldest_gives_way_first() -> None:
    """Of equal victims the one that was submitted first is taken."""
    play = Play(2)
    play.ask(1)
    play.go(1)
    play.ask(2)
    play.go(2)
    play.ask(3, start=30, minutes=10)
    play.go()
    assert (play.lease(1).preemptions, play.lease(2).preemptions) == (1, 0)


def test_a_lease_that_only_shuts_down_is_not_preempted() -> None:
    """A lease that is done running by the start of a reservation does not lose its work to it."""
    play = Play(1, shutdown_time=60 * SECOND)
    play.ask(1, minutes=30)
    play.go(1)
    play.ask(2, start=30.5, minutes=10)
    play.go()
    assert play.state(2) is LeaseState.REJECTED
    assert play.lease(1).preemptions == 0


def test_a_lease_that_is_being_resumed_keeps_its_image_when_it_gives_way() -> None:
    """A resumption that is broken off costs nothing: the lease goes on later from where it was suspended."""
    play = Play(1)
    play.ask(1)
    play.go(1)
    play.ask(2, start=10, minutes=10)
    play.go(20.2)
    assert play.state(1) is LeaseState.RESUMING
    play.ask(3, start=20.4, minutes=10)
    play.go()
    assert play.state(1) in (LeaseState.SUSPENDED_QUEUED, LeaseState.SUSPENDED_SCHEDULED)
    play.go(300)
    assert play.lease(1).delivered == 60 * MINUTE
    assert play.lost(1) == 0


def test_without_migration_a_lease_resumes_where_it_was() -> None:
    """A suspended lease waits for its own host, even while another is free."""
    play = Play(2)
    play.ask(1)
    play.go(1)
    first = play.hosts(1)
    play.ask(2, vms=2, start=10, minutes=10)
    play.go(11)
    play.ask(3, minutes=10)
    play.ask(4, minutes=120, start=20)
    play.go(400)
    assert play.where[1] == first


@pytest.mark.parametrize(("migration", "seconds"), [(Migration.YES, 82), (Migration.FREE, 0)])
def test_with_migration_a_lease_resumes_elsewhere(migration: Migration, seconds: int) -> None:
    """Its memory image is copied first, 1024 MiB at 100 Mb/s in 82 s, or moves at no cost."""
    play = Play(site(2, labels=[{"name": "left"}, {"name": "right"}]), migration=migration)
    play.ask(1)
    play.go(1)
    (home,) = play.hosts(1)
    only_home = Constraints(require=(("name", "left" if home == 0 else "right"),))
    play.ask(2, start=10, minutes=300, constraints=only_home)
    play.go(100)
    (copy,) = [entry for entry in play.lease(1).log if entry.kind == "migrate"]
    (resumption,) = [entry for entry in play.lease(1).log if entry.kind == "resume"]
    assert (copy.start, copy.end) == (10 * MINUTE, 10 * MINUTE + seconds * SECOND)
    assert resumption.start == copy.end
    assert play.where[1] == (1 - home,)
    assert play.lease(1).migrations == 1


def test_of_several_vms_on_a_host_all_are_suspended() -> None:
    """A host with two VMs of a lease suspends one after the other."""
    play = Play(site(1, cores=2))
    play.ask(1, vms=2)
    play.go(1)
    play.ask(2, start=30, minutes=10)
    play.go()
    stay = play.lease(1).stays[0]
    assert stay.end - stay.run_end == 64 * SECOND


def test_preemption_makes_room_on_hosts_that_the_reservation_may_use() -> None:
    """A lease on the wrong host does not give way where that would not help."""
    hosts = Site((Host("plain", VM), Host("fast", VM, {"ssd": "yes"})))
    play = Play(hosts)
    play.ask(1, constraints=Constraints(exclude=(("ssd", "*"),)))
    play.ask(2, constraints=Constraints(require=(("ssd", "yes"),)))
    play.go(1)
    play.ask(3, start=30, minutes=10, constraints=Constraints(require=(("ssd", "*"),)))
    play.go()
    assert (play.lease(1).preemptions, play.lease(2).preemptions) == (0, 1)
    assert play.hosts(3) == (1,)
