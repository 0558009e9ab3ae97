"""A real workload under every backfilling and suspension, verified after every event."""

import itertools
from pathlib import Path

import pytest

from haizea.app.request import SimulateRequest
from haizea.app.simulate import run

BACKFILLING = ["off", "aggressive", "conservative", "intermediate"]
SUSPENSION = ["none", "serial-only", "all"]
SETTINGS = list(itertools.product(BACKFILLING, SUSPENSION))


def verified(shared: Path, backfilling: str, suspension: str, injection: Path | None = None) -> dict[str, object]:
    """Simulate a thousand requests of a real cluster, and return the summary."""
    request = SimulateRequest(
        workloads=(str(shared / "data" / "sdsc-blue-1000requests.swf.gz"),),
        site="144 CPU:100 Memory:1024",
        memory=1024,
        injection=None if injection is None else str(injection),
        sets=(
            f"scheduling.backfilling={backfilling}",
            f"scheduling.suspension={suspension}",
            *(["scheduling.backfilling-reservations=4"] if backfilling == "intermediate" else []),
            "scheduling.suspend-rate=50",
            "scheduling.resume-rate=50",
        ),
        verify=True,
    )
    return run(request)


@pytest.mark.parametrize(("backfilling", "suspension"), SETTINGS, ids=lambda value: value)
def test_a_real_workload_breaks_no_promise(shared: Path, backfilling: str, suspension: str) -> None:
    """Every lease of the trace runs for as long as it did in reality, and nothing is violated."""
    summary = verified(shared, backfilling, suspension)
    verification = summary["verify"]
    assert isinstance(verification, dict)
    assert verification["violations"] == []
    assert verification["events"] > 951
    assert summary["leases"] == {"best-effort": {"done": 951}}


@pytest.mark.parametrize(("backfilling", "suspension"), SETTINGS[::3] + SETTINGS[2::3], ids=lambda value: value)
def test_a_real_workload_and_reservations_break_no_promise(shared: Path, backfilling: str, suspension: str) -> None:
    """With reservations for half of the hosts injected every accepted one runs when promised."""
    injection = shared / "data" / "injected-15days" / "work_30-dur_4h-size_3large.lwf"
    summary = verified(shared, backfilling, suspension, injection)
    verification = summary["verify"]
    assert isinstance(verification, dict)
    assert verification["violations"] == []
    leases = summary["leases"]
    assert isinstance(leases, dict)
    assert leases["best-effort"] == {"done": 951}
    assert set(leases["AR"]) <= {"done", "rejected"}
    assert leases["AR"]["done"] > 0
