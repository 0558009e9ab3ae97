"""XML-RPC as it goes over the wire: calls read from bytes that nobody vouches for, answers written.

What clients send is read as they send it, not only as the specification has it: whole numbers of up to 64 bits by any
of their names, values without a type, ``nil``, Apache's extensions. Document types are refused, and depth and number of
elements are limited. The parser is expat, which forgets what it read; lxml's keeps every name as long as the program
runs, so that strangers could make a daemon grow.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from pydantic import BaseModel

from haizea.api.xmlrpc.faults import NOT_WELL_FORMED, NOT_XML_RPC, UNKNOWN_ENCODING, RpcFault
from haizea.service.errors import Invalid

Value = Any
"""None, bool, int, float, str, bytes, a list of values, or a dict of them by name."""

ELEMENTS_MAX: Final = 20_000
"""Most elements of a call."""

DEPTH_MAX: Final = 64
"""How deep elements may be nested: about twenty structs in each other."""

NAME_MAX: Final = 256
"""Longest name of a method or of a struct's member, in characters."""

INT_MAX: Final = (1 << 63) - 1
_INT32_MAX: Final = (1 << 31) - 1

_INTEGERS: Final = frozenset({"i1", "i2", "i4", "i8", "int", "biginteger"})
_DOUBLES: Final = frozenset({"double", "float"})
_TYPES: Final = _INTEGERS | _DOUBLES | {"string", "boolean", "dateTime.iso8601", "dateTime", "base64", "nil"}
_TAGS: Final = _TYPES | {
    "methodCall", "methodName", "params", "param", "value", "struct", "member", "name", "array", "data",
}  # fmt: skip
# Apache's library marks what it adds to the specification, always by this prefix.
_EXTENSION: Final = "ex:"

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_DOUBLE: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_TIME: Final = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[T ](\S{1,40})")
_BLANKS: Final = re.compile(r"\s+")
_TRUTH: Final[Mapping[str, bool]] = {"1": True, "0": False, "true": True, "false": False}
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n<methodResponse>\n'


class Call(NamedTuple):
    """A call of a method."""

    method: str
    params: list[Value]


class _Node:
    """An element that is being read, or has been."""

    __slots__ = ("children", "pieces", "tag")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.children: list[_Node] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """All text that stands directly in it."""
        return "".join(self.pieces)


class _Tree:
    """Makes nodes of what expat finds, within the limits."""

    def __init__(self) -> None:
        self.root: _Node | None = None
        self._open: list[_Node] = []
        self._count = 0

    def start(self, name: str, _: Mapping[str, str]) -> None:
        """An element begins."""
        tag = name.removeprefix(_EXTENSION)
        self._count += 1
        if tag not in _TAGS:
            raise RpcFault(NOT_XML_RPC, f"XML-RPC has no element {name[:60]!a}")
        if self._count > ELEMENTS_MAX:
            raise RpcFault(NOT_XML_RPC, f"the call has more than {ELEMENTS_MAX} elements")
        if len(self._open) >= DEPTH_MAX:
            raise RpcFault(NOT_XML_RPC, f"elements are nested more than {DEPTH_MAX} deep")
        node = _Node(tag)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _: str) -> None:
        """The innermost element ends."""
        self._open.pop()

    def data(self, text: str) -> None:
        """Text in the innermost element."""
        self._open[-1].pieces.append(text)

    def doctype(self, *_: object) -> None:
        """A document type begins."""
        raise RpcFault(NOT_WELL_FORMED, "the call has a document type (DTD); send it without one")


