"""What the chaos runs have found, as scenarios of their own."""

from itertools import pairwise

import pytest

from haizea.backends.faulty import NO_FAULTS, Faults
from haizea.live.assembly import Care
from haizea.live.dispatch import settled
from haizea.live.estimates import Rules
from haizea.live.operations import Operations, Patience
from haizea.model.events import LeaseOrdered, Observed, OperationOutcome
from haizea.model.lease import Constraints, DiskImage, NodeSet, OnEnd, OnFailure, OnGuestShutdown, Reactions
from haizea.model.orders import Hold, LeaseOrder, Migrate, Pause, Requeue, Resize, Resume, StopVM, Suspend, Unpause
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.site import HostState
from haizea.model.units import HOUR, MINUTE, SECOND
from haizea.plan.lease import Phase
from haizea.plan.operations import hosts_of
from haizea.plan.options import Mechanism, TransferOptions
from haizea.runtime.ports import Report, Seen, Shown
from haizea.runtime.rows import CommandRow
from tests.live.stage import SITE, Stage

FIXED = Care(rules=Rules(learn=False))


def _order(stage: Stage, lease: int, order: LeaseOrder) -> None:
    refused = stage.live.change(lambda change: change.hand_over(LeaseOrdered(change.now, lease, order, "ann")))
    assert refused is None


def test_a_stranger_that_goes_while_no_daemon_runs_is_not_held_room_for() -> None:
    """After a restart hosts have room again that were used by VMs of others."""
    stage = Stage(care=FIXED)
    stage.fate.put_stranger("theirs", SITE.hosts[0].name, Capacity({CPU: 400, MEMORY: 1024}))
    stage.after(MINUTE)
    assert stage.live.scheduler.desk.claims.strangers
    stage.fate.remove_stranger("theirs")
    stage.restart()
    stage.after(MINUTE)
    assert not stage.live.scheduler.desk.claims.strangers.get(0)
    lease = stage.request(vms=4, cpu=400)
    assert stage.state(lease) == "active"


def test_vms_that_cannot_be_started_are_not_started_at_once_for_ever() -> None:
    """A lease whose VMs fail as soon as they are started is tried again after ever longer waits."""
    stage = Stage(care=FIXED)
    stage.fate.set_fault("boot", 1_000)
    lease = stage.request(reactions=Reactions(on_failure=OnFailure.REQUEUE))
    stage.after(10 * SECOND)
    assert len(stage.told("command-failed")) <= 3
    stage.fate.set_fault("boot", 0)
    stage.after(10 * MINUTE)
    assert stage.state(lease) == "active"
    assert stage.vms()[lease, 1][0] == "running"


def test_whoever_suspends_a_vm_is_named_once() -> None:
    """A VM that stays suspended among others is not told of again at each comparison."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=2)
    stage.fate.act(lease, 1, "suspend", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(10 * MINUTE)
    assert len([text for text in stage.told("notice") if "suspended by ann" in text]) == 1


def test_what_was_to_be_lost_until_a_late_boot_is_lost_only_until_the_lease_ends() -> None:
    """A lease that is cancelled while its VMs are late to start has used nothing of the future."""
    stage = Stage(care=FIXED)
    stage.fate.set_pace("boot", str(30 * MINUTE))
    lease = stage.request()
    stage.after(2 * MINUTE)
    stage.cancel(lease)
    rows = stage.store.usage(stage.clock.now() + SECOND, stage.clock.now() + HOUR)
    assert [row for row in rows if row.lease == lease] == []


def test_time_that_late_vms_were_to_lose_is_lost_once_however_they_are_late() -> None:
    """VMs of a lease are late by different spans, the lease is requeued before, and no moment is counted twice."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=3, reactions=Reactions(on_guest_shutdown=OnGuestShutdown.RESTART))
    stage.after(MINUTE)
    stage.fate.set_pace("boot", str(HOUR))
    for vm in (1, 2, 3):
        stage.fate.act(lease, vm, "shutdown", "ann")
        stage.platform.advance(stage.clock.now())
        stage.after(5 * SECOND)
    stage.after(5 * MINUTE)
    _order(stage, lease, Requeue())
    stage.fate.set_pace("boot", "1x")
    stage.after(10 * MINUTE)
    runs = sorted([(entry.start, entry.end) for entry in stage.lease(lease).log if entry.kind == "run"])
    assert len(runs) > 3
    assert all(end <= following for (_start, end), (following, _end) in pairwise(runs))


