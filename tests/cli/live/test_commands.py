"""Looking at things and administering them: what is printed, what is sent, and the exit statuses."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from haizea.cli.commands import haizea as root
from tests.cli.live.conftest import Run
from tests.client.fake_server import FakeServer, Reply, entry, event, host, lease, outcome, page, problem, status


def test_leases_are_listed(server: FakeServer, run: Run) -> None:
    """Those that are not over, unless more is wanted."""
    server.put("GET", "/v1/leases", page(lease(1, name="web"), lease(2, duration_s=None, ends=None)))
    server.put("GET", "/v1/status", status())
    first = run("lease", "list").out.splitlines()[1]
    assert re.split(r"\s{2,}", first.strip()) == [
        "1", "web", "ada", "AR", "scheduled", "2", "2026-11-25 14:00:00", "2026-11-25 15:00:00", "host-1, host-2",
    ]  # fmt: skip
    assert server.seen[-1].query["active"] == ["true"]
    run("lease", "list", "--all", "--type", "AR", "--owner", "bob", "--since", "2026-11-01 10:00 UTC", "--limit", 5)
    assert "active" not in server.seen[-1].query
    assert server.seen[-1].query["since"] == ["2026-11-01T10:00:00Z"]


def test_a_list_of_nothing_says_so_to_people_only(server: FakeServer, run: Run) -> None:
    """Programs get an empty list."""
    server.put("GET", "/v1/leases", page())
    assert run("lease", "list") == (0, "", "there are no such leases\n")
    assert run("lease", "list", "-o", "json").out == "[]\n"
    assert run("lease", "list", "-o", "csv", "--columns", "id").out == "id\n"


def test_lists_in_every_format(server: FakeServer, run: Run) -> None:
    """Programs get instants and numbers as the server says them."""
    server.put("GET", "/v1/leases", page(lease(1, name="a,b"), lease(2, state="active")))
    assert json.loads(run("lease", "list", "-o", "json").out)[0]["starts"] == "2026-11-25T13:00:00Z"
    rows = list(csv.DictReader(io.StringIO(run("lease", "list", "-o", "csv").out)))
    assert (rows[0]["name"], rows[0]["hosts"], rows[0]["duration"]) == ("a,b", "host-1,host-2", "3600.0")
    assert run("lease", "list", "-o", "yaml", "--columns", "id,state").out.startswith("- id: 1\n  state: scheduled\n")
    assert "submitted" in run("lease", "list", "-o", "wide").out


def test_columns_and_filters(server: FakeServer, run: Run) -> None:
    """By the names of columns or by paths; filters agree, all of them."""
    leases = page(lease(1), lease(2, state="active"), lease(3, state="active", owner="bob"))
    server.put("GET", "/v1/leases", leases)
    chosen = ("lease", "list", "-o", "csv", "--columns", "id,plan.0.phase")
    assert run(*chosen, "--filter", "state=ACT*", "--filter", "owner!=bob").out == "id,plan.0.phase\n2,scheduled\n"
    assert run(*chosen, "--filter", "nothing=1").status == 2
    assert run("lease", "list", "--columns", "nothing").status == 2
    assert run("lease", "list", "--filter", "state").status == 2


def test_nothing_that_a_server_says_steers_the_terminal(server: FakeServer, run: Run) -> None:
    """Control characters are made visible in tables, sentences and messages; JSON escapes them."""
    evil = "\x1b]0;x\x07\x9b31m\u202e"
    server.put("GET", "/v1/leases", page(lease(1, name=evil)))
    server.put("GET", "/v1/leases/1", lease(1, name=evil))
    server.put("POST", "/v1/leases/1/cancel", problem(409, "conflict", evil, evil))
    server.put("GET", "/v1/queue", Reply(200, {"total": 1, "items": [{"position": 1, "name": evil}]}))
    printed = [run("lease", "list"), run("lease", "show", 1), run("lease", "cancel", 1), run("queue")]
    printed += [run("lease", "list", "-o", form) for form in ("json", "yaml")]
    for shown in printed:
        text = shown.out + shown.err
        assert [c for c in text if not c.isprintable() and c != "\n"] == []
        assert len(text) > 5


def test_a_terminal_is_asked_first(server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No is no, --yes asks nothing."""
    server.put("POST", "/v1/leases/1/cancel", outcome(lease(1, state="cancelled")))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *args, **kwargs: False)
    assert run("lease", "cancel", 1) == (1, "", "haizea: nothing was changed\n")
    assert server.seen == []
    assert run("lease", "cancel", 1, "--yes").status == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (problem(401, "unauthenticated", "who?"), 4),
        (problem(403, "forbidden", "no"), 4),
        (problem(403, "quota-exceeded", "no"), 1),
        (problem(404, "not-found", "no"), 5),
        (problem(409, "conflict", "no"), 1),
        (problem(422, "invalid", "no"), 1),
        (problem(429, "too-many-requests", "no"), 1),
        (problem(500, "error", "no"), 1),
        (problem(503, "unavailable", "no"), 3),
        (Reply(200, b"<html>"), 3),
    ],
)
def test_exit_statuses(server: FakeServer, run: Run, reply: Reply, expected: int) -> None:
    """Each kind of fault has its own, for ever."""
    server.put("GET", "/v1/leases/1", reply)
    outcome = run("lease", "show", 1)
    assert (outcome.status, outcome.out) == (expected, "")
    assert outcome.err.startswith("haizea: ")


