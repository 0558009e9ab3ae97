"""``haizea-convert-data``: results of runs as CSV, in the shape that Haizea 1.x gave them."""

import sys

import click

from haizea.experiments.data import counter as one_counter
from haizea.experiments.data import counters, per_lease, per_run, read_run
from haizea.experiments.figures import write_csv


@click.command()
@click.option("-t", "--type", "kind", type=click.Choice(["per-run", "per-lease", "counter"]), help="Which data.")
@click.option("-c", "--counter", help="Which counter, with -t counter.")
@click.option("-f", "--format", "output_format", type=click.Choice(["csv"]), default="csv", help="Accepted; it is CSV.")
@click.option("-l", "--list-counters", is_flag=True, help="Only print the names of the counters there are.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.pass_context
def convert_data(
    ctx: click.Context,
    /,
    kind: str | None,
    counter: str | None,
    output_format: str,
    list_counters: bool,
    files: tuple[str, ...],
) -> None:
    """Print what runs have come to as CSV. Each FILE is the folder of a run's results, or its summary.json.

    Counters are kept where the configuration of a run names their probes (accounting.probes).
    """
    runs = [read_run(path) for path in files]
    if list_counters:
        for name in counters(runs):
            click.echo(name)
        return
    if kind is None:
        raise click.UsageError("Missing option '-t': per-run, per-lease or counter", ctx)
    if kind == "counter" and counter is None:
        raise click.UsageError("Missing option '-c': the counter's name; -l lists them", ctx)
    if kind == "per-run":
        write_csv(sys.stdout, *per_run(runs))
    elif kind == "per-lease":
        write_csv(sys.stdout, *per_lease(runs))
    else:
        write_csv(sys.stdout, *one_counter(runs, counter or ""))
