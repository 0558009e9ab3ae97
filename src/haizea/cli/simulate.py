"""``haizea simulate``, as click reads it."""

from typing import Any

import click

from haizea.cli.flags import FLAGS, MEMORY_MAX, Flag
from haizea.cli.run import request_of
from haizea.cli.run import simulate as run_simulation


def _option(flag: Flag) -> click.Option:
    names = [f"--{flag.name}", flag.name.replace("-", "_")]
    if flag.short:
        names.append(f"-{flag.short}")
    if not flag.value:
        return click.Option(names, is_flag=True, help=flag.help)
    if flag.choices:
        return click.Option(
            names, type=click.Choice(flag.choices), default=flag.choices[0], show_default=True, help=flag.help
        )
    kind = click.IntRange(1, MEMORY_MAX) if flag.number else click.Path() if flag.value in ("FILE", "DIR") else None
    return click.Option(names, type=kind, multiple=flag.many, metavar=flag.value, help=flag.help)


def _run(ctx: click.Context, **values: Any) -> None:
    if not values["workloads"] and values["config"] is None:
        raise click.UsageError("Missing argument 'WORKLOAD...': name a workload, or a --config that does", ctx)
    ctx.exit(run_simulation(request_of(values), values["format"], values["quiet"]))


simulate = click.Command(
    "simulate",
    callback=click.pass_context(_run),
    params=[
        click.Argument(["workloads"], nargs=-1, type=click.Path(), metavar="WORKLOAD..."),
        *(_option(flag) for flag in FLAGS),
    ],
    help="""Schedule a WORKLOAD (LWF or SWF, plain or gzip) in simulated time and print a summary.

    Several workloads are simulated as one, each later one injected into those before.

    Exit status: 0 done, 2 wrong input, 3 the verification of --verify failed.""",
    short_help="Schedule a workload in simulated time.",
)
"""The command."""
