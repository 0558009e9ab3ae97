"""What is said of a document that does not have the shape it should: where, and what, alike by every front end."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from haizea.service.fields import NAME

PART_MAX: Final = 60
TEXT_MAX: Final = 500

_KEY: Final = "[key]"
_WORDS: Final[Mapping[str, str]] = {
    "extra_forbidden": "there is nothing of this name to be said here",
    "missing": "it is missing",
}
"""What is said in place of pydantic's words, which are made for those who know the shapes."""


class Fault(NamedTuple):
    """One thing that is wrong with a document: where, as whoever wrote it calls it, and what; ``code`` is a word."""

    field: str
    detail: str
    code: str


def fault_of(error: Mapping[str, Any], *, within: int = 0) -> Fault:
    """Return what is wrong, of an error as pydantic tells it.

    The first ``within`` parts of the place are left out, unless there are no others.
    """
    place = [str(part)[:PART_MAX] for part in error.get("loc", ())]
    of_a_name = place[-1:] == [_KEY]
    if of_a_name:
        del place[-1]
    # The pattern of names says what it means to programmers only.
    control = error.get("ctx", {}).get("pattern") == NAME
    code = str(error.get("type", "invalid"))[:TEXT_MAX]
    detail = "there must be no control characters in it" if control else _WORDS.get(code) or str(error.get("msg", ""))
    if of_a_name:
        detail = f"this is no name for it: {detail[:1].lower()}{detail[1:]}"
    return Fault(".".join(place[within:] or place)[:TEXT_MAX], detail[:TEXT_MAX], code)
