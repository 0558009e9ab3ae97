"""VMs, or memory images, that are on their way between hosts: what becomes of them when that does not go as planned.

The plan has them where they go to, and the host that they come from keeps room for them until they have arrived. Who
is late keeps it for longer; who is there early gives it back; who could not be moved is where it was, and is moved
elsewhere where its host is to be empty.
"""

from collections.abc import Sequence

from haizea.core.alarms import Bell
from haizea.core.claiming import missing, reclaim
from haizea.core.claims import Piece
from haizea.core.clearing import Clearing
from haizea.core.desk import Desk
from haizea.core.moving import Moving
from haizea.core.orders import has_vms
from haizea.core.reasons import instant
from haizea.core.relocation import Relocation
from haizea.core.repair import Repair
from haizea.core.wishes import Wishes, named
from haizea.model.events import OperationOutcome, OperationReported
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import Instant
from haizea.plan.lease import Lease, Move, Phase, Stay
from haizea.plan.need import demands_of
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Placement


class Transit:
    """Deals with migrations that do not go as planned."""

    def __init__(
        self, desk: Desk, repair: Repair, relocation: Relocation, wishes: Wishes, moving: Moving, clearing: Clearing
    ) -> None:
        self._desk = desk
        self._repair = repair
        self._relocation = relocation
        self._wishes = wishes
        self._moving = moving
        self._clearing = clearing

    def reported(self, lease: Lease, event: OperationReported) -> bool:
        """React to a migration that is late, over early, or has failed; return whether there is one."""
        moves = [move for move in self._moves(lease) if event.vm in (0, move.vm)]
        if not moves:
            return False
        text = f" {event.text}" if event.text else ""
        if event.outcome is OperationOutcome.LATE:
            until = max(event.until or self._desk.now, self._desk.now)
            self._later(lease, [m for m in moves if m.until < until], until, text)
        elif event.outcome is OperationOutcome.DONE:
            self._arrived(lease, [m for m in moves if m.until > self._desk.now])
        else:
            self.failed(lease, moves, Reason(Cause.FAILED, f"Its migration failed.{text}"))
        return True

    def heading_for(self, lease: Lease, host: int) -> list[Move]:
        """Return what of a lease is on its way to a host, from one that is not lost."""
        desk = self._desk
        return [
            move
            for move in self._moves(lease)
            if move.destination == host and move.until > desk.now and self._is_there(move.origin)
        ]

    def _is_there(self, host: int) -> bool:
        return self._desk.hosts.states[host] is not HostState.DOWN

    def _moves(self, lease: Lease) -> list[Move]:
        """Return the VMs, or images, of a lease that are on their way, or were until not long ago."""
        desk = self._desk
        where = hosts_of(lease.stays[0], desk.table) if has_vms(lease) else lease.images
        if where is None:
            return []
        recent = desk.now - desk.options.overdue_max
        return [
            move
            for move in lease.moving
            if move.until >= recent
            and move.vm not in lease.over
            and where[move.vm - 1 : move.vm] == (move.destination,)
        ]

    # Late, and early -----------------------------------------------------------------------------------------

    def _later(self, lease: Lease, moves: Sequence[Move], until: Instant, text: str) -> None:
        desk = self._desk
        overdue = [move for move in moves if until - move.due > desk.options.overdue_max]
        if overdue:
            desk.notify(lease, f"The migration of lease {lease.id} is overdue for too long.")
            given_up = [move._replace(tries=desk.options.restarts_max) for move in overdue]
            self.failed(lease, given_up, Reason(Cause.FAILED, f"Its migration took longer than planned.{text}"))
        late = [move for move in moves if move not in overdue]
        if not late:
            return
        if any(move.until == move.due for move in late):
            desk.notify(lease, f"The migration of lease {lease.id} takes longer, until {instant(until)} or so.{text}")
        self._until(lease, late, until)
        reason = Reason(Cause.RESERVED, f"VMs of lease {lease.id} move away from its hosts later than planned.")
        for host in sorted({move.origin for move in late}) if has_vms(lease) else []:
            self._keep(lease, host, until, reason)

    def _keep(self, lease: Lease, host: int, until: Instant, reason: Reason) -> None:
        """Hold what is claimed of a host until an instant; whoever was to be there then is planned anew."""
        desk = self._desk
        reclaim(desk, [host])
        if all(piece.start >= until for piece in missing(desk, host)):
            return
        there = Stay(lease, Placement((), (), ()), desk.now, desk.now, desk.now, until)
        there.vm_hosts = (host,)
        self._repair.clear_for(there, until, reason, lambda: reclaim(desk, [host]))

    def _arrived(self, lease: Lease, moves: Sequence[Move]) -> None:
        """What has arrived early needs its old place no more."""
        desk = self._desk
        if moves:
            before = max(move.until for move in moves)
            self._until(lease, moves, desk.now)
            reclaim(desk, sorted({move.origin for move in moves}))
            desk.free_early(before)

    def _until(self, lease: Lease, moves: Sequence[Move], until: Instant) -> None:
        """Have moves be over at another instant."""
        desk = self._desk
        self._let_go(lease, moves)
        if has_vms(lease) and until > desk.now:
            demands = demands_of(lease.need)
            desk.claims.leaving += [Piece(move.origin, desk.now, until, demands[move.vm - 1]) for move in moves]
        lease.moving = tuple([move._replace(until=until) if move in moves else move for move in lease.moving])
        for entry in lease.log:
            if entry.kind == "migrate" and any(_same(move, entry.stay, entry.start) for move in moves):
                entry.end = until
        desk.touched.add(lease.id)
        self._images_by(lease)

    def _let_go(self, lease: Lease, moves: Sequence[Move]) -> None:
        """Forget what is claimed for moves."""
        leaving, demands = self._desk.claims.leaving, demands_of(lease.need)
        for move in moves:
            mine = [p for p in leaving if (p.host, p.end, p.amounts) == (move.origin, move.until, demands[move.vm - 1])]
            if mine:
                leaving.remove(mine[0])

    def _images_by(self, lease: Lease) -> None:
        """Have a lease wait again when its images have arrived."""
        desk = self._desk
        if desk.alarms.get(Bell.MOVED, lease.id) is None:
            return
        until = max([move.until for move in lease.moving], default=desk.now)
        desk.alarms.cancel(Bell.MOVED, lease.id)
        if until > desk.now:
            desk.alarms.set(Bell.MOVED, lease.id, until)
        else:
            self._moving.moved(lease.id)

    # Failed --------------------------------------------------------------------------------------------------

    def failed(self, lease: Lease, moves: Sequence[Move], reason: Reason) -> None:
        """What could not be moved is where it was; from where nobody is to stay it is moved elsewhere, some times."""
        desk = self._desk
        gone = {(move.vm, move.start) for move in moves}
        self._let_go(lease, moves)
        lease.moving = tuple([move for move in lease.moving if (move.vm, move.start) not in gone])
        self._cancelled(lease, moves)
        desk.touched.add(lease.id)
        self._images_by(lease)
        back = [move for move in moves if self._is_there(move.origin)]
        lost = tuple([move.vm for move in moves if move not in back])
        if lost and has_vms(lease):
            self._wishes.failed(lease, lost, reason, lost=True)
        elif lost:
            self._repair.lose_images(lease, reason)
        elif not has_vms(lease):
            self._images_back(lease, back, reason)
        if not back or not has_vms(lease):
            return
        if not self._back(lease, back, reason):
            self._wishes.failed(lease, tuple([move.vm for move in back]), reason)
            return
        for host in sorted({move.origin for move in back if move.must}):
            self._again(lease, host, [move for move in back if move.origin == host], reason)

    def _cancelled(self, lease: Lease, moves: Sequence[Move]) -> None:
        """Write down that moves came to nothing."""
        desk = self._desk
        for entry in list(lease.log):
            mine = [move for move in moves if entry.kind == "migrate" and _same(move, entry.stay, entry.start)]
            if not mine:
                continue
            vms = {move.vm for move in mine}
            rest = tuple([copy for copy in entry.stay.copies if not vms & set(copy.vms)])
            if not rest:
                entry.outcome, entry.end = "cancelled", desk.now
                lease.migrations -= 1
                continue
            vain = Stay(lease, Placement((), (), ()), entry.start, entry.start, desk.now, desk.now)
            vain.vm_hosts, vain.phase = entry.stay.vm_hosts, Phase.OVER
            vain.copies = tuple([copy for copy in entry.stay.copies if copy not in rest])
            entry.stay.copies = rest
            desk.log("migrate", vain, entry.start, desk.now, "cancelled")

    def _images_back(self, lease: Lease, moves: Sequence[Move], reason: Reason) -> None:
        images = list(lease.images or ())
        for move in moves:
            images[move.vm - 1] = move.origin
        lease.images = tuple(images)
        lease.rested = self._desk.share(lease, lease.images)
        self._desk.notify(lease, f"Memory images of lease {lease.id} were not moved. {reason.text}")

    def _back(self, lease: Lease, moves: Sequence[Move], reason: Reason) -> bool:
        """Have VMs be where they were, whoever was to be there; return whether that can be."""
        desk, stay = self._desk, lease.stays[0]
        origins = sorted({move.origin for move in moves})
        hosts = list(hosts_of(stay, desk.table))
        for move in moves:
            hosts[move.vm - 1] = move.origin
        for host in origins:
            # Nobody but these VMs is there as long as they are.
            desk.claims.let_go(host)
        if not self._relocation.move(stay, tuple(hosts), reason, lambda: reclaim(desk, origins)):
            reclaim(desk, origins)
            return False
        vms = tuple([move.vm for move in moves])
        names = ", ".join(desk.site.hosts[host].name for host in origins)
        desk.notify(lease, f"{named(lease, vms)} was not moved and stays on {names}. {reason.text}")
        if lease.stays[1:] and stay.phase is not Phase.OVER:
            self._repair.plan_rest(stay, reason)
        return True

    def _again(self, lease: Lease, host: int, moves: Sequence[Move], reason: Reason) -> None:
        """Move VMs elsewhere that have to leave a host, a bounded number of times."""
        desk = self._desk
        tries = max(move.tries for move in moves) + 1
        if tries <= desk.options.restarts_max:
            tried = {move.destination for move in moves}
            # Where these were to go, others may have come meanwhile.
            desk.give_claims()
            new = self._moving.could_leave(lease, host, tried) or self._moving.could_leave(lease, host)
            if new is not None:
                self._moving.move(lease, new, must=True, tries=tries)
                desk.notify(lease, f"Lease {lease.id} is moved again, for the {tries + 1}. time.")
                return
        self._clearing.cannot_move(lease, host, reason)
        reclaim(desk, [host])


def _same(move: Move, stay: Stay, start: Instant) -> bool:
    """Whether a move is one of those that were written down together."""
    return start == move.start and any(copy.vms == (move.vm,) for copy in stay.copies)