def test_a_server_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """Exit status 3, and how to start one; exit status 6 where it says nothing."""
    outcome = run("status", "--server", f"unix://{tmp_path}/none")
    assert outcome.status == 3
    assert outcome.err.splitlines()[1] == "haizea: start one with: haizea serve"
    assert run("status", "--server", "nonsense").status == 2


def test_hosts(server: FakeServer, run: Run) -> None:
    """Listed, and one shown by name."""
    server.put("GET", "/v1/hosts", {"items": [host(1), host(2)]})
    server.put("GET", "/v1/hosts/host-2", host(2))
    assert "2 cores, 4 GiB  8 cores, 16 GiB" in run("host", "list").out
    assert "rack=r1" in run("host", "show", "host-2").out


def test_the_status(server: FakeServer, run: Run) -> None:
    """With what it warns of."""
    server.put("GET", "/v1/status", status(time_scale=60.0))
    outcome = run("status")
    assert "60 times as fast as life" in outcome.out
    assert outcome.out.splitlines()[-1] == "warning: the disk is full"
    assert json.loads(run("status", "-o", "json").out)["entries"] == 120


def test_the_queue(server: FakeServer, run: Run) -> None:
    """In order, with why and until when."""
    item = {
        "position": 1, "lease": 5, "name": "n", "owner": "ada", "vms": 3, "state": "queued", "waiting_s": 125.0,
        "submitted": "2026-11-22T20:00:00Z", "expected_start": "2026-11-22T21:00:00Z",
        "reason": {"cause": "full", "text": "all hosts are full", "hosts": {}, "leases": [], "retry_at": None},
    }  # fmt: skip
    server.put("GET", "/v1/queue", {"total": 1, "items": [item]})
    first = run("queue").out.splitlines()[1]
    assert re.split(r"\s{2,}", first.strip())[4:] == ["3", "00:02:05", "2026-11-22 22:00:00", "all hosts are full"]


