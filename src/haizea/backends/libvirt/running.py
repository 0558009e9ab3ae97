"""A command under way: which of its VMs, or hosts, are still to be done, how it went for the others."""

import threading
from collections.abc import Callable

from haizea.backends.libvirt.connection import now_ms
from haizea.model.units import Span
from haizea.runtime.ports import Report
from haizea.runtime.rows import CommandRow


class Running:
    """A command and what has come of it so far. Threads of several hosts work on it."""

    def __init__(self, command: CommandRow, vms: list[int]) -> None:
        """``vms`` are the numbers of those it is about; more can be added before the first is begun."""
        self.command = command
        self._lock = threading.Lock()
        self._left = set(vms)
        self._took: dict[int, Span] = {}
        self._errors: dict[int, str] = {}
        self._permille: dict[int, int] = {}
        self._told_at = 0

    def add(self, number: int) -> None:
        """Have one more to wait for."""
        self._left.add(number)

    def finish(self, number: int, took: Span | None, error: str) -> bool:
        """Note how it went for one; return whether that was the last."""
        with self._lock:
            self._left.discard(number)
            if error:
                self._errors[number] = error
            elif took is not None:
                self._took[number] = took
            return not self._left

    def progress(self, number: int, permille: int, every: Span, tell: Callable[[int], None]) -> None:
        """Note how far one is; tell how far all are together, where it is time for that."""
        with self._lock:
            self._permille[number] = permille
            now = now_ms()
            if now - self._told_at >= every:
                self._told_at = now
                # Told before anybody is further, so that nothing seems to go back.
                tell(sum(self._permille.values()) // max(1, len(self.command.hosts)))

    def report(self) -> Report:
        """Return how it went; where several failed, why the first did, and how many."""
        command = self.command
        text = ""
        failed: tuple[int, ...] = ()
        if self._errors:
            text = self._errors[min(self._errors)]
            if len(self._errors) > 1:
                text += f" (and {len(self._errors) - 1} more)"
            # An image that cannot be brought somewhere is missing for the lease, not for VMs.
            failed = tuple(sorted(self._errors)) if command.verb != "transfer" else ()
        took = tuple(sorted(self._took.items()))
        return Report(command.id, command.verb, command.lease, text, failed, took)
