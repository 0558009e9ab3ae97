"""What a lease is: its terms, its type, and the table of its states."""

from collections.abc import Mapping
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.model.resources import MEMORY, Capacity
from haizea.model.units import HOUR, Instant, Span

NO_EXTRA: Final[Mapping[str, str]] = MappingProxyType({})


class LeaseType(StrEnum):
    """The four types of lease; the value is how outputs name them."""

    BEST_EFFORT = "best-effort"
    ADVANCE_RESERVATION = "AR"
    IMMEDIATE = "immediate"
    DEADLINE = "deadline"


class Constraints(NamedTuple):
    """Where the VMs of a node set may run.

    ``require`` and ``exclude`` are host labels as ``(name, value)``; a value ``"*"`` stands for any. ``spread``
    puts at most one VM of the lease on a host (anti-affinity), ``together`` all of them on one host (affinity).
    """

    require: tuple[tuple[str, str], ...] = ()
    exclude: tuple[tuple[str, str], ...] = ()
    spread: bool = False
    together: bool = False


NO_CONSTRAINTS: Final = Constraints()


class NodeSet(NamedTuple):
    """``count`` identical VMs."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which means nothing here
    demand: Capacity


class DiskImage(NamedTuple):
    """The disk image that every VM of a lease starts from. ``size`` is in MiB."""

    id: str
    size: int


class OnGuestShutdown(Enum):
    """What a lease wishes for when one of its guests shuts itself down."""

    END = "end"
    RESTART = "restart"
    HOLD = "hold"


class OnFailure(Enum):
    """What a lease wishes for when one of its VMs fails or its host is lost."""

    RESTART = "restart"
    REQUEUE = "requeue"
    FAIL = "fail"
    HOLD = "hold"


class OnEnd(Enum):
    """What a lease wishes for when its time is over."""

    STOP = "stop"
    SUSPEND = "suspend"
    EXTEND = "extend"


class Reactions(NamedTuple):
    """A lease's wishes for what nobody planned, and for its end.

    With EXTEND it gets ``extend_by`` more time, again and again, while there is room and nobody has to give way for it.
    """

    on_guest_shutdown: OnGuestShutdown = OnGuestShutdown.END
    on_failure: OnFailure = OnFailure.REQUEUE
    on_end: OnEnd = OnEnd.STOP
    extend_by: Span = HOUR


DEFAULT_REACTIONS: Final = Reactions()


class LeaseTerms(NamedTuple):
    """What was asked for.

    ``start`` is None for best effort; with ``immediate`` the lease is wanted now or not at all. ``start`` and
    ``deadline`` are instants; in a workload that has not begun they are spans since its start. ``duration``
    None is unlimited. ``priority`` orders the queue where the policy for it looks at it: more comes first. ``grace`` is
    how long before it is preempted the lease's owner must have been told.
    """

    nodes: tuple[NodeSet, ...]
    duration: Span | None
    start: Instant | None = None
    immediate: bool = False
    deadline: Instant | None = None
    preemptible: bool = True
    software: DiskImage | None = None
    user: str = ""
    extra: Mapping[str, str] = NO_EXTRA
    constraints: Constraints = NO_CONSTRAINTS
    reactions: Reactions = DEFAULT_REACTIONS
    group: str = ""
    name: str = ""
    priority: int = 0
    grace: Span = 0

    @property
    def type(self) -> LeaseType:
        """The type that follows from the terms."""
        if self.immediate:
            return LeaseType.IMMEDIATE
        if self.start is None:
            return LeaseType.BEST_EFFORT
        return LeaseType.ADVANCE_RESERVATION if self.deadline is None else LeaseType.DEADLINE

    @property
    def node_count(self) -> int:
        """How many VMs the lease has."""
        nodes = self.nodes
        return nodes[0].count if len(nodes) == 1 else sum(n.count for n in nodes)

    @property
    def memory(self) -> int:
        """MiB of memory of all VMs together."""
        return sum(n.count * n.demand[MEMORY] for n in self.nodes)


class LeaseState(IntEnum):
    """The states of a lease; the numbers up to 18 are those that Haizea 1.x clients know.

    HELD: nothing is done with it until somebody says what; where it has VMs, they keep their hosts until its time is
    over. PAUSED: its VMs stand still on their hosts and keep their capacity, and its time goes on.
    """

    NEW = 0
    PENDING = 1
    REJECTED = 2
    SCHEDULED = 3
    QUEUED = 4
    CANCELLED = 5
    PREPARING = 6
    READY = 7
    ACTIVE = 8
    SUSPENDING = 9
    SUSPENDED_PENDING = 10
    SUSPENDED_QUEUED = 11
    SUSPENDED_SCHEDULED = 12
    MIGRATING = 13
    RESUMING = 14
    RESUMED_READY = 15
    DONE = 16
    FAILED = 17
    REJECTED_BY_USER = 18
    HELD = 19
    PAUSED = 20

    @property
    def final(self) -> bool:
        """Whether a lease stays in this state for ever."""
        return self in FINAL_STATES

    @property
    def label(self) -> str:
        """The state as outputs write it: ``suspended-queued``."""
        return _LABELS[self]


_LABELS: Final = {state: state.name.lower().replace("_", "-") for state in LeaseState}

FINAL_STATES: Final = frozenset(
    {LeaseState.DONE, LeaseState.REJECTED, LeaseState.REJECTED_BY_USER, LeaseState.CANCELLED, LeaseState.FAILED}
)


class LeaseRequest(NamedTuple):
    """A request of a workload.

    ``arrival`` is the span since the workload's start. ``real_duration`` is how long the VMs really run, if
    shorter than asked: something only a simulation knows.
    """

    id: int
    arrival: Span
    terms: LeaseTerms
    real_duration: Span | None = None
