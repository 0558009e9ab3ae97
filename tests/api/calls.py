"""Calling the API without a network, and over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from haizea.api.options import ApiOptions, DoorOptions
from haizea.api.rest import Api
from haizea.api.server import Listener, Servers
from tests.api.fake_manager import FakeManager

BASE = "http://localhost"
REQUEST = {"nodes": [{"count": 2, "resources": {"CPU": 100, "Memory": 512}}], "duration": 3600, "name": "course"}
UNLIMITED = DoorOptions(rate=0, peer_rate=0)
OPEN = ApiOptions(door=UNLIMITED)


class Caller:
    """Makes calls as somebody; the peer is on loopback."""

    def __init__(self, api: Api, manager: FakeManager, token: str | None, address: str = "127.0.0.1") -> None:
        self.api = api
        self.manager = manager
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.transport = httpx.ASGITransport(app=api, client=(address, 50_000))

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Make a call."""
        headers = {**self.headers, **more.pop("headers", {})}
        async with httpx.AsyncClient(transport=self.transport, base_url=BASE, timeout=60) as client:
            return await client.request(method, path, headers=headers, **more)


def scenario(
    play: Callable[[Caller], Awaitable[None]],
    *,
    token: str | None = "ada-token",
    options: ApiOptions = OPEN,
    manager: FakeManager | None = None,
    address: str = "127.0.0.1",
) -> FakeManager:
    """Play a scenario against an API of its own."""
    manager = manager or FakeManager()

    async def run() -> None:
        api = Api(manager, options)
        try:
            async with asyncio.timeout(30):
                await play(Caller(api, manager, token, address))
        finally:
            api.close()

    asyncio.run(run())
    return manager


@contextlib.asynccontextmanager
async def serving(
    api: Api, *, path: Path | None = None, mode: int = 0o600, tcp: bool = True
) -> AsyncIterator[tuple[Servers, list[str]]]:
    """Serve an API at real sockets. Gives the servers, and their addresses: TCP first, then the Unix socket."""
    listeners = [Listener(api, port=0, malformed=api.metrics.malformed)] if tcp else []
    if path is not None:
        listeners.append(Listener(api, path=path, mode=mode, malformed=api.metrics.malformed))
    servers = Servers(listeners, on_stop=api.stop_streams)
    try:
        yield servers, await servers.start()
    finally:
        await servers.stop()
        api.close()


def over_sockets(play: Callable[[], Coroutine[Any, Any, None]], limit_s: float = 30) -> None:
    """Play a scenario that has a server of its own."""

    async def run() -> None:
        async with asyncio.timeout(limit_s):
            await play()

    asyncio.run(run())


async def talk(address: str, sent: bytes, *, until_closed: bool = True) -> bytes:
    """Send bytes to ``http://host:port`` and return what comes back: all of it, or the first piece."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        await writer.drain()
        return await (reader.read() if until_closed else reader.read(65_536))
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
