"""Where a server listens: ``unix:///path``, ``http://host:port``, ``https://host:port``."""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from haizea.client.errors import BadAddress

PORT: Final = 42480
PORT_MAX: Final = 65_535
ADDRESS_FORM: Final = "unix:///path/to/haizea.sock, http://127.0.0.1:42480 or https://host:port"
LOOPBACK: Final = frozenset({"localhost", "::1", "ip6-localhost"})


class Address(NamedTuple):
    """A place to connect to: ``scheme`` is ``unix`` (with a path), ``http`` or ``https`` (with host and port)."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        return f"{self.scheme}://[{self.host}]:{self.port}" if ":" in self.host else f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """What the ``Host`` header says."""
        return "localhost" if self.scheme == "unix" else f"{self.host}:{self.port}"

    @property
    def private(self) -> bool:
        """Whether what is sent there cannot be read on the way."""
        return self.scheme != "http" or self.host in LOOPBACK or self.host.startswith("127.")


def parse_address(text: str) -> Address:
    """Read an address; a path that begins with ``/`` is that of a Unix socket.

    Raises:
        BadAddress: the text is none.
    """
    said = text.strip()
    if not said.isprintable():
        raise _bad(text, "characters that no address has")
    if said.startswith("/"):
        return Address("unix", path=said)
    if said.startswith("unix:/") and not said.startswith("unix://"):
        # How a daemon writes where it listens.
        return Address("unix", path=said.removeprefix("unix:"))
    scheme, separator, rest = said.partition("://")
    if scheme == "unix" and separator:
        if not rest.startswith("/"):
            raise _bad(text, "the path of a Unix socket begins with /")
        return Address("unix", path=rest)
    if scheme not in ("http", "https") or not separator:
        raise _bad(text, "no address of a server")
    authority, _, path = rest.partition("/")
    if path:
        raise _bad(text, f"a path /{path}")
    if "@" in authority:
        raise BadAddress("the server's address holds a user or a secret", "give the token in HAIZEA_TOKEN")
    return Address(scheme, *_host_and_port(text, authority))


def _host_and_port(text: str, authority: str) -> tuple[str, int]:
    if authority.startswith("["):
        host, closed, port = authority[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise _bad(text, "no IPv6 address in brackets")
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
    if not host or " " in host:
        raise _bad(text, "no host in it")
    if not port:
        return host, PORT
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= PORT_MAX):
        raise _bad(text, f"no port {port[:20]}")
    return host, int(port)


def socket_path(environ: Mapping[str, str]) -> str:
    """Return where the daemon of this user listens unless it was told otherwise."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return os.path.join(runtime, "haizea", "haizea.sock")
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "share", "haizea", "haizea.sock")


def _bad(text: str, wrong: str) -> BadAddress:
    shown = "".join(c if c.isprintable() else "?" for c in text[:200])
    return BadAddress(f"the server {shown!r}: {wrong}", f"write it as {ADDRESS_FORM}")
