"""What people can order to be done with hosts and the scheduler; maintenance, hosts that come and go, strangers."""

import pytest

from haizea.model.events import (
    HostObserved,
    HostOrdered,
    InstanceObserved,
    LeaseAdopted,
    LeaseOrdered,
    MaintenanceOver,
    Observed,
    SiteChanged,
    StrangersObserved,
)
from haizea.model.lease import Constraints, LeaseState, LeaseTerms, NodeSet, OnFailure, Reactions
from haizea.model.orders import (
    Disable,
    Drain,
    Enable,
    Evacuate,
    Label,
    Last,
    MarkDown,
    Overcommit,
    PauseIntake,
    PauseScheduling,
    Replan,
    ResumeIntake,
    ResumeScheduling,
    Terminate,
)
from haizea.model.resources import Capacity
from haizea.model.site import Host, HostState, Site
from haizea.model.units import HOUR, MINUTE
from haizea.plan.options import Migration, Suspension
from haizea.service.explaining import waiting_of
from haizea.service.pictures import picture, rehearse
from haizea.service.whatif import run_ahead
from tests.core.ordering import Ordering
from tests.core.play import VM, made_anew, site

S = LeaseState


def test_a_drained_host_finishes_what_runs_and_takes_nothing_new() -> None:
    """What was to begin there begins elsewhere."""
    play = Ordering(2)
    play.ask(1)
    play.go(10)
    assert play.host(play.hosts(1)[0], Drain()) is None
    assert play.hosts_said == ["Host host-0 takes no new VMs, ordered by ann."]
    play.ask(2, vms=2)
    play.go(60)
    assert (play.state(1), play.state(2)) == (S.DONE, S.QUEUED)
    assert play.host(0, Enable()) is None
    play.go()
    assert play.state(2) is S.ACTIVE


def test_at_its_deadline_a_drained_host_is_emptied() -> None:
    """Who runs there then is suspended, and resumes elsewhere."""
    play = Ordering(2, migration=Migration.NO)
    play.ask(1)
    play.go(10)
    assert play.host(0, Drain(20 * MINUTE)) is None
    play.go(19)
    assert play.state(1) is S.ACTIVE
    play.go(20)
    assert play.state(1) is S.SUSPENDING
    assert play.host(0, Drain(10 * MINUTE)) is not None


def test_who_runs_on_a_host_that_is_emptied_moves_where_the_site_allows_it() -> None:
    """Nothing of what has run is lost."""
    play = Ordering(2, migration=Migration.YES)
    play.ask(1, start=1)
    play.go(10)
    assert play.host(0, Evacuate()) is None
    assert (play.hosts(1), play.state(1)) == ((1,), S.ACTIVE)
    play.go(70)
    assert (play.state(1), play.lease(1).delivered) == (S.DONE, HOUR)


def test_who_cannot_leave_a_host_is_named() -> None:
    """A reservation stays where it runs, if there is nowhere else."""
    play = Ordering(1)
    play.ask(1, start=1)
    play.go(10)
    assert play.host(0, Evacuate()) is None
    assert play.hosts_said[-1] == "Host host-0 is not empty: lease 1 cannot go elsewhere, and may end there."
    play.go(61)
    assert play.state(1) is S.DONE


def test_a_host_that_is_up_is_not_used_against_orders() -> None:
    """What the platform reports and what was ordered are kept apart; the graver holds."""
    play = Ordering(1)
    desk = play.scheduler.desk
    play.host(0, Disable())
    found = []
    for state in (HostState.DOWN, HostState.UP):
        play.tell(HostObserved(desk.now, 0, state))
        found.append(desk.hosts.states[0])
    assert found == [HostState.DOWN, HostState.DISABLED]
    play.ask(1)
    play.go(10)
    assert play.state(1) is S.QUEUED
    assert play.scheduler.copy().desk.hosts.states == desk.hosts.states
    play.host(0, Enable())
    play.go()
    assert play.state(1) is S.ACTIVE
    reason = play.host(0, Enable())
    assert reason is not None
    assert reason.text == "Host host-0 is used already."


def test_a_host_marked_down_loses_its_leases() -> None:
    """As if the platform had reported it."""
    play = Ordering(2)
    play.ask(1)
    play.go(10)
    assert play.host(0, MarkDown()) is None
    play.go()
    assert (play.hosts(1), play.lost(1)) == ((1,), 10)


def test_more_or_less_than_a_host_has_can_be_planned_with() -> None:
    """Twice as much is room for two VMs; less than what runs there is refused."""
    play = Ordering(1)
    assert play.host(0, Overcommit((("CPU", 200), ("Memory", 200)))) is None
    play.ask(1, vms=2)
    play.go(10)
    assert play.state(1) is S.ACTIVE
    reason = play.host(0, Overcommit(()))
    assert reason is not None
    assert "lease" in reason.text.lower()
    assert play.scheduler.copy().desk.site.hosts[0].capacity == Capacity({"CPU": 200, "Memory": 2048})
    play.go(60)
    assert play.host(0, Overcommit(())) is None
    play.ask(2, vms=2, minutes=10)
    play.go()
    assert play.state(2) is S.REJECTED


