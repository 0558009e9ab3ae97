"""Requesting leases: from options and files to a request, and from what became of it to words and an exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.live.conftest import Run
from tests.client.fake_server import (
    FakeServer,
    entry,
    event,
    later,
    lease,
    offers,
    problem,
    rejected,
    status,
    verdict,
)

VM = {"CPU": 100, "Memory": 1024}

XML = """<lease preemptible="true" id="7">
  <nodes><node-set numnodes="3"><res type="CPU" amount="100"/><res type="Memory" amount="512"/></node-set></nodes>
  <start><exact time="2026-11-25 13:00:00"/></start>
  <duration time="01:00:00"/>
  <software><disk-image id="img" size="1024"/></software>
</lease>
"""
TOML = """
duration = "90m"
start = 2026-11-25T13:00:00
name = "web"
[[nodes]]
count = 3
resources = { CPU = 100, Memory = 512 }
"""
JSON = '{"nodes": [{"count": 3, "resources": {"CPU": 100, "Memory": 512}}], "duration": 5400, "start": "now"}'


@pytest.fixture(autouse=True)
def present(server: FakeServer) -> None:
    """Let it be a Sunday, 21:00 in Berlin."""
    server.put("GET", "/v1/status", status(now="2026-11-22T20:00:00Z"))
    server.put("POST", "/v1/leases", lease(17))


def sent(server: FakeServer) -> Any:
    """Return the last request for a lease."""
    return server.requests("POST", "/v1/leases")[-1].body


def test_a_lease_is_requested_in_one_line(server: FakeServer, run: Run) -> None:
    """The answer says in one sentence what it is, when and where; times are local."""
    outcome = run("lease", "request", "--start", "tomorrow 14:00", "--duration", "90m", "-n", 2)
    assert outcome == (0, "Lease 17 is scheduled: 2 VMs from 2026-11-25 14:00:00 to 15:00:00 on host-1, host-2.\n", "")
    assert sent(server) == {
        "nodes": [{"count": 2, "resources": VM}],
        "duration": "01:30:00",
        "start": "2026-11-23T13:00:00Z",
    }


def test_every_option_reaches_the_server(server: FakeServer, run: Run) -> None:
    """As the part of the request that it is about."""
    run(
        "lease", "request", "-d", "unlimited", "-n", 4, "-c", "200%", "-m", "4G", "--disk", "10G", "--resource",
        "GPU=1", "--image", "img", "--image-size", "4G", "--non-preemptible", "--name", "web", "--group", "g",
        "--owner", "bob", "--require", "rack=r1", "--require", "ssd=*", "--exclude", "old=yes", "--spread",
        "--on-guest-shutdown", "restart", "--on-failure", "hold", "--extra", "a=b", "--key", "k1",
    )  # fmt: skip
    assert sent(server) == {
        "nodes": [{"count": 4, "resources": {"CPU": 200, "Memory": 4096, "Disk": 10240, "GPU": 1}}],
        "duration": "unlimited", "software": {"id": "img", "size": 4096}, "preemptible": False, "name": "web",
        "group": "g", "owner": "bob", "on_guest_shutdown": "restart", "on_failure": "hold", "extra": {"a": "b"},
        "constraints": {
            "require": {"rack": "r1", "ssd": "*"}, "exclude": {"old": "yes"}, "spread": True, "together": False,
        },
    }  # fmt: skip
    assert server.requests("POST", "/v1/leases")[-1].headers["idempotency-key"] == "k1"


def test_best_effort_has_no_start(server: FakeServer, run: Run) -> None:
    """And needs nobody's clock."""
    run("lease", "request", "-d", "1h")
    assert "start" not in sent(server)
    assert server.requests("GET", "/v1/status") == []


