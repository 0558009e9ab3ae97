"""The fields of SWF jobs in columns: quickly for a piece in which all is in order, line by line for any other.

Reading line by line understands comments, blank lines and fractions, and names the line that is at fault.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final, NamedTuple

from haizea.model.resources import AMOUNT_MAX
from haizea.model.units import SECOND, Span
from haizea.workloads.errors import WorkloadError, quoted
from haizea.workloads.times import SPAN_MAX

FIELDS: Final = 18
NODES_MAX: Final = 100_000
"""Most VMs of a lease."""

JOB_MAX: Final = (1 << 53) - 1
SECONDS_MAX: Final = SPAN_MAX // SECOND
SWF_LINE: Final = "a job as 18 numbers separated by blanks, -1 where unknown (SWF), or an XML file (LWF)"

_JOB, _SUBMIT, _RUN, _ALLOCATED, _ASKED, _MEMORY, _STATUS, _USER = 0, 1, 3, 4, 8, 9, 10, 11
_END: Final = " ; "

_NAMES: Final = (
    "job number", "submit time", "wait time", "run time", "allocated processors", "CPU time used", "memory used",
    "requested processors", "requested time", "requested memory", "status", "user", "group", "executable", "queue",
    "partition", "preceding job", "think time",
)  # fmt: skip


class Columns(NamedTuple):
    """The jobs of a piece, a column for each field that leases are made of.

    ``submits``, ``runs`` and ``asked`` times ``unit`` are milliseconds. Only the columns of ``int`` are limited;
    those of ``str`` hold whole numbers. ``complete`` says that in every job all of them are
    known and the run time is above 0, and that none is listed in parts.
    """

    lines: list[str]
    jobs: list[int]
    submits: list[int]
    runs: list[int]
    counts: list[int]
    allocated: list[str]
    asked: list[int]
    memories: list[str]
    statuses: list[str]
    users: list[str]
    unit: int
    complete: bool

    def only(self, kept: Sequence[bool]) -> "Columns":
        """Return those of the jobs that are kept, none of which is listed in parts."""
        submits, runs = list(compress(self.submits, kept)), list(compress(self.runs, kept))
        counts, asked = list(compress(self.counts, kept)), list(compress(self.asked, kept))
        users = list(compress(self.users, kept))
        known = min(submits, default=0) >= 0 and min([*runs, *counts, *asked], default=1) > 0 and "-1" not in users
        return Columns(
            list(compress(self.lines, kept)), list(compress(self.jobs, kept)), submits, runs, counts,
            list(compress(self.allocated, kept)), asked, list(compress(self.memories, kept)),
            list(compress(self.statuses, kept)), users, self.unit, known,
        )  # fmt: skip

    def rows(self) -> Iterator[tuple[str, int, int, int, int, str, int, str, str, str]]:
        """Return the jobs one by one, each with its fields in the order of the columns."""
        return zip(
            self.lines, self.jobs, self.submits, self.runs, self.counts, self.allocated, self.asked, self.memories,
            self.statuses, self.users, strict=True,
        )  # fmt: skip


def columns_quickly(text: str, wanted: int, scale: int) -> Columns | None:
    """Read a piece of whole lines of digits, points, minus signs and blanks; None if anything is out of the ordinary.

    ``wanted`` is the place of the field with the number of processors, of which a VM stands for ``scale``.
    """
    lines = text.split("\n")
    lines.pop()
    try:
        # All fields of all lines in a row, and something between lines that is no field: it must be where they end.
        row = text.replace("\n", _END).split()
        if row[FIELDS :: FIELDS + 1] != [_END.strip()] * len(lines):
            return None
        numbers = [list(map(int, row[place :: FIELDS + 1])) for place in (_JOB, _SUBMIT, _RUN)]
        # Few of these differ from line to line: each that occurs is read once.
        columns = [row[place :: FIELDS + 1] for place in (wanted, _ASKED, _ALLOCATED, _MEMORY, _STATUS, _USER)]
        known = [{text: int(text) for text in set(column)} for column in columns]
    except ValueError:
        # Reading line by line understands what this does not, or says what is wrong with it.
        return None
    values = [*numbers, *(each.values() for each in known)]
    nodes_max = NODES_MAX * scale
    limits = (JOB_MAX, SECONDS_MAX, SECONDS_MAX, nodes_max, SECONDS_MAX, nodes_max, AMOUNT_MAX, JOB_MAX, JOB_MAX)
    least = [min(each) for each in values]
    if least[0] < 0 or min(least) < -1 or any(max(each) > limit for each, limit in zip(values, limits, strict=True)):
        return None
    parts = any(status in known[4].values() for status in (2, 3, 4))
    complete = least[1] >= 0 and min(least[2:5]) > 0 and not parts and least[8] >= 0
    counts, asked = [list(map(known[i].__getitem__, columns[i])) for i in (0, 1)]
    allocated, memories, statuses, users = columns[2:]
    jobs, submits, runs = numbers
    return Columns(lines, jobs, submits, runs, counts, allocated, asked, memories, statuses, users, SECOND, complete)


def columns_slowly(path: str, number: int, text: str, wanted: int, scale: int) -> Columns:
    """Read a piece of whole lines, the first of them line ``number``.

    Raises:
        WorkloadError: a line is not a job, nor a comment, nor blank.
    """
    columns = Columns([], [], [], [], [], [], [], [], [], [], 1, False)
    for offset, line in enumerate(text.split("\n")):
        fields = line.split()
        if not fields or fields[0].startswith(";"):
            continue
        _Line(path, number + offset, fields).add_to(columns, line, wanted, scale)
    return columns


class _Line:
    """One job, with what is needed to say where it is."""

    __slots__ = ("_fields", "_number", "_path")

    def __init__(self, path: str, number: int, fields: list[str]) -> None:
        self._path = path
        self._number = number
        self._fields = fields
        if len(fields) != FIELDS:
            first = f", the first of them {quoted(fields[0])}"
            raise self._error(f"{len(fields)} field{'s' * (len(fields) > 1)}{first if len(fields) < FIELDS else ''}")

    def add_to(self, columns: Columns, line: str, wanted: int, scale: int) -> None:
        for place in range(FIELDS):
            self._value(place)
        columns.jobs.append(self._whole(_JOB, JOB_MAX))
        if columns.jobs[-1] < 0:
            raise self._error("a job without a number")
        columns.lines.append(line)
        columns.submits.append(self._time(_SUBMIT))
        columns.runs.append(self._time(_RUN))
        columns.counts.append(self._whole(wanted, NODES_MAX * scale))
        columns.allocated.append(str(self._whole(_ALLOCATED, NODES_MAX * scale)))
        columns.asked.append(self._time(_ASKED))
        columns.memories.append(str(self._whole(_MEMORY, AMOUNT_MAX)))
        columns.statuses.append(str(self._whole(_STATUS, JOB_MAX)))
        columns.users.append(str(self._whole(_USER, JOB_MAX)))

    def _value(self, place: int) -> float:
        text = self._fields[place]
        try:
            if not text.isascii() or "_" in text:
                raise ValueError(text)
            value = float(text)
        except ValueError as error:
            raise self._error(f"{quoted(text)} for field {place + 1} ({_NAMES[place]})") from error
        if not math.isfinite(value):
            raise self._error(f"{quoted(text)} for field {place + 1} ({_NAMES[place]})")
        return value

    def _limited(self, place: int, most: int) -> float:
        value = self._value(place)
        if value > most or (value < 0 and value != -1):
            wrong = f"{quoted(self._fields[place])} for field {place + 1} ({_NAMES[place]})"
            raise WorkloadError(self._path, self._number, wrong, f"a number from 0 to {most}, or -1 where unknown")
        return value

    def _whole(self, place: int, most: int) -> int:
        value = self._limited(place, most)
        text = self._fields[place]
        return int(text) if text.isdigit() else math.ceil(value)

    def _time(self, place: int) -> Span:
        """Return milliseconds, rounded up; -1 where unknown."""
        value = self._limited(place, SECONDS_MAX)
        if value < 0:
            return -1
        # Rounded to a microsecond first, or 0.1 + 0.2 would be a millisecond more than 0.3.
        return -(-round(value * 1_000_000) // 1_000)

    def _error(self, wrong: str) -> WorkloadError:
        return WorkloadError(self._path, self._number, wrong, SWF_LINE)
