"""Orders as methods: for leases, their VMs, hosts and the scheduler.

Every one takes ``reason``, which is kept in the journal, and ``dry_run``: nothing is changed then, and the answer says
what would be. Times are ISO 8601 or ``+HH:MM:SS``, lengths seconds or ``HH:MM:SS``. A refusal is a
:class:`~haizea.client.errors.ClientError` of status 409, whose ``remedy`` says what would help.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from haizea.client import order_shapes as shapes
from haizea.client.calls import part
from haizea.client.documents import Documents

Length = float | str


class LeaseOrderCalls(Documents):
    """Orders about leases. With ``version``, only if the lease is still of that version."""

    def order_lease(
        self,
        lease: int,
        verb: str,
        wanted: Mapping[str, Any] | None = None,
        *,
        vm: int | None = None,
        reason: str = "",
        dry_run: bool = False,
        version: int | None = None,
    ) -> shapes.Outcome:
        """Give any order about a lease, or one of its VMs: ``verb`` is the last part of its path."""
        path = f"/v1/leases/{part(lease)}" + ("" if vm is None else f"/vms/{part(vm)}")
        body = _body(wanted, reason, dry_run)
        return cast("shapes.Outcome", self._document("POST", f"{path}/{part(verb)}", {"version": version}, body=body))

    def extend_lease(
        self,
        lease: int,
        *,
        by: Length | None = None,
        until: str | None = None,
        duration: Length | None = None,
        **how: Any,
    ) -> shapes.Outcome:
        """Give a lease more time: by so much, until an instant, or in all."""
        return self.order_lease(lease, "extend", {"by": by, "until": until, "duration": duration}, **how)

    def shorten_lease(
        self,
        lease: int,
        *,
        by: Length | None = None,
        until: str | None = None,
        duration: Length | None = None,
        **how: Any,
    ) -> shapes.Outcome:
        """Give a lease less time: by so much, until an instant, or in all."""
        return self.order_lease(lease, "shorten", {"by": by, "until": until, "duration": duration}, **how)

    def move_lease(
        self, lease: int, *, start: str | None = None, deadline: str | None = None, **how: Any
    ) -> shapes.Outcome:
        """Move the start of a reservation, or the earliest start or the deadline of a deadline lease."""
        return self.order_lease(lease, "move", {"start": start, "deadline": deadline}, **how)

    def resize_lease(
        self,
        lease: int,
        *,
        count: int | None = None,
        nodes: Iterable[Mapping[str, Any]] | None = None,
        **how: Any,
    ) -> shapes.Outcome:
        """Have so many VMs of the same kind, or these in place of all that there are."""
        wanted = {"count": count, "nodes": None if nodes is None else list(nodes)}
        return self.order_lease(lease, "resize", wanted, **how)

    def suspend_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Suspend a lease until it is resumed."""
        return self.order_lease(lease, "suspend", **how)

    def resume_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Resume a lease as soon as there is room."""
        return self.order_lease(lease, "resume", **how)

    def pause_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Pause a lease's VMs; they keep their capacity."""
        return self.order_lease(lease, "pause", **how)

    def unpause_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Let a paused lease's VMs go on."""
        return self.order_lease(lease, "unpause", **how)

    def hold_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Hold a lease back."""
        return self.order_lease(lease, "hold", **how)

    def release_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Release a lease that is held back."""
        return self.order_lease(lease, "release", **how)

    def requeue_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Take a lease off its hosts and put it back into the queue."""
        return self.order_lease(lease, "requeue", **how)

    def restart_lease(self, lease: int, *, vm: int = 0, **how: Any) -> shapes.Outcome:
        """Start a lease's VMs over, or one of them."""
        return self.order_lease(lease, "restart", {"vm": vm}, **how)

    def terminate_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """End a lease now, without shutting its guests down."""
        return self.order_lease(lease, "terminate", **how)

    def top_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Move a lease to the top of the queue."""
        return self.order_lease(lease, "top", **how)

    def bottom_lease(self, lease: int, **how: Any) -> shapes.Outcome:
        """Move a lease to the bottom of the queue."""
        return self.order_lease(lease, "bottom", **how)

    def migrate_lease(
        self, lease: int, *, vm: int = 0, to: str | None = None, away_from: str | None = None, **how: Any
    ) -> shapes.Outcome:
        """Move a lease's VMs, or one of them, to a host or away from one."""
        wanted = {"to": to, "away_from": away_from} | ({"vm": vm} if vm else {})
        return self.order_lease(lease, "migrate", wanted, **how)

    def recover_lease(self, lease: int, how: str, **more: Any) -> shapes.Outcome:
        """Say what became of a lease in doubt: ``retry``, ``succeeded``, ``failed`` or ``recreate``."""
        return self.order_lease(lease, "recover", {"how": how}, **more)

    def give_lease(self, lease: int, to: str, *, group: str | None = None, **how: Any) -> shapes.Outcome:
        """Give a lease to another owner, on that group's account."""
        return self.order_lease(lease, "give", {"to": to, "group": group}, **how)

    def prioritise_lease(self, lease: int, priority: int, **how: Any) -> shapes.Outcome:
        """Change a lease's priority in the queue."""
        return self.order_lease(lease, "prioritise", {"priority": priority}, **how)

    def annotate_lease(self, lease: int, extra: Mapping[str, str | None], **how: Any) -> shapes.Outcome:
        """Change the names and values that a lease carries along; None takes one away."""
        return self.order_lease(lease, "annotate", {"extra": dict(extra)}, **how)

    def stop_vm(self, lease: int, vm: int, **how: Any) -> shapes.Outcome:
        """Stop one VM of a lease for good."""
        return self.order_lease(lease, "stop", vm=vm, **how)

    def restart_vm(self, lease: int, vm: int, **how: Any) -> shapes.Outcome:
        """Start one VM of a lease over."""
        return self.order_lease(lease, "restart", vm=vm, **how)


