"""``haizea lease request``, ``simulate``, ``offers``: from what a person writes to a request, and what comes of it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import REFUSED, LiveCommand, answer_options, client_of, fail, report, say
from haizea.cli.live.lease_words import AFFECTED, LEASE, REJECTED, nearest, offer_lines, sentence, verdict_lines
from haizea.cli.live.output import Column, View, rows_text, table, value_at, write
from haizea.cli.live.present import length_option, local_zone, present_of, start_text
from haizea.cli.live.values import parse_cpu, parse_lease_length, parse_memory, parse_pair, parse_resource
from haizea.cli.live.waiting import RUNNING_NAME, WAIT_FOR, wait_and_tell
from haizea.cli.live.words import at, clean
from haizea.client.errors import ClientError
from haizea.model.resources import CPU, DISK, MEMORY
from haizea.workloads.times import format_duration

CPU_DEFAULT: Final = 100
MEMORY_DEFAULT: Final = 1024
NODES_MAX: Final = 100_000

VERDICT: Final = (
    Column("accepted", "accepted"),
    Column("state", "state"),
    Column("starts", "starts", at),
    Column("ends", "ends", at),
    Column("price", "price"),
    Column("reason", "reason.text"),
)
OFFERS: Final = (
    Column("offer", "id"),
    Column("kind", "kind"),
    Column("text", "text"),
    Column("starts", "verdict.starts", at),
    Column("ends", "verdict.ends", at),
    Column("expires", "expires", at),
)

_OPTIONS: Final = (
    click.option("-f", "--file", metavar="FILE", type=click.Path(),
                 help="The request as XML (a lease of Haizea 1.x), TOML or JSON; - is standard input. Options "
                      "change what it says."),
    click.option("-t", "--start", metavar="TIME",
                 help="now, +2h, 14:00, 'tomorrow 14:00', 'friday noon', '2026-11-25 13:00'; none: when it fits."),
    click.option("-d", "--duration", metavar="LENGTH", help="90m, 1h30m, 01:30:00, unlimited."),
    click.option("--at-latest", metavar="TIME", help="When it must have ended; --start is then the earliest start."),
    click.option("-n", "--nodes", type=click.IntRange(1, NODES_MAX), metavar="N", help="How many VMs. [default: 1]"),
    click.option("-c", "--cpu", metavar="CORES", help="Of each VM: 2, 0.5, 200%. [default: 1]"),
    click.option("-m", "--memory", metavar="SIZE", help="Of each VM: 4G, 512M, 1.5GiB; MiB alone. [default: 1G]"),
    click.option("--disk", metavar="SIZE", help="Of each VM."),
    click.option("--resource", "resources", multiple=True, metavar="TYPE=AMOUNT",
                 help="Anything else of each VM: GPU=1. May be repeated."),
    click.option("-i", "--image", metavar="ID", help="The disk image that the VMs start from."),
    click.option("-z", "--image-size", metavar="SIZE", help="Its size: 4G."),
    click.option("--preemptible/--non-preemptible", default=None, help="Whether it may have to give way."),
    click.option("--name", metavar="NAME", help="A name of your own for it."),
    click.option("--group", metavar="GROUP", help="The group that it is for.", shell_complete=complete.groups),
    click.option("--owner", metavar="USER", help="Whose it is, where you may say so.", shell_complete=complete.users),
    click.option("--require", multiple=True, metavar="LABEL=VALUE", help="Only on hosts so labelled; * is any value."),
    click.option("--exclude", multiple=True, metavar="LABEL=VALUE", help="Not on hosts so labelled."),
    click.option("--spread/--together", default=None, help="Each VM on a host of its own, or all on one host."),
    click.option("--on-guest-shutdown", type=click.Choice(["end", "restart", "hold"]),
                 help="What is done when a guest shuts itself down."),
    click.option("--on-failure", type=click.Choice(["restart", "requeue", "fail", "hold"]),
                 help="What is done when a VM fails."),
    click.option("--on-end", type=click.Choice(["stop", "suspend", "extend"]),
                 help="What is done when its time is over."),
    click.option("--extend-by", metavar="LENGTH", help="By how much --on-end extend makes it longer, each time."),
    click.option("--priority", type=click.IntRange(-1_000_000, 1_000_000), metavar="N",
                 help="More comes first, where the queue goes by priorities. [default: 0]"),
    click.option("--grace", metavar="LENGTH", help="How long before it gives way to another one you must be told."),
    click.option("--extra", multiple=True, metavar="KEY=VALUE", help="Kept with the lease. May be repeated."),
)  # fmt: skip


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that make up a request."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(cls=LiveCommand)
@request_options
@click.option("--key", metavar="TEXT", help="Names this request for all time: again with the same key, the same lease.")
@click.option(
    "--wait",
    "until",
    type=click.Choice(WAIT_FOR),
    is_flag=False,
    flag_value=RUNNING_NAME,
    metavar="[running|ended]",
    help="Wait until it runs (or has ended); the exit status tells.",
)
@click.option("--time-limit", metavar="LENGTH", help="Of --wait: give up after 90s, 10m; exit status 6 then.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of it.")
@answer_options
@click.pass_context
def request(
    ctx: click.Context, /, view: View, key: str | None, until: str | None, time_limit: str | None, dry_run: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Request a lease, and say what became of it.

    Without --start it waits in the queue until there is room; with one, it is a reservation for exactly then;
    with --at-latest it starts in time to have ended by then; --start now is now or not at all.

    Exit status: 0 accepted, 1 rejected.
    """
    limit_s = length_option(time_limit, "--time-limit")
    with client_of(ctx) as client:
        document = request_document(client, given)
        if dry_run:
            ctx.exit(_verdict(client, document, view))
        lease = client.request_lease(document, key=key)
        status = 0
        if until is not None and lease["state"] not in REJECTED:
            say(sentence(lease))
            status = wait_and_tell(client, lease["id"], until, limit_s)
            lease = client.lease(lease["id"])
        if lease["state"] in REJECTED:
            status = REFUSED
        lines = [sentence(lease), *nearest(lease), *_alternatives(client, document, lease)]
        if view.for_people:
            write("".join(f"{clean(line)}\n" for line in lines))
        else:
            write(rows_text(view, LEASE if not view.columns else chosen(view, LEASE), [lease], single=True))
    ctx.exit(status)


