"""The verifier: checks after every event that what the scheduler has promised, planned and done is right.

It shares no arithmetic with the planner. What happened it takes from the commands (:mod:`haizea.experiments.stories`),
what hosts hold it adds up itself (:mod:`haizea.experiments.occupancy`), transfers it follows in
:mod:`haizea.experiments.sendings`. From the scheduler it takes only what is to be checked: the stays of leases, and
what the slot table and the rows of results say.

After every event the leases that changed are checked, with every host they are on; after every ``full_every`` events,
and at the end, everything is checked from zero. Suspensions and resumptions are checked to go one at a time within a
lease; different leases may overlap, which is how the rules plan them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from haizea.core.desk import Retired
from haizea.core.reasons import instant
from haizea.core.scheduler import Scheduler
from haizea.experiments.occupancy import Occupancy
from haizea.experiments.records import OperationRow, operations
from haizea.experiments.sendings import Sendings
from haizea.experiments.stories import Doing, Rules, Stories, Story
from haizea.model.effects import Command, Effect, LeaseChanged, Notice, Verb
from haizea.model.events import Event, HostObserved, InstanceObserved, LeaseRequested, OperationReported, TimePassed
from haizea.model.lease import FINAL_STATES, LeaseState, LeaseType
from haizea.model.reason import Cause
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Copy, Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.options import Exclusion
from haizea.plan.slottable import Reservation

VIOLATIONS_MAX: Final = 100
FULL_EVERY: Final = 1_000

_WAITING: Final = frozenset({LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED})
_UNPLANNED: Final = frozenset({Cause.HOST_LOST, Cause.FAILED})

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
        self._over: set[int] = set()
        self._signatures: dict[int, Signature] = {}
        self._real: dict[int, Span] = {}
        self._now = desk.now
        self._finished = self._decided = False

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
        for effect in effects:
            if isinstance(effect, Command):
                self._command(effect, event, effects)
            elif isinstance(effect, Retired):
                self._retired(effect)
            elif isinstance(effect, Notice):
                if effect.lease in self._live:
                    self._live[effect.lease].excused = True
            else:
                self._changed(effect)
        decided = isinstance(event, TimePassed)
        self._decided = decided
        self._check_leases(self._desk.leases.values(), decided=decided)
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
        elif isinstance(event, InstanceObserved | OperationReported):
            if event.lease in self._live:
                self._stories.unplanned(self._live[event.lease], event)
        elif isinstance(event, HostObserved):
            self._stories.host_observed(event, list(self._live.values()))

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
        self._stories.command(story, command, _copies(lease, event.at), event)
        if command.verb is Verb.START and self._sendings is not None and isinstance(event, TimePassed):
            self._sendings.started(story, lease, command.hosts(), event.at)

    def _changed(self, change: LeaseChanged) -> None:
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
        refused = state in (LeaseState.REJECTED, LeaseState.REJECTED_BY_USER)
        if refused and story.accepted:
            self._stories.wrong(story, at, f"is {state.label} after it was accepted")
        if refused and lease.reason is None:
            self._stories.wrong(story, at, f"is {state.label} without a reason")
        if lease.reason is not None and lease.reason.cause in _UNPLANNED:
            story.excused = True
        if state is LeaseState.FAILED and not story.excused:
            self._stories.wrong(story, at, "fails though nothing happened to it")
        if state is LeaseState.DONE:
            self._done(story, lease, at)
        elif story.type in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE) and state is LeaseState.CANCELLED:
            self._late(story, at)
        self._check_rows(story, lease, at)

    def _done(self, story: Story, lease: Lease, at: Instant) -> None:
        expected = story.expected()
        if story.delivered != lease.delivered:
            self._stories.wrong(story, at, f"is said to have run {lease.delivered} ms, but did for {story.delivered},")
        if not story.excused and expected is not None and story.delivered != expected:
            self._stories.wrong(story, at, f"is done after running {story.delivered} ms, not {expected},")
        if story.terms.duration is None and not story.guests_over:
            self._stories.wrong(story, at, "is done though it was to run without end")
        if story.type is LeaseType.DEADLINE and at > (story.terms.deadline or 0) and not story.excused:
            self._stories.wrong(story, at, f"ends after its deadline, {instant(story.terms.deadline or 0)},")

    def _late(self, story: Story, at: Instant) -> None:
        """A promise must not be found broken only when a lease is cancelled."""
        terms, start = story.terms, story.terms.start or 0
        if story.excused or not story.accepted:
            return
        if story.type is LeaseType.ADVANCE_RESERVATION and start < at and not story.starts:
            self._stories.wrong(story, at, f"is cancelled; it should have started at {instant(start)}, and had not")
        if terms.deadline is not None and at > terms.deadline:
            self._stories.wrong(
                story, at, f"is cancelled; it should have ended by {instant(terms.deadline)}, and had not"
            )

    def _check_rows(self, story: Story, lease: Lease, at: Instant) -> None:
        """Compare the rows of results with the story, and with each other."""
        rows = list(operations(lease, self._desk.table, self._desk.options.exclusion))
        busy: dict[int, list[OperationRow]] = {}
        for row in rows:
            before = row.start < story.submitted and row.kind != "transfer"
            if row.end < row.start or before or row.end > at:
                self._stories.wrong(story, at, f"has a row {row.kind} from {row.start} to {row.end}")
            for vm in _numbers(row.vms):
                busy.setdefault(vm, []).append(row)
        for vm, mine in busy.items():
            mine.sort(key=lambda row: (row.start, row.end))
            for one, other in zip(mine, mine[1:], strict=False):
                if other.start < one.end:
                    text = f"has VM {vm} in two rows, {one.kind} and {other.kind}, at {instant(other.start)}, as said"
                    self._stories.wrong(story, at, text)
        if set(busy) - set(range(1, story.terms.node_count + 1)):
            self._stories.wrong(story, at, "has rows of VMs that it does not have")
        ran = sum(row.end - row.start for row in _of_first_vm(rows) if row.kind == "run" and row.outcome == "done")
        if ran != lease.delivered:
            self._stories.wrong(story, at, f"has rows of {ran} ms of running, but delivered {lease.delivered},")
        suspended = sum(1 for entry in lease.log if entry.kind == "suspend" and entry.outcome == "done")
        if suspended != lease.suspensions:
            self._stories.wrong(story, at, f"has {suspended} suspensions in its rows, but counts {lease.suspensions},")
        first = min((row.start for row in rows if row.kind == "run"), default=None)
        if first is not None and lease.started is not None and first < lease.started:
            self._stories.wrong(story, at, f"runs from {first} on, before it is said to have started,")
        self._one_at_a_time(story, rows, at)

    def _one_at_a_time(self, story: Story, rows: Iterable[OperationRow], at: Instant) -> None:
        """Check how long each host takes to suspend or resume, and that with global exclusion only one does."""
        working: list[OperationRow] = []
        for row in rows:
            if row.kind not in ("suspend", "resume") or row.outcome != "done":
                continue
            working.append(row)
            suspend = row.kind == "suspend"
            least = sum(self._rules.one(story.demands[vm - 1], suspend=suspend) for vm in _numbers(row.vms))
            if row.end - row.start < least:
                self._stories.wrong(story, at, f"has a row {row.kind} of {row.end - row.start} ms, not {least},")
        if self._desk.options.exclusion is Exclusion.GLOBAL:
            working.sort(key=lambda row: row.start)
            for one, other in zip(working, working[1:], strict=False):
                if other.start < one.end:
                    self._stories.wrong(
                        story, at, f"has two hosts {one.kind} at a time, at {instant(other.start)}, as said"
                    )

    # Plans ---------------------------------------------------------------------------------------------------

    def _check_leases(self, leases: Iterable[Lease], *, decided: bool) -> None:
        """Check every lease whose plan is not what it was when it was looked at last."""
        touched: set[int] = set()
        for lease in leases:
            stays = lease.stays
            known = self._signatures.get(lease.id)
            if not stays and known is None:
                continue
            signature = self._signature(stays)
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
                self._in_order(story)
            story.accepted = True
            touched |= self._occupancy.replace(lease.id, [self._held(story, stay) for stay in stays])
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

    def _in_order(self, story: Story) -> None:
        """Without backfilling nobody is planned while one who was submitted earlier waits."""
        desk = self._desk
        if desk.options.reservations_max == 0 and story.type is LeaseType.BEST_EFFORT:
            for other in desk.queue:
                if other.submitted >= story.submitted:
                    break
                if other.type is LeaseType.BEST_EFFORT:
                    self._stories.wrong(story, self._now, f"overtakes lease {other.id}, without backfilling,")

    def _held(self, story: Story, stay: Stay) -> tuple[Instant, Instant, Sequence[int], Sequence[Any]]:
        return stay.start, stay.end, hosts_of(stay, self._desk.table), story.demands

    def _check_plan(self, story: Story, lease: Lease, *, decided: bool) -> None:
        wrong, now, stays = self._stories.wrong, self._now, lease.stays
        for one, other in zip(stays, stays[1:], strict=False):
            if one.end > other.start or not one.suspending or not other.resuming:
                wrong(story, now, f"has one stay until {instant(one.end)} and another from {instant(other.start)} on")
        for i, stay in enumerate(stays):
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
        elif terms.deadline is not None and stays[-1].end > terms.deadline:
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
        desk = self._desk
        self._signatures.clear()
        for number in list(self._live):
            self._occupancy.replace(number, ())
        self._check_leases(desk.leases.values(), decided=False)
        held = [Reservation(s.start, s.end, s.placement.held) for lease in desk.leases.values() for s in lease.stays]
        for text in desk.table.check(held):
            self._violation(f"The slot table is wrong, {text}, at {instant(self._now)}.")
        self._check_table()
        self._check_queue()
        self._check_idle()
        for number in self._live.keys() ^ desk.leases.keys():
            self._violation(f"Lease {number} is lost at {instant(self._now)}.")
        if self._sendings is not None:
            self._sendings.check(self._now)

    def _check_table(self) -> None:
        """Compare what the slot table says is free, host by host, with what is."""
        table = self._desk.table
        states: dict[tuple[int, Instant], int] = {}
        for host, spec in enumerate(self._desk.site.hosts):
            block, number = divmod(host, table.block_hosts)
            timeline = table.timelines[block]
            for at in self._occupancy.instants(host, self._now):
                state = states.get((block, at))
                if state is None:
                    state = states[block, at] = timeline.state(at)
                said, free = timeline.packing.free(state, number), self._occupancy.free(host, at)
                if said != free:
                    self._violation(f"Host {spec.name} is said to have {said} free at {instant(at)}; it has {free}.")

    def _check_queue(self) -> None:
        desk, now = self._desk, instant(self._now)
        for what, leases in (("queue", list(desk.queue)), ("reserved", list(desk.reserved))):
            for one, other in zip(leases, leases[1:], strict=False):
                if one.submitted > other.submitted:
                    self._violation(
                        f"Lease {one.id} is before lease {other.id} in {what}, submitted earlier, at {now}."
                    )
            if len({lease.id for lease in leases}) < len(leases):
                self._violation(f"A lease is twice in {what} at {now}.")
        limit = desk.options.reservations_max
        if limit is not None and len(desk.reserved) > limit:
            self._violation(
                f"{len(desk.reserved)} leases hold reservations in the future, not at most {limit}, at {now}."
            )
        queued = {lease.id for lease in desk.queue}
        for lease in desk.leases.values():
            waits = lease.id in queued
            if lease.state is not LeaseState.NEW and bool(lease.stays) is waits:
                text = "both waits and is planned" if waits else "neither waits nor is planned"
                self._violation(f"Lease {lease.id} {text} at {now}.")
            if waits is not (lease.state in _WAITING):
                self._violation(
                    f"Lease {lease.id} is {lease.state.label} and {'' if waits else 'not '}in the queue, at {now}."
                )

    def _check_idle(self) -> None:
        """Check that no lease waits that could run from now to its end; without backfilling, of the one in front."""
        desk, options = self._desk, self._desk.options
        if not self._decided or options.non_schedulable:
            return
        for lease in list(desk.queue)[: 1 if options.reservations_max == 0 else None]:
            terms = lease.terms
            plain = len(set(self._live[lease.id].demands)) == 1 and not (
                terms.constraints.spread or terms.constraints.together
            )
            prepared = desk.images is None or terms.software is None
            if plain and prepared and not lease.images and lease.state is LeaseState.QUEUED and self._room(lease):
                self._stories.wrong(self._live[lease.id], self._now, "waits though it could run from now to its end")

    def _room(self, lease: Lease) -> bool:
        """Whether all VMs of a lease have room from now until it would be over, on hosts that it may use."""
        desk, now = self._desk, self._now
        demand = self._live[lease.id].demands[0]
        overhead = desk.options.shutdown_time + desk.options.enactment_overhead * lease.terms.node_count
        end = FAR_FUTURE if lease.terms.duration is None else now + lease.terms.duration + overhead
        found = 0
        for host, spec in enumerate(desk.site.hosts):
            if not desk.hosts.allowed(host, spec, lease.terms.constraints):
                continue
            free = [self._occupancy.free(host, at) for at in self._occupancy.instants(host, now) if at < end]
            found += min(min(at[name] // amount for name, amount in demand.items()) for at in free)
        return found >= lease.terms.node_count


def _copies(lease: Lease, at: Instant) -> tuple[Copy, ...]:
    """Return the copies that are said to have been made before the resumption that begins now."""
    for entry in reversed(lease.log):
        if entry.kind == "migrate" and entry.stay.start == at:
            return entry.stay.copies
    return ()


def _numbers(vms: str) -> list[int]:
    """Read ``1-8,12``."""
    found: list[int] = []
    for part in vms.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _of_first_vm(rows: Iterable[OperationRow]) -> list[OperationRow]:
    return [row for row in rows if 1 in _numbers(row.vms)]
