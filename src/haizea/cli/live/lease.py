"""``haizea lease``: looking at leases. Requesting is in :mod:`haizea.cli.live.request`, orders in ``lease_orders``."""

from collections.abc import Mapping
from typing import Any, ClassVar

import click

from haizea.cli.live import complete
from haizea.cli.live.common import LiveGroup, client_of, document_options, list_options, say
from haizea.cli.live.lease_words import (
    EVENTS,
    LEASE,
    LEASES,
    sentence,
    sooner_lines,
)
from haizea.cli.live.output import Column, View, show_document, show_rows, write
from haizea.cli.live.waiting import ENDED_NAME, WAIT_FOR, wait_and_tell
from haizea.cli.live.words import at, clean

LEASE_ID = click.IntRange(0, (1 << 53) - 1)
LIMIT_MAX = 1_000_000

TIMELINE = (
    Column("when", "start", at),
    Column("until", "end", at),
    Column("what", "kind"),
    Column("outcome", "outcome"),
    Column("hosts", "hosts"),
)

EXPLANATION = (
    Column("lease", "lease"),
    Column("state", "state"),
    Column("why", "text"),
    Column("reason", "reason.text", wide=True),
    Column("expected_start", "expected_start", at),
    Column("in_the_way", "in_the_way"),
)


_ORDERS = "haizea.cli.live.lease_orders"


class LeaseGroup(LiveGroup):
    """The verbs of leases."""

    lazy: ClassVar[Mapping[str, tuple[str, str]]] = {
        "request": ("haizea.cli.live.request:request", "Request a lease."),
        "request-together": (
            "haizea.cli.live.request_together:request_together",
            "Request leases that start together.",
        ),
        "simulate": ("haizea.cli.live.request:simulate", "Say what would become of a request (a dry run)."),
        "offers": ("haizea.cli.live.request:offers", "Say what could be had instead of what is refused."),
        "cancel": (f"{_ORDERS}:cancel", "Cancel leases, whatever they are doing."),
        "extend": (f"{_ORDERS}:extend", "Give leases more time."),
        "shorten": (f"{_ORDERS}:shorten", "Give leases less time."),
        "move": (f"{_ORDERS}:move", "Move the start of reservations, or a deadline."),
        "resize": (f"{_ORDERS}:resize", "Have more VMs, fewer, or other ones."),
        "suspend": (f"{_ORDERS}:suspend", "Suspend leases until they are resumed."),
        "resume": (f"{_ORDERS}:resume", "Resume leases that were suspended, as soon as there is room."),
        "pause": (f"{_ORDERS}:pause", "Pause the VMs of leases where they are."),
        "unpause": (f"{_ORDERS}:unpause", "Let the VMs of paused leases go on."),
        "hold": (f"{_ORDERS}:hold", "Hold back leases that do not run."),
        "release": (f"{_ORDERS}:release", "Release leases that are held back."),
        "requeue": (f"{_ORDERS}:requeue", "Take best-effort leases off their hosts, and queue them."),
        "restart": (f"{_ORDERS}:restart", "Start the VMs of leases over."),
        "terminate": (f"{_ORDERS}:terminate", "End leases now, without shutting guests down."),
        "give": (f"{_ORDERS}:give_away", "Give leases to another owner."),
        "prioritise": (f"{_ORDERS}:prioritise", "Change the priority of leases in the queue."),
        "top": (f"{_ORDERS}:top", "Move leases to the top of the queue."),
        "bottom": (f"{_ORDERS}:bottom", "Move leases to the bottom of the queue."),
        "migrate": (f"{_ORDERS}:migrate", "Move the VMs of leases to a host, or away from one."),
        "recover": (f"{_ORDERS}:recover", "Say what became of leases that are in doubt."),
        "annotate": (f"{_ORDERS}:annotate", "Change the names and values that a lease carries along."),
    }


@click.group(cls=LeaseGroup, short_help="Request leases, look after them, change and end them.")
def lease() -> None:
    """Request leases, look at them, wait for them, change them, end them."""


def lease_argument(command: Any) -> Any:
    """Give a command the argument LEASE."""
    return click.argument("number", metavar="LEASE", type=LEASE_ID, shell_complete=complete.leases)(command)


@lease.command("list", short_help="List leases, those that are not over unless told otherwise.")
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only in this state; may be repeated.")
@click.option("--type", "types", multiple=True, type=click.Choice(["best-effort", "AR", "immediate", "deadline"]),
              help="Only of this type; may be repeated.")  # fmt: skip
