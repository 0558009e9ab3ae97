"""Hosts that come and go, maintenance, VMs, the scheduler's options, desired and observed, what-ifs."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from fastapi import Path as InPath

from haizea.api.facade import HostDesk, Manager, Scheduling, VMs, WhatIf
from haizea.api.routing import NUMBER_MAX, Asked, Endpoint, Lanes, LeaseNumber, NameInPath, router
from haizea.service.fields import Text
from haizea.service.order_models import (
    AdoptIn,
    ConfigureIn,
    DiffOut,
    HostIn,
    HostName,
    HostsIn,
    MaintenanceIn,
    MaintenancesOut,
    OrderIn,
    OutcomeOut,
    ReconciledOut,
    SchedulerOut,
    StraysOut,
    VMsOut,
    WhatIfIn,
    WhatIfOut,
)

Why = Annotated[Text, Query(description="It is kept in the journal.")]
Others = Annotated[
    list[HostName] | None, Query(max_length=1_000, description="Other hosts, with which the same is done.")
]
DryRun = Annotated[bool, Query(description="Only tell what would change.")]
Window = Annotated[int, InPath(ge=1, le=NUMBER_MAX, description="The maintenance window's number.")]
NOTHING: Final = OrderIn()


class HostControl:
    """Answers requests to have other hosts, and to have them maintained."""

    def __init__(self, desk: HostDesk) -> None:
        self._desk = desk

    def add_host(self, asked: Asked, body: HostIn) -> OutcomeOut:
        """It is planned with at once. A platform that tells by itself which hosts there are needs no such order."""
        return self._desk.add(asked.who, body)

    def remove_host(
        self, asked: Asked, host: NameInPath, also: Others = None, reason: Why = "", dry_run: DryRun = False
    ) -> OutcomeOut:
        """Whoever runs there is seen to elsewhere, as if it had failed. Its number is not given to another one."""
        # It has been checked already, as parameters, of which blanks are a part.
        given = HostsIn.model_construct(also=also or [], reason=reason, dry_run=dry_run)
        return self._desk.remove(asked.who, host, given)

    def list_maintenance(self, asked: Asked) -> MaintenancesOut:
        """Windows that are open or to come, in order of their starts."""
        return self._desk.windows(asked.who)

    def plan_maintenance(self, asked: Asked, body: MaintenanceIn) -> OutcomeOut:
        """Leases are planned around it; those that are in its way are planned anew, and their owners told."""
        return self._desk.plan(asked.who, body)

    def change_maintenance(self, asked: Asked, window: Window, body: MaintenanceIn) -> OutcomeOut:
        """Other hosts or another time for a window that is not over."""
        return self._desk.plan(asked.who, body, window)

    def end_maintenance(self, asked: Asked, window: Window, reason: Why = "", dry_run: DryRun = False) -> OutcomeOut:
        """A window that is open is over; one that is to come is called off."""
        return self._desk.end(asked.who, window, OrderIn(reason=reason, dry_run=dry_run))


class SchedulerControl:
    """Answers requests about the scheduler itself."""

    def __init__(self, scheduling: Scheduling, what_if: WhatIf) -> None:
        self._scheduling = scheduling
        self._what_if = what_if

    def show_scheduler(self, asked: Asked) -> SchedulerOut:
        """Whether it schedules and takes requests, by which options, and which of them were changed at run time."""
        return self._scheduling.show(asked.who)

    def configure_scheduler(self, asked: Asked, body: ConfigureIn) -> OutcomeOut:
        """Policies, rates and other options, until the daemon is restarted; the notes say how to keep them."""
        return self._scheduling.configure(asked.who, body)

    def show_diff(
        self, asked: Asked, everything: Annotated[bool, Query(description="What agrees, too.")] = False
    ) -> DiffOut:
        """Every VM and host as it should be beside what the platform shows of it now."""
        return self._scheduling.diff(asked.who, everything=everything)

    def reconcile(self, asked: Asked, body: Annotated[OrderIn, Body()] = NOTHING) -> ReconciledOut:
        """As is done at the start of the daemon and now and then; with `dry_run`, differences are only counted."""
        return self._scheduling.reconcile(asked.who, body)

    def what_if(self, asked: Asked, body: WhatIfIn) -> WhatIfOut:
        """On a copy of the present schedule, run ahead; nothing is kept. It may take some seconds."""
        return self._what_if.what_if(asked.who, body)


class VMControl:
    """Answers questions about single VMs."""

    def __init__(self, vms: VMs) -> None:
        self._vms = vms

    def list_vms(self, asked: Asked, lease: LeaseNumber) -> VMsOut:
        """Where each is, what it is to be doing, and what it was last seen doing."""
        return self._vms.list(asked.who, lease)

    def list_strays(self, asked: Asked) -> StraysOut:
        """What they use counts as used; they can be adopted."""
        return self._vms.strays(asked.who)

    def adopt_strays(self, asked: Asked, body: AdoptIn) -> OutcomeOut:
        """They run on where they are, as one lease that has begun now."""
        return self._vms.adopt(asked.who, body)


def control_routes(manager: Manager, lanes: Lanes) -> APIRouter:
    """Return these routes."""
    hosts, vms = HostControl(manager.host_desk), VMControl(manager.vms)
    scheduler = SchedulerControl(manager.scheduling, manager.what_if)
    vm: dict[str, Any] = {
        "lease": 17, "vm": 1, "host": "node1", "desired": "running", "observed": "running",
        "resources": {"CPU": 100, "Memory": 1024},
    }  # fmt: skip
    window = "/v1/maintenance/{window}"
    return router(
        "control",
        lanes,
        [
            Endpoint("POST", "/v1/hosts", hosts.add_host, OutcomeOut, "Add a host", status=201),
            Endpoint("DELETE", "/v1/hosts/{host}", hosts.remove_host, OutcomeOut, "Remove a host"),
            Endpoint("GET", "/v1/maintenance", hosts.list_maintenance, MaintenancesOut, "List maintenance windows"),
            Endpoint("POST", "/v1/maintenance", hosts.plan_maintenance, OutcomeOut, "Plan maintenance", status=201),
            Endpoint("PUT", window, hosts.change_maintenance, OutcomeOut, "Change a maintenance window"),
            Endpoint("DELETE", window, hosts.end_maintenance, OutcomeOut, "End or call off maintenance"),
            Endpoint("GET", "/v1/leases/{lease}/vms", vms.list_vms, VMsOut, "List a lease's VMs", {"items": [vm]}),
            Endpoint("GET", "/v1/strays", vms.list_strays, StraysOut, "List VMs that nobody knows", {"items": []}),
            Endpoint("POST", "/v1/strays/adopt", vms.adopt_strays, OutcomeOut, "Adopt strays as a lease"),
            Endpoint("GET", "/v1/scheduler", scheduler.show_scheduler, SchedulerOut, "Show the scheduler"),
            Endpoint("PATCH", "/v1/scheduler", scheduler.configure_scheduler, OutcomeOut, "Change options"),
            Endpoint("POST", "/v1/scheduler/reconcile", scheduler.reconcile, ReconciledOut, "Reconcile now"),
            Endpoint("GET", "/v1/diff", scheduler.show_diff, DiffOut, "Compare desired and observed"),
            Endpoint("POST", "/v1/what-if", scheduler.what_if, WhatIfOut, "Try something on a copy"),
        ],
    )
