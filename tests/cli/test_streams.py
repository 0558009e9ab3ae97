"""Where output cannot go: streams that are closed, and devices that are full."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKLOAD = str(ROOT / "examples" / "small.swf")
SITE = ("--site", "8 CPU:100 Memory:1024")
START = "from haizea.cli.main import main; main()"
FULL = Path("/dev/full")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


def shell(redirection: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run haizea from a shell that redirects its streams."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", sys.executable, "-c", START, *arguments],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": ""},
    )  # fmt: skip


COMMANDS = (
    ("simulate", WORKLOAD, *SITE),
    ("simulate", WORKLOAD, *SITE, "--format", "json"),
    ("workload", "show", WORKLOAD),
    ("policy", "list", "-o", "csv"),
    ("simulate", "--help"),
)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_standard_output_that_is_closed_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    """No traceback: standard output cannot be written, status 2."""
    run = shell(">&-", *arguments)
    assert (run.returncode, run.stderr) == (2, "haizea: standard output: Bad file descriptor\n")


@needs_full
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_standard_output_that_is_full_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    """What could not be written is named."""
    run = shell("> /dev/full", *arguments)
    assert (run.returncode, run.stderr) == (2, "haizea: standard output: No space left on device\n")


def test_results_are_written_whole_without_standard_streams(tmp_path: Path) -> None:
    """Files do not get the numbers of streams that are closed, and nothing is missing in them."""
    kept, closed = tmp_path / "kept", tmp_path / "closed"
    assert shell("", "simulate", WORKLOAD, *SITE, "--quiet", "--output", str(kept)).returncode == 0
    assert shell("<&- >&- 2>&-", "simulate", WORKLOAD, *SITE, "--quiet", "--output", str(closed)).returncode == 0
    for name in ("leases.csv", "reservations.csv"):
        assert (closed / name).read_bytes() == (kept / name).read_bytes()


def test_a_wrong_input_is_one_where_nobody_can_be_told() -> None:
    """The exit status says it, with standard error closed."""
    assert shell("2>&-", "simulate", "no-such-file").returncode == 2


@needs_full
@pytest.mark.parametrize("name", ["leases.csv", "reservations.csv", "haizea.toml", "report.html"])
def test_no_results_are_left_where_some_cannot_be_written(tmp_path: Path, name: str) -> None:
    """The file that could not be written is named, and half of the results is none."""
    (tmp_path / name).symlink_to(FULL)
    run = shell("", "simulate", WORKLOAD, *SITE, "--report", "--output", str(tmp_path))
    assert (run.returncode, run.stderr) == (2, f"haizea: {tmp_path / name}: No space left on device\n")
    assert {each.name for each in tmp_path.iterdir()} <= {"report.html"}


def test_no_results_are_left_of_a_trace_that_goes_wrong_in_its_last_line(tmp_path: Path) -> None:
    """Rows of leases that were over by then are not taken for those of a whole run."""
    trace = tmp_path / "trace.swf"
    trace.write_text(Path(WORKLOAD).read_text(encoding="utf-8") + "1 2 3\n", encoding="utf-8")
    run = shell("", "simulate", str(trace), *SITE, "--output", str(tmp_path / "results"))
    assert (run.returncode, run.stdout) == (2, "")
    assert "3 fields" in run.stderr
    assert list((tmp_path / "results").iterdir()) == []


def test_results_are_a_folder(tmp_path: Path) -> None:
    """A file in its place is named, with what is wrong with it."""
    (tmp_path / "results").write_text("mine", encoding="utf-8")
    run = shell("", "simulate", WORKLOAD, *SITE, "--output", str(tmp_path / "results"))
    wrong = f"haizea: {tmp_path / 'results'}: is not a folder, and results are one; name another\n"
    assert (run.returncode, run.stderr) == (2, wrong)
    assert (tmp_path / "results").read_text(encoding="utf-8") == "mine"


@needs_full
def test_a_workload_that_cannot_be_written_names_its_file() -> None:
    """``haizea workload convert`` to a device that is full."""
    run = shell("", "workload", "convert", WORKLOAD, str(FULL))
    assert (run.returncode, run.stderr) == (2, "haizea: /dev/full: No space left on device\n")


def test_a_file_that_is_no_configuration_is_one_message(tmp_path: Path) -> None:
    """Not one for each of its lines."""
    path = tmp_path / "haizea.conf"
    path.write_text("<lease-workload>\n" * 50, encoding="utf-8")
    run = shell("", "config", "check", str(path))
    found = f"haizea: {path}:1: expected [section] before the first option, found '<lease-workload>'\n"
    assert (run.returncode, run.stderr) == (2, found)
