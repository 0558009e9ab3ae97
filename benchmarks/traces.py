"""Whole simulations of real traces: speed, memory, and what the schedules are like."""

from collections.abc import Sequence
from typing import Final

from benchmarks import goals, tables
from benchmarks.command import Scenario, simulate, warm_up
from benchmarks.inputs import TRACES, blue, generated, lublin
from benchmarks.tables import Column, Result, Row

BACKFILLING: Final = ("off", "aggressive", "conservative")

COLUMNS: Final = (
    Column("workload", "workload"),
    tables.BACKFILLING,
    Column("suspension", "suspension"),
    *tables.COST,
    tables.RATE,
    Column("floor", "floor", ",.0f"),
    Column("of_floor", "x floor", ".2f"),
    Column("target", "target", ",.0f"),
    *tables.SCHEDULE,
    tables.MEMORY,
)


def traces(runs: int, quick: bool) -> Result:
    """Simulate both traces under every kind of backfilling."""
    used = [blue()] if quick else [blue(), lublin()]
    warm_up(generated(100, 1_152))
    rows: list[Row] = []
    for trace in used:
        for suspension in ("none", "all"):
            for backfilling in BACKFILLING:
                scenario = Scenario(trace.name, trace.path, trace.site, backfilling, suspension, trace.options)
                rows.append(_judged(simulate(scenario, runs), suspension))
    notes = [
        "CPU s: user and system time of the whole process, start of the interpreter and output files included.",
        "Floors and targets are for suspension none, which is what simulators of batch queues can do.",
    ]
    if TRACES.exists():
        wait, slowdown = goals.BLUE_FCFS
        notes.append(
            f"Blue without backfilling: others get a mean wait of {wait:,} s, a bounded slowdown of {slowdown}."
        )
        notes.append(
            f"Blue under EASY: a program that counts processors gets a mean wait of {goals.BLUE_EASY_WAIT_S:,} s."
        )
    else:
        notes.append("The real traces are not at hand: the workloads were generated, of the same sizes.")
    return Result("traces", "Simulating traces", COLUMNS, rows, notes)


def _judged(row: Row, suspension: str) -> Row:
    goal = goals.LEASES_PER_SECOND[str(row["backfilling"])]
    if suspension == "none":
        row |= {"floor": goal.floor, "target": goal.target}
        rate = row.get("rate")
        if isinstance(rate, float):
            row["of_floor"] = rate / goal.floor
    return row


MILLION_COLUMNS: Final[Sequence[Column]] = (
    tables.BACKFILLING,
    *tables.COST,
    Column("floor_s", "floor s", ".0f"),
    Column("target_s", "target s", ".0f"),
    tables.RATE,
    tables.MEMORY,
    Column("floor_mb", "floor MB", ".0f"),
    Column("target_mb", "target MB", ".0f"),
    *tables.SCHEDULE,
)


def million(runs: int, quick: bool) -> Result:
    """Simulate a million generated leases under EASY backfilling."""
    jobs = 50_000 if quick else 1_000_000
    warm_up(generated(100, 1_152))
    path = generated(jobs, 1_152)
    site, memory = "144 CPU:800 Memory:8192", ("--memory", "1024")
    scenario = Scenario(f"generated {jobs:,}", path, site, "aggressive", "none", memory)
    row = simulate(scenario, runs)
    row |= {"floor_s": goals.MILLION_SECONDS.floor, "target_s": goals.MILLION_SECONDS.target}
    row |= {"floor_mb": goals.MILLION_MB.floor, "target_mb": goals.MILLION_MB.target}
    notes = [f"Quick: {jobs:,} leases only."] if quick else []
    return Result("million", "A million leases", MILLION_COLUMNS, [row], notes)
