"""What a shell offers while a command is typed: leases, hosts, users, offers of the server that is meant.

A shell waits for the answer, so a server gets half a second; where none comes, nothing is offered.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from haizea.cli.live.common import connection_of
from haizea.cli.live.words import clean
from haizea.client.errors import HaizeaError

TIMEOUT_S: Final = 0.5
ITEMS_MAX: Final = 100

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def leases(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer leases that are not over, with what they are."""
    return _offered(ctx, incomplete, lambda client: map(_lease, client.all_leases(active=True, most=ITEMS_MAX)))


def hosts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer hosts, with their states."""
    return _offered(ctx, incomplete, lambda client: ((host["name"], host["state"]) for host in client.hosts()))


def users(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer users, with their roles."""
    return _offered(ctx, incomplete, lambda client: ((user["name"], user["role"]) for user in client.users()))


def groups(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer groups."""
    return _offered(ctx, incomplete, lambda client: ((group["name"], group["note"]) for group in client.groups()))


def tokens(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer tokens that are not revoked, with whose they are."""
    return _offered(
        ctx,
        incomplete,
        lambda client: ((t["id"], f"{t['user']} {t['label']}") for t in client.tokens() if not t["revoked"]),
    )


def webhooks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer webhooks, with where they lead."""
    return _offered(ctx, incomplete, lambda client: ((str(hook["id"]), hook["url"]) for hook in client.webhooks()))


def recurrences(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer recurring reservations, with their rules."""
    return _offered(
        ctx, incomplete, lambda client: ((str(r["id"]), f"{r['name']} {r['rule']}") for r in client.recurrences())
    )


def _lease(lease: Any) -> tuple[str, str]:
    return str(lease["id"]), " ".join(part for part in (lease["state"], lease["name"], lease["owner"]) if part)


def _offered(
    ctx: click.Context, incomplete: str, found: Callable[[Any], Iterable[tuple[str, str]]]
) -> list[CompletionItem]:
    try:
        with connection_of(ctx.params)._replace(timeout_s=TIMEOUT_S).client() as client:
            pairs = [pair for pair in found(client) if pair[0].startswith(incomplete)]
    except (HaizeaError, KeyError, TypeError):
        # A shell that completes has nowhere to show a message.
        return []
    return [CompletionItem(clean(name), help=clean(help_)) for name, help_ in pairs[:ITEMS_MAX]]
