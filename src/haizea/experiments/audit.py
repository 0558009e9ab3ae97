"""What is checked of everything at once: the slot table, the queue, and that nobody waits without need."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from haizea.core.desk import Desk
from haizea.core.reasons import instant
from haizea.experiments.occupancy import Occupancy, Report
from haizea.experiments.stories import Stories, Story
from haizea.model.lease import LeaseState
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease
from haizea.plan.slottable import Reservation

_WAITING: Final = frozenset({LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED})


class Audit:
    """Checks everything from zero."""

    def __init__(
        self, desk: Desk, occupancy: Occupancy, stories: Stories, live: Mapping[int, Story], report: Report
    ) -> None:
        self._desk = desk
        self._occupancy = occupancy
        self._wrong = stories.wrong
        self._live = live
        self._report = report

    def check(self, now: Instant, *, decided: bool) -> None:
        """Check all; ``decided`` says that the scheduler has had its say at this instant."""
        desk, at = self._desk, instant(now)
        held = [Reservation(s.start, s.end, s.placement.held) for lease in desk.leases.values() for s in lease.stays]
        for text in desk.table.check([*held, *desk.claims.reservations()]):
            self._report(f"The slot table is wrong, {text}, at {at}.")
        for number in sorted(self._live.keys() ^ desk.leases.keys()):
            self._report(f"Lease {number} is lost at {at}.")
        self._table(now)
        self._queue(at)
        self._states(at)
        if decided and not desk.options.non_schedulable:
            self._idle(now)

    def _table(self, now: Instant) -> None:
        """Compare what the slot table says is free, host by host, with what is."""
        table = self._desk.table
        states: dict[tuple[int, Instant], int] = {}
        for host, spec in enumerate(self._desk.site.hosts):
            block, number = divmod(host, table.block_hosts)
            timeline = table.timelines[block]
            for at in sorted({*self._occupancy.instants(host, now), *timeline.instants()}):
                state = states.get((block, at))
                if state is None:
                    state = states[block, at] = timeline.state(at)
                said, free = timeline.packing.free(state, number), self._occupancy.free(host, at)
                if said != free:
                    self._report(f"Host {spec.name} is said to have {said} free at {instant(at)}; it has {free}.")

    def _queue(self, now: str) -> None:
        desk = self._desk
        for what, leases in (("queue", list(desk.queue)), ("reserved", list(desk.reserved))):
            for one, other in pairwise(leases):
                if _order(one) > _order(other):
                    self._report(f"Lease {one.id} is before lease {other.id} in {what}, submitted earlier, at {now}.")
            if len({lease.id for lease in leases}) < len(leases):
                self._report(f"A lease is twice in {what} at {now}.")
        limit = desk.options.reservations_max
        if limit is not None and len(desk.reserved) > limit:
            self._report(f"{len(desk.reserved)} leases hold reservations in the future, not at most {limit}, at {now}.")

    def _states(self, now: str) -> None:
        """Check that whoever is not planned waits, and says so."""
        desk = self._desk
        queued = {lease.id for lease in desk.queue}
        for lease in desk.leases.values():
            waits = lease.id in queued
            aside = lease.parked or lease.degraded or lease.state in (LeaseState.HELD, LeaseState.MIGRATING)
            if aside and not waits and lease.state is not LeaseState.NEW:
                # Kept from being started by somebody, or without hosts for its time: neither waits nor need be planned.
                continue
            if lease.state is not LeaseState.NEW and bool(lease.stays) is waits:
                text = "both waits and is planned" if waits else "neither waits nor is planned"
                self._report(f"Lease {lease.id} {text} at {now}.")
            if waits is not (lease.state in _WAITING):
                self._report(
                    f"Lease {lease.id} is {lease.state.label} and {'' if waits else 'not '}in the queue, at {now}."
                )

    def _idle(self, now: Instant) -> None:
        """Check that no lease waits that could run from now to its end; without backfilling, of the one in front.

        While memory images are copied one may: until they have arrived, better hosts may be free for too short a time.
        """
        desk = self._desk
        if desk.pauses:
            return
        if any(copy.end > now for lease in desk.leases.values() for stay in lease.stays for copy in stay.copies):
            return
        for lease in list(desk.queue)[: 1 if desk.options.reservations_max == 0 else None]:
            story, terms = self._live[lease.id], lease.terms
            alike = len(set(story.demands)) == 1 and not (terms.constraints.spread or terms.constraints.together)
            prepared = desk.images is None or terms.software is None
            if alike and prepared and lease.state is LeaseState.QUEUED and self._room(lease, now):
                self._wrong(story, now, "waits though it could run from now to its end")

    def _room(self, lease: Lease, now: Instant) -> bool:
        """Whether all VMs of a lease have room from now until it would be over, on hosts that it may use."""
        desk = self._desk
        demand = self._live[lease.id].demands[0]
        options = desk.options
        overhead = lease.tail + options.shutdown_time + options.cleaning_time
        overhead += options.enactment_overhead * lease.terms.node_count
        end = FAR_FUTURE if lease.terms.duration is None else now + lease.terms.duration + overhead
        found = 0
        for host, spec in enumerate(desk.site.hosts):
            if not desk.hosts.allowed(host, spec, lease.terms.constraints):
                continue
            free = [self._occupancy.free(host, at) for at in self._occupancy.instants(host, now) if at < end]
            found += min(min(at[name] // amount for name, amount in demand.items()) for at in free)
        return found >= lease.terms.node_count


def _order(lease: Lease) -> tuple[int, int, Instant]:
    """Return by what leases are ordered: what was ordered, what the policy says, when they were submitted."""
    return lease.rank, lease.turn, lease.submitted
