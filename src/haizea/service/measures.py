"""What is counted while the daemon runs."""

import threading
from bisect import bisect_left
from typing import Final

from haizea.service.figures import Distribution

BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Histogram:
    """Counts how long something took. Any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        with self._lock:
            self._counts[bisect_left(BOUNDS, seconds)] += 1
            self._total += seconds

    def shown(self) -> Distribution:
        """Return the counts so far."""
        with self._lock:
            return Distribution(BOUNDS, tuple(self._counts), self._total)


class Measures:
    """Measures the loop (see :class:`haizea.live.onlookers.Gauge`)."""

    def __init__(self) -> None:
        self.decisions = Histogram()
        self.transactions = Histogram()
        self.failures = 0
        self.commands: dict[str, Histogram] = {}
        self.command_failures: dict[str, int] = {}

    def decided(self, seconds: float, /) -> None:
        """A request was decided upon."""
        self.decisions.add(seconds)

    def written(self, seconds: float, /) -> None:
        """A transaction was kept."""
        self.transactions.add(seconds)

    def failed(self, /) -> None:
        """A transaction could not be kept."""
        self.failures += 1

    def carried_out(self, verb: str, seconds: float, well: bool, /) -> None:
        """A command was carried out, or failed."""
        self.commands.setdefault(verb, Histogram()).add(seconds)
        if not well:
            self.command_failures[verb] = self.command_failures.get(verb, 0) + 1
