"""When a simulation ends: ``simulation.stop-when``."""

import csv
from pathlib import Path

import pytest

from haizea.app.request import SimulateRequest
from haizea.app.simulate import run
from tests.workloads.texts import SITE, lease, lwf, request, write

REQUESTS = (
    request("00:00:00", lease(1, "", "00:20:00")),
    request("00:05:00", lease(2, "", "01:00:00").replace('numnodes="2"', 'numnodes="4"')),
    request("00:10:00", lease(3, '<exact time="02:00:00"/>', "01:00:00", "false")),
)
"""Lease 1 runs from 0 to 20 min, lease 2 from 20 to 80 min, the reservation from 120 to 180 min."""


def exactly(time: str) -> tuple[str, str]:
    """Return the settings of a run that ends at a certain time."""
    return "stop-when=exact", f"stop-when-time={time}"


@pytest.mark.parametrize(
    ("sets", "end", "states", "delivered"),
    [
        ((), "03:00:00", ("done", "done", "done"), (1200, 3600, 3600)),
        (("stop-when=besteffort-submitted",), "00:05:00", ("cancelled", "cancelled", None), (300, 0, 0)),
        (("stop-when=besteffort-done",), "01:20:00", ("done", "done", "cancelled"), (1200, 3600, 0)),
        (exactly("00:30:00"), "00:30:00", ("done", "cancelled", "cancelled"), (1200, 600, 0)),
        (exactly("00:20:00"), "00:20:00", ("done", "cancelled", "cancelled"), (1200, 0, 0)),
        (exactly("00:08:00"), "00:08:00", ("cancelled", "cancelled", None), (480, 0, 0)),
        (exactly("0:10:00:00"), "03:00:00", ("done", "done", "done"), (1200, 3600, 3600)),
        (exactly("0"), "00:00:00", ("cancelled", None, None), (0, 0, 0)),
    ],
)  # fmt: skip
def test_a_run_ends_when_it_is_to(
    tmp_path: Path, sets: tuple[str, ...], end: str, states: tuple[str | None, ...], delivered: tuple[int, ...]
) -> None:
    """What is not over then is cancelled, with what it had until then; who came later was never there."""
    path = write(tmp_path, lwf(*REQUESTS, head=SITE))
    given = tuple(f"simulation.{each}" for each in sets)
    summary = run(SimulateRequest(workloads=(str(path),), sets=given, output=str(tmp_path / "out"), verify=True))
    with open(tmp_path / "out" / "leases.csv", encoding="utf-8", newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    assert summary["end"] == f"1970-01-01T{end}Z"
    assert summary["verify"]["violations"] == []
    for number, state, seconds in zip("123", states, delivered, strict=True):
        assert (found[number]["state"] if number in found else None) == state
        assert state is None or float(found[number]["delivered_s"]) == seconds
