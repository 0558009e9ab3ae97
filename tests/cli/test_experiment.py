"""``haizea experiment``: every run of a multi-configuration file, and what is told of them together."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from haizea.app.experiment import Experiment, Finished
from haizea.config.multi import expand
from tests.cli.running import SUMMARY, haizea

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MULTI = f"""\
[multi]
tracedir: {EXAMPLES}
tracefiles: TRACES

[common:simulation]
resources: 32 CPU:100,Memory:1024

[easy:scheduling]
backfilling: aggressive

[off:scheduling]
backfilling: off

[off:accounting]
attributes: note=first come first served
"""


def multi(folder: Path, traces: str = "small.swf", more: str = "") -> Path:
    """Write a multi-configuration file for some of the bundled workloads."""
    path = folder / "multi.conf"
    path.write_text(MULTI.replace("TRACES", traces) + more, encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_run_has_a_folder_and_a_row(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All results of every run, a table on the terminal, and one row for each run in the order of the file."""
    outcome = haizea(capsys, "experiment", multi(tmp_path), "--output", tmp_path / "out", "--jobs", 2)
    assert (outcome.status, outcome.err) == (0, "")
    assert [line.split()[:4] for line in outcome.out.splitlines()[1:]] == [
        ["easy_small", "done", "200", "200"], ["off_small", "done", "200", "200"],
    ]  # fmt: skip
    found = rows(tmp_path / "out" / "summary.csv")
    assert [(row["run"], row["profile"], row["state"]) for row in found] == [
        ("easy_small", "easy", "done"), ("off_small", "off", "done"),
    ]  # fmt: skip
    assert [row["attribute.note"] for row in found] == ["", "first come first served"]
    for row in found:
        folder = tmp_path / "out" / row["run"]
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        assert float(row["besteffort.wait_s.mean"]) == summary["besteffort"]["wait_s"]["mean"]
        assert {file.name for file in folder.iterdir()} == {
            "haizea.toml", "leases.csv", "reservations.csv", "summary.json",
        }  # fmt: skip


def test_the_number_of_jobs_changes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One at a time or all at once: the same schedules, and the same figures but for what they cost."""
    seen = []
    for jobs in (1, 3):
        folder = tmp_path / str(jobs)
        arguments = ("--jobs", jobs, "--output", folder, "--detail", "leases", "-q")
        outcome = haizea(capsys, "experiment", multi(tmp_path), *arguments)
        assert outcome == (0, "", "")
        found: list[Any] = [{**row, "cpu_s": "", "leases_per_second": ""} for row in rows(folder / "summary.csv")]
        found += [(folder / name / "leases.csv").read_bytes() for name in ("easy_small", "off_small")]
        assert not (folder / "easy_small" / "reservations.csv").exists()
        seen.append(found)
    assert seen[0] == seen[1]


def test_a_run_that_fails_is_told_and_the_others_go_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A workload that is not there: what is wrong on standard error, in the run's row and its folder; status 1."""
    arguments = ("experiment", multi(tmp_path, "absent.lwf small.swf"), "--output", tmp_path / "out", "-o", "json")
    outcome = haizea(capsys, *arguments)
    assert outcome.status == 1
    found = {row["run"]: row for row in json.loads(outcome.out)}
    assert {name: row["state"] for name, row in found.items()} == {
        "easy_absent": "failed", "easy_small": "done", "off_absent": "failed", "off_small": "done",
    }  # fmt: skip
    error = f"{EXAMPLES}/absent.lwf: there is no such file; expected an LWF (XML) or SWF workload, plain or gzip"
    assert found["off_absent"]["error"] == error
    assert f"haizea: off_absent: failed: {error}\n" in outcome.err
    assert (tmp_path / "out" / "off_absent" / "error.txt").read_text(encoding="utf-8") == f"{error}\n"


def test_the_results_of_an_earlier_failure_do_not_stay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A run that succeeds the second time leaves no word of the first; one that fails leaves no old summary."""
    folder = tmp_path / "out" / "easy_small"
    folder.mkdir(parents=True)
    (folder / "error.txt").write_text("it went wrong", encoding="utf-8")
    (tmp_path / "out" / "easy_absent").mkdir()
    (tmp_path / "out" / "easy_absent" / "summary.json").write_text("{}", encoding="utf-8")
    haizea(capsys, "experiment", multi(tmp_path, "absent.lwf small.swf"), "--output", tmp_path / "out", "-q")
    assert not (folder / "error.txt").exists()
    assert not (tmp_path / "out" / "easy_absent" / "summary.json").exists()


DEADLY = """
import os, signal
class Deadly:
    def __init__(self, context):
        os.kill(os.getpid(), signal.SIGKILL)
    def admit(self, lease, site, now):
        return None
class Faulty(Deadly):
    def __init__(self, context):
        pass
    def admit(self, lease, site, now):
        raise RuntimeError("no idea")
