"""Hosts that come and go, and that have other amounts or labels than before.

A host keeps its number for ever: new ones come behind those that are known, and of one that is taken away there
remains its name, with nothing to hold. The slot table is made anew then from what is known of leases; whoever would
not fit any more is planned anew before.
"""

from collections.abc import Callable, Mapping
from typing import Final

from haizea.core.claiming import reclaim
from haizea.core.clearing import Clearing, Limit, held_on
from haizea.core.desk import Desk
from haizea.core.layout import planned_site
from haizea.core.memory import desk_document, lease_document, restore
from haizea.core.orders import Refusal
from haizea.core.reactions import Reactions
from haizea.model.effects import HostChanged
from haizea.model.events import SiteChanged
from haizea.model.reason import Cause, Reason
from haizea.model.resources import Capacity
from haizea.model.site import Host, HostState, Site
from haizea.model.units import FAR_FUTURE
from haizea.plan.hosts import labelled
from haizea.plan.lease import Phase
from haizea.plan.operations import hosts_of

NOTHING: Final = Capacity()


class Sites:
    """Changes the site that a desk plans for."""

    def __init__(
        self,
        desk: Desk,
        clearing: Clearing,
        reactions: Reactions,
        renewed: Callable[[], None],
    ) -> None:
        """``renewed`` is called after the desk was laid out anew."""
        self._desk = desk
        self._clearing = clearing
        self._reactions = reactions
        self._renewed = renewed

    def changed(self, event: SiteChanged) -> None:
        """Take over a site of which hosts of known names are the same ones."""
        desk = self._desk
        wanted = {host.name: host for host in event.site.hosts}
        known = {host.name for host in desk.real.hosts}
        hosts: list[Host] = []
        for number, host in enumerate(desk.real.hosts):
            new = wanted.get(host.name)
            if new is None:
                self._lose(number, host)
                new = host._replace(capacity=NOTHING)
            elif not len(host.capacity) and len(new.capacity):
                self._find(number, event)
            hosts.append(new)
        hosts += [host for host in event.site.hosts if host.name not in known]
        desk.resited = True
        self._renew(Site(tuple(hosts), event.site.resource_types))
        by = f" by {event.by}" if event.by else ""
        for number, host in enumerate(hosts):
            if host.name not in known:
                text = f"Host {host.name} was added{by}."
                desk.effects.append(HostChanged(desk.now, number, desk.hosts.states[number], text))

    def _lose(self, number: int, host: Host) -> None:
        """Have everybody leave a host that is gone."""
        desk = self._desk
        if not len(host.capacity):
            return
        before = desk.hosts.states[number]
        desk.hosts.order(number, HostState.DOWN)
        desk.effects.append(HostChanged(desk.now, number, HostState.DOWN, f"Host {host.name} was taken away."))
        self._reactions.outages.host_changed(number, before)

    def _find(self, number: int, event: SiteChanged) -> None:
        desk = self._desk
        desk.hosts.order(number, HostState.UP)
        by = f" by {event.by}" if event.by else ""
        text = f"Host {desk.site.hosts[number].name} was added again{by}."
        desk.effects.append(HostChanged(desk.now, number, desk.hosts.states[number], text))

    def overcommit(self, host: int, percent: Mapping[str, int]) -> None:
        """Plan with other amounts of a host than it has.

        Raises:
            Refusal: what runs there holds more than that.
        """
        desk = self._desk
        percents = {**desk.overcommitted, host: dict(percent)}
        room = planned_site(desk.real, percents, desk.labels).hosts[host].capacity
        name = desk.site.hosts[host].name
        self._check_running(host, room)
        limit = Limit(host, desk.now, FAR_FUTURE, room)
        self._clearing.clear([limit], Reason(Cause.TOO_SMALL, f"Host {name} is planned with less than before."))
        desk.overcommitted = {number: one for number, one in percents.items() if one}
        self._renew(desk.real)

    def _check_running(self, host: int, room: Capacity) -> None:
        desk, total, there = self._desk, Capacity(), []
        for lease in desk.leases.values():
            if lease.stays and lease.stays[0].phase is not Phase.PLANNED:
                hosts = hosts_of(lease.stays[0], desk.table)
                if host in hosts:
                    there.append(lease.id)
                    total = total.plus(held_on(lease.stays[0], host, hosts))
        if not total.fits_in(room):
            numbers = ", ".join(map(str, there[:10]))
            text = f"Lease{'s' if len(there) > 1 else ''} {numbers} hold {total} of host {desk.site.hosts[host].name}"
            raise Refusal(Reason(Cause.TOO_SMALL, f"{text}, more than that; drain it before.", leases=tuple(there)))

    def label(self, host: int, labels: Mapping[str, str]) -> None:
        """Give a host other labels; who was to begin there, and wants others, is planned anew."""
        self._desk.labels = {**self._desk.labels, host: dict(labels)}
        self._renew(self._desk.real)

    def renew(self) -> None:
        """Make everything anew for the same site: the rules have changed."""
        self._renew(self._desk.real)

    # The slot table ------------------------------------------------------------------------------------------

    def _renew(self, real: Site) -> None:
        """Make everything anew for a site, in which hosts have the numbers they have now."""
        desk = self._desk
        site = planned_site(real, desk.overcommitted, desk.labels)
        self._fit(site)
        claimed = desk.claims.hosts()
        for number in claimed:
            desk.claims.let_go(number)
        leases = [lease_document(lease, desk) for lease in desk.leases.values()]
        rest = desk_document(desk, 0)
        overcommitted, labels, resited = desk.overcommitted, desk.labels, desk.resited
        desk.lay_out(site)
        desk.real, desk.overcommitted, desk.labels, desk.resited = real, overcommitted, labels, resited
        restore(desk, leases, {**rest, "overcommitted": {}, "labels": {}, "site": None})
        desk.overcommitted, desk.labels, desk.resited = overcommitted, labels, resited
        desk.touched.update(desk.leases)
        reclaim(desk, claimed)
        desk.free_early(FAR_FUTURE)
        self._renewed()

    def _fit(self, site: Site) -> None:
        """Have whoever will not fit leave hosts that will have less, or have not begun where labels will be wrong."""
        desk = self._desk
        limits = []
        for number, (old, new) in enumerate(zip(desk.site.hosts, site.hosts, strict=False)):
            if not old.capacity.fits_in(new.capacity):
                limits.append(Limit(number, desk.now, FAR_FUTURE, new.capacity))
        if limits:
            reason = Reason(Cause.TOO_SMALL, "A host of it has less than before.")
            self._clearing.clear(limits, reason, force=True, at_once=True)
            if any(one.host in desk.claims.strangers for one in limits):
                # Strangers stay; for them nobody who runs is thrown out. Nobody goes where there is less as well.
                self._clearing.clear(
                    [one._replace(room=desk.claims.room(one.host, one.room)) for one in limits], reason
                )
        changed = {n for n, (a, b) in enumerate(zip(desk.site.hosts, site.hosts, strict=False)) if a.labels != b.labels}
        if changed:
            self._fit_labels(site, changed, {one.host for one in limits})

    def _fit_labels(self, site: Site, changed: "set[int]", smaller: "set[int]") -> None:
        desk = self._desk
        wrong = []
        for lease in desk.leases.values():
            for stay in lease.stays:
                hosts = changed & set(hosts_of(stay, desk.table))
                if stay.phase is Phase.PLANNED and any(
                    not labelled(site.hosts[host], lease.terms.constraints) for host in hosts
                ):
                    wrong.append((stay, min(hosts)))
        for stay, host in wrong:
            if stay.phase is Phase.PLANNED and stay in stay.lease.stays:
                name = site.hosts[host].name
                reason = Reason(Cause.LABELS, f"Host {name} no longer has the labels that it wants.")
                self._clearing.leave_planned(stay, reason, changed | smaller)
