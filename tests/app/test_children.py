"""Processes that work for another one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CHAOS = "from haizea.cli.main import main; main()"


def children(of: int) -> set[int]:
    """Return the processes that a process has begun, and those that these have."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == of:
            found |= {int(folder.name), *children(int(folder.name))}
    return found


def test_nobody_works_on_for_a_command_that_was_killed() -> None:
    """However hard a command was ended, its processes end with it."""
    command = [sys.executable, "-c", CHAOS, "chaos", "--hours", "2", "--until", "1000000", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as chaos:
        assert chaos.stdout is not None
        assert chaos.stdout.readline().startswith(b"seed 0: ")
        workers = children(chaos.pid)
        assert len(workers) >= 2
        chaos.send_signal(signal.SIGKILL)
        chaos.wait()
    until = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until, "there is somebody left"
        time.sleep(0.05)