def test_watching_shows_it_again(server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until interrupted, which is no fault."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("haizea.cli.live.output.sleep", sleep)
    server.put("GET", "/v1/status", status(queue=1), status(queue=7))
    outcome = run("status", "--watch", "5", "-o", "csv", "--columns", "queue")
    assert (outcome.status, outcome.out) == (0, "queue\n1\n\nqueue\n7\n")
    assert slept == [5.0, 5.0]


def test_events_are_listed_and_followed(server: FakeServer, run: Run) -> None:
    """The latest ones; then as they come, one a line."""
    server.put("GET", "/v1/status", status(entries=120))
    found = [entry(119), entry(120, lease=None, host="host-1", text="host-1 is down")]
    pages = {"118": {"items": found, "cursor": 120}, "120": {"items": [], "cursor": 120}}
    server.put("GET", "/v1/events", lambda seen: pages[seen.query["after"][0]])
    rows = json.loads(run("event", "list", "--limit", 2, "-o", "json").out)
    assert [row["number"] for row in rows] == [119, 120]
    server.streams = [event(found[0]) + event(found[1])]
    outcome = run("event", "follow", "--after", 118, "--count", 2)
    assert outcome.out.splitlines() == [
        "2026-11-22 21:00:00 #119 lease-changed lease 17: lease 17 is active (haizea)",
        "2026-11-22 21:00:00 #120 lease-changed host-1: host-1 is down (haizea)",
    ]


def test_following_may_take_only_so_long(server: FakeServer, run: Run) -> None:
    """Exit status 6 where nothing more came."""
    assert run("event", "follow", "--time-limit", "0.1s").status == 6


def test_usage(server: FakeServer, run: Run) -> None:
    """Numbers to the right, hours with two decimals; times may be in the past."""
    line = {
        "subject": "ada", "period": "2026-11", "leases": 12, "vm_hours": 1234.5, "core_hours": 2469.0,
        "memory_gib_hours": 1.0, "lost_core_hours": 0.0,
    }  # fmt: skip
    server.put("GET", "/v1/status", status())
    server.put("GET", "/v1/usage", {"start": "", "end": "", "items": [line]})
    assert "1,234.50" in run("usage", "--from", "2026-11-01", "--by", "user", "--period", "month").out
    assert server.seen[-1].query == {"start": ["2026-10-31T23:00:00Z"], "by": ["user"], "period": ["month"]}


def test_users_are_made_and_changed(server: FakeServer, run: Run) -> None:
    """What is not given stays as it is."""
    server.put("PUT", "/v1/users/bob", {})
    assert run("user", "set", "bob", "--role", "operator").err == "haizea: user bob was made\n"
    assert server.seen[-1].body == {"role": "operator"}
    known = {"name": "bob", "role": "operator", "groups": ["g"], "disabled": False, "created": "", "note": "n"}
    server.put("GET", "/v1/users/bob", known)
    run("user", "set", "bob", "--disable", "--no-groups")
    assert server.seen[-1].body == {"role": "operator", "groups": [], "disabled": True, "note": "n"}
    server.put("DELETE", "/v1/users/bob", Reply(204))
    assert run("user", "delete", "bob").status == 0
    server.put("PUT", "/v1/groups/g", {})
    assert run("group", "set", "g", "--note", "x").status == 0


def test_a_tokens_secret_alone_is_on_standard_output(server: FakeServer, run: Run) -> None:
    """HAIZEA_TOKEN=$(haizea token create) works."""
    made = {
        "id": "t1", "user": "ada", "label": "ci", "scopes": ["lease"], "created": "2026-11-22T20:00:00Z",
        "expires": None, "revoked": None, "secret": "s3cret",
    }  # fmt: skip
    server.put("POST", "/v1/tokens", made)
    outcome = run("token", "create", "--label", "ci", "--scope", "lease", "--expires", "+30d")
    assert outcome.out == "s3cret\n"
    assert server.seen[-1].body == {"label": "ci", "scopes": ["lease"], "expires": "+30:00:00:00"}
    server.put("DELETE", "/v1/tokens/t1", Reply(204))
    assert run("token", "revoke", "t1").status == 0


def test_quotas_are_set(server: FakeServer, run: Run) -> None:
    """In the units of options; what is not given stays, none takes a limit away."""
    server.put("GET", "/v1/quotas", {"items": []})
    server.put("PUT", "/v1/quotas/user/ada", {})
    server.put("PUT", "/v1/quotas/default", {})
    run("quota", "set", "user", "ada", "--vms", 10, "--cpu", 16, "--memory", "64G", "--horizon", "30d")
    assert server.seen[-1].body == {"vms": 10, "cpu": 1600, "memory": 65536, "horizon_s": 2_592_000.0}
    known: dict[str, Any] = {
        "kind": "default", "subject": "", "vms": 5, "cpu": 100, "memory": None, "core_hours": 7.5, "period": "week",
        "horizon_s": None, "used_vms": 1, "used_cpu": 1, "used_memory": 1, "used_core_hours": 1.0,
    }  # fmt: skip
    server.put("GET", "/v1/quotas", {"items": [known]})
    run("quota", "set", "default", "--cpu", "none")
    assert server.seen[-1].body == {
        "vms": 5, "cpu": None, "memory": None, "core_hours": 7.5, "period": "week", "horizon_s": None,
    }  # fmt: skip
    for wrong in (["user"], ["default", "ada"], ["user", "ada", "--vms", "x"], ["user", "ada", "--core-hours", "nan"]):
        assert run("quota", "set", *wrong).status == 2


def test_webhooks(server: FakeServer, run: Run) -> None:
    """The secret that signs alone is on standard output."""
    made = {
        "id": 3, "owner": "ada", "url": "https://x", "kinds": [], "created": "2026-11-22T20:00:00Z", "cursor": 0,
        "failures": 0, "disabled": False, "secret": "sig",
    }  # fmt: skip
    server.put("POST", "/v1/webhooks", made)
    server.put("DELETE", "/v1/webhooks/3", Reply(204))
    assert run("webhook", "add", "https://x", "--kind", "notice").out == "sig\n"
    assert run("webhook", "remove", 3).status == 0


def test_contexts(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Added, chosen, listed without their tokens, removed."""
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    assert run("context", "add", "site", "https://h:1", "--token-file", tmp_path / "token").status == 0
    assert run("context", "add", "other", "unix:///s").status == 0
    listed = run("context", "list", "-o", "csv")
    assert listed.out == "name,server,token,cafile,current\nsite,https://h:1,true,,true\nother,unix:///s,false,,false\n"
    monkeypatch.delenv("HAIZEA_SERVER")
    assert run("context", "use", "other").status == 0
    assert "meant now: unix:///s (context other)" in run("context", "list").err
    assert run("context", "remove", "other").status == 0
    assert run("context", "use", "other").status == 2
    assert run("context", "use").status == 2
    assert run("context", "add", "a b", "unix:///s").status == 2


def test_explanations_and_timelines(server: FakeServer, run: Run) -> None:
    """What happened, what is planned, why, what would help."""
    run_ = {"kind": "run", "start": "2026-11-22T20:00:00Z", "end": None, "outcome": "done", "hosts": {"host-1": "1"}}
    plan = lease(17).plan
    server.put("GET", "/v1/leases/17/timeline", {"lease": 17, "past": [run_], "plan": plan, "entries": [entry(1)]})
    rows = list(csv.DictReader(io.StringIO(run("lease", "timeline", 17, "-o", "csv").out)))
    assert [(row["what"], row["outcome"]) for row in rows] == [("run", "done"), ("scheduled", "planned")]
    assert "lease 17 is active" in run("lease", "timeline", 17, "--events").out
    explanation = {
        "lease": 17, "state": "queued", "text": "it waits for 3", "reason": None, "in_the_way": [3],
        "expected_start": "2026-11-22T21:00:00Z", "suggestions": [],
    }  # fmt: skip
    server.put("GET", "/v1/leases/17/explanation", explanation)
    assert "it waits for 3" in run("lease", "explain", 17).out


def _completed(words: str) -> list[str]:
    environ = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - (not words.endswith(" ")))}
    made = CliRunner().invoke(root, prog_name="haizea", env={**environ, "_HAIZEA_COMPLETE": "bash_complete"})
    return [line.partition(",")[2] for line in made.output.splitlines() if line]


def test_shells_complete_what_the_server_knows(server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases and hosts by what is typed; nothing, silently, where there is no server."""
    server.put("GET", "/v1/leases", page(lease(17), lease(18), lease(25)))
    server.put("GET", "/v1/hosts", {"items": [host(1), host(2)]})
    assert _completed("haizea lease show 1") == ["17", "18"]
    assert _completed("haizea host show ") == ["host-1", "host-2"]
    assert "lease" in _completed("haizea le")
    monkeypatch.setenv("HAIZEA_SERVER", "unix:///nowhere")
    assert _completed("haizea lease show 1") == []


def test_the_newest_events_are_listed_however_few_are_wanted(server: FakeServer, run: Run) -> None:
    """As many as asked for, in order, although others of the journal are not wanted or not to be seen."""
    server.put("GET", "/v1/status", status(entries=1_000))
    wanted = (100, 400, 900)

    def answer(seen: Any) -> dict[str, Any]:
        after = int(seen.query["after"][0])
        return {"items": [entry(number) for number in wanted if number > after], "cursor": 1_000}

    server.put("GET", "/v1/events", answer)
    rows = json.loads(run("event", "list", "--limit", 2, "--kind", "notice", "-o", "json").out)
    assert [row["number"] for row in rows] == [400, 900]
    rows = json.loads(run("event", "list", "--limit", 9, "-o", "json").out)
    assert [row["number"] for row in rows] == [100, 400, 900]


def test_how_much_is_free_is_shown(server: FakeServer, run: Run) -> None:
    """One line for each time in which nothing changes, with what is free and used over all hosts."""
    samples = [
        {"at": "2026-11-25T13:00:00Z", "used": {"CPU": 100, "Memory": 1024}, "free": {"CPU": 300, "Memory": 3072}},
        {"at": "2026-11-25T14:00:00Z", "used": {"CPU": 0, "Memory": 0}, "free": {"CPU": 400, "Memory": 4096}},
    ]
    server.put("GET", "/v1/calendar", Reply(200, {"total": {"CPU": 400, "Memory": 4096}, "samples": samples}))
    lines = [re.split(r"\s{2,}", line.strip()) for line in run("calendar").out.splitlines()]
    assert lines[0] == ["from", "until", "free", "used"]
    assert lines[1] == ["2026-11-25 14:00:00", "2026-11-25 15:00:00", "3 cores, 3 GiB", "1 core, 1 GiB"]
    server.put("GET", "/v1/status", status())
    run("calendar", "--from", "2026-11-25 13:00 UTC", "--to", "2026-11-26 13:00 UTC")
    assert server.seen[-1].query == {"start": ["2026-11-25T13:00:00Z"], "end": ["2026-11-26T13:00:00Z"]}
    assert json.loads(run("calendar", "-o", "json").out)[0]["free"]["CPU"] == 300


def test_what_the_server_goes_by_is_shown(server: FakeServer, run: Run) -> None:
    """Its policies and settings, as they are there and not in a file here."""
    found = [
        {"kind": "admission", "name": "accept-all", "summary": "Every request.", "chosen": False},
        {"kind": "admission", "name": "no-ARs", "summary": "No reservations.", "chosen": True},
    ]
    server.put("GET", "/v1/policies", Reply(200, {"items": found}))
    assert "accept-all" in run("policies").out
    assert run("policies", "--chosen", "-o", "csv", "--columns", "kind,name").out == "kind,name\nadmission,no-ARs\n"
    settings = {"server": {"listen": "127.0.0.1:42480", "rate": 500.0}, "live": {"site": "4 CPU:400 Memory:8192"}}
    server.put("GET", "/v1/configuration", Reply(200, settings))
    assert run("configuration", "-o", "csv").out.splitlines() == [
        "option,value", "server.listen,127.0.0.1:42480", "server.rate,500.0", "live.site,4 CPU:400 Memory:8192",
    ]  # fmt: skip
    assert "server.listen" not in run("configuration", "live").out
    assert run("configuration", "nothing").status == 2


def test_whom_the_server_takes_one_for_is_shown(server: FakeServer, run: Run) -> None:
    """Name, role and groups, and how it knows."""
    who = {"user": "ada", "role": "user", "groups": ["research"], "scopes": [], "via": "token"}
    server.put("GET", "/v1/whoami", Reply(200, who))
    assert [line.split(None, 1) for line in run("whoami").out.splitlines()] == [
        ["user", "ada"], ["role", "user"], ["groups", "research"], ["scopes", "all that the role may"], ["by", "token"],
    ]  # fmt: skip
    assert json.loads(run("whoami", "-o", "json").out) == who


def test_usage_has_periods_only_where_they_are_asked_for(server: FakeServer, run: Run) -> None:
    """A column in which nothing stands is left out."""
    line = {"subject": "ada", "period": "", "leases": 1, "vm_hours": 1, "core_hours": 2, "memory_gib_hours": 3,
            "lost_core_hours": 0}  # fmt: skip
    server.put("GET", "/v1/usage", Reply(200, {"start": "", "end": "", "items": [line]}))
    assert "period" not in run("usage").out
    assert "period" in run("usage", "--period", "day").out
    assert run("usage", "-o", "csv", "--columns", "who,period").out == "who,period\nada,\n"


def test_the_queue_says_who_has_a_reservation(server: FakeServer, run: Run) -> None:
    """A lease that waits for its reservation to begin is not called ready there."""
    items = [{"position": 1, "lease": 5, "state": "ready"}, {"position": 2, "lease": 6, "state": "queued"}]
    server.put("GET", "/v1/queue", Reply(200, {"total": 2, "items": items}))
    lines = run("queue", "-o", "wide", "--columns", "lease,state").out.splitlines()
    assert [line.split() for line in lines[1:]] == [["5", "reserved"], ["6", "queued"]]


def test_what_is_over_a_quota_is_told_without_a_field(server: FakeServer, run: Run) -> None:
    """The part of a request is named where it is wrong, not where it is only more than one may have."""
    refused = problem(403, "quota-exceeded", "ada may have 2 VMs", "Wait.", field="nodes")
    server.put("POST", "/v1/leases", refused)
    assert run("lease", "request", "--duration", "10m").err.startswith("haizea: ada may have 2 VMs\n")
    server.put("POST", "/v1/leases", problem(422, "invalid", "expected more", "", field="nodes"))
    assert run("lease", "request", "--duration", "10m").err.startswith("haizea: nodes: expected more\n")
