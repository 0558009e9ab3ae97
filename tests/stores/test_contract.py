"""What every store does, be it in memory, SQLite or PostgreSQL."""

import threading
from collections.abc import Callable

import pytest

from haizea.runtime.rows import GroupRow, LeaseFilter, OfferRow, QuotaRow, WebhookRow
from haizea.runtime.store import Store, StoreError, Transaction
from tests.stores.rows import command, entry, key, lease, token, usage, user


def keep(store: Store, write: Callable[[Transaction], None]) -> None:
    """Write an entry, and what is given."""
    with store.write() as transaction:
        transaction.append([entry(store.last_entry() + 1)])
        write(transaction)


def test_an_empty_store_begins_with_one(store: Store) -> None:
    """A daemon that starts with an empty store finds nothing, and gives number one to whatever comes first."""
    loaded = store.load()
    assert (loaded.leases, loaded.commands) == ((), ())
    assert (loaded.next_lease, loaded.next_entry, loaded.next_command, loaded.next_webhook) == (1, 1, 1, 1)
    assert store.last_entry() == 0
    store.ping()


def test_a_daemon_starts_from_what_was_unfinished(store: Store) -> None:
    """Leases in a final state and commands that are over are left out, and their numbers are not given again."""
    with store.write() as transaction:
        transaction.save_lease(lease(2, starts=5, ends=9))
        transaction.save_lease(lease(7, state="done", final=True))
        transaction.save_command(command(1, 2, state="done"))
        transaction.save_command(command(2, 2))
        transaction.save_command(command(3, 2, state="sent", attempts=2))
        transaction.save_command(command(4, 7, state="failed", error="no host"))
        transaction.append([entry(1), entry(5, lease=2, host="node-1")])
        transaction.set_fact("clock", {"at": 12, "hosts": ["a", None, True]})
    loaded = store.load()
    assert loaded.leases == (lease(2, starts=5, ends=9),)
    assert loaded.commands == (command(2, 2), command(3, 2, state="sent", attempts=2))
    assert loaded.facts["clock"] == {"at": 12, "hosts": ["a", None, True]}
    assert (loaded.next_lease, loaded.next_entry, loaded.next_command) == (8, 6, 5)


def test_a_lease_is_replaced_as_a_whole(store: Store) -> None:
    """Saving a lease again keeps the last of its rows, in the same transaction and in another."""
    with store.write() as transaction:
        transaction.save_lease(lease(1))
        transaction.save_lease(lease(1, state="active", starts=3, document={"b": []}))
    assert store.lease(1) == lease(1, state="active", starts=3, document={"b": []})
    with store.write() as transaction:
        transaction.save_lease(lease(1, state="done", final=True))
    assert store.lease(1) == lease(1, state="done", final=True)
    assert store.lease(2) is None


def test_a_block_that_raises_keeps_nothing(store: Store) -> None:
    """Where anything goes wrong within a transaction, all of it is as if it had never been."""

    def fail() -> None:
        with store.write() as transaction:
            transaction.save_lease(lease(1))
            transaction.append([entry(1)])
            transaction.put_group(GroupRow("physics", 0, ""))
            raise KeyError("a fault of the caller's")

    with pytest.raises(KeyError):
        fail()
    assert (store.lease(1), store.last_entry(), store.groups()) == (None, 0, [])
    with store.write() as transaction:
        transaction.append([entry(1)])
    assert store.entries(0, limit=9) == [entry(1)]


def test_nobody_sees_half_a_transaction(store: Store) -> None:
    """Before the end of the block, nothing of it is there for readers."""
    with store.write() as transaction:
        transaction.save_lease(lease(1))
        transaction.append([entry(1)])
        assert (store.lease(1), store.last_entry()) == (None, 0)
    assert (store.lease(1), store.last_entry()) == (lease(1), 1)


def test_what_is_kept_is_not_what_was_handed_over(store: Store) -> None:
    """A document that its owner changes afterwards, or a reader, is kept as it was."""
    document = {"list": [1]}
    with store.write() as transaction:
        transaction.save_lease(lease(1, document=document))
        document["list"].append(2)
    document["list"].append(3)
    found = store.lease(1)
    assert found is not None
    found.document["list"].append(4)
    again = store.lease(1)
    assert again is not None
    assert again.document == {"list": [1]}


