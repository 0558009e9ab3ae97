"""The daemon on real VMs: one lease gives way to another in time, and goes on afterwards where it was."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.backends.libvirt.machines import Machines, missing, until
from tests.backends.libvirt.worlds import QemuWorld

MAIN: Final = "import sys; from haizea.cli.main import main; sys.exit(main())"
START_S: Final = 60.0
LATE_MAX_S: Final = 30.0
"""A boot under emulation takes a second or two, longer where the machine has much else to do."""


class Daemon:
    """A daemon in a process of its own, and the command line that speaks with it."""

    def __init__(self, qemu: QemuWorld, folder: Path) -> None:
        config = folder / "haizea.toml"
        hosts = ", ".join(f'{host.name} = "{host.uri}"' for host in qemu.config.hosts)
        config.write_text(f"""
[live]
backend = "libvirt"
reconcile-every = "3s"
[libvirt]
hosts = {{ {hosts} }}
template = "{qemu.config.template}"
images = "{qemu.config.images}"
domain-type = "qemu"
[scheduling]
suspension = "all"
policy-preemption = "ar-preempts-everything"
suspend-rate = 8
resume-rate = 8
shutdown-time = "2s"
[store]
url = "sqlite:///{folder}/haizea.db"
[server]
listen = "none"
xmlrpc = "none"
socket = "{folder}/s"
""")
        self.start(folder, ["-c", str(config)])

    def start(self, folder: Path, options: list[str]) -> None:
        """Start it, and wait until it serves."""
        self._folder = folder
        self._log = (folder / "log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "serve", *options],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        until(lambda: b"Try it" in (folder / "log").read_bytes(), START_S, "the daemon serves")

    def haizea(self, *arguments: str) -> str:
        """Run a command; return what it prints."""
        run = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments, "--server", f"unix:{self._folder}/s"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert run.returncode == 0, (arguments, run.stdout, run.stderr, (self._folder / "log").read_text())
        return run.stdout

    def lease(self, number: int) -> dict[str, Any]:
        """Return what is known of a lease."""
        found: dict[str, Any] = json.loads(self.haizea("lease", "show", str(number), "-o", "json"))
        return found

    def request(self, *arguments: str) -> None:
        """Request a lease of two VMs that fill both hosts."""
        cores = str(os.cpu_count())
        size = ("-n", "2", "-c", cores, "-m", "16M", "-z", "1M")
        self.haizea("lease", "request", *size, *arguments)

    def stop(self) -> None:
        """Stop it as an operator would."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


