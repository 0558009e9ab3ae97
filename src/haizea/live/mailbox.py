"""Where a platform puts what it has to say: a source of events for the loop."""

from collections import deque
from collections.abc import Callable

from haizea.model.events import InstanceObserved
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.runtime.ports import Report, Seen

TAKEN_MAX = 1_000


class Mailbox:
    """Reports and sightings in the order in which they came. Any thread may put something in."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[Report | Seen] = deque()

    def put(self, said: Report | Seen) -> None:
        """Put something in."""
        self._waiting.append(said)
        self._wake()

    @property
    def next_at(self) -> Instant:
        """At once, where something waits."""
        return 0 if self._waiting else FAR_FUTURE

    def due(self, now: Instant, /) -> list[InstanceObserved | Report]:
        """Take out what waits, as of now."""
        found: list[InstanceObserved | Report] = []
        while self._waiting and len(found) < TAKEN_MAX:
            said = self._waiting.popleft()
            if isinstance(said, Report):
                found.append(said)
            else:
                found.append(InstanceObserved(now, said.lease, said.vm, said.observed))
        return found


class Heartbeat:
    """Wakes the loop every so often, whatever happens, and has small chores done."""

    def __init__(self, now: Instant, every: Span, chores: Callable[[Instant], None]) -> None:
        self._every = every
        self._chores = chores
        self.next_at: Instant = now + every

    def due(self, now: Instant, /) -> list[InstanceObserved | Report]:
        """Do the chores; there is nothing to hand over."""
        self.next_at = now + self._every
        self._chores(now)
        return []
