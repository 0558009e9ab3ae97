"""The verifier: checks after every event that what the scheduler has promised, planned and done is right.

It shares no arithmetic with the planner. What happened it takes from the commands (:mod:`haizea.experiments.stories`),
what hosts hold it adds up itself (:mod:`haizea.experiments.occupancy`), transfers it follows in
:mod:`haizea.experiments.sendings`, leases that are over it looks at in :mod:`haizea.experiments.endings`, the slot
table and the queue in :mod:`haizea.experiments.audit`. From the scheduler it takes only what is to be checked: the
stays of leases, and what the slot table and the rows of results say.

After every event the leases that changed are checked, with every host they are on; after every ``full_every`` events,
and at the end, everything is checked from zero. Suspensions and resumptions are checked to go one at a time within a
lease; different leases may overlap, which is how the rules plan them.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from haizea.core.desk import Retired
from haizea.core.reasons import impossible, instant
from haizea.core.scheduler import Scheduler
from haizea.experiments.audit import Audit
from haizea.experiments.endings import Endings
from haizea.experiments.occupancy import Occupancy
from haizea.experiments.sendings import Sendings
from haizea.experiments.stories import Doing, Rules, Stories, Story
from haizea.model.effects import Command, Effect, HostChanged, LeaseChanged, Notice, Refused, Verb
from haizea.model.events import (
    Event,
    HostOrdered,
    InstanceObserved,
    LeaseAdopted,
    LeaseOrdered,
    LeaseRequested,
    MaintenanceOver,
    MaintenancePlanned,
    OperationOutcome,
    OperationReported,
    SchedulerOrdered,
    SiteChanged,
    StrangersObserved,
    TimePassed,
    WishesChanged,
)
from haizea.model.lease import FINAL_STATES, LeaseState, LeaseType
from haizea.model.reason import Cause
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Copy, Lease, Phase, Stay
from haizea.plan.operations import hosts_of

VIOLATIONS_MAX: Final = 100
FULL_EVERY: Final = 1_000

_UNPLANNED: Final = frozenset({Cause.HOST_LOST, Cause.FAILED})

_CLAIMS: Final = -1
"""The number under which what others than leases hold is added up."""

ORDERS: Final = (
    LeaseOrdered,
    HostOrdered,
    SchedulerOrdered,
    MaintenancePlanned,
    MaintenanceOver,
    SiteChanged,
    StrangersObserved,
    LeaseAdopted,
    WishesChanged,
)

Signature = tuple[object, ...]


class Verifier:
    """Watches one scheduler from its first event on.

    ``violations`` holds a sentence for each thing found wrong, the first :data:`VIOLATIONS_MAX` of them;
    ``found`` counts them all.
    """

    def __init__(self, scheduler: Scheduler, full_every: int = FULL_EVERY) -> None:
        """Watch a scheduler; check everything from zero after every ``full_every`` events."""
        desk = self._desk = scheduler.desk
        self._full_every = full_every
        self.events = 0
        self.found = 0
        self.violations: list[str] = []
        self._said: set[str] = set()
        self._rules = Rules(desk.options)
        self._stories = Stories(desk.site, self._rules, desk.hosts.states, self._violation)
        self._occupancy = Occupancy(desk.site, self._violation)
        self._sendings: Sendings | None = None
        if desk.images is not None and desk.options.transfer is not None:
            self._sendings = Sendings(desk.site, desk.options.transfer, desk.images, self._violation)
        self._live: dict[int, Story] = {}
        self._endings = Endings(desk, self._rules, self._stories)
        self._audit = Audit(desk, self._occupancy, self._stories, self._live, self._violation)
        self._over: set[int] = set()
        self._signatures: dict[int, Signature] = {}
        self._real: dict[int, Span] = {}
        self._now = desk.now
        self._finished = self._decided = self._claimed = self._renewed = False

    def tell(self, lease: int, real_duration: Span) -> None:
        """Be told how long the VMs of a lease will really run."""
        self._real[lease] = real_duration

    def summary(self) -> dict[str, Any]:
        """Return the number of events seen, and what is wrong, a sentence each. To be asked when the run is over."""
        if not self._finished:
            self._finished = True
            self._check_all()
            for story in self._live.values():
                self._stories.wrong(story, self._now, "has not come to an end")
        return {"events": self.events, "violations": list(self.violations)}

    def _violation(self, text: str) -> None:
        if text in self._said:
            return
        self.found += 1
        if len(self.violations) < VIOLATIONS_MAX:
            self._said.add(text)
            self.violations.append(text)

    # After every event ---------------------------------------------------------------------------------------

    def after(self, event: Event, effects: Sequence[Effect | Retired]) -> None:
        """Check what an event has led to; to be called before its effects are acted upon."""
        self.events += 1
        if event.at < self._now:
            self._violation(
                f"The event {type(event).__name__} of {instant(event.at)} comes after {instant(self._now)}."
            )
        self._now = event.at
        self._take_in(event)
        if isinstance(event, ORDERS):
            self._ordered(event, effects)
        for effect in effects:
            if isinstance(effect, Command):
                self._command(effect, event, effects)
            elif isinstance(effect, Retired):
                self._retired(effect)
            elif isinstance(effect, Notice):
                if effect.lease in self._live:
                    story = self._live[effect.lease]
                    story.excused = True
                    if effect.lease in self._desk.leases and self._desk.leases[effect.lease].extensions:
                        self._stories.take_over(story, self._desk.leases[effect.lease])
            elif isinstance(effect, LeaseChanged):
                self._changed(effect, event)
            elif isinstance(effect, HostChanged):
                survive = self._desk.options.images_survive
                self._stories.host_is(effect.host, effect.state, list(self._live.values()), images_survive=survive)
        claimed = self._claims()
        decided = isinstance(event, TimePassed)
        self._decided = decided
        self._check_leases(self._desk.leases.values(), decided=decided)
        for host in claimed:
            self._occupancy.check(host, self._now)
        if self._sendings is not None:
            self._sendings.after(self._now)
        if self.events % self._full_every == 0:
            self._check_all()

    def _take_in(self, event: Event) -> None:
        if isinstance(event, LeaseRequested):
            if event.lease not in self._live and event.lease not in self._over:
                story = Story(event.lease, event.terms, event.at, self._real.pop(event.lease, None))
                self._live[event.lease] = story
                if self._sendings is not None:
                    self._sendings.requested(story)
        elif isinstance(event, InstanceObserved | OperationReported) and event.lease in self._live:
            self._stories.unplanned(self._live[event.lease], event)
        if isinstance(event, OperationReported) and event.kind == "transfer":
            self._sent(event)

    def _sent(self, event: OperationReported) -> None:
        if event.outcome is not OperationOutcome.FAILED and self._sendings is not None:
            self._sendings.retimed(event.at, early=event.outcome is OperationOutcome.DONE)

    def _ordered(self, event: Event, effects: Sequence[Effect | Retired]) -> None:
        """Follow what people have ordered; what was refused must have left no trace."""
        desk = self._desk
        if any(isinstance(effect, Refused) for effect in effects):
            if len(effects) > 1 or desk.touched:
                self._violation(f"{type(event).__name__} was refused at {instant(event.at)}, and did something.")
            return
        self._renewed = True
        self._stories.renewed(desk.site, desk.hosts.states)
        self._occupancy.renewed(desk.site)
        if self._sendings is not None and desk.images is not None:
            self._sendings.renewed(desk.site, desk.images)
        if isinstance(event, LeaseAdopted):
            self._live[event.lease] = Story(event.lease, event.terms, event.at, None)
        over = [effect.lease for effect in effects if isinstance(effect, Retired)]
        for lease in [*[desk.leases[number] for number in desk.touched if number in desk.leases], *over]:
            if lease.id in self._live:
                self._stories.take_over(self._live[lease.id], lease)

    def _claims(self) -> list[int]:
        """Take note of what others than leases hold, and return of which hosts.

        Who makes way when a window begins was ordered to.
        """
        desk = self._desk
        pieces = desk.claims.pieces()
        if not pieces and not self._claimed:
            return []
        self._claimed = bool(pieces)
        held = [(piece.start, piece.end, [piece.host], [piece.amounts]) for piece in pieces]
        touched = self._occupancy.replace(_CLAIMS, held)
        for number in desk.touched:
            if number in self._live and number in desk.leases:
                self._stories.take_over(self._live[number], desk.leases[number])
        return sorted(touched)

    def _command(self, command: Command, event: Event, effects: Sequence[Effect | Retired]) -> None:
        story = self._live.get(command.lease)
        lease = self._desk.leases.get(command.lease)
        if lease is None:
            lease = next((e.lease for e in effects if isinstance(e, Retired) and e.lease.id == command.lease), None)
        if story is None or lease is None:
            self._violation(
                f"Lease {command.lease} is told to {command.verb.value} at {instant(event.at)}, but is over."
            )
            return
        if command.verb is Verb.TRANSFER:
            if self._sendings is None:
                self._stories.wrong(story, event.at, "is sent an image though images are not managed")
            else:
                self._sendings.command(story, command)
            return
        if story.ordered:
            return
        self._stories.command(story, command, _copies(lease, event.at), event)
        if command.verb is Verb.START and self._sendings is not None and isinstance(event, TimePassed):
            self._sendings.started(story, lease, command.hosts(), event.at)

    def _changed(self, change: LeaseChanged, event: Event) -> None:
        lease, story = self._desk.leases.get(change.lease), self._live.get(change.lease)
        if lease is not None and story is not None and isinstance(event, InstanceObserved | OperationReported):
            hosts = hosts_of(lease.stays[0], self._desk.table) if lease.stays else ()
            self._stories.adopted(story, change.state, lease, hosts, change.at)
        if change.at != self._now:
            self._violation(
                f"Lease {change.lease} changed at {instant(change.at)}, which was not {instant(self._now)}."
            )

    # Leases that are over ------------------------------------------------------------------------------------

    def _retired(self, retired: Retired) -> None:
        lease, at = retired.lease, retired.at
        story = self._live.pop(lease.id, None)
        if story is None:
            self._violation(f"Lease {lease.id} ends at {instant(at)}, but was over, or never was asked for.")
            return
        self._over.add(lease.id)
        self._signatures.pop(lease.id, None)
        self._occupancy.replace(lease.id, ())
        state = lease.state
        if state not in FINAL_STATES or lease.id in self._desk.leases or lease.stays or lease.ended != at:
            self._stories.wrong(story, at, f"ends in state {state.label} and is not let go of")
        if story.doing is Doing.RUNNING and story.guests_over and state is LeaseState.DONE:
            story.delivered += max(0, at - story.since)
            story.until = at
        refused = state in (LeaseState.REJECTED, LeaseState.REJECTED_BY_USER)
        if refused and story.accepted:
            self._stories.wrong(story, at, f"is {state.label} after it was accepted")
        if refused and lease.reason is None:
            self._stories.wrong(story, at, f"is {state.label} without a reason")
        if lease.reason is not None and lease.reason.cause in _UNPLANNED:
            story.excused = True
        if state is LeaseState.FAILED and not story.excused:
            self._stories.wrong(story, at, "fails though nothing happened to it")
        if story.ordered:
            return
        if state is LeaseState.DONE:
            self._endings.done(story, lease, at)
        elif story.type in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE) and state is LeaseState.CANCELLED:
            self._endings.broken_off(story, at)
        self._endings.rows(story, lease, at)

    # Plans ---------------------------------------------------------------------------------------------------

    def _check_leases(self, leases: Iterable[Lease], *, decided: bool) -> None:
        """Check every lease whose plan is not what it was when it was looked at last."""
        touched: set[int] = set()
        for lease in leases:
            stays = lease.stays
            known = self._signatures.get(lease.id)
            if not stays and known is None:
                continue
            signature = (*self._signature(stays), lease.over)
            if signature == known:
                continue
            if stays:
                self._signatures[lease.id] = signature
            else:
                del self._signatures[lease.id]
            story = self._live.get(lease.id)
            if story is None:
                self._violation(f"Lease {lease.id} was never asked for, or is over, and has a plan.")
                continue
            if not story.accepted or (known is None and decided):
                self._in_order(story, lease)
            story.accepted = True
            touched |= self._occupancy.replace(lease.id, [self._held(story, lease, stay) for stay in stays])
            if lease.over - story.ended:
                self._stories.wrong(story, self._now, "has given up VMs that nobody said were over,")
            self._follow(story, stays)
            self._check_plan(story, lease, decided=decided)
        for host in sorted(touched):
            self._occupancy.check(host, self._now)

    def _signature(self, stays: Sequence[Stay]) -> Signature:
        table = self._desk.table
        return tuple(
            [
                (
                    s.start,
                    s.run_start,
                    s.run_end,
                    s.end,
                    s.suspending,
                    s.resuming,
                    s.phase,
                    s.placement,
                    hosts_of(s, table),
                )
                for s in stays
            ]
        )

    def _in_order(self, story: Story, lease: Lease) -> None:
        """Without backfilling nobody is planned while one waits who is before it in the queue.

        Nobody has to wait behind a lease that the site, since it has changed, is too small for.
        """
        desk = self._desk
        if not story.ordered and desk.options.reservations_max == 0 and story.type is LeaseType.BEST_EFFORT:
            for other in desk.queue:
                if (other.rank, other.turn, other.submitted) >= (lease.rank, lease.turn, lease.submitted):
                    break
                if other.type is LeaseType.BEST_EFFORT and not (self._renewed and impossible(desk, other)):
                    self._stories.wrong(story, self._now, f"overtakes lease {other.id}, without backfilling,")

    def _held(self, story: Story, lease: Lease, stay: Stay) -> tuple[Instant, Instant, Sequence[int], Sequence[Any]]:
        hosts, demands = hosts_of(stay, self._desk.table), story.demands
        if lease.over:
            there = [vm for vm in range(len(hosts)) if vm + 1 not in lease.over]
            hosts, demands = tuple([hosts[vm] for vm in there]), tuple([demands[vm] for vm in there])
        return stay.start, stay.end, hosts, demands

    def _follow(self, story: Story, stays: Sequence[Stay]) -> None:
        """Take note of where VMs are that somebody moved, and until when a resumption that is in trouble lasts."""
        if not stays or not story.excused:
            return
        if story.displaced and story.doing is Doing.RUNNING and stays[0].phase is not Phase.PLANNED:
            story.hosts = hosts_of(stays[0], self._desk.table)
        if stays[0].phase is Phase.RESUMING and story.doing is Doing.RUNNING:
            story.since = stays[0].run_start

    def _check_plan(self, story: Story, lease: Lease, *, decided: bool) -> None:
        wrong, now, stays = self._stories.wrong, self._now, lease.stays
        for one, other in pairwise(stays):
            if one.end > other.start or not one.suspending or not other.resuming:
                wrong(story, now, f"has one stay until {instant(one.end)} and another from {instant(other.start)} on")
        for i, stay in enumerate(stays):
            if not story.ordered:
                self._check_stay(story, stay, decided=decided, first=i == 0)
        story.planned_on = {host for stay in stays for host in hosts_of(stay, self._desk.table)}
        if not story.excused:
            self._check_promise(story, lease)
        self._check_length(story, lease)

    def _check_stay(self, story: Story, stay: Stay, *, decided: bool, first: bool) -> None:
        wrong, now, hosts = self._stories.wrong, self._now, hosts_of(stay, self._desk.table)
        if not stay.start <= stay.run_start <= stay.run_end <= stay.end:
            wrong(story, now, f"has a stay of {stay.start}, {stay.run_start}, {stay.run_end}, {stay.end}")
        planned = stay.phase is Phase.PLANNED
        self._stories.places(story, hosts, now, new=planned and decided)
        if planned and decided and stay.start <= now:
            wrong(story, now, f"should have begun a stay at {instant(stay.start)}")
        if stay.end <= now and decided:
            wrong(story, now, f"should have ended a stay at {instant(stay.end)}")
        if planned and first and stay.resuming is not (story.doing is Doing.SUSPENDED):
            wrong(story, now, f"is {story.doing.value} and has a stay that begins otherwise")
        if stay.resuming and planned and stay.run_start - stay.start < self._rules.resuming(story, hosts):
            wrong(story, now, f"has {stay.run_start - stay.start} ms planned for being resumed, which is too little,")
        if not stay.suspending:
            return
        if not self._rules.may_suspend(story.terms):
            wrong(story, now, "is to be suspended though it must not be")
        if stay.end - stay.run_end < self._rules.suspending(story, hosts):
            wrong(story, now, f"has {stay.end - stay.run_end} ms planned for being suspended, which is too little,")

    def _check_promise(self, story: Story, lease: Lease) -> None:
        """Check the plan of a lease that was promised a time."""
        terms, stays, now = story.terms, lease.stays, self._now
        if not stays or terms.start is None:
            return
        if stays[0].start < terms.start:
            self._stories.wrong(story, now, f"is planned before {instant(terms.start)}")
        if story.type is LeaseType.ADVANCE_RESERVATION:
            whole = len(stays) == 1 and not stays[0].suspending
            if not whole or stays[0].start != terms.start or stays[0].run_start != terms.start:
                self._stories.wrong(story, now, f"is not planned for the time it was promised, {instant(terms.start)},")
        elif terms.deadline is not None and stays[-1].run_end > terms.deadline:
            self._stories.wrong(story, now, f"is planned to end after its deadline, {instant(terms.deadline)},")

    def _check_length(self, story: Story, lease: Lease) -> None:
        """Check that what has run and what is planned come to what was asked for, where the plan goes to the end."""
        stays, duration = lease.stays, story.terms.duration
        if not stays or story.excused:
            return
        planned = sum(stay.run_end - stay.run_start for stay in stays if stay.phase is not Phase.ENDING)
        total = story.delivered + planned
        last = stays[-1]
        if duration is None:
            if not last.suspending and last.run_end < FAR_FUTURE:
                self._stories.wrong(story, self._now, "is planned to end though it was to run without end")
        elif last.suspending:
            if total >= duration:
                self._stories.wrong(story, self._now, "is to be suspended when it has run for long enough")
            if story.type is LeaseType.DEADLINE:
                self._stories.wrong(story, self._now, "is to be suspended and not to be resumed")
        elif total != duration:
            self._stories.wrong(story, self._now, f"is planned to run {total} ms in all, not {duration},")

    # Everything ----------------------------------------------------------------------------------------------

    def _check_all(self) -> None:
        """Check everything from zero."""
        self._signatures.clear()
        for number in list(self._live):
            self._occupancy.replace(number, ())
        self._check_leases(self._desk.leases.values(), decided=False)
        self._audit.check(self._now, decided=self._decided)
        if self._sendings is not None:
            self._sendings.check(self._now)


def _copies(lease: Lease, at: Instant) -> tuple[Copy, ...]:
    """Return the copies that are said to have been made before the resumption that begins now."""
    for entry in reversed(lease.log):
        if entry.kind == "migrate" and entry.stay.start == at:
            return entry.stay.copies
    return ()