def test_labels_decide_where_leases_go_from_now_on() -> None:
    """Who was to begin on a host that loses its label is planned anew."""
    play = Ordering(site(2, labels=[{"zone": "a"}, {"zone": "b"}]))
    play.ask(1, start=30, constraints=Constraints(require=(("zone", "a"),)))
    play.go(1)
    assert play.hosts(1) == (0,)
    play.host(1, Label((("zone", "a"),)))
    play.host(0, Label((("zone", "b"),)))
    assert play.hosts(1) == (1,)
    assert dict(play.scheduler.copy().desk.site.hosts[0].labels) == {"zone": "b"}


# Maintenance -------------------------------------------------------------------------------------------------------


def test_leases_are_planned_around_a_maintenance_window() -> None:
    """It takes the whole host while it lasts, also in a scheduler made anew; over early, the host is free."""
    play = Ordering(1)
    assert play.maintain((0,), 30, 60) is None
    play.ask(1, start=40, minutes=10)
    play.ask(2, minutes=60, preemptible=False)
    play.go()
    assert (play.state(1), play.stays(2)) == (S.REJECTED, [(60, 120)])
    assert play.scheduler.copy().desk.claims.windows == play.scheduler.desk.claims.windows
    play.go(40)
    play.tell(MaintenanceOver(play.scheduler.desk.now, 1))
    play.go()
    assert play.stays(2) == [(40, 100)]


def test_who_was_promised_a_window_goes_elsewhere_or_the_window_is_refused() -> None:
    """The refusal names who is in the way, and nothing has changed."""
    play = Ordering(2)
    play.ask(1, start=40, minutes=10)
    play.go(1)
    assert play.maintain((0,), 30, 60) is None
    assert play.hosts(1) == (1,)
    play = Ordering(1)
    play.ask(1, start=40, minutes=10)
    play.go(1)
    reason = play.maintain((0,), 30, 60)
    assert reason is not None
    assert (reason.leases, play.stays(1)) == ((1,), [(40, 50)])


def test_best_effort_gives_way_to_a_window_in_time() -> None:
    """It is suspended by its start, and goes on after it."""
    play = Ordering(1)
    play.ask(1)
    play.go(10)
    assert play.maintain((0,), 30, 60) is None
    play.go(30)
    assert play.state(1) in (S.SUSPENDED_QUEUED, S.SUSPENDED_SCHEDULED)
    play.go(120)
    assert (play.state(1), play.lost(1)) == (S.DONE, 0)


def test_a_window_with_force_ends_who_cannot_leave() -> None:
    """They are told when the window is planned, and their hosts are free when it begins."""
    play = Ordering(1)
    play.ask(1, start=1, minutes=60)
    play.go(10)
    assert play.maintain((0,), 30, 60) is not None
    assert play.maintain((0,), 30, 60, force=True) is None
    assert "600s notice 1" in play.said
    play.go(30)
    assert play.state(1) is not S.ACTIVE


# Hosts that come and go --------------------------------------------------------------------------------------------


def test_hosts_come_and_go_while_leases_run() -> None:
    """A host is the same where its name is; who was on one that is gone goes elsewhere."""
    play = Ordering(2)
    play.ask(1, vms=2)
    play.go(10)
    hosts = play.scheduler.desk.site.hosts
    new = Host("host-9", hosts[0].capacity)
    play.tell(SiteChanged(play.scheduler.desk.now, Site((hosts[1], new), ("CPU", "Memory"))))
    play.go()
    assert [host.name for host in play.scheduler.desk.site.hosts] == ["host-0", "host-1", "host-9"]
    assert (play.state(1), sorted(play.hosts(1))) == (S.ACTIVE, [1, 2])
    other = play.scheduler.copy()
    assert other.desk.site == play.scheduler.desk.site
    play.tell(SiteChanged(play.scheduler.desk.now, Site((hosts[0], hosts[1], new), ("CPU", "Memory"))))
    play.ask(2)
    play.go()
    assert play.hosts(2) == (0,)


def test_a_host_that_shrinks_keeps_what_still_fits() -> None:
    """The lease that came last has to go."""
    play = Ordering(site(1, cores=2))
    play.ask(1, start=1)
    play.ask(2)
    play.go(10)
    host = play.scheduler.desk.site.hosts[0]
    play.tell(SiteChanged(play.scheduler.desk.now, Site((host._replace(capacity=VM),), ("CPU", "Memory"))))
    play.go()
    assert (play.state(1), play.state(2)) == (S.ACTIVE, S.READY)


