"""Quotas: what a user or a group may have at most, checked when a lease is requested.

What counts against ``vms``, ``cpu`` and ``memory`` are all unfinished leases together, running or not; against
core-hours, the leases that start in the same day, week or month: those that are over with what they were delivered,
the others with all they asked for. A lease that waits counts as starting now. Integers throughout; CPU is in percent of
a core, and so core time is in milliseconds of a hundredth of a core until it is shown.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from haizea.core.memory import terms_of
from haizea.model.lease import LeaseTerms
from haizea.model.resources import CPU
from haizea.model.units import FAR_FUTURE, HOUR, SECOND, Instant, Span
from haizea.plan.lease import Lease
from haizea.runtime.changes import Change
from haizea.runtime.rows import LeaseFilter, LeaseRow, QuotaRow
from haizea.runtime.store import Store
from haizea.service import access
from haizea.service.errors import Invalid, QuotaExceeded
from haizea.service.instants import Period, period_at
from haizea.service.ledger import Ledger, Present
from haizea.service.models import QuotaIn, QuotaOut
from haizea.service.principal import Principal
from haizea.service.reads import leases, reading
from haizea.service.refusals import Attempt

USER: Final = "user"
GROUP: Final = "group"
DEFAULT: Final = "default"
AMOUNT_MAX: Final = 1 << 40

_CORE: Final = 100
_CORE_HOUR: Final = _CORE * HOUR
_ASK: Final = "ask an administrator for a larger quota"


class Claim(NamedTuple):
    """What one unfinished lease counts for. ``starts`` None: it waits. ``duration`` None: unlimited."""

    lease: int
    owner: str
    group: str
    vms: int
    cpu: int
    memory: int
    starts: Instant | None
    duration: Span | None


class Claims(Protocol):
    """The unfinished leases, as far as quotas care."""

    def unfinished(self, *, owner: str | None = None, group: str | None = None) -> Iterable[Claim]:
        """Return those of an owner, of a group, or both."""


class StoredClaims:
    """Claims read from the store. Whoever has the leases at hand can do better."""

    def __init__(self, store: Store) -> None:
        """Read this store."""
        self._store = store

    def unfinished(self, *, owner: str | None = None, group: str | None = None) -> Iterable[Claim]:
        """Return the claims of unfinished leases."""
        return map(claim, leases(self._store, LeaseFilter(owner=owner, group=group, active=True)))


class ScheduledClaims:
    """Claims of the leases that a scheduler has in its hands. For the loop's thread only."""

    def __init__(self, leases: Collection[Lease]) -> None:
        """Look at these leases."""
        self._leases = leases

    def unfinished(self, *, owner: str | None = None, group: str | None = None) -> Iterable[Claim]:
        """Yield the claims of unfinished leases."""
        for each in self._leases:
            terms = each.terms
            if (owner is None or terms.user == owner) and (group is None or terms.group == group):
                if each.state.final:
                    continue
                yield Claim(
                    each.id,
                    terms.user,
                    terms.group,
                    terms.node_count,
                    cpu_of(terms),
                    terms.memory,
                    starts_of(each),
                    terms.duration,
                )


class ClaimsBefore:
    """Claims, and those of requests that are decided upon together with the one that is checked."""

    def __init__(self, claims: Claims) -> None:
        """Begin with these claims."""
        self._claims = claims
        self._more: list[Claim] = []

    def add(self, lease: int, terms: LeaseTerms) -> None:
        """Count a request along from now on."""
        parts = terms.node_count, cpu_of(terms), terms.memory, terms.start, terms.duration
        self._more.append(Claim(lease, terms.user, terms.group, *parts))

    def unfinished(self, *, owner: str | None = None, group: str | None = None) -> Iterable[Claim]:
        """Yield the claims of unfinished leases and of the requests."""
        yield from self._claims.unfinished(owner=owner, group=group)
        for each in self._more:
            if (owner is None or each.owner == owner) and (group is None or each.group == group):
                yield each


def starts_of(lease: Lease) -> Instant | None:
    """Return when a lease has started, or is to start; None where it waits."""
    if lease.started is not None:
        return lease.started
    return lease.stays[0].start if lease.stays else lease.terms.start


