"""Where the results of a simulation go: rows to files as leases end, figures to the summary, both to the report."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any

from haizea.app.compose import Scenario
from haizea.app.request import SimulateRequest
from haizea.app.written import make_folder, named
from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.experiments.records import LEASE_COLUMNS, RESERVATION_COLUMNS, Ledger, OperationRow, operations
from haizea.experiments.summary import summarise
from haizea.model.effects import Effect, News
from haizea.model.lease import LeaseType
from haizea.model.units import Instant

FLUSH_ROWS = 4096


class Results:
    """Takes leases as they end. A context manager: files are closed at the end of it."""

    def __init__(self, request: SimulateRequest, found: Scenario, scheduler: Scheduler) -> None:
        self._request = request
        self._found = found
        self._scheduler = scheduler
        self.ledger = Ledger(scheduler.desk.options.non_schedulable)
        self.best_effort_over = 0
        self._lease_rows: list[str] = []
        self._operation_rows: list[str] = []
        self._made: list[IO[str]] = []
        self._leases_file: IO[str] | None = None
        self._operations_file: IO[str] | None = None
        self._operations = request.detail == "full" and (request.output is not None or request.report)
        self._for_report: list[OperationRow] = []
        self._report_leases: list[dict[str, object]] = []
        self._runs: list[tuple[Instant, Instant, int]] = []
        self._host_names = [host.name for host in found.site.hosts]
        self.verifier: Any = None
        if request.verify or found.settings.simulation.sanity_check:
            from haizea.experiments.verifier import Verifier

            self.verifier = Verifier(scheduler)
        self.probes: Any = None
        names = found.settings.accounting.probes
        if names and request.output is not None:
            from haizea.experiments.probes import Probes

            self.probes = Probes(names, scheduler)

    def __enter__(self) -> "Results":
        """Open the files, so that a folder that cannot be written to is found out before anything is simulated."""
        if self._request.output is not None:
            make_folder(self._request.output)
            self._leases_file = self._open("leases.csv")
            self._leases_file.write(LEASE_COLUMNS + "\n")
            if self._operations:
                self._operations_file = self._open("reservations.csv")
                self._operations_file.write(RESERVATION_COLUMNS + "\n")
            for name, written in (
                ("reservations.csv", self._operations),
                ("counters.csv", False),
                ("lease-data.csv", False),
                ("summary.json", False),
            ):
                if not written and os.path.exists(self._path(name)):
                    # One of an earlier run would be taken for this one's.
                    os.unlink(self._path(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Where the run has failed, take away what was written of its results."""
        made = [*self._made, *(file for file in (self._leases_file, self._operations_file) if file is not None)]
        for file in made:
            with suppress(OSError):
                file.close()
            if kind is not None:
                with suppress(OSError):
                    os.unlink(file.name)

    def _path(self, name: str) -> str:
        return os.path.join(self._request.output or os.curdir, name)

    def _open(self, name: str) -> IO[str]:
        return open(self._path(name), "w", encoding="utf-8", newline="")

    @contextmanager
    def _written(self, name: str) -> Iterator[IO[str]]:
        file = self._open(name)
        self._made.append(file)
        with named(file.name), file:
            yield file

    def changed(self, change: News, /) -> None:
        """A simulation keeps no record of changes on the way."""

    def take(self, effect: Effect | Retired) -> None:
        """Take note of an effect that did not come through the loop."""
        if isinstance(effect, Retired):
            self.retired(effect)

    def retired(self, retired: Retired, /) -> None:
        """Take note of a lease that is over."""
        lease = retired.lease
        row = self.ledger.row(retired)
        if lease.type is LeaseType.BEST_EFFORT:
            self.best_effort_over += 1
        if self._leases_file is not None:
            self._lease_rows.append(row)
        if self._operations:
            self._note_operations(retired)
        if self._request.report:
            self._report_leases.append(self.ledger.report_row(lease))
            self._runs += [(e.start, e.end, lease.need.key) for e in lease.log if e.kind == "run"]
        if len(self._lease_rows) >= FLUSH_ROWS:
            self._flush()
        # A stay and its lease know each other: take them apart, so that both can go.
        lease.log.clear()

    def _note_operations(self, retired: Retired) -> None:
        iso, names = self.ledger.iso, self._host_names
        desk = self._scheduler.desk
        for row in operations(retired.lease, desk.table, desk.options.exclusion):
            if self._operations_file is not None:
                self._operation_rows.append(
                    f"{row.lease},{row.kind},{names[row.host]},{_vms(row.vms)},{iso.text(row.start)},{iso.text(row.end)},{row.outcome}\n"
                )
            if self._request.report:
                self._for_report.append(row)

    def _flush(self) -> None:
        for file, rows in ((self._leases_file, self._lease_rows), (self._operations_file, self._operation_rows)):
            if file is not None:
                with named(file.name):
                    file.write("".join(rows))
        self._lease_rows.clear()
        self._operation_rows.clear()

    def finish(self, end: Instant, cpu: float) -> dict[str, Any]:
        """Work out the summary, and write it and all else that was asked for."""
        self._flush()
        for rows in (self._leases_file, self._operations_file):
            if rows is not None:
                # Only now is it known whether all of it could be written.
                with named(rows.name):
                    rows.close()
        summary = summarise(self._found.name, self._found.site, self._found.start, end, self.ledger)
        summary["attributes"] = {**self._found.workload.attributes, **self._found.settings.accounting.attributes}
        summary["skipped"] = dict(self._found.workload.skipped)
        summary["cpu_s"] = round(cpu, 3)
        summary["leases_per_second"] = round(self.ledger.done / cpu) if cpu else 0
        summary["verify"] = self.verifier.summary() if self.verifier else None
        if self._request.output is not None:
            import json

            from haizea.config.write import effective_toml

            with self._written("summary.json") as file:
                file.write(json.dumps(summary, indent=2) + "\n")
            with self._written("haizea.toml") as file:
                file.write(effective_toml(self._found.settings))
            if self.probes is not None:
                self._write_probes(end)
        if self._request.report:
            self._report(summary)
        return summary

    def _write_probes(self, end: Instant) -> None:
        from haizea.experiments.probes import COUNTER_COLUMNS
        from haizea.experiments.records import quoted

        with self._written("counters.csv") as file:
            file.write(",".join(COUNTER_COLUMNS) + "\n")
            file.writelines(",".join(map(quoted, row)) + "\n" for row in self.probes.counter_rows(end))
        if self.probes.has_lease_data:
            with self._written("lease-data.csv") as file:
                file.writelines(",".join(map(quoted, row)) + "\n" for row in self.probes.lease_rows())

    def _report(self, summary: dict[str, Any]) -> None:
        from haizea.app.report import report

        path = self._path("report.html")
        with named(path):
            report(path, self._found, summary, self._report_leases, self._for_report, self._runs)


def _vms(text: str) -> str:
    return f'"{text}"' if "," in text else text
