"""Giving orders: one way for all of them, from what was asked for to what has become of it.

Whoever may gives an order to the scheduler, which takes it or says why not. The journal gets who, what and why, ahead
of what it led to. What others have of it is found by comparing the schedule before and after; an order that is only
tried goes the same way on a copy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from haizea.core.scheduler import Scheduler
from haizea.live.records import lease_row
from haizea.model.events import Event
from haizea.model.reason import Cause, Reason
from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.runtime.rows import LeaseRow
from haizea.runtime.store import StoreError
from haizea.service.errors import Conflict
from haizea.service.instants import iso
from haizea.service.live import Live
from haizea.service.models import AffectedOut, LeaseOut
from haizea.service.order_models import OrderIn, OutcomeOut
from haizea.service.pictures import affected, on_hosts, picture, rehearse
from haizea.service.principal import Principal
from haizea.service.views import reason_out

NOTES_MAX: Final = 100

REMEDIES: Final[Mapping[Cause, str]] = {
    Cause.TOO_SMALL: "Ask for fewer or smaller VMs.",
    Cause.RESERVED: "Ask for less, or for another time.",
    Cause.NOT_UP: "Enable hosts, or wait until they are back.",
    Cause.LABELS: "Name other hosts, or change their labels.",
    Cause.BEHIND: "Wait until it is its turn, or move it to the top of the queue.",
    Cause.PAST: "Name a time to come.",
    Cause.DEADLINE: "Allow it to end later.",
    Cause.MAINTENANCE: "Name a time or hosts without maintenance (haizea maintenance list).",
    Cause.UNKNOWN_RESOURCE: "Name a type of resource that the site has (haizea host show).",
    Cause.AFFINITY: "Have its VMs be where they like, or ask for fewer.",
    Cause.POLICY: "It is the site's rule; an administrator may change it (haizea scheduler set).",
    Cause.PRICE: "Ask for less, or agree to the price.",
}
"""What helps where something of this kind is in the way, whatever was ordered."""

OF_ORDERS: Final[Mapping[tuple[str, Cause], str]] = {
    ("lease-extend", Cause.RESERVED): "Ask for less time, or have those in the way end or move.",
    ("lease-resize", Cause.RESERVED): "Ask for fewer or smaller VMs, or wait until there is room.",
    ("lease-move", Cause.RESERVED): "Name another time.",
    ("lease-migrate", Cause.RESERVED): "Name another host, or make room on that one.",
    ("lease-migrate", Cause.NOT_UP): "Name another host, or enable that one (haizea host show).",
    ("lease-resume", Cause.RESERVED): "Wait until there is room, or make some.",
    ("lease-adopt", Cause.RESERVED): "Make room on their hosts, or leave them as strays.",
    ("host-overcommit", Cause.TOO_SMALL): "Have those leases leave first (haizea host evacuate), or take away less.",
    ("host-drain", Cause.PAST): "Name a time to come, or empty it now (haizea host evacuate).",
    ("host-maintain", Cause.MAINTENANCE): "Name another time or other hosts, move those leases, or plan it with force.",
}
"""What helps where that is something else for one kind of order."""


class Plan(NamedTuple):
    """What an order comes to: events for the scheduler, and how it is told.

    ``subject`` is ``done``: "lease 7" is "extended". ``hosts`` are those it is about, ``emptied`` those nobody is to be
    left on. ``several``: the subject is more than one thing. ``also`` is done where the order is taken, in the same
    transaction.
    """

    events: Sequence[Event]
    kind: str
    subject: str
    done: str
    lease: int | None = None
    hosts: Sequence[str] = ()
    data: Mapping[str, Any] = {}
    emptied: Sequence[int] = ()
    several: bool = False
    also: Callable[[Change], None] | None = None


class Result(NamedTuple):
    """What has become of an order, or would: ``row`` is the lease's, where it was about one."""

    plan: Plan
    affected: list[AffectedOut]
    left: list[int]
    notes: list[str]
    row: LeaseRow | None


Planned = Callable[[Scheduler, Instant], Plan]
"""Makes of the schedule and the present what an order comes to; raises ServiceError where it makes no sense."""


