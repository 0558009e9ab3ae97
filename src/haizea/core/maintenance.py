"""Maintenance windows, and capacity that VMs use which nobody here knows.

A window takes all of its hosts while it lasts. Who was to be there then is planned anew when the window is planned;
who runs until its start, and was promised nothing, starts over then at the latest.
"""

from collections.abc import Sequence

from haizea.core.alarms import Bell
from haizea.core.claiming import reclaim
from haizea.core.claims import NOTHING, Window
from haizea.core.clearing import Clearing, Limit
from haizea.core.desk import Desk, Retired
from haizea.core.orders import Refusal, Trial, refuse
from haizea.core.reasons import instant
from haizea.model.effects import HostChanged, Refused
from haizea.model.events import MaintenanceOver, MaintenancePlanned, StrangersObserved
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.resources import Capacity
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase


class Maintenance:
    """Keeps what is claimed of hosts up to date, and has leases leave for it."""

    def __init__(self, desk: Desk, clearing: Clearing, trial: Trial) -> None:
        self._desk = desk
        self._clearing = clearing
        self._trial = trial

    # Windows -------------------------------------------------------------------------------------------------

    def planned(self, event: MaintenancePlanned) -> None:
        """Plan a maintenance window, or another time or other hosts for one; or refuse it."""
        try:
            self._check(event)
            self._trial(event)
            self._plan(event)
        except Refusal as refusal:
            self._desk.effects.append(Refused(event.at, refusal.reason))

    def _check(self, event: MaintenancePlanned) -> None:
        desk, number = self._desk, len(self._desk.site.hosts)
        if not event.hosts:
            raise refuse("A maintenance window is for at least one host.")
        for host in event.hosts:
            if not 0 <= host < number:
                raise refuse(f"There is no host number {host}; hosts have the numbers 0 to {number - 1}.")
        if event.start >= event.end:
            raise refuse(f"The window would end at {instant(event.end)}, which is not after its start.", Cause.PAST)
        if event.end <= desk.now:
            raise refuse(f"The window would have been over at {instant(event.end)}; it is later.", Cause.PAST)

    def _plan(self, event: MaintenancePlanned) -> None:
        desk, claims = self._desk, self._desk.claims
        old = claims.windows.get(event.window)
        hosts = tuple(sorted(set(event.hosts)))
        window = Window(event.window, hosts, max(desk.now, event.start), event.end, event.by, event.reason)
        claims.windows[event.window] = window
        known, degraded = len(desk.effects), set(desk.degraded)
        limits = [Limit(host, window.start, window.end, Capacity()) for host in hosts]
        stuck = self._clearing.clear(limits, _reason(desk, window), force=event.force and window.start <= desk.now)
        if not event.force:
            without = [desk.leases[number] for number in desk.degraded - degraded]
            self._refuse_if_in_the_way(window, [*stuck, *_failed(desk, known), *without])
        for lease in stuck:
            desk.notify(
                lease,
                f"Lease {lease.id} has to leave its hosts at {instant(window.start)}. {_reason(desk, window).text}",
            )
        reclaim(self._desk, sorted({*hosts, *(old.hosts if old else ())}))
        if old is not None:
            desk.free_early(old.end)
        if window.start > desk.now:
            desk.alarms.set(Bell.MAINTENANCE, window.number, window.start)
        desk.alarms.set(Bell.MAINTENANCE_OVER, window.number, window.end)
        self._say(window, f"is to be free of VMs from {instant(window.start)} to {instant(window.end)}")

    def _refuse_if_in_the_way(self, window: Window, stuck: Sequence[Lease]) -> None:
        if stuck:
            numbers = sorted({lease.id for lease in stuck})
            who = f"lease{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:10]))}"
            text = (
                f"Its hosts cannot be free from {instant(window.start)} to {instant(window.end)}: {who} were promised "
            )
            text += "that time, or are under way, and cannot go elsewhere. With force it is planned all the same."
            raise Refusal(Reason(Cause.MAINTENANCE, text, leases=tuple(numbers)))

    def begun(self, number: int) -> None:
        """Have everybody leave who is still on the hosts of a window that begins."""
        window = self._desk.claims.windows.get(number)
        if window is None:
            return
        limits = [Limit(host, window.start, window.end, Capacity()) for host in window.hosts]
        self._clearing.clear(limits, _reason(self._desk, window), force=True)
        reclaim(self._desk, window.hosts)
        self._say(window, f"is under maintenance until {instant(window.end)}")

    def ended(self, number: int) -> None:
        """Use the hosts of a window again that is over."""
        window = self._desk.claims.windows.pop(number, None)
        if window is None:
            return
        reclaim(self._desk, window.hosts)
        self._desk.free_early(FAR_FUTURE)
        self._say(window, "is no longer under maintenance")

    def over(self, event: MaintenanceOver) -> None:
        """End a maintenance window early, or call it off."""
        desk = self._desk
        if event.window not in desk.claims.windows:
            text = f"There is no maintenance window {event.window} that is not over."
            desk.effects.append(Refused(event.at, Reason(Cause.STATE, text)))
            return
        desk.alarms.cancel(Bell.MAINTENANCE, event.window)
        desk.alarms.cancel(Bell.MAINTENANCE_OVER, event.window)
        self.ended(event.window)

    def _say(self, window: Window, what: str) -> None:
        desk = self._desk
        why = f": {window.reason}" if window.reason else ""
        for host in window.hosts:
            text = f"Host {desk.site.hosts[host].name} {what}{why}."
            desk.effects.append(HostChanged(desk.now, host, desk.hosts.states[host], text))

    # Strangers -----------------------------------------------------------------------------------------------

    def strangers_observed(self, event: StrangersObserved) -> None:
        """Take note of what VMs that nobody knows use of a host; who collides with them is planned anew."""
        desk = self._desk
        if not 0 <= event.host < len(desk.site.hosts):
            return
        used = Capacity([(name, amount) for name, amount in event.used.items() if name in desk.site.resource_types])
        if desk.claims.strangers.get(event.host, NOTHING) == used:
            return
        if used == NOTHING:
            del desk.claims.strangers[event.host]
        else:
            desk.claims.strangers[event.host] = used
        name = desk.site.hosts[event.host].name
        reason = Reason(Cause.RESERVED, f"VMs that nobody knows use {used} of host {name}.")
        room = desk.claims.room(event.host, desk.site.hosts[event.host].capacity)
        self._clearing.clear([Limit(event.host, desk.now, FAR_FUTURE, room)], reason)
        reclaim(self._desk, [event.host])
        desk.free_early(FAR_FUTURE)


