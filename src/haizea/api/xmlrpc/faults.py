"""What can go wrong with a call, in the numbers that XML-RPC clients get.

Calls that never reach a method get the faults of the public list of fault codes for XML-RPC servers. Methods of Haizea
1.x answer with fault 1 whatever is wrong, as their server did. Methods of the second family do not fault: they answer
``[false, message, code]`` with the codes of OpenNebula, so that a program that knows those knows these.
"""

from collections.abc import Mapping
from typing import Final

from haizea.service.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuotaExceeded,
    ServiceError,
    TooMany,
    Unauthenticated,
    Unavailable,
)

NOT_WELL_FORMED: Final = -32700
UNKNOWN_ENCODING: Final = -32701
NOT_XML_RPC: Final = -32600
NO_SUCH_METHOD: Final = -32601
WRONG_PARAMETERS: Final = -32602
INTERNAL: Final = -32603
LEGACY: Final = 1

FAULTS: Final[Mapping[int, str]] = {
    LEGACY: "a method of Haizea 1.x was not carried out; the message says why",
    NOT_WELL_FORMED: "the body is not well-formed XML, or has a document type",
    UNKNOWN_ENCODING: "the body is in an encoding that is not known; UTF-8 is",
    NOT_XML_RPC: "the body is XML, but no call as XML-RPC has them, or beyond a limit",
    NO_SUCH_METHOD: "there is no such method",
    WRONG_PARAMETERS: "a method of `system` was called with wrong parameters",
    INTERNAL: "something went wrong that should not; the message has the number under which it is logged",
}
"""Codes of faults and what they mean."""

OK: Final = 0
AUTHENTICATION: Final = 0x0100
AUTHORIZATION: Final = 0x0200
NO_EXISTS: Final = 0x0400
ACTION: Final = 0x0800
XML_RPC_API: Final = 0x1000
INTERNAL_ERROR: Final = 0x2000
ALLOCATE: Final = 0x4000
LOCKED: Final = 0x8000
REPLICATION: Final = 0x10000

CODES: Final[Mapping[int, str]] = {
    OK: "done",
    AUTHENTICATION: "nobody is named, or not believed",
    AUTHORIZATION: "this user, or this token, may not do that",
    NO_EXISTS: "there is no such thing, or not for this user",
    ACTION: "it does not go with the present state",
    XML_RPC_API: "a parameter is missing, wrong or one too many",
    INTERNAL_ERROR: "something went wrong that should not; the message has the number under which it is logged",
    ALLOCATE: "the user's or the group's share is used up",
    LOCKED: "more than a client may send; slow down",
    REPLICATION: "not now: the store cannot be written, this daemon is a standby, busy, or stopping",
}
"""Codes of the second family and what they mean."""

_BY_ERROR: Final[tuple[tuple[type[ServiceError], int], ...]] = (
    (Unauthenticated, AUTHENTICATION),
    (QuotaExceeded, ALLOCATE),
    (Forbidden, AUTHORIZATION),
    (NotFound, NO_EXISTS),
    (Conflict, ACTION),
    (Invalid, XML_RPC_API),
    (TooMany, LOCKED),
    (Unavailable, REPLICATION),
)
_MESSAGE_MAX: Final = 2_000


class RpcFault(Exception):
    """A call ends in a fault: a number and a sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message[:_MESSAGE_MAX]


def code_of(error: ServiceError) -> int:
    """Return the code of the second family for an error of the service."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), INTERNAL_ERROR)


def message_of(error: ServiceError) -> str:
    """Return what is wrong and what to do, on one line."""
    text = " ".join(f"{error.detail.rstrip('.')}. {error.remedy}".split())
    return text[:_MESSAGE_MAX]
