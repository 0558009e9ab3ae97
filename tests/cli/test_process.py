"""The command as a process of its own: what it imports, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

START = "from haizea.cli.main import main; main()"
FAKE = (
    "import sys, types; m = types.ModuleType('haizea.app.simulate'); "
    "m.run = lambda r: {'workload': 'w', 'leases': {}}; "
    "sys.modules['haizea.app.simulate'] = m; "
)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SOURCE = str(Path(__file__).resolve().parents[2] / "src")


def process(program: str, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": SOURCE, **environ},
    )  # fmt: skip


def test_a_simulation_starts_without_what_it_does_not_need() -> None:
    """Neither the command line's library nor the one for colours is imported for a plain run."""
    report = "import atexit; atexit.register(lambda: print(' '.join(sys.modules), file=sys.stderr)); "
    run = process(FAKE + report + START, "simulate", "w.lwf")
    loaded = set(run.stderr.split())
    assert run.returncode == 0
    assert "haizea.cli.run" in loaded
    assert loaded & {"click", "rich", "lxml", "json", "csv", "tomllib", "msgspec", "argparse", "logging"} == set()


def test_help_imports_no_subcommand() -> None:
    """Listing the commands costs none of them."""
    report = "import atexit, sys; atexit.register(lambda: print(' '.join(sys.modules), file=sys.stderr)); "
    run = process(report + START, "--help")
    assert run.returncode == 0
    assert "Schedule a workload in simulated time." in run.stdout
    assert {name for name in run.stderr.split() if name.startswith(("haizea.workloads", "haizea.policy"))} == set()


def test_a_reader_that_goes_away_is_no_fault() -> None:
    """``haizea policy list | head -0`` ends without a traceback."""
    command = f'"{sys.executable}" -c "{START}" policy list -o csv | true'
    script = f"set -o pipefail; {command}; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": SOURCE}
    )
    assert run.returncode in (0, 141)
    assert run.stderr == ""


def test_ctrl_c_ends_without_a_traceback() -> None:
    """An interrupted run says so and ends with the status that shells expect."""
    program = FAKE + "import time; m.run = lambda r: (print('running', flush=True), time.sleep(60)); " + START
    with subprocess.Popen(
        [sys.executable, "-c", program, "simulate", "w.lwf"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SOURCE},
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdout.readline() == "running\n"
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (130, "haizea: interrupted\n")


POLICIES = """
from haizea.policy.protocols import HostOrder
class Undecided:
    def admit(self, lease, site, now):
        return lease.id != 2
class Broken:
    order = HostOrder.SCORED
    def score(self, host, lease, start):
        return host.index / 0
"""


@pytest.mark.parametrize(
    ("option", "policy", "message"),
    [
        ("admission", "Undecided", "admit() returned True (of type bool); allowed: None to accept the request, or a "
         "sentence of at most 1000 characters that says why not"),
        ("host-selection", "Broken", "score() failed with ZeroDivisionError: division by zero ({folder}/mine.py:9)"),
    ],
)  # fmt: skip
def test_a_users_policy_that_goes_wrong_ends_the_run_in_a_message(
    tmp_path: Path, option: str, policy: str, message: str
) -> None:
    """One line that names the policy and what is allowed, status 2, and no traceback."""
    (tmp_path / "mine.py").write_text(POLICIES, encoding="utf-8")
    run = process(
        START, "simulate", str(EXAMPLES / "small.swf"), "--site", "8 CPU:100 Memory:1024",
        "--set", f"scheduling.policy-{option}=mine:{policy}", PYTHONPATH=f"{SOURCE}:{tmp_path}",
    )  # fmt: skip
    told = f"haizea: {option} policy 'mine:{policy}': {message.format(folder=tmp_path)}\n"
    assert (run.returncode, run.stdout, run.stderr) == (2, "", told)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion_for_each_shell(shell: str) -> None:
    """The script names the variable that asks haizea for completions."""
    run = process(START, "completion", shell)
    assert run.returncode == 0
    assert "_HAIZEA_COMPLETE" in run.stdout


def test_the_shell_completes_commands_and_options() -> None:
    """What the script asks for is answered."""
    program = "import sys; sys.argv[0] = 'haizea'; " + START
    commands = process(program, _HAIZEA_COMPLETE="bash_complete", COMP_WORDS="haizea si", COMP_CWORD="1")
    options = process(program, _HAIZEA_COMPLETE="bash_complete", COMP_WORDS="haizea simulate --inj", COMP_CWORD="2")
    assert commands.stdout.split() == ["plain,simulate"]
    assert options.stdout.split() == ["plain,--injection"]


def test_the_version_is_told() -> None:
    """--version prints the name and the version."""
    from haizea import __version__

    assert process(START, "--version").stdout == f"haizea, version {__version__}\n"
