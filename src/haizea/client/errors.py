"""What can go wrong between a client and a server.

::

    HaizeaError
    ├── ClientError        the server answered that it will not, and why
    ├── BadAddress         the caller's: a server, context or file of contexts that makes no sense
    ├── ServerGone         nobody listens there
    ├── ConnectionBroken   somebody did, and then the connection ended before the answer did
    ├── TimedOut           no answer within the time limit
    └── BadAnswer          an answer that is not one of a Haizea server
"""

from collections.abc import Mapping
from typing import Any

HOW_TO_START = "start one with: haizea serve"


class HaizeaError(Exception):
    """Nothing came of a call. ``detail`` is a sentence, ``remedy`` what to do about it (may be empty)."""

    def __init__(self, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.detail}; {self.remedy}" if self.remedy else self.detail


class ClientError(HaizeaError):
    """The server's refusal. ``status`` is that of HTTP; ``problem`` is the whole document (RFC 9457).

    ``code`` is for programs (``not-found``, ``quota-exceeded``, …), ``field`` names the part of the request that is
    wrong where one is, ``retry_after_s`` is how long to wait before the next try where the server says so.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        detail = _text(problem, "detail") or _text(problem, "title") or f"the server answered with HTTP status {status}"
        super().__init__(detail, _text(problem, "remedy"))
        self.status = status
        self.problem = dict(problem)
        self.code = _text(problem, "code") or "error"
        self.field = _text(problem, "field")
        self.retry_after_s = retry_after_s


class BadAddress(HaizeaError):
    """A server, a context or the file of contexts makes no sense."""


class ServerGone(HaizeaError):
    """Nobody listens at the address. Nothing was sent."""


class ConnectionBroken(HaizeaError):
    """The connection ended before the answer did: whether the request was carried out is not known."""


class TimedOut(HaizeaError):
    """No answer came within the time limit: whether the request was carried out is not known."""


class BadAnswer(HaizeaError):
    """What answered does not speak as a Haizea server does, or says more than is accepted."""


def _text(problem: Mapping[str, Any], key: str) -> str:
    value = problem.get(key)
    return value if isinstance(value, str) else ""
