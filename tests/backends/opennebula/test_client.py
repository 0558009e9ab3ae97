"""Speaking with oned: sessions, refusals, answers that are none, and what users have written into templates."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.backends.opennebula.check import check
from haizea.backends.opennebula.client import AUTHENTICATION, Access, Client, OneError, OneUnreachable, access, template
from haizea.backends.opennebula.pools import BadAnswer, machine, machines, servers
from haizea.backends.opennebula.requests import find
from tests.backends.opennebula.server import Oned


@pytest.fixture
def oned() -> Iterator[Oned]:
    """Return an oned."""
    server = Oned().start()
    yield server
    server.stop()


def test_where_and_who(tmp_path: Path) -> None:
    """What is configured comes before the environment, and that before what is usual."""
    path = tmp_path / "auth"
    path.write_text("haizea:pa:ss\n")
    environ = {"ONE_XMLRPC": "http://front:2633/RPC2", "ONE_AUTH": str(path)}
    assert access(environ=environ) == Access("http://front:2633/RPC2", "haizea:pa:ss")
    assert access("https://other/RPC2", str(path), environ={}).endpoint == "https://other/RPC2"
    assert access(environ={"ONE_AUTH": str(path)}, fallback="http://h:1/RPC2").endpoint == "http://h:1/RPC2"
    assert Client(access(environ=environ)).user == "haizea"


@pytest.mark.parametrize(
    ("endpoint", "session", "expected"),
    [
        ("ftp://front", "a:b", "is no address"),
        ("http://front", "nothing", "expected one line, user:password"),
        ("http://front", "a:b\nc:d", "expected one line, user:password"),
        ("http://front", None, "cannot be read"),
    ],
)
def test_what_is_wrong_with_them(tmp_path: Path, endpoint: str, session: str | None, expected: str) -> None:
    """A wrong address or session is told before anything is tried."""
    path = tmp_path / "auth"
    if session is not None:
        path.write_text(session)
    with pytest.raises(ValueError, match=expected):
        access(endpoint, str(path), environ={})


def test_refusals_have_a_code(oned: Oned) -> None:
    """A call that is refused says by which method, why, and with OpenNebula's code."""
    with pytest.raises(OneError, match="couldn't be authenticated") as refusal:
        Client(Access(oned.endpoint, "haizea:wrong")).version()
    assert (refusal.value.method, refusal.value.code) == ("one.system.version", AUTHENTICATION)


class _Liar(socketserver.StreamRequestHandler):
    answer = b""

    def handle(self) -> None:
        """Read a request's head, and say something."""
        while self.rfile.readline().strip():
            pass
        self.wfile.write(self.answer)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (ord("b") + n, b"&%c;" % (ord("a") + n) * 10) for n in range(9))
    + b"]><methodResponse><params><param><value><string>&j;</string></value></param></params></methodResponse>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not found</html>",
        b"<methodResponse>",
        b"<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>",
        BOMB,
    ],
)
def test_answers_that_are_none(body: bytes) -> None:
    """Whatever is there that is no oned, it is one clear error, soon and in little memory."""
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    handler = type("Handler", (_Liar,), {"answer": answer})
    with socketserver.TCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        client = Client(Access(f"http://127.0.0.1:{server.server_address[1]}/RPC2", "a:b"), timeout_s=5)
        with pytest.raises(OneUnreachable):
            client.version()


def test_nobody_answers() -> None:
    """A port that nobody listens at is unreachable, which is not refused."""
    with pytest.raises(OneUnreachable, match="does not answer"):
        Client(Access("http://127.0.0.1:9/RPC2", "a:b"), timeout_s=1).version()


@given(st.dictionaries(st.sampled_from(["HAIZEA_A", "HAIZEA_B"]), st.text("<>&/\"'\\]=[ \nA\x00\x1b", max_size=50)))
def test_values_are_only_values(values: dict[str, str]) -> None:
    """Whatever stands in a value, a template has these attributes and no others."""
    text = template(values).replace("TEMPLATE", "USER_TEMPLATE")
    assert set(machine(f"<VM><ID>1</ID><STATE>1</STATE>{text}</VM>").said) == set(values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<HOST_POOL/>",
        "<VM_POOL><VM><ID>x</ID></VM></VM_POOL>",
        '<!DOCTYPE VM_POOL [<!ENTITY a "b">]><VM_POOL>&a;</VM_POOL>',
        '<!DOCTYPE VM_POOL SYSTEM "file:///etc/passwd"><VM_POOL/>',
        "<VM_POOL><VM><ID>1</ID><STATE>1</STATE><TEMPLATE><CPU>1e9</CPU></TEMPLATE></VM></VM_POOL>",
    ],
)
def test_pools_that_are_none(text: str) -> None:
    """A pool that is not what was asked for, or carries a document type, is refused."""
    with pytest.raises(BadAnswer):
        machines(text)


