"""A store in memory, for simulation and tests: it behaves like the others, and is gone when the process is."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from haizea.model.units import Instant
from haizea.runtime.rows import (
    CommandRow,
    Entry,
    GroupRow,
    KeyRow,
    LeaseFilter,
    LeaseRow,
    Loaded,
    OfferRow,
    QuotaRow,
    RecordRow,
    TokenRow,
    UsageRow,
    UserRow,
    WebhookRow,
)
from haizea.runtime.store import StoreError
from haizea.stores import tables
from haizea.stores.tables import COMMANDS, JOURNAL, KINDS, LEASES, OPEN_COMMANDS, REFERENCES, FactRow, Kind, R

Key = tuple[Any, ...]
Kept = dict[str, dict[Key, dict[str, Any]]]


def _decoded(kind: Kind[R], kept: Mapping[str, Any]) -> R:
    return kind.decode(tuple(kept.values()))


class MemoryTransaction:
    """Collects what is to be done and checks it, so that the store changes at once or not at all."""

    def __init__(self, kept: Kept, last_entry: int) -> None:
        """Begin one above what is kept."""
        self._kept = kept
        self.last_entry = last_entry
        self.changes: list[tuple[str, Key, dict[str, Any] | None]] = []
        self._pending: dict[tuple[str, Key], dict[str, Any] | None] = {}

    def save_lease(self, row: LeaseRow, /) -> None:
        """Insert or replace a lease."""
        self._put(LEASES, row)

    def append(self, entries: Iterable[Entry], /) -> None:
        """Add to the journal."""
        for entry in entries:
            if entry.number <= self.last_entry:
                raise StoreError(f"the journal's number {entry.number} is not above {self.last_entry}, the last used")
            self._put(JOURNAL, entry)
            self.last_entry = entry.number

    def save_command(self, row: CommandRow, /) -> None:
        """Insert or replace a command."""
        self._put(COMMANDS, row)

    def settle_commands(self, ids: Iterable[int], state: str, error: str = "", /) -> None:
        """Note how commands went."""
        for command in ids:
            found = self._look("commands", (command,))
            if found is None:
                raise StoreError(f"there is no command {command} to note as {state}")
            self._put(COMMANDS, _decoded(COMMANDS, found)._replace(state=state, error=error))

    def put_usage(self, rows: Iterable[UsageRow], /) -> None:
        """Insert or replace usage."""
        for row in rows:
            self._put(tables.USAGE, row)

    def set_fact(self, key: str, value: Any, /) -> None:
        """Keep a fact."""
        self._put(tables.FACTS, FactRow(key, value))

    def put_key(self, row: KeyRow, /) -> None:
        """Insert or replace an idempotency key."""
        self._put(tables.KEYS, row)

    def put_user(self, row: UserRow, /) -> None:
        """Insert or replace a user."""
        self._put(tables.USERS, row._replace(groups=tuple(sorted(set(row.groups)))))

    def delete_user(self, name: str, /) -> None:
        """Forget a user with its tokens and quota."""
        self._delete("users", (name,))
        for key, kept in self._all("tokens"):
            if kept["user"] == name:
                self._delete("tokens", key)
        self.delete_quota("user", name)

    def put_group(self, row: GroupRow, /) -> None:
        """Insert or replace a group."""
        self._put(tables.GROUPS, row)

    def delete_group(self, name: str, /) -> None:
        """Forget a group, its quota and its memberships."""
        self._delete("groups", (name,))
        for _key, kept in self._all("users"):
            user = _decoded(tables.USERS, kept)
            if name in user.groups:
                self._put(tables.USERS, user._replace(groups=tuple(each for each in user.groups if each != name)))
        self.delete_quota("group", name)

    def put_token(self, row: TokenRow, /) -> None:
        """Insert or replace a token."""
        for key, kept in self._all("tokens"):
            if kept["digest"] == row.digest and key != (row.id,):
                raise StoreError("two tokens have the same digest")
        self._put(tables.TOKENS, row)

    def put_quota(self, row: QuotaRow, /) -> None:
        """Insert or replace a quota."""
        self._put(tables.QUOTAS, row)

    def delete_quota(self, kind: str, subject: str, /) -> None:
        """Forget a quota."""
        self._delete("quotas", (kind, subject))

    def put_webhook(self, row: WebhookRow, /) -> None:
        """Insert or replace a webhook."""
        self._put(tables.WEBHOOKS, row)
        counter = self._look("counters", ("webhooks",))
        if counter is None or counter["next"] <= row.id:
            self._put(tables.COUNTERS, tables.CounterRow("webhooks", row.id + 1))

    def delete_webhook(self, webhook: int, /) -> None:
        """Forget a webhook."""
        self._delete("webhooks", (webhook,))

    def put_offer(self, row: OfferRow, /) -> None:
        """Insert or replace an offer."""
        self._put(tables.OFFERS, row)

    def delete_offer(self, offer: str, /) -> None:
        """Forget an offer."""
        self._delete("offers", (offer,))

    def put_record(self, row: RecordRow, /) -> None:
        """Insert or replace a record."""
        self._put(tables.RECORDS, row)

    def delete_record(self, record: str, /) -> None:
        """Forget a record."""
        self._delete("records", (record,))

    def check(self) -> None:
        """Raise :class:`StoreError` where something that is written refers to nothing."""
        for (name, key), kept in self._pending.items():
            for reference in REFERENCES:
                if reference.of != name or kept is None:
                    continue
                wanted = kept[reference.column]
                if self._look(reference.to, (wanted,)) is None:
                    raise StoreError(f"{name}, {key}: there is no {reference.column} {wanted!r}")
            if name == "users" and kept is not None:
                for group in _decoded(tables.USERS, kept).groups:
                    if self._look("groups", (group,)) is None:
                        raise StoreError(f"users, {key}: there is no group {group!r}")

    def _put(self, kind: Kind[R], row: R) -> None:
        kept = kind.encode(row)
        self.changes.append((kind.name, kind.key_of(row), kept))
        self._pending[kind.name, kind.key_of(row)] = kept

    def _delete(self, name: str, key: Key) -> None:
        self.changes.append((name, key, None))
        self._pending[name, key] = None

    def _look(self, name: str, key: Key) -> dict[str, Any] | None:
        if (name, key) in self._pending:
            return self._pending[name, key]
        return self._kept[name].get(key)

    def _all(self, name: str) -> list[tuple[Key, dict[str, Any]]]:
        changed = {key: kept for (of, key), kept in self._pending.items() if of == name}
        return [(key, kept) for key, kept in (self._kept[name] | changed).items() if kept is not None]


class MemoryStore:
    """Everything in dictionaries, as it would be written, so that nobody can change what is kept from outside."""

    def __init__(self) -> None:
        """Make an empty one."""
        self._kept: Kept = {kind.name: {} for kind in KINDS}
        self._numbers: list[int] = []
        # Readers on other threads must not see half a transaction, nor a dictionary that changes under them.
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def load(self) -> Loaded:
        """Return what a daemon starts from."""
        with self._lock:
            counters = {key[0]: kept["next"] for key, kept in self._kept["counters"].items()}
            waiting = self._select(COMMANDS, lambda kept: kept["state"] in OPEN_COMMANDS)
            first = {command.lease: command.id for command in reversed(waiting)}
            over = self._select(COMMANDS, lambda kept: kept["state"] not in OPEN_COMMANDS and kept["lease"] in first)
            return Loaded(
                tuple(self._select(LEASES, lambda kept: not kept["final"])),
                tuple(waiting),
                {fact.key: fact.value for fact in self._select(tables.FACTS)},
                max((key[0] for key in self._kept["leases"]), default=0) + 1,
                self.last_entry() + 1,
                max((key[0] for key in self._kept["commands"]), default=0) + 1,
                counters.get("webhooks", 1),
                tuple([command for command in over if command.id > first[command.lease]]),
            )

    @contextmanager
    def write(self) -> Iterator[MemoryTransaction]:
        """Begin a transaction."""
        with self._writing:
            transaction = MemoryTransaction(self._kept, self.last_entry())
            yield transaction
            transaction.check()
            with self._lock:
                for name, key, kept in transaction.changes:
                    if kept is None:
                        self._kept[name].pop(key, None)
                    else:
                        self._kept[name][key] = kept
                        if name == "journal":
                            self._numbers.append(key[0])

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def ping(self) -> None:
        """Return: it can be read."""

    def lease(self, lease: int, /) -> LeaseRow | None:
        """Return a lease."""
        return self._get(LEASES, lease)

    def leases(self, wanted: LeaseFilter, /, *, limit: int, offset: int = 0) -> list[LeaseRow]:
        """Return leases, at most ``limit``."""
        name, descending = tables.ordering(wanted)
        with self._lock:
            found = [kept for kept in self._kept["leases"].values() if _wanted(kept, wanted)]
        found.sort(key=lambda kept: kept["id"], reverse=descending)
        known = [kept for kept in found if kept[name] is not None]
        known.sort(key=lambda kept: kept[name], reverse=descending)
        known += [kept for kept in found if kept[name] is None]
        return [_decoded(LEASES, kept) for kept in known[offset : offset + limit]]

    def count_leases(self, wanted: LeaseFilter, /) -> int:
        """Count leases."""
        with self._lock:
            return sum(_wanted(kept, wanted) for kept in self._kept["leases"].values())

    def entries(
        self, after: int, /, *, limit: int, lease: int | None = None, kinds: Sequence[str] = (), host: str | None = None
    ) -> list[Entry]:
        """Return journal entries with numbers above ``after``, in order."""
        found: list[Entry] = []
        with self._lock:
            journal = self._kept["journal"]
            for number in islice(self._numbers, bisect_right(self._numbers, after), None):
                if len(found) >= limit:
                    break
                kept = journal[number,]
                if (
                    (lease is None or kept["lease"] == lease)
                    and (not kinds or kept["kind"] in kinds)
                    and (host is None or kept["host"] == host)
                ):
                    found.append(_decoded(JOURNAL, kept))
        return found

    def last_entry(self) -> int:
        """Return the number of the newest journal entry."""
        return self._numbers[-1] if self._numbers else 0

    def usage(self, start: Instant, end: Instant, /, *, owner: str | None = None) -> list[UsageRow]:
        """Return usage that overlaps ``[start, end)``."""

        def overlaps(kept: Mapping[str, Any]) -> bool:
            return kept["start"] < end and kept["end"] > start and (owner is None or kept["owner"] == owner)

        with self._lock:
            return self._select(tables.USAGE, overlaps)

    def key(self, owner: str, key: str, /) -> KeyRow | None:
        """Return what an idempotency key led to."""
        return self._get(tables.KEYS, owner, key)

    def fact(self, key: str, /) -> Any:
        """Return one fact."""
        found = self._get(tables.FACTS, key)
        return None if found is None else found.value

    def user(self, name: str, /) -> UserRow | None:
        """Return a user."""
        return self._get(tables.USERS, name)

    def users(self) -> list[UserRow]:
        """Return all users, by name."""
        with self._lock:
            return self._select(tables.USERS)

    def groups(self) -> list[GroupRow]:
        """Return all groups, by name."""
        with self._lock:
            return self._select(tables.GROUPS)

    def tokens(self, user: str | None = None, /) -> list[TokenRow]:
        """Return tokens, of one user or all."""
        with self._lock:
            return self._select(tables.TOKENS, lambda kept: user is None or kept["user"] == user)

    def token(self, digest: str, /) -> TokenRow | None:
        """Return the token with this digest."""
        with self._lock:
            return next(iter(self._select(tables.TOKENS, lambda kept: kept["digest"] == digest)), None)

    def quotas(self) -> list[QuotaRow]:
        """Return all quotas."""
        with self._lock:
            return self._select(tables.QUOTAS)

    def webhooks(self) -> list[WebhookRow]:
        """Return all webhooks."""
        with self._lock:
            return self._select(tables.WEBHOOKS)

    def offers(self) -> list[OfferRow]:
        """Return all offers."""
        with self._lock:
            return self._select(tables.OFFERS)

    def records(self, kind: str, /) -> list[RecordRow]:
        """Return all records of a kind, by id."""
        with self._lock:
            return self._select(tables.RECORDS, lambda kept: kept["kind"] == kind)

    def _get(self, kind: Kind[R], *key: Any) -> R | None:
        with self._lock:
            kept = self._kept[kind.name].get(key)
        return None if kept is None else _decoded(kind, kept)

    def _select(self, kind: Kind[R], asked_for: Callable[[Mapping[str, Any]], bool] = lambda _kept: True) -> list[R]:
        found = sorted(key for key, kept in self._kept[kind.name].items() if asked_for(kept))
        return [_decoded(kind, self._kept[kind.name][key]) for key in found]


def _wanted(kept: Mapping[str, Any], wanted: LeaseFilter) -> bool:
    """Whether a filter keeps a lease."""
    if wanted.states and kept["state"] not in wanted.states:
        return False
    if wanted.types and kept["type"] not in wanted.types:
        return False
    for column in ("owner", "group", "name"):
        asked = getattr(wanted, column)
        if asked is not None and kept[column] != asked:
            return False
    if wanted.active is not None and kept["final"] is wanted.active:
        return False
    starts, ends = kept["starts"], kept["ends"]
    if wanted.since is not None and (starts is None or (ends is not None and ends <= wanted.since)):
        return False
    return wanted.until is None or (starts is not None and starts < wanted.until)
