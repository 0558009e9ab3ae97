"""A schedule of a few hosts as an SVG picture, for documents: hosts × time, coloured by lease type.

The picture brings its own background, so it reads on a light page and on a dark one.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape as escape_markup
from typing import Final

from haizea.model.units import Instant
from haizea.report import look, words
from haizea.report.layout import Bar, HostRow, rows
from haizea.report.pieces import Row

ROW: Final = 46
AXIS: Final = 30
PAD: Final = 20
STRIP: Final = 6

TEXTURED: Final = ("suspend", "resume", "shutdown", "lost")
"""What is drawn over the colour of the type as a pattern."""

_LEGEND: Final = (
    ("suspend", "suspending"),
    ("resume", "resuming"),
    ("shutdown", "shutting down"),
    ("lost", "work lost"),
    ("cancelled", "cancelled"),
    ("transfer", "image transfer"),
    ("migrate", "migration"),
)


def gantt_svg(
    hosts: Sequence[str],
    reservations: Iterable[Row],
    types: Mapping[int, str],
    start: Instant,
    end: Instant,
    width: int = 960,
    title: str = "",
) -> str:
    """Draw what happened on ``hosts`` from ``start`` to ``end``.

    Args:
        hosts: the names of the rows, from the top.
        reservations: ``(lease, kind, host, vms, start, end, outcome)``, the host by its position.
        types: the type of each lease, by id.
        start: the left edge, an instant in milliseconds.
        end: the right edge.
        width: of the picture in pixels.
        title: what the picture shows.

    Raises:
        ValueError: the time is empty, or a reservation names a host that is not there.
    """
    if end <= start:
        raise ValueError(f"a picture must end ({end}) after it starts ({start})")
    laid_out = rows(len(hosts), (row for row in reservations if row[4] < end and row[5] > start))
    gutter = PAD + 12 + max((round(7.2 * len(name)) for name in hosts), default=0)
    picture = _Picture(start, end, gutter, width - PAD, PAD + (30 if title else 0), types)
    bottom = picture.top + AXIS + ROW * len(hosts)
    bars = "".join(picture.row(i, name, laid_out[i]) for i, name in enumerate(hosts))
    legend, height = _legend(_seen(laid_out, types), width, bottom + 26)
    heading = f'<text x="{PAD}" y="{PAD + 12}" class="title">{escape(title)}</text>' if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title or "Schedule")}">\n{_style()}\n{_patterns()}\n'
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>\n'
        f"{heading}{picture.axis(bottom)}\n{bars}{legend}</svg>\n"
    )


def escape(text: str) -> str:
    """Escape text for XML, which knows no control characters and no halves of a surrogate pair."""
    return escape_markup("".join(c if c.isprintable() else "\ufffd" for c in text))


def _look_of(bar: Bar) -> str:
    if bar.kind in look.COPIES:
        return bar.kind
    if bar.outcome in look.LOST_OUTCOMES:
        return "lost"
    if bar.kind != "run":
        return bar.kind
    return "cancelled" if bar.outcome == "cancelled" else "run"


def _seen(laid_out: Iterable[HostRow], types: Mapping[int, str]) -> set[str]:
    bars = [bar for row in laid_out for bar in row.bars]
    vms = {look.type_of(types.get(bar.lease, "")) for bar in bars if bar.kind not in look.COPIES}
    return vms | {_look_of(bar) for bar in bars}


class _Picture:
    """Where things go: time from left to right, hosts from the top down."""

    def __init__(self, start: Instant, end: Instant, left: int, right: int, top: int, types: Mapping[int, str]) -> None:
        self.start, self.end, self.left, self.right, self.top, self.types = start, end, left, right, top, types

    def x(self, at: Instant) -> float:
        """Return where an instant is, within the edges."""
        inside = min(max(at, self.start), self.end)
        return self.left + (inside - self.start) * (self.right - self.left) / (self.end - self.start)

    def axis(self, bottom: int) -> str:
        """Draw the marks of the axis of time."""
        step = words.tick_step(self.end - self.start, max(2, (self.right - self.left) // 90))
        said = []
        for at in range(-(-self.start // step) * step, self.end + 1, step):
            x = self.x(at)
            said.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{self.top + 22}" y2="{bottom}"/>')
            if x <= self.right - 24:
                said.append(f'<text class="soft" x="{x:.1f}" y="{self.top + 15}">{words.tick_label(at, step)}</text>')
        return "".join(said)

    def row(self, number: int, name: str, row: HostRow) -> str:
        """Draw the row of a host."""
        y = self.top + AXIS + number * ROW
        shade = f'<rect class="row" x="{PAD - 8}" y="{y}" width="{self.right - PAD + 8}" height="{ROW}" rx="4"/>'
        said = [shade if number % 2 == 0 else ""]
        said.append(f'<text class="host" x="{self.left - 12}" y="{y + ROW / 2 + 4:g}">{escape(name)}</text>\n')
        said += [self._bar(bar, y + 4, row.slots) for bar in row.bars]
        return "".join(said)

    def _bar(self, bar: Bar, y: float, slots: int) -> str:
        x, right, look_of = self.x(bar.start), self.x(bar.end), _look_of(bar)
        name = look.type_of(self.types.get(bar.lease, ""))
        lane = (ROW - 10 - STRIP) / slots
        top, height = y + bar.slot * lane, lane * bar.slots - (1 if bar.slots else 0)
        if bar.kind in look.COPIES:
            top, height = y + ROW - 8 - STRIP, STRIP
        length = max(right - x - 0.8, 0.8)
        fill = look_of if bar.kind in look.COPIES else f"{name} {look_of}"
        said = f"lease {bar.lease} ({name}), {bar.kind}, {words.instant(bar.start)} to {words.instant(bar.end)}"
        place = f'x="{x:.1f}" y="{top:.1f}" width="{length:.1f}" height="{height:.1f}" rx="2"'
        drawn = f'<g><title>{escape(said)}</title><rect {place} class="{fill}"/>'
        if look_of in TEXTURED:
            drawn += f'<rect {place} class="over-{look_of}"/>'
        label = str(bar.lease)
        if look_of in {"run", "lost", "cancelled"} and height >= 11 and length > 8 * len(label) + 6:
            on = f"on-{name}" if look_of == "run" else "plain"
            drawn += f'<text x="{x + length / 2:.1f}" y="{top + height / 2 + 4:.1f}" class="id {on}">{label}</text>'
        return drawn + "</g>\n"


def _legend(seen: set[str], width: int, y: int) -> tuple[str, int]:
    items = [(f"{name} run", name, name) for name in look.TYPE_COLOURS]
    items += [(kind if kind in look.COPIES else f"best-effort {kind}", kind, said) for kind, said in _LEGEND]
    x, parts = PAD, list[str]()
    for fill, key, said in items:
        if key not in seen:
            continue
        length = 30 + round(7.0 * len(said)) + 14
        if x + length > width - PAD and x > PAD:
            x, y = PAD, y + 22
        height, top = (STRIP, y - 7) if key in look.COPIES else (12, y - 10)
        place = f'x="{x}" y="{top}" width="22" height="{height}" rx="2"'
        parts.append(f'<rect {place} class="{fill}"/>')
        if key in TEXTURED:
            parts.append(f'<rect {place} class="over-{key}"/>')
        parts.append(f'<text class="legend" x="{x + 29}" y="{y}">{escape(said)}</text>\n')
        x += length
    return "".join(parts), y + 18


def _patterns() -> str:
    def lines(name: str, size: int, path: str, pen: str) -> str:
        return (
            f'<pattern id="{name}" width="{size}" height="{size}" patternUnits="userSpaceOnUse">'
            f'<path d="{path}" fill="none" {pen}/></pattern>'
        )

    rising, falling = "M-2 10L10 -2M-6 6L6 -6M2 14L14 2", "M-2 -2L10 10M-6 2L6 14M2 -6L14 6"
    dark, light = 'stroke="#000" stroke-opacity=".7" stroke-width="2.6"', 'stroke="#fff" stroke-width="2.6"'
    lost = f'stroke="{look.LOST}" stroke-width="1.6"'
    return (
        f"<defs>{lines('suspend', 8, rising, dark)}{lines('resume', 8, falling, light)}"
        f"{lines('shutdown', 4, 'M0 2H4', dark.replace('2.6', '1.6'))}{lines('lost', 8, rising + falling, lost)}</defs>"
    )


def _style() -> str:
    def colours(palette: Mapping[str, str]) -> str:
        return (
            f".card{{fill:{palette['card']};stroke:{palette['line']}}}.row{{fill:{palette['row']}}}"
            f".grid{{stroke:{palette['line']}}}.title,.host,.legend,.plain{{fill:{palette['ink']}}}"
            f".plain{{stroke:{palette['card']};stroke-width:4px;paint-order:stroke}}.soft{{fill:{palette['soft']}}}.migrate{{fill:{palette['copy']}}}"
        )

    types = "".join(
        f".{name}{{fill:{colour};stroke:{colour}}}.on-{name}{{fill:{look.TEXT_ON[name]}}}"
        for name, colour in look.TYPE_COLOURS.items()
    )
    return (
        "<style>text{font:12px system-ui,'Segoe UI','DejaVu Sans',sans-serif}.title{font-size:16px;font-weight:650}"
        ".host{text-anchor:end}.soft{text-anchor:middle;font-size:11px}.id{text-anchor:middle;font-weight:600}"
        f"{types}.run,.suspend,.resume,.shutdown{{stroke:none}}.lost{{fill-opacity:.3;stroke:{look.LOST}}}"
        f".cancelled{{fill-opacity:.3;stroke-dasharray:4 2}}.transfer{{fill:{look.TRANSFER}}}"
        + "".join(f".over-{name}{{fill:url(#{name})}}" for name in TEXTURED)
        + colours(look.LIGHT)
        + f"@media(prefers-color-scheme:dark){{{colours(look.DARK)}}}</style>"
    )
