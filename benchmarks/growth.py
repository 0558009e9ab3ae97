"""How the cost of a lease grows: with the leases of a workload, the hosts of a site, and what is reserved."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import tables
from benchmarks.admission import admission_row
from benchmarks.command import Scenario, simulate, warm_up
from benchmarks.inputs import ROOT, generated
from benchmarks.tables import Column, Result, Row
from benchmarks.traces import BACKFILLING

LEASES: Final = (10_000, 30_000, 100_000, 300_000, 1_000_000)
CONSERVATIVE_MAX: Final = 300_000
HOSTS: Final = (36, 144, 576, 2_304, 9_216)
RESERVATIONS: Final = (1_000, 3_000, 10_000, 30_000, 100_000)
PER_SITE: Final = 30_000
CORES: Final = 8
IMAGES: Final = ROOT / "docs" / "img"

COLUMNS: Final = (
    Column("growing", "growing"),
    tables.BACKFILLING,
    Column("size", "size", ","),
    Column("us", "us per lease", ",.1f"),
    Column("slope", "slope", ".2f"),
    tables.MEMORY,
)


def growth(runs: int, quick: bool) -> Result:
    """Measure how cost per lease grows in three directions."""
    warm_up(generated(100, 1_152))
    rows = [*_leases(runs, quick), *_hosts(runs, quick), *_reservations(runs, quick)]
    notes = (
        "leases: EASY and others, 144 hosts of 8 cores. hosts: 30,000 leases that ask for 75 % of the site.",
        "reservations: admission of one advance reservation at 1,000 hosts, half of them reserved.",
        "slope: of log cost over log size since the smallest size; 0 is constant, 1 is proportional.",
    )
    return Result("growth", "How the cost of one lease grows", COLUMNS, rows, notes)


def _leases(runs: int, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for backfilling in BACKFILLING:
        most = CONSERVATIVE_MAX if backfilling == "conservative" else LEASES[-1]
        counts = [n for n in (LEASES[:2] if quick else LEASES) if n <= most]
        rows += _sloped([_simulated("leases", n, backfilling, runs, generated(n, 144 * CORES), 144) for n in counts])
    return rows


def _hosts(runs: int, quick: bool) -> list[Row]:
    rows: list[Row] = []
    jobs = 3_000 if quick else PER_SITE
    sites = HOSTS[:3] if quick else HOSTS
    for backfilling in BACKFILLING:
        rows += _sloped([_simulated("hosts", n, backfilling, runs, generated(jobs, n * CORES), n) for n in sites])
    return rows


def _simulated(growing: str, size: int, backfilling: str, runs: int, workload: Path, hosts: int) -> Row:
    site = f"{hosts} CPU:{CORES * 100} Memory:{CORES * 1024}"
    found = simulate(Scenario(f"{size:,} {growing}", workload, site, backfilling, "none", ("--memory", "1024")), runs)
    rate = found.get("rate")
    cost = 1e6 / rate if isinstance(rate, float) else None
    row: Row = {"growing": growing, "backfilling": backfilling, "size": size, "us": cost}
    return row | {"memory_mb": found.get("memory_mb")}


def _reservations(runs: int, quick: bool) -> list[Row]:
    series: list[Row] = []
    for count in RESERVATIONS[:2] if quick else RESERVATIONS:
        found = admission_row(1_000, count, False, runs, 300)
        row: Row = {"growing": "reservations", "backfilling": None, "size": count, "us": found["median_us"]}
        series.append(row | {"memory_mb": found["memory_mb"]})
    return _sloped(series)


def _sloped(series: list[Row]) -> list[Row]:
    """Add to each row the slope of its cost over its size since the first one, on logarithmic scales."""
    first = series[0]
    for row in series[1:]:
        match first["us"], row["us"], first["size"], row["size"]:
            case float(c0), float(c1), int(n0), int(n1):
                row["slope"] = math.log(c1 / c0) / math.log(n1 / n0)
    return series


def draw(result: Result, folder: Path = IMAGES) -> list[Path]:
    """Draw the growth measured, one SVG for each direction; needs the extra ``plots``."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "haizea", "svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for growing in ("leases", "hosts", "reservations"):
        figure, axes = pyplot.subplots(figsize=(5.2, 3.4), layout="constrained")
        for label, points in _series(result.rows, growing).items():
            axes.plot(*zip(*points, strict=True), marker="o", label=label)
        axes.set(xscale="log", yscale="log", xlabel=growing, ylabel="µs of CPU time per lease")
        shown = [row for row in result.rows if row["growing"] == growing]
        axes.set_ylim(*_decades(shown))
        sizes = sorted({size for row in shown if isinstance(size := row["size"], int)})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
        axes.set_xticks([], minor=True)
        axes.grid(visible=True, which="both", linewidth=0.3)
        axes.legend()
        path = folder / f"growth-{growing}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
        drawn.append(path)
    return drawn


def _series(rows: Sequence[Row], growing: str) -> dict[str, list[tuple[float, float]]]:
    """Return the curves of one plot: for each its points, size and cost."""
    names = {"off": "no backfilling", "aggressive": "EASY", "conservative": "conservative", "None": "admission"}
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        size, cost = row["size"], row["us"]
        if row["growing"] == growing and isinstance(size, int) and isinstance(cost, float):
            series.setdefault(names[str(row["backfilling"])], []).append((size, cost))
    return series


def _decades(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the whole powers of ten around all costs, so that a flat line looks flat."""
    costs = [row["us"] for row in rows if isinstance(row["us"], float)]
    return 10.0 ** math.floor(math.log10(min(costs))), 10.0 ** math.ceil(math.log10(max(costs)))