@click.command(cls=LiveCommand)
@request_options
@answer_options
@click.pass_context
def simulate(ctx: click.Context, /, view: View, **given: Any) -> None:
    """Say what would become of a request: whether it would be accepted, when, where, who would have to give way.

    Nothing is changed. Exit status: 0 it would be accepted, 1 it would be rejected.
    """
    with client_of(ctx) as client:
        status = _verdict(client, request_document(client, given), view)
    ctx.exit(status)


@click.command(cls=LiveCommand)
@request_options
@click.option("--hold", is_flag=True, help="Hold the offers for a few minutes: take one with 'haizea lease accept'.")
@answer_options
@click.pass_context
def offers(ctx: click.Context, /, view: View, hold: bool, **given: Any) -> None:
    """Say what could be had instead of a request that is refused: later, smaller, shorter, preemptible.

    Exit status: 0 there is something to be had, 1 there is nothing.
    """
    with client_of(ctx) as client:
        found = client.offers(request_document(client, given), hold=hold)
    if view.for_people:
        write("".join(f"{clean(line)}\n" for line in [*verdict_lines(found["verdict"]), *offer_lines(found["offers"])]))
    elif view.output == "csv" or view.columns:
        write(rows_text(view, chosen(view, OFFERS), found["offers"]))
    else:
        write(rows_text(view, OFFERS, [found], single=True))
    ctx.exit(0 if found["offers"] or found["verdict"]["accepted"] else REFUSED)


def _verdict(client: Any, document: Mapping[str, Any], view: View) -> int:
    found = client.dry_run(document)
    if view.for_people:
        write("".join(f"{clean(line)}\n" for line in verdict_lines(found)))
        if found["affected"]:
            rows = [[column.text(value_at(each, column.path)) for column in AFFECTED] for each in found["affected"]]
            write(f"\nOther leases that it would change:\n{table(rows, AFFECTED)}")
    else:
        write(rows_text(view, chosen(view, VERDICT), [found], single=True))
    return 0 if found["accepted"] else REFUSED


def _alternatives(client: Any, document: Mapping[str, Any], lease: Mapping[str, Any]) -> list[str]:
    if lease["state"] not in REJECTED:
        return []
    try:
        return offer_lines(client.offers(document)["offers"])
    except ClientError as error:
        say("what could be had instead is not known:")
        report(error)
        return []


