"""Why a request waits or was refused: structured, fit to show a person and to act on."""

from enum import Enum
from typing import NamedTuple

from haizea.model.units import Instant


class Cause(Enum):
    """Why a host, or the whole request, will not do."""

    TOO_SMALL = "too-small"
    RESERVED = "reserved"
    NOT_UP = "not-up"
    LABELS = "labels"
    AFFINITY = "affinity"
    BEHIND = "behind"
    PAST = "past"
    DEADLINE = "deadline"
    PREPARATION = "preparation"
    THRESHOLD = "threshold"
    POLICY = "policy"
    PRICE = "price"
    UNKNOWN_RESOURCE = "unknown-resource"
    HOST_LOST = "host-lost"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STATE = "state"
    MAINTENANCE = "maintenance"
    HELD = "held"


class Reason(NamedTuple):
    """A reason with its counts.

    ``text`` is a complete sentence; ``hosts`` counts hosts by cause (``TOO_SMALL: 3``); ``leases`` are those in
    the way; ``retry_at`` is the nearest start at which the request would fit, where one is known.
    """

    cause: Cause
    text: str
    hosts: tuple[tuple[Cause, int], ...] = ()
    leases: tuple[int, ...] = ()
    retry_at: Instant | None = None

    def __str__(self) -> str:
        return self.text
