"""What the pages for newcomers show is what happens: their commands are run, and what comes of them is compared.

Simulations are compared with the tables below them. Live commands are run against a daemon with folders and ports of
its own, and what they print is compared with what is shown, but for times, numbers that chance or the machine gives,
and whatever ``…`` stands for.
"""

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from shlex import join, quote, split
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

import haizea

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide" / "command-line.md").read_text(encoding="utf-8")
ADMINISTERING = (ROOT / "docs" / "admin" / "administering.md").read_text(encoding="utf-8")
STORE = (ROOT / "docs" / "admin" / "store.md").read_text(encoding="utf-8")

FILE = re.compile(r"as `([\w.]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
NAMED_FILE = re.compile(r"```toml\n# (\S+)\n(.*?)```", re.DOTALL)
RUN = re.compile(r"```sh\nhaizea (.*?)\n```\n\n(\| lease .*?)\n\n", re.DOTALL)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
HAIZEA = [sys.executable, "-c", "import sys; from haizea.cli.main import main; sys.exit(main())"]

NARRATOR = "maria"
"""The user that the tutorial's outputs show as the one who runs the daemon."""
REST = "http://127.0.0.1:42480"
STARTED = re.compile(r"REST API: +(http://\S+)")
LAST_OF_FIRST_WORDS = "  haizea schedule\n"
END_S = 60


# Simulations -------------------------------------------------------------------------------------------------


def claims(table: str) -> list[list[str]]:
    """Return the cells of the rows of a Markdown table."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def results(folder: Path) -> Iterator[list[str]]:
    """Yield what the tutorial's tables show of each lease; of instants they show the time of the day."""
    with (folder / "leases.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            times = [row[column][11:19] for column in ("started", "ended")]
            yield [row["id"], row["type"], row["state"], times[0], times[1] if row["state"] == "done" else ""]


@pytest.mark.parametrize(("command", "table"), RUN.findall(TUTORIAL))
def test_tutorial(command: str, table: str, tmp_path: Path) -> None:
    """Each simulation of the tutorial gives the leases the fate that the table below it tells."""
    for name, text in FILE.findall(TUTORIAL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    arguments = split(command)
    subprocess.run([*HAIZEA, *arguments], cwd=tmp_path, env=environment(tmp_path), check=True, timeout=60)
    output = tmp_path / arguments[arguments.index("--output") + 1]
    assert list(results(output)) == claims(table)


# A live site -------------------------------------------------------------------------------------------------


class Site(NamedTuple):
    """A running daemon: what it said when it started, where its REST API is, and the environment of its clients."""

    said: str
    rest: str
    environment: Mapping[str, str]


class Step(NamedTuple):
    """A command of a session, and what is shown below it."""

    command: str
    shown: str


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which ``haizea`` is the program under test, with everything of its own in a folder."""
    program = folder / "bin" / "haizea"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {join(HAIZEA)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HAIZEA_", "XDG_"))}
    folders = {f"XDG_{kind}": str(folder / kind.lower()) for kind in ("DATA_HOME", "RUNTIME_DIR", "CONFIG_HOME")}
    (folder / "runtime_dir").mkdir(exist_ok=True)
    source = str(Path(haizea.__file__).resolve().parents[1])
    return {
        **kept,
        **folders,
        "HOME": str(folder),
        "TZ": "UTC",
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": source,
    }


@contextmanager
def served(*options: str) -> Iterator[Site]:
    """Run a daemon with an empty store, at ports that are free; it must stop cleanly when it is told to."""
    # Unix sockets have short paths, those of tests may be long.
    with TemporaryDirectory(prefix="hz") as name:
        folder = Path(name)
        env = environment(folder)
        ports = ("--set", "server.listen=127.0.0.1:0", "--set", "server.xmlrpc=127.0.0.1:0")
        with (folder / "log").open("w", encoding="utf-8") as log:
            daemon = subprocess.Popen(
                [*HAIZEA, "serve", *options, *ports], env=env, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert daemon.stdout is not None
        try:
            said = ""
            while not said.endswith(LAST_OF_FIRST_WORDS):
                line = daemon.stdout.readline()
                assert line, (folder / "log").read_text(encoding="utf-8")
                said += line
            found = STARTED.search(said)
            assert found is not None, said
            yield Site(said, found[1], env)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=END_S) == 0, (folder / "log").read_text(encoding="utf-8")
        finally:
            daemon.kill()
            daemon.wait()
            daemon.stdout.close()


def session(site: Site, commands: list[str], folder: Path) -> list[tuple[int, str]]:
    """Run commands in one shell; return the status and the output of each."""
    mark = "--- end of a command: "
    script = "".join(f"{command}\necho {quote(mark)}$?\n" for command in commands).replace(REST, site.rest)
    run = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=dict(site.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30 + 10 * len(commands),
        check=True,
    )
    pieces = re.findall(rf"(.*?){re.escape(mark)}(\d+)\n", run.stdout, re.DOTALL)
    assert len(pieces) == len(commands), run.stdout
    return [(int(status), output) for output, status in pieces]


def steps(page: str) -> Iterator[Step]:
    """Yield the commands of a page's consoles, with what is shown below each."""
    for block in CONSOLE.findall(page):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = piece.partition("\n")
            yield Step(command, shown)


# What differs from run to run.
CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?|\b\d\d:\d\d(:\d\d)?\b|\b\d+(\.\d+)? s\b"), "TIME"),
    (re.compile(r"^ *\d+ +TIME ", re.MULTILINE), "NUMBER TIME "),
    (re.compile(r"\b[0-9a-f]{16}\b"), "ID"),
    (re.compile(r"\(process \d+\)"), "(process N)"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"unix:\S+"), "unix:PATH"),
    (re.compile(r"^Haizea \S+", re.MULTILINE), "Haizea VERSION"),
    (re.compile(rf"\b{re.escape(getuser())}\b"), NARRATOR),
)
DRAWN = re.compile(r"^(host-\S+)[ │\d█▓▒░]+$")


def stable(text: str) -> str:
    """Return what of an output is the same in every run; of a picture, in which order leases of which type stand."""
    for pattern, same in CHANGING:
        text = pattern.sub(same, text)
    lines = []
    for line in text.splitlines():
        drawn = DRAWN.match(line)
        if drawn:
            bars = re.sub(r"[ │\d]", "", line.removeprefix(drawn[1]))
            lines.append(drawn[1] + " " + re.sub(r"(.)\1+", r"\1", bars))
        elif not re.fullmatch(r"[ ─┬▼]*|(\s|TIME|[-\d])*", line):
            lines.append(" ".join(line.split()))
    return "".join(f"{line}\n" for line in lines)


def agrees(shown: str, output: str) -> bool:
    """Whether an output is what is shown; ``…`` stands for anything in a line, alone for any lines."""
    lines = [
        r"(?:[^\n]*\n)*" if line == "…" else re.escape(line).replace("…", r"[^\n]*") + r"\n"
        for line in stable(shown).splitlines()
    ]
    return re.fullmatch("".join(lines), stable(output)) is not None


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("at 2026-11-25 09:00:51 to 17:00:51\n", "at 2026-12-31 23:10:00 to 2027-01-01 07:10:00\n", True),
        ("Lease 1 is active\n", "Lease 1 is queued\n", False),
        ("a …, c\n", "a b, c\n", True),
        ("a …, c\n", "a b\n, c\n", False),
        ("a\n…\nc\n", "a\nb\nb\nc\n", True),
        ("a\n…\nc\n", "a\nb\nb\n", False),
        ("host-1  █│██1███   ▓2▓\n", "host-1   │█1█     ▓▓▓▓2▓▓▓\n", True),
        ("host-1  █│██1███   ▓2▓\n", "host-1   │▓2▓  ███1██\n", False),
        ("    10:00   12:00\n  ▼─┬────┬──\nhost-1 │\n", "2026-11-25    02:00\n ┬──▼──\nhost-1      │\n", True),
    ],
)
def test_the_comparison_sees_what_matters(shown: str, output: str, same: bool) -> None:
    """Times, widths and pixels may differ, words and order may not."""
    assert agrees(shown, output) is same


