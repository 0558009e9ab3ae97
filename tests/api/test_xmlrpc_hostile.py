"""Whatever is sent, the answer is one that a client can read, comes soon, and costs no memory for ever."""

import random
import xmlrpc.client
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.api.xmlrpc.faults import FAULTS, INTERNAL, INTERNAL_ERROR
from haizea.api.xmlrpc.methods import Family, Kind, Method
from haizea.api.xmlrpc.table import METHODS
from haizea.api.xmlrpc.wire import decode
from haizea.service.errors import Invalid
from haizea.service.leasexml import request_from_xml
from tests.api.xmlrpc_fake import NOW
from tests.api.xmlrpc_running import Response, Running, running

SECONDS_MAX = 30.0
REQUEST: dict[str, Any] = {
    "nodes": [{"count": 2, "resources": {"CPU": 100}}],
    "duration": "01:00:00",
    "start": "+01:00:00",
    "constraints": {"require": {"gpu": "*"}, "spread": True},
    "extra": {"a": "b"},
}
LEASE = (
    '<lease preemptible="true"><nodes><node-set numnodes="1"><res type="CPU" amount="100"/></node-set></nodes>'
    '<start><exact time="+01:00:00"/></start><duration time="01:00:00"/><software><none/></software></lease>'
)
VALID = [
    xmlrpc.client.dumps((LEASE,), "create_lease").encode(),
    xmlrpc.client.dumps(("", REQUEST, "key"), "haizea.lease.request").encode(),
    xmlrpc.client.dumps(("", {"states": ["queued"], "limit": 5}), "haizea.leasepool.info").encode(),
    xmlrpc.client.dumps(([{"methodName": "get_hosts", "params": []}],), "system.multicall").encode(),
]
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY l0 "ha">{LAUGHS}]>'
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 31), (1 << 31) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS, max_size=40)
    | st.binary(max_size=10)
    | st.sampled_from(["now", "+01:00:00", "node1", "anna:anna-secret", LEASE, "queued", "x" * 3_000]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from([*REQUEST, "count", "resources", "CPU", "limit", "states", "after", "url", "role", "a"]), inner,
        max_size=5,
    ),
    max_leaves=10,
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """Return a server that is never started anew, and that lets anybody do anything."""
    with running() as started:
        yield started


def check(answer: Response) -> Any:
    """Check an answer: it is one, and none of our own errors; return what it holds, None for a fault."""
    assert answer.status == 200
    try:
        return answer.value()
    except xmlrpc.client.Fault as found:
        fault = found
    assert fault.faultCode in FAULTS
    assert fault.faultCode != INTERNAL, fault.faultString
    return None


@given(st.binary(min_size=1, max_size=300))
def test_random_bytes(server: Running, body: bytes) -> None:
    """Bytes at random are answered by a fault."""
    assert check(server.post(body)) is None


@given(st.sampled_from(VALID), st.data())
def test_valid_calls_with_damage(server: Running, body: bytes, data: st.DataObject) -> None:
    """A call of which a piece is lost, doubled, replaced or moved is answered."""
    start = data.draw(st.integers(0, len(body) - 1))
    end = data.draw(st.integers(start, min(len(body), start + 40)))
    piece = data.draw(
        st.sampled_from([b"", body[start:end] * 2, b"<value>", b"</value>", b"&", b"-1", b"\0", b"<i4/>"])
    )
    check(server.post(body[:start] + piece + body[end:]))


@given(st.sampled_from(METHODS), st.lists(VALUES, max_size=4))
def test_parameters_of_any_type(server: Running, method: Method, params: list[Any]) -> None:
    """Any method with any parameters is answered in the manner of its family."""
    if method.waits:
        params = [*params[:1], 1, 0.01]
    session = [""] if method.family is Family.MODERN else []
    body = xmlrpc.client.dumps((*session, *params), method.name, allow_none=True)
    value = check(server.post(body.encode()))
    if method.family is Family.MODERN:
        assert [type(value[0]), type(value[2])] == [bool, int]
        assert value[2] != INTERNAL_ERROR, value[1]


@given(st.sampled_from([m for m in METHODS if any(p.kind is Kind.STRUCT for p in m.parameters)]), VALUES)
def test_structs_of_any_content(server: Running, method: Method, value: Any) -> None:
    """Whatever is put into one of a struct's members, the answer is true, or says what is wrong."""
    document = {**REQUEST, random.Random(str(value)).choice([*REQUEST, "owner", "group", "software"]): value}
    params = ["", *("a" if p.kind is Kind.STRING else document for p in method.parameters)]
    answer = check(server.post(xmlrpc.client.dumps(tuple(params), method.name, allow_none=True).encode()))
    assert answer[2] != INTERNAL_ERROR, answer[1]


