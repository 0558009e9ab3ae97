"""What is done about the unexpected: one table of what is wanted of a VM beside what is seen of it.

The schedule says what a lease's VMs are *desired* to be doing; a platform reports what they are *observed* to be.
Where the two agree nothing is done, so that a report that comes twice, late or out of order does no harm.
"""

from enum import Enum, StrEnum
from typing import Final

from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.repair import Repair
from haizea.model.effects import Verb
from haizea.model.events import (
    CancelRequested,
    HostObserved,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
)
from haizea.model.lease import LeaseState, OnFailure, OnGuestShutdown
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of

RESTARTS_MAX: Final = 3


class Desired(StrEnum):
    """What the schedule wants the VMs of a lease to be doing now."""

    ABSENT = "absent"
    RESUMING = "resuming"
    RUNNING = "running"
    ENDING = "ending"


class Reaction(Enum):
    """What is done about a VM that is not as desired."""

    NOTHING = "nothing"
    NOTE = "tell people; the schedule stays"
    SHUTDOWN = "as the lease wishes for when a guest shuts itself down"
    FAILURE = "as the lease wishes for when a VM fails"
    DESTROY = "remove the VM: no lease wants it there"


_D, _O, _R = Desired, Observed, Reaction
REACTIONS: Final[dict[tuple[Desired, Observed], Reaction]] = {
    (_D.ABSENT, _O.RUNNING): _R.DESTROY,
    (_D.ABSENT, _O.GUEST_SHUTDOWN): _R.NOTHING,
    (_D.ABSENT, _O.CRASHED): _R.NOTHING,
    (_D.ABSENT, _O.VANISHED): _R.NOTHING,
    (_D.ABSENT, _O.UNKNOWN): _R.NOTHING,
    (_D.ABSENT, _O.SUSPENDED): _R.NOTHING,
    (_D.ABSENT, _O.PAUSED): _R.DESTROY,
    (_D.ABSENT, _O.STOPPED): _R.NOTHING,
    (_D.ABSENT, _O.DELETED): _R.NOTHING,
    (_D.RESUMING, _O.RUNNING): _R.NOTHING,
    (_D.RESUMING, _O.GUEST_SHUTDOWN): _R.SHUTDOWN,
    (_D.RESUMING, _O.CRASHED): _R.FAILURE,
    (_D.RESUMING, _O.VANISHED): _R.FAILURE,
    (_D.RESUMING, _O.UNKNOWN): _R.NOTE,
    (_D.RESUMING, _O.SUSPENDED): _R.NOTHING,
    (_D.RESUMING, _O.PAUSED): _R.NOTHING,
    (_D.RESUMING, _O.STOPPED): _R.NOTHING,
    (_D.RESUMING, _O.DELETED): _R.SHUTDOWN,
    (_D.RUNNING, _O.RUNNING): _R.NOTHING,
    (_D.RUNNING, _O.GUEST_SHUTDOWN): _R.SHUTDOWN,
    (_D.RUNNING, _O.CRASHED): _R.FAILURE,
    (_D.RUNNING, _O.VANISHED): _R.FAILURE,
    (_D.RUNNING, _O.UNKNOWN): _R.NOTE,
    (_D.RUNNING, _O.SUSPENDED): _R.NOTE,
    (_D.RUNNING, _O.PAUSED): _R.NOTE,
    (_D.RUNNING, _O.STOPPED): _R.SHUTDOWN,
    (_D.RUNNING, _O.DELETED): _R.SHUTDOWN,
    (_D.ENDING, _O.RUNNING): _R.NOTHING,
    (_D.ENDING, _O.GUEST_SHUTDOWN): _R.SHUTDOWN,
    (_D.ENDING, _O.CRASHED): _R.FAILURE,
    (_D.ENDING, _O.VANISHED): _R.FAILURE,
    (_D.ENDING, _O.UNKNOWN): _R.NOTE,
    (_D.ENDING, _O.SUSPENDED): _R.NOTHING,
    (_D.ENDING, _O.PAUSED): _R.NOTHING,
    (_D.ENDING, _O.STOPPED): _R.NOTHING,
    (_D.ENDING, _O.DELETED): _R.SHUTDOWN,
}

_DESIRED: Final = {
    Phase.OVER: _D.ABSENT,
    Phase.PLANNED: _D.ABSENT,
    Phase.RESUMING: _D.RESUMING,
    Phase.RUNNING: _D.RUNNING,
    Phase.ENDING: _D.ENDING,
}


def desired(lease: Lease) -> Desired:
    """Return what the schedule wants the VMs of a lease to be doing now."""
    return _DESIRED[lease.stays[0].phase] if lease.stays else Desired.ABSENT


