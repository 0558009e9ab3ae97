"""All front doors of a daemon together: what one of them learns, the others know; and all are measured."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xmlrpc.client import ServerProxy

import httpx

from haizea.app.daemon import build
from haizea.app.doors import Doors
from haizea.config import load
from tests.api.calls import over_sockets

Play = Callable[[httpx.AsyncClient, str, str], Awaitable[None]]


def scenario(play: Play, folder: Path) -> None:
    """Play with the doors of a daemon: a client at the Unix socket, the address of REST, and that of XML-RPC."""
    sets = ("store.url=memory:", f"server.socket={folder}/s", "server.listen=127.0.0.1:0", "server.xmlrpc=127.0.0.1:0")
    parts = build(load(sets=sets, environ={}), warn=print)

    async def run() -> None:
        doors = Doors(parts.manager, parts.settings)
        parts.engine.start()
        try:
            _, rest, xmlrpc = await doors.open()
            transport = httpx.AsyncHTTPTransport(uds=f"{folder}/s")
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10) as client:
                await play(client, rest, xmlrpc)
        finally:
            await doors.close()
            await asyncio.to_thread(parts.engine.stop)
            parts.store.close()

    over_sockets(run)


def test_a_token_that_was_revoked_at_one_door_opens_no_other(tmp_path: Path) -> None:
    """Whoever was just believed over REST is not any more as soon as XML-RPC has revoked their token."""

    async def play(client: httpx.AsyncClient, rest: str, xmlrpc: str) -> None:
        await client.put("/v1/users/ann", json={"role": "admin"})
        made = (await client.post("/v1/tokens", json={"user": "ann"})).json()
        named = {"authorization": f"Bearer {made['secret']}"}
        session = f"ann:{made['secret']}"
        async with httpx.AsyncClient(base_url=rest, headers=named) as ann:
            assert (await ann.get("/v1/whoami")).json()["user"] == "ann"
            with ServerProxy(xmlrpc) as proxy:
                done: Any = await asyncio.to_thread(proxy.haizea.token.revoke, session, made["id"])
                assert done[0] is True, done
                assert (await ann.get("/v1/whoami")).status_code == 401
                done = await asyncio.to_thread(proxy.haizea.tokenpool.info, session)
                assert done[0] is False

    scenario(play, tmp_path)


def test_calls_of_xml_rpc_are_measured(tmp_path: Path) -> None:
    """They are counted by method, and so are connections to any door on which no HTTP is spoken."""

    async def play(client: httpx.AsyncClient, _rest: str, xmlrpc: str) -> None:
        def talk() -> None:
            with ServerProxy(xmlrpc) as proxy:
                proxy.system.listMethods()
            where = urlsplit(xmlrpc)
            with socket.create_connection((where.hostname, where.port), timeout=5) as junk:
                junk.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
                while junk.recv(1000):
                    pass

        await asyncio.to_thread(talk)
        figures = (await client.get("/metrics")).text
        assert 'haizea_http_requests_total{method="POST",route="system.listMethods",status="200"} 1.0' in figures
        assert "haizea_http_malformed_total 1.0" in figures

    scenario(play, tmp_path)
