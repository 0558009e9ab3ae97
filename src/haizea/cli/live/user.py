"""``haizea user`` and ``haizea group``: who may do what."""

from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, client_of, confirmed, document_options, list_options, say, yes_option
from haizea.cli.live.output import Column, View, show_document, show_rows
from haizea.cli.live.words import at, truth
from haizea.client.errors import ClientError

ROLES: Final = ("viewer", "user", "operator", "admin")

USERS: Final = (
    Column("name", "name"),
    Column("role", "role"),
    Column("groups", "groups"),
    Column("disabled", "disabled", truth),
    Column("created", "created", at),
    Column("note", "note"),
    Column("mail", "mail", wide=True),
)

GROUPS: Final = (
    Column("name", "name"),
    Column("members", "members"),
    Column("created", "created", at),
    Column("note", "note"),
)


@click.group(cls=LiveGroup, short_help="List, set and delete users.")
def user() -> None:
    """Say who may use the lease manager, and what they may do."""


@user.command("list", short_help="List the users.")
@list_options
@click.pass_context
def list_users(ctx: click.Context, view: View) -> None:
    """List the users."""
    with client_of(ctx) as client:
        show_rows(view, USERS, client.users, "there are no users yet")


@user.command("show", short_help="Show one user.")
@click.argument("name", metavar="USER", shell_complete=complete.users)
@document_options
@click.pass_context
def show_user(ctx: click.Context, name: str, view: View) -> None:
    """Show a USER."""
    with client_of(ctx) as client:
        show_document(view, USERS, lambda: client.user(name))


@user.command("set", short_help="Make or change a user.")
@click.argument("name", metavar="USER", shell_complete=complete.users)
@click.option("--role", type=click.Choice(ROLES), help="What they may do. [default for a new one: user]")
@click.option("--group", "groups", multiple=True, metavar="GROUP", shell_complete=complete.groups,
              help="Their groups, all of them; may be repeated.")  # fmt: skip
@click.option("--no-groups", is_flag=True, help="They are in no group.")
@click.option("--disable/--enable", "disabled", default=None, help="Whether they are shut out.")
@click.option("--note", metavar="TEXT", help="Whatever you want to remember.")
@click.option("--mail", metavar="ADDRESS", help="Where notices about their leases are mailed to.")
@click.pass_context
def set_user(ctx: click.Context, /, name: str, groups: tuple[str, ...], no_groups: bool, **given: Any) -> None:
    """Make a USER, or change what is given of one."""
    if groups or no_groups:
        given["groups"] = [] if no_groups else list(groups)
    with client_of(ctx) as client:
        known = _known(lambda: client.user(name))
        kept = {key: known[key] for key in ("role", "groups", "disabled", "note", "mail") if key in (known or {})}
        client.put_user(name, {**kept, **{key: value for key, value in given.items() if value is not None}})
    say(f"user {name} was {'changed' if known else 'made'}")


@user.command("delete", short_help="Delete a user.")
@click.argument("name", metavar="USER", shell_complete=complete.users)
@yes_option
@click.pass_context
def delete_user(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete a USER with their tokens and quota; their leases stay."""
    with client_of(ctx) as client:
        confirmed(f"Delete user {name}, with their tokens and quota?", yes)
        client.delete_user(name)
    say(f"user {name} was deleted")


@click.group(cls=LiveGroup, short_help="List, set and delete groups.")
def group() -> None:
    """Look after the groups that users are in."""


@group.command("list", short_help="List the groups.")
@list_options
@click.pass_context
def list_groups(ctx: click.Context, view: View) -> None:
    """List the groups and who is in them."""
    with client_of(ctx) as client:
        show_rows(view, GROUPS, client.groups, "there are no groups yet")


@group.command("set", short_help="Make or change a group.")
@click.argument("name", metavar="GROUP", shell_complete=complete.groups)
@click.option("--note", metavar="TEXT", default="", help="Whatever you want to remember.")
@click.pass_context
def set_group(ctx: click.Context, name: str, note: str) -> None:
    """Make a GROUP, or change its note. Who is in it is said with 'haizea user set --group'."""
    with client_of(ctx) as client:
        client.put_group(name, {"note": note})
    say(f"group {name} was set")


@group.command("delete", short_help="Delete a group.")
@click.argument("name", metavar="GROUP", shell_complete=complete.groups)
@yes_option
@click.pass_context
def delete_group(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete a GROUP and its quota; its users stay."""
    with client_of(ctx) as client:
        confirmed(f"Delete group {name} and its quota?", yes)
        client.delete_group(name)
    say(f"group {name} was deleted")


def _known(fetch: Any) -> Any:
    try:
        return fetch()
    except ClientError as error:
        if error.status != 404:
            raise
        return None