def test_who_could_not_be_suspended_is_not_taken_to_be_suspended() -> None:
    """A lease that is to be held when anything fails is held without an image when it cannot be suspended at all."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=4, cpu=400, duration=2 * HOUR, reactions=Reactions(on_failure=OnFailure.HOLD))
    other = stage.request(vms=4, cpu=400, start=stage.clock.now() + 30 * MINUTE)
    stage.fate.set_fault("suspend", 1_000)
    stage.after(35 * MINUTE)
    assert stage.state(other) == "active"
    assert stage.state(lease) == "held"
    assert stage.lease(lease).suspensions == 0
    assert stage.lease(lease).images is None
    stage.after(3 * HOUR)
    assert stage.state(lease) == "held"


def test_who_could_not_be_suspended_keeps_its_hosts_where_others_can_go_elsewhere() -> None:
    """A lease that is to be held when anything fails runs on, on hold, when it cannot be suspended and may stay."""
    stage = Stage(care=FIXED)
    lease = stage.request(duration=2 * HOUR, reactions=Reactions(on_failure=OnFailure.HOLD))
    stage.after(MINUTE)
    stage.fate.set_fault("suspend", 1_000)
    _order(stage, lease, Suspend())
    stage.after(5 * MINUTE)
    assert stage.state(lease) == "held"
    assert stage.vms()[lease, 1][0] == "running"


def test_who_is_behind_a_lease_that_the_site_is_too_small_for_does_not_wait_for_it() -> None:
    """Without backfilling nobody overtakes, but a lease that has no room on the empty site holds up nobody."""
    stage = Stage(care=FIXED, backfilling="off")
    host = SITE.hosts[0]
    stage.fate.set_capacity(host.name, Capacity({CPU: 600, MEMORY: 8192}))
    stage.after(2 * MINUTE)
    first = stage.request(vms=4, cpu=400, duration=HOUR)
    large = stage.request(cpu=600)
    behind = stage.request()
    stage.after(2 * MINUTE)
    assert [stage.state(each) for each in (first, large, behind)] == ["active", "queued", "queued"]
    stage.fate.set_capacity(host.name, host.capacity)
    stage.after(2 * HOUR)
    assert [stage.state(each) for each in (first, large, behind)] == ["done", "queued", "done"]
    stage.fate.set_capacity(host.name, Capacity({CPU: 600, MEMORY: 8192}))
    stage.after(5 * MINUTE)
    assert stage.state(large) == "active"


def test_a_host_that_is_enabled_on_the_platform_while_no_daemon_runs_is_used_again() -> None:
    """That a host was found disabled is not kept for what somebody has ordered here."""
    stage = Stage(care=FIXED)
    name = SITE.hosts[0].name
    stage.fate.act_on_host(name, "disable")
    stage.platform.advance(stage.clock.now())
    stage.after(2 * MINUTE)
    assert stage.live.scheduler.desk.hosts.states[0] == HostState.DISABLED
    stage.fate.act_on_host(name, "enable")
    stage.fate.news()
    stage.restart()
    stage.after(2 * MINUTE)
    assert stage.live.scheduler.desk.hosts.usable() == stage.live.scheduler.desk.hosts.labelled(Constraints())


def test_a_host_that_comes_back_just_after_it_was_looked_at_is_used_again() -> None:
    """What was found out by looking is older than what the platform says afterwards, and does not undo it."""
    stage = Stage(care=FIXED)
    name = SITE.hosts[0].name
    stage.fate.act_on_host(name, "silence")
    stage.platform.advance(stage.clock.now())
    stage.after(10 * MINUTE)
    states = [stage.live.scheduler.desk.hosts.states[0]]
    stage.restart()
    stage.fate.act_on_host(name, "recover")
    stage.platform.advance(stage.clock.now())
    stage.after(20 * MINUTE)
    states.append(stage.live.scheduler.desk.hosts.states[0])
    assert states == [HostState.DOWN, HostState.UP]


ONE_CORE = Capacity({CPU: 100, MEMORY: 1024})


def test_nobody_waits_for_news_of_a_vm_that_a_lease_no_longer_has() -> None:
    """A lease of which a VM was not heard of gives that VM up, and goes on with the others."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=2)
    stage.after(MINUTE)
    stage.fate.act(lease, 2, "lose", "")
    stage.platform.advance(stage.clock.now())
    stage.after(SECOND)
    _order(stage, lease, Resize((NodeSet(1, ONE_CORE),)))
    stage.after(30 * MINUTE)
    assert stage.state(lease) == "active"
    assert dict(stage.lease(lease).seen) == {}
    stage.after(HOUR)
    assert stage.state(lease) == "done"


