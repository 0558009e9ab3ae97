"""OpenNebula's hosts as Haizea's: which is which, and what may be used of them."""

from collections.abc import Sequence
from typing import Final

from haizea.backends.opennebula.pools import Server
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.site import Host, HostState, Site
from haizea.runtime.ports import HostSeen

OFFLINE: Final = 8

HOST_STATES: Final = {
    0: HostState.SUSPECT,
    1: HostState.UP,
    2: HostState.UP,
    3: HostState.SUSPECT,
    4: HostState.DISABLED,
    5: HostState.SUSPECT,
    6: HostState.SUSPECT,
    7: HostState.DISABLED,
    OFFLINE: HostState.DISABLED,
}
"""init, monitoring while monitored, monitored, error, disabled, monitoring while in error, init, disabled, offline.

A host in ERROR could not be monitored, which need not mean that it has failed: it is watched for a while.
"""


def capacity_of(server: Server) -> Capacity | None:
    """Return what OpenNebula lets be used of a host, None where it does not know."""
    return Capacity({CPU: server.cpu, MEMORY: server.memory}) if server.cpu and server.memory else None


def site_of(servers: Sequence[Server], kept: Site | None) -> Site:
    """Return the site: the hosts that were kept, as they were kept, then new ones in order of their numbers.

    A host keeps its number here for ever, by its name. New ones come in when OpenNebula knows what they have.
    """
    hosts = list(kept.hosts) if kept is not None else []
    known = {host.name for host in hosts}
    for server in sorted(servers):
        capacity = capacity_of(server)
        if capacity is not None and server.name not in known:
            known.add(server.name)
            hosts.append(Host(server.name, capacity, labels_of(server)))
    return Site(tuple(hosts))


def labels_of(server: Server) -> dict[str, str]:
    """Return the labels that a host has from OpenNebula."""
    return {"cluster": server.cluster} if server.cluster else {}


class Numbers:
    """Hosts by Haizea's number and by OpenNebula's, as long as they have the same names.

    New hosts get the numbers after those that there are, in the order in which a site made now would have them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._new: dict[str, Server] = {}
        self._ours: dict[int, int] = {}
        self._theirs: dict[int, int] = {}

    def update(self, servers: Sequence[Server]) -> None:
        """Take note of which hosts there are; of a new one once OpenNebula knows what it has."""
        for each in sorted(servers):
            if capacity_of(each) is not None and (each.name in self._new or each.name not in self._names):
                if each.name not in self._new:
                    self._names = (*self._names, each.name)
                self._new[each.name] = each
        positions = {name: number for number, name in enumerate(self._names)}
        self._ours = {each.id: positions[each.name] for each in servers if each.name in positions}
        self._theirs = {ours: theirs for theirs, ours in self._ours.items()}

    def ours(self, server: int | None) -> int | None:
        """Return Haizea's number of a host; None where it is none of the site."""
        return None if server is None else self._ours.get(server)

    def theirs(self, host: int) -> int | None:
        """Return OpenNebula's number of a host; None where it has none of that name any more."""
        return self._theirs.get(host)

    def seen(self, servers: Sequence[Server]) -> list[HostSeen]:
        """Return all hosts of the site as they are; one that OpenNebula does not have any more is down."""
        by_name = {each.name: each for each in servers}
        found = []
        for number, name in enumerate(self._names):
            server, new = by_name.get(name), self._new.get(name)
            capacity = None if server is None else capacity_of(server)
            state = HostState.DOWN if server is None else HOST_STATES.get(server.state, HostState.SUSPECT)
            if new is None:
                found.append(HostSeen(number, state, capacity, name))
                continue
            # Whoever asks may not have heard of it yet: it is in the way of those after it until they have.
            found.append(HostSeen(number, state, capacity or capacity_of(new), name, labels_of(new)))
        return found