def test_nobody_waits_for_a_lease_whose_memory_images_are_on_a_host_that_shrank() -> None:
    """It says why it waits, and is resumed when its host has room for it again."""
    play = Ordering(1, reservations_max=0, suspension=Suspension.ALL)
    twice = Overcommit((("CPU", 200), ("Memory", 200)))
    assert play.host(0, twice) is None
    play.ask(1, vms=2)
    play.ask(2, minutes=10, start=20)
    play.go(29)
    assert [play.state(number) for number in (1, 2)] == [S.SUSPENDED_QUEUED, S.ACTIVE]
    assert play.host(0, Overcommit(())) is None
    play.ask(3, minutes=10)
    play.go(31)
    assert [play.state(number) for number in (1, 2, 3)] == [S.SUSPENDED_QUEUED, S.DONE, S.ACTIVE]
    why = waiting_of(play.scheduler.copy(), 1).why
    assert why.startswith("Its memory images are on host-0, with no room for its VMs even when nothing else runs there")
    assert play.host(0, twice) is None
    play.go(150)
    assert play.state(1) is S.DONE


def test_what_strangers_use_is_not_planned_with() -> None:
    """Who was to begin there goes elsewhere; gone, their room is free again."""
    play = Ordering(2)
    play.ask(1, start=30)
    play.go(1)
    play.tell(StrangersObserved(play.scheduler.desk.now, play.hosts(1)[0], VM))
    assert play.hosts(1) == (1,)
    play.ask(2, start=30)
    play.go()
    assert play.state(2) is S.REJECTED
    play.tell(StrangersObserved(play.scheduler.desk.now, 0, Capacity()))
    play.ask(3, start=30)
    play.go()
    assert play.state(3) is S.SCHEDULED or play.state(3) is S.READY


def test_a_host_that_shrinks_is_left_to_its_strangers() -> None:
    """Who was to begin on a host that has less now goes elsewhere where strangers leave no room."""
    play = Ordering(site(2, cores=3))
    play.ask(1, vms=2, start=30, constraints=Constraints(together=True))
    play.ask(2)
    play.go(1)
    host = play.hosts(1)[0]
    play.tell(StrangersObserved(play.scheduler.desk.now, host, VM))
    assert play.hosts(1) == (host, host)
    less = site(1, cores=2).hosts[0].capacity
    hosts = [
        each._replace(capacity=less) if n == host else each for n, each in enumerate(play.scheduler.desk.site.hosts)
    ]
    play.tell(SiteChanged(play.scheduler.desk.now, Site(tuple(hosts), ("CPU", "Memory"))))
    assert play.hosts(1) == (1 - host, 1 - host)
    play.go(31)
    assert (play.state(1), play.state(2)) == (S.ACTIVE, S.ACTIVE)


@pytest.mark.parametrize("why", ["strangers", "labels"])
def test_who_leaves_a_host_goes_to_none_that_has_less_from_then_on(why: str) -> None:
    """Hosts change together: what another one of them had before is not planned with."""
    play = Ordering(site(2, cores=4, labels=[{"zone": "a"}] * 2))
    play.ask(1, vms=3, start=30, constraints=Constraints(require=(("zone", "a"),), together=True))
    play.go()
    host = play.hosts(1)[0]
    play.tell(StrangersObserved(0, host, VM))
    play.ask(2, start=30)
    play.go()
    assert (play.hosts(1), play.hosts(2)) == ((host,) * 3, (1 - host,))
    old, new = play.scheduler.desk.site.hosts[0], site(1, cores=3).hosts[0].capacity
    leave = old._replace(capacity=new) if why == "strangers" else old._replace(labels={"zone": "b"})
    changed = {host: leave, 1 - host: old._replace(capacity=new)}
    hosts = [changed[n]._replace(name=f"host-{n}") for n in (0, 1)]
    play.tell(SiteChanged(0, Site(tuple(hosts), ("CPU", "Memory"))))
    assert (play.state(1), play.stays(1), play.hosts(2)) == (S.QUEUED, [], (1 - host,))


def test_what_strangers_use_is_theirs_as_soon_as_it_is_free() -> None:
    """Where there was no room for them, nobody else gets what comes free early, though it was planned to later."""
    play = Ordering(site(1, cores=2))
    play.ask(1, vms=2, preemptible=False)
    play.go(10)
    play.tell(StrangersObserved(play.scheduler.desk.now, 0, VM))
    play.go(20)
    assert play.state(1) is S.ACTIVE
    again = made_anew(play.scheduler)
    assert again.remember() == play.scheduler.remember()
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 1, Observed.GUEST_SHUTDOWN, 0))
    play.ask(2)
    play.go(59)
    assert play.state(2) is not S.ACTIVE
    play.go(61)
    assert play.state(2) is S.ACTIVE
    assert play.scheduler.desk.table.free_now() == 0


