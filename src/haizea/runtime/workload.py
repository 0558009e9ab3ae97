"""A workload as a source of events: every request arrives when the workload says."""

from collections.abc import Callable, Iterable, Iterator

from haizea.model.events import LeaseRequested
from haizea.model.lease import LeaseRequest
from haizea.model.units import FAR_FUTURE, Instant, Span


class Arrivals:
    """Hands out the requests of a workload at their times of arrival.

    ``tell`` is called with each lease's number and how long its VMs will really run, where that is known.
    """

    def __init__(self, requests: Iterable[LeaseRequest], start: Instant, tell: Callable[[int, Span], None]) -> None:
        self._requests: Iterator[LeaseRequest] = iter(requests)
        self._start = start
        self._tell = tell
        self._next: LeaseRequest | None = None
        self.next_at: Instant = FAR_FUTURE
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._next = next(self._requests, None)
        self.next_at = FAR_FUTURE if self._next is None else self._start + self._next.arrival

    def due(self, now: Instant) -> list[LeaseRequested]:
        """Take out the requests that have arrived by now."""
        arrived = []
        start = self._start
        while self.next_at <= now:
            request = self._next
            if request is None:
                break
            lease, _arrival, terms, real_duration = request
            if terms.start is not None or terms.deadline is not None:
                terms = terms._replace(
                    start=None if terms.start is None else terms.start + start,
                    deadline=None if terms.deadline is None else terms.deadline + start,
                )
            if real_duration is not None:
                self._tell(lease, real_duration)
            # What the constructor does, which is the interpreter's: every lease passes here.
            arrived.append(tuple.__new__(LeaseRequested, (now, lease, terms)))
            self._look_ahead()
        return arrived
