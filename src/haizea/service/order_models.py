"""The shapes in which orders come and what became of them goes: for leases, hosts and the scheduler.

Every order may say why it is given, and may be tried only: nothing is changed then, and the answer says what would be.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from haizea.service.fields import Amount, Labels, Length, Name, NewHostName, Text, WhenText
from haizea.service.models import AffectedOut, Answer, ConstraintsIn, Input, LeaseOut, LeaseRequestIn, NodeSetIn

PERCENT_MAX = 10_000
HostName = Annotated[Name, Field(min_length=1)]
Percent = Annotated[int, Field(ge=1, le=PERCENT_MAX)]


class OrderIn(Input):
    """An order of which nothing has to be said. ``reason`` is kept in the journal; ``dry_run``: only tell."""

    reason: Text = ""
    dry_run: bool = False


# Leases ------------------------------------------------------------------------------------------------------


class ExtendIn(OrderIn):
    """More time: ``by`` so much, or ``until`` an instant, or in all a ``duration`` (which may be ``unlimited``)."""

    by: Length | None = None
    until: WhenText | None = None
    duration: Length | None = None


class ShortenIn(OrderIn):
    """Less time: ``by`` so much, or ``until`` an instant, or in all a ``duration``."""

    by: Length | None = None
    until: WhenText | None = None
    duration: Length | None = None


class MoveIn(OrderIn):
    """Another ``start`` of a reservation; of a deadline lease another earliest start, or another ``deadline``."""

    start: WhenText | None = None
    deadline: WhenText | None = None


class ResizeIn(OrderIn):
    """Other VMs: ``count`` of the same, or ``nodes`` in place of all that there are."""

    count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    nodes: Annotated[list[NodeSetIn], Field(min_length=1, max_length=100)] | None = None


class RestartIn(OrderIn):
    """Which VM is to be started over, by its number from 1; 0: all of them."""

    vm: Annotated[int, Field(ge=0, le=100_000)] = 0


class MigrateIn(OrderIn):
    """Move a VM (0: all of them) ``to`` a host, or ``away_from`` one, or, with neither, wherever there is room."""

    vm: Annotated[int, Field(ge=0, le=100_000)] = 0
    to: HostName | None = None
    away_from: HostName | None = None


class RecoverIn(OrderIn):
    """What is to be taken to have become of an operation in doubt, or whether to try again or to start over."""

    how: Literal["retry", "succeeded", "failed", "recreate"]


class GiveIn(OrderIn):
    """To whom a lease is given, and on which group's account it is from now on (absent: as before)."""

    to: HostName
    group: Name | None = None


class PrioritiseIn(OrderIn):
    """The priority that a lease has in the queue from now on: more comes first where the policy looks at it."""

    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


class AnnotateIn(OrderIn):
    """Names and values that a lease carries along; null takes one away."""

    extra: Annotated[dict[Name, Text | None], Field(min_length=1, max_length=64)]


# Hosts -------------------------------------------------------------------------------------------------------


class HostsIn(OrderIn):
    """An order about a host and ``also`` others: all of them, or none. What leaves one of them goes to no other."""

    also: Annotated[list[HostName], Field(max_length=1_000)] = Field(default=[])


class DrainIn(HostsIn):
    """Until when a host is to have run empty; absent: whenever it does. The same of ``also`` others."""

    until: WhenText | None = None


class LabelIn(OrderIn):
    """Labels that a host is to have in addition; null takes one away."""

    labels: Annotated[dict[Name, Name | None], Field(min_length=1, max_length=32)]


class OvercommitIn(OrderIn):
    """By resource type, how much is planned with, in percent of what there is; 100 is just that."""

    percent: Annotated[dict[Name, Percent], Field(min_length=1, max_length=32)]


class HostIn(OrderIn):
    """A host to be added."""

    name: NewHostName
    capacity: Annotated[dict[Name, Amount], Field(min_length=1, max_length=32)]
    labels: Labels = Field(default={})


class MaintenanceIn(OrderIn):
    """When ``hosts`` are to be free of VMs: from ``start`` until ``end``, or for a ``duration``.

    It is refused where leases that were promised that time cannot go elsewhere; with ``force`` they are told, and
    leave at its start.
    """

    hosts: Annotated[list[HostName], Field(min_length=1, max_length=10_000)]
    start: WhenText
    end: WhenText | None = None
    duration: Length | None = None
    force: bool = False


class MaintenanceOut(Answer):
    """A maintenance window: hosts that leases are planned around, between two instants."""

    id: int
    hosts: list[str]
    start: str
    end: str
    by: str
    reason: str
    open: bool


class MaintenancesOut(Answer):
    """The maintenance windows that are not over."""

    items: list[MaintenanceOut]


# VMs ---------------------------------------------------------------------------------------------------------


