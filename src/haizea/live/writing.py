"""The transaction of a step: begun, kept or given up; and what is done while the store cannot be written.

What a step changes is gathered in :attr:`Writing.unwritten`. While the store is out of reach it stays there, or in the
hands of a thread that tries to write it (:class:`~haizea.live.unwritten.Mending`), and nothing else is written before.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from haizea.live.onlookers import Checkpoint, Gauge
from haizea.live.unwritten import Mending, Mends, Unwritten
from haizea.runtime.store import Deposed, Store, StoreUnavailable, Transaction

MakeMending = Callable[[Store, Unwritten, Callable[[], None]], Mends]
"""Makes what tries to write what could not be written, given what to call when that is over."""


class Writing:
    """Writes to the store.

    ``trouble`` says why it cannot be written and ``deposed`` who leads instead, where that is so; ``newest`` is the
    number of the newest journal entry that is kept.
    """

    def __init__(
        self,
        store: Store,
        newest: int,
        wake: Callable[[], None],
        gauge: Gauge,
        warn: Callable[[str], None],
        checkpoint: Checkpoint,
        mending: MakeMending = Mending,
    ) -> None:
        """``wake`` is called, from any thread, when the store can be written again."""
        self.store = store
        self.newest = newest
        self.unwritten = Unwritten()
        self.trouble = ""
        self.deposed = ""
        self._wake = wake
        self._gauge = gauge
        self._warn = warn
        self._checkpoint = checkpoint
        self._make_mending = mending
        self._mending: Mends | None = None
        self._context: AbstractContextManager[Transaction] | None = None
        self._transaction: Transaction | None = None

    @property
    def transaction(self) -> Transaction:
        """The step's transaction.

        Raises:
            StoreUnavailable: there is none.
        """
        if self._transaction is None:
            raise StoreUnavailable(self.trouble or "a job that only looks may not write")
        return self._transaction

    @property
    def begun(self) -> bool:
        """Whether there is a transaction."""
        return self._context is not None

    def look(self) -> None:
        """Take note if what could not be written has been written meanwhile."""
        if self._mending is not None and self._mending.over:
            self.writable()

    def writable(self) -> bool:
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

    def begin(self) -> bool:
        """Begin the transaction; say whether that went well."""
        self._checkpoint("begin")
        try:
            context = self.store.write()
            self._transaction = context.__enter__()
        except (StoreUnavailable, Deposed) as problem:
            self.out_of_reach(problem)
            return False
        self._context = context
        self._checkpoint("begun")
        return True

    def commit(self, since: float) -> bool:
        """Write what is to be written and end the transaction; say whether it was kept.

        ``since`` is when the step began, by the clock of :func:`time.perf_counter`.
        """
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
            self.unwritten.write(transaction)
            self._checkpoint("written")
        except BaseException as problem:
            with suppress(StoreUnavailable, Deposed):
                context.__exit__(type(problem), problem, problem.__traceback__)
            raise
        try:
            context.__exit__(None, None, None)
        except (StoreUnavailable, Deposed) as problem:
            self.out_of_reach(problem)
            return False
        self._checkpoint("committed")
        self._kept(self.unwritten)
        self.unwritten = Unwritten()
        self._gauge.written(time.perf_counter() - since)
        return True

    def abandon(self, problem: BaseException) -> None:
        """Give up the transaction, if there is one, as if its writer had been killed."""
        context, self._context, self._transaction = self._context, None, None
        if context is not None:
            with suppress(type(problem), StoreUnavailable, Deposed):
                context.__exit__(type(problem), problem, problem.__traceback__)

    def out_of_reach(self, problem: StoreUnavailable | Deposed) -> None:
        """Take note that the store cannot be written."""
        self._gauge.failed()
        if not self.trouble:
            self._warn(f"the store cannot be written: {problem} Requests are refused, what was promised goes on.")
        self.trouble = str(problem)
        if isinstance(problem, Deposed):
            self.deposed = str(problem)

    @property
    def to_mend(self) -> bool:
        """Whether there is something that could not be written, and nobody sees to it yet."""
        return bool(self.trouble) and self._mending is None and not self.deposed

    def mend(self) -> None:
        """Have what could not be written tried again, by a thread that the loop need not wait for."""
        self._mending = self._make_mending(self.store, self.unwritten, self._wake)
        self.unwritten = Unwritten()

    def flush(self, rest: Mapping[str, Any], commands_until: int) -> None:
        """Write whatever is not written yet, when the loop has ended.

        ``rest`` and ``commands_until`` are what :class:`~haizea.live.unwritten.Unwritten` has under these names.
        """
        waiting = [self.unwritten]
        if not self.stop_mending():
            return
        if self._mending is not None and not self._mending.over:
            waiting.insert(0, self._mending.unwritten)
        if self.deposed:
            return
        self.unwritten.rest = rest
        self.unwritten.commands_until = commands_until
        try:
            with self.store.write() as transaction:
                for unwritten in waiting:
                    unwritten.write(transaction)
        except (StoreUnavailable, Deposed) as problem:
            self._warn(f"what happened last is not kept, and will be found out at the next start: {problem}")

    def stop_mending(self) -> bool:
        """Leave off trying to write what could not be written; return whether somebody else may write now."""
        return self._mending is None or self._mending.give_up()

    def _kept(self, written: Unwritten) -> None:
        if written.entries:
            self.newest = written.entries[-1].number
        self.trouble = ""
