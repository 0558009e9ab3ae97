"""On a real OpenNebula: end to end, and what administrators do.

``make test-opennebula ONE_XMLRPC=… ONE_AUTH=…`` runs this and the suite of all platforms there, in a few minutes; with
ONE_ADMIN_AUTH, the session of another administrator, also what is told of what that one does. It takes an installation
to try things on: four hosts or fewer, no other VMs, guests that start without an image.
"""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haizea.backends.opennebula.client import Client, access
from haizea.backends.opennebula.pools import Machine, machine, machines, servers
from haizea.backends.opennebula.states import DONE
from haizea.model.events import Observed
from haizea.runtime.ports import Seen
from tests.backends.contract import Operator
from tests.backends.opennebula.running import serving
from tests.backends.opennebula.worlds import RealWorld, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def until(so: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@pytest.fixture
def client() -> Iterator[Client]:
    """Return a client; VMs that were not there before are removed afterwards."""
    found = Client(access())
    before = {vm.id for vm in machines(found.vms())}
    assert not before, "this takes an installation without VMs"
    yield found
    for vm in machines(found.vms()):
        if vm.id not in before:
            found.recover(vm.id, 3)
    until(lambda: not machines(found.vms()), "everything is removed")


def create(client: Client, name: str, cores: int, **asked: str) -> int:
    """Create a VM as a user does."""
    haizea = ", ".join(f'{key.upper()}="{value}"' for key, value in asked.items())
    text = f'NAME="{name}"\nCPU="{cores}"\nMEMORY="64"\nHAIZEA=[{haizea}]\n'
    return int(client.call("one.vm.allocate", text, False))


def is_in(client: Client, vm: int, state: int, lcm: int = 0) -> None:
    """Wait for a VM to be in a state."""

    def now() -> Machine:
        return machine(client.vm(vm))

    until(lambda: (now().state, now().lcm) == (state, lcm), f"VM {vm} is {(state, lcm)}, not {now()}")


def test_best_effort_gives_way_on_a_real_opennebula(client: Client, tmp_path: Path) -> None:
    """Best-effort VMs are suspended in time, the reservation's VMs start on time and end, then the first resume."""
    hosts = servers(client.hosts())
    with serving(
        tmp_path, ("opennebula.poll-interval=0.5", "opennebula.group-wait=3", "scheduling.suspend-rate=32")
    ) as daemon:
        cores = hosts[0].cpu // 100
        asked = {"start": "best_effort", "duration": "01:00:00", "group": "sweep"}
        sweep = [create(client, f"sweep-{n}", cores, **asked) for n in range(len(hosts))]
        for vm in sweep:
            is_in(client, vm, 3, 3)
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
        asked = {"start": start.strftime("%Y-%m-%d %H:%M:%S"), "duration": "00:00:10", "group": "class"}
        course = [create(client, f"class-{n}", cores, **asked) for n in range(2)]
        for vm in sweep:
            is_in(client, vm, 5)
        assert datetime.now(UTC) < start
        for vm in course:
            is_in(client, vm, 3, 3)
        late = (datetime.now(UTC) - start).total_seconds()
        print(f"the reservation's VMs run {late:.1f} s after the start that was promised")
        assert -1 < late < 10
        assert machine(client.vm(course[0])).said["HAIZEA_LEASE"] == "2"
        for vm in course:
            is_in(client, vm, DONE)
        for vm in sweep:
            is_in(client, vm, 3, 3)
        daemon.wait(1, "active")
        daemon.wait(2, "done")


ACTS: dict[str, tuple[Callable[[Client, int, int], None], Observed, str]] = {
    "suspend": (lambda c, vm, _h: c.act(vm, "suspend"), Observed.SUSPENDED, "here"),
    "stop": (lambda c, vm, _h: c.act(vm, "stop"), Observed.SUSPENDED, "nowhere"),
    "poweroff": (lambda c, vm, _h: c.act(vm, "poweroff"), Observed.STOPPED, "here"),
    "undeploy": (lambda c, vm, _h: c.act(vm, "undeploy"), Observed.STOPPED, "nowhere"),
    "terminate": (lambda c, vm, _h: c.act(vm, "terminate"), Observed.DELETED, "nowhere"),
    "terminate-hard": (lambda c, vm, _h: c.act(vm, "terminate-hard"), Observed.DELETED, "nowhere"),
    "delete": (lambda c, vm, _h: c.recover(vm, 3), Observed.DELETED, "nowhere"),
    "recreate": (lambda c, vm, _h: c.recover(vm, 4), Observed.VANISHED, "nowhere"),
    "migrate live": (lambda c, vm, h: c.migrate(vm, h, live=True), Observed.RUNNING, "there"),
    "migrate": (lambda c, vm, h: c.migrate(vm, h, live=False), Observed.RUNNING, "there"),
}


@pytest.mark.parametrize("what", ACTS)
def test_what_a_real_administrator_does_is_told(client: Client, tmp_path: Path, what: str) -> None:
    """What another user does is told with their name, and where the VM is then."""
    if not os.environ.get("ONE_ADMIN_AUTH"):
        pytest.skip("ONE_ADMIN_AUTH names no other administrator")
    admin = Client(access(auth_file=os.environ["ONE_ADMIN_AUTH"]))
    world = RealWorld(tmp_path)
    lease = world.lease()
    operator = Operator(world.platform())
    try:
        operator.well("start", lease, (0,))
        (vm,) = [each.id for each in machines(client.vms())]
        act, expected, where = ACTS[what]
        act(admin, vm, [each.id for each in servers(client.hosts())][1])
        operator.wait(lambda: bool(operator.told(lease)), "it is told", 60)
        host = {"here": 0, "there": 1, "nowhere": None}[where]
        # OpenNebula writes down the owner of a VM that is terminated, whoever did it.
        by = "" if what.startswith("terminate") else admin.user
        assert operator.told(lease) == [Seen(lease, 1, expected, host, by)]
        operator.well("destroy", lease, (0,))
    finally:
        operator.platform.stop()
        world.close()
