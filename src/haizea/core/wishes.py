"""What leases wish for when a guest shuts itself down or a VM fails, done for the VMs that it is about.

Also what orders and reactions share: ending single VMs of a lease, starting them again, putting a lease on hold.
"""

from enum import StrEnum
from typing import Final

from haizea.core import bringing
from haizea.core.alarms import Bell
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.reasons import span
from haizea.core.relocation import Relocation
from haizea.core.repair import Repair
from haizea.model.effects import Verb
from haizea.model.lease import LeaseState, OnFailure, OnGuestShutdown
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.plan.lease import Lease, Phase, Stay
from haizea.plan.operations import hosts_of

BACKOFF_MAX: Final[Span] = 600 * SECOND

SOON: Final[Span] = 60 * SECOND
"""VMs that fail so soon after their start are not started over at once, again and again."""

WAITS: Final = "Haizea, until it is tried again"
"""By whom a lease is parked whose VMs could not be started."""

TRIES_MAX: Final = 10


class Act(StrEnum):
    """What a wish comes to."""

    END = "the VM is over and its capacity is offered at once; with its last VM the lease is done"
    AGAIN = "it is started again: at once, then with growing delays"
    RESTART = (
        "it is started again where it was, at once, then with growing delays, a bounded number of times; then on "
        "another host; then as with requeue. On a host that its disk image was not brought to it waits for that. "
        "One that was being resumed is resumed again from its image"
    )
    REPLACE = (
        "best effort goes back to the queue, with its image where there is one; others get what is left of their time "
        "on other hosts, or are degraded until there are any"
    )
    FAIL = "the lease has failed"
    HOLD = "the lease is held: it keeps its hosts until its end, and says why"


ON_GUEST_SHUTDOWN: Final[dict[OnGuestShutdown, Act]] = {
    OnGuestShutdown.END: Act.END,
    OnGuestShutdown.RESTART: Act.AGAIN,
    OnGuestShutdown.HOLD: Act.HOLD,
}

ON_FAILURE: Final[dict[OnFailure, Act]] = {
    OnFailure.RESTART: Act.RESTART,
    OnFailure.REQUEUE: Act.REPLACE,
    OnFailure.FAIL: Act.FAIL,
    OnFailure.HOLD: Act.HOLD,
}


