"""What is done about the unexpected: one table of what is wanted of a VM beside what is seen of it.

The schedule says what each VM of a lease is *desired* to be doing; a platform reports what it is *observed* to be. The
two are kept apart: the one follows from the plan, the other is noted with the lease where it differs. Where they agree
nothing is done, so that a report that comes twice, late or out of order does no harm.
"""

from collections.abc import Callable
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from haizea.core.adoption import Adoption, someone
from haizea.core.alarms import WAITS, Bell
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.mishaps import Mishaps
from haizea.core.outages import Outages
from haizea.core.relocation import Relocation
from haizea.core.repair import Repair
from haizea.core.wishes import Wishes, named
from haizea.model.events import CancelRequested, ClockJumped, InstanceObserved, Observed
from haizea.model.lease import LeaseState, OnGuestShutdown
from haizea.model.reason import Cause, Reason
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Lease, Phase
from haizea.plan.operations import hosts_of

if TYPE_CHECKING:
    from haizea.core.astray import Astray
    from haizea.core.transit import Transit


class Desired(StrEnum):
    """What the schedule wants a VM to be doing now."""

    ABSENT = "absent"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    RUNNING = "running"
    PAUSED = "paused"
    SUSPENDING = "suspending"
    STOPPING = "stopping"
    HELD = "held"


class Sight(StrEnum):
    """What a VM is seen to be, and whether it is seen where it should be."""

    RUNNING = "running"
    ELSEWHERE = "running on another host"
    GUEST_SHUTDOWN = "guest-shutdown"
    CRASHED = "crashed"
    VANISHED = "vanished"
    UNKNOWN = "unknown"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    PAUSED_ELSEWHERE = "paused on another host"
    STOPPED = "stopped"
    DELETED = "deleted"


class Reaction(Enum):
    """What is done about a VM."""

    AGREES = "as it should be, or on its way there"
    NOTHING = "it makes no difference"
    IMPOSSIBLE = "cannot be: what is absent has no place that it could be elsewhere from"
    GUEST = "as the lease wishes for when a guest shuts itself down"
    FAILURE = "as the lease wishes for when a VM fails"
    GRACE = "nothing for a while; a VM of which nothing is heard by then has failed"
    OVER = "it is over, sooner than planned; with its last VM the lease is"
    ENDED = "somebody ended it: it is over, people are told by whom; with its last VM the lease is done"
    REMOVED = "somebody removed what was suspended: it is over; with its last VM the lease is cancelled"
    LOST = (
        "its memory image is lost: the lease starts over; one that somebody had suspended is held until it is released"
    )
    SUSPEND = (
        "somebody suspended it: with its last VM the lease is suspended, gives its hosts away, and is not resumed "
        "until that is ordered or done"
    )
    PAUSE = "somebody paused it: it keeps its capacity, its time goes on; with its last VM the lease is paused"
    UNPAUSE = "it goes on, and so does the lease, with the first of its VMs"
    RESUME = "somebody resumed it: it is accounted for where it runs; where there is no room it is suspended again"
    RESUME_PAUSED = "somebody resumed it and paused it: as with both"
    MOVE = "somebody moved it: it is there from now on; where there is no room it is moved back"
    MOVE_PAUSED = "somebody moved it and paused it: as with both"
    DESTROY = "remove it: no lease wants it there"
    ACCOUNT = (
        "the lease stays on hold, and what runs of it is accounted for where it runs; where there is no room for that "
        "it is suspended again"
    )
    ACCOUNT_MOVED = (
        "the lease stays on hold, and what runs of it is accounted for there from now on; where there is no room for "
        "that it is moved back, or suspended again"
    )
    RECORD = "noted, and nothing done: the lease is held until somebody says what"


_D, _S, _R, _O = Desired, Sight, Reaction, Observed


def _row(sight: Sight, *reactions: Reaction) -> dict[tuple[Desired, Sight], Reaction]:
    return dict(zip([(desired, sight) for desired in Desired], reactions, strict=True))


