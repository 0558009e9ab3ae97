"""A platform that behaves badly, around one that behaves well: late, forgetful, repetitive, mistaken, out of reach.

What goes wrong is drawn from a seeded generator, so that the same run goes wrong in the same way. Driven by a clock
that is handed to it, it needs no threads.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from haizea.model.events import Observed
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.runtime.ports import HostSeen, Platform, PlatformUnavailable, Report, Said, Seen, Shown, Stranger
from haizea.runtime.rows import CommandRow


class Driven(Platform, Protocol):
    """A platform without threads: it does what is due when it is told what time it is."""

    @property
    def next_at(self) -> Instant:
        """When something is due next."""

    def advance(self, now: Instant) -> None:
        """Do what is due."""


class Faults(NamedTuple):
    """How often things go wrong, each in thousandths of the times that they could.

    What is said by the platform is *lost*, *repeated*, or *delayed* by up to ``delay_most``, which reorders it too.
    Commands are *refused* with an error although they are not carried out, *timed out* although they are,
    *swallowed* without a word, *feigned* (reported done though nothing was), or *failed* at once. Questions are
    *unanswered*. Observations are *stale*, as they were some time ago, or *lie*: one VM is missing from them or shown
    in another state.
    """

    lost: int = 0
    repeated: int = 0
    delayed: int = 0
    refused: int = 0
    timed_out: int = 0
    swallowed: int = 0
    failed: int = 0
    unanswered: int = 0
    stale: int = 0
    lie: int = 0
    delay_most: Span = 30 * SECOND
    feigned: int = 0


NO_FAULTS = Faults()

_LIES = (Observed.RUNNING, Observed.UNKNOWN, Observed.SUSPENDED, Observed.PAUSED, Observed.GUEST_SHUTDOWN)


class FaultyPlatform:
    """Stands before a platform. ``faults`` may be changed at any time; ``done`` counts what went wrong, by kind.

    Once :data:`NO_FAULTS` is set, everything that was delayed comes, and all is well again; what was lost stays lost.
    """

    def __init__(self, platform: Driven, faults: Faults, chance: random.Random, now: Callable[[], Instant]) -> None:
        self._platform = platform
        self._chance = chance
        self._now = now
        self._tell: Callable[[Said], None] | None = None
        self._delayed: list[tuple[Instant, int, Said]] = []
        self._number = 0
        self._before: Shown[Seen] = Shown()
        self.faults = faults
        self.done: Counter[str] = Counter()

    # The port ------------------------------------------------------------------------------------------------

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin to work, and to tell."""
        self._tell = tell
        self._platform.start(self._hear)

    def submit(self, command: CommandRow, /) -> None:
        """Begin to carry out a command, or not.

        Raises:
            PlatformUnavailable: it cannot be told at the moment, or says so.
        """
        faults = self.faults
        if self._happens("refused", faults.refused):
            raise PlatformUnavailable("the connection was refused")
        if self._happens("swallowed", faults.swallowed):
            return
        if self._happens("feigned", faults.feigned):
            self._hear(Report(command.id, command.verb, command.lease, ""))
            return
        if self._happens("failed", faults.failed):
            self._hear(Report(command.id, command.verb, command.lease, "the driver failed"))
            return
        self._platform.submit(command)
        if self._happens("timed-out", faults.timed_out):
            raise PlatformUnavailable("no answer came in time")

    def observe(self) -> Shown[Seen]:
        """Return VMs as they are, as they were, or as they are not.

        Raises:
            PlatformUnavailable: it cannot be asked at the moment.
        """
        self._ask()
        seen = self._platform.observe()
        if self._before and self._happens("stale", self.faults.stale):
            return Shown(self._before, self._before.away)
        self._before = Shown(seen, seen.away)
        if seen and self._happens("lie", self.faults.lie):
            victim = self._chance.randrange(len(seen))
            if self._chance.randrange(2):
                del seen[victim]
            else:
                seen[victim] = seen[victim]._replace(observed=_LIES[self._chance.randrange(len(_LIES))])
        return seen

    def hosts(self) -> Sequence[HostSeen]:
        """Return all hosts.

        Raises:
            PlatformUnavailable: it cannot be asked at the moment.
        """
        self._ask()
        return self._platform.hosts()

    def strangers(self) -> Shown[Stranger]:
        """Return the VMs that are no lease's.

        Raises:
            PlatformUnavailable: it cannot be asked at the moment.
        """
        self._ask()
        return self._platform.strangers()

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a stranger to be a lease's VM.

        Raises:
            LookupError: there is none of that name.
            PlatformUnavailable: it cannot be told at the moment.
        """
        self._ask()
        self._platform.adopt(name, lease, vm)

    def stop(self) -> None:
        """Let go of the platform."""
        self._tell = None
        self._platform.stop()

    # Time ----------------------------------------------------------------------------------------------------

    @property
    def next_at(self) -> Instant:
        """When something is due next."""
        return min(self._platform.next_at, self._delayed[0][0] if self._delayed else FAR_FUTURE)

    def advance(self, now: Instant) -> None:
        """Do what is due, and say what was delayed until now."""
        self._platform.advance(now)
        while self._delayed and (self._delayed[0][0] <= now or self.faults == NO_FAULTS):
            self._say(heappop(self._delayed)[2])

    # Faults --------------------------------------------------------------------------------------------------

    def _happens(self, what: str, permille: int) -> bool:
        if not permille or self._chance.randrange(1000) >= permille:
            return False
        self.done[what] += 1
        return True

    def _ask(self) -> None:
        if self._happens("unanswered", self.faults.unanswered):
            raise PlatformUnavailable("no answer came in time")

    def _say(self, said: Said) -> None:
        if self._tell is not None:
            self._tell(said)

    def _hear(self, said: Said) -> None:
        faults = self.faults
        if self._happens("lost", faults.lost):
            return
        if self._happens("repeated", faults.repeated):
            self._later(said)
        if self._happens("delayed", faults.delayed):
            self._later(said)
        else:
            self._say(said)

    def _later(self, said: Said) -> None:
        self._number += 1
        at = self._now() + 1 + self._chance.randrange(max(1, self.faults.delay_most))
        heappush(self._delayed, (at, self._number, said))
