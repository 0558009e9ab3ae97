"""What a method is, as the table of them has it, and how parameters become arguments."""

from collections.abc import Callable, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from haizea.api.facade import Manager
from haizea.service.errors import Invalid
from haizea.service.principal import Principal
from haizea.service.validation import fault_of

NUMBER_MAX: Final = (1 << 53) - 1
"""Largest whole number that a parameter may be."""


class Family(Enum):
    """Whose manners a method has."""

    LEGACY = "Haizea 1.x: faults when something is wrong"
    MODERN = "OpenNebula: session first, answers [true, value, 0] or [false, message, code]"
    SYSTEM = "what XML-RPC servers tell about themselves"


class Kind(Enum):
    """The type of a parameter; the value is how signatures name it."""

    STRING = "string"
    INT = "int"
    BOOLEAN = "boolean"
    DOUBLE = "double"
    STRUCT = "struct"
    ARRAY = "array"


REQUIRED: Final = object()


class Parameter(NamedTuple):
    """A parameter of a method.

    It is handed on by position, or as the keyword ``to``; with ``spread``, each field of the struct is handed on as the
    keyword of its name. A ``model`` is what a struct is validated by. Without ``default`` it must be given.
    """

    name: str
    kind: Kind
    says: str
    to: str = ""
    model: type[BaseModel] | None = None
    spread: bool = False
    default: object = REQUIRED


class Request(NamedTuple):
    """A call on its way to the façade: who asks (None where nobody has to be named), and with what."""

    manager: Manager
    who: Principal | None
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def caller(self) -> Principal:
        """Who asks, of a method for which somebody must be named."""
        assert self.who is not None  # the dispatcher finds out the caller of every method that is not public
        return self.who


class Method(NamedTuple):
    """A row of the table.

    ``does`` is the dotted name of a method of the façade, which is called with the caller and the arguments, or a
    function. ``answers`` makes of what comes back what the client gets. ``verb`` is what access is checked for, empty
    where nobody has to be named. ``result`` names what clients get, ``type`` how signatures call it. ``loop``: it goes
    through the scheduler's loop, or changes the store. ``waits``: it may take long by design.
    """

    name: str
    family: Family
    does: str | Callable[[Request], object]
    verb: str
    parameters: tuple[Parameter, ...]
    result: str
    says: str
    type: str = "array"
    answers: Callable[[Any], object] = lambda value: value
    loop: bool = False
    waits: bool = False

    @property
    def public(self) -> bool:
        """Whether it is answered to anybody who gets through the door."""
        return not self.verb

    def signatures(self) -> list[list[str]]:
        """Return the types of the answer and of the parameters, once for each number of them that may be given."""
        session = ["string"] if self.family is Family.MODERN else []
        least = sum(parameter.default is REQUIRED for parameter in self.parameters)
        kinds = [parameter.kind.value for parameter in self.parameters]
        return [[self.type, *session, *kinds[:count]] for count in range(least, len(kinds) + 1)]

    def call(self, manager: Manager, who: Principal | None, values: Sequence[Any]) -> object:
        """Carry out a call with these parameters, which are without the session.

        Raises:
            ServiceError: a parameter is wrong, or the service says so.
        """
        arguments, keywords = self.convert(values)
        if isinstance(self.does, str):
            caller = Request(manager, who, arguments, keywords).caller
            return self.answers(attrgetter(self.does)(manager)(caller, *arguments, **keywords))
        return self.answers(self.does(Request(manager, who, arguments, keywords)))

    def convert(self, values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments that parameters stand for, by position and by keyword.

        Raises:
            Invalid: one is missing, wrong, or too many.
        """
        if len(values) > len(self.parameters):
            raise _misfit(self, f"{len(values)} parameters were given")
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        for index, parameter in enumerate(self.parameters):
            given = values[index] if index < len(values) else None
            # Where order is all there is, an empty text is how clients leave out what is not the last.
            if given is None or (given == "" and parameter.default is None):
                if parameter.default is REQUIRED:
                    raise _misfit(self, f"the parameter {parameter.name} is missing")
                given = parameter.default
            value = None if given is None else _converted(parameter, given)
            if parameter.spread:
                assert isinstance(value, BaseModel)  # a struct without a model cannot be spread
                keywords |= {name: getattr(value, name) for name in type(value).model_fields}
            elif parameter.to:
                keywords[parameter.to] = value
            else:
                arguments.append(value)
        return tuple(arguments), keywords


def usage(method: Method) -> str:
    """Write a method as it is called: ``haizea.lease.info(session, id)``; what may be left out is in brackets."""
    words = ["session"] if method.family is Family.MODERN else []
    words += [p.name if p.default is REQUIRED else f"[{p.name}]" for p in method.parameters]
    return f"{method.name}({', '.join(words)})"


def _misfit(method: Method, wrong: str) -> Invalid:
    return Invalid(f"{method.name}: {wrong}", remedy=f"It is called as {usage(method)}.", field="params")


def _converted(parameter: Parameter, value: Any) -> Any:
    """Return a value as the type that a parameter has. Some clients know few types, or send all values as text."""
    kind = parameter.kind
    if kind is Kind.STRING:
        if isinstance(value, bytes):
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                raise _wrong_type(parameter, value) from None
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    elif kind is Kind.INT:
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 20:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX:
            return value
        raise _wrong_type(parameter, value)
    elif kind is Kind.BOOLEAN and value in (0, 1) and isinstance(value, int):
        return bool(value)
    elif kind is Kind.DOUBLE and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif kind is Kind.STRUCT and isinstance(value, dict):
        return value if parameter.model is None else _validated(parameter, parameter.model, value)
    if isinstance(value, {Kind.STRING: str, Kind.ARRAY: list}.get(kind, ())):
        return value
    raise _wrong_type(parameter, value)


def _wrong_type(parameter: Parameter, value: object) -> Invalid:
    limits = f" from 0 to {NUMBER_MAX}" if parameter.kind is Kind.INT else ""
    wanted = f"expected {parameter.kind.value}{limits}"
    found = f"{value} was" if isinstance(value, int) else f"a value of type {type(value).__name__} was"
    return Invalid(f"{parameter.name}: {wanted}, but {found} given", field=parameter.name)


def _validated(parameter: Parameter, model: type[BaseModel], value: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        first = fault_of(errors[0])
        where = f"{parameter.name}.{first.field}" if first.field else parameter.name
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        raise Invalid(f"{where}: {first.detail}{more}", field=where) from None
