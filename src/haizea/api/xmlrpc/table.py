"""The one table of methods: calls are dispatched by it, and clients and the reference are told what it says."""

from collections.abc import Mapping, Sequence
from typing import Final

from haizea.api.xmlrpc.faults import WRONG_PARAMETERS, RpcFault
from haizea.api.xmlrpc.legacy import LEGACY_METHODS
from haizea.api.xmlrpc.methods import Family, Kind, Method, Parameter, Request, usage
from haizea.api.xmlrpc.modern import MODERN_METHODS

MULTICALL: Final = "system.multicall"
CALLS_MAX: Final = 100
"""Most calls in one ``system.multicall``."""

_NAME: Final = Parameter("name", Kind.STRING, "the method's name")


def _list(_: Request) -> list[str]:
    return sorted(BY_NAME)


def _help(request: Request) -> str:
    return help_of(_named(request))


def _signature(request: Request) -> list[list[str]]:
    return _named(request).signatures()


def _named(request: Request) -> Method:
    name = request.arguments[0]
    if name not in BY_NAME:
        raise RpcFault(WRONG_PARAMETERS, f"there is no method {name[:100]!r}; system.listMethods tells which there are")
    return BY_NAME[name]


def _multicall(_: Request) -> object:
    raise RpcFault(WRONG_PARAMETERS, "system.multicall cannot be one of the calls of system.multicall")


SYSTEM_METHODS: Final[Sequence[Method]] = (
    Method("system.listMethods", Family.SYSTEM, _list, "", (), "their names", "List the methods."),
    Method("system.methodHelp", Family.SYSTEM, _help, "", (_NAME,), "a text", "Tell what a method does.", "string"),
    Method(
        "system.methodSignature", Family.SYSTEM, _signature, "", (_NAME,),
        "for each way to call it, the type of the answer and those of the parameters",
        "Tell what a method takes and answers.",
    ),
    Method(
        MULTICALL, Family.SYSTEM, _multicall, "",
        (Parameter("calls", Kind.ARRAY, f"up to {CALLS_MAX} structs with `methodName` and `params`"),),
        "for each call an array with its answer, or a struct with `faultCode` and `faultString`",
        "Carry out several calls, one after the other.", loop=True,
    ),
)  # fmt: skip

METHODS: Final[Sequence[Method]] = (*LEGACY_METHODS, *MODERN_METHODS, *SYSTEM_METHODS)
"""Every method there is."""

BY_NAME: Final[Mapping[str, Method]] = {method.name: method for method in METHODS}
"""The methods by name."""


def help_of(method: Method) -> str:
    """Return what a method does, takes and answers, as plain text."""
    lines = [usage(method), "", method.says]
    if method.family is Family.MODERN:
        lines.append("  session: user:token, or empty for whom the door let in")
    lines += [f"  {each.name}: {each.says}" for each in method.parameters]
    wrapped = "[true, value, 0], value being " if method.family is Family.MODERN else ""
    lines.append(f"Answers {wrapped}{method.result}.")
    return "\n".join(lines).replace("`", "")
