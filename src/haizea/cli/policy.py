"""``haizea policy``: the policies that a configuration may name."""

import click

from haizea.policy.registry import KINDS, available


@click.group(short_help="List the policies that can be chosen.")
def policy() -> None:
    """List the policies that can be chosen."""


@policy.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Only policies of this kind.")
@click.option("-o", "--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table",
              show_default=True, help="How rows are printed.")  # fmt: skip
def list_policies(kind: str | None, output_format: str) -> None:
    """Print every policy: the built-in ones, and those that installed packages offer.

    A policy of your own needs no registration: give scheduling.policy-KIND as module:Class.
    """
    from haizea.cli.tables import print_rows

    rows = [
        (info.kind, info.name, " ".join(info.aliases), info.source, info.description)
        for each in ([kind] if kind else KINDS)
        for info in available(each)
    ]
    print_rows(("kind", "name", "also", "from", "what it does"), rows, output_format)
