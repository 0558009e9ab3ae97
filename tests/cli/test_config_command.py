"""``haizea config`` and ``haizea policy``."""

import csv
import io
import json
from pathlib import Path

import pytest

from haizea.config import load
from haizea.config.multi import expand
from tests.cli.running import haizea

INI = "[general]\nmode: simulated\n[scheduling]\nbackfilling: conservative\nsuspend-rate: 50\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Return a file of Haizea 1.x."""
    path = tmp_path / "haizea.conf"
    path.write_text(INI)
    return path


def test_a_file_in_order_is_told_so(capsys: pytest.CaptureFixture[str], conf: Path) -> None:
    """Check says how much the file gives."""
    assert haizea(capsys, "config", "check", conf) == (0, f"{conf}: in order, 3 options are given\n", "")


def test_all_files_are_checked(capsys: pytest.CaptureFixture[str], conf: Path, tmp_path: Path) -> None:
    """What is wrong in one file does not hide the others; the status is 2."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[scheduling]\nbackfilling = "easy"\nmigration = "maybe"\n')
    outcome = haizea(capsys, "config", "check", wrong, conf)
    assert outcome.status == 2
    assert outcome.out == f"{conf}: in order, 3 options are given\n"
    assert [line.split(": ")[2] for line in outcome.err.splitlines()] == [
        "scheduling.backfilling",
        "scheduling.migration",
    ]


def test_a_file_of_many_runs_is_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every run that it describes is looked at."""
    path = tmp_path / "multi.conf"
    path.write_text("[multi]\ntracefiles: a b\n[p:general]\nmode: simulated\n")
    assert haizea(capsys, "config", "check", path).out == f"{path}: describes 2 runs, all of them in order\n"


def test_show_tells_values_and_origins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], conf: Path
) -> None:
    """File, variable, --set and default are told apart, in every format."""
    monkeypatch.setenv("HAIZEA_SIMULATION__SEED", "5")
    arguments = ("config", "show", conf, "--set", "scheduling.suspend-rate=60")
    rows = {row["option"]: row for row in json.loads(haizea(capsys, *arguments, "-o", "json").out)}
    assert (rows["scheduling.backfilling"]["value"], rows["scheduling.backfilling"]["origin"]) == (
        "conservative", f"{conf}:4",
    )  # fmt: skip
    assert rows["scheduling.suspend-rate"]["origin"] == "--set"
    assert rows["simulation.seed"]["origin"] == "environment variable HAIZEA_SIMULATION__SEED"
    assert rows["scheduling.resume-rate"]["origin"] == "default"
    table = list(csv.reader(io.StringIO(haizea(capsys, *arguments, "-o", "csv", "--changed").out)))
    assert [row[0] for row in table] == [
        "option", "general.mode", "scheduling.backfilling", "scheduling.suspend-rate", "simulation.seed",
    ]  # fmt: skip


def test_convert_writes_toml_that_means_the_same(
    capsys: pytest.CaptureFixture[str], conf: Path, tmp_path: Path
) -> None:
    """To a file or to standard output, and many runs as well as one."""
    target = tmp_path / "haizea.toml"
    assert haizea(capsys, "config", "convert", conf, target).status == 0
    assert load(str(target), environ={}) == load(str(conf), environ={})
    assert haizea(capsys, "config", "convert", conf).out == target.read_text()
    multi = tmp_path / "multi.conf"
    multi.write_text("[multi]\ntracefiles: a b\n[common:scheduling]\nsuspend-rate: 9\n[p:general]\nmode: simulated\n")
    assert haizea(capsys, "config", "convert", multi, target).status == 0
    assert expand(str(target)) == expand(str(multi))


def test_what_cannot_be_written_leaves_no_file(capsys: pytest.CaptureFixture[str], conf: Path, tmp_path: Path) -> None:
    """A folder that is not there is told, status 2."""
    outcome = haizea(capsys, "config", "convert", conf, tmp_path / "absent" / "x.toml")
    assert outcome.status == 2
    assert "No such file or directory" in outcome.err


def test_policies_are_listed_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """Names, aliases and one sentence each."""
    rows = json.loads(haizea(capsys, "policy", "list", "--kind", "host-selection", "-o", "json").out)
    assert {row["name"]: row["also"] for row in rows if row["from"] == "built-in"} == {
        "greedy": "", "first-fit": "no-policy", "best-fit": "pack", "spread": "",
    }  # fmt: skip
    assert all(row["what it does"].endswith(".") for row in rows)
    assert haizea(capsys, "policy", "list").out.startswith("kind ")


def test_options_without_effect_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What a simulation has no use for is no fault, and is said with the reason; what it uses is not."""
    path = tmp_path / "idle.conf"
    path.write_text(
        "[general]\nloglevel: DEBUG\nlease-failure-handling: exit\n[scheduling]\nwakeup-interval: 10\n"
        "suspension: all\n[simulation]\nclock: real\nstatus-message-interval: 60\n[accounting]\n"
        "probes: ar\ndatafile: x\n"
    )
    outcome = haizea(capsys, "config", "check", path)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[1:] == [
        f"{path}:2: general.loglevel has no effect in a simulation: nothing is logged where general.logfile is not "
        "given",
        f"{path}:3: general.lease-failure-handling has no effect in a simulation: no VM fails in a simulation, "
        "and a fault of Haizea or of a policy ends it whatever this says",
        f"{path}:5: scheduling.wakeup-interval has no effect in a simulation: time jumps from event to event",
        f"{path}:8: simulation.clock has no effect in a simulation: time jumps from event to event, and only the "
        "default of non-schedulable-interval follows it",
    ]
