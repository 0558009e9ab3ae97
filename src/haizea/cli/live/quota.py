"""``haizea quota``: how much users and groups may have."""

from collections.abc import Callable
from typing import Any, Final

import click

from haizea.cli.live.common import LiveGroup, client_of, confirmed, fail, list_options, say, yes_option
from haizea.cli.live.output import Column, View, show_rows
from haizea.cli.live.values import parse_cpu, parse_length, parse_memory
from haizea.cli.live.words import mebibytes, waited
from haizea.model.units import SECOND

KINDS: Final = ("user", "group", "default")
NO_LIMIT: Final = "none"


def _cores(value: Any) -> str:
    return "" if value is None else f"{value / 100:g}"


def _memory(value: Any) -> str:
    return "" if value is None else mebibytes(value)


QUOTAS: Final = (
    Column("kind", "kind"),
    Column("of", "subject"),
    Column("vms", "vms", right=True),
    Column("used_vms", "used_vms", right=True),
    Column("cores", "cpu", _cores, right=True),
    Column("used_cores", "used_cpu", _cores, right=True),
    Column("memory", "memory", _memory, right=True),
    Column("used_memory", "used_memory", _memory, right=True),
    Column("core_hours", "core_hours", right=True),
    Column("used_core_hours", "used_core_hours", right=True),
    Column("each", "period"),
    Column("horizon", "horizon_s", waited, right=True),
)


@click.group(cls=LiveGroup, short_help="List, set and delete quotas.")
def quota() -> None:
    """Limit how much users and groups may have."""


@quota.command("list", short_help="List the quotas and what is used of them.")
@list_options
@click.pass_context
def list_quotas(ctx: click.Context, view: View) -> None:
    """List the quotas and what is used of them; no number is no limit."""
    with client_of(ctx) as client:
        show_rows(view, QUOTAS, client.quotas, "there are no quotas: nobody is limited")


def of_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments that say whose quota is meant."""
    command = click.argument("subject", required=False, default="", metavar="[NAME]")(command)
    return click.argument("kind", type=click.Choice(KINDS), metavar="user|group|default")(command)


@quota.command("set", short_help="Set limits.")
@of_arguments
@click.option("--vms", metavar="N", help="VMs at a time.")
@click.option("--cpu", metavar="CORES", help="Cores at a time: 16, 50%.")
@click.option("--memory", metavar="SIZE", help="Memory at a time: 64G.")
@click.option("--core-hours", metavar="HOURS", help="Core hours that may start within a period.")
@click.option("--period", type=click.Choice(["day", "week", "month"]), help="The period. [default: month]")
@click.option("--horizon", metavar="LENGTH", help="How far ahead a reservation may start: 30d.")
@click.pass_context
def set_quota(ctx: click.Context, /, kind: str, subject: str, **given: str | None) -> None:
    """Set limits of a user or a group, or of every user who has none of their own (default).

    What is not given stays as it is; 'none' takes a limit away.
    """
    _check(kind, subject)
    limits = {key: value for key, value in _limits(given).items() if given[_OPTION[key]] is not None}
    with client_of(ctx) as client:
        names = [*_OPTION]
        known = next((each for each in client.quotas() if (each["kind"], each["subject"]) == (kind, subject)), None)
        kept = {name: known[name] for name in names} if known else {}
        client.put_quota(kind, subject, {**kept, **limits})
    say(f"the quota of {f'{kind} {subject}' if subject else 'users without one of their own'} was set")


@quota.command("delete", short_help="Delete a quota.")
@of_arguments
@yes_option
@click.pass_context
def delete(ctx: click.Context, kind: str, subject: str, yes: bool) -> None:
    """Delete a quota: the default holds again, or no limit at all."""
    _check(kind, subject)
    with client_of(ctx) as client:
        confirmed(f"Delete the quota of {kind} {subject}?".replace(" ?", "?"), yes)
        client.delete_quota(kind, subject)
    say(f"the quota of {kind} {subject} was deleted".replace("  ", " "))


_OPTION: Final = {
    "vms": "vms",
    "cpu": "cpu",
    "memory": "memory",
    "core_hours": "core_hours",
    "period": "period",
    "horizon_s": "horizon",
}


def _limits(given: dict[str, str | None]) -> dict[str, Any]:
    return {
        "vms": _limit("--vms", _whole, given["vms"]),
        "cpu": _limit("--cpu", parse_cpu, given["cpu"]),
        "memory": _limit("--memory", parse_memory, given["memory"]),
        "core_hours": _limit("--core-hours", _hours, given["core_hours"]),
        "period": given["period"],
        "horizon_s": _limit("--horizon", lambda text: parse_length(text) / SECOND, given["horizon"]),
    }


def _limit(option: str, read: Callable[[str], Any], text: str | None) -> Any:
    if text is None or text.strip().lower() == NO_LIMIT:
        return None
    try:
        return read(text)
    except ValueError as error:
        fail(f"{option}: {error}")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)


def _hours(text: str) -> float:
    found = float(text) if len(text) <= 20 else -1.0
    if not 0 <= found <= 1e12:
        raise ValueError(f"{text[:20]!r} is no number of hours")
    return found


def _check(kind: str, subject: str) -> None:
    if (kind == "default") == bool(subject):
        fail("say whose: 'user NAME', 'group NAME', or 'default' alone")
