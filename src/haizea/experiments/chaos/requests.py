"""The leases that are requested in a run, and what they wish for."""

from collections.abc import Sequence
from typing import Final

from haizea.model.lease import (
    Constraints,
    DiskImage,
    LeaseTerms,
    NodeSet,
    OnEnd,
    OnFailure,
    OnGuestShutdown,
    Reactions,
)
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import MINUTE, SECOND, Instant

_SPAN_MOST: Final = 90
_CAPACITIES: Final = (
    Capacity({CPU: 100, MEMORY: 1024}),
    Capacity({CPU: 100, MEMORY: 512}),
    Capacity({CPU: 200, MEMORY: 2048}),
    Capacity({CPU: 400, MEMORY: 1024}),
)
_GUEST: Final = tuple(OnGuestShutdown)
_FAILURE: Final = tuple(OnFailure)
_END: Final = (OnEnd.STOP, OnEnd.STOP, OnEnd.EXTEND, OnEnd.SUSPEND)
_IMAGES: Final = tuple([DiskImage(f"image-{size}", size) for size in (200, 400, 600, 1000, 1500)])


def terms(draws: Sequence[int], now: Instant, hosts: int) -> LeaseTerms:
    """Return what an act asks for."""
    kind, vms, size, length = draws[0] % 10, draws[1], draws[2] % len(_CAPACITIES), draws[3]
    first = NodeSet(1 + vms % min(4, hosts), _CAPACITIES[size])
    nodes = (first,) if draws[4] % 6 else (first, NodeSet(1, _CAPACITIES[(size + 1) % len(_CAPACITIES)]))
    duration = (2 + length % _SPAN_MOST) * MINUTE
    start = deadline = None
    if kind in (4, 5, 6, 8):
        start = now + (1 + draws[5] % 120) * MINUTE
    if kind == 8 and start is not None:
        deadline = start + duration + (10 + draws[6] % 180) * MINUTE
    constraints = Constraints(spread=draws[7] % 8 == 0, together=draws[7] % 8 == 1)
    reactions = Reactions(
        _GUEST[draws[8] % len(_GUEST)],
        _FAILURE[draws[8] // 7 % len(_FAILURE)],
        _END[draws[12] % len(_END)],
        (5 + draws[12] // 5 % 30) * MINUTE,
    )
    return LeaseTerms(
        nodes,
        duration,
        start=start,
        immediate=kind == 7,
        deadline=deadline,
        preemptible=kind != 5 and draws[9] % 5 > 0,
        user=f"user-{draws[10] % 4}",
        software=_IMAGES[draws[13] % len(_IMAGES)] if draws[13] // 7 % 4 else None,
        constraints=constraints,
        reactions=reactions,
        priority=draws[10] // 5 % 3,
        grace=0 if draws[11] % 4 else 30 * SECOND,
    )
