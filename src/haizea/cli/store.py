"""``haizea store``: what an administrator does with the store itself, most of it without a daemon.

Exit statuses: 0 done and all is well, 1 something is wrong with the store, 2 wrong usage, 3 it cannot be reached.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from haizea.cli.live.common import NounGroup
from haizea.cli.main import tell
from haizea.runtime.store import StoreError, StoreUnavailable

WRONG: Final = 1
UNREACHABLE: Final = 3

F = TypeVar("F", bound=Callable[..., Any])


class StoreCommand(click.Command):
    """A command whose store may be named, or is the one that ``haizea serve`` uses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--store", "url"], metavar="URL", help="The store: sqlite:///path or postgresql://…."),
            click.Option(["-c", "--config"], metavar="FILE", type=click.Path(), help="The daemon's configuration."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is wrong with the store is told in a line."""
        url, config = ctx.params.pop("url"), ctx.params.pop("config")
        try:
            ctx.obj = _url(url, config)
            return super().invoke(ctx)
        except StoreError as error:
            tell(str(error))
            ctx.exit(UNREACHABLE if isinstance(error, StoreUnavailable) else WRONG)


def _url(url: str | None, config: str | None) -> str:
    """Return the store that is meant."""
    from haizea.app.paths import data_folder
    from haizea.config.load import load

    found = url or load(config).store.url or f"sqlite:///{data_folder() / 'haizea.sqlite'}"
    if found == "memory:":
        raise click.UsageError("a store in memory is gone when its daemon stops: there is nothing to do with it")
    return found


class StoreGroup(NounGroup):
    """The noun."""

    command_class = StoreCommand


@click.group(cls=StoreGroup, short_help="Back up, check, migrate, move and prune the store.")
def store() -> None:
    """Look after the store that everything is kept in.

    Backups, checks and exports may be made while a daemon runs; the others want it stopped.
    """


@store.command("backup", short_help="Copy the store to a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(url: str, file: Path) -> None:
    """Copy the store to FILE, which must not be there yet. A daemon may be using it."""
    from haizea.stores import maintenance

    maintenance.backup(url, file)
    click.echo(f"backed up to {file}")


@store.command("restore", short_help="Make a store from a backup.")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def restore(url: str, file: Path) -> None:
    """Make a store from the backup in FILE. There must be none yet where it is to be."""
    from haizea.stores import maintenance

    maintenance.restore(url, file)
    click.echo(f"restored from {file}")


@store.command("check", short_help="Say whether the store is sound.")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Read everything in the store and say what is wrong with it. A daemon may be using it."""
    from haizea.stores import maintenance

    found = maintenance.check(ctx.obj)
    for finding in found:
        click.echo(f"{finding.where}: {finding.what}")
    if found:
        ctx.exit(WRONG)
    click.echo("the store is sound")


@store.command("migrate", short_help="Bring the store up to date.")
@click.pass_obj
def migrate(url: str) -> None:
    """Bring a store of an older version up to date. A backup of one in SQLite is made beside it first."""
    from haizea.stores import maintenance

    done = maintenance.migrate(url)
    if done.before == done.after:
        click.echo(f"the store is up to date: revision {done.after}")
    else:
        click.echo(f"the store was brought from revision {done.before} to {done.after}")


@store.command("export", short_help="Write everything as lines of JSON.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.pass_obj
def export(url: str, file: Path) -> None:
    """Write everything in the store to FILE, or to standard output where it is -, as lines of JSON."""
    from haizea.stores import maintenance

    to_output = str(file) == "-"
    lines = maintenance.export(url, sys.stdout.buffer if to_output else file)
    if not to_output:
        click.echo(f"exported to {file}: {lines} lines")


@store.command("import", short_help="Fill a new store from an export.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.pass_obj
def import_(url: str, file: Path) -> None:
    """Fill a store that is new or empty from an export in FILE, or on standard input where it is -."""
    from haizea.stores import maintenance, portable

    rows = maintenance.import_(url, portable.bounded_lines(sys.stdin.buffer) if str(file) == "-" else file)
    click.echo(f"imported {rows} rows")


@store.command("prune", short_help="Forget what is old.")
@click.option("--before", required=True, metavar="WHEN", help="Such as 2026-01-01, or '90 days ago'.")
@click.pass_obj
def prune(url: str, before: str) -> None:
    """Forget journal entries, and leases with their commands and keys, that were over before a time. Usage stays."""
    from haizea.cli.live.present import local_zone
    from haizea.cli.live.when import instant_of
    from haizea.live.clock import real_now
    from haizea.stores import maintenance

    try:
        instant = instant_of(before, real_now(), local_zone(), past=True)
    except ValueError as error:
        raise click.UsageError(f"--before: {error}") from error
    done = maintenance.prune(url, instant)
    click.echo(f"forgot {done.leases} leases, {done.commands} commands, {done.keys} keys and {done.entries} entries")
