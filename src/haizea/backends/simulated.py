"""A platform that exists in simulated time only.

It does what it is told exactly as long as planned. What it adds is what only it knows: how long the guests of a
lease really run before they shut themselves down.
"""

from heapq import heappop, heappush

from haizea.model.effects import Command, Verb
from haizea.model.events import InstanceObserved, Observed
from haizea.model.units import Instant, Span


class _Guests:
    """The guests of a lease: what is left for them to do, and since when they have been at it."""

    __slots__ = ("left", "real", "since", "turn")

    def __init__(self, real: Span) -> None:
        self.real = real
        self.left = real
        self.since: Instant | None = None
        self.turn = 0


class SimulatedBackend:
    """Runs VMs in simulated time."""

    def __init__(self) -> None:
        self._guests: dict[int, _Guests] = {}
        self._ends: list[tuple[Instant, int, int]] = []

    def tell(self, lease: int, real_duration: Span) -> None:
        """Be told how long the guests of a lease will really run."""
        self._guests[lease] = _Guests(real_duration)

    def execute(self, command: Command) -> None:
        """Carry out a command."""
        guests = self._guests.get(command.lease)
        if guests is None:
            return
        verb = command.verb
        if verb is Verb.START or verb is Verb.RESUME:
            if verb is Verb.START:
                guests.left = guests.real
            guests.since = command.until
            guests.turn += 1
            heappush(self._ends, (command.until + guests.left, command.lease, guests.turn))
        elif verb is Verb.SUSPEND:
            if guests.since is not None:
                guests.left = max(0, guests.left - (command.at - guests.since))
            guests.since = None
            guests.turn += 1
        elif verb is Verb.DESTROY:
            # A resumption that is broken off leaves the memory image, and with it the work, as it was.
            if guests.since is not None and guests.since < command.at:
                guests.left = guests.real
            guests.since = None
            guests.turn += 1
        elif verb is Verb.SHUT_DOWN:
            del self._guests[command.lease]

    def next_instant(self) -> Instant | None:
        """Return when the next guests shut themselves down."""
        ends, guests = self._ends, self._guests
        while ends:
            at, lease, turn = ends[0]
            found = guests.get(lease)
            if found is not None and found.turn == turn:
                return at
            heappop(ends)
        return None

    def due(self, now: Instant) -> list[InstanceObserved]:
        """Report the guests that have shut themselves down."""
        ends, guests = self._ends, self._guests
        events: list[InstanceObserved] = []
        while ends and ends[0][0] <= now:
            _at, lease, turn = heappop(ends)
            found = guests.get(lease)
            if found is not None and found.turn == turn:
                del guests[lease]
                events.append(InstanceObserved(now, lease, 0, Observed.GUEST_SHUTDOWN))
        return events
