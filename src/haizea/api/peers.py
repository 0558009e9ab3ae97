"""Who is at the other end of a connection, as the operating system tells it."""

import ipaddress
import socket
import struct
from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

PEER: Final = "haizea.peer"
"""Where a connection's peer is found in an ASGI scope's state."""


class Peer(NamedTuple):
    """The other end: a Unix user on this machine, or an address. ``loopback``: it is this machine."""

    uid: int | None = None
    address: str = ""
    loopback: bool = False

    @property
    def key(self) -> str:
        """What limits go by: the user, else the address; of IPv6 the network, for anybody can have many addresses."""
        if self.uid is not None:
            return f"uid:{self.uid}"
        if ":" in self.address:
            return f"net:{_network(self.address)}"
        return f"net:{self.address}"


def _network(address: str) -> str:
    """Return the /64 that an IPv6 address is in."""
    try:
        return str(ipaddress.IPv6Network((address.split("%")[0], 64), strict=False).network_address)
    except ValueError:
        return address


def is_loopback(address: str) -> bool:
    """Whether an address, written as numbers, is this machine's own."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def peer_of_socket(sock: Any) -> Peer:
    """Return who is connected to a socket: by its credentials if it is a Unix socket, else by its address."""
    if sock is None:
        return Peer()
    if sock.family == socket.AF_UNIX:
        return Peer(uid=unix_user(sock), loopback=True)
    try:
        address = str(sock.getpeername()[0])
    except OSError:
        return Peer()
    return Peer(address=address, loopback=is_loopback(address))


def unix_user(sock: Any) -> int | None:
    """Return the user who connected to a Unix socket; None where this system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    layout = struct.Struct("3i")
    _, uid, _ = layout.unpack(sock.getsockopt(socket.SOL_SOCKET, option, layout.size))
    # A peer in another user namespace is nobody.
    return int(uid) if uid >= 0 else None


def peer_of_scope(scope: MutableMapping[str, Any]) -> Peer:
    """Return the peer of an ASGI request."""
    peer = scope.get("state", {}).get(PEER)
    if isinstance(peer, Peer):
        return peer
    client = scope.get("client")
    address = str(client[0]) if client else ""
    return Peer(address=address, loopback=is_loopback(address))
