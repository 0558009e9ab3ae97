"""What has happened to each lease, told by the commands that went to the back end and by nothing else.

The verifier's stories know where the VMs of a lease are, how long they have run, and where their memory images lie,
without asking the scheduler. Each command is checked against the story so far and against the lease's terms.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from haizea.core.reasons import instant
from haizea.model.effects import Command, Verb
from haizea.model.events import (
    CancelRequested,
    Event,
    InstanceObserved,
    Observed,
    OperationOutcome,
    OperationReported,
    TimePassed,
)
from haizea.model.lease import LeaseState, LeaseTerms, LeaseType, OnEnd, OnGuestShutdown
from haizea.model.resources import MEMORY, Capacity
from haizea.model.site import HostState, Site
from haizea.model.units import SECOND, Instant, Span
from haizea.plan.lease import Copy, Lease
from haizea.plan.options import Exclusion, Migration, Options, Suspension

if TYPE_CHECKING:
    from fractions import Fraction

Report = Callable[[str], None]


class Doing(Enum):
    """What the VMs of a lease are doing."""

    ABSENT = "absent"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "shutting down"


class Story:
    """One lease, as the verifier knows it.

    ``since`` is when all VMs run from, which may be still to come (they boot or resume until then), ``until`` when they
    had run to their end; ``images`` the host of every VM's memory image, complete from ``images_at`` on;
    ``planned_on`` the hosts it was to be on when that was looked at last. ``excused`` are leases that something
    unplanned has happened to: promises about their times no longer bind. ``displaced`` are those whose VMs were seen
    where they were not planned to be, ``ended`` the VMs of which somebody has said that they are over. ``ordered``
    are leases about which, or because of which others, people have ordered something: what they hold is checked like
    that of all, what happens to them is up to those. ``demands`` are those of its VMs in order.
    """

    __slots__ = (
        "accepted",
        "delivered",
        "demands",
        "displaced",
        "doing",
        "ended",
        "excused",
        "guests_over",
        "hosts",
        "id",
        "images",
        "images_at",
        "ordered",
        "planned_on",
        "real",
        "since",
        "starts",
        "submitted",
        "suspensions",
        "terms",
        "type",
        "until",
    )

    def __init__(self, lease: int, terms: LeaseTerms, submitted: Instant, real: Span | None) -> None:
        self.id = lease
        self.terms = terms
        self.type = terms.type
        self.submitted = submitted
        self.real = real
        self.accepted = self.excused = self.guests_over = self.displaced = self.ordered = False
        # When it ends is not known beforehand; what it holds is checked like what others hold.
        self.excused = self.ordered = terms.reactions.on_end is not OnEnd.STOP
        self.ended: set[int] = set()
        self.demands = tuple(merged(terms))
        self.doing = Doing.ABSENT
        self.hosts: tuple[int, ...] = ()
        self.since: Instant = 0
        self.until: Instant = 0
        self.delivered: Span = 0
        self.images: tuple[int, ...] | None = None
        self.images_at: Instant = 0
        self.starts = self.suspensions = 0
        self.planned_on: set[int] = set()

    def expected(self) -> Span | None:
        """How long its VMs have to run in all; None where that cannot be said."""
        terms = self.terms
        if terms.reactions.on_guest_shutdown is not OnGuestShutdown.END:
            return terms.duration
        if self.real is not None:
            return self.real if terms.duration is None else min(self.real, terms.duration)
        return None if self.guests_over else terms.duration


def merged(terms: LeaseTerms) -> list[Capacity]:
    """Return the demand of every VM, in the order in which VMs are numbered: equal node sets count as one."""
    counts: dict[Capacity, int] = {}
    for count, demand in terms.nodes:
        counts[demand] = counts.get(demand, 0) + count
    return [demand for demand, count in counts.items() for _ in range(count)]


class Rules:
    """How long operations last by the rules of the formats, worked out afresh."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def suspending(self, story: Story, hosts: Sequence[int]) -> Span:
        """Return how long suspending all VMs takes where they are."""
        options = self.options
        return self._all(story, hosts, options.suspend_rate, options.suspend_time)

    def resuming(self, story: Story, hosts: Sequence[int]) -> Span:
        """Return how long resuming all VMs takes where they are."""
        options = self.options
        return self._all(story, hosts, options.resume_rate, options.resume_time)

    def one(self, demand: Capacity, *, suspend: bool) -> Span:
        """Return how long suspending or resuming one VM takes."""
        options = self.options
        if suspend:
            return self._one(demand, options.suspend_rate, options.suspend_time)
        return self._one(demand, options.resume_rate, options.resume_time)

    def _one(self, demand: Capacity, rate: "int | Fraction", fixed: Span | None) -> Span:
        seconds, rest = divmod(demand[MEMORY], rate)
        time = (seconds + (rest > 0)) * SECOND if fixed is None else fixed
        return time + self.options.enactment_overhead

    def _all(self, story: Story, hosts: Sequence[int], rate: "int | Fraction", fixed: Span | None) -> Span:
        total: Span = 0
        by_host: dict[int, Span] = {}
        for host, demand in zip(hosts, story.demands, strict=True):
            time = self._one(demand, rate, fixed)
            total += time
            by_host[host] = by_host.get(host, 0) + time
        return total if self.options.exclusion is Exclusion.GLOBAL else max(by_host.values())

    def copying(self, size: int) -> Span:
        """Return how long copying so many MiB to another host takes."""
        if self.options.migration is Migration.FREE:
            return 0
        seconds, rest = divmod(size * 8, self.options.migration_bandwidth)
        return (seconds + (rest > 0)) * SECOND

    def may_suspend(self, terms: LeaseTerms) -> bool:
        """Whether a lease may be suspended."""
        suspension = self.options.suspension
        return terms.preemptible and (
            suspension is Suspension.ALL or (suspension is Suspension.SERIAL and terms.node_count == 1)
        )


