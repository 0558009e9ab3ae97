"""Writing workloads in LWF, and their annotations."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from haizea.model.lease import (
    DEFAULT_REACTIONS,
    NO_CONSTRAINTS,
    Constraints,
    DiskImage,
    LeaseRequest,
    LeaseTerms,
    NodeSet,
)
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import Span
from haizea.workloads.annotations import Annotation, Annotations
from haizea.workloads.times import format_duration, format_span
from haizea.workloads.workload import Workload

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)
_SPECIAL_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def write_lwf(workload: Workload, file: TextIO) -> int:
    """Write a workload as LWF, to a text file in UTF-8, a lease at a time; return how many leases were written.

    Reading it back gives an equal workload, but for ``start`` and ``skipped``, which LWF has no place for, and for
    the names of hosts, which it numbers.

    Raises:
        ValueError: a text has characters that XML cannot hold, or a constraint label has blanks.
    """
    write = file.write
    write(f'<?xml version="1.0" encoding="UTF-8"?>\n<lease-workload name={_quote(workload.name)}>\n')
    if workload.description:
        write(f"  <description>{_text(workload.description)}</description>\n")
    if workload.attributes:
        write(f"  <attributes>{_attrs(workload.attributes)}</attributes>\n")
    if workload.site is not None:
        write(_site(workload.site))
    write("  <lease-requests>\n")
    count = 0
    nodes: dict[tuple[NodeSet, ...], str] = {}
    for request in workload.requests:
        text = nodes.get(request.terms.nodes)
        if text is None:
            text = nodes[request.terms.nodes] = _nodes(request.terms.nodes)
        write(_request(request, text))
        count += 1
    write("  </lease-requests>\n</lease-workload>\n")
    return count


def write_annotations(annotations: Annotations, file: TextIO) -> int:
    """Write annotations, to a text file in UTF-8; return how many were written. Reading them back gives equal ones.

    Raises:
        ValueError: a text has characters that XML cannot hold.
    """
    write = file.write
    write('<?xml version="1.0" encoding="UTF-8"?>\n<lease-annotations>\n')
    if annotations.attributes:
        write(f"  <attributes>{_attrs(annotations.attributes)}</attributes>\n")
    for item in annotations.items:
        id_ = "" if item.id is None else f' id="{item.id}"'
        write(f"  <lease-annotation{id_}>{''.join(_changes(item))}</lease-annotation>\n")
    write("</lease-annotations>\n")
    return len(annotations.items)


def _changes(item: Annotation) -> Iterable[str]:
    if item.start is not None:
        yield _start(item.start.exact, item.start.immediate)
    if item.deadline is not None:
        yield _deadline(item.deadline)
    if item.new_software:
        yield _software(item.software)
    if item.extra:
        yield f"<extra>{_attrs(item.extra)}</extra>"


def _request(request: LeaseRequest, nodes: str) -> str:
    terms = request.terms
    lines = [f'    <lease-request arrival="{format_span(request.arrival)}">\n']
    if request.real_duration is not None:
        lines.append(f'      <realduration time="{format_span(request.real_duration)}"/>\n')
    user = f" user={_quote(terms.user)}" if terms.user else ""
    preemptible = "true" if terms.preemptible else "false"
    more = f' priority="{terms.priority}"' if terms.priority else ""
    more += f' grace="{format_span(terms.grace)}"' if terms.grace else ""
    lines.append(f'      <lease id="{request.id}" preemptible="{preemptible}"{user}{more}>\n')
    lines.extend(f"        {part}\n" for part in (nodes, *_terms(terms)))
    lines.append("      </lease>\n    </lease-request>\n")
    return "".join(lines)


def _terms(terms: LeaseTerms) -> Iterable[str]:
    yield _start(terms.start, terms.immediate)
    yield f'<duration time="{format_duration(terms.duration)}"/>'
    if terms.deadline is not None:
        yield _deadline(terms.deadline)
    yield _software(terms.software)
    if terms.extra:
        yield f"<extra>{_attrs(terms.extra)}</extra>"
    if terms.constraints != NO_CONSTRAINTS:
        yield _constraints(terms.constraints)
    if terms.reactions != DEFAULT_REACTIONS:
        wishes = terms.reactions
        shutdown, failure = wishes.on_guest_shutdown, wishes.on_failure
        end = ""
        if wishes[2:] != DEFAULT_REACTIONS[2:]:
            end = f' on-end="{wishes.on_end.value}" extend-by="{format_span(wishes.extend_by)}"'
        yield f'<reactions on-guest-shutdown="{shutdown.value}" on-failure="{failure.value}"{end}/>'


def _start(exact: Span | None, immediate: bool) -> str:
    if immediate:
        return "<start><now/></start>"
    return "<start/>" if exact is None else f'<start><exact time="{format_span(exact)}"/></start>'


def _deadline(deadline: Span) -> str:
    return f'<deadline time="{format_span(deadline)}"/>'


def _software(image: DiskImage | None) -> str:
    if image is None:
        return "<software><none/></software>"
    return f'<software><disk-image id={_quote(image.id)} size="{image.size}"/></software>'


def _constraints(constraints: Constraints) -> str:
    parts = [f"{name}={_quote(_labels(pairs))}" for name, pairs in zip(
        ("require", "exclude"), (constraints.require, constraints.exclude), strict=True) if pairs]  # fmt: skip
    parts += [f'{name}="true"' for name in ("spread", "together") if getattr(constraints, name)]
    return f"<constraints {' '.join(parts)}/>"


def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    for name, value in pairs:
        if not name or not value or "=" in name or any(c.isspace() for c in name + value):
            raise ValueError(f"label {name!r}={value!r} of a constraint cannot be written; expected no blanks in it")
    return " ".join(f"{name}={value}" for name, value in pairs)


def _nodes(sets: Iterable[NodeSet]) -> str:
    return f"<nodes>{''.join(_node_set(s.count, s.demand, {}) for s in sets)}</nodes>"


def _node_set(count: int, capacity: Capacity, labels: Mapping[str, str]) -> str:
    amounts = "".join(f'<res type={_quote(name)} amount="{amount}"/>' for name, amount in capacity.items())
    marks = "".join(f"<label name={_quote(name)} value={_quote(value)}/>" for name, value in labels.items())
    return f'<node-set numnodes="{count}">{amounts}{marks}</node-set>'


def _site(site: Site) -> str:
    groups: list[tuple[Host, int]] = []
    for host in site.hosts:
        if groups and (groups[-1][0].capacity, groups[-1][0].labels) == (host.capacity, host.labels):
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((host, 1))
    sets = "".join(f"      {_node_set(count, host.capacity, host.labels)}\n" for host, count in groups)
    types = f"    <resource-types names={_quote(' '.join(site.resource_types))}/>\n"
    return f"  <site>\n{types}    <nodes>\n{sets}    </nodes>\n  </site>\n"


def _attrs(values: Mapping[str, str]) -> str:
    return "".join(f"<attr name={_quote(name)} value={_quote(value)}/>" for name, value in values.items())


def _quote(text: str) -> str:
    return f'"{_checked(text).translate(_SPECIAL)}"'


def _text(text: str) -> str:
    return _checked(text).translate(_SPECIAL_IN_TEXT)


def _checked(text: str) -> str:
    if text.isprintable() and text.isascii():
        return text
    bad = _FORBIDDEN.search(text)
    if bad:
        raise ValueError(f"{text[:60]!r} cannot be written as XML; expected no control character such as {bad[0]!r}")
    return text
