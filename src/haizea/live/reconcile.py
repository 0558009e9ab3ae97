"""What should be beside what is: every VM and host, compared now and then and on demand.

Whatever differs is handed to the scheduler as an observation, as if the platform had told of it just now; the reaction
is the same. What operations under way are about to change is no difference. VMs of leases that nobody has are cleaned
away, or only told of. A platform that cannot be asked has shown nothing: nothing differs then. Of what is or was on a
host that cannot be looked at nothing is known; and while there is one, a VM that is not found is unknown, not gone.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from haizea.core.scheduler import Scheduler
from haizea.live.operations import Operations
from haizea.live.strangers import noticed
from haizea.model.events import (
    Event,
    HostObserved,
    InstanceObserved,
    Observed,
    SiteChanged,
    StrangersObserved,
)
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.resources import Capacity
from haizea.model.site import Host, HostState, Site
from haizea.model.units import Instant
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of
from haizea.runtime.ports import HostSeen, Platform, Seen, Shown, Stranger

ABSENT = "absent"


class Strays(StrEnum):
    """What is done about VMs of leases that nobody has."""

    DESTROY = "destroy"
    REPORT = "report"


class Wanted(NamedTuple):
    """What one VM is to be: ``states`` it may be in, the first of them in the end; where, if that matters.

    No states: it is not to be there at all. ``bound`` is where its memory image is being taken, or was already.
    """

    states: tuple[Observed, ...]
    host: int | None = None
    word: str = ABSENT
    bound: int | None = None


class VMDiff(NamedTuple):
    """A VM as it should be and as it is; hosts by number. ``under_way`` is the operation that is changing it."""

    lease: int
    vm: int
    desired: str
    desired_host: int | None
    observed: str
    observed_host: int | None
    under_way: str
    agrees: bool
    known: bool


class HostDiff(NamedTuple):
    """A host as it is planned with and as it is. ``strangers`` run there and are no lease's."""

    host: int
    name: str
    desired: str
    observed: str
    capacity: Capacity
    observed_capacity: Capacity | None
    strangers: tuple[str, ...]
    agrees: bool


class Diff(NamedTuple):
    """Everything, beside what there is of it."""

    at: Instant
    vms: tuple[VMDiff, ...]
    hosts: tuple[HostDiff, ...]


_R, _S, _P = Observed.RUNNING, Observed.SUSPENDED, Observed.PAUSED
_PROMISED = (LeaseType.ADVANCE_RESERVATION, LeaseType.IMMEDIATE)
_OVER = (Observed.GUEST_SHUTDOWN, Observed.STOPPED)
_ENDED = (*_OVER, Observed.CRASHED, Observed.DELETED, Observed.VANISHED)


def wanted(scheduler: Scheduler, lease: Lease) -> list[Wanted]:
    """Return what each VM of a lease is to be, in order of VM numbers."""
    stay = lease.stays[0] if lease.stays else None
    if stay is None or stay.phase is Phase.PLANNED:
        if lease.images is None:
            return [Wanted(())] * lease.need.vms
        bound = hosts_of(stay, scheduler.desk.table) if stay is not None and stay.copies else lease.images
        return [
            Wanted(()) if number in lease.over else Wanted((_S,), host, "suspended", to)
            for number, (host, to) in enumerate(zip(lease.images, bound, strict=True), 1)
        ]
    hosts = hosts_of(stay, scheduler.desk.table)
    if stay.phase is Phase.ENDING and not stay.suspending:
        return [Wanted((), None, "shutting down")] * len(hosts)
    state: tuple[Observed, ...]
    if stay.phase is Phase.RESUMING:
        state, word = (_R, _S, _P), "resuming"
    elif stay.phase is Phase.ENDING:
        state, word = (_S, _R, _P), "suspending"
    else:
        state, word = ((_P,), "paused") if lease.state is LeaseState.PAUSED else ((_R,), "running")
    return [
        Wanted(_OVER, None, "over") if number in lease.over else Wanted(state, host, word)
        for number, host in enumerate(hosts, 1)
    ]


