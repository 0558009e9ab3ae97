"""``haizea recurrence``: reservations that recur, daily or weekly."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final

import click

from haizea.cli.live import complete
from haizea.cli.live.common import (
    REFUSED,
    LiveGroup,
    answer_options,
    client_of,
    confirmed,
    document_options,
    fail,
    list_options,
    say,
    yes_option,
)
from haizea.cli.live.output import Column, View, rows_text, show_rows, write
from haizea.cli.live.present import local_zone, present_of
from haizea.cli.live.request import request_document, request_options
from haizea.cli.live.when import instant_of, zone_named
from haizea.cli.live.words import at, clean, length, listed, truth
from haizea.model.units import SECOND

DAYS: Final = {
    "monday": "MO", "tuesday": "TU", "wednesday": "WE", "thursday": "TH", "friday": "FR", "saturday": "SA",
    "sunday": "SU",
}  # fmt: skip

TO_COME: Final = frozenset({"queued", "scheduled", "preparing", "ready", "held"})
"""States of leases of a recurring reservation that have not begun, as a rule."""

RECURRENCES: Final = (
    Column("id", "id", right=True),
    Column("name", "name"),
    Column("owner", "owner"),
    Column("rule", "rule"),
    Column("first", "first"),
    Column("zone", "zone"),
    Column("duration", "duration_s", length, right=True),
    Column("vms", "vms", right=True),
    Column("ended", "ended", truth),
    Column("left_out", "exceptions", lambda days: ",".join(days or []), wide=True),
    Column("created", "created", at, wide=True),
)
OCCURRENCES: Final = (
    Column("local", "local"),
    Column("start", "start", at),
    Column("lease", "lease", right=True),
    Column("state", "state"),
    Column("reason", "reason"),
)

_number = click.argument(
    "number", metavar="RECURRENCE", type=click.IntRange(1, (1 << 53) - 1), shell_complete=complete.recurrences
)
_reason = click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the journal.")


@click.group(cls=LiveGroup, short_help="Reservations that recur, daily or weekly.")
def recurrence() -> None:
    """Have the same reservation every day, or on certain days of the week.

    Each occurrence is a lease of its own, booked some weeks ahead.
    """


@recurrence.command(short_help="Reserve the same every day or week.")
@request_options
@click.option("--daily", is_flag=True, help="Every day.")
@click.option("--weekly", metavar="DAYS", help="On these days of the week: mon,wed,fri.")
@click.option("--every", type=click.IntRange(1, 1000), metavar="N", help="Only every Nth day or week. [default: 1]")
@click.option("--count", type=click.IntRange(1, 1000), metavar="N", help="So many times.")
@click.option("--until", metavar="DAY", help="Up to this day, included: 2027-01-31.")
@click.option("--rule", metavar="RULE", help="Instead of these: an iCalendar rule, FREQ=WEEKLY;BYDAY=MO;COUNT=10.")
@click.option("--except", "exceptions", multiple=True, metavar="DAY", help="Not on this day. May be repeated.")
@click.option("--zone", metavar="ZONE", help="The zone of the clock that is meant. [default: this machine's]")
@click.option("--all-or-none", is_flag=True, help="Book nothing unless all that is booked at once can be had.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the journal.")
@click.option("--dry-run", is_flag=True, help="Only say when it would recur.")
@answer_options
@click.pass_context
def add(ctx: click.Context, /, view: View, dry_run: bool, **given: Any) -> None:
    """Reserve the same VMs again and again: --start is the first time, the clock of its zone counts.

    Exit status: 0 all occurrences that are booked by now were accepted, 1 some were refused.
    """
    rule = _rule(given)
    if given["start"] is None:
        fail("when? Give --start 'monday 09:00': the first time, by the clock in --zone")
    zone_name, zone = _zone(given["zone"])
    with client_of(ctx) as client:
        start = _local(client, given["start"], zone)
        document = request_document(client, {**given, "start": None, "at_latest": None})
        wanted = {
            "lease": {**document, "start": start},
            "rule": rule,
            "zone": zone_name,
            "exceptions": [_day(text, "--except") for text in given["exceptions"]],
            "all_or_none": given["all_or_none"],
            "reason": given["reason"],
        }
        made = client.add_recurrence(wanted, dry_run=dry_run)
    refused = [each for each in made["occurrences"] if each["state"] in ("rejected", "rejected-by-user", "refused")]
    if view.for_people:
        said = "would recur" if dry_run else f"recurring reservation {made['id']}:"
        write(f"{clean(said)} {len(made['occurrences'])} times, {clean(made['rule'])}\n")
        show_rows(view, OCCURRENCES, lambda: made["occurrences"], "")
    else:
        write(rows_text(view, RECURRENCES, [made], single=True))
    ctx.exit(REFUSED if refused else 0)


@recurrence.command("list", short_help="List recurring reservations.")
@click.option("--ended", is_flag=True, help="Those that are over too.")
@list_options
@click.pass_context
def list_recurrences(ctx: click.Context, view: View, ended: bool) -> None:
    """List recurring reservations."""
    with client_of(ctx) as client:
        show_rows(view, RECURRENCES, lambda: client.recurrences(ended=ended), "nothing recurs")


@recurrence.command(short_help="Show what became of each occurrence.")
@_number
@document_options
@click.pass_context
def show(ctx: click.Context, number: int, view: View) -> None:
    """Show each occurrence of a RECURRENCE, its lease and what became of it."""
    with client_of(ctx) as client:
        if view.for_people or view.output in ("csv", "wide"):
            show_rows(view, OCCURRENCES, lambda: client.recurrence(number)["occurrences"], "it never recurs")
        else:
            write(rows_text(view, RECURRENCES, [client.recurrence(number)], single=True))


@recurrence.command(short_help="Leave days out.")
@_number
@click.argument("days", metavar="DAY…", nargs=-1, required=True)
@click.option("--take-in", is_flag=True, help="Take days in again that were left out.")
@_reason
@click.option("--dry-run", is_flag=True, help="Only say what would be.")
@answer_options
@click.pass_context
def skip(
    ctx: click.Context, /, number: int, days: tuple[str, ...], take_in: bool, reason: str, dry_run: bool, view: View
) -> None:
    """Leave days (2026-12-24) out of a RECURRENCE: their leases are cancelled."""
    which = "take_in" if take_in else "leave_out"
    with client_of(ctx) as client:
        changes = {which: [_day(day, "DAY") for day in days], "reason": reason}
        made = client.change_recurrence(number, {**changes, "dry_run": True} if dry_run else changes)
    if dry_run and view.for_people:
        say("it would be:")
    write(rows_text(view, RECURRENCES, [made], single=True))


@recurrence.command(short_help="End a recurring reservation.")
@_number
@_reason
@click.option("--dry-run", is_flag=True, help="Only say which leases would be cancelled.")
@yes_option
@click.pass_context
def remove(ctx: click.Context, /, number: int, reason: str, dry_run: bool, yes: bool) -> None:
    """End a RECURRENCE: leases that have not begun are cancelled, one that runs goes on."""
    with client_of(ctx) as client:
        if dry_run:
            before = {each["lease"] for each in client.recurrence(number)["occurrences"] if each["state"] in TO_COME}
            after = client.remove_recurrence(number, reason=reason, dry_run=True)["occurrences"]
            waiting = [each["lease"] for each in after if each["lease"] in before and each["state"] == "cancelled"]
            gone = f", and leases {listed(waiting, 20)} would be cancelled" if waiting else ""
            say(f"recurring reservation {number} would be removed{gone}")
            return
        confirmed(f"Remove recurring reservation {number}, and cancel what has not begun?", yes)
        client.remove_recurrence(number, reason=reason)
    say(f"recurring reservation {number} was removed")


def _rule(given: Mapping[str, Any]) -> str:
    rule, daily, weekly = given["rule"], given["daily"], given["weekly"]
    if sum([rule is not None, daily, weekly is not None]) != 1:
        fail("how often? Give one of --daily, --weekly mon,wed and --rule")
    if rule is not None:
        if any(given[name] is not None for name in ("every", "count", "until")):
            fail("--rule says it all: --every, --count and --until do not go with it")
        return str(rule)
    parts = ["FREQ=DAILY"] if daily else ["FREQ=WEEKLY", "BYDAY=" + ",".join(map(_weekday, weekly.split(",")))]
    if given["every"] is not None:
        parts.append(f"INTERVAL={given['every']}")
    if given["count"] is not None and given["until"] is not None:
        fail("--count and --until exclude each other")
    if given["count"] is not None:
        parts.append(f"COUNT={given['count']}")
    if given["until"] is not None:
        parts.append(f"UNTIL={_day(given['until'], '--until').replace('-', '')}")
    return ";".join(parts)


def _weekday(text: str) -> str:
    said = text.strip().lower()
    found = [short for name, short in DAYS.items() if len(said) >= 2 and name.startswith(said)]
    if len(found) != 1:
        fail(f"--weekly: {text!r} is no day of the week, such as mon or friday")
    return found[0]


def _day(text: str, option: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        fail(f"{option}: {text!r} is no day, such as 2026-12-24")


def _zone(name: str | None) -> tuple[str, tzinfo]:
    if name is None:
        zone = local_zone()
        key = getattr(zone, "key", None)
        return (key, zone) if key else ("UTC", UTC)
    try:
        zone = zone_named(name)
    except ValueError as error:
        fail(f"--zone: {error}")
    return name, zone


def _local(client: Any, text: str, zone: tzinfo) -> str:
    """Return what a clock in a zone shows at the time that is meant."""
    try:
        at = instant_of(text, present_of(client), zone)
    except ValueError as error:
        fail(f"--start: {error}")
    local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone)
    return local.replace(tzinfo=None).isoformat(timespec="seconds")
