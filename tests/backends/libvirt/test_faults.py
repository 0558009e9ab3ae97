"""Everything that can happen to a real VM behind Haizea's back, done for real, and what is told of it."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from haizea.backends.libvirt.facade import Connection, Domain, load
from haizea.model.events import Observed
from haizea.model.lease import DiskImage
from haizea.model.site import HostState
from haizea.runtime.ports import HostSeen
from tests.backends.contract import Operator, operating
from tests.backends.libvirt.machines import until
from tests.backends.libvirt.worlds import Changed, QemuWorld


def started(qemu: QemuWorld, operator: Operator, image: str = "counting.raw", host: int = 0) -> int:
    """Have a lease of one VM run; return its number once the VM has counted."""
    qemu.image = DiskImage(image, 1)
    lease = qemu.lease()
    operator.well("start", lease, (host,))
    until(lambda: bool(qemu.counted(lease)), what="the guest counts")
    return lease


def news(operator: Operator, lease: int, wanted: Observed) -> int | None:
    """Wait until a lease's VM is told to be so; return the host."""
    operator.wait(lambda: any(one.observed is wanted for one in operator.told(lease)), f"it is {wanted}")
    assert {one.observed for one in operator.told(lease)} == {wanted}
    return operator.told(lease)[-1].host


def goes_on(qemu: QemuWorld, lease: int, before: list[int]) -> None:
    """Check that a guest counts on from where it was, without having started anew."""
    until(lambda: len(qemu.counted(lease)) > len(before) + 1, what="the guest counts on")
    counted = qemu.counted(lease)
    assert counted == list(range(1, len(counted) + 1))


def by_hand(qemu: QemuWorld, lease: int, do: Callable[[Connection, Domain], object], host: int = 0) -> None:
    """Do something to a VM as an administrator of its host would."""
    connection = load().open(qemu.machines[host].uri)
    do(connection, connection.lookupByName(f"haizea-{lease}-1"))
    connection.close()


def test_memory_survives_suspension(qemu: QemuWorld, operator: Operator) -> None:
    """A guest that was suspended and resumed counts on from where it was."""
    lease = started(qemu, operator)
    operator.well("suspend", lease, (0,))
    before = qemu.counted(lease)
    time.sleep(1.5)
    assert qemu.counted(lease) == before
    report = operator.well("resume", lease, (0,))
    assert dict(report.took)[1] > 0
    goes_on(qemu, lease, before)
    operator.well("destroy", lease, (0,))


def test_memory_survives_cold_migration(qemu: QemuWorld, operator: Operator) -> None:
    """A guest that was suspended on one host and resumed on the other counts on, with its disk beside it."""
    lease = started(qemu, operator)
    operator.well("suspend", lease, (0,))
    before = qemu.counted(lease)
    operator.well("migrate", lease, (1,))
    assert operator.states(lease) == [(1, Observed.SUSPENDED, 1)]
    operator.well("resume", lease, (1,))
    assert operator.states(lease) == [(1, Observed.RUNNING, 1)]
    goes_on(qemu, lease, before)
    assert f"haizea-{lease}-1.qcow2" in os.listdir(qemu.machines[1].pool)
    operator.well("destroy", lease, (1,))


def test_memory_survives_live_migration(qemu: QemuWorld, operator: Operator) -> None:
    """A guest counts on while it moves to the other host and back again, its disk with it."""
    lease = started(qemu, operator)
    for host in (1, 0):
        before = qemu.counted(lease)
        operator.well("migrate", lease, (host,))
        assert operator.states(lease) == [(1, Observed.RUNNING, host)]
        goes_on(qemu, lease, before)
    assert operator.told(lease) == []
    operator.well("destroy", lease, (0,))


def test_a_migration_that_fails_leaves_the_vm_where_it_was(qemu: QemuWorld) -> None:
    """Where a VM cannot be moved it runs on, and nothing of it is left at the other host."""
    hosts = list(qemu.config.hosts)
    hosts[1] = hosts[1]._replace(migration="unix:/nowhere/{name}")
    with operating(Changed(qemu, hosts=tuple(hosts))) as operator:
        lease = started(qemu, operator)
        before = qemu.counted(lease)
        assert "host h" in operator.do("migrate", lease, (1,)).error
        assert operator.states(lease) == [(1, Observed.RUNNING, 0)]
        assert [name for name in os.listdir(qemu.machines[1].pool) if name.startswith(f"haizea-{lease}-")] == []
        goes_on(qemu, lease, before)
        operator.well("destroy", lease, (0,))


def test_a_suspension_that_fails_leaves_the_vm_running(qemu: QemuWorld, operator: Operator) -> None:
    """Where a VM's memory cannot be saved it runs on, and the next attempt may do better."""
    lease = started(qemu, operator)
    file = qemu.machines[0].pool / f"haizea-{lease}-1.saved"
    file.mkdir()
    assert operator.do("suspend", lease, (0,)).error
    assert operator.states(lease) == [(1, Observed.RUNNING, 0)]
    file.rmdir()
    operator.well("suspend", lease, (0,))
    operator.well("destroy", lease, (0,))


