"""Who holds what on which host and when, added up from nothing: the verifier's own slot table.

It knows hosts, amounts and intervals, as plain numbers, and none of the planner's arithmetic.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from haizea.core.reasons import instant
from haizea.model.resources import Capacity
from haizea.model.site import Site
from haizea.model.units import FAR_FUTURE, Instant

Report = Callable[[str], None]


class Holding(NamedTuple):
    """What one stay of a lease holds on one host during ``[start, end)``; ``amounts`` by the site's types."""

    lease: int
    start: Instant
    end: Instant
    amounts: tuple[int, ...]


class Occupancy:
    """Holdings by host."""

    def __init__(self, site: Site, report: Report) -> None:
        self._site = site
        self._report = report
        self._types = site.resource_types
        self._capacity = [tuple(host.capacity[name] for name in self._types) for host in site.hosts]
        self._on: list[dict[int, list[Holding]]] = [{} for _ in site.hosts]
        self._where: dict[int, set[int]] = {}
        self._over: set[tuple[int, Instant]] = set()

    def renewed(self, site: Site) -> None:
        """Take over a site that has become another one, of which hosts have the numbers they had."""
        self._site = site
        self._capacity = [tuple(host.capacity[name] for name in self._types) for host in site.hosts]
        self._on += [{} for _ in range(len(self._on), len(site.hosts))]

    def replace(
        self, lease: int, stays: Sequence[tuple[Instant, Instant, Sequence[int], Sequence[Capacity]]]
    ) -> set[int]:
        """Note what a lease holds now, instead of what it held; return the hosts on which it holds something.

        Args:
            lease: its number.
            stays: for each stay when it begins and ends, the host of every VM, and the demand of every VM.
        """
        for host in self._where.pop(lease, ()):
            self._on[host].pop(lease, None)
        touched: set[int] = set()
        for start, end, hosts, demands in stays:
            sums: dict[int, list[int]] = {}
            for host, demand in zip(hosts, demands, strict=True):
                amounts = sums.setdefault(host, [0] * len(self._types))
                for j, name in enumerate(self._types):
                    amounts[j] += demand[name]
            for host, amounts in sums.items():
                self._on[host].setdefault(lease, []).append(Holding(lease, start, end, tuple(amounts)))
                touched.add(host)
        if touched:
            self._where[lease] = touched
        return touched

    def holdings(self, host: int) -> list[Holding]:
        """Return all holdings on a host."""
        return [holding for held in self._on[host].values() for holding in held]

    def check(self, host: int, now: Instant) -> None:
        """Report the first instant from now on at which a host holds more than it has."""
        changes: dict[Instant, list[int]] = {}
        width = len(self._types)
        for _lease, start, end, amounts in self.holdings(host):
            if end <= now:
                continue
            taken = changes.setdefault(max(start, now), [0] * width)
            given = changes.setdefault(end, [0] * width)
            for j, amount in enumerate(amounts):
                taken[j] += amount
                given[j] -= amount
        used = [0] * width
        for at in sorted(changes):
            for j, change in enumerate(changes[at]):
                used[j] += change
                if used[j] > self._capacity[host][j]:
                    self._report_over(host, at, j, used[j])
                    return

    def _report_over(self, host: int, at: Instant, j: int, used: int) -> None:
        if (host, at) in self._over:
            return
        self._over.add((host, at))
        there = [holding for holding in self.holdings(host) if holding.start <= at < holding.end and holding.amounts[j]]
        leases = ", ".join(str(number) for number in sorted({holding.lease for holding in there}))
        self._report(
            f"Host {self._site.hosts[host].name} holds {used} {self._types[j]} at {instant(at)} "
            f"but has {self._capacity[host][j]}; it holds them for leases {leases}."
        )

    def free(self, host: int, at: Instant) -> Capacity:
        """Return what is free on a host at an instant; nothing of what is over capacity."""
        left = list(self._capacity[host])
        for holding in self.holdings(host):
            if holding.start <= at < holding.end:
                for j, amount in enumerate(holding.amounts):
                    left[j] -= amount
        return Capacity([(name, max(0, amount)) for name, amount in zip(self._types, left, strict=True)])

    def instants(self, host: int, now: Instant) -> list[Instant]:
        """Return now and the instants after it at which something changes on a host, ascending."""
        found = {now}
        for _lease, start, end, _amounts in self.holdings(host):
            found.update(at for at in (start, end) if now < at < FAR_FUTURE)
        return sorted(found)
