"""From a call to its answer: which method, for whom, and what is said when it does not work."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from haizea.api import problems
from haizea.api.facade import Manager
from haizea.api.xmlrpc.faults import (
    INTERNAL,
    INTERNAL_ERROR,
    LEGACY,
    NO_SUCH_METHOD,
    WRONG_PARAMETERS,
    RpcFault,
    code_of,
    message_of,
)
from haizea.api.xmlrpc.methods import Family, Method
from haizea.api.xmlrpc.table import BY_NAME, CALLS_MAX, MULTICALL
from haizea.api.xmlrpc.wire import Call, encode, fault_value
from haizea.service.errors import Invalid, ServiceError, Unauthenticated
from haizea.service.principal import Principal

SESSION_MAX: Final = 1_024
"""Longest session string, in characters."""


class Session(NamedTuple):
    """A session string taken apart."""

    user: str
    token: str


Who = Callable[[Session | None], Principal]
"""Finds out who asks, by a session, or None for whom the door let in; it blocks, and raises ServiceError."""


class Dispatcher:
    """Carries out calls on a manager. Its methods block, and may be called on any thread."""

    def __init__(self, manager: Manager, answer_max: int) -> None:
        """Take the façade, and how many characters an answer may have."""
        self._manager = manager
        self._answer_max = answer_max

    def answer(self, call: Call, who: Who) -> str:
        """Carry out a call and return the answer as a ``value`` element.

        Raises:
            RpcFault: the call ends in one.
        """
        if call.method == MULTICALL:
            return self._multicall(call.params, who)
        return self._answer(call, who, self._answer_max)

    def _answer(self, call: Call, who: Who, most: int) -> str:
        method = BY_NAME.get(call.method)
        if method is None:
            wrong = f"there is no method {call.method[:100]!r}; system.listMethods tells which there are"
            raise RpcFault(NO_SUCH_METHOD, wrong)
        try:
            if method.family is Family.MODERN:
                return self._modern(method, call.params, who, most)
            principal = None if method.public else who(None)
            return encode(method.call(self._manager, principal, call.params), most)
        except ServiceError as error:
            return _refuse(method, code_of(error), message_of(error))
        except RpcFault:
            raise
        except Exception as error:
            told = problems.internal(error)
            return _refuse(method, INTERNAL_ERROR, str(told["detail"]))

    def _modern(self, method: Method, params: list[Any], who: Who, most: int) -> str:
        """Carry out a method whose first parameter is the session."""
        if not params:
            raise Invalid(f"{method.name}: the session is missing", remedy="Send 'user:token', or an empty string.")
        session = _session(params[0])
        principal = None if method.public else who(session)
        return encode([True, method.call(self._manager, principal, params[1:]), 0], most)

    def _multicall(self, params: list[Any], who: Who) -> str:
        """Carry out calls one after the other; their answers together are no longer than one may be."""
        calls = params[0] if len(params) == 1 else None
        if not isinstance(calls, list) or len(calls) > CALLS_MAX:
            raise RpcFault(WRONG_PARAMETERS, f"{MULTICALL} takes one array of up to {CALLS_MAX} structs")
        pieces: list[str] = []
        left = self._answer_max
        for each in calls:
            try:
                answer = self._answer(_inner(each), who, max(left, 0))
                pieces.append(f"<value><array><data>{answer}</data></array></value>")
            except RpcFault as fault:
                pieces.append(fault_value(fault))
            left -= len(pieces[-1])
        return f"<value><array><data>{''.join(pieces)}</data></array></value>"


def _inner(call: object) -> Call:
    """Return one call of several."""
    if not isinstance(call, dict) or not isinstance(call.get("methodName"), str) or len(call) > 2:
        raise RpcFault(WRONG_PARAMETERS, "each call is a struct with methodName, a string, and params, an array")
    params = call.get("params", [])
    if not isinstance(params, list):
        raise RpcFault(WRONG_PARAMETERS, "the params of a call are an array")
    method = BY_NAME.get(call["methodName"])
    if method is not None and method.waits:
        raise RpcFault(WRONG_PARAMETERS, f"{method.name} may take long, so it cannot be one of several calls")
    return Call(call["methodName"], params)


def _session(given: object) -> Session | None:
    if not isinstance(given, str) or len(given) > SESSION_MAX:
        raise Unauthenticated("the session is not a string", remedy="Send 'user:token', or an empty string.")
    if not given:
        return None
    user, colon, token = given.partition(":")
    # Tokens are ASCII, and a header, which the session is looked up like, could not hold anything else.
    if not (colon and user and token and token.isascii() and token.isprintable()):
        raise Unauthenticated("the session is not of the form 'user:token'", remedy="Leave it empty to be anonymous.")
    return Session(user, token)


def _refuse(method: Method, code: int, message: str) -> str:
    """Answer in the manner of the method's family that it was not carried out."""
    if method.family is Family.MODERN:
        return encode([False, message, code], 1 << 20)
    if code == INTERNAL_ERROR:
        raise RpcFault(INTERNAL, message)
    raise RpcFault(LEGACY if method.family is Family.LEGACY else WRONG_PARAMETERS, message)
