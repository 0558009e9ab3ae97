"""``haizea experiment``: all runs of a multi-configuration file."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from haizea.app.experiment import Experiment, ExperimentRequest, Finished, summary_columns
from haizea.cli.run import VIOLATED
from haizea.cli.summary import span

FAILED = 1
JOBS_MAX = 1024


def processors() -> int:
    """Return how many processors there are to be used."""
    return min(JOBS_MAX, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@click.command(short_help="Run all simulations of a multi-configuration file.")
@click.argument("config", metavar="FILE", type=click.Path())
@click.option("--output", metavar="DIR", type=click.Path(),
              help="Folder for summary.csv and a folder for each run; multi.datadir where not given.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, JOBS_MAX), metavar="N",
              help="How many runs at a time; as many as there are processors where not given.")  # fmt: skip
@click.option("--set", "sets", multiple=True, metavar="SECTION.KEY=VALUE",
              help="Set one option of every run; may be repeated.")  # fmt: skip
@click.option("--detail", type=click.Choice(["full", "leases"]), default="full", show_default=True,
              help="What is written of each run: everything, or no reservations.csv.")  # fmt: skip
@click.option("--report", is_flag=True, help="Also write one HTML page for each run.")
@click.option("--verify", is_flag=True, help="Verify every schedule after every event (slow).")
@click.option("-o", "--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table",
              show_default=True, help="How the summary is printed; json and csv have all of summary.csv.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print no summary, and only what went wrong.")
@click.pass_context
def experiment(ctx: click.Context, /, output_format: str, quiet: bool, jobs: int | None, **values: Any) -> None:
    """Run all simulations that a multi-configuration FILE describes.

    There is one for each profile, workload, annotation file (or none) and injection file (or none).

    Exit status: 0 done, 1 a run failed (the others went on), 2 wrong input, 3 the verification of --verify failed.
    """
    made = Experiment(ExperimentRequest(jobs=processors() if jobs is None else jobs, **values))
    # The default would end this process and leave those of the runs behind.
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        finished = made.run(_teller(len(made.runs), not quiet and sys.stderr.isatty()))
    finally:
        signal.signal(signal.SIGTERM, before)
    if not quiet:
        _print(finished, output_format)
    states = {each.state for each in finished}
    ctx.exit(FAILED if "failed" in states else VIOLATED if "violated" in states else 0)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _teller(runs: int, everything: bool) -> Any:
    """Return what tells of each run that is over: of those that went wrong always, of the others on a terminal."""
    over = 0

    def tell(finished: Finished) -> None:
        nonlocal over
        over += 1
        if finished.state == "failed":
            sys.stderr.write(f"haizea: {finished.run.name}: failed: {finished.error}\n")
        elif finished.state == "violated":
            sys.stderr.write(f"haizea: {finished.run.name}: verification found {finished.violations} violations\n")
        elif everything:
            sys.stderr.write(f"{over} of {runs}: {finished.run.name} done\n")

    return tell


def _print(finished: Sequence[Finished], output_format: str) -> None:
    from haizea.cli.tables import Block, print_blocks

    rows = [each.row() for each in finished]
    if output_format == "csv":
        from haizea.experiments.figures import write_csv

        write_csv(sys.stdout, summary_columns(rows), rows)
    elif output_format == "json":
        import json

        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        headers = ("run", "state", "leases", "done", "rejected", "mean wait", "mean b.sld.", "CPU in use", "simulated")
        print_blocks([Block("", [_short(each) for each in finished], headers)])


def _short(finished: Finished) -> list[str]:
    """Return the row of a run for people."""
    summary: Mapping[str, Any] = finished.summary or {}
    if not summary:
        return [finished.run.name, finished.state, *[""] * 7]
    counts = list(summary["leases"].values())
    of = [sum(sum(c.values()) for c in counts), *(sum(c.get(s, 0) for c in counts) for s in ("done", "rejected"))]
    wait, slowdown = (summary["besteffort"][name]["mean"] for name in ("wait_s", "bounded_slowdown"))
    return [
        finished.run.name,
        finished.state,
        *(f"{count:,}" for count in of),
        "" if wait is None else span(wait),
        "" if slowdown is None else f"{slowdown:.2f}",
        f"{100 * summary['utilisation'].get('CPU', 0):.1f} %",
        span(summary["simulated_s"]),
    ]
