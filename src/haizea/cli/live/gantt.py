"""A server's schedule drawn for a terminal: hosts × time, a line for now, alike hosts folded into one row."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from haizea.cli.live.when import instant_of_iso
from haizea.cli.live.words import clean
from haizea.model.units import Instant, Span
from haizea.report.layout import rows
from haizea.report.pieces import Row
from haizea.report.terminal import LANES_MAX, NAME_MAX, WIDTH_MIN, gantt_text

NOW: Final = ("│", "▼")
NOW_ASCII: Final = ("|", "v")
_COLOURS: Final = {"█": "34", "▓": "33", "▒": "32", "░": "35", "×": "31"}
_SIGNS: Final = re.compile("█+|▓+|▒+|░+|×+|│|▼")
_RED: Final = "1;31"

Bars = dict[str, list[Row]]


class Look(NamedTuple):
    """How it is drawn: its width, only in ASCII, in colours, folded; ``offset`` is local time's ahead of UTC."""

    width: int = 100
    ascii_only: bool = False
    colours: bool = False
    fold: bool = False
    offset: Span = 0


def drawing(schedule: Mapping[str, Any], hosts: Sequence[str], look: Look) -> list[str]:
    """Return the lines of the picture of those of a schedule's hosts that are named.

    Raises:
        ValueError: the schedule makes no sense: it is empty, or a bar is on a host that is not there.
    """
    start, end, now = (instant_of_iso(schedule[name]) + look.offset for name in ("start", "end", "now"))
    by_host = _bars(schedule, start, end, look.offset)
    grouped = _folded(hosts, by_host) if look.fold else [([name], by_host[name]) for name in hosts]
    labels = [label(names) for names, _ in grouped]
    placed = [(lease, kind, i, vms, first, last, outcome) for i, (_, bars) in enumerate(grouped)
              for lease, kind, _, vms, first, last, outcome in bars]  # fmt: skip
    types = {bar["lease"]: str(bar["type"]) for bar in schedule["bars"]}
    width = max(look.width, WIDTH_MIN)
    lines = gantt_text(labels, placed, types, start, end, width, ascii_only=look.ascii_only).splitlines()
    gutter = max((len(each) for each in labels), default=0) + 2
    if start <= now < end:
        lanes = sum(min(row.slots, LANES_MAX) for row in rows(len(labels), placed))
        place = gutter + (now - start) * (width - gutter) // (end - start)
        _mark(lines, place, lanes, NOW_ASCII if look.ascii_only else NOW)
    return [_coloured(line) for line in lines] if look.colours and not look.ascii_only else lines


def label(names: Sequence[str]) -> str:
    """Name hosts in at most :data:`~haizea.report.terminal.NAME_MAX` characters: ``node-[1-40]``, ``37 hosts``."""
    if len(names) == 1:
        return _cut(names[0])
    said = ranges(names)
    return said if len(said) <= NAME_MAX else _cut(f"{len(names)} hosts")


def ranges(names: Sequence[str]) -> str:
    """Name hosts, numbers at the end of like names drawn together: ``a, node-[1-3,7]``."""
    split = [re.fullmatch(r"(.*?)([0-9]{0,9})", clean(name)) for name in names]
    pairs = [(match[1], match[2]) if match else (name, "") for match, name in zip(split, names, strict=True)]
    said = []
    for stem, group in groupby(pairs, key=lambda pair: pair[0]):
        numbers = [number for _, number in group]
        said.append(stem + numbers[0] if len(numbers) == 1 else f"{stem}[{_runs(numbers)}]")
    return ", ".join(said)


def _runs(numbers: Sequence[str]) -> str:
    runs: list[list[str]] = []
    for number in numbers:
        if runs and number and runs[-1][-1] and int(number) == int(runs[-1][-1]) + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ",".join("-".join(run) for run in runs)


def _bars(schedule: Mapping[str, Any], start: Instant, end: Instant, offset: Span) -> Bars:
    names = schedule["hosts"]
    by_host: Bars = {name: [] for name in names}
    for bar in schedule["bars"]:
        if not 0 <= bar["host"] < len(names):
            raise ValueError(f"lease {bar['lease']} is on host {bar['host']}, but there are {len(names)}")
        first = instant_of_iso(bar["start"]) + offset
        last = end if bar["end"] is None else instant_of_iso(bar["end"]) + offset
        if first < last and first < end and last > start:
            # One line for each lease: how many VMs it has there is not what is looked for on a terminal.
            by_host[names[bar["host"]]].append((bar["lease"], bar["kind"], 0, "1", first, last, ""))
    return by_host


def _folded(hosts: Sequence[str], by_host: Bars) -> list[tuple[list[str], list[Row]]]:
    alike: dict[tuple[Row, ...], list[str]] = {}
    for name in hosts:
        alike.setdefault(tuple(sorted(by_host[name])), []).append(name)
    # Who does nothing comes last.
    folded = sorted(alike.items(), key=lambda item: not item[0])
    return [(names, list(bars)) for bars, names in folded]


def _mark(lines: list[str], place: int, lanes: int, signs: tuple[str, str]) -> None:
    line, top = signs
    for number in range(1, min(2 + lanes, len(lines))):
        text = lines[number].ljust(place + 1)
        if number == 1 or not text[place].isdigit():
            lines[number] = text[:place] + (top if number == 1 else line) + text[place + 1 :]


def _coloured(line: str) -> str:
    return _SIGNS.sub(lambda found: f"\x1b[{_COLOURS.get(found[0][0], _RED)}m{found[0]}\x1b[0m", line)


def _cut(name: str) -> str:
    shown = clean(name)
    return shown if len(shown) <= NAME_MAX else f"{shown[: NAME_MAX - 1]}~"
