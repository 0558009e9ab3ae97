"""Suspending and resuming leases by hand, and holding them back.

A lease that is suspended by hand is ``parked``: it is not in the queue, and stays suspended until it is ordered to be
resumed. The time of a reservation goes on meanwhile; an alarm ends it when it is over.
"""

from typing import Final

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.orders import Refusal, Trial, has_vms, refuse
from haizea.core.promises import window_end
from haizea.core.reasons import instant
from haizea.core.repair import Repair
from haizea.core.replanning import Replanning
from haizea.core.wishes import Wishes
from haizea.model.events import LeaseOrdered
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.orders import Hold, Release, Resume, Suspend
from haizea.model.reason import Cause
from haizea.model.units import FAR_FUTURE, Span
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.options import Suspension

_PROMISED: Final = (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE)


def by_whom(event: LeaseOrdered) -> str:
    """Say by whom a lease is kept from being started."""
    return event.by or "an order"


class Suspending:
    """Suspends, resumes, holds back and releases leases."""

    def __init__(
        self, desk: Desk, execution: Execution, repair: Repair, wishes: Wishes, replanning: Replanning, trial: Trial
    ) -> None:
        self._desk = desk
        self._execution = execution
        self._repair = repair
        self._wishes = wishes
        self._replanning = replanning
        self._trial = trial

    # Suspension ----------------------------------------------------------------------------------------------

    def suspend(self, lease: Lease, _order: Suspend, event: LeaseOrdered) -> None:
        """Suspend a lease, or keep one suspended that is."""
        desk = self._desk
        if lease.state is LeaseState.SUSPENDING:
            if lease.parked:
                raise refuse(f"Lease {lease.id} is being suspended already.")
            self._drop_rest(lease)
            lease.parked = by_whom(event)
            desk.touched.add(lease.id)
            return
        if lease.state in (LeaseState.SUSPENDED_QUEUED, LeaseState.SUSPENDED_SCHEDULED):
            if lease.parked:
                raise refuse(f"Lease {lease.id} is suspended already, until it is resumed by an order.")
            self._park(lease, LeaseState.SUSPENDED_QUEUED, by_whom(event))
            return
        stay = lease.stays[0]
        span = self._time(lease, stay)
        old = stay.end
        if desk.now + span >= old:
            raise refuse(
                f"Suspending lease {lease.id} takes until {instant(desk.now + span)}, and it ends at {instant(old)}."
            )
        if lease.type is LeaseType.ADVANCE_RESERVATION and stay.run_end < FAR_FUTURE:
            desk.alarms.set(Bell.WINDOW, lease.id, stay.run_end)
        self._drop_rest(lease)
        lease.parked = by_whom(event)
        desk.touched.add(lease.id)
        desk.table.release(desk.now + span, old, stay.placement.held)
        desk.free_early(old)
        stay.run_end, stay.end, stay.suspending = desk.now, desk.now + span, True
        desk.arm(stay)
        self._execution.move(stay)

    def _time(self, lease: Lease, stay: Stay) -> Span:
        """Return how long suspending a lease takes, by an order, whether or not it may be preempted."""
        options = self._desk.options
        if options.suspension is Suspension.NONE:
            raise refuse("This site suspends no leases (its option suspension is none).", Cause.POLICY)
        if options.suspension is Suspension.SERIAL and lease.need.vms > 1:
            raise refuse(
                "This site suspends only leases of one VM (its option suspension is serial-only).", Cause.POLICY
            )
        return self._desk.preemption.suspension(lease, stay)

    def _drop_rest(self, lease: Lease) -> None:
        """Give up what was planned after the present stay."""
        for other in lease.stays[1:]:
            self._desk.free_early(other.end)
            self._desk.drop(other)

    def _park(self, lease: Lease, state: LeaseState, by: str) -> None:
        """Take a suspended lease out of the queue, and what it has reserved away from it."""
        self._replanning.unplan(lease)
        if lease in self._desk.queue:
            self._desk.queue.remove(lease)
        lease.parked = by
        self._desk.touched.add(lease.id)
        if lease.state is not state:
            self._desk.enter(lease, state)

    # Resumption ----------------------------------------------------------------------------------------------

    def resume(self, lease: Lease, _order: Resume, event: LeaseOrdered) -> None:
        """Resume a lease as soon as there is room; one that has lost its images meanwhile starts over."""
        if lease.state is LeaseState.HELD:
            self.release(lease, Release(), event)
            return
        if not lease.parked:
            raise refuse(f"Lease {lease.id} was not suspended by an order, and will be resumed as planned.")
        if lease.state is LeaseState.SUSPENDING:
            if lease.type in _PROMISED or not lease.left:
                until = lease.stays[0].end
                text = f"Lease {lease.id} is being suspended until {instant(until)}; it can be resumed then."
                raise refuse(text, retry_at=until)
            self._unpark(lease)
        elif not lease.left:
            self._resume_with_more(lease, event)
        else:
            self._schedule(lease, event)

    def _resume_with_more(self, lease: Lease, event: LeaseOrdered) -> None:
        """Resume a lease of which the time is over, for as long as it would be extended by."""
        desk, terms, more = self._desk, lease.terms, lease.terms.reactions.extend_by
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            self._trial(event)
        kept = desk.alarms.get(Bell.KEPT, lease.id)
        lease.left = more
        duration = None if terms.duration is None else terms.duration + more
        if lease.type is LeaseType.ADVANCE_RESERVATION and terms.start is not None:
            # Its time begins anew.
            duration = desk.now + more - terms.start
        lease.terms = terms._replace(duration=duration)
        desk.alarms.cancel(Bell.KEPT, lease.id)
        try:
            self._schedule(lease, event)
        except Refusal:
            lease.left, lease.terms = 0, terms
            if kept is not None:
                desk.alarms.set(Bell.KEPT, lease.id, kept)
            raise

    def _unpark(self, lease: Lease) -> None:
        """Nobody keeps a lease from being scheduled any more; what was before does not count."""
        lease.parked, lease.contradictions, lease.restarts = "", 0, 0
        if not lease.degraded:
            lease.reason = None
        self._desk.touched.add(lease.id)

    def _schedule(self, lease: Lease, event: LeaseOrdered) -> None:
        """Have a lease without hosts be scheduled again."""
        desk = self._desk
        if lease.type is LeaseType.DEADLINE:
            self._again(lease, event)
            return
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            self._trial(event)
        self._unpark(lease)
        if lease.state is LeaseState.HELD:
            desk.enter(lease, LeaseState.SUSPENDED_QUEUED if lease.images else LeaseState.QUEUED)
        if lease.type is not LeaseType.ADVANCE_RESERVATION:
            desk.enqueue(lease)
        elif not self._repair.go_on(lease):
            over = window_end(lease)
            until = "" if over >= FAR_FUTURE else f" before its time is over at {instant(over)}"
            text = f"There is no room for lease {lease.id} any more{until}. Others have what it had."
            raise refuse(text, Cause.RESERVED)

    def _again(self, lease: Lease, event: LeaseOrdered) -> None:
        """Book what is left of a deadline lease."""
        self._trial(event)
        self._unpark(lease)
        refusal = self._replanning.book(lease)
        if refusal is not None:
            raise refuse(
                f"What is left of lease {lease.id} cannot end by its deadline; it can be given a later one, or be made"
                f" shorter. {refusal.text}",
                refusal.cause,
                refusal.retry_at,
            )

    # Holding back --------------------------------------------------------------------------------------------

    def hold(self, lease: Lease, _order: Hold, event: LeaseOrdered) -> None:
        """Hold a lease back that does not run."""
        desk = self._desk
        if lease.parked:
            raise refuse(f"Lease {lease.id} was suspended by an order already, and is not resumed without one.")
        if lease.type is LeaseType.ADVANCE_RESERVATION and lease.stays:
            desk.enter(lease, LeaseState.HELD)
            desk.arm(lease.stays[0])
            return
        self._park(lease, LeaseState.HELD, by_whom(event))

    def release(self, lease: Lease, _order: Release, event: LeaseOrdered) -> None:
        """Release a lease that is held back, or was put on hold with its VMs."""
        desk = self._desk
        if has_vms(lease):
            stay = lease.stays[0]
            states = {Phase.RUNNING: LeaseState.ACTIVE, Phase.RESUMING: LeaseState.RESUMING}
            self._unpark(lease)
            desk.enter(lease, states.get(stay.phase, LeaseState.SUSPENDING))
            if stay.phase is Phase.RUNNING and lease.down:
                self._wishes.start(stay, tuple(sorted(lease.down)))
        elif lease.stays:
            self._release_reservation(lease)
        else:
            self._schedule(lease, event)

    def _release_reservation(self, lease: Lease) -> None:
        desk, stay = self._desk, lease.stays[0]
        if stay.run_end <= desk.now:
            raise refuse(f"The time of lease {lease.id} was over at {instant(stay.run_end)}.", Cause.PAST)
        preparing = desk.images is not None and lease.terms.software is not None and desk.images.pending(lease)
        self._unpark(lease)
        if stay.resuming:
            desk.enter(lease, LeaseState.SUSPENDED_SCHEDULED)
        else:
            desk.enter(lease, LeaseState.SCHEDULED if preparing else LeaseState.READY)
        if stay.start > desk.now:
            desk.arm(stay)
            return
        resuming = stay.run_start - stay.start
        stay.start, stay.run_start = desk.now, min(stay.run_end, desk.now + resuming)
        self._execution.begin(stay)
