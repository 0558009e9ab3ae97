"""Orders, maintenance, hosts that come and go: made up by hypothesis, for any world."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from haizea.core.desk import Desk
from haizea.core.orders import RULES, running
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
from haizea.model.lease import LeaseTerms, LeaseType, NodeSet
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
from haizea.plan.lease import Lease
from haizea.plan.options import Migration
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


class Aimed(NamedTuple):
    """An order about a lease, or rather about one that can be given it then, if there is any: the ``aim``-th."""

    at: int
    lease: int
    order: LeaseOrder
    aim: int | None

    def event(self, desk: Desk) -> LeaseOrdered:
        """Return it as it is given."""
        states = RULES[type(self.order)].states
        able = [lease.id for lease in desk.leases.values() if lease.state in states and _suits(lease, self.order)]
        number = self.lease if self.aim is None or not able else able[self.aim % len(able)]
        order, lease = self.order, desk.leases.get(number)
        if isinstance(order, EndBy) and lease is not None and lease.terms.deadline is not None:
            order = EndBy(lease.terms.deadline + order.deadline - self.at)
        return LeaseOrdered(self.at, number, order, "ann")


def _suits(lease: Lease, order: LeaseOrder) -> bool:
    if isinstance(order, Resume):
        return bool(lease.parked)
    if isinstance(order, StopVM | Restart):
        return running(lease) and lease.need.vms >= order.vm
    if isinstance(order, Migrate):
        return lease.need.vms >= order.vm
    if isinstance(order, StartAt):
        return lease.terms.start is not None
    if isinstance(order, EndBy):
        return lease.terms.deadline is not None
    if isinstance(order, Requeue | ToTop | ToBottom):
        return lease.type is LeaseType.BEST_EFFORT
    return True


@st.composite
def lease_orders(draw: st.DrawFn, hosts: int, at: int) -> Any:
    """Any order about a lease, mostly one that makes sense."""
    number, vm = st.integers(0, 3), st.integers(1, 2)
    host = st.integers(0, hosts - 1)
    kind = draw(st.integers(0, 9))
    if kind <= 2:
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
            st.builds(StopVM, vm),
            st.builds(Migrate, st.just(0), host, st.none()),
            st.builds(Migrate, number, st.none(), host),
            st.builds(Migrate, number, st.none(), st.none()),
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
def orders(draw: st.DrawFn, world: World) -> list[Event | Aimed]:
    """Some of everything that an administrator can do."""
    hosts, leases = len(world.site.hosts), len(world.requests)
    found: list[Event | Aimed] = []
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.integers(0, 80)) * SLOT
        kind = draw(st.integers(0, 12))
        host = draw(st.integers(0, hosts - 1))
        if kind <= 6:
            one = world.requests[draw(st.integers(0, leases - 1))]
            at = max(one.arrival, one.terms.start or 0) + draw(st.integers(-4, 12)) * SLOT // 2
            first, then = draw(st.sampled_from(PAIRS))
            if draw(st.integers(0, 3)):
                first, then = draw(lease_orders(hosts, at)), draw(lease_orders(hosts, at))
            aim = draw(st.integers(0, leases - 1)) if draw(st.integers(0, 3)) else None
            found.append(Aimed(max(0, at), one.id, first, aim))
            found.append(Aimed(max(0, at) + draw(st.integers(0, 8)) * SLOT // 2, one.id, then, aim))
        elif kind <= 8:
            found.append(HostOrdered(at, host, draw(host_orders(at))))
            if draw(st.booleans()):
                found.append(HostOrdered(at + draw(st.integers(0, 20)) * SLOT, host, Enable()))
        elif kind == 9:
            start = at + draw(st.integers(-1, 30)) * SLOT
            chosen = tuple(draw(st.sets(st.integers(0, hosts - 1), min_size=1, max_size=2)))
            end, force = start + draw(st.integers(1, 30)) * SLOT, draw(st.booleans())
            window = draw(st.integers(1, 2))
            found.append(MaintenancePlanned(at, window, chosen, start, end, force=force))
            if draw(st.booleans()):
                found.append(MaintenanceOver(at + draw(st.integers(0, 20)) * SLOT, window))
        elif kind == 10:
            choice: list[tuple[SchedulerOrder, SchedulerOrder]] = [
                (PauseScheduling(), ResumeScheduling()),
                (PauseIntake(), ResumeIntake()),
                (ResumeScheduling(), ResumeIntake()),
                (Replan(), Replan()),
            ]
            this, that = draw(st.sampled_from(choice))
            found += [SchedulerOrdered(at, this), SchedulerOrdered(at + draw(st.integers(0, 10)) * SLOT, that)]
        elif kind == 11:
            found.append(draw(site_changes(world, at)))
        elif draw(st.booleans()):
            found.append(StrangersObserved(at, host, draw(st.sampled_from([Capacity(), HALF, PLAIN]))))
        else:
            terms = LeaseTerms((NodeSet(1, HALF),), draw(st.sampled_from([None, 5 * SLOT])))
            found.append(LeaseAdopted(at, 100 + len(found), terms, (host,)))
    return found


@st.composite
def ordered_worlds(draw: st.DrawFn) -> tuple[World, list[Event | Aimed]]:
    """A world and what is ordered in it."""
    world = draw(worlds(7))
    if draw(st.integers(0, 2)):
        world = world._replace(options=world.options._replace(migration=Migration.YES))
    return world, draw(orders(world))
