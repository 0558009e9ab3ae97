"""The elements that describe leases and nodes, shared by workloads and annotations."""

from typing import TYPE_CHECKING, Final, NamedTuple

from haizea.model.lease import (
    DEFAULT_REACTIONS,
    NO_CONSTRAINTS,
    NO_EXTRA,
    Constraints,
    DiskImage,
    NodeSet,
    OnEnd,
    OnFailure,
    OnGuestShutdown,
    Reactions,
)
from haizea.model.resources import AMOUNT_MAX, Capacity
from haizea.model.units import Span
from haizea.workloads.errors import quoted
from haizea.workloads.oneline import TYPES_MAX, is_type_name
from haizea.workloads.times import SPAN_FORM, UNLIMITED, parse_duration, parse_span
from haizea.workloads.xmlfile import EMPTY, Shape, XmlFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element

NODES_MAX: Final = 100_000
"""Most VMs of a lease, and most hosts of a site."""

ID_MAX: Final = (1 << 53) - 1
"""Largest id of a lease."""

PRIORITY_MAX: Final = 1_000_000
"""Largest priority of a lease; the least is as far below 0."""

_TRUTH: Final = {"true": True, "yes": True, "false": False, "no": False}

_ATTRS: Final = Shape(children={"attr": 0})
_ATTR: Final = Shape(required=("name", "value"))
_NODES: Final = Shape(children={"node-set": 0}, needed=("node-set",))
_NODE_SET: Final = Shape(required=("numnodes",), children={"res": 0}, needed=("res",))
_HOST_SET: Final = Shape(required=("numnodes",), children={"res": 0, "label": 0}, needed=("res",))
_RES: Final = Shape(required=("type",), optional=("amount",), children={"instance": 0})
_INSTANCE: Final = Shape(required=("amount",))
_LABEL: Final = Shape(required=("name", "value"))
_START: Final = Shape(children={"now": 1, "exact": 1})
_TIME: Final = Shape(required=("time",))
_SOFTWARE: Final = Shape(children={"none": 1, "disk-image": 1})
_IMAGE: Final = Shape(required=("id", "size"))
_CONSTRAINTS: Final = Shape(optional=("require", "exclude", "spread", "together"))
_REACTIONS: Final = Shape(optional=("on-guest-shutdown", "on-failure", "on-end", "extend-by"))


class Start(NamedTuple):
    """When a lease is to start: at ``exact`` (a span), now (``immediate``), or whenever it can (neither)."""

    exact: Span | None = None
    immediate: bool = False


class HostSet(NamedTuple):
    """``number`` identical hosts of a site, on line ``line``."""

    number: int
    capacity: Capacity
    labels: dict[str, str]
    line: int


