"""``haizea lease extend``, ``suspend`` and all other orders about leases."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveCommand, client_of, fail
from haizea.cli.live.ordering import give, named, order_options
from haizea.cli.live.output import View
from haizea.cli.live.present import length_option, start_text
from haizea.cli.live.values import parse_cpu, parse_lease_length, parse_memory, parse_resource
from haizea.model.resources import CPU, DISK, MEMORY
from haizea.model.units import SECOND
from haizea.workloads.times import UNLIMITED

LEASE_ID: Final = click.IntRange(0, (1 << 53) - 1)
Wanted = Mapping[str, Any]


def leases_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument LEASE..., as ``numbers``."""
    argument = click.argument(
        "numbers", metavar="LEASE...", nargs=-1, required=True, type=LEASE_ID, shell_complete=complete.leases
    )
    return argument(command)


def order_leases(
    ctx: click.Context,
    view: View,
    verb: str,
    numbers: Sequence[int],
    wanted: Callable[[Any], Wanted] = lambda _client: {},
    *,
    question: str = "",
    **how: Any,
) -> None:
    """Give an order about leases, one after the other; what is ``wanted`` is worked out once."""
    with client_of(ctx) as client:
        document = wanted(client)
        orders = [partial(client.order_lease, number, verb, document) for number in numbers]
        asked = f"{question} {named('lease', numbers)}?" if question else ""
        give(ctx, view, orders, question=asked, **how)


def _plain(name: str, says: str, more: str = "", question: str = "") -> click.Command:
    """Return a command that takes leases and says nothing else about them."""

    @leases_argument
    @order_options
    @click.pass_context
    def command(ctx: click.Context, /, numbers: tuple[int, ...], view: View, **how: Any) -> None:
        order_leases(ctx, view, name, numbers, question=question, **how)

    return click.command(name, cls=LiveCommand, help=f"{says}\n\n{more}".strip(), short_help=says)(command)


cancel = _plain("cancel", "Cancel leases, whatever they are doing.", "VMs that run are stopped.", "Cancel")
suspend = _plain(
    "suspend", "Suspend leases until they are resumed.", "Their memory is saved, and their hosts are free for others."
)
resume = _plain("resume", "Resume leases that were suspended, as soon as there is room.")
pause = _plain("pause", "Pause the VMs of leases where they are.", "They keep their capacity, and their time goes on.")
unpause = _plain("unpause", "Let the VMs of paused leases go on.")
hold = _plain("hold", "Hold back leases that do not run.", "They are not started until they are released.")
release = _plain("release", "Release leases that are held back.")
requeue = _plain(
    "requeue", "Take best-effort leases off their hosts, and queue them.",
    "What their VMs did and is not on disk is lost.", "Put back into the queue",
)  # fmt: skip
terminate = _plain(
    "terminate", "End leases now, without shutting guests down.", "A lease that is ended is done, not cancelled.",
    "End at once",
)  # fmt: skip
top = _plain("top", "Move leases to the top of the queue.")
bottom = _plain("bottom", "Move leases to the bottom of the queue.")


@click.command(cls=LiveCommand, short_help="Start the VMs of leases over.")
@leases_argument
@click.option("--vm", type=click.IntRange(1, 100_000), metavar="N", help="Only this VM of each, by its number from 1.")
@order_options
@click.pass_context
def restart(ctx: click.Context, /, numbers: tuple[int, ...], vm: int | None, view: View, **how: Any) -> None:
    """Start the VMs of leases over, where they are; what they did and is not on disk is lost."""
    order_leases(ctx, view, "restart", numbers, lambda _: {"vm": vm}, question="Start over", **how)


# Time --------------------------------------------------------------------------------------------------------


def _time_command(name: str, says: str, more: str) -> click.Command:
    """Return a command that makes leases longer or shorter."""

    @click.argument("words", metavar="LEASE... [LENGTH]", nargs=-1, required=True, shell_complete=complete.leases)
    @click.option("--until", metavar="TIME", help="When it is to end: 18:00, 'tomorrow noon', +2h.")
    @click.option("--to", "duration", metavar="LENGTH", help="How long it is to last in all: 2h, 01:30:00, unlimited.")
    @order_options
    @click.pass_context
    def command(ctx: click.Context, /, words: tuple[str, ...], view: View, **given: Any) -> None:
        until, duration = given.pop("until"), given.pop("duration")
        numbers, by_s = _leases_and_length(words, alone=until is None and duration is None)
        if sum(each is not None for each in (by_s, until, duration)) != 1:
            fail("say one of these: a LENGTH such as 30m, --until TIME, --to LENGTH")

        def wanted(client: Any) -> Wanted:
            return {
                "by": by_s,
                "until": None if until is None else start_text(client, until, "--until"),
                "duration": None if duration is None else _duration(duration),
            }

        order_leases(ctx, view, name, numbers, wanted, **given)

    return click.command(name, cls=LiveCommand, help=f"{says}\n\n{more}", short_help=says)(command)