FOUR = (
    lease(1, owner="ann", starts=10, ends=20, name="b"),
    lease(2, owner="bob", starts=20, ends=None, type="reservation", state="active", group="maths"),
    lease(3, owner="ann", state="done", final=True, starts=1, ends=5, name="a"),
    lease(4, owner="bob", state="rejected", final=True),
)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (LeaseFilter(), [1, 2, 3, 4]),
        (LeaseFilter(order="-id"), [4, 3, 2, 1]),
        (LeaseFilter(states=("queued", "done")), [1, 3]),
        (LeaseFilter(types=("reservation",)), [2]),
        (LeaseFilter(owner="ann"), [1, 3]),
        (LeaseFilter(owner="ann", active=True), [1]),
        (LeaseFilter(group="maths"), [2]),
        (LeaseFilter(name="a"), [3]),
        (LeaseFilter(active=False), [3, 4]),
        (LeaseFilter(since=20), [2]),
        (LeaseFilter(since=19), [1, 2]),
        (LeaseFilter(until=10), [3]),
        (LeaseFilter(until=11), [1, 3]),
        (LeaseFilter(since=5, until=1 << 80), [1, 2]),
        (LeaseFilter(order="starts"), [3, 1, 2, 4]),
        (LeaseFilter(order="-starts"), [2, 1, 3, 4]),
        (LeaseFilter(order="-ends"), [1, 3, 4, 2]),
        (LeaseFilter(order="owner"), [1, 3, 2, 4]),
        (LeaseFilter(order="-owner"), [4, 2, 3, 1]),
        (LeaseFilter(order="name", active=True), [1, 2]),
        (LeaseFilter(owner="a\0b"), []),
        (LeaseFilter(owner="\ud800", states=("\0",)), []),
    ],
    ids=str,
)
def test_leases_are_filtered_and_sorted(store: Store, wanted: LeaseFilter, ids: list[int]) -> None:
    """A filter keeps what meets all of it; what has no value for what is sorted by comes last."""
    with store.write() as transaction:
        for row in FOUR:
            transaction.save_lease(row)
    found = [row.id for row in store.leases(wanted, limit=10)]
    assert found == ids
    assert store.count_leases(wanted) == len(ids)


