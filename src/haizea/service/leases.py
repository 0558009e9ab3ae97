"""Leases: requesting, listing, showing, cancelling, explaining."""

from collections.abc import Callable, Sequence
from datetime import tzinfo

from haizea.core.scheduler import Scheduler
from haizea.live.records import lease_row
from haizea.model.events import CancelRequested, Event, InstanceObserved, LeaseRequested, Observed, WishesChanged
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.units import Instant
from haizea.plan.lease import Lease
from haizea.runtime.changes import Change
from haizea.runtime.rows import LeaseFilter, LeaseRow
from haizea.service import access
from haizea.service.errors import Conflict, Invalid, Outdated, Unavailable
from haizea.service.instants import read_instant
from haizea.service.journal import may_read
from haizea.service.keys import Keys, check_key, digest_of, withdrawn
from haizea.service.leasexml import request_from_xml
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.models import (
    ExplainOut,
    LeaseChangeIn,
    LeaseOut,
    LeasePage,
    LeaseRequestIn,
    TimelineOut,
)
from haizea.service.order_models import TogetherIn, TogetherOut
from haizea.service.pictures import rehearse
from haizea.service.planning import Planning
from haizea.service.principal import Principal
from haizea.service.quotas import ScheduledClaims
from haizea.service.reads import reading
from haizea.service.refusals import Attempt
from haizea.service.terms import changed, terms_of
from haizea.service.together import Together
from haizea.service.views import entry_out, past_of, plan_of

ORDERS = ("id", "owner", "state", "type", "submitted", "starts", "ends", "vms", "name", "group")
LIMIT_MAX = 1_000
ENTRIES_MAX = 1_000


STATES = tuple(state.label for state in LeaseState)
TYPES = tuple(kind.value for kind in LeaseType)


