"""The documents that a server answers orders with, as types; see :mod:`haizea.client.shapes`."""

from typing import Any, TypedDict

from haizea.client.shapes import Affected, Lease


class Outcome(TypedDict):
    """What an order has led to, or would lead to: for the lease, and for others.

    ``left`` are the leases that are still where they should not be; ``notes`` say more, such as why.
    """

    done: bool
    text: str
    lease: Lease | None
    affected: list[Affected]
    left: list[int]
    notes: list[str]


class VM(TypedDict):
    """A VM of a lease: where it is, what it is to be doing, and what it was last seen doing."""

    lease: int
    vm: int
    host: str | None
    desired: str
    observed: str
    resources: dict[str, int]


class VMs(TypedDict):
    """VMs of leases."""

    items: list[VM]


class Stray(TypedDict):
    """A VM that runs on a host and is no lease's."""

    name: str
    host: str
    resources: dict[str, int]
    labels: dict[str, str]


class Strays(TypedDict):
    """The VMs that nobody knows."""

    items: list[Stray]


class Maintenance(TypedDict):
    """A maintenance window: hosts that leases are planned around, between two instants."""

    id: int
    hosts: list[str]
    start: str
    end: str
    by: str
    reason: str
    open: bool


class Maintenances(TypedDict):
    """The maintenance windows that are not over."""

    items: list[Maintenance]


class Scheduler(TypedDict):
    """What the scheduler is doing, and by which options; ``changed`` are those that differ from the configuration."""

    now: str
    scheduling: bool
    intake: bool
    queue: int
    options: dict[str, Any]
    changed: dict[str, str]


class Difference(TypedDict):
    """A VM as it should be, and as it is."""

    lease: int
    vm: int
    desired: str
    host: str | None
    observed: str
    seen_on: str | None
    under_way: str
    agrees: bool
    known: bool


class HostDifference(TypedDict):
    """A host as it is planned with, and as it is."""

    host: str
    desired: str
    observed: str
    capacity: dict[str, int]
    observed_capacity: dict[str, int] | None
    strays: list[str]
    agrees: bool


class Diff(TypedDict):
    """What is desired beside what is observed, of VMs and hosts."""

    at: str
    vms: list[Difference]
    hosts: list[HostDifference]


class Reconciled(TypedDict):
    """How many differences were found and dealt with."""

    differences: int


class Figures(TypedDict):
    """What becomes of the leases that are there, as it stands or as it would be."""

    leases: int
    done: int
    failed: int
    rejected: int
    unfinished: int
    preemptions: int
    waiting_s: float
    utilisation: float
    last_end: str | None


class WhatIf(TypedDict):
    """The same leases with and without what was tried; ``requests`` are what would become of the requests."""

    before: Figures
    after: Figures
    affected: list[Affected]
    requests: list[Lease]
    complete: bool


class Together(TypedDict):
    """Leases that start together, in the order in which they were asked for."""

    leases: list[Lease]
