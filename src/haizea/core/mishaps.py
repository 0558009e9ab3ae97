"""What is done about operations that are late, over early, or have failed.

An operation is a suspension, resumption, boot, shutdown, migration (:mod:`haizea.core.transit`), or the transfer of an
image (:mod:`haizea.core.transfers`). What is late holds its
hosts for longer, and whoever is in the way is planned anew; what is late for too long is broken off. What is over early
gives back what it held. What has failed is tried again some times; then the next best thing is done.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from haizea.core.desk import Desk
from haizea.core.execution import AT_ITS_END, Execution
from haizea.core.repair import Repair
from haizea.core.transfers import Transfers
from haizea.core.wishes import Wishes
from haizea.model.effects import Verb
from haizea.model.events import OperationOutcome, OperationReported
from haizea.model.lease import LeaseState, OnFailure
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.options import Migration, Overdue

if TYPE_CHECKING:
    # Loaded with what carries out orders: a simulation without any does not need it.
    from haizea.core.transit import Transit

_ENDS: Final = ("suspend", "shutdown")
_NAMES: Final = {"start": "boot", "shut-down": "shutdown", "run": "boot"}


class Mishaps:
    """Deals with operations that do not go as planned."""

    def __init__(
        self, desk: Desk, execution: Execution, repair: Repair, wishes: Wishes, transit: "Callable[[], Transit]"
    ) -> None:
        """``transit`` returns who knows what is on its way between hosts."""
        self._desk = desk
        self._execution = execution
        self._repair = repair
        self._wishes = wishes
        self._transit_of = transit
        self._transfers = Transfers(desk, execution, repair)

    def operation_reported(self, event: OperationReported) -> None:
        """React to an operation that is late, over early, or has failed."""
        kind = _NAMES.get(event.kind, event.kind)
        if kind == "transfer":
            # It may go on for others when the lease that it was commanded for is over.
            self._transfers.reported(event)
            return
        lease = self._desk.leases.get(event.lease)
        if lease is None:
            return
        if kind == "migrate" and lease.moving and self._transit_of().reported(lease, event):
            return
        if not lease.stays:
            return
        stay = lease.stays[0]
        if not _concerns(kind, stay):
            return
        if event.outcome is OperationOutcome.LATE:
            if event.until is not None:
                self._late(kind, stay, max(event.until, self._desk.now), event)
        elif event.outcome is OperationOutcome.DONE:
            self._done(kind, stay)
        else:
            self._failed(kind, stay, event)

    # Late ----------------------------------------------------------------------------------------------------

    def _late(self, kind: str, stay: Stay, until: Instant, event: OperationReported) -> None:
        desk, lease = self._desk, stay.lease
        planned = desk.left_at(stay) if kind in _ENDS else _planned_end(kind, stay)
        if until <= planned:
            return
        if stay.due is None:
            stay.due = planned
        desk.touched.add(lease.id)
        reason = Reason(Cause.FAILED, _sentence(f"A {kind} took longer than planned.", event.text))
        late = until - stay.due
        if late > desk.options.overdue_max:
            self._overdue(kind, stay, event, reason)
        elif kind == "boot":
            if until >= stay.run_end:
                self._wishes.failed(lease, lease.alive, reason)
            else:
                self._repair.boot_later(stay, until, reason)
        elif kind == "migrate":
            if stay.phase is Phase.PLANNED and until > stay.start and not self._repair.put_off(stay, until):
                self._repair.replace(lease, reason)
        else:
            more = desk.options.cleaning_time if kind in _ENDS else 0
            self._repair.extend(stay, until + more, reason)

    def _overdue(self, kind: str, stay: Stay, event: OperationReported, reason: Reason) -> None:
        """An operation is late for too long."""
        desk, lease = self._desk, stay.lease
        desk.notify(lease, f"The {kind} of lease {lease.id} is overdue for too long.")
        if desk.options.overdue is Overdue.CANCEL:
            self._execution.stop(lease, "lost")
            desk.free_early(FAR_FUTURE)
            desk.retire(lease, LeaseState.CANCELLED, reason)
            return
        lease.retries = desk.options.restarts_max
        self._failed(kind, stay, event)

    # Early ---------------------------------------------------------------------------------------------------

    def _done(self, kind: str, stay: Stay) -> None:
        """What is over early gives back what it held, or begins what comes next."""
        desk = self._desk
        if kind in _ENDS and desk.left_at(stay) > desk.now:
            self._execution.ended_early(stay)
        elif kind == "resume" and stay.run_start > desk.now:
            self._execution.resumed_early(stay)

    # Failed --------------------------------------------------------------------------------------------------

    def _failed(self, kind: str, stay: Stay, event: OperationReported) -> None:
        desk, lease = self._desk, stay.lease
        reason = Reason(Cause.FAILED, _sentence(f"Its {kind} failed.", event.text))
        vms = (event.vm,) if 0 < event.vm <= lease.need.vms else lease.alive
        if kind == "boot":
            self._wishes.failed(lease, vms, reason)
            self._wishes.back_off(lease, stay, reason)
        elif kind == "suspend":
            self._not_suspended(stay, reason)
        elif kind == "resume":
            self._not_resumed(stay, vms, reason)
        elif kind == "shutdown":
            self._repair.remove(lease, reason)
        elif stay.phase is Phase.PLANNED:
            self._not_copied(lease, reason)
        else:
            desk.notify(lease, f"A VM of lease {lease.id} was not moved and stays where it is. {reason.text}")

    def _not_suspended(self, stay: Stay, reason: Reason) -> None:
        """Try again while there is time; else let it run on, if that breaks no promise; else as the lease wishes."""
        desk, lease = self._desk, stay.lease
        length = desk.preemption.suspension(lease, stay)
        if lease.retries < desk.options.restarts_max and desk.now + length <= stay.end:
            lease.retries += 1
            desk.touched.add(lease.id)
            desk.notify(lease, f"Suspending lease {lease.id} is tried again. {reason.text}")
            desk.command(Verb.SUSPEND, stay, desk.left_at(stay))
            return
        lease.retries = 0
        desk.touched.add(lease.id)
        if not lease.left or lease.parked == AT_ITS_END:
            # Its time is over: there is nothing that it could run on for.
            self._repair.remove(lease, reason, "suspended at its end")
            return
        on_hold = lease.state is LeaseState.HELD or lease.terms.reactions.on_failure is OnFailure.HOLD
        if self._run_on(stay, reason):
            if on_hold:
                self._wishes.hold(lease, reason, lease.parked or "Haizea")
        elif on_hold:
            # Its hosts are somebody else's from now on, and there is no image to be resumed from.
            self._execution.stop(lease, "lost")
            self._execution.start_over(lease)
            desk.free_early(FAR_FUTURE)
            self._wishes.hold(lease, reason, lease.parked or "Haizea")
        else:
            self._wishes.failed(lease, lease.alive, reason)

    def _run_on(self, stay: Stay, reason: Reason) -> bool:
        """Let VMs that could not be suspended run until their time is over, if who is in the way can go elsewhere."""
        desk, lease = self._desk, stay.lease
        endless = lease.left >= FAR_FUTURE
        run_end = FAR_FUTURE if endless else desk.now + lease.left
        end = FAR_FUTURE if endless else run_end + desk.planner.shutdown(lease)
        wish = lease.terms.reactions.on_failure
        late = lease.terms.deadline is not None and run_end > lease.terms.deadline
        if late or wish is OnFailure.FAIL or (end > stay.end and not self._repair.can_run_on(stay, end)):
            return False
        for other in lease.stays[1:]:
            desk.drop(other)
        desk.notify(lease, f"Lease {lease.id} could not be suspended and runs on. {reason.text}")
        desk.log("suspend", stay, stay.run_end, desk.now, "cancelled")
        stay.suspending, stay.phase, stay.due = False, Phase.RUNNING, None
        stay.run_start, stay.run_end = desk.now, run_end
        if lease.state is not LeaseState.HELD:
            desk.enter(lease, LeaseState.ACTIVE)
        if end < stay.end:
            desk.table.release(end, stay.end, stay.placement.held)
            desk.free_early(stay.end)
            stay.end = end
        elif end > stay.end:
            self._repair.hold_longer(stay, end, reason)
        if stay.phase is Phase.RUNNING:
            desk.arm(stay)
        return True

    def _not_resumed(self, stay: Stay, vms: tuple[int, ...], reason: Reason) -> None:
        """Try again, then elsewhere; then from the start."""
        desk, lease = self._desk, stay.lease
        wish = lease.terms.reactions.on_failure
        if wish in (OnFailure.FAIL, OnFailure.HOLD):
            self._wishes.failed(lease, vms, reason)
            return
        if self._wishes.resume_again(stay, vms, reason):
            return
        tries = desk.options.restarts_max
        if desk.options.migration is Migration.NO or lease.retries > tries:
            lease.retries = 0
            desk.notify(lease, f"Lease {lease.id} cannot be resumed: it starts over. {reason.text}")
            desk.remove_images(lease)
        else:
            lease.retries += 1
            desk.touched.add(lease.id)
        self._repair.replace(lease, reason)

    def _not_copied(self, lease: Lease, reason: Reason) -> None:
        """Images could not be copied to where a lease was to be resumed: plan that anew."""
        desk = self._desk
        lease.retries += 1
        desk.touched.add(lease.id)
        if lease.retries > desk.options.restarts_max:
            self._execution.fail(lease, reason)
        else:
            self._repair.replace(lease, reason)


def _concerns(kind: str, stay: Stay) -> bool:
    """Whether an operation of this kind is under way in a stay."""
    if kind == "suspend":
        return stay.phase is Phase.ENDING and stay.suspending
    if kind == "shutdown":
        return stay.phase is Phase.ENDING and not stay.suspending
    if kind == "resume":
        return stay.phase is Phase.RESUMING
    if kind == "migrate":
        return stay.phase is Phase.RUNNING or (stay.phase is Phase.PLANNED and bool(stay.copies))
    return kind == "boot" and stay.phase is Phase.RUNNING


def _planned_end(kind: str, stay: Stay) -> Instant:
    if kind in ("resume", "boot"):
        return stay.run_start
    return stay.start if kind == "migrate" else stay.end


def _sentence(text: str, more: str) -> str:
    return f"{text} {more}" if more else text
