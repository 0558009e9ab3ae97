"""Worlds of libvirt hosts: its mock driver, and real QEMU."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haizea.backends.libvirt.config import HostConfig, LibvirtConfig, Timing
from haizea.backends.libvirt.facade import UNDEFINE_MANAGED_SAVE, Api, Connection, LibvirtError, load
from haizea.backends.libvirt.platform import LibvirtPlatform
from haizea.model.lease import DiskImage
from tests.backends.contract import World
from tests.backends.libvirt import guest
from tests.backends.libvirt.machines import Machines

NODE = """
<node>
  <cpu><mhz>2000</mhz><model>x86_64</model><active>64</active><nodes>1</nodes><sockets>1</sockets><cores>64</cores>
    <threads>1</threads></cpu>
  <memory>268435456</memory>
</node>
"""
"""A host of the mock driver: 64 cores, 256 GiB."""

TEMPLATE = """
<domain>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type='file'><source path='{logs}/${{name}}.log' append='on'/></serial>
    <panic model='isa'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""
"""A machine with as little as the tests' guest needs: it counts into a file that all hosts share."""


class _Shared:
    """libvirt, but a connection is made once and never closed: the mock driver forgets everything with it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._connections: dict[str, Connection] = {}
        self.silent: set[str] = set()
        self.error: type[LibvirtError] = api.error

    def open(self, uri: str) -> Connection:
        """Return the connection."""
        if uri not in self._connections:
            self._connections[uri] = self._api.open(uri)
        connection: Any = _Kept(self, uri, self._connections[uri])
        return connection  # type: ignore[no-any-return]  # it passes everything on

    def close(self) -> None:
        """Close them all."""
        for connection in self._connections.values():
            connection.close()


class _Kept:
    """A connection that is not closed when it is told to, and is of no use while its host is silent."""

    def __init__(self, shared: _Shared, uri: str, connection: Connection) -> None:
        self._shared = shared
        self._uri = uri
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        if self._uri in self._shared.silent:
            raise self._shared.error("no answer")
        return getattr(self._connection, name)

    def close(self) -> int:
        """Do nothing."""
        return 0


class MockWorld(World):
    """Hosts of libvirt's mock driver."""

    knows = frozenset({"some", "pause", "strangers", "silence"})

    def __init__(self, folder: Path, hosts: int = 2) -> None:
        super().__init__()
        self.hosts = hosts
        self.folder = folder
        uris = []
        for number in range(hosts):
            node = folder / f"node{number}.xml"
            node.write_text(NODE)
            uris.append(f"test://{node}")
        self.config = LibvirtConfig(tuple([HostConfig(f"mock{number}", uri) for number, uri in enumerate(uris)]))
        self.api = _Shared(load())
        self._strangers = 0

    def platform(self) -> LibvirtPlatform:
        """Return a new platform object."""
        return LibvirtPlatform(self.config, self.leases.get, self.folder, self.api)

    def connection(self, host: int) -> Connection:
        """Return the connection to a host."""
        return self.api.open(self.config.hosts[host].uri)

    def stranger(self) -> None:
        """Have somebody's VM run on the first host."""
        for domain in self.connection(0).listAllDomains():
            if domain.name() == "somebodys":
                return
        self.connection(0).defineXMLFlags(STRANGER.format(type="test", more=""), 0).createWithFlags(0)

    def silence(self, host: int, *, silent: bool) -> None:
        """Have a host not answer any more, or answer again."""
        uri = self.config.hosts[host].uri
        if silent:
            self.api.silent.add(uri)
        else:
            self.api.silent.discard(uri)

    def left(self) -> list[str]:
        """Return the domains that are leases', and saved memory."""
        found = [d.name() for host in range(self.hosts) for d in self.connection(host).listAllDomains()]
        return [name for name in found if name.startswith("haizea-")] + files(self.folder / "spool")

    def close(self) -> None:
        """End everything."""
        self.api.close()


STRANGER = """
<domain type='{type}'><name>somebodys</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os><features><acpi/><apic/></features>{more}</domain>
"""


