"""``haizea-convert-data``: what runs have come to, in the shape that Haizea 1.x gave it."""

import csv
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from haizea.experiments.data import DataError, read_run
from tests.cli.running import haizea

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SOURCE = str(EXAMPLES.parent / "src")
PROBES = "accounting.probes=ar best-effort cpu-utilization lease-extras"


@pytest.fixture
def results(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    """Return the folder of a run with probes, and one beside it of a run without."""
    for name, attributes, sets in (("one", "profile=easy,size=4", ("--set", PROBES)), ("two", "profile=off", ())):
        arguments = ("--output", tmp_path / name, "-q", "--set", f"accounting.attributes={attributes}", *sets)
        assert haizea(capsys, "simulate", EXAMPLES / "first.lwf", *arguments).status == 0
    return tmp_path / "one"


def convert(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command in a fresh interpreter."""
    program = "from haizea.cli.legacy import convert_data_main; convert_data_main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60, env={"PYTHONPATH": SOURCE},
    )  # fmt: skip


def rows(*arguments: object) -> list[dict[str, str]]:
    """Return the rows that the command prints."""
    run = convert(*arguments)
    assert (run.returncode, run.stderr) == (0, "")
    return list(csv.DictReader(run.stdout.splitlines()))


def test_runs_are_put_side_by_side(results: Path) -> None:
    """A row for each run: attributes first, then the figures of 1.x by its names, then the others."""
    found = rows("-t", "per-run", results, results.parent / "two" / "summary.json")
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    names = list(found[0])
    assert names[:4] == ["purpose", "profile", "size", "Total requested leases"]
    assert [(row["profile"], row["size"]) for row in found] == [("easy", "4"), ("off", "")]
    one = found[0]
    assert one["Total requested leases"] == "13"
    assert one["Total accepted AR"] == str(summary["ar"]["accepted"])
    assert one["Total best-effort completed"] == str(summary["leases"]["best-effort"]["done"])
    assert float(one["all-best-effort"]) == summary["besteffort"]["all_best_effort_s"]
    assert float(one["utilisation.CPU"]) == summary["utilisation"]["CPU"]


def test_leases_are_listed_with_what_probes_kept(results: Path) -> None:
    """A row for each lease of each run, columns of 1.x by its names; what only one run has is empty in the other."""
    found = rows("-t", "per-lease", results, results.parent / "two")
    with (results / "leases.csv").open(encoding="utf-8") as stream:
        leases = list(csv.DictReader(stream))
    assert [row["lease_id"] for row in found[: len(leases)]] == [lease["id"] for lease in leases]
    assert [row["Waiting time"] for row in found[: len(leases)]] == [lease["wait_s"] for lease in leases]
    assert [row["Slowdown"] for row in found[: len(leases)]] == [lease["bounded_slowdown"] for lease in leases]
    first = next(row for row in found if row["lease_id"] == "1")
    assert (first["profile"], first["Requested duration"], first["Number of nodes"]) == ("easy", "50400", "4")
    last = found[-1]
    assert (last["profile"], last["Requested duration"]) == ("off", "")
    assert last["State"]


def test_a_counter_is_printed_as_it_changed(results: Path) -> None:
    """Time, value and, where it has one, its mean; -l lists the names."""
    found = rows("-t", "counter", "-c", "CPU utilization", results)
    assert list(found[0]) == ["purpose", "profile", "size", "time", "value", "average"]
    assert (found[0]["time"], found[-1]["value"]) == ("0", "0.000000")
    assert list(rows("-t", "counter", "-c", "Accepted AR", results)[0])[3:] == ["time", "value"]
    listed = convert("-l", results, results.parent / "two")
    assert listed.stdout.splitlines() == [
        "Accepted AR", "Rejected AR", "Best-effort completed", "Queue size", "CPU utilization",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-t", "counter", "-c", "Queue size", "one", "two"), "two: no counter 'Queue size': it has none; expected a"),
        (("-t", "counter", "-c", "Queue", "one"), "one: no counter 'Queue': it has 'Accepted AR', 'Rejected AR'"),
        (("-t", "counter", "one"), "Missing option '-c'"),
        (("one",), "Missing option '-t'"),
        (("-t", "per-run", "absent"), "absent: there is no such file or folder; expected the folder of a run"),
        (("-t", "per-run", "."), ".: there is no summary.json; expected the folder of a run's results"),
        (("-t", "per-run"), "Missing argument 'FILE...'"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_told(results: Path, arguments: tuple[str, ...], message: str) -> None:
    """One line on standard error, status 2, nothing printed."""
    given = [str(results.parent / a) if (results.parent / a).exists() else a for a in arguments]
    run = convert(*given)
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr.replace(f"{results.parent}/", "").replace(str(results.parent), ".")


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (Path("unpickled"),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_data_file_of_haizea_1_is_never_unpickled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocol: int
) -> None:
    """What is in it is not carried out; the message says what to do instead."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.dat").write_bytes(pickle.dumps(Bomb(), protocol))
    with pytest.raises(DataError, match=r"looks like a data file of Haizea 1\.x.*simulate the workload anew"):
        read_run("run.dat")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is no JSON"),
        (b"[" * 100_000, "this is no JSON"),
        (b"\xff\xfe", "this is no JSON"),
        (b"[1]", "this is no summary of a run"),
        (b'{"leases": 3}', "this is no summary of a run"),
        (b'{"leases": {"AR": 3}}', "this is no summary of a run"),
        (b'{"leases": {"AR": {"done": "3"}}}', "this is no summary of a run"),
        (b'{"leases": {}, "ar": [], "besteffort": {}}', "this is no summary of a run"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Neither nonsense nor nesting without end does harm."""
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_run(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("colour\nred\n", "the first line names other columns"),
        ("id,state\n1,done,more\n", "line 2 has more fields than the first"),
        ("id\n" + "1" * (1 << 21) + "\n", "a line of more than 1048576 characters"),
        ("id\n" + "1" * (1 << 18) + "\n", "field larger than field limit"),
    ],
)
def test_rows_that_make_no_sense_are_refused(results: Path, content: str, message: str) -> None:
    """A damaged file of leases is told with its name."""
    (results / "leases.csv").write_text(content, encoding="utf-8")
    run = convert("-t", "per-lease", results)
    assert run.returncode == 2
    assert f"{results}/leases.csv: " in run.stderr
    assert message in run.stderr


def test_a_run_without_leases_is_told(results: Path) -> None:
    """A summary on its own has no leases to list."""
    (results / "leases.csv").unlink()
    run = convert("-t", "per-lease", results)
    assert (run.returncode, run.stderr.split("; ")[0]) == (2, f"haizea: {results}: there is no leases.csv")
