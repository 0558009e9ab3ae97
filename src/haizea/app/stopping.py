"""Stopping a daemon from outside."""

import os
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Final

STOP_S: Final = 60.0


def stop(path: Path) -> int:
    """Stop the daemon that listens at a Unix socket, and wait until it has ended; return its process.

    Raises:
        OSError: nobody listens there, or it is not this user's, or it does not end.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        probe.connect(str(path))
        # Who listens is what the system says, so that no file with a number can be out of date.
        process: int = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    os.kill(process, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while time.monotonic() < until:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return process
        if _is_zombie(process):
            return process
        time.sleep(0.05)
    raise TimeoutError(f"process {process} was told to stop, and has not within {STOP_S:g} s; see its log")


def _is_zombie(process: int) -> bool:
    """Whether a process has ended and only its parent has not taken note."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
