"""``haizea context``: servers by name."""

import os
import sys
from typing import Any, Final

import click

from haizea.cli.live.common import (
    NounGroup,
    complete_contexts,
    confirmed,
    fail,
    list_options,
    say,
    yes_option,
)
from haizea.cli.live.output import Column, View, show_rows
from haizea.cli.live.words import truth
from haizea.client.addresses import parse_address
from haizea.client.contexts import (
    Context,
    Contexts,
    check_name,
    contexts_path,
    named,
    read_contexts,
    resolve,
    write_contexts,
)

TOKEN_BYTES_MAX: Final = 4096

CONTEXTS: Final = (
    Column("name", "name"),
    Column("server", "server"),
    Column("token", "token", truth),
    Column("cafile", "cafile"),
    Column("current", "current", truth),
)


@click.group(cls=NounGroup, short_help="Name servers, and choose among them.")
def context() -> None:
    """Name servers, and choose the one that is meant where none is named.

    In this order: --server or --context, HAIZEA_SERVER, HAIZEA_CONTEXT, the current context, this user's own daemon.
    HAIZEA_TOKEN takes the place of a context's token.
    """


@context.command("list", short_help="List the contexts.")
@list_options
def list_contexts(view: View) -> None:
    """List the contexts; tokens are not shown. Which server is meant now is told on standard error."""
    show_rows(view, CONTEXTS, _rows, "there are no contexts yet")
    if view.for_people:
        found = resolve(os.environ)
        say(f"meant now: {found.context.server} ({found.origin})")


def _rows() -> list[dict[str, Any]]:
    known = read_contexts(contexts_path(os.environ))
    return [
        {
            "name": name,
            "server": each.server,
            "token": each.token is not None,
            "cafile": each.cafile,
            "current": name == known.current,
        }
        for name, each in known.contexts.items()
    ]


@context.command(short_help="Choose a context.")
@click.argument("name", required=False, shell_complete=complete_contexts)
@click.option("--default", "to_default", is_flag=True, help="None of them: this user's own daemon.")
def use(name: str | None, to_default: bool) -> None:
    """Choose the context that is meant where none is named."""
    if (name is None) != to_default:
        fail("name a context, or say --default")
    path = contexts_path(os.environ)
    known = read_contexts(path)
    if name is not None:
        named(known, name)
    write_contexts(path, known._replace(current=name))
    say(f"context {name} is meant from now on" if name else "this user's own daemon is meant from now on")


@context.command(short_help="Add or replace a context.")
@click.argument("name")
@click.argument("server")
@click.option("--token-file", metavar="FILE", type=click.Path(),
              help="Where the token is; - is standard input. It is kept in the file of contexts.")  # fmt: skip
@click.option("--cafile", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
              help="The certificates that the server's must come from.")  # fmt: skip
@click.option("--use", "chosen", is_flag=True, help="It is meant from now on (the first one always is).")
def add(name: str, server: str, token_file: str | None, cafile: str | None, chosen: bool) -> None:
    """Add a context: a NAME for SERVER (unix:///path, http://host:port or https://host:port)."""
    check_name(name)
    parse_address(server)
    path = contexts_path(os.environ)
    known = read_contexts(path)
    added = Context(server, None if token_file is None else _token(token_file), cafile and os.path.abspath(cafile))
    current = name if chosen or not known.contexts else known.current
    write_contexts(path, Contexts(current, {**known.contexts, name: added}))
    say(f"context {name} was {'replaced' if name in known.contexts else 'added'}")


def _token(path: str) -> str:
    if path == "-":
        text = sys.stdin.read(TOKEN_BYTES_MAX + 1)
    else:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(TOKEN_BYTES_MAX + 1)
    token = text.strip()
    if not token or len(text) > TOKEN_BYTES_MAX or not (token.isascii() and token.isprintable()):
        fail(f"there is no token in {path}")
    return token


@context.command(short_help="Remove a context.")
@click.argument("name", shell_complete=complete_contexts)
@yes_option
def remove(name: str, yes: bool) -> None:
    """Remove a context, with its token."""
    path = contexts_path(os.environ)
    known = read_contexts(path)
    named(known, name)
    confirmed(f"Remove context {name}?", yes)
    left = {each: kept for each, kept in known.contexts.items() if each != name}
    write_contexts(path, Contexts(None if known.current == name else known.current, left))
    say(f"context {name} was removed")
