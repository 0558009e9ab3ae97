"""A platform that exists in simulated time only.

It does what it is told exactly as long as planned. What it adds is what only it knows: how long the guests of a
lease really run before they shut themselves down.
"""

from heapq import heappop, heappush

from haizea.model.effects import Command, Verb
from haizea.model.events import InstanceObserved, Observed
from haizea.model.units import FAR_FUTURE, Instant, Span


class _Guests:
    """The guests of a lease: what is left for them to do, and since when they have been at it."""

    __slots__ = ("left", "real", "since", "turn")

    def __init__(self, real: Span) -> None:
        self.real = real
        self.left = real
        self.since: Instant | None = None
        self.turn = 0


class SimulatedBackend:
    """Runs VMs in simulated time. ``next_at`` is when the next guests shut themselves down, or earlier."""

    def __init__(self) -> None:
        self._guests: dict[int, _Guests] = {}
        self._ends: list[tuple[Instant, int, int]] = []
        self.next_at: Instant = FAR_FUTURE

    def tell(self, lease: int, real_duration: Span) -> None:
        """Be told how long the guests of a lease will really run."""
        self._guests[lease] = _Guests(real_duration)

    def execute(self, command: Command) -> None:
        """Carry out a command."""
        at, verb, lease, until, _hosts, _vms = command
        guests = self._guests.get(lease)
        if guests is None:
            return
        if verb is Verb.START or verb is Verb.RESUME:
            if verb is Verb.START:
                guests.left = guests.real
            guests.since = until
            guests.turn += 1
            end = until + guests.left
            heappush(self._ends, (end, lease, guests.turn))
            self.next_at = min(self.next_at, end)
        elif verb is Verb.SHUT_DOWN:
            del self._guests[lease]
            self._look_ahead()
        elif verb is Verb.SUSPEND or verb is Verb.DESTROY:
            since = guests.since
            if since is not None and since < at:
                # What is suspended goes on later; what is destroyed starts over. A resumption that is broken
                # off leaves the memory image, and with it the work, as it was.
                guests.left = guests.real if verb is Verb.DESTROY else max(0, guests.left - (at - since))
            guests.since = None
            guests.turn += 1
            self._look_ahead()

    def _look_ahead(self) -> None:
        ends, guests = self._ends, self._guests
        while ends:
            at, lease, turn = ends[0]
            found = guests.get(lease)
            if found is not None and found.turn == turn:
                self.next_at = at
                return
            heappop(ends)
        self.next_at = FAR_FUTURE

    def due(self, now: Instant) -> list[InstanceObserved]:
        """Report the guests that have shut themselves down."""
        events: list[InstanceObserved] = []
        while self.next_at <= now:
            _at, lease, _turn = heappop(self._ends)
            del self._guests[lease]
            # What the constructor does, which is the interpreter's: every lease of a simulation passes here.
            seen = (now, lease, 0, Observed.GUEST_SHUTDOWN, None, "")
            events.append(tuple.__new__(InstanceObserved, seen))
            self._look_ahead()
        return events