def test_capacity_is_never_rounded_down() -> None:
    """CPU is in cores with decimals there and in whole percent of a core here."""
    text = "<VM><ID>1</ID><STATE>1</STATE><TEMPLATE><CPU>{}</CPU></TEMPLATE></VM>"
    assert [machine(text.format(cpu)).cpu for cpu in ("1", "0.5", "2.25", "0.101", "0.001")] == [100, 50, 225, 11, 1]


def test_an_unmonitored_host_has_nothing() -> None:
    """A host that was not monitored yet, or is offline, shows no capacity, which is not known rather than none."""
    (host,) = servers("<HOST_POOL><HOST><ID>0</ID><NAME>a</NAME><STATE>0</STATE></HOST></HOST_POOL>")
    assert (host.cpu, host.memory) == (0, 0)


def test_a_group_waits_for_its_last_vm() -> None:
    """VMs of a group are a request when none has come for a while; the case of attributes' names does not matter."""
    text = (
        "<VM><ID>{0}</ID><UNAME>ana</UNAME><STATE>1</STATE><STIME>{1}</STIME><TEMPLATE><CPU>1</CPU><MEMORY>64</MEMORY>"
        "</TEMPLATE><USER_TEMPLATE><Haizea><start>now</start><Group>g</Group></Haizea></USER_TEMPLATE></VM>"
    )
    pool = machines("<VM_POOL>" + text.format(2, 100) + text.format(1, 104) + "</VM_POOL>")
    early = find(pool, 106, lambda vm: vm.owner, without=True, group_wait=5)
    assert early.waiting
    assert early.requests == ()
    (request,) = find(pool, 109, lambda vm: vm.owner, without=True, group_wait=5).requests
    assert [vm.id for vm in request.vms] == [1, 2]
    assert (request.owner, request.wish.start, request.wish.duration, request.label) == ("ana", "now", "unlimited", "g")


def test_a_group_asks_for_one_thing() -> None:
    """VMs of one group that ask for different times are rejected together, with both named."""
    text = (
        "<VM><ID>{0}</ID><STATE>1</STATE><USER_TEMPLATE><HAIZEA><GROUP>g</GROUP><DURATION>{1}</DURATION></HAIZEA>"
        "</USER_TEMPLATE></VM>"
    )
    pool = machines("<VM_POOL>" + text.format(1, "01:00:00") + text.format(2, "02:00:00") + "</VM_POOL>")
    (request,) = find(pool, 100, lambda vm: vm.owner, without=True, group_wait=5).requests
    assert "VMs 1 and 2 are of one group" in request.wrong


# haizea opennebula check -------------------------------------------------------------------------------------


def found(client: Client) -> dict[str, bool | None]:
    """Return what was found of what."""
    return {each.what: each.well for each in check(client)}


def test_check_finds_all_well(oned: Oned) -> None:
    """An OpenNebula 7 with dummy placer and optimizer, and a user of one's own in oneadmin, can be used."""
    assert set(found(oned.client()).values()) == {True}


@pytest.mark.parametrize(
    ("user", "version", "scheduler", "what", "says"),
    [
        ("ana", "7.4.0", "-p dummy -o dummy", "rights", "oneuser chgrp ana oneadmin"),
        ("oneadmin", "7.4.0", "-p dummy -o dummy", "rights", "oneuser create"),
        ("haizea", "7.4.0", "-t 15 -p rank -o one_drs", "scheduler", "SCHED_MAD"),
        ("haizea", "6.10.0", "", "scheduler", "systemctl mask opennebula-scheduler"),
        ("haizea", "8.0.0", "-p dummy -o dummy", "version", "6.x and 7.x"),
    ],
)
def test_check_says_what_to_do(user: str, version: str, scheduler: str, what: str, says: str) -> None:
    """What stands in the way is named, with what to do about it in that generation of OpenNebula."""
    oned = Oned(version=version, scheduler=scheduler).start()
    findings = [each for each in check(oned.client(user)) if each.what == what]
    oned.stop()
    assert any(each.well is not True and says in each.remedy for each in findings)


def test_check_of_nobody() -> None:
    """Where nobody answers, that is all there is to say."""
    (finding,) = check(Client(Access("http://127.0.0.1:9/RPC2", "a:b"), timeout_s=1))
    assert (finding.what, finding.well) == ("connection", False)
