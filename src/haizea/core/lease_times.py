"""Orders about when a lease runs: longer, shorter, at another time, until another deadline."""

from haizea.core.alarms import Bell
from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.orders import Refusal, Trial, has_vms, refuse
from haizea.core.reasons import instant
from haizea.core.replanning import Replanning
from haizea.model.events import LeaseOrdered
from haizea.model.lease import LeaseState, LeaseTerms, LeaseType
from haizea.model.orders import EndBy, Last, StartAt
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of


class Times:
    """Changes how long leases last and when they run."""

    def __init__(self, desk: Desk, booking: Booking, replanning: Replanning, trial: Trial) -> None:
        self._desk = desk
        self._booking = booking
        self._replanning = replanning
        self._trial = trial

    # Longer or shorter ---------------------------------------------------------------------------------------

    def last(self, lease: Lease, order: Last, _event: LeaseOrdered) -> None:
        """Have a lease last longer or shorter."""
        duration, old = order.duration, lease.terms.duration
        if duration is not None and duration <= 0:
            raise refuse("A lease lasts longer than no time; to end it, terminate it.")
        if duration == old:
            raise refuse(f"Lease {lease.id} lasts as long as that already.")
        if lease.type is LeaseType.DEADLINE and duration is None:
            raise refuse(f"Lease {lease.id} has a deadline, so it cannot last for ever.", Cause.DEADLINE)
        left = self._left(lease, duration)
        last = lease.stays[-1] if lease.stays else None
        if last is not None and last.phase is Phase.ENDING and not last.suspending:
            raise refuse(f"Lease {lease.id} is being shut down already; it ends at {instant(last.end)}.")
        if last is None or (last.phase is Phase.ENDING and last.suspending):
            self._change_rest(lease, duration, left)
        elif last.suspending:
            self._change_gap(lease, last, duration, left)
        else:
            self._change_end(lease, last, duration, left)

    def _left(self, lease: Lease, duration: Span | None) -> Span:
        """Return what will be left of a lease of another duration."""
        if duration is None:
            return FAR_FUTURE
        old = lease.terms.duration
        left = duration - lease.delivered if old is None else lease.left + duration - old
        ran = max(0, self._desk.now - lease.stays[0].run_start) if has_vms(lease) and _runs(lease) else 0
        if left <= ran:
            raise refuse(
                f"Lease {lease.id} has run for {(lease.delivered + ran) // SECOND} s already, of"
                f" {duration // SECOND} s; to end it, terminate it.",
                Cause.PAST,
            )
        return left

    def _set(self, lease: Lease, duration: Span | None, left: Span) -> None:
        lease.terms = lease.terms._replace(duration=duration)
        lease.left = left
        self._desk.touched.add(lease.id)

    def _change_rest(self, lease: Lease, duration: Span | None, left: Span) -> None:
        """Change a lease that has no plan."""
        desk = self._desk
        self._check_deadline(lease, lease.terms._replace(duration=duration), left)
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            start = lease.terms.start or desk.now
            over = FAR_FUTURE if duration is None else start + duration
            if over <= desk.now:
                raise refuse(f"The time of lease {lease.id} would have been over at {instant(over)}.", Cause.PAST)
            desk.alarms.cancel(Bell.WINDOW, lease.id)
            if over < FAR_FUTURE:
                desk.alarms.set(Bell.WINDOW, lease.id, over)
        self._set(lease, duration, left)

    def _check_deadline(self, lease: Lease, terms: LeaseTerms, left: Span) -> None:
        if terms.deadline is None:
            return
        earliest = max(terms.start or 0, self._desk.now) + left
        if earliest > terms.deadline:
            text = f"Lease {lease.id} could end at {instant(earliest)} at the earliest, after its deadline"
            raise refuse(f"{text} at {instant(terms.deadline)}.", Cause.DEADLINE)

    def _change_gap(self, lease: Lease, stay: Stay, duration: Span | None, left: Span) -> None:
        """Change a lease that is to be suspended, and to go on at a time that is not known yet."""
        if left > stay.runs:
            self._set(lease, duration, left)
            return
        if stay.phase is Phase.PLANNED:
            self._set(lease, duration, left)
            self._replanning.to_queue(lease)
            return
        # It ends before it would have been suspended.
        end = stay.run_start + left + self._desk.planner.shutdown(lease)
        if end > stay.end:
            text = f"Lease {lease.id} is to be suspended by {instant(stay.end)}, before it could be shut down"
            raise refuse(f"{text}; make it shorter, or a bit longer.")
        stay.suspending = False
        self._set(lease, duration, left)
        self._cut(stay, stay.run_start + left, end)

    def _change_end(self, lease: Lease, stay: Stay, duration: Span | None, left: Span) -> None:
        """Change a lease that is planned to its end."""
        desk = self._desk
        before = sum(other.runs for other in lease.stays[:-1] if other.phase is not Phase.ENDING)
        run_end = FAR_FUTURE if left >= FAR_FUTURE else stay.run_start + left - before
        if lease.type is LeaseType.ADVANCE_RESERVATION and left < FAR_FUTURE and stay.run_end < FAR_FUTURE:
            # One that has begun late ends at its time all the same.
            run_end = stay.run_end + left - lease.left
        if run_end <= max(desk.now, stay.run_start):
            raise refuse(f"Lease {lease.id} would be over before it goes on at {instant(stay.run_start)}.", Cause.PAST)
        deadline = lease.terms.deadline
        if deadline is not None and run_end > deadline:
            text = f"Lease {lease.id} would run until {instant(run_end)}, after its deadline at {instant(deadline)}"
            raise refuse(f"{text}; give it a later one first.", Cause.DEADLINE)
        end = min(FAR_FUTURE, run_end + desk.planner.shutdown(lease))
        if end <= stay.end:
            self._set(lease, duration, left)
            self._cut(stay, run_end, end)
        elif self._free(stay, end):
            self._set(lease, duration, left)
            desk.table.hold(stay.end, end, stay.placement.held)
            stay.run_end, stay.end = run_end, end
            desk.rearm(stay)
        elif lease.type is LeaseType.BEST_EFFORT and stay.phase is Phase.PLANNED:
            self._set(lease, duration, left)
            self._replanning.to_queue(lease)
        else:
            self._elsewhere(lease, stay, duration, left, (run_end, end))

    def _cut(self, stay: Stay, run_end: Instant, end: Instant) -> None:
        desk = self._desk
        if end < stay.end:
            desk.table.release(max(end, desk.now), stay.end, stay.placement.held)
            desk.free_early(stay.end)
        stay.run_end, stay.end = run_end, end
        desk.rearm(stay)

    def _free(self, stay: Stay, end: Instant) -> bool:
        """Whether hosts are free for longer, once best-effort leases that have not begun are planned anew."""
        desk = self._desk
        window = (stay.end, end)
        if desk.table.has_room(desk.table.window(*window), stay.placement.held):
            return True
        mine = set(hosts_of(stay, desk.table))
        movable = [
            lease
            for lease in desk.reserved
            if lease is not stay.lease
            and lease.stays
            and lease.stays[0].phase is Phase.PLANNED
            and lease.stays[0].start < end
            and lease.stays[0].end > stay.end
            and mine & set(hosts_of(lease.stays[0], desk.table))
        ]
        desk.table.begin()
        for lease in movable:
            other = lease.stays[0]
            desk.table.release(other.start, other.end, other.placement.held)
        free = desk.table.has_room(desk.table.window(*window), stay.placement.held)
        desk.table.undo()
        if free:
            for lease in movable:
                self._replanning.to_queue(lease)
        return free

    def _elsewhere(
        self, lease: Lease, stay: Stay, duration: Span | None, left: Span, ends: tuple[Instant, Instant]
    ) -> None:
        """Have a lease that has not begun start at its time on other hosts, for longer."""
        desk = self._desk
        prepared = desk.images is not None and lease.terms.software is not None
        placement = None
        if stay.phase is Phase.PLANNED and not stay.resuming and not prepared and stay.start > desk.now:
            desk.table.begin()
            desk.table.release(stay.start, stay.end, stay.placement.held)
            usable = desk.hosts.usable(lease.terms.constraints)
            placement = desk.planner.find(lease, stay.start, ends[1], usable)
            desk.table.undo()
        if placement is None:
            raise self._taken(lease, stay, ends[1])
        self._set(lease, duration, left)
        desk.table.release(stay.start, stay.end, stay.placement.held)
        stay.placement, stay.vm_hosts = placement, None
        stay.run_end, stay.end = ends
        desk.table.hold(stay.start, stay.end, placement.held)
        desk.rearm(stay)

    def _taken(self, lease: Lease, stay: Stay, end: Instant) -> Refusal:
        """Say who has the hosts of a lease after it, and until when it can be extended."""
        desk = self._desk
        until = desk.table.room_until(stay.end, end, stay.placement.held)
        mine = set(hosts_of(stay, desk.table))
        blocking = sorted(
            other.id
            for other in desk.leases.values()
            if other is not lease
            and any(s.start <= until < s.end and mine & set(hosts_of(s, desk.table)) for s in other.stays)
        )
        by = f" by lease{'s' if len(blocking) > 1 else ''} {', '.join(map(str, blocking[:5]))}" if blocking else ""
        text = f"The hosts of lease {lease.id} are reserved{by} from {instant(until)}"
        longest = until - (stay.end - stay.run_end)
        text += f"; until {instant(longest)} it can be extended." if longest > stay.run_end else "."
        return Refusal(Reason(Cause.RESERVED, text, leases=tuple(blocking)))

    # At another time -----------------------------------------------------------------------------------------

    def start_at(self, lease: Lease, order: StartAt, event: LeaseOrdered) -> None:
        """Move the start of a reservation, or the earliest start of a deadline lease."""
        self._check_not_begun(lease)
        if lease.terms.start is None:
            raise refuse(f"Lease {lease.id} has no start that could be moved: it starts as soon as it can.")
        if order.start < self._desk.now:
            raise refuse(f"It is {instant(self._desk.now)} already, after {instant(order.start)}.", Cause.PAST)
        terms = lease.terms._replace(start=order.start)
        self._check_deadline(lease, terms, lease.left)
        if lease.state is LeaseState.HELD and not lease.stays:
            lease.terms = terms
            self._desk.touched.add(lease.id)
            return
        self._book_again(lease, terms, event)

    def end_by(self, lease: Lease, order: EndBy, event: LeaseOrdered) -> None:
        """Give a deadline lease another deadline."""
        if lease.type is not LeaseType.DEADLINE:
            raise refuse(f"Lease {lease.id} has no deadline; it is of type {lease.type.value}.")
        terms = lease.terms._replace(deadline=order.deadline)
        ran = sum(stay.runs for stay in lease.stays if stay.phase is not Phase.ENDING)
        if not lease.stays or ran != lease.left:
            self._check_deadline(lease, terms, lease.left)
        if not lease.stays or lease.stays[-1].run_end <= order.deadline:
            lease.terms = terms
            self._desk.touched.add(lease.id)
            return
        if has_vms(lease) or lease.images or lease.log:
            end = lease.stays[-1].run_end
            text = f"Lease {lease.id} has begun, and is planned to run until {instant(end)}"
            raise refuse(f"{text}; it can be made shorter.", Cause.DEADLINE, end)
        self._book_again(lease, terms, event)

    def _check_not_begun(self, lease: Lease) -> None:
        if has_vms(lease) or lease.images:
            raise refuse(f"Lease {lease.id} has begun already.")

    def _book_again(self, lease: Lease, terms: LeaseTerms, event: LeaseOrdered) -> None:
        """Book a lease that has not begun for other terms; nothing has changed where that is refused."""
        self._trial(event)
        held = lease.state is LeaseState.HELD
        self._replanning.unplan(lease)
        lease.terms = terms
        self._desk.touched.add(lease.id)
        if held:
            self._desk.enter(lease, LeaseState.SCHEDULED)
        refusal = self._replanning.book(lease)
        if refusal is not None:
            raise Refusal(refusal)
        if held and lease.stays and lease.stays[0].phase is Phase.PLANNED:
            self._desk.enter(lease, LeaseState.HELD)
            self._desk.rearm(lease.stays[0])


def _runs(lease: Lease) -> bool:
    return lease.stays[0].phase is Phase.RUNNING
