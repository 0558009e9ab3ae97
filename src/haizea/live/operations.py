"""Commands under way: which are not over when they were to be, and what is said of each when it is over.

The scheduler takes everything to go as planned until told otherwise. So it is told, at the very instant at which a
command was to be over and is not, until when it is expected to take; that again at each new end; and that it is over,
where it is earlier than planned or has failed. What goes as planned is not its business.
"""

from collections.abc import Callable, Collection, Iterable
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.core.reasons import instant
from haizea.model.events import OperationOutcome, OperationReported
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow, concerns_same

KINDS: Final = MappingProxyType(
    {
        "transfer": "transfer",
        "start": "boot",
        "suspend": "suspend",
        "resume": "resume",
        "migrate": "migrate",
        "shut-down": "shutdown",
    }
)
"""What commands are called among operations; the others leave nothing to be repaired."""

PLANNED: Final = frozenset({"transfer", "suspend", "resume", "migrate", "shut-down"})
"""Commands that the schedule has time for, and gains some where they take less."""


class Patience(NamedTuple):
    """When a command counts as early or late; all spans in the loop's time.

    ``early`` is by how much it must be over before its time for anybody to be told. ``least`` is by how much a late one
    is expected to take longer at least. One that nobody has planned time for is late after ``unplanned``, or what it
    usually takes.
    """

    early: Span = SECOND
    least: Span = 2 * SECOND
    unplanned: Span = 60 * SECOND


class Operation:
    """A command that is under way. ``until`` is when it is expected to be over, ``late`` counts how often it was not.

    ``overtaken`` is one after which another command about the same VM was given, so that it must not be sent once more;
    ``superseded`` one that the other has made meaningless: how it goes is nobody's business any more.
    """

    __slots__ = ("command", "late", "moved", "overtaken", "sent", "superseded", "until")

    def __init__(self, command: CommandRow, until: Instant) -> None:
        self.command = command
        self.sent = command.at
        self.until = until
        self.late = 0
        self.moved: Span = 0
        self.overtaken = False
        self.superseded = False

    @property
    def vms(self) -> tuple[int, ...]:
        """The numbers of the VMs that it is about."""
        command = self.command
        return command.vms or tuple(range(1, len(command.hosts) + 1))


class Operations:
    """Knows what is under way. A source of the loop's, to be woken when something is late."""

    def __init__(
        self,
        patience: Patience,
        begun: Iterable[CommandRow] = (),
        usual: Callable[[CommandRow], Span] = lambda _command: 0,
        since: Iterable[CommandRow] = (),
    ) -> None:
        """``begun`` are commands of which it is not known whether they are over, from before a restart.

        ``since`` are commands that were given after some of those, and are over.
        ``usual`` says how long a command that nobody has planned time for usually takes, 0 where that is not known.
        """
        self._patience = patience
        self._usual = usual
        self._open: dict[int, Operation] = {}
        self._by_lease: dict[int, dict[int, Operation]] = {}
        self._ends: list[tuple[Instant, int]] = []
        for command in begun:
            self.begin(command)
        for command in since:
            self._overtake(command)

    @property
    def next_at(self) -> Instant:
        """When the next one is late, if it is not over by then."""
        ends = self._ends
        while ends:
            until, command = ends[0]
            found = self._open.get(command)
            if found is not None and found.until == until:
                return until
            heappop(ends)
        return FAR_FUTURE

    def due(self, _now: Instant, /) -> list[OperationReported]:
        """Return nothing: what came in at the same instant is looked at first (see :meth:`late`)."""
        return []

    def begin(self, command: CommandRow) -> None:
        """Take note of a command that is to be carried out."""
        self._overtake(command)
        planned = command.verb in PLANNED and command.until > command.at
        until = command.until if planned else command.at + max(self._patience.unplanned, self._usual(command))
        operation = Operation(command, until)
        self._open[command.id] = operation
        self._by_lease.setdefault(command.lease, {})[command.id] = operation
        heappush(self._ends, (operation.until, command.id))

    def _overtake(self, command: CommandRow) -> None:
        for other in self._by_lease.get(command.lease, {}).values():
            if other.command.id < command.id and concerns_same(other.command, command):
                other.overtaken = True
                # A transfer goes on for others, until it is given up for another one.
                by = "transfer" if other.command.verb == "transfer" else "destroy"
                other.superseded = other.superseded or command.verb == by

    def sent(self, command: int, now: Instant) -> None:
        """Take note that the platform has taken a command."""
        if command in self._open:
            self._open[command].sent = now

    def clock_jumped(self, by: Span) -> None:
        """Take note that the clock was set forward: nothing is nearer to its end for that."""
        for operation in self._open.values():
            operation.sent += by
            operation.moved += by

    def late(self, now: Instant) -> list[OperationReported]:
        """Return what is to be said of commands that should be over by now and are not."""
        found: list[OperationReported] = []
        while self.next_at <= now:
            _until, number = heappop(self._ends)
            operation = self._open[number]
            command = operation.command
            # Whoever has taken so long is likely to take half as long again.
            expected = operation.until + operation.moved if operation.moved else now + (now - operation.sent) // 2
            operation.until = max(now + self._patience.least, expected)
            operation.moved = 0
            operation.late += 1
            heappush(self._ends, (operation.until, number))
            kind = KINDS.get(command.verb)
            if kind is None or operation.superseded:
                continue
            text = f"It is not over when it was to be; it is expected to take until {instant(operation.until)}."
            found += [
                OperationReported(now, command.lease, kind, OperationOutcome.LATE, operation.until, vm, text)
                for vm in command.vms or (0,)
            ]
        return found

    def over(self, now: Instant, report: Report) -> tuple[Operation | None, list[OperationReported]]:
        """Take note that a command is over; return which it was, and what is to be said of it.

        None where it was over already, or never begun: such a report says nothing.
        """
        operation = self._open.pop(report.command, None)
        if operation is None:
            return None, []
        command = operation.command
        others = self._by_lease[command.lease]
        del others[command.id]
        if not others:
            del self._by_lease[command.lease]
        kind = KINDS.get(command.verb)
        if kind is None or operation.superseded:
            return operation, []
        if report.error:
            vms = report.vms if len(report.vms) < len(operation.vms) else ()
            outcome, about = OperationOutcome.FAILED, vms or command.vms or (0,)
        elif command.verb in PLANNED and now < operation.until - self._patience.early and self._was_planned(operation):
            outcome, about = OperationOutcome.DONE, command.vms or (0,)
        else:
            return operation, []
        return operation, [
            OperationReported(now, command.lease, kind, outcome, vm=vm, text=report.error) for vm in about
        ]

    def _was_planned(self, operation: Operation) -> bool:
        return operation.late > 0 or operation.command.until > operation.command.at

    # What is under way ---------------------------------------------------------------------------------------

    def of(self, lease: int) -> Collection[Operation]:
        """Return what is under way for a lease, in the order in which it was begun."""
        return list(self._by_lease.get(lease, {}).values())

    def all(self) -> Collection[Operation]:
        """Return all that is under way, in the order in which it was begun."""
        return list(self._open.values())

    def overdue(self) -> int:
        """Return how many are not over although they were to be."""
        return sum(1 for operation in list(self._open.values()) if operation.late and not operation.superseded)
