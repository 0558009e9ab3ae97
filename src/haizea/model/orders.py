"""What people can order to be done with leases, hosts and the scheduler itself.

An order is taken or refused as soon as it is handed over, with a reason where it is refused, and changes nothing then.
VMs are given by their numbers from 1, with 0 for all of them, hosts by their numbers in the site from 0.
"""

from enum import Enum
from typing import NamedTuple

from haizea.model.lease import NodeSet
from haizea.model.units import Instant, Span

# Leases ------------------------------------------------------------------------------------------------------


class Last(NamedTuple):
    """Have a lease last longer or shorter: ``duration`` is what it is to be in all, None for unlimited."""

    duration: Span | None


class StartAt(NamedTuple):
    """Move the start of a reservation, or the earliest start of a deadline lease."""

    start: Instant


class EndBy(NamedTuple):
    """Move the deadline of a deadline lease."""

    deadline: Instant


class Resize(NamedTuple):
    """Have other VMs: more or fewer of them, and where they have not started, other ones."""

    nodes: tuple[NodeSet, ...]


class Suspend(NamedTuple):
    """Suspend a lease; it stays so until it is resumed by an order."""


class Resume(NamedTuple):
    """Resume a lease that was suspended by an order or behind Haizea's back: as soon as there is room."""


class Pause(NamedTuple):
    """Pause the VMs where they are: they keep their capacity, and time goes on."""


class Unpause(NamedTuple):
    """Let paused VMs go on."""


class Hold(NamedTuple):
    """Hold a lease back that does not run: it is not started until it is released."""


class Release(NamedTuple):
    """Release a lease that is held back."""


class Requeue(NamedTuple):
    """Take a best-effort lease off its hosts and put it back into the queue."""


class Restart(NamedTuple):
    """Start VMs over, where they are."""

    vm: int = 0


class StopVM(NamedTuple):
    """Stop one VM for good; with its last VM the lease is done."""

    vm: int


class ToTop(NamedTuple):
    """Move a lease to the top of the queue."""


class ToBottom(NamedTuple):
    """Move a lease to the bottom of the queue."""


class Migrate(NamedTuple):
    """Move running VMs, or the memory images of suspended ones, to a host, or away from one."""

    vm: int = 0
    to: int | None = None
    away_from: int | None = None


class Terminate(NamedTuple):
    """End a lease now, without shutting its guests down."""


class Recovery(Enum):
    """What is to be taken to have become of an operation that did not end as it should."""

    RETRY = "retry"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RECREATE = "recreate"


class Recover(NamedTuple):
    """Say what became of a lease whose state is in doubt, or have it tried again."""

    how: Recovery


LeaseOrder = (
    Last
    | StartAt
    | EndBy
    | Resize
    | Suspend
    | Resume
    | Pause
    | Unpause
    | Hold
    | Release
    | Requeue
    | Restart
    | StopVM
    | ToTop
    | ToBottom
    | Migrate
    | Terminate
    | Recover
)

# Hosts -------------------------------------------------------------------------------------------------------


class Drain(NamedTuple):
    """Finish what runs, take nothing new; whoever still runs there at ``deadline`` is preempted or migrated then."""

    deadline: Instant | None = None


class Evacuate(NamedTuple):
    """Empty a host now: migrate, suspend or requeue whoever is on it, and take nothing new."""


class Disable(NamedTuple):
    """Keep a host out of all planning; who runs there may finish."""


class Enable(NamedTuple):
    """Use a host again."""


class MarkDown(NamedTuple):
    """Take a host to have failed."""


class Overcommit(NamedTuple):
    """Plan with other amounts than a host has: percent by resource type (150: half as much again)."""

    percent: tuple[tuple[str, int], ...]


class Label(NamedTuple):
    """Give a host these labels, and no others."""

    labels: tuple[tuple[str, str], ...]


HostOrder = Drain | Evacuate | Disable | Enable | MarkDown | Overcommit | Label

# Scheduler ---------------------------------------------------------------------------------------------------


class PauseScheduling(NamedTuple):
    """Start nothing new but what is promised at a certain time; what runs goes on."""


class ResumeScheduling(NamedTuple):
    """Schedule again."""


class PauseIntake(NamedTuple):
    """Refuse all requests."""


class ResumeIntake(NamedTuple):
    """Take requests again."""


class Replan(NamedTuple):
    """Plan everything anew that is not promised at a certain time and has not begun."""


SchedulerOrder = PauseScheduling | ResumeScheduling | PauseIntake | ResumeIntake | Replan