class HostOrderCalls(Documents):
    """Orders about hosts, by name or number, and about their maintenance."""

    def order_host(
        self,
        host: str | int,
        verb: str,
        wanted: Mapping[str, Any] | None = None,
        *,
        reason: str = "",
        dry_run: bool = False,
    ) -> shapes.Outcome:
        """Give any order about a host: ``verb`` is the last part of its path."""
        path = f"/v1/hosts/{part(host)}/{part(verb)}"
        return cast("shapes.Outcome", self._document("POST", path, body=_body(wanted, reason, dry_run)))

    def drain_host(self, host: str | int, *, until: str | None = None, **how: Any) -> shapes.Outcome:
        """Let a host run empty; by an instant, if one is given."""
        return self.order_host(host, "drain", {"until": until}, **how)

    def evacuate_host(self, host: str | int, **how: Any) -> shapes.Outcome:
        """Empty a host now; ``left`` are the leases that could not go."""
        return self.order_host(host, "evacuate", **how)

    def disable_host(self, host: str | int, **how: Any) -> shapes.Outcome:
        """Keep a host out of all planning."""
        return self.order_host(host, "disable", **how)

    def enable_host(self, host: str | int, **how: Any) -> shapes.Outcome:
        """Use a host again."""
        return self.order_host(host, "enable", **how)

    def mark_host_down(self, host: str | int, **how: Any) -> shapes.Outcome:
        """Take a host to have failed."""
        return self.order_host(host, "down", **how)

    def label_host(self, host: str | int, labels: Mapping[str, str | None], **how: Any) -> shapes.Outcome:
        """Give a host labels; None takes one away."""
        return self.order_host(host, "label", {"labels": dict(labels)}, **how)

    def overcommit_host(self, host: str | int, percent: Mapping[str, int], **how: Any) -> shapes.Outcome:
        """Plan with so many percent of what a host has, by resource type."""
        return self.order_host(host, "overcommit", {"percent": dict(percent)}, **how)

    def add_host(
        self,
        name: str,
        capacity: Mapping[str, int],
        labels: Mapping[str, str] | None = None,
        *,
        reason: str = "",
        dry_run: bool = False,
    ) -> shapes.Outcome:
        """Add a host."""
        wanted = {"name": name, "capacity": dict(capacity), "labels": dict(labels or {})}
        return cast("shapes.Outcome", self._document("POST", "/v1/hosts", body=_body(wanted, reason, dry_run)))

    def remove_host(
        self, host: str | int, *, also: Sequence[str] = (), reason: str = "", dry_run: bool = False
    ) -> shapes.Outcome:
        """Remove a host, and ``also`` others; whoever is there is seen to elsewhere."""
        how = {**_how(reason, dry_run), "also": list(also) or None}
        return cast("shapes.Outcome", self._document("DELETE", f"/v1/hosts/{part(host)}", how))

    def maintenance(self) -> list[shapes.Maintenance]:
        """Return the maintenance windows that are not over."""
        return cast("list[shapes.Maintenance]", self._items("/v1/maintenance"))

    def plan_maintenance(
        self,
        hosts: Iterable[str],
        start: str,
        *,
        end: str | None = None,
        duration: Length | None = None,
        window: int | None = None,
        force: bool = False,
        reason: str = "",
        dry_run: bool = False,
    ) -> shapes.Outcome:
        """Plan maintenance of hosts, or change a ``window``; with ``force`` whatever was promised for that time."""
        wanted = {"hosts": list(hosts), "start": start, "end": end, "duration": duration, "force": force or None}
        method, path = ("POST", "/v1/maintenance") if window is None else ("PUT", f"/v1/maintenance/{part(window)}")
        return cast("shapes.Outcome", self._document(method, path, body=_body(wanted, reason, dry_run)))

    def end_maintenance(self, window: int, *, reason: str = "", dry_run: bool = False) -> shapes.Outcome:
        """End a maintenance window, or have it not begin."""
        path = f"/v1/maintenance/{part(window)}"
        return cast("shapes.Outcome", self._document("DELETE", path, _how(reason, dry_run)))


