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
{more}
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
        soon(lambda: len(vms(sqlite_site)) == 1)
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
            soon(lambda: answers(tmp_path / "s"))
            yield tmp_path, process
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _command() -> list[str]:
    return [sys.executable, "-c", "from haizea.cli.main import main; main()"]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}


def _configure(folder: Path, listen: str = "none", rate: int = 500, scale: int = 1, more: str = "") -> None:
    values = {"socket": folder / "s", "listen": listen, "rate": rate, "scale": scale, "folder": folder, "more": more}
    text = CONFIGURATION.format(**values)
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
    soon(lambda: bool(_logged(folder, "the configuration was reloaded")))
    [said] = _logged(folder, "the configuration was reloaded")
    assert said["used"] == ["server.listen", "server.rate"]
    [later] = _logged(folder, "restart to apply")
    assert later["options"] == ["live.time-scale"]
    with socket.create_connection(("127.0.0.1", port), timeout=60):
        pass
    soon(lambda: answers(folder / "s"))
    assert ask(folder / "s", "GET", f"/v1/leases/{number}")[1]["state"] == "active"
    statuses = [ask(folder / "s", "GET", "/v1/status")[0] for _ in range(40)]
    assert 429 in statuses


def test_it_is_given_other_rules(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """SIGHUP has the next request decided by the policies that are written now, and the journal say since when."""
    folder, process = installed
    asked = {"nodes": [{"resources": {"CPU": 100, "Memory": 512}}], "duration": 600, "start": "+01:00:00"}
    assert ask(folder / "s", "POST", "/v1/leases", asked)[1]["state"] == "ready"
    _configure(
        folder,
        more="[scheduling]\npolicy-admission = 'no-ARs'\npolicy-host-selection = 'spread'\nsuspension = 'all'\n"
        "policy-pricing = 'constant'\n[pricing]\nrate = 3\n",
    )
    process.send_signal(signal.SIGHUP)
    soon(lambda: bool(_logged(folder, "restart to apply")))
    assert _logged(folder, "restart to apply")[0]["options"] == ["scheduling.suspension"]
    refused = ask(folder / "s", "POST", "/v1/leases", asked)[1]
    assert refused["state"] == "rejected"
    waits = ask(folder / "s", "POST", "/v1/leases", {key: asked[key] for key in ("nodes", "duration")})[1]
    assert float(waits["price"]) > 0
    [entry] = ask(folder / "s", "GET", "/v1/events?kind=rules-changed")[1]["items"]
    assert entry["text"] == (
        "The rules were changed: scheduling.policy-admission is no-ARs, and was accept-all; "
        "scheduling.policy-host-selection is spread, and was greedy; "
        "scheduling.policy-pricing is constant, and was free; pricing.rate is 3, and was none."
    )
    chosen = {
        each["kind"]: each["name"] for each in ask(folder / "s", "GET", "/v1/policies")[1]["items"] if each["chosen"]
    }
    assert chosen["admission"] == "no-ARs"
    shown = ask(folder / "s", "GET", "/v1/configuration")[1]
    assert (shown["scheduling"]["policy-pricing"], shown["scheduling"]["suspension"]) == ("constant", "none")


def test_what_was_set_by_an_order_outlives_another_configuration(
    installed: tuple[Path, "subprocess.Popen[str]"],
) -> None:
    """It holds until the daemon is restarted, also where the configuration is read anew meanwhile."""
    folder, process = installed
    order = {"options": {"scheduling.policy-admission": "no-ARs"}}
    assert ask(folder / "s", "PATCH", "/v1/scheduler", order)[0] == 200
    _configure(folder, more="[scheduling]\npolicy-pricing = 'constant'\n[pricing]\nrate = 3\n")
    process.send_signal(signal.SIGHUP)
    soon(lambda: bool(_logged(folder, "the configuration was reloaded")))
    asked = {"nodes": [{"resources": {"CPU": 100, "Memory": 512}}], "duration": 600, "start": "+01:00:00"}
    assert ask(folder / "s", "POST", "/v1/leases", asked)[1]["state"] == "rejected"
    _configure(folder, more="[scheduling]\npolicy-admission = 'accept-all'\npolicy-host-selection = 'spread'\n")
    process.send_signal(signal.SIGHUP)
    soon(lambda: len(_logged(folder, "the configuration was reloaded")) == 2)
    assert ask(folder / "s", "POST", "/v1/leases", asked)[1]["state"] == "rejected"
    items = ask(folder / "s", "GET", "/v1/policies")[1]["items"]
    chosen = {each["kind"]: each["name"] for each in items if each["chosen"]}
    assert (chosen["admission"], chosen["host-selection"]) == ("no-ARs", "spread")


def test_it_logs_as_much_as_it_is_told(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """SIGHUP with another log level has every request logged, or nothing but what somebody should see to."""
    folder, process = installed
    assert not _logged(folder, "request")
    _configure(folder, more="[general]\nloglevel = 'DEBUG'\n")
    process.send_signal(signal.SIGHUP)
    soon(lambda: answers(folder / "s") and bool(_logged(folder, "request")))
    (folder / "log").write_text("")
    _configure(folder, more="[general]\nloglevel = 'STATUS'\n")
    process.send_signal(signal.SIGHUP)
    soon(lambda: ask(folder / "s", "GET", "/v1/configuration")[1]["general"]["loglevel"] == "STATUS")
    (folder / "log").write_text("")
    assert answers(folder / "s")
    assert (folder / "log").read_text(encoding="utf-8") == ""


def test_an_address_that_is_taken_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    """It ends with status 1 and one message, has written nothing to its store, and takes no socket away."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        _configure(tmp_path, f"127.0.0.1:{other.getsockname()[1]}")
        serve = [*_command(), "serve", "--config", str(tmp_path / "haizea.toml"), "--log", "json"]
        done = subprocess.run(serve, capture_output=True, text=True, env=_environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert json.loads(line)["event"] == "cannot serve"
    assert "another program listens there" in json.loads(line)["why"]
    assert not (tmp_path / "s").exists()
    store = open_store(f"sqlite:///{tmp_path}/haizea.db", read_only=True)
    assert store.fact("commands-until") is None
    store.close()
    _configure(tmp_path, "nowhere")
    done = subprocess.run(serve, capture_output=True, text=True, env=_environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "server.listen: expected ADDRESS:PORT" in done.stderr


def test_a_configuration_that_is_wrong_is_not_used(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """It goes on with the old one, and says why."""
    folder, process = installed
    shown = ask(folder / "s", "GET", "/v1/configuration")[1]
    for wrong in (
        "[server]\nrate = many\n",
        "[server]\nlisten = '10.1.2.3:99999'\n",
        "[server]\nsocket-group = 'no-such-group'\n",
        "[scheduling]\npolicy-admission = 'no.such:Policy'\n[server]\nrate = 1\n",
    ):
        (folder / "log").write_text("")
        (folder / "haizea.toml").write_text(wrong)
        process.send_signal(signal.SIGHUP)
        soon(lambda: bool(_logged(folder, "the configuration was not reloaded")))
        assert _logged(folder, "the configuration was not reloaded")[-1]["why"]
        assert answers(folder / "s")
        assert ask(folder / "s", "GET", "/v1/configuration")[1] == shown


def test_the_command_of_1_x_stops_it(installed: tuple[Path, "subprocess.Popen[str]"]) -> None:
    """``haizea --stop`` finds the process by its socket, and returns when it has ended."""
    folder, process = installed
    stop = [*_command(), "-c", str(folder / "haizea.toml"), "--stop"]
    done = subprocess.run(stop, capture_output=True, text=True, env=_environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"stopped process {process.pid}\n", "")
    assert process.wait(10) == 0
    done = subprocess.run(stop, capture_output=True, text=True, env=_environment(), timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, f"haizea: no daemon listens at {folder / 's'}\n")
