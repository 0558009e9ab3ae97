"""Hosts and the site they form."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.model.resources import CPU, MEMORY, Capacity

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class HostState(Enum):
    """What a host may be used for.

    UP takes work. DRAINING finishes what runs and takes nothing new. DISABLED is kept out by an administrator.
    SUSPECT has not been heard of for a while; nothing new is placed there. DOWN has failed.
    """

    UP = "up"
    DRAINING = "draining"
    DISABLED = "disabled"
    SUSPECT = "suspect"
    DOWN = "down"


class Host(NamedTuple):
    """A machine that runs VMs. ``labels`` are matched by the placement constraints of leases."""

    name: str
    capacity: Capacity
    labels: Mapping[str, str] = NO_LABELS


class Site(NamedTuple):
    """The hosts that leases are scheduled on; a host's number is its position in ``hosts``, from 0."""

    hosts: tuple[Host, ...]
    resource_types: tuple[str, ...] = (CPU, MEMORY)

    def total(self, resource_type: str) -> int:
        """Return how much of a resource type all hosts have together."""
        return sum(host.capacity[resource_type] for host in self.hosts)
