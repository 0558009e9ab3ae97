"""The scheduler: events in, effects out.

Deterministic, and without any knowledge of where events come from or what becomes of effects: a simulation and a
live site run the same code. Events of one instant are handed over one by one and are only noted, but for those
that say what happened to VMs and hosts, which are reacted to at once; :class:`~haizea.model.events.TimePassed`
ends the instant, carries out what is due and makes the decisions.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from haizea.core import reasons
from haizea.core.alarms import HOURS
from haizea.core.backfilling import Backfilling
from haizea.core.booking import Booking
from haizea.core.deadlines import Deadlines
from haizea.core.desk import EVERY_STATE, Desk, Policies, Retired
from haizea.core.execution import Execution
from haizea.core.lateness import Lateness
from haizea.core.pauses import SCHEDULING, refused_by_pause
from haizea.core.reactions import Reactions
from haizea.core.repair import Repair
from haizea.core.reservations import Reservations
from haizea.core.room import Room
from haizea.model.effects import Effect, Refused
from haizea.model.events import (
    CancelRequested,
    ClockJumped,
    Event,
    HostObserved,
    HostOrdered,
    InstanceObserved,
    LeaseAdopted,
    LeaseOrdered,
    LeaseRequested,
    MaintenanceOver,
    MaintenancePlanned,
    OperationReported,
    RatesMeasured,
    SchedulerOrdered,
    SiteChanged,
    StrangersObserved,
    TimePassed,
    WishesChanged,
)
from haizea.model.lease import LeaseState, LeaseTerms, LeaseType
from haizea.model.reason import Cause, Reason
from haizea.model.site import Site
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease
from haizea.plan.options import Options

if TYPE_CHECKING:
    # What looks ahead, remembers and carries out orders is loaded where it is asked for: a simulation never does.
    from haizea.core.administration import Administration
    from haizea.core.outlook import Prospect
    from haizea.core.queueing import Queueing

_ADMINISTERED: Final = (
    LeaseOrdered,
    HostOrdered,
    SchedulerOrdered,
    MaintenancePlanned,
    MaintenanceOver,
    StrangersObserved,
    SiteChanged,
    LeaseAdopted,
)


class Scheduler:
    """Decides which hosts the VMs of leases run on and when."""

    def __init__(
        self,
        site: Site,
        now: Instant,
        options: Options,
        policies: Policies,
        announced: frozenset[LeaseState] = EVERY_STATE,
    ) -> None:
        """Begin with an empty schedule.

        Args:
            site: the hosts.
            now: the present.
            options: the rules.
            policies: one policy of each kind.
            announced: the states whose entry is worth an effect of its own.
        """
        desk = self.desk = Desk(site, now, options, policies, announced)
        self._execution = Execution(desk)
        self._booking = Booking(desk, self._execution)
        self._backfilling = Backfilling(desk, self._booking)
        room = Room(desk, self._booking, self._execution)
        self._reservations = Reservations(desk, self._booking, room)
        self._deadlines = Deadlines(desk, self._booking, self._execution, room)
        repair = Repair(desk, self._execution, self._booking, room)
        reactions = self._reactions = Reactions(desk, self._execution, repair, lambda: self._orders().transit)
        self._repair = repair
        self._behind = False
        self._lateness = Lateness(desk, self._execution, repair)
        self._administration: Administration | None = None
        self._queueing: Queueing | None = None
        if desk.ordered:
            self._orders_queue()
        self._arrived: list[Lease] = []
        self._order = 0
        self._on_trial = False
        self._handlers: dict[type, Callable[..., None]] = {
            TimePassed: self._time_passed,
            LeaseRequested: self._lease_requested,
            InstanceObserved: reactions.instance_observed,
            OperationReported: reactions.mishaps.operation_reported,
            HostObserved: reactions.outages.host_observed,
            ClockJumped: self._clock_jumped,
            CancelRequested: reactions.cancel_requested,
            WishesChanged: self._wishes_changed,
            RatesMeasured: self._rates_measured,
            **dict.fromkeys(_ADMINISTERED, self._administered),
        }

    def handle(self, event: Event) -> list[Effect | Retired]:
        """Take in an event and return what is to be done about it.

        Raises:
            ValueError: the event lies before one that was handled already.
            haizea.core.states.ImpossibleTransition: a bug in Haizea.
        """
        at: Instant = event.at
        desk = self.desk
        if at < desk.now and isinstance(event, ClockJumped) and event.by < 0:
            self._behind = True
        gap, most = at - desk.now, desk.options.lateness_max
        effects = self._effects_at(at)
        if gap > most and at - desk.first_timer() > most:
            self._lateness.catch_up()
        self._handlers[type(event)](event)
        return effects

    def pass_time(self, now: Instant) -> list[Effect | Retired]:
        """Do what :meth:`handle` does with ``TimePassed(now)``: every other event of a simulation would be one."""
        effects = self._effects_at(now)
        self._decide()
        return effects

    def _effects_at(self, at: Instant) -> list[Effect | Retired]:
        """Make an instant the present; return where what is done about an event of it will be noted."""
        desk = self.desk
        if at > desk.now:
            desk.now = at
            desk.table.advance(at)
            self._behind = False
        elif at < desk.now and not self._behind:
            # Where a clock was set back, time stands still until it has caught up.
            raise ValueError(f"an event of {at} was handed over after one of {desk.now}")
        effects: list[Effect | Retired] = []
        desk.effects = effects
        desk.touched.clear()
        return effects

    def _administered(self, event: Event) -> None:
        self._orders().handlers[type(event)](event)

    def _orders(self) -> "Administration":
        """Return who carries out orders."""
        if self._administration is None:
            from haizea.core.administration import Administration, Parts

            parts = Parts(
                self.desk,
                self._execution,
                self._booking,
                self._reservations,
                self._deadlines,
                self._repair,
                self._reactions,
            )
            self._administration = Administration(parts, self._trial, self._renewed, self._new_lease)
        return self._administration

    def understands(self, event: Event) -> bool:
        """Whether this scheduler knows what to do about an event of this kind."""
        return type(event) in self._handlers

    def _clock_jumped(self, event: ClockJumped) -> None:
        if event.by > 0:
            self._reactions.clock_jumped(event)
        elif event.by < 0:
            self._behind = True

    def next_instant(self) -> Instant | None:
        """Return when the scheduler next has something to do by itself; None where it has nothing."""
        return self.desk.next_instant()

    @property
    def prospect(self) -> "Prospect":
        """What would become of requests, and when those who wait will start."""
        from haizea.core.outlook import Prospect

        return Prospect(self.desk, self._booking, self._reservations, self._refusal, self._rehearse)

    def remember(self) -> dict[str, Any]:
        """Return what is known beside the leases themselves (see :mod:`haizea.core.memory`)."""
        from haizea.core.memory import desk_document

        return desk_document(self.desk, self._order)

    def recall(self, leases: Iterable[Mapping[str, Any]], rest: Mapping[str, Any]) -> None:
        """Take back what another scheduler of the same site remembered. Only before the first event.

        Raises:
            haizea.core.memory.Forgotten: it does not go with this site or these rules.
        """
        from haizea.core.memory import restore

        restore(self.desk, leases, rest)
        self._order = rest["order"]

    def copy(self) -> "Scheduler":
        """Return a scheduler that knows the same, for trying something on."""
        from copy import deepcopy

        from haizea.core.memory import lease_document

        desk = self.desk
        other = Scheduler(desk.real, desk.now, desk.configured, deepcopy(desk.policies), desk.announced)
        other.recall([lease_document(lease, desk) for lease in desk.leases.values()], self.remember())
        other.desk.allows = desk.allows
        other._arrived = [other.desk.leases[lease.id] for lease in self._arrived if lease.id in other.desk.leases]
        return other

    def follow(self, options: Options, policies: Policies) -> None:
        """Go by other rules and policies from now on; what is planned already stays as it is.

        A policy that learns keeps what it has learnt where one of the same kind takes its place.

        Raises:
            haizea.core.memory.Forgotten: the schedule does not go with these rules; try them on a copy first.
        """
        desk = self.desk
        for old, new in zip(desk.policies, policies, strict=True):
            before: Any = old
            after: Any = new
            if type(old) is type(new) and hasattr(new, "recall"):
                after.recall(before.remember())
        desk.configured = desk.options = options
        desk.policies = policies
        self._orders().sites.renew()
        desk.order_anew()

    def _trial(self, event: Event) -> None:
        """Raise what an event is refused with, trying it on a copy."""
        from haizea.core.orders import Refusal

        if self._on_trial:
            return
        other = self.copy()
        other._on_trial = True
        for effect in other.handle(event):
            if isinstance(effect, Refused):
                raise Refusal(effect.reason)

    def _ring(self) -> None:
        """Do what alarms were set for."""
        for bell, number, _vm in self.desk.alarms.due(self.desk.now, HOURS):
            self._orders().bells[bell](number)

    def _renewed(self) -> None:
        """Forget what was known of the slot table before it was made anew."""
        self._backfilling.forget()
        leases = self.desk.leases
        self._arrived = [leases[lease.id] for lease in self._arrived if lease.id in leases]

    def _rehearse(self, terms: LeaseTerms) -> Lease:
        """Request a lease of a copy of the schedule; return what becomes of it."""
        other = self.copy()
        now = other.desk.now
        other.handle(LeaseRequested(now, 0, terms))
        lease = other.desk.leases[0]
        other.handle(TimePassed(now))
        return lease

    def _lease_requested(self, event: LeaseRequested) -> None:
        if event.lease not in self.desk.leases:
            self._arrived.append(self._new_lease(event.lease, event.terms, event.at))

    def _new_lease(self, number: int, terms: LeaseTerms, at: Instant) -> Lease:
        self._order += 1
        lease = Lease(number, terms, self.desk.needs.of(terms), at, self._order)
        self.desk.leases[number] = lease
        return lease

    def _wishes_changed(self, event: WishesChanged) -> None:
        """Take over new terms of a lease, which may differ only in what no plan depends on."""
        lease = self.desk.leases.get(event.lease)
        if lease is None:
            return
        old, new = lease.terms, event.terms
        same = new._replace(
            user=old.user,
            preemptible=old.preemptible,
            extra=old.extra,
            reactions=old.reactions,
            name=old.name,
            group=old.group,
            priority=old.priority,
            grace=old.grace,
        )
        if same != old:
            raise ValueError(f"lease {lease.id}: other VMs, times, images or constraints would need another plan")
        lease.terms = new
        self.desk.touched.add(lease.id)
        if self.desk.ordered:
            self.desk.rescore = True

    def _rates_measured(self, event: RatesMeasured) -> None:
        self.desk.set_rates(event.rates)

    def _time_passed(self, event: TimePassed) -> None:
        self._decide()

    def _decide(self) -> None:
        """Carry out what is due and make the decisions of the present instant."""
        desk = self.desk
        if desk.to_resume:
            self._reactions.adoption.resume_rest()
        if desk.alarms.next_at <= desk.now:
            # Whom they are about is not to be started, on a host that is given up now.
            self._lateness.catch_up()
            self._reactions.ring()
        self._lateness.run_due()
        if desk.alarms.next_at <= desk.now:
            self._ring()
        if desk.claims.astray:
            self._settle_astray()
        if desk.claims.short and desk.freed_until is not None:
            desk.give_claims()
        if desk.claims.fresh:
            self._clean()
        if self._arrived:
            self._admit()
            if desk.claims.fresh:
                self._clean()
        if desk.degraded and desk.freed_until is not None:
            self._repair.heal()
        if desk.freed_until is not None and desk.has_deadlines and SCHEDULING not in desk.pauses:
            self._deadlines.move_up()
        freed = desk.freed_until is not None and desk.options.spares
        if SCHEDULING not in desk.pauses:
            if desk.ordered:
                self._orders_queue().settle()
            self._backfilling.settle()
        if freed:
            self._spare()
        if desk.claims.fresh:
            self._clean()

    def _spare(self) -> None:
        from haizea.core.sparing import settle

        settle(self.desk)

    def _settle_astray(self) -> None:
        from haizea.core.astray import settle

        settle(self.desk)

    def _clean(self) -> None:
        from haizea.core.cleaning import settle

        settle(self.desk)

    def _orders_queue(self) -> "Queueing":
        """Return who brings the queue into order, from the first on where the policy learns what leases use."""
        if self._queueing is None:
            from haizea.core.queueing import Queueing
            from haizea.core.replanning import Replanning

            replanning = Replanning(self.desk, self._booking, self._reservations, self._deadlines)
            self._queueing = Queueing(self.desk, self._booking, replanning)
        return self._queueing

    def _admit(self) -> None:
        desk = self.desk
        arrived, self._arrived = self._arrived, []
        for lease in arrived:
            if lease.state is not LeaseState.NEW:
                continue
            refusal = self._refusal(lease)
            if refusal is not None:
                desk.retire(lease, LeaseState.REJECTED, refusal)
            elif lease.type is LeaseType.BEST_EFFORT:
                desk.enter(lease, LeaseState.QUEUED)
                desk.enqueue(lease)
            else:
                self._book(lease)

    def _refusal(self, lease: Lease) -> Reason | None:
        desk = self.desk
        if desk.pauses:
            refusal = refused_by_pause(desk, lease)
            if refusal is not None:
                return refusal
        text = desk.policies.admission.admit(lease, desk.site_view, desk.now)
        if text is not None:
            return reasons.refused_by_policy(text)
        return reasons.never(desk, lease)

    def _book(self, lease: Lease) -> None:
        """Book a lease that is wanted at a certain time, or refuse it."""
        desk = self.desk
        desk.enter(lease, LeaseState.PENDING)
        if desk.freed_until is not None:
            self._backfilling.move_up()
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            refusal = self._reservations.book(lease)
        elif lease.type is LeaseType.DEADLINE:
            desk.has_deadlines = True
            refusal = self._deadlines.book(lease)
        else:
            refusal = self._booking.asap(lease, future=False)
            if refusal is reasons.NO_ROOM:
                refusal = self._reservations.refused(lease, desk.now, min(desk.now + lease.left, FAR_FUTURE))
        if refusal is not None:
            by_user = refusal.cause is Cause.PRICE
            desk.retire(lease, LeaseState.REJECTED_BY_USER if by_user else LeaseState.REJECTED, refusal)
