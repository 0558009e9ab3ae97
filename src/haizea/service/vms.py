"""VMs, one by one: those of leases, and those that nobody here knows, which can be taken as a lease."""

from collections.abc import Mapping
from typing import Any, Final

from haizea.core.memory import hosts_from
from haizea.core.scheduler import Scheduler
from haizea.model.events import CancelRequested, LeaseAdopted
from haizea.model.lease import Constraints, LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.runtime.ports import PlatformUnavailable, Stranger
from haizea.service import access
from haizea.service.errors import NotFound, Unavailable
from haizea.service.field import Field, asked
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.order_models import AdoptIn, OutcomeOut, StrayOut, StraysOut, VMOut, VMsOut
from haizea.service.orders import Orders, Plan
from haizea.service.principal import Principal
from haizea.service.quotas import ScheduledClaims
from haizea.service.refusals import Attempt
from haizea.service.terms import span_of

ABSENT: Final = "absent"

_DESIRED: Final[Mapping[str, str]] = {"resuming": "resuming", "running": "running"}


class VMs:
    """The verbs of single VMs."""

    def __init__(self, live: Live, lookup: Lookup, orders: Orders, field: Field) -> None:
        self._live = live
        self._lookup = lookup
        self._orders = orders
        self._field = field

    def list(self, who: Principal, lease: int) -> VMsOut:
        """Return the VMs of a lease: where each is, what it is to be doing, and what it was seen doing."""
        row = self._lookup.find(who, "lease.show", lease)
        document = {} if row.final else dict(row.document)
        resources = [demand for count, demand in row.document["terms"]["nodes"] for _ in range(count)]
        desired, hosts = _wanted(row.state, document)
        seen = dict(document.get("seen") or ())
        over = set(document.get("over") or ())
        names = self._live.names
        items = []
        for vm, demand in enumerate(resources, 1):
            state = "stopped" if vm in over else desired
            host = hosts[vm - 1] if vm <= len(hosts) and vm not in over else None
            items.append(
                VMOut(
                    lease=lease,
                    vm=vm,
                    host=None if host is None or host >= len(names) else names[host],
                    desired=state,
                    observed=seen.get(vm, state),
                    resources=demand,
                )
            )
        return VMsOut(items=items)

    # Strays --------------------------------------------------------------------------------------------------

    def strays(self, who: Principal) -> StraysOut:
        """Return the VMs that run on hosts and are no lease's."""
        access.check(who, "scheduler.diff")
        with asked():
            found = self._field.strangers()
        names = self._live.names
        return StraysOut(
            items=[
                StrayOut(
                    name=each.name,
                    host=names[each.host] if each.host < len(names) else str(each.host),
                    resources=dict(each.demand.items()),
                    labels=dict(each.labels),
                )
                for each in sorted(found, key=lambda each: (each.host, each.name))
            ]
        )

    def adopt(self, who: Principal, given: AdoptIn) -> OutcomeOut:
        """Take strays as one lease, which runs where they are.

        Raises:
            NotFound: there are no such strays.
            Conflict: it is refused; says why and what would help.
        """
        about = ", ".join(given.strays[:10])
        with self._live.refusals.kept(who, Attempt("lease.adopt", given.reason, about=about, tried=given.dry_run)):
            return self._adopted(who, given)

    def _adopted(self, who: Principal, given: AdoptIn) -> OutcomeOut:
        access.check(who, "lease.adopt")
        owner = self._live.accounts.for_whom(who, "lease.request", given.owner, given.group)
        strays = self._strays_named(given.strays)
        lease = 0 if given.dry_run else self._live.change(lambda change: change.new_lease())

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            terms = _terms(given, strays, owner)
            groups = [given.group] if given.group else []
            claims = ScheduledClaims(scheduler.desk.leases.values())
            self._live.accounts.check_quota(owner, groups, terms, now, claims)
            hosts = tuple(each.host for each in strays)
            return Plan(
                events=(LeaseAdopted(now, lease, terms, hosts, who.user),),
                kind="lease-adopt",
                subject=f"VM{'s' if len(strays) > 1 else ''} {_listed([each.name for each in strays])}",
                done="adopted as one lease" if given.dry_run else f"adopted as lease {lease}",
                lease=lease,
                several=len(strays) > 1,
                data={"strays": [each.name for each in strays][:100]},
            )

        result = self._orders.give(who, given, planned)
        if not given.dry_run:
            self._tell(lease, strays)
        shown = None if result.row is None else self._lookup.shown(who, result.row)
        return self._orders.outcome(result, given, lease=shown)

    def _strays_named(self, names: "list_[str]") -> "list_[Stranger]":
        """Return strays by their names, those that are alike one after the other."""
        with asked():
            known = {each.name: each for each in self._field.strangers()}
        missing = [name for name in names if name not in known]
        if missing:
            raise NotFound(
                f"there is no stray {missing[0][:128]!r}",
                code="no-stray",
                remedy="GET /v1/strays (haizea stray list) shows them.",
                field="strays",
            )
        return sorted([known[name] for name in dict.fromkeys(names)], key=lambda each: sorted(each.demand.items()))

    def _tell(self, lease: int, strays: "list_[Stranger]") -> None:
        """Have the platform know whose VMs they are; where it cannot, there is no lease."""
        try:
            for vm, each in enumerate(strays, 1):
                self._field.adopt(each.name, lease, vm)
        except (LookupError, PlatformUnavailable) as problem:

            def give_up(change: Change) -> None:
                change.hand_over(CancelRequested(change.now, lease, "the platform, which could not be told"))

            self._live.change(give_up)
            raise Unavailable(
                f"the platform could not be told whose VMs they are: {problem}",
                code="platform-unavailable",
                remedy="Look at the strays again, and adopt those that are there.",
            ) from problem


# The class has a method of that name.
list_ = list


def _wanted(state: str, document: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Return what the VMs of a lease are to be doing, and where."""
    stays = document.get("stays") or []
    stay = stays[0] if stays else None
    if stay is not None and stay["phase"] != "planned":
        hosts = hosts_from(stay["hosts"])
        if stay["phase"] == "ending":
            return "suspending" if stay["suspending"] else "shutting-down", hosts
        return "paused" if state == "paused" else _DESIRED[stay["phase"]], hosts
    if document.get("images") is not None:
        return "suspended", hosts_from(document["images"])
    return ABSENT, ()


def _listed(names: "list_[str]") -> str:
    return ", ".join(names[:10]) + (" and others" if len(names) > 10 else "")


def _terms(given: AdoptIn, strays: "list_[Stranger]", owner: str) -> LeaseTerms:
    nodes: list_[NodeSet] = []
    for each in strays:
        if nodes and nodes[-1].demand == each.demand:
            nodes[-1] = nodes[-1]._replace(count=nodes[-1].count + 1)
        else:
            nodes.append(NodeSet(1, Capacity(dict(each.demand.items()))))
    wishes = given.constraints
    return LeaseTerms(
        nodes=tuple(nodes),
        duration=span_of(given.duration, "duration"),
        preemptible=given.preemptible,
        user=owner,
        group=given.group,
        name=given.name,
        constraints=Constraints(
            tuple(wishes.require.items()), tuple(wishes.exclude.items()), wishes.spread, wishes.together
        ),
    )
