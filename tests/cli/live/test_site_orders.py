"""Orders about hosts, maintenance, VMs and the scheduler: what is sent, and what is shown of what differs."""

from shlex import split
from typing import Any

import pytest

from haizea.service.order_models import (
    DifferenceOut,
    DiffOut,
    FiguresOut,
    ReconciledOut,
    StraysOut,
    VMOut,
    VMsOut,
    WhatIfOut,
)
from tests.cli.live.conftest import Run
from tests.client.fake_server import FakeServer, lease, outcome, page, status

SENT: tuple[tuple[str, str, str, dict[str, Any] | None], ...] = (
    ("host drain h1", "POST", "/v1/hosts/h1/drain", {}),
    ("host drain h1 --until +2h", "POST", "/v1/hosts/h1/drain", {"until": "+02:00:00"}),
    ("host evacuate h1 h2 h3", "POST", "/v1/hosts/h1/evacuate", {"also": ["h2", "h3"]}),
    ("host drain h1 h2 --until +2h", "POST", "/v1/hosts/h1/drain", {"until": "+02:00:00", "also": ["h2"]}),
    ("host down h1 h2 --dry-run", "POST", "/v1/hosts/h1/down", {"also": ["h2"], "dry_run": True}),
    ("host evacuate h1 --reason smoke", "POST", "/v1/hosts/h1/evacuate", {"reason": "smoke"}),
    ("host disable h1", "POST", "/v1/hosts/h1/disable", {}),
    ("host enable h1", "POST", "/v1/hosts/h1/enable", {}),
    ("host down h1 --dry-run", "POST", "/v1/hosts/h1/down", {"dry_run": True}),
    ("host label h1 rack=b old=", "POST", "/v1/hosts/h1/label", {"labels": {"rack": "b", "old": None}}),
    ("host overcommit h1 CPU=150%", "POST", "/v1/hosts/h1/overcommit", {"percent": {"CPU": 150}}),
    (
        "host add h9 CPU=4 Memory=8G --label rack=b",
        "POST",
        "/v1/hosts",
        {"name": "h9", "capacity": {"CPU": 400, "Memory": 8192}, "labels": {"rack": "b"}},
    ),
    ("host remove h9", "DELETE", "/v1/hosts/h9", None),
    (
        "maintenance plan h1 h2 --start +2h --duration 1h --reason disks",
        "POST",
        "/v1/maintenance",
        {"hosts": ["h1", "h2"], "start": "+02:00:00", "duration": 3600.0, "reason": "disks"},
    ),
    (
        "maintenance plan h1 --start +2h --duration 1h --change 3",
        "PUT",
        "/v1/maintenance/3",
        {"hosts": ["h1"], "start": "+02:00:00", "duration": 3600.0},
    ),
    (
        "maintenance plan h1 --start +2h --duration 1h --force",
        "POST",
        "/v1/maintenance",
        {"hosts": ["h1"], "start": "+02:00:00", "duration": 3600.0, "force": True},
    ),
    ("maintenance cancel 3", "DELETE", "/v1/maintenance/3", None),
    ("vm stop 7.2", "POST", "/v1/leases/7/vms/2/stop", {}),
    ("vm restart 7.2 --reason stuck", "POST", "/v1/leases/7/vms/2/restart", {"reason": "stuck"}),
    ("scheduler pause", "POST", "/v1/scheduler/pause", {}),
    ("scheduler replan --dry-run", "POST", "/v1/scheduler/replan", {"dry_run": True}),
    ("intake resume", "POST", "/v1/intake/resume", {}),
    (
        "scheduler set scheduling.backfilling=off",
        "PATCH",
        "/v1/scheduler",
        {"options": {"scheduling.backfilling": "off"}},
    ),
    (
        "adopt one-12 --duration unlimited --name web",
        "POST",
        "/v1/strays/adopt",
        {"strays": ["one-12"], "duration": "unlimited", "group": "", "name": "web", "preemptible": False},
    ),
)


def test_hosts_are_removed_together(server: FakeServer, run: Run) -> None:
    """One request removes all of them."""
    server.put("DELETE", "/v1/hosts/h1", outcome())
    run(*["host", "remove", "h1", "h2", "h3", "--reason", "sold", "--yes"])
    assert [(one.path, one.query) for one in server.seen] == [
        ("/v1/hosts/h1", {"also": ["h2", "h3"], "reason": ["sold"]})
    ]


