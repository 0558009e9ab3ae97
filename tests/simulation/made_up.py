"""Workloads, sites and rules that hypothesis makes up."""

from typing import Any, NamedTuple, cast

from hypothesis import strategies as st

from haizea.core.desk import Policies
from haizea.model.events import (
    CancelRequested,
    ClockJumped,
    Event,
    HostObserved,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
)
from haizea.model.lease import (
    Constraints,
    DiskImage,
    LeaseRequest,
    LeaseTerms,
    NodeSet,
    OnFailure,
    OnGuestShutdown,
    Reactions,
)
from haizea.model.resources import Capacity
from haizea.model.site import Host, HostState, Site
from haizea.model.units import SECOND
from haizea.plan.options import Exclusion, Mechanism, Migration, Options, Suspension, TransferOptions
from tests.simulation.running import policies

PLAIN = Capacity({"CPU": 100, "Memory": 1024})
HALF = Capacity({"CPU": 50, "Memory": 512})
ODD = [
    Capacity({"CPU": 200, "Memory": 1024}),
    Capacity({"CPU": 50, "Memory": 3000}),
    Capacity({"CPU": 100, "Memory": 256, "GPU": 1}),
]
OVER = (Observed.GUEST_SHUTDOWN, Observed.STOPPED, Observed.DELETED)
LABELS = [("zone", "a"), ("zone", "b"), ("ssd", "*")]
TYPES = ("CPU", "Memory", "GPU")


class World(NamedTuple):
    """Everything a simulation starts from, as hypothesis shows it when something is wrong."""

    site: Site
    options: Options
    names: dict[str, str]
    requests: list[LeaseRequest]

    def policies(self) -> Policies:
        """The policies, by their names."""
        return policies(settings={"rate": "0.1"}, suspension=self.options.suspension.value, **cast(Any, self.names))


def rarely(often: object, seldom: object, once_in: int = 10) -> st.SearchStrategy[Any]:
    """Mostly the one, now and then the other: what is rare must not keep leases from getting in each other's way."""
    return st.sampled_from([often] * (once_in - 1) + [seldom])


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Two to five hosts, all alike or all different."""
    count = draw(st.integers(2, 5))
    if draw(rarely(True, False, 3)):
        cores = draw(st.sampled_from([1, 1, 2]))
        alike = Capacity({"CPU": cores * 100, "Memory": cores * 1024})
        return Site(tuple(Host(f"host-{i}", alike, {"zone": "ab"[i % 2]}) for i in range(count)), TYPES)
    hosts = []
    for i in range(count):
        amounts = {"CPU": draw(st.sampled_from([100, 200, 400])), "Memory": draw(st.sampled_from([1024, 2048, 4096]))}
        if draw(st.booleans()):
            amounts["GPU"] = draw(st.integers(1, 2))
        labels = {"zone": draw(st.sampled_from("ab"))} | ({"ssd": "yes"} if draw(st.booleans()) else {})
        hosts.append(Host(f"host-{i}", Capacity(amounts), labels))
    return Site(tuple(hosts), TYPES)


@st.composite
def transfers(draw: st.DrawFn) -> TransferOptions:
    """Rules for the image repository."""
    return TransferOptions(
        bandwidth=draw(st.sampled_from([100, 1000])),
        mechanism=draw(st.sampled_from(Mechanism)),
        avoid_redundant=draw(st.booleans()),
        fixed_time=draw(st.sampled_from([None, None, 7 * SECOND])),
        cache_size=draw(st.sampled_from([None, -1, 1200])),
    )


@st.composite
def rules(draw: st.DrawFn) -> Options:
    """Any combination of the site's rules."""
    return Options(
        reservations_max=draw(st.sampled_from([1, 0, None, 2])),
        suspension=draw(st.sampled_from([Suspension.ALL, Suspension.ALL, Suspension.SERIAL, Suspension.NONE])),
        exclusion=draw(st.sampled_from(Exclusion)),
        migration=draw(st.sampled_from(Migration)),
        suspend_rate=draw(st.sampled_from([32, 100])),
        resume_rate=draw(st.sampled_from([32, 100])),
        suspend_time=draw(st.sampled_from([None, None, 11 * SECOND, 0])),
        resume_time=draw(st.sampled_from([None, None, 13 * SECOND, 0])),
        enactment_overhead=draw(st.sampled_from([0, 0, 2 * SECOND])),
        shutdown_time=draw(st.sampled_from([0, 0, 5 * SECOND])),
        cleaning_time=draw(st.sampled_from([0, 0, 0, 90 * SECOND])),
        threshold_permille=draw(st.sampled_from([1000, 0, 2500])),
        threshold=draw(st.sampled_from([None, None, 0, 90 * SECOND])),
        non_schedulable=draw(rarely(0, 10 * SECOND)),
        migration_bandwidth=draw(st.sampled_from([100, 1000])),
        transfer=draw(transfers()) if draw(rarely(False, True, 3)) else None,
    )


@st.composite
def constraints(draw: st.DrawFn) -> Constraints:
    """Where VMs may be."""
    return Constraints(
        require=tuple(draw(st.lists(st.sampled_from(LABELS), max_size=1))),
        exclude=tuple(draw(st.lists(st.sampled_from(LABELS), max_size=1))),
        spread=draw(st.booleans()),
        together=draw(st.sampled_from([False, False, True])),
    )


SPANS = st.integers(1, 40).map(lambda n: n * 30 * SECOND)
KINDS = ["best-effort"] * 4 + ["AR"] * 3 + ["immediate"] + ["deadline"] * 2
PROMISED = ["deadline"] * 5 + ["AR"] * 4 + ["best-effort"]


