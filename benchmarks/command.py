"""Running the command ``haizea`` as a user would, and what it costs."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.machine import megabytes
from benchmarks.tables import Row, tell

LIMIT_S: Final = 300
"""CPU seconds after which a run is given up."""

REPEAT_S: Final = 60
"""CPU seconds above which a run is not repeated."""


class Scenario(NamedTuple):
    """A workload on a site, under one setting of backfilling and suspension."""

    name: str
    workload: Path
    site: str
    backfilling: str
    suspension: str = "none"
    more: tuple[str, ...] = ()


class Cost(NamedTuple):
    """What a process cost: seconds of CPU time, user and system, and peak memory in MB."""

    cpu_s: float
    memory_mb: float


def haizea() -> list[str]:
    """Return how the command is called here: as installed beside the interpreter, else from the source."""
    script = Path(sys.executable).with_name("haizea")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from haizea.cli.main import main; main()"]


def cost(arguments: Sequence[str]) -> Cost | None:
    """Run the command to its end and return what that cost; None where it took longer than :data:`LIMIT_S`.

    Raises:
        SystemExit: the command failed.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))

    process = subprocess.Popen([*haizea(), *arguments], stdout=subprocess.DEVNULL, preexec_fn=limit)
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    if process.returncode:
        if seconds >= LIMIT_S - 1:
            return None
        raise SystemExit(f"benchmarks: `haizea {' '.join(arguments)}` failed with status {process.returncode}")
    return Cost(seconds, megabytes(usage))


def simulate(scenario: Scenario, runs: int) -> Row:
    """Simulate a scenario several times, if that is quick; return the median cost and the schedule's figures."""
    tell(f"{scenario.name}, backfilling {scenario.backfilling}, suspension {scenario.suspension}")
    row: Row = {"workload": scenario.name, "backfilling": scenario.backfilling, "suspension": scenario.suspension}
    with tempfile.TemporaryDirectory() as folder:
        costs = []
        for _ in range(runs):
            found = cost(_arguments(scenario, folder))
            if found is None:
                return row
            costs.append(found)
            if found.cpu_s > REPEAT_S:
                break
        summary: dict[str, Any] = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
    best_effort = summary["besteffort"]
    leases = sum(n for states in summary["leases"].values() for n in states.values())
    seconds = statistics.median(each.cpu_s for each in costs)
    row |= {
        "leases": leases,
        "cpu_s": seconds,
        "rate": leases / seconds,
        "wait_s": best_effort["wait_s"]["mean"],
        "slowdown": best_effort["bounded_slowdown"]["mean"],
        "memory_mb": statistics.median(each.memory_mb for each in costs),
    }
    return row


def _arguments(scenario: Scenario, folder: str) -> list[str]:
    settings = (f"scheduling.backfilling={scenario.backfilling}", f"scheduling.suspension={scenario.suspension}")
    options = [option for setting in settings for option in ("--set", setting)]
    to = ["--detail", "leases", "--output", folder, "-q"]
    return ["simulate", str(scenario.workload), "--site", scenario.site, *scenario.more, *options, *to]


def warm_up(workload: Path) -> None:
    """Run once unmeasured, so that the first measured run does not compile modules."""
    with tempfile.TemporaryDirectory() as folder:
        for backfilling in ("off", "aggressive", "conservative"):
            cost(_arguments(Scenario("", workload, "144 CPU:800 Memory:8192", backfilling), folder))
