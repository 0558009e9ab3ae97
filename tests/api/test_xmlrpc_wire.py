"""Calls as libraries of several languages send them, and what is no call."""

import xmlrpc.client
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.api.xmlrpc.faults import NOT_WELL_FORMED, NOT_XML_RPC, UNKNOWN_ENCODING, RpcFault
from haizea.api.xmlrpc.wire import DEPTH_MAX, ELEMENTS_MAX, INT_MAX, Call, decode, encode, fault_response, response

CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
TEXTS = st.text(CHARACTERS | st.sampled_from("\t\n\r"), max_size=20)
SCALARS = (
    st.booleans()
    | st.integers(-(1 << 31), (1 << 31) - 1)
    | st.floats(-1e12, 1e12).map(lambda x: float(f"{x:.6f}"))
    | TEXTS
    | st.binary(max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


def call(value: str) -> bytes:
    """Return a call with one parameter, given as XML."""
    return f"<methodCall><methodName>m</methodName><params><param>{value}</param></params></methodCall>".encode()


def value_of(body: bytes) -> object:
    """Return the one parameter of a call."""
    return decode(body).params[0]


@given(st.lists(VALUES, max_size=3))
def test_what_python_sends_is_what_was_meant(params: list[Any]) -> None:
    """Whatever Python's library writes is read as it was."""
    body = xmlrpc.client.dumps(tuple(params), "a.method", allow_none=True)
    # That library writes line ends as they are, and XML has only one of them.
    plain = xmlrpc.client.loads(body, use_builtin_types=True)[0]
    assert decode(body.encode()) == Call("a.method", list(plain))


@given(VALUES)
def test_python_reads_what_is_written(value: object) -> None:
    """Whatever is written, Python's library reads as it was."""
    ((found,), _) = xmlrpc.client.loads(response(encode(value, 1 << 20)), use_builtin_types=True)
    assert found == value


@given(st.text(st.characters()), st.integers(-INT_MAX - 1, INT_MAX), st.floats())
def test_anything_can_be_written(text: str, number: int, fraction: float) -> None:
    """Any text, 64-bit number and fraction give a well-formed answer."""
    found: Any = xmlrpc.client.loads(response(encode({"t": text, "n": number, "f": fraction}, 1 << 20)))[0][0]
    assert found["n"] == number
    assert len(found["t"]) == len(text)
    assert len(fault_response(RpcFault(1, text)))


@pytest.mark.parametrize(
    ("xml", "meant"),
    [
        ("<value>plain text </value>", "plain text "),
        ("<value/>", ""),
        ("<value><string/></value>", ""),
        ("<value>\n  <i4> 41 </i4>\n</value>", 41),
        ("<value><int>-2147483649</int></value>", -2147483649),
        ("<value><i8>9223372036854775807</i8></value>", INT_MAX),
        ("<value><boolean>1</boolean></value>", True),
        ("<value><boolean>false</boolean></value>", False),
        ("<value><double>-1.5E3</double></value>", -1500.0),
        ("<value><nil/></value>", None),
        ("<value><ex:nil xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'/></value>", None),
        ("<value><ex:i8 xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'>5</ex:i8></value>", 5),
        ("<value><base64>aGFp\n emVh</base64></value>", b"haizea"),
        ("<value><dateTime.iso8601>20261125T13:00:00</dateTime.iso8601></value>", "2026-11-25T13:00:00"),
        ("<value><dateTime.iso8601>2026-11-25T13:00:00Z</dateTime.iso8601></value>", "2026-11-25T13:00:00Z"),
        ("<value><array><data/></array></value>", []),
        ("<value><array/></value>", []),
        ("<value><struct/></value>", {}),
        ("<value><![CDATA[<a>]]> &amp; &#8364;</value>", "<a> & \u20ac"),
        ("<value><!-- a comment --><?pi?><i4>1</i4></value>", 1),
    ],
)
def test_dialects(xml: str, meant: object) -> None:
    """Types are read by all the names that libraries give them, with blanks where they put some."""
    found = value_of(call(xml))
    assert (found, type(found)) == (meant, type(meant))


def test_times_of_python() -> None:
    """A time that Python's library sends is a text that can be used as a start."""
    body = xmlrpc.client.dumps((datetime(2026, 11, 25, 13),), "m").encode()
    assert value_of(body) == "2026-11-25T13:00:00"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "us-ascii", "windows-1252", "koi8-r"])
def test_encodings(encoding: str) -> None:
    """A call may be in any encoding of a byte for each character, and in those of Unicode."""
    text = "caf\u00e9" if encoding in ("utf-8", "utf-16", "iso-8859-1", "windows-1252") else "cafe"
    xml = f'<?xml version="1.0" encoding="{encoding}"?>' + call(f"<value>{text}</value>").decode()
    assert value_of(xml.encode(encoding)) == text


