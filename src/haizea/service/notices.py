"""What people are told before it happens: that a lease of theirs is about to start, to end, or to be suspended.

What is to be told is looked for every few seconds. An event is told once the span before it has begun, which is between
one look and the next; so nothing has to be remembered but when it was looked last. What was told goes into the journal
as ``notice``, and from there to webhooks, mail and commands.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from haizea.core.reasons import instant
from haizea.core.scheduler import Scheduler
from haizea.model.lease import LeaseType
from haizea.model.units import SECOND, Instant, Span
from haizea.plan.lease import Lease, Phase
from haizea.runtime.changes import Change

UNTIL: Final = "notices-until"
"""The fact that says up to when it was looked."""
EVERY: Final = 5 * SECOND
TOLD_MAX: Final = 10_000


class Ahead(NamedTuple):
    """Something that is about to happen to a lease."""

    lease: int
    about: str
    at: Instant
    text: str


class Notices:
    """Looks what is about to happen. For the loop's thread only."""

    def __init__(self, before_start: Span | None, before_end: Span | None, last: Instant | None) -> None:
        """Take how long before a start and an end somebody is to be told, and up to when it was looked before."""
        self._before_start = before_start
        self._before_end = before_end
        self._last = last
        self._next = 0
        self._suspensions: dict[tuple[int, Instant], None] = {}

    def due(self, scheduler: Scheduler, now: Instant, factor: float = 1.0) -> list[Ahead]:
        """Return what is to be told now, and take it to be told. ``factor``: how much faster than life time goes."""
        if now < self._next:
            return []
        self._next = now + round(EVERY * factor)
        last = self._last if self._last is not None else now
        self._last = now
        return [ahead for lease in scheduler.desk.leases.values() for ahead in self._of(lease, last, now)]

    def again(self, last: Instant | None) -> None:
        """Take what was to be told not to be: it could not be kept. ``last`` is up to when it was looked before."""
        self._last, self._next = last, 0
        self._suspensions.clear()

    @property
    def last(self) -> Instant | None:
        """Up to when it was looked."""
        return self._last

    def tell(self, change: Change, found: list[Ahead]) -> None:
        """Put it into the journal."""
        leases = change.scheduler.desk.leases
        for ahead in found:
            if ahead.lease in leases:
                data: dict[str, Any] = {"about": ahead.about, "at": ahead.at}
                change.note("notice", "haizea", ahead.text, lease=ahead.lease, data=data)
        if self._last is not None:
            change.transaction.set_fact(UNTIL, self._last)

    def _of(self, lease: Lease, last: Instant, now: Instant) -> Iterator[Ahead]:
        stay = lease.stays[0] if lease.stays else None
        if stay is None:
            return
        if stay.phase is Phase.PLANNED:
            if lease.type is not LeaseType.IMMEDIATE and self._near(stay.start, self._before_start, last, now):
                word = "goes on" if stay.resuming else "starts"
                yield Ahead(lease.id, "start", stay.start, f"{_named(lease)} {word} at {instant(stay.start)}.")
        elif stay.phase is Phase.RUNNING:
            if stay.suspending:
                yield from self._suspension(lease, stay.run_end)
            elif stay.runs > 2 * (self._before_end or 0) and self._near(stay.run_end, self._before_end, last, now):
                yield Ahead(lease.id, "end", stay.run_end, f"{_named(lease)} ends at {instant(stay.run_end)}.")

    def _suspension(self, lease: Lease, at: Instant) -> Iterator[Ahead]:
        if (lease.id, at) in self._suspensions:
            return
        self._suspensions[lease.id, at] = None
        if len(self._suspensions) > TOLD_MAX:
            del self._suspensions[next(iter(self._suspensions))]
        text = f"{_named(lease)} has to make way for another one: it is suspended at {instant(at)}."
        yield Ahead(lease.id, "preemption", at, text)

    @staticmethod
    def _near(at: Instant, before: Span | None, last: Instant, now: Instant) -> bool:
        return before is not None and last < at - before <= now


def _named(lease: Lease) -> str:
    name = f" ({lease.terms.name})" if lease.terms.name else ""
    return f"Lease {lease.id}{name}"
