"""Backup, restore, check, moving between databases, and forgetting what is old."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haizea.runtime.rows import GroupRow, LeaseFilter, OfferRow, QuotaRow, WebhookRow
from haizea.runtime.store import Store, StoreError, StoreUnavailable, StoreUnusable
from haizea.stores import maintenance, open_store, portable
from haizea.stores.pruning import Pruned, prune_some
from haizea.stores.sql.store import SqlStore
from haizea.stores.tables import ACTIVE
from tests.stores.postgresql import Server
from tests.stores.rows import command, entry, key, lease, token, usage, user

Open = Callable[..., Store]


def fill(store: Store, leases: int = 30) -> None:
    """Write some of everything: odd leases are over, and entry n is of lease n."""
    with store.write() as transaction:
        for number in range(1, leases + 1):
            over = {"state": "done", "final": True} if number % 2 else {}
            transaction.save_lease(lease(number, starts=number, ends=10 * number, submitted=number, **over))
            transaction.save_command(command(number, number, state="done" if number % 2 else "sent"))
        transaction.put_usage([usage(1, 0, 0, 5), usage(2, 0, 1, 9)])
        transaction.append([entry(number, lease=number) for number in range(1, leases + 1)])
        transaction.set_fact("clock", {"ö": [1, None]})
        transaction.put_group(GroupRow("physics", 1, ""))
        transaction.put_user(user("ann", "physics"))
        transaction.put_user(user("bob"))
        transaction.put_token(token("t", "ann"))
        transaction.put_quota(QuotaRow("default", "", 1, 2, None, None, "day", None))
        transaction.put_key(key("ann", "k", 1))
        transaction.put_offer(OfferRow("o", "ann", 3, 9, {"a": 1}))
        transaction.put_webhook(WebhookRow(4, "ann", "https://x/", "s", (), 1, 0, 0, True))
        transaction.delete_webhook(4)


def everything(store: Store) -> tuple[object, ...]:
    """Return all there is, but for who was writing."""
    loaded = store.load()
    facts = {name: value for name, value in loaded.facts.items() if name != ACTIVE}
    return (
        loaded._replace(facts=facts),
        store.leases(LeaseFilter(), limit=1000),
        store.entries(0, limit=1000),
        store.usage(0, 1 << 53),
        (store.users(), store.groups(), store.tokens(), store.quotas(), store.webhooks(), store.offers()),
        store.key("ann", "k"),
    )


def test_a_backup_is_made_while_the_store_is_in_use(url: str, tmp_path: Path, opened: Open) -> None:
    """A backup holds what was committed, is its user's alone, and makes the same store again."""
    store = opened(url)
    fill(store)
    before = everything(store)
    backup = tmp_path / "backup"
    maintenance.backup(url, backup)
    with store.write() as transaction:
        transaction.append([entry(31)])
    assert backup.stat().st_mode & 0o777 == 0o600
    restored = f"sqlite:///{tmp_path}/restored.db"
    maintenance.restore(restored, backup)
    assert everything(opened(restored)) == before
    assert maintenance.check(restored) == []
    with pytest.raises(StoreUnavailable, match="there already"):
        maintenance.backup(url, backup)
    with pytest.raises(StoreError):
        maintenance.restore(restored, backup)
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_a_damaged_store_is_not_backed_up(tmp_path: Path, opened: Open) -> None:
    """A copy that is not sound is not called a backup."""
    path = tmp_path / "a.db"
    store = opened(f"sqlite:///{path}")
    fill(store, 500)
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + bytes(60_000) + content[68_192:])
    with pytest.raises(StoreUnusable, match="damaged"):
        maintenance.backup(f"sqlite:///{path}", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    maintenance_input = tmp_path / "damaged copy"
    maintenance_input.write_bytes(path.read_bytes())
    with pytest.raises(StoreUnusable, match="damaged"):
        maintenance.restore(f"sqlite:///{tmp_path}/b.db", maintenance_input)
    assert not (tmp_path / "b.db").exists()


def test_nothing_is_no_backup(tmp_path: Path) -> None:
    """There must be something to back up, to restore, to migrate."""
    url = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(StoreUnavailable, match="none to back up"):
        maintenance.backup(url, tmp_path / "b")
    with pytest.raises(StoreUnavailable, match="none to migrate"):
        maintenance.migrate(url)
    with pytest.raises(StoreUnavailable, match="No such file"):
        maintenance.restore(url, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["sqlite", "postgresql"])
def test_moving_to_another_database(tmp_path: Path, server: Server, there: str, opened: Open) -> None:
    """What is exported from one kind of database and imported into the other is the same in all respects."""
    urls = [f"sqlite:///{tmp_path}/a.db", server.make()]
    source, target = urls if there == "postgresql" else urls[::-1]
    first = opened(source)
    fill(first, 1200)
    lines = maintenance.export(source, tmp_path / "export")
    assert maintenance.import_(target, tmp_path / "export") == lines - 2
    second = opened(target)
    assert everything(second) == everything(first)
    assert second.load().next_webhook == 5
    with second.write() as transaction:
        transaction.append([entry(1201)])
    stream = io.BytesIO()
    assert maintenance.export(target, stream) == lines + 1
    with pytest.raises(StoreUnusable, match="in use"):
        maintenance.import_(target, tmp_path / "export")
    second.close()
    with pytest.raises(StoreUnusable, match=r"is not empty .*import into a new one"):
        maintenance.import_(target, tmp_path / "export")


@pytest.fixture
def exported(tmp_path: Path, opened: Open) -> list[bytes]:
    """Return the lines of an export."""
    url = f"sqlite:///{tmp_path}/source.db"
    fill(opened(url), 4)
    stream = io.BytesIO()
    maintenance.export(url, stream)
    return stream.getvalue().splitlines()


LEASE_LINE = {"table": "leases", "row": lease(1)._asdict()}


def replaced(row: int, by: object) -> Callable[[list[bytes]], list[bytes]]:
    """Return what puts another line into an export."""
    line = by if isinstance(by, bytes) else json.dumps(by).encode()
    return lambda lines: [*lines[: row - 1], line, *lines[row:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: [], "line 1 is not JSON"),
        (lambda lines: lines[1:], "line 1: this is not an export"),
        (lambda lines: lines[:-1], "ends before its last line"),
        (lambda lines: [*lines[:3], *lines[4:]], "rows"),
        (lambda lines: [*lines, b"{}"], "something after the end"),
        (replaced(1, {"haizea-store": 1, "revision": 99}), "line 1: .*revision 99"),
        (replaced(1, {"haizea-store": [1], "revision": 1}), "line 1: "),
        (replaced(2, b"\xff"), "line 2 is not JSON"),
        (replaced(2, b"[" * 100_000), "line 2 is not JSON"),
        (replaced(2, b"9" * 5_000), "line 2 is not JSON"),
        (replaced(2, []), "line 2: expected an object"),
        (replaced(2, {"table": "leases", "row": {}}), "line 2: expected leases with id, type"),
        (replaced(2, {"table": "sqlite_master", "row": {}}), "line 2: expected a row of a table that there is"),
        (replaced(2, {"table": [], "row": {}}), "line 2: expected a row"),
        (replaced(2, LEASE_LINE | {"row": LEASE_LINE["row"] | {"name": "a\0"}}), "line 2: leases: name"),  # type: ignore[operator]
        (replaced(2, LEASE_LINE | {"row": LEASE_LINE["row"] | {"vms": "1"}}), "line 2: leases: vms"),  # type: ignore[operator]
        (replaced(2, b'{"table": "' + b"x" * (17 << 20) + b'"}'), "line 2 is longer than"),
        (replaced(2, {"table": "facts", "row": {"key": "active", "value": 1}}), "line 2: the fact 'active'"),
        (replaced(2, {"table": "tokens", "row": token("u", "nobody")._asdict()}), "contradicts"),
    ],
    ids=range(19),
)
def test_an_export_that_is_not_sound(
    exported: list[bytes], change: Callable[[list[bytes]], list[bytes]], message: str, url: str, tmp_path: Path
) -> None:
    """The first fault of an export is told with its line, and nothing of it is kept."""
    file = tmp_path / "export"
    file.write_bytes(b"\n".join(change(exported)))
    with pytest.raises(StoreError, match=message):
        maintenance.import_(url, file)
    store = open_store(url)
    assert store.count_leases(LeaseFilter()) == store.last_entry() == 0
    store.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_export_breaks_the_import(exported: list[bytes], tmp_path: Path, data: st.DataObject) -> None:
    """However an export is changed, its import ends well or with a message."""
    lines = list(exported)
    where = data.draw(st.integers(0, len(lines) - 1))
    line = bytearray(lines[where])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    lines[where] = bytes(line)
    store = open_store(f"sqlite:///{tmp_path}/target.db")
    assert isinstance(store, SqlStore)
    try:
        portable.import_lines(store, lines)
    except StoreError as error:
        assert len(str(error)) < 2000  # noqa: PT017 # both ends are fine
    finally:
        store.close()
        (tmp_path / "target.db").unlink()


