"""What is to happen in a run, made up from a seed before it begins: who wants what, and what goes wrong when.

Nothing here depends on how the run goes. An act carries numbers of its own, by which it later chooses among the VMs,
hosts and leases that there are then; so acts can be left out, and all others stay as they were.
"""

import random
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.backends.pretence import ACTS, HOST_ACTS
from haizea.model.units import HOUR, Span

DRAWS: Final = 16
STORM_MAX: Final[Span] = 2 * HOUR
CALM: Final[Span] = HOUR

WINDOWS: Final = (
    "refused", "timed_out", "swallowed", "failed", "feigned", "unanswered", "stale", "lie", "lost", "repeated",
    "delayed",
)  # fmt: skip
"""Kinds of misbehaviour of the platform that come for a while (see :class:`haizea.backends.faulty.Faults`)."""

OPERATIONS: Final = ("transfer", "boot", "suspend", "resume", "migrate", "shutdown")

_VM: Final = MappingProxyType(
    {
        "shutdown": 10, "crash": 10, "vanish": 6, "lose": 6, "find": 6, "stop": 5, "suspend": 7, "pause": 7,
        "resume": 9, "migrate": 8, "delete": 5,
    }
)  # fmt: skip
_HOST: Final = MappingProxyType({"fail": 4, "recover": 8, "silence": 4, "disable": 2, "enable": 5})

FAULTS: Final[dict[str, int]] = {
    **{f"vm-{act}": _VM[act] for act in ACTS},
    **{f"host-{act}": _HOST[act] for act in HOST_ACTS},
    "host-resize": 3,
    "stray": 3,
    "stranger": 3,
    "stranger-gone": 3,
    "pace": 6,
    "operation-fails": 8,
    "transfer-slow": 4,
    "transfer-fails": 4,
    **{f"platform-{kind}": 3 for kind in WINDOWS},
    "platform-away": 3,
    "clock-forward": 2,
    "clock-back": 2,
    "store-away": 3,
    "kill": 4,
    "kill-within": 8,
    "kill-in-transfer": 4,
    "courier-fails": 4,
}
"""Classes of faults, and how often each comes among the others."""

ORDERS: Final[dict[str, int]] = {
    "last": 3, "start-at": 2, "end-by": 2, "resize": 2, "suspend": 3, "resume": 5, "pause": 3, "unpause": 4, "hold": 2,
    "release": 4, "requeue": 2, "restart": 2, "stop-vm": 2, "to-top": 1, "to-bottom": 1, "migrate": 3, "terminate": 2,
    "recover": 3, "cancel": 3, "wishes": 2, "drain": 2, "evacuate": 1, "disable": 1, "enable": 5, "mark-down": 1,
    "overcommit": 1, "label": 1, "pause-scheduling": 1, "resume-scheduling": 2, "pause-intake": 1, "resume-intake": 2,
    "replan": 1, "maintenance": 2, "maintenance-over": 2, "adopt": 2, "rates": 1, "together": 4,
}  # fmt: skip
"""What people order, and how often."""

RECURRING: Final[dict[str, int]] = {"recurring": 6, "skip-occurrence": 4, "take-occurrence": 2, "recurring-over": 1}
"""What is ordered of recurring reservations, in one of :data:`RECURS` runs: those go on until the next day."""

RECURS: Final = 4

REQUEST: Final = "request"


class Act(NamedTuple):
    """Something that happens ``at`` a span after the start; ``draws`` decide what it happens to."""

    number: int
    at: Span
    kind: str
    draws: tuple[int, ...]

    def __str__(self) -> str:
        """Say what it is, for a trace."""
        seconds = self.at // 1000
        return f"#{self.number} {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} {self.kind}"


class Plan(NamedTuple):
    """A run: ``storms`` are the spans since the start in which things go wrong; after each there is calm."""

    seed: int
    storms: tuple[tuple[Span, Span], ...]
    acts: tuple[Act, ...]


def storms(hours: float) -> tuple[tuple[Span, Span], ...]:
    """Return when things go wrong in a run of so many hours: two hours at a time, then an hour of calm."""
    length, at, found = round(hours * HOUR), 0, list[tuple[Span, Span]]()
    while at < length:
        end = min(at + STORM_MAX, length)
        found.append((at, end))
        at = end + CALM
    return tuple(found)


def make(seed: int, hours: float, faults: int) -> Plan:
    """Return the plan of a seed: so many faults, and requests and orders among them."""
    chance = random.Random(seed)
    times = storms(hours)
    orders = ORDERS if seed % RECURS else ORDERS | RECURRING
    kinds = [REQUEST] * (max(8, faults * 2 // 5)) + chance.choices(list(orders), list(orders.values()), k=faults // 3)
    kinds = [kind if kind == REQUEST else f"order-{kind}" for kind in kinds]
    kinds += chance.choices(list(FAULTS), list(FAULTS.values()), k=faults)
    chance.shuffle(kinds)
    lengths = [end - start for start, end in times]
    when: list[Span] = []
    for _ in kinds:
        start, end = chance.choices(times, lengths)[0]
        when.append(chance.randrange(start, end))
    acts = [
        Act(number, at, kind, tuple([chance.randrange(1 << 30) for _ in range(DRAWS)]))
        for number, (at, kind) in enumerate(zip(sorted(when), kinds, strict=True), 1)
    ]
    return Plan(seed, times, tuple(acts))
