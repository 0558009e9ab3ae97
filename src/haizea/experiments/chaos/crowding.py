"""Whether leases begin on hosts where VMs that nobody here knows leave no room for them."""

from typing import Final

from haizea.core.reasons import instant
from haizea.experiments.chaos.world import Violation, World
from haizea.model.resources import Capacity
from haizea.model.units import MINUTE, Instant, Span
from haizea.plan.lease import Lease, Phase
from haizea.plan.need import demands_of
from haizea.plan.operations import hosts_of

KNOWN_WITHIN: Final[Span] = 4 * MINUTE
"""After so long, of quiet time, it must be known that a stranger is there."""

LEARNT_WITHIN: Final[Span] = 2 * MINUTE
"""So long after the platform has misbehaved, what it has said of strangers may still be believed."""

_BEGUN: Final = (Phase.RESUMING, Phase.RUNNING)

Name = tuple[str, int]
"""A stranger's name, and its host."""


class Crowding:
    """Looks at every lease one step after it has come to a host. Who was there before a stranger may stay beside it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[Name, Span] = {}
        self._places: dict[int, frozenset[int]] = {}
        self._come: dict[int, frozenset[int]] = {}

    def step(self) -> None:
        """Look at who came with the last step: a stranger that was adopted is none any more by now.

        Raises:
            Violation: there is more on its host than that has, with strangers that must have been known of.
        """
        world, desk = self._world, self._world.live.scheduler.desk
        used = self._strangers()
        if world.now <= world.disturbed_until + LEARNT_WITHIN:
            used = {}
        places: dict[int, frozenset[int]] = {}
        come: dict[int, frozenset[int]] = {}
        for lease in desk.leases.values():
            stay = lease.stays[0] if lease.stays else None
            if stay is None or stay.phase is Phase.PLANNED:
                continue
            # Who cannot be suspended, and runs on, was there all the time.
            places[lease.id] = hosts = frozenset(hosts_of(stay, desk.table))
            if stay.phase not in _BEGUN:
                continue
            come[lease.id] = hosts - self._places.get(lease.id, frozenset())
            for host in sorted(used.keys() & hosts & self._come.get(lease.id, frozenset())):
                self._look(lease, host, stay.start, used[host])
        self._places, self._come = places, come

    def _strangers(self) -> dict[int, Capacity]:
        """Return what strangers use of hosts of which it must be known by now; not those on hosts that are silent."""
        world, used = self._world, dict[int, Capacity]()
        away = world.fate.silent()
        there = {(one.name, one.host): one.demand for one in world.fate.strangers() if one.host not in away}
        for gone in self._since.keys() - there.keys():
            del self._since[gone]
        for name, demand in there.items():
            if world.quiet - self._since.setdefault(name, world.quiet) > KNOWN_WITHIN:
                used[name[1]] = used.get(name[1], Capacity()).plus(demand)
        return used

    def _look(self, lease: Lease, host: int, at: Instant, used: Capacity) -> None:
        desk = self._world.live.scheduler.desk
        for other in desk.leases.values():
            if not other.stays or other.stays[0].phase is Phase.PLANNED:
                continue
            stay = other.stays[0]
            there = zip(hosts_of(stay, desk.table), demands_of(stay.need), strict=True)
            for vm, (place, demand) in enumerate(there, 1):
                if place == host and vm not in other.over:
                    used = used.plus(demand)
        has = desk.site.hosts[host].capacity
        if any(amount > has[name] for name, amount in used.items()):
            text = (
                f"Lease {lease.id} begins on host number {host} at {instant(at)}, where strangers leave no room for it."
            )
            raise Violation("crowded", text)
