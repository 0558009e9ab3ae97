"""The step of live operation: what happens in one instant is kept in one transaction before anybody hears of it.

Jobs and reports come in, the scheduler decides, rows and commands are written, and only then answers are given and
commands sent. While the store cannot be written nothing new is taken in; but time goes on, promises are kept and
commands sent nevertheless, and what is not yet written is written first when the store is back.

A command that was sent and not written is not known to the daemon that comes after a crash. Its number must not be
given to another command then, which a platform would take for the same one: so numbers are reserved ahead.
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
from haizea.live.records import (
    PLAN_MAX,
    changed_entry,
    command_entry,
    command_row,
    lease_row,
    notice_entry,
    plan_text,
)
from haizea.live.unwritten import COMMANDS, Mending, Unwritten
from haizea.model.effects import Command, HostChanged, LeaseChanged, Refused
from haizea.model.events import (
    CancelRequested,
    Event,
    LeaseRequested,
    OperationOutcome,
    OperationReported,
    TimePassed,
)
from haizea.model.reason import Reason
from haizea.model.units import Instant
from haizea.runtime.changes import WITHDRAWN
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow, Entry, LeaseRow, Loaded
from haizea.runtime.store import Deposed, Store, StoreUnavailable, Transaction

JOBS_MAX = 200
"""So many jobs are done in one step at most, and so in one transaction."""

COMMANDS_AHEAD = 20_000
"""So many commands may be sent while the store cannot be written: their numbers are given away before."""

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

    def carried_out(self, verb: str, seconds: float, well: bool, /) -> None:
        """The platform took so long to carry out a command, or to fail."""


Checkpoint = Callable[[str], None]
"""Called at labelled points of a step, for tests that stop the process there."""


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
        checkpoint: Checkpoint,
    ) -> None:
        """Take the parts; ``loaded`` gives the next numbers, ``send`` hands commands to the platform."""
        self.scheduler = scheduler
        self._store = store
        self._inbox = inbox
        self._send = send
        self._gauge = gauge
        self._warn = warn
        self._checkpoint = checkpoint
        self._next_lease = loaded.next_lease
        self._next_entry = loaded.next_entry
        self._next_command = self._commands_until = max(loaded.next_command, loaded.facts.get(COMMANDS, 1))
        self._unwritten = Unwritten()
        self._mending: Mending | None = None
        self._context: AbstractContextManager[Transaction] | None = None
        self._transaction: Transaction | None = None
        self._finish: Callable[[], Any] | None = None
        self._requested: list[int] = []
        self._commands: list[CommandRow] = []
        self._sent_at: dict[int, float] = {}
        self._orders: list[tuple[str, int, tuple[int, ...], bool]] = []
        self._unkept: set[int] = set()
        self._taken: list[Job] = []
        self._changed: set[int] = set()
        self._first_entry = self._next_entry
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

    def hand_over(self, event: Event) -> Reason | None:
        """Hand an event to the scheduler; return why an order was refused, None where it was taken."""
        return self._handle(event)

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
        if self._mending is not None and self._mending.over:
            self._writable()
        changing, looking = self._jobs()
        self._requested, self._commands = [], []
        self._first_entry = self._next_entry
        begun = time.perf_counter()
        # What is not wanted is removed before anything is begun.
        self._give_orders()
        answers = self._change(changing)
        for event in events:
            if isinstance(event, Report):
                self._report(event)
            else:
                self._handle(event)
        self._handle(TimePassed(now))
        self._give_versions()
        self._checkpoint("decided")
        if self._unwritten:
            self._unwritten.rest = self.scheduler.remember()
            if self._context is None and self._writable():
                self._open()
        finished = [self._run(job, finish) for job, finish in answers]
        if self._context is not None and not self._commit(begun):
            finished = self._withdraw(finished)
        self._answer(finished)
        self._checkpoint("answered")
        self._answer([self._run(job, partial(job.work, self)) for job in looking])
        for command in [] if self.deposed else self._commands:
            self._sent_at[command.id] = time.monotonic()
            self._send(command)
            self._checkpoint("sent")
        if self.trouble and self._mending is None and not self.deposed:
            self._mend()

    def order(self, verb: str, lease: int, hosts: tuple[int, ...], *, known: bool) -> None:
        """Have a command sent with the next step that no scheduler has thought of.

        A lease that the store does not know cannot have commands there, only a line in the journal.
        """
        self._orders.append((verb, lease, hosts, known))

    def reserve(self) -> None:
        """Give away numbers of commands ahead; before any is sent.

        Raises:
            haizea.runtime.store.StoreError: that cannot be kept.
        """
        self._commands_until = self._next_command + COMMANDS_AHEAD
        with self._store.write() as transaction:
            transaction.set_fact(COMMANDS, self._commands_until)

    def flush(self) -> None:
        """Write whatever is not written yet, when the loop has ended."""
        waiting = [self._unwritten]
        if self._mending is not None:
            if not self._mending.give_up():
                return
            if not self._mending.over:
                waiting.insert(0, self._mending.unwritten)
        if self.deposed:
            return
        self._unwritten.rest = self.scheduler.remember()
        self._unwritten.commands_until = self._next_command
        try:
            with self._store.write() as transaction:
                for unwritten in waiting:
                    unwritten.write(transaction)
        except (StoreUnavailable, Deposed) as problem:
            self._warn(f"what happened last is not kept, and will be found out at the next start: {problem}")

    def refuse_all(self) -> None:
        """Tell everybody who waits for an answer that there will be none: the loop has ended."""
        for job in [*self._taken, *self._inbox.close()]:
            _set_exception(job, StoreUnavailable("the daemon is stopping"))

    def _jobs(self) -> tuple[list[Job], list[Job]]:
        """Take jobs whose answer somebody still waits for: those that change something, and those that look."""
        jobs = self._inbox.take(JOBS_MAX)
        if jobs and len(self._inbox):
            self._inbox.wake()
        self._taken = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        return [job for job in self._taken if job.writes], [job for job in self._taken if not job.writes]

    def _writable(self) -> bool:
        """Whether the store may be written to, as far as is known."""
        mending = self._mending
        if self.deposed or mending is None:
            return not self.trouble
        if not mending.over:
            return False
        self._mending = None
        if isinstance(mending.failure, Deposed):
            self.deposed = self.trouble = str(mending.failure)
            return False
        if mending.failure is not None:
            raise mending.failure
        self._kept(mending.unwritten)
        self._warn("the store can be written again; nothing was lost")
        return True

    def _mend(self) -> None:
        """Have what could not be written tried again, by a thread that the loop need not wait for."""
        self._unwritten.commands_until = self._commands_until
        self._mending = Mending(self._store, self._unwritten, self._inbox.wake)
        self._unwritten = Unwritten()

    def _open(self) -> bool:
        """Begin the transaction; say whether that went well."""
        self._checkpoint("begin")
        if self._next_command + COMMANDS_AHEAD // 2 > self._commands_until:
            self._commands_until = self._next_command + COMMANDS_AHEAD
            self._unwritten.commands_until = self._commands_until
        try:
            context = self._store.write()
            self._transaction = context.__enter__()
        except (StoreUnavailable, Deposed) as problem:
            self._out_of_reach(problem)
            return False
        self._context = context
        self._checkpoint("begun")
        return True

    def _commit(self, begun: float) -> bool:
        """Write what is to be written and end the transaction; say whether it was kept."""
        context, transaction = self._context, self._transaction
        self._context = self._transaction = None
        if context is None or transaction is None:
            raise AssertionError("there is no transaction to be kept; this is a bug in Haizea")
        if self.trouble:
            # A job has found out already; what it and those before it wanted is given up.
            with suppress(StoreUnavailable):
                problem = StoreUnavailable(self.trouble)
                context.__exit__(type(problem), problem, None)
            return False
        try:
            self._unwritten.write(transaction)
            self._checkpoint("written")
        except BaseException as problem:
            with suppress(StoreUnavailable, Deposed):
                context.__exit__(type(problem), problem, problem.__traceback__)
            raise
        try:
            context.__exit__(None, None, None)
        except (StoreUnavailable, Deposed) as problem:
            self._out_of_reach(problem)
            return False
        self._checkpoint("committed")
        self._kept(self._unwritten)
        self._unwritten = Unwritten()
        self._gauge.written(time.perf_counter() - begun)
        return True

    def _kept(self, written: Unwritten) -> None:
        if written.entries:
            self.newest = written.entries[-1].number
        self.trouble = ""

    def _out_of_reach(self, problem: StoreUnavailable | Deposed) -> None:
        self._gauge.failed()
        if not self.trouble:
            self._warn(f"the store cannot be written: {problem} Requests are refused, what was promised goes on.")
        self.trouble = str(problem)
        if isinstance(problem, Deposed):
            self.deposed = str(problem)

    def _report(self, report: Report) -> None:
        """Take note of how a command went; one that failed is the scheduler's business."""
        sent = self._sent_at.pop(report.command, None)
        if sent is not None:
            self._gauge.carried_out(report.verb, time.monotonic() - sent, not report.error)
        if report.command in self._unkept:
            self._unkept.discard(report.command)
            return
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

    def _refuse(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            _set_exception(job, StoreUnavailable(self.trouble))

    def _change(self, jobs: Sequence[Job]) -> list[tuple[Job, Callable[[], Any]]]:
        """Do jobs; return how each is to be answered later. One that raises is answered at once."""
        answers: list[tuple[Job, Callable[[], Any]]] = []
        if not jobs:
            return answers
        if not self._writable() or not self._open():
            self._refuse(jobs)
            return answers
        for number, job in enumerate(jobs, 1):
            self._finish = None
            try:
                answer = job.work(self)
            except Exception as problem:
                # Whatever it is, it is the answer, and whoever asked is the one to deal with it.
                _set_exception(job, problem)
                if isinstance(problem.__cause__, StoreUnavailable):
                    # The others would only wait for the same.
                    self._out_of_reach(problem.__cause__)
                    self._refuse(jobs[number:])
                    break
            else:
                answers.append((job, self._finisher(answer)))
        self._checkpoint("jobs")
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
                self._handle(CancelRequested(self.now, lease, WITHDRAWN))
        self._handle(TimePassed(self.now))
        for command in self._commands:
            if command.lease in self._requested:
                # Nobody was promised anything, so that nothing needs to be begun.
                self._unwritten.commands[command.id] = command._replace(state="failed", error="it was withdrawn")
        self._commands = [command for command in self._commands if command.lease not in self._requested]
        self._give_versions()
        if self._unwritten:
            self._unwritten.rest = self.scheduler.remember()
        return [(job, StoreUnavailable(self.trouble), False) for job, _answer, _well in answers]

    # The scheduler -------------------------------------------------------------------------------------------

    def _number(self) -> int:
        number = self._next_entry
        self._next_entry += 1
        return number

    def _command(self, command: CommandRow) -> None:
        self._next_command = command.id + 1
        self._unwritten.commands[command.id] = command
        self._unwritten.entries.append(command_entry(self._number(), command))
        self._commands.append(command)

    def _give_orders(self) -> None:
        orders, self._orders = self._orders, []
        for verb, lease, hosts, known in orders:
            command = CommandRow(self._next_command, self.now, self.now, verb, lease, hosts, "pending", 0, "")
            if known:
                self._command(command)
                continue
            self._next_command += 1
            self._unkept.add(command.id)
            self._commands.append(command)
            data = {"command": command.id, "verb": verb, "vms-of": lease, "hosts": sorted(set(hosts))}
            self.note(
                "stray", "haizea", f"VMs of a lease {lease} were found, which there is none of: {verb}.", data=data
            )

    def _handle(self, event: Event) -> Reason | None:
        refusal: Reason | None = None
        scheduler, unwritten = self.scheduler, self._unwritten
        desk = scheduler.desk
        if isinstance(event, LeaseRequested):
            self._requested.append(event.lease)
        effects = scheduler.handle(event)
        for effect in effects:
            if isinstance(effect, Retired):
                unwritten.leases[effect.lease.id] = lease_row(effect.lease, desk, 0)
                self._changed.add(effect.lease.id)
            elif isinstance(effect, Command):
                self._command(command_row(self._next_command, effect))
            elif isinstance(effect, LeaseChanged):
                unwritten.entries.append(changed_entry(self._number(), effect))
            elif isinstance(effect, Refused):
                refusal = effect.reason
            elif isinstance(effect, HostChanged):
                name = desk.site.hosts[effect.host].name
                self.note("host-changed", "haizea", effect.text, host=name, data={"state": effect.state.value})
            else:
                unwritten.entries.append(notice_entry(self._number(), effect))
        for touched in desk.touched:
            lease = desk.leases.get(touched)
            if lease is not None:
                unwritten.leases[touched] = lease_row(lease, desk, 0)
                self._changed.add(touched)
        return refusal

    def _give_versions(self) -> None:
        """Number the leases that this step has changed by its last journal entry: versions grow, and after a crash too.

        Where it has made none it makes one, so that whoever follows the journal learns of every change.
        """
        changed, self._changed = self._changed, set()
        if not changed:
            return
        if self._next_entry == self._first_entry:
            self.note("plan-changed", "haizea", plan_text(changed), data={"leases": sorted(changed)[:PLAN_MAX]})
        version, leases = self._next_entry - 1, self._unwritten.leases
        for number in changed:
            leases[number] = leases[number]._replace(version=version)


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
