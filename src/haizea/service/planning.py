"""What would be and what is planned: dry runs, offers, the queue, the schedule, what is free when."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from haizea.core.desk import place
from haizea.core.memory import hosts_from
from haizea.core.outlook import Outlook
from haizea.core.reasons import instant
from haizea.core.scheduler import Scheduler
from haizea.experiments.records import ranges, vms_by_host
from haizea.model.events import CancelRequested, LeaseRequested
from haizea.model.lease import LeaseTerms, LeaseType
from haizea.model.units import DAY, FAR_FUTURE, HOUR, MINUTE, SECOND, Instant
from haizea.plan.lease import Lease, Stay
from haizea.policy.money import money_text
from haizea.runtime.changes import Change
from haizea.runtime.rows import LeaseFilter, LeaseRow, OfferRow
from haizea.service import access
from haizea.service.errors import Conflict, Invalid, NotFound
from haizea.service.explaining import LEASES_MAX, Waiting, sooner, waiting_of
from haizea.service.instants import iso, iso_or_none, read_instant
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.models import (
    AffectedOut,
    BarOut,
    CalendarOut,
    ExplainOut,
    LeaseOut,
    LeaseRequestIn,
    OfferOut,
    OffersOut,
    QueueItemOut,
    QueueOut,
    SampleOut,
    ScheduleOut,
    VerdictOut,
)
from haizea.service.principal import Principal
from haizea.service.quotas import ScheduledClaims
from haizea.service.reads import reading
from haizea.service.refusals import Attempt
from haizea.service.terms import terms_of
from haizea.service.views import lease_out, reason_of, reason_out, reason_waiting, seconds, stay_out

HELD_FOR: Final = 5 * MINUTE
"""How long an offer is held, in real time."""
LOOK_AHEAD: Final = 2 * HOUR
QUEUE_MAX: Final = 1_000
BARS_MAX: Final = 20_000
SAMPLES_MAX: Final = 2_000
SPAN_MAX: Final = 400 * DAY
_LEAST_SHORTER: Final = MINUTE


class _Alternative(NamedTuple):
    kind: str
    text: str
    terms: LeaseTerms
    request: LeaseRequestIn
    outlook: Outlook


class Planning:
    """The verbs that look ahead."""

    def __init__(self, live: Live, lookup: Lookup) -> None:
        self._live = live
        self._lookup = lookup

    # Requests that are only thought of -----------------------------------------------------------------------

    def dry_run(self, who: Principal, request: LeaseRequestIn) -> VerdictOut:
        """Return what would become of a request."""
        owner = self._live.accounts.for_whom(who, "lease.dry-run", request.owner, request.group)
        self._live.accounts.check_priority(who, request.priority)

        def job(scheduler: Scheduler) -> VerdictOut:
            terms = self._terms(scheduler, request, owner)
            return self._verdict(scheduler, scheduler.prospect.of(terms))

        return self._live.look(job)

    def offers(self, who: Principal, request: LeaseRequestIn, *, hold: bool = False) -> OffersOut:
        """Return what would become of a request and, if it would be refused, what could be had instead."""
        verb = "offer.hold" if hold else "offer.list"
        owner = self._live.accounts.for_whom(who, verb, request.owner, request.group)
        self._live.accounts.check_priority(who, request.priority)

        def job(scheduler: Scheduler) -> tuple[VerdictOut, list[_Alternative], list[VerdictOut]]:
            terms = self._terms(scheduler, request, owner)
            outlook = scheduler.prospect.of(terms)
            found = [] if outlook.accepted else list(_alternatives(scheduler, request, terms, outlook))
            verdicts = [self._verdict(scheduler, each.outlook) for each in found]
            return self._verdict(scheduler, outlook), found, verdicts

        verdict, found, verdicts = self._live.look(job)
        offers = [self._offer(who, each, of, hold) for each, of in zip(found, verdicts, strict=True)]
        return OffersOut(verdict=verdict, offers=offers)

    def _terms(self, scheduler: Scheduler, request: LeaseRequestIn, owner: str) -> LeaseTerms:
        now = scheduler.desk.now
        terms = terms_of(request, owner, now)
        claims = ScheduledClaims(scheduler.desk.leases.values())
        groups = [request.group] if request.group else []
        self._live.accounts.check_quota(owner, groups, terms, now, claims)
        return terms

    def _offer(self, who: Principal, found: _Alternative, verdict: VerdictOut, hold: bool) -> OfferOut:
        offer, expires = None, None
        if hold and found.terms.start is not None and found.outlook.accepted:
            offer, expires = self._hold(who, found)
        return OfferOut(
            id=offer, kind=found.kind, text=found.text, request=found.request, verdict=verdict, expires=expires
        )

    def _hold(self, who: Principal, found: _Alternative) -> tuple[str | None, str | None]:
        """Book what is offered for a while; return its id and when it expires, or nothing if it is gone already."""
        offer = secrets.token_urlsafe(12)

        def job(change: Change) -> OfferRow | None:
            lease = change.new_lease()
            start = found.terms.start or change.now
            held_for = round(HELD_FOR * self._live.time_scale)
            expires = min(change.now + held_for, max(change.now, start - SECOND))
            row = OfferRow(offer, found.terms.user, lease, expires, {"kind": found.kind, "text": found.text})
            change.note("offer-held", who.user, f"Lease {lease} is held as an offer until {iso(expires)}.", lease=lease)
            change.hand_over(LeaseRequested(change.now, lease, found.terms))

            def finish() -> OfferRow | None:
                if lease not in change.scheduler.desk.leases:
                    return None
                change.transaction.put_offer(row)
                return row

            change.then(finish)
            return None

        row = self._live.change(job)
        return (None, None) if row is None else (row.id, iso(row.expires))

    def accept(self, who: Principal, offer_id: str) -> LeaseOut:
        """Take an offer that is held: it is a lease like any other from now on."""
        with self._live.refusals.kept(who, Attempt("offer.accept", about=f"offer {offer_id}")):
            return self._accept(who, offer_id)

    def _accept(self, who: Principal, offer_id: str) -> LeaseOut:
        row = self._find(who, "offer.accept", offer_id)

        def job(change: Change) -> LeaseRow | None:
            if row.expires <= change.now:
                raise Conflict(f"the offer {offer_id} has expired", code="offer-expired", remedy="Ask for offers anew.")
            change.transaction.delete_offer(offer_id)
            change.note("offer-accepted", who.user, f"{who.user} accepted lease {row.lease}.", lease=row.lease)
            return change.row(row.lease)

        self._live.change(job)
        return self._lookup.show(who, row.lease)

    def decline(self, who: Principal, offer_id: str) -> None:
        """Let go of an offer that is held."""
        with self._live.refusals.kept(who, Attempt("offer.decline", about=f"offer {offer_id}")):
            row = self._find(who, "offer.decline", offer_id)
        self._live.change(lambda change: _let_go(change, row, who.user))

    def expire(self, change: Change) -> None:
        """Let go of offers that nobody has accepted in time."""
        with reading():
            due = [row for row in self._live.store.offers() if row.expires <= change.now]
        for row in due:
            _let_go(change, row, "haizea")

    def _find(self, who: Principal, verb: str, offer_id: str) -> OfferRow:
        with reading():
            row = next((row for row in self._live.store.offers() if row.id == offer_id), None)
        if row is None:
            raise NotFound(f"there is no offer {offer_id[:64]!r}", remedy="It may have expired; ask for offers anew.")
        access.check(who, verb, owner=row.owner, what=f"offer {offer_id}")
        return row

    def _verdict(self, scheduler: Scheduler, outlook: Outlook) -> VerdictOut:
        desk, stay = scheduler.desk, outlook.stay
        return VerdictOut(
            accepted=outlook.accepted,
            state=outlook.state.label,
            starts=None if stay is None else iso(stay.start),
            ends=None if stay is None or stay.end >= FAR_FUTURE else iso(stay.end),
            plan=[] if stay is None else [stay_out(stay, desk.table, self._live.names)],
            price=None if outlook.price is None else money_text(outlook.price),
            affected=[
                AffectedOut(
                    lease=each.lease.id,
                    owner=each.lease.terms.user,
                    how="suspended" if each.suspended else "starts over",
                    before=_ends(each.lease.stays),
                    after=None if stay is None else iso(stay.start),
                )
                for each in outlook.affected
            ],
            reason=None if outlook.reason is None else reason_out(outlook.reason),
        )

    # The queue -----------------------------------------------------------------------------------------------

    def queue(self, who: Principal) -> QueueOut:
        """Return who waits, in order, with when each is expected to start."""
        access.check(who, "queue.show", owner=who.user)

        def job(scheduler: Scheduler) -> QueueOut:
            desk = scheduler.desk
            expected = scheduler.prospect.forecast()
            waiting = sorted([*desk.queue, *desk.reserved], key=lambda lease: (*place(lease), lease.order))
            items = []
            for position, lease in enumerate(waiting[:QUEUE_MAX], 1):
                stay = lease.stays[0] if lease.stays else expected.get(lease.id)
                items.append(_waiting(position, lease, desk.now, None if stay is None else stay.start))
            return QueueOut(total=len(waiting), items=items)

        return self._live.look(job)

    def queue_xml(self, who: Principal) -> list[str]:
        """Return the leases that wait, as Haizea 1.x wrote them."""
        return [self._lookup.xml(self._lookup.show(who, item.lease)) for item in self.queue(who).items]

    def explain(self, who: Principal, lease: int) -> ExplainOut:
        """Return why a lease is where it is, when it is expected to start, and what could be had instead."""
        row = self._lookup.find(who, "lease.explain", lease)
        reason = reason_of(row)

        found, present = Waiting(None, [], ""), None
        if not row.final:
            found, present = self._live.look(lambda scheduler: (waiting_of(scheduler, lease), _copied(scheduler)))
        suggestions: list[OfferOut] = []
        if row.state == "rejected" and access.may(who, "offer.list", owner=row.owner, group=row.group):
            shown = lease_out(row, self._live.names, private=False)
            suggestions = self.offers(who, _request_of(shown)).offers
        text = f"Lease {lease} is {row.state}."
        for more in (found.kept, "" if reason is None else reason.text):
            text += f" {more}" if more else ""
        if found.start is not None:
            text += f" It is expected to start at {iso(found.start)} at the latest, if all run for as long as they "
            text += "asked for."
        text += f" {found.why}" if found.why else ""
        in_the_way = sorted({*(reason.leases if reason is not None else []), *found.ahead})
        return ExplainOut(
            lease=lease,
            state=row.state,
            text=text,
            reason=reason,
            expected_start=iso_or_none(found.start),
            in_the_way=in_the_way,
            suggestions=suggestions,
            sooner=[] if present is None else sooner(present, lease),
        )

    # Time ----------------------------------------------------------------------------------------------------

    def schedule(self, who: Principal, *, start: str | None, end: str | None) -> ScheduleOut:
        """Return what ran, runs and is to run on which host.

        By default from an hour ago until all that is planned within a day is over, and two hours ahead at least.
        """
        access.check(who, "schedule.show", owner=who.user)
        now = self._live.now()
        begin, until = self._interval(start, end, now, HOUR, DAY)
        if end is None:
            with reading():
                last = self._live.store.leases(LeaseFilter(active=True, until=until, order="-ends"), limit=1)
            ends = [row.ends for row in last if row.ends is not None]
            until = min(until, max([now + LOOK_AHEAD, begin + HOUR, *[each + MINUTE for each in ends]]))
        bars: list[BarOut] = []
        with reading():
            rows = self._live.store.leases(LeaseFilter(since=begin, until=until), limit=BARS_MAX)
        for row in rows:
            bars += _bars(row, begin, until)
            if len(bars) > BARS_MAX:
                raise Invalid("too much is planned then to be shown at once; ask for a shorter time", field="end")
        return ScheduleOut(now=iso(now), start=iso(begin), end=iso(until), hosts=self._live.names, bars=bars)

    def calendar(self, who: Principal, *, start: str | None, end: str | None) -> CalendarOut:
        """Return how much is used and free over time, as steps, by default from now until a week ahead."""
        access.check(who, "calendar.show", owner=who.user)
        begin, until = self._interval(start, end, self._live.now(), 0, 7 * DAY)
        types = self._live.site.resource_types
        total = {name: self._live.site.total(name) for name in types}

        def job(scheduler: Scheduler) -> list[SampleOut]:
            return list(_samples(scheduler, max(begin, scheduler.desk.now), until, total))

        return CalendarOut(total=total, samples=self._live.look(job))

    def _interval(
        self, start: str | None, end: str | None, now: Instant, before: int, after: int
    ) -> tuple[Instant, Instant]:
        begin = now - before if start is None else read_instant(start, now, "start")
        until = now + after if end is None else read_instant(end, now, "end")
        if not begin < until or until - begin > SPAN_MAX:
            raise Invalid("the end must be after the start, and at most 400 days after it", field="end")
        return begin, until


def _copied(scheduler: Scheduler) -> Scheduler | None:
    """Return a copy to try things on, where there are not too many leases for that."""
    return scheduler.copy() if len(scheduler.desk.leases) <= LEASES_MAX else None


def _let_go(change: Change, row: OfferRow, actor: str) -> None:
    change.transaction.delete_offer(row.id)
    change.note("offer-released", actor, f"The offer of lease {row.lease} was let go of.", lease=row.lease)
    change.hand_over(CancelRequested(change.now, row.lease, "nobody, who accepted the offer"))


def _ends(stays: list[Stay]) -> str | None:
    return iso(stays[0].end) if stays and stays[0].end < FAR_FUTURE else None


def _alternatives(
    scheduler: Scheduler, request: LeaseRequestIn, terms: LeaseTerms, refused: Outlook
) -> Iterator[_Alternative]:
    """Yield what could be had instead of what was refused: later, smaller, shorter, or whenever there is room."""
    prospect = scheduler.prospect
    retry = None if refused.reason is None else refused.reason.retry_at
    if retry is not None:
        later = terms._replace(start=retry, immediate=False, deadline=None)
        outlook = prospect.of(later)
        if outlook.accepted:
            changed = request.model_copy(update={"start": instant(retry), "deadline": None})
            yield _Alternative("later", f"The same from {instant(retry)} on.", later, changed, outlook)
    if len(terms.nodes) == 1 and terms.nodes[0].count > 1:
        count = _most(1, terms.nodes[0].count - 1, lambda n: prospect.of(_with_count(terms, n)).accepted)
        if count:
            smaller = _with_count(terms, count)
            nodes = [request.nodes[0].model_copy(update={"count": count})]
            changed = request.model_copy(update={"nodes": nodes})
            text = f"{count} VM{'s' if count > 1 else ''} instead of {terms.nodes[0].count}."
            yield _Alternative("smaller", text, smaller, changed, prospect.of(smaller))
    if terms.duration is not None and terms.duration > _LEAST_SHORTER and terms.deadline is None:
        minutes = _most(
            1, (terms.duration - 1) // MINUTE, lambda n: prospect.of(terms._replace(duration=n * MINUTE)).accepted
        )
        if minutes:
            shorter = terms._replace(duration=minutes * MINUTE)
            changed = request.model_copy(update={"duration": float(minutes * 60)})
            text = f"{minutes} minutes instead of {terms.duration // MINUTE}."
            yield _Alternative("shorter", text, shorter, changed, prospect.of(shorter))
    if terms.type is not LeaseType.BEST_EFFORT:
        whenever = terms._replace(start=None, immediate=False, deadline=None, preemptible=True)
        outlook = prospect.of(whenever)
        if outlook.accepted:
            text = "As soon as there is room, and others may go before it."
            if outlook.stay is not None:
                text += f" It is expected to start at {instant(outlook.stay.start)}."
            changed = request.model_copy(update={"start": None, "deadline": None, "preemptible": True})
            yield _Alternative("preemptible", text, whenever, changed, outlook)


def _with_count(terms: LeaseTerms, count: int) -> LeaseTerms:
    return terms._replace(nodes=(terms.nodes[0]._replace(count=count),))


def _most(least: int, most: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number that fits, found by halving; 0 where not even the least does."""
    if most < least or not fits(least):
        return 0
    while least < most:
        middle = (least + most + 1) // 2
        if fits(middle):
            least = middle
        else:
            most = middle - 1
    return least