def test_forgetting_what_is_old(url: str, opened: Open) -> None:
    """Leases that were over before an instant go with their commands and keys, and so do old entries, but no number."""
    store = opened(url)
    fill(store)
    before = store.load()
    with pytest.raises(StoreUnusable, match="in use"):
        maintenance.prune(url, 205)
    store.close()
    pruned = maintenance.prune(url, 205)
    # Leases 1 to 19 that are odd were over by 200, but for 3, which an offer holds; entry n is of 10 n.
    assert pruned == Pruned(leases=9, commands=9, keys=1, entries=20, more=False)
    store = opened(url)
    assert [row.id for row in store.leases(LeaseFilter(active=False), limit=99)] == [3, 21, 23, 25, 27, 29]
    assert store.entries(0, limit=1)[0].number == 21
    assert (store.load().leases, store.load().commands) == (before.leases, before.commands)
    assert store.key("ann", "k") is None
    assert len(store.usage(0, 100)) == 2
    assert maintenance.check(url) == []


def test_numbers_are_never_given_again(url: str, opened: Open) -> None:
    """After all has been forgotten, numbers go on where they were."""
    store = opened(url)
    assert isinstance(store, SqlStore)
    with store.write() as transaction:
        for number in range(1, 6):
            transaction.save_lease(lease(number, final=True))
            transaction.save_command(command(number, number, state="done"))
        transaction.append([entry(number) for number in range(1, 6)])
    some = prune_some(store, 1 << 53, 3)
    assert some == Pruned(3, 3, 0, 3, True)
    assert prune_some(store, 1 << 53, 3) == Pruned(2, 2, 0, 1, False)
    loaded = store.load()
    assert (loaded.next_lease, loaded.next_entry, loaded.next_command) == (6, 6, 6)
    assert store.last_entry() == 5
    with store.write() as transaction:
        transaction.append([entry(6)])


