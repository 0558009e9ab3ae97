"""What people order in a run, of leases, hosts and the scheduler: some of it makes no sense, and is to be refused."""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from haizea.experiments.chaos.world import World
from haizea.model.events import (
    CancelRequested,
    HostOrdered,
    LeaseAdopted,
    LeaseOrdered,
    MaintenanceOver,
    MaintenancePlanned,
    RatesMeasured,
    SchedulerOrdered,
    WishesChanged,
)
from haizea.model.lease import LeaseTerms, NodeSet, OnEnd, OnFailure, OnGuestShutdown
from haizea.model.orders import (
    Disable,
    Drain,
    Enable,
    EndBy,
    Evacuate,
    Hold,
    HostOrder,
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
from haizea.model.rates import Rates
from haizea.model.resources import CPU, MEMORY
from haizea.model.units import MINUTE
from haizea.plan.lease import Lease
from haizea.runtime.changes import Change

Orderer = Callable[[World, Sequence[int]], object]
Make = Callable[[World, Lease, Sequence[int]], LeaseOrder]

_BY: Final = "bob"


def _leases(world: World) -> list[Lease]:
    return list(world.live.scheduler.desk.leases.values())


_LEASE: Final[MappingProxyType[str, Make]] = MappingProxyType(
    {
        "last": lambda _w, _l, d: Last((1 + d[1] % 150) * MINUTE),
        "start-at": lambda w, _l, d: StartAt(w.now + d[1] % 90 * MINUTE),
        "end-by": lambda w, _l, d: EndBy(w.now + d[1] % 400 * MINUTE),
        "resize": lambda _w, lease, d: Resize((NodeSet(1 + d[1] % 4, lease.terms.nodes[0].demand),)),
        "suspend": lambda _w, _l, _d: Suspend(),
        "resume": lambda _w, _l, _d: Resume(),
        "pause": lambda _w, _l, _d: Pause(),
        "unpause": lambda _w, _l, _d: Unpause(),
        "hold": lambda _w, _l, _d: Hold(),
        "release": lambda _w, _l, _d: Release(),
        "requeue": lambda _w, _l, _d: Requeue(),
        "restart": lambda _w, lease, d: Restart(d[1] % (lease.need.vms + 1)),
        "stop-vm": lambda _w, lease, d: StopVM(1 + d[1] % lease.need.vms),
        "to-top": lambda _w, _l, _d: ToTop(),
        "to-bottom": lambda _w, _l, _d: ToBottom(),
        "migrate": lambda w, lease, d: _migrate(w, lease, d),
        "terminate": lambda _w, _l, _d: Terminate(),
        "recover": lambda _w, _l, d: Recover(tuple(Recovery)[d[1] % len(Recovery)]),
    }
)

_LIKELY: Final = MappingProxyType(
    {
        "resume": ("suspended-queued", "suspended-scheduled", "held"),
        "unpause": ("paused",),
        "release": ("held",),
        "recover": ("held",),
        "pause": ("active",),
        "suspend": ("active",),
        "migrate": ("active", "suspended-queued"),
        "start-at": ("scheduled",),
    }
)
"""In which states a lease is when somebody has a reason to order such a thing."""


def _migrate(world: World, lease: Lease, draws: Sequence[int]) -> Migrate:
    host = draws[1] % len(world.settings.site.hosts)
    vm = draws[2] % (lease.need.vms + 1)
    return Migrate(vm, to=host) if draws[3] % 2 else Migrate(vm, away_from=host)


def _lease_order(what: str) -> Orderer:
    def order(world: World, draws: Sequence[int]) -> bool:
        there = _leases(world)
        likely = [lease for lease in there if lease.state.label in _LIKELY.get(what, ())]
        if likely and draws[4] % 5:
            there = likely
        if not there:
            return False
        lease = there[draws[0] % len(there)]
        made = _LEASE[what](world, lease, draws)
        return world.order(what, lambda change: LeaseOrdered(change.now, lease.id, made, _BY, "it was wanted"))

    return order


def _host_order(what: str, make: Callable[[World, Sequence[int]], HostOrder]) -> Orderer:
    def order(world: World, draws: Sequence[int]) -> bool:
        host = draws[0] % len(world.settings.site.hosts)
        return world.order(what, lambda change: HostOrdered(change.now, host, make(world, draws), _BY, "it was wanted"))

    return order


def _scheduler_order(what: str, made: SchedulerOrder) -> Orderer:
    return lambda world, _draws: world.order(what, lambda change: SchedulerOrdered(change.now, made, _BY, ""))


def _cancel(world: World, draws: Sequence[int]) -> bool:
    there = _leases(world)
    if not there:
        return False
    lease = there[draws[0] % len(there)].id
    return world.order("cancel", lambda change: CancelRequested(change.now, lease, _BY))


def _wishes(world: World, draws: Sequence[int]) -> bool:
    there = _leases(world)
    if not there:
        return False
    lease = there[draws[0] % len(there)]
    wanted = lease.terms.reactions._replace(
        on_guest_shutdown=tuple(OnGuestShutdown)[draws[1] % len(OnGuestShutdown)],
        on_failure=tuple(OnFailure)[draws[2] % len(OnFailure)],
        on_end=tuple(OnEnd)[draws[4] % len(OnEnd)],
    )
    terms = lease.terms._replace(preemptible=draws[3] % 2 == 0, reactions=wanted)
    return world.order("wishes", lambda change: WishesChanged(change.now, lease.id, terms))


def _maintenance(world: World, draws: Sequence[int]) -> bool:
    hosts = tuple(sorted({draws[0] % len(world.settings.site.hosts), draws[1] % len(world.settings.site.hosts)}))
    start = world.now + draws[2] % 60 * MINUTE
    end = start + (5 + draws[3] % 40) * MINUTE
    window, force = 1 + draws[4] % 3, draws[5] % 3 == 0
    return world.order(
        "maintenance",
        lambda change: MaintenancePlanned(change.now, window, hosts, max(start, change.now), end, _BY, "", force),
    )


def _maintenance_over(world: World, draws: Sequence[int]) -> bool:
    there = sorted(world.live.scheduler.desk.claims.windows)
    if not there:
        return False
    window = draws[0] if draws[0] in there else there[draws[0] % len(there)]
    return world.order("maintenance-over", lambda change: MaintenanceOver(change.now, window, _BY, ""))


def _adopt(world: World, draws: Sequence[int]) -> bool:
    """Somebody takes a stranger to be a lease: the platform is told first."""
    there = world.fate.strangers()
    if not there:
        return False
    stranger = there[draws[0] % len(there)]
    terms = LeaseTerms((NodeSet(1, stranger.demand),), (10 + draws[1] % 60) * MINUTE, user="ann")
    numbers: list[int] = []

    def make(change: Change) -> LeaseAdopted:
        numbers.append(change.new_lease())
        return LeaseAdopted(change.now, numbers[0], terms, (stranger.host,), _BY)

    taken = world.order("adopt", make)
    if taken:
        world.ledger.adopt(stranger.name, numbers[0], 1)
        world.acknowledged[numbers[0]] = terms
    return taken


def _rates(world: World, draws: Sequence[int]) -> bool:
    rates = Rates(suspend=8 + draws[0] % 64, resume=8 + draws[1] % 64)
    return world.order("rates", lambda change: RatesMeasured(change.now, rates))


ORDERERS: Final[dict[str, Orderer]] = {
    **{what: _lease_order(what) for what in _LEASE},
    "cancel": _cancel,
    "wishes": _wishes,
    "drain": _host_order("drain", lambda w, d: Drain(w.now + d[1] % 40 * MINUTE if d[2] % 2 else None)),
    "evacuate": _host_order("evacuate", lambda _w, _d: Evacuate()),
    "disable": _host_order("disable", lambda _w, _d: Disable()),
    "enable": _host_order("enable", lambda _w, _d: Enable()),
    "mark-down": _host_order("mark-down", lambda _w, _d: MarkDown()),
    "overcommit": _host_order(
        "overcommit", lambda _w, d: Overcommit(((CPU, 100 + d[1] % 2 * 50), (MEMORY, 100 + d[2] % 2 * 25)))
    ),
    "label": _host_order("label", lambda _w, d: Label((("zone", "ab"[d[1] % 2]),))),
    "pause-scheduling": _scheduler_order("pause-scheduling", PauseScheduling()),
    "resume-scheduling": _scheduler_order("resume-scheduling", ResumeScheduling()),
    "pause-intake": _scheduler_order("pause-intake", PauseIntake()),
    "resume-intake": _scheduler_order("resume-intake", ResumeIntake()),
    "replan": _scheduler_order("replan", Replan()),
    "maintenance": _maintenance,
    "maintenance-over": _maintenance_over,
    "adopt": _adopt,
    "rates": _rates,
}
"""Who orders what, by the names of :data:`haizea.experiments.chaos.plan.ORDERS`."""
