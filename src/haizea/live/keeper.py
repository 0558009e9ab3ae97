"""The step of live operation: what happens in one instant is kept in one transaction before anybody hears of it.

Jobs and reports come in, the scheduler decides, rows and commands are written, and only then answers are given and
commands sent. While the store cannot be written nothing new is taken in; but time goes on, promises are kept and
commands sent nevertheless, and what is not yet written is written first when the store is back.

The order of things is here. Each thing by itself is in :mod:`~haizea.live.jobs`, :mod:`~haizea.live.entries`,
:mod:`~haizea.live.outbox` and :mod:`~haizea.live.writing`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.live.entries import Entries
from haizea.live.estimates import Learner
from haizea.live.inbox import Inbox, Job
from haizea.live.jobs import Answer, Jobs, fail, finished, refuse
from haizea.live.leftovers import Leftovers
from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.operations import Operations
from haizea.live.outbox import Outbox
from haizea.live.records import SITE, changed_entry, lease_row, notice_entry, site_document
from haizea.live.unwritten import Mending
from haizea.live.writing import MakeMending, Writing
from haizea.model.effects import Command, Effect, HostChanged, LeaseChanged, Refused
from haizea.model.events import CancelRequested, Event, InstanceObserved, LeaseRequested, SiteChanged, TimePassed
from haizea.model.lease import LeaseState
from haizea.model.reason import Reason
from haizea.model.units import Instant
from haizea.runtime.changes import WITHDRAWN
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow, LeaseRow, Loaded
from haizea.runtime.store import Store, StoreUnavailable, Transaction


class Keeper:
    """Takes steps. Also the :class:`~haizea.runtime.changes.Change` that jobs are handed."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        inbox: Inbox,
        loaded: Loaded,
        send: Callable[[CommandRow], None],
        operations: Operations,
        learner: Learner,
        gauge: Gauge,
        warn: Callable[[str], None],
        checkpoint: Checkpoint,
        mending: MakeMending = Mending,
    ) -> None:
        """Take the parts; ``loaded`` gives the next numbers, ``send`` hands commands to the platform."""
        self.scheduler = scheduler
        self.writing = Writing(store, loaded.next_entry - 1, inbox.wake, gauge, warn, checkpoint, mending)
        self.now: Instant = scheduler.desk.now
        self._checkpoint = checkpoint
        self._entries = Entries(self.writing, loaded.next_entry)
        self._outbox = Outbox(self.writing, self._entries, loaded, send, operations, gauge, checkpoint)
        self._operations = operations
        self.leftovers = Leftovers(scheduler, operations)
        self._learner = learner
        self._jobs = Jobs(inbox, gauge)
        self._next_lease = loaded.next_lease
        self._finish: Callable[[], Any] | None = None
        self._requested: list[int] = []
        self._news = False

    # The Change that jobs see --------------------------------------------------------------------------------

    @property
    def transaction(self) -> Transaction:
        """The step's transaction."""
        return self.writing.transaction

    def note(
        self,
        kind: str,
        actor: str,
        text: str,
        *,
        lease: int | None = None,
        host: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an entry to the journal."""
        self._entries.note(self.now, kind, actor, text, lease, host, data)

    def hand_over(self, event: Event, taken: Callable[[], None] | None = None) -> Reason | None:
        """Hand an event to the scheduler; return why an order was refused, None where it was taken.

        ``taken`` is called where it was, before the journal tells what it has led to.
        """
        if isinstance(event, LeaseRequested):
            self._requested.append(event.lease)
        elif isinstance(event, InstanceObserved):
            self.leftovers.saw(event.lease, event.vm, event.observed)
        # What the scheduler knows may be different without anybody's being told.
        self._news |= not isinstance(event, TimePassed) or self.scheduler.desk.alarms.next_at <= event.at
        effects = self.scheduler.handle(event)
        if isinstance(event, SiteChanged):
            # Hosts that were taken away keep their numbers.
            self.writing.unwritten.facts[SITE] = site_document(self.scheduler.desk.real)
        if taken is not None and not any(isinstance(effect, Refused) for effect in effects):
            taken()
        return self._take_note(effects)

    def new_lease(self) -> int:
        """Return a number that no lease has had."""
        number = self._next_lease
        self._next_lease += 1
        return number

    def then(self, finish: Callable[[], Any]) -> None:
        """Have the present job answered by what this returns when the scheduler has decided."""
        self._finish = finish

    def row(self, lease: int) -> LeaseRow | None:
        """Return a lease as it will be kept."""
        changed = self.writing.unwritten.leases.get(lease)
        return changed if changed is not None else self.writing.store.lease(lease)

    # Steps ---------------------------------------------------------------------------------------------------

    def take(self, now: Instant, events: Sequence[Event | Report]) -> None:
        """Take a step: everything that came in, and that time has passed."""
        self.now = now
        writing = self.writing
        writing.look()
        changing, looking = self._jobs.take()
        self._requested = []
        self._outbox.begin()
        self._entries.begin()
        begun = time.perf_counter()
        # What is not wanted is removed before anything is begun.
        self._outbox.take_orders(now)
        answers = self._change(changing)
        for event in events:
            if isinstance(event, Report):
                self._reported(event)
            else:
                self.hand_over(event)
        for late in self._operations.late(now):
            # Before the scheduler takes them to be over.
            self.hand_over(late)
            self.leftovers.late(late)
        self.hand_over(TimePassed(now))
        if not writing.trouble:
            # A platform may look up whether their lease is final.
            for command in self.leftovers.due(now):
                self._outbox.add(command)
        self._complete()
        self._checkpoint("decided")
        if writing.unwritten and not writing.begun and writing.writable():
            self._begin()
        told = [finished(job, finish) for job, finish in answers]
        if writing.begun and not writing.commit(begun):
            told = self._withdraw(told)
        self._jobs.answer(told)
        self._checkpoint("answered")
        self._jobs.answer([finished(job, partial(job.work, self)) for job in looking])
        if not writing.deposed:
            self._outbox.send()
        if writing.to_mend:
            self._outbox.repeat_reserved()
            writing.mend()

    def _reported(self, report: Report) -> None:
        """See to what a command's end means."""
        operation, events = self._outbox.report(self.now, report)
        if operation is not None:
            for rates in self._learner.carried_out(operation, report, self.now):
                self.hand_over(rates)
            for event in events:
                self.hand_over(event)

    def order(self, verb: str, lease: int, hosts: tuple[int, ...], *, known: bool) -> None:
        """Have a command sent with the next step that no scheduler has thought of.

        A lease that the store does not know cannot have commands there, only a line in the journal.
        """
        self._outbox.order(verb, lease, hosts, known=known)

    def reserve(self) -> None:
        """Give away numbers of commands ahead; before any is sent.

        Raises:
            haizea.runtime.store.StoreError: that cannot be kept.
        """
        self._outbox.reserve()

    def flush(self) -> None:
        """Write whatever is not written yet, when the loop has ended."""
        self.writing.flush(self.scheduler.remember(), self._outbox.next)

    def refuse_all(self) -> None:
        """Tell everybody who waits for an answer that there will be none: the loop has ended."""
        self._jobs.refuse_all()

    def _begin(self) -> bool:
        self._outbox.reserve_more()
        return self.writing.begin()

    def _change(self, jobs: Sequence[Job]) -> list[tuple[Job, Callable[[], Any]]]:
        """Do jobs; return how each is to be answered later. One that raises is answered at once."""
        answers: list[tuple[Job, Callable[[], Any]]] = []
        if not jobs:
            return answers
        if not self.writing.writable() or not self._begin():
            refuse(jobs, self.writing.trouble)
            return answers
        for number, job in enumerate(jobs, 1):
            self._finish = None
            try:
                answer = job.work(self)
            except Exception as problem:
                # Whatever it is, it is the answer, and whoever asked is the one to deal with it.
                fail(job, problem)
                if isinstance(problem.__cause__, StoreUnavailable):
                    # The others would only wait for the same.
                    self.writing.out_of_reach(problem.__cause__)
                    refuse(jobs[number:], self.writing.trouble)
                    break
            else:
                answers.append((job, self._finisher(answer)))
        self._checkpoint("jobs")
        return answers

    def _finisher(self, answer: Any) -> Callable[[], Any]:
        return self._finish if self._finish is not None else lambda: answer

    def _withdraw(self, answers: Sequence[Answer]) -> list[Answer]:
        """Take back what was decided upon but could not be kept: whoever asked is told that it was not."""
        for lease in self._requested:
            if lease in self.scheduler.desk.leases:
                self.hand_over(CancelRequested(self.now, lease, WITHDRAWN))
        self.hand_over(TimePassed(self.now))
        self._outbox.withdraw(self._requested)
        self._complete()
        return [Answer(each.job, StoreUnavailable(self.writing.trouble), well=False) for each in answers]

    # The scheduler -------------------------------------------------------------------------------------------

    def _complete(self) -> None:
        """Complete what is to be kept, the scheduler having decided."""
        self._entries.give_versions(self.now)
        if self.writing.unwritten or self._news:
            self.writing.unwritten.rest = self.scheduler.remember()
            self._news = False

    def _take_note(self, effects: Sequence[Effect | Retired]) -> Reason | None:
        """Have what the scheduler wants kept and done; return why it refused an order, where it did."""
        refusal: Reason | None = None
        desk, entries = self.scheduler.desk, self._entries
        for effect in effects:
            if isinstance(effect, Retired):
                entries.change(lease_row(effect.lease, desk, 0))
                self.leftovers.retired(effect.lease)
            elif isinstance(effect, Command):
                self._outbox.add(effect)
                self.leftovers.commanded(effect)
            elif isinstance(effect, LeaseChanged):
                # That it is pending is over before anybody reads of it, and that it was requested is written already.
                if effect.state is not LeaseState.PENDING:
                    entries.add(changed_entry, effect)
            elif isinstance(effect, Refused):
                refusal = effect.reason
            elif isinstance(effect, HostChanged):
                name = desk.site.hosts[effect.host].name
                self.note("host-changed", "haizea", effect.text, host=name, data={"state": effect.state.value})
            else:
                entries.add(notice_entry, effect)
        for touched in desk.touched:
            lease = desk.leases.get(touched)
            if lease is not None:
                entries.change(lease_row(lease, desk, 0))
        return refusal
