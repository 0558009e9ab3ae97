"""``haizea opennebula``: what an administrator asks before Haizea becomes the scheduler of an OpenNebula.

Exit statuses: 0 it can be used, 1 something stands in the way, 2 wrong usage or configuration.
"""

from typing import Final

import click

from haizea.cli.live.common import NounGroup

IN_THE_WAY: Final = 1
_MARKS: Final = {True: "ok", False: "FAIL", None: "note"}


@click.group(cls=NounGroup)
def opennebula() -> None:
    """Look at an OpenNebula."""


@opennebula.command()
@click.option("-c", "--config", metavar="FILE", type=click.Path(), help="The daemon's configuration.")
@click.option("--set", "sets", multiple=True, metavar="SECTION.KEY=VALUE", help="Override an option of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(ctx: click.Context, config: str | None, sets: tuple[str, ...], as_json: bool) -> None:
    """Check connection, rights, that its own scheduler is off, hosts and clocks."""
    from haizea.app.opennebula import where
    from haizea.backends.opennebula.check import check as look
    from haizea.backends.opennebula.client import Client
    from haizea.config.errors import ConfigError
    from haizea.config.load import load

    try:
        client = Client(where(load(config, sets=sets)))
    except ConfigError as problem:
        raise click.UsageError(str(problem)) from problem
    findings = list(look(client))
    if as_json:
        import json

        click.echo(json.dumps([each._asdict() for each in findings], indent=2))
    else:
        for each in findings:
            click.echo(f"{_MARKS[each.well]:<5} {each.what}: {each.text}")
            if each.remedy and each.well is not True:
                click.echo(f"      → {each.remedy}")
    if any(each.well is False for each in findings):
        ctx.exit(IN_THE_WAY)
