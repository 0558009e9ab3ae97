"""The bundled example runs, shows what it is there to show, and can be drawn by the program that comes with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HAIZEA = [sys.executable, "-c", "import sys; from haizea.cli.main import main; sys.exit(main())"]
COLUMNS = "lease,kind,host,vms,start,end,outcome\n"


def draw(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program that draws results."""
    command = [sys.executable, str(EXAMPLES / "draw.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of the bundled example."""
    folder = tmp_path_factory.mktemp("first")
    run = [*HAIZEA, "simulate", str(EXAMPLES / "first.lwf"), "--config", str(EXAMPLES / "first.toml"), "--verify"]
    subprocess.run([*run, "--output", str(folder), "--quiet"], check=True, timeout=60)
    return folder


def test_the_example_shows_what_leases_do(results: Path) -> None:
    """In one day, verified, work is suspended and resumed for reservations, and only the second class is refused."""
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    assert summary["leases"] == {
        "AR": {"done": 3, "rejected": 1},
        "best-effort": {"done": 7},
        "deadline": {"done": 1},
        "immediate": {"done": 1},
    }
    assert summary["preemptions"] > 1
    assert summary["suspensions"] == summary["resumptions"] > summary["preemptions"]


def test_results_are_drawn_on_the_terminal(results: Path) -> None:
    """Every host has its line, and a legend tells what is drawn."""
    drawn = draw(results).stdout
    assert [word for word in drawn.split() if word.startswith("host-")] == ["host-1", "host-2", "host-3", "host-4"]
    assert all(word in drawn for word in ("best-effort", "suspend", "resume"))


def test_results_are_drawn_as_a_picture(results: Path, tmp_path: Path) -> None:
    """With --svg a picture with a title is written."""
    picture = tmp_path / "picture.svg"
    assert draw(results, "--svg", picture, "A day").returncode == 0
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert ">A day</text>" in text


def test_hosts_are_drawn_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """host-10 comes after host-9."""
    (tmp_path / "leases.csv").write_text("id,type\n1,AR\n", encoding="utf-8")
    span = "2026-11-25T00:00:00Z,2026-11-25T01:00:00Z,done\n"
    rows = [f"1,run,host-{number},1,{span}" for number in (10, 9, 1)]
    (tmp_path / "reservations.csv").write_text(COLUMNS + "".join(rows), encoding="utf-8")
    drawn = draw(tmp_path).stdout
    assert drawn.index("host-1 ") < drawn.index("host-9 ") < drawn.index("host-10 ")


def test_a_run_in_which_nothing_ran_can_be_drawn(tmp_path: Path) -> None:
    """Results without a single reservation are told in words."""
    (tmp_path / "leases.csv").write_text("id,type\n1,AR\n", encoding="utf-8")
    (tmp_path / "reservations.csv").write_text(COLUMNS, encoding="utf-8")
    assert draw(tmp_path).stdout == "Nothing ran.\n"
