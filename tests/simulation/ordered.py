"""Orders, maintenance, hosts that come and go: made up by hypothesis, for any world."""

from typing import Any

from hypothesis import strategies as st

from haizea.model.events import (
    Event,
    HostOrdered,
    LeaseAdopted,
    LeaseOrdered,
    MaintenanceOver,
    MaintenancePlanned,
    SchedulerOrdered,
    SiteChanged,
    StrangersObserved,
)
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.orders import (
    Disable,
    Drain,
    Enable,
    EndBy,
    Evacuate,
    Hold,
    Label,
    Last,
    LeaseOrder,
    MarkDown,
    Migrate,
    Overcommit,
    Pause,
    PauseIntake,
    PauseScheduling,
    Recover,
    Recovery,
    Release,
    Replan,
    Requeue,
    Resize,
    Restart,
    Resume,
    ResumeIntake,
    ResumeScheduling,
    SchedulerOrder,
    StartAt,
    StopVM,
    Suspend,
    Terminate,
    ToBottom,
    ToTop,
    Unpause,
)
from haizea.model.resources import Capacity
from haizea.model.site import Host
from haizea.model.units import SECOND
from tests.simulation.made_up import HALF, PLAIN, World, worlds

SLOT = 30 * SECOND
PLAIN_ORDERS = [Suspend(), Resume(), Pause(), Unpause(), Hold(), Release(), Requeue(), ToTop(), ToBottom(), Terminate()]
PAIRS: list[tuple[LeaseOrder, LeaseOrder]] = [
    (Suspend(), Resume()),
    (Hold(), Release()),
    (Pause(), Unpause()),
    (Suspend(), Hold()),
    (Pause(), Suspend()),
]


@st.composite
def lease_orders(draw: st.DrawFn, hosts: int, at: int) -> Any:
    """Any order about a lease, mostly one that makes sense."""
    number = st.integers(0, 3)
    host = st.one_of(st.none(), st.integers(0, hosts - 1))
    kind = draw(st.integers(0, 9))
    if kind <= 3:
        return draw(st.sampled_from([*PLAIN_ORDERS[:8], *PLAIN_ORDERS]))
    later = at + draw(st.integers(-2, 60)) * SLOT
    sizes = st.lists(
        st.builds(NodeSet, st.integers(1, 4), st.sampled_from([PLAIN, PLAIN, HALF])), min_size=1, max_size=2
    )
    return draw(
        st.one_of(
            st.builds(Last, st.one_of(st.none(), st.integers(1, 60).map(lambda n: n * SLOT))),
            st.just(StartAt(later)),
            st.just(EndBy(later)),
            st.builds(Resize, sizes.map(tuple)),
            st.builds(Restart, number),
            st.builds(StopVM, number),
            st.builds(Migrate, number, host, host),
            st.builds(Recover, st.sampled_from(Recovery)),
        )
    )


@st.composite
def host_orders(draw: st.DrawFn, at: int) -> Any:
    """Any order about a host."""
    deadline = st.one_of(st.none(), st.integers(0, 20).map(lambda n: at + n * SLOT))
    percent = st.sampled_from([(), (("CPU", 200), ("Memory", 200)), (("CPU", 50), ("Memory", 50)), (("GPU", 300),)])
    labels = st.sampled_from([(), (("zone", "a"),), (("zone", "b"), ("ssd", "yes"))])
    return draw(
        st.one_of(
            st.builds(Drain, deadline),
            st.sampled_from([Evacuate(), Disable(), Enable(), Enable(), MarkDown()]),
            st.builds(Overcommit, percent),
            st.builds(Label, labels),
        )
    )


@st.composite
def site_changes(draw: st.DrawFn, world: World, at: int) -> SiteChanged:
    """Hosts come, go, shrink and grow."""
    hosts = [host for host in world.site.hosts if draw(st.integers(0, 3))]
    hosts = [
        host._replace(capacity=draw(st.sampled_from([host.capacity, host.capacity, PLAIN, HALF.plus(PLAIN)])))
        for host in hosts
    ]
    if draw(st.booleans()) or not hosts:
        hosts.append(Host("new", Capacity({"CPU": 200, "Memory": 2048}), {"zone": "a"}))
    return SiteChanged(at, world.site._replace(hosts=tuple(hosts)))


@st.composite
def orders(draw: st.DrawFn, world: World) -> list[Event]:
    """Some of everything that an administrator can do."""
    hosts, leases = len(world.site.hosts), len(world.requests)
    found: list[Event] = []
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.integers(0, 80)) * SLOT
        kind = draw(st.integers(0, 12))
        host = draw(st.integers(0, hosts - 1))
        if kind <= 6:
            one = world.requests[draw(st.integers(0, leases - 1))]
            at = max(one.arrival, one.terms.start or 0) + draw(st.integers(-4, 12)) * SLOT // 2
            first, then = draw(st.sampled_from(PAIRS))
            if draw(st.booleans()):
                first, then = draw(lease_orders(hosts, at)), Resume()
            found.append(LeaseOrdered(max(0, at), one.id, first, "ann"))
            found.append(LeaseOrdered(max(0, at) + draw(st.integers(0, 8)) * SLOT // 2, one.id, then, "ann"))
        elif kind <= 8:
            found.append(HostOrdered(at, host, draw(host_orders(at))))
        elif kind == 9:
            start = at + draw(st.integers(-1, 30)) * SLOT
            chosen = tuple(draw(st.sets(st.integers(0, hosts - 1), min_size=1, max_size=2)))
            end, force = start + draw(st.integers(1, 30)) * SLOT, draw(st.booleans())
            window = draw(st.integers(1, 2))
            found.append(MaintenancePlanned(at, window, chosen, start, end, force=force))
            if draw(st.booleans()):
                found.append(MaintenanceOver(at + draw(st.integers(0, 20)) * SLOT, window))
        elif kind == 10:
            choice: list[SchedulerOrder] = [
                PauseScheduling(),
                ResumeScheduling(),
                PauseIntake(),
                ResumeIntake(),
                Replan(),
            ]
            found.append(SchedulerOrdered(at, draw(st.sampled_from(choice))))
            found.append(SchedulerOrdered(at + 10 * SLOT, ResumeScheduling()))
        elif kind == 11:
            found.append(draw(site_changes(world, at)))
        elif draw(st.booleans()):
            found.append(StrangersObserved(at, host, draw(st.sampled_from([Capacity(), HALF, PLAIN]))))
        else:
            terms = LeaseTerms((NodeSet(1, HALF),), draw(st.sampled_from([None, 5 * SLOT])))
            found.append(LeaseAdopted(at, 100 + len(found), terms, (host,)))
    found.append(SchedulerOrdered(200 * SLOT, ResumeScheduling()))
    return found


@st.composite
def ordered_worlds(draw: st.DrawFn) -> tuple[World, list[Event]]:
    """A world and what is ordered in it."""
    world = draw(worlds(7))
    return world, draw(orders(world))