extend = _time_command(
    "extend", "Give leases more time.", "haizea lease extend 7 +30m; haizea lease extend 3 4 --until 18:00"
)
shorten = _time_command(
    "shorten", "Give leases less time.", "haizea lease shorten 7 30m; haizea lease shorten 7 --to 1h"
)


def _leases_and_length(words: Sequence[str], *, alone: bool) -> tuple[list[int], float | None]:
    """Take leases and a length, in seconds, apart; ``alone``: nothing else says how long, so the length comes last."""
    numbers = [int(word[:20]) for word in words if word.isascii() and word.isdigit()]
    lengths = [word for word in words if not (word.isascii() and word.isdigit())]
    if alone and not lengths and len(words) > 1:
        lengths = [words[-1]]
        del numbers[-1]
    if len(lengths) > 1 or not numbers or any(number >= 1 << 53 for number in numbers):
        fail("expected the numbers of leases, and then at most one length such as +30m")
    by_s = length_option(lengths[0].removeprefix("+"), "LENGTH") if lengths else None
    if by_s == 0:
        fail("LENGTH: expected more than nothing, such as 30m")
    return numbers, by_s


def _duration(text: str) -> float | str:
    try:
        found = parse_lease_length(text)
    except ValueError as error:
        fail(f"--to: {error}")
    return UNLIMITED if found is None else found / SECOND


@click.command(cls=LiveCommand, short_help="Move the start of reservations, or a deadline.")
@leases_argument
@click.option("-t", "--start", metavar="TIME", help="The new start: 'tomorrow 15:00', +2h.")
@click.option("--at-latest", "deadline", metavar="TIME", help="The new deadline of a deadline lease.")
@order_options
@click.pass_context
def move(
    ctx: click.Context, /, numbers: tuple[int, ...], start: str | None, deadline: str | None, view: View, **how: Any
) -> None:
    """Move the start of reservations, or the earliest start or the deadline of deadline leases."""
    if (start is None) == (deadline is None):
        fail("say either --start TIME or --at-latest TIME")

    def wanted(client: Any) -> Wanted:
        if start is not None:
            return {"start": start_text(client, start, "--start")}
        return {"deadline": start_text(client, str(deadline), "--at-latest")}

    order_leases(ctx, view, "move", numbers, wanted, **how)


# VMs and hosts -----------------------------------------------------------------------------------------------


@click.command(cls=LiveCommand, short_help="Have more VMs, fewer, or other ones.")
@click.argument("number", metavar="LEASE", type=LEASE_ID, shell_complete=complete.leases)
@click.option("-n", "--nodes", type=click.IntRange(1, 100_000), metavar="N", help="How many VMs there are to be.")
@click.option("-c", "--cpu", metavar="CORES", help="Of each VM: 2, 0.5, 200%.")
@click.option("-m", "--memory", metavar="SIZE", help="Of each VM: 4G, 512M.")
@click.option("--disk", metavar="SIZE", help="Of each VM.")
@click.option("--resource", "resources", multiple=True, metavar="TYPE=AMOUNT", help="Anything else of each VM.")
@order_options
@click.pass_context
def resize(
    ctx: click.Context, /, number: int, nodes: int | None, resources: tuple[str, ...], view: View, **given: Any
) -> None:
    """Have more VMs in a lease, or fewer, or, where they have not started, VMs of another size."""
    sizes = {
        name: _amount(given.pop(option), f"--{option}", parse)
        for name, option, parse in ((CPU, "cpu", parse_cpu), (MEMORY, "memory", parse_memory),
                                    (DISK, "disk", parse_memory))
    }  # fmt: skip
    amounts = {name: amount for name, amount in sizes.items() if amount is not None}
    for text in resources:
        try:
            name, amount = parse_resource(text)
        except ValueError as error:
            fail(f"--resource: {error}")
        amounts[name] = amount
    if nodes is None and not amounts:
        fail("say what there is to be, such as --nodes 4 or --memory 2G")

    def wanted(client: Any) -> Wanted:
        if not amounts:
            return {"count": nodes}
        present = client.lease(number)["nodes"]
        if len(present) != 1:
            fail(f"lease {number} has VMs of {len(present)} kinds; only how many there are can be changed like this")
        return {"nodes": [{"count": nodes or present[0]["count"], "resources": {**present[0]["resources"], **amounts}}]}

    order_leases(ctx, view, "resize", [number], wanted, **given)


