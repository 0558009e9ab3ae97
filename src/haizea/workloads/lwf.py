"""Reading workloads in LWF, the XML format of Haizea.

Beside what Haizea 1.x reads, a lease may have ``<constraints require exclude spread together/>``, ``<reactions
on-guest-shutdown on-failure on-end extend-by/>`` and the attributes ``priority`` and ``grace``, and the hosts of a site
``<label name value/>``.
"""

from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from haizea.model.lease import DEFAULT_REACTIONS, NO_CONSTRAINTS, NO_EXTRA, LeaseRequest, LeaseTerms
from haizea.model.resources import CPU, MEMORY
from haizea.model.site import Site
from haizea.model.units import Span
from haizea.workloads.errors import WorkloadError, quoted
from haizea.workloads.leasexml import ID_MAX, LeaseXml
from haizea.workloads.oneline import TYPES_MAX, build_site, is_type_name
from haizea.workloads.source import XML_BYTES_MAX, Source
from haizea.workloads.workload import Workload
from haizea.workloads.xmlfile import EMPTY, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element

_ROOT: Final = Shape(
    optional=("name",),
    children={"description": 1, "attributes": 1, "site": 1, "lease-requests": 1},
    needed=("lease-requests",),
)
_DESCRIPTION: Final = Shape(text=True)
_SITE: Final = Shape(children={"resource-types": 1, "nodes": 1}, needed=("resource-types", "nodes"))
_TYPES: Final = Shape(required=("names",))
_REQUESTS: Final = Shape(children={"lease-request": 0})
_REQUEST: Final = Shape(required=("arrival",), children={"realduration": 1, "lease": 1}, needed=("lease",))
_LEASE: Final = Shape(
    required=("preemptible",),
    optional=("id", "user", "state", "submit-time", "priority", "grace"),
    children={
        "nodes": 1, "start": 1, "duration": 1, "deadline": 1, "software": 1, "extra": 1, "constraints": 1,
        "reactions": 1,
    },
    needed=("nodes", "start", "duration", "software"),
)  # fmt: skip


def read_lwf(source: Source) -> Workload:
    """Read an LWF from an open source. Requests that are not in order of arrival are sorted, stably.

    A lease without an id gets the lowest number from 1 that no lease of the file has, in order of the file.

    Raises:
        WorkloadError: the file is not an LWF, or not one that can be used.
    """
    return _Reader(source.path).read(source)


def read_site(path: str) -> Site:
    """Read a file that holds nothing but a ``<site>``, plain or gzip.

    Raises:
        WorkloadError: the file is none.
    """
    with Source(path, XML_BYTES_MAX) as source:
        return _Reader(path).site(source)


class _Found(NamedTuple):
    """A request as it is in the file; ``id`` may still be missing."""

    id: int | None
    arrival: Span
    terms: LeaseTerms
    real_duration: Span | None


