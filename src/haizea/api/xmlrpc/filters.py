"""Structs that only calls of XML-RPC have: what REST takes in the query of a URL."""

from typing import Annotated, Final, Literal

from pydantic import Field

from haizea.service.fields import Name, WhenText
from haizea.service.models import Input

LIMIT_MAX: Final = 1_000
"""Most items of a page."""

Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX)]
Number = Annotated[int, Field(ge=0, le=(1 << 53) - 1)]
Names = Annotated[list[Name], Field(max_length=64)]


class LeaseFilterIn(Input):
    """Which leases are wanted; what is absent is not asked for.

    ``active`` is false for leases in a final state only. ``since`` and ``until``: those that hold anything in between.
    ``order`` is the name of a field, with ``-`` in front for descending.
    """

    states: Names = Field(default_factory=list)
    types: Names = Field(default_factory=list)
    owner: Name | None = None
    group: Name | None = None
    name: Name | None = None
    active: bool | None = None
    since: WhenText | None = None
    until: WhenText | None = None
    order: Name = "id"
    limit: Limit = 100
    offset: Number = 0


class EntryFilterIn(Input):
    """Which entries of the journal are wanted: those after a number, of a lease, of some kinds, of a host."""

    after: Number = 0
    limit: Limit = 100
    lease: Number | None = None
    kinds: Names = Field(default_factory=list)
    host: Name | None = None


class UsageFilterIn(Input):
    """Which usage is wanted: between two instants, by what, for each of which period, of whom."""

    start: WhenText | None = None
    end: WhenText | None = None
    by: Literal["user", "group", "lease"] = "user"
    period: Literal["day", "week", "month"] | None = None
    owner: Name | None = None


class SpanIn(Input):
    """Between which instants; the daemon has defaults."""

    start: WhenText | None = None
    end: WhenText | None = None
