"""What the loop needs of the world: a clock, somewhere events come from, a back end, somewhere results go."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from haizea.core.desk import Retired
from haizea.model.effects import Command, Effect, LeaseChanged, Notice
from haizea.model.events import Event, Observed
from haizea.model.units import Instant

if TYPE_CHECKING:
    # A simulation needs no rows of a store.
    from haizea.runtime.rows import CommandRow


class Clock(Protocol):
    """Tells the time, and waits for it."""

    def wait_until(self, at: Instant, /) -> Instant:
        """Return once an instant is reached, or earlier if something else happens; return what time it is then."""


class Source(Protocol):
    """Where events come from: requests, observations, commands."""

    @property
    def next_at(self) -> Instant:
        """When its next event is known to come; FAR_FUTURE where none is."""

    def due(self, now: Instant, /) -> Sequence[Any]:
        """Take out and return what has happened by now, in order: events, and whatever else the step understands."""


class Executor(Protocol):
    """Carries out the commands of a simulation."""

    def execute(self, command: Command, /) -> None:
        """Begin to carry out a command."""


class Step(Protocol):
    """What is done with the events of one instant."""

    def take(self, now: Instant, events: Sequence[Any], /) -> None:
        """Hand them to the scheduler, and that they are all; see to what they lead to."""


class Seen(NamedTuple):
    """A VM as a platform shows it: its lease, its number there (from 1), its state, the host's number."""

    lease: int
    vm: int
    observed: Observed
    host: int | None


class Report(NamedTuple):
    """How a command went; ``error`` is empty where it went well."""

    command: int
    verb: str
    lease: int
    error: str


class Platform(Protocol):
    """A live platform that VMs run on. Nothing here waits for long: work is done in threads of its own.

    What it has to say is put into the ``tell`` that :meth:`start` is given, from any thread: how commands went, and VMs
    seen in a state that nobody told it to bring them to.
    """

    def start(self, tell: Callable[[Report | Seen], None], /) -> None:
        """Begin to work, and to tell."""

    def submit(self, command: "CommandRow", /) -> None:
        """Begin to carry out a command. The same one may come again, by its id: it is done once."""

    def observe(self) -> Sequence[Seen]:
        """Return all VMs there are.

        Raises:
            PlatformUnavailable: it cannot be asked at the moment.
        """

    def stop(self) -> None:
        """Let go of the platform; VMs run on."""


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
