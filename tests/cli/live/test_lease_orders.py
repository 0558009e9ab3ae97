"""Orders about leases: what is sent, what is told of whom they affect, and the exit statuses."""

import json
from typing import Any

import pytest

from haizea.cli.live.lease_words import sentence
from tests.cli.live.conftest import Run
from tests.client.fake_server import FakeServer, lease, outcome, problem, status

AFFECTED = {
    "lease": 12, "owner": "bob", "how": "later", "before": "2026-11-25T13:10:00Z", "after": "2026-11-25T14:00:00Z",
}  # fmt: skip

SENT: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("cancel 7", "cancel", {}),
    ("extend 7 +30m", "extend", {"by": 1800.0}),
    ("extend 7 1h30m", "extend", {"by": 5400.0}),
    ("extend 7 --until '2026-11-26 18:00'", "extend", {"until": "2026-11-26T17:00:00Z"}),
    ("extend 7 --to unlimited", "extend", {"duration": "unlimited"}),
    ("shorten 7 30m", "shorten", {"by": 1800.0}),
    ("shorten 7 --to 01:00:00", "shorten", {"duration": 3600.0}),
    ("move 7 --start +2h", "move", {"start": "+02:00:00"}),
    ("move 7 --at-latest '2026-11-26 18:00 UTC'", "move", {"deadline": "2026-11-26T18:00:00Z"}),
    ("resize 7 --nodes 6", "resize", {"count": 6}),
    (
        "resize 7 --memory 4G",
        "resize",
        {"nodes": [{"count": 2, "resources": {"CPU": 100, "Memory": 4096}}]},
    ),
    ("suspend 7", "suspend", {}),
    ("resume 7", "resume", {}),
    ("pause 7", "pause", {}),
    ("unpause 7", "unpause", {}),
    ("hold 7", "hold", {}),
    ("release 7", "release", {}),
    ("requeue 7 --reason 'host is noisy'", "requeue", {"reason": "host is noisy"}),
    ("restart 7", "restart", {}),
    ("restart 7 --vm 2", "restart", {"vm": 2}),
    ("terminate 7 --dry-run", "terminate", {"dry_run": True}),
    ("give 7 --to bob --group wind", "give", {"to": "bob", "group": "wind"}),
    ("prioritise 7 --priority 10", "prioritise", {"priority": 10}),
    ("top 7", "top", {}),
    ("bottom 7", "bottom", {}),
    ("migrate 7 --vm 2 --to host-3", "migrate", {"vm": 2, "to": "host-3"}),
    ("migrate 7 --away-from host-3", "migrate", {"away_from": "host-3"}),
    ("recover 7 --retry", "recover", {"how": "retry"}),
    ("annotate 7 ticket=4711 note=", "annotate", {"extra": {"ticket": "4711", "note": None}}),
)


@pytest.mark.parametrize(("command", "verb", "body"), SENT, ids=lambda value: str(value)[:40])
def test_what_is_typed_is_what_is_sent(
    server: FakeServer, run: Run, command: str, verb: str, body: dict[str, Any]
) -> None:
    """Each order goes to a path of its own, with what was said and nothing else."""
    from shlex import split

    server.put("GET", "/v1/status", status())
    server.put("GET", "/v1/leases/7", lease(7))
    server.put("POST", f"/v1/leases/7/{verb}", outcome(lease(7)))
    found = run("lease", *split(command))
    assert found.status == 0, found.err
    assert found.out.startswith("It is done.\n")
    assert (server.seen[-1].path, server.seen[-1].body) == (f"/v1/leases/7/{verb}", body)


@pytest.mark.parametrize(
    "command",
    [
        "extend 7", "extend 7 30m 40m", "extend 30m", "extend 7 10", "extend 7 30m --until 18:00", "shorten 7 often",
        "move 7", "move 7 --start +1h --at-latest +2h", "resize 7", "resize 7 --memory 4Q", "recover 7", "annotate 7",
        "annotate 7 ticket", "migrate 7 --to a --away-from b", "cancel", "suspend web", "give 7", "extend 7 --to 0s",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_sent(server: FakeServer, run: Run, command: str) -> None:
    """Wrong usage is told in one line, with exit status 2."""
    server.put("GET", "/v1/status", status())
    found = run("lease", *command.split())
    assert (found.status, len(found.err.splitlines())) == (2, 1)
    assert [seen.method for seen in server.seen if seen.method != "GET"] == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("extend 7 0", "LENGTH: 0 of which unit? Expected a length of time"),
        ("extend 3 4 30", "LENGTH: 30 of which unit? Expected a length of time"),
        ("shorten 7 0m", "LENGTH: expected more than nothing"),
    ],
)
def test_a_length_without_a_unit_is_not_taken_for_a_lease(
    server: FakeServer, run: Run, command: str, says: str
) -> None:
    """Where nothing else says by how much, the last word does, and what is wrong with it is said."""
    assert says in run("lease", *command.split()).err
    assert server.seen == []


