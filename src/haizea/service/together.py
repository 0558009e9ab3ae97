"""Leases that start together, or not at all.

It is tried on a copy of the schedule, in the step in which it is decided upon: only where all of them are accepted
there are they requested in earnest. What else comes in that very step, a host that is lost, may still be in their way:
then those that were accepted are cancelled. Which instant those without a start of their own could have is looked for
on copies too, in the thread of whoever asks and within limits, so that nobody else waits for it.
"""

import time
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from haizea.core.desk import Retired
from haizea.core.memory import reason_of
from haizea.core.scheduler import Scheduler
from haizea.live.records import lease_row
from haizea.model.events import CancelRequested, Event, LeaseRequested, TimePassed
from haizea.model.lease import LeaseState, LeaseTerms
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, MINUTE, Instant
from haizea.runtime.changes import Change
from haizea.runtime.rows import LeaseRow
from haizea.service.errors import Conflict, Unavailable
from haizea.service.instants import iso
from haizea.service.keys import Keys, check_key, digest_of, withdrawn
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.models import LeaseRequestIn
from haizea.service.order_models import TogetherIn, TogetherOut
from haizea.service.pictures import affected, picture
from haizea.service.principal import Principal
from haizea.service.quotas import ClaimsBefore, ScheduledClaims
from haizea.service.terms import annotated, terms_of
from haizea.service.views import reason_out

TOGETHER: Final = "together"
"""The name under which a lease carries the numbers of those that start with it."""
TRIED_MAX: Final = 200
LEASES_MAX: Final = 10
TIME_MAX_S: Final = 10.0
"""Of real time, for looking for an instant."""
ROUNDS_MAX: Final = 3
"""How often an instant is looked for anew because what was found had gone to somebody else."""

_NEW: Final = 1 << 52
"""Numbers of leases that are only tried begin here."""
_REJECTED: Final = (LeaseState.REJECTED.label, LeaseState.REJECTED_BY_USER.label)
_SPARED: Final = frozenset({"earlier", "moved", "longer"})


class _Asked(NamedTuple):
    request: LeaseRequestIn
    owner: str


class _Group(NamedTuple):
    """What is asked for. ``fixed``: those at these places have a start of their own; ``now``: now, or never."""

    leases: tuple[_Asked, ...]
    fixed: frozenset[int]
    now: bool

    def order(self) -> list[int]:
        """Return the places of all in the order in which they are decided upon: first those with a start."""
        return sorted(range(len(self.leases)), key=lambda index: index not in self.fixed)

    def terms(self, now: Instant, at: Instant) -> list[LeaseTerms]:
        """Return the terms of all, with an instant for those that have no start of their own."""
        found = []
        for index, (request, owner) in enumerate(self.leases):
            terms = terms_of(request, owner, now)
            if index not in self.fixed:
                terms = terms._replace(start=at, immediate=False, preemptible=bool(request.preemptible))
            found.append(terms)
        return found


class _No(NamedTuple):
    """Which of a group cannot be had, by its place in it, and why."""

    place: int
    reason: Reason


