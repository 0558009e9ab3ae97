"""A workload as a source of events: every request arrives when the workload says."""

from collections.abc import Callable, Iterable, Iterator

from haizea.model.events import LeaseRequested
from haizea.model.lease import LeaseRequest
from haizea.model.units import Instant, Span


class Arrivals:
    """Hands out the requests of a workload at their times of arrival.

    ``tell`` is called with each lease's number and how long its VMs will really run, where that is known.
    """

    def __init__(self, requests: Iterable[LeaseRequest], start: Instant, tell: Callable[[int, Span], None]) -> None:
        self._requests: Iterator[LeaseRequest] = iter(requests)
        self._start = start
        self._tell = tell
        self.handed_out = 0
        self._next: LeaseRequest | None = next(self._requests, None)

    def next_instant(self) -> Instant | None:
        """Return when the next request arrives."""
        following = self._next
        return None if following is None else self._start + following.arrival

    def due(self, now: Instant) -> list[LeaseRequested]:
        """Take out the requests that have arrived by now."""
        request = self._next
        if request is None or self._start + request.arrival > now:
            return []
        arrived = []
        start = self._start
        while request is not None and start + request.arrival <= now:
            terms = request.terms
            if terms.start is not None or terms.deadline is not None:
                terms = terms._replace(
                    start=None if terms.start is None else terms.start + start,
                    deadline=None if terms.deadline is None else terms.deadline + start,
                )
            if request.real_duration is not None:
                self._tell(request.id, request.real_duration)
            arrived.append(LeaseRequested(now, request.id, terms))
            request = next(self._requests, None)
        self._next = request
        self.handed_out += len(arrived)
        return arrived
