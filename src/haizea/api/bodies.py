"""Reading a request's body whole, within limits of size, time and memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from haizea.api.asgi import Message, Receive
from haizea.api.options import DoorOptions
from haizea.api.problems import Refused
from haizea.service.errors import Unavailable

# What of an oversized body is still taken in, so that the client gets to read the refusal, not a broken connection.
DRAIN_MAX: Final = 8 << 20
DRAIN_S: Final = 2.0


class Bodies:
    """Reads bodies, keeping count of the memory that all of them take together."""

    def __init__(self, options: DoorOptions) -> None:
        self._options = options
        self._held = 0

    @asynccontextmanager
    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> AsyncIterator[tuple[int, Receive]]:
        """Read a body; the context is how long it is held. Gives its size, and a ``receive`` that has it at once.

        Raises:
            Refused: it is too large, came too slowly, or its length makes no sense.
            Unavailable: the memory for bodies is used up.
        """
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            yield 0, receive
            return
        announced = _announced(headers)
        if announced > self._options.body_max:
            # Who waits to be told to go on has sent nothing yet.
            if headers.get(b"expect", b"").lower() != b"100-continue":
                await self._drain(receive)
            raise self._too_large()
        body = bytearray()
        try:
            await self._fill(body, receive)
            yield len(body), _Replay(bytes(body), receive)
        finally:
            self._held -= len(body)

    async def _fill(self, body: bytearray, receive: Receive) -> None:
        """Append all of the body, as it comes."""
        try:
            async with asyncio.timeout(self._options.body_time_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionResetError
                    chunk = message.get("body", b"")
                    more = message.get("more_body", False)
                    body += chunk
                    self._held += len(chunk)
                    if len(body) > self._options.body_max:
                        if more:
                            await self._drain(receive)
                        raise self._too_large()
                    if self._held > self._options.bodies_max:
                        raise Unavailable("Too many large requests at once.", code="busy", retry_after_s=1)
        except TimeoutError:
            raise Refused(408, f"The body did not arrive within {self._options.body_time_s:g} seconds.") from None

    async def _drain(self, receive: Receive) -> None:
        """Take in some of what is still coming, and throw it away."""
        try:
            async with asyncio.timeout(DRAIN_S):
                taken = 0
                while taken < DRAIN_MAX:
                    message = await receive()
                    taken += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return

    def _too_large(self) -> Refused:
        return Refused(413, f"The body is larger than {self._options.body_max} bytes.")


class _Replay:
    """Gives a body that was read already, then whatever comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """Return the next message."""
        if self._body is not None:
            message = {"type": "http.request", "body": self._body, "more_body": False}
            self._body = None
            return message
        return await self._receive()


def _announced(headers: Mapping[bytes, bytes]) -> int:
    """Return how long the body is said to be, 0 where that is not said."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18:
        raise Refused(400, "The header content-length is not a number.")
    return int(length)
