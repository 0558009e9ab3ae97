"""Requests and answers of the REST API: what is carried out, what headers come with it, and how errors look."""

import json
import threading
from typing import Any

import pytest

from haizea.api.options import ApiOptions
from tests.api.calls import REQUEST, UNLIMITED, Caller, scenario
from tests.api.fake_manager import FakeManager


def test_a_request_gives_a_lease_and_says_where_it_is() -> None:
    """A request is answered with 201, the lease, its place and its version."""

    async def play(call: Caller) -> None:
        answer = await call("POST", "/v1/leases", json=REQUEST)
        assert (answer.status_code, answer.headers["location"], answer.headers["etag"]) == (201, "/v1/leases/1", '"1"')
        assert (answer.json()["owner"], answer.json()["vms"], answer.json()["state"]) == ("ada", 2, "scheduled")

    scenario(play)


def test_a_refused_request_is_a_rejected_lease() -> None:
    """A request that cannot be fulfilled is answered with a lease in state rejected and the reason."""

    async def play(call: Caller) -> None:
        large = {**REQUEST, "nodes": [{"count": 60, "resources": {"CPU": 100}}]}
        answer = await call("POST", "/v1/leases", json=large)
        assert answer.status_code == 201
        assert (answer.json()["state"], answer.json()["reason"]["cause"]) == ("rejected", "capacity")

    scenario(play)


def test_the_same_idempotency_key_gives_the_same_lease() -> None:
    """A request that is sent twice with one key makes one lease; the key cannot be used for another request."""

    async def play(call: Caller) -> None:
        key = {"Idempotency-Key": "once"}
        first = await call("POST", "/v1/leases", json=REQUEST, headers=key)
        second = await call("POST", "/v1/leases", json=REQUEST, headers=key)
        third = await call("POST", "/v1/leases", json={**REQUEST, "name": "other"}, headers=key)
        assert first.json() == second.json()
        assert (third.status_code, third.json()["code"]) == (409, "key-reused")
        assert (await call("GET", "/v1/leases")).json()["total"] == 1

    scenario(play)


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "é"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    """An idempotency key is 1 to 255 visible ASCII characters."""

    async def play(call: Caller) -> None:
        answer = await call("POST", "/v1/leases", json=REQUEST, headers={"Idempotency-Key": key.encode()})
        assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")

    scenario(play)


