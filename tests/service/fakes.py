"""What tests of the service stand on: a store in memory, a writer that commits at once, people, and leases."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from haizea.core.memory import terms_document
from haizea.model.events import Event
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.reason import Reason
from haizea.model.resources import Capacity
from haizea.model.units import DAY, HOUR, Instant, Span
from haizea.runtime.changes import Change
from haizea.runtime.rows import Entry, GroupRow, LeaseRow, UsageRow, UserRow
from haizea.runtime.store import Transaction
from haizea.service.ledger import Ledger
from haizea.service.principal import Principal, Role
from haizea.stores.memory import MemoryStore

T = TypeVar("T")

NOW: Instant = 20_782 * DAY + 13 * HOUR
"""2026-11-25T13:00:00Z, a Wednesday."""

VIEWER = Principal("vera", Role.VIEWER)
ANNA = Principal("anna", Role.USER, ("wind",))
BOB = Principal("bob", Role.USER)
OPERATOR = Principal("olga", Role.OPERATOR)
ADMIN = Principal("adam", Role.ADMIN)
PEOPLE = (VIEWER, ANNA, BOB, OPERATOR, ADMIN)


class Clock:
    """Says the time that it is told."""

    def __init__(self, now: Instant = NOW) -> None:
        self.now = now

    def __call__(self) -> Instant:
        """Return the time."""
        return self.now


class Note(NamedTuple):
    """A journal entry as it was noted."""

    kind: str
    actor: str
    text: str
    data: Mapping[str, Any]


class Step:
    """What jobs of one step are handed."""

    def __init__(self, now: Instant, transaction: Transaction) -> None:
        self.now = now
        self.transaction = transaction
        self.scheduler: Any = None
        self.notes: list[Note] = []

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
        """Keep an entry."""
        self.notes.append(Note(kind, actor, text, data or {}))

    def hand_over(self, event: Event, taken: Callable[[], None] | None = None) -> Reason | None:
        """Refuse: accounts have no business with the scheduler."""
        raise AssertionError(f"accounts handed {event} to the scheduler")

    def new_lease(self) -> int:
        """Refuse."""
        raise AssertionError("accounts asked for the number of a lease")

    def then(self, finish: Callable[[], Any]) -> None:
        """Refuse."""
        raise AssertionError(f"accounts want {finish} done after the scheduler's decision")

    def row(self, lease: int) -> LeaseRow | None:
        """Refuse."""
        raise AssertionError(f"accounts asked for lease {lease}")


class DirectWriter:
    """Runs jobs at once, each in a step of its own or several :meth:`together`, and keeps what they noted."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.notes: list[Note] = []
        self._step: Step | None = None

    def change(self, job: Callable[[Change], T], /) -> T:
        """Run a job, and commit what it changed."""
        if self._step is not None:
            return job(self._step)
        with self.together() as step:
            return job(step)

    def look(self, job: Callable[[Change], T], /) -> T:
        """Run a job that only looks."""
        return self.change(job)

    @contextmanager
    def together(self) -> Iterator[Step]:
        """Run all jobs of the block in one step, and so in one transaction."""
        with self._store.write() as transaction:
            step = self._step = Step(self._clock.now, transaction)
            try:
                yield step
            finally:
                self._step = None
            first = self._store.last_entry() + 1
            transaction.append(
                Entry(number, step.now, note.kind, None, None, note.actor, note.text, note.data)
                for number, note in enumerate(step.notes, first)
            )
        self.notes += step.notes


class World(NamedTuple):
    """A store with people in it, and what changes it."""

    store: MemoryStore
    writer: DirectWriter
    clock: Clock
    ledger: Ledger


def world(*, people: bool = True) -> World:
    """Return a store with everybody of :data:`PEOPLE` in it, or an empty one."""
    store, clock = MemoryStore(), Clock()
    if people:
        with store.write() as transaction:
            transaction.put_group(GroupRow("wind", NOW - DAY, ""))
            transaction.put_group(GroupRow("water", NOW - DAY, ""))
            for who in PEOPLE:
                transaction.put_user(UserRow(who.user, who.role.label, who.groups, False, NOW - DAY, ""))
    writer = DirectWriter(store, clock)
    return World(store, writer, clock, Ledger(store, writer))


def terms(
    vms: int = 1, *, cpu: int = 100, memory: int = 1024, duration: Span | None = HOUR, **given: Any
) -> LeaseTerms:
    """Return the terms of a lease of equal VMs."""
    nodes = (NodeSet(vms, Capacity({"CPU": cpu, "Memory": memory})),)
    return LeaseTerms(nodes=nodes, duration=duration, **given)


def lease(
    number: int,
    wanted: LeaseTerms,
    *,
    owner: str = "anna",
    group: str = "",
    state: str = "queued",
    starts: Instant | None = None,
    stays: tuple[Mapping[str, Any], ...] = (),
) -> LeaseRow:
    """Return a stored lease."""
    return LeaseRow(
        id=number,
        type=wanted.type.value,
        state=state,
        final=state in {"done", "cancelled", "rejected", "failed"},
        owner=owner,
        group=group,
        name="",
        vms=wanted.node_count,
        submitted=NOW - HOUR,
        starts=starts,
        ends=None,
        version=number,
        document={"terms": terms_document(wanted), "stays": list(stays)},
    )


def stay(start: Instant, end: Instant, phase: str = "running") -> dict[str, Any]:
    """Return a stay as the document of a lease has it, as far as accounting looks."""
    return {"phase": phase, "start": start, "run_start": start, "run_end": end, "end": end}


def used(
    number: int,
    start: Instant,
    end: Instant,
    *,
    index: int = 0,
    owner: str = "anna",
    group: str = "",
    vms: int = 1,
    cpu: int = 100,
    memory: int = 1024,
    outcome: str = "done",
) -> UsageRow:
    """Return a row of usage."""
    return UsageRow(number, index, owner, group, "best-effort", vms, cpu, memory, start, end, outcome)


def keep(store: MemoryStore, *rows: LeaseRow | UsageRow) -> None:
    """Put leases and usage into a store."""
    with store.write() as transaction:
        for row in rows:
            if isinstance(row, LeaseRow):
                transaction.save_lease(row)
            else:
                transaction.put_usage([row])
