"""Orders about how many VMs a lease has, and how large they are."""

from haizea.core import reasons
from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.moving import find_hosts, replace_stay
from haizea.core.orders import Refusal, Trial, has_vms, refuse, running
from haizea.core.reasons import instant
from haizea.core.replanning import Replanning
from haizea.model.effects import Verb
from haizea.model.events import LeaseOrdered
from haizea.model.lease import LeaseState, LeaseTerms, LeaseType
from haizea.model.orders import Resize
from haizea.model.reason import Cause
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease
from haizea.plan.need import Need, demands_of
from haizea.plan.operations import hosts_of


class Sizes:
    """Resizes leases."""

    def __init__(self, desk: Desk, execution: Execution, replanning: Replanning, trial: Trial) -> None:
        self._desk = desk
        self._execution = execution
        self._replanning = replanning
        self._trial = trial

    def resize(self, lease: Lease, order: Resize, event: LeaseOrdered) -> None:
        """Have a lease have other VMs."""
        if not order.nodes or any(count < 1 for count, _demand in order.nodes):
            raise refuse("A lease has at least one VM; to end it, terminate it.")
        terms = lease.terms._replace(nodes=order.nodes)
        if terms.nodes == lease.terms.nodes:
            raise refuse(f"Lease {lease.id} has these VMs already.")
        if lease.images:
            raise refuse(f"Lease {lease.id} is suspended; it can be resized when it runs.")
        need = self._need(lease, terms)
        if has_vms(lease):
            self._resize_running(lease, terms, need)
        else:
            self._resize_waiting(lease, terms, need, event)

    def _need(self, lease: Lease, terms: LeaseTerms) -> Need:
        """Return what the lease would need, if the site could ever have that."""
        desk = self._desk
        need = desk.needs.of(terms)
        thought = Lease(lease.id, terms, need, lease.submitted, lease.order)
        never = reasons.never(desk, thought)
        if never is not None:
            raise Refusal(never)
        return need

    def _set(self, lease: Lease, terms: LeaseTerms, need: Need) -> None:
        for entry in lease.log:
            # What has happened, happened to the VMs that the lease had then.
            hosts_of(entry.stay, self._desk.table)
            entry.stay.sized = entry.stay.need
        gone = range(need.vms + 1, lease.need.vms + 1)
        lease.terms, lease.need = terms, need
        lease.seen = {vm: seen for vm, seen in lease.seen.items() if vm not in gone} if lease.seen else lease.seen
        lease.down -= frozenset(gone)
        lease.moving = tuple([move for move in lease.moving if move.vm not in gone])
        for vm in gone:
            for bell in (Bell.UNKNOWN, Bell.RESTART):
                self._desk.alarms.cancel(bell, lease.id, vm)
        self._desk.touched.add(lease.id)

    def _resize_waiting(self, lease: Lease, terms: LeaseTerms, need: Need, event: LeaseOrdered) -> None:
        desk = self._desk
        if not lease.stays:
            self._set(lease, terms, need)
            desk.queue_least = min(desk.queue_least, need.key)
            # Whoever looks at the end of the queue only, because nothing has changed, must look at all of it.
            desk.reorder()
            return
        if lease.type not in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE):
            self._replanning.unplan(lease)
            self._set(lease, terms, need)
            self._replanning.to_queue(lease)
            return
        self._trial(event)
        held = lease.state is LeaseState.HELD
        self._replanning.unplan(lease)
        self._set(lease, terms, need)
        if held:
            desk.enter(lease, LeaseState.SCHEDULED)
        refusal = self._replanning.book(lease)
        if refusal is not None:
            raise Refusal(refusal)
        if held:
            desk.enter(lease, LeaseState.HELD)
            desk.arm(lease.stays[0])

    # Running -------------------------------------------------------------------------------------------------

    def _resize_running(self, lease: Lease, terms: LeaseTerms, need: Need) -> None:
        if not running(lease):
            raise refuse(f"Lease {lease.id} is being resumed or is ending; it can be resized when it runs.")
        stay = lease.stays[0]
        if len(lease.stays) > 1 or stay.suspending:
            text = f"Lease {lease.id} is to be suspended by {instant(stay.end)}"
            raise refuse(f"{text}, which was planned for the VMs it has; it can be resized when it goes on.")
        if lease.over:
            raise refuse(f"VMs of lease {lease.id} have ended already; it cannot be resized any more.")
        old, new = demands_of(lease.need), demands_of(need)
        if new == old[: len(new)]:
            self._shrink(lease, terms, need, len(new))
        elif old == new[: len(old)]:
            self._grow(lease, terms, need, len(old))
        else:
            raise refuse(
                f"The VMs of lease {lease.id} run: their last ones can be taken away, or others be added behind them;"
                f" the ones that stay cannot be changed."
            )

    def _shrink(self, lease: Lease, terms: LeaseTerms, need: Need, count: int) -> None:
        desk, stay = self._desk, lease.stays[0]
        hosts = hosts_of(stay, desk.table)
        leaving = tuple(range(count + 1, len(hosts) + 1))
        until = desk.now + desk.planner.shutdown(lease) - desk.options.cleaning_time
        desk.command(Verb.SHUT_DOWN, stay, until, leaving)
        desk.note_left(stay, leaving)
        self._go_on(lease, terms, need, hosts[:count])

    def _grow(self, lease: Lease, terms: LeaseTerms, need: Need, count: int) -> None:
        desk, stay = self._desk, lease.stays[0]
        if desk.images is not None and terms.software is not None:
            raise refuse("VMs cannot be added: their disk images would have to be brought to their hosts before.")
        hosts = hosts_of(stay, desk.table)
        chosen = list(range(count, need.vms))
        end = min(FAR_FUTURE, stay.end + desk.options.enactment_overhead * len(chosen))
        found = find_hosts(desk, lease, need, chosen, end, set(), None, hosts)
        if found is None:
            raise refuse(
                f"There is no room for {len(chosen)} more VM{'s' if len(chosen) > 1 else ''} of lease {lease.id}"
                f" from now until it ends{'' if end >= FAR_FUTURE else f' at {instant(end)}'}.",
                Cause.RESERVED,
            )
        if end > stay.end and not desk.table.has_room(desk.table.window(stay.end, end), stay.placement.held):
            raise refuse(
                f"Shutting down more VMs takes longer, but the hosts are reserved from {instant(stay.end)} on."
            )
        self._go_on(lease, terms, need, (*hosts, *found))
        desk.command(Verb.START, lease.stays[0], desk.now, tuple([vm + 1 for vm in chosen]))

    def _go_on(self, lease: Lease, terms: LeaseTerms, need: Need, hosts: tuple[int, ...]) -> None:
        """Have a lease go on with other VMs, on these hosts."""
        desk, old = self._desk, lease.stays[0]
        end = old.end if old.end >= FAR_FUTURE else old.run_end + desk.options.shutdown_time
        end += 0 if old.end >= FAR_FUTURE else desk.options.enactment_overhead * need.vms
        if desk.now > old.run_start:
            self._execution.account(old, desk.now)
        desk.free_early(old.end)
        desk.drop(old)
        self._set(lease, terms, need)
        placement = desk.planner.mapper.on_hosts(need, hosts)
        replace_stay(desk, old, placement, hosts, (old.run_end, end))
        if lease.state is LeaseState.HELD:
            desk.enter(lease, LeaseState.ACTIVE)
