"""The journal: what happened, who did it, why."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from haizea.runtime.rows import Entry
from haizea.service import access
from haizea.service.errors import Invalid
from haizea.service.live import Live
from haizea.service.models import EntryPage
from haizea.service.principal import Principal
from haizea.service.reads import reading
from haizea.service.refusals import REFUSED
from haizea.service.views import entry_out

LIMIT_MAX: Final = 1_000
ACCOUNT_KINDS: Final = ("account", "user", "group", "token", "quota", "webhook")
POLL_S: Final = 0.5


class Journal:
    """The verbs of the journal."""

    def __init__(self, live: Live, newest: Callable[[], int]) -> None:
        """``newest`` returns the number of the newest entry."""
        self._live = live
        self._newest = newest
        self._changed = threading.Condition()

    def entries(
        self,
        who: Principal,
        *,
        after: int = 0,
        limit: int = 100,
        lease: int | None = None,
        kinds: Sequence[str] = (),
        host: str | None = None,
    ) -> EntryPage:
        """Return entries with numbers above ``after``, in order, of those that one may see."""
        access.check(who, "event.list", owner=who.user)
        if not 1 <= limit <= LIMIT_MAX or after < 0:
            raise Invalid(f"limit: expected 1 to {LIMIT_MAX}; after: 0 or more", field="limit")
        with reading():
            found = self._live.store.entries(after, limit=limit, lease=lease, kinds=tuple(kinds), host=host)
        shown = [entry_out(entry) for entry in found if may_read(who, entry)]
        return EntryPage(items=shown, cursor=found[-1].number if found else after)

    def tell(self) -> None:
        """Have whoever waits look for new entries."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, after: int, timeout_s: float) -> int:
        """Return the newest entry's number: as soon as it is above ``after``, or when time is up."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while (newest := self._newest()) <= after:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, POLL_S))
        return newest


def may_read(who: Principal, entry: Entry) -> bool:
    """Whether somebody who may read the journal may read this entry."""
    if entry.kind == REFUSED:
        # It may tell what is in the way: of somebody's quota, for example.
        return access.may(who, "event.refusal", owner=entry.actor)
    return entry.kind.partition("-")[0] not in ACCOUNT_KINDS or access.may(who, "event.account")
