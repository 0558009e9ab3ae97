"""The scheduler's desk: everything it knows, and the few ways to change a lease that all its parts share."""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from heapq import heappop, heappush
from typing import Final, NamedTuple

from haizea.core.alarms import Alarms
from haizea.core.claims import Claims
from haizea.core.states import TRANSITIONS, ImpossibleTransition
from haizea.model.effects import Command, Effect, LeaseChanged, Notice, Verb
from haizea.model.lease import Constraints, LeaseState, LeaseTerms
from haizea.model.rates import TRANSFER, Rates
from haizea.model.reason import Reason
from haizea.model.site import Site
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.hosts import Hosts
from haizea.plan.images import Images, Transfer, TransferState
from haizea.plan.lease import Entry, Lease, Phase, Stay
from haizea.plan.need import Need, Needs
from haizea.plan.operations import HostsOf, hosts_of
from haizea.plan.options import Options
from haizea.plan.paces import paces_of
from haizea.plan.planner import Planner
from haizea.plan.preemption import Preemption
from haizea.plan.slottable import Placement, SlotTable
from haizea.plan.units import Units
from haizea.policy.fcfs import FirstComeFirstServed
from haizea.policy.protocols import (
    AdmissionPolicy,
    HostSelectionPolicy,
    PreemptionPolicy,
    PricingPolicy,
    QueueOrder,
    QueuePolicy,
)
from haizea.policy.views import SiteView

EVERY_STATE: Final = frozenset(LeaseState)
NOTHING_MEASURED: Final = Rates()
_BEFORE_STARTS: Final = Phase.PLANNED + 1


class Policies(NamedTuple):
    """One policy of each kind."""

    admission: AdmissionPolicy
    selection: HostSelectionPolicy
    preemption: PreemptionPolicy
    pricing: PricingPolicy
    queue: QueuePolicy = FirstComeFirstServed()


Allows = Callable[[Lease, LeaseTerms, Collection[Lease], Instant], Reason | None]
"""Says why a lease may not get what other terms would give it, among all leases and at an instant; None: it may.

With ``retry_at``, it is to be asked again then.
"""


class Retired:
    """A lease has reached a final state, and the scheduler has let go of it."""

    __slots__ = ("at", "lease")

    def __init__(self, at: Instant, lease: Lease) -> None:
        self.at = at
        self.lease = lease


