"""What people order to be done with a host.

What an administrator says of a host is kept apart from what the platform reports of it: the graver of the two holds.
"""

from collections.abc import Callable
from typing import Any, Final

from haizea.core.alarms import Bell
from haizea.core.clearing import Clearing
from haizea.core.desk import Desk
from haizea.core.orders import Refusal, refuse
from haizea.core.reactions import Reactions
from haizea.core.reasons import instant
from haizea.core.sites import Sites
from haizea.model.effects import HostChanged, Refused
from haizea.model.events import HostOrdered
from haizea.model.orders import Disable, Drain, Enable, Evacuate, Label, MarkDown, Overcommit
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState

PERCENT_MAX: Final = 10_000


class HostOrders:
    """Carries out orders about hosts."""

    def __init__(
        self,
        desk: Desk,
        reactions: Reactions,
        clearing: Clearing,
        sites: Sites,
    ) -> None:
        self._desk = desk
        self._reactions = reactions
        self._clearing = clearing
        self._sites = sites
        self._handlers: dict[type, Callable[[int, Any, HostOrdered], None]] = {
            Drain: self._drain,
            Evacuate: self._evacuate,
            Disable: self._disable,
            Enable: self._enable,
            MarkDown: self._mark_down,
            Overcommit: self._overcommit,
            Label: self._label,
        }

    def ordered(self, event: HostOrdered) -> None:
        """Carry out an order about a host, or refuse it."""
        hosts = self._desk.site.hosts
        try:
            if not 0 <= event.host < len(hosts):
                raise refuse(f"There is no host number {event.host}; hosts have the numbers 0 to {len(hosts) - 1}.")
            self._handlers[type(event.order)](event.host, event.order, event)
        except Refusal as refusal:
            self._desk.effects.append(Refused(event.at, refusal.reason))

    # What it is used for -------------------------------------------------------------------------------------

    def _drain(self, host: int, order: Drain, event: HostOrdered) -> None:
        desk = self._desk
        if order.deadline is not None and order.deadline < desk.now:
            raise refuse(
                f"The deadline {instant(order.deadline)} is past; to empty the host now, evacuate it.", Cause.PAST
            )
        self._set(host, HostState.DRAINING, event, "takes no new VMs")
        if order.deadline is not None:
            desk.alarms.set(Bell.HOST_DRAIN, host, order.deadline)

    def drained(self, host: int) -> None:
        """Empty a host that has been drained for as long as was said."""
        if self._desk.hosts.ordered.get(host) is not HostState.DRAINING:
            return
        self._empty(host, f"Host {self._desk.site.hosts[host].name} was to be empty by now.")

    def _evacuate(self, host: int, _order: Evacuate, event: HostOrdered) -> None:
        name = self._desk.site.hosts[host].name
        self._set(host, HostState.DRAINING, event, "is being emptied")
        self._empty(host, f"Host {name} is being emptied.")

    def _disable(self, host: int, _order: Disable, event: HostOrdered) -> None:
        self._set(host, HostState.DISABLED, event, "is kept out of all planning")

    def _enable(self, host: int, _order: Enable, event: HostOrdered) -> None:
        if host not in self._desk.hosts.ordered:
            name, state = self._desk.site.hosts[host].name, self._desk.hosts.states[host]
            if state is HostState.UP:
                raise refuse(f"Host {name} is used already.")
            raise refuse(f"Nobody has ordered host {name} not to be used; it was found to be {state.value}.")
        self._set(host, HostState.UP, event, "may be used again")

    def _mark_down(self, host: int, _order: MarkDown, event: HostOrdered) -> None:
        self._set(host, HostState.DOWN, event, "is taken to have failed")

    def _set(self, host: int, state: HostState, event: HostOrdered, what: str) -> None:
        desk = self._desk
        desk.alarms.cancel(Bell.HOST_DRAIN, host)
        before = desk.hosts.states[host]
        desk.hosts.order(host, state)
        self._say(host, event, what)
        self._reactions.outages.host_changed(host, before)

    def _say(self, host: int, event: HostOrdered, what: str) -> None:
        desk = self._desk
        by = f", ordered by {event.by}" if event.by else ""
        why = f": {event.reason}" if event.reason else ""
        text = f"Host {desk.site.hosts[host].name} {what}{by}{why}."
        desk.effects.append(HostChanged(desk.now, host, desk.hosts.states[host], text))

    def _empty(self, host: int, why: str) -> None:
        """Have everybody leave a host that takes nothing new; tell who could not."""
        desk = self._desk
        stuck = [lease.id for lease in self._clearing.empty_now(host, Reason(Cause.HOST_LOST, why))]
        if stuck:
            name = desk.site.hosts[host].name
            who = f"lease{'s' if len(stuck) > 1 else ''} {', '.join(map(str, stuck))}"
            text = f"Host {name} is not empty: {who} cannot go elsewhere, and may end there."
            desk.effects.append(HostChanged(desk.now, host, desk.hosts.states[host], text))

    # What it has ---------------------------------------------------------------------------------------------

    def _overcommit(self, host: int, order: Overcommit, event: HostOrdered) -> None:
        types = self._desk.site.resource_types
        for name, percent in order.percent:
            if name not in types:
                raise refuse(f"This site has no {name}; it has {', '.join(types)}.", Cause.UNKNOWN_RESOURCE)
            if not 1 <= percent <= PERCENT_MAX:
                raise refuse(f"A host is planned with 1 to {PERCENT_MAX} percent of its {name}, not {percent}.")
        self._sites.overcommit(host, dict(order.percent))
        amounts = ", ".join(f"{percent} % of its {name}" for name, percent in order.percent) or "what it has"
        self._say(host, event, f"is planned with {amounts}")

    def _label(self, host: int, order: Label, event: HostOrdered) -> None:
        names = [name for name, _value in order.labels]
        if len(set(names)) < len(names) or not all(names):
            raise refuse("Labels have names, each of them once.")
        self._sites.label(host, dict(order.labels))
        labels = ", ".join(f"{name}={value}" for name, value in order.labels) or "no labels"
        self._say(host, event, f"has {labels} now")
