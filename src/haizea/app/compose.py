"""From settings and files to the parts of a run."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from haizea.app.request import SimulateRequest
from haizea.config import Override
from haizea.config import load as load_settings
from haizea.config.errors import ConfigError
from haizea.config.settings import Settings
from haizea.core.desk import Policies
from haizea.model.lease import LeaseRequest, LeaseType, NodeSet
from haizea.model.resources import MEMORY, Capacity
from haizea.model.site import Site
from haizea.model.units import SECOND, Instant, Span
from haizea.policy.protocols import PolicyContext, PolicyError
from haizea.policy.registry import KINDS, available, resolve, settings_for
from haizea.workloads.load import load as load_workload
from haizea.workloads.oneline import parse_site
from haizea.workloads.swf import SwfOptions
from haizea.workloads.workload import Workload


class Scenario(NamedTuple):
    """Everything a simulation starts from."""

    name: str
    settings: Settings
    site: Site
    start: Instant
    requests: Iterable[LeaseRequest]
    workload: Workload


def policies(settings: Settings) -> Policies:
    """Return the policies that settings name, ready to use.

    Raises:
        haizea.policy.protocols.PolicyError: one cannot be loaded.
    """
    named = chosen(settings)

    def context(kind: str) -> PolicyContext:
        return _context(settings, kind, named[kind])

    return Policies(
        resolve("admission", named["admission"], context("admission")),
        resolve("host-selection", named["host-selection"], context("host-selection")),
        resolve("preemption", named["preemption"], context("preemption")),
        resolve("pricing", named["pricing"], context("pricing")),
        resolve("queue", named["queue"], context("queue")),
    )


def check_tables(settings: Settings, names: Iterable[str]) -> None:
    """Return if the tables ``[policy.NAME]`` of these names are such as their policies take, chosen or not.

    Raises:
        haizea.policy.protocols.PolicyError: there is no such policy, or something in its table is wrong.
    """
    classes = {name.rpartition(":")[2].strip() for name in chosen(settings).values() if ":" in name}
    for name in names:
        kinds = [kind for kind in KINDS if any(name in (info.name, *info.aliases) for info in available(kind))]
        any_kind: Any = resolve
        for kind in kinds:
            any_kind(kind, name, _context(settings, kind, name))
        if not kinds and name not in classes:
            raise PolicyError(f"there is no policy {name[:64]!r} that could have settings; haizea policies lists them")


def chosen(settings: Settings) -> dict[str, str]:
    """Return the names of the policies that settings choose, by kind."""
    scheduling = settings.scheduling
    return {
        "admission": scheduling.policy_admission,
        "host-selection": scheduling.policy_host_selection,
        "preemption": scheduling.policy_preemption,
        "pricing": scheduling.policy_pricing,
        "queue": scheduling.policy_queue,
    }


def _context(settings: Settings, kind: str, name: str) -> PolicyContext:
    priced = {name.replace("_", "-"): value for name, value in vars(settings.pricing).items()}
    return PolicyContext(
        suspension=settings.scheduling.suspension != "none",
        settings=settings_for(kind, name, settings.policy, priced),
        seed=settings.pricing.seed if settings.pricing.seed is not None else settings.simulation.seed,
        serial_only=settings.scheduling.suspension == "serial-only",
    )


def logfile(settings: Settings) -> str | None:
    """Return where a simulation's log is to be written: nowhere, unless somebody has named a file."""
    return settings.general.logfile if "general.logfile" in settings.origins else None