class SchedulerOrderCalls(Documents):
    """Orders about the scheduler, what differs, and VMs that nobody knows."""

    def scheduler(self) -> shapes.Scheduler:
        """Return what the scheduler is doing, and by which options."""
        return cast("shapes.Scheduler", self._document("GET", "/v1/scheduler"))

    def order_scheduler(self, verb: str, *, reason: str = "", dry_run: bool = False) -> shapes.Outcome:
        """Give an order: ``scheduler/pause``, ``/resume`` or ``/replan``, ``intake/pause`` or ``/resume``."""
        return cast("shapes.Outcome", self._document("POST", f"/v1/{verb}", body=_body(None, reason, dry_run)))

    def configure_scheduler(
        self, options: Mapping[str, str], *, reason: str = "", dry_run: bool = False
    ) -> shapes.Outcome:
        """Have the scheduler go by other options until the daemon is restarted."""
        body = _body({"options": dict(options)}, reason, dry_run)
        return cast("shapes.Outcome", self._document("PATCH", "/v1/scheduler", body=body))

    def reconcile(self, *, reason: str = "", dry_run: bool = False) -> shapes.Reconciled:
        """Compare what is desired with what is, and deal with every difference."""
        body = _body(None, reason, dry_run)
        return cast("shapes.Reconciled", self._document("POST", "/v1/scheduler/reconcile", body=body))

    def diff(self, *, everything: bool = False) -> shapes.Diff:
        """Return what is desired beside what is observed: what differs, or everything."""
        return cast("shapes.Diff", self._document("GET", "/v1/diff", {"everything": everything or None}))

    def what_if(self, wanted: Mapping[str, Any]) -> shapes.WhatIf:
        """Try something on a copy of the present schedule."""
        return cast("shapes.WhatIf", self._document("POST", "/v1/what-if", body=dict(wanted)))

    def vms(self, lease: int) -> list[shapes.VM]:
        """Return the VMs of a lease."""
        return cast("list[shapes.VM]", self._items(f"/v1/leases/{part(lease)}/vms"))

    def strays(self) -> list[shapes.Stray]:
        """Return the VMs that are no lease's."""
        return cast("list[shapes.Stray]", self._items("/v1/strays"))

    def adopt(self, wanted: Mapping[str, Any], *, reason: str = "", dry_run: bool = False) -> shapes.Outcome:
        """Take strays as one lease."""
        return cast("shapes.Outcome", self._document("POST", "/v1/strays/adopt", body=_body(wanted, reason, dry_run)))


class OrderCalls(LeaseOrderCalls, HostOrderCalls, SchedulerOrderCalls):
    """All orders."""


def _how(reason: str, dry_run: bool) -> dict[str, Any]:
    """Return the query of an order that has no contents."""
    return {"reason": reason or None, "dry_run": dry_run or None}


def _body(wanted: Mapping[str, Any] | None, reason: str, dry_run: bool) -> dict[str, Any]:
    """Return what is sent of an order: nothing that was not said."""
    body = {name: value for name, value in (wanted or {}).items() if value is not None}
    return body | ({"reason": reason} if reason else {}) | ({"dry_run": True} if dry_run else {})
