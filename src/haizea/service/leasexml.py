"""The ``lease`` element of Haizea 1.x, as its clients send and get it.

It differs from the element of workload files in its times, which are instants or spans since the submission, and in
what it says of a lease that is there: its number, its state as a number, when it was submitted. What is inside is read
by :mod:`haizea.workloads.leasexml`; only the parsing is different here. The parser of lxml keeps every name it ever saw
for as long as the program runs, so strangers could make a daemon grow. Therefore the text goes through expat, which
forgets, and only elements and attributes that a lease may have become a tree.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Final, cast
from xml.parsers import expat

from haizea.model.lease import DEFAULT_REACTIONS, LeaseState, LeaseType
from haizea.model.units import DAY, SECOND, Instant, Span
from haizea.service.errors import Invalid
from haizea.service.models import LeaseOut, LeaseRequestIn
from haizea.service.validation import fault_of
from haizea.workloads.errors import WorkloadError, quoted
from haizea.workloads.leasexml import ID_MAX, LeaseXml
from haizea.workloads.times import format_duration, format_span, parse_span
from haizea.workloads.xmlfile import Shape

if TYPE_CHECKING:
    from lxml.etree import _Element

XML_CHARACTERS_MAX: Final = 1 << 20
"""Longest text of a lease."""

ELEMENTS_MAX: Final = 20_000
"""Most elements of a lease."""

DEPTH_MAX: Final = 8
"""How deep elements may be nested; a lease needs five levels."""

CENTURY: Final[Span] = 36_500 * DAY
"""What Haizea 1.x asks for when it means an unlimited duration."""

TIME_FORM: Final = (
    "an instant such as 2026-11-25 13:00:00 or 2026-11-25T13:00:00+01:00, or +HH:MM:SS from the submission"
)

_DOCUMENT: Final = "lease XML"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INSTANT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STATES: Final = {state.label: state.value for state in LeaseState}
_LEASE: Final = Shape(
    required=("preemptible",),
    optional=("id", "user", "owner", "name", "group", "state", "submit-time", "priority", "grace"),
    children={
        "nodes": 1, "start": 1, "duration": 1, "deadline": 1, "software": 1, "extra": 1, "constraints": 1,
        "reactions": 1,
    },
    needed=("nodes", "duration"),
)  # fmt: skip
_ELEMENTS: Final = frozenset(
    ("lease", *_LEASE.children, "node-set", "res", "instance", "now", "exact", "none", "disk-image", "attr")
)
_ATTRIBUTES: Final = frozenset(
    (
        *_LEASE.required, *_LEASE.optional, "numnodes", "type", "amount", "time", "id", "size", "name", "value",
        "require", "exclude", "spread", "together", "on-guest-shutdown", "on-failure",
        "on-end", "extend-by",
    )
)  # fmt: skip
# What editors add to point at a schema; it says nothing about the lease.
_IGNORED: Final = frozenset(("xmlns:xsi", "xsi:noNamespaceSchemaLocation", "xsi:schemaLocation", "xml:lang"))


def request_from_xml(text: str, now: Instant, zone: tzinfo = UTC) -> LeaseRequestIn:
    """Return the request that a ``lease`` element makes.

    ``now`` is when it was submitted, in milliseconds; ``zone`` is that of times that name none. Number, state and time
    of submission are not the client's to say: they are read and forgotten. A duration of a century is unlimited, as
    clients of Haizea 1.x mean it. ``user`` and ``owner`` both say for whom the lease is.

    Raises:
        Invalid: the text is not XML, has a document type, or is not such an element.
    """
    from pydantic import ValidationError

    try:
        fields = _Reader(now, zone).fields(_parse(text))
        return LeaseRequestIn.model_validate(fields)
    except WorkloadError as error:
        raise Invalid(str(error), remedy="Correct the lease's XML.", field="xml") from error
    except ValidationError as error:
        first = fault_of(error.errors(include_url=False, include_input=False)[0])
        said = f"{_DOCUMENT}: {first.field}: {first.detail}"
        raise Invalid(said, remedy="Correct the lease's XML.", field=first.field) from error


def lease_to_xml(lease: LeaseOut, zone: tzinfo = UTC) -> str:
    """Return a lease as a ``lease`` element, in ASCII, that clients of Haizea 1.x can read.

    Times are without a zone, in ``zone``, but for those that this leaves open (in the hour that clocks are set back).
    ``user`` is there only where a user's name is a number, for the old clients read nothing else; ``owner`` always is.
    A label with blanks has no place in ``constraints`` and is left out.
    """
    from lxml import etree

    root = etree.Element("lease")
    _set(root, id=str(lease.id), state=str(_STATES[lease.state]), preemptible=str(lease.preemptible))
    root.set("submit-time", _time_text(lease.submitted, zone))
    if lease.owner.isascii() and lease.owner.isdigit():
        _set(root, user=lease.owner)
    _set(root, **{name: text for name in ("owner", "name", "group") if (text := getattr(lease, name))})
    if lease.priority:
        _set(root, priority=str(lease.priority))
    if lease.grace_s:
        _set(root, grace=format_span(round(lease.grace_s * SECOND)))
    nodes = etree.SubElement(root, "nodes")
    for each in lease.nodes:
        node_set = etree.SubElement(nodes, "node-set", {"numnodes": str(each.count)})
        for kind, amount in each.resources.items():
            _set(etree.SubElement(node_set, "res"), type=kind, amount=str(amount))
    start = etree.SubElement(root, "start")
    if lease.type == LeaseType.IMMEDIATE.value:
        etree.SubElement(start, "now")
    elif lease.start is not None:
        etree.SubElement(start, "exact", {"time": _time_text(lease.start, zone)})
    etree.SubElement(root, "duration", {"time": _duration_text(lease.duration_s)})
    if lease.deadline is not None:
        etree.SubElement(root, "deadline", {"time": _time_text(lease.deadline, zone)})
    software = etree.SubElement(root, "software")
    if lease.software is None:
        etree.SubElement(software, "none")
    else:
        _set(etree.SubElement(software, "disk-image"), id=lease.software["id"], size=str(lease.software["size"]))
    _rest(root, lease)
    return etree.tostring(root, encoding="us-ascii").decode("ascii")


def parse_time(text: str, now: Instant, zone: tzinfo = UTC) -> Instant:
    """Read an instant, or ``+`` and a span from ``now`` on.

    Raises:
        ValueError: the text is neither, or no time of any day from 1970 to 9999.
    """
    text = text.strip()
    if text.startswith("+"):
        return now + parse_span(text)
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("not an instant")
    *fields, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(field or 0) for field in fields)
    milliseconds = int((fraction or "").ljust(3, "0")[:3])
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=_offset(offset) if offset else zone)
        instant = (local - _EPOCH) // _MILLISECOND + milliseconds
    except OverflowError as error:
        raise ValueError("out of range") from error
    if instant < 0:
        raise ValueError("before 1970")
    return instant


class _Reader(LeaseXml):
    """Reads the element; its times are instants where those of workload files are spans."""

    __slots__ = ("_now", "_zone")

    def __init__(self, now: Instant, zone: tzinfo) -> None:
        """Take the time of submission, and the zone of times that name none."""
        super().__init__(_DOCUMENT)
        self._now = now
        self._zone = zone

    def time_of(self, element: "_Element") -> Instant:
        """Return the instant in the ``time`` of an element that holds nothing else."""
        self.children(element, Shape())
        text = self.attributes(element, Shape(required=("time",)))["time"]
        try:
            return parse_time(text, self._now, self._zone)
        except ValueError as error:
            wrong = f"time={quoted(text)} of <{element.tag!s}>: {error}"
            raise self.error(element, wrong, TIME_FORM) from error

    def fields(self, root: "_Element") -> dict[str, Any]:
        """Return what the element says, as the fields of a request."""
        if root.tag != "lease":
            raise self.error(root, f"the document holds <{root.tag!s}>", "<lease>")
        found = self.attributes(root, _LEASE)
        parts = {str(child.tag): child for child in self.children(root, _LEASE)}
        if "id" in found:
            self.whole(root, "id", found["id"], 0, ID_MAX)
        duration = self.duration(parts["duration"])
        fields: dict[str, Any] = {
            "nodes": [{"count": s.count, "resources": dict(s.demand.items())} for s in self.nodes(parts["nodes"])],
            "duration": format_duration(None if duration == CENTURY else duration),
            "preemptible": self.truth(root, "preemptible", found["preemptible"]),
            "owner": found.get("owner") or found.get("user") or None,
            "name": found.get("name", ""),
            "group": found.get("group", ""),
        }
        if "priority" in found:
            fields["priority"] = self.priority(root, found["priority"])
        if "grace" in found:
            fields["grace"] = self.span(root, "grace", found["grace"]) / SECOND
        if "software" in parts and (image := self.software(parts["software"])) is not None:
            fields["software"] = {"id": image.id, "size": image.size}
        if "extra" in parts:
            fields["extra"] = dict(self.attrs(parts["extra"]))
        if "constraints" in parts:
            fields["constraints"] = self._constraints(parts["constraints"])
        if "reactions" in parts:
            reactions = self.reactions(parts["reactions"])
            fields["on_guest_shutdown"] = reactions.on_guest_shutdown.value
            fields["on_failure"] = reactions.on_failure.value
            fields["on_end"] = reactions.on_end.value
            if reactions.extend_by != DEFAULT_REACTIONS.extend_by:
                fields["extend_by"] = reactions.extend_by / SECOND
        return fields | self._times(parts)

    def _times(self, parts: dict[str, "_Element"]) -> dict[str, str]:
        start = self.start(parts["start"]) if "start" in parts else None
        times = {}
        if start is not None and start.immediate:
            times["start"] = "now"
        elif start is not None and start.exact is not None:
            times["start"] = _instant_text(start.exact)
        if "deadline" in parts:
            if start is None or start.exact is None:
                wrong = "a deadline without an exact start"
                raise self.error(parts["deadline"], wrong, "<exact> in <start>, or no deadline")
            times["deadline"] = _instant_text(self.time_of(parts["deadline"]))
        return times

    def _constraints(self, element: "_Element") -> dict[str, Any]:
        found = self.constraints(element)
        for name, pairs in (("require", found.require), ("exclude", found.exclude)):
            if len(dict(pairs)) < len(pairs):
                raise self.error(element, f"a label twice in {name}", "each label once")
        return found._asdict() | {"require": dict(found.require), "exclude": dict(found.exclude)}


class _Builder:
    """Makes a tree of what expat finds, as long as it is what a lease may hold."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.root: _Element | None = None
        self._open: list[_Element] = []
        self._count = 0
        self._parser = parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._doctype

    def _error(self, wrong: str, expected: str) -> WorkloadError:
        return WorkloadError(_DOCUMENT, self._parser.CurrentLineNumber, wrong, expected)

    def _doctype(self, *_: object) -> None:
        raise self._error("a document type (DTD)", "<lease> without one")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        from lxml import etree

        self._count += 1
        if self._count > ELEMENTS_MAX or len(self._open) >= DEPTH_MAX:
            wrong = "too many elements" if self._count > ELEMENTS_MAX else "elements nested too deep"
            raise self._error(wrong, f"at most {ELEMENTS_MAX} elements, {DEPTH_MAX} deep")
        if tag not in _ELEMENTS:
            raise self._error(f"unknown element {quoted(tag)}", "what a <lease> may hold")
        kept = {name: value for name, value in attributes.items() if name not in _IGNORED}
        for name in kept:
            if name not in _ATTRIBUTES:
                raise self._error(f"unknown attribute {quoted(name)} of <{tag}>", "those of Haizea's lease XML")
        element = etree.SubElement(self._open[-1], tag, kept) if self._open else etree.Element(tag, kept)
        cast("Any", element).sourceline = self._parser.CurrentLineNumber
        if self.root is None:
            self.root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _data(self, text: str) -> None:
        if not text.isspace():
            raise self._error(f"text {quoted(text.strip())}", "elements only")