class VMOut(Answer):
    """A VM of a lease: where it is, what it is to be doing, and what it was last seen doing (empty: not known)."""

    lease: int
    vm: int
    host: str | None
    desired: str
    observed: str
    resources: dict[str, int]


class VMsOut(Answer):
    """VMs of leases."""

    items: list[VMOut]


class StrayOut(Answer):
    """A VM that runs on a host and is no lease's; ``name`` is what the platform knows it by."""

    name: str
    host: str
    resources: dict[str, int]
    labels: dict[str, str]


class StraysOut(Answer):
    """The VMs that nobody here knows."""

    items: list[StrayOut]


class AdoptIn(OrderIn):
    """Strays that are to be one lease: whose, on whose account, for how long from now on."""

    strays: Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(min_length=1, max_length=1_000)]
    duration: Length
    owner: Name | None = None
    group: Name = ""
    name: Name = ""
    preemptible: bool = False
    constraints: ConstraintsIn = Field(default=ConstraintsIn())


# The scheduler -----------------------------------------------------------------------------------------------


class ConfigureIn(OrderIn):
    """Options of the scheduler and what they are to be from now on, as a configuration writes them."""

    options: Annotated[dict[Name, Text], Field(min_length=1, max_length=64)]


class SchedulerOut(Answer):
    """What the scheduler is doing: whether it schedules and takes requests, and by which options."""

    now: str
    scheduling: bool
    intake: bool
    queue: int
    options: dict[str, Any]
    changed: dict[str, str]


class DifferenceOut(Answer):
    """A VM as it should be, and as it is: in which state, and where; ``under_way`` is the operation that changes it.

    ``known`` is whether there is such a lease.
    """

    lease: int
    vm: int
    desired: str
    host: str | None
    observed: str
    seen_on: str | None
    under_way: str
    agrees: bool
    known: bool


class HostDifferenceOut(Answer):
    """A host as it is planned with, and as it is; ``strays`` run there and are no lease's."""

    host: str
    desired: str
    observed: str
    capacity: dict[str, int]
    observed_capacity: dict[str, int] | None
    strays: list[str]
    agrees: bool


class DiffOut(Answer):
    """What is desired beside what is observed, of VMs and hosts; what agrees only where all was asked for."""

    at: str
    vms: list[DifferenceOut]
    hosts: list[HostDifferenceOut]


class ReconciledOut(Answer):
    """How many differences were found and dealt with."""

    differences: int


class WhatIfIn(Input):
    """What is tried on a copy of the present schedule: hosts that fail or are added, requests, other options.

    It is looked ahead until everything is over, but ``ahead_s`` seconds at most.
    """

    fail_hosts: Annotated[list[HostName], Field(max_length=1_000)] = Field(default=[])
    add_hosts: Annotated[str, Field(max_length=2_000)] = ""
    requests: Annotated[list[LeaseRequestIn], Field(max_length=100)] = Field(default=[])
    options: Annotated[dict[Name, Text], Field(max_length=64)] = Field(default={})
    ahead_s: Annotated[float, Field(gt=0, le=40_000_000)] = 2_592_000


class FiguresOut(Answer):
    """What becomes of the leases that are there, as it stands or as it would be.

    ``waiting_s`` is how long those that start will have waited on average from now on, ``utilisation`` is the share of
    the CPU of all hosts that is in use until ``last_end``.
    """

    leases: int
    done: int
    failed: int
    rejected: int
    unfinished: int
    preemptions: int
    waiting_s: float
    utilisation: float
    last_end: str | None


class WhatIfOut(Answer):
    """The same leases with and without what was tried; ``requests`` are what would become of the requests."""

    before: FiguresOut
    after: FiguresOut
    affected: list[AffectedOut]
    requests: list[LeaseOut]
    complete: bool


# Outcomes ----------------------------------------------------------------------------------------------------


class OutcomeOut(Answer):
    """What an order has led to, or with ``dry_run`` would lead to: for the lease, and for others.

    ``left`` are the leases that are still where they should not be, such as on a host that was evacuated; ``notes`` say
    more, such as why they are.
    """

    done: bool
    text: str
    lease: LeaseOut | None
    affected: list[AffectedOut]
    left: list[int]
    notes: list[str]


class TogetherIn(Input):
    """Leases that start together, or not at all.

    Those with a start or a deadline of their own keep it. The others are reserved for the first instant at which there
    is room for all of them; where one of them is to start ``now``, for now or never. With ``dry_run`` nothing is kept,
    and the answer is what they would be, without numbers.
    """

    leases: Annotated[list[LeaseRequestIn], Field(min_length=2, max_length=50)]
    reason: Text = ""
    dry_run: bool = False


class TogetherOut(Answer):
    """Leases that start together, in the order in which they were asked for."""

    leases: list[LeaseOut]