def scenario(request: SimulateRequest) -> Scenario:
    """Read all that a simulation needs.

    Raises:
        ValueError: a file, the configuration or an option is wrong; the message says which, where and how.
    """
    settings = request.settings or _settings(request)
    trace = settings.tracefile
    paths = request.workloads or ((trace.tracefile,) if trace.tracefile else ())
    if not paths:
        raise ConfigError("no workload: name one on the command line, or as tracefile in [tracefile]")
    memory = request.memory if request.memory is not None else trace.override_memory
    swf = SwfOptions(memory=memory, processors=request.processors)
    first = load_workload(paths[0], swf=swf)
    requests: Iterable[LeaseRequest] = first.requests
    attributes = dict(first.attributes)
    injected = list(paths[1:])
    injection = request.injection or trace.injectionfile
    if injection is not None:
        injected.append(injection)
    for path in injected:
        from haizea.workloads.inject import inject

        second = load_workload(path, swf=swf)
        requests = inject(requests, second.requests)
        attributes.update(second.attributes)
    annotations = request.annotations or trace.annotationfile
    if annotations is not None:
        from haizea.workloads.annotations import annotate, read_annotations

        notes = read_annotations(annotations)
        requests = annotated = annotate(requests, notes)
        attributes.update(notes.attributes)
        first = first._replace(skipped={**first.skipped, **notes.left_out(annotated)})
    if trace.override_memory is not None:
        requests = _with_memory(requests, trace.override_memory)
    if trace.add_overhead != "none":
        requests = _with_overhead(requests, settings)
    first = first._replace(attributes=attributes)
    return Scenario(first.name, settings, _site(settings, first), _start(settings, first), requests, first)


def _settings(request: SimulateRequest) -> Settings:
    given = (
        ("simulation.starttime", request.starttime, "--starttime"),
        ("simulation.resources", request.site, "--site"),
    )
    overrides = [Override(name, text, origin) for name, text, origin in given if text is not None]
    return load_settings(request.config, sets=request.sets, overrides=overrides)


def _site(settings: Settings, workload: Workload) -> Site:
    if settings.simulation.resources != "in-tracefile":
        return parse_site(settings.simulation.resources)
    if workload.site is None:
        raise ConfigError(
            f"{workload.name}: the workload names no site; "
            'say which hosts there are, for example with --site "4 CPU:100 Memory:1024"'
        )
    return workload.site


def _start(settings: Settings, workload: Workload) -> Instant:
    if settings.simulation.starttime is not None:
        return settings.simulation.starttime
    return workload.start if workload.start is not None else 0


def _with_memory(requests: Iterable[LeaseRequest], memory: int) -> Iterator[LeaseRequest]:
    """Give every VM the same memory."""
    known: dict[tuple[NodeSet, ...], tuple[NodeSet, ...]] = {}
    for request in requests:
        nodes = request.terms.nodes
        if nodes not in known:
            known[nodes] = tuple(NodeSet(n.count, Capacity({**dict(n.demand.items()), MEMORY: memory})) for n in nodes)
        yield request._replace(terms=request.terms._replace(nodes=known[nodes]))


def _with_overhead(requests: Iterable[LeaseRequest], settings: Settings) -> Iterator[LeaseRequest]:
    """Lengthen leases by what virtual machines cost: a share of the run time, and booting and shutting down."""
    trace = settings.tracefile
    longer = _longer(trace.runtime_slowdown_overhead, trace.bootshutdown_overhead)
    for request in requests:
        terms = request.terms
        if terms.duration is None or (trace.add_overhead == "besteffort" and terms.type is not LeaseType.BEST_EFFORT):
            yield request
            continue
        real = request.real_duration
        yield request._replace(
            terms=terms._replace(duration=longer(terms.duration)), real_duration=None if real is None else longer(real)
        )


def _longer(percent: float, more: Span) -> Callable[[Span], Span]:
    """Return what makes a span so many percent longer, rounded up to a whole second as in Haizea 1.x, and then more."""
    if not percent:
        return lambda span: span + more
    from fractions import Fraction

    # By the digits that were written: 2.55 % are not what a float makes of them.
    factor = (1 + Fraction(str(percent)) / 100) / SECOND
    return lambda span: math.ceil(span * factor) * SECOND + more
