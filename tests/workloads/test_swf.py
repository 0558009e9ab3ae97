"""Reading traces in SWF."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.lease import LeaseRequest, LeaseType
from haizea.model.resources import Capacity
from haizea.model.units import SECOND
from haizea.workloads import swf_lines
from haizea.workloads.errors import WorkloadError
from haizea.workloads.load import load
from haizea.workloads.swf import SwfOptions
from haizea.workloads.workload import Workload
from tests.workloads.texts import job, write

HEADER = (
    "; Version: 2.2\n; Computer: A machine\n; UnixStartTime: 956615684\n;\n; free words\n; Note: one\n; Note: two\n"
)


def read(folder: Path, text: str, **options: object) -> list[LeaseRequest]:
    """Return the leases of a trace."""
    return list(load(write(folder, text), swf=SwfOptions(**options)).requests)  # type: ignore[arg-type]


def skipped(workload: Workload) -> dict[str, int]:
    """Return what a trace leaves out, by cause."""
    assert list(workload.requests) is not None
    return dict(workload.skipped)


def test_a_job_becomes_a_best_effort_lease_of_one_core_vms(tmp_path: Path) -> None:
    """Processors, requested time, run time, user and the fields without a use arrive in the lease."""
    (lease,) = read(tmp_path, HEADER + job(13, "22", "43", 4, "64800", user="96", queue=3))
    terms = lease.terms
    assert terms.type is LeaseType.BEST_EFFORT
    assert (lease.id, lease.arrival, lease.real_duration) == (13, 22_000, 43_000)
    assert [(n.count, n.demand) for n in terms.nodes] == [(4, Capacity({"CPU": 100, "Memory": 1024}))]
    assert (terms.duration, terms.preemptible, terms.user) == (64_800_000, True, "96")
    assert dict(terms.extra) == {
        "SWF_waittime": "5",
        "SWF_runtime": "43",
        "SWF_avgcputime": "0.5",
        "SWF_queue": "3",
        "SWF_group": "3",
        "SWF_execnumber": "9",
    }


def test_the_header_is_kept(tmp_path: Path) -> None:
    """Its fields are attributes of the workload; the start is an instant where it is known."""
    workload = load(write(tmp_path, HEADER + job(), "blue.swf.gz"))
    assert (workload.name, workload.description, workload.start) == ("blue", "A machine", 956_615_684 * SECOND)
    assert workload.attributes["Note"] == "one two"
    assert load(write(tmp_path, "; UnixStartTime: 0\n" + job())).start is None


def test_times_that_are_unknown_are_taken_from_each_other(tmp_path: Path) -> None:
    """Without a requested time the run time counts; a run time of 0 is a second; without one the VMs run as asked."""
    found = read(tmp_path, job(1, run="60", asked="-1") + job(2, run="0", asked="-1") + job(3, run="-1", asked="300"))
    assert [(r.terms.duration, r.real_duration) for r in found] == [(60_000, 60_000), (1000, 1000), (300_000, None)]


def test_jobs_that_cannot_be_leases_are_left_out_and_counted_by_cause(tmp_path: Path) -> None:
    """Cancelled while waiting, without processors or times, listed in parts: each has its count."""
    text = (
        job(1, run="-1", status=5) + job(2, run="-1", status=5) + job(3, run="10", status=5)
        + job(4, size=-1) + job(5, size=0) + job(6, run="-1", asked="-1") + job(6, status=3) + job(7, submit="-1")
    )  # fmt: skip
    workload = load(write(tmp_path, text))
    assert [r.id for r in workload.requests] == [3]
    counts = {
        "cancelled while waiting": 2,
        "no number of processors": 2,
        "neither requested time nor run time": 1,
        "parts of a job listed elsewhere": 1,
        "no time of submission": 1,
    }
    assert dict(workload.skipped) == counts
    assert skipped(workload) == counts, "counts begin anew with each iteration"


def test_processors_are_those_requested_or_those_allocated(tmp_path: Path) -> None:
    """Requested ones are replaced by allocated ones where unknown, and divided by the scale, rounded up."""
    text = job(1, size=4, allocated=32) + job(2, size=-1, allocated=9)

    def sizes(**options: object) -> list[int]:
        return [r.terms.node_count for r in read(tmp_path, text, **options)]

    assert sizes() == [4, 9]
    assert sizes(processors="allocated") == [32, 9]
    assert sizes(scale=8) == [1, 2]


def test_memory_is_that_of_the_options_or_of_the_job_or_the_usual(tmp_path: Path) -> None:
    """Field 10 is in KiB per processor, and rounded up to a MiB; a VM has that of the processors it stands for."""
    text = job(1, kilobytes="2049") + job(2, kilobytes="-1") + job(3, kilobytes="0")

    def memory(**options: object) -> list[int]:
        return [r.terms.nodes[0].demand["Memory"] for r in read(tmp_path, text, **options)]

    assert memory() == [3, 1024, 1024]
    assert memory(scale=2) == [5, 1024, 1024]
    assert memory(memory=700) == [700, 700, 700]


def test_leases_can_be_made_not_preemptible(tmp_path: Path) -> None:
    """The trace does not say; the options do."""
    assert [r.terms.preemptible for r in read(tmp_path, job(), preemptible=False)] == [False]


def test_an_interval_and_queues_can_be_chosen(tmp_path: Path) -> None:
    """Jobs outside are left out and counted; arrivals count from the beginning of the interval."""
    text = "".join(job(n, str(n * 10), queue=n % 2) for n in range(1, 7))
    options = SwfOptions(start=20_000, interval=30_000, queues=frozenset({0}))
    workload = load(write(tmp_path, text), swf=options)
    assert [(r.id, r.arrival) for r in workload.requests] == [(2, 0), (4, 20_000)]
    assert dict(workload.skipped) == {"outside the interval": 3, "in another queue": 1}


def test_fractions_of_seconds_are_rounded_up_to_milliseconds(tmp_path: Path) -> None:
    """Some traces have them, though the format does not."""
    (found,) = read(tmp_path, job(1, "1.5", "0.0001", 4, "300.25"))
    assert (found.arrival, found.real_duration, found.terms.duration) == (1500, 1, 300_250)


def test_a_trace_out_of_order_is_sorted_by_arrival_and_otherwise_stays_in_order(tmp_path: Path) -> None:
    """Late lines are put in their place, wherever in the file they are."""
    text = "".join(job(n, str(submit)) for n, submit in enumerate([5, 5, 9] * 2000, 1))
    found = read(tmp_path, text)
    assert [(r.arrival, r.id) for r in found] == sorted((r.arrival, r.id) for r in found)
    assert len(found) == 6000


def test_a_job_number_may_be_used_once(tmp_path: Path) -> None:
    """Numbers need not ascend, but two jobs with one number are an error, however far apart."""
    text = "".join(job(n) for n in range(3000, 0, -1))
    assert len(read(tmp_path, text)) == 3000
    with pytest.raises(WorkloadError, match=r"workload:3001: job '77' was already on line 2924; expected"):
        read(tmp_path, text + job(77))


def test_equal_node_sets_of_a_trace_are_one_object(tmp_path: Path) -> None:
    """What thousands of leases have in common is in memory once, also where memory differs in KiB only."""
    found = read(tmp_path, job(1, kilobytes="2000") + job(2, kilobytes="2001") + job(3, size=9, kilobytes="2000"))
    assert found[0].terms.nodes is found[1].terms.nodes
    assert found[0].terms.nodes[0].demand is found[2].terms.nodes[0].demand


def test_comments_blank_lines_and_other_line_ends_do_no_harm(tmp_path: Path) -> None:
    """Comments may stand anywhere; the last line may lack its end."""
    text = "\n; a\n" + job(1) + "; b\xe9\n\n   \n" + job(2).rstrip("\n") + "\r\n  " + job(3).rstrip("\n")
    assert [r.id for r in read(tmp_path, text)] == [1, 2, 3]


def test_a_trace_of_comments_only_is_empty(tmp_path: Path) -> None:
    """A header without jobs is a workload without requests."""
    assert read(tmp_path, HEADER) == []


def test_gzip_in_several_members_is_read_to_the_end(tmp_path: Path) -> None:
    """Files put together from packed parts are one trace."""
    packed = b"".join(gzip.compress(job(n).encode(), mtime=0) for n in range(1, 4))
    assert [r.id for r in load(write(tmp_path, packed + b"\0\0")).requests] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("1 2 3", "3 fields, the first of them '1'"),
        (job(2).rstrip() + " 4", "19 fields"),
        (job(2, "x"), "'x' for field 2 (submit time)"),
        (job(2, "1_0"), "'1_0' for field 2"),
        (job(2, "nan"), "'nan' for field 2"),
        (job(2, "1e400"), "'1e400' for field 2"),
        (job(2, "-7"), "'-7' for field 2"),
        (job(2, run="-2"), "'-2' for field 4 (run time)"),
        (job(2, asked="9" * 30), "for field 9 (requested time)"),
        (job(2, "9" * 5000), "for field 2"),
        (job(2, size=100_001), "'100001' for field 8 (requested processors)"),
        (job(2, kilobytes="12MB"), "'12MB' for field 10 (requested memory)"),
        (job(2, user="ann"), "'ann' for field 12 (user)"),
        (job(-1), "a job without a number"),
        (job(2).replace("0.5", "0.5s"), "'0.5s' for field 6"),
        (job(2).replace(" 3 9 ", " \x00 9 "), "'\\x00' for field 13"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(tmp_path: Path, line: str, wrong: str) -> None:
    """Errors name the file, the line and the field, also far into a trace."""
    text = HEADER + "".join(job(n + 10) for n in range(1000)) + line.rstrip("\n") + "\n" + job(5000)
    with pytest.raises(WorkloadError) as caught:
        read(tmp_path, text)
    assert wrong in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'workload'}:1008: ")


def test_a_line_too_short_followed_by_one_too_long_is_noticed(tmp_path: Path) -> None:
    """Fields that add up to whole jobs are not enough: each line must have its own."""
    short, long = job(1).split(), job(2).split()
    text = " ".join(short[:-1]) + "\n" + " ".join([*long, "1"]) + "\n"
    with pytest.raises(WorkloadError, match=":1: 17 fields"):
        read(tmp_path, text)


numbers = st.integers(-1, 10_000)


@given(st.lists(st.tuples(*[numbers] * 17), max_size=20), st.booleans())
def test_reading_in_columns_and_line_by_line_agree(rows: list[tuple[int, ...]], allocated: bool) -> None:
    """The quick way finds in whole lines of numbers exactly what the careful way finds."""
    text = "".join(f"{n} {' '.join(map(str, row))}\n" for n, row in enumerate(rows, 1))
    wanted = 4 if allocated else 7
    quick = swf_lines.columns_quickly(text, wanted, 1) if rows else None
    careful = swf_lines.columns_slowly("f", 1, text, wanted, 1)
    if quick is None:
        assert not rows
        return
    for row, other in zip(quick.rows(), careful.rows(), strict=True):
        times = [value * SECOND if value >= 0 else -1 for value in (row[2], row[3], row[6])]
        assert times == [other[2], other[3], other[6]]
        assert (row[0], row[1], row[4], row[5], *row[7:]) == (other[0], other[1], other[4], other[5], *other[7:])


any_job = st.tuples(st.integers(0, 500), st.integers(-1, 50), st.integers(-1, 9), st.sampled_from([0, 1, 5]))
usual_job = st.tuples(st.integers(0, 500), st.integers(1, 50), st.integers(1, 9), st.sampled_from([0, 1, 5]))


@given(st.lists(usual_job, min_size=1) | st.lists(any_job, min_size=1))
def test_leases_made_all_at_once_and_one_by_one_agree(rows: list[tuple[int, int, int, int]]) -> None:
    """The quick way of making leases makes the same ones."""
    text = "".join(
        job(n, str(submit), str(run), size, status=status) for n, (submit, run, size, status) in enumerate(rows, 1)
    )
    with TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        quick = load(path, swf=SwfOptions(queues=None))
        careful = load(path, swf=SwfOptions(queues=frozenset({1})))
        assert list(quick.requests) == list(careful.requests)
        assert dict(quick.skipped) == dict(careful.skipped)


@pytest.mark.parametrize(
    "options", [{"scale": 0}, {"processors": "all"}, {"memory": -1}, {"start": -1}, {"interval": 0}]
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    """Whoever chose them learns what was expected."""
    with pytest.raises(ValueError, match="expected"):
        read(tmp_path, job(), **options)


@pytest.mark.parametrize(
    ("name", "leases", "left_out"),
    [("15days", 3084, None), ("30days", 5108, 437), ("60days", 9453, 827), ("1000requests", 951, 49)],
)
def test_the_shared_traces_are_read(shared: Path, name: str, leases: int, left_out: int | None) -> None:
    """As many leases as the description of the traces says, after leaving out those cancelled while waiting."""
    workload = load(shared / "data" / f"sdsc-blue-{name}.swf.gz")
    assert sum(1 for _ in workload.requests) == leases
    assert set(workload.skipped) == {"cancelled while waiting"}
    if left_out is not None:
        assert workload.skipped["cancelled while waiting"] == left_out