def claim(row: LeaseRow) -> Claim:
    """Return what a stored lease counts for."""
    terms = terms_of(row.document["terms"])
    return Claim(row.id, row.owner, row.group, row.vms, cpu_of(terms), terms.memory, row.starts, terms.duration)


def cpu_of(terms: LeaseTerms) -> int:
    """Return the CPU of all VMs together, in percent of a core."""
    return sum(nodes.count * nodes.demand[CPU] for nodes in terms.nodes)


class _Used(NamedTuple):
    """What a user or a group has; ``core_time`` in hundredths of a core times milliseconds."""

    vms: int
    cpu: int
    memory: int
    core_time: int


class Quotas:
    """The quotas of users and groups."""

    def __init__(self, ledger: Ledger, clock: Callable[[], Instant]) -> None:
        """Take the parts."""
        self._ledger = ledger
        self._store = ledger.store
        self._clock = clock
        self._stored = StoredClaims(ledger.store)

    def list(self, who: Principal) -> list[QuotaOut]:
        """Return the quotas that ``who`` may see, with what is used of them now.

        Somebody who may see only their own sees the default quota, where it is theirs, with what they use of it.
        """
        access.check(who, "quota.list", owner=who.user)
        now = self._clock()
        with reading():
            rows = self._store.quotas()
        if access.may(who, "quota.list"):
            return [self._shown(row, row.subject, now) for row in rows]
        own = any(row.kind == USER and row.subject == who.user for row in rows)
        shown = []
        for row in rows:
            if row.kind == DEFAULT:
                if not own:
                    shown.append(self._shown(row, who.user, now))
            elif access.may(who, "quota.list", **{"owner" if row.kind == USER else "group": row.subject}):
                shown.append(self._shown(row, row.subject, now))
        return shown

    def put(self, who: Principal, kind: str, subject: str, wanted: QuotaIn) -> QuotaOut:
        """Set a quota in place of the one that was there; a user's own replaces the default, limit by limit.

        Raises:
            NotFound: there is no such user or group.
            Invalid: there is no such kind of quota, or a limit is out of range.
        """
        with self._ledger.refusals.kept(who, Attempt("quota.put", about=_whose(kind, subject))):
            access.check(who, "quota.put")
            _check_kind(kind, subject)
            row = _row(kind, subject, wanted)

            def job(change: Change, present: Present) -> None:
                there = present.user(subject) if kind == USER else present.groups().get(subject)
                if kind != DEFAULT and there is None:
                    raise access.missing(f"{kind} {subject[:128]!r}")
                change.transaction.put_quota(row)
                data = {"kind": kind, "subject": subject, "limits": row._asdict()}
                change.note("account", who.user, f"quota of {_whose(kind, subject)} set", data=data)

            self._ledger.change(job)
            return self._shown(row, subject, self._clock())

    def delete(self, who: Principal, kind: str, subject: str) -> None:
        """Remove a quota.

        Raises:
            NotFound: there is none.
        """
        with self._ledger.refusals.kept(who, Attempt("quota.delete", about=_whose(kind, subject))):
            access.check(who, "quota.delete")
            _check_kind(kind, subject)

            def job(change: Change, _present: Present) -> None:
                with reading():
                    if not any((row.kind, row.subject) == (kind, subject) for row in self._store.quotas()):
                        raise access.missing(f"quota of {_whose(kind, subject)}")
                change.transaction.delete_quota(kind, subject)
                data = {"kind": kind, "subject": subject}
                change.note("account", who.user, f"quota of {_whose(kind, subject)} deleted", data=data)

            self._ledger.change(job)

    def check(
        self,
        user: str,
        groups: Sequence[str],
        terms: LeaseTerms,
        now: Instant,
        claims: Claims | None = None,
        *,
        starts: Instant | None = None,
    ) -> None:
        """Return if a lease of these terms fits into the quota of a user, and of the groups it is booked on.

        To be called where nothing else is decided meanwhile, in the loop's thread, and with ``claims`` that have what
        was decided in the same step: :class:`ScheduledClaims`. Those of the store, the default, have it only later.
        ``starts`` is when a lease has started, or is to start, that is there already.

        Raises:
            QuotaExceeded: a limit would be exceeded; says which, what is used of it, and what to do.
        """
        with reading():
            rows = self._store.quotas()
        own = next((row for row in rows if row.kind == USER and row.subject == user), None)
        own = own or next((row for row in rows if row.kind == DEFAULT), None)
        limits = [] if own is None else [(own, USER, user)]
        limits += [(row, GROUP, row.subject) for row in rows if row.kind == GROUP and row.subject in groups]
        for row, kind, subject in limits:
            if starts is None:
                self._check_horizon(row, kind, subject, terms, now)
            self._check_row(row, kind, subject, terms, now, _starts(terms, now) if starts is None else starts, claims)

    def _check_horizon(self, row: QuotaRow, kind: str, subject: str, terms: LeaseTerms, now: Instant) -> None:
        ahead = _starts(terms, now) - now
        if row.horizon is not None and ahead > row.horizon:
            raise _Over(kind, subject, row.period).horizon(row.horizon, ahead)

    def _check_row(
        self,
        row: QuotaRow,
        kind: str,
        subject: str,
        terms: LeaseTerms,
        now: Instant,
        starts: Instant,
        claims: Claims | None,
    ) -> None:
        over = _Over(kind, subject, row.period)
        if row.vms is None and row.cpu is None and row.memory is None and row.core_time is None:
            return
        period = period_at(starts, row.period)
        used = self._used(kind, subject, now, None if row.core_time is None else period, claims or self._stored)
        over.amount("vms", row.vms, used.vms, terms.node_count)
        over.amount("cpu", row.cpu, used.cpu, cpu_of(terms))
        over.amount("memory", row.memory, used.memory, terms.memory)
        if row.core_time is not None:
            over.core_time(row.core_time * _CORE, used.core_time, cpu_of(terms), terms.duration, period)

    def _used(self, kind: str, subject: str, now: Instant, period: Period | None, claims: Claims) -> _Used:
        """Return what is used; the core time of leases that start in a period only where one is given."""
        present = claims.unfinished(owner=subject) if kind == USER else claims.unfinished(group=subject)
        vms = cpu = memory = core_time = 0
        unfinished = set()
        for each in present:
            vms, cpu, memory = vms + each.vms, cpu + each.cpu, memory + each.memory
            unfinished.add(each.lease)
            starts = now if each.starts is None else each.starts
            if period is not None and period.start <= starts < period.end:
                # A lease without end that was there before the limit counts as far as the period goes.
                core_time += each.cpu * (period.end - starts if each.duration is None else each.duration)
        if period is not None:
            core_time += self._delivered(kind, subject, period, unfinished)
        return _Used(vms, cpu, memory, core_time)

    def _delivered(self, kind: str, subject: str, period: Period, unfinished: set[int]) -> int:
        """Return the core time of leases that are over and started in a period; lost time is not charged."""
        with reading():
            rows = self._store.usage(period.start, FAR_FUTURE, owner=subject if kind == USER else None)
        mine = [row for row in rows if row.lease not in unfinished and (kind == USER or row.group == subject)]
        began = {row.lease for row in mine if row.index == 0 and period.start <= row.start < period.end}
        return sum(row.cpu * (row.end - row.start) for row in mine if row.lease in began and row.outcome == "done")

    def _shown(self, row: QuotaRow, subject: str, now: Instant) -> QuotaOut:
        used = _Used(0, 0, 0, 0)
        if subject:
            kind = GROUP if row.kind == GROUP else USER
            used = self._used(kind, subject, now, period_at(now, row.period), self._stored)
        return QuotaOut(
            kind=row.kind,
            subject=subject,
            vms=row.vms,
            cpu=row.cpu,
            memory=row.memory,
            core_hours=None if row.core_time is None else row.core_time / HOUR,
            period=row.period,  # type: ignore[arg-type]  # the store keeps what QuotaIn let through
            horizon_s=None if row.horizon is None else row.horizon / SECOND,
            used_vms=used.vms,
            used_cpu=used.cpu,
            used_memory=used.memory,
            used_core_hours=used.core_time / _CORE_HOUR,
        )


