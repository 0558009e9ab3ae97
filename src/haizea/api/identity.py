"""Who sends a request: a token's user, a Unix user, or nobody in particular.

What the accounts say is remembered for a moment, so that a client with many requests costs one look-up a second.
Secrets are remembered as digests. Unknown secrets are looked up only as often as their sender's bucket allows.
"""

import asyncio
import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar

from haizea.api.facade import Accounts
from haizea.api.peers import Peer
from haizea.service.errors import TooMany, Unauthenticated, Unavailable
from haizea.service.limits import Buckets
from haizea.service.principal import Principal

T = TypeVar("T")

REMEMBER_S: Final = 1.0
REMEMBERED_MAX: Final = 4_096
PENDING_MAX: Final = 64
HOW: Final = "Send the header 'Authorization: Bearer TOKEN'; an administrator makes tokens with 'haizea token create'."


class Credential(NamedTuple):
    """A secret that came with a request, and the user it is said to belong to, empty for none."""

    secret: str
    user: str = ""


def read_credential(header: bytes | None) -> Credential | None:
    """Read an Authorization header: ``Bearer token``, or ``Basic`` with a user and a token. None where there is none.

    Raises:
        Unauthenticated: there is one, but of another kind or form.
    """
    if header is None:
        return None
    scheme, _, rest = header.strip().partition(b" ")
    rest = rest.strip()
    try:
        if scheme.lower() == b"bearer" and rest:
            return Credential(rest.decode("ascii"))
        if scheme.lower() == b"basic":
            user, colon, secret = base64.b64decode(rest, validate=True).decode().partition(":")
            if colon and secret:
                return Credential(secret, user)
    except (binascii.Error, UnicodeDecodeError):
        pass  # said below, for all that is not of the form
    raise Unauthenticated(
        "The header Authorization is not of the form 'Bearer TOKEN' or 'Basic USER:TOKEN'.", remedy=HOW
    )


class _Known(NamedTuple, Generic[T]):
    """An answer of the accounts', good until a time and as long as nothing about them changes."""

    what: T
    until: float
    generation: int

    def holds(self, now: float, generation: int) -> bool:
        return self.until > now and self.generation == generation


class Identity:
    """Finds out who sends a request.

    ``failures`` are buckets by peer from which each unknown secret takes a token. ``anonymous``: peers on loopback
    that name nobody are asked about at the accounts.
    """

    def __init__(
        self,
        accounts: Accounts,
        failures: Buckets,
        *,
        anonymous: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self._failures = failures
        self._anonymous = anonymous
        self._clock = clock
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="haizea-identity")
        self._pending = 0
        self._believed: OrderedDict[bytes, _Known[Principal]] = OrderedDict()
        self._refused: OrderedDict[bytes, _Known[Unauthenticated]] = OrderedDict()
        self._generation = 0

    def forget(self) -> None:
        """Ask the accounts anew about everybody: something about them has changed. May be called on any thread."""
        self._generation += 1

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def find(self, header: bytes | None, peer: Peer) -> Principal:
        """Return who sends a request with this Authorization header over a connection from this peer.

        Raises:
            Unauthenticated: nobody is named, or not believed.
            TooMany: too many unknown secrets came from this peer.
            Unavailable: the accounts cannot be asked at the moment.
        """
        credential = read_credential(header)
        if credential is not None:
            digest = hashlib.sha256(credential.secret.encode()).digest()
            principal = await self._recall(digest, peer, partial(self._accounts.by_token, credential.secret))
            if credential.user not in ("", principal.user):
                raise Unauthenticated("The token does not belong to the user that it was sent with.", remedy=HOW)
            return principal
        if peer.uid is not None:
            return await self._recall(b"uid:%d" % peer.uid, peer, partial(self._accounts.by_peer, peer.uid))
        if self._anonymous and peer.loopback:
            return await self._recall(b"anonymous", peer, self._accounts.anonymous)
        raise Unauthenticated("The request says nothing about who sends it.", remedy=HOW)

    async def _recall(self, key: bytes, peer: Peer, ask: Callable[[], Principal]) -> Principal:
        """Return what is remembered under a key, or else ask."""
        now, generation = self._clock(), self._generation
        believed = self._believed.get(key)
        if believed is not None and believed.holds(now, generation):
            return believed.what
        refused = self._refused.get(key)
        if refused is not None and refused.holds(now, generation):
            self._charge(peer)
            raise refused.what.with_traceback(None)
        # Who was believed before may always come back, however much junk others of the same address send.
        if believed is None:
            self._charge(peer)
        try:
            principal = await self._ask(ask)
        except Unauthenticated as error:
            self._believed.pop(key, None)
            _remember(self._refused, key, _Known(error, now + REMEMBER_S, generation))
            raise
        if believed is None:
            self._failures.give_back(peer.key)
        _remember(self._believed, key, _Known(principal, now + REMEMBER_S, generation))
        return principal

    def _charge(self, peer: Peer) -> None:
        """Take a token for an unknown secret."""
        wait = self._failures.take(peer.key)
        if wait:
            raise TooMany("Too many requests came from there without a valid token.", retry_after_s=int(wait) + 1)

    async def _ask(self, ask: Callable[[], Principal]) -> Principal:
        """Ask the accounts, on a thread; they may have to read the store."""
        if self._pending >= PENDING_MAX:
            raise Unavailable("Too many are waiting to be recognised.", code="busy", retry_after_s=1)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        finally:
            self._pending -= 1


def _remember(memory: OrderedDict[bytes, T], key: bytes, value: T) -> None:
    """Keep a value under a key, and forget what was kept longest ago beyond the limit."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)
