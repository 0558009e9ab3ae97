"""Step functions over time (utilisation, queue length), thinned without hiding their peaks."""

from collections.abc import Sequence
from typing import Final

from haizea.model.units import Instant

POINTS_MAX: Final = 20_000
"""More steps than this are thinned."""

Point = tuple[Instant, int]


def thin(points: Sequence[Point], points_max: int = POINTS_MAX) -> list[Point]:
    """Return at most about ``points_max`` steps that have the same lows, highs and last values, slice by slice.

    Steps that change nothing are dropped first. Points are ``(instant, value)``, in order of time.
    """
    steps: list[Point] = []
    for at, value in points:
        if steps and steps[-1][0] == at:
            steps.pop()
        if not steps or steps[-1][1] != value:
            steps.append((at, value))
    if points and steps[-1][0] != points[-1][0]:
        steps.append(points[-1])
    if len(steps) <= points_max:
        return steps
    first, last = steps[0][0], steps[-1][0]
    slices = max(1, points_max // 3)
    kept: list[Point] = []
    inside: list[Point] = []
    current = 0
    for step in steps:
        number = (step[0] - first) * slices // (last - first + 1)
        if number != current:
            kept += _extremes(inside)
            inside, current = [], number
        inside.append(step)
    return kept + _extremes(inside)


def _extremes(inside: list[Point]) -> list[Point]:
    if len(inside) <= 3:
        return inside
    low, high = min(inside, key=lambda p: (p[1], p[0])), max(inside, key=lambda p: (p[1], -p[0]))
    return sorted({low, high, inside[-1]})
