"""VMs that are over but still there: a guest that has shut itself down leaves a domain, a disk, capacity in some book.

The scheduler has no more use for them, so nothing of its commands is about them. They are removed when their lease is
final; those whose guest has ended them at once, even where other VMs of the lease go on. What somebody has stopped may
be wanted by whoever did it: it is left alone until then. What is being shut down after its lease's end, and does not
come to an end for as long as an operation may be late, is removed; and so is what runs on although its lease has fewer
VMs by now.
"""

from typing import Final

from haizea.core.scheduler import Scheduler
from haizea.live.operations import Operations
from haizea.model.effects import Command, Verb
from haizea.model.events import Observed, OperationReported
from haizea.model.units import Instant
from haizea.plan.lease import Lease
from haizea.runtime.rows import CommandRow

_THERE: Final = frozenset({Observed.GUEST_SHUTDOWN, Observed.STOPPED, Observed.CRASHED})
"""What does not run and has not gone."""

_SEES_TO: Final = frozenset({Verb.START, Verb.RESUME, Verb.SHUT_DOWN, Verb.DESTROY})


class Leftovers:
    """Knows which VMs were seen to be over, and has them removed when the time has come."""

    def __init__(self, scheduler: Scheduler, operations: Operations) -> None:
        self._scheduler = scheduler
        self._operations = operations
        self._left: dict[int, dict[int, Observed]] = {}
        self._retired: dict[int, set[int]] = {}
        self._removed: set[int] = set()
        self._stuck: dict[int, CommandRow] = {}
        self._surplus: dict[int, set[int]] = {}

    def saw(self, lease: int, vm: int, observed: Observed) -> None:
        """Take note of what a VM was seen to be, before the scheduler hears of it."""
        known = self._scheduler.desk.leases.get(lease)
        if known is not None and vm > known.need.vms:
            self._surplus.setdefault(lease, set()).add(vm)
        elif observed in _THERE and vm and lease in self._scheduler.desk.leases:
            self._left.setdefault(lease, {})[vm] = observed
        elif lease in self._left:
            self._left[lease].pop(vm, None)

    def commanded(self, command: Command) -> None:
        """Take note of a command of the scheduler's: it sees to the VMs that it is about."""
        if command.verb not in _SEES_TO:
            return
        if not command.vms:
            self._left.pop(command.lease, None)
            if command.verb is Verb.DESTROY:
                self._removed.add(command.lease)
        for vm in command.vms if command.lease in self._left else ():
            self._left[command.lease].pop(vm, None)

    def retired(self, lease: Lease) -> None:
        """Take note that a lease is final."""
        left = set(self._left.pop(lease.id, ())) | lease.over
        if left:
            self._retired[lease.id] = left

    def late(self, event: OperationReported) -> None:
        """Take note that an operation is not over when it was to be; the scheduler has no lease any more to remove."""
        desk = self._scheduler.desk
        if event.kind != "shutdown" or event.until is None or event.lease in desk.leases:
            return
        for operation in self._operations.of(event.lease):
            command = operation.command
            if command.verb == "shut-down" and event.until - command.until > desk.options.overdue_max:
                self._stuck[event.lease] = command

    def due(self, now: Instant) -> list[Command]:
        """Take out the commands to remove what is to be removed now."""
        leases = self._scheduler.desk.leases
        gone = [(number, vms) for number, vms in self._retired.items() if number not in self._removed]
        found = [(number, tuple(sorted(vms))) for number, vms in gone]
        self._retired.clear()
        self._removed.clear()
        for number, noted in list(self._left.items()):
            lease = leases.get(number)
            ended = () if lease is None else self._ended(lease, noted)
            if ended:
                found.append((number, ended))
            for vm in ended:
                del noted[vm]
            if lease is None or not noted:
                del self._left[number]
        found += [(number, vms) for number in self._surplus if (vms := self._too_many(number))]
        self._surplus.clear()
        removals = [Command(now, Verb.DESTROY, number, now, tuple, vms) for number, vms in found]
        removals += [_removal(now, command) for command in self._stuck.values()]
        self._stuck.clear()
        return removals

    def _ended(self, lease: Lease, noted: dict[int, Observed]) -> tuple[int, ...]:
        """Return the VMs that their guests have ended, and that the lease goes on without."""
        over = {vm for vm, observed in noted.items() if observed is Observed.GUEST_SHUTDOWN and vm in lease.over}
        return tuple(sorted(over - self._busy(lease.id)))

    def _too_many(self, number: int) -> tuple[int, ...]:
        """Return the VMs of a lease that it has no longer, and that nobody is shutting down."""
        lease = self._scheduler.desk.leases.get(number)
        if lease is None:
            return ()
        return tuple(sorted([vm for vm in self._surplus[number] - self._busy(number) if vm > lease.need.vms]))

    def _busy(self, lease: int) -> set[int]:
        return {vm for operation in self._operations.of(lease) for vm in operation.vms}


def _removal(now: Instant, command: CommandRow) -> Command:
    """Return a command to remove what another one was to shut down."""
    return Command(now, Verb.DESTROY, command.lease, now, lambda: command.hosts, command.vms)
