"""``haizea chaos``: the whole lease manager in simulated time, with everything going wrong that can."""

import sys

import click

from haizea.app.chaos import HOURS, ChaosRequest, Totals, run_all, smallest
from haizea.cli.experiment import JOBS_MAX, processors
from haizea.cli.run import VIOLATED
from haizea.experiments.chaos.runner import Outcome


class Numbers(click.ParamType[tuple[int, ...]]):
    """Numbers of acts, separated by commas."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple([int(each) for each in str(value).split(",")])
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 3,14,15", param, ctx)


@click.command(short_help="Run the lease manager with everything going wrong.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What everything is drawn from.")
@click.option("--hours", type=click.FloatRange(0.1, 10_000), default=HOURS, show_default=True,
              help="How long things go wrong, two hours at a time with an hour of calm after each.")  # fmt: skip
@click.option("--faults", type=click.IntRange(1, 1_000_000), metavar="N",
              help="How many faults are planned for each seed; one a minute where not given.")  # fmt: skip
@click.option("--database", type=click.Choice(["memory", "sqlite"]), default="memory", show_default=True,
              help="Where the lease manager keeps its state.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 1_000_000), default=1, show_default=True, metavar="N",
              help="How many seeds, from --seed on.")  # fmt: skip
@click.option("--until", type=click.IntRange(1), metavar="N", help="Go on with further seeds until N faults in all.")
@click.option("--jobs", type=click.IntRange(1, JOBS_MAX), metavar="N",
              help="How many seeds at a time; as many as there are processors where not given.")  # fmt: skip
@click.option("--only", type=Numbers(), metavar="N,N,…", help="Only these acts of the seed, by their numbers.")
@click.option("--shrink/--no-shrink", default=True, show_default=True,
              help="Look for as few acts as it goes wrong with.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print only what went wrong.")
@click.pass_context
def chaos(
    ctx: click.Context,
    seed: int,
    hours: float,
    faults: int | None,
    database: str,
    seeds: int,
    until: int | None,
    jobs: int | None,
    only: tuple[int, ...] | None,
    shrink: bool,
    quiet: bool,
) -> None:
    """Run the whole lease manager in simulated time while everything goes wrong that can.

    Requests, cancellations and orders come in while VMs crash, administrators act behind Haizea's back, hosts fail, the
    platform delays, drops, repeats and lies, the clock jumps, the store is away, and the daemon is killed. Everything
    that must hold is checked after every step; then the faults stop, and everything must come to rest.

    The same seed gives the same journal, of which the hash is printed. Exit status: 0 all is well, 3 something was
    found wrong: then the command is printed that repeats it, with as few acts as were found.
    """
    first = ChaosRequest(seed, hours, faults or 0, database, only)
    totals = Totals()
    for request, outcome in run_all(first, seeds, until, jobs or processors()):
        totals.add(outcome)
        if outcome.found is not None:
            _tell_wrong(request, outcome, shrink=shrink)
        elif not quiet:
            click.echo(
                f"seed {outcome.seed}: {outcome.went_wrong} faults, {outcome.leases} leases, journal {outcome.journal}"
            )
    if not quiet:
        _tell(totals)
    ctx.exit(VIOLATED if totals.wrong else 0)


def _tell_wrong(request: ChaosRequest, outcome: Outcome, *, shrink: bool) -> None:
    found = outcome.found
    if found is None:
        return
    click.echo(f"seed {outcome.seed}: WRONG ({found.kind}): {found.text}")
    click.echo(f"to repeat it: {request.command}")
    if not shrink:
        return
    sys.stderr.write("looking for as few acts as it goes wrong with …\n")
    small, shown = smallest(request, outcome)
    click.echo(f"with as few acts as were found: {small.command}")
    for act in small.plan.acts:
        if act.number in (small.only or ()):
            click.echo(f"  {act}")
    if shown.found is not None:
        click.echo("what happened last:")
        for line in shown.found.before:
            click.echo(f"  {line}")
        click.echo(f"then: {shown.found.text}")


def _tell(totals: Totals) -> None:
    click.echo(
        f"{totals.seeds} seeds, {totals.faults.total()} faults, {totals.leases} leases, {totals.steps} steps, "
        f"{totals.wrong} wrong; at rest after at most {totals.slowest // 1000} s of calm"
    )
    for title, counts in (
        ("faults", totals.faults),
        ("orders", totals.orders),
        ("events", totals.events),
        ("states", totals.states),
        ("reactions", totals.reactions),
    ):
        click.echo(f"{title}:")
        for name, count in sorted(counts.items()):
            click.echo(f"  {count:>9} {name}")
    _tell_never("classes of faults", totals.faults_never())
    _tell_never("entries of the table of reactions", totals.reactions_never())


def _tell_never(what: str, names: list[str]) -> None:
    click.echo(f"{what} that never came: {', '.join(names) or 'none'}")
