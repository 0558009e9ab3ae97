"""Idempotency keys: a request that is sent again with the same key gives what it gave the first time."""

import hashlib
from collections import OrderedDict
from typing import Final

from pydantic import BaseModel

from haizea.model.lease import LeaseState
from haizea.runtime.changes import WITHDRAWN, Change
from haizea.runtime.rows import KeyRow, LeaseRow
from haizea.service.errors import Conflict, Invalid
from haizea.service.live import Live
from haizea.service.reads import reading

KEY_MAX: Final = 255
RECENT_MAX: Final = 10_000


class Keys:
    """The keys that were used, each with the number of the (first) lease that was requested with it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        # Keys of requests that the store may not show yet. Only the loop's thread looks at it.
        self._recent: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()

    def known(self, owner: str, key: str, digest: str) -> int | None:
        """Return the lease that was requested with a key, None where it is new. For the loop's thread only.

        Raises:
            Conflict: the key was used for another request.
        """
        found = self._recent.get((owner, key))
        if found is None:
            with reading():
                kept = self._live.store.key(owner, key)
            found = None if kept is None else (kept.digest, kept.lease)
        if found is None:
            return None
        if found[0] != digest:
            raise Conflict(
                f"the idempotency key was used before, for lease {found[1]}, with another request",
                code="key-reused",
                remedy="Use a new key for a new request.",
                facts={"lease": found[1]},
            )
        return found[1]

    def remember(self, change: Change, owner: str, key: str, digest: str, lease: int) -> None:
        """Keep a key. For the loop's thread only."""
        change.transaction.put_key(KeyRow(owner, key, digest, lease, change.now))
        self._recent[owner, key] = digest, lease
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def forget(self, owner: str, key: str) -> None:
        """Forget a key that could not be kept."""
        self._recent.pop((owner, key), None)


def check_key(key: str | None) -> None:
    """Return if a key can be kept.

    Raises:
        Invalid: it cannot.
    """
    if key is not None and not 0 < len(key) <= KEY_MAX:
        raise Invalid(f"an idempotency key has 1 to {KEY_MAX} characters", field="key")


def digest_of(request: BaseModel) -> str:
    """Return what tells one request from another."""
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()


def withdrawn(row: LeaseRow) -> bool:
    """Whether a lease was taken back because the store could not keep it: then nobody was told that there is one."""
    reason = row.document["reason"]
    return row.state == LeaseState.CANCELLED.label and reason is not None and WITHDRAWN in reason["text"]
