"""Who is let in: names, tokens, limits, and what is refused before anybody looks into it."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.api.options import ApiOptions, DoorOptions
from haizea.api.peers import Peer, is_loopback
from haizea.service.limits import Buckets
from tests.api.calls import REQUEST, UNLIMITED, Caller, scenario
from tests.api.fake_manager import ANONYMOUS, FakeManager


def basic(user: str, token: str) -> dict[str, str]:
    """Return the header of a user and a token."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer ada-token"}, 200),
        ({"authorization": "bearer   ada-token "}, 200),
        (basic("ada", "ada-token"), 200),
        (basic("", "ada-token"), 200),
        (basic("bob", "ada-token"), 401),
        (basic("ada", "wrong"), 401),
        ({"authorization": "Basic %%%"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Digest x"}, 401),
        ({}, 401),
    ],
)
def test_a_caller_names_itself_with_a_token(headers: dict[str, str], status: int) -> None:
    """A token is believed as bearer token or as the password of its user, and nothing else is."""

    async def play(call: Caller) -> None:
        answer = await call("GET", "/v1/whoami", headers=headers)
        assert answer.status_code == status
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["detail"]

    scenario(play, token=None)


def test_nobody_in_particular_is_let_in_only_where_that_is_allowed() -> None:
    """Without a token, callers on loopback are anonymous if the site allows that; others never are."""
    manager = FakeManager()
    manager.accounts.anonymous_as = ANONYMOUS
    allowed = ApiOptions(door=UNLIMITED._replace(anonymous=True))

    async def in_(call: Caller) -> None:
        assert (await call("GET", "/v1/whoami")).json()["user"] == "anonymous"

    async def out(call: Caller) -> None:
        assert (await call("GET", "/v1/whoami")).status_code == 401

    scenario(in_, token=None, manager=manager, options=allowed)
    scenario(in_, token=None, manager=manager, options=allowed, address="::1")
    scenario(out, token=None, manager=manager)
    scenario(out, token=None, manager=manager, options=allowed, address="192.0.2.7")


def test_a_revoked_token_is_refused_at_once() -> None:
    """A token that was used a moment ago is not believed any more once it is revoked."""

    async def play(call: Caller) -> None:
        made = (await call("POST", "/v1/tokens", json={})).json()["secret"]
        own = {"authorization": f"Bearer {made}"}
        assert (await call("GET", "/v1/whoami", headers=own)).status_code == 200
        assert (await call("DELETE", f"/v1/tokens/{made}")).status_code == 204
        assert (await call("GET", "/v1/whoami", headers=own)).status_code == 401

    scenario(play, token="root-token")


def test_the_accounts_are_not_asked_for_every_request() -> None:
    """Many requests with one token, right or wrong, cost one look-up for a moment."""

    async def play(call: Caller) -> None:
        for _ in range(20):
            await call("GET", "/v1/whoami")
            await call("GET", "/v1/whoami", headers={"authorization": "Bearer wrong"})
        assert call.manager.accounts.asked <= 6

    scenario(play)


def test_somebody_who_guesses_is_stopped_and_others_are_not() -> None:
    """Unknown tokens from one address are limited; one that was believed before still is."""
    options = ApiOptions(door=DoorOptions(rate=0, peer_rate=0.01, peer_burst=10))

    async def play(call: Caller) -> None:
        assert (await call("GET", "/v1/whoami")).status_code == 200
        statuses = [
            (await call("GET", "/v1/whoami", headers={"authorization": f"Bearer guess-{guess}"})).status_code
            for guess in range(15)
        ]
        assert statuses == [401] * 10 + [429] * 5
        assert call.manager.accounts.asked <= 12
        assert (await call("GET", "/v1/whoami")).status_code == 200

    scenario(play, options=options)


def test_each_principal_has_a_rate() -> None:
    """Who sends too much is told when to come back; others are not concerned."""
    options = ApiOptions(door=DoorOptions(rate=0.5, burst=5, peer_rate=0))

    async def play(call: Caller) -> None:
        answers = [await call("GET", "/v1/whoami") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1
        other = await call("GET", "/v1/whoami", headers={"authorization": "Bearer bob-token"})
        assert other.status_code == 200

    scenario(play, options=options)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:42480", 200),
        ("LOCALHOST.", 200),
        ("127.0.0.1:1", 200),
        ("127.1.2.3", 200),
        ("[::1]:42480", 200),
        ("haizea.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[::2]", 421),
    ],
)
def test_only_this_machine_is_meant_on_loopback(host: str, status: int) -> None:
    """A name that a web page has lead to loopback is not served there."""
    options = ApiOptions(door=UNLIMITED._replace(hosts=("haizea.example",)))

    async def play(call: Caller) -> None:
        assert (await call("GET", "/v1/whoami", headers={"host": host})).status_code == status

    scenario(play, options=options)


