"""What the documents that clients send are made of: names, texts, amounts, lengths of time."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

NAME: Final = r"^[^\x00-\x1f\x7f]*$"
"""The pattern of names; what it means is said by :mod:`haizea.service.validation`."""

LENGTH_MAX_S: Final = 1e10

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Name = Annotated[str, Field(max_length=128, pattern=NAME)]
Text = Annotated[str, Field(max_length=2_000)]
Amount = Annotated[int, Field(ge=0, le=(1 << 40) - 1)]
WhenText = Annotated[str, Field(min_length=1, max_length=64)]
Labels = Annotated[dict[Name, Name], Field(max_length=32)]


def _told_once(says: str) -> WrapValidator:
    """Have what may be a number or a text refused in one sentence, which names neither of the two alone."""

    def read(value: Any, of_either_kind: Any) -> Any:
        try:
            return of_either_kind(value)
        except ValidationError:
            raise PydanticCustomError("length", says) from None

    return WrapValidator(read)


def _host_name(name: str) -> str:
    if not _HOST_NAME.fullmatch(name) or name.isdigit():
        raise PydanticCustomError(
            "host_name",
            "a host's name is made of letters, digits and . _ -, and is no number, as hosts have those, too",
        )
    return name


NewHostName = Annotated[Name, AfterValidator(_host_name)]
"""The name of a host that is added; those that a platform tells of are as they are."""

Length = Annotated[
    Annotated[float, Field(gt=0, le=LENGTH_MAX_S)] | WhenText,
    _told_once("a length of time is expected: seconds above 0, or a text such as 01:30:00"),
]
LengthOrZero = Annotated[
    Annotated[float, Field(ge=0, le=LENGTH_MAX_S)] | WhenText,
    _told_once("a length of time is expected: seconds, 0 for none, or a text such as 01:30:00"),
]