@pytest.mark.parametrize("start", [[], ["--start", "now"]])
def test_a_deadline_counts_from_now_where_no_start_is_said(server: FakeServer, run: Run, start: list[str]) -> None:
    """It is an earliest start, not an immediate lease."""
    run("lease", "request", "-d", "1h", "--at-latest", "friday noon", *start)
    assert (sent(server)["start"], sent(server)["deadline"]) == ("+00:00:00", "2026-11-27T11:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "how long?"),
        (["-d", "5"], "--duration: 5 of which unit?"),
        (["-d", "1h", "-t", "14:00"], "--start: '14:00' has passed today"),
        (["-d", "1h", "-c", "a"], "--cpu: 'a' is not CPU"),
        (["-d", "1h", "-m", "4GB"], "--memory: '4GB' may mean"),
        (["-d", "1h", "--image", "x"], "both --image and --image-size"),
        (["-d", "1h", "--extra", "x"], "--extra: 'x' is not KEY=VALUE"),
        (["-d", "1h", "--require", "a=1", "--require", "a=2"], "--require: a twice"),
        (["-d", "1h", "-n", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_requested(
    server: FakeServer, run: Run, arguments: list[str], why: str
) -> None:
    """With exit status 2, in one line that names the option."""
    outcome = run("lease", "request", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert why in outcome.err
    assert outcome.err.count("\n") == 1
    assert server.requests("POST", "/v1/leases") == []


def test_a_refusal_comes_with_what_could_be_had(server: FakeServer, run: Run) -> None:
    """The reason, the nearest start, the offers; exit status 1."""
    server.put("POST", "/v1/leases", rejected())
    server.put("POST", "/v1/offers", offers(later()))
    outcome = run("lease", "request", "-d", "1h")
    assert outcome.status == 1
    assert outcome.out.splitlines() == [
        "Lease 18 was rejected: the hosts are full until 15:00.",
        "It could start at 2026-11-25 16:00:00 at the earliest.",
        "What could be had instead:",
        "  later: the same two hours later (from 2026-11-25 14:00:00 to 15:00:00 on host-1, host-2)",
    ]


def test_a_quota_that_is_used_up_is_a_refusal_too(server: FakeServer, run: Run) -> None:
    """Exit status 1, with what to do; being not allowed is 4."""
    server.put("POST", "/v1/leases", problem(403, "quota-exceeded", "too many VMs", "end some", "nodes"))
    assert run("lease", "request", "-d", "1h") == (1, "", "haizea: too many VMs\nhaizea: end some\n")


@pytest.mark.parametrize("name", ["lease.xml", "lease.toml", "lease.json"])
def test_requests_come_from_files(server: FakeServer, run: Run, tmp_path: Path, name: str) -> None:
    """XML of Haizea 1.x, TOML and JSON; options change what a file says."""
    path = tmp_path / name
    path.write_text({"xml": XML, "toml": TOML, "json": JSON}[path.suffix[1:]], encoding="utf-8")
    assert run("lease", "request", "-f", path, "--memory", "2G", "--name", "mine").status == 0
    assert sent(server)["nodes"] == [{"count": 3, "resources": {"CPU": 100, "Memory": 2048}}]
    assert sent(server)["name"] == "mine"
    assert sent(server)["start"] == ("now" if name.endswith("json") else "2026-11-25T12:00:00Z")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<lease", "not well-formed XML"),
        ("<!DOCTYPE x []><lease/>", "document type"),
        ("{", "no JSON"),
        ("[[", "no TOML"),
        ("{" * 100_000, "no JSON"),
        ("nodes = 5\nduration = '1 fortnight'", "no unit of time"),
        ("extra = 5\nduration = '1h'", "extra in the file is not a table"),
        ("\xff", "UTF-8"),
        ("#" * 1_100_000, "more than"),
    ],
)
def test_wrong_files_are_told(run: Run, tmp_path: Path, text: str, why: str) -> None:
    """One line, exit status 2."""
    path = tmp_path / "lease"
    path.write_bytes(text.encode("latin-1"))
    outcome = run("lease", "request", "-f", path, "--extra", "a=b")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert why in outcome.err


def test_a_dry_run_changes_nothing(server: FakeServer, run: Run) -> None:
    """It says who would have to give way."""
    affected = [{"lease": 3, "owner": "bob", "how": "preempted", "before": None, "after": "2026-11-25T15:00:00Z"}]
    server.put("POST", "/v1/dry-run", verdict(affected=affected))
    for command in (["request", "--dry-run"], ["simulate"]):
        outcome = run("lease", *command, "-d", "1h")
        assert outcome.status == 0
        assert "would be accepted (scheduled), from 2026-11-25 14:00:00 to 15:00:00" in outcome.out
        assert "bob    preempted" in outcome.out
    assert server.requests("POST", "/v1/leases") == []
    server.put("POST", "/v1/dry-run", verdict(False))
    assert run("lease", "simulate", "-d", "1h").status == 1


def test_offers_are_held_and_taken(server: FakeServer, run: Run) -> None:
    """An offer that is held says how to take it."""
    server.put("POST", "/v1/offers", offers(later("o-1")))
    server.put("POST", "/v1/offers/o-1/accept", lease(19))
    server.put("DELETE", "/v1/offers/o-1", {})
    outcome = run("lease", "offers", "--hold", "-d", "1h")
    assert outcome.status == 0
    assert "take it with: haizea lease accept o-1" in outcome.out
    assert server.requests("POST", "/v1/offers")[0].query == {"hold": ["true"]}
    assert run("lease", "accept", "o-1").out.startswith("Lease 19 is scheduled")
    assert run("lease", "decline", "o-1") == (0, "", "haizea: offer o-1 was let go\n")


def test_programs_get_the_lease_as_json(run: Run) -> None:
    """Nothing but JSON is on standard output."""
    assert json.loads(run("lease", "request", "-d", "1h", "-o", "json").out)["id"] == 17
    assert (
        run("lease", "request", "-d", "1h", "-o", "csv", "--columns", "lease,state").out
        == "lease,state\n17,scheduled\n"
    )


def test_waiting_until_it_runs(server: FakeServer, run: Run) -> None:
    """What it goes through is told on standard error, how it is in the end on standard output."""
    server.put("GET", "/v1/leases/17", lease(state="scheduled"), lease(state="preparing"), lease(state="active"))
    server.streams = [b"id: 1\n\n" + event(entry(2)) + event(entry(3))]
    outcome = run("lease", "request", "-d", "1h", "--wait")
    assert outcome.status == 0
    assert outcome.out.startswith("Lease 17 is active")
    assert "is scheduled" in outcome.err
    assert "is preparing" in outcome.err


def test_waiting_for_what_fails(server: FakeServer, run: Run) -> None:
    """Exit status 1 where it came to nothing."""
    server.put("GET", "/v1/leases/17", lease(state="cancelled"))
    assert run("lease", "wait", 17).status == 1
    server.put("GET", "/v1/leases/17", lease(state="done"))
    assert run("lease", "wait", 17) == (0, "Lease 17 is done at 2026-11-25 15:00:00.\n", "")


def test_waiting_may_take_only_so_long(server: FakeServer, run: Run) -> None:
    """Exit status 6, and the lease as it is."""
    server.put("GET", "/v1/leases/17", lease(state="active"))
    outcome = run("lease", "wait", 17, "--time-limit", "0.2s")
    assert outcome.status == 6
    assert "is active, not ended, after 0.2 s" in outcome.err


def test_files_are_requested_together(server: FakeServer, run: Run, tmp_path: Path) -> None:
    """Each file is a request; the answer has a sentence for each, or a row; a key and a reason go along."""
    server.put("POST", "/v1/leases/together", {"leases": [lease(17), lease(18)]})
    files = [tmp_path / "a.toml", tmp_path / "b.json"]
    for file, text in zip(files, (TOML, JSON), strict=True):
        file.write_text(text, encoding="utf-8")
    status_, out, err = run("lease", "request-together", *files, "--reason", "cluster", "--key", "k")
    assert (status_, err) == (0, "")
    assert [line.partition(" is ")[0] for line in out.splitlines()] == ["Lease 17", "Lease 18"]
    (asked,) = server.requests("POST", "/v1/leases/together")
    assert asked.body["reason"] == "cluster"
    assert [each.get("name") for each in asked.body["leases"]] == ["web", None]
    assert asked.body["leases"][1]["start"] == "now"
    listed = run("lease", "request-together", *files, "-o", "csv", "--columns", "id,owner")
    assert [line.partition(",")[0] for line in listed[1].splitlines()] == ["id", "17", "18"]


def test_a_group_that_cannot_be_had_is_told(server: FakeServer, run: Run, tmp_path: Path) -> None:
    """The refusal is said, with status 1; one file is no group."""
    file = tmp_path / "a.json"
    file.write_text(JSON, encoding="utf-8")
    refusal = problem(409, "together-refused", "not all of the 2 leases can be had together")
    server.put("POST", "/v1/leases/together", refusal)
    status_, out, err = run("lease", "request-together", file, file)
    assert (status_, out) == (1, "")
    assert "not all of the 2 leases" in err
    alone = run("lease", "request-together", file)
    assert alone[0] == 2
    assert "2 to 50 files" in alone[2]