# Each row in the order of Desired: absent, suspended, resuming, running; paused, suspending, stopping, held.
REACTIONS: Final[dict[tuple[Desired, Sight], Reaction]] = {
    **_row(
        _S.RUNNING,
        *(_R.DESTROY, _R.RESUME, _R.AGREES, _R.AGREES),
        *(_R.UNPAUSE, _R.AGREES, _R.AGREES, _R.ACCOUNT),
    ),
    # A VM is seen elsewhere only where its lease says where it is to be (see _sight): not so for one that is absent.
    # What is suspended is not anywhere in particular as long as it does not run; where it runs then is where it is.
    **_row(
        _S.ELSEWHERE,
        *(_R.IMPOSSIBLE, _R.RESUME, _R.MOVE, _R.MOVE),
        *(_R.MOVE, _R.MOVE, _R.NOTHING, _R.ACCOUNT_MOVED),
    ),
    # A suspended guest does nothing: news of what it did before are late.
    **_row(
        _S.GUEST_SHUTDOWN,
        *(_R.NOTHING, _R.NOTHING, _R.GUEST, _R.GUEST),
        *(_R.GUEST, _R.GUEST, _R.OVER, _R.RECORD),
    ),
    **_row(
        _S.CRASHED,
        *(_R.NOTHING, _R.NOTHING, _R.FAILURE, _R.FAILURE),
        *(_R.FAILURE, _R.FAILURE, _R.OVER, _R.RECORD),
    ),
    **_row(
        _S.VANISHED,
        *(_R.NOTHING, _R.LOST, _R.FAILURE, _R.FAILURE),
        *(_R.FAILURE, _R.FAILURE, _R.OVER, _R.RECORD),
    ),
    # What is unknown while it is to be suspended or absent matters when it is to run; what is to be gone will be.
    **_row(
        _S.UNKNOWN,
        *(_R.NOTHING, _R.NOTHING, _R.GRACE, _R.GRACE),
        *(_R.GRACE, _R.GRACE, _R.NOTHING, _R.RECORD),
    ),
    **_row(
        _S.SUSPENDED,
        *(_R.DESTROY, _R.AGREES, _R.AGREES, _R.SUSPEND),
        *(_R.SUSPEND, _R.AGREES, _R.OVER, _R.RECORD),
    ),
    # Platforms pause VMs on the way to and from a memory image.
    **_row(
        _S.PAUSED,
        *(_R.DESTROY, _R.RESUME_PAUSED, _R.AGREES, _R.PAUSE),
        *(_R.AGREES, _R.AGREES, _R.NOTHING, _R.ACCOUNT),
    ),
    # Where it is on the way to and from a memory image shows when it has come there.
    **_row(
        _S.PAUSED_ELSEWHERE,
        *(_R.IMPOSSIBLE, _R.RESUME_PAUSED, _R.NOTHING, _R.MOVE_PAUSED),
        *(_R.MOVE, _R.NOTHING, _R.NOTHING, _R.ACCOUNT_MOVED),
    ),
    **_row(
        _S.STOPPED,
        *(_R.NOTHING, _R.REMOVED, _R.ENDED, _R.ENDED),
        *(_R.ENDED, _R.ENDED, _R.OVER, _R.RECORD),
    ),
    **_row(
        _S.DELETED,
        *(_R.NOTHING, _R.REMOVED, _R.ENDED, _R.ENDED),
        *(_R.ENDED, _R.ENDED, _R.OVER, _R.ENDED),
    ),
}

_OF_PHASE: Final = MappingProxyType(
    {Phase.PLANNED: _D.ABSENT, Phase.RESUMING: _D.RESUMING, Phase.RUNNING: _D.RUNNING, Phase.OVER: _D.ABSENT}
)
BY_PLACE: Final = MappingProxyType({_O.RUNNING: _S.ELSEWHERE, _O.PAUSED: _S.PAUSED_ELSEWHERE})
"""What it is to see a VM where it is not to be, for what it may do there."""

_FAMILIAR: Final = frozenset({_R.AGREES, _R.NOTHING, _R.IMPOSSIBLE})


def desired(lease: Lease, vm: int = 0) -> Desired:
    """Return what the schedule wants a VM of a lease to be doing now; by default any that is not over."""
    if vm in lease.over:
        return Desired.ABSENT
    phase = lease.stays[0].phase if lease.stays else Phase.PLANNED
    if lease.state is LeaseState.HELD and (lease.images or phase is not Phase.PLANNED):
        return Desired.HELD
    if phase is Phase.PLANNED:
        return Desired.SUSPENDED if lease.images else Desired.ABSENT
    if phase is Phase.ENDING:
        return Desired.SUSPENDING if lease.stays[0].suspending else Desired.STOPPING
    if phase is Phase.RUNNING and lease.state is LeaseState.PAUSED:
        return Desired.PAUSED
    return _OF_PHASE[phase]