def test_a_guest_that_turns_itself_off(qemu: QemuWorld, operator: Operator) -> None:
    """A guest's own shutdown is told as that, with its host."""
    lease = started(qemu, operator, "off.raw")
    assert news(operator, lease, Observed.GUEST_SHUTDOWN) == 0
    assert operator.states(lease) == [(1, Observed.GUEST_SHUTDOWN, 0)]
    operator.well("destroy", lease, (0,))


def test_a_guest_that_panics(qemu: QemuWorld, operator: Operator) -> None:
    """A guest's panic is told as a crash."""
    lease = started(qemu, operator, "panic.raw")
    assert news(operator, lease, Observed.CRASHED) == 0
    operator.well("destroy", lease, (0,))


def test_a_guest_that_panics_and_is_preserved(qemu: QemuWorld) -> None:
    """A panic is a crash as well where the template has the domain kept as it was, to be looked at."""
    template = qemu.folder / "preserve.xml"
    assert qemu.config.template is not None
    template.write_text(qemu.config.template.read_text().replace("<on_crash>destroy", "<on_crash>preserve"))
    with operating(Changed(qemu, template=template)) as operator:
        lease = started(qemu, operator, "panic.raw")
        news(operator, lease, Observed.CRASHED)
        operator.well("destroy", lease, (0,))


def test_qemu_is_killed(qemu: QemuWorld, operator: Operator) -> None:
    """A VM whose QEMU is killed has crashed."""
    lease = started(qemu, operator)
    os.kill(qemu.machines[0].qemus()[f"haizea-{lease}-1"], signal.SIGKILL)
    assert news(operator, lease, Observed.CRASHED) == 0
    operator.well("destroy", lease, (0,))


def test_qemu_is_terminated(qemu: QemuWorld, operator: Operator) -> None:
    """A VM whose QEMU is told to end was stopped by somebody; its guest has not shut itself down."""
    lease = started(qemu, operator)
    os.kill(qemu.machines[0].qemus()[f"haizea-{lease}-1"], signal.SIGTERM)
    assert news(operator, lease, Observed.STOPPED) == 0
    operator.well("destroy", lease, (0,))


def test_an_administrator_destroys_a_vm(qemu: QemuWorld, operator: Operator) -> None:
    """A VM that is destroyed on its host was stopped, and has not crashed."""
    lease = started(qemu, operator)
    by_hand(qemu, lease, lambda _connection, domain: domain.destroyFlags(0))
    assert news(operator, lease, Observed.STOPPED) == 0
    operator.well("destroy", lease, (0,))


def test_an_administrator_removes_a_vm(qemu: QemuWorld, operator: Operator) -> None:
    """A VM that is destroyed and undefined on its host is gone; its files are cleaned up nevertheless."""
    lease = started(qemu, operator)

    def remove(_connection: Connection, domain: Domain) -> None:
        domain.destroyFlags(0)
        domain.undefineFlags(0)

    by_hand(qemu, lease, remove)
    operator.wait(lambda: operator.states(lease) == [] and bool(operator.told(lease)), "it is gone")
    assert operator.told(lease)[-1].observed in (Observed.VANISHED, Observed.STOPPED)
    operator.well("destroy", lease, (0,))


def test_an_administrator_pauses_and_unpauses_a_vm(qemu: QemuWorld, operator: Operator) -> None:
    """A pause by hand is told, and so is its end."""
    lease = started(qemu, operator)
    by_hand(qemu, lease, lambda _connection, domain: domain.suspend())
    news(operator, lease, Observed.PAUSED)
    by_hand(qemu, lease, lambda _connection, domain: domain.resume())
    operator.wait(lambda: operator.told(lease)[-1].observed is Observed.RUNNING, "it runs")
    operator.well("destroy", lease, (0,))


def test_an_administrator_saves_a_vm(qemu: QemuWorld, operator: Operator) -> None:
    """A VM that somebody has saved by libvirt's own means is suspended, and is resumed like any other."""
    lease = started(qemu, operator)
    by_hand(qemu, lease, lambda _connection, domain: domain.managedSave(0))
    before = qemu.counted(lease)
    assert news(operator, lease, Observed.SUSPENDED) == 0
    operator.well("resume", lease, (0,))
    goes_on(qemu, lease, before)
    operator.well("destroy", lease, (0,))


def test_a_guest_is_asked_to_shut_down(qemu: QemuWorld, operator: Operator) -> None:
    """Shutting down presses the power button; a guest that obeys is not ended by force, and nothing is left."""
    lease = started(qemu, operator)
    log = qemu.logs / f"haizea-{lease}-1.log"
    report = operator.well("shut-down", lease, (0,), grace=20_000)
    assert dict(report.took)[1] < 20_000
    assert log.read_text().endswith("!")


