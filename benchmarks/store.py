"""What keeping costs: transactions each second into a store, and reading while they are written.

A transaction is what an event of the live scheduler writes: one lease, two entries of the journal, a command, a fact.
PostgreSQL is measured where ``HAIZEA_BENCHMARK_POSTGRESQL`` holds the URL of an empty database.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Final

from benchmarks.tables import Column, Result, Row, render, tell
from haizea.runtime.rows import CommandRow, Entry, LeaseFilter, LeaseRow
from haizea.runtime.store import Store
from haizea.stores import open_store

TRANSACTIONS: Final = 3_000
QUICK: Final = 200
BATCH: Final = 50
VMS: Final = 8
VARIABLE: Final = "HAIZEA_BENCHMARK_POSTGRESQL"
COLUMNS: Final = (
    Column("store", "store"),
    Column("rate", "transactions/s", ",.0f"),
    Column("median_us", "median us", ",.0f"),
    Column("p99_us", "p99 us", ",.0f"),
    Column("cpu_us", "CPU us", ",.0f"),
    Column("batched_rate", f"leases/s, {BATCH} at once", ",.0f"),
    Column("show_us", "show us", ",.0f"),
    Column("list_us", "list 50 us", ",.0f"),
    Column("load_ms", "load ms", ",.0f"),
)
NOTES: Final = (
    f"A transaction is one lease of {VMS} VMs, two journal entries, a command and a fact; durable when it returns.",
    "Disk alone: appending 8 KB and waiting until it is durable, which is the least a transaction can take.",
)


def store(runs: int, quick: bool) -> Result:
    """Measure every kind of store there is."""
    count = QUICK if quick else TRANSACTIONS
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        urls = {"memory": "memory:", "sqlite": f"sqlite:///{folder}/haizea.db", "disk alone": folder}
        if VARIABLE in os.environ:
            urls["postgresql"] = os.environ[VARIABLE]
        for name, url in urls.items():
            tell(name)
            rows.append(_disk(url, count) if name == "disk alone" else _measure(name, url, count, runs))
    return Result("store", "Keeping leases", COLUMNS, rows, NOTES)


def _measure(name: str, url: str, count: int, runs: int) -> Row:
    at = open_store(url)
    try:
        number = at.load().next_lease
        found = [_singly(at, number + run * count, count) for run in range(runs)]
        number += runs * count
        began = time.perf_counter()
        for first in range(number, number + count, BATCH):
            _write(at, range(first, first + BATCH))
        batched = count / (time.perf_counter() - began)
        rate, median, p99, cpu = (statistics.median(each) for each in zip(*found, strict=True))
        reads = {"show_us": _read(lambda: at.lease(number)), "list_us": _read(lambda: _list(at))}
        began = time.perf_counter()
        at.load()
        load = (time.perf_counter() - began) * 1e3
    finally:
        at.close()
    row: Row = {"store": name, "rate": rate, "median_us": median, "p99_us": p99, "cpu_us": cpu, "batched_rate": batched}
    return row | reads | {"load_ms": load}


def _singly(at: Store, first: int, count: int) -> tuple[float, float, float, float]:
    """Return transactions a second, and microseconds: the median, the 99th percentile, and CPU time each."""
    taken = []
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(first, first + count):
        before = time.perf_counter()
        _write(at, range(number, number + 1))
        taken.append((time.perf_counter() - before) * 1e6)
    whole, cpu = time.perf_counter() - began, time.process_time() - cpu
    taken.sort()
    return count / whole, statistics.median(taken), taken[count * 99 // 100], cpu / count * 1e6


def _write(at: Store, numbers: range) -> None:
    with at.write() as transaction:
        for number in numbers:
            transaction.save_lease(_lease(number))
            transaction.append(_entry(2 * number + each, number) for each in (0, 1))
            transaction.save_command(
                CommandRow(number, number, number + 60_000, "start", number, tuple(range(VMS)), "pending", 0, "")
            )
        transaction.set_fact("clock", {"at": numbers[-1], "hosts": ["up"] * 20})


def _lease(number: int) -> LeaseRow:
    stays = [{"start": number, "end": number + 3_600_000, "hosts": list(range(VMS)), "state": "booked"}]
    terms = {"vms": [{"CPU": 100, "Memory": 1024}] * VMS, "duration": 3_600_000, "preemptible": True}
    document = {"id": number, "terms": terms, "stays": stays, "left": 3_600_000}
    owner = f"user{number % 100}"
    return LeaseRow(
        number, "best-effort", "scheduled", number % 3 == 0, owner, "group", f"job {number}", VMS, number, number,
        number + 3_600_000, 2 * number, document,
    )  # fmt: skip


def _entry(number: int, lease: int) -> Entry:
    return Entry(
        number, number, "lease-changed", lease, None, "haizea", "the lease was scheduled", {"state": "scheduled"}
    )


def _list(at: Store) -> None:
    at.leases(LeaseFilter(owner="user7", active=True, order="-id"), limit=50)


def _read(read: Callable[[], object], times: int = 200) -> float:
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        read()
        taken.append((time.perf_counter() - before) * 1e6)
    return statistics.median(taken)


def _disk(folder: str, count: int) -> Row:
    """Measure the disk alone: appending 8 KB and waiting until that is durable, the least a transaction can take."""
    taken = []
    with open(f"{folder}/disk", "wb", buffering=0) as file:
        for _ in range(count):
            before = time.perf_counter()
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - before) * 1e6)
    taken.sort()
    rate = count / sum(taken) * 1e6
    return {
        "store": "disk alone",
        "rate": rate,
        "median_us": statistics.median(taken),
        "p99_us": taken[count * 99 // 100],
    }


def main() -> None:
    """Measure once, and print a table."""
    print(render(store(1, quick=False)))


if __name__ == "__main__":
    main()
