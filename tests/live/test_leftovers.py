"""VMs that are over but still there go when nobody has any use for them."""

from haizea.backends.faulty import NO_FAULTS, Faults
from haizea.live.assembly import Care
from haizea.model.events import LeaseOrdered
from haizea.model.lease import NodeSet, OnGuestShutdown, Reactions
from haizea.model.orders import Resize
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import HOUR, MINUTE, SECOND
from tests.live.stage import Stage

NEVER = Care(reconcile_every=0)
"""Nothing is compared after the start: whatever goes is removed on purpose."""


def act(stage: Stage, lease: int, how: str, vm: int | None = None) -> None:
    """Have something done to VMs, and be told."""
    stage.fate.act(lease, vm, how, "root")
    stage.platform.advance(stage.clock.now())
    stage.after(SECOND)


def removals(stage: Stage, lease: int) -> int:
    """Return how often the journal tells of VMs of a lease being removed."""
    return len([entry for entry in stage.journal() if entry.lease == lease and entry.data.get("verb") == "destroy"])


def test_a_guests_shutdown_leaves_nothing() -> None:
    """With its last VM shut down by its guest a lease is done, and nothing of it is on the platform."""
    stage = Stage(care=NEVER)
    lease = stage.request()
    act(stage, lease, "shutdown")
    assert stage.state(lease) == "done"
    assert stage.vms() == {}
    assert removals(stage, lease) == 1


def test_a_guests_shutdown_leaves_nothing_where_others_go_on() -> None:
    """A VM that its guest has ended goes at once, the lease's others run on; and it is removed once."""
    stage = Stage(care=Care(reconcile_every=10 * SECOND))
    lease = stage.request(vms=3)
    act(stage, lease, "shutdown", 2)
    assert {vm for _lease, vm in stage.vms()} == {1, 3}
    stage.after(5 * MINUTE)
    assert removals(stage, lease) == 1
    assert stage.state(lease) == "active"


def test_what_somebody_has_stopped_is_left_alone_until_its_lease_is_final() -> None:
    """An administrator who stops a VM may want to look into it, as long as the lease's others run."""
    stage = Stage(care=Care(reconcile_every=10 * SECOND))
    lease = stage.request(vms=2, duration=HOUR)
    act(stage, lease, "stop", 1)
    stage.after(30 * MINUTE)
    assert stage.vms()[lease, 1][0] == "stopped"
    stage.live.assembly._care = NEVER
    stage.after(HOUR)
    assert stage.state(lease) == "done"
    assert stage.vms() == {}


def test_what_is_left_is_known_after_a_restart() -> None:
    """A daemon that comes after finds a VM that somebody has stopped, and removes it when its lease is cancelled."""
    stage = Stage(care=NEVER)
    lease = stage.request(vms=2)
    act(stage, lease, "stop", 1)
    stage.restart()
    stage.after(MINUTE)
    assert stage.vms()[lease, 1][0] == "stopped"
    stage.cancel(lease)
    stage.after(MINUTE)
    assert stage.vms() == {}
    assert removals(stage, lease) == 1


def test_a_guest_that_is_started_again_is_not_removed() -> None:
    """Where a lease wishes for its guests to be started again nothing of them is thrown away."""
    stage = Stage(care=NEVER)
    lease = stage.request(reactions=Reactions(on_guest_shutdown=OnGuestShutdown.RESTART))
    act(stage, lease, "shutdown")
    stage.after(20 * MINUTE)
    assert stage.vms()[lease, 1][0] == "running"
    assert removals(stage, lease) == 0


def test_a_guest_that_is_held_goes_with_its_lease() -> None:
    """A lease that is held after its guest's shutdown keeps the VM until it is cancelled."""
    stage = Stage(care=NEVER)
    lease = stage.request(reactions=Reactions(on_guest_shutdown=OnGuestShutdown.HOLD))
    act(stage, lease, "shutdown")
    stage.after(10 * MINUTE)
    assert stage.vms()[lease, 1][0] == "guest-shutdown"
    stage.cancel(lease)
    stage.after(MINUTE)
    assert stage.vms() == {}


def test_what_a_lease_has_no_longer_is_removed_where_its_shutdown_came_to_nothing() -> None:
    """A platform that says that it has shut VMs down, and has not, is found out at the next comparison."""
    stage = Stage(care=Care(reconcile_every=10 * SECOND))
    lease = stage.request(vms=3)
    stage.after(MINUTE)
    stage.platform.faults = Faults(feigned=1_000)
    order = LeaseOrdered(stage.clock.now(), lease, Resize((NodeSet(1, Capacity({CPU: 100, MEMORY: 1024})),)), "ann")
    assert stage.live.change(lambda change: change.hand_over(order)) is None
    stage.after(SECOND)
    stage.platform.faults = NO_FAULTS
    assert {vm for _lease, vm in stage.vms()} == {1, 2, 3}
    stage.after(MINUTE)
    assert {vm for _lease, vm in stage.vms()} == {1}
    assert removals(stage, lease) == 1
    assert stage.state(lease) == "active"
