"""Any row that can be written comes back as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haizea.runtime.rows import CommandRow, Entry, LeaseRow, QuotaRow, UsageRow
from haizea.runtime.store import Store
from haizea.stores import open_store
from haizea.stores.tables import COMMANDS, JOURNAL, LEASES, Unsound
from tests.stores.postgresql import Server
from tests.stores.rows import entry, lease

numbers = st.integers(-(1 << 53), 1 << 53)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
trees = st.recursive(
    st.none() | st.booleans() | numbers | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(anything, trees, max_size=4)
maybe = st.none() | numbers
leases = st.builds(
    LeaseRow,
    *[numbers, texts, texts, st.booleans(), texts, texts, texts, numbers, numbers, maybe, maybe, numbers, documents],
)


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return one store for many examples."""
    if request.param == "memory":
        url = "memory:"
    elif request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("rows")
        url = f"sqlite:///{folder}/a.db"
    else:
        server: Server = request.getfixturevalue("server")
        url = server.make()
    store = open_store(url)
    yield store
    store.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(row=leases, data=documents, text=texts, hosts=st.lists(numbers, max_size=5), fact=trees, limit=maybe)
def test_rows_come_back(
    store: Store, row: LeaseRow, data: dict[str, Any], text: str, hosts: list[int], fact: Any, limit: int | None
) -> None:
    """Texts of any characters but NUL, numbers up to 2^53 and any JSON are the same after writing and reading."""
    number = store.last_entry() + 1
    written = Entry(number, row.submitted, text, row.starts, text, text, text * 20, data)
    used = UsageRow(row.id, row.version, text, text, text, 1, row.vms, 3, -(1 << 60), 1 << 60, text)
    quota = QuotaRow(text, text, limit, limit, limit, limit, text, limit)
    command = CommandRow(row.id, 1, 2, text, row.id, tuple(hosts), "sent", 0, text)
    with store.write() as transaction:
        transaction.save_lease(row)
        transaction.save_command(command)
        transaction.append([written])
        transaction.put_usage([used])
        transaction.set_fact(text, fact)
        transaction.put_quota(quota)
    assert store.lease(row.id) == row
    assert store.entries(number - 1, limit=1) == [written]
    assert used in store.usage(0, 1)
    assert store.fact(text) == fact
    assert quota in store.quotas()
    assert command in store.load().commands


@given(values=st.tuples(*[st.none() | st.booleans() | st.floats() | st.integers() | st.text()] * 13))
def test_torn_rows_are_noticed(values: tuple[Any, ...]) -> None:
    """Whatever stands in the columns, what is decoded is a lease of the right types, or it is called unsound."""
    try:
        row = LEASES.decode(values)
    except Unsound:
        return
    assert LEASES.decode(tuple(LEASES.encode(row).values())) == row


@pytest.mark.parametrize("document", ["", "{", "[]", "null", '{"a":NaN}', "[" * 100_000, '{"a":1}x', None, 5, b"{}"])
def test_documents_that_do_not_parse_are_noticed(document: object) -> None:
    """A document that is cut off, or is none, is called unsound, and the message tells which."""
    values = (*LEASES.encode(lease(3)).values(),)
    with pytest.raises(Unsound, match="leases, id 3: document is damaged"):
        LEASES.decode((*values[:-1], document))


@pytest.mark.parametrize("hosts", ["[1,true]", "[1,2.0]", '["1"]', "{}", "[1"])
def test_lists_of_something_else_are_noticed(hosts: str) -> None:
    """The hosts of a command are integers and nothing else."""
    row = COMMANDS.encode(CommandRow(1, 0, 0, "start", 1, (1, 2), "sent", 0, ""))
    with pytest.raises(Unsound, match="commands, id 1: hosts is damaged"):
        COMMANDS.decode((*(row | {"hosts": hosts}).values(),))


def test_the_same_tree_is_written_the_same() -> None:
    """JSON is compact and its keys are sorted, so that equal documents are equal texts."""
    row = JOURNAL.encode(entry(1, data={"b": [1, {"d": None, "c": "ö"}], "a": True}))
    assert row["data"] == '{"a":true,"b":[1,{"c":"ö","d":null}]}'