@pytest.mark.parametrize(
    "declared", ["nonsense", "utf-7", "shift_jis", "base64", "idna", "rot13", "undefined", "\u20ac"]
)
def test_encodings_that_are_not_known(declared: str) -> None:
    """An encoding that is not known, or has more than a byte for a character, is a fault."""
    xml = f'<?xml version="1.0" encoding="{declared}"?>' + call("<value>1</value>").decode()
    with pytest.raises(RpcFault) as fault:
        decode(xml.encode())
    assert fault.value.code in (UNKNOWN_ENCODING, NOT_WELL_FORMED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<methodCall>",
        b"\xff\xfe\x00",
        b"<methodCall><methodName>m</methodCall>",
        b"<methodCall>&unknown;</methodCall>",
        b"<!DOCTYPE methodCall><methodCall><methodName>m</methodName></methodCall>",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><methodCall><methodName>m</methodName></methodCall>',
        b"<methodCall/><methodCall/>",
    ],
)
def test_what_is_not_well_formed(body: bytes) -> None:
    """What is not XML, or has a document type, is one fault."""
    with pytest.raises(RpcFault) as fault:
        decode(body)
    assert fault.value.code == NOT_WELL_FORMED


@pytest.mark.parametrize(
    "xml",
    [
        "<methodResponse/>",
        "<methodCall/>",
        "<methodCall><methodName/></methodCall>",
        f"<methodCall><methodName>{'m' * 300}</methodName></methodCall>",
        "<methodCall><methodName>m</methodName><param/></methodCall>",
        "<methodCall><params/><methodName>m</methodName></methodCall>",
        "<methodCall>text<methodName>m</methodName></methodCall>",
        "<methodCall><methodName>m</methodName><params>text</params></methodCall>",
        "<methodCall><methodName>m</methodName><params><value/></params></methodCall>",
        "<methodCall><methodName>m</methodName><params><param/></params></methodCall>",
        call("<value>text<i4>1</i4></value>").decode(),
        call("<value><i4>1</i4><i4>1</i4></value>").decode(),
        call("<value><i4/></value>").decode(),
        call("<value><i4>one</i4></value>").decode(),
        call("<value><i4>\u0661</i4></value>").decode(),
        call(f"<value><int>{INT_MAX + 1}</int></value>").decode(),
        call(f"<value><int>{'9' * 10_000}</int></value>").decode(),
        call("<value><boolean>maybe</boolean></value>").decode(),
        call("<value><double>nan</double></value>").decode(),
        call("<value><double>1e999</double></value>").decode(),
        call("<value><nil>0</nil></value>").decode(),
        call("<value><base64>!</base64></value>").decode(),
        call("<value><dateTime.iso8601>noon</dateTime.iso8601></value>").decode(),
        call("<value><string><i4>1</i4></string></value>").decode(),
        call("<value><value/></value>").decode(),
        call("<value><array><value/></array></value>").decode(),
        call("<value><array><data>text</data></array></value>").decode(),
        call("<value><struct><name>a</name></struct></value>").decode(),
        call("<value><struct><member><name>a</name></member></struct></value>").decode(),
        call("<value><struct><member><value/><name>a</name></member></struct></value>").decode(),
        call(f"<value><struct>{'<member><name>a</name><value/></member>' * 2}</struct></value>").decode(),
        call(f"<value><struct><member><name>{'a' * 300}</name><value/></member></struct></value>").decode(),
        call("<value><colour>red</colour></value>").decode(),
    ],
)
def test_what_is_no_call(xml: str) -> None:
    """XML that is no call is another fault, and its message is short."""
    with pytest.raises(RpcFault) as fault:
        decode(xml.encode())
    assert fault.value.code == NOT_XML_RPC
    assert len(fault.value.message) < 300


def test_limits_of_elements() -> None:
    """A call may have so many elements and so many levels, and not one more."""
    most = ELEMENTS_MAX - 7
    assert len(decode(call(f"<value><array><data>{'<value/>' * most}</data></array></value>")).params[0]) == most
    levels = (DEPTH_MAX - 4) // 3
    nested = "<value><array><data>" * levels + "<value/>" + "</data></array></value>" * levels
    assert value_of(call(nested))
    for body in (
        call(f"<value><array><data>{'<value/>' * (most + 1)}</data></array></value>"),
        call(f"<value><array><data>{nested}</data></array></value>"),
    ):
        with pytest.raises(RpcFault, match="more than"):
            decode(body)
