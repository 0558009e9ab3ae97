"""Where a platform puts what it has to say: a source of events for the loop."""

from collections import deque
from collections.abc import Callable

from haizea.model.events import HostObserved, InstanceObserved
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.runtime.ports import HostSeen, Progress, Report, Said

TAKEN_MAX = 1_000


class Mailbox:
    """Reports and sightings in the order in which they came. Any thread may put something in.

    ``progress`` has, by lease, which of its operations that take long is how far, in thousandths; what is over is not
    in it.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[Said] = deque()
        self.progress: dict[int, tuple[str, int]] = {}

    def put(self, said: Said) -> None:
        """Put something in."""
        if isinstance(said, Progress):
            self.progress[said.lease] = said.verb, said.permille
            return
        if isinstance(said, Report):
            self.progress.pop(said.lease, None)
        self._waiting.append(said)
        self._wake()

    @property
    def next_at(self) -> Instant:
        """At once, where something waits."""
        return 0 if self._waiting else FAR_FUTURE

    def due(self, now: Instant, /) -> list[InstanceObserved | HostObserved | Report]:
        """Take out what waits, as of now."""
        found: list[InstanceObserved | HostObserved | Report] = []
        while self._waiting and len(found) < TAKEN_MAX:
            said = self._waiting.popleft()
            if isinstance(said, Report):
                found.append(said)
            elif isinstance(said, HostSeen):
                found.append(HostObserved(now, said.host, said.state))
            elif not isinstance(said, Progress):
                found.append(InstanceObserved(now, said.lease, said.vm, said.observed, said.host, said.by))
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
