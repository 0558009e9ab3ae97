"""Opening a store: a new one, one of another version, one that is damaged, in use, or not a store at all."""

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from haizea.runtime.rows import LeaseFilter
from haizea.runtime.store import Store, StoreError, StoreUnavailable, StoreUnusable
from haizea.stores import open_store
from haizea.stores.maintenance import check, migrate
from haizea.stores.sql import opening, places, schema
from haizea.stores.sql.leadership import Leadership
from haizea.stores.sql.opening import MIGRATIONS, Migrations, prepare
from haizea.stores.sql.store import SqlStore
from tests.stores.rows import command, entry, lease, token, user

Open = Callable[..., Store]


def fill(url: str) -> None:
    """Make a store with a lease and what belongs to it."""
    store = open_store(url)
    with store.write() as transaction:
        for number in range(1, 200):
            transaction.save_lease(lease(number))
        transaction.save_command(command(1, 1))
        transaction.put_user(user("ann"))
        transaction.put_token(token("t", "ann"))
        transaction.append([entry(number) for number in range(1, 200)])
    store.close()


def change(url: str, *statements: str) -> None:
    """Do something to a store that a store would not do."""
    engine = places.writing(places.place(url))
    with engine.connect() as connection:
        if url.startswith("sqlite"):
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    engine.dispose()


def test_a_new_store_belongs_to_its_user_alone(tmp_path: Path, opened: Open) -> None:
    """The file, its companions and the folder made for it can be read by nobody else, whatever the umask."""
    store = opened(f"sqlite:///{tmp_path}/a/b/haizea.db")
    with store.write() as transaction:
        transaction.append([entry(1)])
    folder = tmp_path / "a" / "b"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes) >= {"haizea.db", "haizea.db-wal", "haizea.db.lock"}
    assert set(modes.values()) == {0o600}


def test_sqlite_is_told_to_be_durable(tmp_path: Path, opened: Open) -> None:
    """The connection that writes has a write-ahead log, synced at every commit, and minds references."""
    store = opened(f"sqlite:///{tmp_path}/haizea.db")
    assert isinstance(store, SqlStore)
    with store.changing() as connection:
        got = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert got == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_migrations_lead_to_the_schema(url: str, opened: Open) -> None:
    """A store made by the migrations has just the tables, columns and indexes that the statements are made for."""
    store = opened(url)
    assert isinstance(store, SqlStore)
    with store.snapshot() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.metadata) == []
    assert ScriptDirectory(str(MIGRATIONS.folder)).get_heads() == [f"{schema.REVISION:04}"]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_store_is_refused(url: str, read_only: bool) -> None:
    """A store that a later version has been at is left alone, for writing and for reading."""
    fill(url)
    change(url, f"UPDATE {schema.VERSION_TABLE} SET version_num = '0999'")
    with pytest.raises(StoreUnusable, match=r"newer version.*revision 999"):
        open_store(url, read_only=read_only)
    with pytest.raises(StoreUnusable, match="newer version"):
        open_store(url, migrate=not read_only, read_only=read_only)
    with pytest.raises(StoreUnusable, match="newer"):
        migrate(url)


@pytest.mark.parametrize("version", ["abc", "0000", "", None])
def test_a_version_that_says_nothing_is_damage(url: str, version: str | None) -> None:
    """A store whose version cannot be told is not opened."""
    fill(url)
    wanted = "DELETE FROM {}" if version is None else f"UPDATE {{}} SET version_num = '{version}'"
    change(url, wanted.format(schema.VERSION_TABLE))
    with pytest.raises(StoreUnusable, match="damaged: its version"):
        open_store(url)


SECOND = """
revision = "0002"
down_revision = "0001"
from alembic import op
from sqlalchemy import Column, Integer
def upgrade():
    op.add_column("leases", Column("colour", Integer()))
    {more}
"""


