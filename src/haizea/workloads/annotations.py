"""Lease annotations (``.lwfa``): changes to the leases of a workload, kept apart from it."""

import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from haizea.model.lease import NO_EXTRA, DiskImage, LeaseRequest
from haizea.model.units import Span
from haizea.workloads.errors import WorkloadError
from haizea.workloads.leasexml import ID_MAX, LeaseXml, Start
from haizea.workloads.source import XML_BYTES_MAX, Source
from haizea.workloads.xmlfile import Shape

if TYPE_CHECKING:
    from lxml.etree import _Element

_ROOT: Final = Shape(children={"attributes": 1, "lease-annotation": 0})
_ANNOTATION: Final = Shape(optional=("id",), children={"start": 1, "deadline": 1, "software": 1, "extra": 1})

LEFT_OUT: Final = "annotations of no lease"


class Annotation(NamedTuple):
    """What to change in one lease; what is None stays as it is.

    ``start.exact`` and ``deadline`` are spans since the lease's arrival. ``new_software`` says whether ``software``
    replaces the lease's (by None: without an image). ``extra`` is added to the lease's.
    """

    line: int
    id: int | None = None
    start: Start | None = None
    deadline: Span | None = None
    new_software: bool = False
    software: DiskImage | None = None
    extra: Mapping[str, str] = NO_EXTRA


class Annotations(NamedTuple):
    """The annotations of one file: all of them with the ids of leases, or none (then they go by order)."""

    path: str
    items: tuple[Annotation, ...]
    attributes: Mapping[str, str] = NO_EXTRA

    @property
    def by_id(self) -> bool:
        """Whether annotations name their leases."""
        return bool(self.items) and self.items[0].id is not None

    def left_out(self, requests: Collection[LeaseRequest]) -> dict[str, int]:
        """Count, in words, the annotations that are of none of the requests: one file may serve several workloads."""
        if self.by_id:
            known = {request.id for request in requests}
            count = sum(1 for item in self.items if item.id not in known)
        else:
            count = max(0, len(self.items) - len(requests))
        return {LEFT_OUT: count} if count else {}


def read_annotations(path: str | os.PathLike[str], *, max_bytes: int = XML_BYTES_MAX) -> Annotations:
    """Read a file of lease annotations, plain or gzip.

    Raises:
        WorkloadError: the file is not one, mixes annotations with and without ids, or names a lease twice.
    """
    xml = LeaseXml(os.fspath(path))
    items: list[Annotation] = []
    lines: dict[int, int] = {}
    attributes: Mapping[str, str] = NO_EXTRA
    with Source(path, max_bytes) as source:
        for element in xml.stream(source, "lease-annotations", "lease-annotation", ("lease-annotations",)):
            if element.tag == "lease-annotation":
                item = _annotation(xml, element)
                _check_id(xml, element, item, items, lines)
                items.append(item)
                continue
            xml.attributes(element, _ROOT)
            for child in xml.children(element, _ROOT):
                if child.tag == "attributes":
                    attributes = xml.attrs(child)
    return Annotations(xml.path, tuple(items), attributes)


def annotate(requests: Iterable[LeaseRequest], annotations: Annotations) -> list[LeaseRequest]:
    """Return the requests with the annotations applied, in the same order; all of them are in memory.

    Annotations of leases that are not there, by id or by order, apply to nothing.

    Raises:
        WorkloadError: a lease would have a deadline without an exact start.
    """
    changed = list(requests)
    if annotations.by_id:
        places = {request.id: place for place, request in enumerate(changed)}
        for item in annotations.items:
            place = places.get(-1 if item.id is None else item.id)
            if place is not None:
                changed[place] = _changed(changed[place], item, annotations.path)
        return changed
    for place, item in enumerate(annotations.items[: len(changed)]):
        changed[place] = _changed(changed[place], item, annotations.path)
    return changed


def _changed(request: LeaseRequest, item: Annotation, path: str) -> LeaseRequest:
    terms = request.terms
    if item.start is not None:
        exact = item.start.exact
        start = None if exact is None else request.arrival + exact
        terms = terms._replace(start=start, immediate=item.start.immediate)
    if item.deadline is not None:
        terms = terms._replace(deadline=request.arrival + item.deadline)
    if terms.deadline is not None and terms.start is None:
        wrong = f"lease {request.id} would have a deadline without an exact start"
        raise WorkloadError(path, item.line, wrong, "<exact> in the <start> of the annotation, or no deadline")
    if item.new_software:
        terms = terms._replace(software=item.software)
    if item.extra:
        terms = terms._replace(extra={**terms.extra, **item.extra})
    return request._replace(terms=terms)


def _annotation(xml: LeaseXml, element: "_Element") -> Annotation:
    found = xml.attributes(element, _ANNOTATION)
    parts = {str(child.tag): child for child in xml.children(element, _ANNOTATION)}
    return Annotation(
        line=xml.line(element),
        id=xml.whole(element, "id", found["id"], 0, ID_MAX) if "id" in found else None,
        start=xml.start(parts["start"]) if "start" in parts else None,
        deadline=xml.time_of(parts["deadline"]) if "deadline" in parts else None,
        new_software="software" in parts,
        software=xml.software(parts["software"]) if "software" in parts else None,
        extra=xml.attrs(parts["extra"]) if "extra" in parts else NO_EXTRA,
    )


def _check_id(
    xml: LeaseXml, element: "_Element", item: Annotation, items: list[Annotation], lines: dict[int, int]
) -> None:
    if items and (item.id is None) != (items[0].id is None):
        raise xml.error(element, "annotations with and without ids in one file", "ids on all of them or on none")
    if item.id is None:
        return
    if item.id in lines:
        raise xml.error(element, f"lease {item.id} was already annotated on line {lines[item.id]}", "each id once")
    lines[item.id] = item.line