@pytest.mark.parametrize("order", [Resize((NodeSet(2, ONE_CORE),)), Migrate(1, to=3)], ids=["resize", "migrate"])
def test_what_late_vms_are_to_lose_stays_lost_when_the_lease_is_changed_before_they_run(order: LeaseOrder) -> None:
    """VMs that are still to start run from when they were to at last, and no moment of the lease is counted twice."""
    stage = Stage(care=FIXED, migration="yes")
    stage.fate.set_pace("boot", str(10 * MINUTE))
    lease = stage.request()
    stage.after(4 * MINUTE)
    _order(stage, lease, order)
    stage.after(2 * HOUR)
    assert stage.state(lease) == "done"
    row = stage.store.lease(lease)
    assert row is not None
    runs = sorted([entry[1:3] for entry in row.document["log"] if entry[0] == "run"])
    assert len(runs) > 1
    assert all(end <= following for (_start, end), (following, _end) in pairwise(runs))


def test_a_lease_whose_host_shrinks_while_its_shutdown_is_late_does_not_hold_more_than_there_is() -> None:
    """Its VMs are removed: they have had their time, and there is no room for shutting them down any longer."""
    stage = Stage(care=FIXED, shutdown_time=5 * SECOND)
    stage.fate.set_pace("shutdown", str(20 * MINUTE))
    lease = stage.request(cpu=400, duration=10 * MINUTE)
    stage.after(10 * MINUTE + SECOND)
    host = stage.vms()[lease, 1][1]
    assert host is not None
    stage.fate.set_capacity(SITE.hosts[host].name, Capacity({CPU: 200, MEMORY: 8192}))
    stage.clock.jump(5 * MINUTE)
    stage.after(MINUTE)
    assert stage.state(lease) == "done"
    assert any("its VMs are removed" in text for text in stage.told("notice"))
    assert stage.vms() == {}


def test_vms_that_run_are_followed_to_another_host_with_what_they_did_before_kept_apart() -> None:
    """Somebody migrates a VM: until then it ran where it was, from then on where it is."""
    stage = Stage(care=FIXED)
    lease = stage.request()
    stage.after(10 * MINUTE)
    before = stage.vms()[lease, 1][1]
    assert before is not None
    stage.fate.act(lease, 1, "migrate", "ann", SITE.hosts[(before + 1) % 4].name)
    stage.platform.advance(stage.clock.now())
    stage.after(MINUTE)
    stay = stage.lease(lease).stays[0]
    was = stay.past((before,))
    assert (was.start, was.run_end, was.vm_hosts, was.phase) == (stay.start, stay.run_end, (before,), Phase.OVER)
    assert was.lease is stay.lease


