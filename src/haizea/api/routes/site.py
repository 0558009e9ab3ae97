"""Hosts, the journal, usage, and the daemon itself."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import RootModel

from haizea.api import examples
from haizea.api.facade import HostService, Journal, Manager, System, Usage, UsageBy, UsagePeriod
from haizea.api.routing import (
    NUMBER_MAX,
    Asked,
    Endpoint,
    Lanes,
    Limit,
    NameInPath,
    NameQuery,
    Reply,
    Sheet,
    WhenQuery,
    cursor_link,
    prefers_csv,
    router,
)
from haizea.service.fields import Name
from haizea.service.models import (
    Answer,
    EntryPage,
    HostOut,
    HostsOut,
    PolicyOut,
    StatusOut,
    UsageLineOut,
    UsageOut,
)

Cursor = Annotated[int, Query(ge=0, le=NUMBER_MAX, description="Only entries with higher numbers.")]
Kinds = Annotated[list[Name], Query(max_length=32, description="Only of one of these kinds.")]
UsageFormat = Literal["json", "csv"]
OfLease = Annotated[int | None, Query(ge=1, le=NUMBER_MAX)]


class PoliciesOut(Answer):
    """The policies that can be chosen."""

    items: list[PolicyOut]


class WhoOut(Answer):
    """Whom the caller is taken for. No ``scopes``: everything that the role may. ``via``: how they were believed."""

    user: str
    role: str
    groups: list[str]
    scopes: list[str]
    via: str


class ConfigurationOut(RootModel[dict[str, Any]]):
    """The settings in force, by section; without secrets."""


class SiteRoutes:
    """Answers questions about hosts, what happened, and what was used."""

    def __init__(self, hosts: HostService, journal: Journal, usage: Usage) -> None:
        self._hosts = hosts
        self._journal = journal
        self._usage = usage

    def list_hosts(self, asked: Asked) -> HostsOut:
        """What each has, how much of it is held now and by which leases, and what comes next."""
        return self._hosts.list(asked.who)

    def show_host(self, asked: Asked, host: NameInPath) -> HostOut:
        """By name or number."""
        return self._hosts.show(asked.who, host)

    def list_events(
        self,
        asked: Asked,
        after: Cursor = 0,
        limit: Limit = 100,
        lease: OfLease = None,
        kind: Kinds = [],  # noqa: B006 - never changed
        host: NameQuery = None,
    ) -> Reply:
        """Entries of the journal in order, of those that the caller may see. `Link` leads to what follows."""
        page = self._journal.entries(asked.who, after=after, limit=limit, lease=lease, kinds=tuple(kind), host=host)
        return Reply(page, cursor_link(asked, page.cursor))

    def report_usage(
        self,
        asked: Asked,
        start: WhenQuery = None,
        end: WhenQuery = None,
        by: UsageBy = "user",
        period: UsagePeriod | None = None,
        owner: NameQuery = None,
        format: UsageFormat | None = None,
    ) -> UsageOut | Sheet:
        """Hours of VMs, cores and memory by user, group or lease, for each period if one is named.

        As a table with `format=csv`, or with `Accept: text/csv`.
        """
        found = self._usage.report(asked.who, start=start, end=end, by=by, period=period, owner=owner)
        csv = format == "csv" or (format is None and prefers_csv(asked.accept))
        return Sheet(_table(found)) if csv else found


def _table(usage: UsageOut) -> str:
    """Return usage as CSV: a line of names, then one for each item."""
    import csv
    import io

    text = io.StringIO(newline="")
    lines = csv.writer(text)
    columns = ("start", "end", *UsageLineOut.model_fields)
    lines.writerow(columns)
    for item in usage.items:
        lines.writerow([usage.start, usage.end, *item.model_dump().values()])
    return text.getvalue()


class SystemRoutes:
    """Answers questions about the daemon."""

    def __init__(self, system: System) -> None:
        self._system = system

    def show_status(self, asked: Asked) -> StatusOut:
        """How the daemon is: its state, leases by state, utilisation, warnings."""
        return self._system.status(asked.who)

    def list_policies(self, asked: Asked) -> PoliciesOut:
        """Built-in ones and those of installed packages."""
        return PoliciesOut(items=self._system.policies(asked.who))

    def show_configuration(self, asked: Asked) -> ConfigurationOut:
        """By section; without secrets."""
        return ConfigurationOut(self._system.configuration(asked.who))

    def show_caller(self, asked: Asked) -> WhoOut:
        """Name, role, groups and scopes, and how the caller was believed."""
        who = asked.who
        return WhoOut(
            user=who.user, role=who.role.label, groups=list(who.groups), scopes=sorted(who.scopes), via=who.via
        )


def site_routes(manager: Manager, lanes: Lanes) -> APIRouter:
    """Return the routes of the site."""
    on = SiteRoutes(manager.hosts, manager.journal, manager.usage)
    entries = {"items": [examples.ENTRY], "cursor": 230}
    return router(
        "site",
        lanes,
        [
            Endpoint("GET", "/v1/hosts", on.list_hosts, HostsOut, "List hosts"),
            Endpoint("GET", "/v1/hosts/{host}", on.show_host, HostOut, "Show a host"),
            Endpoint("GET", "/v1/events", on.list_events, EntryPage, "Read the journal", entries),
            Endpoint("GET", "/v1/usage", on.report_usage, UsageOut, "Report usage", sheet=True),
        ],
    )


def system_routes(system: System, lanes: Lanes) -> APIRouter:
    """Return the routes of the daemon itself."""
    on = SystemRoutes(system)
    who = {"user": "ada", "role": "user", "groups": ["research"], "scopes": [], "via": "token"}
    return router(
        "system",
        lanes,
        [
            Endpoint("GET", "/v1/status", on.show_status, StatusOut, "Show how the daemon is"),
            Endpoint("GET", "/v1/policies", on.list_policies, PoliciesOut, "List policies"),
            Endpoint("GET", "/v1/configuration", on.show_configuration, ConfigurationOut, "Show the settings"),
            Endpoint("GET", "/v1/whoami", on.show_caller, WhoOut, "Show whom the server takes you for", who),
        ],
    )
