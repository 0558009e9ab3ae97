"""Random commands and faults on real VMs, round after round: whatever happens, nothing is left behind.

HAIZEA_ROUNDS says how many; a failure prints the seed, and HAIZEA_SEED repeats it.
"""

import os
import random
import signal
import time

from haizea.model.lease import DiskImage
from tests.backends.contract import Operator
from tests.backends.libvirt.worlds import QemuWorld

ROUNDS = int(os.environ.get("HAIZEA_ROUNDS", "6"))
SEED = int(os.environ.get("HAIZEA_SEED", "0"))
VERBS = ("start", "suspend", "resume", "migrate", "pause", "unpause", "shut-down", "destroy")


def test_nothing_is_left_behind(qemu: QemuWorld, operator: Operator) -> None:
    """After any commands in any order, with VMs, QEMUs and libvirtds failing, ending the leases leaves hosts empty."""
    for number in range(ROUNDS):
        seed = SEED + number
        draw = random.Random(seed)
        qemu.image = DiskImage(draw.choice(["counting.raw", "off.raw", "panic.raw"]), 1)
        leases = [qemu.lease(draw.randint(1, 2)) for _ in range(2)]
        sent = []
        for _ in range(draw.randint(2, 6)):
            lease = draw.choice(leases)
            hosts = tuple(draw.randrange(2) for _ in range(qemu.leases[lease].node_count))
            sent.append(operator.send(draw.choice(VERBS), lease, hosts, grace=draw.choice([0, 500])))
            _go_wrong(draw, qemu)
        operator.wait(lambda sent=sent: all(operator.reports(one) for one in sent), f"seed {seed}: all are reported")  # type: ignore[misc]
        for lease in leases:
            operator.well("destroy", lease, ())
        assert qemu.left() == [], f"seed {seed}"
        assert operator.observed() == [], f"seed {seed}"


def _go_wrong(draw: random.Random, qemu: QemuWorld) -> None:
    """Now and then, have something fail."""
    chance = draw.random()
    if chance < 0.4:
        time.sleep(draw.random())
    if chance < 0.15:
        for process in list(qemu.machines[draw.randrange(2)].qemus().values())[:1]:
            try:
                os.kill(process, draw.choice([signal.SIGKILL, signal.SIGTERM]))
            except ProcessLookupError:
                # It was faster.
                return
    elif chance < 0.25:
        machine = qemu.machines[draw.randrange(2)]
        machine.kill()
        machine.start()
