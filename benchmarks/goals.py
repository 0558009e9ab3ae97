"""What the project wants to reach. Figures are printed beside what is measured; nothing here passes or fails."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Goal(NamedTuple):
    """The least that must be reached, and what is aimed at, in the unit of what is measured."""

    floor: float
    target: float


LEASES_PER_SECOND: Final[Mapping[str, Goal]] = {
    "off": Goal(40_000, 100_000),
    "aggressive": Goal(25_000, 60_000),
    "conservative": Goal(10_000, 25_000),
}
"""Leases per second of CPU time of the whole process, by backfilling."""

MILLION_SECONDS: Final = Goal(40, 17)
MILLION_MB: Final = Goal(500, 300)

ADMISSION_FLOOR_US: Final = 1_000.0
ADMISSION_TARGET_US: Final[Mapping[tuple[int, int], float]] = {(1_000, 10_000): 50, (10_000, 100_000): 150}
"""Median of admitting one advance reservation, by hosts and reservations in the schedule."""

START_US: Final = Goal(5_000, 1_000)
"""Median of finding the earliest start of a best-effort lease, at 1,000 hosts and 10,000 reservations."""

BLUE_FCFS: Final = (39_067.7, 342.428)
"""Mean wait in seconds and mean bounded slowdown of Blue 60 days without backfilling, on which all simulators agree."""

BLUE_EASY_WAIT_S: Final = 5_320.0
"""Mean wait of the same under EASY, in a program that only counts processors: ours should be within 1 % of it."""