@click.option("--owner", metavar="USER", help="Only of this user.", shell_complete=complete.users)
@click.option("--group", metavar="GROUP", help="Only of this group.", shell_complete=complete.groups)
@click.option("--name", metavar="NAME", help="Only of this name.")
@click.option("-a", "--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--since", metavar="TIME", help="Only those that end after this: 'yesterday 14:00', -2h.")
@click.option("--until", metavar="TIME", help="Only those that start before this.")
@click.option("--order", default="id", show_default=True, metavar="COLUMN", help="By which column; -id: descending.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=1000, show_default=True, help="At most so many.")
@list_options
@click.pass_context
def list_leases(ctx: click.Context, /, view: View, limit: int, everything: bool, **wanted: Any) -> None:
    """List leases; those that are over only with --all, or where a --state is given."""
    with client_of(ctx) as client:
        for name in ("since", "until"):
            if wanted[name] is not None:
                from haizea.cli.live.present import past_text

                wanted[name] = past_text(client, wanted[name], f"--{name}")
        active = None if everything or wanted["states"] else True
        show_rows(
            view,
            LEASES,
            lambda: list(client.all_leases(most=limit, active=active, **wanted)),
            "there are no such leases",
        )


@lease.command(short_help="Show one lease.")
@lease_argument
@document_options
@click.pass_context
def show(ctx: click.Context, number: int, view: View) -> None:
    """Show a lease: its terms, how it is, and what is planned."""
    with client_of(ctx) as client:
        show_document(view, LEASE, lambda: client.lease(number))


@lease.command(short_help="Change what a lease wishes for.")
@lease_argument
@click.option("--name", help="What it is called.")
@click.option("--preemptible/--non-preemptible", default=None, help="Whether it may give way to others.")
@click.option("--on-guest-shutdown", type=click.Choice(["end", "restart", "hold"]), help="When a guest shuts down.")
@click.option("--on-failure", type=click.Choice(["restart", "requeue", "fail", "hold"]), help="When a VM fails.")
@click.option("--on-end", type=click.Choice(["stop", "suspend", "extend"]), help="When its time is over.")
@click.option("--extend-by", metavar="LENGTH", help="By how much --on-end extend makes it longer, each time.")
@click.option("--grace", metavar="LENGTH", help="How long before it gives way to another one its owner is told.")
@click.option("--extra", multiple=True, metavar="NAME=VALUE", help="A value to carry along; NAME= takes it away.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the journal.")
@click.option("--dry-run", is_flag=True, help="Only say how it would be.")
@click.pass_context
def change(ctx: click.Context, /, number: int, extra: tuple[str, ...], **given: Any) -> None:
    """Change what no plan depends on, of a lease that is not over."""
    wanted = {name: value for name, value in given.items() if value not in (None, "") and (value or name != "dry_run")}
    for name in ("extend_by", "grace"):
        if name in wanted:
            from haizea.cli.live.present import length_option

            wanted[name] = length_option(wanted[name], f"--{name.replace('_', '-')}")
    if extra:
        pairs = [text.partition("=") for text in extra]
        if not all(equals and name for name, equals, _value in pairs):
            raise click.UsageError("--extra: expected NAME=VALUE, or NAME= to take it away")
        wanted["extra"] = {name: value or None for name, _equals, value in pairs}
    if not wanted.keys() - {"reason", "dry_run"}:
        raise click.UsageError("say what is to be different, such as --name NAME")
    tried = bool(wanted.get("dry_run"))
    with client_of(ctx) as client:
        found = client.change_lease(number, wanted)
        write(f"Lease {number} {'would be' if tried else 'is'} changed.\n")
        write(("It would be: " if tried else "") + clean(sentence(found)) + "\n")


@lease.command(short_help="Wait until a lease runs or has ended.")
@lease_argument
@click.option("--for", "until", type=click.Choice(WAIT_FOR), default=ENDED_NAME, show_default=True, help="For what.")
@click.option("--time-limit", metavar="LENGTH", help="Give up after 90s, 10m, 01:00:00; exit status 6 then.")
@click.pass_context
def wait(ctx: click.Context, number: int, until: str, time_limit: str | None) -> None:
    """Wait until a lease runs or has ended.

    Exit status: 0 it runs, or is done; 1 it was rejected or cancelled or failed; 6 it took longer than --time-limit.
    """
    from haizea.cli.live.present import length_option

    limit_s = length_option(time_limit, "--time-limit")
    with client_of(ctx) as client:
        status = wait_and_tell(client, number, until, limit_s)
        write(clean(sentence(client.lease(number))) + "\n")
    ctx.exit(status)


@lease.command(short_help="Say why a lease waits, when it will start, what would help.")
@lease_argument
@document_options
@click.pass_context
def explain(ctx: click.Context, number: int, view: View) -> None:
    """Say why a lease is where it is, when it is expected to start, and what would make it start sooner."""
    with client_of(ctx) as client:

        def fetch() -> dict[str, Any]:
            found = dict(client.explanation(number))
            return found if not view.for_people else {**found, "lines": sooner_lines(found)}

        show_document(view, EXPLANATION, fetch, more="lines")


@lease.command(short_help="Show what happened to a lease, and what is planned.")
@lease_argument
@click.option("--events", is_flag=True, help="The journal's entries about it instead.")
@list_options
@click.pass_context
def timeline(ctx: click.Context, number: int, events: bool, view: View) -> None:
    """Show what happened to a lease, and what is planned."""
    with client_of(ctx) as client:
        if events:
            show_rows(view, EVENTS, lambda: client.timeline(number)["entries"], "nothing was noted yet")
            return
        show_rows(view, TIMELINE, lambda: _timeline(client.timeline(number)), "nothing has happened yet")


def _timeline(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    planned = [
        {
            "kind": stay["phase"],
            "start": stay["start"],
            "end": stay["end"],
            "outcome": "planned",
            "hosts": stay["hosts"],
        }
        for stay in found["plan"]
    ]
    return [*found["past"], *planned]


@lease.command(short_help="Take an offer that is held.")
@click.argument("offer")
@click.pass_context
def accept(ctx: click.Context, offer: str) -> None:
    """Take an OFFER that 'haizea lease offers --hold' made."""
    with client_of(ctx) as client:
        write(clean(sentence(client.accept_offer(offer))) + "\n")


@lease.command(short_help="Let go of an offer that is held.")
@click.argument("offer")
@click.pass_context
def decline(ctx: click.Context, offer: str) -> None:
    """Let go of an OFFER: its place is free for others at once."""
    with client_of(ctx) as client:
        client.decline_offer(offer)
    say(f"offer {offer} was let go")
