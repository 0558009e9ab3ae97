"""Hosts: what they have, what is held on them, by whom."""

from haizea.core.scheduler import Scheduler
from haizea.plan.lease import Phase
from haizea.plan.operations import hosts_of
from haizea.service import access
from haizea.service.errors import NotFound
from haizea.service.field import Field
from haizea.service.instants import iso
from haizea.service.live import Live
from haizea.service.models import EstimateOut, HostOut, HostsOut
from haizea.service.present import observed_of, ordered_of, overcommitted_of
from haizea.service.principal import Principal


class HostService:
    """The verbs of hosts."""

    def __init__(self, live: Live, field: Field) -> None:
        self._live = live
        self._field = field

    def list(self, who: Principal) -> HostsOut:
        """Return all hosts."""
        access.check(who, "host.list", owner=who.user)
        return HostsOut(items=self._live.look(_all))

    def show(self, who: Principal, host: str) -> HostOut:
        """Return a host, by its name or number."""
        access.check(who, "host.show", owner=who.user)
        for found in self._live.look(_all):
            if host in (found.name, str(found.id)):
                estimates = [EstimateOut(**each._asdict()) for each in self._field.estimates(found.id)]
                return found.model_copy(update={"estimates": estimates})
        raise NotFound(f"there is no host {host[:128]!r}")


def _all(scheduler: Scheduler) -> "list[HostOut]":
    desk = scheduler.desk
    site, table = desk.site, desk.table
    present: dict[int, list[int]] = {}
    following: dict[int, tuple[int, int]] = {}
    for lease in desk.leases.values():
        for stay in lease.stays:
            for host in dict.fromkeys(hosts_of(stay, table)):
                if stay.phase is not Phase.PLANNED:
                    present.setdefault(host, []).append(lease.id)
                elif host not in following or stay.start < following[host][0]:
                    following[host] = (stay.start, lease.id)
    states = table.present()
    found = []
    for number, spec in enumerate(site.hosts):
        if not len(spec.capacity):
            # It is gone, and has only kept its number.
            continue
        block, within = divmod(number, table.block_hosts)
        free = table.timelines[block].packing.free(states[block], within)
        capacity = {name: spec.capacity[name] for name in site.resource_types}
        start, upcoming = following.get(number, (None, None))
        found.append(
            HostOut(
                id=number,
                name=spec.name,
                state=desk.hosts.states[number].value,
                ordered=ordered_of(scheduler, number),
                observed=observed_of(scheduler, number),
                overcommit=dict(overcommitted_of(scheduler, number)),
                labels=dict(spec.labels),
                capacity=capacity,
                used={name: amount - free[name] for name, amount in capacity.items()},
                leases=present.get(number, []),
                next_lease=upcoming,
                next_start=None if start is None else iso(start),
            )
        )
    return found
