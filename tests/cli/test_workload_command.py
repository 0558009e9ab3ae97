"""``haizea workload``, and the commands of Haizea 1.x for workloads and many configurations."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from haizea.config import load as load_settings
from haizea.workloads.load import load
from tests.cli.running import haizea

SWF = """\
; Version: 2.2
1 0 -1 100 2 -1 -1 2 200 -1 1 1 1 1 1 -1 -1 -1
2 60 -1 0 1 -1 -1 4 100 -1 1 2 1 1 2 -1 -1 -1
3 90 -1 -1 1 -1 -1 4 100 -1 5 2 1 1 2 -1 -1 -1
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Return a trace of two jobs and one that was cancelled."""
    path = tmp_path / "trace.swf"
    path.write_text(SWF)
    return path


def old(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of Haizea 1.x by its entry point."""
    program = f"from haizea.cli.legacy import {name}; {name}()"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_trace_becomes_lwf(capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path) -> None:
    """Every job that ran is there, the others are counted; the site and the options of SWF are taken."""
    target = tmp_path / "trace.lwf"
    outcome = haizea(
        capsys, "workload", "convert", trace, target, "--memory", 512, "--scale", 2, "--non-preemptible",
        "--site", "4 CPU:100 Memory:1024",
    )  # fmt: skip
    assert outcome == (0, f"{target}: 2 leases (left out: 1 cancelled while waiting)\n", "")
    written = load(target)
    assert written.site is not None
    assert len(written.site.hosts) == 4
    assert [request.terms.node_count for request in written.requests] == [1, 2]
    assert [request.terms.memory for request in written.requests] == [512, 1024]
    assert not any(request.terms.preemptible for request in written.requests)


def test_a_name_in_gz_is_compressed(capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path) -> None:
    """Gzip goes by the name of the output."""
    target = tmp_path / "trace.lwf.gz"
    assert haizea(capsys, "workload", "convert", trace, target).status == 0
    assert gzip.decompress(target.read_bytes()).startswith(b"<?xml")
    assert len(list(load(target).requests)) == 2


def test_a_failed_conversion_leaves_what_was_there(
    capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path
) -> None:
    """A trace that turns out wrong in its middle neither replaces nor leaves a file."""
    trace.write_text(SWF + "4 x\n")
    target = tmp_path / "trace.lwf"
    target.write_text("precious")
    outcome = haizea(capsys, "workload", "convert", trace, target)
    assert outcome.status == 2
    assert f"{trace}:5" in outcome.err
    assert target.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trace.lwf", "trace.swf"]