def test_a_lease_is_paused_only_while_all_of_its_vms_are() -> None:
    """Somebody pauses all VMs and lets one go on: the lease goes on, and nothing more is to be told."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=2, duration=3 * HOUR)
    stage.after(MINUTE)
    stage.fate.act(lease, None, "pause", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(MINUTE)
    assert stage.state(lease) == "paused"
    stage.fate.act(lease, 1, "resume", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(5 * MINUTE)
    assert stage.state(lease) == "active"
    before = len(stage.journal())
    stage.after(30 * MINUTE)
    assert len(stage.journal()) == before


def test_what_is_known_of_a_vm_on_its_way_is_kept_when_somebody_moves_it() -> None:
    """A daemon that is started anew knows as much of what moves as the one before."""
    stage = Stage(care=FIXED, migration="yes-notransfer")
    lease = stage.request(cpu=400)
    other = stage.request(cpu=400, preemptible=False)
    stage.after(MINUTE)
    there = stage.vms()[other, 1][1]
    assert there is not None
    free = [host.name for number, host in enumerate(SITE.hosts) if number not in (there, stage.vms()[lease, 1][1])]
    stage.fate.act(lease, 1, "migrate", "ann", free[0])
    stage.platform.advance(stage.clock.now())
    stage.after(MINUTE)
    _order(stage, lease, Migrate(1, to=[host.name for host in SITE.hosts].index(free[1])))
    stage.after(MINUTE)
    assert stage.lease(lease).moving
    stage.fate.act(lease, 1, "migrate", "ann", SITE.hosts[there].name)
    stage.platform.advance(stage.clock.now())
    stage.after(SECOND)
    known = stage.lease(lease).moving
    stage.restart()
    assert stage.lease(lease).moving == known


def test_who_cannot_be_suspended_at_its_end_is_over() -> None:
    """A lease whose time is over does not run on for nothing, to be suspended again and again."""
    stage = Stage(care=FIXED)
    stage.fate.set_fault("suspend", 1_000)
    lease = stage.request(duration=10 * MINUTE, reactions=Reactions(on_end=OnEnd.SUSPEND))
    stage.after(30 * MINUTE)
    assert stage.state(lease) == "done"
    assert stage.vms() == {}
    assert any("could not be suspended at its end" in text for text in stage.told("notice"))


def test_what_ran_of_a_lease_on_hold_is_found_to_be_suspended_again() -> None:
    """Its room is given back though nobody was there to be told that it does not run any more."""
    stage = Stage(care=FIXED)
    lease, _other = stage.preempted()
    stage.after(45 * MINUTE)
    _order(stage, lease, Hold())
    stage.after(HOUR)
    stage.fate.act(lease, 1, "resume", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(MINUTE)
    assert stage.state(lease) == "held"
    assert stage.live.scheduler.desk.claims.astray
    stage.fate.act(lease, 1, "suspend", "ann")
    stage.fate.news()
    stage.restart()
    stage.after(2 * MINUTE)
    assert stage.state(lease) == "held"
    assert stage.live.scheduler.desk.claims.astray == {}


def test_what_is_found_of_hosts_is_found_until_the_scheduler_knows_it() -> None:
    """That a host is down, or that strangers run there, is told again where the news of it did not arrive."""
    stage = Stage(care=FIXED)
    stage.after(MINUTE)
    stage.fate.put_stranger("theirs", SITE.hosts[0].name, Capacity({CPU: 400, MEMORY: 1024}))
    stage.fate.act_on_host(SITE.hosts[1].name, "fail")
    stage.fate.news()
    reconciler, now = stage.live.assembly.reconciler, stage.clock.now()
    lost = reconciler.run(now)
    assert len(lost) == 2
    assert reconciler.run(now) == lost
    stage.after(2 * MINUTE)
    assert reconciler.run(stage.clock.now()) == []
    assert stage.live.scheduler.desk.hosts.states[1] == HostState.DOWN
    assert stage.live.scheduler.desk.claims.strangers


def test_who_cannot_be_suspended_at_its_end_is_over_though_its_vms_were_down() -> None:
    """What a lease has not been given because its VMs did not run does not make its end come again and again."""
    stage = Stage(care=FIXED)
    reactions = Reactions(OnGuestShutdown.HOLD, OnFailure.HOLD, OnEnd.SUSPEND)
    lease = stage.request(duration=10 * MINUTE, reactions=reactions)
    stage.after(2 * MINUTE)
    stage.fate.act(lease, 1, "shutdown", "")
    stage.platform.advance(stage.clock.now())
    stage.after(HOUR)
    assert stage.state(lease) == "done"
    assert stage.vms() == {}


def test_vms_of_a_lease_that_is_over_are_removed_where_their_shutdown_takes_for_ever() -> None:
    """Whoever ends them waits for as long as an operation may be late, and no longer."""
    stage = Stage(care=FIXED)
    stage.fate.set_pace("shutdown", str(10 * HOUR))
    lease = stage.request(vms=2, duration=10 * MINUTE)
    stage.after(30 * MINUTE)
    assert stage.state(lease) == "done"
    assert len(stage.vms()) == 2
    stage.after(30 * MINUTE)
    assert stage.vms() == {}


def test_vms_of_a_lease_that_is_over_are_removed_where_they_are_still_being_moved() -> None:
    """What they do not come to an end with does not keep them there; nor does a daemon's being started anew."""
    stage = Stage(care=FIXED, migration="yes-notransfer")
    stage.fate.set_pace("migrate", str(10 * HOUR))
    lease = stage.request(duration=10 * MINUTE)
    stage.after(9 * MINUTE)
    _order(stage, lease, Migrate(1))
    stage.after(5 * MINUTE)
    assert stage.state(lease) == "done"
    stage.restart()
    assert len(stage.vms()) == 1
    stage.after(HOUR)
    assert stage.vms() == {}


