"""Threads that requests are carried out on: so many and no more, with a limit on waiting for one.

Reading and changing have threads of their own: while the loop is busy or stuck, what only reads goes on.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from haizea.service.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Lane:
    """Some threads, and those who wait for one. Belongs to one event loop."""

    def __init__(self, name: str, threads: int, *, wait_s: float, waiting_max: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"haizea-{name}")
        self._free = asyncio.Semaphore(threads)
        self._wait_s = wait_s
        self._waiting_max = waiting_max
        self._waiting = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call on one of the threads.

        Raises:
            Unavailable: no thread came free in time, or too many wait for one already.
        """
        await self._seat()
        try:
            work = asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))
        except BaseException:
            self._free.release()
            raise
        # Whoever waits may give up; the thread is free only when the call is over.
        work.add_done_callback(self._over)
        return await asyncio.shield(work)

    async def _seat(self) -> None:
        """Wait for a thread to be free, and take it."""
        if self._free.locked() and self._waiting >= self._waiting_max:
            raise _busy("Too many requests wait already.")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise _busy(f"The request could not be begun within {self._wait_s:g} seconds.") from None
        finally:
            self._waiting -= 1

    def _over(self, work: "asyncio.Future[T]") -> None:
        self._free.release()
        if not work.cancelled():
            work.exception()  # looked at, for nobody may be waiting any more

    def close(self) -> None:
        """Let go of the threads, when what runs on them is over."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _busy(detail: str) -> Unavailable:
    return Unavailable(detail, code="busy", remedy="Try again in a moment.", retry_after_s=1)
