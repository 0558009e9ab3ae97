"""Recurring reservations: each occurrence is an advance reservation of its own, booked some time ahead.

What is kept is the request, the rule and which lease was made for which occurrence. As time goes on, and the daemon
looks now and then, further occurrences come near enough to be booked. One that is refused is a lease in state rejected,
with its reason, and is not asked for again by itself.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

from haizea.core.scheduler import Scheduler
from haizea.model.events import CancelRequested, LeaseRequested
from haizea.model.lease import LeaseState
from haizea.model.units import DAY, Instant
from haizea.runtime.changes import Change
from haizea.runtime.rows import LeaseRow, RecordRow
from haizea.runtime.store import Transaction
from haizea.service import access
from haizea.service.errors import Conflict, Invalid, QuotaExceeded
from haizea.service.instants import iso
from haizea.service.live import Live
from haizea.service.models import (
    LeaseRequestIn,
    OccurrenceOut,
    RecurrenceChangeIn,
    RecurrenceIn,
    RecurrenceOut,
)
from haizea.service.principal import Principal
from haizea.service.quotas import ScheduledClaims
from haizea.service.reads import reading
from haizea.service.refusals import Attempt
from haizea.service.rules import Occurrence, occurrences, read_rule, read_zone
from haizea.service.terms import terms_of

KIND: Final = "recurrence"
NEXT: Final = "next-recurrence"
AHEAD: Final = 60 * DAY
"""Occurrences that start within so long are booked."""
EACH_MAX: Final = 100
"""How many recurring reservations that are not over a user may have."""
SHOWN_MAX: Final = 400

_NOT_YET = "not booked yet"
_LEFT_OUT = "left out"
_REFUSED = "refused"


class Recurrences:
    """The verbs of recurring reservations."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._given = 0
        # What the present step has written: nobody can read it from the store before the step is over.
        self._step: Transaction | None = None
        self._written: dict[str, RecordRow] = {}

    # Verbs ---------------------------------------------------------------------------------------------------

    def add(self, who: Principal, wanted: RecurrenceIn, *, dry_run: bool = False) -> RecurrenceOut:
        """Add a recurring reservation, and book what comes soon. With ``dry_run`` only tell when it would recur.

        Raises:
            Invalid: the rule or the request makes no sense.
            QuotaExceeded: the first occurrence does not fit into the owner's quota.
            Conflict: with ``all_or_none``, one of them was refused; none is booked then.
        """
        with self._live.refusals.kept(who, Attempt("recurrence.add", wanted.reason, about=wanted.rule, tried=dry_run)):
            return self._add(who, wanted, dry_run)

    def _add(self, who: Principal, wanted: RecurrenceIn, dry_run: bool) -> RecurrenceOut:
        live = self._live
        lease = wanted.lease
        owner = live.accounts.for_whom(who, "recurrence.add", lease.owner, lease.group)
        live.accounts.check_priority(who, lease.priority)
        document = _document(wanted, owner, live.now())
        if _upcoming(document, live.now()) == []:
            raise Invalid("all of its occurrences are in the past", code="recurrence-over", field="rule")
        if dry_run:
            return self._shown(RecordRow(f"{KIND}-0", KIND, owner, document))

        def job(change: Change) -> RecordRow:
            theirs = [row for row in self._rows_now(change) if row.owner == owner and not row.document["ended"]]
            with reading():
                number = live.store.fact(NEXT) or 1
            if len(theirs) >= EACH_MAX:
                raise Conflict(
                    f"{owner} has {EACH_MAX} recurring reservations, and may not have more",
                    code="too-many-recurrences",
                    remedy="Remove one that is not needed any more.",
                )
            number = max(number, self._given + 1)
            row = RecordRow(f"{KIND}-{number}", KIND, owner, document)
            row = self._book(change, row, first=True)
            self._given = number
            change.transaction.set_fact(NEXT, number + 1)
            self._put(change, row)
            text = f"{who.user} added the recurring reservation {number}" + _because(wanted.reason)
            change.note("recurrence", who.user, text, data={"recurrence": number, "rule": document["rule"]})
            return row

        row = live.change(job)
        found = self._shown(row)
        refused = [each for each in found.occurrences if each.state in ("rejected", "rejected-by-user", _REFUSED)]
        if wanted.all_or_none and refused:
            self.remove(who, found.id, reason="not all of it could be had")
            first = refused[0]
            raise Conflict(
                f"of {len(found.occurrences)} occurrences {len(refused)} cannot be had, the first on {first.local}: "
                f"{first.reason}",
                code="recurrence-refused",
                remedy="Leave those days out, ask for another time, or take what can be had without all_or_none.",
                facts={"refused": [each.local for each in refused]},
            )
        return found

    def show(self, who: Principal, recurrence: int) -> RecurrenceOut:
        """Return a recurring reservation."""
        return self._shown(self._find(who, "recurrence.list", recurrence))

    def change(self, who: Principal, recurrence: int, wanted: RecurrenceChangeIn) -> RecurrenceOut:
        """Leave days out, whose leases are cancelled, or take them in again."""
        attempt = Attempt("recurrence.change", wanted.reason, about=_what(recurrence), tried=wanted.dry_run)
        with self._live.refusals.kept(who, attempt):
            return self._change(who, recurrence, wanted)

    def _change(self, who: Principal, recurrence: int, wanted: RecurrenceChangeIn) -> RecurrenceOut:
        present = self._find(who, "recurrence.change", recurrence)
        known = present.document
        days = {occurrence.local.date() for occurrence in _all(known, [])}
        for text in (*wanted.leave_out, *wanted.take_in):
            if _day(text) not in days:
                raise Invalid(
                    f"it does not recur on {text}",
                    field="leave_out" if text in wanted.leave_out else "take_in",
                    remedy=f"Name days on which it does (haizea recurrence show {recurrence}).",
                )

        if wanted.dry_run:
            _check_goes_on(present, recurrence)
            return self._shown(_without(present, wanted)[0])

        def job(change: Change) -> RecordRow:
            row, gone = _without(self._present(change, recurrence), wanted)
            self._cancel(change, who, gone, wanted.reason)
            changed = self._book(change, row, first=False)
            self._put(change, changed)
            text = f"{who.user} changed the recurring reservation {recurrence}" + _because(wanted.reason)
            data = {"recurrence": recurrence, "leave_out": wanted.leave_out, "take_in": wanted.take_in}
            change.note("recurrence", who.user, text, data=data)
            return changed

        return self._shown(self._live.change(job))

    def remove(self, who: Principal, recurrence: int, *, reason: str = "", dry_run: bool = False) -> RecurrenceOut:
        """End a recurring reservation: leases that have not begun are cancelled, others go on.

        Returns it as it is then, or with ``dry_run``, which does nothing, as it would be.
        """
        attempt = Attempt("recurrence.remove", reason, about=_what(recurrence), tried=dry_run)
        with self._live.refusals.kept(who, attempt):
            return self._remove(who, recurrence, reason, dry_run)

    def _remove(self, who: Principal, recurrence: int, reason: str, dry_run: bool) -> RecurrenceOut:
        present = self._find(who, "recurrence.remove", recurrence)
        if dry_run:
            row = _ended(_check_goes_on(present, recurrence))
            waiting = self._live.look(lambda scheduler: _waiting(scheduler, row))
            found = self._shown(row)
            gone = {"state": LeaseState.CANCELLED.label, "reason": ""}
            shown = [each.model_copy(update=gone) if each.lease in waiting else each for each in found.occurrences]
            return found.model_copy(update={"occurrences": shown})

        def job(change: Change) -> RecordRow:
            row = _ended(self._present(change, recurrence))
            self._cancel(change, who, _waiting(change.scheduler, row), reason)
            self._put(change, row)
            text = f"{who.user} removed the recurring reservation {recurrence}" + _because(reason)
            change.note("recurrence", who.user, text, data={"recurrence": recurrence})
            return row

        return self._shown(self._live.change(job))

    # Time goes on --------------------------------------------------------------------------------------------

    def due(self) -> bool:
        """Whether there is something for :meth:`go_on` to do."""
        now = self._live.now()
        with reading():
            rows = self._live.store.records(KIND)
        return any(not row.document["ended"] and _to_do(row.document, now) for row in rows)

    def go_on(self, change: Change) -> None:
        """Book what has come near, and note which have ended."""
        for row in self._rows_now(change):
            if not row.document["ended"] and _to_do(row.document, change.now):
                self._put(change, self._book(change, row, first=False))

    def _book(self, change: Change, row: RecordRow, *, first: bool) -> RecordRow:
        """Request leases for the occurrences that are near enough; return the record with them."""
        document: dict[str, Any] = {**row.document}
        booked, refused = dict(document["booked"]), dict(document["refused"])
        request = LeaseRequestIn.model_validate(document["lease"])
        groups = [request.group] if request.group else []
        upcoming = _upcoming(document, change.now)
        for occurrence in upcoming:
            local = occurrence.local.isoformat(timespec="seconds")
            if occurrence.at > change.now + AHEAD or local in booked or local in refused:
                continue
            terms = terms_of(request.model_copy(update={"start": iso(occurrence.at)}), row.owner, change.now)
            claims = ScheduledClaims(change.scheduler.desk.leases.values())
            try:
                self._live.accounts.check_quota(row.owner, groups, terms, change.now, claims)
            except QuotaExceeded as problem:
                if first and not booked:
                    raise
                refused[local] = problem.detail
                text = f"The occurrence on {local} of {row.id} was refused: {problem.detail}"
                change.note("recurrence", "haizea", text, data={"recurrence": _number(row)})
                continue
            lease = booked[local] = change.new_lease()
            change.note(
                "lease-requested", row.owner, f"Lease {lease} was requested for {local} by {row.id}.", lease=lease
            )
            change.hand_over(LeaseRequested(change.now, lease, terms))
        document.update(booked=booked, refused=refused, ended=not upcoming)
        return row._replace(document=document)

    def _cancel(self, change: Change, who: Principal, leases: Iterable[int], reason: str) -> None:
        for lease in leases:
            if lease in change.scheduler.desk.leases:
                change.hand_over(CancelRequested(change.now, lease, f"{who.user}: {reason}" if reason else who.user))

    # Looking -------------------------------------------------------------------------------------------------

    def _find(self, who: Principal, verb: str, recurrence: int) -> RecordRow:
        with reading():
            rows = self._live.store.records(KIND)
        row = next((row for row in rows if _number(row) == recurrence), None)
        what = _what(recurrence)
        access.check(who, verb, owner=row.owner if row else None, group=_group(row) if row else None, what=what)
        if row is None:
            raise access.missing(what)
        return row

    def _put(self, change: Change, row: RecordRow) -> None:
        change.transaction.put_record(row)
        if self._step is not change.transaction:
            self._step, self._written = change.transaction, {}
        self._written[row.id] = row

    def _rows_now(self, change: Change) -> list[RecordRow]:
        """Return all records as they are within the present step."""
        with reading():
            found = {row.id: row for row in self._live.store.records(KIND)}
        if self._step is change.transaction:
            found |= self._written
        return list(found.values())

    def _present(self, change: Change, recurrence: int) -> RecordRow:
        """Return one that has not ended, in the loop's thread."""
        row = next((row for row in self._rows_now(change) if _number(row) == recurrence), None)
        return _check_goes_on(row, recurrence)

    def _shown(self, row: RecordRow) -> RecurrenceOut:
        document = row.document
        request = LeaseRequestIn.model_validate(document["lease"])
        terms = terms_of(request.model_copy(update={"start": "now"}), row.owner, 0)
        booked: Mapping[str, int] = document["booked"]
        leases = self._rows(booked.values())
        shown = []
        for occurrence in _all(document, [])[:SHOWN_MAX]:
            local = occurrence.local.isoformat(timespec="seconds")
            lease = booked.get(local)
            state, reason = _state(document, local, None if lease is None else leases.get(lease))
            shown.append(OccurrenceOut(local=local, start=iso(occurrence.at), lease=lease, state=state, reason=reason))
        return RecurrenceOut(
            id=_number(row),
            owner=row.owner,
            name=request.name,
            rule=document["rule"],
            zone=document["zone"],
            first=document["first"],
            duration_s=(terms.duration or 0) / 1000,
            vms=terms.node_count,
            exceptions=document["exceptions"],
            created=iso(document["created"]),
            ended=document["ended"],
            booked_until=iso(self._live.now() + AHEAD),
            occurrences=shown,
        )

    def _rows(self, leases: Iterable[int]) -> dict[int, LeaseRow]:
        with reading():
            found = [self._live.store.lease(lease) for lease in leases]
        return {row.id: row for row in found if row is not None}

    def list(self, who: Principal, *, ended: bool = False) -> list[RecurrenceOut]:
        """Return the recurring reservations that somebody may see; those that are over only if asked for."""
        access.check(who, "recurrence.list", owner=who.user)
        with reading():
            rows = self._live.store.records(KIND)
        mine = [row for row in rows if access.may(who, "recurrence.list", owner=row.owner, group=_group(row))]
        return sorted(
            [self._shown(row) for row in mine if ended or not row.document["ended"]], key=lambda each: each.id
        )