class Stories:
    """Follows the commands, and reports each that must not be."""

    def __init__(self, site: Site, rules: Rules, states: Sequence[HostState], report: Report) -> None:
        self._site = site
        self._rules = rules
        self._states = states
        self._report = report

    def renewed(self, site: Site, states: Sequence[HostState]) -> None:
        """Take over a site that has become another one."""
        self._site, self._states = site, states

    def take_over(self, story: Story, lease: Lease) -> None:
        """Take over what a lease is after people have ordered something."""
        story.terms, story.type = lease.terms, lease.type
        story.demands = tuple(merged(lease.terms))
        story.excused = story.displaced = story.ordered = True
        story.ended |= lease.over

    def wrong(self, story: Story, at: Instant, text: str) -> None:
        """Report something about a lease."""
        self._report(f"Lease {story.id} ({story.type.value}) {text} at {instant(at)}.")

    def command(self, story: Story, command: Command, copies: Sequence[Copy], event: Event) -> None:
        """Follow a command; ``copies`` are those said to have been made before a resumption."""
        if command.at != event.at or (command.until < command.at and command.verb is not Verb.MIGRATE):
            self.wrong(story, event.at, f"is told to {command.verb.value} from {command.at} to {command.until}")
        if command.verb is Verb.START:
            self._start(story, command, event)
        elif command.verb is Verb.SUSPEND:
            self._suspend(story, command, event)
        elif command.verb is Verb.RESUME:
            self._resume(story, command, copies)
        elif command.verb is Verb.SHUT_DOWN:
            if story.doing is not Doing.RUNNING:
                self.wrong(story, command.at, f"is shut down while it is {story.doing.value}")
            self._credit(story, command.at)
            story.doing, story.until = Doing.ENDING, command.at
        elif command.verb is Verb.DESTROY:
            self._destroy(story, command, event)

    def _credit(self, story: Story, at: Instant) -> None:
        if at < story.since:
            self.wrong(story, at, "stops running before all of its VMs run")
        story.delivered += max(0, at - story.since)

    def places(self, story: Story, hosts: Sequence[int], at: Instant, *, new: bool) -> None:
        """Check that VMs may be on these hosts; where that is new, the hosts must be up.

        Who was to be on a host before nothing was heard of it any more may still try.
        """
        constraints, terms = story.terms.constraints, story.terms
        if len(hosts) != terms.node_count:
            self.wrong(story, at, f"has {len(hosts)} VMs placed, not {terms.node_count},")
        for host in sorted(set(hosts)) if not story.displaced else ():
            spec = self._site.hosts[host]
            tries = self._states[host] is HostState.SUSPECT and host in story.planned_on
            if new and self._states[host] is not HostState.UP and not tries:
                self.wrong(story, at, f"starts VMs on host {spec.name}, which is {self._states[host].value},")
            for required, labels in ((True, constraints.require), (False, constraints.exclude)):
                for name, value in labels:
                    there = name in spec.labels and value in ("*", spec.labels[name])
                    if there is not required:
                        self.wrong(story, at, f"is on host {spec.name} against its constraint on {name}")
        if story.displaced:
            return
        if constraints.spread and len(set(hosts)) < len(hosts):
            self.wrong(story, at, "has two VMs on one host though they must be apart")
        if constraints.together and len(set(hosts)) > 1:
            self.wrong(story, at, "is on several hosts though its VMs must be together")

    def _start(self, story: Story, command: Command, event: Event) -> None:
        at, hosts, terms = command.at, command.hosts(), story.terms
        if story.doing is Doing.RUNNING and command.vms:
            # VMs that are restarted: the lease goes on. Those that do not run where they ran are told by number.
            changed = [vm for vm, pair in enumerate(zip(hosts, story.hosts, strict=True), 1) if pair[0] != pair[1]]
            if set(changed) - set(command.vms):
                self.wrong(story, at, "is restarted, and other VMs of it are said to be elsewhere,")
            if any(self._states[hosts[vm - 1]] is HostState.DOWN for vm in command.vms):
                self.wrong(story, at, "is restarted on a host that is down")
            story.hosts = hosts
            return
        if story.doing is not Doing.ABSENT:
            self.wrong(story, at, f"is started while it is {story.doing.value}")
        self.places(story, hosts, at, new=True)
        start = terms.start
        if start is not None and at < start:
            self.wrong(story, at, f"starts before {instant(start)}, when it was wanted,")
        if story.type is LeaseType.ADVANCE_RESERVATION and not story.excused and (at != start or story.starts):
            self.wrong(
                story, at, f"starts for the {story.starts + 1}. time; it was promised {instant(start or 0)}, once,"
            )
        if story.type is LeaseType.IMMEDIATE and not story.starts and not terms.software and not story.excused:
            wanted = story.submitted + self._rules.options.non_schedulable
            if at != wanted:
                self.wrong(story, at, f"starts though it was wanted at once, at {instant(wanted)},")
        story.starts += 1
        story.doing, story.hosts, story.since = Doing.RUNNING, hosts, command.until
        story.delivered, story.images = 0, None

    def _suspend(self, story: Story, command: Command, event: Event) -> None:
        at, hosts = command.at, command.hosts()
        if story.doing is Doing.RUNNING and story.images is not None and at <= story.since:
            # A resumption is broken off: the images are still there.
            self._preempted(story, at, event)
            story.doing = Doing.SUSPENDED
            return
        if story.doing is Doing.SUSPENDED and story.excused and isinstance(event, InstanceObserved | OperationReported):
            # A suspension that failed is tried again, or somebody resumed what there is no room for.
            story.images_at = command.until
            return
        if story.doing is not Doing.RUNNING or hosts != story.hosts:
            self.wrong(story, at, f"is suspended while it is {story.doing.value}, or where it is not,")
        if not self._rules.may_suspend(story.terms):
            self.wrong(story, at, "is suspended though it must not be")
        if story.type is LeaseType.ADVANCE_RESERVATION:
            self.wrong(story, at, "is suspended though it was promised its time")
        least = self._rules.suspending(story, hosts)
        if command.until - at < least:
            self.wrong(story, at, f"has {command.until - at} ms to be suspended in, not {least},")
        self._credit(story, at)
        story.doing, story.images, story.images_at = Doing.SUSPENDED, hosts, command.until
        story.suspensions += 1

    def _resume(self, story: Story, command: Command, copies: Sequence[Copy]) -> None:
        at, hosts = command.at, command.hosts()
        if story.doing is Doing.RUNNING and story.excused and story.images == hosts and at <= story.since:
            # A resumption that failed is tried again.
            story.since = command.until
            return
        if story.doing is not Doing.SUSPENDED or story.images is None:
            self.wrong(story, at, f"is resumed while it is {story.doing.value}")
            return
        if at < story.images_at:
            self.wrong(story, at, f"is resumed before it is suspended, at {instant(story.images_at)},")
        self.places(story, hosts, at, new=True)
        least = self._rules.resuming(story, hosts)
        if command.until - at < least:
            self.wrong(story, at, f"has {command.until - at} ms to be resumed in, not {least},")
        self._copied(story, hosts, at, copies)
        story.doing, story.hosts, story.since = Doing.RUNNING, hosts, command.until
        story.images_at = at
        if story.images != hosts:
            story.images = hosts

    def _copied(self, story: Story, hosts: Sequence[int], at: Instant, copies: Sequence[Copy]) -> None:
        """Check that each VM's memory image was brought to where the VM resumes."""
        migration = self._rules.options.migration
        for vm, (image, host) in enumerate(zip(story.images or (), hosts, strict=True), 1):
            if image == host or story.displaced:
                continue
            if migration is Migration.NO:
                self.wrong(story, at, f"resumes VM {vm} on host {host} though its memory image is on host {image}")
                continue
            least = self._rules.copying(story.demands[vm - 1][MEMORY])
            if not any(
                (vm in c.vms and c.origin == image and c.destination == host)
                and story.images_at <= c.start
                and c.start + least <= c.end <= at
                for c in copies
            ):
                self.wrong(story, at, f"resumes VM {vm} on host {host}, where its memory image was not copied,")
        if migration is Migration.YES:
            self._one_after_the_other(story, at, copies)

    def _one_after_the_other(self, story: Story, at: Instant, copies: Sequence[Copy]) -> None:
        for i, one in enumerate(copies):
            for other in copies[:i]:
                share = {one.origin, one.destination} & {other.origin, other.destination}
                if share and one.start < other.end and other.start < one.end:
                    self.wrong(story, at, f"has two copies at a time on host {min(share)}")

    def _destroy(self, story: Story, command: Command, event: Event) -> None:
        at = command.at
        if command.vms:
            # What is left of VMs that failed, or VMs that nobody wants, are removed; the lease goes on as it does.
            return
        if story.doing is Doing.RUNNING and at >= story.since and isinstance(event, CancelRequested):
            self._credit(story, at)
            story.doing = Doing.ABSENT
            return
        if story.doing is Doing.RUNNING:
            self._preempted(story, at, event)
        if story.guests_over and isinstance(event, InstanceObserved):
            # What they have run before they shut themselves down counts.
            story.doing = Doing.ABSENT
            return
        if story.doing is Doing.RUNNING:
            story.delivered = 0
        story.doing, story.images = Doing.ABSENT, None

    def _preempted(self, story: Story, at: Instant, event: Event) -> None:
        if not isinstance(event, TimePassed) or story.excused:
            return
        if not story.terms.preemptible:
            self.wrong(story, at, "is preempted though it must not be")
        if story.type is LeaseType.ADVANCE_RESERVATION:
            self.wrong(story, at, "is preempted though it was promised its time")

    def adopted(self, story: Story, state: LeaseState, lease: Lease, hosts: Sequence[int], at: Instant) -> None:
        """Follow a lease into a state that somebody brought it into, and not a command."""
        if state is LeaseState.SUSPENDED_QUEUED and story.doing is Doing.RUNNING and lease.images is not None:
            story.delivered += max(0, at - story.since)
            story.doing, story.images, story.images_at = Doing.SUSPENDED, lease.images, at
        elif state is LeaseState.ACTIVE and story.doing is Doing.SUSPENDED:
            story.doing, story.images, story.since, story.hosts = Doing.RUNNING, None, at, tuple(hosts)

    def unplanned(self, story: Story, event: InstanceObserved | OperationReported) -> None:
        """Take note of a report that excuses a lease from its promises."""
        if isinstance(event, InstanceObserved):
            if event.observed in (Observed.GUEST_SHUTDOWN, Observed.STOPPED, Observed.DELETED):
                story.guests_over = True
            if event.observed is not Observed.GUEST_SHUTDOWN:
                story.excused = True
            story.displaced |= event.host is not None
            story.ended |= {event.vm} if event.vm else set(range(1, story.terms.node_count + 1))
            return
        story.excused = True
        late = event.outcome is OperationOutcome.LATE and event.until is not None
        early = event.outcome is OperationOutcome.DONE
        until = event.until if late else event.at
        if event.kind == "resume" and story.doing is Doing.RUNNING and story.since > event.at and (late or early):
            story.since = event.at if early else max(story.since, until or 0)
        if (
            event.kind == "suspend"
            and story.doing is Doing.SUSPENDED
            and story.images_at > event.at
            and (late or early)
        ):
            story.images_at = event.at if early else max(story.images_at, until or 0)

    def host_is(self, host: int, state: HostState, live: Sequence[Story], *, images_survive: bool) -> None:
        """Forget what a host that is lost had; excuse whom that concerns."""
        if state is not HostState.DOWN:
            return
        for story in live:
            if story.images is not None and host in story.images:
                story.excused = True
                if story.doing is Doing.SUSPENDED and not images_survive:
                    story.doing, story.images, story.delivered = Doing.ABSENT, None, 0
            if story.doing is not Doing.ABSENT and host in story.hosts:
                story.excused = True