class _Over:
    """Says that a limit would be exceeded."""

    def __init__(self, kind: str, subject: str, period: str) -> None:
        self._kind = kind
        self._subject = subject
        self._who = subject if kind == USER else f"the group {subject}"
        self._period = period

    def amount(self, limit: str, allowed: int | None, used: int, asked: int) -> None:
        """Raise if that much at once is over a limit."""
        if allowed is None or used + asked <= allowed:
            return
        raise self._error(
            limit,
            f"{self._who} may have {_said(limit, allowed)} in unfinished leases, has {_said(limit, used)}, "
            f"and this request asks for {_said(limit, asked)}",
            f"{_at_most(_said(limit, allowed - used), allowed > used)}wait until a lease ends, cancel one, or {_ASK}.",
            "nodes",
            {"allowed": allowed, "used": used, "asked": asked},
        )

    def core_time(self, allowed: int, used: int, cpu: int, duration: Span | None, period: Period) -> None:
        """Raise if that much core time is over a limit; what has no end is over any."""
        facts: dict[str, object] = {"allowed": allowed / _CORE_HOUR, "used": used / _CORE_HOUR, "period": self._period}
        may = f"{self._who} may have {_hours(allowed)} in leases that start in {period.label}"
        if duration is None and cpu:
            remedy = f"Ask for a duration, or {_ASK}."
            raise self._error("core_hours", f"{may}, and this request has no end", remedy, "duration", facts)
        asked = cpu * (duration or 0)
        if used + asked <= allowed:
            return
        less = _at_most(_hours(allowed - used), allowed > used)
        raise self._error(
            "core_hours",
            f"{may}, has {_hours(used)}, and this request asks for {_hours(asked)}",
            f"{less}let the lease start in another {self._period}, or {_ASK}.",
            "duration",
            facts | {"asked": asked / _CORE_HOUR},
        )

    def horizon(self, allowed: Span, asked: Span) -> QuotaExceeded:
        """Return what is said of a reservation too far ahead."""
        return self._error(
            "horizon",
            f"{self._who} may reserve {_days(allowed)} ahead, and this request is for {_days(asked)} ahead",
            f"Ask for an earlier start, ask again later, or {_ASK}.",
            "start",
            {"allowed": allowed / SECOND, "asked": asked / SECOND},
        )

    def _error(self, limit: str, detail: str, remedy: str, field: str, facts: dict[str, object]) -> QuotaExceeded:
        known = {"limit": limit, "kind": self._kind, "subject": self._subject}
        return QuotaExceeded(detail, remedy=remedy, field=field, facts=known | facts)


