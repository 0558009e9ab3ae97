"""Carrying out the schedule: what happens when the instants of a stay or a transfer are reached.

A stay resumes or boots its VMs, lets them run, and suspends them or shuts them down. The plan is taken to be
carried out as it stands until somebody says otherwise (see :mod:`haizea.core.reactions`).
"""

from typing import Final

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.reasons import instant
from haizea.model.effects import Command, Verb
from haizea.model.lease import DEFAULT_REACTIONS, LeaseState, LeaseType, OnEnd
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.images import Transfer, TransferState
from haizea.plan.lease import NOTHING_SEEN, Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.options import Suspension

AT_ITS_END: Final = "its owner's wish to be suspended at its end"


class Execution:
    """Moves stays and transfers on as time passes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def move(self, stay: Stay) -> None:
        """Bring a stay into its next phase."""
        phase = stay.phase
        if phase is Phase.PLANNED:
            self.begin(stay)
        elif phase is Phase.RESUMING:
            self._resumed(stay)
        elif phase is Phase.RUNNING:
            self._run_over(stay)
        else:
            self._ended(stay)

    def begin(self, stay: Stay) -> None:
        """Boot or resume the VMs of a stay."""
        desk, lease = self._desk, stay.lease
        if lease.state is LeaseState.HELD:
            self._held_back(stay)
            return
        if lease.seen or lease.foreign or lease.down:
            lease.seen, lease.foreign, lease.down = NOTHING_SEEN, False, frozenset()
        if stay.resuming:
            if stay.copies:
                lease.migrations += 1
                desk.log("migrate", stay, stay.copies[0].start, max(copy.end for copy in stay.copies))
            stay.phase = Phase.RESUMING
            desk.enter(lease, LeaseState.RESUMING)
            desk.command(Verb.RESUME, stay, stay.run_start)
            if stay.run_start > stay.start:
                desk.arm(stay)
            else:
                self._resumed(stay)
            return
        stay.phase = Phase.RUNNING
        desk.unreserve(lease)
        if lease.started is None:
            lease.started = desk.now
        desk.enter(lease, LeaseState.ACTIVE)
        desk.command(Verb.START, stay, stay.run_start)
        if stay.run_end < FAR_FUTURE:
            desk.arm(stay)
            if lease.terms.reactions is not DEFAULT_REACTIONS:
                self._look_ahead(stay)

    def _held_back(self, stay: Stay) -> None:
        """Leave the hosts of a stay to a lease that is held back, until its time is over."""
        desk, lease = self._desk, stay.lease
        if desk.now < stay.end:
            desk.arm(stay)
            return
        self.stop(lease, "cancelled")
        desk.retire(lease, LeaseState.CANCELLED, Reason(Cause.STATE, "It was held back until its time was over."))

    def _resumed(self, stay: Stay) -> None:
        desk, lease = self._desk, stay.lease
        # A reservation counts as one in the future until its VMs run, not only until they begin to be resumed.
        desk.unreserve(lease)
        lease.resumptions += 1
        lease.retries = 0
        lease.images = None
        stay.due = None
        stay.phase = Phase.RUNNING
        if stay.run_start > stay.start:
            desk.log("resume", stay, stay.start, stay.run_start)
        if lease.state is not LeaseState.HELD:
            desk.enter(lease, LeaseState.ACTIVE)
        if stay.run_end < FAR_FUTURE:
            desk.arm(stay)
            if lease.terms.reactions is not DEFAULT_REACTIONS:
                self._look_ahead(stay)

    def _look_ahead(self, stay: Stay) -> None:
        # Loaded here: hardly any simulation has leases with wishes for their end.
        from haizea.core.endings import look_ahead

        look_ahead(self._desk, stay)

    def _run_over(self, stay: Stay) -> None:
        """Suspend the VMs or shut them down, as planned."""
        desk, lease = self._desk, stay.lease
        if stay.cut:
            self.requeue(lease)
            return
        self.account(stay, stay.run_end)
        if lease.state is LeaseState.PAUSED:
            # VMs that stand still can neither be saved nor shut themselves down.
            desk.command(Verb.UNPAUSE, stay, desk.now)
        if lease.foreign or stay.due is not None:
            lease.foreign, stay.due = False, None
        if stay.suspending:
            stay.phase = Phase.ENDING
            desk.enter(lease, LeaseState.SUSPENDING)
            desk.command(Verb.SUSPEND, stay, desk.left_at(stay))
            desk.arm(stay)
            return
        if lease.terms.reactions is not DEFAULT_REACTIONS and self._suspended_at_end(stay):
            return
        left_at = desk.left_at(stay)
        desk.command(Verb.SHUT_DOWN, stay, left_at)
        if left_at > stay.run_end:
            stay.phase = Phase.ENDING
            desk.arm(stay)
        else:
            self._done(stay)

    def _suspended_at_end(self, stay: Stay) -> bool:
        """Suspend a lease whose time is over, if it wishes for that and there is time for it."""
        desk, lease = self._desk, stay.lease
        options = desk.options
        if lease.terms.reactions.on_end is not OnEnd.SUSPEND or lease.over:
            return False
        end = stay.run_end + desk.preemption.suspension(lease, stay)
        allowed = options.suspension is Suspension.ALL or (
            options.suspension is Suspension.SERIAL and lease.need.vms == 1
        )
        if allowed and end > stay.end and desk.table.has_room(desk.table.window(stay.end, end), stay.placement.held):
            # Hosts have become slower since it was planned, and nobody else is to have them meanwhile.
            desk.table.hold(stay.end, end, stay.placement.held)
            stay.end = end
        if not allowed or end > stay.end:
            why = "there is no time left for that" if allowed else "this site suspends no such leases"
            desk.notify(lease, f"Lease {lease.id} is shut down at its end, not suspended: {why}.")
            return False
        if end < stay.end:
            desk.table.release(end, stay.end, stay.placement.held)
            desk.free_early(stay.end)
            stay.end = end
        stay.suspending = True
        stay.phase = Phase.ENDING
        lease.parked = AT_ITS_END
        desk.enter(lease, LeaseState.SUSPENDING)
        desk.command(Verb.SUSPEND, stay, desk.left_at(stay))
        desk.arm(stay)
        kept = desk.now + options.kept_max
        desk.alarms.set(Bell.KEPT, lease.id, kept)
        text = (
            f"Lease {lease.id} is over and is suspended. It is kept until {instant(kept)}, to be resumed or cancelled."
        )
        desk.notify(lease, text)
        return True

    def _ended(self, stay: Stay) -> None:
        desk, lease = self._desk, stay.lease
        if not stay.suspending:
            desk.log("shutdown", stay, stay.run_end, desk.left_at(stay))
            self._done(stay)
            return
        desk.log("suspend", stay, stay.run_end, desk.left_at(stay))
        lease.suspensions += 1
        lease.images = hosts_of(stay, desk.table)
        lease.rested = stay.placement
        desk.leave(stay)
        lease.down = frozenset()
        if desk.images is not None and desk.images.pending(lease):
            desk.images.cancel(lease)
        if lease.degraded:
            desk.free_early(desk.now)
        if lease.stays:
            desk.enter(lease, LeaseState.SUSPENDED_SCHEDULED)
        else:
            desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
            desk.enqueue(lease)

    def ended_early(self, stay: Stay) -> None:
        """End a stay whose VMs have been suspended or shut down before they were to be."""
        desk = self._desk
        end = desk.now + desk.options.cleaning_time
        if stay.end > end:
            desk.table.release(end, stay.end, stay.placement.held)
            desk.free_early(stay.end)
            stay.end = end
        self.move(stay)

    def resumed_early(self, stay: Stay) -> None:
        """Begin to count what runs of a stay whose VMs have been resumed before they were to be."""
        desk, lease = self._desk, stay.lease
        shift = stay.run_start - desk.now
        stay.run_start = desk.now
        if not stay.suspending and stay.end < FAR_FUTURE and lease.type is not LeaseType.ADVANCE_RESERVATION:
            desk.table.release(stay.end - shift, stay.end, stay.placement.held)
            desk.free_early(stay.end)
            stay.end -= shift
            stay.run_end -= shift
        self.move(stay)

    def _done(self, stay: Stay) -> None:
        desk = self._desk
        desk.leave(stay)
        desk.retire(stay.lease, LeaseState.DONE)

    def account(self, stay: Stay, until: Instant) -> None:
        """Credit a lease with the time its VMs have run in a stay; where one of them did not, it is lost."""
        lease = stay.lease
        if until < stay.run_start:
            self._cut(lease, until)
            return
        if lease.down:
            if until > stay.run_start:
                self._desk.log("run", stay, stay.run_start, until, "lost")
            return
        ran = until - stay.run_start
        lease.delivered += ran
        if lease.left < FAR_FUTURE:
            lease.left = max(0, lease.left - ran)
        self._desk.log("run", stay, stay.run_start, until)

    def _cut(self, lease: Lease, until: Instant) -> None:
        """VMs that were to start late do not start at all: what was noted as lost ahead of time is lost until now."""
        for entry in lease.log:
            if entry.kind == "run" and entry.end > until:
                entry.start, entry.end = min(entry.start, until), until
                self._desk.touched.add(lease.id)

    def split(self, stay: Stay) -> None:
        """Account for what has run until now: from here on something is different."""
        # A step that is some seconds late hears of things before it comes to what was due before them.
        until = min(self._desk.now, stay.run_end)
        if until > stay.run_start:
            self.account(stay, until)
            stay.run_start = until
            self._desk.touched.add(stay.lease.id)

    def break_off(self, stay: Stay) -> None:
        """Account for what has run until now of a stay that is over; VMs that were still to start have lost no more."""
        self.split(stay)
        self._cut(stay.lease, self._desk.now)

    def end_early(self, lease: Lease) -> None:
        """End a lease whose VMs have all shut themselves down."""
        desk = self._desk
        stay = lease.stays[0]
        self.account(stay, desk.now)
        for other in list(lease.stays):
            desk.free_early(other.end)
            desk.note_left(other)
            desk.drop(other)
        desk.retire(lease, LeaseState.DONE)

    def stop(self, lease: Lease, outcome: str, *, keep: bool = False) -> None:
        """Break off everything a lease does and was to do, and note what that was.

        With ``keep`` the memory images of one that is being resumed are kept.
        """
        desk = self._desk
        for stay in list(lease.stays):
            if stay.phase is Phase.RUNNING:
                if desk.now > stay.run_start:
                    desk.log("run", stay, stay.run_start, desk.now, outcome)
                self._cut(lease, desk.now)
                desk.command(Verb.DESTROY, stay, desk.now)
            elif stay.phase is Phase.RESUMING:
                desk.log("resume", stay, stay.start, desk.now, "cancelled")
                if keep and lease.images is not None:
                    # Back to being suspended: what is on its way is not to be resumed, and its images stay.
                    desk.command(Verb.SUSPEND, stay, desk.now)
                else:
                    desk.command(Verb.DESTROY, stay, desk.now)
                    lease.images = None
            elif stay.phase is Phase.ENDING:
                desk.log("suspend" if stay.suspending else "shutdown", stay, stay.run_end, desk.now, "cancelled")
                desk.command(Verb.DESTROY, stay, desk.now)
            desk.note_left(stay)
            desk.drop(stay)
        lease.down = frozenset()
        desk.unreserve(lease)
        if lease in desk.queue:
            desk.queue.remove(lease)
        if desk.images is not None:
            desk.images.cancel(lease)

    def fail(self, lease: Lease, reason: Reason) -> None:
        """End a lease that cannot be given what it was to have."""
        self.stop(lease, "lost", keep=True)
        self._desk.free_early(FAR_FUTURE)
        self._desk.retire(lease, LeaseState.FAILED, reason)

    def requeue(self, lease: Lease) -> None:
        """Take a lease off the hosts and put it back in the queue; one that is held stays so.

        What ran is lost, and the lease starts over; but one that is suspended keeps its images, and one whose
        resumption had not ended too.
        """
        desk = self._desk
        running = any(stay.phase in (Phase.RUNNING, Phase.ENDING) for stay in lease.stays)
        images = lease.images
        self.stop(lease, "lost", keep=not running)
        lease.requeued += 1
        state = LeaseState.SUSPENDED_QUEUED
        if not images or running:
            self.start_over(lease)
            state = LeaseState.HELD if lease.parked else LeaseState.QUEUED
        if lease.state is not state and not (lease.parked and lease.state is LeaseState.HELD):
            desk.enter(lease, state)
        desk.enqueue(lease)

    def abandon(self, stay: Stay) -> None:
        """Break off a stay whose VMs run; the lease starts over in a later one."""
        desk = self._desk
        if desk.now > stay.run_start:
            desk.log("run", stay, stay.run_start, desk.now, "lost")
        self._cut(stay.lease, desk.now)
        desk.command(Verb.DESTROY, stay, desk.now)
        desk.note_left(stay)
        desk.drop(stay)
        self.start_over(stay.lease)

    def lose_images(self, lease: Lease) -> None:
        """Have a lease whose memory images are gone start over."""
        if lease.stays:
            self._desk.remove_images(lease)
            self.requeue(lease)
            return
        self.start_over(lease)
        state = LeaseState.HELD if lease.parked else LeaseState.QUEUED
        if lease.state not in (state, LeaseState.HELD):
            self._desk.enter(lease, state)
        if lease not in self._desk.queue:
            self._desk.enqueue(lease)

    def start_over(self, lease: Lease) -> None:
        """Forget what a lease has been given: all of it is left to deliver."""
        for entry in lease.log:
            if entry.kind == "run":
                entry.outcome = "lost"
        self._desk.touched.add(lease.id)
        lease.delivered = 0
        lease.left = FAR_FUTURE if lease.terms.duration is None else lease.terms.duration
        lease.over, lease.down, lease.seen, lease.foreign = frozenset(), frozenset(), NOTHING_SEEN, False
        if lease.images is not None:
            self._desk.remove_images(lease)
            if self._desk.images is not None:
                self._desk.images.cancel(lease)
        lease.rested, lease.moving = None, ()

    def move_transfer(self, transfer: Transfer) -> None:
        """Begin a transfer, or end it."""
        desk = self._desk
        images = desk.images
        if images is None:
            raise AssertionError("a transfer was planned although images are not managed; this is a bug in Haizea")
        leases = {lease.id: lease for lease, _host, _vms in transfer.targets}.values()
        if transfer.state is TransferState.PLANNED:
            images.begin(transfer)
            for lease in leases:
                if lease.state is LeaseState.SCHEDULED:
                    desk.enter(lease, LeaseState.PREPARING)
            for lease in list(leases)[:1]:
                if lease.stays:
                    transfer.told = lease.id
                    desk.effects.append(
                        Command(desk.now, Verb.TRANSFER, lease.id, transfer.end, transfer.destinations())
                    )
            desk.arm_transfer(transfer)
            return
        images.finish(transfer)
        for lease, host, vms in transfer.targets:
            lease.transfers = (*lease.transfers, (host, vms, transfer.start, transfer.end))
            desk.touched.add(lease.id)
            for vm in vms if lease.down else ():
                if desk.alarms.get(Bell.RESTART, lease.id, vm) is not None:
                    desk.alarms.set(Bell.RESTART, lease.id, desk.now, vm)
        for lease in leases:
            if lease.state in (LeaseState.PREPARING, LeaseState.SCHEDULED) and not images.pending(lease):
                desk.enter(lease, LeaseState.READY)