def test_a_lease_is_sent_again_only_when_it_has_changed() -> None:
    """With the version that the client has, the answer is 304 until something changes."""

    async def play(call: Caller) -> None:
        await call("POST", "/v1/leases", json=REQUEST)
        tag = (await call("GET", "/v1/leases/1")).headers["etag"]
        same = await call("GET", "/v1/leases/1", headers={"If-None-Match": f'"other", {tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        await call("DELETE", "/v1/leases/1")
        changed = await call("GET", "/v1/leases/1", headers={"If-None-Match": tag})
        assert (changed.status_code, changed.json()["state"]) == (200, "cancelled")

    scenario(play)


def test_a_list_has_a_tag_of_its_contents() -> None:
    """A list that has not changed is not sent again either."""

    async def play(call: Caller) -> None:
        tag = (await call("GET", "/v1/hosts")).headers["etag"]
        assert (await call("GET", "/v1/hosts", headers={"If-None-Match": tag})).status_code == 304

    scenario(play)


def test_a_list_leads_to_its_next_part() -> None:
    """Following Link with rel=next from the first part goes once through all leases, filters included."""

    async def play(call: Caller) -> None:
        for _ in range(7):
            await call("POST", "/v1/leases", json=REQUEST)
        seen, path = [], "/v1/leases?limit=3&state=scheduled&order=-id"
        while path:
            answer = await call("GET", path)
            assert answer.json()["total"] == 7
            seen += [lease["id"] for lease in answer.json()["items"]]
            path = answer.links.get("next", {}).get("url", "")
        assert seen == [7, 6, 5, 4, 3, 2, 1]

    scenario(play)


def test_a_link_cannot_be_broken_out_of() -> None:
    """What a client puts into a filter stands quoted in the Link header."""

    async def play(call: Caller) -> None:
        answer = await call("GET", '/v1/leases?name=%3E%3B%20rel%3D"x"%0d%0aEvil:%201&limit=1')
        assert answer.status_code == 422
        answer = await call("GET", '/v1/leases?name=%3E%3B%20rel%3D"x",&limit=1')
        assert answer.links["first"]["url"].startswith("/v1/leases?name=%3E%3B+rel%3D%22x%22%2C&")

    scenario(play)


def test_head_is_get_without_contents() -> None:
    """HEAD is answered as GET is, with the length but without the contents."""

    async def play(call: Caller) -> None:
        await call("POST", "/v1/leases", json=REQUEST)
        got, head = await call("GET", "/v1/leases/1"), await call("HEAD", "/v1/leases/1")
        assert (head.status_code, head.content, head.headers) == (200, b"", got.headers)

    scenario(play)


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code", "field"),
    [
        ("GET", "/v1/leases/99", {}, 404, "no-such-lease", None),
        ("GET", "/v1/leases/x", {}, 422, "invalid", "lease"),
        ("GET", "/v1/leases/0", {}, 422, "invalid", "lease"),
        ("GET", "/v1/leases/99999999999999999999", {}, 422, "invalid", "lease"),
        ("GET", "/v1/leases?limit=1001", {}, 422, "invalid", "limit"),
        ("GET", "/v1/leases?order=secret", {}, 422, "invalid", "order"),
        ("GET", "/v1/leases?name=%00", {}, 422, "invalid", "name"),
        ("GET", "/v1/leases/", {}, 404, "no-such-route", None),
        ("GET", "/nowhere", {}, 404, "no-such-route", None),
        ("PATCH", "/v1/leases", {}, 405, "method-not-allowed", None),
        ("POST", "/v1/leases", {}, 422, "invalid", "body"),
        ("POST", "/v1/leases", {"json": {**REQUEST, "colour": "red"}}, 422, "invalid", "colour"),
        ("POST", "/v1/leases", {"json": {**REQUEST, "nodes": []}}, 422, "invalid", "nodes"),
        ("POST", "/v1/dry-run", {"json": {**REQUEST, "start": "yesterday"}}, 422, "bad-instant", "start"),
        ("GET", "/v1/configuration", {}, 403, "role", None),
    ],
)
def test_an_error_is_a_problem_document(
    method: str, path: str, sent: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    """Every error names itself for machines and says in words what is wrong, and in which field."""

    async def play(call: Caller) -> None:
        answer = await call(method, path, **sent)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"], problem.get("field")) == (status, status, field)
        assert problem["code"].startswith(code)
        assert problem["type"] == f"urn:haizea:problem:{problem['code']}"
        assert problem["title"]
        assert problem["detail"]

    scenario(play)


def test_facts_of_an_error_are_told() -> None:
    """What the service says about an error, beyond the words, is in the document too."""

    async def play(call: Caller) -> None:
        many = {**REQUEST, "nodes": [{"count": 101, "resources": {"CPU": 100}}]}
        problem = (await call("POST", "/v1/leases", json=many)).json()
        assert (problem["status"], problem["code"], problem["limit"]) == (403, "quota-exceeded", 100)
        assert problem["remedy"] == "Ask for fewer VMs."

    scenario(play)


def test_a_method_that_is_not_there_names_those_that_are() -> None:
    """405 comes with Allow, with all methods of the path."""

    async def play(call: Caller) -> None:
        assert (await call("PUT", "/v1/leases")).headers["allow"] == "GET, HEAD, POST"
        assert (await call("POST", "/v1/leases/1")).headers["allow"] == "DELETE, GET, HEAD, PATCH"

    scenario(play)


def test_an_error_of_ours_tells_nothing_but_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes wrong inside is in the log, without the caller's token; the client gets the number of that line."""
    manager = FakeManager()
    manager.leases.broken = True

    async def play(call: Caller) -> None:
        answer = await call("POST", "/v1/leases", json=REQUEST)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret inside" not in answer.text
        assert "Traceback" not in answer.text
        logged = capsys.readouterr().out
        assert answer.json()["id"] in logged
        assert "secret inside" in logged
        assert "ada-token" not in logged

    scenario(play, manager=manager)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
        b"1" * 10_000,
        b'{"nodes":[],"duration":NaN}',
        b'{"\\ud800":1}',
        b'{"nodes":[{"resources":{"CPU":1e999}}],"duration":1}',
        b'{"nodes":[{"resources":{"CPU":1}}],"duration":1,"name":"\\ud800"}',
        b'{"nodes":[{"resources":{"CPU":1}}],"duration":1,"name":"\\u0000"}',
        b'"' + b"x" * 1_000_000 + b'"',
    ],
)
def test_hostile_json_is_refused_in_one_message(body: bytes) -> None:
    """JSON that is broken, deep, huge or outside of Unicode ends in a short problem document."""

    async def play(call: Caller) -> None:
        answer = await call("POST", "/v1/leases", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)
        assert len(answer.content) < 5_000
        assert answer.json()["detail"]

    scenario(play)


