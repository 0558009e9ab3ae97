"""What the chaos runs have found, as scenarios of their own."""

from haizea.live.assembly import Care
from haizea.live.estimates import Rules
from haizea.model.lease import OnFailure, Reactions
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import HOUR, MINUTE, SECOND
from tests.live.stage import SITE, Stage

FIXED = Care(rules=Rules(learn=False))


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
