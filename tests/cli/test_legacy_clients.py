"""The clients of Haizea 1.x against a server that listens: what they print, and how they end."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from haizea.cli import legacy_clients
from haizea.cli.legacy_clients import cancel_lease, list_hosts, list_leases, request_lease, show_queue
from haizea.service.models import LeaseOut
from tests.api.xmlrpc_fake import FakeManager
from tests.api.xmlrpc_running import Running, running

TERMS = ("-t", "best_effort", "-d", "01:00:00", "-n", "2", "-c", "0.5", "-m", "512")
LEASE = """\
<?xml version="1.0"?>
<!-- a lease -->
<lease preemptible="true">
  <nodes><node-set numnodes="3"><res type="CPU" amount="100"/></node-set></nodes>
  <start><exact time="{start}"/></start>
  <duration time="02:00:00"/>
  <software><none/></software>
</lease>
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Return a server that the clients find by the environment."""
    with running() as started:
        monkeypatch.setenv("HAIZEA_SERVER", started.uri())
        yield started


def run(command: click.Command, *arguments: str) -> Result:
    """Run a client inside the test."""
    return CliRunner().invoke(command, list(arguments))


def requested(server: Running, *arguments: str) -> dict[str, object]:
    """Request a lease by options and return what the server has got."""
    result = run(request_lease, *arguments)
    assert result.exit_code == 0, result.output
    assert result.output == f"Lease submitted correctly.\nLease ID: {len(server.manager.leases.kept)}\n"
    kept: dict[int, LeaseOut] = server.manager.leases.kept
    return kept[len(kept)].model_dump()


def test_a_best_effort_lease_by_options(server: Running) -> None:
    """Half a core is 50 percent; what is not said is not preemptible and without an image."""
    lease = requested(server, *TERMS)
    assert (lease["type"], lease["vms"], lease["duration_s"]) == ("best-effort", 2, 3600)
    assert lease["nodes"] == [{"count": 2, "resources": {"CPU": 50, "Memory": 512}}]
    assert (lease["preemptible"], lease["software"]) == (False, None)


def test_images_and_preemptibility(server: Running) -> None:
    """Options for the disk image and for preemption arrive."""
    lease = requested(server, *TERMS, "--preemptible", "-i", "a&b.img", "-z", "1024")
    assert (lease["preemptible"], lease["software"]) == (True, {"id": "a&b.img", "size": 1024})


@pytest.mark.parametrize(
    ("start", "kind", "at"),
    [
        ("now", "immediate", "2026-11-25T13:00:00Z"),
        ("+02:00:00", "AR", "2026-11-25T15:00:00Z"),
        ("2026-11-25 18:00:00", "AR", "2026-11-25T17:00:00Z"),
        ("2026-11-25T18:00:00+05:00", "AR", "2026-11-25T13:00:00Z"),
    ],
)
def test_starts(server: Running, in_madrid: None, start: str, kind: str, at: str) -> None:
    """A start is now, a span from now on, or a time of this machine's clock unless it names a zone."""
    lease = requested(server, *TERMS, "-t", start)
    assert (lease["type"], lease["start"]) == (kind, at)


@pytest.fixture
def in_madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set this machine's clock to that of Madrid."""
    import time

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Madrid")
        time.tzset()
        yield
    time.tzset()


def test_an_unlimited_lease(server: Running) -> None:
    """A duration of unlimited has no end."""
    assert requested(server, *TERMS, "-d", "unlimited")["duration_s"] is None


def test_a_lease_from_a_file(server: Running, in_madrid: None, tmp_path: Path) -> None:
    """The XML of a file is sent, its times as those of this machine's clock."""
    file = tmp_path / "lease.xml"
    file.write_text(LEASE.format(start="2026-11-25 18:00:00"))
    lease = requested(server, "-f", str(file))
    assert (lease["vms"], lease["start"]) == (3, "2026-11-25T17:00:00Z")
    file.write_text(LEASE.format(start="+01:00:00"))
    assert requested(server, "-f", str(file))["start"] == "2026-11-25T14:00:00Z"


def test_leases_are_listed(server: Running) -> None:
    """Columns are those of Haizea 1.x: number, type, state, start, duration, nodes."""
    requested(server, *TERMS)
    requested(server, *TERMS, "-t", "2026-11-25T18:00:00Z", "-d", "1:02:00:00")
    requested(server, *TERMS, "-t", "now")
    assert run(list_leases).output == (
        " ID   Type          State      Starting time           Duration       Nodes\n"
        " 1    Best-effort   Queued     Unspecified             01:00:00.00    2\n"
        " 2    AR            Scheduled  2026-11-25 18:00:00.00  1:02:00:00.00  2\n"
        " 3    Immediate     Scheduled  Now                     01:00:00.00    2\n"
    )


def test_states_have_their_old_names(server: Running) -> None:
    """States are written as they were."""
    requested(server, *TERMS)
    names = []
    for state in ("failed", "rejected-by-user", "suspended-queued"):
        kept = server.manager.leases.kept
        kept[1] = kept[1].model_copy(update={"state": state})
        names.append(" ".join(run(list_leases).output.splitlines()[1].split()[2:-3]))
    assert names == ["Fail", "Rejected by user", "Suspended-Queued"]


def test_the_queue(server: Running) -> None:
    """An empty queue is said to be empty; else its leases are listed."""
    assert run(show_queue).output == "Queue is empty.\n"
    requested(server, *TERMS)
    assert run(show_queue).output.splitlines()[1].split() == [
        "1", "Best-effort", "Queued", "Unspecified", "01:00:00.00", "2",
    ]  # fmt: skip