def _document(wanted: RecurrenceIn, owner: str, now: Instant) -> dict[str, Any]:
    """Return what is kept of a recurring reservation, having checked it."""
    rule = read_rule(wanted.rule)
    zone = read_zone(wanted.zone)
    first = _first(wanted.lease.start)
    exceptions = sorted({_day(day).isoformat() for day in wanted.exceptions})
    occurrences(rule, first, zone, [])
    if wanted.lease.deadline is not None:
        raise Invalid("what recurs is a reservation for a certain time: leave the deadline out", field="deadline")
    terms = terms_of(wanted.lease.model_copy(update={"start": iso(now)}), owner, now)
    if terms.duration is None:
        raise Invalid("what recurs cannot last for ever", field="duration")
    return {
        "lease": {**wanted.lease.model_dump(mode="json"), "start": None},
        "rule": rule.text(),
        "zone": wanted.zone,
        "first": first.isoformat(timespec="seconds"),
        "exceptions": exceptions,
        "created": now,
        "booked": {},
        "refused": {},
        "ended": False,
    }


def _first(start: str | None) -> datetime:
    try:
        if start is None:
            raise ValueError("there is none")
        first = datetime.fromisoformat(start.strip())
        if first.tzinfo is not None:
            raise ValueError("it has a zone of its own")
    except ValueError as problem:
        raise Invalid(
            f"start: expected what a clock on the wall shows, such as 2026-11-25T14:00: {problem}",
            field="lease.start",
        ) from problem
    return first.replace(microsecond=0)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"exceptions: there is no day {text[:32]!r}", field="exceptions") from None


