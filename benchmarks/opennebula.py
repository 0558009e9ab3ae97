"""What 1,000 VMs on OpenNebula cost: commands a second, and how long a comparison of all of them takes.

``./dev run python -m benchmarks.opennebula [VMS]`` measures on the oned of the tests, in a process of its own; with
``ONE_XMLRPC`` and ``ONE_AUTH`` on a real one, whose hosts it fills (dummy drivers).
"""

import multiprocessing
import os
import sys
import threading
import time
from multiprocessing.connection import Connection

from haizea.backends.opennebula.client import Access, Client, access
from haizea.backends.opennebula.platform import OpenNebulaPlatform, Setup
from haizea.backends.opennebula.pools import servers
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import HOUR
from haizea.runtime.ports import Report, Said
from haizea.runtime.rows import CommandRow
from tests.backends.opennebula.server import Oned

LEASE = 800_000_000


def serve(pipe: Connection) -> None:
    """Be an oned until told to end."""
    oned = Oned().start()
    pipe.send(oned.endpoint)
    pipe.recv()


def main() -> None:
    """Measure, and print."""
    vms = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    if os.environ.get("ONE_XMLRPC"):
        client = Client(access())
        template = str(client.call("one.template.allocate", f'NAME="bench-{time.time_ns()}"\nCPU="0.1"\nMEMORY="16"\n'))
        measure(client, vms, template)
        return
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    measure(Client(Access(ours.recv(), "haizea:secret")), vms, "0")
    ours.send("end")
    process.join()


def measure(client: Client, vms: int, template: str) -> None:
    """Start, compare, suspend, resume and destroy a lease of so many VMs."""
    names = [each.name for each in servers(client.hosts())]
    lease = LEASE + int(time.time()) % 100_000_000
    terms = LeaseTerms((NodeSet(vms, Capacity({CPU: 10, MEMORY: 16})),), HOUR, user=client.user)
    platform = OpenNebulaPlatform(client, names, {lease: terms}.get, Setup(template=template))
    over = threading.Event()
    errors: list[str] = []

    def tell(said: Said) -> None:
        if isinstance(said, Report):
            errors.append(said.error)
            over.set()

    platform.start(tell)
    hosts = tuple(n % len(names) for n in range(vms))
    for number, verb in enumerate(("start", "suspend", "resume", "destroy"), int(time.time())):
        begun = time.perf_counter()
        platform.submit(CommandRow(number, 0, 0, verb, lease, hosts, "pending", 0, ""))
        over.wait()
        over.clear()
        took = time.perf_counter() - begun
        print(f"{verb:8} {vms} VMs: {took:6.2f} s, {vms / took:6.0f} VMs/s  {errors[-1][:200]}", flush=True)
        if verb == "start":
            compare(platform)
    platform.stop()


def compare(platform: OpenNebulaPlatform) -> None:
    """Measure how long it takes to be told of all VMs anew."""
    times = []
    for _ in range(5):
        time.sleep(0.2)
        begun = time.perf_counter()
        seen = platform.observe()
        times.append(time.perf_counter() - begun)
    print(f"observe  {len(seen)} VMs: {sorted(times)[len(times) // 2] * 1000:.0f} ms")


if __name__ == "__main__":
    main()
