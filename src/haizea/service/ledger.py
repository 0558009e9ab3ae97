"""Accounts as the loop's thread sees them, and the way to change them.

Several jobs may share one step, and so one transaction of the store, which nobody can read from before it is
committed. Whoever decides in a job must nevertheless know what the jobs before it wrote: that a user was deleted, or a
number given away. :class:`Present` remembers that until the next step.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from haizea.runtime.changes import Change, Writer
from haizea.runtime.rows import GroupRow, TokenRow, UserRow, WebhookRow
from haizea.runtime.store import Store, Transaction
from haizea.service.reads import reading
from haizea.service.refusals import Refusals

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")

NEXT_WEBHOOK: Final = "next-webhook"


class Present:
    """What is so within one step: what is committed, and what the step has written so far."""

    def __init__(self, store: Store, transaction: Transaction) -> None:
        """Begin with what is committed."""
        self._store = store
        self.transaction = transaction
        self._users: dict[str, UserRow | None] = {}
        self._groups: dict[str, GroupRow | None] = {}
        self._tokens: dict[str, TokenRow | None] = {}
        self._webhooks: dict[int, WebhookRow | None] = {}
        self._next_webhook = 1

    def user(self, name: str) -> UserRow | None:
        """Return a user."""
        with reading():
            return self._users[name] if name in self._users else self._store.user(name)

    def put_user(self, row: UserRow) -> None:
        """Insert or replace a user."""
        self.transaction.put_user(row)
        self._users[row.name] = row

    def delete_user(self, name: str) -> None:
        """Forget a user with their tokens, quota and webhooks."""
        for webhook in self.webhooks():
            if webhook.owner == name:
                self.delete_webhook(webhook.id)
        tokens = self.tokens(name)
        self.transaction.delete_user(name)
        self._users[name] = None
        self._tokens |= dict.fromkeys([token.id for token in tokens])

    def groups(self) -> dict[str, GroupRow]:
        """Return the groups by name."""
        with reading():
            return _merged({row.name: row for row in self._store.groups()}, self._groups)

    def put_group(self, row: GroupRow) -> None:
        """Insert or replace a group."""
        self.transaction.put_group(row)
        self._groups[row.name] = row

    def delete_group(self, name: str) -> None:
        """Forget a group, its quota and its memberships."""
        self.transaction.delete_group(name)
        self._groups[name] = None

    def tokens(self, user: str | None = None) -> list[TokenRow]:
        """Return tokens, of one user or all."""
        with reading():
            found = _merged({row.id: row for row in self._store.tokens(user)}, self._tokens)
        return [row for row in found.values() if user is None or row.user == user]

    def put_token(self, row: TokenRow) -> None:
        """Insert or replace a token."""
        self.transaction.put_token(row)
        self._tokens[row.id] = row

    def webhooks(self) -> Iterable[WebhookRow]:
        """Return the webhooks."""
        with reading():
            return _merged({row.id: row for row in self._store.webhooks()}, self._webhooks).values()

    def put_webhook(self, row: WebhookRow) -> None:
        """Insert or replace a webhook."""
        self.transaction.put_webhook(row)
        self._webhooks[row.id] = row

    def delete_webhook(self, webhook: int) -> None:
        """Forget a webhook."""
        self.transaction.delete_webhook(webhook)
        self._webhooks[webhook] = None

    def new_webhook(self) -> int:
        """Return a number that no webhook has had."""
        with reading():
            kept = self._store.fact(NEXT_WEBHOOK) or 1
        number: int = max(kept, self._next_webhook)
        self._next_webhook = number + 1
        self.transaction.set_fact(NEXT_WEBHOOK, number + 1)
        return number


class Ledger:
    """The accounts: read from the store by any thread, changed in the loop's thread."""

    def __init__(self, store: Store, writer: Writer, changed: Callable[[], None] | None = None) -> None:
        """Take the parts; ``changed`` is called, on whatever thread asked for it, after every change was kept."""
        self.store = store
        self._writer = writer
        self._told = [] if changed is None else [changed]
        self._present: Present | None = None
        self.refusals = Refusals(self._record)

    def change(self, job: Callable[[Change, Present], T]) -> T:
        """Have a job done in the loop's thread, and return once what it changed is durable.

        A job checks first and then writes: what it has written stays, even if it raises then.

        Raises:
            Unavailable: it could not be kept; nothing was changed.
            Exception: what the job raised.
        """
        with reading():
            done = self._writer.change(lambda change: job(change, self._at(change)))
        for tell in self._told:
            tell()
        return done

    def _record(self, job: Callable[[Change], None]) -> None:
        """Have something written that is about accounts, and changes none."""
        with reading():
            self._writer.change(job)

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Have something else called, too, after every change."""
        self._told.append(tell)

    def _at(self, change: Change) -> Present:
        transaction = change.transaction
        if self._present is None or self._present.transaction is not transaction:
            self._present = Present(self.store, transaction)
        return self._present


def _merged(kept: dict[K, R], written: dict[K, R | None]) -> dict[K, R]:
    return {key: row for key, row in (kept | written).items() if row is not None}
