"""Listening: Unix sockets and TCP, several at once in one event loop, until told to stop.

Addresses off loopback are refused without TLS: tokens would travel unprotected.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from uvicorn import Config, Server

from haizea.api.asgi import App
from haizea.api.peers import is_loopback
from haizea.api.protocol import Census, connection_class

BACKLOG: Final = 512
KEEP_ALIVE_S: Final = 30
GRACE_S: Final = 10
PATH_MAX: Final = 100
PORT_MAX: Final = 65_535


class CannotListen(Exception):
    """An address cannot be listened at; the message says why, and what to do."""


class Tls(NamedTuple):
    """Files of a certificate chain and its key, in PEM."""

    certificate: Path
    key: Path


class Listener(NamedTuple):
    """Where an application is to be served: at the Unix socket ``path``, or at ``host`` and ``port`` (0: any free one).

    ``mode`` is that of the Unix socket, ``group`` the name of the Unix group it is given to. ``tls`` is required off
    loopback. ``malformed`` is called for each connection on which no HTTP is spoken.
    """

    app: App
    path: Path | None = None
    mode: int = 0o600
    group: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    tls: Tls | None = None
    malformed: Callable[[], None] = lambda: None


class _QuietServer(Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Servers:
    """Servers that are started together and stopped together, in the running event loop.

    ``on_stop`` is called when they are to stop, to end what would not end by itself.
    """

    def __init__(self, listeners: Sequence[Listener], *, on_stop: Callable[[], None] = lambda: None) -> None:
        self._listeners = listeners
        self._on_stop = on_stop
        self._open: list[_Open] = []
        self._tasks: list[asyncio.Task[None]] = []

    def bind(self) -> None:
        """Take the addresses. Who connects waits until :meth:`start`.

        Raises:
            CannotListen: at one of them; then none is taken.
        """
        try:
            for listener in self._listeners:
                self._open.append(_open(listener))
        except BaseException:
            self._close()
            raise

    async def start(self) -> list[str]:
        """Begin to listen. Returns the addresses, in order: ``unix:PATH``, ``http://HOST:PORT``, ``https://…``.

        Raises:
            CannotListen: at one of them; then none is listened at.
        """
        if not self._open:
            self.bind()
        for each in self._open:
            self._tasks.append(asyncio.create_task(each.server.serve(sockets=[each.socket])))
        while not all(each.server.started for each in self._open):
            for task in self._tasks:
                if task.done():
                    await self.stop()
                    raise CannotListen(f"A server ended when it was started: {task.exception()}")
            await asyncio.sleep(0.005)
        return [each.address for each in self._open]

    async def wait(self) -> None:
        """Return when a server has ended, which by itself none should."""
        if self._tasks:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> None:
        """Take no more requests, finish those that are being carried out, for a few seconds, and end."""
        for each in self._open:
            each.server.should_exit = True
        self._on_stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close()

    def _close(self) -> None:
        for each in self._open:
            each.socket.close()
            each.release()
        self._open.clear()
        self._tasks.clear()


class _Open(NamedTuple):
    """A socket that is open, its server, where it is, and what to do when it is closed."""

    socket: socket.socket
    server: Server
    address: str
    release: Callable[[], None]


def _open(listener: Listener) -> _Open:
    if listener.path is not None:
        opened, release = open_unix(listener.path, listener.mode, listener.group)
        address = f"unix:{listener.path}"
    else:
        opened, release = open_tcp(listener.host, listener.port, tls=listener.tls is not None), _nothing
        host, port = opened.getsockname()[:2]
        address = f"{'https' if listener.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        return _Open(opened, _server(listener), address, release)
    except BaseException:
        opened.close()
        release()
        raise


def _server(listener: Listener) -> Server:
    """Return a server that is not running yet."""
    tls: dict[str, Any] = {}
    if listener.tls is not None:
        context = tls_context(listener.tls)
        tls = {"ssl_certfile": listener.tls.certificate, "ssl_context_factory": lambda *_: context}
    config = Config(
        listener.app,
        http=connection_class(Census(), listener.malformed),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        **tls,
    )
    return _QuietServer(config)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return what a TLS server needs.

    Raises:
        CannotListen: a file is missing, not readable or not what it should be.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in tls:
        if not os.access(file, os.R_OK):
            raise CannotListen(f"The file {file} for TLS is missing or may not be read by this user.")
    try:
        # A key with a password would have it asked for at the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ValueError) as error:
        raise CannotListen(
            f"{tls.certificate} and {tls.key} are no certificate in PEM with its key, without a password: {error}"
        ) from None
    return context


def open_tcp(host: str, port: int, *, tls: bool) -> socket.socket:
    """Open a TCP socket and listen.

    Raises:
        CannotListen: the address is off loopback and there is no TLS, is taken, or is none of this machine's.
    """
    if not 0 <= port <= PORT_MAX:
        raise CannotListen(f"{port} is no port: they go from 0 to {PORT_MAX}.")
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(f"{host!r} is no address of this machine: {error}") from None
    family, _, _, _, address = found[0]
    if not tls and not is_loopback(str(address[0])):
        raise CannotListen(
            f"{host}:{port} can be reached from other machines, and there is no TLS: tokens would travel unprotected. "
            "Set a certificate and a key, or listen at 127.0.0.1."
        )
    # With the protocol named, asyncio sends answers without waiting for more to send (TCP_NODELAY).
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        taken = error.errno == errno.EADDRINUSE
        why = "another program listens there" if taken else str(error)
        raise CannotListen(f"Port {port} of {host} cannot be listened at: {why}.") from None
    return opened


def open_unix(path: Path, mode: int, group: str | None = None) -> tuple[socket.socket, Callable[[], None]]:
    """Open a Unix socket and listen. What a daemon left behind that ended unexpectedly is removed.

    Returns the socket, and what removes it again when it is closed.

    Raises:
        CannotListen: somebody listens there, something else is there, the folder cannot be written, or the group is not
            one that this process may give it to.
    """
    if len(os.fsencode(path)) > PATH_MAX:
        raise CannotListen(f"The path {path} is too long for a socket: at most {PATH_MAX} bytes.")
    number = None if group is None else group_number(group)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Whoever may use the socket must get to it.
        path.parent.mkdir(mode=0o700 if not mode & 0o077 else 0o711, parents=True, exist_ok=True)
        lock = _lock(path)
        try:
            _remove_stale(path)
            opened.bind(str(path))
            # Nobody can connect before listen, so there is no moment at which mode and group are others.
            path.chmod(mode)
            if number is not None:
                _give(path, number)
            opened.listen(BACKLOG)
            opened.setblocking(False)
            made = path.stat()
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        opened.close()
        raise CannotListen(f"The socket {path} cannot be made: {error.strerror or error}.") from None
    except BaseException:
        opened.close()
        raise

    def release() -> None:
        with contextlib.suppress(OSError):
            found = path.stat()
            if (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino):
                path.unlink()
        os.close(lock)

    return opened, release


def group_number(name: str) -> int:
    """Return the number of a Unix group.

    Raises:
        CannotListen: there is none of this name.
    """
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise CannotListen(
            f"There is no Unix group {name!r} that the socket could be given to. Add it, or name another as "
            "server.socket-group."
        ) from None


def _give(path: Path, group: int) -> None:
    try:
        os.chown(path, -1, group)
    except PermissionError:
        path.unlink()
        raise CannotListen(
            f"The socket {path} cannot be given to its group, number {group}, which this user is not in. "
            "Add the user to it, or name another as server.socket-group."
        ) from None


def _lock(path: Path) -> int:
    """Lock a socket's place against another daemon that starts at the same time. Returns the lock's descriptor."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CannotListen(f"Another daemon listens at {path}.") from None
    return lock


def _remove_stale(path: Path) -> None:
    """Remove a socket at which nobody listens."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotListen(f"{path} is there and is no socket. Move it away, or choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise CannotListen(f"Whether somebody listens at {path} cannot be found out: {error.strerror}.") from None
    raise CannotListen(f"Another program listens at {path}.")


def _nothing() -> None:
    """Do nothing: a TCP socket leaves nothing behind."""
