"""The shapes in which requests come and answers go: the contract of every front end, and of the OpenAPI document.

Instants are ISO 8601 in UTC (``2026-11-25T13:00:00Z``), spans are seconds (``…_s``, with decimals down to a
millisecond where needed), CPU is percent of a core, memory and images are MiB.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from haizea.service.fields import NAME, Amount, Labels, Length, LengthOrZero, Name, Text, WhenText


class Input(BaseModel):
    """What clients send: anything unknown in it is an error, and so is a value of another type, such as 0 for false."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, strict=True)


class NodeSetIn(Input):
    """``count`` identical VMs."""

    count: Annotated[int, Field(ge=1, le=100_000)] = 1
    resources: Annotated[dict[Name, Amount], Field(min_length=1, max_length=32)]


class ImageIn(Input):
    """The disk image that every VM starts from; ``size`` in MiB."""

    id: Annotated[str, Field(min_length=1, max_length=256, pattern=NAME)]
    size: Annotated[int, Field(ge=1, le=1 << 40)]


class ConstraintsIn(Input):
    """Where VMs may run: labels of hosts required or excluded (value ``*``: any), all apart or all together."""

    require: Labels = {}
    exclude: Labels = {}
    spread: bool = False
    together: bool = False


class LeaseRequestIn(Input):
    """A request for a lease.

    ``start``: absent for best effort; ``now``; an instant, or ``+HH:MM:SS`` from now. ``duration``: seconds, or
    ``[[DD:]HH:]MM:SS``, or ``unlimited``. With a ``deadline``, written like ``start``, it is a deadline lease, and
    ``start`` the earliest one. ``on_end`` says what is done when its time is over, and ``extend_by`` by how much
    ``extend`` makes it longer, and resuming one that was suspended then (an hour). More ``priority`` comes first, where
    the site's queue goes by that. ``grace``, written like ``duration``: so long before it is preempted, once it has
    begun, its owner is told.
    """

    nodes: Annotated[list[NodeSetIn], Field(min_length=1, max_length=100)]
    duration: Length
    start: WhenText | None = None
    deadline: WhenText | None = None
    preemptible: bool | None = None
    software: ImageIn | None = None
    name: Name = ""
    group: Name = ""
    owner: Name | None = None
    constraints: ConstraintsIn = ConstraintsIn()
    on_guest_shutdown: Literal["end", "restart", "hold"] = "end"
    on_failure: Literal["restart", "requeue", "fail", "hold"] = "requeue"
    on_end: Literal["stop", "suspend", "extend"] = "stop"
    extend_by: Length | None = None
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    grace: LengthOrZero = 0.0
    extra: Annotated[dict[Name, Text], Field(max_length=64)] = {}


class Answer(BaseModel):
    """What clients get."""

    model_config = ConfigDict(frozen=True)


class ReasonOut(Answer):
    """Why something waits or was refused. ``hosts`` counts hosts by cause; ``leases`` are in the way."""

    cause: str
    text: str
    hosts: dict[str, int] = {}
    leases: list[int] = []
    retry_at: str | None = None


class NodeSetOut(Answer):
    """``count`` identical VMs."""

    count: int
    resources: dict[str, int]


class StayOut(Answer):
    """A time on hosts, present or planned. ``hosts`` gives the numbers of the VMs on each host: ``1-8,12``."""

    phase: str
    start: str
    run_start: str
    run_end: str | None
    end: str | None
    resuming: bool
    suspending: bool
    hosts: dict[str, str]


class ActivityOut(Answer):
    """Something that happened to a lease's VMs: run, suspend, resume, migrate, transfer, shutdown."""

    kind: str
    start: str
    end: str | None
    outcome: str
    hosts: dict[str, str]


class LeaseOut(Answer):
    """A lease. ``starts`` and ``ends`` are when it really started or ended, or else is planned to."""

    id: int
    name: str
    owner: str
    group: str
    type: str
    state: str
    preemptible: bool
    nodes: list[NodeSetOut]
    vms: int
    duration_s: float | None
    start: str | None
    deadline: str | None
    submitted: str
    starts: str | None
    ends: str | None
    delivered_s: float
    remaining_s: float | None
    price: str | None
    reason: ReasonOut | None
    software: dict[str, Any] | None
    constraints: dict[str, Any]
    on_guest_shutdown: str
    on_failure: str
    on_end: str = "stop"
    extend_by_s: float = 3600
    priority: int = 0
    grace_s: float = 0
    extra: dict[str, str]
    plan: list[StayOut]
    suspensions: int
    resumptions: int
    migrations: int
    preemptions: int
    requeued: int
    version: int
    progress: str = ""


class Page(Answer):
    """Part of a list: ``total`` counts all that match."""

    total: int
    limit: int
    offset: int


class LeasePage(Page):
    """Part of a list of leases."""

    items: list[LeaseOut]