class Reconciler:
    """Compares, and sees to every difference. ``seen`` is what VMs there were when it did last."""

    def __init__(
        self,
        scheduler: Scheduler,
        platform: Platform,
        operations: Operations,
        order: Callable[[str, int, tuple[int, ...]], None],
        strays: Strays,
        ignored: Sequence[str] = (),
    ) -> None:
        """``order`` has a command sent about VMs of a lease that the scheduler does not have.

        ``ignored`` are labels of VMs that are no lease's and count as nothing.
        """
        self._ignored = tuple(ignored)
        self._scheduler = scheduler
        self._platform = platform
        self._operations = operations
        self._order = order
        self._strays = strays
        self._told: frozenset[tuple[int, int]] = frozenset()
        self._places: dict[tuple[int, int], int | None] = {}
        self.seen: Shown[Seen] = Shown()

    def run(self, now: Instant) -> list[Event]:
        """Return what the scheduler is to be told.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: nothing of the platform can be asked; nothing is to be done.
        """
        seen, hosts, strangers = self._platform.observe(), self._platform.hosts(), self._strangers()
        site = self._site(now, hosts)
        known = len(site[0].site.hosts if site else self._scheduler.desk.real.hosts)
        events: list[Event] = [*site, *self._host_states(now, hosts, known), *self._use(now, strangers, known)]
        events += self.vms(now, seen)
        self._clean(seen)
        self.seen = seen
        self._places = {vm: host for vm, host in self._places.items() if host in seen.away}
        self._places |= {(one.lease, one.vm): one.host for one in seen}
        return events

    def _strangers(self) -> Shown[Stranger]:
        return noticed(self._platform.strangers(), self._ignored)

    # VMs -----------------------------------------------------------------------------------------------------

    def vms(self, now: Instant, seen: Shown[Seen]) -> list[InstanceObserved]:
        """Return what VMs are other than they should be, but for those that are being changed into that."""
        there = {(one.lease, one.vm): one for one in seen}
        found: list[InstanceObserved] = []
        for lease in list(self._scheduler.desk.leases.values()):
            busy = self._busy(lease.id)
            for number, want in enumerate(wanted(self._scheduler, lease), 1):
                one = there.get((lease.id, number))
                changing = number in busy and not _runs_on_its_way(want, one, busy[number])
                if changing or (agrees(want, one) and not self._is_news(lease, number, one)):
                    continue
                if self._over(lease, now) or self._begun(lease, one, now):
                    continue
                if self._hidden((lease.id, number), want, one, seen.away):
                    continue
                if one is not None:
                    found.append(InstanceObserved(now, lease.id, number, one.observed, one.host, one.by))
                else:
                    gone = Observed.UNKNOWN if seen.away else Observed.VANISHED
                    found.append(InstanceObserved(now, lease.id, number, gone))
        return found

    def _is_news(self, lease: Lease, vm: int, one: Seen | None) -> bool:
        """Whether a VM that is as it should be again is still thought to be otherwise, or nothing was known of it.

        It was not found while a host was away, or what it used while it ran though its lease is on hold is claimed.
        """
        if one is None or one.observed is Observed.UNKNOWN:
            return False
        seen = lease.seen.get(vm)
        if seen is Observed.UNKNOWN:
            return True
        return lease.id in self._scheduler.desk.claims.astray and seen not in (None, one.observed)

    def _hidden(self, vm: tuple[int, int], want: Wanted, one: Seen | None, away: frozenset[int]) -> bool:
        """Whether a VM is, or may be, on a host that could not be looked at.

        Where it was seen last does not count once that host was given up: it is to run elsewhere since.
        """
        last = self._places.get(vm)
        states = self._scheduler.desk.hosts.states
        given_up = last is not None and last < len(states) and states[last] is HostState.DOWN
        return want.host in away or (one is None and last in away and not given_up)

    def _over(self, lease: Lease, now: Instant) -> bool:
        """Whether the time of a lease's VMs is over, so that they are ended anyway and may have been already."""
        stay = lease.stays[0] if lease.stays else None
        return stay is not None and stay.phase is Phase.RUNNING and stay.run_end <= now

    def _begun(self, lease: Lease, one: Seen | None, now: Instant) -> bool:
        """Whether a VM runs that is to be started now anyway, and just where it does.

        There are some where a daemon was killed while it could send commands but not write down that it had.
        """
        stay = lease.stays[0] if lease.stays else None
        if one is None or stay is None or stay.phase is not Phase.PLANNED or stay.start > now or stay.resuming:
            return False
        hosts = hosts_of(stay, self._scheduler.desk.table)
        return lease.type in _PROMISED and one.observed is _R and one.host == hosts[one.vm - 1]

    def _busy(self, lease: int) -> Mapping[int, str]:
        """Return which VMs of a lease are being changed, and by what; migrations count least."""
        found: dict[int, str] = {}
        for operation in self._operations.of(lease):
            verb = operation.command.verb
            for vm in operation.vms:
                if verb != "migrate" or vm not in found:
                    found[vm] = verb
        return found

    def _clean(self, seen: Shown[Seen]) -> None:
        """See to VMs of leases that there are not, or no longer; not while hosts that may have more are away."""
        states = self._scheduler.desk.hosts.states
        if any(host >= len(states) or states[host] is not HostState.DOWN for host in seen.away):
            return
        strays: dict[int, list[Seen]] = {}
        for one in seen:
            if one.lease not in self._scheduler.desk.leases and not self._operations.of(one.lease):
                strays.setdefault(one.lease, []).append(one)
        if self._strays is Strays.DESTROY:
            for lease, there in strays.items():
                self._order("destroy", lease, _hosts(there))
            return
        found = frozenset((one.lease, one.vm) for there in strays.values() for one in there)
        for lease in sorted({lease for lease, _vm in found - self._told}):
            self._order("report", lease, _hosts(strays[lease]))
        self._told = found

    # Hosts ---------------------------------------------------------------------------------------------------

    def _host_states(self, now: Instant, hosts: Sequence[HostSeen], known: int) -> list[HostObserved]:
        """Return what has become of hosts since they were looked at last; ``known`` are there, or will be at once."""
        # What an administrator has ordered is not contradicted by a host that works.
        observed = self._scheduler.desk.hosts.observed
        found = []
        for one in hosts:
            if not 0 <= one.host < known:
                continue
            before = observed.get(one.host, HostState.UP)
            # One that was given up is not only suspect because nothing is heard of it.
            given_up = before is HostState.DOWN and one.state is HostState.SUSPECT
            if one.state is not before and not given_up:
                found.append(HostObserved(now, one.host, one.state))
        return found

    def _site(self, now: Instant, hosts: Sequence[HostSeen]) -> list[SiteChanged]:
        """Return the site as it is, if hosts came or have other capacity."""
        # Whatever was ordered to be planned with, a host has what it has.
        site = self._scheduler.desk.real
        changed = list(site.hosts)
        for one in sorted(hosts, key=lambda one: one.host):
            if one.capacity is None or not one.capacity:
                continue
            if one.host < len(changed):
                # A number may have been given to another host meanwhile, by an order.
                same = one.name in ("", changed[one.host].name)
                if same and changed[one.host].capacity != one.capacity:
                    changed[one.host] = changed[one.host]._replace(capacity=one.capacity)
            elif one.host == len(changed) and one.name:
                changed.append(Host(one.name, one.capacity, one.labels))
        if changed == list(site.hosts):
            return []
        types = dict.fromkeys([*site.resource_types, *(name for host in changed for name in host.capacity)])
        return [SiteChanged(now, Site(tuple(changed), tuple(types)), "platform")]

    def _use(self, now: Instant, strangers: Shown[Stranger], known: int) -> list[StrangersObserved]:
        """Return of which hosts strangers use more or less than before."""
        before, types = self._scheduler.desk.claims.strangers, self._scheduler.desk.site.resource_types
        used = {host: before[host] for host in strangers.away if host in before}
        for one in strangers:
            if one.host >= known:
                continue
            demand = Capacity([(name, amount) for name, amount in one.demand.items() if name in types])
            used[one.host] = used.get(one.host, Capacity()).plus(demand)
        return [
            StrangersObserved(now, host, used.get(host, Capacity()))
            for host in sorted(used.keys() | before.keys())
            if used.get(host, Capacity()) != before.get(host, Capacity()) and host < known
        ]

    # For people ----------------------------------------------------------------------------------------------

    def diff(self, now: Instant) -> Diff:
        """Return everything as it should be beside everything as it is.

        Raises:
            haizea.runtime.ports.PlatformUnavailable: the platform cannot be asked.
        """
        seen, hosts, strangers = self._platform.observe(), self._platform.hosts(), self._strangers()
        return Diff(now, tuple(self._vm_diffs(seen)), tuple(self._host_diffs(hosts, strangers)))

    def _vm_diffs(self, seen: Shown[Seen]) -> list[VMDiff]:
        there = {(one.lease, one.vm): one for one in seen}
        rows: list[VMDiff] = []
        for lease in self._scheduler.desk.leases.values():
            busy = self._busy(lease.id)
            for number, want in enumerate(wanted(self._scheduler, lease), 1):
                one = there.pop((lease.id, number), None)
                if one is None and want.word == ABSENT and number not in busy:
                    continue
                row = _vm_diff((lease.id, number), want, one, busy.get(number, ""), known=True)
                if one is None and self._hidden((lease.id, number), want, one, seen.away):
                    row = row._replace(observed=Observed.UNKNOWN.value)
                rows.append(row)
        for (number, vm), one in there.items():
            known = number in self._scheduler.desk.leases
            rows.append(_vm_diff((number, vm), Wanted(()), one, self._busy(number).get(vm, ""), known=known))
        return sorted(rows)

    def _host_diffs(self, hosts: Sequence[HostSeen], strangers: Sequence[Stranger]) -> list[HostDiff]:
        states = self._scheduler.desk.hosts.states
        seen = {one.host: one for one in hosts}
        rows = []
        for number, host in enumerate(self._scheduler.desk.real.hosts):
            one = seen.get(number)
            names = tuple([stranger.name for stranger in strangers if stranger.host == number])
            capacity = None if one is None else one.capacity
            works = states[number] not in (HostState.DOWN, HostState.SUSPECT)
            same = one is not None and (one.state is states[number] or (one.state is HostState.UP and works))
            same = same and capacity in (None, host.capacity) and not names
            observed = "not shown" if one is None else one.state.value
            desired = states[number].value
            rows.append(HostDiff(number, host.name, desired, observed, host.capacity, capacity, names, same))
        return rows


