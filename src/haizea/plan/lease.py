"""A lease as it is planned: what is left to deliver, where it is to stay, what has happened to it."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.model.events import Observed
from haizea.model.lease import DEFAULT_REACTIONS, LeaseState, LeaseTerms, LeaseType, OnEnd
from haizea.model.reason import Cause, Reason
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.need import Need
from haizea.plan.slottable import Placement
from haizea.policy.money import Money

NOTHING_SEEN: Final[Mapping[int, Observed]] = MappingProxyType({})


class Phase(IntEnum):
    """How far a stay has come; at one instant the later phases are dealt with first."""

    OVER = 0
    ENDING = 1
    RUNNING = 2
    RESUMING = 3
    PLANNED = 4


class Entry:
    """What happened to a lease during a stay: ``kind`` is run, suspend, migrate, resume or shutdown.

    ``outcome`` is done, lost (the work was thrown away) or cancelled (the operation was broken off).
    """

    __slots__ = ("end", "kind", "outcome", "start", "stay")

    def __init__(self, kind: str, stay: "Stay", start: Instant, end: Instant, outcome: str) -> None:
        self.kind = kind
        self.stay = stay
        self.start = start
        self.end = end
        self.outcome = outcome


class Wait:
    """Why a best-effort lease did not start when it was looked at last.

    ``free`` is how much of the key resource type was free then, ``ahead`` the lease whose reservation was in the
    way or, without backfilling, the one in front; 0 where the site itself was too full.
    """

    __slots__ = ("ahead", "at", "cause", "free")

    def __init__(self, cause: Cause, at: Instant, free: int, ahead: int) -> None:
        self.cause = cause
        self.at = at
        self.free = free
        self.ahead = ahead


class Copy(NamedTuple):
    """Images of VMs copied between two hosts before a resumption, during ``[start, end)``."""

    origin: int
    destination: int
    vms: tuple[int, ...]
    start: Instant
    end: Instant


class Move(NamedTuple):
    """A VM, or the memory image of one, on its way between two hosts during ``[start, until)``; ``due`` by the plan.

    ``must`` says that it is not to stay where it is, ``tries`` how often that was tried in vain.
    """

    vm: int
    origin: int
    destination: int
    start: Instant
    until: Instant
    due: Instant
    must: bool = False
    tries: int = 0


class Stay:
    """One continuous stay of a lease's VMs on hosts.

    Capacity is held during ``[start, end)``. The VMs are resumed from ``start`` to ``run_start`` (the same
    instant where they boot), all of them run from ``run_start`` to ``run_end``, and until ``end`` they are
    suspended, where ``suspending``, or shut down. ``due`` is when the operation under way was to be over before it was
    late for the first time. With ``cut`` the lease starts over at ``run_end``, having had time to be told.
    """

    # Defaults are the class's: there are very many stays, and most never change these.
    suspending = False
    resuming = False
    phase = Phase.PLANNED
    vm_hosts: tuple[int, ...] | None = None
    copies: tuple[Copy, ...] = ()
    timer = 0
    due: Instant | None = None
    sized: Need | None = None
    cut = False

    def __init__(
        self,
        lease: "Lease",
        placement: Placement,
        start: Instant,
        run_start: Instant,
        run_end: Instant,
        end: Instant,
    ) -> None:
        self.lease = lease
        self.placement = placement
        self.start = start
        self.run_start = run_start
        self.run_end = run_end
        self.end = end

    @property
    def need(self) -> Need:
        """What its VMs needed: what the lease needs, unless it was resized since."""
        return self.sized or self.lease.need

    @property
    def runs(self) -> Span:
        """How long all VMs run during this stay."""
        return self.run_end - self.run_start

    def past(self, hosts: tuple[int, ...]) -> "Stay":
        """Return what it was until now, with its VMs on these hosts, for the record."""
        # Compiled objects cannot be copied in general.
        was = Stay(self.lease, self.placement, self.start, self.run_start, self.run_end, self.end)
        was.suspending, was.resuming, was.sized, was.cut = self.suspending, self.resuming, self.sized, self.cut
        was.vm_hosts, was.phase, was.copies, was.due = hosts, Phase.OVER, self.copies, self.due
        return was


class Lease:
    """A lease in the scheduler's hands.

    ``delivered`` counts the time during which all of its VMs have run in stays that are over; ``order`` breaks
    ties among leases submitted at the same instant. ``stays`` are the present stay and those to come, in order of
    time. ``images`` says on which host each VM's memory image is, while the lease is suspended. ``place`` orders those
    in the queue, or with a reservation in the future, that were submitted at the same instant. ``restarts`` counts
    VMs started anew after a failure, ``retries`` operations tried again, ``over`` has the VMs that are over while
    others go on: they hold nothing any more. ``rank`` comes before the time of submission in the queue: leases that
    were moved to its top or bottom have one. ``turn`` comes between the two: it is less for those whom the
    policy for the queue puts first. ``moving`` has what is on its way to other hosts, or was at last. ``extensions``
    counts how often it was extended by its own wish. ``tail`` is how long its hosts are held beyond its end and
    shutting down, for it to be suspended.

    What was *observed* is kept apart from what the schedule wants: ``seen`` has what VMs were seen as where that is not
    what they are to be. ``down`` are the VMs that do not run though they are to: time does not count meanwhile.
    ``parked`` says by whom a lease is kept from being started or resumed by the scheduler, empty where by nobody.
    ``degraded``: it was promised a time and has no hosts for it now; it is tried again whenever capacity changes.
    ``contradictions`` counts how often somebody undid what the schedule had commanded, ``foreign`` says that what its
    VMs are doing was not commanded by the schedule.
    """

    # Defaults are the class's: there are very many leases, and most never change these.
    state = LeaseState.NEW
    delivered: Span = 0
    images: tuple[int, ...] | None = None
    rested: Placement | None = None
    reserved = False
    place = 0
    started: Instant | None = None
    ended: Instant | None = None
    price: Money | None = None
    reason: Reason | None = None
    wait: Wait | None = None
    transfers: tuple[tuple[int, tuple[int, ...], Instant, Instant], ...] = ()
    suspensions = 0
    resumptions = 0
    migrations = 0
    preemptions = 0
    requeued = 0
    restarts = 0
    over: frozenset[int] = frozenset()
    retries = 0
    seen: Mapping[int, Observed] = NOTHING_SEEN
    down: frozenset[int] = frozenset()
    parked = ""
    degraded = False
    contradictions = 0
    foreign = False
    rank = 0
    turn = 0
    moving: tuple[Move, ...] = ()
    extensions = 0
    tail: Span = 0

    def __init__(self, lease_id: int, terms: LeaseTerms, need: Need, submitted: Instant, order: int) -> None:
        self.id = lease_id
        self.terms = terms
        self.type: LeaseType = terms.type
        self.need = need
        self.submitted = submitted
        self.order = order
        self.left: Span = FAR_FUTURE if terms.duration is None else terms.duration
        self.stays: list[Stay] = []
        self.log: list[Entry] = []
        if terms.reactions is not DEFAULT_REACTIONS and terms.reactions.on_end is OnEnd.SUSPEND:
            self.tail = need.suspend_time

    @property
    def alive(self) -> tuple[int, ...]:
        """The numbers of its VMs that are not over."""
        return tuple([vm for vm in range(1, self.need.vms + 1) if vm not in self.over])

    @property
    def remaining(self) -> Span | None:
        """How much of its duration is left to deliver; None where the duration is unlimited."""
        return None if self.left >= FAR_FUTURE else self.left

    def remaining_at(self, at: Instant, /) -> Span | None:
        """Return what will be left at an instant if the schedule is followed until then; None if unlimited."""
        if self.left >= FAR_FUTURE:
            return None
        # What a stay that is ending has run is no longer left.
        running = [stay for stay in self.stays if stay.phase is not Phase.ENDING]
        return self.left - sum([max(0, min(stay.run_end, at) - stay.run_start) for stay in running])

    @property
    def suspend_time(self) -> Span:
        """What suspending all of its VMs takes at most."""
        return self.need.suspend_time

    @property
    def resume_time(self) -> Span:
        """What resuming all of its VMs takes at most."""
        return self.need.resume_time

    def __repr__(self) -> str:
        return f"<lease {self.id} {self.type.value} {self.state.label}>"
