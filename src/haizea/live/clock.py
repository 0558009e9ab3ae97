"""Real time, as the scheduler sees it."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span

WAIT_MAX_S = 3_600.0

JUMP_LEAST: Span = 2 * SECOND
"""Clocks that differ by no more from each other from one look to the next have not been set."""

HOLD_MAX: Span = 60 * SECOND
"""For no longer does time stand still."""


class Scale(NamedTuple):
    """Instants that run faster than real time: at real instant ``real`` it was ``shown``, and runs ``factor`` times."""

    real: Instant
    shown: Instant
    factor: float

    def shown_at(self, real: Instant) -> Instant:
        """Return what time it is shown to be at a real instant."""
        return self.shown + round((real - self.real) * self.factor)


def real_now() -> Instant:
    """Return what time it is."""
    return time.time_ns() // 1_000_000


def monotonic_now() -> Instant:
    """Return how many milliseconds have passed since some moment; nobody can set this clock."""
    return time.monotonic_ns() // 1_000_000


class LiveClock:
    """Follows real time, never backwards, and can be woken.

    ``lag`` is by how much the loop was late when it woke last. Real time may be set, by an administrator or by NTP, and
    it jumps where the machine was suspended: that shows by comparison with the time since the machine started. When it
    is set forward, time goes on from there. When it is set back, time stands still until it is where it was; but where
    that would take longer than :data:`HOLD_MAX`, it goes on as if nothing had happened, ahead of the clock, until the
    daemon is started again.
    """

    def __init__(
        self,
        scale: Scale | None = None,
        real: Callable[[], Instant] = real_now,
        monotonic: Callable[[], Instant] = monotonic_now,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Without a scale, it is what time it is. ``warn`` is told of jumps."""
        self._scale = scale or Scale(0, 0, 1.0)
        self._real = real
        self._monotonic = monotonic
        self._warn = warn
        self._latest = 0
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._since = real() - monotonic()
        self._ahead: Span = 0
        self._jumps: list[Span] = []
        self.lag: Span = 0

    @property
    def factor(self) -> float:
        """How many times faster than real time it runs."""
        return self._scale.factor

    def now(self) -> Instant:
        """Return what time it is; never earlier than it has been."""
        with self._lock:
            real = self._real()
            since = real - self._monotonic()
            jump, self._since = since - self._since, since
            if abs(jump) > JUMP_LEAST:
                self._jumped(jump)
            now = self._scale.shown_at(real + self._ahead)
            if now > self._latest:
                self._latest = now
            return self._latest

    def jumps(self) -> list[Span]:
        """Take out by how much the clock was found to have been set, in its own time."""
        with self._lock:
            found, self._jumps = self._jumps, []
        return found

    def _jumped(self, jump: Span) -> None:
        self._jumps.append(round(jump * self._scale.factor))
        seconds = abs(jump) / SECOND
        if jump > 0:
            # Whatever it went on ahead before is caught up with.
            self._ahead = max(0, self._ahead - jump)
            self._warn(f"the clock has jumped {seconds:g} s forward; what is due now is done in order")
        elif -jump <= HOLD_MAX:
            self._warn(f"the clock was set back by {seconds:g} s; time stands still until it is where it was")
        else:
            self._ahead -= jump
            self._warn(
                f"THE CLOCK WAS SET BACK BY {seconds:g} s. Leases go on as planned, {self._ahead / SECOND:g} s ahead "
                "of the clock. Set it right, or restart the daemon if it is."
            )

    def wake(self) -> None:
        """Have whoever waits look whether there is something to do."""
        self._woken.set()

    def wait_until(self, at: Instant, /) -> Instant:
        """Return once an instant is reached or somebody calls :meth:`wake`; return what time it is then."""
        while not self._woken.is_set():
            now = self.now()
            if at <= now:
                break
            left = min(at - now, FAR_FUTURE // 2) / SECOND / self._scale.factor
            # In pieces, so that a clock that is set is noticed.
            self._woken.wait(min(left, 1.0 if left > 1 else left, WAIT_MAX_S))
        self._woken.clear()
        now = self.now()
        self.lag = max(0, now - at)
        return now
