"""The workloads that come with Haizea."""

from pathlib import Path

from haizea.model.lease import LeaseType
from haizea.workloads.load import load
from haizea.workloads.statistics import statistics

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_first_example_has_leases_of_all_types_and_a_site() -> None:
    """It shows in one day what a lease can be."""
    workload = load(EXAMPLES / "first.lwf")
    assert workload.site is not None
    assert len(workload.site.hosts) == 4
    assert set(statistics(workload.requests).by_type) == set(LeaseType)


def test_the_small_trace_fits_a_machine_of_32_processors() -> None:
    """Every job of it can run, and none is left out."""
    workload = load(EXAMPLES / "small.swf")
    found = statistics(workload.requests)
    assert (found.leases, found.vms.most) == (200, 32)
    assert not workload.skipped
