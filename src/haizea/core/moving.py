"""Moving VMs that run, or the memory images of suspended ones, to other hosts."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from haizea.core.alarms import Bell
from haizea.core.claiming import reclaim
from haizea.core.claims import Piece
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.orders import Refusal, has_vms, refuse, running
from haizea.core.reasons import instant
from haizea.model.effects import Command, Verb
from haizea.model.events import LeaseOrdered
from haizea.model.lease import LeaseState
from haizea.model.orders import Migrate
from haizea.model.reason import Cause
from haizea.model.resources import MEMORY, Capacity
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.lease import Copy, Lease, Move, Phase, Stay
from haizea.plan.need import Need, demands_of, transfer_time
from haizea.plan.operations import hosts_of
from haizea.plan.options import Migration
from haizea.plan.slottable import Placement

_WORDS: Final = {Phase.RESUMING: "being resumed", Phase.ENDING: "ending"}


class Moving:
    """Migrates leases."""

    def __init__(self, desk: Desk, execution: Execution) -> None:
        self._desk = desk
        self._execution = execution

    def migrate(self, lease: Lease, order: Migrate, _event: LeaseOrdered) -> None:
        """Move VMs of a lease to a host, or away from one."""
        self._check(lease, order)
        if has_vms(lease):
            self._migrate_running(lease, order)
        else:
            self._migrate_images(lease, order)

    def _check(self, lease: Lease, order: Migrate) -> None:
        desk, hosts = self._desk, self._desk.site.hosts
        if desk.options.migration is Migration.NO:
            raise refuse("VMs of this site do not move between hosts (its option migration is no).", Cause.POLICY)
        for host in (order.to, order.away_from):
            if host is not None and not 0 <= host < len(hosts):
                raise refuse(f"There is no host number {host}; hosts have the numbers 0 to {len(hosts) - 1}.")
        if not 0 <= order.vm <= lease.need.vms:
            raise refuse(f"Lease {lease.id} has no VM {order.vm}; its VMs have the numbers 1 to {lease.need.vms}.")
        if order.to is None:
            return
        target = hosts[order.to]
        if not desk.hosts.allowed(order.to, target, lease.terms.constraints):
            state = desk.hosts.states[order.to].value
            raise refuse(
                f"Host {target.name} is {state}, or has not the labels that lease {lease.id} wants.", Cause.NOT_UP
            )

    def _chosen(self, hosts: Sequence[int], order: Migrate) -> list[int]:
        """Return the indices of the VMs that are to move."""
        chosen = [order.vm - 1] if order.vm else list(range(len(hosts)))
        if order.away_from is not None:
            chosen = [vm for vm in chosen if hosts[vm] == order.away_from]
        if order.to is not None:
            chosen = [vm for vm in chosen if hosts[vm] != order.to]
        elif order.away_from is None and not order.vm:
            raise refuse("It is not said where to: name a host to move to, one to move away from, or a single VM.")
        if not chosen:
            raise refuse("No VM has to move for that: all of them are where they were to be.")
        return chosen

    # Running VMs ---------------------------------------------------------------------------------------------

    def _migrate_running(self, lease: Lease, order: Migrate) -> None:
        if not running(lease):
            raise refuse(f"Lease {lease.id} is {_WORDS[lease.stays[0].phase]} at the moment.")
        self.check_plain(lease)
        desk, stay = self._desk, lease.stays[0]
        old = hosts_of(stay, desk.table)
        chosen = self._chosen(old, order)
        new = self._targets(lease, old, chosen, order, stay.end)
        if new is None:
            raise self._no_room(lease, chosen, order, stay.end)
        self.move(lease, new)

    def check_plain(self, lease: Lease) -> None:
        """See to it that nothing is planned for a lease after its present stay, which would not go with another one.

        Raises:
            Refusal: something is.
        """
        if len(lease.stays) > 1:
            at = lease.stays[1].start
            raise refuse(
                f"Lease {lease.id} gives way and goes on at {instant(at)}, which was planned for it as it is.",
                retry_at=at,
            )

    def could_leave(self, lease: Lease, host: int, others: Collection[int] = ()) -> tuple[int, ...] | None:
        """Return where the VMs of a lease would be if they moved away from a host now; None where they cannot.

        ``others`` are hosts that they are not to go to.
        """
        desk = self._desk
        if desk.options.migration is Migration.NO or not running(lease) or len(lease.stays) > 1:
            return None
        old = hosts_of(lease.stays[0], desk.table)
        chosen = [vm for vm, where in enumerate(old) if where == host]
        return self._targets(lease, old, chosen, Migrate(0, None, host), lease.stays[0].end, others)

    def _targets(
        self,
        lease: Lease,
        old: Sequence[int],
        chosen: Sequence[int],
        order: Migrate,
        end: Instant,
        others: Collection[int] = (),
    ) -> tuple[int, ...] | None:
        avoid = {order.away_from, *others} if order.away_from is not None else set(others)
        if order.to is None:
            avoid |= {old[vm] for vm in chosen}
        only = None if order.to is None else order.to
        staying = [host for vm, host in enumerate(old) if vm not in chosen]
        found = find_hosts(self._desk, lease, lease.need, chosen, end, avoid, only, staying)
        if found is None:
            return None
        new = list(old)
        for vm, host in zip(chosen, found, strict=True):
            new[vm] = host
        # Many VMs on one host take longer to suspend, where that is what comes next.
        return tuple(new) if self._run_end(lease, tuple(new)) > self._desk.now else None

    def move(self, lease: Lease, new: tuple[int, ...], *, must: bool = False, tries: int = 0) -> None:
        """Move running VMs to these hosts, which have room: one entry of each VM.

        ``must`` says that they are not to stay where they are, ``tries`` how often that was tried in vain.
        """
        desk, stay = self._desk, lease.stays[0]
        old = hosts_of(stay, desk.table)
        moved = [vm for vm in range(len(old)) if old[vm] != new[vm]]
        until = desk.now + self._time(lease, moved)
        copies = tuple([Copy(old[vm], new[vm], (vm + 1,), desk.now, until) for vm in moved])
        ends = self._run_end(lease, new), stay.end
        if desk.now > stay.run_start:
            self._execution.account(stay, desk.now)
        desk.free_early(stay.end)
        desk.drop(stay)
        placement = desk.share(lease, new)
        replace_stay(desk, stay, placement, new, ends)
        lease.migrations += 1
        moving = Stay(lease, Placement((), (), ()), desk.now, desk.now, until, until)
        moving.vm_hosts, moving.copies, moving.phase = new, copies, Phase.OVER
        desk.log("migrate", moving, desk.now, until)
        self._note(lease, [Move(vm + 1, old[vm], new[vm], desk.now, until, until, must, tries) for vm in moved])
        self._hold_origins(lease, old, moved, until)
        vms = tuple([vm + 1 for vm in moved])
        desk.command(Verb.MIGRATE, lease.stays[0], until, () if len(vms) == lease.need.vms else vms)

    def _note(self, lease: Lease, moves: Sequence[Move]) -> None:
        vms = {move.vm for move in moves}
        lease.moving = (*[move for move in lease.moving if move.vm not in vms], *moves)

    def _run_end(self, lease: Lease, new: tuple[int, ...]) -> Instant:
        """Return when the VMs of a lease stop running as planned, if they are on these hosts."""
        stay = lease.stays[0]
        if not stay.suspending:
            return stay.run_end
        there = Stay(lease, self._desk.planner.mapper.on_hosts(lease.need, new), stay.start, stay.start, 0, stay.end)
        # Where it takes less, it is suspended when it was to be: what is left of it was reckoned with that.
        return min(stay.run_end, stay.end - self._desk.preemption.suspension(lease, there))

    def _time(self, lease: Lease, moved: Sequence[int]) -> Span:
        """Return how long it takes to move VMs, one after the other."""
        options = self._desk.options
        if options.migration is Migration.FREE:
            return 0
        demands = demands_of(lease.need)
        return sum([transfer_time(demands[vm][MEMORY], options.migration_bandwidth) for vm in moved])

    def _hold_origins(self, lease: Lease, old: Sequence[int], moved: Sequence[int], until: Instant) -> None:
        """Have the hosts that VMs come from keep room for them until they have arrived."""
        desk, demands = self._desk, demands_of(lease.need)
        if until <= desk.now:
            return
        desk.claims.leaving += [Piece(old[vm], desk.now, until, demands[vm]) for vm in moved]
        reclaim(desk, sorted({old[vm] for vm in moved}))

    def _no_room(self, lease: Lease, chosen: Sequence[int], order: Migrate, end: Instant) -> Refusal:
        where = "no other host has" if order.to is None else f"host {self._desk.site.hosts[order.to].name} has not"
        vms = f"VM {chosen[0] + 1}" if len(chosen) == 1 else f"{len(chosen)} VMs"
        return refuse(f"{vms} of lease {lease.id} cannot move: {where} room until {instant(end)}.", Cause.RESERVED)

    # Memory images -------------------------------------------------------------------------------------------

    def _migrate_images(self, lease: Lease, order: Migrate) -> None:
        desk, images = self._desk, lease.images
        if images is None:
            raise refuse(f"Lease {lease.id} has neither VMs nor memory images that could move.")
        chosen = self._chosen(images, order)
        new = list(images)
        others = [
            i
            for i, host in enumerate(desk.site.hosts)
            if i != order.away_from and desk.hosts.allowed(i, host, lease.terms.constraints)
        ]
        for n, vm in enumerate(chosen):
            near = [host for host in others if host != images[vm]]
            if order.to is None and not near:
                raise refuse(f"There is no other host for the memory images of lease {lease.id}.", Cause.NOT_UP)
            new[vm] = near[n % len(near)] if order.to is None else order.to
        until = desk.now + self._time(lease, chosen)
        if lease in desk.queue:
            desk.queue.remove(lease)
        hosts, lease.images = tuple(new), tuple(new)
        lease.rested = desk.share(lease, hosts)
        desk.touched.add(lease.id)
        lease.migrations += 1
        self._note(lease, [Move(vm + 1, images[vm], new[vm], desk.now, until, until) for vm in chosen])
        vms = () if len(chosen) == lease.need.vms else tuple([vm + 1 for vm in chosen])
        desk.effects.append(Command(desk.now, Verb.MIGRATE, lease.id, until, partial(tuple, hosts), vms))
        desk.enter(lease, LeaseState.MIGRATING)
        desk.alarms.set(Bell.MOVED, lease.id, until)

    def moved(self, number: int) -> None:
        """Have a lease wait again of which the memory images have been moved."""
        desk = self._desk
        lease = desk.leases.get(number)
        if lease is None or lease.state is not LeaseState.MIGRATING:
            return
        desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
        desk.enqueue(lease)


def find_hosts(
    desk: Desk,
    lease: Lease,
    need: Need,
    chosen: Sequence[int],
    end: Instant,
    avoid: "set[int]",
    only: int | None,
    staying: Sequence[int],
) -> list[int] | None:
    """Find hosts with room from now until an instant for some VMs of a lease, beside all that is held already.

    Args:
        desk: what is known.
        lease: the lease whose VMs they are.
        need: its VMs.
        chosen: the indices of the VMs that need hosts.
        end: until when.
        avoid: hosts that will not do.
        only: the one host that will do; None for any.
        staying: the hosts of the other VMs of the lease.
    """
    constraints, table = lease.terms.constraints, desk.table
    states = table.window(desk.now, end)
    free: dict[int, Capacity] = {}
    for number, spec in enumerate(desk.site.hosts):
        if number in avoid or only not in (None, number) or not desk.hosts.allowed(number, spec, constraints):
            continue
        block, within = divmod(number, table.block_hosts)
        free[number] = table.timelines[block].packing.free(states[block], within)
    demands = demands_of(need)
    if constraints.together:
        if staying and only not in (None, staying[0]):
            return None
        allowed = set(staying)
        candidates = [host for host in free if not allowed or host in allowed]
        total = Capacity()
        for vm in chosen:
            total = total.plus(demands[vm])
        return next(([host] * len(chosen) for host in candidates if total.fits_in(free[host])), None)
    taken, found = set(staying), list[int]()
    for vm in chosen:
        for host, room in free.items():
            if demands[vm].fits_in(room) and not (constraints.spread and host in taken):
                break
        else:
            return None
        free[host] = Capacity([(name, room[name] - demands[vm][name]) for name in room])
        taken.add(host)
        found.append(host)
    return found


def replace_stay(
    desk: Desk, old: Stay, placement: Placement, hosts: tuple[int, ...], ends: tuple[Instant, Instant]
) -> None:
    """Have the VMs of a stay that is gone already go on from now on on these hosts, in another one."""
    # Until VMs that are late have started is accounted for already.
    stay = Stay(old.lease, placement, desk.now, max(desk.now, old.run_start), *ends)
    stay.vm_hosts, stay.phase, stay.suspending, stay.due = hosts, Phase.RUNNING, old.suspending, old.due
    desk.table.hold(stay.start, stay.end, placement.held)
    old.lease.stays.insert(0, stay)
    desk.touched.add(old.lease.id)
    if stay.run_end < FAR_FUTURE:
        desk.arm(stay)
