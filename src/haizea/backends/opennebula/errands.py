"""Commands in hand: one errand for each VM, those of one VM one after the other, and what became of each command."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from haizea.backends.opennebula.operations import Aim, Call, Goal, Past
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow

Key = tuple[int, int]
"""A lease, and the number of one of its VMs."""

DONE_MAX = 100_000
"""So many commands are remembered as taken."""


class Errand:
    """What is to become of a VM for a command, and what was done about it; ``began`` in monotonic seconds."""

    __slots__ = ("aim", "began", "command", "key", "looked", "past", "stamped")

    def __init__(self, command: int, key: Key, aim: Aim, now: float) -> None:
        self.command = command
        self.key = key
        self.aim = aim
        self.began = now
        self.past = Past(since=now)
        self.looked: tuple[int, int, int] | None = None
        self.stamped = False

    def seen(self, state: int, lcm: int, record: int, moving: bool, now: float) -> None:
        """Take note of what the VM looks like."""
        look = state, lcm, record
        if look != self.looked:
            self.looked = look
            self.past = self.past._replace(since=now)
        if moving and self.past.call is not None:
            self.past = self.past._replace(moved=True, refused=None)

    def called(self, call: Call, now: float) -> None:
        """Take note of a call that OpenNebula has taken."""
        self.past = self.past._replace(
            call=call, at=now, moved=False, since=now, calls=(*self.past.calls, call), refused=None
        )

    def refused(self, error: str, now: float) -> None:
        """Take note of a call that OpenNebula has refused."""
        past = self.past
        self.past = past._replace(refused=now if past.refused is None else past.refused, error=error)


class _Job:
    """A command, and what is left of it."""

    __slots__ = ("errors", "left", "row", "took")

    def __init__(self, row: CommandRow, left: int) -> None:
        self.row = row
        self.left = left
        self.errors: dict[int, str] = {}
        self.took: dict[int, int] = {}


class Task(NamedTuple):
    """A VM of a command, and what is to become of it."""

    key: Key
    aim: Aim


class Errands:
    """Commands in hand. For one thread at a time."""

    def __init__(self, tell: Callable[[Report], None]) -> None:
        """``tell`` is told how each command went."""
        self._tell = tell
        self._queues: dict[Key, deque[Errand]] = {}
        self._jobs: dict[int, _Job] = {}
        self._taken: dict[int, Report | None] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, key: object) -> bool:
        return key in self._queues

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._queues))

    def take(self, row: CommandRow, tasks: list[Task], now: float) -> None:
        """Take a command; one that was taken before is not carried out again, only told of again."""
        if row.id in self._taken:
            before = self._taken[row.id]
            if before is not None:
                self._tell(before)
            return
        self._taken[row.id] = None
        if len(self._taken) > DONE_MAX:
            del self._taken[next(iter(self._taken))]
        if not tasks:
            self._over(Report(row.id, row.verb, row.lease, ""))
            return
        self._jobs[row.id] = _Job(row, len(tasks))
        for task in tasks:
            queue = self._queues.setdefault(task.key, deque())
            if task.aim.goal in (Goal.END, Goal.REMOVE, Goal.REMAKE):
                # Nothing that was to be done before matters any more.
                for errand in list(queue):
                    self._close(errand, f"it was overtaken by command {row.id}, {task.aim.goal.value}", now)
                queue = self._queues.setdefault(task.key, deque())
            queue.append(Errand(row.id, task.key, task.aim, now))

    def refuse(self, row: CommandRow, why: str) -> None:
        """Say of a command that it cannot be carried out."""
        self._over(Report(row.id, row.verb, row.lease, why))

    def at_hand(self) -> Iterator[Errand]:
        """Yield the errand of each VM whose turn it is."""
        for key in list(self._queues):
            queue = self._queues.get(key)
            if queue:
                yield queue[0]

    def newest(self) -> Iterator[tuple[Key, Errand]]:
        """Yield the last errand of each VM: what it will have become when all are done."""
        for key, queue in self._queues.items():
            yield key, queue[-1]

    def done(self, errand: Errand, now: float) -> None:
        """An errand is done."""
        self._close(errand, "", now)

    def failed(self, errand: Errand, why: str, now: float) -> None:
        """An errand has come to nothing."""
        self._close(errand, why, now)

    def _close(self, errand: Errand, error: str, now: float) -> None:
        queue = self._queues[errand.key]
        queue.remove(errand)
        if queue:
            queue[0].began = now
            queue[0].past = Past(since=now)
        else:
            del self._queues[errand.key]
        job, vm = self._jobs[errand.command], errand.key[1]
        job.left -= 1
        job.took[vm] = round((now - errand.began) * 1_000)
        if error:
            job.errors[vm] = error
        if job.left:
            return
        del self._jobs[errand.command]
        row = job.row
        text = "; ".join(f"VM {vm}: {why}" for vm, why in sorted(job.errors.items())[:10])
        took = tuple(sorted((vm, ms) for vm, ms in job.took.items() if vm not in job.errors))
        self._over(Report(row.id, row.verb, row.lease, text, tuple(sorted(job.errors)), took))

    def _over(self, report: Report) -> None:
        self._taken[report.command] = report
        self._tell(report)
