"""Who asks, and what rank they have."""

from enum import IntEnum
from typing import NamedTuple


class Role(IntEnum):
    """Ranks, each of which may all that those below it may."""

    VIEWER = 0
    USER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The role as it is written."""
        return self.name.lower()


class Principal(NamedTuple):
    """An authenticated user. ``scopes`` empty means everything that the role may; ``via`` says how they were believed.

    ``key`` tells callers apart for rate limits: a token's id, a Unix user.
    """

    user: str
    role: Role
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    via: str = ""
    key: str = ""
