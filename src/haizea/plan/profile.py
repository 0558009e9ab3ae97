"""How much of the key resource type is free over time, over all hosts together.

Where the sum over all hosts is too small for a lease, no placement can exist; so this is looked at first, which
is cheap, before hosts are. What it lets pass may still not fit on any set of hosts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.chunk import Chunk


class Profile:
    """Free amounts: ``totals[i]`` from ``times[i]`` to ``times[i + 1]``, as far as :meth:`reach` was asked to go.

    They are added up from the chunks of a timeline only as far as somebody asks, because a profile is of no use any
    more as soon as anything changes.
    """

    __slots__ = ("_added", "_chunks", "_lows", "times", "totals")

    def __init__(self, now: Instant, free: int, chunks: list[Chunk]) -> None:
        """Begin with what is free now; ``chunks`` say what changes later."""
        self.times = [now]
        self.totals = [free]
        self._chunks = chunks
        self._added = 0
        self._lows: list[int] = []

    def reach(self, until: Instant) -> None:
        """Add up what is free before an instant; the last total known is for ever if there is no instant after it."""
        times, totals, chunks = self.times, self.totals, self._chunks
        while times[-1] < until and self._added < len(chunks):
            chunk = chunks[self._added]
            self._added += 1
            times += chunk.times
            free = totals[-1]
            for step in chunk.steps:
                free += step[1]
                totals.append(free)

    def throughout(self, until: Instant) -> int:
        """Return how much is free from now until an instant."""
        self.reach(until)
        last, lows = bisect_left(self.times, until, 1) - 1, self._lows
        if len(lows) <= last:
            low = lows[-1] if lows else self.totals[0]
            for total in self.totals[len(lows) : last + 1]:
                if total < low:
                    low = total
                lows.append(low)
        return lows[last]

    def starts(self, amount: int, length: Span, after: Instant) -> Iterator[Instant]:
        """Yield the instants after ``after`` from which ``amount`` is free for so long."""
        while (after := self.start(amount, length, after)) < FAR_FUTURE:
            yield after

    def start(self, amount: int, length: Span, after: Instant) -> Instant:
        """Return the first instant after ``after`` from which ``amount`` is free for so long; FAR_FUTURE: none."""
        times, totals = self.times, self.totals
        self.reach(after + 1)
        i = bisect_right(times, after)
        while True:
            if i == len(times):
                self.reach(FAR_FUTURE if i == 0 else times[-1] + 1)
                if i == len(times):
                    return FAR_FUTURE
            if totals[i] >= amount:
                end = times[i] + length
                self.reach(end)
                # Nothing before the last shortage within the window will do.
                j = bisect_left(times, end, i + 1) - 1
                while j > i and totals[j] >= amount:
                    j -= 1
                if j == i:
                    return times[i]
                i = j
            i += 1

    def may_start_earlier(self, amount: int, length: Span, own: tuple[Instant, Instant], before: Instant) -> bool:
        """Whether a reservation that holds ``amount`` during ``own`` might be made to begin before an instant.

        What it holds itself counts as free.
        """
        times, totals = self.times, self.totals
        start, stop = own
        latest = min(start, before)
        self.reach(stop)
        i, begin = 0, FAR_FUTURE
        while True:
            if i == len(times):
                self.reach(times[-1] + 1)
                if i == len(times):
                    return begin < latest
            at = times[i]
            if totals[i] >= amount or start <= at < stop:
                if begin == FAR_FUTURE:
                    begin = at
            elif begin + length <= at:
                return True
            else:
                begin = FAR_FUTURE
            if begin >= latest and at >= latest:
                return False
            i += 1
