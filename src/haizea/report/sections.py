"""The parts of the page that are plain HTML and need no script: headline numbers, legend, tables, distributions.

Every name and reason comes from outside and is escaped here.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from haizea.report import look, words
from haizea.report.data import LeaseRow
from haizea.report.histogram import SLOWDOWN_BOUNDS, WAIT_BOUNDS, bins, histogram_svg
from haizea.report.pieces import Pieces

REQUESTS_MAX: Final = 1_000
"""The table of reservations asked for shows this many, rejected ones first."""

SETTINGS_MAX: Final = 5_000
TEXT_MAX: Final = 2_000
"""Longer names and reasons are cut in the page."""


def part(source: object, *path: str) -> object:
    """Return what a nested mapping holds at a path, None where it holds nothing."""
    for name in path:
        if not isinstance(source, Mapping):
            return None
        source = source.get(name)
    return source


def amount(source: object, *path: str) -> float | None:
    """Return the number at a path, None where there is none."""
    value = part(source, *path)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def text(value: object) -> str:
    """Escape anything for HTML, cut at :data:`TEXT_MAX`."""
    said = str(value)
    return escape(said if len(said) <= TEXT_MAX else said[:TEXT_MAX] + "…")


def tiles(summary: Mapping[str, object]) -> str:
    """The numbers that a person asks for first."""
    accepted, rejected = amount(summary, "ar", "accepted"), amount(summary, "ar", "rejected")
    asked = None if accepted is None or rejected is None else accepted + rejected
    wait, slowdown = part(summary, "besteffort", "wait_s"), part(summary, "besteffort", "bounded_slowdown")
    shares = part(summary, "utilisation")
    others = shares.items() if isinstance(shares, Mapping) else ()
    overheads = part(summary, "overhead_s")
    overhead = sum(amount(overheads, name) or 0 for name in overheads) if isinstance(overheads, Mapping) else None
    rows = [
        _tile("CPU used", words.percent(amount(shares, "CPU")), _share_words(others)),
        _tile(
            "Advance reservations",
            words.NONE if asked is None else f"{words.number(accepted)} of {words.number(asked)}",
            "accepted" if not rejected else f"accepted; {words.number(rejected)} rejected",
        ),
        _tile(
            "Best-effort wait",
            words.seconds(amount(wait, "median")),
            f"median; mean {words.seconds(amount(wait, 'mean'))}, p95 {words.seconds(amount(wait, 'p95'))}",
        ),
        _tile(
            "Bounded slowdown",
            words.number(amount(slowdown, "median")),
            f"median; mean {words.number(amount(slowdown, 'mean'))}, p95 {words.number(amount(slowdown, 'p95'))}",
        ),
        _tile(
            "All best effort",
            words.seconds(amount(summary, "besteffort", "all_best_effort_s")),
            f"until the last of {words.number(amount(summary, 'besteffort', 'count'))} ended",
        ),
        _tile(
            "Preemptions",
            words.number(amount(summary, "preemptions")),
            f"{words.counted(amount(summary, 'suspensions'), 'suspension')}, "
            f"{words.counted(amount(summary, 'resumptions'), 'resumption')}, "
            f"{words.number(amount(summary, 'requeued'))} requeued",
        ),
        _tile(
            "Copies",
            words.number((amount(summary, "migrations") or 0) + (amount(summary, "transfers") or 0)),
            f"{words.counted(amount(summary, 'migrations'), 'migration')}, "
            f"{words.counted(amount(summary, 'transfers'), 'image transfer')}",
        ),
        _tile("Work lost", words.seconds(amount(summary, "lost_s")), f"overheads {words.seconds(overhead)}"),
    ]
    return f'<div class="tiles">{"".join(rows)}</div>'


def _tile(name: str, value: str, more: str) -> str:
    return f'<div class="tile"><h3>{text(name)}</h3><p class="value">{text(value)}</p><p>{text(more)}</p></div>'


def _share_words(shares: Iterable[tuple[object, object]]) -> str:
    said = [f"{name} {words.percent(share)}" for name, share in shares if name != "CPU" and isinstance(share, float)]
    return ", ".join(said) or "of all hosts, all the time"


def outcomes(summary: Mapping[str, object]) -> str:
    """The table of leases by type and state."""
    leases = part(summary, "leases")
    if not isinstance(leases, Mapping) or not leases:
        return '<p class="soft">No leases.</p>'
    states = list(dict.fromkeys(state for by_state in leases.values() if by_state for state in by_state))
    head = "".join(f'<th scope="col" class="n">{text(state)}</th>' for state in states)
    body = []
    for name, by_state in leases.items():
        counts = [amount(by_state, state) or 0 for state in states]
        cells = "".join(f'<td class="n">{words.number(count) if count else words.NONE}</td>' for count in counts)
        body.append(
            f'<tr><th scope="row">{_swatch(look.type_of(str(name)))} {text(name)}</th>{cells}'
            f'<td class="n">{words.number(sum(counts))}</td></tr>'
        )
    return (
        f'<table><thead><tr><th scope="col">Type</th>{head}<th scope="col" class="n">all</th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def reasons(summary: Mapping[str, object]) -> str:
    """Why advance reservations were rejected, the most frequent reason first; empty if none was."""
    counted = part(summary, "ar", "reasons")
    if not isinstance(counted, Mapping) or not counted:
        return ""
    pairs = sorted(counted.items(), key=lambda pair: (-(amount(counted, pair[0]) or 0), str(pair[0])))
    body = "".join(
        f'<tr><td class="n">{words.number(amount(counted, reason))}</td><td>{text(reason)}</td></tr>'
        for reason, _ in pairs[:REQUESTS_MAX]
    )
    return f'<h3>Why reservations were rejected</h3><div class="scroll"><table><tbody>{body}</tbody></table></div>'


def requests(leases: Sequence[LeaseRow]) -> str:
    """The table of everything asked for at a time: reservations, immediate and deadline leases."""
    timed = [lease for lease in leases if lease.type != "best-effort"]
    if not timed:
        return '<p class="soft">Nobody asked for a reservation.</p>'
    timed.sort(key=lambda lease: (not lease.state.startswith("rejected"), lease.submitted or 0, lease.id))
    body = "".join(
        f'<tr class="{"rejected" if lease.state.startswith("rejected") else ""}"><td class="n">{lease.id}</td>'
        f'<td class="t">{_swatch(look.type_of(lease.type))} {text(lease.type)}</td><td>{text(lease.state)}</td>'
        f'<td class="n">{words.number(lease.nodes)}</td><td class="t">{words.instant(lease.submitted)}</td>'
        f'<td class="t">{words.instant(lease.started)}</td><td class="t">{words.instant(lease.ended)}</td>'
        f'<td class="reason">{text(lease.reason)}</td></tr>'
        for lease in timed[:REQUESTS_MAX]
    )
    heads = ("Lease", "Type", "State", "VMs", "Submitted", "Started", "Ended", "Reason")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    more = len(timed) - REQUESTS_MAX
    return table + (f'<p class="soft">{more:,} more are in leases.csv.</p>' if more > 0 else "")


def distributions(leases: Sequence[LeaseRow], summary: Mapping[str, object]) -> str:
    """Histograms of wait and bounded slowdown of best-effort leases."""
    best = [lease for lease in leases if lease.type == "best-effort"]
    figures = (
        ("Wait of best-effort leases", "wait_s", WAIT_BOUNDS, [b.wait_s for b in best], words.seconds),
        (
            "Bounded slowdown of best-effort leases",
            "bounded_slowdown",
            SLOWDOWN_BOUNDS,
            [b.bounded_slowdown for b in best],
            words.number,
        ),
    )
    out = []
    for name, key, bounds, values, say in figures:
        known = [value for value in values if value is not None]
        said = [f"{p} {say(amount(summary, 'besteffort', key, p))}" for p in ("mean", "median", "p95")]
        out.append(
            f"<figure><figcaption><h3>{name}</h3><p>{text(', '.join(said))} · {words.counted(len(known), 'lease')}</p>"
            "</figcaption>"
            f"{histogram_svg(bins(known, bounds), name)}</figure>"
        )
    note = '<p class="soft">A bar counts the leases above the value on its left, up to the value below it.</p>'
    return f'<div class="figures">{"".join(out)}</div>{note}'


def settings(config: Mapping[str, object]) -> str:
    """The effective configuration, one row a setting."""
    rows = list(_flat(config, ""))
    body = "".join(
        f'<tr><th scope="row"><code>{text(key)}</code></th><td><code>{text(value)}</code></td></tr>'
        for key, value in rows[:SETTINGS_MAX]
    )
    return f'<table class="settings"><tbody>{body}</tbody></table>' if rows else '<p class="soft">Nothing set.</p>'


def _flat(source: Mapping[str, object], prefix: str) -> Iterable[tuple[str, object]]:
    for key, value in source.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(str(item) for item in value)
        else:
            yield (
                f"{prefix}{key}",
                {True: "yes", False: "no", None: words.NONE}.get(value)
                if (value is None or isinstance(value, bool))
                else value,
            )


def legend() -> str:
    """What the colours and textures of the schedule mean."""
    items = [(_swatch(name), name) for name in look.TYPES]
    items += [(_texture(kind), said) for kind, said in TEXTURES]
    return '<ul class="legend">' + "".join(f"<li>{swatch} {said}</li>" for swatch, said in items) + "</ul>"


TEXTURES: Final = (
    ("suspend", "suspending"),
    ("resume", "resuming"),
    ("shutdown", "shutting down"),
    ("lost", "work lost"),
    ("cancelled", "cancelled"),
    ("transfer", "image transfer"),
    ("migrate", "migration"),
)


def _swatch(name: str) -> str:
    return f'<span class="swatch" style="background:{look.TYPE_COLOURS[name]}"></span>'


def _texture(kind: str) -> str:
    return f'<span class="swatch {kind}"></span>'


def left_out(pieces: Pieces) -> str:
    """Say what the schedule does not show, if anything."""
    if not pieces.left_out:
        return ""
    return (
        f'<p class="note">{pieces.left_out:,} of {pieces.rows:,} reservations, each of '
        f"{words.length(pieces.left_out_longest)} or less, are too many to draw here; reservations.csv has all.</p>"
    )
