"""Orders that were refused, in the journal: who wanted what of what, when, which reason they gave, and why not.

Whoever is refused can ask again as fast as they are let in, so how much is written of it is limited, for each user and
over all; what is not written is counted, and the next entry says how many there were.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, NamedTuple

from haizea.runtime.changes import Change
from haizea.service import access
from haizea.service.errors import ServiceError, Unavailable
from haizea.service.limits import Buckets
from haizea.service.principal import Principal

REFUSED: Final = "order-refused"
"""The kind of the entries."""
BURST: Final = 30
PER_MINUTE: Final = 2
"""So many entries of one user at once, and so many a minute from then on."""
BURST_ALL: Final = 300
PER_MINUTE_ALL: Final = 20
COUNTED_MAX: Final = 10_000
"""Of so many users it is counted how much was not written."""
TEXT_MAX: Final = 1_000
NAME_MAX: Final = 128

_ALL: Final = "all"


class Attempt(NamedTuple):
    """What is ordered: a verb of :mod:`haizea.service.access`, on what, with which reason.

    ``about`` names what is neither a lease nor a host. ``tried``: it is a dry run, of which nothing is kept.
    """

    verb: str
    reason: str = ""
    lease: int | None = None
    host: str | None = None
    about: str = ""
    tried: bool = False


class Refusals:
    """Writes what was refused into the journal, within limits."""

    def __init__(
        self, change: Callable[[Callable[[Change], None]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``change`` has a job done that writes; ``clock`` gives seconds."""
        self._change = change
        self._each = Buckets(PER_MINUTE / 60, BURST, clock=clock)
        self._all = Buckets(PER_MINUTE_ALL / 60, BURST_ALL, clock=clock)
        self._left_out: OrderedDict[str, int] = OrderedDict()
        # Verbs are carried out in several threads.
        self._lock = Lock()

    @contextmanager
    def kept(self, who: Principal, attempt: Attempt) -> Iterator[None]:
        """Have a refusal of what is done within kept, and raise it again.

        That the store or the platform is out of reach is no refusal: nobody has decided against it.
        """
        try:
            yield
        except Unavailable:
            raise
        except ServiceError as error:
            if not attempt.tried:
                self._keep(who, attempt, error)
            raise

    def _keep(self, who: Principal, attempt: Attempt, error: ServiceError) -> None:
        left_out = self._enter(who.user)
        if left_out is None:
            return
        text, data = _told(who, attempt, error, left_out)
        host = None if attempt.host is None else attempt.host[:NAME_MAX]
        try:
            self._change(lambda change: change.note(REFUSED, who.user, text, lease=attempt.lease, host=host, data=data))
        except Unavailable:
            # It is refused all the same, and whoever asked is to hear why. The next entry tells of this one.
            self._count(who.user, left_out + 1)

    def _enter(self, user: str) -> int | None:
        """Return how many were left out before this one, None where it is to be left out, too."""
        with self._lock:
            if not self._each.take(user):
                if not self._all.take(_ALL):
                    return self._left_out.pop(user, 0)
                self._each.give_back(user)
        self._count(user, 1)
        return None

    def _count(self, user: str, more: int) -> None:
        with self._lock:
            self._left_out[user] = self._left_out.pop(user, 0) + more
            if len(self._left_out) > COUNTED_MAX:
                self._left_out.popitem(last=False)


def _told(who: Principal, attempt: Attempt, error: ServiceError, left_out: int) -> tuple[str, Mapping[str, Any]]:
    what = attempt.about[:NAME_MAX]
    if not what and attempt.lease is not None:
        what = f"lease {attempt.lease}"
    elif not what and attempt.host is not None:
        what = f"host {attempt.host[:NAME_MAX]}"
    text = f"{who.user} wanted to {access.VERBS[attempt.verb].says}{f' ({what})' if what else ''}"
    text += f": {attempt.reason[:TEXT_MAX]}" if attempt.reason else ""
    text += f"; refused: {error.detail[:TEXT_MAX]}"
    data: dict[str, Any] = {"verb": attempt.verb, "code": error.code, "reason": attempt.reason[:TEXT_MAX]}
    if attempt.about:
        data["about"] = attempt.about[:NAME_MAX]
    if left_out:
        text += f" (Not written before this: {left_out} more that they were refused.)"
        data["left_out"] = left_out
    return text, data
