"""Schedules half full of advance reservations, built and asked through the scheduler's own events."""

import random
from typing import Final

from haizea.core.desk import Policies
from haizea.core.scheduler import Scheduler
from haizea.model.events import CancelRequested, LeaseRequested, TimePassed
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import CPU, DISK, MEMORY, NET_IN, NET_OUT, Capacity
from haizea.model.site import Host, Site
from haizea.model.units import HOUR, MINUTE, Instant, Span
from haizea.plan.options import Options
from haizea.policy.protocols import PolicyContext
from haizea.policy.registry import resolve

MEAN_DURATION: Final[Span] = HOUR
MEAN_SHARE: Final = 0.015
BATCH: Final = 1_000
NOTICE: Final[Span] = HOUR
"""How long before the first reservation the schedule is built."""
SETTLED: Final[Instant] = NOTICE + 3 * MEAN_DURATION // 2
"""When as much is reserved as ever; the present, once a schedule is built."""

WHOLE: Final = Capacity({CPU: 100, MEMORY: 1024})
ROOMY: Final = Capacity({CPU: 400, MEMORY: 4096, DISK: 40_960, NET_IN: 4_000, NET_OUT: 4_000})
QUARTER: Final = Capacity({CPU: 100, MEMORY: 1024, DISK: 10_240, NET_IN: 1_000, NET_OUT: 1_000})


class Schedule:
    """A site half of which is reserved, now and at any time until ``horizon``.

    Every reservation takes 1 to 2 % of the site for half an hour to one and a half; each starts at random. With
    ``shared`` a VM is a quarter of a host in each of five resource types, else all of a host, in two.
    """

    def __init__(self, hosts: int, reservations: int, *, shared: bool = False, seed: int = 0) -> None:
        self.hosts = hosts
        self.horizon: Instant = NOTICE + int(reservations * MEAN_SHARE * MEAN_DURATION / 0.5)
        self._from: Instant = NOTICE
        self._demand = QUARTER if shared else WHOLE
        self._per_host = 4 if shared else 1
        self._random = random.Random(f"{hosts} {reservations} {shared} {seed}")
        self._last = 0
        types = (CPU, MEMORY, DISK, NET_IN, NET_OUT) if shared else (CPU, MEMORY)
        capacity = ROOMY if shared else WHOLE
        site = Site(tuple(Host(f"n{i}", capacity) for i in range(1, hosts + 1)), types)
        self.scheduler = Scheduler(site, 0, Options(), policies(), frozenset())
        for first in range(0, reservations, BATCH):
            for _ in range(first, min(first + BATCH, reservations)):
                self.scheduler.handle(self.request(self.reservation()))
            self.scheduler.handle(TimePassed(0))
        self.accepted = len(self.scheduler.desk.leases)
        self._settle()

    def _settle(self) -> None:
        """Let time pass until the site is half in use."""
        scheduler = self.scheduler
        while (at := scheduler.next_instant()) is not None and at < SETTLED:
            scheduler.handle(TimePassed(at))
        scheduler.handle(TimePassed(SETTLED))
        self._from = SETTLED + MINUTE

    def reservation(self) -> LeaseTerms:
        """Draw the terms of one more advance reservation like those in the schedule."""
        duration = self._random.randrange(MEAN_DURATION // 2, 3 * MEAN_DURATION // 2) // 1000 * 1000
        start: Instant = self._random.randrange(self._from, self.horizon - duration) // 1000 * 1000
        return LeaseTerms((NodeSet(self.vms(0.01, 0.02), self._demand),), duration, start)

    def best_effort(self, least: float, most: float, *, preemptible: bool) -> LeaseTerms:
        """Draw the terms of a best-effort lease that takes between two shares of the site for about an hour."""
        duration = self._random.randrange(MEAN_DURATION // 2, 3 * MEAN_DURATION // 2) // 1000 * 1000
        return LeaseTerms((NodeSet(self.vms(least, most), self._demand),), duration, preemptible=preemptible)

    def vms(self, least: float, most: float) -> int:
        """Draw how many VMs take between two shares of the site, at least one host's worth."""
        size = self.hosts * self._per_host
        return self._random.randint(max(1, round(least * size)), max(1, round(most * size)))

    def request(self, terms: LeaseTerms) -> LeaseRequested:
        """Return the request of a new lease."""
        self._last += 1
        return LeaseRequested(self.scheduler.desk.now, self._last, terms)

    def withdraw(self, lease: int) -> None:
        """Cancel a lease, if the scheduler still knows it, so that the schedule is as it was before."""
        if lease in self.scheduler.desk.leases:
            self.scheduler.handle(CancelRequested(self.scheduler.desk.now, lease))
            self.scheduler.handle(TimePassed(self.scheduler.desk.now))


def policies() -> Policies:
    """Return Haizea's default policies."""
    context = PolicyContext()
    return Policies(
        resolve("admission", "accept-all", context),
        resolve("host-selection", "greedy", context),
        resolve("preemption", "ar-preempts-besteffort", context),
        resolve("pricing", "free", context),
    )