def _all(document: Mapping[str, Any], exceptions: Iterable[str]) -> list[Occurrence]:
    first = datetime.fromisoformat(document["first"])
    out = [date.fromisoformat(day) for day in exceptions]
    return occurrences(read_rule(document["rule"]), first, read_zone(document["zone"]), out)


def _upcoming(document: Mapping[str, Any], now: Instant) -> list[Occurrence]:
    """Return the occurrences that are not left out and have not begun."""
    out = set(document["exceptions"])
    return [each for each in _all(document, []) if each.at > now and each.local.date().isoformat() not in out]


def _to_do(document: Mapping[str, Any], now: Instant) -> bool:
    upcoming = _upcoming(document, now)
    if not upcoming:
        return True
    known = document["booked"].keys() | document["refused"].keys()
    return any(each.at <= now + AHEAD and each.local.isoformat(timespec="seconds") not in known for each in upcoming)


def _state(document: Mapping[str, Any], local: str, row: LeaseRow | None) -> tuple[str, str]:
    if row is not None:
        reason = row.document["reason"]
        return row.state, "" if reason is None else reason["text"]
    if local[:10] in document["exceptions"]:
        return _LEFT_OUT, ""
    refused = document["refused"].get(local)
    return (_REFUSED, refused) if refused is not None else (_NOT_YET, "")