@pytest.mark.parametrize(("command", "method", "path", "body"), SENT, ids=lambda value: str(value)[:30])
def test_what_is_typed_is_what_is_sent(
    server: FakeServer, run: Run, command: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """Each order goes to a path of its own, with what was said and nothing else."""
    server.put("GET", "/v1/status", status())
    server.put(method, path, outcome())
    found = run(*split(command))
    assert (found.status, found.out.splitlines()[0]) == (0, "It is done."), found.err
    seen = server.seen[-1]
    assert (seen.method, seen.path, seen.body or None) == (method, path, body or None)


@pytest.mark.parametrize(
    "command",
    [
        "host overcommit h1 CPU=lots", "host label h1 rack", "host add h9 CPU=many", "maintenance plan h1 --start +2h",
        "vm stop 7", "vm restart 7.x", "scheduler set backfilling", "adopt x --duration often", "host drain",
        "simulate --fail-host h1 w.lwf", "simulate --live w.lwf",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_sent(server: FakeServer, run: Run, command: str) -> None:
    """Wrong usage is told in one line, with exit status 2."""
    found = run(*command.split())
    assert (found.status, len(found.err.splitlines()), server.seen) == (2, 1, [])


def test_what_differs_is_shown_and_told_by_the_status(server: FakeServer, run: Run) -> None:
    """Status 0 where all is as it should be, 1 where something is not."""
    server.put("GET", "/v1/diff", DiffOut(at="2026-11-25T13:00:00Z", vms=[], hosts=[]))
    assert run("diff") == (0, "", "all is as it should be\n")
    row = DifferenceOut(
        lease=7, vm=2, desired="running", host="h1", observed="suspended", seen_on=None, under_way="", agrees=False,
        known=True,
    )  # fmt: skip
    server.put("GET", "/v1/diff", DiffOut(at="2026-11-25T13:00:00Z", vms=[row], hosts=[]))
    found = run("diff")
    assert (found.status, found.out.splitlines()[1].split()) == (1, ["VM", "7.2", "running", "h1", "suspended", "no"])
    server.put("POST", "/v1/scheduler/reconcile", ReconciledOut(differences=1))
    assert run("scheduler", "reconcile").out == "1 difference found and dealt with.\n"


def test_vms_and_strays_are_listed(server: FakeServer, run: Run) -> None:
    """By lease and number, of the leases that are named or of all that are not over."""
    server.put("GET", "/v1/leases", page(lease(7)))
    vm = VMOut(lease=7, vm=1, host="h1", desired="running", observed="paused", resources={"CPU": 100})
    server.put("GET", "/v1/leases/7/vms", VMsOut(items=[vm]))
    for command in (("vm", "list"), ("vm", "list", 7)):
        assert run(*command).out.splitlines()[1].split() == ["7.1", "h1", "running", "paused", "1", "core"]
    server.put("GET", "/v1/strays", StraysOut(items=[]))
    assert run("stray", "list") == (0, "", "there are no strays\n")


def test_a_what_if_is_a_table_of_before_and_after(server: FakeServer, run: Run) -> None:
    """What is tried is sent as it was said; whom it makes a difference for stands below the figures."""
    figures = FiguresOut(
        leases=2, done=2, failed=0, rejected=0, unfinished=0, preemptions=0, waiting_s=1800, utilisation=0.5,
        last_end="2026-11-25T13:00:00Z",
    )  # fmt: skip
    worse = figures.model_copy(update={"done": 1, "failed": 1})
    server.put("POST", "/v1/what-if", WhatIfOut(before=figures, after=worse, affected=[], requests=[], complete=False))
    options = ("--fail-host", "h1", "--add-hosts", "2 CPU:400", "--set", "scheduling.backfilling=off", "--ahead", "1h")
    found = run("simulate", "--live", *options)
    assert server.seen[-1].body == {
        "fail_hosts": ["h1"], "add_hosts": "2 CPU:400", "requests": [], "ahead_s": 3600.0,
        "options": {"scheduling.backfilling": "off"},
    }  # fmt: skip
    assert [line.split() for line in found.out.splitlines() if line.startswith("failed")] == [["failed", "0", "1"]]
    assert "not looked ahead to the end" in found.out
