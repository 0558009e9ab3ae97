"""What people order the scheduler itself to do, and VMs that become leases while they run."""

from collections.abc import Callable

from haizea.core import reasons
from haizea.core.claiming import reclaim
from haizea.core.clearing import Clearing, Limit, held_on
from haizea.core.desk import Desk
from haizea.core.orders import Refusal, refuse
from haizea.core.pauses import INTAKE, SCHEDULING
from haizea.core.replanning import Replanning
from haizea.model.effects import Refused
from haizea.model.events import LeaseAdopted, SchedulerOrdered
from haizea.model.lease import LeaseState, LeaseTerms
from haizea.model.orders import PauseIntake, PauseScheduling, Replan, ResumeIntake, ResumeScheduling
from haizea.model.reason import Cause, Reason
from haizea.model.resources import Capacity
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of


class SchedulerOrders:
    """Carries out orders about the scheduler itself."""

    def __init__(self, desk: Desk, replanning: Replanning) -> None:
        self._desk = desk
        self._replanning = replanning
        self._handlers: dict[type, Callable[[SchedulerOrdered], None]] = {
            PauseScheduling: self._pause_scheduling,
            ResumeScheduling: lambda event: self._resume(event, SCHEDULING),
            PauseIntake: lambda event: self._pause(event, INTAKE),
            ResumeIntake: lambda event: self._resume(event, INTAKE),
            Replan: lambda _event: self._replanning.everything(),
        }

    def ordered(self, event: SchedulerOrdered) -> None:
        """Carry out an order about the scheduler, or refuse it."""
        try:
            self._handlers[type(event.order)](event)
        except Refusal as refusal:
            self._desk.effects.append(Refused(event.at, refusal.reason))

    def _pause_scheduling(self, event: SchedulerOrdered) -> None:
        self._pause(event, SCHEDULING)
        # Reservations out of the queue are no promises: whoever has one waits again.
        self._replanning.unplan_queue()

    def _pause(self, event: SchedulerOrdered, what: str) -> None:
        if what in self._desk.pauses:
            raise refuse(f"{what.capitalize()} is paused already. {self._desk.pauses[what]}")
        by = f" by {event.by}" if event.by else ""
        why = f": {event.reason}" if event.reason else ""
        self._desk.pauses[what] = f"It was paused{by}{why}."

    def _resume(self, _event: SchedulerOrdered, what: str) -> None:
        if what not in self._desk.pauses:
            raise refuse(f"{what.capitalize()} is not paused.")
        del self._desk.pauses[what]
        self._desk.free_early(FAR_FUTURE)


class Adoption:
    """Makes leases of VMs that run already."""

    def __init__(self, desk: Desk, clearing: Clearing, new_lease: Callable[[int, LeaseTerms, Instant], Lease]) -> None:
        self._desk = desk
        self._clearing = clearing
        self._new_lease = new_lease

    def adopted(self, event: LeaseAdopted) -> None:
        """Make a lease of running VMs, from now on until it has lasted for its duration; or refuse to."""
        try:
            self._check(event)
            self._adopt(event)
        except Refusal as refusal:
            self._desk.effects.append(Refused(event.at, refusal.reason))

    def _check(self, event: LeaseAdopted) -> None:
        desk, terms = self._desk, event.terms
        if event.lease in desk.leases:
            raise refuse(f"There is a lease {event.lease} already.")
        if len(event.hosts) != terms.node_count:
            raise refuse(f"It has {terms.node_count} VMs, but {len(event.hosts)} hosts were given.")
        if any(not 0 <= host < len(desk.site.hosts) for host in event.hosts):
            raise refuse(f"Hosts have the numbers 0 to {len(desk.site.hosts) - 1}.")
        if terms.deadline is not None or (terms.start is not None and terms.start > desk.now):
            raise refuse("VMs that run already have neither a start to come nor a deadline.")
        lease = Lease(event.lease, terms, desk.needs.of(terms), desk.now, 0)
        stay = self._stay(lease, event)
        never = reasons.never(desk, lease)
        if never is not None:
            raise Refusal(never)
        for host in sorted(set(event.hosts)):
            room = desk.site.hosts[host].capacity
            mine = held_on(stay, host, event.hosts)
            held = Capacity()
            for other in desk.leases.values():
                if other.stays and other.stays[0].phase is not Phase.PLANNED:
                    held = held.plus(held_on(other.stays[0], host, hosts_of(other.stays[0], desk.table)))
            if not held.plus(mine).fits_in(room):
                name = desk.site.hosts[host].name
                text = f"Host {name} is planned to be used by leases that run there, with {held} of {room}: there is no"
                raise refuse(f"{text} room for VMs that use {mine}.", Cause.RESERVED)

    def _stay(self, lease: Lease, event: LeaseAdopted) -> Stay:
        desk = self._desk
        placement = desk.planner.mapper.on_hosts(lease.need, event.hosts)
        run_end = min(FAR_FUTURE, desk.now + lease.left)
        end = min(FAR_FUTURE, run_end + desk.planner.shutdown(lease))
        stay = Stay(lease, placement, desk.now, desk.now, run_end, end)
        stay.vm_hosts, stay.phase = event.hosts, Phase.RUNNING
        return stay

    def _adopt(self, event: LeaseAdopted) -> None:
        desk, claims = self._desk, self._desk.claims
        lease = self._new_lease(event.lease, event.terms, event.at)
        stay = self._stay(lease, event)
        hosts = sorted(set(event.hosts))
        limits = []
        for host in hosts:
            mine = held_on(stay, host, event.hosts)
            known = claims.strangers.get(host)
            if known is not None:
                # Whoever was a stranger is none any more.
                left = Capacity([(name, max(0, amount - mine[name])) for name, amount in known.items()])
                claims.strangers.pop(host)
                if len(left):
                    claims.strangers[host] = left
            claims.let_go(host)
            room = desk.site.hosts[host].capacity
            room = Capacity([(name, max(0, amount - mine[name])) for name, amount in room.items()])
            limits.append(Limit(host, desk.now, stay.end, room))
        reason = Reason(Cause.RESERVED, f"VMs that run on a host of it became lease {lease.id}.")
        self._clearing.clear(limits, reason, force=True, at_once=True)
        desk.table.hold(stay.start, stay.end, stay.placement.held)
        lease.stays.append(stay)
        lease.started = desk.now
        desk.enter(lease, LeaseState.PENDING)
        desk.enter(lease, LeaseState.ACTIVE)
        if stay.run_end < FAR_FUTURE:
            desk.arm(stay)
        reclaim(self._desk, hosts)
