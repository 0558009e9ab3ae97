"""The picture of a server's schedule: few hosts and many, the line for now, and hostile answers."""

import csv
import io
import re
from typing import Any

import pytest

from haizea.cli.live.gantt import Look, drawing, label, ranges
from haizea.cli.live.when import instant_of_iso, iso
from haizea.model.units import HOUR
from tests.cli.live.conftest import Run
from tests.client.fake_server import FakeServer

NOW = instant_of_iso("2026-11-22T20:00:00Z")


def bar(host: int, lease: int, start: float, end: float | None, **changes: Any) -> dict[str, Any]:
    """Return a bar; times are in hours from now."""
    given: dict[str, Any] = {
        "host": host, "lease": lease, "type": "AR", "kind": "run", "start": iso(round(NOW + start * HOUR)),
        "end": None if end is None else iso(round(NOW + end * HOUR)), "vms": "1-8",
    }  # fmt: skip
    return given | changes


def schedule(hosts: int, *bars: dict[str, Any]) -> dict[str, Any]:
    """Return a schedule from two hours ago to ten hours ahead."""
    names = [f"node-{number:03}" for number in range(1, hosts + 1)]
    return {
        "now": iso(NOW),
        "start": iso(NOW - 2 * HOUR),
        "end": iso(NOW + 10 * HOUR),
        "hosts": names,
        "bars": list(bars),
    }


def test_few_hosts_have_a_row_each() -> None:
    """Past, present and plan, with the lease's number in its bar and a line for now through every row."""
    found = schedule(3, bar(0, 7, -1, 4), bar(1, 8, 2, None, type="best-effort"), bar(1, 9, 0, 1))
    lines = drawing(found, found["hosts"], Look(width=70, ascii_only=True))
    column = lines[1].index("v")
    rows = {line[:8]: line for line in lines[2:5]}
    assert set(rows) == {"node-001", "node-002", "node-003"}
    assert [line.ljust(70)[column] for line in lines[2:5]] == ["|"] * 3
    assert re.search(r"=\|?=+7=+", rows["node-001"].replace("|", "="))
    assert rows["node-002"].rstrip().endswith("#")
    assert lines[-1] == "# best-effort  = AR"


def test_the_line_for_now_is_where_now_is() -> None:
    """What runs since now begins at the line."""
    found = schedule(1, bar(0, 7, 0, 6))
    lines = drawing(found, found["hosts"], Look(width=130, ascii_only=True))
    assert lines[1].index("v") == lines[2].index("|") == 10 + 20
    assert lines[2][30:].startswith("|=")
    assert lines[2][10:30].strip() == ""


def test_many_alike_hosts_share_a_row() -> None:
    """A hundred hosts with three leases on them are four rows, those without anything to do last."""
    bars = [bar(i, 7, 0, 4) for i in range(40)] + [bar(i, 8, 1, 5) for i in range(40, 60)] + [bar(70, 9, 1, 2)]
    found = schedule(120, *bars)
    lines = drawing(found, found["hosts"], Look(width=90, fold=True, ascii_only=True))
    assert [line[:18].strip().partition("]")[0].partition("|")[0].strip() for line in lines[2:6]] == [
        "node-[001-040", "node-[041-060", "node-071", "59 hosts",
    ]  # fmt: skip


def test_names_are_drawn_together() -> None:
    """Numbers that follow each other become a range; what is too long becomes a count."""
    assert ranges(["a", "n1", "n2", "n3", "n7", "m-2"]) == "a, n[1-3,7], m-2"
    assert label([f"node-{number}" for number in range(1, 99, 2)]) == "49 hosts"
    assert label(["x" * 50]) == "x" * 19 + "~"


def test_colours_change_nothing_else() -> None:
    """Without them, the same picture is left."""
    found = schedule(2, bar(0, 7, -1, 4), bar(1, 8, 2, None, type="best-effort"))
    plain = drawing(found, found["hosts"], Look(width=80))
    coloured = drawing(found, found["hosts"], Look(width=80, colours=True))
    assert plain != coloured
    assert [re.sub("\x1b\\[[0-9;]*m", "", line) for line in coloured] == plain


def test_the_command_draws(server: FakeServer, run: Run) -> None:
    """In local time, for the hosts that are named, as a picture or as rows."""
    server.put("GET", "/v1/schedule", schedule(4, bar(0, 7, -1, 4), bar(3, 8, 2, None)))
    lines = run("schedule", "--ascii", "--width", 100).out.splitlines()
    assert lines[0] == "2026-11-22 19:00:00 to 2026-11-23 07:00:00, now 2026-11-22 21:00:00"
    assert "22:00" in lines[1]
    assert [line.split()[0] for line in lines[3:7]] == [f"node-00{number}" for number in range(1, 5)]
    assert "node-004" not in run("schedule", "--host", "node-00[1-3]").out
    rows = list(csv.DictReader(io.StringIO(run("schedule", "-o", "csv", "--host", "node-004").out)))
    assert [(row["host"], row["lease"], row["end"]) for row in rows] == [("node-004", "8", "")]
    assert run("schedule", "--host", "nothing").status == 2


def test_a_long_picture_is_folded(server: FakeServer, run: Run) -> None:
    """Unless that is not wanted."""
    server.put("GET", "/v1/schedule", schedule(200, bar(0, 7, -1, 4)))
    assert len(run("schedule").out.splitlines()) < 10
    assert len(run("schedule", "--no-fold").out.splitlines()) > 200


def test_part_of_a_schedule_is_asked_for(server: FakeServer, run: Run) -> None:
    """In times that people write."""
    server.put("GET", "/v1/status", {"now": iso(NOW)})
    server.put("GET", "/v1/schedule", schedule(1))
    run("schedule", "--from", "-2h", "--to", "tomorrow 06:00")
    assert server.seen[-1].query == {"start": ["2026-11-22T18:00:00Z"], "end": ["2026-11-23T05:00:00Z"]}


@pytest.mark.parametrize(
    "changes",
    [{"bars": [bar(7, 1, 0, 1)]}, {"bars": [bar(-1, 1, 0, 1)]}, {"start": "x"}, {"end": iso(NOW - 3 * HOUR)}],
)
def test_a_schedule_that_makes_no_sense_is_told(server: FakeServer, run: Run, changes: dict[str, Any]) -> None:
    """Exit status 3, in one message."""
    server.put("GET", "/v1/schedule", schedule(1) | changes)
    outcome = run("schedule")
    assert (outcome.status, outcome.out) == (3, "")
    assert "makes no sense" in outcome.err


def test_a_bar_beyond_the_picture_is_left_out() -> None:
    """Before it, after it, or of no length."""
    found = schedule(1, bar(0, 1, -9, -3), bar(0, 2, 11, 12), bar(0, 3, 1, 1))
    lines = drawing(found, found["hosts"], Look(width=60, ascii_only=True))
    assert lines[2].replace("|", "").split() == ["node-001"]
