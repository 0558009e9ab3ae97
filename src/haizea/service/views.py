"""From what is kept of leases and the journal to what is shown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from haizea.core.memory import hosts_from, runs_of
from haizea.core.memory import terms_of as terms_from
from haizea.experiments.records import ranges, vms_by_host
from haizea.model.lease import LeaseTerms
from haizea.model.reason import Cause, Reason
from haizea.model.resources import CPU, Capacity, describe
from haizea.model.units import FAR_FUTURE, HOUR, SECOND, Instant, Span
from haizea.plan.lease import Lease, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import SlotTable
from haizea.policy.money import money_text
from haizea.runtime.rows import Entry, LeaseRow
from haizea.service.instants import iso, iso_or_none
from haizea.service.models import ActivityOut, EntryOut, LeaseOut, NodeSetOut, ReasonOut, StayOut

Names = Sequence[str]
"""The hosts' names, by number."""


def seconds(span: Span) -> float:
    """Return a span in seconds."""
    return span / SECOND


def lease_out(row: LeaseRow, names: Names, *, private: bool) -> LeaseOut:
    """Return a lease as it is shown; with ``private`` the names and values that it carries along are left out."""
    found = row.document
    terms: Mapping[str, Any] = found["terms"]
    duration, image = terms["duration"], terms["software"]
    return LeaseOut(
        id=row.id,
        name=row.name,
        owner=row.owner,
        group=row.group,
        type=row.type,
        state=row.state,
        preemptible=terms["preemptible"],
        nodes=[NodeSetOut(count=count, resources=demand) for count, demand in terms["nodes"]],
        vms=row.vms,
        duration_s=None if duration is None else seconds(duration),
        start="now" if terms["immediate"] else iso_or_none(terms["start"]),
        deadline=iso_or_none(terms["deadline"]),
        submitted=iso(row.submitted),
        starts=iso_or_none(row.starts),
        ends=iso_or_none(row.ends),
        delivered_s=seconds(found["delivered"]),
        remaining_s=None if found["left"] is None else seconds(found["left"]),
        price=None if found["price"] is None else money_text(found["price"]),
        reason=reason_of(row),
        software=None if image is None else {"id": image[0], "size": image[1]},
        constraints={
            "require": dict(terms["require"]),
            "exclude": dict(terms["exclude"]),
            "spread": terms["spread"],
            "together": terms["together"],
        },
        on_guest_shutdown=terms["on_guest_shutdown"],
        on_failure=terms["on_failure"],
        on_end=terms.get("on_end", "stop"),
        extend_by_s=seconds(terms.get("extend_by", HOUR)),
        priority=terms.get("priority", 0),
        grace_s=seconds(terms.get("grace", 0)),
        extra={} if private else dict(terms["extra"]),
        plan=[] if row.final else plan_of(found, names),
        suspensions=found["suspensions"],
        resumptions=found["resumptions"],
        migrations=found["migrations"],
        preemptions=found["preemptions"],
        requeued=found["requeued"],
        version=row.version,
    )


def reason_of(row: LeaseRow, key: str = CPU) -> ReasonOut | None:
    """Return why a lease is as it is: why it was refused or has failed, or else why it waits.

    ``key`` is the site's first resource type.
    """
    found = row.document
    if found["reason"] is not None:
        reason: Mapping[str, Any] = found["reason"]
        return ReasonOut(
            cause=reason["cause"],
            text=reason["text"],
            hosts=reason["hosts"],
            leases=reason["leases"],
            retry_at=iso_or_none(reason["retry_at"]),
        )
    if not row.state.endswith("queued"):
        return None
    if found.get("parked"):
        return _parked(found["parked"])
    return _waits(terms_from(found["terms"]), found["wait"], key)


def reason_waiting(lease: Lease, key: str = CPU) -> ReasonOut | None:
    """Return why a lease that is in the scheduler's hands waits."""
    if lease.reason is not None:
        return reason_out(lease.reason)
    if lease.parked:
        return _parked(lease.parked)
    if lease.reserved:
        return ReasonOut(cause="behind", text="It has a reservation, and starts earlier if there is room before that.")
    wait = lease.wait
    return _waits(lease.terms, None if wait is None else (wait.cause.value, wait.at, wait.free, wait.ahead), key)


