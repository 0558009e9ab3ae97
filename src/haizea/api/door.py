"""What every request passes before anything looks into it: limits, who it is from, and what its answer carries.

In order of cost: the connection's peer, ``Host`` and ``Origin``, the length of the URL, the caller, the caller's rate,
then the body, which is read whole, within limits of size and time. Whoever is behind the door finds the caller in the
scope. A refusal is a problem document.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog

from haizea.api import problems
from haizea.api.asgi import App, Message, Receive, Scope, Send
from haizea.api.bodies import Bodies
from haizea.api.facade import Accounts
from haizea.api.identity import Identity
from haizea.api.options import DoorOptions
from haizea.api.peers import Peer, is_loopback, peer_of_scope
from haizea.service.errors import Forbidden, ServiceError, TooMany
from haizea.service.limits import Buckets
from haizea.service.principal import Principal

PRINCIPAL: Final = "haizea.principal"
"""Where the caller is found in a request's scope; absent on public paths."""
RENEW: Final = "haizea.renew"
"""Where a coroutine function is found that finds out the caller anew, and raises if it is not believed any more."""
ROUTE: Final = "haizea.route"
"""Where whoever answers may leave the name of the route, for the figures."""
TOLD: Final = "haizea.told"
"""Set where an unexpected error has been logged and answered already."""
HEAD: Final = "haizea.head"
"""Set where only the head of the answer is wanted."""

# How long a caller beyond its rate is kept waiting for the refusal, and how many at once: others are refused at once.
SLOW_S: Final = 0.2
SLOWED_MAX: Final = 200

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class Observer(Protocol):
    """Whoever wants to know how requests went."""

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        """Take note of an answer; ``route`` is empty where nothing behind the door was reached."""


