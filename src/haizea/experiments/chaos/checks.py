"""What must hold in a run after every step, whatever goes wrong; added up anew, with none of the planner's arithmetic.

Some things may be wrong for a while, because the platform brought them about or keeps Haizea from knowing: those must
be over within a bound. It is counted in *quiet* time, in which the daemon runs, its store can be written, the platform
answers, and nobody sets the clock.
"""

import json
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.memory import lease_document
from haizea.core.reasons import instant
from haizea.experiments.chaos.crowding import Crowding
from haizea.experiments.chaos.world import START, Violation, World
from haizea.experiments.occupancy import Occupancy
from haizea.live.assembly import restored
from haizea.model.events import Observed
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.resources import CPU, Capacity
from haizea.model.site import HostState, Site
from haizea.model.units import MINUTE, SECOND, Instant, Span
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.need import Need, demands_of
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Reservation
from haizea.runtime.ports import Seen
from haizea.runtime.rows import Entry

BOUND: Final[Span] = 45 * MINUTE
"""For so long, of quiet time, things may be wrong on the platform."""

DESERTED: Final[Span] = 4 * MINUTE
"""For so long, of quiet time, a lease may count as running of which VMs do not run, or as paused of which some run."""

UNWANTED: Final[Span] = 150 * SECOND
"""For so long, of quiet time, VMs may run that no plan wants."""

DOWN: Final[Span] = 20 * MINUTE
"""For so long, of quiet time, VMs of a lease that runs may be down, waiting to be started again."""

USUAL: Final[Span] = MINUTE
"""So often the platform is looked at where nothing else is said; the bounds are for that."""

LATE: Final[Span] = 5 * MINUTE
"""So long after its start, of quiet time, it must have been told why a reservation does not run."""

STILL_MAX: Final = 400
"""So many steps may be taken at one instant."""

Trouble = tuple[str, Hashable, Hashable]
"""What may be wrong for a while: of which kind it is, and with what."""

Held = tuple[Instant, Instant, Sequence[int], Need, frozenset[int]]
"""When a stay holds its hosts, the host of each VM, what they need, and the VMs that are over."""

_WAITING: Final = frozenset({LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED})
_ON: Final = (Observed.RUNNING, Observed.PAUSED, Observed.UNKNOWN)
_INTENDED: Final = (Observed.SUSPENDED,)
_BOUNDS: Final = MappingProxyType(
    {
        "stray": BOUND,
        "overload": BOUND,
        "elsewhere": BOUND,
        "deserted": DESERTED,
        "unwanted": UNWANTED,
        "awake": DESERTED,
        "down": DOWN,
        "size": DESERTED,
    }
)
_SAID: Final = MappingProxyType(
    {
        "stray": ("there is a ", "that no lease has"),
        "elsewhere": ("", "runs on another host than it is accounted for on"),
        "unwanted": ("", "runs, and its lease waits"),
        "deserted": ("", "does not run, and its lease counts as running"),
        "down": ("", "does not run, and its lease counts as running"),
        "awake": ("", "runs, and its lease counts as paused"),
    }
)


