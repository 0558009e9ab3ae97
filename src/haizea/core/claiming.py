"""Holding what is claimed of hosts as far as it is free, and looking again when more of it is."""

from collections.abc import Sequence

from haizea.core.alarms import Bell
from haizea.core.claims import NOTHING, Piece
from haizea.core.desk import Desk
from haizea.model.units import Instant


def reclaim(desk: Desk, hosts: Sequence[int]) -> None:
    """Hold what is to be held of hosts now, as far as it is free; look again when more of it is."""
    claims = desk.claims
    claims.forget_past()
    demands = [amounts for host in hosts for amounts in claims.amounts(host) if amounts != NOTHING]
    if demands:
        desk.units.suit(demands, desk.needs)
    for host in hosts:
        claims.let_go(host)
        claims.take(host)
        again = _again_at(desk, host)
        if desk.options.cleaning_time:
            # Who waits is to be looked at when it is clean.
            ends = [piece.end for piece in claims.leaving if piece.host == host]
            again = min([*ends, *([] if again is None else [again])], default=None)
        desk.alarms.cancel(Bell.HOST_CLAIM, host)
        if again is not None:
            desk.alarms.set(Bell.HOST_CLAIM, host, again)


def claim_again(desk: Desk, host: int) -> None:
    """Hold what is to be held of a host, now that more of it may be free; where it is clean, others may have it."""
    reclaim(desk, [host])
    if desk.options.cleaning_time:
        desk.free_early(desk.now)


def settle(desk: Desk) -> None:
    """Hold what could not be held of hosts before, before anybody else is given what has become free early."""
    hosts = [host for host in sorted(desk.claims.short) if desk.claims.lacks(host)]
    if hosts:
        reclaim(desk, hosts)


def missing(desk: Desk, host: int) -> list[Piece]:
    """Return what is to be held of a host and could not be, at least not all of it."""
    claims = desk.claims
    held = {(p.start, p.end): p.amounts for p in claims.pieces() if p.host == host}
    return [p for p in claims.wanted(host) if held.get((p.start, p.end)) != p.amounts]


def _again_at(desk: Desk, host: int) -> Instant | None:
    """Return when more may be free of a host of which not all could be held that was to be."""
    if not missing(desk, host):
        return None
    block, number = divmod(host, desk.table.block_hosts)
    timeline = desk.table.timelines[block]
    packing = timeline.packing
    before = packing.free(timeline.state(desk.now), number)
    for at in timeline.instants():
        free = packing.free(timeline.state(at), number)
        if at > desk.now and not free.fits_in(before):
            return at
        before = free
    return None
