"""Listening at real sockets: who is at the other end, where one may listen, and clients that misbehave."""

import asyncio
import grp
import os
import re
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from haizea.api import protocol
from haizea.api.options import ApiOptions
from haizea.api.peers import Peer
from haizea.api.protocol import Census
from haizea.api.rest import Api
from haizea.api.server import CannotListen, Listener, Servers, Tls, open_tcp, open_unix
from haizea.service.principal import Principal, Role
from tests.api.calls import REQUEST, UNLIMITED, over_sockets, serving, talk
from tests.api.fake_manager import FakeManager

OPTIONS = ApiOptions(door=UNLIMITED)
OWN = Principal("me", Role.ADMIN, via="peer", key=f"uid:{os.getuid()}")


def unix_client(path: Path) -> httpx.AsyncClient:
    """Return a client that calls by a Unix socket, without a token."""
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    return httpx.AsyncClient(transport=transport, base_url="http://anything", timeout=60)


def test_a_unix_user_is_known_by_the_socket(tmp_path: Path) -> None:
    """Over the Unix socket nobody needs a token: the kernel says which user is there. Over TCP it does not."""
    manager, path = FakeManager(), tmp_path / "haizea.sock"
    manager.accounts.peers[os.getuid()] = OWN

    async def play() -> None:
        async with serving(Api(manager, OPTIONS), path=path) as (_, addresses), unix_client(path) as client:
            assert (await client.get("/v1/whoami")).json()["via"] == "peer"
            token = {"authorization": "Bearer bob-token"}
            assert (await client.get("/v1/whoami", headers=token)).json()["user"] == "bob"
            async with httpx.AsyncClient(base_url=addresses[0]) as other:
                assert (await other.get("/v1/whoami")).status_code == 401
                assert (await other.get("/v1/whoami", headers=token)).status_code == 200

    over_sockets(play)


def test_the_socket_is_given_to_a_group(tmp_path: Path) -> None:
    """A group of the daemon's user may have it; one that there is not is told, and nothing is left behind."""
    path = tmp_path / "s"
    own = grp.getgrgid(os.getgid())
    opened, release = open_unix(path, 0o660, own.gr_name)
    assert path.stat().st_gid == own.gr_gid
    opened.close()
    release()
    with pytest.raises(CannotListen, match=r"There is no Unix group 'no-such-group'.*server.socket-group"):
        open_unix(path, 0o660, "no-such-group")


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_the_socket_has_its_mode_and_goes_with_the_server(tmp_path: Path, mode: int) -> None:
    """Nobody else may open the socket unless the site says so; when the server stops it is gone."""
    path = tmp_path / "new" / "haizea.sock"

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS), path=path, mode=mode, tcp=False):
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert stat.S_IMODE(path.parent.stat().st_mode) == (0o700 if mode == 0o600 else 0o711)
        assert not path.exists()

    over_sockets(play)


def test_what_a_dead_daemon_left_behind_is_replaced(tmp_path: Path) -> None:
    """A socket at which nobody listens is removed; the new one works."""
    path = tmp_path / "haizea.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS), path=path, tcp=False), unix_client(path) as client:
            assert (await client.get("/healthz")).status_code == 200

    over_sockets(play)


def test_a_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    """Where another program or another daemon listens, a daemon does not start, and the other goes on."""
    path = tmp_path / "haizea.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(CannotListen, match="Another program listens"):
            open_unix(path, 0o600)
        assert path.exists()
    path.unlink()
    first, release = open_unix(path, 0o600)
    with pytest.raises(CannotListen, match="Another daemon listens"):
        open_unix(path, 0o600)
    first.close()
    release()
    again, release = open_unix(path, 0o600)
    again.close()
    release()


