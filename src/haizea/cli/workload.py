"""``haizea workload``: converting, showing, checking, generating and annotating workloads."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from haizea.cli.files import replacing
from haizea.cli.values import SIZES, SPAN, site_option, swf_options, swf_parameters
from haizea.workloads.errors import WorkloadError
from haizea.workloads.load import load

SEED_MAX = 2**63 - 1


@click.group(short_help="Convert, show, check and generate workloads.")
def workload() -> None:
    """Convert, show, check and generate workloads: LWF and SWF, plain or gzip."""


@workload.command()
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("target", metavar="OUT", type=click.Path())
@swf_parameters
@site_option
def convert(source: str, target: str, site: Any, **values: Any) -> None:
    """Write the workload IN as LWF to OUT (gzip where OUT ends in .gz)."""
    from haizea.workloads.lwf_write import write_lwf

    loaded = load(source, site=site, swf=swf_options(values))
    try:
        with replacing(target) as stream:
            count = write_lwf(loaded, stream)
    except WorkloadError:
        raise
    except ValueError as error:
        # What LWF cannot hold is the workload's fault: a character that XML forbids, say.
        raise WorkloadError(source, None, str(error), "what an LWF can hold") from error
    click.echo(f"{target}: {count:,} leases{_left_out(loaded.skipped)}")


@workload.command()
@click.argument("file", type=click.Path())
@click.option("-o", "--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table",
              show_default=True, help="How rows are printed.")  # fmt: skip
@click.option("--annotations", type=click.Path(), help="Annotations that are applied first.")
@click.option("--length", type=SPAN, metavar="DD:HH:MM:SS", help="Time over which the load is taken.")
@swf_parameters
@site_option
def show(file: str, output_format: str, annotations: str | None, length: int | None, site: Any, **values: Any) -> None:
    """Print what the workload FILE holds: leases by type, their sizes, lengths and arrivals."""
    from haizea.cli.tables import print_rows
    from haizea.cli.workload_rows import rows

    loaded = load(file, site=site, swf=swf_options(values))
    if annotations is not None:
        from haizea.workloads.annotations import annotate, read_annotations

        notes = read_annotations(annotations)
        annotated = annotate(loaded.requests, notes)
        loaded = loaded._replace(requests=annotated, skipped={**loaded.skipped, **notes.left_out(annotated)})
    print_rows(("what", "value"), rows(loaded, length), output_format)


@workload.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@swf_parameters
@click.pass_context
def validate(ctx: click.Context, /, files: tuple[str, ...], **values: Any) -> None:
    """Read each FILE (LWF, SWF, or annotations .lwfa) to its end; exit status 2 where one is wrong."""
    from haizea.cli.main import WRONG_INPUT, tell

    wrong = False
    for path in files:
        try:
            click.echo(f"{path}: {_validated(path, values)}")
        except WorkloadError as error:
            wrong = True
            sys.stdout.flush()
            tell(str(error))
    ctx.exit(WRONG_INPUT if wrong else 0)


def _validated(path: str, values: Mapping[str, Any]) -> str:
    if path.removesuffix(".gz").endswith(".lwfa"):
        from haizea.workloads.annotations import read_annotations

        return f"in order, {len(read_annotations(path).items):,} annotations"
    loaded = load(path, swf=swf_options(values))
    count = sum(1 for _ in loaded.requests)
    return f"in order, {count:,} leases{_left_out(loaded.skipped)}"


def _left_out(skipped: Mapping[str, int]) -> str:
    causes = ", ".join(f"{count:,} {cause}" for cause, count in skipped.items() if count)
    return f" (left out: {causes})" if causes else ""


_NEEDED = ("model", "jobs", "processors")


@workload.command()
@click.option("--config", "-c", metavar="FILE", type=click.Path(),
              help="A recipe, as for haizea-lwf-generate; in place of --model and its options.")  # fmt: skip
@click.option(
    "--model",
    type=click.Choice(["lublin", "ar"]),
    help="lublin: best-effort jobs after Lublin and Feitelson; ar: advance reservations.",
)
@click.option("--jobs", type=click.IntRange(1, 100_000_000), help="How many leases.")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=0, show_default=True, help="What chance follows.")
@click.option("--processors", type=click.IntRange(1, 100_000), help="Processors of the machine.")
@click.option("--memory", type=click.IntRange(1, 1 << 40), default=1024, show_default=True, help="MiB of each VM.")
@click.option("--load", type=click.FloatRange(0, 100, min_open=True), help="lublin: share of the machine asked for.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="ar: share of the machine asked for.",
)
@click.option("--duration", type=SPAN, default="03:00:00", show_default=True, help="ar: mean duration.")
@click.option("--sizes", type=SIZES, metavar="LEAST-MOST", help="ar: VMs of a lease; from 1 to a sixth of the machine.")
@click.option("-o", "--output", required=True, type=click.Path(),
              help="The file to write: LWF, or SWF (lublin only) for a name in .swf; gzip for one in .gz.")  # fmt: skip
@site_option
@click.pass_context
def generate(ctx: click.Context, /, output: str, config: str | None, **values: Any) -> None:
    """Write a workload drawn at random; the same seed gives the same bytes.

    What is drawn follows a model (--model), or a recipe (--config).
    """
    missing = [f"--{name}" for name in _NEEDED if values[name] is None]
    if config is not None and len(missing) < len(_NEEDED):
        raise click.UsageError("--config says all that --model, --jobs and --processors would; leave them out", ctx)
    if config is None and missing:
        raise click.UsageError(f"Missing option {missing[0]}, or --config", ctx)
    if (config or values["model"] == "ar") and output.removesuffix(".gz").endswith(".swf"):
        raise click.UsageError("SWF has no reservations; name the output .lwf", ctx)
    if config is not None:
        click.echo(f"{output}: {_by_recipe(config, output, values['seed'], values['site']):,} leases")
        return
    from haizea.cli.workload_rows import generated

    try:
        with replacing(output) as stream:
            count = generated(stream, output, values)
    except ValueError as error:
        # Each value is within its own limits; what does not fit together is found where they meet.
        raise click.UsageError(str(error), ctx) from error
    click.echo(f"{output}: {count:,} leases")


def _by_recipe(config: str, output: str, seed: int, site: Any) -> int:
    from haizea.app.recipe import read_recipe
    from haizea.workloads.lwf_write import write_lwf
    from haizea.workloads.recipe import make_workload

    recipe = read_recipe(config)
    name = os.path.basename(output).split(".")[0]
    made = make_workload(recipe if site is None else recipe._replace(site=site), seed, name)
    with replacing(output) as stream:
        return write_lwf(made, stream)


@workload.command()
@click.argument("source", metavar="[IN]", required=False, type=click.Path())
@click.option("--count", "-n", type=click.IntRange(1, 10_000_000), metavar="N",
              help="Make N annotations, which go by the order of leases, for no workload in particular.")  # fmt: skip
@click.option("--config", "-c", required=True, metavar="FILE", type=click.Path(),
              help="A recipe, as haizea-lwf-annotate of Haizea 1.x has it.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=0, show_default=True, help="What chance follows.")
@click.option("-o", "--output", required=True, type=click.Path(), help="The file of annotations; gzip for one in .gz.")
@click.pass_context
def annotate(ctx: click.Context, /, source: str | None, count: int | None, config: str, seed: int, output: str) -> None:
    """Write annotations for the leases of the workload IN, drawn at random; the same seed gives the same bytes."""
    from haizea.app.recipe import read_recipe
    from haizea.workloads.lwf_write import write_annotations
    from haizea.workloads.recipe import make_annotations

    if (source is None) == (count is None):
        raise click.UsageError("name either a workload or --count", ctx)
    recipe = read_recipe(config)
    made = make_annotations(recipe, seed, load(source).requests if source is not None else count or 0)
    try:
        with replacing(output) as stream:
            written = write_annotations(made, stream)
    except ValueError as error:
        raise WorkloadError(config, None, str(error), "what XML can hold") from error
    click.echo(f"{output}: {written:,} annotations")
