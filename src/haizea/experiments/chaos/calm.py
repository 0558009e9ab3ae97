"""What must come about when nothing goes wrong any more: everything is as it should be, and everybody gets done."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from haizea.core.reasons import impossible, instant
from haizea.experiments.chaos.acts import calm
from haizea.experiments.chaos.checks import Checks
from haizea.experiments.chaos.world import START, Violation, World
from haizea.live.reconcile import Diff, VMDiff
from haizea.model.events import Observed
from haizea.model.lease import LeaseState
from haizea.model.units import HOUR, MINUTE, Instant, Span
from haizea.plan.lease import Lease
from haizea.runtime.ports import PlatformUnavailable
from haizea.runtime.rows import LeaseFilter, LeaseRow

_INTENDED: Final = (Observed.SUSPENDED, Observed.PAUSED)
_ENDED: Final = (Observed.GUEST_SHUTDOWN, Observed.CRASHED)
CONVERGED_WITHIN: Final[Span] = 30 * MINUTE
LOOK_EVERY: Final[Span] = MINUTE
DONE_WITHIN: Final[Span] = 36 * HOUR
DONE_EVERY: Final[Span] = 30 * MINUTE
REST_EVERY: Final[Span] = 10 * MINUTE


def converge(world: World, checks: Checks) -> Span:
    """Have all faults end; return how long it took until what is was what should be.

    Raises:
        Violation: that took too long.
    """
    calm(world)
    begun, wrong = world.now, ["nothing was looked at"]
    while world.now < begun + CONVERGED_WITHIN:
        world.run(world.now + LOOK_EVERY)
        wrong = _wrong(world)
        if not wrong:
            checks.remembered()
            return world.now - begun
    raise Violation("no-convergence", f"{instant(world.now)}: " + "; ".join(wrong[:5]))


def _wrong(world: World) -> list[str]:
    """Return what is not as it should be."""
    try:
        diff = world.live.diff()
    except PlatformUnavailable as problem:
        return [f"the platform does not answer: {problem}"]
    found = [*_differences(diff, world.live.scheduler.desk.leases)]
    if world.live.keeper.writing.trouble:
        found.append(f"the store is not written: {world.live.keeper.writing.trouble}")
    if world.live.assembly.dispatch.waiting:
        found.append("commands wait to be sent")
    found += [
        f"{operation.command.verb} of lease {operation.command.lease} is not over"
        for operation in world.live.assembly.operations.all()
        if operation.late and operation.command.id not in world.ledger.busy
    ]
    return found


def _differences(diff: Diff, leases: Mapping[int, Lease]) -> list[str]:
    """Return what is not as it should be."""
    found = [
        f"VM {row.lease}.{row.vm} is to be {row.desired} on {row.desired_host}, and is {row.observed} on "
        f"{row.observed_host}{'' if row.known else ', and no lease has it'}"
        for row in diff.vms
        if not row.agrees and not row.under_way and not _accepted(row, leases.get(row.lease))
    ]
    found += [
        f"host {row.name} is planned with as {row.desired} with {row.capacity}, and is {row.observed} with "
        f"{row.observed_capacity}"
        for row in diff.hosts
        if not row.agrees
    ]
    return found


def _accepted(row: VMDiff, lease: Lease | None) -> bool:
    """Whether a VM may stay other than it should be.

    Of leases that are held nobody knows what they should be. Where an administrator has suspended or paused some of a
    lease's VMs, they stay so. What became of a VM that ended while it was being suspended shows when it is to be
    resumed, and not before; one that ended while others of its lease are being resumed is seen to when those run.
    """
    if lease is None:
        return False
    if lease.state is LeaseState.HELD or (row.desired == Observed.SUSPENDED and row.observed in _ENDED):
        return True
    seen = lease.seen.get(row.vm)
    if seen in _ENDED and row.desired == "resuming":
        return True
    return seen is not None and seen in _INTENDED and row.observed == seen.value


def finish(world: World, checks: Checks) -> None:
    """Wait until every lease is over, or held back by somebody.

    However many there are, some must come to an end before long.

    Raises:
        Violation: there are some that are neither, and none of them has come to an end for too long.
    """
    # Only the schedule is left to be carried out, which can take days.
    world.rest(REST_EVERY)
    world.run(world.now + DONE_EVERY)
    moved, least = world.now, len(_unfinished(world))
    while least:
        world.run(world.now + DONE_EVERY)
        left = _unfinished(world)
        if len(left) < least:
            moved, least = world.now, len(left)
        elif world.now > moved + DONE_WITHIN:
            raise Violation("unfinished", "; ".join(left[:5]))
    wrong = _wrong(world)
    if wrong:
        raise Violation("no-convergence", "At the end, " + "; ".join(wrong[:5]))
    checks.remembered()
    _account(world, checks)


def _unfinished(world: World) -> list[str]:
    """Return the leases that are neither over nor held back, and that the site as it is now has room for."""
    desk = world.live.scheduler.desk
    return [
        f"lease {lease.id} ({lease.type.value}) is {lease.state.label} at {instant(world.now)}"
        for lease in desk.leases.values()
        if not (lease.state in (LeaseState.HELD, LeaseState.PAUSED) or lease.parked)
        if lease.stays or impossible(desk, lease) is None
    ]


# The books ---------------------------------------------------------------------------------------------------


def _account(world: World, checks: Checks) -> None:
    """Check that nothing that was acknowledged is lost, and that delivered, lost and idle time come to what there was.

    Raises:
        Violation: they do not.
    """
    rows = world.store.leases(LeaseFilter(), limit=100_000)
    known = {row.id for row in rows}
    for number in world.acknowledged:
        if number not in known:
            raise Violation("acknowledged", f"Lease {number} was acknowledged, and there is none.")
    if len(set(world.keys.values())) != len(world.keys):
        raise Violation("key", "Two keys led to one lease.")
    alive = world.live.scheduler.desk.leases
    for row in rows:
        if row.final is (row.id in alive):
            raise Violation("undead", f"Lease {row.id} is kept as {row.state}.")
        _account_lease(row)
    _account_site(world, checks)


def _account_lease(row: LeaseRow) -> None:
    """A lease runs once at a time, is credited with what it has run, and fails with a reason."""
    runs = sorted([entry[1:4] for entry in row.document["log"] if entry[0] == "run"])
    last: Instant = 0
    for start, end, _outcome in runs:
        if start < last or end < start:
            raise Violation("accounts", f"Lease {row.id} runs twice at {instant(start)}: {runs}.")
        last = end
    delivered: Span = row.document["delivered"]
    ran = sum([end - start for start, end, outcome in runs if outcome != "lost"])
    if delivered > ran:
        raise Violation("accounts", f"Lease {row.id} is credited with {delivered} ms of {ran}: {runs}.")
    if row.state in ("failed", "cancelled", "rejected") and row.document["reason"] is None:
        raise Violation("no-reason", f"Lease {row.id} is {row.state} without a reason.")


def _account_site(world: World, checks: Checks) -> None:
    """Delivered, lost and idle time of processors come to what there was, at every instant and in all.

    What is idle is what nobody has used of what was planned with. A lease of which a VM has ended before the others is
    accounted for as a whole, but that VM's room is given to others at once: from then on it is left out.
    """
    changes: list[tuple[Instant, int, int]] = [(at, 0, there) for at, there in checks.capacity]
    used, end = Counter[str](), world.now
    for row in world.store.usage(START, end):
        until = min(row.end, checks.parted.get(row.lease, row.end))
        if until > row.start:
            changes += [(row.start, row.cpu, -1), (until, -row.cpu, -1)]
            used[row.outcome] += row.cpu * (until - row.start)
    present = there = idle = whole = 0
    before: Instant = START
    for at, change, now_there in [*sorted(changes), (end, 0, -1)]:
        if present > there and at > before:
            raise Violation("accounts", f"From {instant(before)} on {present} percent were used, of {there}.")
        idle += (there - present) * (at - before)
        whole += there * (at - before)
        present, before = present + change, at
        there = now_there if now_there >= 0 else there
    world.counts["cpu-delivered"] = used["done"] // (100 * HOUR)
    world.counts["cpu-lost"] = used["lost"] // (100 * HOUR)
    if used.total() + idle != whole:
        raise Violation("accounts", f"Of {whole} there was, {dict(used)} was used and {idle} idle.")
