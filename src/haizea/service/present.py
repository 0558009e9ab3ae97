"""What the scheduler knows beside leases, as verbs need it: the site as it is and as it is planned with."""

from collections.abc import Mapping

from haizea.core.scheduler import Scheduler
from haizea.model.site import HostState, Site


def real_site(scheduler: Scheduler) -> Site:
    """Return the hosts with what they really have, and the labels they were given."""
    desk = scheduler.desk
    hosts = list(desk.real.hosts)
    for number, labels in desk.labels.items():
        hosts[number] = hosts[number]._replace(labels=labels)
    return desk.real._replace(hosts=tuple(hosts))


def overcommitted_of(scheduler: Scheduler, host: int) -> Mapping[str, int]:
    """Return with how many percent of what a host has it is planned, by resource type, where that is not all."""
    return scheduler.desk.overcommitted.get(host, {})


def ordered_of(scheduler: Scheduler, host: int) -> str:
    """Return what was ordered of a host's use: ``up`` where nothing was."""
    return scheduler.desk.hosts.ordered.get(host, HostState.UP).value


def observed_of(scheduler: Scheduler, host: int) -> str:
    """Return what a host was observed to be."""
    return scheduler.desk.hosts.observed.get(host, HostState.UP).value
