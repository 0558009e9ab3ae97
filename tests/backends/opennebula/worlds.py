"""OpenNebula for the suite that all platforms keep: our own oned, and any real one that the environment names."""

import os
import time
from pathlib import Path

from haizea.backends.opennebula.client import Client, OneError, access
from haizea.backends.opennebula.operations import Rules
from haizea.backends.opennebula.platform import OpenNebulaPlatform, Setup
from haizea.backends.opennebula.pools import Machine, machines, servers
from haizea.backends.opennebula.site import site_of
from haizea.runtime.ports import Platform
from tests.backends.contract import World
from tests.backends.opennebula.server import Oned

QUICK = Rules(settle=0.3, shutdown=2.0, stuck=5.0, patience=5.0)


class OnedWorld(World):
    """Our own oned, with two hosts."""

    knows = World.knows - {"silence"}

    def __init__(self, _folder: Path) -> None:
        super().__init__()
        self.oned = Oned().start()
        self.oned.cloud.hosts = {n: host for n, host in self.oned.cloud.hosts.items() if n < 2}

    def platform(self) -> Platform:
        """Return a new platform object."""
        setup = Setup(QUICK, interval_s=0.1, template="0")
        return OpenNebulaPlatform(self.oned.client(), ["host01", "host02"], self.leases.get, setup)

    def stranger(self) -> None:
        """Have a VM of a user run."""
        number = self.oned.create("ana", "stranger")
        self.oned.act(lambda cloud: cloud.deploy(cloud.vms[number], 0))
        self.oned.wait(number, 3, 3)

    def left(self) -> list[str]:
        """Return the VMs that are not strangers; those go."""
        found = []
        for number, vm in list(self.oned.cloud.vms.items()):
            if self.oned.states()[number][0] == 6:
                continue
            if "HAIZEA_LEASE" in vm.said:
                found.append(vm.name)
            else:
                vm.state, vm.lcm = 6, 0
        return found

    def close(self) -> None:
        """Stop it."""
        self.oned.stop()


def missing() -> str:
    """Say why no real OpenNebula can be tried, empty where one can."""
    if not os.environ.get("ONE_XMLRPC") or not os.environ.get("ONE_AUTH"):
        return "no real OpenNebula: ONE_XMLRPC and ONE_AUTH name none (make test-opennebula)"
    return ""


class RealWorld(World):
    """The OpenNebula that ONE_XMLRPC and ONE_AUTH name. What is made here carries this run's name, and is removed."""

    knows = World.knows - {"silence"}

    def __init__(self, _folder: Path) -> None:
        super().__init__()
        self.client = Client(access())
        self.hosts = len(site_of(servers(self.client.hosts()), None).hosts)
        self._names = [host.name for host in site_of(servers(self.client.hosts()), None).hosts]
        assert self.hosts >= 2, "two hosts at least are needed"
        text = f'NAME="haizea-test-{time.time_ns()}"\nCPU="1"\nMEMORY="16"\n'
        self.template = int(self.client.call("one.template.allocate", text))
        self._before = {vm.id for vm in self.vms()}
        # Numbers of leases that no daemon here will ever have.
        self._numbers = iter(range(900_000_000 + int(time.time()) % 90_000_000, 10**9))  # type: ignore[assignment]

    def vms(self) -> list[Machine]:
        """Return what there is."""
        return machines(self.client.vms())

    def platform(self) -> Platform:
        """Return a new platform object."""
        setup = Setup(Rules(shutdown=20), interval_s=0.3, template=str(self.template))
        return OpenNebulaPlatform(self.client, self._names, self.leases.get, setup)

    def stranger(self) -> None:
        """Have a VM run that is no lease's."""
        number = self.client.instantiate(self.template, "haizea-test-stranger", {"CPU": "1", "MEMORY": "16"})
        host = next(each.id for each in servers(self.client.hosts()) if each.name == self._names[0])
        self.client.deploy(number, host)
        until = time.monotonic() + 60
        while next(vm for vm in self.vms() if vm.id == number).lcm != 3:
            assert time.monotonic() < until
            time.sleep(0.1)

    def left(self) -> list[str]:
        """Return the VMs that are not strangers; those go."""
        found = []
        for vm in self.vms():
            if vm.id not in self._before and vm.name == "haizea-test-stranger" and "HAIZEA_LEASE" not in vm.said:
                self.client.recover(vm.id, 3)
            elif vm.id not in self._before:
                found.append(vm.name)
        until = time.monotonic() + 30
        while any(vm.name == "haizea-test-stranger" for vm in self.vms()) and time.monotonic() < until:
            time.sleep(0.1)
        return found

    def close(self) -> None:
        """Remove what is left."""
        for vm in self.vms():
            if vm.id not in self._before:
                self.client.recover(vm.id, 3)
        try:
            self.client.call("one.template.delete", self.template, False)
        except OneError:
            self.client.call("one.template.delete", self.template)