class Reactions:
    """Reacts to what nobody planned."""

    def __init__(self, desk: Desk, execution: Execution, repair: Repair, transit: "Callable[[], Transit]") -> None:
        """``transit`` returns who knows what is on its way between hosts."""
        self._desk = desk
        self._execution = execution
        self._repair = repair
        self.relocation = Relocation(desk, repair)
        self.wishes = Wishes(desk, execution, repair, self.relocation)
        self.adoption = Adoption(desk, execution, repair, self.relocation, self.wishes)
        self.mishaps = Mishaps(desk, execution, repair, self.wishes, transit)
        self.outages = Outages(desk, execution, repair, self.wishes, transit)
        self._bells: dict[Bell, Callable[[int, int], None]] = {
            Bell.UNKNOWN: self._grace_over,
            Bell.RESTART: self._restart_due,
            Bell.RETRY: self._retry_due,
            Bell.HOST_SUSPECT: self.outages.grace_over,
        }

    # VMs -----------------------------------------------------------------------------------------------------

    def instance_observed(self, event: InstanceObserved) -> None:
        """React to the state that a VM, or all VMs, of a lease were seen in."""
        desk = self._desk
        lease = desk.leases.get(event.lease)
        if lease is None or not 0 <= event.vm <= lease.need.vms:
            return
        if event.observed is Observed.GUEST_SHUTDOWN and not event.vm and _just_ends(lease):
            # What simulations see of every lease; the long way comes to the same.
            self._execution.end_early(lease)
            return
        if event.host is not None and not 0 <= event.host < len(desk.site.hosts):
            return
        vms = (event.vm,) if event.vm else lease.alive
        wanted = desired(lease, event.vm)
        sight = self._sight(lease, event, wanted)
        if lease.id in self._desk.to_resume and event.observed in BY_PLACE:
            self.adoption.are_there(lease, vms)
            if sight is Sight.PAUSED_ELSEWHERE and wanted is Desired.RESUMING:
                # Nothing of it is on its way yet: it is where somebody has brought it.
                sight = Sight.ELSEWHERE
        reaction = REACTIONS[wanted, sight]
        again = bool(lease.seen) and all(lease.seen.get(vm) is event.observed for vm in vms)
        self._note(lease, vms, event.observed, reaction, wanted)
        self._react(reaction, lease, vms, event, again=again)

    def _sight(self, lease: Lease, event: InstanceObserved, wanted: Desired) -> Sight:
        """Say what was seen; where it was seen counts only for a VM of which the plan says where it is to be."""
        here = Sight(event.observed.value)
        if event.observed not in BY_PLACE or event.host is None or wanted is Desired.ABSENT:
            return here
        if not event.vm and lease.need.vms > 1:
            return here
        where = lease.images or (hosts_of(lease.stays[0], self._desk.table) if lease.stays else ())
        if lease.stays and lease.stays[0].phase is not Phase.PLANNED:
            where = hosts_of(lease.stays[0], self._desk.table)
        planned = where[max(event.vm, 1) - 1] if where else event.host
        if planned == event.host:
            return here
        vm, now = max(event.vm, 1), self._desk.now
        # What is on its way is seen where it comes from until it has arrived.
        leaving = any(move.vm == vm and move.origin == event.host and move.until >= now for move in lease.moving)
        return here if leaving else BY_PLACE[event.observed]

    def _note(
        self, lease: Lease, vms: tuple[int, ...], observed: Observed, reaction: Reaction, wanted: Desired
    ) -> None:
        """Keep what was seen where it is not what is wanted; whatever is heard of a VM, it is not unknown any more."""
        if observed is not Observed.UNKNOWN and self._desk.alarms.next_at < FAR_FUTURE:
            for vm in vms:
                self._desk.alarms.cancel(Bell.UNKNOWN, lease.id, vm)
        if wanted is Desired.ABSENT:
            return
        if reaction in _FAMILIAR or reaction in (Reaction.UNPAUSE, Reaction.MOVE, Reaction.MOVE_PAUSED):
            if not lease.seen:
                return
            lease.seen = {vm: seen for vm, seen in lease.seen.items() if vm not in vms}
        elif all(lease.seen.get(vm) is observed for vm in vms):
            return
        else:
            lease.seen = {**lease.seen, **dict.fromkeys(vms, observed)}
        self._desk.touched.add(lease.id)

    def _react(
        self, reaction: Reaction, lease: Lease, vms: tuple[int, ...], event: InstanceObserved, *, again: bool
    ) -> None:
        if reaction is Reaction.AGREES:
            if lease.down and event.observed is Observed.RUNNING:
                self.wishes.up(lease, vms)
            elif lease.images and event.observed is Observed.SUSPENDED and event.host is not None and event.vm:
                self.adoption.image_seen(lease, event.vm, event.host)
        elif reaction is Reaction.GUEST:
            self.wishes.guest_shut_down(lease, vms)
        elif reaction is Reaction.FAILURE:
            self.wishes.failed(lease, vms, _seen_as(lease, vms, event))
        elif reaction is Reaction.GRACE:
            self._unknown(lease, vms)
        elif reaction is Reaction.OVER:
            self.wishes.end(lease, vms)
        elif reaction in (Reaction.ENDED, Reaction.REMOVED):
            self._ended(reaction, lease, vms, event)
        elif reaction is Reaction.LOST:
            self._repair.lose_images(lease, _seen_as(lease, vms, event))
        else:
            self._adopt(reaction, lease, vms, event, again=again)

    def _adopt(
        self, reaction: Reaction, lease: Lease, vms: tuple[int, ...], event: InstanceObserved, *, again: bool
    ) -> None:
        adoption, host, by = self.adoption, event.host, event.by
        if reaction is Reaction.SUSPEND:
            adoption.suspended(lease, vms, host, by, again=again)
        elif reaction is Reaction.PAUSE:
            adoption.paused(lease, vms, by, again=again)
        elif reaction is Reaction.UNPAUSE:
            adoption.unpaused(lease, vms, by)
        elif reaction is Reaction.RESUME:
            adoption.resumed(lease, vms, host, by)
        elif reaction is Reaction.RESUME_PAUSED:
            if adoption.resumed(lease, vms, host, by):
                self._paused_too(lease, vms, by)
        elif reaction in (Reaction.MOVE, Reaction.MOVE_PAUSED) and host is not None:
            adoption.moved(lease, vms, host, by)
            if reaction is Reaction.MOVE_PAUSED:
                self._paused_too(lease, vms, by)
        elif reaction is Reaction.ACCOUNT:
            self._astray_of().runs(lease, vms, host, by, again=again)
        elif reaction is Reaction.ACCOUNT_MOVED:
            self._astray_of().moved(lease, vms, host, by, again=again)
        elif reaction is Reaction.DESTROY:
            adoption.stray(lease, vms, host, by)

    def _paused_too(self, lease: Lease, vms: tuple[int, ...], by: str) -> None:
        """VMs that somebody has brought somewhere were paused there, if that is where they may be."""
        if lease.state is LeaseState.ACTIVE:
            self._note(lease, vms, Observed.PAUSED, Reaction.PAUSE, Desired.RUNNING)
            self.adoption.paused(lease, vms, by)

    def _astray_of(self) -> "Astray":
        # Loaded here: hardly any simulation puts leases on hold.
        from haizea.core.astray import Astray

        return Astray(self._desk, self._repair, self.adoption)

    def _ended(self, reaction: Reaction, lease: Lease, vms: tuple[int, ...], event: InstanceObserved) -> None:
        """Somebody stopped or removed VMs: that is what they wanted."""
        desk, did = self._desk, event.observed.value
        desk.notify(lease, f"{named(lease, vms)} was {did} by {someone(event.by)}.")
        if reaction is Reaction.ENDED and lease.stays:
            self.wishes.end(lease, vms)
            return
        others = [vm for vm in lease.alive if vm not in vms]
        if others:
            if lease.stays:
                desk.note_left(lease.stays[0], vms)
            lease.over |= frozenset(vms)
            if lease.images is not None:
                lease.rested = desk.share(lease, lease.images)
            for stay in lease.stays:
                desk.reseat(stay, hosts_of(stay, desk.table))
                desk.free_early(stay.end)
            desk.touched.add(lease.id)
            return
        self._execution.stop(lease, "cancelled", keep=True)
        desk.free_early(FAR_FUTURE)
        text = f"What was suspended of it was {did} by {someone(event.by)}."
        desk.retire(lease, LeaseState.CANCELLED, Reason(Cause.CANCELLED, text))

    def _unknown(self, lease: Lease, vms: tuple[int, ...]) -> None:
        desk = self._desk
        new = [vm for vm in vms if desk.alarms.get(Bell.UNKNOWN, lease.id, vm) is None]
        for vm in new:
            desk.alarms.set(Bell.UNKNOWN, lease.id, desk.now + desk.options.vm_grace, vm)
        if new:
            desk.notify(lease, f"{named(lease, tuple(new))} cannot be found for now.")

    def _grace_over(self, number: int, vm: int) -> None:
        """Nothing was heard of a VM throughout its grace. What is to become of a suspect host is not known yet."""
        desk = self._desk
        lease = desk.leases.get(number)
        if lease is None or not lease.stays or lease.seen.get(vm) is not Observed.UNKNOWN:
            return
        if REACTIONS[desired(lease, vm), Sight.UNKNOWN] is not Reaction.GRACE:
            return
        host = hosts_of(lease.stays[0], desk.table)[vm - 1]
        if desk.hosts.states[host] is HostState.SUSPECT:
            desk.alarms.set(Bell.UNKNOWN, number, desk.now + max(desk.options.vm_grace, 1), vm)
            return
        # Those that were unknown for as long fail together.
        others = [
            other for other in lease.alive if lease.seen.get(other) is Observed.UNKNOWN and self._ripe(number, other)
        ]
        vms = tuple(sorted({vm, *others}))
        self.wishes.failed(lease, vms, Reason(Cause.FAILED, f"{named(lease, vms)} was unknown for too long."))

    def _ripe(self, number: int, vm: int) -> bool:
        # Alarms that are due at one instant are taken back together before the first of them is dealt with.
        return self._desk.alarms.get(Bell.UNKNOWN, number, vm) is None

    # Time ----------------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Deal with VMs and hosts of which nothing was heard for long enough, and try again what was to wait."""
        desk = self._desk
        for bell, number, vm in desk.alarms.due(desk.now, WAITS):
            self._bells[bell](number, vm)

    def _restart_due(self, number: int, vm: int) -> None:
        lease = self._desk.leases.get(number)
        if lease is not None:
            self.wishes.restart_due(lease, vm)

    def _retry_due(self, number: int, vm: int) -> None:
        lease = self._desk.leases.get(number)
        if lease is not None and vm not in lease.over:
            self.wishes.retry_due(lease, vm)

    def clock_jumped(self, event: ClockJumped) -> None:
        """The clock was set: what waits for time to pass waits on; what is due is dealt with as it always is."""
        self._desk.alarms.put_off(event.by)

    # Cancelling ----------------------------------------------------------------------------------------------

    def cancel_requested(self, event: CancelRequested) -> None:
        """Cancel a lease, whatever it is doing."""
        lease = self._desk.leases.get(event.lease)
        if lease is not None:
            by = f" by {event.by}" if event.by else ""
            self.break_off(lease, LeaseState.CANCELLED, Reason(Cause.CANCELLED, f"It was cancelled{by}."))

    def break_off(self, lease: Lease, state: LeaseState, reason: Reason) -> None:
        """End a lease now, whatever it is doing; what it has run counts."""
        for stay in lease.stays:
            if stay.phase is Phase.RUNNING:
                self._execution.split(stay)
        self._execution.stop(lease, "cancelled")
        self._desk.free_early(FAR_FUTURE)
        self._desk.retire(lease, state, reason)


def _just_ends(lease: Lease) -> bool:
    """Whether a lease is done when its guests shut themselves down, with nothing else to be thought of."""
    return (
        lease.state is LeaseState.ACTIVE
        and lease.stays[0].phase is Phase.RUNNING
        and lease.terms.reactions.on_guest_shutdown is OnGuestShutdown.END
    )


def _seen_as(lease: Lease, vms: tuple[int, ...], event: InstanceObserved) -> Reason:
    return Reason(Cause.FAILED, f"{named(lease, vms)} was seen to be {event.observed.value}.")