@st.composite
def node_sets(draw: st.DrawFn, most: int) -> tuple[NodeSet, ...]:
    """Mostly VMs of one kind, as many as there are hosts or fewer."""
    first = NodeSet(draw(st.integers(1, most)), draw(st.sampled_from([PLAIN, PLAIN, PLAIN, HALF])))
    if draw(rarely(True, False, 6)):
        return (first,)
    others = st.tuples(st.integers(1, 3), st.sampled_from([HALF, *ODD]))
    return (first._replace(count=1), *(NodeSet(*each) for each in draw(st.lists(others, min_size=1, max_size=2))))


@st.composite
def requests(draw: st.DrawFn, number: int, hosts: int, kinds: list[str]) -> LeaseRequest:
    """A lease of any kind; times lie close together, so that leases get in each other's way."""
    arrival = draw(st.integers(0, 40)) * 30 * SECOND
    duration = draw(SPANS)
    kind = draw(st.sampled_from(kinds))
    start = deadline = None
    if kind in ("AR", "deadline"):
        start = max(0, arrival + draw(st.integers(-1, 60)) * 20 * SECOND)
    if kind == "deadline" and start is not None:
        deadline = start + duration + draw(st.integers(0, 60)) * draw(st.sampled_from([20, 60])) * SECOND
    endless = draw(rarely(False, True, 15)) and deadline is None
    terms = LeaseTerms(
        draw(node_sets(hosts)),
        None if endless else duration,
        start,
        kind == "immediate",
        deadline,
        preemptible=draw(rarely(True, False, 6)),
        software=draw(st.sampled_from([None, DiskImage("debian", 600), DiskImage("centos", 1000)])),
        user=draw(st.sampled_from(["", "ann", "bob"])),
        extra=draw(st.sampled_from([{}] * 12 + [{"simul_userrate": "0.1"}, {"simul_userrate": "0.01"}])),
        constraints=draw(constraints()) if draw(rarely(False, True)) else Constraints(),
        priority=draw(st.sampled_from([0, 0, 0, 5, -5])),
    )
    real = draw(st.sampled_from([None, None, 30, 500, 1000, 1500]))
    return LeaseRequest(number, arrival, terms, None if real is None else duration * real // 1000)


@st.composite
def worlds(draw: st.DrawFn, leases_max: int = 15) -> World:
    """A site, rules, policies and a workload."""
    count = draw(st.integers(3, leases_max))
    names = {
        "preemption": draw(
            st.sampled_from(["ar-preempts-besteffort", "ar-preempts-everything", "deadline", "no-preemption"])
        ),
        "selection": draw(st.sampled_from(["greedy", "first-fit", "best-fit", "spread"])),
        "pricing": draw(rarely("free", draw(st.sampled_from(["constant", "adaptive", "maximum"])), 4)),
        "queue": draw(rarely("fcfs", draw(st.sampled_from(["priority", "fair-share"])), 3)),
    }
    site = draw(sites())
    kinds = KINDS
    if draw(rarely(False, True, 4)):
        # Leases that were promised an end give way to those that were promised a start.
        kinds, names["preemption"] = PROMISED, "deadline"
    asked = [draw(requests(number + 1, len(site.hosts), kinds)) for number in range(count)]
    return World(site, draw(rules()), names, asked)


@st.composite
def faults(draw: st.DrawFn, hosts: int, leases: int, seen: list[Observed]) -> list[Event]:
    """Reports of what nobody planned, of VMs in states out of ``seen``, and cancellations."""
    found: list[Event] = []
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, 160)) * 15 * SECOND
        kind = draw(st.sampled_from(["host", "host", "vm", "vm", "operation", "operation", "cancel", "clock"]))
        lease = draw(st.integers(1, leases))
        if kind == "host":
            found.append(HostObserved(at, draw(st.integers(0, hosts - 1)), draw(st.sampled_from(HostState))))
        elif kind == "clock":
            found.append(ClockJumped(at, draw(st.integers(0, 10)) * 30 * SECOND))
        elif kind == "vm":
            where = draw(st.sampled_from([None, None, *range(hosts)]))
            by = draw(st.sampled_from(["", "root"]))
            found.append(InstanceObserved(at, lease, draw(st.integers(0, 2)), draw(st.sampled_from(seen)), where, by))
        elif kind == "operation":
            outcome = draw(st.sampled_from(OperationOutcome))
            operation = draw(st.sampled_from(["suspend", "resume", "shutdown", "boot", "transfer", "migrate"]))
            until = at + draw(st.integers(1, 40)) * 5 * SECOND
            found.append(OperationReported(at, lease, operation, outcome, until))
        else:
            found.append(CancelRequested(at, lease, "its owner"))
    return found


@st.composite
def faulty_worlds(draw: st.DrawFn) -> tuple[World, list[Event]]:
    """A world in which things go wrong, with leases of all kinds of wishes for that."""
    world = draw(worlds(8))
    asked = [
        request._replace(
            terms=request.terms._replace(
                reactions=Reactions(
                    draw(rarely(OnGuestShutdown.END, draw(st.sampled_from(OnGuestShutdown)), 4)),
                    draw(st.sampled_from(OnFailure)),
                )
            )
        )
        for request in world.requests
    ]
    seen = list(Observed)
    if draw(st.booleans()):
        # How long guests really run is known only where nobody else reports that they are over.
        seen = [observed for observed in seen if observed not in OVER]
    else:
        asked = [request._replace(real_duration=None) for request in asked]
    return world._replace(requests=asked), draw(faults(len(world.site.hosts), len(asked), seen))