class TimelineOut(Answer):
    """What happened to a lease, what is planned, and the journal's entries about it."""

    lease: int
    past: list[ActivityOut]
    plan: list[StayOut]
    entries: list["EntryOut"]


class EntryOut(Answer):
    """A journal entry. ``number`` is the cursor for following."""

    number: int
    at: str
    kind: str
    lease: int | None
    host: str | None
    actor: str
    text: str
    data: dict[str, Any]


class EntryPage(Answer):
    """Journal entries in order; ``cursor`` is where to go on."""

    items: list[EntryOut]
    cursor: int


class AffectedOut(Answer):
    """Another lease that a plan would change, and how: ``preempted``, ``later``, ``earlier``, ``moved``."""

    lease: int
    owner: str
    how: str
    before: str | None
    after: str | None


class VerdictOut(Answer):
    """What would become of a request: accepted or not, when, where, who would give way, why not."""

    accepted: bool
    state: str
    starts: str | None
    ends: str | None
    plan: list[StayOut]
    price: str | None
    affected: list[AffectedOut]
    reason: ReasonOut | None


class OfferOut(Answer):
    """An alternative to a refused request: ``kind`` is ``later``, ``smaller``, ``shorter`` or ``preemptible``.

    With an ``id`` it is held until ``expires`` and can be accepted.
    """

    id: str | None
    kind: str
    text: str
    request: LeaseRequestIn
    verdict: VerdictOut
    expires: str | None


class OffersOut(Answer):
    """The verdict on a request, and what could be had instead."""

    verdict: VerdictOut
    offers: list[OfferOut]


class QueueItemOut(Answer):
    """A lease that waits: its place, why, and when it is expected to start if all run as long as they asked for."""

    position: int
    lease: int
    name: str
    owner: str
    vms: int
    state: str
    submitted: str
    waiting_s: float
    expected_start: str | None
    reason: ReasonOut | None
    priority: int = 0


class QueueOut(Answer):
    """The queue, in order."""

    total: int
    items: list[QueueItemOut]


class EstimateOut(Answer):
    """How an operation goes on a host: ``measured``, and ``planned`` with (null: as configured), in ``unit``."""

    kind: str
    image: str
    unit: str
    measured: int
    planned: int | None
    samples: int


class HostOut(Answer):
    """A host: what it has, what is held there now, by whom.

    Its ``state`` is the graver of what was ``ordered`` of it (``up``: nothing) and what was ``observed``.
    ``overcommit`` is with how many percent of what it has it is planned, where that is not all. ``estimates`` are shown
    of one host only.
    """

    id: int
    name: str
    state: str
    ordered: str = "up"
    observed: str = "up"
    overcommit: dict[str, int] = {}
    labels: dict[str, str]
    capacity: dict[str, int]
    used: dict[str, int]
    leases: list[int]
    next_lease: int | None = None
    next_start: str | None = None
    estimates: list[EstimateOut] = []


class HostsOut(Answer):
    """The hosts of the site."""

    items: list[HostOut]


class BarOut(Answer):
    """One bar of the schedule: a lease on a host. ``kind`` as in timelines; ``past`` or not yet."""

    host: int
    lease: int
    type: str
    kind: str
    start: str
    end: str | None
    vms: str


class ScheduleOut(Answer):
    """Hosts x time: what ran, runs and is planned to run between two instants."""

    now: str
    start: str
    end: str
    hosts: list[str]
    bars: list[BarOut]


class SampleOut(Answer):
    """How much is used and free from an instant on, by resource type, over all hosts."""

    at: str
    used: dict[str, int]
    free: dict[str, int]


class CalendarOut(Answer):
    """Availability over time, as steps."""

    total: dict[str, int]
    samples: list[SampleOut]


class UsageLineOut(Answer):
    """Usage of one user, group or period."""

    subject: str
    period: str
    leases: int
    vm_hours: float
    core_hours: float
    memory_gib_hours: float
    lost_core_hours: float


class UsageOut(Answer):
    """Usage between two instants."""

    start: str
    end: str
    items: list[UsageLineOut]


class UserIn(Input):
    """A user, as administrators write it."""

    role: Literal["viewer", "user", "operator", "admin"] = "user"
    groups: Annotated[list[Name], Field(max_length=64)] = []
    disabled: bool = False
    note: Text = ""
    mail: Annotated[str, Field(max_length=254, pattern=r"^([!-?A-~]+@[A-Za-z0-9.-]+)?$")] = ""


class UserOut(Answer):
    """A user."""

    name: str
    role: str
    groups: list[str]
    disabled: bool
    created: str
    note: str
    mail: str = ""


class GroupIn(Input):
    """A group, as administrators write it."""

    note: Text = ""


class GroupOut(Answer):
    """A group and who is in it."""

    name: str
    note: str
    created: str
    members: list[str]


class TokenIn(Input):
    """A token to be made. ``expires`` like a start; absent: in 90 days; ``never`` if it may."""

    user: Name | None = None
    label: Name = ""
    scopes: Annotated[list[Name], Field(max_length=32)] = []
    expires: WhenText | None = None


