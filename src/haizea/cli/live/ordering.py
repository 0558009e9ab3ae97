"""What all commands that give orders share: why, whether only to try, being asked first, and what came of it.

Several things at once are dealt with one after the other; one that is refused does not keep the others from being done,
and the exit status is that of the first that was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import click

from haizea.cli.live.common import answer_options, confirmed, report, status_of, yes_option
from haizea.cli.live.lease_words import AFFECTED, FINAL, sentence
from haizea.cli.live.output import Column, View, rows_text, table, value_at, write
from haizea.cli.live.words import clean, counted, listed
from haizea.client.errors import ClientError

Document = Mapping[str, Any]
Give = Callable[..., Document]
"""Gives one order: called with ``reason`` and ``dry_run`` it returns what came of it."""

OUTCOME: Final = (
    Column("done", "done"),
    Column("text", "text"),
    Column("lease", "lease.id", right=True),
    Column("state", "lease.state"),
    Column("affected", "affected", lambda found: ",".join(str(each["lease"]) for each in found or [])),
    Column("left", "left"),
    Column("notes", "notes", wide=True),
)


def order_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of orders; it takes them as ``how``, by name, and ``view``."""
    for option in (
        yes_option,
        click.option("--dry-run", is_flag=True, help="Only say what would change, and who is affected."),
        click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the journal."),
        answer_options,
    ):
        command = option(command)
    return command


def give(
    ctx: click.Context,
    view: View,
    orders: Iterable[Give],
    *,
    reason: str,
    dry_run: bool,
    yes: bool,
    question: str = "",
) -> None:
    """Give orders, having asked the ``question`` first if there is one, and show what came of each.

    Raises:
        click.exceptions.Exit: one was refused; its status is that of the first.
    """
    if question and not dry_run:
        confirmed(question, yes)
    found: list[Document] = []
    status = 0
    for order in orders:
        try:
            outcome = order(reason=reason, dry_run=dry_run)
        except ClientError as error:
            report(error)
            status = status or status_of(error)
            continue
        found.append(outcome)
        if view.for_people and not view.columns:
            write("".join(f"{clean(line)}\n" for line in outcome_lines(outcome)) + affected_text(outcome))
    if found and (view.columns or not view.for_people):
        columns = [_chosen(name) for name in view.columns] or list(OUTCOME)
        write(rows_text(view, columns, found))
    ctx.exit(status)


def _chosen(name: str) -> Column:
    known = {column.name: column for column in OUTCOME}
    return known.get(name, Column(name, name))


def outcome_lines(outcome: Document) -> list[str]:
    """Say what came of an order: that it was done, how the lease is now, who is left where nobody should be."""
    lines = [outcome["text"]]
    if outcome["lease"] is not None and outcome["lease"]["state"] not in FINAL:
        lines.append(("It would be: " if not outcome["done"] else "") + sentence(outcome["lease"]))
    if outcome["left"]:
        are = "would still be there" if not outcome["done"] else "are still there"
        lines.append(f"{counted(len(outcome['left']), 'lease')} {are}: {listed(outcome['left'], 20)}.")
    return [*lines, *outcome["notes"]]


def affected_text(outcome: Document) -> str:
    """Return a table of whom an order affects; nothing where that is nobody."""
    rows: Sequence[Document] = outcome["affected"]
    if not rows:
        return "Nobody else would be affected.\n" if not outcome["done"] else ""
    would = "would be affected" if not outcome["done"] else "affected"
    cells = [[column.text(value_at(row, column.path)) for column in AFFECTED] for row in rows]
    return f"{counted(len(rows), 'other lease')} {would}:\n{table(cells, AFFECTED)}"


def named(noun: str, things: Sequence[object]) -> str:
    """Name things in a question: ``lease 3``, ``leases 3, 4``."""
    return f"{noun if len(things) == 1 else noun + 's'} {', '.join(map(str, things))}"
