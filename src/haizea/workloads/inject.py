"""Injection: merging the leases of a second workload into a first, by arrival."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from haizea.model.lease import LeaseRequest

OFFSET: Final = 1_000_000
"""What is added to the ids of injected leases, unless the first workload has ids as large as that."""


def inject(first: Iterable[LeaseRequest], second: Iterable[LeaseRequest]) -> "Injected":
    """Merge two workloads, each in order of arrival; at equal arrival the first one's leases come first.

    The id of every injected lease is raised by :data:`OFFSET`, as Haizea 1.x does, or by the lowest multiple of it
    that is not below the first workload's largest id, so that ids stay unique.
    """
    return Injected(first, second)


class Injected:
    """Two workloads as one; may be iterated more than once if both of them may."""

    __slots__ = ("_first", "_offset", "_second")

    def __init__(self, first: Iterable[LeaseRequest], second: Iterable[LeaseRequest]) -> None:
        """Merge ``second`` into ``first``."""
        # What can be iterated only once is kept, for the largest id must be known before the first lease is handed out.
        self._first = list(first) if isinstance(first, Iterator) else first
        self._second = list(second)
        largest = largest_id(self._first)
        self._offset = OFFSET * max(1, -(-largest // OFFSET))

    def __iter__(self) -> Iterator[LeaseRequest]:
        offset = self._offset
        injected = iter(self._second)
        following = next(injected, None)
        for request in self._first:
            while following is not None and following.arrival < request.arrival:
                yield following._replace(id=following.id + offset)
                following = next(injected, None)
            yield request
        while following is not None:
            yield following._replace(id=following.id + offset)
            following = next(injected, None)

    def largest_id(self) -> int:
        """Return the largest id, 0 without leases."""
        return max(largest_id(self._first), largest_id(self._second) + self._offset if self._second else 0)


def largest_id(requests: Iterable[LeaseRequest]) -> int:
    """Return the largest id among requests, 0 without any; a trace need not make its leases for that."""
    known = None if isinstance(requests, Sequence) else getattr(requests, "largest_id", None)
    return int(known()) if known is not None else max((request.id for request in requests), default=0)