def test_hosts(server: Running) -> None:
    """Hosts are listed with CPU in percent of a core, and memory in MiB."""
    assert run(list_hosts).output == (
        " ID   Hostname    CPUs    Mem\n 1    node1       100     1024\n 2    node2       100     1024\n"
    )


def test_a_lease_is_cancelled(server: Running) -> None:
    """Cancelling says nothing when it works, and what is wrong when it does not."""
    requested(server, *TERMS)
    assert (run(cancel_lease, "-l", "1").exit_code, run(cancel_lease, "-l", "1").exit_code) == (0, 1)
    assert server.manager.leases.kept[1].state == "cancelled"
    assert "the server refused: there is no lease 9" in run(cancel_lease, "--lease", "9").output


def test_credentials_go_into_the_uri() -> None:
    """The server is named with -s; a user and a token in it are who asks, and are never shown."""
    with running(FakeManager(guest=None)) as server:
        assert run(request_lease, *TERMS, "-s", server.uri("anna:anna-secret")).exit_code == 0
        assert server.manager.leases.kept[1].owner == "anna"
        refused = run(list_leases, "-s", server.uri("anna:wrong-secret"))
        assert (refused.exit_code, "wrong-secret" in refused.output) == (1, False)
        assert "401" in refused.output
        assert "http://USER:TOKEN@HOST" in run(list_leases, "-s", server.uri()).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-t", "noon"), "--start: 'noon' is no time"),
        (("-t", "+1h"), "--start: '+1h' is no time"),
        (("-d", "long"), "--duration 'long'"),
        (("-d", "0:00"), "a duration of 0"),
        (("-n", "0"), "0 is not in the range"),
        (("-c", "0"), "not in the range"),
        (("-c", "nan"), "not in the range"),
        (("-i", "image"), "--vmimage and --vmimagesize go together"),
        (("-i", "\x01", "-z", "1"), "characters that XML cannot hold"),
        (("-f", "/does/not/exist"), "No such file"),
        (("-s", "localhost"), "no server's URI"),
        (("-s", "ftp://localhost:1"), "no server's URI"),
        (("-s", "http://localhost"), "no server's URI"),
        (("-s", "http://localhost:99999"), "no server's URI"),
        (("-s", "http://[::1"), "no server's URI"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...], message: str) -> None:
    """A wrong option is told in one line that names it, with exit status 2."""
    ended = old("request_lease_main", *TERMS, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("missing", range(0, 10, 2))
def test_missing_options(missing: int) -> None:
    """Without a file, each of the terms must be there."""
    result = run(request_lease, *TERMS[:missing], *TERMS[missing + 2 :])
    assert result.exit_code == 2
    assert "is missing" in result.output


@pytest.mark.parametrize(
    "text", ["", "<lease", '<!DOCTYPE l [<!ENTITY a "b">]><lease>&a;</lease>', "x" * (1 << 20) + "<"]
)
def test_wrong_files(server: Running, tmp_path: Path, text: str) -> None:
    """A file that is no lease is refused here or by the server."""
    file = tmp_path / "lease.xml"
    file.write_text(text)
    result = run(request_lease, "-f", str(file))
    assert result.exit_code in (1, 2)
    assert result.output.startswith(("Usage", "Error"))


def old(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a client by its entry point, in a process of its own."""
    program = f"from haizea.cli.legacy_clients import {name}; {name}()"
    source = str(Path(legacy_clients.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("request_lease_main", TERMS),
        ("cancel_lease_main", ("-l", "1")),
        ("list_leases_main", ()),
        ("show_queue_main", ()),
        ("list_hosts_main", ()),
    ],
)
def test_nobody_there(name: str, arguments: tuple[str, ...]) -> None:
    """Where nobody listens, each client says so in one line, and ends with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = old(name, *arguments, "-s", f"http://127.0.0.1:{port}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"haizea: nobody answers at http://127.0.0.1:{port} (Connection refused)")
    assert ended.stderr.count("\n") == 1


@contextmanager
def stranger(answer: bytes) -> Iterator[str]:
    """Listen for one connection, and answer anything with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):  # the client tries a second time where the first answer breaks off
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def ok(body: bytes) -> bytes:
    """Return an answer over HTTP."""
    return b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        ok(b"<html>"),
        ok(b"hello"),
        ok(b"<methodResponse><params><param><value><array><data><value>x</value></data></array></value></param></params>"
           b"</methodResponse>"),
    ],
)  # fmt: skip
def test_somebody_else_there(answer: bytes) -> None:
    """Where something else answers, that is said in one line, without a traceback."""
    with stranger(answer) as uri:
        ended = old("list_leases_main", "-s", uri)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("haizea: ")
    assert ended.stderr.count("\n") == 1


def test_debugging_shows_where_an_error_comes_from(server: Running) -> None:
    """With -D, the error itself comes out."""
    result = run(cancel_lease, "-l", "9", "-D")
    assert type(result.exception).__name__ == "Fault"


@pytest.mark.parametrize("command", [request_lease, cancel_lease, list_leases, show_queue, list_hosts])
def test_help(command: click.Command) -> None:
    """Every client has help that names the server's option."""
    assert "-s, --server URI" in run(command, "--help").output


def test_what_a_server_sends_cannot_command_a_terminal(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters of a server's are not printed."""
    show: Callable[..., object] = server.manager.hosts.show

    def evil(*arguments: object) -> object:
        host = show(*arguments)
        return host.model_copy(update={"name": "a\x9b31mb"})  # type: ignore[attr-defined]

    monkeypatch.setattr(server.manager.hosts, "show", evil)
    assert "a?31mb" in run(list_hosts).output
