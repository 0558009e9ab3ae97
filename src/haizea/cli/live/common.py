"""What all commands that speak with a server share: how it is named, how answers are shown, how faults end.

Exit statuses, for ever the same: 0 done, 1 the server refused or the lease came to nothing, 2 wrong usage, 3 no server
(or none that can answer now), 4 not allowed, 5 no such thing, 6 no answer or no event within the time limit.
"""

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

import click

from haizea.cli.live.output import FORMATS, View
from haizea.cli.live.words import clean
from haizea.cli.main import tell
from haizea.client.errors import BadAddress, ClientError, HaizeaError, TimedOut

REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NOT_ALLOWED: Final = 4
NOT_FOUND: Final = 5
TIMED_OUT: Final = 6

WATCH_S: Final = 2.0
TIMEOUT_S: Final = 30.0

Command = Callable[..., Any]


class Connection(NamedTuple):
    """How the user named the server, and how long an answer may take."""

    server: str | None
    context: str | None
    timeout_s: float

    def client(self) -> Any:
        """Return a client of the server that is meant.

        Raises:
            BadAddress: it is not told which.
        """
        from haizea.client.client import Client
        from haizea.client.contexts import resolve

        found = resolve(os.environ, server=self.server, context=self.context).context
        return Client(found.server, found.token, timeout_s=self.timeout_s, cafile=found.cafile)


class FaultCommand(click.Command):
    """A command that ends with the status of its fault."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; faults are told on standard error."""
        try:
            return super().invoke(ctx)
        except HaizeaError as error:
            report(error)
            ctx.exit(status_of(error))


class LiveCommand(FaultCommand):
    """A command that speaks with a server: takes options that name it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _connection_options()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        ctx.obj = connection_of(ctx.params)
        for name in Connection._fields:
            ctx.params.pop(name, None)
        return super().invoke(ctx)


class NounGroup(click.Group):
    """A noun. Its verbs are commands whose faults are told; those in ``lazy`` are imported when they are used."""

    command_class: type[click.Command] | None = FaultCommand
    lazy: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, imported if need be."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.lazy[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        own = {name: command.get_short_help_str(80) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([*((name, help_) for name, (_, help_) in self.lazy.items()), *own.items()])


class LiveGroup(NounGroup):
    """A noun whose verbs speak with a server."""

    command_class = LiveCommand


def _connection_options() -> list[click.Parameter]:
    # They come last in the help, and look alike everywhere.
    return [
        click.Option(["--server"], metavar="URI", help="The server: unix:///path, http://host:port, https://host:port."),
        click.Option(["--context"], metavar="NAME", help="A server of 'haizea context list'.",
                     shell_complete=complete_contexts),
        click.Option(["--timeout-s"], type=click.FloatRange(0.1, 3600), default=TIMEOUT_S, show_default=True,
                     metavar="SECONDS", help="How long an answer may take."),
    ]  # fmt: skip


def complete_contexts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the contexts whose names begin with what is typed."""
    from haizea.client.contexts import contexts_path, read_contexts

    try:
        return [name for name in read_contexts(contexts_path(os.environ)).contexts if name.startswith(incomplete)]
    except BadAddress:
        # A shell that completes has nowhere to show a message.
        return []


def connection_of(params: Mapping[str, Any]) -> Connection:
    """Return how the parameters of a command name the server."""
    return Connection(params.get("server"), params.get("context"), params.get("timeout_s") or TIMEOUT_S)


def client_of(ctx: click.Context) -> Any:
    """Return a client of the server that the command line names.

    Raises:
        BadAddress: it is not told which.
    """
    connection = ctx.obj
    assert isinstance(connection, Connection)
    return connection.client()


def report(error: HaizeaError) -> None:
    """Tell a fault on standard error: what, about which part of the request, and what to do."""
    # What is not wrong with the request but not to be had needs no name of the part that asks for it.
    field = f"{error.field}: " if isinstance(error, ClientError) and error.field and error.status == 422 else ""
    say(error.detail if error.detail.startswith(field) else f"{field}{error.detail}")
    if error.remedy:
        say(error.remedy)


def say(message: str) -> None:
    """Tell people something on standard error."""
    tell(clean(message))


def status_of(error: HaizeaError) -> int:
    """Return the exit status of a fault."""
    if isinstance(error, BadAddress):
        return USAGE
    if isinstance(error, TimedOut):
        return TIMED_OUT
    if not isinstance(error, ClientError):
        return UNREACHABLE
    if error.status in (401, 403):
        return REFUSED if error.code == "quota-exceeded" else NOT_ALLOWED
    if error.status in (502, 503, 504):
        return UNREACHABLE
    return NOT_FOUND if error.status == 404 else REFUSED


def fail(message: str) -> NoReturn:
    """End with wrong usage."""
    raise click.UsageError(clean(message))


def confirmed(question: str, yes: bool) -> None:
    """Ask on a terminal whether to go on; elsewhere ``--yes`` alone is not needed.

    Raises:
        click.exceptions.Exit: the answer is no.
    """
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if not click.confirm(clean(question), err=True):
        say("nothing was changed")
        raise click.exceptions.Exit(REFUSED)


def yes_option(command: Command) -> Command:
    """Give a command the option ``--yes``."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def document_options(command: Command) -> Command:
    """Give a command that shows one thing its options; it takes them as ``view``."""
    return _view_options(command, filters=False)


def list_options(command: Command) -> Command:
    """Give a command that shows a list its options; it takes them as ``view``."""
    return _view_options(command, filters=True)


def answer_options(command: Command) -> Command:
    """Give a command that shows what its deed came to its options; it takes them as ``view``."""
    return _view_options(command, filters=False, watch=False)


def _view_options(command: Command, *, filters: bool, watch: bool = True) -> Command:
    from functools import wraps

    @wraps(command)
    def viewing(*args: Any, **kwargs: Any) -> Any:
        columns = tuple(name.strip() for name in (kwargs.pop("columns") or "").split(",") if name.strip())
        wanted = tuple(map(_filter, kwargs.pop("filters", ())))
        return command(*args, view=View(kwargs.pop("output"), columns, wanted, kwargs.pop("watch", None)), **kwargs)

    options = [
        click.option("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True,
                     help="How it is printed."),
        click.option("--columns", metavar="A,B", help="Which columns, in which order; paths such as reason.text too."),
    ]  # fmt: skip
    if filters:
        options.append(
            click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE",
                         help="Only what matches; KEY!=VALUE what does not; * stands for anything. May be repeated.")
        )  # fmt: skip
    if watch:
        options.append(
            click.option("--watch", type=click.FloatRange(0.1, 86_400), is_flag=False, flag_value=WATCH_S,
                     metavar="[SECONDS]", help=f"Show it again every SECONDS ({WATCH_S:g}) until interrupted.")
    )  # fmt: skip
    made: Command = viewing
    for option in reversed(options):
        made = option(made)
    return made


def _filter(text: str) -> tuple[str, str, bool]:
    key, equals, pattern = text.partition("=")
    if not equals or not key.strip("! "):
        fail(f"--filter {text!r} is not KEY=VALUE")
    return key.rstrip("! ").strip(), pattern.strip(), not key.rstrip().endswith("!")
