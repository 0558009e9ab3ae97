"""Who looks on while the loop works: what measures it, and what stops it at labelled points."""

from collections.abc import Callable
from typing import Protocol


class Gauge(Protocol):
    """Measures the loop; all spans in seconds of real time."""

    def decided(self, seconds: float, /) -> None:
        """A request was decided upon, and that kept, so long after it came in."""

    def written(self, seconds: float, /) -> None:
        """A transaction took so long."""

    def failed(self, /) -> None:
        """A transaction could not be kept."""

    def carried_out(self, verb: str, seconds: float, well: bool, /) -> None:
        """The platform took so long to carry out a command, or to fail."""


Checkpoint = Callable[[str], None]
"""Called at labelled points of a step, for tests that stop the process there."""
