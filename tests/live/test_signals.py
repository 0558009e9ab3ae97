"""What the daemon does when it is told to stop, or to read its configuration anew."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haizea.stores import open_store
from tests.live.conftest import QUICK
from tests.live.load import Load, answers, ask
from tests.live.nursery import Running, Site
from tests.live.test_outages import promised, running, soon, vms
from tests.live.truth import kept, once, recovered

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = """
[server]
socket = "{socket}"
listen = "{listen}"
xmlrpc = "none"
rate = {rate}
[store]
url = "sqlite:///{folder}/haizea.db"
[live]
time-scale = {scale}
"""


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Site:
    """Return a site whose store is a file."""
    return Site(tmp_path, f"sqlite:///{tmp_path}/haizea.db", QUICK)


def test_told_to_stop_it_saves_its_state_and_leaves_vms_running(sqlite_site: Site) -> None:
    """SIGTERM ends it with status 0; VMs run on, and the next daemon goes on where it was."""
    with running(sqlite_site) as daemon:
        runs = promised(sqlite_site, "runs", start="now")
        later = promised(sqlite_site, "later", start="+05:00:00")
        soon(lambda: len(vms(sqlite_site)) == 1, 5)
        there = vms(sqlite_site)
        daemon.process.terminate()
        assert daemon.join() == 0
        assert not sqlite_site.socket.exists()
    assert vms(sqlite_site) == there
    with running(sqlite_site):
        for promise in (runs, later):
            assert promise.lease is not None
            promise.heard(ask(sqlite_site.socket, "GET", f"/v1/leases/{promise.lease['id']}")[1])
        assert (runs.state, later.state) == ("active", "ready")
    recovered(sqlite_site)


def test_a_stop_loses_nothing_that_is_under_way(sqlite_site: Site) -> None:
    """Whoever is answered while it stops is answered truly: acknowledged leases are kept."""
    load = Load(sqlite_site.socket, seed=3)
    daemon = Running(sqlite_site)
    assert daemon.wait(lambda: answers(sqlite_site.socket)), daemon.log()
    load.go()
    daemon.process.join(0.5)
    daemon.stop()
    load.pause()
    assert daemon.process.exitcode == 0, daemon.log()
    recovered(sqlite_site)
    store = open_store(sqlite_site.url, read_only=True)
    kept(store, load.promises)
    once(store, load.promises)
    store.close()
    assert any(promise.lease for promise in load.promises)


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Return the folder of a daemon that was started by its command, and the process."""
    _configure(tmp_path)
    command = [*_command(), "serve", "--config", str(tmp_path / "haizea.toml"), "--log", "json"]
    with (
        (tmp_path / "log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Haizea"), (line, (tmp_path / "log").read_text(encoding="utf-8"))
            soon(lambda: answers(tmp_path / "s"), 20)
            yield tmp_path, process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _command() -> list[str]:
    return [sys.executable, "-c", "from haizea.cli.main import main; main()"]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}


def _configure(folder: Path, listen: str = "none", rate: int = 500, scale: int = 1) -> None:
    text = CONFIGURATION.format(socket=folder / "s", listen=listen, rate=rate, scale=scale, folder=folder)
    (folder / "haizea.toml").write_text(text)


def _logged(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = (folder / "log").read_text(encoding="utf-8").splitlines()
    return [found for found in map(json.loads, lines) if found["event"] == event]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_reads_its_configuration_anew(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """SIGHUP has it listen and limit as is written now, and say what takes a restart; leases are not touched."""
    folder, process = installed
    number = ask(folder / "s", "POST", "/v1/leases", {"nodes": [{"resources": {"CPU": 100, "Memory": 512}}],
                                                       "duration": 600, "start": "now"})[1]["id"]  # fmt: skip
    port = _free_port()
    _configure(folder, f"127.0.0.1:{port}", rate=7, scale=2)
    process.send_signal(signal.SIGHUP)
    soon(lambda: bool(_logged(folder, "the configuration was reloaded")), 20)
    [said] = _logged(folder, "the configuration was reloaded")
    assert said["used"] == ["server.listen", "server.rate"]
    [later] = _logged(folder, "these options are used after a restart only")
    assert later["options"] == ["live.time-scale"]
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    soon(lambda: answers(folder / "s"), 5)
    assert ask(folder / "s", "GET", f"/v1/leases/{number}")[1]["state"] == "active"
    statuses = [ask(folder / "s", "GET", "/v1/status")[0] for _ in range(40)]
    assert 429 in statuses


def test_a_configuration_that_is_wrong_is_not_used(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """It goes on with the old one, and says why."""
    folder, process = installed
    for wrong in ("[server]\nrate = many\n", "[server]\nlisten = '10.1.2.3:99999'\n"):
        (folder / "log").write_text("")
        (folder / "haizea.toml").write_text(wrong)
        process.send_signal(signal.SIGHUP)
        soon(lambda: bool(_logged(folder, "the configuration was not reloaded")), 20)
        assert _logged(folder, "the configuration was not reloaded")[-1]["why"]
        assert answers(folder / "s")


def test_the_command_of_1_x_stops_it(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """``haizea --stop`` finds the process by its socket, and returns when it has ended."""
    folder, process = installed
    stop = [*_command(), "-c", str(folder / "haizea.toml"), "--stop"]
    done = subprocess.run(stop, capture_output=True, text=True, env=_environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"stopped process {process.pid}\n", "")
    assert process.wait(10) == 0
    done = subprocess.run(stop, capture_output=True, text=True, env=_environment(), timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, f"haizea: no daemon listens at {folder / 's'}\n")