def test_many_errors_are_told_in_part() -> None:
    """Of a request with thousands of faults, only some are listed."""

    async def play(call: Caller) -> None:
        body = {"nodes": [{"count": 0, "resources": {f"r{i}": -1 for i in range(30)}}] * 90, "duration": -1}
        problem = (await call("POST", "/v1/leases", json=body)).json()
        assert len(problem["errors"]) == 20
        assert "more)" in problem["detail"]

    scenario(play)


def test_offers_are_held_accepted_and_declined() -> None:
    """An offer that is held becomes a lease when it is accepted, and nothing when it is declined."""

    async def play(call: Caller) -> None:
        free = (await call("POST", "/v1/offers", json=REQUEST)).json()["offers"][0]
        assert free["id"] is None
        held = (await call("POST", "/v1/offers?hold=true", json=REQUEST)).json()["offers"][0]["id"]
        accepted = await call("POST", f"/v1/offers/{held}/accept")
        assert (accepted.status_code, accepted.headers["location"]) == (201, "/v1/leases/1")
        assert (await call("POST", f"/v1/offers/{held}/accept")).status_code == 404
        held = (await call("POST", "/v1/offers?hold=true", json=REQUEST)).json()["offers"][0]["id"]
        declined = await call("DELETE", f"/v1/offers/{held}")
        assert (declined.status_code, declined.content) == (204, b"")

    scenario(play)


def test_cancelling_can_be_tried_first() -> None:
    """With dry_run a lease is shown as it would be, and stays as it is."""

    async def play(call: Caller) -> None:
        await call("POST", "/v1/leases", json=REQUEST)
        tried = await call("DELETE", "/v1/leases/1?dry_run=true")
        assert tried.json()["state"] == "cancelled"
        assert (await call("GET", "/v1/leases/1")).json()["state"] == "scheduled"
        done = await call("DELETE", "/v1/leases/1?reason=not%20needed")
        assert done.json()["state"] == "cancelled"
        assert (await call("DELETE", "/v1/leases/1")).status_code == 409

    scenario(play)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/leases/1/timeline", "/v1/leases/1/explanation", "/v1/queue", "/v1/schedule", "/v1/calendar", "/v1/hosts",
        "/v1/hosts/node1", "/v1/events", "/v1/usage?by=group&period=month", "/v1/status", "/v1/version",
        "/v1/policies", "/v1/configuration", "/v1/users", "/v1/groups", "/v1/tokens", "/v1/quotas", "/v1/webhooks",
        "/v1/whoami",
    ],
)  # fmt: skip
def test_everything_can_be_read(path: str) -> None:
    """Whatever the service can show has a path."""

    async def play(call: Caller) -> None:
        await call("POST", "/v1/leases", json=REQUEST)
        answer = await call("GET", path)
        assert (answer.status_code, type(answer.json())) == (200, dict)

    scenario(play, token="root-token")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/users/eve", {"role": "operator", "groups": ["research"]}),
        ("/v1/quotas/user/ada", {"vms": 5}),
        ("/v1/quotas/default", {"core_hours": 10.5, "period": "week"}),
    ],
)
def test_accounts_are_written_read_and_deleted(path: str, body: dict[str, Any]) -> None:
    """What is put is listed with what was said of it, and after deletion it is not."""

    async def play(call: Caller) -> None:
        put = await call("PUT", path, json=body)
        assert (put.status_code, {name: put.json()[name] for name in body}) == (200, body)
        listed = "/" + "/".join(path.split("/")[1:3])
        assert (await call("GET", listed)).json()["items"] == [put.json()]
        assert (await call("DELETE", path)).status_code == 204
        assert (await call("GET", listed)).json()["items"] == []

    scenario(play, token="root-token")


