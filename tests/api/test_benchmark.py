"""The load generator measures what it says, and only servers on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from haizea.service.models import LeaseRequestIn
from tests.api.background import background
from tests.api.calls import REQUEST
from tests.api.fake_manager import ADA, FakeManager

ROOT = Path(__file__).resolve().parents[2]


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the load generator."""
    command = [sys.executable, "-m", "benchmarks.http", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_it_counts_what_a_server_answers() -> None:
    """Each kind of request is answered, junk beside it is refused, and both are counted."""
    manager = FakeManager()
    for _ in range(50):
        manager.leases.request(ADA, LeaseRequestIn.model_validate(REQUEST))
    with background(manager) as addresses:
        common = ("--seconds", "0.5", "--processes", "1", "--token", "ada-token", "--json")
        run = benchmark(addresses[0], *common, "--junk", "100")
        assert run.returncode == 0, run.stderr
        (junk,) = json.loads(run.stdout)
        assert "200" not in junk["answers"]
        rows = json.loads(benchmark(addresses[0], *common).stdout)
    assert [row["what"] for row in rows] == ["request", "list", "show", "dry-run"]
    assert all(row["requests"] > 5 for row in rows)
    assert {row["answers"].split(":")[0] for row in rows} == {"200", "201"}
    assert all(" " not in row["answers"] for row in rows)


@pytest.mark.parametrize(
    "arguments", [("http://192.0.2.1:80",), ("https://localhost:1",), ("http://localhost:1", "all")]
)
def test_it_refuses_what_it_does_not_measure(arguments: tuple[str, ...]) -> None:
    """Other machines are left alone, and so is a server when there is nothing to measure."""
    assert benchmark(*arguments).returncode == 2
