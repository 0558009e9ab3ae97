"""What people order to be done with a lease: who does what, and the orders that are easy to carry out.

Orders about time are in :mod:`haizea.core.lease_times`, those about VMs in :mod:`haizea.core.lease_sizes` and
:mod:`haizea.core.moving`.
"""

from collections.abc import Callable
from typing import Any

from haizea.core import bringing
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.lease_sizes import Sizes
from haizea.core.lease_times import Times
from haizea.core.moving import Moving
from haizea.core.orders import Refusal, Trial, check_state, has_vms, refuse, running
from haizea.core.reactions import Reactions
from haizea.core.repair import Repair
from haizea.core.replanning import Replanning
from haizea.core.states import TRANSITIONS
from haizea.core.suspending import Suspending
from haizea.model.effects import Refused, Verb
from haizea.model.events import LeaseOrdered, OperationOutcome, OperationReported
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.orders import (
    EndBy,
    Hold,
    Last,
    Migrate,
    Pause,
    Recover,
    Recovery,
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
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of

Handler = Callable[[Lease, Any, LeaseOrdered], None]


class LeaseOrders:
    """Carries out orders about leases."""

    def __init__(
        self,
        desk: Desk,
        execution: Execution,
        booking: Booking,
        repair: Repair,
        reactions: Reactions,
        replanning: Replanning,
        trial: Trial,
    ) -> None:
        self._desk = desk
        self._execution = execution
        self._reactions = reactions
        self._replanning = replanning
        times = Times(desk, booking, replanning, trial)
        sizes = Sizes(desk, execution, replanning, trial)
        suspending = Suspending(desk, execution, repair, reactions.wishes, replanning, trial)
        self.moving = Moving(desk, execution)
        self.suspending = suspending
        self._handlers: dict[type, Handler] = {
            Last: times.last,
            StartAt: times.start_at,
            EndBy: times.end_by,
            Resize: sizes.resize,
            Suspend: suspending.suspend,
            Resume: suspending.resume,
            Pause: self._pause,
            Unpause: self._unpause,
            Hold: suspending.hold,
            Release: suspending.release,
            Requeue: self._requeue,
            Restart: self._restart,
            StopVM: self._stop_vm,
            ToTop: self._to_top,
            ToBottom: self._to_bottom,
            Migrate: self.moving.migrate,
            Terminate: self._terminate,
            Recover: self._recover,
        }

    def ordered(self, event: LeaseOrdered) -> None:
        """Carry out an order about a lease, or refuse it."""
        lease, order = self._desk.leases.get(event.lease), event.order
        try:
            if lease is None:
                raise refuse(f"There is no lease {event.lease} that is not over.")
            check_state(lease, order)
            self._handlers[type(order)](lease, order, event)
        except Refusal as refusal:
            self._desk.effects.append(Refused(event.at, refusal.reason))

    # Orders --------------------------------------------------------------------------------------------------

    def _pause(self, lease: Lease, _order: Pause, _event: LeaseOrdered) -> None:
        self._desk.enter(lease, LeaseState.PAUSED)
        self._desk.command(Verb.PAUSE, lease.stays[0], self._desk.now)

    def _unpause(self, lease: Lease, _order: Unpause, _event: LeaseOrdered) -> None:
        self._desk.enter(lease, LeaseState.ACTIVE)
        self._desk.command(Verb.UNPAUSE, lease.stays[0], self._desk.now)

    def _requeue(self, lease: Lease, _order: Requeue, _event: LeaseOrdered) -> None:
        if lease.type is not LeaseType.BEST_EFFORT:
            raise refuse(f"Lease {lease.id} was promised a time, so it has no place in the queue; it can be moved.")
        lease.parked = ""
        self._execution.requeue(lease)
        self._desk.free_early(FAR_FUTURE)

    def _restart(self, lease: Lease, order: Restart, _event: LeaseOrdered) -> None:
        desk = self._desk
        self._check_vm(lease, order.vm)
        if not running(lease):
            raise refuse(f"Lease {lease.id} has no VMs that run.")
        if order.vm in lease.over:
            raise refuse(f"VM {order.vm} of lease {lease.id} is over, and holds nothing any more.")
        stay, vms = lease.stays[0], (order.vm,) if order.vm else ()
        if lease.state is LeaseState.HELD:
            self._go_on(lease)
        desk.touched.add(lease.id)
        desk.command(Verb.DESTROY, stay, desk.now, vms)
        about = vms or lease.alive
        bringing.removed(desk, lease, about)
        if bringing.lacking(desk, stay, about):
            self._reactions.wishes.start(stay, about)
        else:
            desk.command(Verb.START, stay, desk.now, vms)

    def _stop_vm(self, lease: Lease, order: StopVM, event: LeaseOrdered) -> None:
        desk = self._desk
        self._check_vm(lease, order.vm)
        if not order.vm:
            raise refuse("The number of the VM to be stopped is missing; to stop all of them, terminate the lease.")
        if not running(lease):
            raise refuse(f"Lease {lease.id} has no VMs that run.")
        if order.vm in lease.over:
            raise refuse(f"VM {order.vm} of lease {lease.id} was stopped before, or has shut itself down.")
        if lease.need.vms - len(lease.over) > 1:
            until = desk.now + desk.planner.shutdown(lease) - desk.options.cleaning_time
            desk.command(Verb.SHUT_DOWN, lease.stays[0], until, (order.vm,))
            desk.note_left(lease.stays[0], (order.vm,))
            lease.over |= {order.vm}
            for stay in lease.stays:
                desk.reseat(stay, hosts_of(stay, desk.table))
                desk.free_early(stay.end)
            return
        self._end(lease, event, LeaseState.DONE)

    def _check_vm(self, lease: Lease, vm: int) -> None:
        if not 0 <= vm <= lease.need.vms:
            raise refuse(f"Lease {lease.id} has no VM {vm}; its VMs have the numbers 1 to {lease.need.vms}.")

    def _to_top(self, lease: Lease, _order: ToTop, _event: LeaseOrdered) -> None:
        self._check_queues(lease)
        first = min([one.rank for one in self._replanning.queue()], default=0)
        self._move_in_queue(lease, min(first, 0) - 1)

    def _to_bottom(self, lease: Lease, _order: ToBottom, _event: LeaseOrdered) -> None:
        self._check_queues(lease)
        last = max([one.rank for one in self._replanning.queue()], default=0)
        self._move_in_queue(lease, max(last, 0) + 1)

    def _check_queues(self, lease: Lease) -> None:
        if lease.type in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE):
            raise refuse(f"Lease {lease.id} was promised a time, so it has no place in the queue.")

    def _move_in_queue(self, lease: Lease, rank: int) -> None:
        self._replanning.unplan_queue()
        self._desk.rank(lease, rank)

    def _terminate(self, lease: Lease, _order: Terminate, event: LeaseOrdered) -> None:
        # Who has run something is done, though sooner than planned; who has not has nothing to be done with.
        begun = lease.started is not None and LeaseState.DONE in TRANSITIONS[lease.state]
        by = f" by {event.by}" if event.by else ""
        why = f": {event.reason}" if event.reason else ""
        reason = Reason(Cause.CANCELLED, f"It was {'ended' if begun else 'cancelled'}{by}{why}.")
        self._reactions.break_off(lease, LeaseState.DONE if begun else LeaseState.CANCELLED, reason)

    # Recovery ------------------------------------------------------------------------------------------------

    def _recover(self, lease: Lease, order: Recover, event: LeaseOrdered) -> None:
        handlers = {
            Recovery.RETRY: self._retry,
            Recovery.SUCCEEDED: self._succeeded,
            Recovery.FAILED: self._failed,
            Recovery.RECREATE: self._recreate,
        }
        handlers[order.how](lease, event)

    def _retry(self, lease: Lease, event: LeaseOrdered) -> None:
        """Have what was under way done again, where it was planned."""
        if not has_vms(lease):
            self.suspending.release(lease, Release(), event)
            return
        if running(lease):
            # Whether they run is what nobody knows here: they are started from nothing.
            self._restart(lease, Restart(), event)
            return
        desk, stay = self._desk, lease.stays[0]
        resuming = stay.phase is Phase.RESUMING
        verb = Verb.RESUME if resuming else Verb.SUSPEND if stay.suspending else Verb.SHUT_DOWN
        self._go_on(lease)
        desk.command(verb, stay, max(desk.now, stay.run_start if resuming else desk.left_at(stay)))

    def _succeeded(self, lease: Lease, event: LeaseOrdered) -> None:
        """Take what was under way to be over, as planned."""
        if not has_vms(lease):
            self.suspending.release(lease, Release(), event)
            return
        desk, stay = self._desk, lease.stays[0]
        self._go_on(lease)
        if stay.phase is Phase.RESUMING and stay.run_start > desk.now:
            stay.run_start = desk.now
            if lease.left < FAR_FUTURE and not stay.suspending and lease.type is not LeaseType.ADVANCE_RESERVATION:
                self._shorten(lease, lease.left)
            self._execution.move(stay)
        elif stay.phase is Phase.ENDING:
            self._execution.ended_early(stay)

    def _shorten(self, lease: Lease, runs: int) -> None:
        """Have a stay that has begun earlier than planned end earlier too."""
        desk, stay = self._desk, lease.stays[0]
        end = stay.run_start + runs + (stay.end - stay.run_end)
        if end < stay.end:
            desk.table.release(end, stay.end, stay.placement.held)
            desk.free_early(stay.end)
            stay.end, stay.run_end = end, stay.run_start + runs

    def _failed(self, lease: Lease, event: LeaseOrdered) -> None:
        """Take what was under way to have failed."""
        if lease.state is LeaseState.HELD:
            self._end(lease, event, LeaseState.FAILED)
            return
        stay = lease.stays[0]
        kind = {Phase.RUNNING: "boot", Phase.RESUMING: "resume"}.get(
            stay.phase, "suspend" if stay.suspending else "shutdown"
        )
        self._reactions.mishaps.operation_reported(OperationReported(event.at, lease.id, kind, OperationOutcome.FAILED))

    def _recreate(self, lease: Lease, _event: LeaseOrdered) -> None:
        """Have a lease start from nothing: best effort in the queue, others where they are."""
        desk, execution = self._desk, self._execution
        if lease.type is LeaseType.BEST_EFFORT:
            if not lease.stays:
                execution.start_over(lease)
            lease.parked = ""
            desk.remove_images(lease)
            execution.requeue(lease)
            desk.free_early(FAR_FUTURE)
            return
        if not running(lease):
            raise refuse(f"Lease {lease.id} has no VMs that run and could be made anew; it can be released or resumed.")
        self._restart(lease, Restart(), _event)

    def _go_on(self, lease: Lease) -> None:
        if lease.state is not LeaseState.HELD:
            # Whoever had it suspended still wants that.
            return
        lease.parked = ""
        states = {Phase.RUNNING: LeaseState.ACTIVE, Phase.RESUMING: LeaseState.RESUMING}
        self._desk.enter(lease, states.get(lease.stays[0].phase, LeaseState.SUSPENDING))

    def _end(self, lease: Lease, event: LeaseOrdered, state: LeaseState) -> None:
        """End a lease by an order; what has run counts."""
        desk = self._desk
        for stay in lease.stays:
            if stay.phase is Phase.RUNNING:
                self._execution.account(stay, desk.now)
                stay.run_start = desk.now
        self._execution.stop(lease, "cancelled")
        desk.free_early(FAR_FUTURE)
        by = f" by {event.by}" if event.by else ""
        what = "It was marked as failed" if state is LeaseState.FAILED else "The last of its VMs was stopped"
        desk.retire(lease, state, Reason(Cause.STATE, f"{what}{by}."))
