"""The documents that a server answers with, as types: instants are ISO 8601 in UTC, spans are seconds.

The same shapes as in the OpenAPI document; a test holds the two together.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

Document = Mapping[str, Any]


class Reason(TypedDict):
    """Why something waits or was refused. ``hosts`` counts hosts by cause; ``leases`` are in the way."""

    cause: str
    text: str
    hosts: dict[str, int]
    leases: list[int]
    retry_at: str | None


class NodeSet(TypedDict):
    """``count`` identical VMs."""

    count: int
    resources: dict[str, int]


class Stay(TypedDict):
    """A time on hosts, present or planned."""

    phase: str
    start: str
    run_start: str
    run_end: str | None
    end: str | None
    resuming: bool
    suspending: bool
    hosts: dict[str, str]


class Activity(TypedDict):
    """Something that happened to a lease's VMs."""

    kind: str
    start: str
    end: str | None
    outcome: str
    hosts: dict[str, str]


class Lease(TypedDict):
    """A lease."""

    id: int
    name: str
    owner: str
    group: str
    type: str
    state: str
    preemptible: bool
    nodes: list[NodeSet]
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
    reason: Reason | None
    software: dict[str, Any] | None
    constraints: dict[str, Any]
    on_guest_shutdown: str
    on_failure: str
    on_end: str
    extend_by_s: float
    priority: int
    grace_s: float
    extra: dict[str, str]
    plan: list[Stay]
    suspensions: int
    resumptions: int
    migrations: int
    preemptions: int
    requeued: int
    version: int
    progress: str


class LeasePage(TypedDict):
    """Part of a list of leases; ``total`` counts all that match."""

    total: int
    limit: int
    offset: int
    items: list[Lease]


class Entry(TypedDict):
    """A journal entry; ``number`` is the cursor for following."""

    number: int
    at: str
    kind: str
    lease: int | None
    host: str | None
    actor: str
    text: str
    data: dict[str, Any]


class EntryPage(TypedDict):
    """Journal entries in order; ``cursor`` is where to go on."""

    items: list[Entry]
    cursor: int


class Timeline(TypedDict):
    """What happened to a lease, what is planned, and the journal's entries about it."""

    lease: int
    past: list[Activity]
    plan: list[Stay]
    entries: list[Entry]


class Affected(TypedDict):
    """Another lease that a plan would change, and how."""

    lease: int
    owner: str
    how: str
    before: str | None
    after: str | None


class Verdict(TypedDict):
    """What would become of a request."""

    accepted: bool
    state: str
    starts: str | None
    ends: str | None
    plan: list[Stay]
    price: str | None
    affected: list[Affected]
    reason: Reason | None


class Offer(TypedDict):
    """An alternative to a refused request; with an ``id`` it is held until ``expires``."""

    id: str | None
    kind: str
    text: str
    request: dict[str, Any]
    verdict: Verdict
    expires: str | None


class Offers(TypedDict):
    """The verdict on a request, and what could be had instead."""

    verdict: Verdict
    offers: list[Offer]


class QueueItem(TypedDict):
    """A lease that waits."""

    position: int
    lease: int
    name: str
    owner: str
    vms: int
    state: str
    submitted: str
    waiting_s: float
    expected_start: str | None
    reason: Reason | None
    priority: int


class Queue(TypedDict):
    """The queue, in order."""

    total: int
    items: list[QueueItem]


class Estimate(TypedDict):
    """How an operation goes on a host: measured, and planned with, in a unit."""

    kind: str
    image: str
    unit: str
    measured: int
    planned: int | None
    samples: int


class Host(TypedDict):
    """A host: what it has, what is held there now, by whom."""

    id: int
    name: str
    state: str
    ordered: str
    observed: str
    overcommit: dict[str, int]
    labels: dict[str, str]
    capacity: dict[str, int]
    used: dict[str, int]
    leases: list[int]
    next_lease: int | None
    next_start: str | None
    estimates: list[Estimate]


class Hosts(TypedDict):
    """The hosts of the site."""

    items: list[Host]


class Bar(TypedDict):
    """One bar of the schedule: a lease on a host."""

    host: int
    lease: int
    type: str
    kind: str
    start: str
    end: str | None
    vms: str


class Schedule(TypedDict):
    """Hosts × time."""

    now: str
    start: str
    end: str
    hosts: list[str]
    bars: list[Bar]


class Sample(TypedDict):
    """How much is used and free from an instant on."""

    at: str
    used: dict[str, int]
    free: dict[str, int]


class Calendar(TypedDict):
    """Availability over time, as steps."""

    total: dict[str, int]
    samples: list[Sample]


class UsageLine(TypedDict):
    """Usage of one user, group, lease or period."""

    subject: str
    period: str
    leases: int
    vm_hours: float
    core_hours: float
    memory_gib_hours: float
    lost_core_hours: float


class Usage(TypedDict):
    """Usage between two instants."""

    start: str
    end: str
    items: list[UsageLine]


class User(TypedDict):
    """A user."""

    name: str
    role: str
    groups: list[str]
    disabled: bool
    created: str
    note: str
    mail: str


class Group(TypedDict):
    """A group and who is in it."""

    name: str
    note: str
    created: str
    members: list[str]


class Token(TypedDict):
    """A token; its ``secret`` is there once, when it is made."""

    id: str
    user: str
    label: str
    scopes: list[str]
    created: str
    expires: str | None
    revoked: str | None
    secret: str | None


class Quota(TypedDict):
    """Limits (None: no limit), and what is used of them."""

    vms: int | None
    cpu: int | None
    memory: int | None
    core_hours: float | None
    period: str
    horizon_s: float | None
    kind: str
    subject: str
    used_vms: int
    used_cpu: int
    used_memory: int
    used_core_hours: float


class Occurrence(TypedDict):
    """One of a recurring reservation, and what became of it."""

    local: str
    start: str
    lease: int | None
    state: str
    reason: str


class Recurrence(TypedDict):
    """A reservation that recurs."""

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
    occurrences: list[Occurrence]


class Webhook(TypedDict):
    """A webhook; its ``secret`` is there once."""

    id: int
    owner: str
    url: str
    kinds: list[str]
    created: str
    cursor: int
    failures: int
    disabled: bool
    secret: str | None


class Status(TypedDict):
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
    active_at: str | None


class Policy(TypedDict):
    """A policy that can be chosen, and whether it is."""

    kind: str
    name: str
    summary: str
    chosen: bool


class Sooner(TypedDict):
    """What would make a lease start sooner, and when it would start then."""

    text: str
    start: str
    verb: str


class Explanation(TypedDict):
    """Why a lease is where it is."""

    lease: int
    state: str
    text: str
    reason: Reason | None
    expected_start: str | None
    in_the_way: list[int]
    suggestions: list[Offer]
    sooner: list[Sooner]
