"""One transaction of the writer: collects what is to be kept, and hands it to the database in a few statements."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Delete, Insert, Update, select

from haizea.runtime.rows import (
    CommandRow,
    Entry,
    GroupRow,
    KeyRow,
    LeaseRow,
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
from haizea.stores.sql import schema
from haizea.stores.sql.statements import Statements
from haizea.stores.tables import COMMANDS, JOURNAL, LEASES, FactRow, Value

Values = dict[str, Value]

BUFFERED: Final = ("leases", "commands", "usage", "facts", "keys")
"""The kinds of which there may be many in a transaction, and of which none is ever deleted in one."""


class SqlTransaction:
    """What is written between the beginning and the end of a block.

    Nothing touches the database before the end, so that it is locked for as short as can be. The many rows of a kind
    become one statement; what is rare is kept in the order in which it came.
    """

    def __init__(self, statements: Statements) -> None:
        """Begin with nothing."""
        self._statements = statements
        self._rows: dict[str, dict[tuple[Any, ...], Values]] = {}
        self._entries: list[Values] = []
        self._settled: dict[int, Values] = {}
        self._rest: list[tuple[Insert | Delete | Update, list[Values]]] = []

    def __bool__(self) -> bool:
        """Whether there is anything to be kept."""
        return bool(self._rows or self._entries or self._settled or self._rest)

    def save_lease(self, row: LeaseRow, /) -> None:
        """Insert or replace a lease."""
        self._put(LEASES, row)

    def append(self, entries: Iterable[Entry], /) -> None:
        """Add to the journal."""
        for entry in entries:
            if self._entries and entry.number <= int(self._entries[-1]["number"] or 0):
                raise StoreError(f"the journal's number {entry.number} is not above the one before it")
            self._entries.append(JOURNAL.encode(entry))

    def save_command(self, row: CommandRow, /) -> None:
        """Insert or replace a command."""
        self._settled.pop(row.id, None)
        self._put(COMMANDS, row)

    def settle_commands(self, ids: Iterable[int], state: str, error: str = "", /) -> None:
        """Note how commands went."""
        for command in ids:
            noted: Values = {"state": state, "error": error}
            new = self._rows.get("commands", {}).get((command,))
            if new is not None:
                new.update(noted)
            else:
                self._settled[command] = {"of": command, **noted}

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
        kept = tables.USERS.encode(row)
        del kept["groups"]
        self._do(self._statements.upserts["users"], kept)
        self._do(self._statements.members_of, {"user": row.name})
        members: list[Values] = [{"user": row.name, "group": group} for group in sorted(set(row.groups))]
        if members:
            self._rest.append((self._statements.join, members))

    def delete_user(self, name: str, /) -> None:
        """Forget a user with its tokens and quota."""
        self._do(self._statements.deletes["users"], {"key": name})
        self.delete_quota("user", name)

    def put_group(self, row: GroupRow, /) -> None:
        """Insert or replace a group."""
        self._do(self._statements.upserts["groups"], tables.GROUPS.encode(row))

    def delete_group(self, name: str, /) -> None:
        """Forget a group, its quota and its memberships."""
        self._do(self._statements.deletes["groups"], {"key": name})
        self.delete_quota("group", name)

    def put_token(self, row: TokenRow, /) -> None:
        """Insert or replace a token."""
        self._do(self._statements.upserts["tokens"], tables.TOKENS.encode(row))

    def put_quota(self, row: QuotaRow, /) -> None:
        """Insert or replace a quota."""
        self._do(self._statements.upserts["quotas"], tables.QUOTAS.encode(row))

    def delete_quota(self, kind: str, subject: str, /) -> None:
        """Forget a quota."""
        self._do(self._statements.delete_quota, {"kind": kind, "subject": subject})

    def put_webhook(self, row: WebhookRow, /) -> None:
        """Insert or replace a webhook."""
        self._do(self._statements.upserts["webhooks"], tables.WEBHOOKS.encode(row))
        self._do(self._statements.count_up, {"name": "webhooks", "next": row.id + 1})

    def delete_webhook(self, webhook: int, /) -> None:
        """Forget a webhook."""
        self._do(self._statements.deletes["webhooks"], {"key": webhook})

    def put_offer(self, row: OfferRow, /) -> None:
        """Insert or replace an offer."""
        self._do(self._statements.upserts["offers"], tables.OFFERS.encode(row))

    def delete_offer(self, offer: str, /) -> None:
        """Forget an offer."""
        self._do(self._statements.deletes["offers"], {"key": offer})

    def put_record(self, row: RecordRow, /) -> None:
        """Insert or replace a record."""
        self._do(self._statements.upserts["records"], tables.RECORDS.encode(row))

    def delete_record(self, record: str, /) -> None:
        """Forget a record."""
        self._do(self._statements.deletes["records"], {"key": record})

    def put(self, kind: tables.Kind[Any], row: Any, /) -> None:
        """Insert or replace a row of any kind."""
        if kind is tables.USERS:
            self.put_user(row)
        elif kind is JOURNAL:
            self.append([row])
        elif kind is tables.COUNTERS:
            self._do(self._statements.count_up, kind.encode(row))
        elif kind.name in BUFFERED:
            self._put(kind, row)
        else:
            self._do(self._statements.upserts[kind.name], kind.encode(row))

    def flush(self, connection: Connection, last_entry: int, *, again: bool) -> None:
        """Hand everything to the database.

        ``again`` says that the transaction before this one may have been kept although it failed: entries that are
        there already, and are the same, are no fault then.

        Raises:
            StoreError: the journal's numbers do not grow, or a command is not known.
        """
        for name in BUFFERED:
            rows = self._rows.get(name)
            if rows:
                connection.execute(self._statements.upserts[name], list(rows.values()))
        if self._settled:
            done = connection.execute(self._statements.settle, list(self._settled.values()))
            if done.rowcount != len(self._settled):
                raise StoreError(f"a command that is to be noted is not known, among {sorted(self._settled)[:10]}")
        self._append(connection, last_entry, again=again)
        for statement, values in self._rest:
            connection.execute(statement, values)

    def entries_end(self, before: int) -> int:
        """Return the journal's last number when this transaction has been kept, given the one before it."""
        return int(self._entries[-1]["number"] or 0) if self._entries else before

    def _append(self, connection: Connection, last_entry: int, *, again: bool) -> None:
        entries: Sequence[Values] = self._entries
        if again and entries:
            entries = _new_only(connection, entries)
        if not entries:
            return
        first = int(entries[0]["number"] or 0)
        if first <= last_entry:
            raise StoreError(f"the journal's number {first} is not above {last_entry}, the last used")
        connection.execute(self._statements.append, entries)

    def _put(self, kind: tables.Kind[Any], row: tuple[Any, ...]) -> None:
        self._rows.setdefault(kind.name, {})[kind.key_of(row)] = kind.encode(row)

    def _do(self, statement: Insert | Delete, values: Values) -> None:
        self._rest.append((statement, [values]))


def _new_only(connection: Connection, entries: Sequence[Values]) -> Sequence[Values]:
    """Return those of the entries that are not in the journal yet in just this form."""
    numbers = [entry["number"] for entry in entries]
    there = connection.execute(select(schema.JOURNAL).where(schema.JOURNAL.c.number.between(numbers[0], numbers[-1])))
    kept = {row.number: dict(row._mapping) for row in there}
    return [entry for entry in entries if kept.get(entry["number"]) != entry]