class Wishes:
    """Does as leases wish."""

    def __init__(self, desk: Desk, execution: Execution, repair: Repair, relocation: Relocation) -> None:
        self._desk = desk
        self._execution = execution
        self._repair = repair
        self._relocation = relocation
        # Which VMs of which lease could not be resumed, and when: what is told of them one by one is one failure.
        self._not_resumed: tuple[int, Instant, frozenset[int]] = (0, -1, frozenset())

    # Ends ----------------------------------------------------------------------------------------------------

    def end(self, lease: Lease, vms: tuple[int, ...]) -> None:
        """Some VMs of a lease that has begun are over; with its last one the lease is done."""
        desk, stay = self._desk, lease.stays[0]
        others = [vm for vm in lease.alive if vm not in vms]
        if others:
            self._let_go(lease, vms)
            return
        if stay.phase is Phase.RUNNING:
            self._execution.end_early(lease)
            return
        self._execution.stop(lease, "cancelled")
        desk.free_early(FAR_FUTURE)
        desk.retire(lease, LeaseState.DONE)

    def _let_go(self, lease: Lease, vms: tuple[int, ...]) -> None:
        """Give back what single VMs hold, now and later."""
        desk, stay = self._desk, lease.stays[0]
        if lease.down and stay.phase is Phase.RUNNING:
            self._execution.split(stay)
        desk.note_left(stay, vms)
        lease.over |= frozenset(vms)
        lease.down -= lease.over
        for one in lease.stays:
            desk.reseat(one, hosts_of(one, desk.table))
            desk.free_early(one.end)
        if lease.images is not None:
            lease.rested = desk.share(lease, lease.images)
        desk.touched.add(lease.id)

    def guest_shut_down(self, lease: Lease, vms: tuple[int, ...]) -> None:
        """Do as the lease wishes for when a guest shuts itself down."""
        act = ON_GUEST_SHUTDOWN[lease.terms.reactions.on_guest_shutdown]
        running = lease.stays[0].phase is Phase.RUNNING
        text = f"{named(lease, vms)} shut down by itself"
        if act is Act.AGAIN and running and self._start_again(lease, vms, f"{text} and is started again."):
            return
        if act is Act.HOLD and running:
            self.down(lease, vms)
            self.hold(lease, Reason(Cause.HELD, f"{text}; the lease keeps its hosts until its end."))
            return
        self.end(lease, vms)

    # Failures ------------------------------------------------------------------------------------------------

    def failed(self, lease: Lease, vms: tuple[int, ...], reason: Reason, *, lost: bool = False) -> None:
        """Do as the lease wishes for when VMs of it fail; ``lost`` with their host."""
        if not lease.stays:
            return
        act, stay, desk = ON_FAILURE[lease.terms.reactions.on_failure], lease.stays[0], self._desk
        if lease.state is LeaseState.HELD:
            # Nothing is done until somebody says what; but what is gone needs no hosts.
            if lost:
                self._execution.stop(lease, "lost")
                self._execution.start_over(lease)
                desk.free_early(FAR_FUTURE)
                desk.notify(lease, f"Lease {lease.id} stays on hold, without its hosts. {reason.text}")
            return
        if act is Act.RESTART:
            if stay.phase is Phase.RESUMING and not lost and self.resume_again(stay, vms, reason):
                return
            if stay.phase is Phase.RUNNING and self._restart(lease, vms, reason, lost=lost):
                return
        elif act is Act.HOLD and not lost:
            if stay.phase is Phase.RUNNING:
                self.down(lease, vms)
            elif stay.phase is Phase.RESUMING:
                self._execution.stop(lease, "cancelled", keep=True)
                desk.free_early(FAR_FUTURE)
            self.hold(lease, reason)
            return
        lease.restarts = 0
        if act is Act.FAIL:
            self._execution.stop(lease, "lost")
            self._execution.start_over(lease)
            desk.free_early(FAR_FUTURE)
            desk.retire(lease, LeaseState.FAILED, reason)
            return
        if stay.phase is Phase.RESUMING:
            self._give_up_image(lease)
        self._repair.replace(lease, reason)

    def _give_up_image(self, lease: Lease) -> None:
        """An image from which resuming has failed often enough is taken to be bad."""
        lease.retries += 1
        self._desk.touched.add(lease.id)
        if lease.retries > self._desk.options.restarts_max + 1:
            lease.retries = 0
            self._desk.notify(lease, f"Lease {lease.id} cannot be resumed: it starts over.")
            self._desk.remove_images(lease)

    def resume_again(self, stay: Stay, vms: tuple[int, ...], reason: Reason) -> bool:
        """Resume VMs once more from the same images, where they are; return whether that may be tried.

        Those that are told of at one instant, each once, have failed together.
        """
        desk, lease = self._desk, stay.lease
        number, at, together = self._not_resumed
        if (number, at) == (lease.id, desk.now) and together.isdisjoint(vms):
            self._not_resumed = (number, at, together.union(vms))
            wait = self._delay(lease.retries - 1)
        else:
            if lease.retries >= desk.options.restarts_max or lease.images is None or not self._hosts_up(stay):
                return False
            self._not_resumed = (lease.id, desk.now, frozenset(vms))
            wait = self._delay(lease.retries)
            lease.retries += 1
            desk.touched.add(lease.id)
            length = max(stay.run_start - stay.start, lease.need.resume_time)
            desk.notify(lease, f"Resuming lease {lease.id} is tried again. {reason.text}")
            self._repair.extend(stay, desk.now + wait + length, reason)
        if stay.phase is not Phase.RESUMING:
            return True
        if not wait:
            desk.to_resume[lease.id] = (*desk.to_resume.get(lease.id, ()), *vms)
        else:
            for vm in vms if len(vms) < len(lease.alive) else (0,):
                desk.alarms.set(Bell.RETRY, lease.id, desk.now + wait, vm)
        return True

    def back_off(self, lease: Lease, stay: Stay, reason: Reason) -> None:
        """Have a lease wait whose VMs could not be started: at once it would end in the same way."""
        desk = self._desk
        if stay in lease.stays or lease.state.final or lease.state is LeaseState.HELD:
            return
        lease.retries = lease.retries + 1 if desk.now - stay.start < SOON else 1
        desk.touched.add(lease.id)
        if lease.retries > TRIES_MAX:
            lease.retries = 0
            self._execution.stop(lease, "lost")
            self._execution.start_over(lease)
            desk.free_early(FAR_FUTURE)
            self.hold(lease, reason)
        elif lease in desk.queue:
            desk.queue.remove(lease)
            lease.parked = WAITS
            desk.alarms.set(Bell.RETRY, lease.id, desk.now + max(SECOND, self._delay(lease.retries)))

    def retry_due(self, lease: Lease, vm: int) -> None:
        """Try once more: it was waited for. ``vm`` is the only one that is to be resumed, 0 for all of them."""
        if lease.parked == WAITS and not lease.stays:
            lease.parked = ""
            self._desk.touched.add(lease.id)
            self._desk.enqueue(lease)
            self._desk.free_early(FAR_FUTURE)
            return
        stay = lease.stays[0] if lease.stays else None
        if stay is not None and stay.phase is Phase.RESUMING:
            self._desk.command(Verb.RESUME, stay, stay.run_start, (vm,) if vm else ())

    def _restart(self, lease: Lease, vms: tuple[int, ...], reason: Reason, *, lost: bool) -> bool:
        """Start VMs that failed again: where they were, then elsewhere; return whether that may be tried."""
        desk, stay = self._desk, lease.stays[0]
        if not lost and self._waits(lease, vms) and self._hosts_up(stay):
            return True
        if not lost and lease.restarts < desk.options.restarts_max:
            return self._start_again(lease, vms, f"{named(lease, vms)} failed and is started again.", clean=True)
        if not lost and lease.restarts > desk.options.restarts_max:
            return False
        hosts = list(hosts_of(stay, desk.table))
        # Where they are, not where they will be.
        bringing.removed(desk, lease, vms)
        desk.command_at(Verb.DESTROY, lease, tuple(hosts), vms)
        for vm in vms:
            host = self._relocation.other_host(stay, vm, hosts)
            if host is None:
                return False
            hosts[vm - 1] = host
        if not self._relocation.move(stay, tuple(hosts), reason):
            return False
        lease.restarts += 1
        self.down(lease, vms)
        desk.notify(lease, f"{named(lease, vms)} failed and is started on another host. {reason.text}")
        self.start(stay, vms)
        return True

    def _start_again(self, lease: Lease, vms: tuple[int, ...], text: str, *, clean: bool = False) -> bool:
        """Start VMs again where they are, now or after a while; return whether their hosts are there."""
        desk, stay = self._desk, lease.stays[0]
        if not self._hosts_up(stay):
            return False
        if self._waits(lease, vms):
            return True
        wait = self._delay(lease.restarts)
        lease.restarts += 1
        desk.touched.add(lease.id)
        self.down(lease, vms)
        if clean:
            bringing.removed(desk, lease, vms)
            desk.command(Verb.DESTROY, stay, desk.now, vms)
        desk.notify(lease, text)
        if not wait:
            self.start(stay, vms)
            return True
        for vm in vms:
            desk.alarms.set(Bell.RESTART, lease.id, desk.now + wait, vm)
        return True

    def _waits(self, lease: Lease, vms: tuple[int, ...]) -> bool:
        """Whether VMs are to be started again already, and are only seen once more."""
        return all(self._desk.alarms.get(Bell.RESTART, lease.id, vm) is not None for vm in vms)

    def restart_due(self, lease: Lease, vm: int) -> None:
        """Start a VM again: it was waited for. Unless it runs, or the lease goes on otherwise."""
        stay = lease.stays[0] if lease.stays else None
        if stay is None or stay.phase is not Phase.RUNNING or vm not in lease.down or lease.state is LeaseState.HELD:
            return
        if self._hosts_up(stay) and self._desk.now < stay.run_end:
            self.start(stay, (vm,))

    def start(self, stay: Stay, vms: tuple[int, ...]) -> None:
        """Start VMs of a stay that do not run; those that lack their disk image where they are, when it is there."""
        lacking = bringing.lacking(self._desk, stay, vms)
        if lacking:
            self.down(stay.lease, lacking)
            bringing.bring(self._desk, stay, lacking)
            vms = tuple([vm for vm in vms if vm not in lacking])
        if vms:
            self.up(stay.lease, vms)
            self._desk.command(Verb.START, stay, self._desk.now, vms)

    def _delay(self, tried: int) -> Span:
        if not tried:
            return 0
        return min(BACKOFF_MAX, self._desk.options.restart_backoff << min(tried - 1, 20))

    def down(self, lease: Lease, vms: tuple[int, ...]) -> None:
        """VMs of a lease that runs do not run any more: from now on time does not count, until all of them do."""
        stay = lease.stays[0]
        if stay.phase is Phase.RUNNING and not lease.down.issuperset(vms):
            self._execution.split(stay)
            lease.down |= frozenset(vms)
            self._desk.touched.add(lease.id)

    def up(self, lease: Lease, vms: tuple[int, ...]) -> None:
        """VMs of a lease run again."""
        back = lease.down & frozenset(vms)
        if not back:
            return
        if lease.stays and lease.stays[0].phase is Phase.RUNNING:
            lost = self._desk.now - lease.stays[0].run_start
            self._execution.split(lease.stays[0])
            if back == lease.down and lost >= SECOND:
                self._desk.notify(
                    lease, f"Lease {lease.id} has lost {span(lost // SECOND * SECOND)} in which not all VMs ran."
                )
        lease.down -= back
        for vm in back:
            self._desk.alarms.cancel(Bell.RESTART, lease.id, vm)
        self._desk.touched.add(lease.id)

    def _hosts_up(self, stay: Stay) -> bool:
        """Whether the hosts of a stay are still there."""
        states = self._desk.hosts.states
        return all(states[host] is not HostState.DOWN for host in hosts_of(stay, self._desk.table))

    # Holding -------------------------------------------------------------------------------------------------

    def hold(self, lease: Lease, reason: Reason, by: str = "Haizea") -> None:
        """Put a lease on hold: nothing is done with it until it is released; VMs keep their hosts until its end.

        One that has not begun, or is suspended, gives up what it was to have.
        """
        desk = self._desk
        lease.parked = by
        lease.reason = reason
        if not lease.stays or lease.stays[0].phase is Phase.PLANNED:
            self._execution.stop(lease, "cancelled", keep=True)
            desk.free_early(FAR_FUTURE)
            self._repair.promises.watch(lease)
        desk.touched.add(lease.id)
        if lease.state is not LeaseState.HELD:
            desk.enter(lease, LeaseState.HELD)
        desk.notify(lease, f"Lease {lease.id} is on hold. {reason.text}")


def named(lease: Lease, vms: tuple[int, ...]) -> str:
    """Name VMs of a lease in a sentence."""
    if len(vms) == lease.need.vms:
        return f"Lease {lease.id}" if len(vms) > 1 else f"The VM of lease {lease.id}"
    if len(vms) == 1:
        return f"VM {vms[0]} of lease {lease.id}"
    return f"{len(vms)} VMs of lease {lease.id}"