def _parse(text: str) -> "_Element":
    if len(text) > XML_CHARACTERS_MAX:
        raise WorkloadError(_DOCUMENT, None, f"{len(text)} characters", f"at most {XML_CHARACTERS_MAX}")
    # The text has been decoded already, whatever encoding it declares.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    builder = _Builder(parser)
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        wrong = f"not well-formed XML ({expat.ErrorString(error.code)})"
        raise WorkloadError(_DOCUMENT, error.lineno, wrong, "one <lease>, complete and well-formed") from error
    except UnicodeEncodeError as error:
        raise WorkloadError(_DOCUMENT, None, "half of a surrogate pair", "text in Unicode") from error
    assert builder.root is not None  # a document without elements is not well-formed
    return builder.root


def _rest(root: "_Element", lease: LeaseOut) -> None:
    """Add what Haizea 1.x does not know of, where it is not as usual."""
    from lxml import etree

    if lease.extra:
        extra = etree.SubElement(root, "extra")
        for name, value in lease.extra.items():
            _set(etree.SubElement(extra, "attr"), name=name, value=value)
    constraints = {
        name: text for name in ("require", "exclude") if (text := _labels(lease.constraints.get(name) or {}))
    } | {name: "true" for name in ("spread", "together") if lease.constraints.get(name)}
    if constraints:
        _set(etree.SubElement(root, "constraints"), **constraints)
    if (lease.on_guest_shutdown, lease.on_failure, lease.on_end) != ("end", "requeue", "stop"):
        reactions = etree.SubElement(root, "reactions")
        reactions.set("on-guest-shutdown", lease.on_guest_shutdown)
        reactions.set("on-failure", lease.on_failure)
        if lease.on_end != "stop":
            _set(reactions, **{"on-end": lease.on_end, "extend-by": format_span(round(lease.extend_by_s * SECOND))})


