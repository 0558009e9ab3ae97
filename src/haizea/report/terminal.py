"""A schedule as text for a terminal: one line a host (or a few, where leases share it), one character a slice of time.

Without colours, types differ by the characters of their bars and leases by the numbers written into them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Final

from haizea.model.units import DAY, SECOND, Instant
from haizea.report import look, words
from haizea.report.layout import Bar, rows
from haizea.report.pieces import Row

LANES_MAX: Final = 8
"""A host that ran more at once gets no more lines than this; what is beyond is told below."""

NAME_MAX: Final = 20
ID_DIGITS_MAX: Final = 20
WIDTH_MIN: Final = 40

_FILLS: Final = (
    ("best-effort", "█", "#"),
    ("AR", "▓", "="),
    ("immediate", "▒", "+"),
    ("deadline", "░", "%"),
    (look.OTHER, "▬", "o"),
)
_KINDS: Final = (
    ("transfer", "·", "."),
    ("suspend", "╲", "\\"),
    ("resume", "╱", "/"),
    ("migrate", "»", ">"),
    ("shutdown", "▁", "_"),
    ("lost", "×", "x"),
    ("cancelled", "┄", "-"),
)
_SAID: Final = (
    ("suspend", "suspend"),
    ("resume", "resume"),
    ("shutdown", "shutdown"),
    ("lost", "lost"),
    ("cancelled", "cancelled"),
    ("transfer", "transfer"),
    ("migrate", "migration"),
)


def gantt_text(
    hosts: Sequence[str],
    reservations: Iterable[Row],
    types: Mapping[int, str],
    start: Instant,
    end: Instant,
    width: int = 100,
    *,
    ascii_only: bool = False,
) -> str:
    """Draw what happened on ``hosts`` from ``start`` to ``end``; a legend stands below.

    A slice shows what fills most of it. Lines are at most ``width`` characters (at least :data:`WIDTH_MIN`) and end
    without blanks. Arguments are those of :func:`haizea.report.svg.gantt_svg`; with ``ascii_only`` no other
    characters are used, host names included.

    Raises:
        ValueError: the time is empty, or a reservation names a host that is not there.
    """
    if end <= start:
        raise ValueError(f"a picture must end ({end}) after it starts ({start})")
    names = [_printable(name, ascii_only) for name in hosts]
    gutter = max((len(name) for name in names), default=0) + 2
    width = max(width, WIDTH_MIN)
    slices = _Slices(start, end, width - gutter, types, ascii_only)
    lines = [" " * gutter + line for line in slices.axis()]
    hidden = 0
    for name, row in zip(names, rows(len(hosts), _within(reservations, start, end)), strict=True):
        lanes: list[list[Bar]] = [[] for _ in range(min(row.slots, LANES_MAX))]
        for bar in row.bars:
            for lane in range(bar.slot, bar.slot + max(1, bar.slots)):
                if lane < LANES_MAX:
                    lanes[lane].append(bar)
            hidden += bar.slot >= LANES_MAX
        for label, bars in zip((name, *repeat("", len(lanes) - 1)), lanes, strict=True):
            lines.append(f"{label:>{gutter - 2}}  " + slices.lane(bars))
    if hidden:
        lines.append(f"{hidden} more than {LANES_MAX} at a time not drawn")
    return "\n".join(line.rstrip() for line in [*lines, *slices.legend(width)]) + "\n"


def _within(reservations: Iterable[Row], start: Instant, end: Instant) -> Iterable[Row]:
    return (row for row in reservations if row[4] < end and row[5] > start)


def _printable(name: str, ascii_only: bool) -> str:
    # A name from a file must not be able to steer the terminal.
    shown = "".join(c if c.isprintable() and (c.isascii() or not ascii_only) else "?" for c in name)
    return shown if len(shown) <= NAME_MAX else shown[: NAME_MAX - 1] + ("~" if ascii_only else "…")


class _Slices:
    """The slices of time, and what is drawn into them."""

    def __init__(self, start: Instant, end: Instant, count: int, types: Mapping[int, str], ascii_only: bool) -> None:
        self._start, self._span, self._count, self._types = start, end - start, max(count, 1), types
        self._ascii_only = ascii_only
        # Kept in the order in which they came up, so that the legend says what the picture shows.
        self._seen: dict[str, None] = {}
        self._signs = {name: plain if ascii_only else sign for name, sign, plain in (*_FILLS, *_KINDS)}

    def axis(self) -> list[str]:
        """Return the labels of the marks, and the marks."""
        step = words.tick_step(self._span, max(2, self._count // 12))
        labels, marks = [" "] * self._count, list("-" * self._count if self._ascii_only else "─" * self._count)
        taken = 0
        for at in range(-(-self._start // step) * step, self._start + self._span, step):
            place = (at - self._start) * self._count // self._span
            label = words.tick_label(at, step) if step >= SECOND or at % DAY == 0 else words.instant(at)
            marks[place] = "+" if self._ascii_only else "┬"
            if place >= taken and place + len(label) <= self._count:
                labels[place : place + len(label)] = label
                taken = place + len(label) + 1
        return ["".join(labels), "".join(marks)]

    def lane(self, bars: Sequence[Bar]) -> str:
        """Draw the bars that share a line."""
        cells, filled = [" "] * self._count, [0] * self._count
        labels: list[tuple[int, int, str]] = []
        for bar in bars:
            sign, copied = self._sign(bar), bar.kind in look.COPIES
            first, last = self._place(bar.start), self._place(bar.end)
            low, high = int(first), min(int(-(-last // 1)), self._count)
            for cell in range(max(low, 0), high):
                # A copy goes on beside whatever runs, so it shows only where nothing does.
                share = 1 if copied else 2 + round(1_000 * (min(last, cell + 1) - max(first, cell)))
                if share > filled[cell]:
                    cells[cell], filled[cell] = sign, share
            if not copied and bar.kind == "run":
                labels.append((max(round(first), 0), min(round(last), self._count), str(bar.lease)))
        for low, high, label in labels:
            if high - low >= len(label) + 2 and len(label) <= ID_DIGITS_MAX:
                middle = low + (high - low - len(label)) // 2
                cells[middle : middle + len(label)] = label
        return "".join(cells)

    def _place(self, at: Instant) -> float:
        return min(max(at - self._start, 0), self._span) * self._count / self._span

    def _sign(self, bar: Bar) -> str:
        name = bar.kind
        if bar.kind not in look.COPIES:
            if bar.outcome in look.LOST_OUTCOMES:
                name = "lost"
            elif bar.kind == "run":
                name = "cancelled" if bar.outcome == "cancelled" else look.type_of(self._types.get(bar.lease, ""))
        self._seen[name] = None
        return self._signs.get(name, "?")

    def legend(self, width: int) -> list[str]:
        """Return what the signs that were used mean, in lines of at most ``width``."""
        order = [name for name, *_ in _FILLS] + [name for name, _ in _SAID]
        said = dict(_SAID)
        items = [f"{self._signs[name]} {said.get(name, name)}" for name in order if name in self._seen]
        lines: list[str] = []
        for item in items:
            if lines and len(lines[-1]) + 2 + len(item) <= width:
                lines[-1] += "  " + item
            else:
                lines.append(item)
        return lines
