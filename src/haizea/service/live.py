"""What the verbs stand on: the loop that changes things, the store that is read, who is asked about whom."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from haizea.core.scheduler import Scheduler
from haizea.model.site import Site
from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.runtime.store import Store, StoreError
from haizea.service.accounts import Accounts
from haizea.service.errors import Unavailable

T = TypeVar("T")


class Loop(Protocol):
    """The live loop, as the verbs need it."""

    def change(self, job: Callable[[Change], T], /) -> T:
        """Have something done that may change something."""

    def look(self, job: Callable[[Change], T], /) -> T:
        """Have something looked at."""

    @property
    def site(self) -> Site:
        """The hosts there are at present, from any thread."""


class Live:
    """The parts, in one place."""

    def __init__(
        self,
        loop: Loop,
        store: Store,
        accounts: Accounts,
        clock: Callable[[], Instant],
        time_scale: float = 1.0,
    ) -> None:
        self._loop = loop
        self.store = store
        self.accounts = accounts
        self.now = clock
        self.time_scale = time_scale
        # One for all: how much of it is written is limited for each user, whatever they are refused.
        self.refusals = accounts.refusals

    @property
    def site(self) -> Site:
        """The hosts there are at present."""
        return self._loop.site

    @property
    def names(self) -> list[str]:
        """The names of the hosts, by number."""
        return [host.name for host in self._loop.site.hosts]

    def change(self, job: Callable[[Change], T]) -> T:
        """Have something done in the loop's thread; return once it is durable.

        Raises:
            Unavailable: it could not be kept; nothing was changed.
        """
        with _available():
            return self._loop.change(job)

    def look(self, job: Callable[[Scheduler], T]) -> T:
        """Have the scheduler looked at, in the loop's thread."""

        def asked(change: Change) -> T:
            scheduler: Any = change.scheduler
            return job(scheduler)

        with _available():
            return self._loop.look(asked)


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except StoreError as problem:
        raise Unavailable(
            f"it cannot be done at the moment: {problem}",
            remedy="Try again in a moment; a request with the same idempotency key is never carried out twice.",
            retry_after_s=5,
        ) from problem