def _waiting(position: int, lease: Lease, now: Instant, start: Instant | None) -> QueueItemOut:
    """Return a lease that waits."""
    terms = lease.terms
    return QueueItemOut(
        position=position,
        lease=lease.id,
        name=terms.name,
        owner=terms.user,
        vms=lease.need.vms,
        state=lease.state.label,
        submitted=iso(lease.submitted),
        waiting_s=seconds(max(0, now - lease.submitted)),
        expected_start=iso_or_none(start),
        reason=reason_waiting(lease),
        priority=terms.priority,
    )


def _request_of(lease: LeaseOut) -> LeaseRequestIn:
    """Return the request that a lease once was."""
    return LeaseRequestIn.model_validate(
        {
            "nodes": [{"count": each.count, "resources": each.resources} for each in lease.nodes],
            "duration": "unlimited" if lease.duration_s is None else lease.duration_s,
            "start": lease.start,
            "deadline": lease.deadline,
            "preemptible": lease.preemptible,
            "software": lease.software,
            "name": lease.name,
            "group": lease.group,
            "owner": lease.owner,
            "constraints": lease.constraints,
            "extra": lease.extra,
            "priority": lease.priority,
        }
    )


def _bars(row: LeaseRow, begin: Instant, until: Instant) -> Iterator[BarOut]:
    document: dict[str, Any] = dict(row.document)
    spans: list[tuple[str, Instant, Instant, Any]] = [
        (kind, start, end, runs) for kind, start, end, _outcome, runs, _copies, *_sized in document["log"]
    ]
    for stay in [] if row.final else document["stays"]:
        phase = stay["phase"]
        if stay["resuming"] and phase in ("planned", "resuming"):
            spans.append(("resume", stay["start"], stay["run_start"], stay["hosts"]))
        if phase != "ending":
            spans.append(("run", stay["run_start"], stay["run_end"], stay["hosts"]))
        kind = "suspend" if stay["suspending"] else "shutdown"
        spans.append((kind, stay["run_end"], stay["end"], stay["hosts"]))
    for kind, start, end, runs in spans:
        if start < end and start < until and end > begin:
            for host, vms in vms_by_host(hosts_from(runs)).items():
                yield BarOut(
                    host=host,
                    lease=row.id,
                    type=row.type,
                    kind=kind,
                    start=iso(start),
                    end=None if end >= FAR_FUTURE else iso(end),
                    vms=ranges(vms),
                )


def _samples(scheduler: Scheduler, begin: Instant, until: Instant, total: dict[str, int]) -> Iterator[SampleOut]:
    """Yield what is free at each instant at which that changes."""
    desk = scheduler.desk
    instants = {begin}
    changes: dict[Instant, dict[str, int]] = {}
    for lease in desk.leases.values():
        for stay in lease.stays:
            start, end = max(stay.start, begin), min(stay.end, until)
            if start >= end:
                continue
            instants |= {start, end}
            for count, demand in zip(lease.need.counts, lease.need.demands, strict=True):
                for name, amount in demand.items():
                    for at, sign in ((start, 1), (end, -1)):
                        step = changes.setdefault(at, {})
                        step[name] = step.get(name, 0) + sign * amount * count
    used = dict.fromkeys(total, 0)
    for number, at in enumerate(sorted(instants)):
        for name, amount in changes.get(at, {}).items():
            used[name] = used.get(name, 0) + amount
        if at < until and number < SAMPLES_MAX:
            free = {name: total[name] - used[name] for name in total}
            yield SampleOut(at=iso(at), used={name: used[name] for name in total}, free=free)