def test_the_tutorials_live_site_lives_as_shown(tmp_path: Path) -> None:
    """Whoever types in the second part of the tutorial, from its first command to its last, sees what it shows."""
    first, *rest = steps(TUTORIAL.partition("\n## A live site")[2])
    program, serve, *options = split(first.command)
    assert (program, serve) == ("haizea", "serve")
    with served(*options) as site:
        assert agrees(first.shown, site.said), site.said
        outcomes = session(site, [step.command for step in rest], tmp_path)
    for step, (_status, output) in zip(rest, outcomes, strict=True):
        assert agrees(step.shown, output), f"$ {step.command}\n{output}"
    assert len(rest) > 20


def commands_of(page: str) -> list[str]:
    """Return the lines of a page's shell blocks, without comments; a line that ends in a backslash goes on."""
    text = "".join(SHELL.findall(page)).replace("\\\n", "")
    return [line for line in (re.sub(r"\s+# .*", "", line) for line in text.splitlines()) if line.strip()]


def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    """Every ``./dev run haizea`` of the README does what it is there for; the other commands of ``./dev`` exist."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    ours = [line.removeprefix("./dev run ") for line in commands_of(README) if line.startswith("./dev run haizea ")]
    others = [line.split()[1] for line in commands_of(README) if not line.startswith("./dev run ")]
    script = (ROOT / "dev").read_text(encoding="utf-8")
    assert [name for name in others if f"\n    {name}) " not in script] == []
    assert ours.count("haizea serve") == 1
    ours.remove("haizea serve")
    with served() as site:
        outcomes = session(site, ours, tmp_path)
    assert [(line, output) for line, (status, output) in zip(ours, outcomes, strict=True) if status != 0] == []
    assert "host-1" in next(output for line, (_, output) in zip(ours, outcomes, strict=True) if "schedule" in line)


def test_the_commands_for_contributors_work(tmp_path: Path) -> None:
    """Whoever wants to see what a change does to schedules gets one to compare."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    ours = [
        line.removeprefix("./dev run ") for line in commands_of(CONTRIBUTING) if line.startswith("./dev run haizea")
    ]
    outcomes = session(Site("", "", environment(tmp_path)), ours, tmp_path)
    assert [(line, output) for line, (status, output) in zip(ours, outcomes, strict=True) if status != 0] == []
    assert (tmp_path / "build" / "after" / "reservations.csv").exists()