class _Reader:
    """Reads one file."""

    __slots__ = ("_lines", "_xml")

    def __init__(self, path: str) -> None:
        self._xml = LeaseXml(path)
        self._lines: dict[int, int] = {}

    def read(self, source: Source) -> Workload:
        found: list[_Found] = []
        root: _Element | None = None
        above = ("lease-workload", "lease-requests")
        for element in self._xml.stream(source, "lease-workload", "lease-request", above):
            if element.tag == "lease-request":
                found.append(self._request(element))
            else:
                root = element
        assert root is not None
        return self._workload(root, self._numbered(found))

    def site(self, source: Source) -> Site:
        """Read a file whose root is a site."""
        root: _Element | None = None
        for element in self._xml.stream(source, "site", "lease-request", ("site",)):
            if element.tag == "lease-request":
                raise self._xml.error(element, "<lease-request> in a site", "<resource-types> and <nodes>")
            root = element
        assert root is not None
        return self._site(root)

    def _workload(self, root: "_Element", requests: list[LeaseRequest]) -> Workload:
        xml = self._xml
        name = xml.attributes(root, _ROOT).get("name", "")
        description, attributes, site = "", NO_EXTRA, None
        for child in xml.children(root, _ROOT):
            if child.tag == "description":
                xml.attributes(child, EMPTY)
                xml.children(child, _DESCRIPTION)
                description = child.text or ""
            elif child.tag == "attributes":
                attributes = xml.attrs(child)
            elif child.tag == "site":
                site = self._site(child)
            else:
                xml.attributes(child, EMPTY)
                xml.children(child, _REQUESTS)
        requests.sort(key=attrgetter("arrival"))
        return Workload(name, requests, description, attributes, site)

    def _numbered(self, found: list[_Found]) -> list[LeaseRequest]:
        requests = []
        number = 0
        for id_, arrival, terms, real_duration in found:
            if id_ is None:
                number += 1
                while number in self._lines:
                    number += 1
                id_ = number
            requests.append(LeaseRequest(id_, arrival, terms, real_duration))
        return requests

    def _site(self, element: "_Element") -> Site:
        xml = self._xml
        xml.attributes(element, _SITE)
        parts = {str(child.tag): child for child in xml.children(element, _SITE)}
        types = self._resource_types(parts["resource-types"])
        groups = xml.hosts(parts["nodes"])
        for group in groups:
            for name in group.capacity:
                if name not in types:
                    wrong = f"hosts with {quoted(name)}, which is no resource type of the site"
                    raise WorkloadError(xml.path, group.line, wrong, f"one of {' '.join(types)}")
        return build_site([(group.number, group.capacity, group.labels) for group in groups], types)

    def _resource_types(self, element: "_Element") -> tuple[str, ...]:
        xml = self._xml
        xml.children(element, EMPTY)
        text = xml.attributes(element, _TYPES)["names"]
        names = tuple(text.split())
        if len(set(names)) < len(names) or not {CPU, MEMORY} <= set(names) or not all(map(is_type_name, names)):
            raise xml.error(element, f"resource types {quoted(text)}", "names, each once, CPU and Memory among them")
        if len(names) > TYPES_MAX:
            raise xml.error(element, f"{len(names)} resource types", f"at most {TYPES_MAX}")
        return names

    def _request(self, element: "_Element") -> _Found:
        xml = self._xml
        arrival = xml.span(element, "arrival", xml.attributes(element, _REQUEST)["arrival"])
        real_duration: Span | None = None
        found: tuple[int | None, LeaseTerms] | None = None
        for child in xml.children(element, _REQUEST):
            if child.tag == "lease":
                found = self._lease(child)
            else:
                real_duration = xml.time_of(child)
                if real_duration == 0:
                    raise xml.error(child, "a real duration of 0", "a length of time above 0")
        assert found is not None
        return _Found(found[0], arrival, found[1], real_duration)

    def _lease(self, element: "_Element") -> tuple[int | None, LeaseTerms]:
        xml = self._xml
        found = xml.attributes(element, _LEASE)
        parts = {str(child.tag): child for child in xml.children(element, _LEASE)}
        start = xml.start(parts["start"])
        deadline = xml.time_of(parts["deadline"]) if "deadline" in parts else None
        if deadline is not None and start.exact is None:
            wrong = "a deadline without an exact start"
            raise xml.error(parts["deadline"], wrong, "<exact> in <start>, or no deadline")
        terms = LeaseTerms(
            nodes=xml.nodes(parts["nodes"]),
            duration=xml.duration(parts["duration"]),
            start=start.exact,
            immediate=start.immediate,
            deadline=deadline,
            preemptible=xml.truth(element, "preemptible", found["preemptible"]),
            software=xml.software(parts["software"]),
            user=found.get("user", ""),
            extra=xml.attrs(parts["extra"]) if "extra" in parts else NO_EXTRA,
            constraints=xml.constraints(parts["constraints"]) if "constraints" in parts else NO_CONSTRAINTS,
            reactions=xml.reactions(parts["reactions"]) if "reactions" in parts else DEFAULT_REACTIONS,
            priority=xml.priority(element, found["priority"]) if "priority" in found else 0,
            grace=xml.span(element, "grace", found["grace"]) if "grace" in found else 0,
        )
        return self._id(element, found), terms

    def _id(self, element: "_Element", found: "Mapping[str, str]") -> int | None:
        if "id" not in found:
            return None
        id_ = self._xml.whole(element, "id", found["id"], 0, ID_MAX)
        if id_ in self._lines:
            raise self._xml.error(element, f"lease {id_} was already on line {self._lines[id_]}", "each id once")
        self._lines[id_] = self._xml.line(element)
        return id_
