"""One host that does not answer: nothing is concluded of what is there, and everything else is looked after."""

from haizea.backends.faulty import NO_FAULTS, Faults
from haizea.live.assembly import Care
from haizea.live.dispatch import settled
from haizea.model.events import Event, InstanceObserved, Observed
from haizea.model.units import HOUR, MINUTE, SECOND
from haizea.runtime.ports import Seen, Shown
from haizea.runtime.rows import CommandRow
from tests.live.stage import Stage
from tests.live.test_rehearsed import handed

OFTEN = Care(reconcile_every=10 * SECOND)
PATIENT = {"host_grace": HOUR, "vm_grace": MINUTE}


def observed(events: list[Event]) -> set[tuple[int, int, Observed]]:
    """Return what the scheduler was told of VMs."""
    return {(event.lease, event.vm, event.observed) for event in events if isinstance(event, InstanceObserved)}


def two_on_two_hosts(stage: Stage) -> tuple[int, int, str]:
    """Have a lease run on two hosts; return its number, the number of the second one, and the name of the first."""
    lease = stage.request(vms=2, cpu=400, duration=10 * HOUR)
    first, second = stage.vms()[lease, 1][1], stage.vms()[lease, 2][1]
    assert first is not None
    assert second is not None
    return lease, second, stage.settings.site.hosts[first].name


def test_a_silent_host_keeps_nobody_from_looking_after_the_others() -> None:
    """While one host is silent a VM that is missing from another is unknown, then started again; its own is let be."""
    stage = Stage(care=OFTEN, live=PATIENT)
    lease, _second, silent = two_on_two_hosts(stage)
    stage.fate.act_on_host(silent, "silence")
    stage.after(SECOND)
    stage.fate.remove(lease, [2])
    events = handed(stage)
    stage.after(30 * SECOND)
    assert observed(events) == {(lease, 2, Observed.UNKNOWN)}
    stage.after(2 * MINUTE)
    assert stage.vms()[lease, 2][0] == "running"
    assert {vm for _lease, vm, _observed in observed(events)} == {2}
    stage.fate.act_on_host(silent, "recover")
    stage.after(MINUTE)
    assert stage.state(lease) == "active"
    assert all(row.agrees for row in stage.live.diff().vms)
    assert stage.live.assembly.degraded == ""


def test_a_vm_that_was_only_missing_for_a_while_is_known_again() -> None:
    """A VM that was unknown while a host was away has not failed when it is found before its grace is over."""
    stage = Stage(care=OFTEN, live=PATIENT)
    lease, second, silent = two_on_two_hosts(stage)
    stage.fate.act_on_host(silent, "silence")
    stage.after(SECOND)
    stage.fate.remove(lease, [2])
    stage.after(20 * SECOND)
    assert stage.lease(lease).seen == {2: Observed.UNKNOWN}
    stage.fate.put(lease, 2, Observed.RUNNING, second)
    events = handed(stage)
    stage.after(5 * MINUTE)
    assert observed(events) == {(lease, 2, Observed.RUNNING)}
    assert not stage.lease(lease).seen
    assert stage.lease(lease).restarts == 0


def test_a_vm_that_was_last_seen_on_a_silent_host_may_still_be_there() -> None:
    """Where a VM was seen last counts, not only where it is planned: what somebody moved is not lost."""
    stage = Stage(care=OFTEN, live=PATIENT)
    lease = stage.request(duration=10 * HOUR)
    reconciler = stage.live.assembly.reconciler
    stage.after(MINUTE)
    place = stage.vms()[lease, 1][1]
    assert place is not None
    elsewhere = (place + 1) % 4
    reconciler._places[lease, 1] = elsewhere
    now = stage.clock.now()
    assert reconciler.vms(now, Shown((), frozenset({elsewhere}))) == []
    assert [one.observed for one in reconciler.vms(now, Shown((), frozenset({(place + 2) % 4})))] == [Observed.UNKNOWN]
    assert [one.observed for one in reconciler.vms(now, Shown())] == [Observed.VANISHED]


def test_a_vm_that_was_started_elsewhere_is_not_thought_to_be_where_it_was_given_up() -> None:
    """What runs in place of a VM on a host that is taken to be down is looked after, though that host stays silent."""
    stage = Stage(care=OFTEN, live={"host_grace": 2 * MINUTE, "vm_grace": MINUTE})
    lease = stage.request(duration=10 * HOUR)
    stage.after(MINUTE)
    place = stage.vms()[lease, 1][1]
    assert place is not None
    stage.fate.act_on_host(stage.settings.site.hosts[place].name, "silence")
    stage.platform.faults = Faults(feigned=1000)
    stage.after(3 * MINUTE)
    stage.platform.faults = NO_FAULTS
    stage.fate.remove(lease, [1])
    assert stage.state(lease) == "active"
    stage.after(2 * MINUTE)
    assert stage.vms()[lease, 1][0] == "running"
    assert stage.vms()[lease, 1][1] != place


def test_strays_are_not_concluded_from_half_a_picture() -> None:
    """VMs of no lease are left alone while a host is silent, and removed once it answers or is given up."""
    stage = Stage(care=OFTEN, live={"host_grace": 10 * MINUTE})
    name = stage.settings.site.hosts[3].name
    stage.fate.act_on_host(name, "silence")
    stage.after(SECOND)
    stage.fate.put(99, 1, Observed.RUNNING, 0)
    stage.after(5 * MINUTE)
    assert (99, 1) in stage.vms()
    stage.after(10 * MINUTE)
    assert (99, 1) not in stage.vms()


def test_what_strangers_use_on_a_silent_host_is_still_used() -> None:
    """Strangers that cannot be looked at have not gone."""
    stage = Stage(care=OFTEN, live=PATIENT)
    name = stage.settings.site.hosts[1].name
    stage.fate.put_stranger("desktop", name, stage.settings.site.hosts[1].capacity)
    stage.after(MINUTE)
    assert 1 in stage.live.scheduler.desk.claims.strangers
    stage.fate.act_on_host(name, "silence")
    stage.after(5 * MINUTE)
    assert 1 in stage.live.scheduler.desk.claims.strangers


def test_what_cannot_be_seen_may_be_on_a_silent_host() -> None:
    """The comparison for people says of such a VM that it is unknown, not that it is absent."""
    stage = Stage(care=OFTEN, live=PATIENT)
    lease, _second, silent = two_on_two_hosts(stage)
    stage.fate.act_on_host(silent, "silence")
    rows = {row.vm: row for row in stage.live.diff().vms if row.lease == lease}
    assert (rows[1].observed, rows[1].agrees) == ("unknown", False)
    assert (rows[2].observed, rows[2].agrees) == ("running", True)


def test_nothing_is_known_to_be_gone_while_a_host_is_away() -> None:
    """A command to remove VMs counts as carried out only where all hosts were looked at."""
    removed = CommandRow(1, 0, 0, "destroy", 7, (0,), "sent", 1, "")
    started = CommandRow(2, 0, 0, "start", 8, (1,), "sent", 1, "")
    there = [Seen(8, 1, Observed.RUNNING, 1)]
    assert set(settled([removed, started], Shown(there))) == {1, 2}
    assert set(settled([removed, started], Shown(there, frozenset({0})))) == {2}
