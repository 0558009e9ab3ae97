"""``haizea config``: checking, showing and converting configurations."""

import sys

import click

from haizea.config import ConfigError, load
from haizea.config.document import read_document
from haizea.config.multi import expand, multi_to_toml
from haizea.config.notes import notes
from haizea.config.write import effective, to_toml


@click.group(short_help="Check, show and convert configurations.")
def config() -> None:
    """Check, show and convert configurations: TOML, and INI of Haizea 1.x."""


@config.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...]) -> None:
    """Tell everything that is wrong with each FILE; exit status 2 where something is.

    What is given and has no effect in a simulation is told too, and is no fault.
    """
    problems: list[str] = []
    for path in files:
        try:
            if read_document(path).is_multi:
                runs = expand(path)
                click.echo(f"{path}: describes {len(runs)} runs, all of them in order")
                told = [note for run in runs for note in notes(run.settings)]
            else:
                settings = load(path, environ={})
                click.echo(f"{path}: in order, {len(settings.origins)} options are given")
                told = notes(settings)
            for note in dict.fromkeys(told):
                click.echo(note)
        except ConfigError as error:
            problems += error.problems
    if problems:
        sys.stdout.flush()
        raise ConfigError(problems)


@config.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--set", "sets", multiple=True, metavar="SECTION.KEY=VALUE", help="Set one option; may be repeated.")
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@click.option("-o", "--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table",
              show_default=True, help="How rows are printed.")  # fmt: skip
def show(file: str | None, sets: tuple[str, ...], changed: bool, output_format: str) -> None:
    """Print the settings in effect, and where each comes from.

    FILE, the environment (HAIZEA_SECTION__KEY) and --set are put together as a run would.
    """
    from haizea.cli.tables import print_rows

    rows = [row for row in effective(load(file, sets=sets)) if not changed or row[2] != "default"]
    print_rows(("option", "value", "origin"), rows, output_format)


@config.command()
@click.argument("file", type=click.Path())
@click.argument("out", required=False, type=click.Path())
def convert(file: str, out: str | None) -> None:
    """Write FILE as commented TOML to OUT (standard output where not given).

    Reading OUT gives the same settings; a multi-configuration file stays one.
    """
    if read_document(file).is_multi:
        text = multi_to_toml(file)
    else:
        text = to_toml(load(file, environ={}))
    if out is None or out == "-":
        click.echo(text, nl=False)
        return
    from haizea.cli.files import replacing

    with replacing(out) as stream:
        stream.write(text)