def test_what_can_be_done_to_a_store_can_be_done_as_shown(tmp_path: Path) -> None:
    """Backup, check and export work while the daemon runs; what was exported is imported into a new store."""
    shown = re.findall(r"^haizea store (\w+)( FILE)? ", STORE, re.MULTILINE)
    live = [
        f"haizea store {verb}{' ' + verb if file else ''}" for verb, file in shown if verb not in ("import", "prune")
    ]
    assert {"import", "prune"} < {verb for verb, _ in shown}
    with served() as site:
        request = "haizea lease request --name kept --duration 1h"
        again = f"haizea store import export --store sqlite:///{tmp_path}/new.sqlite"
        outcomes = session(site, [request, *live, again], tmp_path)
    assert [(status, output) for status, output in outcomes if status != 0] == []
    assert (tmp_path / "backup").exists()
    assert "kept" in (tmp_path / "export").read_text(encoding="utf-8")


def test_an_administrators_questions_are_answered(tmp_path: Path) -> None:
    """Every command of the administrators' chapter, in its order, does on a real site what it is there for."""
    commands = [line for line in commands_of(ADMINISTERING) if line.startswith("haizea ")]
    rules = [f"--set=scheduling.{rule}" for rule in ("suspension=all", "migration=yes")]
    with served("--time-scale", "20", *rules) as site:
        outcomes = session(site, commands, tmp_path)
    # What differs is told by the status; it may be what an order has just begun to change.
    wrong = [
        (line, said) for line, (status, said) in zip(commands, outcomes, strict=True) if status and "diff" not in line
    ]
    assert wrong == []
    assert len(commands) > 60


def test_the_commands_of_the_guide_work(tmp_path: Path) -> None:
    """Every command of the guide, one after the other, is understood and answered by a real daemon.

    The answer may be no: status 1 is a refused request, 5 something that is not there.
    """
    for name, text in NAMED_FILE.findall(GUIDE):
        (tmp_path / name).write_text(text, encoding="utf-8")
    commands = [line for line in commands_of(GUIDE) if line.startswith("haizea ")]
    with served("--time-scale", "60") as site:
        outcomes = session(site, commands, tmp_path)
    wrong = [
        (command, status, output)
        for command, (status, output) in zip(commands, outcomes, strict=True)
        if status not in (0, 1, 5) or "should not" in output or "Traceback" in output
    ]
    assert wrong == []
    assert len(commands) > 30