def decode(body: bytes) -> Call:
    """Read a call.

    Raises:
        RpcFault: the bytes are not a call, or go beyond a limit.
    """
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    parser.StartDoctypeDeclHandler = tree.doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        code = UNKNOWN_ENCODING if error.code == expat.errors.codes["unknown encoding"] else NOT_WELL_FORMED
        raise RpcFault(code, f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
    except (LookupError, ValueError) as error:
        # What Python says of an encoding that it does not know, or that has more than a byte for a character.
        raise RpcFault(UNKNOWN_ENCODING, f"the encoding of the call cannot be read; send UTF-8 ({error})") from error
    assert tree.root is not None  # a document without elements is not well-formed
    return _call(tree.root)


def _call(root: _Node) -> Call:
    if root.tag != "methodCall" or not root.children or len(root.children) > 2:
        raise _wrong("a call is <methodCall> with <methodName> and, if there are any, <params>")
    name, *rest = _no_text(root).children
    method = name.text.strip()
    if name.tag != "methodName" or name.children or not 1 <= len(method) <= NAME_MAX:
        raise _wrong(f"the first element of <methodCall> is <methodName>, with a name of up to {NAME_MAX} characters")
    if rest and rest[0].tag != "params":
        raise _wrong(f"<params> comes after <methodName>, not <{rest[0].tag}>")
    return Call(method, [_value(_only(_is(param, "param"), "value")) for param in rest and _no_text(rest[0]).children])


def _value(node: _Node) -> Value:
    if not node.children:
        return node.text
    if node.text.strip() or len(node.children) > 1:
        raise _wrong("a <value> holds either text, or one element that says its type")
    typed = node.children[0]
    if typed.tag == "struct":
        return _struct(typed)
    if typed.tag == "array":
        data = _no_text(typed).children
        return [_value(_is(each, "value")) for each in _no_text(_only(typed, "data")).children] if data else []
    if typed.tag not in _TYPES or typed.children:
        raise _wrong(f"<{typed.tag}> is no type of value, or holds elements where it holds text")
    return _scalar(typed.tag, typed.text)


def _struct(node: _Node) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for member in _no_text(node).children:
        parts = _no_text(_is(member, "member")).children
        if [part.tag for part in parts] != ["name", "value"] or parts[0].children or len(parts[0].text) > NAME_MAX:
            raise _wrong(f"a <member> holds <name>, of up to {NAME_MAX} characters, and <value>")
        name = parts[0].text
        if name in found:
            raise _wrong(f"the member {name[:60]!a} is in one <struct> twice")
        found[name] = _value(parts[1])
    return found


def _scalar(kind: str, text: str) -> Value:
    """Return the value that a type's text stands for."""
    if kind == "string":
        return text
    word = text.strip()
    if kind == "nil" and not word:
        return None
    if kind == "boolean" and word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    if kind in _INTEGERS and _INTEGER.fullmatch(word) and -INT_MAX - 1 <= int(word) <= INT_MAX:
        return int(word)
    if kind in _DOUBLES and _DOUBLE.fullmatch(word) and math.isfinite(float(word)):
        return float(word)
    if kind.startswith("dateTime") and (match := _TIME.fullmatch(word)):
        year, month, day, rest = match.groups()
        return f"{year}-{month}-{day}T{rest}"
    if kind == "base64":
        try:
            return base64.b64decode(_BLANKS.sub("", text).encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            pass  # said below, for all types
    raise _wrong(f"{word[:60]!a} is no {kind}{' of at most 64 bits' if kind in _INTEGERS else ''}")


def _is(node: _Node, tag: str) -> _Node:
    if node.tag != tag:
        raise _wrong(f"<{node.tag}> stands where <{tag}> belongs")
    return node


def _only(node: _Node, tag: str) -> _Node:
    if len(_no_text(node).children) != 1:
        raise _wrong(f"<{node.tag}> holds one <{tag}>, not {len(node.children)} elements")
    return _is(node.children[0], tag)


def _no_text(node: _Node) -> _Node:
    if node.text.strip():
        raise _wrong(f"text {node.text.strip()[:60]!a} stands in <{node.tag}>, which holds elements only")
    return node


def _wrong(message: str) -> RpcFault:
    return RpcFault(NOT_XML_RPC, message)


def encode(value: object, most: int) -> str:
    """Write a value as a ``value`` element, of at most ``most`` characters.

    A model is a struct of its fields. Old clients do not know ``nil``: a member that is None is left out, and None
    elsewhere is an empty string. Whole numbers beyond 32 bits are ``i8``. What XML has no character for becomes U+FFFD.

    Raises:
        Invalid: it is longer.
    """
    pieces: list[str] = []
    _Writer(pieces, most).write(value)
    return "".join(pieces)


class _Writer:
    """Appends what it writes to ``pieces``, and counts."""

    def __init__(self, pieces: list[str], most: int) -> None:
        self._pieces = pieces
        self._left = most

    def write(self, value: object) -> None:
        """Write a value."""
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json")
        if isinstance(value, Mapping):
            self._put("<value><struct>")
            for name, member in value.items():
                if member is not None:
                    self._put(f"<member><name>{_escaped(str(name))}</name>")
                    self.write(member)
                    self._put("</member>")
            self._put("</struct></value>")
        elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
            self._put("<value><array><data>")
            for each in sorted(value) if isinstance(value, set | frozenset) else value:
                self.write(each)
            self._put("</data></array></value>")
        else:
            self._put(f"<value>{_scalar_text(value)}</value>")

    def _put(self, piece: str) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise Invalid("The answer would be too long", remedy="Ask for less at once, for example by a limit.")
        self._pieces.append(piece)


def _scalar_text(value: object) -> str:
    if isinstance(value, bool):
        return f"<boolean>{int(value)}</boolean>"
    if isinstance(value, int):
        kind = "int" if -_INT32_MAX - 1 <= value <= _INT32_MAX else "i8"
        return f"<{kind}>{value:d}</{kind}>"
    if isinstance(value, float) and math.isfinite(value):
        # The specification has no exponents.
        text = repr(value)
        return f"<double>{f'{value:f}' if 'e' in text else text}</double>"
    if isinstance(value, bytes):
        return f"<base64>{base64.b64encode(value).decode('ascii')}</base64>"
    return f"<string>{_escaped('' if value is None else str(value))}</string>"


def _escaped(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text).translate(_SPECIAL)


def response(value_xml: str) -> bytes:
    """Return the answer to a call: a ``value`` element as :func:`encode` writes it, in its document."""
    return f"{_HEAD}<params>\n<param>\n{value_xml}\n</param>\n</params>\n</methodResponse>\n".encode()


def fault_value(fault: RpcFault) -> str:
    """Return a fault as the struct that XML-RPC has for it."""
    return encode({"faultCode": fault.code, "faultString": fault.message}, 1 << 20)


def fault_response(fault: RpcFault) -> bytes:
    """Return the answer to a call that ended in a fault."""
    return f"{_HEAD}<fault>\n{fault_value(fault)}\n</fault>\n</methodResponse>\n".encode()