def test_where_something_else_is_no_socket_is_made(tmp_path: Path) -> None:
    """A file at the socket's place is kept, a path too long for a socket is refused, and so is a file as folder."""
    path = tmp_path / "haizea.sock"
    path.write_text("precious")
    with pytest.raises(CannotListen, match="is no socket"):
        open_unix(path, 0o600)
    assert path.read_text() == "precious"
    with pytest.raises(CannotListen, match="too long"):
        open_unix(tmp_path / ("x" * 120), 0o600)
    with pytest.raises(CannotListen, match="cannot be made"):
        open_unix(path / "haizea.sock", 0o600)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_other_machines_need_tls(host: str) -> None:
    """An address that other machines can reach is refused without TLS, in words that say what to do."""
    if host == "":
        host = "0.0.0.0"
    with pytest.raises(CannotListen, match="there is no TLS"):
        open_tcp(host, 0, tls=False)


def test_a_taken_port_is_named() -> None:
    """Where another program has the port, the message says so; a port that is none is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CannotListen, match="another program listens there"):
            open_tcp("127.0.0.1", taken.getsockname()[1], tls=False)
    with pytest.raises(CannotListen):
        open_tcp("127.0.0.1", 70_000, tls=False)
    with pytest.raises(CannotListen, match="no address of this machine"):
        open_tcp("no such host", 0, tls=False)


def test_servers_start_all_or_none(tmp_path: Path) -> None:
    """When one address cannot be listened at, none is, and nothing is left behind."""
    path = tmp_path / "haizea.sock"

    async def play() -> None:
        api = Api(FakeManager(), OPTIONS)
        servers = Servers([Listener(api, path=path), Listener(api, host="0.0.0.0")])
        with pytest.raises(CannotListen):
            await servers.start()
        assert not path.exists()
        api.close()

    over_sockets(play)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Return a certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    tls = Tls(folder / "certificate.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(tls.key), "-out", str(tls.certificate), "-days", "2", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    return tls


def test_tls_is_served(certificate: Tls) -> None:
    """With a certificate, what is sent is encrypted, by TLS 1.2 at least, and browsers are told to insist on it."""

    async def play() -> None:
        api = Api(FakeManager(), OPTIONS)
        servers = Servers([Listener(api, host="0.0.0.0", tls=certificate)], on_stop=api.stop_streams)
        address = (await servers.start())[0]
        assert address.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate.certificate))
        url = f"https://localhost:{address.rsplit(':', 1)[1]}/v1/whoami"
        async with httpx.AsyncClient(verify=trust) as client:
            answer = await client.get(url, headers={"authorization": "Bearer ada-token"})
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers
        await servers.stop()
        api.close()

    over_sockets(play)


def test_a_certificate_that_is_none_is_named(tmp_path: Path, certificate: Tls) -> None:
    """A file that is missing or no certificate is named in the message."""
    bad = tmp_path / "bad.pem"
    for tls in (Tls(bad, certificate.key), Tls(certificate.key, certificate.key)):

        async def play(tls: Tls = tls) -> None:
            with pytest.raises(CannotListen, match=r"\.pem"):
                await Servers([Listener(Api(FakeManager(), OPTIONS), tls=tls)]).start()

        over_sockets(play)
        bad.write_text("no certificate")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET /\r\n\r\n", b"421"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"40"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 300_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
        (b"POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"400"),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
        ),
    ],
)
def test_what_is_no_request_is_answered_briefly(sent: bytes, status: bytes) -> None:
    """Bytes that are not HTTP, or too many of them, end in one problem document; the server goes on."""

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses):
            answer = await talk(addresses[0], sent, until_closed=status != b"414")
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"application/problem+json" in answer
            async with httpx.AsyncClient(base_url=addresses[0]) as client:
                assert (await client.get("/healthz")).status_code == 200

    over_sockets(play)


def test_a_slow_head_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not finish the head of a request in time is told so; who sends nothing, or blank lines, is cut off."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.3)

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses):
            answers = await asyncio.gather(
                talk(addresses[0], b"GET / HTTP/1.1\r\nHost: local"),
                talk(addresses[0], b""),
                talk(addresses[0], b"\r\n"),
            )
            assert answers[0].startswith(b"HTTP/1.1 408")
            assert answers[1] == b""
            assert answers[2] == b"" or answers[2].startswith(b"HTTP/1.1 408")

    over_sockets(play, 10)


def test_a_slow_body_is_not_waited_for() -> None:
    """A body that does not arrive in time is given up with 408, and the connection is closed."""
    options = ApiOptions(door=UNLIMITED._replace(body_time_s=0.3))
    head = b"POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ada-token\r\n"

    async def play() -> None:
        async with serving(Api(FakeManager(), options)) as (_, addresses):
            announced = await talk(addresses[0], head + b"Content-Length: 100\r\n\r\n{")
            chunked = await talk(addresses[0], head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
            assert announced.startswith(b"HTTP/1.1 408")
            assert chunked.startswith(b"HTTP/1.1 408")

    over_sockets(play, 10)


def test_a_large_body_is_refused_before_it_is_sent() -> None:
    """Who asks first whether to send a large body is told not to."""
    head = b"POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ada-token\r\n"

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses):
            answer = await talk(addresses[0], head + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 413")

    over_sockets(play, 10)


def test_who_sends_too_much_gets_to_read_why() -> None:
    """A body of several mebibytes is refused with an answer that arrives, not with a broken connection."""

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses), httpx.AsyncClient() as client:
            answer = await client.post(
                addresses[0] + "/v1/leases", content=b"x" * (6 << 20), headers={"authorization": "Bearer ada-token"}
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "too-large")

    over_sockets(play, 10)


def test_requests_one_after_the_other_on_one_connection() -> None:
    """Requests that are sent without waiting are answered in order; what is no request after them ends it."""
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses):
            last = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await talk(addresses[0], one * 3 + last)
            assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"200", b"401"]

    over_sockets(play)


def test_an_upgrade_is_not_done() -> None:
    """Who offers another protocol is answered in this one."""
    sent = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses):
            assert (await talk(addresses[0], sent, until_closed=False)).startswith(b"HTTP/1.1 200")

    over_sockets(play)


def test_connections_have_a_limit() -> None:
    """Beyond so many connections, over all and for each user or address, there are no more until one ends."""
    census = Census(most=3, each=2)
    ada, bob = Peer(uid=1, loopback=True), Peer(uid=2, loopback=True)
    assert [census.enter(ada) for _ in range(3)] == [True, True, False]
    assert [census.enter(bob) for _ in range(2)] == [True, False]
    census.leave(ada)
    assert census.enter(bob)
    shared = Census(most=3, each=2)
    assert [shared.enter(Peer(address="127.0.0.1", loopback=True)) for _ in range(4)] == [True] * 3 + [False]


def test_requests_are_finished_when_the_server_stops() -> None:
    """A request that is being carried out when the server is told to stop is answered."""
    manager = FakeManager()
    manager.leases.pause_s = 0.5

    async def play() -> None:
        api = Api(manager, OPTIONS)
        servers = Servers([Listener(api)], on_stop=api.stop_streams)
        address = (await servers.start())[0]
        async with httpx.AsyncClient(base_url=address, headers={"authorization": "Bearer ada-token"}) as client:
            asked = asyncio.create_task(client.post("/v1/leases", json=REQUEST))
            await asyncio.sleep(0.2)
            await servers.stop()
            assert (await asked).status_code == 201
            with pytest.raises(httpx.ConnectError):
                await client.get("/healthz")
        api.close()

    over_sockets(play)


def test_answers_are_not_held_back() -> None:
    """An answer in two pieces is sent at once: a client that waits for it on one connection gets dozens in a second."""

    async def play() -> None:
        async with serving(Api(FakeManager(), OPTIONS)) as (_, addresses), httpx.AsyncClient() as client:
            began = asyncio.get_running_loop().time()
            for _ in range(20):
                await client.get(addresses[0] + "/v1/version")
            # A delayed acknowledgement costs 40 ms each time.
            assert asyncio.get_running_loop().time() - began < 20 * 0.04

    over_sockets(play)
