"""The suite of :mod:`tests.backends.contract`, for every back end that there is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haizea.backends.pretence import Pretence
from haizea.backends.pretended import PretendedPlatform
from haizea.live.clock import real_now
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.runtime.ports import Platform
from tests.backends.contract import Contract, World
from tests.backends.libvirt.machines import missing
from tests.backends.opennebula.worlds import OnedWorld, RealWorld
from tests.backends.opennebula.worlds import missing as no_opennebula


class PretendedWorld(World):
    """The platform that only pretends."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._file = folder / "platform"

    def platform(self) -> Platform:
        """Return a new platform object."""
        return PretendedPlatform(self._file, [f"host-{number}" for number in range(self.hosts)], real_now)

    def stranger(self) -> None:
        """Have a VM run that no lease has asked for."""
        pretence = Pretence(self._file, make=False)
        pretence.put_stranger("desktop", "host-0", Capacity({CPU: 100, MEMORY: 512}))
        pretence.close()

    def silence(self, host: int, *, silent: bool) -> None:
        """Have a host not answer any more, or answer again."""
        pretence = Pretence(self._file, make=False)
        pretence.act_on_host(f"host-{host}", "silence" if silent else "recover")
        pretence.close()

    def close(self) -> None:
        """There is nothing to end."""


def _mock(folder: Path) -> World:
    """Libvirt's own mock driver, in this process."""
    pytest.importorskip("libvirt")
    from tests.backends.libvirt.worlds import MockWorld

    return MockWorld(folder)


def _qemu(folder: Path) -> World:
    """Real VMs under QEMU, on two libvirtds."""
    if missing():
        pytest.skip(missing())
    from tests.backends.libvirt.worlds import QemuWorld

    return QemuWorld(folder)


def _real_opennebula(folder: Path) -> World:
    """The OpenNebula that the environment names."""
    if no_opennebula():
        pytest.skip(no_opennebula())
    return RealWorld(folder)


WORLDS: dict[str, Callable[[Path], World]] = {
    "pretended": PretendedWorld,
    "libvirt-test": _mock,
    "libvirt-qemu": _qemu,
    "opennebula": OnedWorld,
    "opennebula-real": _real_opennebula,
}


@pytest.fixture(scope="module", params=list(WORLDS))
def shared_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world, started once for all tests."""
    world: World = WORLDS[request.param](tmp_path_factory.mktemp("world"))
    yield world
    world.close()


@pytest.fixture
def world(shared_world: World) -> World:
    """Return a world in which nothing runs."""
    assert shared_world.left() == []
    return shared_world


class TestPlatforms(Contract):
    """Every platform keeps the contract."""
