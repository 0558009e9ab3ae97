"""Calls of a JSON API over a wire: what is sent, what comes back, and what is tried again.

A call is repeated after a broken connection only where that cannot do anything twice: reads, what sets a value, and
requests that carry an idempotency key.
"""

from collections.abc import Callable, Iterable, Mapping
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from haizea.client.addresses import Address
from haizea.client.errors import BadAddress, BadAnswer, ClientError, ConnectionBroken, HaizeaError, ServerGone, TimedOut

if TYPE_CHECKING:
    from haizea.client.wire import Answer, Stream, Wire

Query = Mapping[str, str | int | float | bool | Iterable[str] | None]

PAUSES_S: Final = (0.1, 0.4, 1.0, 2.0)
"""Before each further try of a call whose connection broke."""

REPEATABLE: Final = frozenset({"GET", "PUT"})


class Calls:
    """Makes calls to one server."""

    def __init__(
        self,
        address: Address,
        token: str | None,
        *,
        timeout_s: float,
        answer_bytes_max: int,
        cafile: str | None,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        """Name the server and who asks.

        Raises:
            BadAddress: the token would travel unprotected, or is none.
        """
        if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
            raise BadAddress(
                "the token holds characters that no token has", "copy it as haizea token create printed it"
            )
        if token and not address.private:
            raise BadAddress(
                f"the token would travel unencrypted to {address}", "use https://, or an address of this machine"
            )
        self.address = address
        self.answer_bytes_max = answer_bytes_max
        self._token = token
        self._timeout_s = timeout_s
        self._cafile = cafile
        self._pause = pause
        self._wire: Wire | None = None

    def close(self) -> None:
        """End the connection."""
        if self._wire is not None:
            self._wire.close()

    def json(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, key: str | None = None
    ) -> Any:
        """Make a call and return what its answer holds; None where that is nothing.

        Raises:
            HaizeaError: it was refused, or no answer came.
        """
        headers = self._headers()
        content = None
        if body is not None:
            content = _encoded(body)
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        answer = self._tried(
            method, target(path, query), headers, content, again=method in REPEATABLE or key is not None
        )
        if answer.status >= 400:
            raise refusal(answer.status, answer.body, answer.headers.get("retry-after"))
        return self._decoded(answer)

    def stream(self, path: str, query: Query, cursor: int | None, timeout_s: float) -> "Stream":
        """Open a stream of events that goes on after ``cursor`` (None: begins now).

        Each line must come within ``timeout_s`` seconds.

        Raises:
            HaizeaError: it was refused, or no answer came.
        """
        headers = {**self._headers(), "Accept": "text/event-stream"}
        if cursor is not None:
            headers["Last-Event-ID"] = str(cursor)
        found = self._lazy_wire().open(target(path, query), headers, timeout_s)
        if found.status == 200 and found.type == "text/event-stream":
            return found
        status, body = found.status, found.rest(self.answer_bytes_max)
        found.close()
        if status >= 400:
            raise refusal(status, body, None)
        raise BadAnswer(f"{self.address}{path} is no stream of events")

    def _tried(self, method: str, path: str, headers: dict[str, str], body: bytes | None, *, again: bool) -> "Answer":
        wire = self._lazy_wire()
        pauses = iter(PAUSES_S if again else ())
        broken: HaizeaError | None = None
        while True:
            try:
                return wire.exchange(method, path, headers, body)
            except (ConnectionBroken, TimedOut, ServerGone) as error:
                # Nobody there at the first try is an answer; nobody after a break is a server that starts anew.
                if isinstance(error, ServerGone) and broken is None:
                    raise
                broken = broken or error
                pause = next(pauses, None)
                if pause is None or isinstance(error, TimedOut):
                    raise broken from error
            self._pause(pause)

    def _lazy_wire(self) -> "Wire":
        if self._wire is None:
            from haizea.client.wire import Wire

            self._wire = Wire(
                self.address,
                timeout_s=self._timeout_s,
                answer_bytes_max=self.answer_bytes_max,
                cafile=self._cafile,
            )
        return self._wire

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "haizea"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _decoded(self, answer: "Answer") -> Any:
        if not answer.body:
            return None
        try:
            return decoded(answer.body)
        except ValueError as error:
            raise BadAnswer(
                f"what listens at {self.address} does not answer as a Haizea server does (no JSON)",
                "look at the server that is meant: haizea context list",
            ) from error


def target(path: str, query: Query | None = None) -> str:
    """Return a path with its query: what is None is left out, lists are repeated, truths are ``true`` and ``false``."""
    from urllib.parse import urlencode

    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if isinstance(value, bool):
            pairs.append((name, "true" if value else "false"))
        elif isinstance(value, str | int | float):
            pairs.append((name, str(value)))
        elif value is not None:
            pairs += [(name, each) for each in value]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def part(name: str | int) -> str:
    """Return a name as one part of a path."""
    from urllib.parse import quote

    # A dot or two would be taken for a folder by whatever stands in between.
    text = quote(str(name), safe="")
    return text.replace(".", "%2E") if text in (".", "..") else text


def refusal(status: int, body: bytes, retry_after: str | None) -> ClientError:
    """Return the error that an answer tells of, whether or not it holds a problem document."""
    try:
        problem = decoded(body)
    except ValueError:
        problem = {}
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    return ClientError(status, problem if isinstance(problem, dict) else {}, seconds)


def decoded(body: bytes) -> Any:
    """Return what JSON says.

    Raises:
        ValueError: it is none, or is nested too deeply.
    """
    import json

    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _encoded(body: Any) -> bytes:
    import json

    return json.dumps(body, separators=(",", ":")).encode()
