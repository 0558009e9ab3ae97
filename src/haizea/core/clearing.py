"""Making room on hosts for what is no lease: maintenance, hosts that shrink, VMs that nobody here knows.

Whoever is in the way is planned anew: first those that have not begun, then those that were promised nothing, the
latest of them first. Who runs moves while it runs where the site's rules allow it, else gives way as to a reservation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from haizea.core.booking import Booking
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.moving import Moving
from haizea.core.repair import Repair
from haizea.core.replanning import Replanning
from haizea.model.lease import LeaseType
from haizea.model.reason import Reason
from haizea.model.resources import Capacity
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.need import demands_of
from haizea.plan.operations import hosts_of

_PROMISES: Final = (LeaseType.BEST_EFFORT, LeaseType.IMMEDIATE, LeaseType.DEADLINE, LeaseType.ADVANCE_RESERVATION)
PROMISED: Final = (LeaseType.DEADLINE, LeaseType.ADVANCE_RESERVATION)


class Limit(NamedTuple):
    """What leases may hold of a host during ``[start, end)``."""

    host: int
    start: Instant
    end: Instant
    room: Capacity


class Clearing:
    """Has leases leave hosts."""

    def __init__(
        self,
        desk: Desk,
        execution: Execution,
        booking: Booking,
        repair: Repair,
        replanning: Replanning,
        moving: Moving,
    ) -> None:
        self._desk = desk
        self._execution = execution
        self._booking = booking
        self._repair = repair
        self._replanning = replanning
        self._moving = moving

    def clear(
        self, limits: Sequence[Limit], reason: Reason, *, force: bool = False, at_once: bool = False
    ) -> list[Lease]:
        """Have leases leave hosts until they hold no more than they may; return those that cannot leave.

        With ``force`` nobody stays: who runs starts over elsewhere, and has failed where there is no room for that.
        With ``at_once`` there is no time for anybody to be suspended.
        """
        stuck: dict[int, Lease] = {}
        # Stays that are gone are kept here, lest others be taken for them.
        tried: dict[int, Stay] = {}
        with self._closed(limit.host for limit in limits):
            for limit in limits:
                while (stay := self._in_the_way(limit, tried)) is not None:
                    tried[id(stay)] = stay
                    if not self._leave(stay, limit, reason, force=force, at_once=at_once):
                        stuck[stay.lease.id] = stay.lease
        return [lease for lease in stuck.values() if lease.id in self._desk.leases]

    @contextmanager
    def _closed(self, hosts: Iterable[int]) -> Iterator[None]:
        """Keep hosts out of planning meanwhile: nobody who leaves one of them must go to another one of them."""
        known = self._desk.hosts
        before = {host: known.ordered.get(host, HostState.UP) for host in hosts}
        for host, state in before.items():
            if state is not HostState.DOWN:
                known.order(host, HostState.DISABLED)
        yield
        for host, state in before.items():
            known.order(host, state)

    def leave_planned(self, stay: Stay, reason: Reason, hosts: Iterable[int]) -> None:
        """Have a stay that has not begun be planned anew, on none of these hosts."""
        with self._closed(hosts):
            self._leave_planned(stay, reason)

    def _in_the_way(self, limit: Limit, tried: Mapping[int, Stay]) -> Stay | None:
        """Return who is to leave next, if leases hold more than they may."""
        desk = self._desk
        found: list[tuple[Stay, Capacity]] = []
        for lease in desk.leases.values():
            for stay in lease.stays:
                if stay.start < limit.end and stay.end > max(limit.start, desk.now):
                    amounts = held_on(stay, limit.host, hosts_of(stay, desk.table))
                    if len(amounts):
                        found.append((stay, amounts))
        times = sorted({max(limit.start, desk.now), *[s.start for s, _ in found if s.start > limit.start]})
        for at in times:
            there = [(stay, amounts) for stay, amounts in found if stay.start <= at < stay.end]
            total = Capacity()
            for _stay, amounts in there:
                total = total.plus(amounts)
            if total.fits_in(limit.room):
                continue
            left = [stay for stay, _amounts in there if id(stay) not in tried]
            if left:
                return min(left, key=_order)
        return None

    def _leave(self, stay: Stay, limit: Limit, reason: Reason, *, force: bool, at_once: bool) -> bool:
        """Have a stay end by when room is needed, or be elsewhere; return whether that was possible."""
        desk, lease = self._desk, stay.lease
        if stay.phase is Phase.PLANNED:
            self._leave_planned(stay, reason)
            return True
        if stay.phase is Phase.RUNNING:
            new = self._moving.could_leave(lease, limit.host)
            if new is not None:
                self._moving.move(lease, new, must=True)
                desk.notify(lease, f"Lease {lease.id} moves to other hosts. {reason.text}")
                return True
        if not at_once and self.may_give_way(lease) and self._suspend(stay, limit, reason):
            return True
        if force and stay.phase is Phase.ENDING and not stay.suspending:
            self._repair.remove(lease, reason)
            return True
        if force:
            self._repair.replace(lease, reason)
            return True
        # Whoever was promised nothing may run until then, and starts over.
        return self.may_give_way(lease)

    def _leave_planned(self, stay: Stay, reason: Reason) -> None:
        lease = stay.lease
        if lease.stays[0] is not stay:
            self._repair.plan_rest(lease.stays[0], reason)
        elif lease.type in PROMISED:
            self._repair.replace(lease, reason)
        else:
            self._desk.notify(lease, f"Lease {lease.id} is planned anew. {reason.text}")
            self._replanning.to_queue(lease)

    def may_give_way(self, lease: Lease) -> bool:
        """Whether a lease may be told to go without having anywhere to go to."""
        return lease.type not in PROMISED and lease.terms.preemptible

    def _suspend(self, stay: Stay, limit: Limit, reason: Reason) -> bool:
        """Have a lease suspended by when room is needed, or as soon as it can be; return whether it can."""
        desk, lease = self._desk, stay.lease
        if stay.phase is not Phase.RUNNING:
            return stay.phase is Phase.ENDING
        at = max(limit.start, desk.now + desk.preemption.suspension(lease, stay))
        if at >= stay.end:
            return True
        if len(lease.stays) > 1 or not desk.preemption.can_suspend(lease, stay, at, desk.now):
            return False
        desk.notify(lease, f"Lease {lease.id} gives way. {reason.text}")
        lease.preemptions += 1
        desk.free_early(stay.end)
        self._booking.suspend_by(stay, at)
        return True

    def cannot_move(self, lease: Lease, host: int, reason: Reason) -> None:
        """Have a lease leave a host that it could not be moved away from: suspended, or as if its VMs had failed.

        It stays until a window begins, and where it was promised its time or is not to give way.
        """
        desk, stay = self._desk, lease.stays[0]
        windows = [window for window in desk.claims.windows.values() if host in window.hosts]
        start = min([max(desk.now, window.start) for window in windows], default=desk.now)
        gives_way = self.may_give_way(lease)
        if gives_way and self._suspend(stay, Limit(host, start, FAR_FUTURE, Capacity()), reason):
            return
        if start <= desk.now and (windows or gives_way):
            with self._closed([host]):
                self._repair.replace(lease, reason)
        else:
            desk.notify(lease, f"Lease {lease.id} cannot go to another host, and stays. {reason.text}")

    def empty_now(self, host: int, reason: Reason) -> list[Lease]:
        """Have everybody whose VMs are on a host leave it now; return who cannot."""
        desk = self._desk
        stuck = []
        for lease in list(desk.leases.values()):
            stay = lease.stays[0] if lease.stays else None
            if stay is None or stay.phase is Phase.PLANNED or host not in hosts_of(stay, desk.table):
                continue
            limit = Limit(host, desk.now, FAR_FUTURE, Capacity())
            if not self._leave(stay, limit, reason, force=False, at_once=False):
                desk.notify(lease, f"Lease {lease.id} cannot go to another host, and stays. {reason.text}")
                stuck.append(lease)
            elif lease.stays[:1] == [stay] and stay.phase is not Phase.ENDING and not stay.suspending:
                lease.preemptions += 1
                desk.notify(lease, f"Lease {lease.id} goes back to the queue. {reason.text}")
                self._execution.requeue(lease)
                desk.free_early(FAR_FUTURE)
        return stuck


def held_on(stay: Stay, host: int, hosts: Sequence[int]) -> Capacity:
    """Return what a stay holds of a host."""
    amounts = Capacity()
    for vm, (where, demand) in enumerate(zip(hosts, demands_of(stay.need), strict=True), 1):
        if where == host and vm not in stay.lease.over:
            amounts = amounts.plus(demand)
    return amounts


def _order(stay: Stay) -> tuple[bool, int, int, int]:
    lease = stay.lease
    return stay.phase is not Phase.PLANNED, _PROMISES.index(lease.type), -lease.submitted, -lease.order
