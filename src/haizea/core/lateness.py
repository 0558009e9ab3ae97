"""What is due and was not done in time: the daemon was down, the clock jumped, the machine was too busy.

What had been begun has gone on meanwhile: resumptions and suspensions that were to be over are. What was to begin
begins now, with less time or, where time was not promised at a certain hour, in another place in the schedule. What
was to end has run on until now, and whoever is in the way is planned anew. In a simulation nothing is ever late.
"""

from haizea.core import bringing
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.reasons import span
from haizea.core.repair import Repair
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.units import SECOND, Instant, Span
from haizea.plan.images import Transfer, TransferState
from haizea.plan.lease import Phase, Stay


class Lateness:
    """Does what is due, in order of time, and deals with what is due for longer than the rules tolerate."""

    def __init__(self, desk: Desk, execution: Execution, repair: Repair) -> None:
        self._desk = desk
        self._execution = execution
        self._repair = repair

    def catch_up(self) -> None:
        """Have whoever is still on its hosts though its end was missed hold them, before others are put there."""
        at = self._desk.next_instant()
        if at is not None and self._desk.now - at > self._desk.options.lateness_max:
            self._let_run_on()

    def run_due(self) -> None:
        """Do everything that is due by now, ends before starts."""
        desk, execution = self._desk, self._execution
        most = desk.options.lateness_max
        all_run_on = False
        while (thing := desk.due()) is not None:
            late = desk.now - desk.due_at
            if late > most:
                timer = thing.timer
                if not all_run_on:
                    self._let_run_on()
                    all_run_on = True
                if _still_due(thing, timer):
                    self._late(thing, late)
            elif isinstance(thing, Transfer):
                execution.move_transfer(thing)
            else:
                execution.move(thing)

    def _late(self, thing: Stay | Transfer, late: Span) -> None:
        if isinstance(thing, Transfer):
            if thing.state is TransferState.PLANNED:
                self._transfer_missed(thing)
            else:
                self._execution.move_transfer(thing)
        elif thing.phase is Phase.PLANNED:
            self._start_missed(thing, late)
        else:
            if thing.phase is Phase.RUNNING and self._desk.now > thing.run_end:
                # It was resumed meanwhile, and its end missed too.
                timer = thing.timer
                self._let_run_on()
                if not _still_due(thing, timer):
                    return
            self._execution.move(thing)

    def _start_missed(self, stay: Stay, late: Span) -> None:
        desk, lease = self._desk, stay.lease
        reason = Reason(Cause.PAST, f"Its start was missed by {span(late // SECOND * SECOND)}.")
        if lease.type is LeaseType.BEST_EFFORT:
            self._execution.requeue(lease)
            desk.free_early(stay.end)
        elif lease.type is LeaseType.DEADLINE or stay.resuming:
            self._repair.replace(lease, reason)
        elif stay.run_end <= desk.now:
            self._execution.stop(lease, "lost")
            desk.retire(lease, LeaseState.FAILED, Reason(Cause.PAST, f"{reason.text} Its time is over."))
        else:
            stay.start = stay.run_start = desk.now
            desk.notify(lease, f"Lease {lease.id} starts {span(late // SECOND * SECOND)} late. It ends when it was to.")
            self._execution.begin(stay)

    def _let_run_on(self) -> None:
        """Have everybody whose end was missed hold their hosts for as long as ending takes from now on."""
        desk = self._desk
        overdue: list[tuple[Stay, Instant]] = []
        for lease in list(desk.leases.values()):
            for stay in lease.stays[:1]:
                if stay.phase is Phase.RUNNING and desk.now - stay.run_end > desk.options.lateness_max:
                    overdue.append((stay, desk.now + self._length_of_end(stay)))
                    stay.run_end = desk.now
        self._repair.run_on(overdue, Reason(Cause.PAST, "A lease before it was not ended in time."))

    def _length_of_end(self, stay: Stay) -> Span:
        lease, desk = stay.lease, self._desk
        if not stay.suspending or lease.left > desk.now - stay.run_start:
            return stay.end - stay.run_end
        # It has had all its time meanwhile: there is nothing to be suspended for.
        for other in lease.stays[1:]:
            desk.drop(other)
        stay.suspending = False
        return desk.planner.shutdown(lease)

    def _transfer_missed(self, transfer: Transfer) -> None:
        """Plan whoever waits for a transfer anew: it can begin only now."""
        desk = self._desk
        if desk.images is None:
            raise AssertionError("a transfer was planned although images are not managed; this is a bug in Haizea")
        reason = Reason(Cause.PREPARATION, "The transfer of its disk image was not begun in time.")
        waiting = list({target[0].id: target[0] for target in transfer.targets}.values())
        # First nobody is on it any more, so that none of them is put on it again.
        for lease in waiting:
            desk.images.cancel(lease)
        for lease in waiting:
            if lease.stays and lease.stays[0].phase is not Phase.PLANNED:
                bringing.again(desk, lease)
            elif lease.stays:
                self._repair.replace(lease, reason)


def _still_due(thing: Stay | Transfer, timer: int) -> bool:
    """Whether what was due is still: making way for others may have moved it to another time, or ended it."""
    over = thing.phase is Phase.OVER if isinstance(thing, Stay) else thing.state is TransferState.OVER
    return not over and thing.timer == timer