def _parked(by: str) -> ReasonOut:
    return ReasonOut(cause=Cause.HELD.value, text=f"It is kept from going on by {by}.")


def _waits(terms: LeaseTerms, wait: Sequence[Any] | None, key: str) -> ReasonOut:
    """Say why a lease is in the queue; ``wait``: cause, when it was looked at, what was free, who has a reservation."""
    if wait is None:
        return ReasonOut(cause="behind", text="It waits for room, and for those that were there before it.")
    cause, at, free, ahead = wait
    needs = " and ".join(f"{n.count} VM{'s' if n.count > 1 else ''} with {describe(n.demand)}" for n in terms.nodes)
    text = f"It waits: it needs {needs}, and there was not enough room when it was looked at first, at {iso(at)}"
    text += f" ({describe(Capacity({key: free}))} were free)"
    text += f"; lease {ahead} has a reservation before it." if ahead else "."
    return ReasonOut(cause=cause, text=text, leases=[ahead] if ahead else [])


def reason_out(reason: Reason) -> ReasonOut:
    """Return a reason as it is shown."""
    return ReasonOut(
        cause=reason.cause.value,
        text=reason.text,
        hosts={cause.value: count for cause, count in reason.hosts},
        leases=list(reason.leases),
        retry_at=iso_or_none(reason.retry_at),
    )


def plan_of(found: Mapping[str, Any], names: Names) -> list[StayOut]:
    """Return the stays, present and to come, of a lease's document."""
    return [
        StayOut(
            phase=stay["phase"],
            start=iso(stay["start"]),
            run_start=iso(stay["run_start"]),
            run_end=_end(stay["run_end"]),
            end=_end(stay["end"]),
            resuming=stay["resuming"],
            suspending=stay["suspending"],
            hosts=where(stay["hosts"], names),
        )
        for stay in found["stays"]
    ]


def stay_out(stay: Stay, table: SlotTable, names: Names) -> StayOut:
    """Return a stay that is only thought of."""
    return StayOut(
        phase="planned",
        start=iso(stay.start),
        run_start=iso(stay.run_start),
        run_end=_end(stay.run_end),
        end=_end(stay.end),
        resuming=stay.resuming,
        suspending=stay.suspending,
        hosts=where(runs_of(hosts_of(stay, table)), names),
    )


def where(runs: Iterable[Sequence[int]], names: Names) -> dict[str, str]:
    """Return the numbers of the VMs on each host."""
    return {named(names, host): ranges(vms) for host, vms in vms_by_host(hosts_from(runs)).items()}


def named(names: Names, host: int) -> str:
    """Return a host's name; one that is gone is named by the number it had."""
    return names[host] if host < len(names) else f"(host {host})"


def past_of(found: Mapping[str, Any], names: Names) -> list[ActivityOut]:
    """Return what has happened to a lease's VMs."""
    activities = [
        ActivityOut(
            kind="transfer",
            start=iso(start),
            end=iso(end),
            outcome="done",
            hosts={named(names, host): ranges(sorted(vms))},
        )
        for host, vms, start, end in found["transfers"]
    ]
    for kind, start, end, outcome, runs, copies, *_sized in found["log"]:
        hosts = where(runs, names)
        if kind == "migrate":
            hosts = {named(names, b): ranges(sorted(vms)) for _a, b, vms, _start, _end in copies}
        activities.append(ActivityOut(kind=kind, start=iso(start), end=iso(end), outcome=outcome, hosts=hosts))
    return activities


def entry_out(entry: Entry) -> EntryOut:
    """Return a journal entry as it is shown."""
    return EntryOut(
        number=entry.number,
        at=iso(entry.at),
        kind=entry.kind,
        lease=entry.lease,
        host=entry.host,
        actor=entry.actor,
        text=entry.text,
        data=dict(entry.data),
    )


def _end(at: Instant) -> str | None:
    return None if at >= FAR_FUTURE else iso(at)