"""


def test_a_process_that_is_killed_takes_nobody_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run whose process is ended from outside fails; one whose policy raises fails; the third is done."""
    (tmp_path / "deadly_policies.py").write_text(DEADLY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    more = (
        "[dead:scheduling]\npolicy-admission: deadly_policies:Deadly\n"
        "[faulty:scheduling]\npolicy-admission: deadly_policies:Faulty\n"
    )
    outcome = haizea(capsys, "experiment", multi(tmp_path, more=more), "--output", tmp_path / "out", "--jobs", 2)
    assert outcome.status == 1
    found = {row["run"]: row for row in rows(tmp_path / "out" / "summary.csv")}
    assert [found[name]["state"] for name in ("easy_small", "off_small", "dead_small", "faulty_small")] == [
        "done", "done", "failed", "failed",
    ]  # fmt: skip
    assert "ended by signal 9" in found["dead_small"]["error"]
    assert "'deadly_policies:Faulty': admit() failed with RuntimeError: no idea" in found["faulty_small"]["error"]


SLEEPY = """
import os, time
class Sleepy:
    def admit(self, lease, site, now):
        with open(f"{os.environ['SLEEPERS']}/{os.getpid()}", "w"):
            pass
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_an_experiment_ends_its_runs(tmp_path: Path, number: signal.Signals) -> None:
    """Interrupted or terminated, it says so, and leaves no process behind."""
    sleepers = tmp_path / "sleepers"
    sleepers.mkdir()
    (tmp_path / "sleepy_policies.py").write_text(SLEEPY, encoding="utf-8")
    path = multi(tmp_path, more="[common:scheduling]\npolicy-admission: sleepy_policies:Sleepy\n")
    source = str(EXAMPLES.parent / "src")
    program = "from haizea.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "experiment", str(path), "--output", str(tmp_path / "out"), "--jobs", "2"],
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{source}:{tmp_path}", "SLEEPERS": str(sleepers)},
    ) as run:  # fmt: skip
        give_up = time.monotonic() + 30
        while len(list(sleepers.iterdir())) < 2 and time.monotonic() < give_up:
            time.sleep(0.05)
        run.send_signal(number)
        _, err = run.communicate(timeout=30)
    assert (run.returncode, err.strip()) == (130, "haizea: interrupted")
    pids = [int(file.name) for file in sleepers.iterdir()]
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


NO_FOLDER = "is not a folder, and results are one; name another"


def test_a_folder_that_cannot_be_made_fails_its_run_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file where a run's folder should be: that run fails and says so."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "off_small").write_text("in the way", encoding="utf-8")
    outcome = haizea(capsys, "experiment", multi(tmp_path), "--output", tmp_path / "out", "-q")
    assert outcome.status == 1
    assert outcome.err == f"haizea: off_small: failed: {tmp_path}/out/off_small: {NO_FOLDER}\n"
    assert [row["state"] for row in rows(tmp_path / "out" / "summary.csv")] == ["done", "failed"]


def test_options_hold_for_every_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--set and the environment win over what the file says, and the file's datadir is where results go."""
    path = multi(tmp_path, more="[late:simulation]\nstarttime: 2020-01-01 00:00:00\n")
    path.write_text(path.read_text().replace("[multi]\n", f"[multi]\ndatadir: {tmp_path}/data\n"), encoding="utf-8")
    monkeypatch.setenv("HAIZEA_SCHEDULING__SUSPEND_RATE", "7")
    arguments = ("--set", "simulation.starttime=2026-11-25 13:00:00", "-q", "--detail", "leases")
    assert haizea(capsys, "experiment", path, *arguments) == (0, "", "")
    for name in ("easy_small", "off_small", "late_small"):
        written = (tmp_path / "data" / name / "haizea.toml").read_text(encoding="utf-8")
        assert "starttime = 2026-11-25T13:00:00Z" in written
        assert "suspend-rate = 7" in written


def test_each_run_has_a_log_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where the file names a log, every run writes one in its own folder: they do not share a file."""
    log = tmp_path / "all.log"
    path = multi(tmp_path, more=f"[common:general]\nlogfile: {log}\n")
    assert haizea(capsys, "experiment", path, "--output", tmp_path / "out", "-q") == (0, "", "")
    for name in ("easy_small", "off_small"):
        assert (tmp_path / "out" / name / "haizea.log").read_text(encoding="utf-8").endswith("STATUS the end\n")
    assert not log.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "scheduling.backfilling=fast", "--output", "out"), "--set: scheduling.backfilling: 'fast'"),
        (("--set", "nonsense", "--output", "out"), "--set 'nonsense': expected section.key=value"),
        ((), "multi.datadir is missing: name the folder of all results, there or with --output"),
        (("--jobs", "0", "--output", "out"), "0 is not in the range"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """A mistake in the options or the file ends in a message, status 2, and no folder."""
    monkeypatch.chdir(tmp_path)
    outcome = haizea(capsys, "experiment", multi(tmp_path), *arguments)
    assert outcome.status == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_file_of_one_run_is_not_an_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    """An ordinary configuration is refused, and one of many runs is refused by the command for one."""
    outcome = haizea(capsys, "experiment", EXAMPLES / "first.toml", "--output", "out")
    assert (outcome.status, "not a multi-configuration file" in outcome.err) == (2, True)


def test_a_schedule_that_is_wrong_has_a_status_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Status 3 and a line on standard error where verification found something and no run failed."""
    path = multi(tmp_path)
    summary = {**SUMMARY, "verify": {"events": 9, "violations": ["host 1 is too full", "and so is host 2"]}}
    finished = [Finished(expand(str(path))[0], summary)]

    def run(_self: Experiment, tell: Any) -> list[Finished]:
        for each in finished:
            tell(each)
        return finished

    monkeypatch.setattr(Experiment, "run", run)
    outcome = haizea(capsys, "experiment", path, "--output", "out", "-o", "csv")
    assert (outcome.status, outcome.err) == (3, "haizea: easy_small: verification found 2 violations\n")
    printed = list(csv.DictReader(outcome.out.splitlines()))
    assert (printed[0]["state"], printed[0]["violations"]) == ("violated", "2")