class Checks:
    """Looks on after every step. What is wrong is raised as a :class:`Violation`, the first thing only."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[Trouble, Span] = {}
        self._told: set[int] = set()
        self._crowding = Crowding(world)
        self._still = 0
        self._at: Instant = 0
        self.steps = 0
        self.capacity: list[tuple[Instant, int]] = []
        self.parted: dict[int, Instant] = {}
        # What was looked at last, so that only what has changed since is looked at again.
        self._site: Site | None = None
        self._holdings: dict[int, tuple[Held, ...]] = {}
        self._logged: dict[int, list[tuple[Instant, Instant]]] = {}
        # Which VMs are to be started again when, by which daemon's word.
        self._awaited: tuple[object, dict[tuple[int, int], Instant]] = (None, {})

    @property
    def _desk(self) -> Desk:
        return self._world.live.scheduler.desk

    def step(self) -> None:
        """Check everything that must hold after a step."""
        self.steps += 1
        world = self._world
        self._moves()
        self._slots()
        self._leases()
        self._restarts()
        self._platform(world.fate.vms())
        self._crowding.step()
        self._promises()
        self._note_capacity()

    def _note_capacity(self) -> None:
        """Keep from when on how much of processors is planned with, and when leases lost VMs first, for the books."""
        desk = self._desk
        there = sum([host.capacity[CPU] for host in desk.site.hosts])
        if not self.capacity or self.capacity[-1][1] != there:
            self.capacity.append((desk.now if self.capacity else START, there))
        for lease in desk.leases.values():
            if lease.over:
                self.parted.setdefault(lease.id, desk.now)

    def _moves(self) -> None:
        """Time must move on."""
        now = self._desk.now
        self._still = self._still + 1 if now == self._at else 0
        self._at = now
        if self._still > STILL_MAX:
            raise Violation("no-rest", f"The scheduler does not come to rest at {instant(now)}.")

    # The core ------------------------------------------------------------------------------------------------

    def _slots(self) -> None:
        """No host is planned beyond its capacity at any time."""
        desk = self._desk
        if desk.site is not self._site:
            self._site, self._holdings = desk.site, {}
            self._occupancy = Occupancy(desk.site, self._over_planned)
        known, changed = self._holdings, set[int]()
        held = {lease.id: tuple([self._held(lease, stay) for stay in lease.stays]) for lease in desk.leases.values()}
        for lease in known.keys() - held.keys():
            self._occupancy.replace(lease, [])
        for lease, stays in held.items():
            if known.get(lease) != stays:
                changed |= self._occupancy.replace(lease, [_holding(*stay) for stay in stays])
        self._holdings = held
        for host in sorted(changed):
            self._occupancy.check(host, desk.now)

    @staticmethod
    def _over_planned(text: str) -> None:
        raise Violation("over-planned", text)

    def _held(self, lease: Lease, stay: Stay) -> Held:
        return stay.start, stay.end, hosts_of(stay, self._desk.table), stay.need, lease.over

    def _leases(self) -> None:
        """Every lease that is not over waits, is planned, or is held back by somebody."""
        desk = self._desk
        queued = {lease.id for lease in desk.queue}
        if len(queued) != len(desk.queue):
            raise Violation("queue", "A lease is in the queue twice.")
        for lease in desk.leases.values():
            self._runs(lease)
            kept = bool(lease.parked) or lease.degraded or lease.state is LeaseState.HELD
            kept = kept or (lease.state is LeaseState.MIGRATING and desk.alarms.get(Bell.MOVED, lease.id) is not None)
            if lease.state.final:
                raise Violation("undead", f"Lease {lease.id} is {lease.state.label}, and not let go of.")
            if lease.stays and lease.id in queued:
                raise Violation("queue", f"Lease {lease.id} is in the queue and planned.")
            if not lease.stays and lease.id not in queued and not kept and lease.state is not LeaseState.NEW:
                raise Violation("forgotten", f"Lease {lease.id} is {lease.state.label}, not planned and not waiting.")
            for stay in lease.stays:
                if stay.end <= desk.now:
                    text = f"Lease {lease.id} is {lease.state.label} and was to be over at {instant(stay.end)}."
                    raise Violation("overdue", text)
                held = lease.state is LeaseState.HELD
                if stay.phase is Phase.PLANNED and stay.start < desk.now and not held:
                    text = f"Lease {lease.id} is {lease.state.label} and was to begin at {instant(stay.start)}."
                    raise Violation("overdue", text)

    def _runs(self, lease: Lease) -> None:
        """What a lease is said to have run is said of each moment once."""
        runs = [(entry.start, entry.end) for entry in lease.log if entry.kind == "run"]
        if self._logged.get(lease.id) == runs:
            return
        self._logged[lease.id] = runs
        runs = sorted(runs)
        for (start, end), (following, _end) in pairwise(runs):
            if end < start or following < end:
                raise Violation("accounts", f"Lease {lease.id} runs twice at {instant(following)}: {runs}.")

    def _restarts(self) -> None:
        """VMs that were to be started again by now were, or wait anew, unless somebody keeps them from it."""
        desk, live = self._desk, self._world.live
        before, awaited = self._awaited
        for (number, vm), at in awaited.items() if before is live else ():
            lease = desk.leases.get(number)
            if at > desk.now or lease is None or lease.state is not LeaseState.ACTIVE or vm not in lease.down:
                continue
            if desk.alarms.get(Bell.RESTART, number, vm) is not None or lease.seen.get(vm) in _INTENDED:
                continue
            stay = lease.stays[0]
            down = any(desk.hosts.states[host] is HostState.DOWN for host in hosts_of(stay, desk.table))
            if stay.phase is Phase.RUNNING and stay.run_end > desk.now and not down:
                raise Violation("not-started", f"VM {number}.{vm} was to be started at {instant(at)}, and was not.")
        alarms = desk.alarms.remember()
        self._awaited = live, {(lease, vm): at for bell, lease, vm, at in alarms if bell == Bell.RESTART.value}

    # The platform --------------------------------------------------------------------------------------------

    def _platform(self, seen: Sequence[Seen]) -> None:
        world, desk = self._world, self._desk
        if world.ledger.wrong:
            raise Violation(*world.ledger.wrong[0])
        keys: set[Trouble] = set(self._overloaded(seen))
        away = world.fate.silent()
        strays = [one for one in seen if one.lease not in desk.leases and one.host not in away]
        keys.update(("stray", one.lease, one.vm) for one in strays)
        keys.update(self._elsewhere(seen))
        keys.update(self._deserted(seen))
        keys.update(self._unwanted(seen))
        keys.update(self._awake(seen))
        keys.update(self._sizes(away))
        # Where the platform is looked at less often than usual, more is found out later.
        rare = max(0, world.settings.care.reconcile_every - USUAL)
        for key in self._since.keys() - keys:
            if key[0] in _BOUNDS:
                del self._since[key]
        for key in keys:
            if self._age(key) > _BOUNDS[key[0]] + rare:
                raise Violation(key[0], f"For too long, {_said(key)}.")

    def _overloaded(self, seen: Sequence[Seen]) -> Iterator[Trouble]:
        """Yield hosts with more on them than they have, and what."""
        world, desk = self._world, self._desk
        used: dict[int, Capacity] = {}
        on: dict[int, list[tuple[int, int]]] = {}
        demands: dict[int, list[Capacity]] = {}
        for one in seen:
            lease = desk.leases.get(one.lease)
            if one.host is None or one.observed not in _ON or lease is None or one.vm > lease.need.vms:
                continue
            if one.lease not in demands:
                demands[one.lease] = demands_of(lease.need)
            demand = demands[one.lease][one.vm - 1]
            used[one.host] = used.get(one.host, Capacity()).plus(demand)
            on.setdefault(one.host, []).append((one.lease, one.vm))
        for stranger in world.fate.strangers():
            used[stranger.host] = used.get(stranger.host, Capacity()).plus(stranger.demand)
        for host, amounts in used.items():
            has = desk.site.hosts[host].capacity
            if on.get(host) and any(amount > has[name] for name, amount in amounts.items()):
                yield "overload", host, tuple(on[host])

    def _elsewhere(self, seen: Sequence[Seen]) -> Iterator[Trouble]:
        """Yield VMs that run on another host than the slot table has them on; one that is there twice is wrong at once.

        Raises:
            Violation: the platform has a VM in two places.
        """
        desk = self._desk
        there: set[tuple[int, int]] = set()
        for one in seen:
            if (one.lease, one.vm) in there:
                raise Violation("two-places", f"VM {one.lease}.{one.vm} is in two places.")
            there.add((one.lease, one.vm))
            lease = desk.leases.get(one.lease)
            if lease is None or not lease.stays or lease.stays[0].phase is not Phase.RUNNING or one.vm in lease.over:
                continue
            hosts = hosts_of(lease.stays[0], desk.table)
            if one.observed in _ON and one.vm <= len(hosts) and one.host != hosts[one.vm - 1]:
                yield "elsewhere", one.lease, one.vm

    def _deserted(self, seen: Sequence[Seen]) -> Iterator[Trouble]:
        """Yield VMs that do not run though their lease counts as running, and nothing is being done about it.

        Single VMs of a lease may be kept from running by somebody, not all of them. What became of those on hosts of
        which nothing is heard nobody can know until such a host is given up: then nothing is to run there.
        """
        desk, operations, away = self._desk, self._world.live.assembly.operations, self._world.fate.silent()
        on = {(one.lease, one.vm) for one in seen if one.observed in _ON}
        for lease in desk.leases.values():
            if lease.state is not LeaseState.ACTIVE or lease.stays[0].phase is not Phase.RUNNING:
                continue
            wanted = lease.alive
            off = [vm for vm in wanted if (lease.id, vm) not in on]
            if not off or operations.of(lease.id):
                continue
            hosts = hosts_of(lease.stays[0], desk.table)
            for vm in off:
                if hosts[vm - 1] in away and desk.hosts.states[hosts[vm - 1]] is not HostState.DOWN:
                    continue
                if len(off) == len(wanted) or lease.seen.get(vm) not in _INTENDED:
                    yield "down" if vm in lease.down else "deserted", lease.id, vm

    def _unwanted(self, seen: Sequence[Seen]) -> Iterator[Trouble]:
        """Yield VMs that run though their lease waits for its time, and nothing is being done about it.

        Of those on hosts of which nothing is heard nobody can know.
        """
        desk, operations, away = self._desk, self._world.live.assembly.operations, self._world.fate.silent()
        for one in seen:
            lease = desk.leases.get(one.lease)
            if lease is None or one.observed is not Observed.RUNNING or lease.state is LeaseState.HELD or lease.images:
                continue
            if one.host in away:
                continue
            begun = bool(lease.stays) and lease.stays[0].phase is not Phase.PLANNED
            if not begun and not operations.of(lease.id):
                yield "unwanted", one.lease, one.vm

    def _awake(self, seen: Sequence[Seen]) -> Iterator[Trouble]:
        """Yield VMs that run though their lease counts as paused, but for those on hosts of which nothing is heard."""
        desk, operations, away = self._desk, self._world.live.assembly.operations, self._world.fate.silent()
        for one in seen:
            lease = desk.leases.get(one.lease)
            if lease is None or lease.state is not LeaseState.PAUSED or one.vm in lease.over or one.host in away:
                continue
            if one.observed is Observed.RUNNING and not operations.of(lease.id):
                yield "awake", one.lease, one.vm

    def _sizes(self, away: frozenset[int]) -> Iterator[Trouble]:
        """Yield hosts that have come to have more or less than is known of them."""
        known = self._desk.real.hosts
        for one in self._world.fate.hosts():
            if one.capacity is not None and one.host not in away and one.capacity != known[one.host].capacity:
                yield "size", known[one.host].name, tuple(one.capacity.items())

    def _age(self, key: Trouble) -> Span:
        """Return for how much quiet time something has been so."""
        quiet = self._world.quiet
        return quiet - self._since.setdefault(key, quiet)

    # Promises ------------------------------------------------------------------------------------------------

    def _promises(self) -> None:
        """Nobody's reservation is late without a word."""
        desk = self._desk
        for lease in desk.leases.values():
            start = lease.terms.start
            kept = lease.state is LeaseState.HELD or lease.parked
            if lease.type is not LeaseType.ADVANCE_RESERVATION or start is None or kept:
                continue
            if lease.started is not None or start + 5 * SECOND >= desk.now or lease.id in self._told:
                continue
            if self._age(("late", lease.id, start)) <= LATE:
                continue
            if not self._was_told(lease.id):
                raise Violation("late", f"Lease {lease.id} was to start at {instant(start)}, and nobody was told.")
            self._told.add(lease.id)

    def _was_told(self, lease: int) -> bool:
        entries = self._world.store.entries(0, limit=10_000, lease=lease)
        return any(entry.kind in ("notice", "lease-changed") and _explains(entry) for entry in entries)

    # Now and then --------------------------------------------------------------------------------------------

    def remembered(self) -> None:
        """Check that a scheduler made of what the store has is the one that there is."""
        world = self._world
        writing = world.live.keeper.writing
        if writing.trouble or writing.unwritten or world.now < world.store.away_until:
            return
        scheduler = world.live.scheduler
        again = restored(world.settings, world.store.load(), scheduler.desk.now)
        one, other = _known(scheduler.desk), _known(again.desk)
        for key in [*one, *(other.keys() - one.keys())]:
            if one.get(key) != other.get(key):
                raise Violation("memory", f"Of {key} is known {one.get(key)}, but remembered {other.get(key)}.")
        # What has not changed since is not written again, only because time has passed.
        known, kept = [{**each.remember(), "now": 0} for each in (scheduler, again)]
        for key, value in known.items():
            if _text(value) != _text(kept[key]):
                raise Violation("memory", f"Of {key} is known {value}, but remembered {kept[key]}.")
        self._table()

    def _table(self) -> None:
        """Check the slot table from zero."""
        desk = self._desk
        held = [Reservation(s.start, s.end, s.placement.held) for lease in desk.leases.values() for s in lease.stays]
        wrong = desk.table.check([*held, *desk.claims.reservations()])
        if wrong:
            raise Violation("slot-table", f"The slot table is wrong: {wrong[0]}.")


def _holding(
    start: Instant, end: Instant, hosts: Sequence[int], need: Need, over: frozenset[int]
) -> tuple[Instant, Instant, Sequence[int], Sequence[Capacity]]:
    demands = demands_of(need)
    there = [vm for vm in range(len(hosts)) if vm + 1 not in over]
    return start, end, [hosts[vm] for vm in there], [demands[vm] for vm in there]


def _explains(entry: Entry) -> bool:
    return entry.kind == "notice" or "cause" in entry.data


def _known(desk: Desk) -> dict[str, str]:
    return {
        f"lease {number}": _text({**lease_document(lease, desk), "wait": None}) for number, lease in desk.leases.items()
    }


def _text(tree: object) -> str:
    return json.dumps(tree, sort_keys=True)


def _said(key: Trouble) -> str:
    if key[0] == "overload":
        return f"host number {key[1]} has more VMs than it has room for: {key[2]}"
    if key[0] == "size":
        return f"host {key[1]} has {key[2]}, and that is not known"
    return f"{_SAID[key[0]][0]}VM {key[1]}.{key[2]} {_SAID[key[0]][1]}"
