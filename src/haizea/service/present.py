"""What the scheduler knows beside leases, as verbs need it: the site as it is and as it is planned with, pauses."""

from collections.abc import Mapping

from haizea.core.scheduler import Scheduler
from haizea.model.site import HostState, Site

SCHEDULING = "scheduling"
INTAKE = "intake"


def real_site(scheduler: Scheduler) -> Site:
    """Return the hosts with what they really have."""
    site: Site = getattr(scheduler.desk, "real", scheduler.desk.site)
    return site


def overcommitted_of(scheduler: Scheduler, host: int) -> Mapping[str, int]:
    """Return with how many percent of what a host has it is planned, by resource type, where that is not all."""
    found: Mapping[int, Mapping[str, int]] = getattr(scheduler.desk, "overcommitted", {})
    return found.get(host, {})


def pauses_of(scheduler: Scheduler) -> Mapping[str, str]:
    """Return why scheduling or intake is paused, where it is."""
    found: Mapping[str, str] = getattr(scheduler.desk, "pauses", {})
    return found


def ordered_of(scheduler: Scheduler, host: int) -> str:
    """Return what was ordered of a host's use: ``up`` where nothing was."""
    found: Mapping[int, HostState] = getattr(scheduler.desk.hosts, "ordered", {})
    return found.get(host, HostState.UP).value


def observed_of(scheduler: Scheduler, host: int) -> str:
    """Return what a host was observed to be."""
    states = dict(enumerate(scheduler.desk.hosts.states))
    found: Mapping[int, HostState] = getattr(scheduler.desk.hosts, "observed", states)
    return found.get(host, HostState.UP).value
