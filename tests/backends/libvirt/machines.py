"""Several "hosts" on one machine: an unprivileged libvirtd each, with folders and an identity of its own.

Run as a program it is the parent of a libvirtd: where the first process of a system takes its time to bury the dead, a
QEMU that has ended would be waited for; this one buries them at once, and lives until all are dead.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

LIBVIRTD: Final = "/usr/sbin/libvirtd"
READY_S: Final = 60.0
_PR_SET_CHILD_SUBREAPER: Final = 36


def missing() -> str:
    """Return what real VMs need and this machine has not; empty where nothing is missing."""
    for program in (LIBVIRTD, "qemu-system-x86_64", "qemu-img"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        import libvirt  # noqa: F401
    except ImportError:
        return "the Python package libvirt-python is not installed"
    return ""


def until(so: Callable[[], bool], within_s: float = READY_S, what: str = "") -> None:
    """Wait until something is so."""
    end = time.monotonic() + within_s
    while not so():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what or so}"
        time.sleep(0.02)


class Machine:
    """A libvirtd of its own. Root's would be the machine's, so root has it run as nobody."""

    def __init__(self, name: str, folder: Path) -> None:
        """Make its folders below ``folder``."""
        self.name = name
        self.root = folder / name
        self._parents: list[subprocess.Popen[bytes]] = []
        runtime, configuration = self.root / "run", self.root / "config" / "libvirt"
        for each in (runtime, configuration, self.pool):
            each.mkdir(parents=True)
        (configuration / "qemu.conf").write_text('stdio_handler = "file"\nsecurity_driver = "none"\n')
        log = self.root / "libvirtd.log"
        (configuration / "libvirtd.conf").write_text(
            f'host_uuid = "{uuid.uuid4()}"\nlog_level = 3\nlog_outputs = "3:file:{log}"\n'
        )
        nobody = _nobody()
        if nobody is not None:
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        runtime.chmod(0o700)

    @property
    def pool(self) -> Path:
        """Where its disks are."""
        return self.root / "pool"

    @property
    def uri(self) -> str:
        """How it is reached."""
        return f"qemu+unix:///session?socket={self.root}/run/libvirt/libvirt-sock"

    def start(self) -> None:
        """Start libvirtd and wait until it answers."""
        places = {"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache",
                  "XDG_DATA_HOME": "data", "HOME": ""}  # fmt: skip
        environment = {**os.environ, **{name: str(self.root / place) for name, place in places.items()}}
        with (self.root / "out").open("ab") as out:
            parent = subprocess.Popen(
                [sys.executable, __file__, LIBVIRTD, "-p", str(self._pid_file)],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._parents.append(parent)
        until(self._answers, what=f"{self.name} does not answer: {(self.root / 'out').read_text()}")

    def _answers(self) -> bool:
        import libvirt

        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        try:
            libvirt.open(self.uri).close()
        except libvirt.libvirtError:
            return False
        return True

    @property
    def _pid_file(self) -> Path:
        return self.root / "run" / "libvirtd.pid"

    @property
    def pid(self) -> int:
        """The process of its libvirtd."""
        return int(self._pid_file.read_text())

    def signal(self, number: signal.Signals) -> None:
        """Send libvirtd a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill libvirtd alone and wait for its end; VMs run on."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists(), what=f"process {pid} ends")
        self._pid_file.unlink(missing_ok=True)

    def qemus(self) -> dict[str, int]:
        """Return the processes of its VMs, by the names of their domains."""
        found = {}
        for file in (self.root / "run" / "libvirt" / "qemu" / "run").glob("*.pid"):
            if file.stem == "driver":
                continue
            try:
                found[file.stem] = int(file.read_text())
            except (ValueError, FileNotFoundError):
                # It starts or ends just now.
                continue
        return {name: pid for name, pid in found.items() if Path(f"/proc/{pid}").exists()}

    def stop(self) -> None:
        """Stop everything: VMs, libvirtd."""
        for pid in self.qemus().values():
            os.kill(pid, signal.SIGKILL)
        if self._pid_file.exists():
            pid = self.pid
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGTERM)
        for parent in self._parents:
            try:
                parent.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(parent.pid, signal.SIGKILL)
                parent.wait()


class Machines:
    """Hosts that are started together and removed together."""

    def __init__(self, *names: str) -> None:
        # Sockets have short names, and nobody must be let in: not pytest's folder.
        self.folder = Path(tempfile.mkdtemp(prefix="hz-"))
        self.folder.chmod(0o755)
        self.all = [Machine(name, self.folder) for name in names]
        for each in self.all:
            each.start()

    def __getitem__(self, number: int) -> Machine:
        return self.all[number]

    def remove(self) -> None:
        """Stop them and delete what they had."""
        for each in self.all:
            each.stop()
        shutil.rmtree(self.folder)


def _nobody() -> pwd.struct_passwd | None:
    """Return who is to run libvirtd in root's place; None where root does not run the tests."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _bury(command: list[str]) -> None:
    """Start a program, and wait for it and for everything that it leaves behind."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    nobody = _nobody()
    if nobody is None:
        subprocess.Popen(command)
    else:
        subprocess.Popen(command, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    _bury(sys.argv[1:])
