"""A scheduler to play with: requests and reports in, what it does in words out, under the verifier all along."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from haizea.core.desk import Policies, Retired
from haizea.core.memory import lease_document
from haizea.core.scheduler import Scheduler
from haizea.experiments.verifier import Verifier
from haizea.model.effects import Command, Effect, LeaseChanged, Notice, Verb
from haizea.model.events import Event, LeaseRequested, TimePassed
from haizea.model.lease import LeaseState, LeaseTerms, NodeSet
from haizea.model.reason import Reason
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import MINUTE, SECOND
from haizea.plan.lease import Lease
from haizea.plan.operations import hosts_of
from haizea.plan.options import Options
from tests.simulation.running import policies

VM = Capacity({"CPU": 100, "Memory": 1024})
"""Fills a host; takes 32 s to suspend and 32 s to resume."""


def site(hosts: int = 2, *, cores: int = 1, labels: Sequence[Mapping[str, str]] = ()) -> Site:
    """Hosts with so many cores, each with room for as many VMs."""
    capacity = Capacity({"CPU": 100 * cores, "Memory": 1024 * cores})
    return Site(tuple(Host(f"host-{i}", capacity, labels[i] if labels else {}) for i in range(hosts)))


def made_anew(scheduler: Scheduler, chosen: Policies | None = None) -> Scheduler:
    """Return another scheduler made of what one remembers, as a restart makes it, with policies of its own if given."""
    desk = scheduler.desk
    again = Scheduler(desk.site, desk.now, desk.options, chosen or desk.policies)
    documents = json.loads(json.dumps([lease_document(lease, desk) for lease in desk.leases.values()]))
    again.recall(documents, json.loads(json.dumps(scheduler.remember())))
    return again


class Play:
    """A site and its scheduler. Times are in minutes; what happens is kept in ``said`` and told by :meth:`go`."""

    def __init__(self, hosts: int | Site = 2, chosen: Policies | None = None, **options: Any) -> None:
        """Begin at 0 with an empty site; ``options`` are those of the planner."""
        where = site(hosts) if isinstance(hosts, int) else hosts
        self.scheduler = Scheduler(where, 0, Options(**options), chosen or policies())
        self.verifier = Verifier(self.scheduler, full_every=1)
        self.over: dict[int, Lease] = {}
        self.said: list[str] = []
        self.where: dict[int, tuple[int, ...]] = {}

    @property
    def now(self) -> float:
        """The present, in minutes."""
        return self.scheduler.desk.now / MINUTE

    def ask(self, number: int, vms: int = 1, minutes: float | None = 60, **terms: Any) -> None:
        """Request a lease now; ``start`` and ``deadline`` in minutes, the rest as in the terms."""
        for name in ("start", "deadline"):
            if terms.get(name) is not None:
                terms[name] = round(terms[name] * MINUTE)
        nodes = terms.pop("nodes", (NodeSet(vms, VM),))
        duration = None if minutes is None else round(minutes * MINUTE)
        self.tell(LeaseRequested(self.scheduler.desk.now, number, LeaseTerms(nodes, duration, **terms)))

    def tell(self, event: Event) -> None:
        """Hand over an event, and note what comes of it."""
        effects = self.scheduler.handle(event)
        self.verifier.after(event, effects)
        assert self.verifier.violations == []
        for effect in effects:
            self._note(effect)

    def go(self, minutes: float | None = None) -> list[str]:
        """Let time pass until an instant, by default for no time at all; return what has happened since last time."""
        now = self.scheduler.desk.now
        until = now if minutes is None else round(minutes * MINUTE)
        for at in (now, until):
            while (due := self.scheduler.next_instant()) is not None and due < at:
                self.tell(TimePassed(due))
            self.tell(TimePassed(at))
            while self.scheduler.next_instant() == at:
                self.tell(TimePassed(at))
        said, self.said = self.said, []
        return said

    def state(self, number: int) -> LeaseState:
        """The state of a lease."""
        return self.lease(number).state

    def lease(self, number: int) -> Lease:
        """A lease, over or not."""
        return self.over[number] if number in self.over else self.scheduler.desk.leases[number]

    def reason(self, number: int) -> Reason:
        """Why a lease was refused, or has failed."""
        reason = self.lease(number).reason
        assert reason is not None
        return reason

    def stays(self, number: int) -> list[tuple[float, float]]:
        """When a lease holds hosts from now on, in minutes."""
        return [(stay.start / MINUTE, stay.end / MINUTE) for stay in self.lease(number).stays]

    def hosts(self, number: int) -> tuple[int, ...]:
        """The hosts on which a lease's VMs are, or will be first."""
        return hosts_of(self.lease(number).stays[0], self.scheduler.desk.table)

    def lost(self, number: int) -> float:
        """For how many minutes a lease has run in vain."""
        return sum(e.end - e.start for e in self.lease(number).log if e.kind == "run" and e.outcome == "lost") / MINUTE

    def _note(self, effect: Effect | Retired) -> None:
        if isinstance(effect, Retired):
            self.over[effect.lease.id] = effect.lease
            return
        at = f"{effect.at / SECOND:g}s"
        if isinstance(effect, LeaseChanged):
            self.said.append(f"{at} {effect.lease} {effect.state.label}")
        elif isinstance(effect, Command):
            self.said.append(f"{at} {effect.verb.value} {effect.lease}")
            if effect.verb in (Verb.START, Verb.RESUME):
                self.where[effect.lease] = effect.hosts()
        elif isinstance(effect, Notice):
            self.said.append(f"{at} notice {effect.lease}")