class Leases:
    """The verbs of leases."""

    def __init__(
        self,
        live: Live,
        lookup: Lookup,
        planning: Planning,
        zone: tzinfo,
        progress: Callable[[int], tuple[str, int] | None],
    ) -> None:
        """``zone`` is what times of 1.x clients are in; ``progress`` says which operation of a lease is how far."""
        self._progress = progress
        self._live = live
        self._lookup = lookup
        self._planning = planning
        self._zone = zone
        self._keys = Keys(live)
        self._together = Together(live, lookup, self._keys)

    def request(self, who: Principal, request: LeaseRequestIn, *, key: str | None = None) -> LeaseOut:
        """Request a lease; the same ``key`` of the same owner gives the same one.

        A refused request is a lease too, in state rejected, with the reason; one that nobody may make, or that no quota
        allows, is none, and only kept in the journal.
        """
        with self._live.refusals.kept(who, Attempt("lease.request", about=request.name)):
            return self._request(who, request, key)

    def _request(self, who: Principal, request: LeaseRequestIn, key: str | None) -> LeaseOut:
        live = self._live
        owner = live.accounts.for_whom(who, "lease.request", request.owner, request.group)
        live.accounts.check_priority(who, request.priority)
        check_key(key)
        digest = digest_of(request)

        def job(change: Change) -> LeaseRow | None:
            if key is not None:
                known = self._keys.known(owner, key, digest)
                row = None if known is None else change.row(known)
                if row is not None and not withdrawn(row):
                    return row
            terms = terms_of(request, owner, change.now)
            claims = ScheduledClaims(change.scheduler.desk.leases.values())
            groups = [request.group] if request.group else []
            live.accounts.check_quota(owner, groups, terms, change.now, claims)
            lease = change.new_lease()
            if key is not None:
                self._keys.remember(change, owner, key, digest, lease)
            change.note("lease-requested", who.user, f"Lease {lease} was requested.", lease=lease)
            change.hand_over(LeaseRequested(change.now, lease, terms))
            change.then(lambda: change.row(lease))
            return None

        try:
            row = live.change(job)
        except Unavailable:
            if key is not None:
                self._keys.forget(owner, key)
            raise
        if row is None:
            raise Unavailable("the lease was decided upon, but cannot be read at the moment", retry_after_s=1)
        return self._lookup.shown(who, row)

    def request_together(self, who: Principal, wanted: TogetherIn, *, key: str | None = None) -> TogetherOut:
        """Request leases that start together: all of them, or none."""
        with self._live.refusals.kept(
            who, Attempt("lease.request", wanted.reason, about="several together", tried=wanted.dry_run)
        ):
            return self._together.request(who, wanted, key=key)

    def list(
        self,
        who: Principal,
        *,
        states: Sequence[str] = (),
        types: Sequence[str] = (),
        owner: str | None = None,
        group: str | None = None,
        name: str | None = None,
        active: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        order: str = "id",
        limit: int = 100,
        offset: int = 0,
    ) -> LeasePage:
        """Return part of the leases."""
        access.check(who, "lease.list", owner=who.user)
        if order.removeprefix("-") not in ORDERS:
            raise Invalid(f"order: expected one of {', '.join(ORDERS)}, with - in front for descending", field="order")
        if not 1 <= limit <= LIMIT_MAX or offset < 0:
            raise Invalid(f"limit: expected 1 to {LIMIT_MAX}; offset: 0 or more", field="limit")
        _known("state", states, STATES)
        _known("type", types, TYPES)
        now = self._live.now()
        wanted = LeaseFilter(
            states=tuple(states),
            types=tuple(types),
            owner=owner,
            group=group,
            name=name,
            active=active,
            since=None if since is None else read_instant(since, now, "since"),
            until=None if until is None else read_instant(until, now, "until"),
            order=order,
        )
        with reading():
            rows = self._live.store.leases(wanted, limit=limit, offset=offset)
            total = self._live.store.count_leases(wanted)
        return LeasePage(total=total, limit=limit, offset=offset, items=[self._lookup.shown(who, row) for row in rows])

    def show(self, who: Principal, lease: int) -> LeaseOut:
        """Return a lease, and how far what takes long with it is."""
        shown = self._lookup.show(who, lease)
        under_way = self._progress(lease)
        if under_way is None:
            return shown
        verb, permille = under_way
        return shown.model_copy(update={"progress": f"{verb} {permille / 10:.0f} %"})

    def explain(self, who: Principal, lease: int) -> ExplainOut:
        """Return why a lease is where it is, when it is expected to start, and what could be had instead."""
        return self._planning.explain(who, lease)

    def timeline(self, who: Principal, lease: int) -> TimelineOut:
        """Return what happened to a lease, what is planned, and what the journal says."""
        row = self._lookup.find(who, "lease.timeline", lease)
        with reading():
            entries = self._live.store.entries(0, limit=ENTRIES_MAX, lease=lease)
        names = self._live.names
        return TimelineOut(
            lease=lease,
            past=past_of(row.document, names),
            plan=[] if row.final else plan_of(row.document, names),
            entries=[entry_out(entry) for entry in entries if may_read(who, entry)],
        )

    def cancel(
        self, who: Principal, lease: int, *, reason: str = "", dry_run: bool = False, version: int | None = None
    ) -> LeaseOut:
        """Cancel a lease, whatever it is doing; with ``version``, only if it has not changed since it was seen."""
        with self._live.refusals.kept(who, Attempt("lease.cancel", reason, lease, tried=dry_run)):
            return self._cancel(who, lease, reason, dry_run, version)

    def _cancel(self, who: Principal, lease: int, reason: str, dry_run: bool, version: int | None) -> LeaseOut:
        row = self._lookup.find(who, "lease.cancel", lease)
        if row.final or dry_run:
            _unchanged(row, version)
        if row.final:
            raise Conflict(f"lease {lease} is over: it is {row.state}", code="lease-over", facts={"state": row.state})
        if dry_run:
            return self._tried(who, lease, lambda _, now: CancelRequested(now, lease, who.user))

        def job(change: Change) -> LeaseRow | None:
            if lease not in change.scheduler.desk.leases:
                raise Conflict(f"lease {lease} is over", code="lease-over")
            _unchanged(change.row(lease), version)
            text = f"{who.user} cancelled lease {lease}" + (f": {reason}" if reason else ".")
            change.note("lease-cancel", who.user, text, lease=lease, data={"reason": reason})
            change.hand_over(CancelRequested(change.now, lease, f"{who.user}: {reason}" if reason else who.user))
            change.then(lambda: change.row(lease))
            return None

        return self._lookup.shown(who, self._live.change(job) or row)

    def change(self, who: Principal, lease: int, wanted: LeaseChangeIn, *, version: int | None = None) -> LeaseOut:
        """Change what a lease wishes for; with ``version``, only if it has not changed since it was seen."""
        with self._live.refusals.kept(who, Attempt("lease.change", wanted.reason, lease, tried=wanted.dry_run)):
            return self._change(who, lease, wanted, version)

    def _change(self, who: Principal, lease: int, wanted: LeaseChangeIn, version: int | None) -> LeaseOut:
        row = self._lookup.find(who, "lease.change", lease)
        if wanted.dry_run:
            _unchanged(row, version)
            return self._tried(who, lease, lambda of, now: WishesChanged(now, lease, changed(of.terms, wanted)))

        def job(change: Change) -> LeaseRow | None:
            present = change.scheduler.desk.leases.get(lease)
            if present is None:
                raise Conflict(f"lease {lease} is over", code="lease-over")
            _unchanged(change.row(lease), version)
            terms = changed(present.terms, wanted)
            said = wanted.model_dump(exclude_unset=True)
            text = f"{who.user} changed lease {lease}" + (f": {wanted.reason}" if wanted.reason else ".")
            change.note("lease-change", who.user, text, lease=lease, data=said)
            change.hand_over(WishesChanged(change.now, lease, terms))
            change.then(lambda: change.row(lease))
            return None

        return self._lookup.shown(who, self._live.change(job) or row)

    def _tried(self, who: Principal, lease: int, event: Callable[[Lease, Instant], Event]) -> LeaseOut:
        """Return how a lease would be after an event, which is tried on a copy of the schedule."""

        def job(scheduler: Scheduler) -> LeaseRow:
            present = scheduler.desk.leases.get(lease)
            if present is None:
                raise Conflict(f"lease {lease} is over", code="lease-over")
            found = rehearse(scheduler, [event(present, scheduler.desk.now)])
            other = found.scheduler.desk
            return lease_row(found.retired.get(lease) or other.leases[lease], other, 0)

        return self._lookup.shown(who, self._live.look(job))

    def observed(self, who: Principal, lease: int, vm: int, observed: Observed) -> None:
        """Report that a VM of a lease, or with 0 all of them, was seen in a state."""
        with self._live.refusals.kept(who, Attempt("lease.observed", lease=lease)):
            self._observed(who, lease, vm, observed)

    def _observed(self, who: Principal, lease: int, vm: int, observed: Observed) -> None:
        row = self._lookup.find(who, "lease.observed", lease)
        if not 0 <= vm <= row.vms:
            raise Invalid(f"lease {lease} has VMs 1 to {row.vms}; 0 stands for all of them", field="vm")

        def job(change: Change) -> None:
            text = f"{who.user} reports a VM of lease {lease} to be {observed.value}."
            change.note("observed", who.user, text, lease=lease, data={"vm": vm, "observed": observed.value})
            change.hand_over(InstanceObserved(change.now, lease, vm, observed))

        self._live.change(job)

    # 1.x -----------------------------------------------------------------------------------------------------

    def xml(self, who: Principal, lease: int) -> str:
        """Return a lease as Haizea 1.x wrote it."""
        return self._lookup.xml(self.show(who, lease))

    def list_xml(self, who: Principal) -> "Sequence[str]":
        """Return the leases that are not over, as Haizea 1.x wrote them."""
        found: list[str] = []
        while True:
            page = self.list(who, active=True, limit=LIMIT_MAX, offset=len(found))
            found += [self._lookup.xml(lease) for lease in page.items]
            if len(page.items) < LIMIT_MAX:
                return found

    def request_xml(self, who: Principal, xml: str) -> LeaseOut:
        """Request a lease that is written as Haizea 1.x wrote it."""
        return self.request(who, request_from_xml(xml, self._live.now(), self._zone))


def _known(field: str, given: Sequence[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise Invalid(f"there is no {field} {name[:64]!r}; there are {', '.join(known)}", field=field)


def _unchanged(row: LeaseRow | None, version: int | None) -> None:
    """Check that a lease is still of a version.

    Raises:
        Outdated: it is not.
    """
    if version is not None and row is not None and row.version != version:
        raise Outdated(
            f"lease {row.id} has changed since: its version is {row.version}, not {version}",
            remedy="Look at it again, and decide anew.",
            facts={"version": row.version},
        )
