"""What a step adds to the journal, and the versions of the leases that it changes."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from haizea.live.records import PLAN_MAX, plan_text
from haizea.live.writing import Writing
from haizea.model.units import Instant
from haizea.runtime.rows import Entry, LeaseRow

T = TypeVar("T")


class Entries:
    """Gives journal entries their numbers, and leases their versions."""

    def __init__(self, writing: Writing, number: int) -> None:
        """``number`` is that of the next entry."""
        self._writing = writing
        self._next = self._first = number
        self._changed: set[int] = set()

    def begin(self) -> None:
        """Begin with a step."""
        self._first = self._next

    def add(self, entry: Callable[[int, T], Entry], of: T) -> None:
        """Add the entry that ``entry`` makes of a number and of what it is about."""
        self._writing.unwritten.entries.append(entry(self._next, of))
        self._next += 1

    def note(
        self,
        now: Instant,
        kind: str,
        actor: str,
        text: str,
        lease: int | None = None,
        host: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an entry of these words."""
        self._writing.unwritten.entries.append(Entry(self._next, now, kind, lease, host, actor, text, data or {}))
        self._next += 1

    def change(self, row: LeaseRow) -> None:
        """Have a lease kept as it is now; its version is given when the step ends."""
        self._writing.unwritten.leases[row.id] = row
        self._changed.add(row.id)

    def give_versions(self, now: Instant) -> None:
        """Number the leases that this step has changed by its last journal entry: versions grow, and after a crash too.

        Where it has made none it makes one, so that whoever follows the journal learns of every change.
        """
        changed, self._changed = self._changed, set()
        if not changed:
            return
        if self._next == self._first:
            self.note(now, "plan-changed", "haizea", plan_text(changed), data={"leases": sorted(changed)[:PLAN_MAX]})
        version, leases = self._next - 1, self._writing.unwritten.leases
        for number in changed:
            leases[number] = leases[number]._replace(version=version)
