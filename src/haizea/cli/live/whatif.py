"""``haizea simulate --live``: what would become of all leases, on a copy of the live state."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from haizea.cli.live.common import Connection, fail, report, status_of
from haizea.cli.live.lease_words import AFFECTED, sentence
from haizea.cli.live.leasefile import read_request
from haizea.cli.live.output import Column, json_text, table, value_at, write
from haizea.cli.live.present import length_option, local_zone, present_of
from haizea.cli.live.words import at, clean, counted, waited
from haizea.client.errors import HaizeaError

FIGURES: Final = (
    ("leases", "leases", str),
    ("done", "done", str),
    ("failed", "failed", str),
    ("rejected", "rejected", str),
    ("not over", "unfinished", str),
    ("preemptions", "preemptions", str),
    ("mean wait from now on", "waiting_s", waited),
    ("utilisation", "utilisation", lambda share: f"{100 * share:.1f} %"),
    ("last end", "last_end", at),
)
TIMEOUT_S: Final = 60.0


def simulate_live(values: Mapping[str, Any]) -> int:
    """Ask a server what would become of its leases; print it, and return the exit status."""
    connection = Connection(values["server"], values["context"], TIMEOUT_S)
    try:
        with connection.client() as client:
            found = client.what_if(_wanted(client, values))
    except HaizeaError as error:
        report(error)
        return status_of(error)
    if values["format"] == "json":
        write(json_text(found))
        return 0
    write("\n".join(map(clean, lines(found))) + "\n")
    return 0


def _wanted(client: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    options = {}
    for text in values["set"]:
        name, equals, value = text.partition("=")
        if not equals:
            fail(f"--set {text}: expected SECTION.KEY=VALUE")
        options[name.strip()] = value.strip()
    found: dict[str, Any] = {
        "fail_hosts": list(values["fail_host"]),
        "add_hosts": values["add_hosts"] or "",
        "requests": [read_request(path, lambda: present_of(client), local_zone()) for path in values["request"]],
        "options": options,
    }
    ahead = length_option(values["ahead"], "--ahead")
    return found if ahead is None else {**found, "ahead_s": ahead}


def lines(found: Mapping[str, Any]) -> Sequence[str]:
    """Say what would become of the leases: figures as it stands and as it would be, who is affected, the requests."""
    columns = (
        Column("", "name"), Column("as it stands", "before", right=True), Column("as it would be", "after", right=True)
    )  # fmt: skip
    rows = [[name, write_(found["before"][key]), write_(found["after"][key])] for name, key, write_ in FIGURES]
    told = table(rows, columns).rstrip("\n").split("\n")
    for request in found["requests"]:
        told.append(f"Request {request['id']}: " + sentence(request).partition(" ")[2].partition(" ")[2])
    if found["affected"]:
        cells = [[column.text(value_at(row, column.path)) for column in AFFECTED] for row in found["affected"]]
        told.append(f"{counted(len(cells), 'lease')} would be affected:")
        told += table(cells, AFFECTED).rstrip("\n").split("\n")
    else:
        told.append("No lease would be affected.")
    if not found["complete"]:
        told.append("It was not looked ahead to the end: that would have taken too long.")
    return told
