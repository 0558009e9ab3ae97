"""Orders about hosts, as front ends give them: what they may be used for, which there are, when they are maintained."""

from collections.abc import Container, Mapping, Sequence
from typing import Final

from haizea.core.claims import Window
from haizea.core.scheduler import Scheduler
from haizea.model.events import HostOrdered, MaintenanceOver, MaintenancePlanned, SiteChanged
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import Instant
from haizea.service import access
from haizea.service.errors import Conflict, Invalid, NotFound
from haizea.service.host_orders import HOST_BY_VERB, HostCase
from haizea.service.instants import iso, read_instant
from haizea.service.lease_orders import host_number
from haizea.service.live import Live
from haizea.service.order_models import (
    HostIn,
    HostsIn,
    MaintenanceIn,
    MaintenanceOut,
    MaintenancesOut,
    OrderIn,
    OutcomeOut,
)
from haizea.service.orders import Orders, Plan, Planned
from haizea.service.present import real_site
from haizea.service.principal import Principal
from haizea.service.refusals import Attempt
from haizea.service.terms import span_of

WINDOWS_FACT: Final = "windows"
"""The fact under which it is kept how many maintenance windows there have been."""
NAMED_MAX: Final = 10


class HostDesk:
    """Takes orders about hosts."""

    def __init__(self, live: Live, orders: Orders) -> None:
        self._live = live
        self._orders = orders

    def order(self, who: Principal, verb: str, host: str, given: OrderIn) -> OutcomeOut:
        """Give an order about a host, by name or number, and those that are to have the same done with them.

        ``verb`` is that of :mod:`haizea.service.access`.

        Raises:
            Conflict: it is refused; says why and what would help.
        """
        named = HOST_BY_VERB[verb]
        wanted = [host, *_also(given)]

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            site = scheduler.desk.site
            numbers = tuple(dict.fromkeys(host_number(site, each) for each in wanted))
            names = [site.hosts[number].name for number in numbers]
            ordered = [(number, named.order(HostCase(number, scheduler, now), given)) for number in numbers]
            first = [] if named.first is None or len(numbers) == 1 else [(number, named.first) for number in numbers]
            return Plan(
                events=[HostOrdered(now, number, order, who.user, given.reason) for number, order in first + ordered],
                kind=verb.replace(".", "-"),
                subject=_hosts(names),
                done=named.done(ordered[0][1]),
                hosts=names,
                several=len(names) > 1,
                data=given.model_dump(mode="json", exclude_unset=True, exclude={"reason", "dry_run"}),
                emptied=numbers if named.empties else (),
            )

        about = _hosts(wanted) if len(wanted) > 1 else ""
        attempt = Attempt(verb, given.reason, host=host, about=about, tried=given.dry_run)
        return self._given(who, attempt, given, planned)

    def _given(self, who: Principal, attempt: Attempt, given: OrderIn, planned: Planned) -> OutcomeOut:
        """Give an order to the scheduler, by whoever may; a refusal is kept."""
        with self._live.refusals.kept(who, attempt):
            access.check(who, attempt.verb)
            return self._orders.outcome(self._orders.give(who, given, planned), given)

    # Which there are -----------------------------------------------------------------------------------------

    def add(self, who: Principal, given: HostIn) -> OutcomeOut:
        """Add a host to the site.

        Raises:
            Conflict: there is one of that name.
            Invalid: it would have nothing, or something that the site does not know.
        """

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            site = real_site(scheduler)
            if any(host.name == given.name and len(host.capacity) for host in site.hosts):
                remedy = "Choose another name; what it has is changed on the platform, or by overcommitting it."
                raise Conflict(f"there is a host {given.name} already", code="host-exists", field="name", remedy=remedy)
            unknown = sorted(given.capacity.keys() - set(site.resource_types))
            if unknown:
                types = ", ".join(site.resource_types)
                raise Invalid(f"capacity: this site has no {unknown[0]!r}; it has {types}", field="capacity")
            added = Host(given.name, Capacity(given.capacity), dict(given.labels))
            if not len(added.capacity):
                raise Invalid("capacity: a host needs some amount of something", field="capacity")
            others = _present(site, but=(given.name,))
            return self._changed(who, site._replace(hosts=(*others, added)), now, "add", (given.name,))

        attempt = Attempt("host.add", given.reason, host=given.name, tried=given.dry_run)
        return self._given(who, attempt, given, planned)

    def remove(self, who: Principal, host: str, given: HostsIn) -> OutcomeOut:
        """Take hosts out of the site; whoever is on them is seen to elsewhere, as if they had failed."""
        wanted = [host, *given.also]

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            site = real_site(scheduler)
            names = list(dict.fromkeys(site.hosts[host_number(site, each)].name for each in wanted))
            left = _present(site, but=names)
            if not left:
                raise Conflict("no host would be left", code="last-host", remedy="Add another one first.")
            return self._changed(who, site._replace(hosts=left), now, "remove", names)

        about = _hosts(wanted) if len(wanted) > 1 else ""
        attempt = Attempt("host.remove", given.reason, host=host, about=about, tried=given.dry_run)
        return self._given(who, attempt, given, planned)

    def _changed(self, who: Principal, site: Site, now: Instant, what: str, names: Sequence[str]) -> Plan:
        return Plan(
            events=(SiteChanged(now, site, who.user),),
            kind=f"host-{what}",
            subject=_hosts(names),
            done="added" if what == "add" else "removed",
            hosts=names,
            several=len(names) > 1,
        )

    # Maintenance ---------------------------------------------------------------------------------------------

    def windows(self, who: Principal) -> MaintenancesOut:
        """Return the maintenance windows that are not over, in order of their starts."""
        access.check(who, "host.list", owner=who.user)

        def job(scheduler: Scheduler) -> list[MaintenanceOut]:
            names = [host.name for host in scheduler.desk.site.hosts]
            return [
                MaintenanceOut(
                    id=each.number,
                    hosts=[names[host] for host in each.hosts],
                    start=iso(each.start),
                    end=iso(each.end),
                    by=each.by,
                    reason=each.reason,
                    open=each.start <= scheduler.desk.now,
                )
                for each in sorted(_windows(scheduler).values(), key=lambda each: (each.start, each.number))
            ]

        return MaintenancesOut(items=self._live.look(job))

    def plan(self, who: Principal, given: MaintenanceIn, window: int | None = None) -> OutcomeOut:
        """Plan maintenance of hosts, or plan it anew where ``window`` is given.

        Raises:
            Invalid: the times do not go together.
            NotFound: there is no such host, or window.
            Conflict: it is refused; says why and what would help.
        """

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            if (given.end is None) == (given.duration is None):
                raise Invalid("say until when, or for how long", field="end")
            site = scheduler.desk.site
            hosts = tuple(dict.fromkeys(host_number(site, name) for name in given.hosts))
            start = read_instant(given.start, now, "start")
            end = _end(given, start, now)
            if window is not None and window not in _windows(scheduler):
                raise _no_window(window)
            number = window or self._next(scheduler)
            names = _listed([site.hosts[host].name for host in hosts])
            return Plan(
                events=(MaintenancePlanned(now, number, hosts, start, end, who.user, given.reason, given.force),),
                kind="host-maintain",
                subject=f"maintenance {number} of {names}",
                done=f"planned from {iso(start)} to {iso(end)}",
                data={"window": number, "hosts": given.hosts[:100], "start": iso(start), "end": iso(end)},
                also=lambda change: change.transaction.set_fact(WINDOWS_FACT, max(number, self._last())),
            )

        about = f"of {', '.join(given.hosts)}" if window is None else _named(window)
        return self._given(
            who, Attempt("host.maintain", given.reason, about=about, tried=given.dry_run), given, planned
        )

    def end(self, who: Principal, window: int, given: OrderIn) -> OutcomeOut:
        """End a maintenance window, or have it not begin."""

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            found = _windows(scheduler).get(window)
            if found is None:
                raise _no_window(window)
            return Plan(
                events=(MaintenanceOver(now, window, who.user, given.reason),),
                kind="host-maintain",
                subject=_named(window),
                done="over" if found.start <= now else "called off",
                data={"window": window},
            )

        attempt = Attempt("host.maintain", given.reason, about=_named(window), tried=given.dry_run)
        return self._given(who, attempt, given, planned)

    def _next(self, scheduler: Scheduler) -> int:
        return max([self._last(), *_windows(scheduler)]) + 1

    def _last(self) -> int:
        last: int = self._live.store.fact(WINDOWS_FACT) or 0
        return last