def test_a_vm_that_somebody_moved_before_it_was_paused_is_followed_to_where_it_is() -> None:
    """A paused VM found on another host is accounted for there, not looked for where it was for ever."""
    stage = Stage(care=FIXED)
    lease = stage.request()
    stage.after(MINUTE)
    before = stage.vms()[lease, 1][1]
    assert before is not None
    stage.fate.act(lease, 1, "migrate", "ann", SITE.hosts[(before + 1) % 4].name)
    stage.fate.news()
    _order(stage, lease, Pause())
    assert stage.vms()[lease, 1][0] == "paused"
    stage.after(5 * MINUTE)
    assert stage.state(lease) == "paused"
    assert [row for row in stage.live.diff().vms if not row.agrees] == []
    _order(stage, lease, Unpause())
    stage.after(MINUTE)
    assert stage.state(lease) == "active"
    assert [row for row in stage.live.diff().vms if not row.agrees] == []


def test_a_vm_that_somebody_moves_while_it_is_being_resumed_is_where_it_comes_to() -> None:
    """A command that was given before brings it back: it is accounted for there in the end, and the lease runs."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=2, duration=3 * HOUR)
    stage.after(MINUTE)
    stage.fate.act(lease, None, "suspend", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(MINUTE)
    stage.fate.set_pace("resume", str(10 * MINUTE))
    stage.fate.act(lease, 1, "resume", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(SECOND)
    assert stage.state(lease) == "resuming"
    home = stage.vms()[lease, 2][1]
    assert home is not None
    stage.fate.act(lease, 2, "resume", "ann")
    stage.fate.act(lease, 2, "migrate", "ann", SITE.hosts[(home + 1) % 4].name)
    stage.platform.advance(stage.clock.now())
    stage.after(SECOND)
    assert stage.lease(lease).stays[0].vm_hosts == (home, (home + 1) % 4)
    stage.after(15 * MINUTE)
    assert stage.vms() == {(lease, 1): ("running", home), (lease, 2): ("running", home)}
    assert [row for row in stage.live.diff().vms if not row.agrees] == []
    assert stage.state(lease) == "active"


def test_a_command_that_got_lost_is_not_given_again_after_a_restart_when_others_were_carried_out_since() -> None:
    """The lease was to run on one host, and runs on another since: it is not begun on the first one now."""
    stage = Stage(care=FIXED)
    stage.platform.faults = Faults(swallowed=1_000)
    lease = stage.request()
    stage.after(5 * SECOND)
    assert stage.vms() == {}
    stage.platform.faults = NO_FAULTS
    stage.fate.put_stranger("theirs", SITE.hosts[0].name, Capacity({CPU: 400, MEMORY: 1024}))
    stage.after(35 * SECOND)
    _order(stage, lease, Requeue())
    stage.after(10 * SECOND)
    there = stage.vms()
    assert there.keys() == {(lease, 1)}
    assert there[lease, 1] != ("running", 0)
    # How commands went is written with what happens next.
    stage.request(vms=5, cpu=400)
    stage.restart()
    for _ in range(10):
        stage.after(SECOND)
        assert stage.vms() == there
    stage.after(5 * MINUTE)
    assert stage.vms() == there
    assert stage.state(lease) == "active"
    assert "no word of it came, and another command has been given since" in stage.told("command-failed")


def test_a_vm_that_runs_while_its_memory_image_should_be_on_its_way_is_found() -> None:
    """Nothing was heard of it; it is not resumed elsewhere as well when the image would have arrived."""
    stage = Stage(care=FIXED, migration="yes")
    lease = stage.request(duration=3 * HOUR)
    stage.after(MINUTE)
    _order(stage, lease, Suspend())
    stage.after(5 * MINUTE)
    home = stage.vms()[lease, 1][1]
    assert home is not None
    assert stage.vms()[lease, 1][0] == "suspended"
    stage.fate.set_pace("migrate", str(30 * MINUTE))
    _order(stage, lease, Migrate(to=(home + 1) % 4))
    stage.after(SECOND)
    stage.platform.faults = Faults(lost=1_000)
    stage.fate.act(lease, 1, "resume", "ann")
    stage.platform.advance(stage.clock.now())
    stage.platform.faults = NO_FAULTS
    stage.after(2 * MINUTE)
    assert stage.state(lease) == "active"
    assert stage.lease(lease).stays[0].vm_hosts == (home,)
    assert stage.told("notice")[-1] == f"The VM of lease {lease} was resumed by ann."
    assert [row for row in stage.live.diff().vms if not row.agrees] == []


def test_an_image_of_which_nothing_was_heard_while_no_daemon_ran_is_not_taken_to_be_there() -> None:
    """Whoever has to go elsewhere, where it was to be by now, waits for it as well."""
    stage = Stage(care=FIXED)
    options = stage.settings.options._replace(transfer=TransferOptions(100), shutdown_time=20 * SECOND)
    stage.settings = stage.settings._replace(options=options)
    stage.restart()
    stage.fate.set_pace("transfer", str(14 * MINUTE))
    now, image = stage.clock.now(), DiskImage("debian", 1000)
    stage.request(vms=2, cpu=400, duration=2 * HOUR)
    stage.request(cpu=200, software=image)
    stage.request(cpu=400, duration=2 * MINUTE)
    apart = Constraints(spread=True)
    stage.request(vms=2, cpu=200, duration=6 * MINUTE, start=now + 200 * SECOND, constraints=apart)
    lease = stage.request(cpu=200, start=now + 270 * SECOND, deadline=now + 90 * MINUTE, software=image)
    stage.after(MINUTE)
    assert hosts_of(stage.lease(lease).stays[0], stage.live.scheduler.desk.table) == (3,)
    stage.clock.wait_until(now + 11 * MINUTE)
    stage.platform.advance(stage.clock.now())
    stage.restart()
    stage.after(SECOND)
    moved = f"Lease {lease} goes on on other hosts. A lease before it was not ended in time."
    assert [text for text in stage.told("notice") if text.startswith(moved)]
    assert stage.state(lease) != "active"
    stage.after(40 * MINUTE)
    assert stage.state(lease) == "active"


def test_a_memory_image_that_has_just_arrived_where_it_is_being_taken_is_where_it_should_be() -> None:
    """The lease is resumed there when there is room; nobody has done anything wrong meanwhile."""
    stage = Stage(care=FIXED, migration="yes-notransfer")
    lease = stage.request(cpu=400)
    _order(stage, lease, Suspend())
    stage.after(10 * MINUTE)
    assert stage.vms() == {(lease, 1): ("suspended", 0)}
    for hours in (2, 1, 2, 2):
        stage.request(cpu=400, duration=hours * HOUR)
    _order(stage, lease, Resume())
    assert stage.vms()[lease, 1] == ("suspended", 1)
    assert [row for row in stage.live.diff().vms if not row.agrees] == []
    stage.after(3 * HOUR)
    assert f"Lease {lease} is done." in stage.told("lease-changed")


def test_images_that_were_not_sent_in_time_are_not_counted_on_by_others() -> None:
    """Two transfers of one image were to begin while no daemon ran: nobody starts with what the other was to bring."""
    stage = Stage(care=FIXED)
    options = stage.settings.options._replace(transfer=TransferOptions(100, Mechanism.UNICAST))
    stage.settings = stage.settings._replace(options=options)
    stage.restart()
    now, image = stage.clock.now(), DiskImage("debian", 1000)
    leases = [stage.request(cpu=200, start=now + at * MINUTE, software=image) for at in (20, 22, 24)]
    stage.request(vms=2, cpu=400, start=now + 15 * MINUTE)
    stage.after(MINUTE)
    stage.clock.wait_until(now + 30 * MINUTE)
    stage.restart()
    stage.after(MINUTE)
    assert stage.vms().keys().isdisjoint([(lease, 1) for lease in leases])
    stage.after(5 * MINUTE)
    assert [stage.state(lease) for lease in leases] == ["active"] * 3


def test_a_vm_that_was_moved_unseen_while_others_are_being_resumed_is_found() -> None:
    """Only memory images come from anywhere: what runs is compared with where it should."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=2, duration=3 * HOUR)
    stage.after(MINUTE)
    stage.fate.act(lease, None, "suspend", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(MINUTE)
    stage.fate.set_pace("resume", str(10 * MINUTE))
    stage.fate.act(lease, 1, "resume", "ann")
    stage.platform.advance(stage.clock.now())
    stage.after(SECOND)
    home = stage.vms()[lease, 1][1]
    assert home is not None
    stage.platform.faults = Faults(lost=1_000)
    stage.fate.act(lease, 1, "migrate", "ann", SITE.hosts[(home + 1) % 4].name)
    stage.platform.advance(stage.clock.now())
    stage.platform.faults = NO_FAULTS
    stage.after(2 * MINUTE)
    assert stage.lease(lease).stays[0].vm_hosts == ((home + 1) % 4, home)


def test_what_is_found_to_run_elsewhere_is_not_started_a_second_time() -> None:
    """It is where it is; but not where it is to be taken away from there before."""
    start = CommandRow(2, 0, 0, "start", 7, (0,), "sent", 1, "")
    there = Shown([Seen(7, 1, Observed.RUNNING, 1)])
    assert set(settled([start], there)) == {2}
    assert settled([CommandRow(1, 0, 0, "destroy", 7, (1,), "sent", 1, ""), start], there) == {}


def test_a_vm_that_is_over_is_not_missed_while_others_of_its_lease_are_suspended_and_resumed() -> None:
    """Its owner has stopped it; it is over, whatever becomes of the lease."""
    stage = Stage(care=FIXED)
    lease = stage.request(vms=2, duration=3 * HOUR)
    stage.after(MINUTE)
    _order(stage, lease, StopVM(1))
    stage.after(2 * MINUTE)
    stage.fate.set_pace("suspend", str(5 * MINUTE))
    stage.fate.set_pace("resume", str(5 * MINUTE))
    for order, state in ((Suspend(), "suspending"), (Resume(), "resuming")):
        _order(stage, lease, order)
        stage.after(MINUTE)
        assert stage.state(lease) == state
        assert stage.vms().keys() == {(lease, 2)}
        assert [row for row in stage.live.diff().vms if not row.agrees] == []
        stage.after(10 * MINUTE)


def _sent(number: int, verb: str) -> CommandRow:
    """A command about lease 1, to be over after a minute."""
    return CommandRow(number, 0, MINUTE, verb, 1, (0,), "pending", 0, "")


def _outcomes(operations: Operations, number: int, error: str = "") -> list[OperationOutcome]:
    """Say that a transfer is over; return what the scheduler is told of it."""
    _operation, events = operations.over(SECOND, Report(number, "transfer", 1, error))
    return [event.outcome for event in events]


def test_what_is_told_of_a_transfer_that_was_given_up_is_not_taken_for_the_next_one() -> None:
    """The image is sent anew, elsewhere: that the first one has come does not say that this one has."""
    operations = Operations(Patience())
    operations.begin(_sent(1, "transfer"))
    operations.begin(_sent(2, "transfer"))
    assert _outcomes(operations, 1) == []
    assert _outcomes(operations, 2) == [OperationOutcome.DONE]


def test_a_transfer_that_is_broken_off_with_the_lease_it_is_named_after_is_told_of() -> None:
    """Others wait for its image as well."""
    operations = Operations(Patience())
    operations.begin(_sent(1, "transfer"))
    operations.begin(_sent(2, "destroy"))
    assert _outcomes(operations, 1, "it was broken off") == [OperationOutcome.FAILED]
