"""Orders about the scheduler itself: whether it schedules and takes requests, by which options; what differs."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, NamedTuple

from haizea.core.pauses import INTAKE, SCHEDULING
from haizea.core.scheduler import Scheduler
from haizea.live.reconcile import Diff
from haizea.model import orders
from haizea.model.events import SchedulerOrdered, TimePassed
from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.service import access
from haizea.service.field import Field, asked
from haizea.service.instants import iso
from haizea.service.live import Live
from haizea.service.order_models import (
    ConfigureIn,
    DifferenceOut,
    DiffOut,
    HostDifferenceOut,
    OrderIn,
    OutcomeOut,
    ReconciledOut,
    SchedulerOut,
)
from haizea.service.orders import Orders, Plan
from haizea.service.pictures import affected, picture, rehearse
from haizea.service.principal import Principal
from haizea.service.refusals import Attempt

KEPT: Final = (
    "This holds until the daemon is restarted; to have it hold for longer, write it into the configuration as well: "
)


class SchedulerVerb(NamedTuple):
    """A row: what is checked, the order, and what is said of what: ``subject`` is ``done``."""

    verb: str
    order: orders.SchedulerOrder
    subject: str
    done: str
    says: str


SCHEDULER_VERBS: Final[Sequence[SchedulerVerb]] = (
    SchedulerVerb("scheduler.pause", orders.PauseScheduling(), "scheduling", "paused",
                  "Start nothing new but what is promised at a certain time"),
    SchedulerVerb("scheduler.resume", orders.ResumeScheduling(), "scheduling", "resumed", "Schedule again"),
    SchedulerVerb("scheduler.replan", orders.Replan(), "what is not promised", "planned anew",
                  "Plan everything anew that is not promised at a certain time and has not begun"),
    SchedulerVerb("intake.pause", orders.PauseIntake(), "intake", "paused", "Refuse all requests"),
    SchedulerVerb("intake.resume", orders.ResumeIntake(), "intake", "resumed", "Take requests again"),
)  # fmt: skip

SCHEDULER_BY_VERB: Final[Mapping[str, SchedulerVerb]] = {row.verb: row for row in SCHEDULER_VERBS}


class Scheduling:
    """Takes orders about the scheduler."""

    def __init__(self, live: Live, orders_: Orders, field: Field) -> None:
        self._live = live
        self._orders = orders_
        self._field = field
        # What was changed since the daemon was started. Only the loop's thread changes it.
        self.changes: dict[str, str] = {}

    def show(self, who: Principal) -> SchedulerOut:
        """Return what the scheduler is doing, and by which options."""
        access.check(who, "configuration.show", owner=who.user)
        settings = self._field.rules(self.changes).settings

        def job(scheduler: Scheduler) -> SchedulerOut:
            pauses = scheduler.desk.pauses
            return SchedulerOut(
                now=iso(scheduler.desk.now),
                scheduling=SCHEDULING not in pauses,
                intake=INTAKE not in pauses,
                queue=len(scheduler.desk.queue),
                options=dict(settings),
                changed=dict(self.changes),
            )

        return self._live.look(job)

    def order(self, who: Principal, verb: str, given: OrderIn) -> OutcomeOut:
        """Give an order about the scheduler; ``verb`` is that of :mod:`haizea.service.access`.

        Raises:
            Conflict: it is refused; says why and what would help.
        """
        row = SCHEDULER_BY_VERB[verb]

        def planned(_scheduler: Scheduler, now: Instant) -> Plan:
            return Plan(
                events=(SchedulerOrdered(now, row.order, who.user, given.reason),),
                kind=verb.replace(".", "-"),
                subject=row.subject,
                done=row.done,
            )

        with self._live.refusals.kept(who, Attempt(verb, given.reason, tried=given.dry_run)):
            access.check(who, verb)
            return self._orders.outcome(self._orders.give(who, given, planned), given)

    def configure(self, who: Principal, given: ConfigureIn) -> OutcomeOut:
        """Have the scheduler go by other policies, rates and other options from now on, until it is restarted.

        Raises:
            Invalid: there is no such option, it cannot be changed while the daemon runs, or not to that.
        """
        said = ", ".join(f"{name}={value}" for name, value in given.options.items())
        attempt = Attempt("scheduler.configure", given.reason, about=said, tried=given.dry_run)
        with self._live.refusals.kept(who, attempt):
            return self._configure(who, given, said)

    def _configure(self, who: Principal, given: ConfigureIn, said: str) -> OutcomeOut:
        access.check(who, "scheduler.configure")
        changes = {**self.changes, **given.options}
        wanted = self._field.rules(changes)

        def job(change: Change) -> None:
            scheduler: Scheduler = change.scheduler
            # Where the schedule does not go with it, nothing may have been changed.
            scheduler.copy().follow(wanted.options, deepcopy(wanted.policies))
            text = f"{who.user} had the scheduler go by {said}" + (f": {given.reason}" if given.reason else ".")
            data = {"options": dict(given.options), "reason": given.reason}
            change.note("scheduler-configure", who.user, text, data=data)
            before = picture(scheduler)
            scheduler.follow(wanted.options, wanted.policies)
            self.changes = changes
            found = self._configured(said, given)
            change.then(lambda: found.model_copy(update={"affected": affected(before, picture(scheduler), {})}))

        if not given.dry_run:
            done: Any = self._live.change(job)
            outcome: OutcomeOut = done
            return outcome

        def tried(scheduler: Scheduler) -> OutcomeOut:
            before = picture(rehearse(scheduler, ()).scheduler)
            other = scheduler.copy()
            other.follow(wanted.options, deepcopy(wanted.policies))
            other.handle(TimePassed(other.desk.now))
            found = self._configured(said, given)
            return found.model_copy(update={"affected": affected(before, picture(other), {})})

        return self._live.look(tried)

    def _configured(self, said: str, given: ConfigureIn) -> OutcomeOut:
        text = f"The scheduler {'would go' if given.dry_run else 'goes'} by {said}. What was promised stays."
        return OutcomeOut(
            done=not given.dry_run,
            text=text,
            lease=None,
            affected=[],
            left=[],
            notes=[f"{KEPT}{_lines(given.options)}."],
        )

    def in_force(self) -> Mapping[str, Any]:
        """Return what of the options is not as configured any more, by their full names."""
        changes = self.changes
        if not changes:
            return {}
        settings = self._field.rules(changes).settings
        return {name: settings.get(name, text) for name, text in changes.items()}

    # Desired and observed ------------------------------------------------------------------------------------

    def diff(self, who: Principal, *, everything: bool = False) -> DiffOut:
        """Return what is desired beside what is observed: what differs, or everything."""
        access.check(who, "scheduler.diff")
        with asked():
            found = self._field.diff()
        return diff_out(found, self._live.names, everything)

    def reconcile(self, who: Principal, given: OrderIn) -> ReconciledOut:
        """Compare what is desired with what is, and deal with every difference; with ``dry_run``, only count them."""
        with self._live.refusals.kept(who, Attempt("scheduler.reconcile", given.reason, tried=given.dry_run)):
            access.check(who, "scheduler.reconcile")
        if given.dry_run:
            with asked():
                found = diff_out(self._field.diff(), self._live.names, everything=False)
            # That strays run somewhere is to be seen, but nothing that is mended.
            hosts = [row for row in found.hosts if not row.strays or row.observed_capacity not in (None, row.capacity)]
            return ReconciledOut(differences=len(found.vms) + len(hosts))

        def note(change: Change) -> None:
            text = f"{who.user} had the platform compared with the schedule"
            text += f": {given.reason}" if given.reason else "."
            change.note("scheduler-reconcile", who.user, text, data={"reason": given.reason})

        self._live.change(note)
        with asked():
            return ReconciledOut(differences=self._field.reconcile())


def _lines(options: Mapping[str, str]) -> str:
    """Write options as a configuration has them: by their tables."""
    tables: dict[str, list[str]] = {}
    for name, value in options.items():
        table, _, key = name.rpartition(".")
        number = value.isascii() and value.isdigit()
        tables.setdefault(table, []).append(f"{key} = {value if number else json.dumps(value)}")
    return "; ".join(f"in [{table}]: {', '.join(lines)}" for table, lines in tables.items())


def diff_out(found: Diff, names: Sequence[str], everything: bool) -> DiffOut:
    """Return a comparison as it is shown."""

    def name(host: int | None) -> str | None:
        return None if host is None else names[host] if host < len(names) else str(host)

    return DiffOut(
        at=iso(found.at),
        vms=[
            DifferenceOut(
                lease=row.lease,
                vm=row.vm,
                desired=row.desired,
                host=name(row.desired_host),
                observed=row.observed,
                seen_on=name(row.observed_host),
                under_way=row.under_way,
                agrees=row.agrees,
                known=row.known,
            )
            for row in found.vms
            if everything or not row.agrees
        ],
        hosts=[
            HostDifferenceOut(
                host=row.name,
                desired=row.desired,
                observed=row.observed,
                capacity=dict(row.capacity.items()),
                observed_capacity=None if row.observed_capacity is None else dict(row.observed_capacity.items()),
                strays=list(row.strangers),
                agrees=row.agrees,
            )
            for row in found.hosts
            if everything or not row.agrees
        ],
    )
