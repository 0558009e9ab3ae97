"""From a request, as it is sent, to the terms of a lease."""

from collections.abc import Mapping, Sequence

from haizea.model.lease import (
    DEFAULT_REACTIONS,
    Constraints,
    DiskImage,
    LeaseTerms,
    NodeSet,
    OnEnd,
    OnFailure,
    OnGuestShutdown,
    Reactions,
)
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import SECOND, Instant, Span
from haizea.service.errors import Invalid
from haizea.service.instants import read_instant
from haizea.service.models import LeaseChangeIn, LeaseRequestIn, NodeSetIn
from haizea.workloads.times import SPAN_FORM, SPAN_MAX, parse_duration


def terms_of(request: LeaseRequestIn, owner: str, now: Instant) -> LeaseTerms:
    """Return the terms that a request asks for, at an instant that relative times are counted from.

    Raises:
        Invalid: times do not go together.
    """
    duration = span_of(request.duration, "duration")
    immediate = request.start is not None and request.start.strip().lower() == "now" and request.deadline is None
    start = None if request.start is None or immediate else read_instant(request.start, now, "start")
    deadline = None if request.deadline is None else read_instant(request.deadline, now, "deadline")
    if deadline is not None:
        start = now if start is None else start
        if duration is None:
            raise Invalid("a lease of unlimited duration cannot end by a deadline", field="deadline")
        if deadline <= start:
            raise Invalid("the deadline is not after the earliest start", field="deadline")
    image = request.software
    wishes = request.constraints
    return LeaseTerms(
        nodes=node_sets(request.nodes),
        duration=duration,
        start=start,
        immediate=immediate,
        deadline=deadline,
        preemptible=request.preemptible if request.preemptible is not None else start is None and not immediate,
        software=None if image is None else DiskImage(image.id, image.size),
        user=owner,
        extra=request.extra,
        constraints=Constraints(
            tuple(wishes.require.items()), tuple(wishes.exclude.items()), wishes.spread, wishes.together
        ),
        reactions=Reactions(
            OnGuestShutdown(request.on_guest_shutdown),
            OnFailure(request.on_failure),
            OnEnd(request.on_end),
            DEFAULT_REACTIONS.extend_by if request.extend_by is None else _more(request.extend_by),
        ),
        group=request.group,
        name=request.name,
        priority=request.priority,
        grace=_grace(request.grace),
    )


def node_sets(nodes: Sequence[NodeSetIn]) -> tuple[NodeSet, ...]:
    """Return the VMs that a request asks for.

    Raises:
        Invalid: one would need nothing.
    """
    return tuple(NodeSet(each.count, _capacity(each.resources)) for each in nodes)


def _capacity(resources: dict[str, int]) -> Capacity:
    none = [name for name in (CPU, MEMORY) if resources.get(name) == 0]
    if none:
        raise Invalid(
            f"a VM with no {none[0]} at all cannot run", field="nodes", remedy="Ask for some, or leave it out."
        )
    capacity = Capacity(resources)
    if not len(capacity):
        raise Invalid("a VM needs some amount of something", field="nodes")
    return capacity


def span_of(given: float | str, field: str) -> Span | None:
    """Return a length of time as a request has it, in seconds or as a text; None for unlimited.

    Raises:
        Invalid: it is none; ``field`` is the part of the request it stands in.
    """
    if isinstance(given, str):
        try:
            span = parse_duration(given)
        except ValueError as problem:
            raise Invalid(f"{field}: expected seconds, {SPAN_FORM}, or unlimited: {problem}", field=field) from problem
        return span
    span = round(given * SECOND)
    if not 0 < span <= SPAN_MAX:
        raise Invalid(f"{field}: expected from a millisecond to a hundred years", field=field)
    return span


def _more(given: float | str) -> Span:
    more = span_of(given, "extend_by")
    if more is None:
        raise Invalid("extend_by: a lease that ends cannot be extended without limit", field="extend_by")
    return more


def _grace(given: float | str) -> Span:
    if given in (0, "0"):
        return 0
    grace = span_of(given, "grace")
    if grace is None:
        raise Invalid("grace: a lease that never gives way is not preemptible; say that instead", field="grace")
    return grace


EXTRA_MAX = 64


def changed(terms: LeaseTerms, wanted: LeaseChangeIn) -> LeaseTerms:
    """Return the terms of a lease with what is to be different about them.

    Raises:
        Invalid: more names and values than a lease may carry.
    """
    terms = annotated(terms, wanted.extra)
    reactions = terms.reactions
    if wanted.on_guest_shutdown is not None:
        reactions = reactions._replace(on_guest_shutdown=OnGuestShutdown(wanted.on_guest_shutdown))
    if wanted.on_failure is not None:
        reactions = reactions._replace(on_failure=OnFailure(wanted.on_failure))
    if wanted.on_end is not None:
        reactions = reactions._replace(on_end=OnEnd(wanted.on_end))
    if wanted.extend_by is not None:
        reactions = reactions._replace(extend_by=_more(wanted.extend_by))
    return terms._replace(
        name=terms.name if wanted.name is None else wanted.name,
        preemptible=terms.preemptible if wanted.preemptible is None else wanted.preemptible,
        reactions=reactions,
        grace=terms.grace if wanted.grace is None else _grace(wanted.grace),
    )


def annotated(terms: LeaseTerms, wanted: Mapping[str, str | None]) -> LeaseTerms:
    """Return the terms of a lease that carries these names and values along too; None takes a name away.

    Raises:
        Invalid: more of them than a lease may carry.
    """
    extra = {**terms.extra, **wanted}
    kept = {name: value for name, value in extra.items() if value is not None}
    if len(kept) > EXTRA_MAX:
        raise Invalid(f"a lease carries at most {EXTRA_MAX} names and values", field="extra")
    return terms._replace(extra=kept)
