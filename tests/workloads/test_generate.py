"""Workloads made up by models."""

from itertools import pairwise
from pathlib import Path

import pytest

from haizea.model.lease import LeaseType
from haizea.model.units import DAY, HOUR, SECOND
from haizea.workloads.generate import generate_lublin, generate_reservations, lublin_jobs, swf_lines
from haizea.workloads.load import load
from tests.workloads.texts import write


def test_the_same_seed_makes_the_same_workload() -> None:
    """Workloads can be made again; another seed makes another one."""
    assert list(generate_lublin(200, 7, 64)) == list(generate_lublin(200, 7, 64))
    assert list(generate_lublin(200, 7, 64)) != list(generate_lublin(200, 8, 64))


def test_jobs_are_as_the_model_says() -> None:
    """The shares of serial jobs and of powers of two, and the mean size for 1,152 processors, are the model's."""
    jobs = list(lublin_jobs(20_000, 1, 1152))
    count = len(jobs)
    assert count == 20_000
    assert sum(j.processors == 1 for j in jobs) / count == pytest.approx(0.244, abs=0.02)
    assert sum(j.processors & (j.processors - 1) == 0 for j in jobs) / count == pytest.approx(0.85, abs=0.02)
    assert sum(j.processors for j in jobs) / count == pytest.approx(87, abs=5)
    assert all(1 <= j.processors <= 1152 and 1 <= j.run <= j.requested for j in jobs)
    assert jobs[0].submit == 0
    assert all(a.submit <= b.submit for a, b in pairwise(jobs))


def test_most_jobs_come_in_the_daytime() -> None:
    """The afternoon is several times as busy as the small hours."""
    jobs = list(lublin_jobs(20_000, 1, 64))
    day = sum(11 * HOUR <= j.submit * SECOND % DAY < 17 * HOUR for j in jobs)
    night = sum(1 * HOUR <= j.submit * SECOND % DAY < 7 * HOUR for j in jobs)
    assert day > 3 * night


def test_big_jobs_run_longer() -> None:
    """In the model the run time depends on the size."""
    jobs = list(lublin_jobs(10_000, 3, 256))
    small = [j.run for j in jobs if j.processors <= 4]
    big = [j.run for j in jobs if j.processors >= 64]
    assert sum(big) / len(big) > 1.5 * sum(small) / len(small)


@pytest.mark.parametrize("load", [0.3, 0.9])
def test_the_work_offered_can_be_chosen(load: float) -> None:
    """Gaps are stretched to reach a load."""
    jobs = list(lublin_jobs(20_000, 5, 128, load=load))
    assert sum(j.run * j.processors for j in jobs) / (128 * jobs[-1].submit) == pytest.approx(load, rel=0.2)


def test_gaps_can_be_stretched() -> None:
    """Twice the gaps, the same jobs."""
    plain, slow = (list(lublin_jobs(5_000, 5, 128, stretch=s)) for s in (1.0, 2.0))
    assert slow[-1].submit == pytest.approx(2 * plain[-1].submit, rel=0.02)
    assert [j.processors for j in plain] == [j.processors for j in slow]


def test_jobs_can_be_written_as_a_trace_and_read_back(tmp_path: Path) -> None:
    """The leases of the trace are those that the generator gives directly."""
    path = write(tmp_path, "".join(swf_lines(lublin_jobs(300, 2, 32), 32, note="made\nup")))
    back = list(load(path).requests)
    direct = list(generate_lublin(300, 2, 32))
    assert [(r.id, r.arrival, r.terms.nodes, r.terms.duration, r.real_duration, r.terms.user) for r in back] == [
        (r.id, r.arrival, r.terms.nodes, r.terms.duration, r.real_duration, r.terms.user) for r in direct
    ]


def test_a_machine_of_one_processor_has_serial_jobs() -> None:
    """The smallest machine is a machine."""
    assert {j.processors for j in lublin_jobs(50, 1, 1)} == {1}


def test_reservations_ask_for_about_the_share_they_should() -> None:
    """Advance reservations to inject: sizes, durations, notice and total within what was asked for."""
    found = list(
        generate_reservations(1, hosts=144, length=300 * DAY, share=0.1, mean_duration=3 * HOUR, sizes=(25, 48))
    )
    assert {r.terms.type for r in found} == {LeaseType.ADVANCE_RESERVATION}
    assert {r.terms.preemptible for r in found} == {False}
    assert {(r.terms.start or 0) - r.arrival for r in found} == {24 * HOUR}
    assert {r.terms.node_count for r in found} == set(range(25, 49))
    assert all(2.4 * HOUR <= (r.terms.duration or 0) <= 3.6 * HOUR for r in found)
    assert [r.id for r in found] == list(range(1, len(found) + 1))
    work = sum(r.terms.node_count * (r.terms.duration or 0) for r in found)
    assert work / (144 * 300 * DAY) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize(
    "wrong",
    [{"jobs": 0}, {"processors": 0}, {"processors": 100_001}, {"stretch": 0.0}, {"load": 0.0}, {"load": float("nan")}],
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    """Before the first job is made."""
    with pytest.raises(ValueError, match="expected"):
        generate_lublin(**{"jobs": 1, "seed": 1, "processors": 8, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"sizes": (0, 4)}, {"sizes": (4, 200)}, {"share": 0}, {"mean_duration": 5}])
def test_reservations_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """Sizes must be within the hosts, shares above 0."""
    good = {"hosts": 100, "length": DAY, "share": 0.1, "mean_duration": HOUR, "sizes": (1, 4)}
    with pytest.raises(ValueError, match="expected"):
        generate_reservations(1, **{**good, **wrong})  # type: ignore[arg-type]