class Reactions:
    """Reacts to what nobody planned."""

    def __init__(self, desk: Desk, execution: Execution, repair: Repair) -> None:
        self._desk = desk
        self._execution = execution
        self._repair = repair

    def instance_observed(self, event: InstanceObserved) -> None:
        """React to the state that a VM, or all VMs, of a lease were seen in."""
        lease = self._desk.leases.get(event.lease)
        if lease is None or not 0 <= event.vm <= lease.need.vms:
            return
        reaction = REACTIONS[desired(lease), event.observed]
        if reaction is Reaction.SHUTDOWN:
            self._shut_down(lease, event.vm)
        elif reaction is Reaction.FAILURE:
            self.failed(lease, Reason(Cause.FAILED, f"A VM of it was seen to be {event.observed.value}."))
        elif reaction is Reaction.NOTE:
            self._desk.notify(lease, f"A VM of lease {lease.id} was seen to be {event.observed.value}.")
        elif reaction is Reaction.DESTROY and lease.stays:
            self._desk.command(Verb.DESTROY, lease.stays[0], self._desk.now)

    def _shut_down(self, lease: Lease, vm: int) -> None:
        """Do as the lease wishes for when a guest shuts itself down; it is over when all of its VMs are."""
        wish = lease.terms.reactions.on_guest_shutdown
        stay = lease.stays[0]
        if wish is OnGuestShutdown.RESTART and stay.phase is Phase.RUNNING and self._can_restart(stay):
            self._desk.command(Verb.START, stay, self._desk.now)
            return
        if wish is OnGuestShutdown.HOLD:
            self._desk.notify(lease, f"A guest of lease {lease.id} shut itself down; the lease keeps its hosts.")
            return
        if vm and lease.need.vms > 1:
            lease.over |= {vm}
            self._desk.touched.add(lease.id)
            if len(lease.over) < lease.need.vms:
                return
        lease.over = frozenset()
        if stay.phase is Phase.RUNNING:
            self._execution.end_early(lease)
        else:
            self._execution.stop(lease, "cancelled")
            self._desk.free_early(FAR_FUTURE)
            self._desk.retire(lease, LeaseState.DONE)

    def _can_restart(self, stay: Stay) -> bool:
        """Whether the hosts of a stay are still there."""
        states = self._desk.hosts.states
        return all(states[host] is not HostState.DOWN for host in hosts_of(stay, self._desk.table))

    def failed(self, lease: Lease, reason: Reason, *, lost: bool = False) -> None:
        """Do as the lease wishes for when a VM of it fails."""
        desk = self._desk
        wish = lease.terms.reactions.on_failure
        stay = lease.stays[0]
        may_restart = (
            lease.restarts < RESTARTS_MAX and stay.phase is Phase.RUNNING and not lost and self._can_restart(stay)
        )
        if wish is OnFailure.RESTART and may_restart:
            lease.restarts += 1
            desk.touched.add(lease.id)
            desk.command(Verb.START, stay, desk.now)
            desk.notify(lease, f"A VM of lease {lease.id} failed and is restarted.")
            return
        if wish is OnFailure.HOLD:
            desk.notify(lease, f"A VM of lease {lease.id} failed; the lease keeps its hosts. {reason.text}")
            return
        lease.restarts = 0
        if wish is OnFailure.FAIL:
            self._execution.stop(lease, "lost")
            desk.free_early(FAR_FUTURE)
            desk.retire(lease, LeaseState.FAILED, reason)
            return
        self._repair.replace(lease, reason)

    def operation_reported(self, event: OperationReported) -> None:
        """React to an operation that is late or has failed."""
        lease = self._desk.leases.get(event.lease)
        if lease is None or not lease.stays:
            return
        stay = lease.stays[0]
        if not _concerns(event.kind, stay):
            return
        if event.outcome is OperationOutcome.LATE:
            if event.until is not None:
                self._repair.extend(
                    stay, event.until, Reason(Cause.FAILED, f"A {event.kind} took longer than planned.")
                )
        elif event.outcome is OperationOutcome.FAILED:
            self.failed(lease, Reason(Cause.FAILED, f"Its {event.kind} failed."))

    def host_observed(self, event: HostObserved) -> None:
        """React to a host that went down, came back, or is to be used differently."""
        desk = self._desk
        if not 0 <= event.host < len(desk.hosts.states):
            return
        before = desk.hosts.states[event.host]
        desk.hosts.set_state(event.host, event.state)
        self.host_changed(event.host, before)

    def host_changed(self, host: int, before: HostState) -> None:
        """Deal with a host that may be used differently than before, by what was seen or by what was ordered."""
        desk = self._desk
        state = desk.hosts.states[host]
        if state is before:
            return
        desk.free_early(FAR_FUTURE)
        self._repair.react(host, state, self._lost)

    def _lost(self, lease: Lease, reason: Reason) -> None:
        """Do as a lease wishes for whose host is lost: nothing can be restarted there."""
        self.failed(lease, reason, lost=True)

    def cancel_requested(self, event: CancelRequested) -> None:
        """Cancel a lease, whatever it is doing."""
        lease = self._desk.leases.get(event.lease)
        if lease is None:
            return
        for stay in lease.stays:
            if stay.phase is Phase.RUNNING:
                self._execution.account(stay, self._desk.now)
                stay.run_start = self._desk.now
        self._execution.stop(lease, "cancelled")
        self._desk.free_early(FAR_FUTURE)
        by = f" by {event.by}" if event.by else ""
        self._desk.retire(lease, LeaseState.CANCELLED, Reason(Cause.CANCELLED, f"It was cancelled{by}."))


def _concerns(kind: str, stay: Stay) -> bool:
    """Whether an operation of this kind is under way in a stay."""
    if kind == "suspend":
        return stay.phase is Phase.ENDING and stay.suspending
    if kind == "shutdown":
        return stay.phase is Phase.ENDING and not stay.suspending
    if kind == "resume":
        return stay.phase is Phase.RESUMING
    return kind in ("boot", "run") and stay.phase is Phase.RUNNING
