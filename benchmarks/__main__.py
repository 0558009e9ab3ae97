"""The command ``python -m benchmarks``: measure, print tables, write figures."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.admission import admission, start
from benchmarks.growth import draw, growth
from benchmarks.machine import machine
from benchmarks.store import store
from benchmarks.tables import Result, render, tell
from benchmarks.traces import million, traces

# Growth comes last: it may draw, and what draws takes memory that would count as a child's.
BENCHMARKS: Final[dict[str, Callable[[int, bool], Result]]] = {
    "traces": traces,
    "million": million,
    "admission": admission,
    "start": start,
    "store": store,
    "growth": growth,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what Haizea costs.")
    parser.add_argument("what", nargs="?", default="all", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each: shows that it works")
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        help="report the median of N runs (3; quick: 1); what takes over a minute is run once",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    parser.add_argument("--plots", action="store_true", help="growth: draw docs/img/growth-*.svg (extra: plots)")
    given = parser.parse_args(arguments)
    runs = given.runs if given.runs is not None else 1 if given.quick else 3
    if runs < 1:
        parser.error(f"--runs must be at least 1, not {runs}")
    here = machine()
    print(", ".join(f"{name} {value}" for name, value in here.items()) + f", median of {runs} runs\n", flush=True)
    results = []
    for name in BENCHMARKS if given.what == "all" else [given.what]:
        results.append(BENCHMARKS[name](runs, given.quick))
        print(render(results[-1]), flush=True)
    if given.json is not None:
        figures = {result.name: result.rows for result in results}
        text = json.dumps({"machine": here, "runs": runs, "quick": given.quick, **figures}, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    if given.plots and results[-1].name == "growth":
        for path in draw(results[-1]):
            tell(f"drawn: {path}")


if __name__ == "__main__":
    main()
