"""Commands for the platform: given numbers, kept with the step, sent when it is kept; and how they went.

A command that was sent and not written is not known to the daemon that comes after a crash. Its number must not be
given to another command then, which a platform would take for the same one: so numbers are reserved ahead.
"""

import time
from collections.abc import Callable, Collection

from haizea.live.entries import Entries
from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.operations import Operation, Operations
from haizea.live.records import command_entry, command_row
from haizea.live.unwritten import COMMANDS
from haizea.live.writing import Writing
from haizea.model.effects import Command
from haizea.model.events import OperationReported
from haizea.model.units import Instant
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow, Loaded

REPORT = "report"
"""Ordered of VMs that nobody has asked for where they are only to be told of."""

COMMANDS_AHEAD = 20_000
"""So many commands may be sent while the store cannot be written: their numbers are given away before."""


class Outbox:
    """The commands of a step."""

    def __init__(
        self,
        writing: Writing,
        entries: Entries,
        loaded: Loaded,
        send: Callable[[CommandRow], None],
        operations: Operations,
        gauge: Gauge,
        checkpoint: Checkpoint,
    ) -> None:
        """``loaded`` gives the next number, ``send`` hands a command to the platform."""
        self._writing = writing
        self._entries = entries
        self._send = send
        self._operations = operations
        self._gauge = gauge
        self._checkpoint = checkpoint
        self._until = max(loaded.next_command, loaded.facts.get(COMMANDS, 1))
        self._orders: list[tuple[str, int, tuple[int, ...], bool]] = []
        self._unkept: set[int] = set()
        self._sent_at: dict[int, float] = {}
        self._waiting: list[CommandRow] = []
        self.next = self._until

    # Numbers -------------------------------------------------------------------------------------------------

    def reserve(self) -> None:
        """Give away numbers ahead; before any command is sent.

        Raises:
            haizea.runtime.store.StoreError: that cannot be kept.
        """
        self._until = self.next + COMMANDS_AHEAD
        with self._writing.store.write() as transaction:
            transaction.set_fact(COMMANDS, self._until)

    def reserve_more(self) -> None:
        """Have more numbers given away with what is written next, where those are running out."""
        if self.next + COMMANDS_AHEAD // 2 > self._until:
            self._until = self.next + COMMANDS_AHEAD
            self._writing.unwritten.commands_until = self._until

    def repeat_reserved(self) -> None:
        """Have the numbers that are given away written with what could not be written."""
        self._writing.unwritten.commands_until = self._until

    # Commands ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with a step."""
        self._waiting = []

    def add(self, command: Command) -> None:
        """Have a command of the scheduler kept and sent."""
        self._keep(command_row(self.next, command))

    def order(self, verb: str, lease: int, hosts: tuple[int, ...], *, known: bool) -> None:
        """Have a command sent with the next step that no scheduler has thought of.

        A lease that the store does not know cannot have commands there, only a line in the journal.
        """
        self._orders.append((verb, lease, hosts, known))

    def take_orders(self, now: Instant) -> None:
        """Make commands of what was ordered."""
        orders, self._orders = self._orders, []
        for verb, lease, hosts, known in orders:
            if verb == REPORT:
                text = f"VMs of a lease {lease} were found, which there is none of. They are left alone."
                data: dict[str, object] = {"vms-of": lease, "hosts": sorted(set(hosts))}
                self._entries.note(now, "stray", "haizea", text, data=data)
                continue
            command = CommandRow(self.next, now, now, verb, lease, hosts, "pending", 0, "")
            if known:
                self._keep(command)
                continue
            self.next += 1
            self._unkept.add(command.id)
            self._waiting.append(command)
            text = f"VMs were found of a lease {lease} that there is not: they are told to {verb}."
            data = {"command": command.id, "verb": verb, "vms-of": lease, "hosts": sorted(set(hosts))}
            self._entries.note(now, "stray", "haizea", text, data=data)

    def withdraw(self, leases: Collection[int]) -> None:
        """Send no commands of leases that nobody was promised, so that nothing of them needs to be begun."""
        for command in self._waiting:
            if command.lease in leases:
                self._writing.unwritten.commands[command.id] = command._replace(
                    state="failed", error="it was withdrawn"
                )
        self._waiting = [command for command in self._waiting if command.lease not in leases]

    def send(self) -> None:
        """Send the step's commands."""
        for command in self._waiting:
            self._sent_at[command.id] = time.monotonic()
            self._operations.begin(command)
            self._send(command)
            self._checkpoint("sent")

    def report(self, now: Instant, report: Report) -> tuple[Operation | None, list[OperationReported]]:
        """Take note of how a command went; return which it was and what of it is the scheduler's business."""
        sent = self._sent_at.pop(report.command, None)
        operation, events = self._operations.over(now, report)
        if operation is None:
            return None, []
        if sent is not None:
            self._gauge.carried_out(report.verb, time.monotonic() - sent, not report.error)
        if report.command in self._unkept:
            self._unkept.discard(report.command)
            return operation, []
        if not report.error:
            self._settle(report.command, "done")
            return operation, events
        self._settle(report.command, "failed", report.error)
        data = {"command": report.command, **({"vms": list(report.vms)} if report.vms else {})}
        self._entries.note(now, "command-failed", "platform", report.error, report.lease or None, data=data)
        return operation, events

    def _settle(self, command: int, state: str, error: str = "") -> None:
        self._writing.unwritten.settled.setdefault((state, error), []).append(command)

    def _keep(self, command: CommandRow) -> None:
        self.next = command.id + 1
        self._writing.unwritten.commands[command.id] = command
        self._entries.add(command_entry, command)
        self._waiting.append(command)
