"""What is added to leases' durations, and rates that are no whole numbers, from the configuration to the schedule."""

import csv
from pathlib import Path

import pytest

from haizea.app.request import SimulateRequest
from haizea.app.simulate import run
from tests.workloads.texts import SITE, lease, lwf, request, write


def ended(tmp_path: Path, *sets: str, requests: tuple[str, ...]) -> dict[str, str]:
    """Simulate leases on four hosts, and return when each of them ended."""
    path = write(tmp_path, lwf(*requests, head=SITE))
    out = tmp_path / "results"
    run(SimulateRequest(workloads=(str(path),), sets=sets, output=str(out), verify=True))
    with open(out / "leases.csv", encoding="utf-8", newline="") as file:
        return {row["id"]: row["ended"].removeprefix("1970-01-01T") for row in csv.DictReader(file)}


def minutes(*, real: bool = False, start: str = "") -> str:
    """Return a request of ten minutes, of which it may run only five."""
    before = '<realduration time="00:05:00"/>' if real else ""
    return request("00:00:00", lease(1, start, "00:10:00"), before)


@pytest.mark.parametrize(
    ("percent", "boot", "end"),
    [
        ("10", "0", "00:11:00Z"),
        ("10", "30", "00:11:30Z"),
        ("0", "30", "00:10:30Z"),
        ("2.55", "0", "00:10:16Z"),
        ("0.01", "0", "00:10:01Z"),
        ("100", "90", "00:21:30Z"),
    ],
)
def test_overheads_make_leases_longer(tmp_path: Path, percent: str, boot: str, end: str) -> None:
    """So many percent, rounded up to a whole second, then booting and shutting down."""
    sets = (f"tracefile.runtime-slowdown-overhead={percent}", f"tracefile.bootshutdown-overhead={boot}")
    found = ended(tmp_path, "tracefile.add-overhead=all", *sets, requests=(minutes(),))
    assert found == {"1": end}


def test_overheads_make_real_durations_longer_too(tmp_path: Path) -> None:
    """VMs that run for less than was asked for are slowed down as much."""
    sets = ("tracefile.add-overhead=all", "tracefile.runtime-slowdown-overhead=10", "tracefile.bootshutdown-overhead=5")
    assert ended(tmp_path, *sets, requests=(minutes(real=True),)) == {"1": "00:05:35Z"}


@pytest.mark.parametrize(("which", "end"), [("none", "00:15:00Z"), ("besteffort", "00:15:00Z"), ("all", "00:16:00Z")])
def test_reservations_are_only_made_longer_where_all_are(tmp_path: Path, which: str, end: str) -> None:
    """add-overhead says which leases the overheads are added to."""
    sets = (f"tracefile.add-overhead={which}", "tracefile.runtime-slowdown-overhead=10")
    assert ended(tmp_path, *sets, requests=(minutes(start='<exact time="00:05:00"/>'),)) == {"1": end}


@pytest.mark.parametrize(
    ("suspend", "resume", "end"),
    [
        ("32", "32", "02:01:04Z"),
        ("12.8", "32", "02:01:52Z"),
        ("0.9", "102.4", "02:19:08Z"),
        ("33.3", "33.3", "02:01:02Z"),
    ],
)
def test_rates_may_have_decimals(tmp_path: Path, suspend: str, resume: str, end: str) -> None:
    """A VM of 1024 MiB at 12.8 MiB/s takes exactly 80 s, at 0.9 MiB/s 1138 s; what is lost is done afterwards."""
    best_effort, reservation = lease(1), lease(2, '<exact time="00:50:00"/>', "01:00:00", "false")
    best_effort, reservation = (each.replace('numnodes="2"', 'numnodes="4"') for each in (best_effort, reservation))
    sets = (
        "scheduling.suspension=all", f"scheduling.suspend-rate={suspend}", f"scheduling.resume-rate={resume}",
        "scheduling.policy-preemption=ar-preempts-everything", "scheduling.scheduling-threshold-factor=0",
        "scheduling.force-scheduling-threshold=1",
    )  # fmt: skip
    found = ended(tmp_path, *sets, requests=(request("00:00:00", best_effort), request("00:00:01", reservation)))
    assert found == {"2": "01:50:00Z", "1": end}
