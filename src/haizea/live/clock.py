"""Real time, as the scheduler sees it."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span

WAIT_MAX_S = 3_600.0


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


class LiveClock:
    """Follows real time, never backwards, and can be woken.

    ``lag`` is by how much the loop was late when it woke last.
    """

    def __init__(self, scale: Scale | None = None, real: Callable[[], Instant] = real_now) -> None:
        """Without a scale, it is what time it is."""
        self._scale = scale or Scale(0, 0, 1.0)
        self._real = real
        self._latest = 0
        self._woken = threading.Event()
        self.lag: Span = 0

    @property
    def factor(self) -> float:
        """How many times faster than real time it runs."""
        return self._scale.factor

    def now(self) -> Instant:
        """Return what time it is; never earlier than it has been."""
        now = self._scale.shown_at(self._real())
        if now > self._latest:
            self._latest = now
        return self._latest

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