def _check_goes_on(row: RecordRow | None, recurrence: int) -> RecordRow:
    if row is None or row.document["ended"]:
        raise Conflict(
            f"the recurring reservation {recurrence} is over", code="recurrence-over", remedy="Add another one."
        )
    return row


def _ended(row: RecordRow) -> RecordRow:
    return row._replace(document={**row.document, "ended": True})


def _waiting(scheduler: Scheduler, row: RecordRow) -> list[int]:
    """Return the leases of a recurring reservation that have not begun."""
    leases = scheduler.desk.leases
    return [each for each in row.document["booked"].values() if each in leases and leases[each].started is None]


def _without(row: RecordRow, wanted: RecurrenceChangeIn) -> tuple[RecordRow, list[int]]:
    """Return what is kept of a recurring reservation with other days left out, and the leases that are booked then."""
    out = (set(row.document["exceptions"]) | set(wanted.leave_out)) - set(wanted.take_in)
    booked = row.document["booked"]
    gone = [local for local in booked if local[:10] in wanted.leave_out]
    left = {local: lease for local, lease in booked.items() if local not in gone}
    document = {**row.document, "exceptions": sorted(out), "booked": left}
    return row._replace(document=document), [booked[local] for local in gone]


def _what(recurrence: int) -> str:
    return f"recurring reservation {recurrence}"


def _number(row: RecordRow) -> int:
    return int(row.id.removeprefix(f"{KIND}-"))


def _group(row: RecordRow) -> str | None:
    group: str = row.document["lease"]["group"]
    return group or None


def _because(reason: str) -> str:
    return f": {reason}" if reason else "."
