"""When and where one lease could stay, given the slot table as it is.

Nothing here changes the slot table or a lease: the caller keeps what is proposed or throws it away. Preemption is
in :mod:`haizea.plan.preemption`, deadlines in :mod:`haizea.plan.deadlines`, images in :mod:`haizea.plan.images`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from haizea.model.lease import LeaseType
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.plan.disturbance import first_disturbances
from haizea.plan.hosts import Hosts
from haizea.plan.lease import Copy, Lease, Phase, Stay
from haizea.plan.mapping import Mapper, Scorer
from haizea.plan.operations import assign, assign_near, length
from haizea.plan.options import Migration, Options, Suspension
from haizea.plan.paces import Paces
from haizea.plan.packing import Mask
from haizea.plan.slottable import Placement, SlotTable
from haizea.policy.protocols import HostOrder, HostSelectionPolicy
from haizea.policy.views import HostView

_PATIENCE: Final = 12
"""At how many starts a lease did not fit before it is worth while to look how many others can be left out."""


class Point(NamedTuple):
    """From ``at`` on, a lease may start on these hosts (one mask for each block; None: on all it may use).

    With ``still`` it may resume then just where its images are, so that none has to be copied.
    """

    at: Instant
    hosts: Sequence[Mask] | None = None
    still: bool = False


class Planner:
    """Proposes stays for single leases."""

    def __init__(self, table: SlotTable, hosts: Hosts, options: Options, selection: HostSelectionPolicy) -> None:
        self.table = table
        self.hosts = hosts
        self.options = options
        self._cleaning = options.cleaning_time
        self.mapper = Mapper(table, selection.order)
        self._copying: list[Stay] = []
        # How fast single hosts are, where that is known.
        self.paces: Paces | None = None
        self._shutdown_base = options.shutdown_time + options.cleaning_time
        self._shutdown_per_vm = options.enactment_overhead
        self.selection = selection
        # Where leases may be suspended, those that start now can use such a host until then all the same.
        self._keeps_room = selection.order is HostOrder.MOST_FREE and options.suspension is Suspension.NONE
        # Where images move, what is the best host for a lease can no longer be said of many hosts at once.
        self._migrating = selection.order is HostOrder.MOST_FREE and options.migration is not Migration.NO

    def set_options(self, options: Options, paces: Paces | None = None) -> None:
        """Plan by other rules, which differ in how long things take only."""
        self.options = options
        self.paces = paces
        self._cleaning = options.cleaning_time
        self._shutdown_base = options.shutdown_time + options.cleaning_time

    def may_suspend(self, lease: Lease) -> bool:
        """Whether the site's rules and the lease's terms allow suspending it."""
        suspension = self.options.suspension
        return (
            suspension is not Suspension.NONE
            and lease.terms.preemptible
            and (suspension is Suspension.ALL or lease.need.vms == 1)
        )

    def threshold(self, lease: Lease, *, resuming: bool) -> Span:
        """Return how long a stay that ends in a suspension must be for it to be worth while.

        That is its overheads (suspension; with ``resuming``, the resumption it begins with too) and the factor times
        as much. One that must be told beforehand runs for as long as that at least.
        """
        least = self._worth_while(lease, resuming=resuming)
        if lease.terms.grace:
            ahead = (
                lease.terms.grace
                + self._cleaning
                + lease.need.suspend_time
                + (lease.need.resume_bound if resuming else 0)
            )
            return max(least, ahead)
        return least

    def _worth_while(self, lease: Lease, *, resuming: bool) -> Span:
        options = self.options
        if options.threshold is not None:
            return options.threshold + self._cleaning
        if options.suspension is Suspension.NONE:
            return 0
        overhead = lease.need.suspend_time + (lease.need.resume_time if resuming else 0)
        return overhead + overhead * options.threshold_permille // 1000 + self._cleaning

    def asap(self, lease: Lease, points: Sequence[Point], *, future: bool) -> Stay | None:
        """Return the earliest stay at one of the points or, with ``future``, at any instant after the last of them.

        A lease that may be suspended takes a gap that is too short for it, if it is above the threshold; a
        deadline lease and one that may not be suspended must fit whole, a deadline lease before its deadline.
        """
        latest = self._latest_start(lease)
        for at, hosts, still in points:
            if at <= latest:
                stay = self.fit(lease, at, hosts, still=still)
                if stay is not None:
                    return stay
        return self.later(lease, points[-1].at) if future else None

    def later(self, lease: Lease, after: Instant) -> Stay | None:
        """Return the earliest stay that begins after an instant, when something ends or begins."""
        latest = self._latest_start(lease)
        profile, key, least = self.table.profile(), lease.need.key, self.least_window(lease)
        whole = self._whole(lease)
        # Whoever can be suspended may do with less than the whole time; where there is not even that, no need to fit.
        partly, failed = whole and least < lease.left, 0
        at = profile.start(key, least, after)
        while at <= latest and at < FAR_FUTURE:
            if not partly or self._room(lease, at, at + least):
                stay = self.fit(lease, at, None)
                if stay is not None:
                    return stay
            failed += 1
            skip = self._last_failing(lease, at, least) if whole and failed >= _PATIENCE else at
            at = profile.start(key, least, skip)
        return None

    def _last_failing(self, lease: Lease, at: Instant, least: Span) -> Instant:
        """Return an instant up to which a lease cannot start, given that it cannot start at ``at``.

        What lies before the end of the window of a start is in the windows of all starts until then.
        """
        end = at + least
        for share in (8, 4, 2):
            later = end - least // share
            if at < later < end and not self._room(lease, later, end):
                return later
        return at

    def _whole(self, lease: Lease) -> bool:
        """Whether a lease of VMs of which no host can take two may go wherever there is room."""
        return not lease.images and lease.need.whole and self.mapper.order is not HostOrder.SCORED

    def _room(self, lease: Lease, start: Instant, end: Instant) -> bool:
        """Whether all VMs of a lease, of which no host can take two, have room throughout ``[start, end)``."""
        missing = lease.need.vms
        usable = self.hosts.usable(lease.terms.constraints)
        for mask in self.table.roomy(lease.need.shapes[0], start, end, usable):
            missing -= mask.bit_count()
            if missing <= 0:
                return True
        return False

    def might_fit(self, lease: Lease, at: Instant) -> bool:
        """Whether a stay may begin at an instant, by the sum over all hosts: where this says no, none can."""
        return at != self.table.now or lease.need.key <= self.table.free_until(at + self.least_window(lease))

    def least_window(self, lease: Lease) -> Span:
        """Return for how long there must at least be room for a lease to start."""
        resuming = bool(lease.images)
        whole = lease.left + self.shutdown(lease) + (lease.need.resume_bound if resuming else 0)
        if lease.type is LeaseType.DEADLINE or not self.may_suspend(lease):
            return whole
        return min(whole, max(1, self.threshold(lease, resuming=resuming)))

    def _latest_start(self, lease: Lease) -> Instant:
        if lease.terms.deadline is None:
            return FAR_FUTURE
        return lease.terms.deadline - lease.left

    def fit(self, lease: Lease, at: Instant, hosts: Sequence[Mask] | None, *, still: bool = False) -> Stay | None:
        """Return a stay that begins at an instant, or None. With ``still`` its images are not to move for it."""
        need, terms = lease.need, lease.terms
        length = lease.left + self._shutdown_base + self._shutdown_per_vm * need.vms + lease.tail
        if lease.images:
            length += need.resume_bound
        end = at + length if length < FAR_FUTURE else FAR_FUTURE
        usable = self.hosts.usable(terms.constraints) if hosts is None else hosts
        ranked = self._migrating and terms.deadline is None and self._ranks(lease, at) and self.may_suspend(lease)
        ranked = ranked and not still
        if still:
            placement = self._where_it_was(lease, at, end, usable)
        else:
            placement = None if ranked else self.find(lease, at, end, usable)
        if placement is None:
            if terms.deadline is not None or not self.may_suspend(lease):
                return None
            stays = still or self._pinned(lease)
            gap = (self._best if ranked else self._same if stays else self._gap)(lease, at, end, usable)
            if gap is None:
                return None
            placement, end = gap
        stay = self.stay(lease, placement, at, end)
        if stay is None or (terms.deadline is not None and stay.run_end > terms.deadline):
            return None
        if lease.images:
            stay.vm_hosts = self.seats(lease, placement, lease.images)
            if still and stay.vm_hosts != lease.images:
                return None
        return stay

    def seats(self, lease: Lease, placement: Placement, images: tuple[int, ...]) -> tuple[int, ...]:
        """Return the host of every VM of a lease that is resumed, as near as possible to where the images are."""
        # Who cannot migrate is, VM by VM, where the images are.
        pinned = self.options.migration is Migration.NO
        return images if pinned else assign_near(self.table, lease.need, placement, images)

    def find(self, lease: Lease, start: Instant, end: Instant, usable: Sequence[Mask]) -> Placement | None:
        """Return hosts on which all VMs of a lease have room throughout ``[start, end)``, or None."""
        need, table = lease.need, self.table
        later = start > table.now and self._keeps_room and lease.type is LeaseType.BEST_EFFORT
        if self._migrating and self._ranks(lease, start):
            return self.place(lease, table.window(start, end), usable, start, end)
        if self._whole(lease):
            shapes = need.shapes[0]
            if not later:
                return self.mapper.place_whole(need, table.roomy(shapes, start, end, usable))
            roomy = table.all_roomy(shapes, start, end, usable)
            if sum([mask.bit_count() for mask in roomy]) < need.vms:
                return None
            # Hosts with room now are worth more to those who could start now.
            return self.mapper.place_whole_later(need, roomy, table.all_roomy(shapes, table.now, table.now, roomy))
        if self._pinned(lease):
            return self._where_it_was(lease, start, end, usable)
        states = table.window(start, end)
        if later and not lease.images:
            return self.mapper.place_later(need, states, table.present(), usable, lease.terms.constraints)
        return self.place(lease, states, usable, start, end)

    def _pinned(self, lease: Lease) -> bool:
        """Whether a lease can only go where it was."""
        return bool(lease.images) and self.options.migration is Migration.NO

    def _where_it_was(self, lease: Lease, start: Instant, end: Instant, usable: Sequence[Mask]) -> Placement | None:
        """Return where a suspended lease was before, if there is room throughout ``[start, end)``."""
        before = lease.stays[-1].placement if lease.stays else lease.rested
        if before is None or self.table.room_until(start, end, before.held) < end or not self._within(before, usable):
            return None
        return before

    def _same(
        self, lease: Lease, at: Instant, end: Instant, usable: Sequence[Mask]
    ) -> tuple[Placement, Instant] | None:
        """Find until when a lease can stay from an instant on where it was before."""
        earliest, latest = at + self.threshold(lease, resuming=bool(lease.images)), end - self.shutdown(lease)
        before = self._where_it_was(lease, at, min(earliest, end), usable)
        until = end if before is None else self.table.room_until(at, end, before.held)
        return None if before is None or until > latest else (before, until)

    def _gap(self, lease: Lease, at: Instant, end: Instant, usable: Sequence[Mask]) -> tuple[Placement, Instant] | None:
        """Find the hosts on which all VMs can stay longest from an instant on, and until when."""
        earliest, latest = at + self.threshold(lease, resuming=bool(lease.images)), end - self.shutdown(lease)
        states = [t.window(at, min(earliest, end)) for t in self.table.timelines]
        placement = self.place(lease, states, usable, at, earliest)
        if placement is None:
            return None
        for fall, block, state in self.table.falls(at, end):
            if fall < earliest:
                continue
            if fall > latest:
                return None
            lower = list(states)
            lower[block] = self.table.timelines[block].packing.minimum(states[block], state)
            smaller = self.place(lease, lower, usable, at, fall)
            if smaller is None:
                return placement, fall
            states, placement = lower, smaller
        return None

    def place(
        self, lease: Lease, states: Sequence[int], usable: Sequence[Mask], start: Instant, end: Instant
    ) -> Placement | None:
        """Map the VMs of a lease to hosts.

        A suspended lease goes to where its images are, if it can; to the best hosts where these are ranked.
        """
        if lease.images and not self._migrating:
            before = lease.stays[-1].placement if lease.stays else lease.rested
            if before is not None and self.table.has_room(states, before.held) and self._within(before, usable):
                return before
            if self._pinned(lease):
                return None
        scored = self.mapper.order is HostOrder.SCORED or (self._migrating and self._ranks(lease, start))
        scorer = self._scorer(lease, start) if scored else None
        return self.mapper.place(lease.need, states, usable, lease.terms.constraints, scorer)

    def _within(self, placement: Placement, usable: Sequence[Mask]) -> bool:
        return all(part.mask & ~usable[part.block] == 0 for part in placement.parts)

    def stay(self, lease: Lease, placement: Placement, at: Instant, end: Instant) -> Stay | None:
        """Return a stay from an instant on that ends when the lease does, or in a suspension that ends by ``end``."""
        need, run_start = lease.need, at
        if lease.images:
            run_start += self.resumption(lease, placement)
        run_end = run_start + lease.left
        over = run_end + self._shutdown_base + self._shutdown_per_vm * need.vms + lease.tail
        if over <= end:
            stay = Stay(lease, placement, at, run_start, run_end, over)
        elif over >= FAR_FUTURE <= end:
            stay = Stay(lease, placement, at, run_start, FAR_FUTURE, FAR_FUTURE)
        else:
            run_end = end - self.suspension(lease, placement) - self._cleaning
            if not run_start < run_end < run_start + lease.left:
                return None
            stay = Stay(lease, placement, at, run_start, run_end, end)
            stay.suspending = True
        if lease.images:
            stay.resuming = True
        return stay

    def suspension(self, lease: Lease, placement: Placement) -> Span:
        """Return how long suspending all VMs of a lease takes where they are."""
        need = lease.need
        taken = length(self.table, need, placement, need.suspend_vm, self.options.exclusion)
        if self.paces is None:
            return taken
        return min(taken, self.paces.suspending(need, assign(self.table, need, placement)))

    def resumption(self, lease: Lease, placement: Placement) -> Span:
        """Return how long resuming all VMs of a lease takes on other hosts, or where they were."""
        need = lease.need
        taken = length(self.table, need, placement, need.resume_vm, self.options.exclusion)
        if self.paces is None:
            return taken
        return min(taken, self.paces.resuming(need, assign(self.table, need, placement)))

    def shutdown(self, lease: Lease) -> Span:
        """Return for how long a lease holds its hosts after it has run.

        That is while its VMs are shut down or suspended, and while what they have left is cleaned.
        """
        return self._shutdown_base + self._shutdown_per_vm * lease.need.vms + lease.tail

    def note_copies(self, stay: Stay) -> None:
        """Remember that images are copied between hosts for a stay, until it begins or is given up."""
        self._copying = [other for other in self._copying if other.phase is Phase.PLANNED]
        self._copying.append(stay)

    def _copies(self, after: Instant) -> list[Copy]:
        """Return the copies of images, under way or planned, that are not over at an instant."""
        planned = [stay for stay in self._copying if stay.phase is Phase.PLANNED]
        return [copy for stay in planned for copy in stay.copies if copy.end > max(after, copy.start)]

    def _ranks(self, lease: Lease, at: Instant) -> bool:
        """Whether hosts have to be compared one by one: for a lease whose images can move, and beside such moves."""
        return bool(lease.images) or (bool(self._copying) and bool(self._copies(at)))

    def _best(
        self, lease: Lease, at: Instant, end: Instant, usable: Sequence[Mask]
    ) -> tuple[Placement, Instant] | None:
        """Take the best hosts that have room at an instant, and find until when the VMs can stay there."""
        table = self.table
        states = table.window(at, at)
        placement = self.place(lease, states, usable, at, end)
        if placement is None:
            return None
        earliest, latest = at + self.threshold(lease, resuming=bool(lease.images)), end - self.shutdown(lease)
        for fall, block, state in table.falls(at, end):
            states[block] = table.timelines[block].packing.minimum(states[block], state)
            if not table.has_room(states, placement.held):
                return (placement, fall) if earliest <= fall <= latest else None
        return placement, end

    def _scorer(self, lease: Lease, start: Instant) -> Scorer:
        """Return what asks the policy for the score of a host."""
        table = self.table
        copies = self._copies(start)
        states = [timeline.state(start) for timeline in table.timelines]
        disturbed: dict[int, Instant] | None = None
        busy = [host for copy in copies if copy.start <= start for host in (copy.origin, copy.destination)]

        def score(host: int, room: int) -> int:
            nonlocal disturbed
            if disturbed is None:
                # Most leases do not fit at all, and then nobody asks.
                disturbed = first_disturbances(table, start, copies)
            block, number = divmod(host, table.block_hosts)
            packing = table.timelines[block].packing
            spec = table.site.hosts[host]
            free = packing.free(states[block], number)
            used = max(((amount - free[name]) * 1000 // amount for name, amount in spec.capacity.items()), default=0)
            undisturbed = disturbed[host] - start if host in disturbed else FAR_FUTURE
            leases = (
                0
                if not used
                else -(-used * spec.capacity[table.key] // 1000 // max(1, lease.need.demands[0][table.key]))
            )
            leases += busy.count(host)
            return self.selection.score(
                HostView(host, spec.name, spec.labels, spec.capacity, room, used, leases, undisturbed), lease, start
            )

        return score
