"""What is measured of a running daemon: the shape in which it is handed to whoever shows it.

Counts only grow while a daemon runs; amounts are as they are now.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Distribution(NamedTuple):
    """How long something took, as counts of observations between bounds.

    ``bounds`` are seconds, ascending. ``counts`` has one number more than there are bounds: those up to the first
    bound, those above it up to the second, and so on, and at last those above all. ``total_s`` is the sum of all.
    """

    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)
    total_s: float = 0.0


class Held(NamedTuple):
    """An amount of one resource type over all hosts in service: held now, held at some later time, free now."""

    total: int
    used: int
    reserved: int
    free: int


class PlatformFigures(NamedTuple):
    """How it is with the platform: why it is left alone at the moment, empty while it answers.

    ``waiting`` counts the commands that it has not taken yet, ``overdue`` those that are not over although they were
    to be.
    """

    trouble: str = ""
    waiting: int = 0
    overdue: int = 0


class Figures(NamedTuple):
    """A daemon's figures at one moment.

    ``leases`` counts by state and type, ``reservations`` counts advance reservations by how they went: ``kept``,
    ``late``, ``lost``. ``queue_oldest_s`` is how long the first of the queue has waited. ``decisions`` is from a
    request's arrival to its decision; ``commands`` and ``command_failures`` are by verb. ``loop_lag_s`` is how late the
    loop last woke.
    """

    leases: Mapping[tuple[str, str], int]
    queue: int
    queue_oldest_s: float
    reservations: Mapping[str, int]
    decisions: Distribution
    commands: Mapping[str, Distribution]
    command_failures: Mapping[str, int]
    capacity: Mapping[str, Held]
    hosts: Mapping[str, int]
    loop_lag_s: float
    transactions: Distribution
    inbox: int
    entries: int
    active: bool
    platform: PlatformFigures = PlatformFigures()
