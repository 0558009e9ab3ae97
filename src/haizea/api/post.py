"""Sending one document by HTTP and looking at nothing of the answer but its status.

What is connected to is an address that was checked, not the name again: names can change what they lead to. No
redirects are followed, and no more of an answer is read than its first lines, within a limit of time over all.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

HEAD_MAX: Final = 16_384


PORTS: Final = {"http": 80, "https": 443}


class Outcome(NamedTuple):
    """How it went: an HTTP status, and for how many seconds the other end wants to be left alone, 0: no wish."""

    status: int
    retry_after_s: int = 0


async def post(
    url: str,
    addresses: Sequence[str],
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    trust: ssl.SSLContext,
) -> Outcome:
    """Send a document of JSON to one of the addresses that a URL's host has, the first that answers.

    Raises:
        OSError: no connection, or it broke.
        TimeoutError: it took too long, all in all.
        ValueError: the URL is none, or the answer was not HTTP.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    head = _head(
        host,
        port if parts.port else None,
        parts.path or "/",
        parts.query,
        {**headers, "content-length": str(len(body))},
    )
    async with asyncio.timeout(timeout_s):
        reader, writer = await _connect(addresses, port, host, trust if parts.scheme == "https" else None)
        try:
            writer.write(head + body)
            await writer.drain()
            return _outcome(await _read_head(reader))
        finally:
            # Nothing more is wanted: not even a farewell of somebody who might take long over it.
            writer.transport.abort()


async def _connect(
    addresses: Sequence[str], port: int, host: str, trust: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that answers."""
    failed: OSError | None = None
    for address in addresses:
        try:
            return await asyncio.open_connection(
                address, port, limit=HEAD_MAX, ssl=trust, server_hostname=host if trust else None
            )
        except OSError as error:
            failed = error
    raise failed or OSError(f"{host} has no address")


def _head(host: str, port: int | None, path: str, query: str, headers: Mapping[str, str]) -> bytes:
    name = f"[{host}]" if ":" in host else host
    lines = [
        f"POST {path}{'?' + query if query else ''} HTTP/1.1",
        f"host: {name if port is None else f'{name}:{port}'}",
        "content-type: application/json",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """Return the first lines of the answer, without provisional ones."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise ValueError("the answer is not HTTP, or too long") from None
        if not head.startswith(b"HTTP/1.1 1"):
            return head


def _outcome(head: bytes) -> Outcome:
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise ValueError("the answer is not HTTP")
    retry = 0
    for line in rest:
        name, _, value = line.partition(":")
        if name.strip().lower() == "retry-after":
            with contextlib.suppress(ValueError):
                retry = max(0, int(value))
    return Outcome(int(words[1]), retry)
