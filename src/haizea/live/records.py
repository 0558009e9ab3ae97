"""From what the scheduler says to what the store keeps."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from haizea.core.desk import Desk
from haizea.core.memory import lease_document
from haizea.core.reasons import instant
from haizea.model.effects import Command, LeaseChanged, Notice
from haizea.model.lease import LeaseState
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.site import Host, Site
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Lease
from haizea.runtime.rows import CommandRow, Document, Entry, LeaseRow, UsageRow

SITE: Final = "site"
"""The fact under which the store has the hosts: name, capacity and labels of each."""

PLAN_MAX: Final = 1_000
NAMED_MAX: Final = 10
_TO_BEGIN: Final = frozenset({LeaseState.QUEUED, LeaseState.SCHEDULED, LeaseState.PREPARING, LeaseState.READY})

TOLD: Final = {
    "transfer": "Transferring the disk images",
    "start": "Starting the VMs",
    "suspend": "Suspending the VMs",
    "migrate": "Moving the VMs",
    "pause": "Pausing the VMs",
    "unpause": "Letting the VMs go on",
    "resume": "Resuming the VMs",
    "shut-down": "Shutting down the VMs",
    "destroy": "Removing the VMs",
}
"""What the journal says of a command, by its verb, before whose VMs they are."""


def lease_row(lease: Lease, desk: Desk, version: int) -> LeaseRow:
    """Return a lease as the store keeps it."""
    document = lease_document(lease, desk)
    terms, stays = lease.terms, lease.stays
    # One that starts over begins when it is planned to, whatever it had before.
    starts: Instant | None = None if lease.state in _TO_BEGIN else lease.started
    if starts is None and lease.ended is None:
        starts = stays[0].start if stays else terms.start
    # What never started did not end either.
    ends: Instant | None = lease.ended if lease.started is not None else None
    if lease.ended is None and stays and stays[-1].end < FAR_FUTURE:
        ends = stays[-1].end
    return LeaseRow(
        id=lease.id,
        type=lease.type.value,
        state=lease.state.label,
        final=lease.state.final,
        owner=terms.user,
        group=terms.group,
        name=terms.name,
        vms=lease.need.vms,
        submitted=lease.submitted,
        starts=starts,
        ends=ends,
        version=version,
        document=document,
    )


def usage_rows(row: LeaseRow) -> Iterator[UsageRow]:
    """Yield what a lease's VMs have used, one row for each time that they ran."""
    document = row.document
    runs = [entry for entry in document["log"] if entry[0] == "run"]
    for index, (_kind, start, end, outcome, _hosts, _copies, *sized) in enumerate(runs):
        # A lease that was resized since had other VMs then.
        nodes: list[Any] = sized[0] if sized else document["terms"]["nodes"]
        vms = sum([count for count, _demand in nodes])
        cpu = sum([count * demand.get(CPU, 0) for count, demand in nodes])
        memory = sum([count * demand.get(MEMORY, 0) for count, demand in nodes])
        yield UsageRow(
            row.id, index, row.owner, row.group, row.type, vms, cpu, memory, start, end,
            "lost" if outcome == "lost" else "done",
        )  # fmt: skip


def command_row(number: int, command: Command) -> CommandRow:
    """Return a command as the store keeps it."""
    verb, hosts = command.verb.value, command.hosts()
    return CommandRow(number, command.at, command.until, verb, command.lease, hosts, "pending", 0, "", command.vms)


def changed_entry(number: int, change: LeaseChanged) -> Entry:
    """Return the journal's line of a lease that entered a state."""
    data: Document = {"state": change.state.label}
    text = f"Lease {change.lease} is {change.state.label}."
    if change.reason is not None:
        text = f"{text} {change.reason.text}"
        data = {**data, "cause": change.reason.cause.value}
    return Entry(number, change.at, "lease-changed", change.lease, None, "haizea", text, data)


def notice_entry(number: int, notice: Notice) -> Entry:
    """Return the journal's line of something people should be told."""
    return Entry(number, notice.at, "notice", notice.lease, None, "haizea", notice.text, {})


def command_entry(number: int, row: CommandRow) -> Entry:
    """Return the journal's line of a command."""
    until = f", until {instant(row.until)}" if row.until > row.at else ""
    text = f"{TOLD.get(row.verb, f'{row.verb}: the VMs')} of lease {row.lease}{until}."
    data: Document = {"command": row.id, "verb": row.verb, "until": row.until, "hosts": sorted(set(row.hosts))}
    return Entry(number, row.at, "command", row.lease, None, "haizea", text, data)


def plan_text(leases: Collection[int]) -> str:
    """Return what is said where plans have changed, but no lease has entered another state."""
    named = ", ".join(str(lease) for lease in sorted(leases)[:NAMED_MAX])
    more = f" and {len(leases) - NAMED_MAX} more" if len(leases) > NAMED_MAX else ""
    return f"The plan of lease {named}{more} has changed."


def site_document(site: Site) -> list[Any]:
    """Return a site as the store keeps it."""
    return [[host.name, dict(host.capacity.items()), dict(host.labels)] for host in site.hosts]


def site_from(kept: Iterable[Any] | None) -> Site | None:
    """Return the site that a store has kept."""
    if kept is None:
        return None
    hosts = tuple([Host(name, Capacity(capacity), labels) for name, capacity, labels in kept])
    return Site(hosts, tuple(dict.fromkeys([name for host in hosts for name in host.capacity])))