@pytest.fixture
def daemon(qemu: QemuWorld, tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon that runs VMs on real hosts."""
    daemon = Daemon(qemu, tmp_path)
    yield daemon
    daemon.stop()


def test_a_lease_gives_way_in_time_and_goes_on(qemu: QemuWorld, daemon: Daemon) -> None:
    """A running best-effort lease is suspended for a reservation, whose VMs start on time, and counts on after it."""
    daemon.request("-d", "120s", "-i", "counting.raw", "--preemptible")
    until(lambda: len(qemu.counted(1, 1)) > 2 and len(qemu.counted(1, 2)) > 2, what="the first lease counts")

    daemon.request("-t", "+15s", "-d", "6s", "-i", "counting.raw")
    start = _seconds(daemon.lease(2)["starts"])
    until(lambda: bool(qemu.counted(2, 1) and qemu.counted(2, 2)), 40, "the reservation counts")
    late = time.time() - start
    assert 0 <= late < LATE_MAX_S
    before = [qemu.counted(1, vm) for vm in (1, 2)]
    assert daemon.lease(1)["state"].startswith("suspended")

    until(lambda: daemon.lease(2)["state"] == "done", 40, "the reservation ends")
    until(lambda: all(len(qemu.counted(1, vm)) > len(before[vm - 1]) + 1 for vm in (1, 2)), 60, "the first goes on")
    for vm in (1, 2):
        counted = qemu.counted(1, vm)
        assert counted == list(range(1, len(counted) + 1))
    daemon.haizea("lease", "cancel", "1", "--yes")
    until(lambda: qemu.left() == [], what="nothing is left")
    print(f"the reservation's VMs had booted {late:.1f} s after its start")


def test_room_that_a_guest_leaves_is_used_at_once(qemu: QemuWorld, daemon: Daemon) -> None:
    """When guests shut themselves down their lease ends, and the next one starts, before the time that was planned."""
    daemon.request("-d", "10m", "-i", "off.raw")
    daemon.request("-d", "10m", "-i", "counting.raw")
    logs = [qemu.logs / f"haizea-1-{vm}.log" for vm in (1, 2)]
    until(lambda: all(log.exists() and "!" in log.read_text() for log in logs), what="the guests turn themselves off")
    begun = time.monotonic()
    until(lambda: bool(qemu.counted(2, 1) and qemu.counted(2, 2)), 60, "the next lease counts")
    print(f"room was used again {time.monotonic() - begun:.1f} s after the guests' shutdown")
    assert daemon.lease(1)["state"] == "done"
    daemon.haizea("lease", "cancel", "2", "--yes")
    until(lambda: qemu.left() == [], what="nothing is left")


def test_a_daemon_that_is_killed_finds_its_vms_again(qemu: QemuWorld, tmp_path: Path) -> None:
    """VMs run on while no daemon is there, and the next one goes on with them."""
    daemon = Daemon(qemu, tmp_path)
    daemon.request("-d", "10m", "-i", "counting.raw")
    until(lambda: bool(qemu.counted(1, 1)), what="the lease counts")
    daemon._process.kill()
    daemon._process.wait()
    (tmp_path / "log").write_bytes(b"")
    before = qemu.counted(1, 1)
    daemon.stop()
    daemon = Daemon(qemu, tmp_path)
    until(lambda: len(qemu.counted(1, 1)) > len(before) + 1, what="it counts on")
    assert qemu.counted(1, 1) == list(range(1, len(qemu.counted(1, 1)) + 1))
    assert daemon.lease(1)["state"] == "active"
    daemon.haizea("lease", "cancel", "1", "--yes")
    until(lambda: qemu.left() == [], what="nothing is left")
    daemon.stop()


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_one_command_is_enough(tmp_path: Path) -> None:
    """With --libvirt real VMs run on a host that nothing was prepared on, pool and template included."""
    if missing():
        pytest.skip(missing())
    machines = Machines("plain")
    daemon = Daemon.__new__(Daemon)
    # Whoever runs the tests and whoever runs libvirtd are not the same where that is root.
    pool = machines[0].root / "made"
    options = ["--libvirt", machines[0].uri, "--store", f"sqlite:///{tmp_path}/haizea.db"]
    changed = (
        "libvirt.domain-type=qemu",
        f"libvirt.pool-folder={pool}",
        "scheduling.suspension=all",
        "live.reconcile-every=3s",
        "server.listen=none",
        "server.xmlrpc=none",
        f"server.socket={tmp_path}/s",
    )
    options += [word for option in changed for word in ("--set", option)]
    try:
        daemon.start(tmp_path, options)
        daemon.haizea("lease", "request", "-c", "1", "-m", "64M", "-d", "10m", "--wait", "running")
        until(lambda: list(machines[0].qemus()) == ["haizea-1-1"], what="QEMU runs")
        daemon.haizea("lease", "suspend", "1", "--yes")
        until(lambda: machines[0].qemus() == {}, what="QEMU has ended")
        saved = pool / "haizea-1-1.saved"
        assert saved.stat().st_size > 10_000
        daemon.haizea("lease", "cancel", "1", "--yes")
        until(lambda: not saved.exists(), what="its memory is deleted")
    finally:
        daemon.stop()
        machines.remove()
