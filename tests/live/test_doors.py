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
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
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


def test_a_stream_ends_with_its_token(tmp_path: Path) -> None:
    """Whoever follows the journal is told nothing more from when the token was revoked, not even that."""

    async def play(client: httpx.AsyncClient, rest: str, _xmlrpc: str) -> None:
        await client.put("/v1/users/ann", json={"role": "admin"})
        made = (await client.post("/v1/tokens", json={"user": "ann"})).json()
        named = {"authorization": f"Bearer {made['secret']}"}
        async with (
            httpx.AsyncClient(base_url=rest, headers=named, timeout=60) as ann,
            ann.stream("GET", "/v1/events/stream") as answer,
        ):
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("retry")
            await client.put("/v1/groups/wind", json={})
            while not (await anext(lines)).startswith("data"):
                pass
            assert (await client.delete(f"/v1/tokens/{made['id']}")).status_code < 300
            async with asyncio.timeout(5):
                assert [line async for line in lines if line.startswith("data")] == []

    scenario(play, tmp_path)


def test_xml_rpc_changes_a_lease_only_as_it_was_seen(tmp_path: Path) -> None:
    """With a version that is gone, a lease is neither changed nor cancelled."""

    async def play(client: httpx.AsyncClient, _rest: str, xmlrpc: str) -> None:
        await client.put("/v1/users/ann", json={"role": "admin"})
        session = f"ann:{(await client.post('/v1/tokens', json={'user': 'ann'})).json()['secret']}"
        body = {"nodes": [{"resources": {"CPU": 100, "Memory": 512}}], "duration": 60, "start": "+01:00:00"}
        old = (await client.post("/v1/leases", json=body)).json()["version"]
        now = (await client.patch("/v1/leases/1", json={"name": "a"})).json()["version"]

        def talk() -> list[Any]:
            with ServerProxy(xmlrpc) as proxy:
                change, cancel = proxy.haizea.lease.change, proxy.haizea.lease.cancel
                return [
                    change(session, 1, {"name": "b"}, old),
                    cancel(session, 1, "", False, old),
                    change(session, 1, {"name": "c"}, now),
                    cancel(session, 1),
                ]

        told = await asyncio.to_thread(talk)
        assert [each[0] for each in told] == [False, False, True, True]
        assert "has changed since" in told[0][1]
        assert (told[2][1]["name"], told[3][1]["state"]) == ("c", "cancelled")

    scenario(play, tmp_path)


def test_calls_of_xml_rpc_are_measured(tmp_path: Path) -> None:
    """They are counted by method, and so are connections to any door on which no HTTP is spoken."""

    async def play(client: httpx.AsyncClient, _rest: str, xmlrpc: str) -> None:
        def talk() -> None:
            with ServerProxy(xmlrpc) as proxy:
                proxy.system.listMethods()
            where = urlsplit(xmlrpc)
            with socket.create_connection((where.hostname, where.port), timeout=60) as junk:
                junk.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
                while junk.recv(1000):
                    pass

        await asyncio.to_thread(talk)
        figures = (await client.get("/metrics")).text
        assert 'haizea_http_requests_total{method="POST",route="system.listMethods",status="200"} 1.0' in figures
        assert "haizea_http_malformed_total 1.0" in figures

    scenario(play, tmp_path)
