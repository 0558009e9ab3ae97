"""What the store is yet to be told, and how it is told after all when it was out of reach."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from haizea.live.records import usage_rows
from haizea.runtime.rows import CommandRow, Entry, LeaseRow
from haizea.runtime.store import Store, StoreError, StoreUnavailable, Transaction

SETTLED_MAX: Final = 500
RETRY_S: Final = 1.0
WAIT_MAX_S: Final = 15.0

REST: Final = "scheduler"
"""The fact under which is kept what the scheduler knows beside the leases."""

COMMANDS: Final = "commands-until"
"""The fact that says which numbers of commands may have been given away: none from this one on."""


class Unwritten:
    """Rows that are to be written in one transaction."""

    def __init__(self) -> None:
        self.leases: dict[int, LeaseRow] = {}
        self.entries: list[Entry] = []
        self.commands: dict[int, CommandRow] = {}
        self.settled: dict[tuple[str, str], list[int]] = {}
        self.rest: Mapping[str, Any] | None = None
        self.commands_until: int | None = None
        self.facts: dict[str, Any] = {}

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
        for key, value in self.facts.items():
            transaction.set_fact(key, value)
        if self.commands_until is not None:
            transaction.set_fact(COMMANDS, self.commands_until)


class Mends(Protocol):
    """Tries to write what could not be written."""

    unwritten: Unwritten
    failure: StoreError | None

    @property
    def over(self) -> bool:
        """Whether it was written, or is given up: then :attr:`failure` says why."""

    def give_up(self) -> bool:
        """Try no more; return whether it was written, or may be written by somebody else now."""


class Mending:
    """Tries to write what could not be written, in a thread of its own, until that is done.

    The loop goes on meanwhile: a store that does not answer makes nothing late. Nobody else may write to the store
    until :attr:`over`.
    """

    def __init__(self, store: Store, unwritten: Unwritten, done: Callable[[], None]) -> None:
        """Begin. ``done`` is called, in the thread, when it is over."""
        self.unwritten = unwritten
        self.failure: StoreError | None = None
        self._store = store
        self._done = done
        self._over = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="haizea-mending", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it was written, or is given up: then :attr:`failure` says why."""
        return self._over

    def give_up(self) -> bool:
        """Try no more; return whether it was written, or may be written by somebody else now."""
        self._stop.set()
        self._thread.join(WAIT_MAX_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(RETRY_S):
            over, self.failure = _written(self._store, self.unwritten)
            if over:
                self._over = True
                self._done()
                return


class MendingByHand:
    """Tries whenever it is asked whether it is over: for a loop without threads."""

    def __init__(self, store: Store, unwritten: Unwritten, _done: Callable[[], None]) -> None:
        self.unwritten = unwritten
        self.failure: StoreError | None = None
        self._store = store
        self._over = False

    @property
    def over(self) -> bool:
        """Try, where that is still to be done; return whether it is not any more."""
        if not self._over:
            self._over, self.failure = _written(self._store, self.unwritten)
        return self._over

    def give_up(self) -> bool:
        """Nobody is at it."""
        return True


def _written(store: Store, unwritten: Unwritten) -> tuple[bool, StoreError | None]:
    """Try to write; return whether there is nothing more to try, and what is in the way for good."""
    try:
        with store.write() as transaction:
            unwritten.write(transaction)
    except StoreUnavailable:
        return False, None
    except StoreError as problem:
        return True, problem
    return True, None
