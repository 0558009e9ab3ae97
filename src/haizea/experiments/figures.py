"""The figures of finished runs side by side: the summary of each as one row of named values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

Row = Mapping[str, object]

ATTRIBUTE: Final = "attribute."
"""What the name of a run's attribute begins with, so that it cannot be taken for a figure."""

_LEFT_OUT: Final = ("attributes", "verify", "workload")
_FIRST: Final = (
    "start",
    "end",
    "simulated_s",
    "site",
    "leases",
    "ar",
    "besteffort",
    "utilisation",
)
_LAST: Final = ("skipped", "cpu_s", "leases_per_second")


def figures(summary: Mapping[str, Any]) -> dict[str, object]:
    """Return the plain values of a summary by their paths in it, such as ``besteffort.wait_s.mean``.

    ``violations`` is how many verification found, where there was any.
    """
    found = dict(_plain("", {key: value for key, value in summary.items() if key not in _LEFT_OUT}))
    verified = summary.get("verify")
    if isinstance(verified, Mapping):
        found["violations"] = len(verified.get("violations") or ())
    return found


def _plain(prefix: str, value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _plain(f"{prefix}.{key}" if prefix else str(key), inner)
    elif value is None or isinstance(value, str | int | float):
        yield prefix, value


def columns(rows: Iterable[Row]) -> list[str]:
    """Return the names of all values in rows, figures of one kind beside each other."""
    seen: dict[str, list[str]] = {}
    for row in rows:
        for name in row:
            kind = seen.setdefault(name.partition(".")[0], [])
            if name not in kind:
                kind.append(name)
    middle = [kind for kind in seen if kind not in _FIRST and kind not in _LAST]
    ordered = [*(k for k in _FIRST if k in seen), *middle, *(k for k in _LAST if k in seen)]
    return [name for kind in ordered for name in (sorted(seen[kind]) if kind == "leases" else seen[kind])]


def write_csv(stream: TextIO, names: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows under their names; what a row does not have stays empty."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_text(row.get(name)) for name in names] for row in rows)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)