def test_leases_come_in_pages(store: Store) -> None:
    """Pages of a listing follow one another without gap or repetition."""
    with store.write() as transaction:
        for number in range(1, 8):
            transaction.save_lease(lease(number, owner="ann" if number % 2 else "bob"))
    order = LeaseFilter(order="-owner")
    pages = [store.leases(order, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [[row.id for row in page] for page in pages] == [[6, 4, 2], [7, 5, 3], [1], []]


@pytest.mark.parametrize("order", ["document", "-", "", "id; DROP TABLE leases", "--id"])
def test_an_unknown_order_is_refused(store: Store, order: str) -> None:
    """Leases can be sorted by what they have, and nothing else."""
    with pytest.raises(ValueError, match="cannot be sorted"):
        store.leases(LeaseFilter(order=order), limit=1)


def test_the_journal_is_read_from_a_number_on(store: Store) -> None:
    """A reader that knows where it was gets what came after, of one lease, kind or host where it asks for that."""
    all_ = [
        entry(1, lease=1, kind="lease-requested"),
        entry(2, host="node-1", kind="host-changed"),
        entry(5, lease=2, host="node-1"),
        entry(6, lease=1),
    ]
    with store.write() as transaction:
        transaction.append(all_[:2])
        transaction.append(all_[2:])
    assert store.entries(0, limit=3) == all_[:3]
    assert store.entries(2, limit=9) == all_[2:]
    assert store.entries(0, limit=9, lease=1) == [all_[0], all_[3]]
    assert store.entries(1, limit=9, lease=1) == [all_[3]]
    assert store.entries(0, limit=9, kinds=("host-changed", "lease-requested")) == all_[:2]
    assert store.entries(0, limit=9, host="node-1") == all_[1:3]
    assert store.entries(6, limit=9) == store.entries(1 << 80, limit=9) == []
    assert store.last_entry() == 6


@pytest.mark.parametrize("numbers", [[3], [2], [5, 4], [4, 4]])
def test_numbers_of_the_journal_grow(store: Store, numbers: list[int]) -> None:
    """A number that was used before, or is below one that was, is refused, and with it the whole transaction."""
    with store.write() as transaction:
        transaction.append([entry(3)])
    with pytest.raises(StoreError, match=r"number \d is not above"), store.write() as transaction:
        transaction.append([entry(number, text="again") for number in numbers])
    assert store.entries(0, limit=9) == [entry(3)]


def test_commands_are_settled(store: Store) -> None:
    """How a command went is noted, be it of an earlier transaction or the same; an unknown one is an error."""
    with store.write() as transaction:
        transaction.save_lease(lease(1))
        transaction.save_command(command(1, 1))
        transaction.save_command(command(2, 1))
        transaction.settle_commands([2], "sent")
    assert [each.state for each in store.load().commands] == ["pending", "sent"]
    with store.write() as transaction:
        transaction.settle_commands([1], "done")
        transaction.settle_commands([2], "sent", "refused once")
    assert store.load().commands == (command(2, 1, state="sent", error="refused once"),)
    with pytest.raises(StoreError, match="command"), store.write() as transaction:
        transaction.settle_commands([2, 3], "done")
    assert [each.state for each in store.load().commands] == ["sent"]


def test_what_is_over_since_something_that_is_not_is_loaded(store: Store) -> None:
    """Of each lease: the commands that are over, given after the first one that is not."""
    with store.write() as transaction:
        for number in (1, 2):
            transaction.save_lease(lease(number))
        for number, of in ((1, 1), (2, 1), (3, 2), (4, 1), (5, 1), (6, 2)):
            transaction.save_command(command(number, of))
        transaction.settle_commands([1, 3, 4, 6], "done")
        transaction.settle_commands([5], "failed", "it was refused")
    loaded = store.load()
    assert [each.id for each in loaded.commands] == [2]
    assert [(each.id, each.state) for each in loaded.over_since] == [(4, "done"), (5, "failed")]


def test_usage_is_found_by_when_it_was(store: Store) -> None:
    """Usage that overlaps a period is found, that of one owner where asked; writing a row again replaces it."""
    with store.write() as transaction:
        transaction.put_usage([usage(1, 0, 0, 10), usage(1, 1, 20, 25), usage(2, 0, 5, 30, owner="bob")])
    with store.write() as transaction:
        transaction.put_usage([usage(1, 1, 20, 40, outcome="lost")])
    assert store.usage(10, 20) == [usage(2, 0, 5, 30, owner="bob")]
    assert store.usage(9, 35, owner="ann") == [usage(1, 0, 0, 10), usage(1, 1, 20, 40, outcome="lost")]
    assert store.usage(40, 1 << 80) == []


def test_an_idempotency_key_leads_to_its_lease(store: Store) -> None:
    """A key belongs to its owner: the same word of another's leads elsewhere."""
    with store.write() as transaction:
        transaction.put_key(key("ann", "k", 1))
        transaction.put_key(key("bob", "k", 2))
        transaction.save_lease(lease(1))
        transaction.save_lease(lease(2))
    assert store.key("ann", "k") == key("ann", "k", 1)
    assert store.key("bob", "k") == key("bob", "k", 2)
    assert store.key("ann", "other") is None
    with store.write() as transaction:
        transaction.put_key(key("ann", "k", 2))
    assert store.key("ann", "k") == key("ann", "k", 2)


def test_facts_are_kept(store: Store) -> None:
    """There is one of each fact, and the last that was set is the one that holds."""
    with store.write() as transaction:
        transaction.set_fact("a", [1, {"b": "ö\0"}])
    assert store.fact("a") == [1, {"b": "ö\0"}]
    with store.write() as transaction:
        transaction.set_fact("a", None)
    assert store.fact("a") is None
    assert store.fact("b") is None


def test_accounts(store: Store) -> None:
    """Users, groups, tokens and quotas are kept, replaced, and forgotten with what belongs to them."""
    maths, physics = GroupRow("maths", 1, ""), GroupRow("physics", 2, "ö")
    ann, bob = user("ann", "maths", "physics"), user("bob")
    quotas = [
        QuotaRow("default", "", 9, None, None, None, "day", None),
        QuotaRow("group", "maths", 1, 1, 1, 1, "week", 3),
    ]
    mine = QuotaRow("user", "ann", 1, 2, 3, 4, "month", 5)
    with store.write() as transaction:
        transaction.put_user(ann)
        transaction.put_user(bob)
        transaction.put_group(physics)
        transaction.put_group(maths)
        transaction.put_token(token("t2", "ann", expires=9))
        transaction.put_token(token("t1", "bob", scopes=()))
        for quota in (mine, *quotas):
            transaction.put_quota(quota)
    assert (store.users(), store.user("ann"), store.user("nobody")) == ([ann, bob], ann, None)
    assert store.groups() == [maths, physics]
    assert store.tokens() == [token("t1", "bob", scopes=()), token("t2", "ann", expires=9)]
    assert store.tokens("ann") == [store.token("digest of t2")]
    assert store.token("\0") is None
    assert store.quotas() == [*quotas, mine]
    with store.write() as transaction:
        transaction.put_token(token("t2", "ann", revoked=8))
        transaction.delete_group("maths")
    assert store.tokens("ann") == [token("t2", "ann", revoked=8)]
    assert store.user("ann") == user("ann", "physics")
    assert store.quotas() == [quotas[0], mine]
    with store.write() as transaction:
        transaction.delete_user("ann")
        transaction.delete_quota("default", "")
        transaction.delete_user("nobody")
    assert (store.users(), store.tokens("ann"), store.quotas()) == ([bob], [], [])


def test_groups_of_a_user_are_a_set(store: Store) -> None:
    """A user's groups come back in order of name, each once."""
    with store.write() as transaction:
        for name in ("b", "a", "B"):
            transaction.put_group(GroupRow(name, 0, ""))
        transaction.put_user(user("ann", "b", "a", "B", "a"))
    assert store.user("ann") == user("ann", "B", "a", "b")
    with store.write() as transaction:
        transaction.put_user(user("ann", "a"))
    assert store.user("ann") == user("ann", "a")


def test_webhooks_and_offers(store: Store) -> None:
    """Webhooks and offers are kept, replaced and forgotten, and a webhook's number is not given to another."""
    hook = WebhookRow(3, "ann", "https://there/", "secret", ("notice",), 1, 7, 0, False)
    offer = OfferRow("o1", "ann", 1, 99, {"later": 5})
    with store.write() as transaction:
        transaction.save_lease(lease(1))
        transaction.put_webhook(hook)
        transaction.put_offer(offer)
    assert (store.webhooks(), store.offers()) == ([hook], [offer])
    with store.write() as transaction:
        transaction.put_webhook(hook._replace(cursor=8, failures=1, disabled=True))
        transaction.put_offer(offer._replace(expires=100))
    assert (store.webhooks()[0].disabled, store.offers()[0].expires) == (True, 100)
    with store.write() as transaction:
        transaction.delete_webhook(3)
        transaction.delete_offer("o1")
    assert (store.webhooks(), store.offers(), store.load().next_webhook) == ([], [], 4)


def test_what_refers_to_nothing_is_refused(store: Store) -> None:
    """A command, key, offer, token or membership of something that is not there is not kept."""
    with store.write() as transaction:
        transaction.append([entry(1)])
    for write in (
        lambda transaction: transaction.save_command(command(1, 4)),
        lambda transaction: transaction.put_key(key("ann", "k", 4)),
        lambda transaction: transaction.put_offer(OfferRow("o", "ann", 4, 1, {})),
        lambda transaction: transaction.put_token(token("t", "ann")),
        lambda transaction: transaction.put_user(user("ann", "no such group")),
    ):
        with pytest.raises(StoreError):
            keep(store, write)
        assert store.last_entry() == 1


def test_two_tokens_have_two_digests(store: Store) -> None:
    """A digest leads to one token only."""
    with store.write() as transaction:
        transaction.put_user(user("ann"))
        transaction.put_token(token("t1", "ann"))
    with pytest.raises(StoreError), store.write() as transaction:
        transaction.put_token(token("t2", "ann", digest="digest of t1"))
    assert store.tokens() == [token("t1", "ann")]


@pytest.mark.parametrize(
    "what",
    [
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"name": "x" * 256},
        {"vms": 1 << 63},
        {"vms": True},
        {"starts": 1.5},
        {"owner": None},
        {"final": 1},
        {"document": {"a": {1, 2}}},
        {"document": {"a": float("nan")}},
        {"document": {"a": "\ud800"}},
        {"document": []},
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused(store: Store, what: dict[str, object]) -> None:
    """A value that a database could not give back is the caller's fault, and the message names it."""
    with pytest.raises(ValueError, match=f"leases: {next(iter(what))} cannot be kept"), store.write() as transaction:
        transaction.save_lease(lease(1, **what))
    assert store.count_leases(LeaseFilter()) == 0


def test_numbers_beyond_64_bits_are_nowhere(store: Store) -> None:
    """Asking for a number that no lease can have finds nothing and breaks nothing."""
    assert store.lease(1 << 70) is None
    assert store.entries(-(1 << 70), limit=1 << 70, lease=-(1 << 70)) == []


def test_readers_on_many_threads(store: Store) -> None:
    """Readers on other threads always see whole transactions while the writer goes on."""
    faults: list[object] = []
    over = threading.Event()

    def read() -> None:
        try:
            while not over.is_set():
                before = store.last_entry()
                found = store.entries(before - 1, limit=9) if before else []
                if before and (not found or store.lease(before) is None):
                    faults.append((before, found))
        except Exception as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 60):
        with store.write() as transaction:
            transaction.append([entry(number)])
            transaction.save_lease(lease(number))
    over.set()
    for reader in readers:
        reader.join()
    assert faults == []
