"""One HTTP connection: uvicorn's, with the peer's credentials and with limits that the parser does not have.

Limited are the size of a request's head, the time it takes to arrive, and how many connections there are. A request
that cannot be parsed is answered with a problem document, without a line in the log for each.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from haizea.api import problems
from haizea.api.peers import PEER, Peer, peer_of_socket

ABORT: Final = "haizea.abort"
"""Where a function is found in the scope's state that breaks the connection off, whatever is still to be sent."""

HEAD_MAX: Final = 32_768
HEADERS_MAX: Final = 100
HEAD_S: Final = 10.0
LINGER_S: Final = 1.0
CONNECTIONS_MAX: Final = 1_000
CONNECTIONS_EACH: Final = 250


class Census:
    """How many connections there are, over all and for each peer."""

    def __init__(self, most: int = CONNECTIONS_MAX, each: int = CONNECTIONS_EACH) -> None:
        self._most = most
        self._each = each
        self._all = 0
        self._by_peer: dict[str, int] = {}

    def enter(self, peer: Peer) -> bool:
        """Count a connection in, if there is room. Callers on loopback share an address, which tells nothing."""
        count = self._by_peer.get(peer.key, 0)
        each = self._most if peer.loopback and peer.uid is None else self._each
        if self._all >= self._most or count >= each:
            return False
        self._all += 1
        self._by_peer[peer.key] = count + 1
        return True

    def leave(self, peer: Peer) -> None:
        """Count a connection out."""
        self._all -= 1
        count = self._by_peer[peer.key] - 1
        if count:
            self._by_peer[peer.key] = count
        else:
            del self._by_peer[peer.key]


class HeadTooLarge(Exception):
    """The head of a request is larger than it may be."""


class Connection(HttpToolsProtocol):
    """A connection. ``census`` and ``malformed`` are set by :func:`connection_class`."""

    census: Census
    malformed: Callable[[], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._peer: Peer | None = None
        self._head_bytes = 0
        self._in_head = True
        self._given_up = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is there."""
        super().connection_made(transport)
        peer = peer_of_socket(transport.get_extra_info("socket"))
        if not self.census.enter(peer):
            self._given_up = True
            transport.abort()
            return
        self._peer = peer
        # The parser hands every request a copy of this.
        self.app_state = {**self.app_state, PEER: peer, ABORT: transport.abort}
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        self._stop_timer()
        if self._peer is not None:
            self.census.leave(self._peer)
            self._peer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._given_up:
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            # Only what cannot be anything else counts: the parser may find the end of the head in this piece.
            if self._head_bytes > HEAD_MAX:
                self._give_up(431, f"The head of the request is larger than {HEAD_MAX} bytes.")
                return
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nothing is upgraded: what was asked is answered as it is
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, HeadTooLarge):
                self._give_up(431, str(error.__context__))
            else:
                self._give_up(400, "What was sent is not an HTTP request.")
        # Blank lines, or the rest of a body that nobody waits for, must not keep a connection open for ever.
        if self._head_timer is None and self.timeout_keep_alive_task is None and not self._answering():
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        if not self._in_head:
            self._head_bytes = 0
            self._in_head = True
        if self._head_timer is None:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if len(self.headers) >= HEADERS_MAX:
            raise HeadTooLarge(f"The request has more than {HEADERS_MAX} headers.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > HEAD_MAX:
            raise HeadTooLarge(f"The head of the request is larger than {HEAD_MAX} bytes.")
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._head_overdue)

    def _head_overdue(self) -> None:
        self._head_timer = None
        if self._given_up:
            return
        if self._head_bytes:
            self._give_up(408, f"The head of the request did not arrive within {HEAD_S:g} seconds.")
        else:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _answering(self) -> bool:
        # None before the first request, whatever its type says.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _give_up(self, status: int, detail: str) -> None:
        """Answer what cannot be understood, and close."""
        self._given_up = True
        self._stop_timer()
        self.malformed()
        # It would be taken for the answer to a request before it that is still being carried out.
        if not self._answering():
            content = problems.render(problems.of_status(status, detail))
            head = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            phrase = problems.phrase(status).encode()
            self.transport.write(head % (status, phrase, problems.MEDIA.encode(), len(content)) + content)
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE and self.transport.can_write_eof():
            # Closed with something unread, the connection would break before the client has read the answer.
            self.transport.write_eof()
            self._head_timer = self.loop.call_later(LINGER_S, self.transport.abort)
        else:
            self.transport.close()


def connection_class(census: Census, malformed: Callable[[], None]) -> type[Connection]:
    """Return the class of connections that count in ``census`` and tell ``malformed`` of what cannot be parsed."""
    return type("CountedConnection", (Connection,), {"census": census, "malformed": staticmethod(malformed)})
