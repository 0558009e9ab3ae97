"""The commands of Haizea 1.x that still make sense, with their old options, on top of the new ones."""

import os
import sys
from typing import Any

import click

from haizea.app.request import SimulateRequest
from haizea.cli.commands import run_click
from haizea.cli.files import replacing
from haizea.cli.main import guarded
from haizea.config.errors import ConfigError
from haizea.config.load import load as load_settings


def run_configuration(path: str) -> int:
    """Run what a configuration says: ``haizea -c FILE``.

    Raises:
        ConfigError: the configuration is wrong, names no workload, or asks for more than a simulation.
    """
    settings = load_settings(path)
    if settings.general.mode != "simulated":
        where = settings.origins.get("general.mode", path)
        raise ConfigError(f"{where}: general.mode: {settings.general.mode!r} cannot be run; allowed here: simulated")
    if settings.tracefile.tracefile is None:
        raise ConfigError(f"{path}: tracefile.tracefile is missing: the workload to run, or use "
                          "haizea simulate WORKLOAD --config FILE")  # fmt: skip
    from haizea.cli.run import simulate

    return simulate(SimulateRequest(workloads=(), config=path))


@click.command()
@click.option("-i", "--in", "source", required=True, type=click.Path(), help="SWF file.")
@click.option("-o", "--out", "target", required=True, type=click.Path(), help="LWF file.")
@click.option("-p", "--preemptible", required=True, type=click.BOOL, help="Whether leases may be preempted.")
@click.option("-f", "--from", "start", default="00:00:00:00", help="Only jobs from this time on (DD:HH:MM:SS).")
@click.option("-l", "--interval-length", "interval", help="Only jobs within this time (DD:HH:MM:SS).")
@click.option("-q", "--queues", help="Only jobs of these queues (1,3).")
@click.option("-m", "--memory", type=int, help="MiB of memory of each VM.")
@click.option("-s", "--scale", type=int, default=1, help="Processors that one VM stands for.")
@click.option("-n", "--site", "site_file", type=click.Path(), help="File with the site in one line.")
def swf2lwf(source: str, target: str, preemptible: bool, site_file: str | None, **values: Any) -> None:
    """Convert a trace in SWF to LWF (haizea workload convert)."""
    arguments = ["convert", source, target, f"--scale={values['scale']}", f"--from={values['start']}"]
    arguments.append("--preemptible" if preemptible else "--non-preemptible")
    for name, option in (("memory", "memory"), ("interval", "interval-length"), ("queues", "queues")):
        if values[name] is not None:
            arguments.append(f"--{option}={values[name]}")
    if site_file is not None:
        from haizea.config.document import read_text

        arguments.append(f"--site={' '.join(read_text(site_file).split())}")
    _forward(arguments)


@click.command()
@click.option("-i", "--in", "source", required=True, type=click.Path(), help="LWF file.")
@click.option("-a", "--annotation", type=click.Path(), help="Annotations that are applied first.")
@click.option("-v", "--verbose", is_flag=True, help="Accepted; everything is printed anyhow.")
@click.option("-l", "--utilization-length", help="Time over which the load is taken (DD:HH:MM:SS).")
def lwf_stats(source: str, annotation: str | None, verbose: bool, utilization_length: str | None) -> None:
    """Print what a workload holds (haizea workload show)."""
    arguments = ["show", source]
    if annotation is not None:
        arguments.append(f"--annotations={annotation}")
    if utilization_length is not None:
        arguments.append(f"--length={utilization_length}")
    _forward(arguments)


def _forward(arguments: list[str]) -> None:
    from haizea.cli.workload import workload

    click.get_current_context().exit(run_click(arguments, workload, "haizea workload"))


@click.command()
@click.option("-c", "--conf", required=True, type=click.Path(), help="Multi-configuration file.")
@click.option("-d", "--dir", "folder", required=True, type=click.Path(), help="Folder for the configurations.")
def generate_configs(conf: str, folder: str) -> None:
    """Write each configuration of a multi-configuration file to a file of its own, in the format of Haizea 1.x."""
    from haizea.config.multi import expand
    from haizea.config.write import to_ini

    runs = expand(conf)
    texts = [(os.path.join(folder, f"{run.name}.conf"), to_ini(run.settings)) for run in runs]
    os.makedirs(folder, exist_ok=True)
    for path, text in texts:
        with replacing(path) as stream:
            stream.write(text)


