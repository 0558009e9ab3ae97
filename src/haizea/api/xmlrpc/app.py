"""The application that the daemon serves for XML-RPC: HTTP around calls, and threads for them.

It stands behind the same door as REST, with one difference: who sends no credentials gets in, because a session in the
call may name somebody. Methods that need somebody named look for that session, then for whom the door would let in.
"""

import asyncio
import base64
from collections.abc import Mapping
from concurrent.futures import CancelledError
from typing import Final, NamedTuple

from haizea.api import problems
from haizea.api.asgi import Receive, Scope, Send
from haizea.api.door import ROUTE, Door, Observer
from haizea.api.facade import Manager
from haizea.api.options import DoorOptions
from haizea.api.peers import Peer, peer_of_scope
from haizea.api.workers import Lane
from haizea.api.xmlrpc.dispatch import Dispatcher, Session, Who
from haizea.api.xmlrpc.faults import RpcFault
from haizea.api.xmlrpc.table import BY_NAME, MULTICALL
from haizea.api.xmlrpc.wire import Call, decode, fault_response, response
from haizea.service.errors import TooMany, Unauthenticated, Unavailable
from haizea.service.limits import Buckets
from haizea.service.principal import Principal

PATHS: Final = frozenset({"/", "/RPC2"})
ACCOUNTS: Final = ("user.", "group.", "token.")
"""How verbs begin that change who somebody is."""
MEDIA: Final = frozenset({"text/xml", "application/xml"})
HOW: Final = "Name a user and a token in the address, http://USER:TOKEN@HOST:42493, or in the session, 'USER:TOKEN'."

# How long a thread waits for the event loop to say who asks.
_WHO_S: Final = 20.0


class XmlRpcOptions(NamedTuple):
    """How calls are carried out. ``door`` is as for REST; media types, paths and the rate of a peer are set here.

    ``readers`` and ``writers`` are threads for methods that read, and for those that go through the loop. ``waiters``
    are for methods that wait for news; when all are taken, more are refused. A call that has waited ``wait_s`` seconds
    for a thread is refused, and so is one that finds ``waiting_max`` others waiting. ``answer_max`` is how many
    characters an answer may have.
    """

    door: DoorOptions = DoorOptions()
    readers: int = 4
    writers: int = 8
    waiters: int = 16
    wait_s: float = 10.0
    waiting_max: int = 100
    answer_max: int = 32 << 20


class XmlRpcApi:
    """XML-RPC as an ASGI application behind a :class:`Door`.

    Belongs to one event loop. :meth:`close` lets go of its threads.
    """

    def __init__(self, manager: Manager, options: XmlRpcOptions, observer: Observer | None = None) -> None:
        given = options.door
        self._dispatcher = Dispatcher(manager, options.answer_max)
        self._readers = Lane("xmlrpc-read", options.readers, wait_s=options.wait_s, waiting_max=options.waiting_max)
        self._writers = Lane("xmlrpc-write", options.writers, wait_s=options.wait_s, waiting_max=options.waiting_max)
        self._waiters = Lane("xmlrpc-wait", options.waiters, wait_s=0.1, waiting_max=0)
        self._rates = Buckets(given.rate, given.burst)
        door_options = given._replace(
            media=MEDIA,
            public=PATHS,
            local=frozenset(),
            # Nothing is known of a peer before its call is read, so all calls of a machine count as this peer's.
            peer_rate=max(given.peer_rate, given.rate) if given.peer_rate and given.rate else 0.0,
            peer_burst=max(given.peer_burst, given.burst),
        )
        self.door = Door(self._http, manager.accounts, door_options, observer=observer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an ASGI connection."""
        await self.door(scope, receive, send)

    def forget_callers(self) -> None:
        """Find out anew who everybody is: accounts have changed. May be called on any thread."""
        self.door.identity.forget()

    def close(self) -> None:
        """Let go of all threads, when what runs on them is over."""
        for lane in (self._readers, self._writers, self._waiters):
            lane.close()
        self.door.identity.close()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that the door let in."""
        headers = dict(reversed(scope["headers"]))
        if scope["path"] not in PATHS:
            raise problems.Refused(404, "XML-RPC is at / and /RPC2.", remedy="Send calls there, by POST.")
        if scope["method"] != "POST":
            await _send(send, 405, b"Calls of XML-RPC are sent by POST.\n", b"text/plain", [(b"allow", b"POST")])
            return
        if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
            raise problems.Refused(415, "The body is compressed.", remedy="Send it as it is.")
        message = await receive()
        body = await self._answer(message.get("body", b""), headers, peer_of_scope(scope), scope)
        await _send(send, 200, body, b"text/xml")

    async def _answer(self, body: bytes, headers: Mapping[bytes, bytes], peer: Peer, scope: Scope) -> bytes:
        """Return the answer to the body of a request.

        Raises:
            ServiceError: nothing was carried out: a header names somebody who is not believed, or the daemon is busy.
        """
        header = headers.get(b"authorization")
        if header is not None:
            await self._who(header, peer)
        try:
            call = await self._readers.run(decode, body)
            method = BY_NAME.get(call.method)
            scope[ROUTE] = method.name if method else ""
            loop = asyncio.get_running_loop()

            def who(session: Session | None) -> Principal:
                asked = asyncio.run_coroutine_threadsafe(self._charged(session, header, peer), loop)
                try:
                    return asked.result(_WHO_S)
                except (TimeoutError, CancelledError):
                    asked.cancel()
                    raise Unavailable("Who asks could not be found out in time.", retry_after_s=1) from None

            return await self._lane(call).run(self._carry_out, call, who)
        except RpcFault as fault:
            return fault_response(fault)

    def _carry_out(self, call: Call, who: Who) -> bytes:
        try:
            return response(self._dispatcher.answer(call, who))
        except RpcFault as fault:
            return fault_response(fault)
        finally:
            method = BY_NAME.get(call.method)
            if call.method == MULTICALL or (method is not None and method.verb.startswith(ACCOUNTS) and method.loop):
                self.forget_callers()

    def _lane(self, call: Call) -> Lane:
        method = BY_NAME.get(call.method)
        if method is not None and method.waits:
            return self._waiters
        return self._writers if call.method == MULTICALL or (method is not None and method.loop) else self._readers

    async def _charged(self, session: Session | None, header: bytes | None, peer: Peer) -> Principal:
        """Return who makes a call, after counting it among theirs."""
        if session is not None:
            header = b"Basic " + base64.b64encode(f"{session.user}:{session.token}".encode())
        try:
            principal = await self._who(header, peer)
        except Unauthenticated as error:
            raise Unauthenticated(error.detail, code=error.code, remedy=HOW) from error
        wait = self._rates.take(principal.key or f"user:{principal.user}")
        if wait:
            raise TooMany("Too many calls.", remedy="Send fewer.", retry_after_s=int(wait) + 1)
        return principal

    async def _who(self, header: bytes | None, peer: Peer) -> Principal:
        return await self.door.identity.find(header, peer)


def make_xmlrpc_app(
    manager: Manager,
    options: XmlRpcOptions = XmlRpcOptions(),  # noqa: B008 - a tuple, nobody changes it
    *,
    observer: Observer | None = None,
) -> XmlRpcApi:
    """Return the ASGI application; ``observer`` hears of every request, with the method's name as its route."""
    return XmlRpcApi(manager, options, observer)


async def _send(
    send: Send, status: int, body: bytes, media: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    fields = [(b"content-type", media), (b"content-length", b"%d" % len(body)), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
