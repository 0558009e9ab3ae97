"""The store's port: what the live loop writes in one transaction per step, and what everybody may read.

There is one writer, the loop's thread. Readers may be many, on any thread and, with PostgreSQL, on other machines.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

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


class StoreError(Exception):
    """Something is wrong with the store; the message says what, and what its keeper can do."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written at the moment: try again later.

    Nothing of the transaction was kept, unless the connection broke while it was being committed.
    """


class StoreUnusable(StoreError):
    """The store must not be used: damaged, of a newer version, or in use by another daemon."""


class Deposed(StoreError):
    """Another daemon has taken over: this one must not write any more."""


class Transaction(Protocol):
    """Everything written in it is kept together or not at all."""

    def save_lease(self, row: LeaseRow, /) -> None:
        """Insert a lease, or replace what is kept of it."""

    def append(self, entries: Iterable[Entry], /) -> None:
        """Add to the journal; numbers must be above all that were used before."""

    def save_command(self, row: CommandRow, /) -> None:
        """Insert a command, or replace what is kept of it."""

    def settle_commands(self, ids: Iterable[int], state: str, error: str = "", /) -> None:
        """Note how commands went."""

    def put_usage(self, rows: Iterable[UsageRow], /) -> None:
        """Insert usage, or replace rows of the same lease and index."""

    def set_fact(self, key: str, value: Any, /) -> None:
        """Keep one of the few facts there is one of each: a tree of what JSON has."""

    def put_key(self, row: KeyRow, /) -> None:
        """Remember an idempotency key, or have it lead to another lease."""

    def put_user(self, row: UserRow, /) -> None:
        """Insert or replace a user."""

    def delete_user(self, name: str, /) -> None:
        """Forget a user with its tokens and quota."""

    def put_group(self, row: GroupRow, /) -> None:
        """Insert or replace a group."""

    def delete_group(self, name: str, /) -> None:
        """Forget a group, its quota and its memberships."""

    def put_token(self, row: TokenRow, /) -> None:
        """Insert or replace a token."""

    def put_quota(self, row: QuotaRow, /) -> None:
        """Insert or replace a quota."""

    def delete_quota(self, kind: str, subject: str, /) -> None:
        """Forget a quota."""

    def put_webhook(self, row: WebhookRow, /) -> None:
        """Insert or replace a webhook."""

    def delete_webhook(self, webhook: int, /) -> None:
        """Forget a webhook."""

    def put_offer(self, row: OfferRow, /) -> None:
        """Insert or replace an offer."""

    def delete_offer(self, offer: str, /) -> None:
        """Forget an offer."""

    def put_record(self, row: RecordRow, /) -> None:
        """Insert or replace a record."""

    def delete_record(self, record: str, /) -> None:
        """Forget a record."""


class Store(Protocol):
    """Where everything that must outlive the daemon is. All methods may raise :class:`StoreError`."""

    def load(self) -> Loaded:
        """Return what a daemon starts from, having checked that the store is sound."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction: committed durably at the end of the block, rolled back where the block raises."""

    def close(self) -> None:
        """Let go of it."""

    # Reads, each seeing only what is committed ---------------------------------------------------------------

    def ping(self) -> None:
        """Return if the store can be read."""

    def lease(self, lease: int, /) -> LeaseRow | None:
        """Return a lease."""

    def leases(self, wanted: LeaseFilter, /, *, limit: int, offset: int = 0) -> list[LeaseRow]:
        """Return leases, at most ``limit``."""

    def count_leases(self, wanted: LeaseFilter, /) -> int:
        """Count leases."""

    def entries(
        self, after: int, /, *, limit: int, lease: int | None = None, kinds: Sequence[str] = (), host: str | None = None
    ) -> list[Entry]:
        """Return journal entries with numbers above ``after``, in order."""

    def last_entry(self) -> int:
        """Return the number of the newest journal entry, 0 where there is none."""

    def usage(self, start: Instant, end: Instant, /, *, owner: str | None = None) -> list[UsageRow]:
        """Return usage that overlaps ``[start, end)``."""

    def key(self, owner: str, key: str, /) -> KeyRow | None:
        """Return what an idempotency key led to."""

    def fact(self, key: str, /) -> Any:
        """Return one fact, None where there is none."""

    def user(self, name: str, /) -> UserRow | None:
        """Return a user."""

    def users(self) -> list[UserRow]:
        """Return all users, by name."""

    def groups(self) -> list[GroupRow]:
        """Return all groups, by name."""

    def tokens(self, user: str | None = None, /) -> list[TokenRow]:
        """Return tokens, of one user or all."""

    def token(self, digest: str, /) -> TokenRow | None:
        """Return the token with this digest."""

    def quotas(self) -> list[QuotaRow]:
        """Return all quotas."""

    def webhooks(self) -> list[WebhookRow]:
        """Return all webhooks."""

    def offers(self) -> list[OfferRow]:
        """Return all offers."""

    def records(self, kind: str, /) -> list[RecordRow]:
        """Return all records of a kind, by id."""
