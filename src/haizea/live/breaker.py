"""When to ask a platform again that does not answer: after ever longer waits, and with one question first.

*Closed*: it answers. *Open*: it has not, several times; it is left alone until the wait is over, and what was promised
goes on without it. *Half-open*: the wait is over, and one thing is tried.
"""

import random
from enum import StrEnum
from typing import NamedTuple

from haizea.model.units import SECOND, Instant, Span


class State(StrEnum):
    """Whether the platform is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Waits(NamedTuple):
    """How long to wait, in the loop's time: ``first`` after a failure, twice as long after each more, up to ``most``.

    It counts as open from the failure ``opens`` on.
    """

    first: Span = SECOND
    most: Span = 60 * SECOND
    opens: int = 3


class Breaker:
    """Counts failures. ``why`` is what went wrong last, empty while all is well; ``since`` when that began."""

    def __init__(self, waits: Waits, chance: random.Random) -> None:
        """``chance`` spreads the waits, so that many daemons do not all ask at once."""
        self._waits = waits
        self._chance = chance
        self._failures = 0
        self.retry_at: Instant = 0
        self.why = ""
        self.since: Instant = 0

    def state(self, now: Instant) -> State:
        """Return whether the platform is asked."""
        if self._failures < self._waits.opens:
            return State.CLOSED
        return State.OPEN if now < self.retry_at else State.HALF_OPEN

    def allows(self, now: Instant) -> bool:
        """Whether something may be tried."""
        return not self._failures or now >= self.retry_at

    def succeeded(self) -> bool:
        """Take note that it answers; return whether it did not before."""
        before, self._failures = self._failures, 0
        self.why = ""
        return before > 0

    def failed(self, now: Instant, why: str) -> bool:
        """Take note that it does not answer; return whether it did before."""
        waits = self._waits
        wait = min(waits.most, waits.first << min(self._failures, 30))
        # Up to a quarter more, never less: what is configured is the least.
        self.retry_at = now + wait + self._chance.randrange(wait // 4 + 1)
        self._failures += 1
        self.why = why
        if self._failures == 1:
            self.since = now
        return self._failures == 1
