"""Images on real hosts: brought once, kept, evicted, checked; and the other ways to make disks and save memory."""

import os

import pytest

from haizea.backends.libvirt.facade import load
from haizea.model.events import Observed
from haizea.model.lease import DiskImage
from haizea.runtime.ports import Progress
from tests.backends.contract import Operator, operating
from tests.backends.libvirt import guest
from tests.backends.libvirt.machines import until
from tests.backends.libvirt.test_faults import goes_on, started
from tests.backends.libvirt.worlds import Changed, QemuWorld


def images(qemu: QemuWorld, host: int) -> list[str]:
    """Return the images that are whole on a host."""
    return [name for name in os.listdir(qemu.machines[host].pool) if name.endswith((".raw", ".qcow2"))]


def test_an_image_is_brought_to_hosts_before_its_lease_starts(qemu: QemuWorld) -> None:
    """A transfer brings an image to every host it names, tells how far it is, and finds it there the second time."""
    guest.write(qemu.folder / "images" / "large.raw")
    os.truncate(qemu.folder / "images" / "large.raw", 64 << 20)
    qemu.image = DiskImage("large.raw", 64)
    quick = Changed(qemu, timing=qemu.config.timing._replace(progress=1))
    with operating(quick) as operator:
        lease = qemu.lease(2)
        before = [images(qemu, host) for host in (0, 1)]
        first = operator.well("transfer", lease, (0, 1))
        assert [len(images(qemu, host)) - len(before[host]) for host in (0, 1)] == [1, 1]
        told = [one.permille for one in operator.said if isinstance(one, Progress) and one.command == first.command]
        assert told == sorted(told)
        assert told
        assert told[-1] <= 1000
        operator.well("transfer", lease, (0, 1))
        assert [len(images(qemu, host)) - len(before[host]) for host in (0, 1)] == [1, 1]
        operator.well("start", lease, (0, 1))
        operator.well("destroy", lease, (0, 1))


def test_an_image_that_changes_is_another_one(qemu: QemuWorld, operator: Operator) -> None:
    """When the repository has something else under a name, the next transfer brings that, and VMs start from it."""
    guest.write(qemu.folder / "images" / "changing.raw", 1, guest.PANIC)
    qemu.image = DiskImage("changing.raw", 1)
    lease = qemu.lease()
    operator.well("transfer", lease, (0,))
    guest.write(qemu.folder / "images" / "changing.raw", 1, guest.OFF)
    operator.well("transfer", lease, (0,))
    operator.well("start", lease, (0,))
    operator.wait(lambda: bool(operator.told(lease)), "the guest is over")
    # The one before would have panicked.
    assert operator.told(lease)[-1].observed is Observed.GUEST_SHUTDOWN
    operator.well("destroy", lease, (0,))


def test_an_image_that_is_refused_fails_its_command(qemu: QemuWorld, operator: Operator) -> None:
    """A command whose image must not be used fails with the reason, and leaves nothing."""
    qemu.image = DiskImage("../template.xml", 1)
    lease = qemu.lease()
    for verb in ("transfer", "start"):
        assert "a path within the repository is meant" in operator.do(verb, lease, (0,)).error
    assert operator.states(lease) == []


def test_images_that_nothing_uses_are_evicted(qemu: QemuWorld) -> None:
    """A host keeps no more than it may of images that no disk stands on; those that are used stay."""
    with operating(Changed(qemu, cache=0)) as operator:
        used = started(qemu, operator)
        for name in ("off.raw", "panic.raw"):
            qemu.image = DiskImage(name, 1)
            operator.well("transfer", qemu.lease(), (0,))
        left = images(qemu, 0)
        assert len([name for name in left if name.startswith("haizea-image-")]) == 2
        goes_on(qemu, used, qemu.counted(used))
        operator.well("destroy", used, (0,))


def test_vms_of_one_image_started_at_once_wait_for_one_transfer(qemu: QemuWorld, operator: Operator) -> None:
    """However many VMs need an image, it is brought to a host once."""
    guest.write(qemu.folder / "images" / "fresh.raw", 30, guest.OFF)
    before = len(images(qemu, 0))
    qemu.image = DiskImage("fresh.raw", 1)
    lease = qemu.lease(4)
    operator.well("start", lease, (0, 0, 0, 0))
    # One image, and four disks.
    assert len(images(qemu, 0)) - before == 5
    operator.well("destroy", lease, (0, 0, 0, 0))