def test_the_caller_is_told_who_they_are() -> None:
    """The answer names user, role, groups and how they were believed."""

    async def play(call: Caller) -> None:
        who = (await call("GET", "/v1/whoami")).json()
        assert who == {"user": "bob", "role": "user", "groups": ["research"], "scopes": [], "via": "token"}

    scenario(play, token="bob-token")


def test_health_is_told_to_anybody() -> None:
    """Whoever watches the daemon needs no token, and gets 503 with the reason when it is not well."""
    manager = FakeManager()

    async def play(call: Caller) -> None:
        assert (await call("GET", "/healthz")).json() == {"ok": True, "detail": ""}
        manager.system.well = False
        answer = await call("GET", "/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "the loop has stopped")

    scenario(play, token=None, manager=manager)


def test_pages_need_no_network_and_no_script() -> None:
    """The front page and the reference can be read as they come; the reference has every path."""

    async def play(call: Caller) -> None:
        front, reference = await call("GET", "/"), await call("GET", "/docs")
        for page in (front, reference):
            assert page.headers["content-type"].startswith("text/html")
            assert "<script" not in page.text
            assert "http" not in page.text.replace("https://HOST", "").replace("http://", "", 0).split("<body>")[0]
        paths = (await call("GET", "/v1/openapi.json")).json()["paths"]
        assert all(f"<code>{path}</code>" in reference.text for path in paths)

    scenario(play, token=None)


def test_a_busy_server_says_so() -> None:
    """While all threads are taken a request waits; after a while, or behind too many others, it is refused."""
    manager = FakeManager()
    manager.leases.pause_s = 0.8
    options = ApiOptions(door=UNLIMITED, readers=1, writers=1, wait_s=0.2, waiting_max=1)

    async def play(call: Caller) -> None:
        import asyncio

        answers = await asyncio.gather(*(call("POST", "/v1/leases", json=REQUEST) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 503, 503, 503]
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert (refused.json()["code"], refused.headers["retry-after"]) == ("busy", "1")

    scenario(play, manager=manager, options=options)


def test_reading_goes_on_while_the_loop_is_stuck() -> None:
    """Requests that wait for the loop leave the threads of those that only read alone."""
    manager = FakeManager()
    options = ApiOptions(door=UNLIMITED, readers=1, writers=1, wait_s=0.2)

    async def play(call: Caller) -> None:
        import asyncio

        manager.leases.lock.acquire()
        stuck = asyncio.create_task(call("POST", "/v1/leases", json=REQUEST))
        await asyncio.sleep(0.05)
        assert (await call("GET", "/v1/leases")).status_code == 200
        manager.leases.lock.release()
        assert (await stuck).status_code == 201

    scenario(play, manager=manager, options=options)


def test_requests_run_beside_each_other() -> None:
    """Two requests that take a while are carried out at the same time, each once."""
    manager = FakeManager()
    manager.leases.pause_s = 0.05
    threads = set()
    original = manager.leases.show

    def show(*given: Any) -> Any:
        threads.add(threading.current_thread().name)
        return original(*given)

    manager.leases.show = show  # type: ignore[method-assign,assignment]

    async def play(call: Caller) -> None:
        import asyncio

        await call("POST", "/v1/leases", json=REQUEST)
        await asyncio.gather(*(call("GET", "/v1/leases/1") for _ in range(4)))
        assert len(threads) > 1

    scenario(play, manager=manager)


def test_problems_are_ascii() -> None:
    """Whatever a client sent can be told back: a problem document has no character that could not be encoded."""

    async def play(call: Caller) -> None:
        answer = await call(
            "POST", "/v1/leases", content=b'{"\\udfff\\u2028":1}', headers={"content-type": "application/json"}
        )
        assert answer.content.isascii()
        assert json.loads(answer.content)["status"] == 422

    scenario(play)