def test_a_guest_that_does_not_obey_is_ended(qemu: QemuWorld, operator: Operator) -> None:
    """A guest that stands still does not notice the power button: it is ended when its time is over."""
    lease = started(qemu, operator, "deaf.raw")
    time.sleep(1.5)
    report = operator.well("shut-down", lease, (0,), grace=1_500)
    assert 1_500 <= dict(report.took)[1] < 10_000


def test_libvirtd_is_killed_and_comes_back(qemu: QemuWorld, operator: Operator) -> None:
    """VMs outlive libvirtd; when it is back they are known, and commands work again."""
    lease = started(qemu, operator)
    qemu.machines[0].kill()
    operator.wait(lambda: HostState.SUSPECT in states_of(operator, 0), "it is suspect")
    qemu.machines[0].start()
    operator.wait(lambda: states_of(operator, 0)[-1] is HostState.UP, "it is up")
    assert operator.states(lease) == [(1, Observed.RUNNING, 0)]
    assert operator.told(lease) == []
    before = qemu.counted(lease)
    operator.well("suspend", lease, (0,))
    qemu.machines[0].kill()
    qemu.machines[0].start()
    operator.wait(lambda: operator.states(lease) == [(1, Observed.SUSPENDED, 0)], "it is suspended still")
    operator.well("resume", lease, (0,))
    goes_on(qemu, lease, before)
    operator.well("destroy", lease, (0,))


def test_a_vm_dies_while_libvirtd_is_away(qemu: QemuWorld, operator: Operator) -> None:
    """What happened while nobody looked is found out when libvirtd is back."""
    lease = started(qemu, operator)
    process = qemu.machines[0].qemus()[f"haizea-{lease}-1"]
    qemu.machines[0].kill()
    os.kill(process, signal.SIGKILL)
    qemu.machines[0].start()
    assert news(operator, lease, Observed.CRASHED) == 0
    operator.well("destroy", lease, (0,))


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.2])
def test_libvirtd_is_killed_while_it_saves(qemu: QemuWorld, operator: Operator, delay_s: float) -> None:
    """A suspension during which libvirtd is killed is begun anew when it is back, and no incomplete memory is used."""
    lease = started(qemu, operator)
    number = operator.send("suspend", lease, (0,))
    time.sleep(delay_s)
    qemu.machines[0].kill()
    qemu.machines[0].start()
    operator.wait(lambda: bool(operator.reports(number)), "it is reported")
    if operator.reports(number)[0].error:
        assert operator.states(lease) == [(1, Observed.RUNNING, 0)]
        operator.well("suspend", lease, (0,))
    before = qemu.counted(lease)
    operator.well("resume", lease, (0,))
    goes_on(qemu, lease, before)
    operator.well("destroy", lease, (0,))


def test_a_host_that_hangs_delays_no_other(qemu: QemuWorld, operator: Operator) -> None:
    """While one libvirtd hangs the other host works on; what was meant for the hung one is done when it is back."""
    lease = started(qemu, operator)
    qemu.machines[0].signal(signal.SIGSTOP)
    number = operator.send("suspend", lease, (0,))
    other = qemu.lease()
    begun = time.monotonic()
    operator.well("start", other, (1,))
    assert time.monotonic() - begun < 5
    operator.wait(lambda: HostState.SUSPECT in states_of(operator, 0), "it is suspect")
    qemu.machines[0].signal(signal.SIGCONT)
    operator.wait(lambda: bool(operator.reports(number)), "it is done")
    assert not operator.reports(number)[0].error
    assert operator.states(lease) == [(1, Observed.SUSPENDED, 0)]
    for each in (lease, other):
        operator.well("destroy", each, ())


def test_events_are_not_needed(qemu: QemuWorld) -> None:
    """What no event tells is found by looking now and then."""
    changed = Changed(qemu, timing=qemu.config.timing._replace(rescan=500))
    platform = changed.platform()
    for host in platform._hosts:
        # As if libvirt had lost them.
        host._heard = lambda _host, _event: None
    operator = Operator(platform)
    lease = started(qemu, operator, "off.raw")
    news(operator, lease, Observed.GUEST_SHUTDOWN)
    operator.well("destroy", lease, (0,))
    platform.stop()


def states_of(operator: Operator, host: int) -> list[HostState]:
    """Return what was told of a host."""
    return [one.state for one in operator.said if isinstance(one, HostSeen) and one.host == host]


def test_a_paused_vm_runs_once_it_is_resumed(qemu: QemuWorld, operator: Operator) -> None:
    """A VM that stood still when it was suspended goes on when it is resumed: that is what resuming is for."""
    lease = started(qemu, operator)
    operator.well("pause", lease, (0,))
    before = qemu.counted(lease)
    operator.well("suspend", lease, (0,))
    operator.well("resume", lease, (0,))
    assert operator.states(lease) == [(1, Observed.RUNNING, 0)]
    goes_on(qemu, lease, before)
    operator.well("destroy", lease, (0,))
