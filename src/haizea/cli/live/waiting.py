"""Waiting for a lease to run or to end: told by the server's events, checked by looking."""

from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from haizea.cli.live.common import REFUSED, TIMED_OUT, say
from haizea.cli.live.lease_words import FINAL, RUNNING, sentence
from haizea.client.errors import TimedOut

RUNNING_NAME: Final = "running"
ENDED_NAME: Final = "ended"
WAIT_FOR: Final = (RUNNING_NAME, ENDED_NAME)
IDLE_S: Final = 10.0
"""A lease is looked at after so many seconds even where no event tells of it."""


def wait_for(client: Any, lease: int, until: str, time_limit_s: float | None, told: Callable[[Any], None]) -> Any:
    """Wait until a lease is ``running`` or ``ended`` (what has ended is not waited for); ``told`` hears of new states.

    Returns:
        The lease as it is then.

    Raises:
        TimedOut: that took longer than ``time_limit_s`` seconds.
        HaizeaError: the server refuses, or is gone for good.
    """
    begun = monotonic()
    state: str | None = None
    # Time is looked at when something comes or nothing does: a limit is passed by a tenth of it at most.
    idle_s = IDLE_S if time_limit_s is None else min(IDLE_S, max(time_limit_s / 10, 0.05))
    # The first thing that a stream yields is that it is open, so nothing happens between looking and listening.
    for _ in client.follow(lease=lease, idle_s=idle_s):
        found = client.lease(lease)
        if state is not None and found["state"] != state:
            told(found)
        state = found["state"]
        if _reached(found, until):
            return found
        if time_limit_s is not None and monotonic() - begun >= time_limit_s:
            raise TimedOut(f"lease {lease} is {state}, not {until}, after {time_limit_s:g} s")
    raise AssertionError("a stream of events never ends by itself")


def wait_and_tell(client: Any, lease: int, until: str, time_limit_s: float | None) -> int:
    """Wait for a lease, tell on standard error what it goes through, print how it is in the end; the exit status."""
    try:
        found = wait_for(client, lease, until, time_limit_s, lambda seen: say(sentence(seen)))
    except TimedOut as error:
        say(str(error))
        return TIMED_OUT
    return status_of_lease(found, until)


def status_of_lease(found: Any, until: str = ENDED_NAME) -> int:
    """Return the exit status that a lease's state means to who waited: 0 where it came to what was hoped for."""
    if found["state"] in FINAL and found["state"] != "done":
        return REFUSED
    return 0 if _reached(found, until) else REFUSED


def _reached(found: Any, until: str) -> bool:
    return found["state"] in FINAL or (until == RUNNING_NAME and found["state"] in RUNNING)
