"""Results of finished runs, read back from their folders: per run, per lease, and counters in the course of time.

Figures that Haizea 1.x had go by the names that it gave them. Its own data files are not read: they are pickled, and
reading such a file carries out whatever is in it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TextIO

from haizea.experiments.figures import columns, figures

SUMMARY: Final = "summary.json"
SUMMARY_BYTES_MAX: Final = 64 << 20
LINE_MAX: Final = 1 << 20
"""Longest line of a CSV file that is read, in characters."""

LEASE_NAMES: Final[Mapping[str, str]] = {
    "id": "lease_id",
    "state": "State",
    "delivered_s": "Actual duration",
    "price": "Price",
    "wait_s": "Waiting time",
    "bounded_slowdown": "Slowdown",
    "nodes": "Number of nodes",
}
"""Columns of ``leases.csv`` by the names that Haizea 1.x had for the same."""

_EXPECTED: Final = "the folder of a run's results, as haizea simulate --output writes it, or its summary.json"

Row = Mapping[str, object]


class DataError(ValueError):
    """Results that cannot be read: ``PATH: what is wrong; expected what``."""

    def __init__(self, path: str, wrong: str, expected: str = _EXPECTED) -> None:
        """Say what is ``wrong`` with which file, and what was ``expected``."""
        super().__init__(f"{path}: {wrong}; expected {expected}")


class Run(NamedTuple):
    """A finished run: the folder of its results, its summary, and its attributes."""

    folder: str
    summary: Mapping[str, Any]
    attributes: Mapping[str, str]


def read_run(path: str) -> Run:
    """Read what a run has come to, from its folder or its ``summary.json``.

    Raises:
        DataError: there is nothing, or something else.
        OSError: the file cannot be read.
    """
    file = os.path.join(path, SUMMARY) if os.path.isdir(path) else path
    if not os.path.exists(file):
        raise DataError(path, f"there is no {SUMMARY}" if os.path.isdir(path) else "there is no such file or folder")
    summary = _summary(file)
    attributes = summary.get("attributes")
    named = attributes.items() if isinstance(attributes, Mapping) else ()
    return Run(os.path.dirname(file), summary, {str(name): str(value) for name, value in named})


def _summary(file: str) -> Mapping[str, Any]:
    import json

    with open(file, "rb") as stream:
        content = stream.read(SUMMARY_BYTES_MAX + 1)
    if _is_pickled(content):
        wrong = "this looks like a data file of Haizea 1.x, which is not read, because reading it runs what is in it"
        raise DataError(file, wrong, "results of this version: simulate the workload anew with --output DIR")
    if len(content) > SUMMARY_BYTES_MAX:
        raise DataError(file, f"larger than {SUMMARY_BYTES_MAX >> 20} MiB")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(file, "this is no JSON") from None
    if not isinstance(found, dict) or not _is_summary(found):
        raise DataError(file, "this is no summary of a run")
    return found


def _is_summary(found: Mapping[str, Any]) -> bool:
    """Whether a JSON object has what is taken from a summary, each of the kind that it should be."""
    if not all(isinstance(found.get(name), dict) for name in ("leases", "ar", "besteffort")):
        return False
    counts: Iterable[object] = found["leases"].values()
    return all(isinstance(each, dict) and all(type(n) is int for n in each.values()) for each in counts)


def _is_pickled(content: bytes) -> bool:
    """Whether a file begins or ends as one that was pickled does, by any protocol."""
    return content[:1] == b"\x80" or (content[:1] in (b"(", b"c") and content.rstrip().endswith(b"."))


def per_run(runs: Sequence[Run]) -> tuple[list[str], list[Row]]:
    """Return the columns and a row for each run: its attributes, the figures that 1.x had, and all others."""
    rows: list[Row] = [{**_attributes(run), **_stats(run.summary), **figures(run.summary)} for run in runs]
    first = _names(_attributes(run) for run in runs)
    known = _names(_stats(run.summary) for run in runs)
    named = {*first, *known}
    return [*first, *known, *(name for name in columns(rows) if name not in named)], rows


def _stats(summary: Mapping[str, Any]) -> Row:
    """Return the figures of a summary that Haizea 1.x had, by its names."""
    leases: Mapping[str, Mapping[str, int]] = summary["leases"]

    def ended(state: str) -> int:
        return sum(counts.get(state, 0) for counts in leases.values())

    immediate = leases.get("immediate", {})
    refused = immediate.get("rejected", 0) + immediate.get("rejected-by-user", 0)
    ar, best = summary["ar"], summary["besteffort"]
    return {
        "Total requested leases": sum(sum(counts.values()) for counts in leases.values()),
        "Total completed leases": ended("done"),
        "Total rejected leases": ended("rejected"),
        "Total rejected leases (by user)": ended("rejected-by-user"),
        "Total accepted AR": ar.get("accepted"),
        "Total rejected AR": ar.get("rejected"),
        "Total accepted Immediate": sum(immediate.values()) - refused,
        "Total rejected Immediate": refused,
        "Total best-effort completed": leases.get("best-effort", {}).get("done", 0),
        "all-best-effort": best.get("all_best_effort_s"),
    }


def per_lease(runs: Sequence[Run]) -> tuple[list[str], Iterator[Row]]:
    """Return the columns and a row for each lease of each run, with what probes have kept of it.

    Raises:
        DataError: a run has no ``leases.csv``, or one that cannot be read; also while rows are taken.
    """
    attributes = _names(_attributes(run) for run in runs)
    found: dict[str, None] = {"lease_id": None}
    for run in runs:
        with _opened(run, "leases.csv") as stream:
            found.update(dict.fromkeys(LEASE_NAMES.get(name, name) for name in _header(stream)))
        if os.path.exists(os.path.join(run.folder, "lease-data.csv")):
            with _opened(run, "lease-data.csv") as stream:
                found.update(dict.fromkeys(_header(stream)))
    return [*attributes, *found], _lease_rows(runs)


def _lease_rows(runs: Sequence[Run]) -> Iterator[Row]:
    for run in runs:
        attributes = _attributes(run)
        kept: dict[str, Row] = {}
        if os.path.exists(os.path.join(run.folder, "lease-data.csv")):
            kept = {str(row["lease_id"]): row for row in _rows(run, "lease-data.csv", "lease_id")}
        for row in _rows(run, "leases.csv", "id"):
            named = {LEASE_NAMES.get(name, name): value for name, value in row.items()}
            more = {name: value for name, value in kept.get(str(row["id"]), {}).items() if value}
            yield {**attributes, **named, **more}


def counters(runs: Sequence[Run]) -> list[str]:
    """Return the names of all counters that any of the runs has kept, in order of their appearance.

    Raises:
        DataError: the counters of a run cannot be read.
    """
    found: dict[str, None] = {}
    for run in runs:
        if os.path.exists(os.path.join(run.folder, "counters.csv")):
            found.update((str(row["counter"]), None) for row in _rows(run, "counters.csv", "counter"))
    return list(found)


def counter(runs: Sequence[Run], name: str) -> tuple[list[str], Iterator[Row]]:
    """Return the columns and the rows of one counter of each run: ``time`` in seconds, ``value``, ``average`` if any.

    Raises:
        DataError: a run has not kept the counter; also while rows are taken.
    """
    averaged = False
    for run in runs:
        kept = counters([run])
        if name not in kept:
            has = f"it has {', '.join(map(repr, kept))}" if kept else "it has none"
            raise DataError(run.folder or os.curdir, f"no counter {name!r}: {has}",
                            "a run whose configuration names its probe in accounting.probes")  # fmt: skip
        averaged = averaged or any(row["average"] for row in _counted(run, name))
    attributes = _names(_attributes(run) for run in runs)
    return [*attributes, "time", "value", *(["average"] if averaged else [])], _counter_rows(runs, name)


def _counter_rows(runs: Sequence[Run], name: str) -> Iterator[Row]:
    for run in runs:
        attributes = _attributes(run)
        for row in _counted(run, name):
            yield {**attributes, "time": row["time_s"], "value": row["value"], "average": row["average"]}


def _counted(run: Run, name: str) -> Iterator[Mapping[str, str]]:
    return (
        row for row in _rows(run, "counters.csv", "counter", "time_s", "value", "average") if row["counter"] == name
    )


def _attributes(run: Run) -> Row:
    return run.attributes


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _opened(run: Run, name: str) -> TextIO:
    path = os.path.join(run.folder, name)
    if not os.path.exists(path):
        raise DataError(run.folder or os.curdir, f"there is no {name}")
    return open(path, encoding="utf-8", errors="replace", newline="")


def _header(stream: TextIO) -> list[str]:
    import csv

    return next(csv.reader([stream.readline(LINE_MAX)]), [])


def _rows(run: Run, name: str, *needed: str) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a CSV file of a run that has the columns needed."""
    import csv

    path = os.path.join(run.folder, name)
    with _opened(run, name) as stream:
        reader = csv.DictReader(_lines(stream, path), restval="")
        try:
            if not set(needed) <= set(reader.fieldnames or ()):
                raise DataError(path, "the first line names other columns", f"{', '.join(needed)} among them")
            for row in reader:
                if None in row:
                    raise DataError(path, f"line {reader.line_num} has more fields than the first", "as many")
                yield row
        except csv.Error as error:
            raise DataError(path, f"line {reader.line_num}: {error}", "CSV") from None


def _lines(stream: TextIO, path: str) -> Iterator[str]:
    while line := stream.readline(LINE_MAX + 1):
        if len(line) > LINE_MAX:
            raise DataError(path, f"a line of more than {LINE_MAX} characters", "shorter ones")
        yield line
