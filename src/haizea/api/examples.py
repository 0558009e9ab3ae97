"""Requests and answers as they look, for the documentation of the API. A test holds them to the models."""

from typing import Any, Final

REQUEST: Final[dict[str, Any]] = {
    "name": "course",
    "nodes": [{"count": 4, "resources": {"CPU": 100, "Memory": 1024}}],
    "start": "2026-11-25T13:00:00Z",
    "duration": 5400,
}
BEST_EFFORT: Final[dict[str, Any]] = {
    "nodes": [{"count": 1, "resources": {"CPU": 100, "Memory": 512}}],
    "duration": "01:30:00",
    "preemptible": True,
}
DEADLINE: Final[dict[str, Any]] = {
    "nodes": [{"count": 2, "resources": {"CPU": 200, "Memory": 2048}}],
    "duration": "02:00:00",
    "deadline": "+08:00:00",
}
REQUESTS: Final[dict[str, Any]] = {
    "reservation": {"summary": "Four VMs at a certain time", "value": REQUEST},
    "best effort": {"summary": "One VM, as soon as there is room", "value": BEST_EFFORT},
    "deadline": {"summary": "Two VMs that are done within eight hours", "value": DEADLINE},
}
STAY: Final[dict[str, Any]] = {
    "phase": "planned",
    "start": "2026-11-25T13:00:00Z",
    "run_start": "2026-11-25T13:00:00Z",
    "run_end": "2026-11-25T14:30:00Z",
    "end": "2026-11-25T14:30:00Z",
    "resuming": False,
    "suspending": False,
    "hosts": {"node1": "1-2", "node2": "3-4"},
}
LEASE: Final[dict[str, Any]] = {
    "id": 17,
    "name": "course",
    "owner": "ada",
    "group": "",
    "type": "AR",
    "state": "ready",
    "preemptible": False,
    "nodes": [{"count": 4, "resources": {"CPU": 100, "Memory": 1024}}],
    "vms": 4,
    "duration_s": 5400.0,
    "start": "2026-11-25T13:00:00Z",
    "deadline": None,
    "submitted": "2026-11-24T09:12:00Z",
    "starts": "2026-11-25T13:00:00Z",
    "ends": "2026-11-25T14:30:00Z",
    "delivered_s": 0.0,
    "remaining_s": 5400.0,
    "price": None,
    "reason": None,
    "software": None,
    "constraints": {},
    "on_guest_shutdown": "end",
    "on_failure": "requeue",
    "extra": {},
    "plan": [STAY],
    "suspensions": 0,
    "resumptions": 0,
    "migrations": 0,
    "preemptions": 0,
    "requeued": 0,
    "version": 230,
}
VERDICT: Final[dict[str, Any]] = {
    "accepted": True,
    "state": "ready",
    "starts": "2026-11-25T13:00:00Z",
    "ends": "2026-11-25T14:30:00Z",
    "plan": [STAY],
    "price": None,
    "affected": [{"lease": 12, "owner": "", "how": "later", "before": "2026-11-25T13:10:00Z", "after": None}],
    "reason": None,
}
ENTRY: Final[dict[str, Any]] = {
    "number": 230,
    "at": "2026-11-24T09:12:00Z",
    "kind": "lease-requested",
    "lease": 17,
    "host": None,
    "actor": "ada",
    "text": "Four VMs from 13:00 on 25 November",
    "data": {},
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "urn:haizea:problem:quota-exceeded",
    "title": "Over quota",
    "status": 403,
    "detail": "ada may hold 16 VMs and holds 14.",
    "code": "quota-exceeded",
    "remedy": "Ask for fewer VMs, or cancel a lease.",
}