def chosen(view: View, columns: tuple[Column, ...]) -> list[Column]:
    """Return the columns that are wanted, all where nothing is said."""
    known = {column.name: column for column in columns}
    return [known.get(name, Column(name, name)) for name in view.columns or known]


def request_document(client: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that a file and options make; ``given`` are the values of :func:`request_options`.

    Raises:
        click.UsageError: something in it makes no sense.
    """
    document: dict[str, Any] = {}
    if given["file"] is not None:
        from haizea.cli.live.leasefile import read_request

        document = read_request(given["file"], lambda: present_of(client), local_zone())
    elif given["duration"] is None:
        fail("how long? Give --duration 90m, 01:30:00 or unlimited (or the whole request with --file)")
    _nodes(document, given)
    _times(client, document, given)
    _software(document, given)
    for name in ("preemptible", "name", "group", "owner", "on_guest_shutdown", "on_failure", "on_end", "priority"):
        if given[name] is not None:
            document[name] = given[name]
    for name in ("extend_by", "grace"):
        if given[name] is not None:
            document[name] = length_option(given[name], f"--{name.replace('_', '-')}")
    if given["extra"]:
        document["extra"] = {**_table(document, "extra"), **_pairs(given["extra"], "--extra")}
    _constraints(document, given)
    return document


def _nodes(document: dict[str, Any], given: Mapping[str, Any]) -> None:
    amounts: dict[str, int] = {}
    for name, option, read in ((CPU, "cpu", parse_cpu), (MEMORY, "memory", parse_memory), (DISK, "disk", parse_memory)):
        if given[option] is not None:
            amounts[name] = _read(f"--{option}", read, given[option])
    amounts.update(_read("--resource", parse_resource, each) for each in given["resources"])
    if "nodes" not in document:
        document["nodes"] = [
            {"count": given["nodes"] or 1, "resources": {CPU: CPU_DEFAULT, MEMORY: MEMORY_DEFAULT, **amounts}}
        ]
        return
    if not amounts and given["nodes"] is None:
        return
    sets = document["nodes"]
    if not (isinstance(sets, list) and len(sets) == 1 and isinstance(sets[0], dict)):
        fail("the file asks for VMs of several kinds: which of them do --nodes, --cpu, --memory … mean?")
    resources = sets[0].get("resources")
    changed = {**(resources if isinstance(resources, dict) else {}), **amounts}
    document["nodes"] = [{"count": given["nodes"] or sets[0].get("count", 1), "resources": changed}]


def _times(client: Any, document: dict[str, Any], given: Mapping[str, Any]) -> None:
    if given["duration"] is not None:
        document["duration"] = format_duration(_read("--duration", parse_lease_length, given["duration"]))
    elif isinstance(document.get("duration"), str):
        document["duration"] = format_duration(_read("duration", parse_lease_length, document["duration"]))
    for name, option in (("start", "start"), ("deadline", "at_latest")):
        text = document.get(name) if given[option] is None else given[option]
        if isinstance(text, str):
            document[name] = start_text(client, text, f"--{option.replace('_', '-')}")
    if document.get("deadline") is not None and document.get("start") in (None, "now"):
        # From now on, by then: without a start it would be best effort, and "now" would be now or never.
        document["start"] = "+00:00:00"


def _software(document: dict[str, Any], given: Mapping[str, Any]) -> None:
    image, size = given["image"], given["image_size"]
    if image is None and size is None:
        return
    software = _table(document, "software")
    if image is not None:
        software["id"] = image
    if size is not None:
        software["size"] = _read("--image-size", parse_memory, size)
    if set(software) != {"id", "size"}:
        fail("an image has an id and a size: give both --image and --image-size")
    document["software"] = software


def _constraints(document: dict[str, Any], given: Mapping[str, Any]) -> None:
    constraints = _table(document, "constraints")
    for name in ("require", "exclude"):
        if given[name]:
            constraints[name] = {**_table(constraints, name), **_pairs(given[name], f"--{name}")}
    if given["spread"] is not None:
        constraints |= {"spread": given["spread"], "together": not given["spread"]}
    if constraints:
        document["constraints"] = constraints


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, dict):
        fail(f"{name} in the file is not a table")
    return dict(found)


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, value = _read(option, parse_pair, text)
        if key in pairs:
            fail(f"{option}: {key} twice")
        pairs[key] = value
    return pairs


def _read(option: str, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        fail(f"{option}: {error}")
