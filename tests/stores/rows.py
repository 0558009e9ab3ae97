"""Rows for tests, each with the one thing set that a test is about."""

from typing import Any

from haizea.runtime.rows import CommandRow, Entry, KeyRow, LeaseRow, TokenRow, UsageRow, UserRow


def lease(id_: int, **what: Any) -> LeaseRow:
    """Return a lease."""
    plain = LeaseRow(
        id=id_,
        type="best-effort",
        state="queued",
        final=False,
        owner="ann",
        group="physics",
        name=f"lease {id_}",
        vms=1,
        submitted=1_000 * id_,
        starts=None,
        ends=None,
        version=0,
        document={"id": id_, "terms": {"vms": 1, "names": ["a", "ö"]}},
    )
    return plain._replace(**what)


def entry(number: int, **what: Any) -> Entry:
    """Return an entry of the journal."""
    plain = Entry(number, 10 * number, "notice", None, None, "haizea", f"entry {number}", {"n": number})
    return plain._replace(**what)


def command(id_: int, of: int, **what: Any) -> CommandRow:
    """Return a command for a lease."""
    return CommandRow(id_, 0, 60_000, "start", of, (3, 1), "pending", 0, "")._replace(**what)


def usage(of: int, index: int, start: int, end: int, **what: Any) -> UsageRow:
    """Return usage of a lease."""
    plain = UsageRow(of, index, "ann", "physics", "best-effort", 2, 200, 2048, start, end, "done")
    return plain._replace(**what)


def user(name: str, *groups: str) -> UserRow:
    """Return a user in groups."""
    return UserRow(name, "user", groups, False, 5, "")


def token(id_: str, of: str, **what: Any) -> TokenRow:
    """Return a token of a user."""
    return TokenRow(id_, of, f"digest of {id_}", ("leases",), "laptop", 1, None, None)._replace(**what)


def key(owner: str, name: str, of: int) -> KeyRow:
    """Return an idempotency key that led to a lease."""
    return KeyRow(owner, name, "digest", of, 7)
