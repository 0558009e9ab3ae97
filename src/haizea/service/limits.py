"""How much one caller may send: token buckets, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """A bucket of tokens for each key: ``burst`` at first, refilled with ``rate`` each second.

    At most ``most`` buckets are remembered. The one forgotten is the one used longest ago, which is most likely full.
    """

    def __init__(
        self, rate: float, burst: float, *, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, amount: float = 1.0) -> float:
        """Take tokens. Returns 0 if there were enough, else in how many seconds there will be, and takes none."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        enough = left >= amount
        self._buckets[key] = (left - amount if enough else left, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if enough else (amount - left) / self._rate

    def give_back(self, key: str, amount: float = 1.0) -> None:
        """Return tokens that were taken for nothing."""
        if key in self._buckets:
            left, at = self._buckets[key]
            self._buckets[key] = (min(self._burst, left + amount), at)

    def __len__(self) -> int:
        return len(self._buckets)