@given(st.text(max_size=200) | st.builds(
    lambda at, length, piece: LEASE[:at] + piece + LEASE[at + length:],
    st.integers(0, len(LEASE)), st.integers(0, 30),
    st.text(max_size=10) | st.sampled_from(["<", "</nodes>", "99999999999"]),
))  # fmt: skip
def test_leases_with_damage(text: str) -> None:
    """XML of a lease that is damaged is a request still, or refused as such."""
    with suppress(Invalid):
        assert request_from_xml(text, NOW).nodes


def call(value: str) -> bytes:
    """Return a call of a method that takes a struct, with this instead."""
    name = "<methodName>haizea.lease.request</methodName>"
    return f"<methodCall>{name}<params><param><value/></param><param>{value}</param></params></methodCall>".encode()


@pytest.mark.parametrize(
    "body",
    [
        f"{BOMB}<methodCall><methodName>&l9;</methodName></methodCall>".encode(),
        f"{BOMB}<methodCall><methodName>&l9;</methodName></methodCall>".encode("utf-16"),
        b"<value>" * 100_000,
        call("<value><array><data>" * 10_000),
        call("<value><struct>" + "<member><name>a</name><value/></member>" * 20_000 + "</struct></value>"),
        call("<value><array><data>" + "<value><i4>1</i4></value>" * 40_000 + "</data></array></value>"),
        call(f"<value><int>{'9' * 900_000}</int></value>"),
        call(f"<value><double>{'9' * 900_000}</double></value>"),
        call(f"<value><string>{'x' * 900_000}</string></value>"),
        call(f"<value>{'x<nil/>' * 100_000}</value>"),
        call(f"<value>{'x' * 500_000}{'<!-- -->y' * 50_000}</value>"),
        call(f"<value {' '.join(f'a{n}={chr(39)*2}' for n in range(80_000))}/>"),
        call(f"<{'v' * 900_000}/>"),
        call(f"<value>{'&#8364;' * 120_000}</value>"),
        b"<?xml version='1.0' encoding='" + b"x" * 500_000 + b"'?><methodCall/>",
        xmlrpc.client.dumps(("", {"nodes": [{"count": 1, "resources": {"CPU": 1}}] * 2_000, "duration": 1}),
                            "haizea.lease.request").encode(),
        xmlrpc.client.dumps((LEASE.replace("<node-set", "<node-set " * 1 + "x='" + "y" * 900_000 + "' "),),
                            "create_lease").encode(),
        xmlrpc.client.dumps((f"{BOMB}<lease>&l9;</lease>",), "create_lease").encode(),
        xmlrpc.client.dumps(("<lease>" * 50_000,), "create_lease").encode(),
        xmlrpc.client.dumps((LEASE.replace("</nodes>", "<node-set/>" * 40_000 + "</nodes>"),),
                            "create_lease").encode(),
        xmlrpc.client.dumps(([{"methodName": "system.listMethods", "params": []}] * 100,), "system.multicall").encode(),
    ],
    ids=range(21),
)  # fmt: skip
def test_large_and_deep_calls(server: Running, body: bytes) -> None:
    """Calls that are made to cost much are answered soon, and so is the next one."""
    began = monotonic()
    check(server.post(body))
    assert server.call("test_func") == 0
    assert monotonic() - began < SECONDS_MAX


def memory() -> int:
    """Return how many MiB this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4 // 1024


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell the memory of a process")
def test_names_are_not_kept() -> None:
    """Names that were never seen before cost no memory once their call is over."""
    numbers = random.Random(7)

    def strangers() -> str:
        return " ".join(f"a{numbers.getrandbits(60)}=''" for _ in range(20_000))

    def send() -> None:
        decode(b"<methodCall " + strangers().encode() + b"><methodName>m</methodName></methodCall>")
        for text in (
            f"<lease {strangers()}/>",
            f"<a{numbers.getrandbits(60)}/>",
            LEASE.replace("<start>", " " * 50_000),
        ):
            with pytest.raises(Invalid):
                request_from_xml(text, NOW)

    for _ in range(5):
        send()
    before = memory()
    for _ in range(30):
        send()
    assert memory() - before < 16
