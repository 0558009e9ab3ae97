"""Distributions as bars over bounds that grow like a logarithm, drawn as SVG inside the page."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

WAIT_BOUNDS: Final = (
    (0, "0"),
    (10, "10 s"),
    (60, "1 min"),
    (300, "5 min"),
    (900, "15 min"),
    (3_600, "1 h"),
    (4 * 3_600, "4 h"),
    (12 * 3_600, "12 h"),
    (86_400, "1 d"),
    (3 * 86_400, "3 d"),
    (7 * 86_400, "7 d"),
    (30 * 86_400, "30 d"),
)
"""Upper bounds of waits, in seconds, each with its name."""

SLOWDOWN_BOUNDS: Final = tuple((n, f"{n:,g}") for n in (1, 1.1, 1.5, 2, 5, 10, 20, 50, 100, 1_000, 10_000))
"""Upper bounds of bounded slowdowns."""

WIDTH, HEIGHT = 520, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 22, 40

Bin = tuple[str, int]


def bins(values: Iterable[float], bounds: Sequence[tuple[float, str]]) -> list[Bin]:
    """Count the values above the bound before and up to each bound, then those beyond the last.

    A bin is named after its upper bound. Empty bins at the far end are cut off.
    """
    limits = [bound for bound, _ in bounds]
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(limits, value)] += 1
    labels = [name for _, name in bounds] + ["> " + bounds[-1][1]]
    used = max((i for i, count in enumerate(counts) if count), default=-1)
    return list(zip(labels, counts, strict=True))[: used + 1]


def histogram_svg(counted: Sequence[Bin], name: str) -> str:
    """Draw bins as labelled bars. The height is the share of all values; each bar carries its count."""
    total, most = sum(count for _, count in counted), max((count for _, count in counted), default=0)
    if not total:
        return '<p class="soft">Nothing to count.</p>'
    step = (WIDTH - _LEFT - _RIGHT) / max(len(counted), 6)
    floor = HEIGHT - _BOTTOM
    parts = [
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">',
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{floor}" y2="{floor}" class="axis"/>',
    ]
    for i, (label, count) in enumerate(counted):
        height = max((floor - _TOP) * count / most, 1.5 if count else 0)
        x, middle = _LEFT + i * step, _LEFT + (i + 0.5) * step
        above = f"above {counted[i - 1][0]}, " if i and not label.startswith(">") else ""
        share = escape(f"{above}{'' if label.startswith('>') else 'up to '}{label}: {count:,} ({count / total:.1%})")
        parts.append(
            f'<g><title>{share}</title><rect class="bar" x="{x + step * 0.08:.1f}" width="{step * 0.84:.1f}" '
            f'y="{floor - height:.1f}" height="{height:.1f}" rx="2"/>'
            f'<text x="{middle:.1f}" y="{floor - height - 5:.1f}" class="count">{f"{count:,}" if count else ""}</text>'
            f'<text x="{middle:.1f}" y="{floor + 15}" class="label">{escape(label)}</text></g>'
        )
    parts.append("</svg>")
    return "".join(parts)
