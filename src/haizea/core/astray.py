"""VMs of suspended leases on hold that somebody runs behind Haizea's back.

Nobody has said yet what is to become of the lease, so it stays on hold, and its time does not go on. But a VM that runs
uses its host: what it uses is claimed there (:mod:`haizea.core.claims`), for as long as it is seen to run, and whoever
is in the way is planned anew. Where there is no room and none can be made, it is suspended again.
"""

from typing import Final

from haizea.core.adoption import Adoption, someone
from haizea.core.claiming import missing, reclaim
from haizea.core.claims import Piece
from haizea.core.desk import Desk
from haizea.core.repair import Repair
from haizea.core.wishes import named
from haizea.model.effects import Verb
from haizea.model.events import Observed
from haizea.model.lease import LeaseState
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.need import demands_of
from haizea.plan.slottable import Placement

_ON: Final = (Observed.RUNNING, Observed.PAUSED)

Found = tuple[tuple[int, Piece], ...]
"""VMs by number, and what each uses of which host until when."""


class Astray:
    """Accounts for VMs where they run."""

    def __init__(self, desk: Desk, repair: Repair, adoption: Adoption) -> None:
        self._desk = desk
        self._repair = repair
        self._adoption = adoption

    def moved(self, lease: Lease, vms: tuple[int, ...], host: int | None, by: str, *, again: bool) -> None:
        """Somebody moved VMs of a lease on hold, or resumed them elsewhere."""
        if _is_suspended(lease):
            self.runs(lease, vms, host, by, again=again)
        elif host is not None and lease.stays[0].phase is Phase.RUNNING:
            self._adoption.moved(lease, vms, host, by)

    def runs(self, lease: Lease, vms: tuple[int, ...], host: int | None, by: str, *, again: bool) -> None:
        """VMs of a lease on hold are there, on a host; nobody is told ``again`` of what is only seen once more."""
        desk, images = self._desk, lease.images
        if images is None or not _is_suspended(lease):
            return
        if host is not None and any(images[vm - 1] != host for vm in vms):
            lease.images = tuple([host if vm in vms else old for vm, old in enumerate(images, 1)])
            lease.rested = desk.share(lease, lease.images)
        desk.touched.add(lease.id)
        known = desk.claims.astray.get(lease.id, ())
        found = used_by(lease, known)
        if found == known and not any(missing(desk, piece.host) for _vm, piece in found):
            return
        if not again:
            desk.notify(lease, f"{named(lease, vms)} was resumed by {someone(by)}. The lease stays on hold.")
        if not found or self._take(lease, found, by):
            return
        desk.notify(lease, f"There is no room for {named(lease, vms)} now: it is suspended again.")
        desk.command_at(Verb.SUSPEND, lease, lease.images or (), vms)

    def _take(self, lease: Lease, found: Found, by: str) -> bool:
        """Claim what VMs use; return whether there is room for all of that, or can be made."""
        desk = self._desk
        forget(desk, lease)
        on = {vm: piece.host for vm, piece in found}
        some = found[0][1]
        # Where the others are makes no difference: they use nothing.
        hosts = tuple([on.get(vm, some.host) for vm in range(1, lease.need.vms + 1)])
        others = frozenset([vm for vm in range(1, lease.need.vms + 1) if vm not in on])
        placement = desk.planner.mapper.on_hosts(lease.need, hosts, others)
        there = Stay(lease, Placement(placement.parts, (), placement.packings), desk.now, desk.now, some.end, some.end)
        reason = Reason(Cause.RESERVED, f"{named(lease, tuple(on))} was resumed on its host by {someone(by)}.")

        def keep() -> None:
            if there in lease.stays:
                desk.drop(there)
            desk.claims.astray[lease.id] = found
            reclaim(desk, sorted(set(hosts)))

        if self._repair.claim(there, hosts, reason, keep, placement):
            return True
        keep()
        return False


def used_by(lease: Lease, known: Found) -> Found:
    """Return what VMs of a lease use where they run though it is suspended and on hold.

    One that nothing is known of is still there, where it was ``known``.
    """
    if lease.state is not LeaseState.HELD or lease.images is None or not _is_suspended(lease):
        return ()
    end = lease.stays[0].start if lease.stays else FAR_FUTURE
    before, demands = {vm for vm, _piece in known}, demands_of(lease.need)
    return tuple(
        [
            (vm, Piece(lease.images[vm - 1], 0, end, demands[vm - 1]))
            for vm, seen in sorted(lease.seen.items())
            if vm not in lease.over and (seen in _ON or (seen is Observed.UNKNOWN and vm in before))
        ]
    )


def forget(desk: Desk, lease: Lease) -> None:
    """Give back what is claimed for VMs of a lease: it is held by its stays from now on, or not at all."""
    found = desk.claims.astray.pop(lease.id, ())
    reclaim(desk, sorted({piece.host for _vm, piece in found}))


def settle(desk: Desk) -> None:
    """Claim no more than is used now: leases may have been released, or be over, and VMs have been suspended again."""
    hosts: set[int] = set()
    for number, known in list(desk.claims.astray.items()):
        lease = desk.leases.get(number)
        found = () if lease is None else used_by(lease, known)
        if found == known:
            continue
        hosts.update(piece.host for _vm, piece in (*known, *found))
        desk.claims.astray.pop(number)
        if found:
            desk.claims.astray[number] = found
    if hosts:
        reclaim(desk, sorted(hosts))
        desk.free_early(FAR_FUTURE)


def _is_suspended(lease: Lease) -> bool:
    """Whether nothing of a lease is to be on hosts now but its memory images."""
    return bool(lease.images) and (not lease.stays or lease.stays[0].phase is Phase.PLANNED)