def _labels(labels: dict[str, str]) -> str:
    fit = [f"{name}={value}" for name, value in labels.items() if name and value and "=" not in name]
    return " ".join(text for text in fit if not any(c.isspace() for c in text))


def _set(element: "_Element", /, **attributes: str) -> None:
    for name, value in attributes.items():
        element.set(name, _FORBIDDEN.sub("\ufffd", value))


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if minutes > 59:
        raise ValueError("no such zone")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if text[0] == "-" else span)


def _instant_text(instant: Instant) -> str:
    seconds, milliseconds = divmod(instant, 1_000)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError as error:
        raise WorkloadError(_DOCUMENT, None, "a time after the year 9999", "an earlier one") from error
    return f"{text}.{milliseconds:03}Z" if milliseconds else f"{text}Z"


def _time_text(iso: str, zone: tzinfo) -> str:
    """Write an instant as Haizea 1.x does: ``2026-11-25 13:00:00.00``, with a third decimal where needed."""
    instant = parse_time(iso, 0)
    try:
        local = (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone)
    except OverflowError:
        local = _EPOCH + timedelta(milliseconds=instant)
    text = local.strftime("%Y-%m-%d %H:%M:%S") + _decimals(instant)
    try:
        plain = parse_time(text, 0, zone) == instant
    except ValueError:
        plain = False
    if plain:
        return text
    # An offset of a zone may have seconds (before 1970 or so); no text has a place for them.
    return f"{(_EPOCH + timedelta(milliseconds=instant)).strftime('%Y-%m-%d %H:%M:%S')}{_decimals(instant)}+00:00"


def _duration_text(seconds: float | None) -> str:
    span = CENTURY if seconds is None else round(seconds * 1_000)
    whole = span - span % 1_000
    return format_span(whole) + _decimals(span)


def _decimals(milliseconds: int) -> str:
    fraction = milliseconds % 1_000
    return f".{fraction:03}" if fraction % 10 else f".{fraction // 10:02}"
