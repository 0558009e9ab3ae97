"""Telling systemd how the daemon is (sd_notify(3)); nothing happens where systemd did not start it."""

import os
import socket


def sd_notify(message: str) -> bool:
    """Send a message such as ``READY=1``; return whether anybody is there to hear it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect("\0" + address[1:] if address[0] == "@" else address)
        sender.sendall(message.encode())
    return True
