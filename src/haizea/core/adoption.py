"""Following what people do to VMs with the platform's own tools: adopted as their intent, never fought.

What they suspend is suspended, what they resume runs where they resumed it, what they move has moved. Where the
schedule has no room for that, and none can be made, it is undone with a notice. Who undoes what the schedule commands
again and again is told so: the lease is held.
"""

from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.promises import PROMISED, window_end
from haizea.core.relocation import Relocation
from haizea.core.repair import Repair
from haizea.core.wishes import Wishes, named
from haizea.model.effects import Verb
from haizea.model.events import Observed
from haizea.model.lease import LeaseState
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import NOTHING_SEEN, Lease, Phase, Stay
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Placement


class Adoption:
    """Makes the schedule follow."""

    def __init__(
        self, desk: Desk, execution: Execution, repair: Repair, relocation: Relocation, wishes: Wishes
    ) -> None:
        self._desk = desk
        self._execution = execution
        self._repair = repair
        self._relocation = relocation
        self._wishes = wishes

    def suspended(self, lease: Lease, vms: tuple[int, ...], host: int | None, by: str, *, again: bool = False) -> None:
        """Somebody suspended VMs that run. When all of them are, the lease is, and gives its hosts away.

        Nobody is told ``again`` of what is only seen once more.
        """
        desk = self._desk
        if not self._all_seen(lease, Observed.SUSPENDED):
            self._wishes.down(lease, vms)
            if not again:
                text = f"{named(lease, vms)} was suspended by {someone(by)}. The lease keeps its hosts for the others."
                desk.notify(lease, text)
            return
        stay = lease.stays[0]
        desk.notify(lease, f"Lease {lease.id} was suspended by {someone(by)}. It is not resumed until that is ordered.")
        self._execution.break_off(stay)
        hosts = list(hosts_of(stay, desk.table))
        for vm in vms:
            hosts[vm - 1] = hosts[vm - 1] if host is None else host
        for other in list(lease.stays):
            desk.free_early(other.end)
            desk.drop(other)
        desk.unreserve(lease)
        lease.seen, lease.down = NOTHING_SEEN, frozenset()
        for vm in range(lease.need.vms + 1):
            desk.alarms.cancel(Bell.RESTART, lease.id, vm)
        lease.images = tuple(hosts)
        lease.rested = desk.share(lease, lease.images)
        lease.parked = someone(by)
        if desk.images is not None:
            desk.images.cancel(lease)
        desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
        self._repair.promises.watch(lease)
        self._contradicted(lease, by, "suspended")

    def image_seen(self, lease: Lease, vm: int, host: int) -> None:
        """The memory image of a VM that waits to be resumed is on a host: it can be resumed from there only."""
        desk = self._desk
        if lease.images is None or lease.images[vm - 1] == host:
            return
        if lease.stays and lease.stays[0].phase is not Phase.PLANNED:
            return
        lease.images = (*lease.images[: vm - 1], host, *lease.images[vm:])
        lease.rested = desk.share(lease, lease.images)
        desk.touched.add(lease.id)
        if lease.stays:
            self._repair.replace(lease, Reason(Cause.FAILED, "Its memory images are elsewhere than they were to be."))

    def paused(self, lease: Lease, vms: tuple[int, ...], by: str, *, again: bool = False) -> None:
        """Somebody paused VMs: they keep their capacity, and time goes on. When all of them are, the lease is."""
        desk = self._desk
        if not again:
            desk.notify(lease, f"{named(lease, vms)} was paused by {someone(by)}.")
        if lease.state is LeaseState.ACTIVE and self._all_seen(lease, Observed.PAUSED):
            desk.enter(lease, LeaseState.PAUSED)
            self._contradicted(lease, by, "paused")

    def unpaused(self, lease: Lease, vms: tuple[int, ...], by: str) -> None:
        """VMs of a paused lease run again: it is paused only where all of them are."""
        desk = self._desk
        desk.notify(lease, f"{named(lease, vms)} goes on: {someone(by)} let it.")
        desk.enter(lease, LeaseState.ACTIVE)

    def resumed(self, lease: Lease, vms: tuple[int, ...], host: int | None, by: str) -> bool:
        """Somebody resumed VMs of a suspended lease: it runs where they are; return whether there is room for that."""
        desk, images = self._desk, lease.images
        if images is None:
            raise AssertionError(f"lease {lease.id} is suspended without images; this is a bug in Haizea")
        undone = not lease.parked
        hosts = tuple([host if host is not None and vm in vms else old for vm, old in enumerate(images, 1)])
        others = tuple([vm for vm in lease.alive if vm not in vms])
        stay = self._stay_now(lease, hosts, bool(others))
        desk.notify(lease, f"{named(lease, vms)} was resumed by {someone(by)}.")
        self._execution.stop(lease, "cancelled", keep=True)
        desk.free_early(FAR_FUTURE)
        if lease.id in desk.claims.astray:
            from haizea.core.astray import forget

            forget(desk, lease)
        reason = Reason(Cause.RESERVED, f"Lease {lease.id} was resumed on its host by {someone(by)}.")
        if stay is None or not self._repair.claim(stay, hosts, reason):
            self._put_back(lease, vms, by)
            return False
        lease.parked = ""
        desk.alarms.cancel(Bell.WINDOW, lease.id)
        self._repair.promises.restored(lease)
        desk.enter(lease, LeaseState.RESUMING)
        if others:
            stay.phase = Phase.RESUMING
            desk.to_resume[lease.id] = others
        else:
            lease.images, stay.phase, lease.seen = None, Phase.RUNNING, NOTHING_SEEN
            desk.enter(lease, LeaseState.ACTIVE)
        if stay.run_end < FAR_FUTURE or others:
            desk.arm(stay)
        if undone:
            self._contradicted(lease, by, "resumed")
        lease.foreign = True
        return True

    def are_there(self, lease: Lease, vms: tuple[int, ...]) -> None:
        """VMs that were to be resumed with those that somebody resumed are on hosts already."""
        to_resume = self._desk.to_resume
        to_resume[lease.id] = tuple([vm for vm in to_resume[lease.id] if vm not in vms])

    def resume_rest(self) -> None:
        """Resume what somebody left suspended of leases of which they resumed other VMs.

        Only when all that was seen at one look is known: another VM may run as well, and on another host than planned.
        """
        desk = self._desk
        waiting, desk.to_resume = desk.to_resume, {}
        for number, vms in waiting.items():
            lease = desk.leases.get(number)
            stay = lease.stays[0] if lease is not None and lease.stays else None
            if lease is None or stay is None or stay.phase is not Phase.RESUMING:
                continue
            rest = tuple([vm for vm in vms if vm not in lease.over])
            if rest:
                desk.command(Verb.RESUME, stay, stay.run_start, rest if len(rest) < lease.need.vms else ())
            else:
                self._execution.resumed_early(stay)

    def _stay_now(self, lease: Lease, hosts: tuple[int, ...], rest: bool) -> Stay | None:
        """Return a stay from now on for what is left of a lease; it holds nothing yet. None where its time is over."""
        desk = self._desk
        begin = desk.now + (lease.need.resume_bound if rest else 0)
        run_end = FAR_FUTURE if lease.left >= FAR_FUTURE else begin + lease.left
        if lease.type in PROMISED:
            run_end = min(run_end, window_end(lease))
        if run_end <= begin:
            return None
        end = run_end if run_end >= FAR_FUTURE else run_end + desk.planner.shutdown(lease)
        whole = desk.share(lease, hosts)
        stay = Stay(lease, Placement(whole.parts, (), whole.packings), desk.now, begin, run_end, end)
        stay.vm_hosts, stay.resuming = hosts, True
        return stay

    def _put_back(self, lease: Lease, vms: tuple[int, ...], by: str) -> None:
        """There is no room for what somebody resumed: suspend it again."""
        desk = self._desk
        desk.notify(lease, f"There is no room for lease {lease.id} now: it is suspended again.")
        desk.command_at(Verb.SUSPEND, lease, lease.images or (), vms)
        if lease.state is not LeaseState.SUSPENDED_QUEUED and lease.state is not LeaseState.HELD:
            desk.enter(lease, LeaseState.SUSPENDED_QUEUED)
        self._contradicted(lease, by, "resumed")
        if lease.state is LeaseState.HELD or lease.parked:
            return
        if lease.type in PROMISED:
            self._repair.regain(lease)
        else:
            desk.enqueue(lease)

    def moved(self, lease: Lease, vms: tuple[int, ...], host: int, by: str) -> None:
        """Somebody moved VMs to another host: they are there from now on, and whoever is in the way is planned anew."""
        desk, stay = self._desk, lease.stays[0]
        lease.moving = tuple([move for move in lease.moving if move.vm not in vms])
        desk.touched.add(lease.id)
        before = hosts_of(stay, desk.table)
        hosts = tuple([host if vm in vms else old for vm, old in enumerate(before, 1)])
        name = desk.site.hosts[host].name
        text = f"{named(lease, vms)} was moved to host {name} by {someone(by)}."
        desk.notify(lease, text)
        if self._relocation.move(stay, hosts, Reason(Cause.RESERVED, text)):
            later = lease.stays[1:]
            if stay.phase is not Phase.OVER and later:
                self._repair.plan_rest(stay, Reason(Cause.RESERVED, text))
            if stay.phase is Phase.RUNNING:
                self._wishes.up(lease, vms)
                if lease.state is LeaseState.ACTIVE:
                    self._contradicted(lease, by, "moved")
            return
        down = desk.hosts.states[host] is HostState.DOWN
        why = f"Host {name} is taken to be down" if down else f"There is no room for it on host {name}"
        desk.notify(lease, f"{why}: it is moved back.")
        desk.command(Verb.MIGRATE, stay, desk.now, vms)
        if lease.state is LeaseState.ACTIVE:
            self._contradicted(lease, by, "moved")

    def stray(self, lease: Lease, vms: tuple[int, ...], host: int | None, by: str) -> None:
        """VMs are there that no plan wants: they are removed. Who brings them back again and again is told so."""
        desk = self._desk
        where = self._somewhere(lease, host)
        if by:
            lease.contradictions += 1
            desk.touched.add(lease.id)
            desk.notify(lease, f"{named(lease, vms)} was started by {by} and is removed: it is not to run now.")
            waits = lease.state in (LeaseState.QUEUED, LeaseState.SCHEDULED, LeaseState.READY, LeaseState.PREPARING)
            if waits and lease.contradictions >= desk.options.contradictions_max:
                self._hold(lease, by, "started")
                return
        if where is None:
            desk.notify(lease, f"{named(lease, vms)} is there, nobody knows where; it is not to be.")
            return
        desk.command_at(Verb.DESTROY, lease, where, vms)

    def _somewhere(self, lease: Lease, host: int | None) -> tuple[int, ...] | None:
        if host is not None:
            return (host,) * lease.need.vms
        return hosts_of(lease.stays[0], self._desk.table) if lease.stays else None

    def _all_seen(self, lease: Lease, observed: Observed) -> bool:
        every = range(1, lease.need.vms + 1)
        return all(vm in lease.over or lease.seen.get(vm) is observed for vm in every)

    def _contradicted(self, lease: Lease, by: str, did: str) -> None:
        """Somebody undid what the schedule had commanded; after some times the lease is held."""
        if lease.foreign:
            # What they undid was not commanded by the schedule.
            return
        lease.foreign = True
        lease.contradictions += 1
        self._desk.touched.add(lease.id)
        if lease.contradictions >= self._desk.options.contradictions_max and lease.state is not LeaseState.HELD:
            self._hold(lease, by, did)

    def _hold(self, lease: Lease, by: str, did: str) -> None:
        times = lease.contradictions
        text = f"What was commanded for it was undone {times} times; at last it was {did} by {someone(by)}."
        self._wishes.hold(lease, Reason(Cause.HELD, text), someone(by))


def someone(by: str) -> str:
    """Name whoever did something."""
    return by or "somebody"