def test_show_says_what_a_workload_holds(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    """Counts, sizes, lengths and the load on a site."""
    arguments = ("workload", "show", trace, "--site", "4 CPU:100 Memory:1024", "--length", "00:10:00", "-o", "json")
    found = {row["what"]: row["value"] for row in json.loads(haizea(capsys, *arguments).out)}
    assert found["leases"] == found["best-effort leases"] == "2"
    assert found["VMs, most"] == "4"
    assert found["run time, most"] == "00:01:40"
    # Two VMs for 100 s and four for 1 s, on four cores for ten minutes.
    assert found["load on the site"] == "8.5 %"
    assert found["left out: cancelled while waiting"] == "1"


def test_validate_reads_each_file_to_its_end(capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path) -> None:
    """All files are looked at, and one that is wrong makes the status 2."""
    wrong = tmp_path / "wrong.lwf"
    wrong.write_text("<lease-workload>")
    outcome = haizea(capsys, "workload", "validate", wrong, trace)
    assert outcome.status == 2
    assert outcome.out == f"{trace}: in order, 2 leases (left out: 1 cancelled while waiting)\n"
    assert outcome.err.startswith(f"haizea: {wrong}")
    assert haizea(capsys, "workload", "validate", trace).status == 0


@pytest.mark.parametrize("name", ["w.lwf", "w.swf", "w.lwf.gz", "w.swf.gz"])
def test_the_same_seed_gives_the_same_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """Generated workloads can be made again, in either format, compressed or not."""
    contents = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / name
        arguments = ("--model", "lublin", "--jobs", 50, "--processors", 32, "--seed", seed, "-o", path)
        assert haizea(capsys, "workload", "generate", *arguments) == (0, f"{path}: 50 leases\n", "")
        contents.append(path.read_bytes())
        assert len(list(load(path).requests)) == 50
    assert contents[0] == contents[1] != contents[2]


def test_reservations_are_generated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The model ar gives as many advance reservations as asked for, of the sizes asked for."""
    path = tmp_path / "ar.lwf"
    arguments = ("--model", "ar", "--jobs", 20, "--processors", 144, "--sizes", "25-48", "-o", path)
    assert haizea(capsys, "workload", "generate", *arguments).status == 0
    requests = list(load(path).requests)
    assert len(requests) == 20
    assert all(request.terms.start is not None and 25 <= request.terms.node_count <= 48 for request in requests)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "ar", "-o", "x.swf"), "SWF has no reservations"),
        (("--model", "ar", "--sizes", "9-99", "-o", "x.lwf"), "sizes (9, 99) on 8 hosts"),
        (("--model", "ar", "--sizes", "many", "-o", "x.lwf"), "'many' is not of the form 1-24"),
    ],
)
def test_what_cannot_be_generated_is_told(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """One line, status 2, no file."""
    monkeypatch.chdir(tmp_path)
    outcome = haizea(capsys, "workload", "generate", "--jobs", 5, "--processors", 8, *arguments)
    assert outcome.status == 2
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_swf2lwf_keeps_its_options(trace: Path, tmp_path: Path) -> None:
    """The old command with all its options makes what the new one does."""
    site = tmp_path / "site.txt"
    site.write_text("4 CPU:100 Memory:1024\n")
    target = tmp_path / "trace.lwf"
    run = old("swf2lwf_main", "-i", trace, "-o", target, "-p", "yes", "-f", "00:00:00:30", "-l", "00:01:00:00",
              "-q", "1,2", "-m", 256, "-s", 2, "-n", site)  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    (request,) = load(target).requests
    assert (request.id, request.arrival, request.terms.memory) == (2, 30_000, 512)


def test_lwf_stats_prints_what_a_workload_holds(trace: Path) -> None:
    """The old command is workload show."""
    run = old("lwf_stats_main", "-i", trace, "-l", "00:00:10:00", "-v")
    assert (run.returncode, run.stderr) == (0, "")
    assert "best-effort leases" in run.stdout


def test_an_old_command_tells_mistakes_in_one_line(tmp_path: Path) -> None:
    """A file that is not there, an option that is missing: status 2."""
    run = old("lwf_stats_main", "-i", tmp_path / "absent.lwf")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    run = old("swf2lwf_main", "-i", "x")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "haizea-swf2lwf --help" in run.stderr


def test_each_configuration_of_many_gets_a_file(tmp_path: Path) -> None:
    """generate-configs writes files that Haizea 1.x and this one read alike."""
    multi = tmp_path / "multi.conf"
    multi.write_text("[multi]\ntracefiles: a.lwf b.lwf\ndatadir: results\n[p:scheduling]\nsuspend-rate: 50\n")
    run = old("generate_configs_main", "-c", multi, "-d", tmp_path / "etc")
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == ["p_a.conf", "p_b.conf"]
    settings = load_settings(str(tmp_path / "etc" / "p_b.conf"), environ={})
    assert settings.tracefile.tracefile == "b.lwf"
    assert settings.accounting.datafile == "results/p_b.dat"
    assert settings.scheduling.suspend_rate == 50


RECIPE = (
    "[general]\nsite: 8 CPU:100,Memory:1024\n[numleases]\ntype: interval\nnumleases: 9\ndistribution: uniform\n"
    "min: 1\nmax: 99\n[start-delay]\ntype: absolute\ndistribution: uniform\nmin: 60\nmax: 600\n"
    "[duration]\ndistribution: uniform\nmin: 60\nmax: 600\n"
    "[nodes]\ndistribution: uniform\nmin: 1\nmax: 9\nresources: CPU:100,Memory:512\n"
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return a recipe for nine reservations."""
    path = tmp_path / "recipe.conf"
    path.write_text(RECIPE)
    return path


def test_a_workload_is_made_after_a_recipe(capsys: pytest.CaptureFixture[str], recipe: Path, tmp_path: Path) -> None:
    """The same recipe and seed give the same bytes, and the command of 1.x does the same."""
    contents = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        path = tmp_path / folder / "made.lwf"
        path.parent.mkdir()
        arguments = ("workload", "generate", "--config", recipe, "--seed", seed, "-o", path)
        assert haizea(capsys, *arguments) == (0, f"{path}: 9 leases\n", "")
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] != contents[2]
    (tmp_path / "d").mkdir()
    run = old("lwf_generate_main", "-c", recipe, "-o", tmp_path / "d" / "made.lwf")
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "d" / "made.lwf").read_bytes() == contents[0]


def test_annotations_are_made_after_a_recipe(capsys: pytest.CaptureFixture[str], recipe: Path, tmp_path: Path) -> None:
    """For a workload or for none, by the new command and by that of 1.x."""
    workload, notes = tmp_path / "w.lwf", tmp_path / "a.lwfa"
    haizea(capsys, "workload", "generate", "--config", recipe, "-o", workload)
    arguments = ("workload", "annotate", workload, "--config", recipe, "-o", notes)
    assert haizea(capsys, *arguments) == (0, f"{notes}: 9 annotations\n", "")
    assert haizea(capsys, "workload", "show", workload, "--annotations", notes).status == 0
    before = notes.read_bytes()
    assert old("lwf_annotate_main", "-i", workload, "-c", recipe, "-o", notes).returncode == 0
    assert notes.read_bytes() == before
    assert old("lwf_annotate_main", "-n", 4, "-c", recipe, "-o", notes).stdout == f"{notes}: 4 annotations\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "-c", "RECIPE", "--jobs", 3, "-o", "x.lwf"), "leave them out"),
        (("generate", "--model", "ar", "--jobs", 3, "-o", "x.lwf"), "Missing option --processors, or --config"),
        (("generate", "-c", "RECIPE", "-o", "x.swf"), "SWF has no reservations"),
        (("generate", "-c", "absent.conf", "-o", "x.lwf"), "absent.conf: cannot be read"),
        (("annotate", "-c", "RECIPE", "-o", "x.lwfa"), "name either a workload or --count"),
        (("annotate", "w.lwf", "-n", 2, "-c", "RECIPE", "-o", "x.lwfa"), "name either a workload or --count"),
        (("annotate", "absent.lwf", "-c", "RECIPE", "-o", "x.lwfa"), "absent.lwf: there is no such file"),
    ],
)
def test_what_cannot_be_made_is_told(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    recipe: Path,
    tmp_path: Path,
    arguments: tuple[object, ...],
    message: str,
) -> None:
    """One line, status 2, no file."""
    monkeypatch.chdir(tmp_path)
    outcome = haizea(capsys, "workload", *(recipe if a == "RECIPE" else a for a in arguments))
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == [recipe]