def next_version(tmp_path: Path, more: str = "pass") -> Migrations:
    """Return the migrations of a version of Haizea that is yet to come."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "r0002_second.py").write_text(SECOND.format(more=more), encoding="utf-8")
    return Migrations(folder, 2)


def test_an_older_store_is_migrated_when_asked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older store is refused, with the command to run; migrating keeps what is in it, and a backup in SQLite."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    fill(url)
    at, coming = places.place(url), next_version(tmp_path)
    with pytest.raises(StoreUnusable, match=r"older version.*run `haizea store migrate`"):
        prepare(at, migrate=False, migrations=coming)
    assert prepare(at, migrate=True, migrations=coming) == 1
    assert prepare(at, migrate=True, migrations=coming) == 2
    with pytest.raises(StoreUnusable, match="newer version"):
        open_store(url)
    if at.path is not None:
        (backup,) = at.path.parent.glob("*.revision-1-*")
        assert backup.stat().st_mode & 0o777 == 0o600
        old = open_store(f"sqlite:///{backup}")
        assert old.count_leases(LeaseFilter()) == 199
        old.close()


def test_a_migration_that_fails_changes_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps of a migration are one transaction."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    fill(url)
    coming = next_version(tmp_path, 'op.execute("SELECT nonsense FROM nowhere")')
    with pytest.raises(StoreError):
        prepare(places.place(url), migrate=True, migrations=coming)
    store = open_store(url)
    assert store.load().next_lease == 200
    store.close()
    assert check(url) == []


def test_something_else_is_not_touched(url: str) -> None:
    """A database that holds tables of another program's is refused and left as it is."""
    at = places.place(url)
    if at.path is not None:
        at.path.parent.mkdir()
        with closing(sqlite3.connect(at.path)) as connection:
            connection.execute("CREATE TABLE leases (a)")
    else:
        change(url, "CREATE TABLE leases (a int)")
    for read_only in (False, True):
        with pytest.raises(StoreUnusable, match=r"holds something else \(leases\)"):
            open_store(url, read_only=read_only)


def test_reading_makes_nothing(url: str) -> None:
    """Opening a store for reading that is not there yet says so, and does not make it."""
    with pytest.raises(StoreUnavailable, match="`haizea serve` makes it"):
        open_store(url, read_only=True)
    at = places.place(url)
    assert at.path is None or not at.path.parent.exists()


def test_two_daemons(url: str, opened: Open) -> None:
    """A second daemon is refused as long as the first has the store open; readers are welcome."""
    first = opened(url)
    with pytest.raises(StoreUnusable, match="in use by"):
        open_store(url)
    reader = opened(url, read_only=True)
    with first.write() as transaction:
        transaction.append([entry(1)])
    assert reader.last_entry() == 1
    with pytest.raises(StoreError, match="for reading only"), reader.write():
        pass
    first.close()
    second = opened(url)
    assert second.load().next_entry == 2


def test_the_lead_over_another_store_does_not_count(tmp_path: Path) -> None:
    """A store is opened with the lead over itself."""
    other = Leadership(f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(ValueError, match="does not allow"):
        open_store(f"sqlite:///{tmp_path}/a.db", leadership=other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"garbage " * 5000),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:40_960]),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(path.read_bytes()[:8192] + bytes(60_000) + path.read_bytes()[68_192:]),
    ],
    ids=["garbage", "empty", "truncated", "header only", "zeros"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Callable[[Path], None], opened: Open) -> None:
    """A file that is not what was written is refused when it is opened or loaded, and the check says so too."""
    path = tmp_path / "haizea.db"
    url = f"sqlite:///{path}"
    fill(url)
    damage(path)
    with pytest.raises(StoreUnusable, match=r"haizea.db is damaged: .*restore a backup"):
        opened(url).load()
    assert any("damaged" in each.what or each.where == "file" for each in check(url))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leases SET document = '{\"id\":' WHERE id = 7",
        "UPDATE leases SET document = '[]' WHERE id = 7",
        "UPDATE facts SET value = 'x' WHERE key = 'active'",
        "UPDATE commands SET hosts = '[1.5]'",
        "UPDATE commands SET lease = 4711",
        "UPDATE tokens SET \"user\" = 'nobody'",
        "DELETE FROM users",
    ],
)
def test_damaged_contents_are_refused(url: str, statement: str, opened: Open) -> None:
    """A document that does not parse, or a reference to what is not there, keeps a daemon from starting."""
    fill(url)
    store = opened(url)
    change(url, statement)
    with pytest.raises(StoreUnusable, match="damaged"):
        store.load()
    assert check(url) != []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a URL"),
        ("mysql://there/db", "cannot be in mysql"),
        ("sqlite://", "needs the path"),
        ("sqlite:///:memory:", "needs the path"),
        ("sqlite:///a?mode=ro", "nothing else"),
        ("postgresql://host:port/db", "not a URL"),
    ],
)
def test_a_url_that_means_nothing(url: str, message: str) -> None:
    """A wrong URL is answered with what URLs look like."""
    with pytest.raises(StoreUnusable, match=f"{message}.*expected memory:, sqlite:///path or postgresql://"):
        open_store(url)


def test_a_password_is_not_told() -> None:
    """Messages about a server name it without the password."""
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        open_store("postgresql://ann:geheim@127.0.0.1:1/haizea")
    assert "geheim" not in str(raised.value)


def test_a_new_file_is_there_only_when_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where making a store fails, no file of its name is left that could be taken for one."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(opening, "_upgrade", fail)
        with pytest.raises(StoreUnavailable, match="No space left"):
            open_store(f"sqlite:///{tmp_path}/a.db")
    assert not (tmp_path / "a.db").exists()
    open_store(f"sqlite:///{tmp_path}/a.db").close()
