"""How much of the key resource type is free over time, over all hosts together.

Where the sum over all hosts is too small for a lease, no placement can exist; so this is looked at first, which
is cheap, before hosts are. What it lets pass may still not fit on any set of hosts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from haizea.model.units import Instant, Span


class Profile:
    """Free amounts: ``totals[i]`` from ``times[i]`` to ``times[i + 1]``, the last one for ever."""

    __slots__ = ("_lows", "_peaks", "times", "totals")

    def __init__(self, times: list[Instant], totals: list[int]) -> None:
        self.times = times
        self.totals = totals
        self._lows: list[int] = []
        self._peaks: list[int] = []

    def throughout(self, until: Instant) -> int:
        """Return how much is free from now until an instant."""
        if not self._lows:
            low = self.totals[0]
            for total in self.totals:
                if total < low:
                    low = total
                self._lows.append(low)
        return self._lows[bisect_left(self.times, until, 1) - 1]

    def peak(self, until: Instant) -> int:
        """Return how much is free at most, from now until an instant."""
        if not self._peaks:
            peak = 0
            for total in self.totals:
                if total > peak:
                    peak = total
                self._peaks.append(peak)
        return self._peaks[bisect_left(self.times, until, 1) - 1]

    def starts(self, amount: int, length: Span, after: Instant) -> Iterator[Instant]:
        """Yield the instants after ``after`` from which ``amount`` is free for so long."""
        times, totals = self.times, self.totals
        i, end = bisect_right(times, after), len(times)
        while i < end:
            if totals[i] >= amount:
                j = bisect_left(times, times[i] + length, i + 1)
                if min(totals[i:j]) >= amount:
                    yield times[i]
                else:
                    # Nothing before the last shortage within the window will do either.
                    j -= 1
                    while totals[j] >= amount:
                        j -= 1
                    i = j
            i += 1

    def may_start_earlier(self, amount: int, length: Span, own: tuple[Instant, Instant], before: Instant) -> bool:
        """Whether a reservation that holds ``amount`` during ``own`` might be made to begin before an instant.

        What it holds itself counts as free.
        """
        times, totals = self.times, self.totals
        start, stop = own
        until = bisect_left(times, min(start, before))
        first, last = bisect_left(times, start), bisect_left(times, stop)
        for i in range(until):
            if totals[i] >= amount:
                j = bisect_left(times, times[i] + length, i + 1)
                if min(totals[i : min(j, first)]) >= amount and min(totals[last:j], default=amount) >= amount:
                    return True
        return False