def test_one_that_is_refused_does_not_keep_others_from_being_done(server: FakeServer, run: Run) -> None:
    """Each is told by itself, and the exit status is that of the first refusal."""
    server.put("POST", "/v1/leases/3/suspend", outcome(lease(3), text="Lease 3 is suspended."))
    server.put("POST", "/v1/leases/4/suspend", problem(409, "order-refused", "lease 4 waits", "Wait until it runs."))
    server.put("POST", "/v1/leases/5/suspend", problem(404, "not-found", "there is no lease 5"))
    server.put("POST", "/v1/leases/6/suspend", outcome(lease(6), text="Lease 6 is suspended."))
    found = run("lease", "suspend", 3, 4, 5, 6)
    assert found.status == 1
    assert [line for line in found.out.splitlines() if "suspended" in line] == [
        "Lease 3 is suspended.", "Lease 6 is suspended.",
    ]  # fmt: skip
    assert found.err == ("haizea: lease 4 waits\nhaizea: Wait until it runs.\nhaizea: there is no lease 5\n")


def test_a_change_that_is_tried_says_what_would_be(server: FakeServer, run: Run) -> None:
    """Nobody takes what would be for what is."""
    server.put("PATCH", "/v1/leases/7", lease(7, name="nightly"))
    tried = run("lease", "change", 7, "--name", "nightly", "--dry-run")
    assert tried.out.startswith("Lease 7 would be changed.\nIt would be: Lease 7 (nightly) is ")
    assert run("lease", "change", 7, "--name", "nightly").out.startswith("Lease 7 is changed.\nLease 7 (nightly) is ")


def test_what_moves_while_it_is_suspended_and_what_is_not_there_yet_are_told_apart(
    server: FakeServer, run: Run
) -> None:
    """Images on their way are not VMs that run without end; a lease without a number is a new one."""
    found = outcome(lease(7, state="migrating", ends=None, plan=[]), text="Lease 7 is migrated.")
    server.put("POST", "/v1/leases/7/migrate", found)
    moved = run("lease", "migrate", 7).out.splitlines()[1]
    assert moved.endswith(": its memory images are on their way to other hosts.")
    server.put("POST", "/v1/strays/adopt", outcome(lease(0, name=""), done=False, text="VM x would be adopted."))
    told = run("adopt", "x", "--duration", "1h", "--dry-run").out.splitlines()
    assert told[1].startswith("It would be: A new lease is ")


def test_a_dry_run_says_who_would_be_affected(server: FakeServer, run: Run) -> None:
    """People get a table in local time, programs the whole answer."""
    found = outcome(lease(7), done=False, text="Lease 7 would be extended.", affected=[AFFECTED], notes=["Look out."])
    server.put("POST", "/v1/leases/7/extend", found)
    lines = run("lease", "extend", 7, "+1h", "--dry-run").out.splitlines()
    assert lines[0] == "Lease 7 would be extended."
    assert lines[1].startswith("It would be: Lease 7 is scheduled: 2 VMs from 2026-11-25 14:00:00")
    assert lines[2:4] == ["Look out.", "1 other lease would be affected:"]
    assert lines[-1].split() == ["12", "bob", "later", "2026-11-25", "14:10:00", "2026-11-25", "15:00:00"]
    shown = json.loads(run("lease", "extend", 7, "+1h", "--dry-run", "-o", "json").out)
    assert shown[0]["affected"] == [AFFECTED]
    csv = run("lease", "extend", 7, "+1h", "--dry-run", "-o", "csv", "--columns", "text,lease.id").out
    assert csv == "text,lease.id\nLease 7 would be extended.,7\n"


def test_who_is_suspended_is_said_to_go_on_not_to_have_started(server: FakeServer) -> None:
    """The time in the sentence is the one to come; one that has no place yet has none."""
    plan = [{"start": "2026-11-25T15:00:00Z", "hosts": {"host-1": "1-2"}}]
    known = {
        **lease(7).model_dump(),
        "name": None,
        "state": "suspended-scheduled",
        "vms": 2,
        "starts": "2026-11-25T13:00:00Z",
    }
    planned = sentence({**known, "plan": plan, "ends": "2026-11-25T16:00:00Z"})
    assert planned == "Lease 7 is suspended-scheduled: 2 VMs to go on from 2026-11-25 16:00:00 to 17:00:00 on host-1."
    waits = {**known, "state": "suspended-queued", "plan": [], "ends": None, "reason": {"text": "It waits."}}
    assert sentence(waits) == "Lease 7 is suspended-queued, 2 VMs: It waits."


def test_what_became_of_a_lease_is_one_thing(run: Run) -> None:
    """Two answers to the same question are refused, not the last of them taken."""
    assert run("lease", "recover", 7, "--retry", "--failed").status == 2
