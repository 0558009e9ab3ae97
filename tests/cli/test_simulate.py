"""``haizea simulate``: what is asked of the simulation, what is printed, and with which exit status."""

import json
from pathlib import Path

import pytest

from haizea.app.request import SimulateRequest
from haizea.config import ConfigError
from haizea.policy.protocols import PolicyError
from haizea.workloads.errors import WorkloadError
from tests.cli.running import SUMMARY, haizea, simulation

PRINTED = """\
Run
  workload  morning.lwf
  site      4 hosts (CPU 400, Memory 4,096 in all)
  from      2006-11-25T13:00:00Z
  to        2006-11-26T14:00:30Z (1 d 01:00:30)
  CPU time  0.12 s, 10,050 leases a second

Leases
  type          done  rejected    all
  best-effort  1,200         1  1,201
  AR               2         3      5

Advance reservations
  accepted       2
  rejected       3
  2 × too large
  1 × no room

Best effort (1,200 leases, the last ended after 1 d 01:00:00)
                        mean  median       p95
  waiting time      00:05:48    12 s  01:06:40
  bounded slowdown      3.02    1.00      9.50

Utilisation
  CPU     81.2 %
  Memory  50.0 %

Operations
  preemptions  7
  suspensions  5
  resumptions  5
  requeued     2

Time lost
  suspend      00:02:40
  resume       00:02:40
  thrown away      30 s

Left out of the workload
  cancelled while waiting  299
"""


def test_a_plain_run_prints_its_summary(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Aligned text, what is nothing left out, and status 0."""
    fake = simulation(monkeypatch)
    outcome = haizea(capsys, "simulate", "morning.lwf")
    assert outcome == (0, PRINTED, "")
    assert fake.requests == [SimulateRequest(("morning.lwf",))]


@pytest.mark.parametrize("through_click", [False, True], ids=["read quickly", "read by click"])
def test_every_option_reaches_the_simulation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], through_click: bool
) -> None:
    """All options at once, however the command line is read."""
    if through_click:
        monkeypatch.setattr("haizea.cli.quick.parse", lambda _: None)
    fake = simulation(monkeypatch)
    outcome = haizea(
        capsys, "simulate", "a.swf", "b.lwf", "--config", "c.toml", "--site", "4 CPU:100 Memory:1024",
        "--annotations=d.lwfa", "--injection", "e.lwf", "--set", "scheduling.suspension=all", "--set",
        "simulation.seed=2", "--output", "out", "--report", "--detail", "leases", "--verify", "-o", "json", "-q",
        "--memory", "512", "--processors", "allocated", "--starttime", "2006-11-25 13:00:00",
    )  # fmt: skip
    assert outcome == (0, "", "")
    assert fake.requests == [
        SimulateRequest(
            workloads=("a.swf", "b.lwf"), config="c.toml", site="4 CPU:100 Memory:1024", annotations="d.lwfa",
            injection="e.lwf", sets=("scheduling.suspension=all", "simulation.seed=2"), output="out", report=True,
            detail="leases", verify=True, memory=512, processors="allocated", starttime="2006-11-25 13:00:00",
        )
    ]  # fmt: skip


def test_the_summary_is_json_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """-o json prints the whole summary as one object."""
    simulation(monkeypatch)
    assert json.loads(haizea(capsys, "simulate", "a.lwf", "-o", "json").out) == SUMMARY


def test_the_workload_may_come_from_the_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration may name the workload, so none need be given beside it."""
    fake = simulation(monkeypatch)
    assert haizea(capsys, "simulate", "--config", "c.conf", "-q").status == 0
    assert fake.requests == [SimulateRequest((), config="c.conf")]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError(["c.toml:2: a", "c.toml:3: b"]), "haizea: c.toml:2: a\nhaizea: c.toml:3: b\n"),
        (WorkloadError("a.lwf", 7, "a negative duration", "a span above 0"),
         "haizea: a.lwf:7: a negative duration; expected a span above 0\n"),
        (PolicyError("no such policy"), "haizea: no such policy\n"),
        (NotADirectoryError(20, "Not a directory", "out"), "haizea: out: Not a directory\n"),
        (OSError(28, "No space left on device"), "haizea: standard output: No space left on device\n"),
    ],
)  # fmt: skip
def test_wrong_input_ends_in_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    """Faults of the request, its files or its surroundings: a message, status 2, no traceback."""
    simulation(monkeypatch, error)
    assert haizea(capsys, "simulate", "a.lwf") == (2, "", message)


def test_a_fault_of_our_own_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug is not dressed up as wrong input."""
    simulation(monkeypatch, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        haizea(capsys, "simulate", "a.lwf")


def test_an_interruption_is_no_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with the status that shells expect."""
    simulation(monkeypatch, KeyboardInterrupt())
    assert haizea(capsys, "simulate", "a.lwf") == (130, "", "haizea: interrupted\n")


def test_a_schedule_found_wrong_has_a_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Violations are listed and the status is 3; without any, it is 0."""
    simulation(monkeypatch, {**SUMMARY, "verify": {"events": 9, "violations": ["host-1 is full at 13:00"]}})
    outcome = haizea(capsys, "simulate", "a.lwf", "--verify")
    assert outcome.status == 3
    assert outcome.err == "haizea: verification: host-1 is full at 13:00\n"
    assert outcome.out.endswith("Verification\n  events      9\n  violations  1\n")
    simulation(monkeypatch, {**SUMMARY, "verify": {"events": 9, "violations": []}})
    assert haizea(capsys, "simulate", "a.lwf", "--verify").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["simulate"],
            "Missing argument 'WORKLOAD...': name a workload, or a --config that does (see haizea simulate --help)",
        ),
        (["simulate", "a.lwf", "--sit", "4"], "No such option '--sit'"),
        (["simulate", "a.lwf", "--memory", "0"], "Invalid value for '--memory': 0 is not in the range"),
        (["simulate", "a.lwf", "--detail", "some"], "Invalid value for '--detail': 'some' is not one of"),
        (["simulate", "a.lwf", "--set"], "Option '--set' requires an argument."),
        (["simulat"], "No such command 'simulat'."),
        (["-c", "x.conf", "policy", "list"], "-c and --stop go without a command"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """What is wrong and where help is, status 2."""
    outcome = haizea(capsys, *arguments)
    assert outcome.status == 2
    assert outcome.err.startswith("haizea: ")
    assert message.rstrip(".") in outcome.err
    assert outcome.err.count("\n") == 1


def test_haizea_c_runs_a_configuration_of_1x(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What Haizea 1.x runs as a daemon in simulation is a simulation of the workload that the file names."""
    conf = tmp_path / "haizea.conf"
    conf.write_text("[general]\nmode: simulated\n[tracefile]\ntracefile: a.lwf\n")
    fake = simulation(monkeypatch)
    assert haizea(capsys, "-f", "-c", conf) == (0, PRINTED, "")
    assert fake.requests == [SimulateRequest((), config=str(conf))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[general]\nmode: opennebula\n", "FILE:2: general.mode: 'opennebula' cannot be run; allowed here: simulated"),
        ("[general]\nmode: simulated\n", "FILE: tracefile.tracefile is missing: the workload to run, or use "
         "haizea simulate WORKLOAD --config FILE"),
    ],
)  # fmt: skip
def test_haizea_c_needs_a_simulation_and_a_workload(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    """What cannot be run is told with what is missing."""
    conf = tmp_path / "haizea.conf"
    conf.write_text(text)
    outcome = haizea(capsys, "-c", conf)
    assert outcome.status == 2
    assert outcome.err.replace(str(conf), "FILE") == f"haizea: {message}\n"
