"""The summary of a run as tables that a person wants to read."""

from collections.abc import Mapping
from typing import Any, Final

from haizea.cli.tables import Block

_STATES: Final = ("done", "rejected", "rejected-by-user", "cancelled", "failed")
_COUNTS: Final = ("preemptions", "suspensions", "resumptions", "migrations", "transfers", "requeued")

REASONS_MAX: Final = 10


def blocks(summary: Mapping[str, Any]) -> list[Block]:
    """Return the tables of a summary; those with nothing to say are left out."""
    made = (
        _run(summary),
        _leases(summary.get("leases") or {}),
        _reservations(summary.get("ar") or {}),
        _best_effort(summary.get("besteffort") or {}),
        _utilisation(summary.get("utilisation") or {}),
        _operations(summary),
        _lost(summary),
        _skipped(summary.get("skipped") or {}),
        _verification(summary.get("verify")),
    )
    return [block for block in made if block.rows]


def span(seconds: float) -> str:
    """Write a span for people: ``3 d 04:05:06``, ``04:05:06``; tenths below a minute: ``7.5 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def _run(summary: Mapping[str, Any]) -> Block:
    rows = [["workload", str(summary.get("workload", ""))]]
    site = summary.get("site") or {}
    if site:
        amounts = ", ".join(f"{name} {amount:,}" for name, amount in site.items() if name != "hosts")
        rows.append(["site", f"{site.get('hosts', 0):,} hosts" + (f" ({amounts} in all)" if amounts else "")])
    if summary.get("start"):
        rows.append(["from", str(summary["start"])])
        rows.append(["to", f"{summary.get('end', '')} ({span(summary.get('simulated_s', 0))})"])
    if summary.get("cpu_s") is not None:
        speed = summary.get("leases_per_second")
        rows.append(["CPU time", f"{summary['cpu_s']:.2f} s" + (f", {speed:,.0f} leases a second" if speed else "")])
    return Block("Run", rows, texts=True)


def _leases(leases: Mapping[str, Mapping[str, int]]) -> Block:
    states = [s for s in _STATES if any(counts.get(s) for counts in leases.values())]
    states += sorted({s for counts in leases.values() for s, n in counts.items() if n} - set(_STATES))
    rows = [
        [type_, *(f"{counts.get(s, 0):,}" for s in states), f"{sum(counts.values()):,}"]
        for type_, counts in leases.items()
        if sum(counts.values())
    ]
    return Block("Leases", rows, ["type", *states, "all"])


def _reservations(ar: Mapping[str, Any]) -> Block:
    if not ar.get("accepted") and not ar.get("rejected"):
        return Block("", [])
    rows = [["accepted", f"{ar.get('accepted', 0):,}"], ["rejected", f"{ar.get('rejected', 0):,}"]]
    reasons = sorted((ar.get("reasons") or {}).items(), key=lambda item: (-item[1], item[0]))
    rows += [[f"{count:,} × {reason}"] for reason, count in reasons[:REASONS_MAX]]
    if len(reasons) > REASONS_MAX:
        rows.append([f"and {len(reasons) - REASONS_MAX:,} more reasons"])
    return Block("Advance reservations", rows, texts=True)


def _best_effort(best: Mapping[str, Any]) -> Block:
    if not best.get("count"):
        return Block("", [])
    wait, slowdown = best.get("wait_s") or {}, best.get("bounded_slowdown") or {}
    kinds = ("mean", "median", "p95")
    rows = []
    if wait.get("mean") is not None:
        rows.append(["waiting time", *(span(wait[k]) if wait.get(k) is not None else "" for k in kinds)])
    if slowdown.get("mean") is not None:
        rows.append(["bounded slowdown", *(f"{slowdown[k]:.2f}" if slowdown.get(k) is not None else "" for k in kinds)])
    end = best.get("all_best_effort_s")
    last = "" if end is None else f", the last ended after {span(end)}"
    leases = "1 lease" if best["count"] == 1 else f"{best['count']:,} leases"
    return Block(f"Best effort ({leases}{last})", rows, ["", *kinds])


def _utilisation(shares: Mapping[str, float]) -> Block:
    return Block("Utilisation", [[name, f"{100 * share:.1f} %"] for name, share in shares.items()])


def _operations(summary: Mapping[str, Any]) -> Block:
    return Block("Operations", [[name, f"{summary[name]:,}"] for name in _COUNTS if summary.get(name)])


def _lost(summary: Mapping[str, Any]) -> Block:
    overheads = summary.get("overhead_s") or {}
    rows = [[name, span(seconds)] for name, seconds in overheads.items() if seconds]
    if summary.get("lost_s"):
        rows.append(["thrown away", span(summary["lost_s"])])
    return Block("Time lost", rows)


def _skipped(skipped: Mapping[str, int]) -> Block:
    return Block("Left out of the workload", [[cause, f"{count:,}"] for cause, count in skipped.items() if count])


def _verification(verify: Mapping[str, Any] | None) -> Block:
    if verify is None:
        return Block("", [])
    violations = len(verify.get("violations") or [])
    return Block("Verification", [["events", f"{verify.get('events', 0):,}"], ["violations", f"{violations:,}"]])