class Desk:
    """Leases, queue, slot table, timers and what is to be told to the world.

    ``queue`` holds the best-effort leases that wait, in order of rank, then as the policy has it (where ``ordered``),
    then of submission; none of them is known to need less of the key resource type than ``queue_least``. With
    ``rescore`` the policy has to be asked about all of them. ``meter`` is told what has run, and ``metered`` is up to
    when the policy knows what was used. ``allows`` is asked before a lease gets more time by itself, where the
    site limits what its users may have. ``reserved`` are those that hold a reservation in the
    future. ``freed_until`` says up to when capacity was given back earlier than planned since the reservations in the
    future were last looked at (None: not at all), ``has_deadlines`` that there has been a deadline lease.
    ``degraded`` are the leases that were promised a time and have no hosts for it. ``configured`` are the rules as
    the site has chosen them, ``options`` those with measured ``rates`` in them. ``claims`` are what others than
    leases hold, ``pauses`` says why scheduling or intake is paused, where it is. ``real`` is the site without what
    was ordered about it: ``overcommitted`` has the percents of what hosts have that are planned with, ``labels``
    those that hosts were given; ``resited`` is set once hosts have come or gone. ``touched`` are the leases of which
    the present event has changed anything, for whoever keeps a record of them. ``to_resume`` are VMs of leases, to be
    resumed when all that was seen at this instant is known. ``impossible`` is why leases of a
    kind could not run even on the empty site, as far as that was asked.
    """

    def __init__(
        self,
        site: Site,
        now: Instant,
        options: Options,
        policies: Policies,
        announced: frozenset[LeaseState] = EVERY_STATE,
    ) -> None:
        self.now = now
        self.configured = self.options = options
        self.rates = NOTHING_MEASURED
        self.policies = policies
        self.announced = announced
        self.effects: list[Effect | Retired] = []
        self.touched: set[int] = set()
        self.to_resume: dict[int, tuple[int, ...]] = {}
        self.due_at = now
        self.ordered = policies.queue.order is not QueueOrder.SUBMITTED
        self.rescore = False
        self.metered: Instant = 0
        self.meter: Callable[[Stay, Instant, Instant], None] | None = None
        self.allows: Allows | None = None
        self.lay_out(site)

    def lay_out(self, site: Site) -> None:
        """Begin anew with the empty hosts of a site, and without leases."""
        now, options, policies = self.now, self.options, self.policies
        self.site = self.real = site
        self.overcommitted: dict[int, dict[str, int]] = {}
        self.labels: dict[int, dict[str, str]] = {}
        self.resited = False
        self.table = SlotTable(site, now, units=(0,) * len(site.resource_types))
        self.hosts = Hosts(self.table)
        self.planner = Planner(self.table, self.hosts, options, policies.selection)
        self.preemption = Preemption(self.planner, policies.preemption)
        self.images = Images(self.table, self.hosts, options.transfer) if options.transfer else None
        self.site_view = SiteView(len(site.hosts), {name: site.total(name) for name in site.resource_types})
        self.leases: dict[int, Lease] = {}
        self.impossible: dict[Need | tuple[Need, Constraints], Reason | None] = {}
        self.claims = Claims(self.table)
        self.units = Units(self.table, self.hosts, self.planner.mapper, self.leases, self.claims.placements)
        self.needs = Needs(self.table, options, self.units.suit)
        self.queue: deque[Lease] = deque()
        self.queue_least = FAR_FUTURE
        self.reserved: list[Lease] = []
        self.freed_until: Instant | None = None
        self.has_deadlines = False
        self.ranked = self.ordered
        self.pauses: dict[str, str] = {}
        self.alarms = Alarms()
        self.degraded: set[int] = set()
        self.sequence = 0
        self._timers: list[tuple[Instant, int, int, Stay | Transfer]] = []
        if self.rates != NOTHING_MEASURED:
            self.set_rates(self.rates)

    def set_rates(self, rates: Rates) -> None:
        """Plan by how fast operations were measured to be, where that is known; what is planned already stays."""
        configured, transfer = self.configured, self.configured.transfer
        self.rates = rates
        if transfer is not None:
            transfer = transfer._replace(bandwidth=rates.transfer or transfer.bandwidth)
        self.options = options = self.options._replace(
            suspend_rate=rates.suspend or configured.suspend_rate,
            resume_rate=rates.resume or configured.resume_rate,
            shutdown_time=configured.shutdown_time if rates.shutdown is None else rates.shutdown,
            transfer=transfer,
        )
        self.planner.set_options(options, paces_of(options, rates))
        self.needs.set_options(options, [lease.need for lease in self.leases.values()])
        if self.images is not None and transfer is not None:
            self.images.set_bandwidth(transfer.bandwidth, rates.of(TRANSFER))

    def knows_grace(self) -> bool:
        """Whether any lease is to be told some time before it gives way."""
        return any(lease.terms.grace for lease in self.leases.values())

    def order_anew(self) -> None:
        """Have the queue be ordered anew at the end of this instant, as by another policy."""
        self.ordered = self.rescore = self.ranked = True

    # Effects -------------------------------------------------------------------------------------------------

    def enter(self, lease: Lease, state: LeaseState) -> None:
        """Bring a lease into a state.

        Raises:
            ImpossibleTransition: the state cannot follow the present one.
        """
        if state not in TRANSITIONS[lease.state]:
            story = "; ".join(f"{e.kind} {e.start}-{e.end} {e.outcome}" for e in lease.log) or "nothing happened to it"
            raise ImpossibleTransition(lease.id, lease.state, state, story)
        lease.state = state
        self.touched.add(lease.id)
        if state in self.announced:
            self.effects.append(LeaseChanged(self.now, lease.id, state, lease.reason))

    def command(self, verb: Verb, stay: Stay, until: Instant, vms: tuple[int, ...] = ()) -> None:
        """Tell the back end to do something with the VMs of a stay: with some of them, or all that are not over."""
        lease = stay.lease
        if lease.over and not vms and verb is not Verb.DESTROY:
            vms = lease.alive
        # What the constructor does, which is the interpreter's: every lease passes here.
        parts = (self.now, verb, lease.id, until, HostsOf(stay, self.table), vms)
        self.effects.append(tuple.__new__(Command, parts))

    def command_at(self, verb: Verb, lease: Lease, hosts: tuple[int, ...], vms: tuple[int, ...] = ()) -> None:
        """Tell the back end to do something at once with VMs that are on these hosts without being planned there."""
        self.effects.append(Command(self.now, verb, lease.id, self.now, partial(_same, hosts), vms))

    def remove_images(self, lease: Lease) -> None:
        """Have the memory images of a lease removed, if there are any: nobody will resume from them."""
        if lease.images is not None:
            self.command_at(Verb.DESTROY, lease, lease.images)
            lease.images = None

    def notify(self, lease: Lease, text: str) -> None:
        """Tell people something about a lease."""
        self.effects.append(Notice(self.now, lease.id, text))

    def retire(self, lease: Lease, state: LeaseState, reason: Reason | None = None) -> None:
        """Bring a lease into a final state and let go of it."""
        if reason is not None:
            lease.reason = reason
        if self.images is not None and lease.terms.software is not None:
            if self.images.pending(lease):
                self.images.cancel(lease)
            self.images.forget(lease)
        if self.alarms.next_at < FAR_FUTURE:
            self.alarms.forget(lease.id)
        if lease.degraded:
            lease.degraded = False
            self.degraded.discard(lease.id)
        if lease.images is not None:
            self.remove_images(lease)
        lease.ended = self.now
        self.enter(lease, state)
        del self.leases[lease.id]
        self.effects.append(Retired(self.now, lease))

    # Timers --------------------------------------------------------------------------------------------------

    def arm(self, stay: Stay) -> None:
        """Set the timer for the next thing that is to happen in a stay; older ones no longer count."""
        self.sequence += 1
        stay.timer = self.sequence
        self.touched.add(stay.lease.id)
        self.set_timer(stay)

    def rearm(self, stay: Stay) -> None:
        """Set the timer of a stay whose times have changed; one that runs without end needs none."""
        if stay.phase is not Phase.RUNNING or stay.run_end < FAR_FUTURE:
            self.arm(stay)
            return
        self.sequence += 1
        stay.timer = self.sequence
        self.touched.add(stay.lease.id)

    def set_timer(self, stay: Stay) -> None:
        """Set the timer of a stay by the number it has."""
        phase = stay.phase
        if phase is Phase.PLANNED:
            # Who is held back does not begin; what becomes of it is looked at when its time is over.
            at = stay.start
            if stay.lease.state is LeaseState.HELD:
                at = stay.end
                if at >= FAR_FUTURE:
                    return
        elif phase is Phase.RUNNING:
            at = stay.run_end
        elif phase is Phase.RESUMING:
            at = stay.run_start
        else:
            at = self.left_at(stay)
        heappush(self._timers, (at, phase, stay.timer, stay))

    def arm_transfer(self, transfer: Transfer) -> None:
        """Set the timer for the next thing that is to happen in a transfer: ends before starts of VMs."""
        self.sequence += 1
        transfer.timer = self.sequence
        self.set_transfer_timer(transfer)

    def set_transfer_timer(self, transfer: Transfer) -> None:
        """Set the timer of a transfer by the number it has."""
        planned = transfer.state is TransferState.PLANNED
        at = transfer.start if planned else transfer.end
        heappush(self._timers, (at, _BEFORE_STARTS if planned else Phase.OVER, transfer.timer, transfer))

    def note_copies(self, stay: Stay) -> None:
        """Have hosts count as disturbed by the copies before a stay, and look who has waited when they are over.

        Timers of which the number is negative are only for looking: nothing happens to the stay then.
        """
        self.planner.note_copies(stay)
        for end in sorted({c.end for c in stay.copies if max(c.start, self.now) < c.end < stay.start}):
            self.sequence += 1
            heappush(self._timers, (end, Phase.OVER, -self.sequence, stay))

    def due(self) -> Stay | Transfer | None:
        """Return the next stay or transfer in which something is to happen by now, if there is any.

        ``due_at`` is when it was to happen then.
        """
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            self.due_at, _phase, timer, thing = heappop(timers)
            if isinstance(thing, Stay):
                if thing.timer == timer and thing.phase is not Phase.OVER:
                    return thing
            elif thing.timer == timer and thing.state is not TransferState.OVER:
                return thing
        return None

    def first_timer(self) -> Instant:
        """Return when something was or is to happen first, unless it was put off since: nothing is before that."""
        return self._timers[0][0] if self._timers else FAR_FUTURE

    def next_instant(self) -> Instant | None:
        """Return when something is to happen next."""
        timers, alarm = self._timers, self.alarms.next_at
        while timers:
            at, _phase, timer, thing = timers[0]
            if isinstance(thing, Stay):
                if (timer < 0 or thing.timer == timer) and thing.phase is not Phase.OVER:
                    return at if at < alarm else alarm
            elif thing.timer == timer and thing.state is not TransferState.OVER:
                return at if at < alarm else alarm
            heappop(timers)
        return None if alarm == FAR_FUTURE else alarm

    # Queue ---------------------------------------------------------------------------------------------------

    def enqueue(self, lease: Lease) -> None:
        """Put a lease in the queue, at its place by submission; behind those submitted at the same instant.

        One that is parked or degraded is not: the queue is for those that the scheduler may start when it sees fit.
        """
        if lease.parked or lease.degraded:
            self.touched.add(lease.id)
            return
        queue = self.queue
        self._give_place(lease)
        self.queue_least = min(self.queue_least, lease.need.key)
        if self.ordered:
            lease.turn = -self.policies.queue.score(lease, self.now)
        if (
            not queue
            or (queue[-1].submitted <= lease.submitted and not self.ranked)
            or place(queue[-1]) <= place(lease)
        ):
            queue.append(lease)
        else:
            queue.insert(bisect_right(queue, place(lease), key=place), lease)
            # Whoever looks at the end of the queue only, because nothing has changed, must look at all of it.
            self.table.changes += 1

    def rank(self, lease: Lease, rank: int) -> None:
        """Give a lease another place in the queue: behind those of a lower rank, before those of a higher."""
        lease.rank = rank
        self.ranked = True
        self.touched.add(lease.id)
        self.reorder()

    def reorder(self) -> None:
        """Bring the queue into order after what it is ordered by has changed."""
        self.queue = deque(sorted(self.queue, key=place))
        self.reserved.sort(key=place)
        # Whoever looks at the end of the queue only, because nothing has changed, must look at all of it.
        self.table.changes += 1

    def reserve(self, lease: Lease) -> None:
        """Note that a lease holds a reservation in the future."""
        lease.reserved = True
        self._give_place(lease)
        insort(self.reserved, lease, key=place)

    def unreserve(self, lease: Lease) -> None:
        """Note that a lease no longer holds a reservation in the future."""
        if lease.reserved:
            lease.reserved = False
            self.reserved.remove(lease)
            self.touched.add(lease.id)

    def _give_place(self, lease: Lease) -> None:
        """Number a lease that comes behind those submitted at the same instant."""
        self.sequence += 1
        lease.place = self.sequence
        self.touched.add(lease.id)

    def free_early(self, until: Instant) -> None:
        """Note that capacity that was held until an instant is free earlier than planned."""
        if self.freed_until is None or until > self.freed_until:
            self.freed_until = until

    def give_claims(self) -> None:
        """Have others than leases hold what is free now and is theirs, before any lease is given it."""
        if self.claims.short:
            # Loaded here: hardly any simulation has anybody but leases on its hosts.
            from haizea.core.claiming import settle

            settle(self)

    # Stays ---------------------------------------------------------------------------------------------------

    def keep(self, stay: Stay) -> None:
        """Hold what a stay needs and add it to its lease. VMs that are over hold nothing."""
        if stay.lease.over:
            stay.placement = self.share(stay.lease, hosts_of(stay, self.table))
        self.table.hold(stay.start, stay.end, stay.placement.held)
        stay.lease.stays.append(stay)
        self.touched.add(stay.lease.id)
        if stay.copies:
            self.note_copies(stay)

    def share(self, lease: Lease, hosts: tuple[int, ...]) -> Placement:
        """Return the placement of a lease on these hosts, without what VMs that are over would hold."""
        return self.planner.mapper.on_hosts(lease.need, hosts, lease.over)

    def reseat(self, stay: Stay, hosts: tuple[int, ...]) -> None:
        """Have a stay be on these hosts from now on; what it holds changes with it, and must fit there."""
        start = max(self.now, stay.start)
        self.table.release(start, stay.end, stay.placement.held)
        stay.placement, stay.vm_hosts = self.share(stay.lease, hosts), hosts
        self.table.hold(start, stay.end, stay.placement.held)
        self.touched.add(stay.lease.id)

    def drop(self, stay: Stay) -> None:
        """Give back what a stay still holds and take it off its lease."""
        self.table.release(max(self.now, stay.start), stay.end, stay.placement.held)
        self.forget(stay)

    def left_at(self, stay: Stay) -> Instant:
        """Return when the VMs of a stay are to have left: what they used is held until its end, to be cleaned."""
        cleaning = self.options.cleaning_time
        return max(stay.run_end, stay.end - cleaning) if cleaning else stay.end

    def leave(self, stay: Stay) -> None:
        """Take a stay off its lease of which the VMs have left."""
        if stay.end > self.now:
            self.note_left(stay, until=stay.end)
            self.table.release(self.now, stay.end, stay.placement.held)
        self.forget(stay)

    def note_left(self, stay: Stay, vms: tuple[int, ...] = (), *, until: Instant | None = None) -> None:
        """Have what VMs of a stay leave now (all that are not over, by default) be cleaned before others get it."""
        if self.options.cleaning_time and stay.phase is not Phase.PLANNED:
            # Loaded here: hardly any simulation knows of cleaning.
            from haizea.core.cleaning import note

            note(self, stay, vms, self.now + self.options.cleaning_time if until is None else until)

    def forget(self, stay: Stay) -> None:
        """Take a stay off its lease; it holds nothing any more."""
        stay.phase = Phase.OVER
        stay.lease.stays.remove(stay)
        self.touched.add(stay.lease.id)

    def log(self, kind: str, stay: Stay, start: Instant, end: Instant, outcome: str = "done") -> None:
        """Note what happened during a stay."""
        stay.lease.log.append(Entry(kind, stay, start, end, outcome))
        if self.ordered and kind == "run" and self.meter is not None:
            self.meter(stay, start, end)
        self.touched.add(stay.lease.id)


def place(lease: Lease) -> tuple[int, int, Instant]:
    """Return by what a lease is ordered among those that wait."""
    return lease.rank, lease.turn, lease.submitted


def _same(hosts: tuple[int, ...]) -> tuple[int, ...]:
    return hosts