def test_elsewhere_hosts_are_checked_if_there_are_any() -> None:
    """Off loopback any name is served, unless the site names those that are."""

    async def play(call: Caller) -> None:
        assert (await call("GET", "/v1/whoami", headers={"host": "any.example"})).status_code == 200

    async def refused(call: Caller) -> None:
        assert (await call("GET", "/v1/whoami", headers={"host": "any.example"})).status_code == 421

    scenario(play, address="192.0.2.7")
    scenario(refused, address="192.0.2.7", options=ApiOptions(door=UNLIMITED._replace(hosts=("haizea.example",))))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost"}, 200),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    ],
)
def test_pages_of_others_cannot_send_requests(headers: dict[str, str], status: int) -> None:
    """What a browser sends for a page of another origin is refused, and no answer is shared with one."""

    async def play(call: Caller) -> None:
        answer = await call("GET", "/v1/whoami", headers=headers)
        assert answer.status_code == status
        assert not any(name.startswith("access-control") for name in answer.headers)

    scenario(play)


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_what_a_form_can_send_is_no_json(media: str) -> None:
    """A body must be said to be JSON, which the form of a web page cannot do."""

    async def play(call: Caller) -> None:
        answer = await call("POST", "/v1/leases", content=b'{"a":1}', headers={"content-type": media})
        assert (answer.status_code, answer.json()["code"]) == (415, "media-type")
        answer = await call(
            "POST", "/v1/leases", json=REQUEST, headers={"content-type": "Application/JSON; charset=utf-8"}
        )
        assert answer.status_code == 201

    scenario(play)


def test_a_body_has_a_limit() -> None:
    """More than a mebibyte is refused, whether its length is announced or not."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    async def play(call: Caller) -> None:
        json = {"content-type": "application/json"}
        announced = await call("POST", "/v1/leases", content=b"x" * ((1 << 20) + 1), headers=json)
        chunked = await call("POST", "/v1/leases", content=pieces(), headers=json)
        assert (announced.status_code, chunked.status_code) == (413, 413)
        assert announced.headers["connection"] == "close"
        assert (await call("POST", "/v1/leases", content=b" " * (1 << 20), headers=json)).status_code in (400, 422)

    scenario(play)


def test_memory_for_bodies_is_limited() -> None:
    """When large bodies take up the memory that there is for them, one more is refused, and later ones are not."""
    options = ApiOptions(door=UNLIMITED._replace(bodies_max=50))

    async def play(call: Caller) -> None:
        assert (await call("POST", "/v1/leases", json=REQUEST)).json()["code"] == "busy"
        assert (await call("PUT", "/v1/users/x", json={"a": 1})).status_code == 422

    scenario(play, options=options)


def test_a_long_url_is_refused() -> None:
    """A URL beyond the limit is refused with its own status."""

    async def play(call: Caller) -> None:
        assert (await call("GET", "/v1/leases?name=" + "x" * 9_000)).status_code == 414

    scenario(play)


def test_a_header_that_decides_is_there_once() -> None:
    """Two headers that name the caller are refused: others on the way may have looked at the other one."""

    async def play(call: Caller) -> None:
        headers = httpx.Headers([("authorization", "Bearer ada-token"), ("authorization", "Bearer root-token")])
        async with httpx.AsyncClient(transport=call.transport, base_url="http://localhost") as client:
            assert (await client.get("/v1/whoami", headers=headers)).status_code == 400

    scenario(play, token=None)


def test_every_answer_is_safe_to_show() -> None:
    """Answers and refusals alike say that they are not to be guessed at, framed or kept."""

    async def play(call: Caller) -> None:
        for path in ("/", "/v1/whoami", "/nowhere", "/v1/leases/x"):
            headers = (await call("GET", path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "cache-control" in headers
            assert "server" not in headers

    scenario(play)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=60), st.integers(1, 5), st.integers(1, 10))
def test_nobody_gets_more_than_rate_and_burst(calls: list[tuple[str, float]], rate: int, burst: int) -> None:
    """In any time, a key gets at most its burst and what was refilled meanwhile."""
    now = 0.0
    buckets = Buckets(rate, burst, clock=lambda: now)
    taken: dict[str, int] = {}
    for key, pause in calls:
        now += pause
        wait = buckets.take(key)
        taken[key] = taken.get(key, 0) + (wait == 0)
        assert 0 <= wait <= 1 / rate
        assert taken[key] <= burst + now * rate + 1e-6


def test_buckets_are_forgotten_beyond_a_number() -> None:
    """However many keys come, only so many are remembered."""
    buckets = Buckets(1, 1, most=100)
    for key in range(1_000):
        buckets.take(str(key))
    assert len(buckets) == 100


def test_addresses_of_one_network_share_a_bucket() -> None:
    """Of IPv6 the network counts, for one machine can have as many addresses as it likes; IPv4 counts as it is."""
    assert Peer(address="2001:db8::1").key == Peer(address="2001:db8::ffff:2").key
    assert Peer(address="2001:db8:0:1::1").key != Peer(address="2001:db8::1").key
    assert Peer(address="192.0.2.1").key != Peer(address="192.0.2.2").key
    assert Peer(uid=1000).key != Peer(uid=1001).key


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
     ("::ffff:10.0.0.1", False), ("localhost", False), ("", False), ("0.0.0.0", False)],
)  # fmt: skip
def test_loopback_is_known_by_its_address(address: str, loopback: bool) -> None:
    """All addresses of this machine's own network are loopback, however they are written."""
    assert is_loopback(address) is loopback
