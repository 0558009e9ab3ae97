"""Leaving acts out of a run that goes wrong for as long as it goes wrong in the same way."""

from collections.abc import Callable, Sequence
from typing import Final

RUNS_MAX: Final = 400

Fails = Callable[[Sequence[int]], bool]


def shrink(numbers: Sequence[int], fails: Fails, runs_max: int = RUNS_MAX) -> list[int]:
    """Return as few of some acts as are found, in at most so many runs, that it still fails with."""
    kept, size, runs = list(numbers), max(1, len(numbers) // 2), 0
    while True:
        start, left_out = 0, False
        while start < len(kept) and runs < runs_max:
            rest = kept[:start] + kept[start + size :]
            runs += 1
            if rest and fails(rest):
                kept, left_out = rest, True
            else:
                start += size
        if runs >= runs_max or (size == 1 and not left_out):
            return kept
        size = max(1, size // 2)
