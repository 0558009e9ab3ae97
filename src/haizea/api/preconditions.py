"""``If-Match``: requests that change a lease only if it is as its sender has seen it (RFC 9110, section 13.1.1)."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import Header, Query

from haizea.api.problems import Refused
from haizea.api.routing import NUMBER_MAX
from haizea.service.errors import Outdated
from haizea.service.models import LeaseOut

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1_000,
        description="The ETag of the lease as you have seen it: only if it is still the same, or else 412. "
        "Also several of them, with commas, or *.",
    ),
]
Version = Annotated[
    int | None,
    Query(ge=0, le=NUMBER_MAX, description="Only if the lease is still of this version, else 409. See also If-Match."),
]

_TAG: Final = re.compile(r'\s*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*')


class Precondition:
    """What a request says of the lease that it would change."""

    def __init__(self, header: str | None, version: int | None) -> None:
        """Read the header.

        Raises:
            Refused: it is none.
        """
        self._tags = None if header is None or header.strip() == "*" else _tags(header)
        self._version = version

    @contextmanager
    def version(self, show: Callable[[], LeaseOut]) -> Iterator[int | None]:
        """Give the version that a lease must be of, None for any. ``show`` returns the lease as it is.

        Raises:
            Refused: it is of another one than If-Match names, or was when it was to be changed.
        """
        tags = self._tags
        if tags is None:
            yield self._version
            return
        found = show().version
        # A weak tag says that something is alike, not that it is the same.
        if f'"{found}"' not in tags or self._version not in (None, found):
            raise _outdated(f"the lease is not as If-Match says: its version is {found}", found)
        try:
            yield found
        except Outdated as error:
            raise _outdated(error.detail, error.facts.get("version")) from error


def _tags(header: str) -> list[str]:
    found, at = [], 0
    while True:
        tag = _TAG.match(header, at)
        if tag is None:
            raise Refused(400, 'If-Match is no ETag, as in "230".', remedy="Send the ETag that the lease came with.")
        found.append(tag[1])
        at = tag.end()
        if at == len(header):
            return found
        if header[at] != ",":
            raise Refused(400, "If-Match is no list of ETags.", remedy="Send the ETag that the lease came with.")
        at += 1


def _outdated(detail: str, version: object) -> Refused:
    return Refused(412, detail, facts={"version": version})
