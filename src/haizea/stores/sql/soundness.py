"""Whether what is in the database can be trusted: its pages, and what refers to what."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, select

from haizea.stores.sql.schema import MEMBERS, TABLES
from haizea.stores.tables import REFERENCES

SHOWN: Final = 10


def quick_check(connection: Connection) -> str:
    """Return what SQLite finds wrong with its file at a glance, empty where nothing is."""
    return "; ".join(_pragma(connection, "quick_check(3)"))


def integrity(connection: Connection) -> list[str]:
    """Return what SQLite finds wrong with its file, indexes and all; PostgreSQL looks after its own."""
    return _pragma(connection, "integrity_check(100)")


def broken_references(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield table and message for references to what is not there, at most ten for each kind of reference."""
    wanted = [(TABLES[each.of], each.column, TABLES[each.to].c[each.key]) for each in REFERENCES]
    wanted += [(MEMBERS, "user", TABLES["users"].c.name), (MEMBERS, "group", TABLES["groups"].c.name)]
    for table, name, to in wanted:
        column = table.c[name]
        missing = select(column).where(~select(to).where(to == column).exists()).limit(SHOWN)
        for value in connection.execute(missing).scalars():
            yield table.name, f"{table.name}: {name} {value!r} is not among the {to.table}"


def _pragma(connection: Connection, what: str) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {what}")]
    return [] if found == ["ok"] else found