def agrees(want: Wanted, one: Seen | None) -> bool:
    """Whether a VM is as it should be."""
    if one is None:
        return not want.states or want.states is _OVER
    if one.observed not in want.states:
        # What has ended by itself needs not be anywhere.
        return not want.states and one.observed in _ENDED
    # Memory images come from anywhere, but what runs does so where it should.
    moving = len(want.states) > 1 and one.observed is not _R
    return moving or want.host is None or one.host in (None, want.host)


def _runs_on_its_way(want: Wanted, one: Seen | None, verb: str) -> bool:
    """Whether a VM runs of which only the memory image should be on its way: that is no part of what is being done."""
    return verb == "migrate" and want.states == (_S,) and one is not None and one.observed in (_R, _P)


def _vm_diff(vm: tuple[int, int], want: Wanted, one: Seen | None, under_way: str, *, known: bool) -> VMDiff:
    observed = ABSENT if one is None else one.observed.value
    host = None if one is None else one.host
    # That an image has arrived is known when it is looked for the next time.
    arrived = one is not None and one.host is not None and one.host == want.bound
    same = known and agrees(want._replace(host=want.bound) if arrived else want, one)
    return VMDiff(*vm, want.word, want.host, observed, host, under_way, same, known)


def _hosts(there: Sequence[Seen]) -> tuple[int, ...]:
    return tuple([one.host for one in sorted(there, key=lambda one: one.vm) if one.host is not None])
