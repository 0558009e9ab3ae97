"""What if: the present schedule, run ahead on a copy with hosts that fail or are added, requests, other options.

The copy is made in the loop's thread; all else is done in the thread of whoever asks, within limits of instants looked
at and of real time, so that nobody else waits for it. Everything is taken to go as planned, and to last as long as was
asked for.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.live.records import lease_row
from haizea.model.events import Event, HostObserved, LeaseRequested, SiteChanged, TimePassed
from haizea.model.lease import LeaseState
from haizea.model.resources import CPU
from haizea.model.site import HostState, Site
from haizea.model.units import FAR_FUTURE, SECOND, Instant
from haizea.plan.lease import Lease, Phase
from haizea.service import access
from haizea.service.errors import Invalid
from haizea.service.field import Field, Rules
from haizea.service.instants import LAST, iso, iso_or_none
from haizea.service.lease_orders import host_number
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.models import AffectedOut, LeaseOut
from haizea.service.order_models import FiguresOut, WhatIfIn, WhatIfOut
from haizea.service.pictures import AFFECTED_MAX
from haizea.service.present import real_site
from haizea.service.principal import Principal
from haizea.service.terms import terms_of
from haizea.workloads.errors import WorkloadError
from haizea.workloads.oneline import parse_site

STEPS_MAX: Final = 50_000
TIME_MAX_S: Final = 10.0
"""Of real time, for either run."""

NEW: Final = 1 << 52
"""Numbers of leases that are only thought of begin here."""


class Fate(NamedTuple):
    """What becomes of a lease."""

    lease: Lease
    state: LeaseState
    started: Instant | None
    ended: Instant | None


class Run(NamedTuple):
    """A run ahead: the fates of leases by number, how far it went, and whether everything was over by then."""

    scheduler: Scheduler
    fates: dict[int, Fate]
    until: Instant
    complete: bool


class WhatIf:
    """Tries things on a copy of the present schedule."""

    def __init__(self, live: Live, lookup: Lookup, field: Field) -> None:
        self._live = live
        self._lookup = lookup
        self._field = field

    def what_if(self, who: Principal, given: WhatIfIn) -> WhatIfOut:
        """Return what would become of all leases, as it stands and as it would be.

        Raises:
            Invalid: what is to be tried makes no sense.
            NotFound: there is no such host.
        """
        access.check(who, "scheduler.simulate")
        rules = self._field.rules(given.options) if given.options else None
        present = self._live.look(lambda scheduler: scheduler.copy())
        now = present.desk.now
        horizon = min(LAST, now + round(given.ahead_s * SECOND))
        events = list(_events(present, given, who))
        before = run_ahead(present.copy(), [], None, horizon)
        after = run_ahead(present, events, rules, horizon)
        known = {number: fate for number, fate in after.fates.items() if number < NEW}
        return WhatIfOut(
            before=_figures(before, before.fates, now),
            after=_figures(after, known, now),
            affected=list(_affected(before, after)),
            requests=[self._request(who, after, number) for number in sorted(after.fates) if number >= NEW],
            complete=before.complete and after.complete,
        )

    def _request(self, who: Principal, run: Run, number: int) -> LeaseOut:
        row = lease_row(run.fates[number].lease, run.scheduler.desk, 0)
        # Hosts are named as they would be, which may be more than there are.
        names = [host.name for host in run.scheduler.desk.site.hosts]
        return self._lookup.shown(who, row._replace(id=number - NEW + 1), names)


def _events(scheduler: Scheduler, given: WhatIfIn, who: Principal) -> Iterator[Event]:
    """Yield what is tried, at the present."""
    now = scheduler.desk.now
    failed = [host_number(scheduler.desk.site, name) for name in given.fail_hosts]
    if given.add_hosts:
        yield SiteChanged(now, _with_hosts(real_site(scheduler), given.add_hosts), who.user)
    for host in failed:
        yield HostObserved(now, host, HostState.DOWN)
    for number, request in enumerate(given.requests):
        yield LeaseRequested(now, NEW + number, terms_of(request, request.owner or who.user, now))


def _with_hosts(site: Site, text: str) -> Site:
    try:
        added = parse_site(text).hosts
    except (WorkloadError, ValueError) as problem:
        raise Invalid(f"add_hosts: {problem}", field="add_hosts") from problem
    known = {host.name for host in site.hosts}
    number = 0
    hosts = []
    for host in added:
        number += 1
        while f"added-{number}" in known:
            number += 1
        hosts.append(host._replace(name=f"added-{number}"))
    return site._replace(hosts=(*[host for host in site.hosts if len(host.capacity)], *hosts))


def run_ahead(scheduler: Scheduler, events: Sequence[Event], rules: Rules | None, horizon: Instant) -> Run:
    """Have a copy do what is planned until all is over, or the horizon or a limit is reached."""
    fates: dict[int, Fate] = {}
    if rules is not None:
        scheduler.follow(rules.options, rules.policies)

    def take(event: Event) -> None:
        for effect in scheduler.handle(event):
            if isinstance(effect, Retired):
                lease = effect.lease
                fates[lease.id] = Fate(lease, lease.state, lease.started, lease.ended)

    now = scheduler.desk.now
    for event in events:
        take(event)
    give_up, complete = time.monotonic() + TIME_MAX_S, False
    for _ in range(STEPS_MAX):
        take(TimePassed(now))
        following = scheduler.next_instant()
        if following is None or following > horizon:
            complete = True
            break
        now = max(now, following)
        if time.monotonic() > give_up:
            break
    for lease in scheduler.desk.leases.values():
        fates[lease.id] = Fate(lease, lease.state, lease.started, None)
    return Run(scheduler, fates, now, complete)


def _figures(run: Run, fates: dict[int, Fate], now: Instant) -> FiguresOut:
    states = [fate.state for fate in fates.values()]
    waits = [fate.started - now for fate in fates.values() if fate.started is not None and fate.started >= now]
    ends = [fate.ended for fate in fates.values() if fate.ended is not None]
    last = max(ends, default=None)
    total = run.scheduler.desk.site.total(CPU) * max(0, (last or now) - now)
    used = sum(_cpu_time(fate.lease, now, last or now) for fate in run.fates.values())
    return FiguresOut(
        leases=len(states),
        done=states.count(LeaseState.DONE),
        failed=states.count(LeaseState.FAILED),
        rejected=states.count(LeaseState.REJECTED) + states.count(LeaseState.REJECTED_BY_USER),
        unfinished=sum(not state.final for state in states),
        preemptions=sum(fate.lease.preemptions for fate in fates.values()),
        waiting_s=round(sum(waits) / len(waits) / SECOND, 3) if waits else 0.0,
        utilisation=round(used / total, 4) if total else 0.0,
        last_end=iso_or_none(last),
    )


def _cpu_time(lease: Lease, start: Instant, end: Instant) -> int:
    """Return how much CPU time a lease's VMs had between two instants."""
    spans = [(entry.start, entry.end) for entry in lease.log if entry.kind == "run"]
    spans += [(stay.run_start, stay.run_end) for stay in lease.stays[:1] if stay.phase is Phase.RUNNING]
    cpu = sum(nodes.count * nodes.demand[CPU] for nodes in lease.terms.nodes)
    return cpu * sum(max(0, min(last, end) - max(first, start)) for first, last in spans)


def _affected(before: Run, after: Run) -> Iterator[AffectedOut]:
    """Yield whom it makes a difference for, in order of numbers."""
    told = 0
    for number in sorted(before.fates):
        old, new = before.fates[number], after.fates.get(number)
        found = None if new is None else _difference(old, new)
        if found is None:
            continue
        how, was, would_be = found
        yield AffectedOut(
            lease=number, owner=old.lease.terms.user, how=how, before=_iso(was), after=_iso(would_be)
        )  # fmt: skip
        told += 1
        if told == AFFECTED_MAX:
            return


def _difference(old: Fate, new: Fate) -> tuple[str, Instant | None, Instant | None] | None:
    if old.state is not new.state:
        return new.state.label, old.ended, new.ended
    if old.started != new.started:
        if new.started is None or old.started is None:
            return ("unplanned" if new.started is None else "earlier"), old.started, new.started
        return ("earlier" if new.started < old.started else "later"), old.started, new.started
    if old.ended != new.ended and old.ended is not None and new.ended is not None:
        return ("ends-earlier" if new.ended < old.ended else "ends-later"), old.ended, new.ended
    return None


def _iso(at: Instant | None) -> str | None:
    return None if at is None or at >= FAR_FUTURE else iso(at)
