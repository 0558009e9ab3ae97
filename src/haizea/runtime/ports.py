"""What the loop needs of the world: a clock, somewhere events come from, a back end, somewhere results go."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from haizea.core.desk import Retired
from haizea.model.effects import Command, Effect, LeaseChanged, Notice
from haizea.model.events import Event
from haizea.model.units import Instant


class Clock(Protocol):
    """Tells the time, and waits for it."""

    def wait_until(self, at: Instant, /) -> Instant:
        """Return once an instant is reached, or earlier if something else happens; return what time it is then."""


class Source(Protocol):
    """Where events come from: requests, observations, commands."""

    @property
    def next_at(self) -> Instant:
        """When its next event is known to come; FAR_FUTURE where none is."""

    def due(self, now: Instant, /) -> Iterable[Event]:
        """Take out and return the events that have come by now, in order."""


class Backend(Source, Protocol):
    """A platform that VMs run on. What it has to say comes back as events."""

    def execute(self, command: Command, /) -> None:
        """Begin to carry out a command. Commands are safe to repeat."""


class Observer(Protocol):
    """Looks on: sees every event and what it led to, and changes nothing."""

    def after(self, event: Event, effects: Sequence[Effect | Retired], /) -> None:
        """Look at what an event has led to."""


class Sink(Protocol):
    """Where results go."""

    def retired(self, retired: Retired, /) -> None:
        """Take note of a lease that has reached a final state."""

    def changed(self, change: LeaseChanged | Notice, /) -> None:
        """Take note of a lease that has changed, or of something people should be told."""