def _starts(terms: LeaseTerms, now: Instant) -> Instant:
    """Return when a lease that is requested now counts as starting."""
    fixed = terms.start is not None and not terms.immediate
    return max(now, terms.start or 0) if fixed else now


def _said(limit: str, amount: int) -> str:
    if limit == "vms":
        return f"{amount} VMs" if amount != 1 else "1 VM"
    return f"{amount / _CORE:g} cores" if limit == "cpu" else f"{amount} MiB of memory"


def _hours(core_time: int) -> str:
    return f"{core_time / _CORE_HOUR:.10g} core-hours"


def _days(span: Span) -> str:
    return f"{span / (24 * HOUR):.4g} days" if span >= 48 * HOUR else f"{span / HOUR:.4g} hours"


def _at_most(amount: str, some: bool) -> str:
    return f"Ask for at most {amount}, or " if some else "You can "


def _whose(kind: str, subject: str) -> str:
    return "every user without one" if kind == DEFAULT else f"{kind} {subject}"


def _check_kind(kind: str, subject: str) -> None:
    if kind not in (USER, GROUP, DEFAULT):
        raise Invalid(f"a quota is of a {USER}, a {GROUP} or the {DEFAULT}, not {kind[:64]!r}", field="kind")
    if kind == DEFAULT and subject:
        raise Invalid(f"the default quota is nobody's own, and so not of {subject[:64]!r}", field="subject")


def _row(kind: str, subject: str, wanted: QuotaIn) -> QuotaRow:
    if wanted.vms is not None and wanted.vms > AMOUNT_MAX:
        raise Invalid(f"vms: expected at most {AMOUNT_MAX}", field="vms")
    return QuotaRow(
        kind,
        subject,
        wanted.vms,
        wanted.cpu,
        wanted.memory,
        None if wanted.core_hours is None else round(wanted.core_hours * HOUR),
        wanted.period,
        None if wanted.horizon_s is None else round(wanted.horizon_s * SECOND),
    )
