"""Where other threads put what they want of the loop: bounded, and answered when it is durable."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class InboxFull(Exception):
    """More is waiting already than may wait."""


class Job:
    """Something to be done in the loop's thread, and where its answer goes.

    ``writes`` says whether it may change anything; one that does not is done after all that do.
    """

    __slots__ = ("future", "posted_at", "work", "writes")

    def __init__(self, work: Callable[[Any], Any], writes: bool, posted_at: float) -> None:
        self.work = work
        self.writes = writes
        self.posted_at = posted_at
        self.future: Future[Any] = Future()


class Inbox:
    """Jobs in the order in which they came."""

    def __init__(self, wake: Callable[[], None], jobs_max: int, monotonic: Callable[[], float]) -> None:
        """``wake`` is called, from any thread, whenever something was put in."""
        self._wake = wake
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._max = jobs_max
        self._monotonic = monotonic
        self._closed = False

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, work: Callable[[Any], Any], *, writes: bool) -> "Future[Any]":
        """Put a job in; return what its answer will be in.

        Raises:
            InboxFull: too many jobs wait, or none are taken any more.
        """
        job = Job(work, writes, self._monotonic())
        with self._lock:
            if self._closed or len(self._jobs) >= self._max:
                raise InboxFull("the daemon is stopping" if self._closed else "too many requests are waiting")
            self._jobs.append(job)
        self._wake()
        return job.future

    def wake(self) -> None:
        """Have the loop look at it."""
        self._wake()

    def take(self, most: int) -> list[Job]:
        """Take out the oldest jobs."""
        with self._lock:
            return [self._jobs.popleft() for _ in range(min(most, len(self._jobs)))]

    def close(self) -> list[Job]:
        """Let nothing more in; return what is left."""
        with self._lock:
            self._closed = True
            left = list(self._jobs)
            self._jobs.clear()
        return left
