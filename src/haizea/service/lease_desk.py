"""Orders about leases, as front ends give them."""

from haizea.core.scheduler import Scheduler
from haizea.model.orders import StartAt
from haizea.model.units import Instant
from haizea.runtime.rows import LeaseRow
from haizea.service import access
from haizea.service.allowance import check_change
from haizea.service.errors import Conflict, NotFound, Outdated
from haizea.service.lease_orders import BY_VERB, Case, LeaseVerb, Wish, event_of, terms_after
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.order_models import OrderIn, OutcomeOut
from haizea.service.orders import Orders, Plan
from haizea.service.principal import Principal
from haizea.service.refusals import Attempt


class LeaseDesk:
    """Takes orders about leases and their VMs."""

    def __init__(self, live: Live, lookup: Lookup, orders: Orders) -> None:
        self._live = live
        self._lookup = lookup
        self._orders = orders

    def order(
        self, who: Principal, verb: str, lease: int, given: OrderIn, *, vm: int = 0, version: int | None = None
    ) -> OutcomeOut:
        """Give an order about a lease, or one of its VMs; ``verb`` is that of :mod:`haizea.service.access`.

        With ``version``, only if the lease has not changed since it was seen.

        Raises:
            Conflict: the lease is over, is of another version, or the order is refused; says why and what would help.
        """
        about = f"VM {vm} of lease {lease}" if vm else ""
        attempt = Attempt(verb, given.reason, lease, about=about, tried=given.dry_run)
        with self._live.refusals.kept(who, attempt):
            return self._ordered(who, verb, lease, given, vm, version)

    def _ordered(
        self, who: Principal, verb: str, lease: int, given: OrderIn, vm: int, version: int | None
    ) -> OutcomeOut:
        row = self._lookup.find(who, verb, lease)
        named = BY_VERB[verb]
        if named.of_vm and not 1 <= vm <= row.vms:
            raise NotFound(f"lease {lease} has VMs 1 to {row.vms}, and so no VM {vm}", code="no-vm", field="vm")

        def planned(scheduler: Scheduler, now: Instant) -> Plan:
            present = scheduler.desk.leases.get(lease)
            if present is None:
                raise self._over(row)
            if version is not None:
                self._check_version(lease, version)
            return self._plan(who, named, Case(present, vm, scheduler.desk.site, now), given, scheduler)

        if row.final:
            raise self._over(row)
        result = self._orders.give(who, given, planned)
        return self._orders.outcome(result, given, lease=self._lookup.shown(who, result.row or row))

    def _plan(self, who: Principal, named: LeaseVerb, case: Case, given: OrderIn, scheduler: Scheduler) -> Plan:
        lease = case.lease
        order = named.order(case, given)
        terms = terms_after(lease, order, case.now)
        if isinstance(order, Wish) and order.terms.user != lease.terms.user:
            self._live.accounts.for_whom(who, named.verb, order.terms.user, order.terms.group, field="to")
        # Whoever may change a quota need not do so to go past it; but who is given a lease has not asked for it.
        if terms is not None and (isinstance(order, Wish) or not access.may(who, "quota.put")):
            anew = isinstance(order, StartAt)
            check_change(self._live.accounts, lease, terms, scheduler.desk.leases.values(), case.now, anew=anew)
        sent = given.model_dump(mode="json", exclude_unset=True, exclude={"reason", "dry_run"})
        of_vm = {"vm": case.vm} if named.of_vm else {}
        return Plan(
            events=(event_of(order, case, who.user, given.reason),),
            kind=named.verb.replace(".", "-"),
            subject=f"VM {case.vm} of lease {lease.id}" if named.of_vm else f"lease {lease.id}",
            done=named.done(order),
            lease=lease.id,
            data={**sent, **of_vm},
        )

    def _check_version(self, lease: int, version: int) -> None:
        present = self._live.store.lease(lease)
        if present is not None and present.version != version:
            raise Outdated(
                f"lease {lease} has changed since: its version is {present.version}, not {version}",
                remedy="Look at it again, and decide anew.",
                facts={"version": present.version},
            )

    def _over(self, row: LeaseRow) -> Conflict:
        state = f": it is {row.state}" if row.final else ""
        return Conflict(
            f"lease {row.id} is over{state}",
            code="lease-over",
            remedy="Request a new lease.",
            facts={"state": row.state} if row.final else {},
        )
