"""The report of a run: its rows as curves and pictures."""

from typing import Any

from haizea.app.compose import Scenario
from haizea.config.write import effective
from haizea.experiments.records import OperationRow
from haizea.model.units import Instant
from haizea.report.page import write_report


def report(
    path: str,
    found: Scenario,
    summary: dict[str, Any],
    leases: list[dict[str, Any]],
    operations: list[OperationRow],
    runs: list[tuple[Instant, Instant, int]],
) -> None:
    """Write the report of a run as one page."""
    from haizea.report.data import ReportData

    write_report(
        path,
        ReportData(
            title=found.name,
            hosts=[host.name for host in found.site.hosts],
            leases=leases,
            reservations=operations,
            utilisation=utilisation(found, runs),
            queue=queue(leases),
            summary=summary,
            config={f"{name}": value for name, value, _origin in effective(found.settings)},
        ),
    )


def utilisation(found: Scenario, runs: list[tuple[Instant, Instant, int]]) -> list[tuple[Instant, int]]:
    """Return the steps of how many permille of the site's first resource type run.

    ``runs`` are spans with the amount that runs then.
    """
    steps: dict[Instant, int] = {}
    for start, end, amount in runs:
        steps[start] = steps.get(start, 0) + amount
        steps[end] = steps.get(end, 0) - amount
    return _curve(steps, 1000, max(1, found.site.total(found.site.resource_types[0])))


def queue(leases: list[dict[str, Any]]) -> list[tuple[Instant, int]]:
    """Return the steps of how many best-effort leases wait for their first start."""
    steps: dict[Instant, int] = {}
    for lease in leases:
        until = lease["started"] if lease["started"] is not None else lease["ended"]
        if lease["type"] == "best-effort" and until is not None:
            steps[lease["submitted"]] = steps.get(lease["submitted"], 0) + 1
            steps[until] = steps.get(until, 0) - 1
    return _curve(steps, 1, 1)


def _curve(steps: dict[Instant, int], numerator: int, denominator: int) -> list[tuple[Instant, int]]:
    level, points = 0, []
    for at in sorted(steps):
        level += steps[at]
        points.append((at, level * numerator // denominator))
    return points
