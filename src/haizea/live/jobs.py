"""The jobs of a step: taken out of the inbox, and answered."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import InvalidStateError
from typing import Any, NamedTuple

from haizea.live.inbox import Inbox, Job
from haizea.live.onlookers import Gauge
from haizea.runtime.store import StoreUnavailable

JOBS_MAX = 200
"""So many jobs are done in one step at most, and so in one transaction."""


class Answer(NamedTuple):
    """What a job is answered: a value, or, where it did not go well, an exception."""

    job: Job
    answer: Any
    well: bool


class Jobs:
    """Jobs whose answer somebody waits for."""

    def __init__(self, inbox: Inbox, gauge: Gauge) -> None:
        self._inbox = inbox
        self._gauge = gauge
        self._taken: list[Job] = []

    def take(self) -> tuple[list[Job], list[Job]]:
        """Take jobs whose answer somebody still waits for: those that change something, and those that look."""
        jobs = self._inbox.take(JOBS_MAX)
        if jobs and len(self._inbox):
            self._inbox.wake()
        self._taken = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        return [job for job in self._taken if job.writes], [job for job in self._taken if not job.writes]

    def answer(self, answers: Sequence[Answer]) -> None:
        """Give answers."""
        for job, answer, well in answers:
            if not well:
                fail(job, answer)
                continue
            if job.writes:
                self._gauge.decided(time.monotonic() - job.posted_at)
            try:
                job.future.set_result(answer)
            except InvalidStateError:
                # Whoever asked has given up waiting.
                continue

    def refuse_all(self) -> None:
        """Tell everybody who waits for an answer that there will be none: the loop has ended."""
        refuse([*self._taken, *self._inbox.close()], "the daemon is stopping")


def finished(job: Job, finish: Callable[[], Any]) -> Answer:
    """Return what a job is to be answered: what a call returns, or raises."""
    try:
        return Answer(job, finish(), well=True)
    except Exception as problem:
        return Answer(job, problem, well=False)


def refuse(jobs: Sequence[Job], why: str) -> None:
    """Answer that the store cannot be used now."""
    for job in jobs:
        fail(job, StoreUnavailable(why))


def fail(job: Job, problem: Exception) -> None:
    """Answer with an exception."""
    try:
        job.future.set_exception(problem)
    except InvalidStateError:
        # As above.
        return
