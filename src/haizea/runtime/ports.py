"""What the loop needs of the world: a clock, somewhere events come from, a back end, somewhere results go."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from haizea.core.desk import Retired
from haizea.model.effects import Command, Effect, News
from haizea.model.events import Event, Observed
from haizea.model.lease import LeaseTerms
from haizea.model.resources import Capacity
from haizea.model.site import NO_LABELS, HostState
from haizea.model.units import Instant, Span

if TYPE_CHECKING:
    # A simulation needs no rows of a store.
    from haizea.runtime.rows import CommandRow


T = TypeVar("T")

NONE_AWAY: Final[frozenset[int]] = frozenset()


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
    """A VM as a platform shows it: its lease, its number there (from 1), its state, the host's number.

    ``by`` is who brought it into that state, where the platform tells and it was a person.
    """

    lease: int
    vm: int
    observed: Observed
    host: int | None
    by: str = ""


class HostSeen(NamedTuple):
    """A host as a platform shows it; ``capacity`` None where it cannot be told at the moment.

    ``state`` is UP, SUSPECT where the host does not answer, DOWN where it is known to have failed, DISABLED where
    somebody has disabled it with the platform's own tools. ``name`` and ``labels`` are needed of hosts that are new:
    their numbers follow those of the site that the platform was started with.
    """

    host: int
    state: HostState
    capacity: Capacity | None = None
    name: str = ""
    labels: Mapping[str, str] = NO_LABELS


class Stranger(NamedTuple):
    """A VM that runs on a host and is no lease's: ``name`` is what the platform knows it by."""

    name: str
    host: int
    demand: Capacity
    labels: Mapping[str, str] = NO_LABELS


class Shown(list[T]):
    """What a platform shows of VMs. ``away`` are the numbers of hosts that it could not look at.

    What is not shown may be on one of those; nothing is known of it then, which is not that it is gone.
    """

    def __init__(self, found: Iterable[T] = (), away: frozenset[int] = NONE_AWAY) -> None:
        super().__init__(found)
        self.away = away


class Report(NamedTuple):
    """How a command went, once it is over; ``error`` is empty where it went well.

    ``vms`` are those that it failed for, empty for all of the command's. ``took`` is how long each VM's operation took,
    by VM number and in real time, where that was measured.
    """

    command: int
    verb: str
    lease: int
    error: str
    vms: tuple[int, ...] = ()
    took: tuple[tuple[int, Span], ...] = ()


class Progress(NamedTuple):
    """How far a command is that takes long, in thousandths."""

    command: int
    verb: str
    lease: int
    permille: int


Said = Report | Seen | HostSeen | Progress
"""What a platform may say by itself."""

Terms = Callable[[int], LeaseTerms | None]
"""Looks up what was asked for with a lease, from any thread; None where there is no such lease."""


class PlatformUnavailable(Exception):
    """The platform cannot be asked at the moment; what it has is not known, which is not that it has nothing."""


class Platform(Protocol):
    """A live platform that VMs run on. Nothing here waits for long: work is done in threads of its own.

    What it has to say is put into the ``tell`` that :meth:`start` is given, from any thread: how commands went, and VMs
    and hosts seen in a state that nobody told it to bring them to. Whatever else it needs to know of a lease than the
    command says it looks up by the ``Terms`` that it was made with.
    """

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin to work, and to tell."""

    def submit(self, command: "CommandRow", /) -> None:
        """Begin to carry out a command. The same one may come again, by its id: it is done once.

        Commands about the same VM are carried out in the order in which they come. A command that is about VMs that
        are as it wants them already has succeeded.
        """

    def observe(self) -> Shown[Seen]:
        """Return all VMs of leases that there are, suspended ones too; and which hosts could not be looked at.

        Raises:
            PlatformUnavailable: nothing of it can be asked at the moment.
        """

    def hosts(self) -> Sequence[HostSeen]:
        """Return all hosts of the site, as they are now, those too that do not answer.

        Raises:
            PlatformUnavailable: it cannot be asked at the moment.
        """

    def strangers(self) -> Shown[Stranger]:
        """Return the VMs that are no lease's; and which hosts could not be looked at.

        Raises:
            PlatformUnavailable: nothing of it can be asked at the moment.
        """

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a stranger to be a lease's VM from now on.

        Raises:
            LookupError: there is none of that name.
            PlatformUnavailable: it cannot be told at the moment.
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

    def changed(self, change: News, /) -> None:
        """Take note of a lease that has changed, or of something people should be told."""
