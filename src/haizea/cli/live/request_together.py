"""``haizea lease request-together``: leases that start together, or not at all."""

from typing import Any, Final

import click

from haizea.cli.live.common import LiveCommand, answer_options, client_of
from haizea.cli.live.lease_words import LEASE, sentence
from haizea.cli.live.output import View, rows_text, write
from haizea.cli.live.request import chosen, request, request_document
from haizea.cli.live.words import clean

MAX: Final = 50


@click.command("request-together", cls=LiveCommand)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the journal.")
@click.option("--key", metavar="TEXT", help="Names the request for all time: again with the same key, the same leases.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of them.")
@answer_options
@click.pass_context
def request_together(
    ctx: click.Context, /, view: View, files: tuple[str, ...], reason: str, key: str | None, dry_run: bool
) -> None:  # fmt: skip
    """Request leases that start together: all of them are accepted, or none.

    Each FILE is a request as 'haizea lease request --file' reads it. Those without a start of their own are reserved
    for the first instant at which there is room for all of them.

    Exit status: 0 accepted, 1 refused.
    """
    if not 2 <= len(files) <= MAX or files.count("-") > 1:
        raise click.UsageError(f"name from 2 to {MAX} files, standard input at most once")
    with client_of(ctx) as client:
        requests = [request_document(client, _nothing_but(path)) for path in files]
        leases = client.request_together(requests, reason=reason, key=key, dry_run=dry_run)
    if view.for_people:
        would = "It would be: " if dry_run else ""
        write("".join(f"{would}{clean(sentence(lease))}\n" for lease in leases))
    else:
        write(rows_text(view, chosen(view, LEASE), leases))


def _nothing_but(path: str) -> dict[str, Any]:
    """Return what the options of ``haizea lease request`` would be with only a file."""
    options = [option for option in request.params if isinstance(option, click.Option)]
    return {str(option.name): () if option.multiple else None for option in options} | {"file": path}