class Orders:
    """Gives orders to the scheduler."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def give(self, who: Principal, given: OrderIn, planned: Planned) -> Result:
        """Give an order, or try it where that is all that is wanted.

        Raises:
            Conflict: it is refused; says why, what would help, and when it could be tried again.
        """
        return self._tried(planned) if given.dry_run else self._given(who, given.reason, planned)

    def outcome(self, result: Result, given: OrderIn, lease: LeaseOut | None = None) -> OutcomeOut:
        """Return what is said of an order's result."""
        plan = result.plan
        subject = plan.subject[:1].upper() + plan.subject[1:]
        are = "are" if plan.several else "is"
        text = f"{subject} {'would be' if given.dry_run else are} {plan.done}."
        return OutcomeOut(
            done=not given.dry_run,
            text=text,
            lease=lease,
            affected=result.affected,
            left=result.left,
            notes=result.notes,
        )

    def _tried(self, planned: Planned) -> Result:
        def job(scheduler: Scheduler) -> Result:
            plan = planned(scheduler, scheduler.desk.now)
            # What happens at this instant anyway is no change.
            before = picture(rehearse(scheduler, ()).scheduler)
            found = rehearse(scheduler, plan.events)
            if found.refusal is not None:
                raise refused(found.refusal, plan)
            other = found.scheduler
            over = {number: lease.state.label for number, lease in found.retired.items()}
            lease = None if plan.lease is None else found.retired.get(plan.lease) or other.desk.leases.get(plan.lease)
            return Result(
                plan,
                affected(before, picture(other), over, but=plan.lease),
                on_hosts(other, plan.emptied),
                list(found.notes[:NOTES_MAX]),
                None if lease is None else lease_row(lease, other.desk, 0),
            )

        return self._live.look(job)

    def _given(self, who: Principal, reason: str, planned: Planned) -> Result:
        newest = self._newest()

        def job(change: Change) -> None:
            scheduler: Scheduler = change.scheduler
            plan = planned(scheduler, change.now)
            if len(plan.events) > 1:
                # One that is refused when others have been taken already would leave half of the order done.
                tried = rehearse(scheduler, plan.events)
                if tried.refusal is not None:
                    raise refused(tried.refusal, plan)
            before = picture(scheduler)

            def taken() -> None:
                text = f"{who.user} had {plan.subject} {plan.done}" + (f": {reason}" if reason else ".")
                data = {**plan.data, "reason": reason}
                for host in plan.hosts or (None,):
                    change.note(plan.kind, who.user, text, lease=plan.lease, host=host, data=data)
                if plan.also is not None:
                    plan.also(change)

            first, *others = plan.events
            refusal = change.hand_over(first, taken)
            if refusal is not None:
                raise refused(refusal, plan)
            for event in others:
                change.hand_over(event)

            def finish() -> Result:
                after = picture(scheduler)
                over = {}
                for number in before.keys() - after.keys():
                    row = change.row(number)
                    if row is not None:
                        over[number] = row.state
                return Result(
                    plan,
                    affected(before, after, over, but=plan.lease),
                    on_hosts(scheduler, plan.emptied),
                    [],
                    None if plan.lease is None else change.row(plan.lease),
                )

            change.then(finish)

        result: Any = self._live.change(job)
        found: Result = result
        return found._replace(notes=self._notes(newest))

    def _newest(self) -> int:
        try:
            return self._live.store.last_entry()
        except StoreError:
            return -1

    def _notes(self, after: int) -> list[str]:
        """Return what was told since, which may be a little more than what the order led to."""
        if after < 0:
            return []
        try:
            found = self._live.store.entries(after, limit=NOTES_MAX, kinds=("notice",))
        except StoreError:
            # The order is carried out; that there is nothing more to be told of it is no reason to say it was not.
            return []
        return [entry.text for entry in found]


def refused(reason: Reason, plan: Plan) -> Conflict:
    """Return what is answered where the scheduler refuses an order."""
    remedy = OF_ORDERS.get((plan.kind, reason.cause)) or REMEDIES.get(reason.cause, "")
    if reason.cause is Cause.STATE:
        remedy = f"Look at how it is ({_looked_at(plan)}), and give another order."
    if reason.retry_at is not None:
        remedy = f"{remedy} It could be from {iso(reason.retry_at)} on.".strip()
    shown = reason_out(reason)
    return Conflict(
        reason.text,
        code="order-refused",
        remedy=remedy or "Look at what is in the way, and decide anew.",
        facts={"reason": shown.model_dump(), "retry_at": shown.retry_at},
    )


def _looked_at(plan: Plan) -> str:
    """Name the command that shows how it is with what an order is about."""
    if plan.lease is not None:
        return f"haizea lease explain {plan.lease}"
    if plan.hosts:
        return f"haizea host show {plan.hosts[0]}"
    return "haizea maintenance list" if plan.kind == "host-maintain" else "haizea scheduler status"