def test_the_check_finds_what_cannot_be(url: str, opened: Open) -> None:
    """Rows that can be read but contradict each other are found, each with its table."""
    store = opened(url)
    with store.write() as transaction:
        transaction.save_lease(lease(1, version=9))
        transaction.save_lease(lease(2, starts=5, ends=4))
        transaction.save_command(command(1, 1, state="odd"))
        transaction.append([entry(1, lease=77)])
        transaction.put_usage([usage(1, 0, 9, 3), usage(99, 0, 1, 2)])
    found = maintenance.check(url)
    assert [each.where for each in found] == ["leases", "leases", "commands", "usage", "usage", "journal"]
    assert "entry 9, which is not in the journal" in found[0].what


def test_the_check_minds_who_may_read(tmp_path: Path, opened: Open) -> None:
    """A file that others may read is worth a finding."""
    url = f"sqlite:///{tmp_path}/a.db"
    opened(url)
    (tmp_path / "a.db").chmod(0o644)
    assert [each.where for each in maintenance.check(url)] == ["file"]


def test_the_check_tells_only_so_much(url: str, opened: Open) -> None:
    """Where everything is wrong, the first hundred findings are enough."""
    store = opened(url)
    with store.write() as transaction:
        for number in range(1, 300):
            transaction.save_lease(lease(number, version=999))
    found = maintenance.check(url)
    assert len(found) == 101
    assert found[-1].what == "and perhaps more"


def test_a_sound_store_needs_no_migration(url: str, opened: Open) -> None:
    """Migrating what is up to date changes nothing; a store in use is left alone."""
    store = opened(url)
    with pytest.raises(StoreUnusable, match="in use"):
        maintenance.migrate(url)
    store.close()
    assert maintenance.migrate(url) == maintenance.Migrated(1, 1)
