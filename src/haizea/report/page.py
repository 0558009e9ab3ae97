"""The report of a simulation as one HTML page that needs nothing else: no network, no other file.

Numbers, tables and distributions are plain HTML. The schedule, the utilisation and the queue are drawn by the page's
own script from data embedded in it. Same data, same bytes.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Final

from haizea.report import look, sections, words
from haizea.report.data import LeaseRow, ReportData, embedded, read_lease
from haizea.report.pieces import Pieces, merge

__all__ = ["ReportData", "build_page", "write_report"]

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<div><h1>{title}</h1>
<p>{subtitle}</p></div>
<button type="button" id="theme" hidden>Light or dark</button>
</header>
<main>
<section aria-label="Headline numbers">
{tiles}
</section>
<section class="card">
<h2>Schedule</h2>
{legend}
{left_out}
<noscript><p class="note">Drawing the schedule needs JavaScript; the numbers below do not.</p></noscript>
<div id="schedule" hidden>
<div class="tools" role="toolbar" aria-label="Schedule">
<button type="button" data-do="in" title="Zoom in (+)">Zoom in</button>
<button type="button" data-do="out" title="Zoom out (-)">Zoom out</button>
<button type="button" data-do="left" title="Earlier (left arrow)">Earlier</button>
<button type="button" data-do="right" title="Later (right arrow)">Later</button>
<button type="button" data-do="all" title="Everything (0)">Everything</button>
<button type="button" data-do="taller" title="Taller rows (])">Taller rows</button>
<button type="button" data-do="shorter" title="Shorter rows ([)">Shorter rows</button>
<label>Find lease <input id="find" inputmode="numeric" size="8" autocomplete="off"></label>
<output id="found" aria-live="polite"></output>
</div>
<p id="view" class="soft"></p>
<div id="scroller" tabindex="0" role="application"
 aria-label="Schedule of hosts over time. Arrow keys move, plus and minus zoom, 0 shows everything.">
<canvas id="gantt"></canvas><canvas id="marks"></canvas><div id="spacer"></div>
</div>
<h3>Capacity used</h3>
<canvas id="utilisation" class="chart" role="img" aria-label="Capacity used over time"></canvas>
<h3>Leases waiting in the queue</h3>
<canvas id="queue" class="chart" role="img" aria-label="Length of the queue over time"></canvas>
<p class="soft">Drag to move; click the schedule, then turn the wheel to zoom (or hold Ctrl). A row's height is shared
by as many VMs as its host ever held at once. When bars get narrower than a pixel, the paler a pixel the less of its
time was used. Times are UTC.</p>
</div>
<div id="tip" role="tooltip" hidden></div>
</section>
<section class="card">
<h2>Waiting</h2>
{distributions}
</section>
<section class="card">
<h2>Leases by type and outcome</h2>
<div class="scroll">{outcomes}</div>
{reasons}
</section>
<section class="card">
<h2>Reservations, immediate and deadline leases</h2>
{requests}
</section>
<section class="card">
<details><summary>Effective configuration</summary>{settings}</details>
<details><summary>All numbers</summary>{numbers}</details>
</section>
</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def write_report(path: str | PathLike[str], data: ReportData) -> None:
    """Write the page of a finished schedule, in UTF-8.

    Raises:
        ValueError: a lease or reservation is not what :class:`ReportData` says.
        OSError: the file cannot be written.
    """
    page = build_page(data)
    # A file name on the command line may hold bytes that are no text; they must not cost the report.
    with open(path, "w", encoding="utf-8", errors="replace", newline="\n") as out:
        out.write(page)


def build_page(data: ReportData) -> str:
    """Return the page as text.

    Raises:
        ValueError: a lease or reservation is not what :class:`ReportData` says.
    """
    leases = [read_lease(row) for row in data.leases]
    return _fill(data, leases, merge(data.reservations, len(data.hosts)))


def _fill(data: ReportData, leases: list[LeaseRow], pieces: Pieces) -> str:
    script = _script()
    parts = {
        "policy": _policy(script),
        "title": sections.text(data.title),
        "subtitle": _subtitle(data),
        "style": _style(),
        "tiles": sections.tiles(data.summary),
        "legend": sections.legend(),
        "left_out": sections.left_out(pieces),
        "distributions": sections.distributions(leases, data.summary),
        "outcomes": sections.outcomes(data.summary),
        "reasons": sections.reasons(data.summary),
        "requests": sections.requests(leases),
        "settings": sections.settings(data.config),
        "numbers": sections.settings(data.summary),
        "data": script_json(embedded(data, leases, pieces)),
        "script": script,
    }
    return _PAGE.format(**parts)


def script_json(value: object) -> str:
    """Write JSON that no text inside it can break out of a script element with."""
    from json import dumps

    said = dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return said.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(script: str) -> str:
    from base64 import b64encode
    from hashlib import sha256

    # Only this very script may run, so even a hole in the escaping would run nothing.
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _subtitle(data: ReportData) -> str:
    summary = data.summary
    hosts = len(data.hosts)
    said = [str(summary["workload"])] if summary.get("workload") else []
    said.append(f"{hosts:,} host" if hosts == 1 else f"{hosts:,} hosts")
    site = summary.get("site")
    if isinstance(site, Mapping):
        said += [f"{name} {amount:,}" for name, amount in site.items() if name != "hosts"]
    elif site:
        said.append(str(site))
    start, end = summary.get("start"), summary.get("end")
    if start is not None and end is not None:
        said.append(f"{_moment(start)} to {_moment(end)}")
    simulated = sections.amount(summary, "simulated_s")
    if simulated is not None:
        said.append(f"{words.seconds(simulated)} simulated")
    return sections.text(" · ".join(said))


def _moment(value: object) -> str:
    return words.instant(value) if isinstance(value, int) else str(value).replace("T", " ").removesuffix("Z")


def _script() -> str:
    from json import dumps

    shared = {"types": look.TYPE_COLOURS, "on": look.TEXT_ON, "lost": look.LOST, "transfer": look.TRANSFER}
    # A CSP hash covers the element's text as parsed, in which a line ends with a single line feed.
    return f"\nconst LOOK = {dumps(shared)};\n" + _resource("page.js").replace("\r\n", "\n")


def _style() -> str:
    def variables(colours: Mapping[str, str]) -> str:
        return ";".join(f"--{name}:{colour}" for name, colour in colours.items())

    light, dark = variables(look.LIGHT), variables(look.DARK)
    fixed = f"--lost:{look.LOST};--transfer:{look.TRANSFER};--best-effort:{look.TYPE_COLOURS['best-effort']}"
    return (
        f":root{{{fixed};{light};color-scheme:light}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark};color-scheme:dark}}}}"
        f":root[data-theme=dark]{{{dark};color-scheme:dark}}\n" + _resource("page.css")
    )


def _resource(name: str) -> str:
    from importlib.resources import files

    return files("haizea.report").joinpath(name).read_text(encoding="utf-8")
