"""Threads for work that may never come back, and queues of work that must be done in order."""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

R = TypeVar("R")
T = TypeVar("T")
IDLE_S: Final = 30.0


class Abandoned(Exception):
    """Nobody waits any longer for what was to be done."""


class Crew(Generic[R]):
    """Up to ``most`` threads that nothing waits for, not even the end of the process.

    Each has something of its own to work with, which it gets by ``enter`` before its first work and gives back by
    ``leave`` after its last, or earlier where work failed and it is not ``fit`` any more.
    """

    def __init__(
        self, name: str, most: int, enter: Callable[[], R], leave: Callable[[R], None], fit: Callable[[R], bool]
    ) -> None:
        self._name = name
        self._most = most
        self._enter = enter
        self._leave = leave
        self._fit = fit
        self._condition = threading.Condition()
        self._waiting: deque[tuple[Callable[[R], Any], Future[Any]]] = deque()
        self._futures: set[Future[Any]] = set()
        self._threads = 0
        self._idle = 0
        self._over = ""

    def submit(self, work: Callable[[R], T], /) -> "Future[T]":
        """Have something done; what it returns or raises is the future's."""
        future: Future[T] = Future()
        with self._condition:
            if self._over:
                future.set_exception(Abandoned(self._over))
                return future
            self._waiting.append((work, future))
            self._futures.add(future)
            if self._idle >= len(self._waiting):
                self._condition.notify()
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return future

    def abandon(self, why: str) -> None:
        """Do nothing more, and tell all who wait that there is nothing to wait for."""
        with self._condition:
            self._over = why
            self._waiting.clear()
            futures = list(self._futures)
            self._futures.clear()
            self._condition.notify_all()
        for future in futures:
            with suppress(InvalidStateError):
                future.set_exception(Abandoned(why))

    def wait(self, within_s: float) -> bool:
        """Wait until all threads have ended, after it was abandoned; return whether they have."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._threads, within_s)

    def _run(self) -> None:
        own: list[R] = []
        try:
            while (item := self._next()) is not None:
                self._do(*item, own)
        finally:
            for each in own:
                self._leave(each)
            with self._condition:
                self._threads -= 1
                self._condition.notify_all()

    def _next(self) -> tuple[Callable[[R], Any], "Future[Any]"] | None:
        with self._condition:
            self._idle += 1
            if not self._waiting and not self._over:
                self._condition.wait(IDLE_S)
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None

    def _do(self, work: Callable[[R], Any], future: "Future[Any]", own: list[R]) -> None:
        # Whoever waits may have been told already that it takes too long.
        try:
            if not own:
                own.append(self._enter())
            result = work(own[0])
        except BaseException as problem:
            with suppress(InvalidStateError):
                future.set_exception(problem)
            if own and not self._fit(own[0]):
                self._leave(own.pop())
        else:
            with suppress(InvalidStateError):
                future.set_result(result)
        finally:
            with self._condition:
                self._futures.discard(future)


Workers = Crew[None]


def workers(name: str, most: int) -> Workers:
    """Return a crew whose threads need nothing to work with."""
    return Crew(name, most, lambda: None, lambda _none: None, lambda _none: True)


class Lanes:
    """Queues by key: what has the same key is done in order, what has not is done side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, deque[tuple[Workers, Callable[[], None]]]] = {}

    def put(self, key: Hashable, crew: Workers, work: Callable[[], None]) -> None:
        """Have something done by a crew, after what came before with the same key; it must not raise."""
        with self._lock:
            lane = self._lanes.get(key)
            if lane is not None:
                lane.append((crew, work))
                return
            self._lanes[key] = deque([(crew, work)])
        self._next(key, crew, work)

    def busy(self, key: Hashable) -> bool:
        """Whether anything with this key is being done or waits."""
        with self._lock:
            return key in self._lanes

    def _next(self, key: Hashable, crew: Workers, work: Callable[[], None]) -> None:
        def do(_none: None) -> None:
            try:
                work()
            finally:
                self._done(key)

        crew.submit(do)

    def _done(self, key: Hashable) -> None:
        with self._lock:
            lane = self._lanes[key]
            lane.popleft()
            if not lane:
                del self._lanes[key]
                return
            crew, work = lane[0]
        self._next(key, crew, work)