@pytest.mark.parametrize("option", ["managed_save", "copy"])
def test_other_ways_to_save_and_to_make_disks(qemu: QemuWorld, option: str) -> None:
    """Memory saved where libvirt keeps it, and disks that are copies, do the same on one host."""
    changed = Changed(qemu, managed_save=True) if option == "managed_save" else Changed(qemu, overlay=False)
    with operating(changed) as operator:
        lease = started(qemu, operator)
        operator.well("suspend", lease, (0,))
        before = qemu.counted(lease)
        assert operator.states(lease) == [(1, Observed.SUSPENDED, 0)]
        if option == "managed_save":
            assert "libvirt.suspend-to" in operator.do("resume", lease, (1,)).error
        operator.well("resume", lease, (0,))
        goes_on(qemu, lease, before)
        operator.well("destroy", lease, (0,))


def test_guests_are_told_who_they_are(qemu: QemuWorld) -> None:
    """With user data a VM gets a second, small disk, which moves and goes with it."""
    data = qemu.folder / "user-data"
    data.write_text("#cloud-config\nhostname: ${name}\n")
    with operating(Changed(qemu, user_data=data)) as operator:
        lease = started(qemu, operator)
        seed = qemu.machines[0].pool / f"haizea-{lease}-1.seed"
        assert f"hostname: haizea-{lease}-1".encode() in seed.read_bytes()
        operator.well("suspend", lease, (0,))
        operator.well("resume", lease, (1,))
        assert not seed.exists()
        operator.well("migrate", lease, (0,))
        goes_on(qemu, lease, qemu.counted(lease))
        operator.well("destroy", lease, (0,))


def test_shared_storage_is_not_copied(qemu: QemuWorld) -> None:
    """Where all pools are one storage, VMs move to another host without their disks being copied."""
    shared = qemu.machines.folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    try:
        with operating(Changed(qemu, shared=True, pool="shared", pool_folder=str(shared))) as operator:
            lease = started(qemu, operator)
            disk = shared / f"haizea-{lease}-1.qcow2"
            inode = disk.stat().st_ino
            operator.well("suspend", lease, (0,))
            before = qemu.counted(lease)
            operator.well("resume", lease, (1,))
            goes_on(qemu, lease, before)
            operator.well("migrate", lease, (0,))
            goes_on(qemu, lease, qemu.counted(lease))
            assert disk.stat().st_ino == inode
            operator.well("destroy", lease, (0,))
            assert not [path for path in shared.iterdir() if not path.name.startswith("haizea-image-")]
    finally:
        for machine in qemu.machines.all:
            _forget_pool(machine.uri, "shared")


def test_an_incomplete_image_is_not_used(qemu: QemuWorld, operator: Operator) -> None:
    """A transfer that was broken off leaves no image: it is brought again."""
    guest.write(qemu.folder / "images" / "broken.raw", 20)
    qemu.image = DiskImage("broken.raw", 1)
    lease = qemu.lease()
    operator.well("transfer", lease, (0,))
    newest = max(qemu.machines[0].pool.glob("haizea-image-*.raw"), key=lambda path: path.stat().st_mtime_ns)
    _delete(qemu.machines[0].uri, newest.name + ".whole")
    newest.write_bytes(b"only half")
    operator.well("start", lease, (0,))
    until(lambda: bool(qemu.counted(lease)), what="the guest counts")
    operator.well("destroy", lease, (0,))


def _delete(uri: str, name: str) -> None:
    connection = load().open(uri)
    connection.storagePoolLookupByName("haizea").storageVolLookupByName(name).delete(0)
    connection.close()


def _forget_pool(uri: str, name: str) -> None:
    import libvirt

    connection = libvirt.open(uri)
    try:
        pool = connection.storagePoolLookupByName(name)
        pool.destroy()
        pool.undefine()
    except libvirt.libvirtError:
        # It was never needed there.
        return
    finally:
        connection.close()