def _amount(text: str | None, option: str, parse: Callable[[str], int]) -> int | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        fail(f"{option}: {error}")


@click.command(cls=LiveCommand, short_help="Move the VMs of leases to a host, or away from one.")
@leases_argument
@click.option("--vm", type=click.IntRange(1, 100_000), metavar="N", help="Only this VM, by its number from 1.")
@click.option("--to", metavar="HOST", shell_complete=complete.hosts, help="To this host.")
@click.option("--away-from", metavar="HOST", shell_complete=complete.hosts, help="Away from this one, wherever.")
@order_options
@click.pass_context
def migrate(
    ctx: click.Context,
    /,
    numbers: tuple[int, ...],
    vm: int | None,
    to: str | None,
    away_from: str | None,
    view: View,
    **how: Any,
) -> None:
    """Move VMs that run, or memory images of suspended ones, to a host, away from one, or wherever there is room."""
    if to is not None and away_from is not None:
        fail("say --to HOST or --away-from HOST, not both")
    wanted = {"vm": vm, "to": to, "away_from": away_from}
    order_leases(ctx, view, "migrate", numbers, lambda _: wanted, **how)


# What is in doubt, and what leases carry ---------------------------------------------------------------------


@click.command(cls=LiveCommand, short_help="Say what became of leases that are in doubt.")
@leases_argument
@click.option("--retry", is_flag=True, help="Try again what did not end as it should.")
@click.option("--succeeded", is_flag=True, help="It went well, whatever was reported.")
@click.option("--failed", is_flag=True, help="It failed, and is not to be waited for.")
@click.option("--recreate", is_flag=True, help="Throw the VMs away, and start over.")
@order_options
@click.pass_context
def recover(ctx: click.Context, /, numbers: tuple[int, ...], view: View, **how: Any) -> None:
    """Say what became of leases of which it is not known, or have it tried again."""
    said = [name for name in ("retry", "succeeded", "failed", "recreate") if how.pop(name)]
    if len(said) != 1:
        fail("say one of --retry, --succeeded, --failed, --recreate")
    what = said[0]
    question = "Throw away the VMs, and start over, of" if what == "recreate" else ""
    order_leases(ctx, view, "recover", numbers, lambda _: {"how": what}, question=question, **how)


@click.command(cls=LiveCommand, short_help="Give leases to another owner.")
@leases_argument
@click.option(
    "--to", "owner", metavar="USER", required=True, shell_complete=complete.users, help="Whose they are then."
)
@click.option("--group", metavar="GROUP", shell_complete=complete.groups, help="On whose account; none: as before.")
@order_options
@click.pass_context
def give_away(
    ctx: click.Context, /, numbers: tuple[int, ...], owner: str, group: str | None, view: View, **how: Any
) -> None:
    """Give leases to another owner; they count against that one's quota from then on."""
    order_leases(ctx, view, "give", numbers, lambda _: {"to": owner, "group": group}, **how)


@click.command(cls=LiveCommand, short_help="Change the priority of leases in the queue.")
@leases_argument
@click.option("--priority", type=click.IntRange(-1_000_000, 1_000_000), required=True, help="More comes first.")
@order_options
@click.pass_context
def prioritise(ctx: click.Context, /, numbers: tuple[int, ...], priority: int, view: View, **how: Any) -> None:
    """Change the priority of leases; it counts where the policy that orders the queue looks at priorities."""
    order_leases(ctx, view, "prioritise", numbers, lambda _: {"priority": priority}, **how)


@click.command(cls=LiveCommand, short_help="Change the names and values that a lease carries along.")
@click.argument("number", metavar="LEASE", type=LEASE_ID, shell_complete=complete.leases)
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@order_options
@click.pass_context
def annotate(ctx: click.Context, /, number: int, pairs: tuple[str, ...], view: View, **how: Any) -> None:
    """Have a lease carry names and values along; NAME= takes one away."""
    parted = [text.partition("=") for text in pairs]
    if not all(equals and name.strip() for name, equals, _value in parted):
        fail("expected NAME=VALUE, or NAME= to take it away")
    extra = {name.strip(): value or None for name, _equals, value in parted}
    order_leases(ctx, view, "annotate", [number], lambda _: {"extra": extra}, **how)
