"""What the hosts of one block have free, from now on.

The future is a sorted sequence of instants, each with the difference it makes to the packed state of the block
(see :mod:`haizea.plan.packing`); it is kept in chunks that know the state before their first instant, so that a
change costs one bisection plus one addition for every chunk it spans, and a question about ``[start, end)``
walks the instants of that interval only.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.chunk import CHUNK_MAX, Chunk
from haizea.plan.packing import Mask, Packing
from haizea.plan.profile import Profile


class Timeline:
    """Free capacity of one block of hosts over time, from ``now`` on.

    ``free`` is how much of the key resource type the block has free now, over all its hosts. An instant is a
    *claim* where capacity may fall: where a reservation begins, or where one no longer ends that used to. Only
    there a window has to be looked at; ``claimed`` counts them.
    """

    __slots__ = ("_chunks", "_lows", "_lows_until", "_starts", "claimed", "free", "now", "packing", "version")

    def __init__(self, packing: Packing, free: int, now: Instant) -> None:
        self.packing = packing
        self.now = now
        self.free = free
        # Changes whenever anything else here does, but for what was looked up.
        self.version = 0
        self._chunks = [Chunk(packing.full, [], [])]
        self._starts: list[Instant] = [-FAR_FUTURE]
        self.claimed = 0
        # The states after the claims from now on, as far as somebody asked for them.
        self._lows: list[tuple[Instant, int]] = []
        self._lows_until: Instant = now

    def change(self, start: Instant, end: Instant, held: int, amount: int) -> None:
        """Take ``held`` during ``[start, end)``, or give it back where it is negative.

        ``amount`` is what ``held`` comes to in the key resource type. Of an interval that began in the past only
        the part from now on is changed.
        """
        if end <= self.now:
            return
        self.version += 1
        chunks = self._chunks
        if start <= self.now:
            chunks[0].base -= held
            self.free -= amount
            if self._lows:
                self._lows = [(t, state - held if t < end else state) for t, state in self._lows]
            first = 0
        else:
            first = self._shift(start, -held, -amount, held > 0)
            self._forget_lows()
        last = len(chunks) - 1 if end >= FAR_FUTURE else self._shift(end, held, amount, held < 0)
        if len(chunks) > 1:
            for chunk in chunks[first + 1 : last + 1]:
                chunk.base -= held
            self._tidy(last)
            if first != last:
                self._tidy(first)
        elif len(chunks[0].times) > CHUNK_MAX:
            self._tidy(0)

    def _shift(self, at: Instant, delta: int, amount: int, claim: bool) -> int:
        """Add a difference at an instant and return its chunk's number."""
        starts = self._starts
        number = bisect_right(starts, at) - 1 if len(starts) > 1 else 0
        chunk = self._chunks[number]
        times = chunk.times
        i = bisect_left(times, at)
        if i == len(times) or times[i] != at:
            times.insert(i, at)
            chunk.steps.insert(i, (delta, amount, claim))
            if claim:
                self.claimed += 1
                self._forget_lows()
            return number
        before, amount_before, was_claim = chunk.steps[i]
        delta += before
        if delta:
            chunk.steps[i] = (delta, amount + amount_before, claim or was_claim)
            if claim and not was_claim:
                self.claimed += 1
                self._forget_lows()
        else:
            self.claimed -= was_claim
            del times[i], chunk.steps[i]
        return number

    def _forget_lows(self) -> None:
        self._lows = []
        self._lows_until = self.now

    def _tidy(self, number: int) -> None:
        """Split a chunk that has grown too long; drop one that has become empty."""
        chunk = self._chunks[number]
        if len(chunk.times) > CHUNK_MAX:
            other = chunk.split()
            self._chunks.insert(number + 1, other)
            self._starts.insert(number + 1, other.times[0])
        elif not chunk.times and number:
            del self._chunks[number], self._starts[number]

    def advance(self, now: Instant) -> bool:
        """Make ``now`` the present, forgetting what lies before it; return whether anything has changed since."""
        changed = False
        self.now = now
        self.version += 1
        chunk = self._chunks[0]
        while True:
            times = chunk.times
            if times and times[0] <= now:
                changed = True
                passed = bisect_right(times, now)
                for delta, amount, claim in chunk.steps[:passed]:
                    chunk.base += delta
                    self.free += amount
                    self.claimed -= claim
                del times[:passed], chunk.steps[:passed]
                if self._lows:
                    self._lows = [low for low in self._lows if low[0] > now]
            if times or len(self._chunks) == 1:
                return changed
            chunk = self._chunks[1]
            del self._chunks[0], self._starts[0]
            self._starts[0] = -FAR_FUTURE

    def rewrite(self, packing: Packing, state: Callable[[int], int]) -> None:
        """Take over another layout of the same hosts; ``state`` writes a state in it."""
        self.packing = packing
        self.version += 1
        self._forget_lows()
        for chunk in self._chunks:
            before, base = chunk.base, state(chunk.base)
            chunk.base = base
            for i, (delta, amount, claim) in enumerate(chunk.steps):
                before += delta
                after = state(before)
                chunk.steps[i] = (after - base, amount, claim)
                base = after

    def state(self, at: Instant) -> int:
        """Return the packed state at an instant, not before now."""
        chunk = self._chunks[bisect_right(self._starts, at) - 1]
        return chunk.base + sum([step[0] for step in chunk.steps[: bisect_right(chunk.times, at)]])

    def window(self, start: Instant, end: Instant) -> int:
        """Return the state that has in every field what is free throughout ``[start, end)``."""
        if start > self.now:
            return self._least(start, end)
        state = self._chunks[0].base
        if self.claimed:
            packing = self.packing
            for at, low in self._claimed(end):
                if at >= end:
                    break
                state = packing.minimum(state, low)
        return state

    def _least(self, start: Instant, end: Instant) -> int:
        """Return what is free throughout an interval that begins after now."""
        packing = self.packing
        number = bisect_right(self._starts, start) - 1
        chunk = self._chunks[number]
        i = bisect_right(chunk.times, start)
        state = chunk.base
        for delta, _amount, _claim in chunk.steps[:i]:
            state += delta
        least = state
        if self.claimed:
            for chunk in self._chunks[number:]:
                times = chunk.times
                until = len(times) if not times or times[-1] < end else bisect_left(times, end)
                for delta, _amount, claim in chunk.steps[i:until]:
                    state += delta
                    if claim:
                        least = packing.minimum(least, state)
                if until < len(times):
                    break
                i = 0
        return least

    def roomy(self, start: Instant, end: Instant, needed: int) -> Mask:
        """Return the hosts on which ``needed`` is free throughout ``[start, end)``.

        The same hosts that cover ``needed`` in :meth:`window`, for a third of the work: what is left of a guard bit
        after every state is what counts, so nothing else of the states has to be right.
        """
        packing = self.packing
        if start <= self.now:
            left = self._chunks[0].base - needed
            if self.claimed:
                for at, low in self._claimed(end):
                    if at >= end:
                        break
                    left &= low - needed
            return packing.guarded(left)
        number = bisect_right(self._starts, start) - 1
        chunk = self._chunks[number]
        i = bisect_right(chunk.times, start)
        state = chunk.base - needed
        for delta, _amount, _claim in chunk.steps[:i]:
            state += delta
        left = state
        if self.claimed:
            for chunk in self._chunks[number:]:
                times = chunk.times
                until = len(times) if not times or times[-1] < end else bisect_left(times, end)
                for delta, _amount, claim in chunk.steps[i:until]:
                    state += delta
                    if claim:
                        left &= state
                if until < len(times):
                    break
                i = 0
        return packing.guarded(left)

    def room_until(self, start: Instant, end: Instant, held: int) -> Instant:
        """Return the first instant of ``[start, end)`` at which ``held`` cannot be taken; ``end`` if it always can."""
        guards = self.packing.guards
        number = bisect_right(self._starts, start) - 1
        chunk = self._chunks[number]
        i = bisect_right(chunk.times, start)
        state = chunk.base + sum([step[0] for step in chunk.steps[:i]]) - held
        if state & guards != guards:
            return start
        if self.claimed:
            for chunk in self._chunks[number:]:
                times, steps = chunk.times, chunk.steps
                until = len(times) if not times or times[-1] < end else bisect_left(times, end)
                for k in range(i, until):
                    delta, _amount, claim = steps[k]
                    state += delta
                    if claim and state & guards != guards:
                        return times[k]
                if until < len(times):
                    break
                i = 0
        return end

    def walk(self, start: Instant, end: Instant) -> Iterator[tuple[Instant, int]]:
        """Yield the state at ``start`` and after every claim before ``end``."""
        number = bisect_right(self._starts, start) - 1
        chunk = self._chunks[number]
        i = bisect_right(chunk.times, start)
        state = chunk.base + sum([step[0] for step in chunk.steps[:i]])
        yield start, state
        if not self.claimed:
            return
        for chunk in self._chunks[number:]:
            times, steps = chunk.times, chunk.steps
            until = len(times) if not times or times[-1] < end else bisect_left(times, end)
            for k in range(i, until):
                delta, _amount, claim = steps[k]
                state += delta
                if claim:
                    yield times[k], state
            if until < len(times):
                return
            i = 0

    def _claimed(self, until: Instant) -> list[tuple[Instant, int]]:
        """Return the states after every claim from now on, at least as far as ``until``."""
        if until > self._lows_until:
            self._lows = list(self.walk(self.now, until))[1:]
            self._lows_until = until
        return self._lows

    def claims(self, until: Instant) -> list[tuple[Instant, int]]:
        """Return the instants after now at which capacity may fall, with the state from then on, to ``until``."""
        if not self.claimed:
            return []
        return [low for low in self._claimed(until) if low[0] < until]

    def profile(self) -> Profile:
        """Return how much of the key resource type is free over time, over all hosts; good until the next change."""
        return Profile(self.now, self.free, self._chunks)

    def instants(self) -> list[Instant]:
        """Return the instants to come at which something changes."""
        return [at for chunk in self._chunks for at in chunk.times]
