"""The text of an SWF file: its header, its pieces, and what must be known of a trace before its jobs are read."""

import os
import re
from collections.abc import Iterator
from itertools import chain
from operator import le
from typing import Final, NamedTuple

from haizea.model.units import SECOND, Instant
from haizea.workloads.errors import WorkloadError, quoted
from haizea.workloads.source import Source
from haizea.workloads.swf_lines import JOB_MAX, SECONDS_MAX, SWF_LINE, columns_slowly

LINE_MAX: Final = 1 << 16
"""Longest line, in bytes."""

COMMENT_BYTES_MAX: Final = 8 << 20
"""Most bytes of comments and blank lines in a row."""

HEADER_FIELDS_MAX: Final = 200

_PLAIN: Final = b"0123456789-. \t\r\n"
# Patterns, not compiled ones: most runs need only some of them.
_SUBMIT: Final = r"(?m)^[ \t]*[^;\s]\S*[ \t]+(\S+)"
_SUBMIT_PLAIN: Final = r"\n\s*\S+[ \t]+(\S+)"
_JOB: Final = r"(?m)^[ \t]*([0-9]{1,18})[ \t]"
_HEADER: Final = r";+\s*([A-Za-z][A-Za-z0-9_-]{0,63})\s*:\s*(.*)"


class Piece(NamedTuple):
    """Whole lines, each ended by a newline, the first of them line ``number``.

    ``plain`` says that they hold nothing but digits, points, minus signs and blanks.
    """

    number: int
    text: str
    plain: bool


class Header(NamedTuple):
    """What the comments before the first job say. ``start`` is None where they do not say."""

    name: str
    fields: dict[str, str]
    start: Instant | None


def pieces(source: Source) -> Iterator[Piece]:
    """Yield the lines of a trace from its first job on, many at a time, without comments that lead a piece.

    Raises:
        WorkloadError: a line or a run of comments is too long, or the file cannot be read.
    """
    number = 1
    skipped = 0
    for raw in _whole_lines(source, number):
        text = raw.decode("latin-1")
        start, lines = _after_comments(text)
        skipped = skipped + start if start == len(text) else 0
        if skipped > COMMENT_BYTES_MAX:
            wrong = f"more than {COMMENT_BYTES_MAX} bytes of comments and blank lines in a row"
            raise WorkloadError(source.path, number, wrong, SWF_LINE)
        if start < len(text):
            yield Piece(number + lines, text[start:], not raw[start:].translate(None, _PLAIN))
        number += text.count("\n")


def _whole_lines(source: Source, number: int) -> Iterator[bytes]:
    rest = b""
    while raw := source.read():
        end = raw.rfind(b"\n") + 1
        if end:
            lines = rest + raw[:end]
            yield lines
            number += lines.count(b"\n")
            rest = raw[end:]
        else:
            rest += raw
        if len(rest) > LINE_MAX:
            raise WorkloadError(source.path, number, f"a line of more than {LINE_MAX} bytes", SWF_LINE)
    if rest:
        yield rest + b"\n"


def _after_comments(text: str) -> tuple[int, int]:
    """Return where the first line begins that is neither a comment nor blank, and how many lines are before it."""
    start = lines = 0
    size = len(text)
    while start < size and text[start] in ";\n\r \t":
        end = text.index("\n", start) + 1
        if text[start] != ";" and (text[start:end].strip() or ";")[0] != ";":
            break
        start = end
        lines += 1
    return start, lines


def read_header(source: Source) -> Header:
    """Read the comments before the first job, and check that a job follows.

    Raises:
        WorkloadError: the header's start time is not a time, or what follows the header is not a job.
    """
    fields: dict[str, str] = {}
    start: Instant | None = None
    name = _name(source.path)
    number = size = 0
    for raw in _whole_lines(source, 1):
        for line in raw.decode("utf-8", "replace").split("\n")[:-1]:
            number += 1
            if not line.strip():
                continue
            if not line.lstrip().startswith(";"):
                columns_slowly(source.path, number, line, 7, JOB_MAX)
                return Header(name, fields, start)
            match = re.fullmatch(_HEADER, line.strip())
            if match is None or len(fields) >= HEADER_FIELDS_MAX:
                continue
            key, value = match.groups()
            fields[key] = f"{fields[key]} {value}" if key in fields else value
            if key == "UnixStartTime":
                start = _start(source.path, number, value)
        size += len(raw)
        if size > COMMENT_BYTES_MAX:
            break
    return Header(name, fields, start)


def _start(path: str, number: int, value: str) -> Instant | None:
    if re.fullmatch(r"-?[0-9]{1,12}", value) is None or int(value) > SECONDS_MAX * 10:
        raise WorkloadError(path, number, f"UnixStartTime {quoted(value)}", "whole seconds since 1970")
    return int(value) * SECOND if int(value) > 0 else None


def _name(path: str) -> str:
    return os.path.basename(path).removesuffix(".gz").removesuffix(".swf")


def in_order(source: Source) -> bool:
    """Whether all jobs are submitted in order, at whole seconds."""
    last = 0
    for piece in pieces(source):
        try:
            found = re.findall(_SUBMIT_PLAIN, "\n" + piece.text) if piece.plain else re.findall(_SUBMIT, piece.text)
            submits = list(map(int, found))
        except ValueError:
            # A fraction, or not a number: the one costs the sorting of what is sorted, the other is reported later.
            return False
        if not all(map(le, chain((last,), submits), submits)):
            return False
        last = submits[-1] if submits else last
    return True


def largest_job(source: Source) -> int:
    """Return the largest job number, 0 without jobs."""
    return max((max(map(int, re.findall(_JOB, piece.text)), default=0) for piece in pieces(source)), default=0)


def refuse_repeated_jobs(source: Source) -> None:
    """Check that no number is that of two jobs; the lines that list a job in parts (status 2 to 4) do not count.

    Raises:
        WorkloadError: a job number is on two lines.
    """
    seen: dict[str, int] = {}
    for piece in pieces(source):
        for offset, line in enumerate(piece.text.split("\n")):
            fields = line.split(None, 11)
            if len(fields) < 11 or fields[0].startswith(";") or fields[10] in ("2", "3", "4"):
                continue
            number = piece.number + offset
            before = seen.setdefault(fields[0], number)
            if before != number:
                wrong = f"job {quoted(fields[0])} was already on line {before}"
                raise WorkloadError(source.path, number, wrong, "a number of its own for each job")
