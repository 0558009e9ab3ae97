"""Transfers of disk images that are late, over early, or have failed.

One that is late is waited for where that can be: the transfers after it begin later, and whoever needs them starts
later where nobody else is in the way. Whoever cannot wait is planned anew, and so is everybody whose image was not
sent.
"""

from haizea.core import bringing
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.reasons import span
from haizea.core.repair import Repair
from haizea.model.events import OperationOutcome, OperationReported
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, SECOND, Instant
from haizea.plan.images import Images, Transfer, TransferState
from haizea.plan.lease import Lease, Phase, Stay


class Transfers:
    """Deals with transfers that do not go as planned."""

    def __init__(self, desk: Desk, execution: Execution, repair: Repair) -> None:
        self._desk = desk
        self._execution = execution
        self._repair = repair

    def reported(self, event: OperationReported) -> None:
        """React to how the transfer goes that was begun in the name of a lease."""
        images = self._desk.images
        transfer = None if images is None else _under_way(images, event.lease)
        if images is None or transfer is None:
            return
        text = f" {event.text}" if event.text else ""
        if event.outcome is OperationOutcome.DONE:
            self._early(images, transfer)
        elif event.outcome is OperationOutcome.FAILED:
            self._lost(images, transfer, Reason(Cause.PREPARATION, f"The transfer of its image failed.{text}"))
        elif event.until is not None and event.until > transfer.end:
            reason = Reason(Cause.PREPARATION, f"The transfer of its image took longer than planned.{text}")
            if event.until - (transfer.due or transfer.end) > self._desk.options.overdue_max:
                self._lost(images, transfer, reason)
            else:
                self._late(images, transfer, event.until, reason)

    # Late ----------------------------------------------------------------------------------------------------

    def _late(self, images: Images, transfer: Transfer, until: Instant, reason: Reason) -> None:
        """Wait for a transfer until an instant; who cannot is planned anew."""
        desk = self._desk
        transfer.due = transfer.due or transfer.end
        waiting: dict[int, Lease] = {}
        for one in images.delay(transfer, until):
            desk.arm_transfer(one)
            waiting |= {lease.id: lease for lease, _host, _vms in one.targets}
        for lease in waiting.values():
            ready = images.ready_at(lease)
            if lease.id not in desk.leases or not lease.stays or ready is None:
                continue
            stay = lease.stays[0]
            if stay.phase is Phase.PLANNED and stay.start < ready and not self._start_later(lease, stay, ready):
                self._repair.replace(lease, reason)

    def _start_later(self, lease: Lease, stay: Stay, at: Instant) -> bool:
        """Have a stay begin later on its hosts; return whether that is possible, and of any use."""
        desk, table = self._desk, self._desk.table
        shift = at - stay.start
        if stay.suspending or lease.type is LeaseType.ADVANCE_RESERVATION or stay.end >= FAR_FUTURE:
            if at >= stay.run_end:
                return False
            shift = 0
        elif lease.terms.deadline is not None and stay.run_end + shift > lease.terms.deadline:
            return False
        held = stay.placement.held
        if shift and not table.has_room(table.window(stay.end, stay.end + shift), held):
            return False
        late = span((at - stay.start) // SECOND * SECOND)
        table.release(max(desk.now, stay.start), at, held)
        table.hold(stay.end, stay.end + shift, held)
        stay.start = stay.run_start = at
        stay.run_end, stay.end = stay.run_end + shift, stay.end + shift
        desk.arm(stay)
        if not shift or lease.type is LeaseType.DEADLINE:
            desk.notify(lease, f"Lease {lease.id} will start {late} late: its image takes longer to come.")
        return True

    # Early ---------------------------------------------------------------------------------------------------

    def _early(self, images: Images, transfer: Transfer) -> None:
        """An image is there already: who waits for it may start, where that promises nothing more."""
        desk = self._desk
        leases = {lease.id: lease for lease, _host, _vms in transfer.targets}
        transfer.end = desk.now
        self._execution.move_transfer(transfer)
        for lease in leases.values():
            stay = lease.stays[0] if lease.id in desk.leases and lease.stays else None
            fixed = lease.type is LeaseType.ADVANCE_RESERVATION or lease.state is LeaseState.HELD
            if stay is not None and stay.phase is Phase.PLANNED and not fixed and not images.pending(lease):
                self._start_earlier(lease, stay)

    def _start_earlier(self, lease: Lease, stay: Stay) -> None:
        desk, table = self._desk, self._desk.table
        at, held = max(desk.now, lease.terms.start or 0), stay.placement.held
        if at >= stay.start or not table.has_room(table.window(at, stay.start), held):
            return
        table.hold(at, stay.start, held)
        shift = stay.start - at
        stay.start = stay.run_start = at
        if not stay.suspending and stay.end < FAR_FUTURE:
            table.release(stay.end - shift, stay.end, held)
            desk.free_early(stay.end)
            stay.run_end, stay.end = stay.run_end - shift, stay.end - shift
        desk.arm(stay)

    # Failed --------------------------------------------------------------------------------------------------

    def _lost(self, images: Images, transfer: Transfer, reason: Reason) -> None:
        """Send an image anew to whoever waits for it, some times: those who can wait do, others start without delay."""
        desk = self._desk
        waiting = list({target[0].id: target[0] for target in transfer.targets}.values())
        # First nobody is on it any more, so that none of them is put on it again.
        for lease in waiting:
            images.cancel(lease)
        for lease in waiting:
            if not lease.stays:
                continue
            begun = lease.stays[0].phase is not Phase.PLANNED
            if begun and not bringing.again(desk, lease):
                continue
            lease.retries += 1
            desk.touched.add(lease.id)
            desk.notify(lease, f"The image of lease {lease.id} is sent anew. {reason.text}")
            tried = lease.retries > desk.options.restarts_max
            if tried and not begun:
                self._execution.fail(lease, reason)
            elif tried or not begun:
                self._repair.replace(lease, reason)


def _under_way(images: Images, lease: int) -> Transfer | None:
    """Return the transfer under way that was commanded in the name of a lease.

    Who only waits for it has had others: what is told of those now is late.
    """
    for transfer in images.transfers:
        mine = transfer.told == lease
        if not transfer.told:
            # Remembered by a release that did not know yet.
            mine = any(target[0].id == lease for target in transfer.targets)
        if mine and transfer.state is TransferState.ACTIVE:
            return transfer
    return None
