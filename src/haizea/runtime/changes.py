"""How anything but passing time changes the live state: by jobs that the loop's thread carries out."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from haizea.model.events import Event
from haizea.model.reason import Reason
from haizea.model.units import Instant
from haizea.runtime.rows import LeaseRow
from haizea.runtime.store import Transaction

T = TypeVar("T")

WITHDRAWN = "the store, which could not keep it"
"""By whom a lease is cancelled that was decided upon and could not be kept, so that nobody was promised it."""


class Change(Protocol):
    """What a job is handed: the present, the step's transaction, the way to the scheduler."""

    @property
    def now(self) -> Instant:
        """The present."""

    @property
    def transaction(self) -> Transaction:
        """Everything written in it is kept together with all else of this step. Check first, then write."""

    @property
    def scheduler(self) -> Any:
        """The scheduler, to look at."""

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
        """Add an entry to the journal."""

    def hand_over(self, event: Event, taken: Callable[[], None] | None = None) -> Reason | None:
        """Hand an event, stamped with the present, to the scheduler.

        Returns why an order was refused, None where it was taken; what was not an order is never refused here.
        ``taken`` is called where it was taken, before anything is noted of what it leads to: who wanted it comes first.
        """

    def new_lease(self) -> int:
        """Return a number that no lease has had."""

    def then(self, finish: Callable[[], Any]) -> None:
        """Have the job answered by what this returns once the scheduler has decided, in the same step."""

    def row(self, lease: int) -> LeaseRow | None:
        """Return a lease as it will be kept, None where there never was one."""


class Writer(Protocol):
    """Has jobs carried out by the loop's thread, and waits for them to be durable."""

    def change(self, job: Callable[[Change], T], /) -> T:
        """Carry out a job that may change something.

        Raises:
            haizea.runtime.store.StoreUnavailable: it could not be kept; nothing was changed.
            Exception: what the job raised.
        """

    def look(self, job: Callable[[Change], T], /) -> T:
        """Carry out a job that only looks, after all that change something; it must not write."""
