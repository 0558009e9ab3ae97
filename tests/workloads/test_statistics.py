"""What a workload consists of."""

from haizea.model.lease import DiskImage, LeaseRequest, LeaseTerms, LeaseType, NodeSet
from haizea.model.resources import Capacity
from haizea.model.units import HOUR
from haizea.workloads.statistics import spread, statistics

TWO_CORES = Capacity({"CPU": 200, "Memory": 1024})


def test_leases_are_counted_and_measured() -> None:
    """Types, sizes, durations and work of a small workload."""
    sets = (NodeSet(3, TWO_CORES),)
    found = statistics(
        [
            LeaseRequest(1, HOUR, LeaseTerms(sets, 2 * HOUR, user="ann"), real_duration=HOUR),
            LeaseRequest(2, 2 * HOUR, LeaseTerms(sets * 2, HOUR, start=HOUR, preemptible=False, user="ann")),
            LeaseRequest(3, 5 * HOUR, LeaseTerms(sets, None, immediate=True, software=DiskImage("a", 1))),
            LeaseRequest(4, 5 * HOUR, LeaseTerms(sets, HOUR), real_duration=9 * HOUR),
        ]
    )
    assert dict(found.by_type) == {
        LeaseType.BEST_EFFORT: 2,
        LeaseType.ADVANCE_RESERVATION: 1,
        LeaseType.IMMEDIATE: 1,
    }
    assert (found.leases, found.preemptible, found.unlimited, found.users) == (4, 3, 1, 1)
    assert (found.first_arrival, found.last_arrival, found.arrival_span) == (HOUR, 5 * HOUR, 4 * HOUR)
    assert (found.vms.least, found.vms.mean, found.vms.most) == (3, 3.75, 6)
    assert found.durations == (HOUR, 4 / 3 * HOUR, HOUR, 2 * HOUR, 2 * HOUR)
    assert (found.run_times.least, found.run_times.most) == (HOUR, HOUR)
    assert found.work == (12 + 12 + 6) * HOUR
    assert found.real_work == (6 + 12 + 6) * HOUR
    assert dict(found.images) == {"a": 1}


def test_an_empty_workload_has_statistics_too() -> None:
    """Nothing is 0."""
    found = statistics([])
    assert (found.leases, found.vms, found.work, found.arrival_span) == (0, (0, 0.0, 0, 0, 0), 0, 0)


def test_percentiles_are_values_that_occur() -> None:
    """The nearest rank, without interpolation."""
    assert spread(range(1, 101)) == (1, 50.5, 50, 95, 100)
    assert spread([7]) == (7, 7.0, 7, 7, 7)