class TokenOut(Answer):
    """A token. Its ``secret`` is shown once, when it is made."""

    id: str
    user: str
    label: str
    scopes: list[str]
    created: str
    expires: str | None
    revoked: str | None
    secret: str | None = None


class QuotaIn(Input):
    """Limits; absent is none. ``core_hours`` may start within one ``period``; ``horizon_s`` is how far ahead."""

    vms: Annotated[int, Field(ge=0)] | None = None
    cpu: Amount | None = None
    memory: Amount | None = None
    core_hours: Annotated[float, Field(ge=0, le=1e12)] | None = None
    period: Literal["day", "week", "month"] = "month"
    horizon_s: Annotated[float, Field(ge=0, le=1e12)] | None = None


class QuotaOut(QuotaIn):
    """Limits of a user, a group, or by default, with what is used of them."""

    kind: str
    subject: str
    used_vms: int = 0
    used_cpu: int = 0
    used_memory: int = 0
    used_core_hours: float = 0


Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class RecurrenceIn(Input):
    """A reservation that recurs. ``lease.start`` is the first one's, as a wall clock in ``zone`` shows it.

    ``rule`` is an iCalendar rule: FREQ=DAILY or FREQ=WEEKLY with INTERVAL, BYDAY, and COUNT or UNTIL. No lease is made
    for days that are ``exceptions``. With ``all_or_none`` either all that are booked at once are accepted, or none is.
    """

    lease: LeaseRequestIn
    rule: Annotated[str, Field(min_length=1, max_length=256)]
    zone: Name = "UTC"
    exceptions: Annotated[list[Day], Field(max_length=366)] = []
    all_or_none: bool = False
    reason: Text = ""


class RecurrenceChangeIn(Input):
    """What is to be different about a recurring reservation: days to leave out, and ones not to leave out any more."""

    leave_out: Annotated[list[Day], Field(max_length=366)] = []
    take_in: Annotated[list[Day], Field(max_length=366)] = []
    reason: Text = ""
    dry_run: bool = False


class OccurrenceOut(Answer):
    """One of them: when it starts, in its own zone and in UTC, its lease once it is booked, and what became of it."""

    local: str
    start: str
    lease: int | None
    state: str
    reason: str = ""


class RecurrenceOut(Answer):
    """A recurring reservation. ``booked_until`` is up to when its leases are booked; more are as time goes on."""

    id: int
    owner: str
    name: str
    rule: str
    zone: str
    first: str
    duration_s: float
    vms: int
    exceptions: list[str]
    created: str
    ended: bool
    booked_until: str
    occurrences: list[OccurrenceOut]


class WebhookIn(Input):
    """Where to send journal entries, and which kinds (none: all)."""

    url: Annotated[str, Field(min_length=8, max_length=2_000)]
    kinds: Annotated[list[Name], Field(max_length=64)] = []


class WebhookOut(Answer):
    """A webhook. Its ``secret`` is shown once; deliveries are signed with it."""

    id: int
    owner: str
    url: str
    kinds: list[str]
    created: str
    cursor: int
    failures: int
    disabled: bool
    secret: str | None = None


class StatusOut(Answer):
    """How the daemon is."""

    version: str
    state: str
    role: str
    now: str
    started: str
    time_scale: float
    hosts: dict[str, int]
    leases: dict[str, int]
    queue: int
    utilisation: dict[str, float]
    next_event: str | None
    entries: int
    warnings: list[str]
    active_at: str | None = None


class PolicyOut(Answer):
    """A policy that can be chosen, and whether it is."""

    kind: str
    name: str
    summary: str
    chosen: bool


class LeaseChangeIn(Input):
    """What is to be different about a lease that is not over; absent stays. In ``extra``, null takes a name away.

    With ``dry_run`` the answer is how the lease would be then, and nothing is changed.
    """

    name: Name | None = None
    preemptible: bool | None = None
    on_guest_shutdown: Literal["end", "restart", "hold"] | None = None
    on_failure: Literal["restart", "requeue", "fail", "hold"] | None = None
    on_end: Literal["stop", "suspend", "extend"] | None = None
    extend_by: Length | None = None
    grace: LengthOrZero | None = None
    extra: Annotated[dict[Name, Text | None], Field(max_length=64)] = {}
    reason: Text = ""
    dry_run: bool = False


class SoonerOut(Answer):
    """What would make a lease start sooner, and when it would start then; ``verb`` is what that takes."""

    text: str
    start: str
    verb: str


class ExplainOut(Answer):
    """Why a lease is where it is, when it will start, what is in its way, what would make it start sooner."""

    lease: int
    state: str
    text: str
    reason: ReasonOut | None
    expected_start: str | None
    in_the_way: list[int]
    suggestions: list[OfferOut]
    sooner: list[SoonerOut] = []


TimelineOut.model_rebuild()