def files(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class QemuWorld(World):
    """Real VMs, on libvirtds of the tests' own."""

    knows = World.knows - {"silence"}

    image = DiskImage("counting.raw", 1)

    def __init__(self, folder: Path, hosts: int = 2, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.hosts = hosts
        self.folder = folder
        self.machines = Machines(*[f"h{number}" for number in range(hosts)])
        self.logs = self.machines.folder / "logs"
        self.logs.mkdir()
        self.logs.chmod(0o777)
        images = folder / "images"
        images.mkdir()
        guest.write(images / "counting.raw")
        guest.write(images / "off.raw", 1, guest.OFF)
        guest.write(images / "panic.raw", 1, guest.PANIC)
        guest.write(images / "deaf.raw", 1, guest.STAND)
        template = folder / "template.xml"
        template.write_text(TEMPLATE.format(logs=self.logs))
        self.config = LibvirtConfig(
            hosts=tuple([self._host(number) for number in range(hosts)]),
            template=template,
            domain_type="qemu",
            images=str(images),
            timing=Timing(call=10_000, operation=60_000, keepalive=3_000, rescan=5_000),
        )._replace(**(options or {}))
        for machine in self.machines.all:
            self._pool(machine.uri, machine.pool)

    def _host(self, number: int) -> HostConfig:
        machine = self.machines[number]
        return HostConfig(machine.name, machine.uri, migration=f"unix:{machine.root}/run/{{name}}.move")

    def _pool(self, uri: str, folder: Path) -> None:
        connection = load().open(uri)
        connection.storagePoolDefineXML(
            f"<pool type='dir'><name>haizea</name><target><path>{folder}</path></target></pool>", 0
        ).create(0)
        connection.close()

    def platform(self) -> LibvirtPlatform:
        """Return a new platform object."""
        return LibvirtPlatform(self.config, self.leases.get, self.folder)

    def stranger(self) -> None:
        """Have somebody's VM run on the first host: one that is gone when it ends."""
        connection = load().open(self.machines[0].uri)
        if "somebodys" not in [domain.name() for domain in connection.listAllDomains()]:
            connection.defineXMLFlags(STRANGER.format(type="qemu", more=""), 0).createWithFlags(0)
        connection.close()

    def counted(self, lease: int, vm: int = 1) -> list[int]:
        """Return what a VM has counted so far, wherever it was."""
        log = self.logs / f"haizea-{lease}-{vm}.log"
        return guest.counts(log.read_text(errors="replace")) if log.exists() else []

    def left(self) -> list[str]:
        """Return domains of leases and their files; images may stay."""
        found = []
        for machine in self.machines.all:
            connection = load().open(machine.uri)
            names = [domain.name() for domain in connection.listAllDomains()]
            connection.close()
            found += [name for name in names if name.startswith("haizea-")]
            found += [name for name in files(machine.pool) if not name.startswith("haizea-image-")]
            found += [name for name in machine.qemus() if name.removeprefix("1-").startswith("haizea-")]
        return found + files(self.folder / "spool")

    def sweep(self) -> None:
        """Remove what a test that failed has left, so that it does not fail the next ones."""
        for machine in self.machines.all:
            connection = load().open(machine.uri)
            for domain in connection.listAllDomains():
                if domain.name().startswith("haizea-"):
                    if domain.isActive():
                        domain.destroyFlags(0)
                    domain.undefineFlags(UNDEFINE_MANAGED_SAVE)
            for volume in connection.storagePoolLookupByName("haizea").listAllVolumes():
                if not volume.name().startswith("haizea-image-"):
                    volume.delete(0)
            connection.close()
        for path in (self.folder / "spool").iterdir():
            path.unlink()

    def close(self) -> None:
        """End everything."""
        self.machines.remove()


class Changed(QemuWorld):
    """The same hosts, configured differently."""

    def __init__(self, qemu: QemuWorld, **options: object) -> None:
        vars(self).update(vars(qemu))
        self.config = qemu.config._replace(**options)  # type: ignore[arg-type]  # whatever a test changes
