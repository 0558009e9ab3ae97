"""The step of live operation: what happens in one instant is kept in one transaction before anybody hears of it.

Jobs and reports come in, the scheduler decides, rows and commands are written, and only then answers are given and
commands sent. While the store cannot be written nothing new is taken in; but time goes on, promises are kept and
commands sent nevertheless, and what is not yet written is written first when the store is back.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Final, Protocol

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.live.inbox import Inbox, Job
from haizea.live.records import changed_entry, command_entry, command_row, lease_row, notice_entry, usage_rows
from haizea.model.effects import Command, LeaseChanged
from haizea.model.events import (
    CancelRequested,
    Event,
    LeaseRequested,
    OperationOutcome,
    OperationReported,
    TimePassed,
)
from haizea.model.units import Instant
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow, Entry, LeaseRow, Loaded
from haizea.runtime.store import Deposed, Store, StoreUnavailable, Transaction

JOBS_MAX = 200
"""So many jobs are done in one step at most, and so in one transaction."""

SETTLED_MAX = 500

REST = "scheduler"
"""The fact under which is kept what the scheduler knows beside the leases."""

OPERATIONS: Final = {
    "transfer": "transfer",
    "start": "boot",
    "suspend": "suspend",
    "resume": "resume",
    "shut-down": "shutdown",
}
"""What the failure of a command is called among operations; the others leave nothing to be repaired."""


class Gauge(Protocol):
    """Measures the loop; all spans in seconds of real time."""

    def decided(self, seconds: float, /) -> None:
        """A request was decided upon, and that kept, so long after it came in."""

    def written(self, seconds: float, /) -> None:
        """A transaction took so long."""

    def failed(self, /) -> None:
        """A transaction could not be kept."""


class Unwritten:
    """What the store is yet to be told."""

    def __init__(self) -> None:
        self.leases: dict[int, LeaseRow] = {}
        self.entries: list[Entry] = []
        self.commands: dict[int, CommandRow] = {}
        self.settled: dict[tuple[str, str], list[int]] = {}
        self.rest: Mapping[str, Any] | None = None

    def __bool__(self) -> bool:
        # How commands went may wait for something else to be written with: they are safe to repeat.
        settled = sum([len(ids) for ids in self.settled.values()])
        return bool(self.leases or self.entries or self.commands or self.rest is not None or settled > SETTLED_MAX)

    def write(self, transaction: Transaction) -> None:
        """Write all of it."""
        for row in self.leases.values():
            transaction.save_lease(row)
            transaction.put_usage(usage_rows(row))
        for command in self.commands.values():
            transaction.save_command(command)
        for (state, error), ids in self.settled.items():
            transaction.settle_commands(ids, state, error)
        transaction.append(self.entries)
        if self.rest is not None:
            transaction.set_fact(REST, self.rest)


class Keeper:
    """Takes steps. Also the :class:`~haizea.runtime.changes.Change` that jobs are handed."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        inbox: Inbox,
        loaded: Loaded,
        send: Callable[[CommandRow], None],
        gauge: Gauge,
        warn: Callable[[str], None],
    ) -> None:
        """Take the parts; ``loaded`` gives the next numbers, ``send`` hands commands to the platform."""
        self.scheduler = scheduler
        self._store = store
        self._inbox = inbox
        self._send = send
        self._gauge = gauge
        self._warn = warn
        self._next_lease = loaded.next_lease
        self._next_entry = loaded.next_entry
        self._next_command = loaded.next_command
        self._unwritten = Unwritten()
        self._context: AbstractContextManager[Transaction] | None = None
        self._transaction: Transaction | None = None
        self._finish: Callable[[], Any] | None = None
        self._requested: list[int] = []
        self._commands: list[CommandRow] = []
        self._noted: list[str] = []
        self.now: Instant = scheduler.desk.now
        self.trouble = ""
        self.deposed = ""
        self.newest = loaded.next_entry - 1

    # The Change that jobs see --------------------------------------------------------------------------------

    @property
    def transaction(self) -> Transaction:
        """The step's transaction."""
        if self._transaction is None:
            raise StoreUnavailable(self.trouble or "a job that only looks may not write")
        return self._transaction

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
        self._unwritten.entries.append(Entry(self._number(), self.now, kind, lease, host, actor, text, data or {}))

    def hand_over(self, event: Event) -> None:
        """Hand an event to the scheduler."""
        self._handle(event)

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
        changed = self._unwritten.leases.get(lease)
        return changed if changed is not None else self._store.lease(lease)

    def settle(self, command: int, state: str, error: str = "") -> None:
        """Note how a command went."""
        self._unwritten.settled.setdefault((state, error), []).append(command)

    # Steps ---------------------------------------------------------------------------------------------------

    def take(self, now: Instant, events: Sequence[Event | Report]) -> None:
        """Take a step: everything that came in, and that time has passed."""
        self.now = now
        jobs = self._inbox.take(JOBS_MAX)
        if jobs and len(self._inbox):
            self._inbox.wake()
        changing = [job for job in jobs if job.writes]
        looking = [job for job in jobs if not job.writes]
        answers: list[tuple[Job, Callable[[], Any]]] = []
        self._requested, self._commands = [], []
        begun = time.perf_counter()
        if (changing or self._unwritten) and not self._open():
            self._refuse(changing)
        elif changing:
            answers = self._change(changing)
        for event in events:
            if isinstance(event, Report):
                self._report(event)
            else:
                self._handle(event)
        self._handle(TimePassed(now))
        if self._unwritten:
            self._unwritten.rest = self.scheduler.remember()
            if self._context is None:
                self._open()
        finished = [self._run(job, finish) for job, finish in answers]
        if self._context is not None and not self._commit(begun):
            finished = self._withdraw(finished)
        self._answer(finished)
        self._answer([self._run(job, partial(job.work, self)) for job in looking])
        for command in self._commands:
            self._send(command)

    def flush(self) -> None:
        """Write whatever is not written yet."""
        if self._unwritten or len(self._unwritten.settled):
            self._unwritten.rest = self.scheduler.remember()
            if self._open():
                self._commit(time.perf_counter())

    def _open(self) -> bool:
        """Begin the transaction; say whether that went well."""
        try:
            context = self._store.write()
            self._transaction = context.__enter__()
        except (StoreUnavailable, Deposed) as problem:
            self._out_of_reach(problem)
            return False
        self._context = context
        return True

    def _commit(self, begun: float) -> bool:
        """Write what is to be written and end the transaction; say whether it was kept."""
        context, transaction = self._context, self._transaction
        self._context = self._transaction = None
        if context is None or transaction is None:
            raise AssertionError("there is no transaction to be kept; this is a bug in Haizea")
        try:
            self._unwritten.write(transaction)
        except (StoreUnavailable, Deposed) as problem:
            with suppress(StoreUnavailable, Deposed):
                context.__exit__(type(problem), problem, problem.__traceback__)
            self._out_of_reach(problem)
            return False
        try:
            context.__exit__(None, None, None)
        except (StoreUnavailable, Deposed) as problem:
            self._out_of_reach(problem)
            return False
        if self._unwritten.entries:
            self.newest = self._unwritten.entries[-1].number
        self._unwritten = Unwritten()
        if self.trouble:
            self._warn("the store can be written again; nothing was lost")
            self.trouble = ""
        self._gauge.written(time.perf_counter() - begun)
        return True

    def _out_of_reach(self, problem: StoreUnavailable | Deposed) -> None:
        self._gauge.failed()
        if not self.trouble:
            self._warn(f"the store cannot be written: {problem} Requests are refused, what was promised goes on.")
        self.trouble = str(problem)
        if isinstance(problem, Deposed):
            self.deposed = str(problem)

    def _report(self, report: Report) -> None:
        """Take note of how a command went; one that failed is the scheduler's business."""
        if not report.error:
            self.settle(report.command, "done")
            return
        self.settle(report.command, "failed", report.error)
        self.note(
            "command-failed", "platform", report.error, lease=report.lease or None, data={"command": report.command}
        )
        kind = OPERATIONS.get(report.verb)
        if kind is not None:
            self._handle(OperationReported(self.now, report.lease, kind, OperationOutcome.FAILED))

    # Jobs ----------------------------------------------------------------------------------------------------

    def _refuse(self, jobs: list[Job]) -> None:
        for job in jobs:
            _set_exception(job, StoreUnavailable(self.trouble))

    def _change(self, jobs: list[Job]) -> list[tuple[Job, Callable[[], Any]]]:
        """Do jobs; return how each is to be answered later. One that raises is answered at once."""
        answers: list[tuple[Job, Callable[[], Any]]] = []
        for job in jobs:
            self._finish = None
            try:
                answer = job.work(self)
            except Exception as problem:
                # Whatever it is, it is the answer, and whoever asked is the one to deal with it.
                _set_exception(job, problem)
            else:
                answers.append((job, self._finisher(answer)))
        return answers

    def _finisher(self, answer: Any) -> Callable[[], Any]:
        return _constant(answer) if self._finish is None else self._finish

    def _run(self, job: Job, finish: Callable[[], Any]) -> tuple[Job, Any, bool]:
        try:
            return job, finish(), True
        except Exception as problem:
            return job, problem, False

    def _answer(self, answers: list[tuple[Job, Any, bool]]) -> None:
        for job, answer, well in answers:
            if not well:
                _set_exception(job, answer)
                continue
            if job.writes:
                self._gauge.decided(time.monotonic() - job.posted_at)
            _set_result(job, answer)

    def _withdraw(self, answers: list[tuple[Job, Any, bool]]) -> list[tuple[Job, Any, bool]]:
        """Take back what was decided upon but could not be kept: whoever asked is told that it was not."""
        for lease in self._requested:
            if lease in self.scheduler.desk.leases:
                self._handle(CancelRequested(self.now, lease, "the store, which could not keep it"))
        self._handle(TimePassed(self.now))
        if self._unwritten:
            self._unwritten.rest = self.scheduler.remember()
        return [(job, StoreUnavailable(self.trouble), False) for job, _answer, _well in answers]

    # The scheduler -------------------------------------------------------------------------------------------

    def _number(self) -> int:
        number = self._next_entry
        self._next_entry += 1
        return number

    def _handle(self, event: Event) -> None:
        scheduler, unwritten = self.scheduler, self._unwritten
        desk = scheduler.desk
        if isinstance(event, LeaseRequested):
            self._requested.append(event.lease)
        effects = scheduler.handle(event)
        for effect in effects:
            if isinstance(effect, Retired):
                unwritten.leases[effect.lease.id] = lease_row(effect.lease, desk, self._number())
            elif isinstance(effect, Command):
                command = command_row(self._next_command, effect)
                self._next_command += 1
                unwritten.commands[command.id] = command
                unwritten.entries.append(command_entry(self._number(), command))
                self._commands.append(command)
            elif isinstance(effect, LeaseChanged):
                unwritten.entries.append(changed_entry(self._number(), effect))
            else:
                unwritten.entries.append(notice_entry(self._number(), effect))
        alive = [desk.leases[touched] for touched in desk.touched if touched in desk.leases]
        if alive:
            # Versions are numbers of the journal that no entry has, so that they grow whatever it was that changed.
            version = self._number()
            for lease in alive:
                unwritten.leases[lease.id] = lease_row(lease, desk, version)


def _constant(answer: Any) -> Callable[[], Any]:
    return lambda: answer


def _set_result(job: Job, answer: Any) -> None:
    try:
        job.future.set_result(answer)
    except InvalidStateError:
        # Whoever asked has given up waiting.
        return


def _set_exception(job: Job, problem: Exception) -> None:
    try:
        job.future.set_exception(problem)
    except InvalidStateError:
        return