@click.command()
@click.option("-c", "--conf", required=True, type=click.Path(), help="Multi-configuration file.")
@click.option("-d", "--confdir", required=True, type=click.Path(), help="Folder with the configurations.")
@click.option("-t", "--template", required=True, type=click.Path(), help="Mako template of the script.")
@click.option("-m", "--only-missing", is_flag=True, help="Leave out configurations that have their data file.")
def generate_scripts(conf: str, confdir: str, template: str, only_missing: bool) -> None:
    """Print a script that runs the configurations of haizea-generate-configs, made from a Mako template.

    The template is handed configs, a list of (name, file), and etcdir, their folder.
    """
    from importlib import import_module

    from haizea.config.document import read_text
    from haizea.config.multi import expand

    try:
        mako = import_module("mako.template")
    except ModuleNotFoundError:
        raise click.UsageError("templates need the package Mako, which is not installed") from None
    folder = os.path.abspath(confdir)
    configs = [
        (run.name, os.path.join(folder, f"{run.name}.conf"))
        for run in expand(conf)
        if not only_missing or not os.path.exists(run.settings.accounting.datafile or "")
    ]
    text = read_text(template)
    try:
        script = mako.Template(text=text).render(configs=configs, etcdir=folder)
    except Exception as error:
        # A template is a program of the user's: whatever it raises is its own fault.
        raise click.UsageError(f"{template}: {type(error).__name__}: {error}") from error
    click.echo(script, nl=False)


@click.command()
@click.option("-o", "--out", "target", required=True, type=click.Path(), help="LWF file.")
@click.option("-c", "--conf", required=True, type=click.Path(), help="Configuration: what is drawn from what.")
def lwf_generate(target: str, conf: str) -> None:
    """Make a workload up (haizea workload generate --config)."""
    _forward(["generate", f"--config={conf}", f"--output={target}"])


@click.command()
@click.option("-i", "--in", "source", type=click.Path(), help="LWF file whose leases are annotated.")
@click.option("-n", "--num-annotations", "count", type=int, help="How many annotations, without an LWF file.")
@click.option("-o", "--out", "target", required=True, type=click.Path(), help="Annotation file.")
@click.option("-c", "--conf", required=True, type=click.Path(), help="Configuration: what is drawn from what.")
def lwf_annotate(source: str | None, count: int | None, target: str, conf: str) -> None:
    """Make annotations up (haizea workload annotate)."""
    arguments = ["annotate", f"--config={conf}", f"--output={target}"]
    arguments += [] if count is None else [f"--count={count}"]
    _forward([*arguments, *([] if source is None else ["--", source])])


def swf2lwf_main() -> None:
    """The entry point ``haizea-swf2lwf``."""
    _main(swf2lwf, "haizea-swf2lwf")


def lwf_stats_main() -> None:
    """The entry point ``haizea-lwf-stats``."""
    _main(lwf_stats, "haizea-lwf-stats")


def lwf_generate_main() -> None:
    """The entry point ``haizea-lwf-generate``."""
    _main(lwf_generate, "haizea-lwf-generate")


def lwf_annotate_main() -> None:
    """The entry point ``haizea-lwf-annotate``."""
    _main(lwf_annotate, "haizea-lwf-annotate")


def convert_data_main() -> None:
    """The entry point ``haizea-convert-data``."""
    from haizea.cli.convert_data import convert_data

    _main(convert_data, "haizea-convert-data")


def generate_configs_main() -> None:
    """The entry point ``haizea-generate-configs``."""
    _main(generate_configs, "haizea-generate-configs")


def generate_scripts_main() -> None:
    """The entry point ``haizea-generate-scripts``."""
    _main(generate_scripts, "haizea-generate-scripts")


def _main(command: click.Command, name: str) -> None:
    sys.exit(guarded(lambda: run_click(sys.argv[1:], command, name)))