def _failed(desk: Desk, known: int) -> list[Lease]:
    """Return the leases that have failed since so many effects were known, or are not to be given what was promised."""
    over = [effect.lease for effect in desk.effects[known:] if isinstance(effect, Retired)]
    lost = [lease for lease in over if lease.state is LeaseState.FAILED]
    left = [desk.leases[number] for number in sorted(desk.touched) if number in desk.leases]
    return lost + [lease for lease in left if lease.degraded or _late(desk, lease)]


def _late(desk: Desk, lease: Lease) -> bool:
    """Whether a reservation is planned for less than the time it was promised."""
    if lease.type is not LeaseType.ADVANCE_RESERVATION or not lease.stays or lease.stays[0].phase is not Phase.PLANNED:
        return False
    return lease.stays[0].start > max(desk.now, lease.terms.start or 0)


def _reason(desk: Desk, window: Window) -> Reason:
    names = ", ".join(desk.site.hosts[host].name for host in window.hosts[:3])
    more = " and others" if len(window.hosts) > 3 else ""
    text = f"Hosts {names}{more} are under maintenance from {instant(window.start)} to {instant(window.end)}."
    if len(window.hosts) == 1:
        text = f"Host {names} is under maintenance from {instant(window.start)} to {instant(window.end)}."
    return Reason(Cause.MAINTENANCE, text)
