"""Running the command line inside the test, with a stand-in for the simulation itself."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from haizea.app.request import SimulateRequest
from haizea.cli.main import main

SUMMARY: Mapping[str, Any] = {
    "workload": "morning.lwf",
    "site": {"hosts": 4, "CPU": 400, "Memory": 4096},
    "start": "2006-11-25T13:00:00Z",
    "end": "2006-11-26T14:00:30Z",
    "simulated_s": 90_030,
    "leases": {"best-effort": {"done": 1200, "rejected": 1}, "AR": {"done": 2, "rejected": 3}, "immediate": {}},
    "ar": {"accepted": 2, "rejected": 3, "reasons": {"no room": 1, "too large": 2}},
    "besteffort": {
        "count": 1200,
        "wait_s": {"mean": 347.6, "median": 12.0, "p95": 4000.0},
        "bounded_slowdown": {"mean": 3.021, "median": 1.0, "p95": 9.5},
        "all_best_effort_s": 90_000,
    },
    "utilisation": {"CPU": 0.8125, "Memory": 0.5},
    "preemptions": 7,
    "suspensions": 5,
    "resumptions": 5,
    "migrations": 0,
    "transfers": 0,
    "requeued": 2,
    "lost_s": 30.0,
    "overhead_s": {"suspend": 160.0, "resume": 160.0, "migrate": 0, "transfer": 0, "shutdown": 0},
    "skipped": {"cancelled while waiting": 299},
    "cpu_s": 0.12,
    "leases_per_second": 10_050.0,
    "verify": None,
}


class Outcome(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


class Fake:
    """Stands for ``haizea.app.simulate``: remembers the request, then returns or raises what it was told to."""

    def __init__(self, answer: Mapping[str, Any] | BaseException) -> None:
        """Take the answer."""
        self.answer = answer
        self.requests: list[SimulateRequest] = []

    def run(self, request: SimulateRequest) -> Mapping[str, Any]:
        """Answer a request."""
        # Where status messages go is nobody's request.
        self.requests.append(request._replace(status=None))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def simulation(monkeypatch: pytest.MonkeyPatch, answer: Mapping[str, Any] | BaseException = SUMMARY) -> Fake:
    """Put a stand-in in the place of the simulation."""
    fake = Fake(answer)
    module = ModuleType("haizea.app.simulate")
    module.__dict__["run"] = fake.run
    monkeypatch.setitem(sys.modules, "haizea.app.simulate", module)
    return fake


def haizea(capsys: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    """Run ``haizea`` with arguments."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return Outcome(code, captured.out, captured.err)