def test_who_starts_over_leaves_strangers_the_room_that_they_could_not_have() -> None:
    """A reservation of which a VM failed beside strangers that came later goes on on another host."""
    play = Ordering(2)
    play.ask(1, start=0, reactions=Reactions(on_failure=OnFailure.REQUEUE))
    play.go(10)
    (host,) = play.hosts(1)
    play.tell(StrangersObserved(play.scheduler.desk.now, host, VM))
    assert play.hosts(1) == (host,)
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, 1, Observed.CRASHED, host))
    play.go()
    assert (play.state(1), play.hosts(1)) == (S.ACTIVE, (1 - host,))


def test_vms_of_strangers_become_a_lease() -> None:
    """They are strangers no more; nothing is started, and the lease ends when it has lasted."""
    play = Ordering(1)
    play.tell(StrangersObserved(0, 0, VM))
    terms = LeaseTerms((NodeSet(1, VM),), HOUR)
    play.tell(LeaseAdopted(0, 5, terms, (0,)))
    assert not [said for said in play.go(1) if "start" in said]
    assert (play.state(5), play.scheduler.desk.claims.strangers) == (S.ACTIVE, {})
    play.go(60)
    assert play.state(5) is S.DONE


# The scheduler -----------------------------------------------------------------------------------------------------


def test_while_scheduling_is_paused_only_promises_are_kept() -> None:
    """A reservation starts; the queue does not move, and nobody gets in at once."""
    play = Ordering(2)
    assert play.command(PauseScheduling(), "a rest") is None
    assert play.command(PauseScheduling()) is not None
    play.ask(1)
    play.ask(2, start=10)
    play.ask(3, immediate=True)
    play.go(20)
    assert (play.state(1), play.state(2), play.state(3)) == (S.QUEUED, S.ACTIVE, S.REJECTED)
    assert play.reason(3).text == "Nothing is started at the moment. It was paused by ann: a rest."
    assert play.command(ResumeScheduling()) is None
    play.go()
    assert play.state(1) is S.ACTIVE


def test_while_intake_is_paused_requests_are_refused_with_the_reason() -> None:
    """What is known already goes on."""
    play = Ordering(1)
    play.command(PauseIntake(), "moving house")
    play.ask(1)
    play.go()
    assert play.reason(1).text == "No requests are taken at the moment. It was paused by ann: moving house."
    play.command(ResumeIntake())
    play.ask(2)
    play.go()
    assert play.state(2) is S.ACTIVE


def test_replanning_leaves_promises_alone() -> None:
    """What runs and what is reserved at a certain time stays."""
    play = Ordering(1)
    play.ask(1, minutes=20)
    play.ask(2, start=30, minutes=10)
    play.ask(3, minutes=30, preemptible=False)
    play.go(1)
    before = [play.stays(number) for number in (1, 2, 3)]
    assert play.command(Replan()) is None
    play.go()
    assert [play.stays(number) for number in (1, 2, 3)] == before


# What would be -----------------------------------------------------------------------------------------------------


def test_a_rehearsal_tells_who_is_affected_and_changes_nothing() -> None:
    """Ending one lease lets the next begin: both are named, with what was planned before and what would be."""
    play = Ordering(1)
    play.ask(1)
    play.ask(2, minutes=30)
    play.go(10)
    before = picture(play.scheduler)
    found = rehearse(play.scheduler, [LeaseOrdered(play.scheduler.desk.now, 1, Terminate())])
    after = picture(found.scheduler)
    assert [
        (number, look.start, after[number].start if number in after else None) for number, look in before.items()
    ] == [
        (1, 0, None),
        (2, 60 * MINUTE, 10 * MINUTE),
    ]
    assert found.retired.keys() == {1}
    assert (play.stays(1), play.stays(2)) == ([(0, 60)], [(60, 90)])
    refused = rehearse(play.scheduler, [LeaseOrdered(play.scheduler.desk.now, 1, Last(1))])
    assert refused.refusal is not None
    assert picture(refused.scheduler) == before


@pytest.mark.parametrize(("event", "ended"), [(None, 60), (MarkDown(), None)])
def test_a_what_if_runs_a_copy_ahead(event: MarkDown | None, ended: int | None) -> None:
    """What becomes of every lease, with and without a host that fails."""
    play = Ordering(1)
    play.ask(1)
    play.go(10)
    now = play.scheduler.desk.now
    events = [] if event is None else [HostOrdered(now, 0, event)]
    fate = run_ahead(play.scheduler.copy(), events, None, now + 5 * HOUR).fates[1]
    assert fate.ended == (None if ended is None else ended * MINUTE)
    assert play.stays(1) == [(0, 60)]