class Together:
    """Requests leases that start together."""

    def __init__(self, live: Live, lookup: Lookup, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` gives the seconds by which a search is given up."""
        self._clock = clock
        self._live = live
        self._lookup = lookup
        self._keys = keys

    def request(self, who: Principal, wanted: TogetherIn, *, key: str | None = None) -> TogetherOut:
        """Request leases that start together; the same ``key`` of the same user gives the same ones.

        Raises:
            Conflict: not all of them can be had; none is kept.
            QuotaExceeded: together they do not fit into a quota.
        """
        check_key(key)
        group = self._group(who, wanted)
        at: Instant = 0
        for tries_left in reversed(range(ROUNDS_MAX)):
            found = self._tried(group, at) if wanted.dry_run else self._decide(who, wanted, group, at, key)
            if not isinstance(found, _No):
                if not wanted.dry_run:
                    self._check_decided(who, group, found)
                return TogetherOut(leases=[self._lookup.shown(who, row) for row in found])
            later = None
            if tries_left and not group.now and found.place not in group.fixed:
                later = self._search(group)
            if later is None:
                raise _refused(group, found)
            at = later
        raise AssertionError("the last try has no other after it; this is a bug in Haizea")

    def _group(self, who: Principal, wanted: TogetherIn) -> _Group:
        accounts, now = self._live.accounts, self._live.now()
        asked, fixed, at_once = [], set(), False
        for index, request in enumerate(wanted.leases):
            owner = accounts.for_whom(who, "lease.request", request.owner, request.group)
            accounts.check_priority(who, request.priority)
            terms = annotated(terms_of(request, owner, now), {TOGETHER: ""})
            if terms.start is not None:
                fixed.add(index)
            at_once |= terms.immediate
            asked.append(_Asked(request, owner))
        return _Group(tuple(asked), frozenset(fixed), at_once)

    def _decide(
        self, who: Principal, wanted: TogetherIn, group: _Group, at: Instant, key: str | None
    ) -> list[LeaseRow] | _No:
        """Have all leases booked in one step, those without a start at an instant or as soon after as can be."""
        digest = digest_of(wanted)

        def job(change: Change) -> list[LeaseRow] | _No:
            before = None if key is None else self._before(change, who.user, key, digest, len(group.leases))
            if before is not None:
                return before
            terms = group.terms(change.now, max(at, _soonest(change.scheduler, change.now)))
            self._check_quotas(change.scheduler, change.now, terms)
            refusal = _try(change.scheduler, change.now, group, terms)
            if refusal is not None:
                return refusal
            numbers = [change.new_lease() for _ in terms]
            if key is not None:
                self._keys.remember(change, who.user, key, digest, numbers[0])
            because = f": {wanted.reason}" if wanted.reason else "."
            others = [",".join(str(each) for each in numbers if each != number) for number in numbers]
            for number, with_it in zip(numbers, others, strict=True):
                text = f"Lease {number} was requested together with {with_it.replace(',', ', ')}{because}"
                change.note("lease-requested", who.user, text, lease=number, data={TOGETHER: numbers})
            for index in group.order():
                known = annotated(terms[index], {TOGETHER: others[index]})
                change.hand_over(LeaseRequested(change.now, numbers[index], known))
            change.then(lambda: [row for row in map(change.row, numbers) if row is not None])
            return []

        try:
            rows = self._live.change(job)
        except Unavailable:
            if key is not None:
                self._keys.forget(who.user, key)
            raise
        return rows

    def _tried(self, group: _Group, at: Instant) -> list[LeaseRow] | _No:
        """Return what all leases would be, as :meth:`_decide` would book them, without numbers."""

        def job(scheduler: Scheduler) -> list[LeaseRow] | _No:
            now = scheduler.desk.now
            terms = group.terms(now, max(at, _soonest(scheduler, now)))
            self._check_quotas(scheduler, now, terms)
            refusal = _try(scheduler, now, group, terms)
            played = refusal or _played(scheduler, now, terms, group.order())
            if isinstance(played, _No):
                return played
            desk = played.scheduler.desk
            leases = [desk.leases[_NEW + index] for index in range(len(terms)) if _NEW + index in desk.leases]
            return [lease_row(lease, desk, 0)._replace(id=0) for lease in leases]

        return self._live.look(job)

    def _check_decided(self, who: Principal, group: _Group, rows: Sequence[LeaseRow]) -> None:
        """Cancel all where one was rejected after all.

        Raises:
            Conflict: one was.
        """
        index = next((index for index, row in enumerate(rows) if row.state in _REJECTED), None)
        if index is None:
            return

        def job(change: Change) -> None:
            for row in rows:
                if row.id in change.scheduler.desk.leases:
                    change.hand_over(CancelRequested(change.now, row.id, who.user))

        self._live.change(job)
        known = rows[index].document["reason"]
        raise _refused(group, _No(index, reason_of(known)))

    def _before(self, change: Change, owner: str, key: str, digest: str, count: int) -> list[LeaseRow] | None:
        """Return the leases that were requested with a key; None where there are none."""
        first = self._keys.known(owner, key, digest)
        if first is None:
            return None
        # Those of a group were numbered in one step, and so one after the other.
        rows = [row for row in map(change.row, range(first, first + count)) if row is not None]
        return None if len(rows) < count or any(map(withdrawn, rows)) else rows

    def _check_quotas(self, scheduler: Scheduler, now: Instant, terms: Sequence[LeaseTerms]) -> None:
        claims = ClaimsBefore(ScheduledClaims(scheduler.desk.leases.values()))
        for index, each in enumerate(terms):
            groups = [each.group] if each.group else []
            self._live.accounts.check_quota(each.user, groups, each, now, claims)
            claims.add(_NEW + index, each)

    def _search(self, group: _Group) -> Instant | None:
        """Return the first instant found at which there is room for all that have no start of their own."""
        scheduler = self._live.look(lambda present: present.copy())
        now = scheduler.desk.now
        soonest = _soonest(scheduler, now)
        ends = {stay.end for lease in scheduler.desk.leases.values() for stay in lease.stays}
        # What is requested with a start of its own ends, too.
        ends |= {
            terms.start + terms.duration
            for index, terms in enumerate(group.terms(now, soonest))
            if index in group.fixed and terms.start is not None and terms.duration is not None
        }
        candidates = [soonest, *(end for end in ends if soonest < end < FAR_FUTURE)]
        heapify(candidates)
        give_up, last = self._clock() + TIME_MAX_S, -1
        for _ in range(TRIED_MAX):
            while candidates and candidates[0] <= last:
                heappop(candidates)
            if not candidates or self._clock() > give_up:
                return None
            last = heappop(candidates)
            refusal = _try(scheduler, now, group, group.terms(now, last))
            if refusal is None:
                return last
            if refusal.reason.retry_at is not None:
                heappush(candidates, refusal.reason.retry_at)
            elif refusal.reason.cause is Cause.PREPARATION:
                # Until images are there nothing has to end.
                heappush(candidates, soonest + max(MINUTE, 2 * (last - soonest)))
        return None


def _soonest(scheduler: Scheduler, now: Instant) -> Instant:
    """Return the first instant that a reservation can be had for."""
    return now + scheduler.desk.options.non_schedulable


def _try(scheduler: Scheduler, now: Instant, group: _Group, terms: Sequence[LeaseTerms]) -> _No | None:
    """Return what cannot be had of a group, trying it on a copy; None where all of it can.

    Whoever says when may have others give way, as ever; who starts when there is room waits until there is.
    """
    after = _played(scheduler, now, terms, group.order())
    if isinstance(after, _No) or len(group.fixed) == len(terms):
        return after if isinstance(after, _No) else None
    before = _played(scheduler, now, terms, sorted(group.fixed))
    if isinstance(before, _No):
        return before
    found = affected(picture(before.scheduler), picture(after.scheduler), after.over)
    theirs = tuple(each.lease for each in found if each.how not in _SPARED and each.lease < _NEW)
    if not theirs:
        return None
    reason = Reason(Cause.RESERVED, f"lease {theirs[0]} would have to give way", leases=theirs[:LEASES_MAX])
    return _No(group.order()[-1], reason)


class _Played(NamedTuple):
    """A copy of the schedule with (part of) a group in it, and the states of the leases that are over."""

    scheduler: Scheduler
    over: dict[int, str]


def _played(scheduler: Scheduler, now: Instant, terms: Sequence[LeaseTerms], order: Sequence[int]) -> _Played | _No:
    other = scheduler.copy()
    now = max(now, other.desk.now)
    over: dict[int, str] = {}
    refused: dict[int, Reason] = {}
    events: list[Event] = [LeaseRequested(now, _NEW + index, terms[index]) for index in order]
    for event in (*events, TimePassed(now)):
        for effect in other.handle(event):
            if isinstance(effect, Retired):
                lease = effect.lease
                over[lease.id] = lease.state.label
                if lease.id >= _NEW and lease.reason is not None:
                    refused[lease.id - _NEW] = lease.reason
    if refused:
        first = min(refused)
        return _No(first, refused[first])
    return _Played(other, over)


def _refused(group: _Group, no: _No) -> Conflict:
    request, reason = group.leases[no.place].request, no.reason
    name = f" ({request.name})" if request.name else ""
    retry = reason.retry_at
    shown = reason_out(reason)
    return Conflict(
        f"not all of the {len(group.leases)} leases can be had together; number {no.place + 1}{name} cannot: "
        f"{reason.text}",
        code="together-refused",
        remedy="Ask for another time, or for less."
        if retry is None
        else f"Ask for another time, or for less: that one could start at {iso(retry)}.",
        facts={"number": no.place + 1, "reason": shown.model_dump(), "retry_at": shown.retry_at},
    )
