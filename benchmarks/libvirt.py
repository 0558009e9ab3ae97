"""What driving libvirt hosts costs: commands a second, and looking at all VMs, on libvirt's mock driver.

The driver answers at once, so these are Haizea's own costs. It runs in this process: python -m benchmarks.libvirt
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from haizea.runtime.ports import Report
from tests.backends.contract import Operator, operating
from tests.backends.libvirt.worlds import MockWorld

VMS = 1_000
HOSTS = 8
LOOKS = 5
VERBS = ("start", "pause", "unpause", "suspend", "resume", "destroy")


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.libvirt", description="Drive hosts that only pretend.")
    parser.add_argument("--vms", type=int, default=VMS, metavar="N", help="how many VMs (1,000)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        world = MockWorld(Path(folder), HOSTS)
        leases = [world.lease() for _ in range(given.vms)]
        with operating(world) as operator:
            operator.platform.observe()
            for verb in VERBS:
                print(f"{verb}: {given.vms / _all(operator, verb, leases):.0f} a second", flush=True)
                if verb in ("start", "suspend"):
                    print(f"looking at {given.vms} VMs after {verb}: {1_000 * _look(operator):.0f} ms", flush=True)
            _all(operator, "start", leases)
        begun = time.perf_counter()
        with operating(world) as operator:
            found = len(operator.platform.observe())
            print(f"connecting anew and finding {found} VMs: {1_000 * (time.perf_counter() - begun):.0f} ms")
            _all(operator, "destroy", leases)
        world.close()


def _all(operator: Operator, verb: str, leases: list[int]) -> float:
    """Send a command about each lease; return how many seconds it takes until all are reported."""
    operator.said.clear()
    begun = time.perf_counter()
    for lease in leases:
        operator.send(verb, lease, (lease % HOSTS,))
    operator.wait(lambda: len(operator.said) >= len(leases), f"all are over: {verb}")
    took = time.perf_counter() - begun
    assert not [one for one in operator.said if isinstance(one, Report) and one.error]
    return took


def _look(operator: Operator) -> float:
    times = []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        operator.platform.observe()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
