"""Orders: in which states a lease can be given which, and what is said where one is refused.

An order is carried out at once or refused as a whole. Whatever could turn out not to be possible when half of it is
done is therefore tried on a copy of the schedule first (see :class:`Trial`), or in an overlay of the slot table.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from haizea.model.events import Event
from haizea.model.lease import LeaseState as S
from haizea.model.orders import (
    EndBy,
    Hold,
    Last,
    LeaseOrder,
    Migrate,
    Pause,
    Recover,
    Release,
    Requeue,
    Resize,
    Restart,
    Resume,
    StartAt,
    StopVM,
    Suspend,
    Terminate,
    ToBottom,
    ToTop,
    Unpause,
)
from haizea.model.reason import Cause, Reason
from haizea.model.units import Instant
from haizea.plan.lease import Lease, Phase


class Refusal(Exception):
    """An order cannot be carried out; nothing has been changed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def refuse(text: str, cause: Cause = Cause.STATE, retry_at: Instant | None = None) -> Refusal:
    """Return the refusal of an order; ``text`` is a complete sentence."""
    return Refusal(Reason(cause, text, retry_at=retry_at))


Trial = Callable[[Event], None]
"""Hands an event to a copy of the schedule, and raises what it is refused with there."""

_WAITING: Final = frozenset({S.QUEUED, S.SUSPENDED_QUEUED})
_PLANNED: Final = frozenset({S.SCHEDULED, S.PREPARING, S.READY})
_SUSPENDED: Final = frozenset({S.SUSPENDED_QUEUED, S.SUSPENDED_SCHEDULED})
_UNUSED: Final = frozenset({S.NEW, S.PENDING, S.SUSPENDED_PENDING, S.RESUMED_READY})
_ALIVE: Final = frozenset(state for state in S if not state.final) - _UNUSED


class Rule(NamedTuple):
    """In which states an order can be carried out, and what it is called, as in ``can be paused``."""

    states: frozenset[S]
    done: str
    does: str


RULES: Final[dict[type[LeaseOrder], Rule]] = {
    Last: Rule(
        _ALIVE - {S.MIGRATING},
        "made longer or shorter",
        "More time only where its hosts are free, or held by best-effort leases that have not begun and are planned"
        " anew; nobody is preempted. What is cut off is free at once.",
    ),
    StartAt: Rule(
        _PLANNED | {S.HELD},
        "moved",
        "A reservation, or the earliest start of a deadline lease, is booked as if it was requested now; the old plan"
        " stays where the new one is not possible.",
    ),
    EndBy: Rule(
        _ALIVE - {S.MIGRATING},
        "given another deadline",
        "The plan stays where it meets the new deadline; else the lease is planned anew, if it has not begun.",
    ),
    Resize: Rule(
        _PLANNED | {S.QUEUED, S.ACTIVE, S.HELD},
        "resized",
        "Before it begins: any VMs. While it runs: the VMs with the highest numbers are shut down and their hosts are"
        " free at once, or VMs are added where there is room until its end.",
    ),
    Suspend: Rule(
        _SUSPENDED | {S.ACTIVE, S.PAUSED, S.SUSPENDING},
        "suspended",
        "It stays suspended until it is resumed by an order, and its hosts are free; the time of a reservation goes"
        " on.",
    ),
    Resume: Rule(
        frozenset({S.SUSPENDED_QUEUED, S.SUSPENDING, S.HELD}),
        "resumed",
        "Best effort goes back to the queue. What is left of a reservation, or of a deadline lease, is booked at the"
        " earliest. One that is held is released.",
    ),
    Pause: Rule(frozenset({S.ACTIVE}), "paused", "Its VMs stand still where they are, and its time goes on."),
    Unpause: Rule(frozenset({S.PAUSED}), "unpaused", "Its VMs go on."),
    Hold: Rule(
        _PLANNED | _WAITING | {S.SUSPENDED_SCHEDULED},
        "held back",
        "It gives back what it has reserved; but a reservation keeps its hosts until its time is over, and is cancelled"
        " then.",
    ),
    Release: Rule(
        frozenset({S.HELD}),
        "released",
        "It goes back to the queue; a reservation starts at its time, or at once for what is left of it; a deadline"
        " lease is booked again. VMs that are down are started.",
    ),
    Requeue: Rule(
        _ALIVE - {S.QUEUED, S.SUSPENDED_QUEUED, S.MIGRATING},
        "requeued",
        "Best effort only. What has run is lost, unless it is suspended.",
    ),
    Restart: Rule(frozenset({S.ACTIVE, S.HELD}), "restarted", "The VM, or all of them, start over where they are."),
    StopVM: Rule(
        frozenset({S.ACTIVE, S.PAUSED, S.HELD}),
        "told to stop a VM",
        "The VM is shut down; with the last one it is done.",
    ),
    ToTop: Rule(
        _WAITING | _PLANNED | {S.SUSPENDED_SCHEDULED},
        "moved in the queue",
        "Best effort only. Reservations of others in the queue are planned anew behind it.",
    ),
    ToBottom: Rule(_WAITING | _PLANNED | {S.SUSPENDED_SCHEDULED}, "moved in the queue", "Best effort only."),
    Migrate: Rule(
        frozenset({S.ACTIVE, S.PAUSED, S.SUSPENDED_QUEUED}),
        "migrated",
        "Running VMs move live, memory images are copied, to a host that has room until the lease's end.",
    ),
    Terminate: Rule(_ALIVE | {S.NEW}, "terminated", "It is over at once; what has run counts."),
    Recover: Rule(
        frozenset({S.HELD, S.SUSPENDING, S.RESUMING, S.ACTIVE}),
        "recovered",
        "retry: what was under way is begun anew. succeeded: it is taken to be over. failed: the lease is dealt with as"
        " it wishes for when a VM fails; one that is held back has failed. recreate: it starts from nothing.",
    ),
}


def check_state(lease: Lease, order: LeaseOrder) -> None:
    """See to it that a lease is in a state in which an order can be carried out.

    Raises:
        Refusal: it is not.
    """
    rule = RULES[type(order)]
    if lease.state in rule.states:
        return
    if lease.state in (S.NEW, S.PENDING):
        raise refuse(f"Lease {lease.id} was requested just now and has not been decided upon yet; try again.")
    names = sorted(state.label for state in rule.states if state is not S.NEW)
    which = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    raise refuse(f"Lease {lease.id} is {lease.state.label}; only a lease that is {which} can be {rule.done}.")


def has_vms(lease: Lease) -> bool:
    """Whether a lease has VMs on hosts now."""
    return bool(lease.stays) and lease.stays[0].phase is not Phase.PLANNED


def running(lease: Lease) -> bool:
    """Whether the VMs of a lease run, or are paused."""
    return bool(lease.stays) and lease.stays[0].phase is Phase.RUNNING


def table() -> str:
    """Return in which states which order can be carried out, and what it does, as a table in Markdown."""
    lines = ["| order | in states | what it does |", "|---|---|---|"]
    for order, rule in RULES.items():
        states = ", ".join(sorted(state.label for state in rule.states if state is not S.NEW))
        lines.append(f"| {order.__name__} | {states} | {rule.does} |")
    return "\n".join(lines) + "\n"