class Answer:
    """Sends an answer, adding what all answers carry."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._head = scope["method"] == "HEAD"
        self._secure = scope.get("scheme") == "https"
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._headers(message.get("headers", ()))}
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, given: Any) -> list[tuple[bytes, bytes]]:
        headers = [*given, *SECURITY_HEADERS]
        if self._secure:
            headers.append(HSTS)
        if not any(name == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))
        return headers


class Door:
    """ASGI middleware: lets requests in to ``app``, or not.

    Belongs to one event loop.
    """

    def __init__(
        self,
        app: App,
        accounts: Accounts,
        options: DoorOptions = DoorOptions(),  # noqa: B008 - a tuple, nobody changes it
        *,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self._options = options
        self._observer = observer
        self.access_log = options.access_log
        self._clock = clock
        self._peers = Buckets(options.peer_rate, options.peer_burst, clock=clock)
        self._principals = Buckets(options.rate, options.burst, clock=clock)
        self.identity = Identity(accounts, self._peers, anonymous=options.anonymous, clock=clock)
        self._bodies = Bodies(options)
        self._slowed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an ASGI connection."""
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        started = self._clock()
        answer = Answer(send, scope)
        inner: Scope = {**scope, "method": "GET", HEAD: True} if scope["method"] == "HEAD" else scope
        try:
            await self._let_in(inner, receive, answer)
        except ServiceError as error:
            await _refuse(answer, error)
        except ConnectionResetError:
            pass  # the client is gone; there is nobody to tell
        except Exception as error:
            if inner.get(TOLD):
                return
            if answer.status:
                # Part of the answer is out: only breaking off tells the client that the rest is missing.
                raise
            await _send_problem(answer, problems.internal(error), {})
        finally:
            self._note(inner, scope["method"], answer.status, self._clock() - started)

    async def _let_in(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        peer = peer_of_scope(scope)
        headers = _first_headers(scope)
        self._check_target(scope, headers, peer)
        try:
            principal = await self._caller(scope, headers, peer)
            async with self._bodies.read(headers, receive) as (size, replay):
                self._check_media(headers, size)
                if principal is not None:
                    scope[PRINCIPAL] = principal
                    scope[RENEW] = lambda: self.identity.find(headers.get(b"authorization"), peer)
                await self.app(scope, replay, answer.send)
        except TooMany:
            if not answer.status:
                await self._slow_down()
            raise

    async def _caller(self, scope: Scope, headers: Mapping[bytes, bytes], peer: Peer) -> Principal | None:
        """Return who asks, None on a path where nobody has to say so.

        Raises:
            ServiceError: nobody who may ask now.
        """
        path = scope["path"]
        if path in self._options.public or (peer.loopback and path in self._options.local):
            _take(self._peers, peer.key)
            return None
        principal = await self.identity.find(headers.get(b"authorization"), peer)
        _take(self._principals, principal.key or f"user:{principal.user}")
        return principal

    def _check_target(self, scope: Scope, headers: Mapping[bytes, bytes], peer: Peer) -> None:
        """Raise where the request is meant for somebody else, or was made by somebody else's web page."""
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > self._options.url_max:
            raise problems.Refused(414, f"The URL is longer than {self._options.url_max} bytes.")
        host = headers.get(b"host", b"").decode("latin-1")
        # A page on the network can have its own name lead to this machine, and then read answers. It cannot forge Host.
        if peer.uid is None and peer.address and not self._known_host(host, peer):
            raise problems.Refused(421, "The host that the request names is not this server.")
        origin = headers.get(b"origin")
        if origin is not None and not _same_origin(origin.decode("latin-1"), host):
            raise Forbidden("Requests from pages of other origins are refused.", code="cross-origin")
        # Following a link from elsewhere to this server changes nothing and shows the other page nothing.
        follows_link = scope["method"] == "GET" and headers.get(b"sec-fetch-mode") == b"navigate"
        if headers.get(b"sec-fetch-site", b"") in (b"cross-site", b"same-site") and not follows_link:
            raise Forbidden("Requests from pages of other sites are refused.", code="cross-origin")

    def _known_host(self, host: str, peer: Peer) -> bool:
        """Whether a request may name this host."""
        if not peer.loopback and not self._options.hosts:
            return True
        name = host_name(host)
        return name in self._options.hosts or (peer.loopback and (name == "localhost" or is_loopback(name)))

    def _check_media(self, headers: Mapping[bytes, bytes], size: int) -> None:
        """Raise where a body is of a media type that is not accepted. A web page's form cannot send JSON."""
        if not size or not self._options.media:
            return
        media = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        if media not in self._options.media:
            wanted = " or ".join(sorted(self._options.media))
            raise problems.Refused(
                415, f"The body is said to be {media[:100] or 'of no media type'}.", remedy=f"Send it as {wanted}."
            )

    async def _slow_down(self) -> None:
        """Keep somebody who sends too much waiting, unless too many wait already."""
        if self._slowed < SLOWED_MAX:
            self._slowed += 1
            try:
                await asyncio.sleep(SLOW_S)
            finally:
                self._slowed -= 1

    def _note(self, scope: Scope, method: str, status: int, took_s: float) -> None:
        route = scope.get(ROUTE, "")
        if self._observer is not None:
            self._observer.answered(method, route, status, took_s)
        if self.access_log:
            principal = scope.get(PRINCIPAL)
            structlog.get_logger("haizea.api").debug(
                "request",
                method=method,
                path=scope["path"][:200],
                status=status,
                ms=round(took_s * 1000, 1),
                user=principal.user if principal else "",
            )


def host_name(host: str) -> str:
    """Return the name in a Host header: without port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the host that the request is sent to."""
    try:
        return bool(origin) and urlsplit(origin).netloc.lower() == host.strip().lower()
    except ValueError:
        return False


def _first_headers(scope: Scope) -> dict[bytes, bytes]:
    """Return headers by name.

    Raises:
        Refused: one of those that decide who is let in is there twice.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in (b"authorization", b"host", b"content-length", b"content-type"):
            raise problems.Refused(400, f"The header {name.decode('latin-1')} is there more than once.")
        headers.setdefault(name, value)
    return headers


def _take(buckets: Buckets, key: str) -> None:
    wait = buckets.take(key)
    if wait:
        raise TooMany("More requests were sent than are allowed.", remedy="Slow down.", retry_after_s=int(wait) + 1)


async def _refuse(answer: Answer, error: ServiceError) -> None:
    """Answer with an error, if nothing was answered yet."""
    if answer.status:
        raise error
    status, body, headers = problems.of_error(error)
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        headers["connection"] = "close"
    await _send_problem(answer, body, headers)


async def _send_problem(answer: Answer, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    content = problems.render(body)
    fields = [(b"content-type", problems.MEDIA.encode()), (b"content-length", b"%d" % len(content))]
    fields += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await answer.send({"type": "http.response.start", "status": body["status"], "headers": fields})
    await answer.send({"type": "http.response.body", "body": content})


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is not HTTP: web sockets are closed; there is nothing to do at start and end."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
        return
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
