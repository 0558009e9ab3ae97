"""Real VMs for the tests of this folder: two libvirtds, started once."""

from collections.abc import Iterator

import pytest

from tests.backends.contract import Operator, operating
from tests.backends.libvirt.machines import missing
from tests.backends.libvirt.worlds import QemuWorld


@pytest.fixture(scope="package")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuWorld]:
    """Return two hosts with QEMU; skip where it is not installed."""
    if missing():
        pytest.skip(missing())
    world = QemuWorld(tmp_path_factory.mktemp("qemu"))
    yield world
    world.close()


@pytest.fixture
def qemu(machines: QemuWorld) -> Iterator[QemuWorld]:
    """Return two hosts on which nothing is, and see to it that nothing is left."""
    if machines.left():
        machines.sweep()
    assert machines.left() == []
    machines.image = QemuWorld.image
    for log in machines.logs.iterdir():
        log.unlink()
    yield machines
    assert machines.left() == []


@pytest.fixture
def operator(qemu: QemuWorld) -> Iterator[Operator]:
    """Return who drives them."""
    with operating(qemu) as operator:
        yield operator
