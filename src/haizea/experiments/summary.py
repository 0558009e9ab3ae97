"""The figures of a run."""

from collections.abc import Sequence
from typing import Any

from haizea.core.reasons import instant
from haizea.experiments.records import Ledger
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.site import Site
from haizea.model.units import SECOND, Instant


def summarise(workload: str, site: Site, start: Instant, end: Instant, ledger: Ledger) -> dict[str, Any]:
    """Return what ``summary.json`` holds: plain values, times in seconds."""
    length = end - start
    used = ledger.used_amounts()
    reservations = ledger.count.get(LeaseType.ADVANCE_RESERVATION, {})
    refused = sum(reservations.get(s, 0) for s in (LeaseState.REJECTED, LeaseState.REJECTED_BY_USER))
    last = ledger.last_best_effort
    best_effort = ledger.count.get(LeaseType.BEST_EFFORT, {})
    return {
        "workload": workload,
        "site": {"hosts": len(site.hosts), **{name: site.total(name) for name in site.resource_types}},
        "start": instant(start),
        "end": instant(end),
        "simulated_s": length / SECOND,
        "leases": {
            kind.value: {state.label: number for state, number in sorted(states.items())}
            for kind, states in sorted(ledger.count.items(), key=lambda item: item[0].value)
        },
        "ar": {
            "accepted": sum(reservations.values()) - refused,
            "rejected": refused,
            "reasons": dict(sorted(ledger.rejections.items())),
        },
        "besteffort": {
            "count": sum(best_effort.values()),
            "wait_s": spread([wait / SECOND for wait in ledger.waits]),
            "bounded_slowdown": spread(ledger.slowdowns),
            "all_best_effort_s": None if last is None else (last - start) / SECOND,
        },
        "utilisation": {
            name: round(used.get(name, 0) / (site.total(name) * length), 6) if length and site.total(name) else 0.0
            for name in site.resource_types
        },
        "preemptions": ledger.preemptions,
        "suspensions": ledger.suspensions,
        "resumptions": ledger.resumptions,
        "migrations": ledger.migrations,
        "transfers": ledger.transfers,
        "requeued": ledger.requeued,
        "lost_s": ledger.lost / SECOND,
        "overhead_s": {kind: span / SECOND for kind, span in ledger.overhead.items()},
    }


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, median and 95th percentile (nearest rank) of numbers; None of each where there are none."""
    if not values:
        return {"mean": None, "median": None, "p95": None}
    ordered = sorted(values)
    count = len(ordered)
    middle = ordered[count // 2] if count % 2 else (ordered[count // 2 - 1] + ordered[count // 2]) / 2
    return {
        "mean": round(sum(ordered) / count, 3),
        "median": round(middle, 3),
        "p95": round(ordered[-(-count * 95 // 100) - 1], 3),
    }
