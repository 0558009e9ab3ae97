"""Where what must outlive the daemon is kept: in memory, SQLite or PostgreSQL, all behind :mod:`haizea.runtime.store`.

Importing this package is cheap; what a kind of store needs is imported when one is opened.
"""

from typing import TYPE_CHECKING

from haizea.runtime.store import Store

if TYPE_CHECKING:
    from haizea.stores.sql.leadership import Leadership

__all__ = ["open_store"]


def open_store(
    url: str, *, read_only: bool = False, migrate: bool = False, leadership: "Leadership | None" = None
) -> Store:
    """Open the store at ``url``: ``memory:``, ``sqlite:///path`` (four slashes for an absolute one) or ``postgresql://…``.

    A store that is not there yet is made. To write, one must lead: ``leadership`` is taken if it is not yet held; where
    none is given the store takes its own and keeps it until it is closed. ``read_only`` needs none, makes nothing, and
    works beside a daemon that writes. ``migrate`` brings a store of an older version up to date, after a backup where
    it is SQLite.

    Raises:
        StoreUnusable: the store is of another version, damaged, somebody else's, or led by another daemon.
        StoreUnavailable: it cannot be reached or made at the moment; read-only: there is none yet.
    """
    if url == "memory:":
        from haizea.stores.memory import MemoryStore

        return MemoryStore()
    from haizea.stores.sql.opening import open_sql

    return open_sql(url, read_only=read_only, migrate=migrate, leadership=leadership)