def _also(given: OrderIn) -> Sequence[str]:
    return given.also if isinstance(given, HostsIn) else ()


def _hosts(names: Sequence[str]) -> str:
    return f"host{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED_MAX]) + (" and more" if len(names) > NAMED_MAX else "")


def _present(site: Site, but: Container[str]) -> tuple[Host, ...]:
    """Return the hosts that are there; those that are gone have kept their numbers, and have nothing."""
    return tuple([host for host in site.hosts if len(host.capacity) and host.name not in but])


def _end(given: MaintenanceIn, start: Instant, now: Instant) -> Instant:
    if given.end is not None:
        end = read_instant(given.end, now, "end")
    else:
        span = span_of(given.duration or 0, "duration")
        if span is None:
            raise Invalid("duration: maintenance ends some time", field="duration", remedy="Disable the hosts instead.")
        end = start + span
    if end <= max(start, now):
        raise Invalid("end: it is over before it begins, or already", field="end")
    return end


def _windows(scheduler: Scheduler) -> Mapping[int, Window]:
    return scheduler.desk.claims.windows


def _named(window: int) -> str:
    return f"maintenance {window}"


def _no_window(window: int) -> NotFound:
    return NotFound(
        f"there is no maintenance {window}, or it is over",
        remedy="GET /v1/maintenance (haizea maintenance list) shows those that are not.",
    )