class LeaseXml(XmlFile):
    """Reads the parts of leases. Equal capacities, node sets and images of a file are one and the same object."""

    __slots__ = ("_capacities", "_images", "_nodes")

    def __init__(self, path: str) -> None:
        """Name the file for messages."""
        super().__init__(path)
        self._capacities: dict[Capacity, Capacity] = {}
        self._nodes: dict[tuple[NodeSet, ...], tuple[NodeSet, ...]] = {}
        self._images: dict[DiskImage, DiskImage] = {}

    def whole(self, element: "_Element", name: str, text: str, least: int, most: int) -> int:
        """Return an attribute that must be a whole number without a unit."""
        digits = text.strip()
        if digits.isascii() and digits.isdigit() and len(digits) <= 18 and least <= int(digits) <= most:
            return int(digits)
        expected = f"a whole number from {least} to {most}, without a unit"
        raise self.error(element, f"{name}={quoted(text)} of <{element.tag!s}>", expected)

    def truth(self, element: "_Element", name: str, text: str) -> bool:
        """Return an attribute that must be yes, no, true or false, in any case."""
        value = _TRUTH.get(text.strip().lower())
        if value is None:
            raise self.error(element, f"{name}={quoted(text)} of <{element.tag!s}>", "true, false, yes or no")
        return value

    def span(self, element: "_Element", name: str, text: str) -> Span:
        """Return an attribute that must be a span."""
        try:
            return parse_span(text)
        except ValueError as error:
            wrong = f"{name}={quoted(text)} of <{element.tag!s}>: {error}"
            raise self.error(element, wrong, f"{SPAN_FORM}, such as 01:30:00") from error

    def time_of(self, element: "_Element") -> Span:
        """Return the span in the ``time`` of an element that holds nothing else."""
        self.children(element, EMPTY)
        return self.span(element, "time", self.attributes(element, _TIME)["time"])

    def duration(self, element: "_Element") -> Span | None:
        """Return the ``time`` of a duration element; None is unlimited."""
        self.children(element, EMPTY)
        text = self.attributes(element, _TIME)["time"]
        try:
            return parse_duration(text)
        except ValueError as error:
            wrong = f"time={quoted(text)} of <{element.tag!s}>: {error}"
            raise self.error(element, wrong, f"{SPAN_FORM}, above 0, or {UNLIMITED}") from error

    def start(self, element: "_Element") -> Start:
        """Read ``start``: empty, with ``now``, or with ``exact``."""
        self.attributes(element, _START)
        children = self.children(element, _START)
        if not children:
            return Start()
        if len(children) > 1:
            raise self.error(element, "<start> with both <now> and <exact>", "one of them, or neither")
        child = children[0]
        if child.tag == "exact":
            return Start(exact=self.time_of(child))
        self.attributes(child, EMPTY)
        self.children(child, EMPTY)
        return Start(immediate=True)

    def software(self, element: "_Element") -> DiskImage | None:
        """Read ``software``: ``none`` or a disk image."""
        self.attributes(element, _SOFTWARE)
        children = self.children(element, _SOFTWARE)
        if len(children) != 1:
            raise self.error(element, f"<software> with {len(children)} elements", "either <none/> or <disk-image/>")
        child = children[0]
        self.children(child, EMPTY)
        if child.tag == "none":
            self.attributes(child, EMPTY)
            return None
        found = self.attributes(child, _IMAGE)
        if not found["id"]:
            raise self.error(child, "a disk image with an empty id", "the name of an image")
        image = DiskImage(found["id"], self.whole(child, "size", found["size"], 0, AMOUNT_MAX))
        return self._images.setdefault(image, image)

    def attrs(self, element: "_Element") -> "Mapping[str, str]":
        """Read ``attr`` children as a mapping from name to value."""
        self.attributes(element, _ATTRS)
        found: dict[str, str] = {}
        for child in self.children(element, _ATTRS):
            self.children(child, EMPTY)
            pair = self.attributes(child, _ATTR)
            if pair["name"] in found:
                raise self.error(child, f"attribute {quoted(pair['name'])} given twice", "each name once")
            found[pair["name"]] = pair["value"]
        return found or NO_EXTRA

    def nodes(self, element: "_Element") -> tuple[NodeSet, ...]:
        """Read the ``nodes`` of a lease."""
        found = tuple(NodeSet(s.number, s.capacity) for s in self._sets(element, _NODE_SET))
        return self._nodes.setdefault(found, found)

    def hosts(self, element: "_Element") -> list[HostSet]:
        """Read the ``nodes`` of a site."""
        return self._sets(element, _HOST_SET)

    def _sets(self, element: "_Element", shape: Shape) -> list[HostSet]:
        self.attributes(element, _NODES)
        sets = [self._set(child, shape) for child in self.children(element, _NODES)]
        total = sum(s.number for s in sets)
        if total > NODES_MAX:
            raise self.error(element, f"{total} nodes", f"at most {NODES_MAX} nodes")
        return sets

    def _set(self, element: "_Element", shape: Shape) -> HostSet:
        count = self.whole(element, "numnodes", self.attributes(element, shape)["numnodes"], 1, NODES_MAX)
        amounts: dict[str, int] = {}
        labels: dict[str, str] = {}
        for child in self.children(element, shape):
            if child.tag == "label":
                self.children(child, EMPTY)
                pair = self.attributes(child, _LABEL)
                if pair["name"] in labels:
                    raise self.error(child, f"label {quoted(pair['name'])} given twice", "each label once")
                labels[pair["name"]] = pair["value"]
                continue
            name, amount = self._resource(child)
            if name in amounts:
                raise self.error(child, f"{name} given twice", "each resource type once in a <node-set>")
            amounts[name] = amount
            if len(amounts) > TYPES_MAX:
                raise self.error(child, f"more than {TYPES_MAX} resource types in a <node-set>", f"at most {TYPES_MAX}")
        capacity = Capacity(amounts)
        if not len(capacity):
            raise self.error(element, "a <node-set> whose amounts are all 0", "some amount of some resource type")
        return HostSet(count, self._capacities.setdefault(capacity, capacity), labels, self.line(element))

    def _resource(self, element: "_Element") -> tuple[str, int]:
        found = self.attributes(element, _RES)
        instances = self.children(element, _RES)
        name = found["type"]
        if not is_type_name(name):
            raise self.error(element, f"type={quoted(name)} of <res>", "the name of a resource type, such as CPU")
        if ("amount" in found) == bool(instances):
            raise self.error(element, f"<res> of {name} with both or none of amount and <instance>", "one of the two")
        if not instances:
            return name, self.whole(element, "amount", found["amount"], 0, AMOUNT_MAX)
        total = 0
        for instance in instances:
            self.children(instance, EMPTY)
            total += self.whole(instance, "amount", self.attributes(instance, _INSTANCE)["amount"], 0, AMOUNT_MAX)
        if total > AMOUNT_MAX:
            raise self.error(element, f"{total} of {name} in all", f"at most {AMOUNT_MAX}")
        return name, total

    def constraints(self, element: "_Element") -> Constraints:
        """Read ``constraints``: labels as ``name=value`` separated by blanks, and the two switches."""
        self.children(element, EMPTY)
        found = self.attributes(element, _CONSTRAINTS)
        spread = self.truth(element, "spread", found.get("spread", "no"))
        together = self.truth(element, "together", found.get("together", "no"))
        if spread and together:
            raise self.error(element, "VMs both spread and together", "at most one of the two")
        require = self._labels(element, "require", found.get("require", ""))
        exclude = self._labels(element, "exclude", found.get("exclude", ""))
        constraints = Constraints(require, exclude, spread, together)
        return NO_CONSTRAINTS if constraints == NO_CONSTRAINTS else constraints

    def _labels(self, element: "_Element", name: str, text: str) -> tuple[tuple[str, str], ...]:
        pairs = []
        for word in text.split():
            label, equals, value = word.partition("=")
            if not (label and equals and value):
                raise self.error(element, f"{name}={quoted(text)}", "labels such as 'gpu=yes rack=*'")
            pairs.append((label, value))
        return tuple(pairs)

    def priority(self, element: "_Element", text: str) -> int:
        """Return the ``priority`` of a lease: a whole number, which may be negative."""
        sign = -1 if text.strip().startswith("-") else 1
        return sign * self.whole(element, "priority", text.strip().removeprefix("-"), 0, PRIORITY_MAX)

    def _positive(self, element: "_Element", name: str, text: str) -> Span:
        span = self.span(element, name, text)
        if span == 0:
            raise self.error(element, f"{name}={quoted(text)} of <{element.tag!s}>", "a length of time above 0")
        return span

    def reactions(self, element: "_Element") -> Reactions:
        """Read ``reactions``: what the lease wishes for when a guest shuts down or a VM fails."""
        self.children(element, EMPTY)
        found = self.attributes(element, _REACTIONS)
        more = found.get("extend-by")
        try:
            return Reactions(
                OnGuestShutdown(found.get("on-guest-shutdown", DEFAULT_REACTIONS.on_guest_shutdown.value)),
                OnFailure(found.get("on-failure", DEFAULT_REACTIONS.on_failure.value)),
                OnEnd(found.get("on-end", DEFAULT_REACTIONS.on_end.value)),
                DEFAULT_REACTIONS.extend_by if more is None else self._positive(element, "extend-by", more),
            )
        except ValueError as error:
            allowed = f"on-guest-shutdown one of {_values(OnGuestShutdown)}; on-failure one of {_values(OnFailure)}"
            allowed += f"; on-end one of {_values(OnEnd)}"
            raise self.error(element, f"reactions: {error}", allowed) from error


def _values(kind: type[OnGuestShutdown] | type[OnFailure] | type[OnEnd]) -> str:
    return ", ".join(str(member.value) for member in kind)
