"""A program that writes numbered transactions, and says of each that it was kept, until it is killed.

``python -m tests.stores.writer URL`` prints a number after its transaction has been acknowledged. Transaction ``n``
keeps lease ``n`` with two entries, a command, usage and a fact, so that half a transaction would show.
"""

import sys

from haizea.runtime.store import Store
from haizea.stores import open_store
from tests.stores.rows import command, entry, lease, usage


def write(store: Store, number: int) -> None:
    """Write one transaction."""
    with store.write() as transaction:
        transaction.save_lease(lease(number, version=2 * number))
        transaction.append([entry(2 * number - 1, lease=number), entry(2 * number, lease=number)])
        transaction.save_command(command(number, number))
        transaction.put_usage([usage(number, 0, number, number + 1)])
        transaction.set_fact("last", number)


def whole(store: Store) -> int:
    """Return how many transactions were kept; fails where one is not whole."""
    loaded = store.load()
    kept = loaded.next_lease - 1
    assert [row.id for row in loaded.leases] == list(range(1, kept + 1))
    assert [row.id for row in loaded.commands] == list(range(1, kept + 1))
    assert loaded.next_entry == 2 * kept + 1
    assert [each.number for each in store.entries(0, limit=3 * kept + 9)] == list(range(1, 2 * kept + 1))
    assert len(store.usage(0, 1 << 53)) == kept
    assert loaded.facts.get("last", 0) == kept
    return kept


def main() -> None:
    """Write until killed."""
    store = open_store(sys.argv[1])
    number = store.load().next_lease
    while True:
        write(store, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main()
