"""Hosts that fail, are not heard of, or come back; and leases that are degraded meanwhile.

A host of which nothing is heard is suspect: nothing new is placed there. After a grace it is taken to be down, and
every lease on it is dealt with by its type. When capacity comes back, whoever is degraded is tried again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.promises import window_end
from haizea.core.reasons import span
from haizea.core.repair import Repair
from haizea.core.states import TRANSITIONS
from haizea.core.wishes import Wishes
from haizea.model.effects import HostChanged
from haizea.model.events import HostObserved
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE, SECOND
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of

if TYPE_CHECKING:
    from haizea.core.transit import Transit

_TEXTS: Final = {
    HostState.UP: "is up",
    HostState.SUSPECT: "is suspect: nothing is heard of it",
    HostState.DOWN: "is down",
    HostState.DRAINING: "takes no new VMs",
    HostState.DISABLED: "takes no new VMs",
}


class Outages:
    """Reacts to what becomes of hosts."""

    def __init__(
        self, desk: Desk, execution: Execution, repair: Repair, wishes: Wishes, transit: "Callable[[], Transit]"
    ) -> None:
        """``transit`` returns who knows what is on its way between hosts."""
        self._desk = desk
        self._execution = execution
        self._repair = repair
        self._wishes = wishes
        self._transit_of = transit

    def host_observed(self, event: HostObserved) -> None:
        """React to a host that went down, came back, or is to be used differently."""
        if 0 <= event.host < len(self._desk.hosts.states):
            self.host_is(event.host, event.state)

    def host_is(self, host: int, state: HostState, text: str = "") -> None:
        """Have a host be in a state from now on; ``text`` says why, where there is more to say."""
        desk = self._desk
        before, known = desk.hosts.states[host], desk.hosts.observed.get(host, HostState.UP)
        if known is state or (state is HostState.SUSPECT and known is HostState.DOWN):
            # One that was given up already is not only suspect because nothing is heard of it.
            return
        desk.hosts.set_state(host, state)
        desk.alarms.cancel(Bell.HOST_SUSPECT, host)
        name, now = desk.site.hosts[host].name, desk.hosts.states[host]
        told = text if text and now is state else f"Host {name} {_TEXTS[now]}."
        desk.effects.append(HostChanged(desk.now, host, now, told))
        if state is HostState.SUSPECT:
            desk.alarms.set(Bell.HOST_SUSPECT, host, desk.now + desk.options.host_grace)
        self.host_changed(host, before)

    def host_changed(self, host: int, before: HostState) -> None:
        """Deal with a host that may be used differently than before, by what was seen or by what was ordered."""
        desk = self._desk
        state = desk.hosts.states[host]
        if state is not before:
            desk.free_early(FAR_FUTURE)
            self._repair.react(host, state, self._lost)

    def grace_over(self, host: int, _vm: int) -> None:
        """Nothing was heard of a suspect host throughout its grace."""
        desk = self._desk
        if desk.hosts.observed.get(host) is HostState.SUSPECT:
            grace = span(desk.options.host_grace // SECOND * SECOND)
            text = f"Host {desk.site.hosts[host].name} is taken to be down: nothing was heard of it for {grace}."
            self.host_is(host, HostState.DOWN, text)

    def _lost(self, lease: Lease, reason: Reason) -> None:
        """Do as a lease wishes for whose host is lost: nothing can be restarted there."""
        desk = self._desk
        if lease.moving:
            self._not_arrived(lease, reason)
            if not lease.stays:
                return
        hosts = hosts_of(lease.stays[0], desk.table)
        down = [desk.hosts.states[host] is HostState.DOWN for host in hosts]
        vms = tuple([vm for vm, lost in enumerate(down, 1) if lost and vm not in lease.over])
        if vms:
            self._wishes.failed(lease, vms, reason, lost=True)

    def _not_arrived(self, lease: Lease, reason: Reason) -> None:
        """VMs that are on their way to a host that is lost are still where they come from."""
        transit, states = self._transit_of(), self._desk.hosts.states
        lost = [host for host, state in enumerate(states) if state is HostState.DOWN]
        moves = [move for host in lost for move in transit.heading_for(lease, host)]
        if moves:
            transit.failed(lease, moves, reason)

    def window_over(self, number: int) -> None:
        """The time that a lease without hosts was promised is over."""
        desk = self._desk
        lease = desk.leases.get(number)
        if lease is None or not (lease.parked or lease.degraded):
            return
        if lease.stays and not (lease.parked and lease.stays[0].phase is Phase.ENDING):
            return
        if lease.degraded and window_end(lease) > desk.now:
            self._repair.promises.watch(lease)
            return
        given = lease.started is not None and lease.type is LeaseType.ADVANCE_RESERVATION
        degraded, parked, told = lease.degraded, lease.parked, lease.reason
        self._execution.stop(lease, "lost", keep=True)
        if given and not degraded and LeaseState.DONE in TRANSITIONS[lease.state]:
            desk.notify(lease, f"The time of lease {lease.id} is over; it was kept from running by {parked}.")
            desk.retire(lease, LeaseState.DONE)
            return
        text = f"Its time is over; it was kept from running by {parked}." if parked else "Its time is over."
        cause = told.cause if told is not None else Cause.PAST
        text = f"{told.text} {text}" if told is not None else text
        desk.retire(lease, LeaseState.FAILED, Reason(cause, text))
