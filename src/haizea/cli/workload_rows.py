"""What ``haizea workload`` says of a workload, and what it writes of one that is made up."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, TextIO

from haizea.cli.summary import span as span_text
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import DAY, HOUR, SECOND, Span
from haizea.workloads.statistics import Spread, Statistics, statistics
from haizea.workloads.workload import Workload

Rows = list[tuple[str, str]]

_CORE_HOUR: Final = HOUR
_SPREAD: Final = ("least", "mean", "median", "p95", "most")
_LENGTH_MAX: Final[Span] = 36_525 * DAY


def rows(workload: Workload, length: Span | None = None) -> Rows:
    """Return what a workload holds, as names and values for people.

    ``length`` is the time over which the load on the workload's site is taken; where None, that from the first
    arrival to the last.
    """
    found = statistics(workload.requests)
    made: Rows = [("name", workload.name)]
    if workload.description:
        made.append(("description", " ".join(workload.description.split())))
    made += [(f"attribute {name}", value) for name, value in workload.attributes.items()]
    made.append(("leases", f"{found.leases}"))
    made += [(f"{kind.value} leases", f"{count}") for kind, count in found.by_type.items()]
    made += [("preemptible", f"{found.preemptible}"), ("of unlimited duration", f"{found.unlimited}")]
    made.append(("users", f"{found.users}"))
    made.append(("first arrival", _span(found.first_arrival)))
    made.append(("last arrival", _span(found.last_arrival)))
    made += _spread("VMs", found.vms, as_span=False)
    made += _spread("duration", found.durations, as_span=True)
    made += _spread("run time", found.run_times, as_span=True)
    made += _work(workload, found, found.arrival_span if length is None else length)
    made += [(f"image {image}", f"{count} leases") for image, count in found.images.items()]
    # Complete only now that all requests have been read.
    made += [(f"left out: {cause}", f"{count}") for cause, count in workload.skipped.items() if count]
    return made


def _work(workload: Workload, found: Statistics, length: Span) -> Rows:
    made = [
        ("work asked for", f"{found.work / _CORE_HOUR:.1f} core hours"),
        ("work done", f"{found.real_work / _CORE_HOUR:.1f} core hours"),
    ]
    if workload.site is not None:
        made.append(("hosts", f"{len(workload.site.hosts)}"))
        cores = workload.site.total(CPU) / 100
        if cores and length:
            made.append(("load on the site", f"{100 * found.real_work / (cores * length):.1f} %"))
    return made


def _spread(name: str, values: Spread, as_span: bool) -> Rows:
    if not values.most:
        # Without any value: run times that nobody knows, say.
        return []
    return [
        (f"{name}, {which}", _span(getattr(values, which)) if as_span else f"{getattr(values, which):.4g}")
        for which in _SPREAD
    ]


def _span(span: float) -> str:
    return span_text(span / SECOND)


def generated(stream: TextIO, path: str, values: Mapping[str, Any]) -> int:
    """Write a workload drawn at random and return how many leases it has; SWF where the path says so, else LWF.

    Raises:
        ValueError: a parameter makes no sense.
    """
    demand = Capacity({CPU: 100, MEMORY: values["memory"]})
    if values["model"] == "lublin" and path.removesuffix(".gz").endswith(".swf"):
        from haizea.workloads.generate import lublin_jobs, swf_lines

        made = lublin_jobs(values["jobs"], values["seed"], values["processors"], load=values["load"])
        stream.writelines(swf_lines(made, values["processors"], note=f"seed {values['seed']}"))
        return int(values["jobs"])
    from haizea.workloads.lwf_write import write_lwf

    note = f"model {values['model']}, seed {values['seed']}, {values['processors']} processors"
    workload = Workload(f"{values['model']}-{values['seed']}", _requests(values, demand), note, site=values["site"])
    return write_lwf(workload, stream)


def _requests(values: Mapping[str, Any], demand: Capacity) -> Any:
    from haizea.workloads.generate import generate_lublin, generate_reservations

    jobs, seed, processors = values["jobs"], values["seed"], values["processors"]
    if values["model"] == "lublin":
        return generate_lublin(jobs, seed, processors, load=values["load"], demand=demand)
    sizes = values["sizes"] or (1, max(1, processors // 6))
    endless = generate_reservations(
        seed, hosts=processors, length=_LENGTH_MAX, share=values["share"], mean_duration=values["duration"],
        sizes=sizes, demand=demand,
    )  # fmt: skip
    return islice(endless, jobs)
