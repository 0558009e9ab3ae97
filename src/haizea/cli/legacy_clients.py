"""The clients of Haizea 1.x for a running lease manager, with their old options and columns, over XML-RPC.

They are for scripts that call them. ``haizea lease``, ``haizea queue`` and ``haizea host`` can more.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from haizea.cli.commands import run_click
from haizea.cli.main import guarded
from haizea.model.lease import LeaseState

if TYPE_CHECKING:
    import xmlrpc.client


SERVER: Final = "http://localhost:42493"
TIMEOUT_S: Final = 60.0
FILE_BYTES_MAX: Final = 1 << 20
CENTURY: Final = "36500:00:00:00.00"
"""How Haizea 1.x writes an unlimited duration."""

BOLD: Final = "\33[1m\33[4m"
PLAIN: Final = "\33[0m"

Command = Callable[..., Any]
Row = Mapping[str, str]


class Column(NamedTuple):
    """A column of a table: the field it shows, its title, its least width."""

    field: str
    title: str
    width: int


LEASE_COLUMNS: Final = (
    Column("id", "ID", 3),
    Column("type", "Type", 12),
    Column("state", "State", 9),
    Column("start", "Starting time", 22),
    Column("duration", "Duration", 12),
    Column("nodes", "Nodes", 3),
)
HOST_COLUMNS: Final = (
    Column("id", "ID", 3),
    Column("hostname", "Hostname", 10),
    Column("cpu", "CPUs", 6),
    Column("mem", "Mem", 6),
)

# Where the original wrote a state otherwise than with capitals at the words of its name.
_STATES: Final[Mapping[LeaseState, str]] = {
    LeaseState.FAILED: "Fail",
    LeaseState.REJECTED_BY_USER: "Rejected by user",
}


def _server(command: Command) -> Command:
    """Give a command the options that all of them have."""
    debug = click.option("-D", "--debug", is_flag=True, help="Show where an error comes from.")
    server = click.option(
        "-s", "--server", default=SERVER, show_default=True, envvar="HAIZEA_SERVER", metavar="URI",
        help="The server; with credentials http://USER:TOKEN@HOST:PORT.",
    )  # fmt: skip
    return server(debug(command))


_HELP: Final = {"help_option_names": ["-h", "--help"]}


@click.command(context_settings=_HELP)
@click.option("-f", "--file", "file", type=click.Path(), help="File with a lease in XML.")
@click.option("-t", "--start", help="When: an ISO timestamp, +HH:MM:SS from now, best_effort, or now.")
@click.option("-d", "--duration", help="How long: HH:MM:SS, DD:HH:MM:SS, or unlimited.")
@click.option("-n", "--numnodes", type=click.IntRange(1), help="How many nodes.")
@click.option("--preemptible/--non-preemptible", default=False, help="Whether the lease may be preempted.")
@click.option("-c", "--cpu", type=click.FloatRange(0, 1e6, min_open=True), help="CPU of a node: 1.0 is one core.")
@click.option("-m", "--mem", type=click.IntRange(0), help="Memory of a node, in MiB.")
@click.option("-i", "--vmimage", help="Name of the disk image.")
@click.option("-z", "--vmimagesize", type=click.IntRange(0), help="Size of the disk image, in MiB.")
@_server
def request_lease(server: str, debug: bool, file: str | None, **terms: Any) -> None:
    """Request a lease."""
    xml = _lease_from_file(file) if file is not None else _lease_from_options(terms)
    number = _call(server, debug, "create_lease", xml)
    click.echo("Lease submitted correctly.")
    click.echo(f"Lease ID: {number}")


@click.command(context_settings=_HELP)
@click.option("-l", "--lease", type=click.IntRange(0), required=True, help="Number of the lease.")
@_server
def cancel_lease(server: str, debug: bool, lease: int) -> None:
    """Cancel a lease."""
    _call(server, debug, "cancel_lease", lease)


@click.command(context_settings=_HELP)
@_server
def list_leases(server: str, debug: bool) -> None:
    """List the leases that are not over."""
    _print_table(LEASE_COLUMNS, [_lease_row(xml) for xml in _call(server, debug, "get_leases")])


@click.command(context_settings=_HELP)
@_server
def show_queue(server: str, debug: bool) -> None:
    """Show the queue."""
    leases = _call(server, debug, "get_queue")
    if leases:
        _print_table(LEASE_COLUMNS, [_lease_row(xml) for xml in leases])
    else:
        click.echo("Queue is empty.")


@click.command(context_settings=_HELP)
@_server
def list_hosts(server: str, debug: bool) -> None:
    """List the hosts."""
    hosts = _call(server, debug, "get_hosts")
    _print_table(HOST_COLUMNS, [{name: str(value) for name, value in host.items()} for host in hosts])


def _call(server: str, debug: bool, method: str, *arguments: object) -> Any:
    """Call a method of the server and return its answer.

    Raises:
        click.ClickException: the server is not there, does not let us in, or refuses.
    """
    import http.client
    import xmlrpc.client
    from xml.parsers.expat import ExpatError

    try:
        with _proxy(server) as proxy:
            return getattr(proxy, method)(*arguments)
    except (xmlrpc.client.Error, http.client.HTTPException, OSError, ExpatError, ValueError) as error:
        if debug:
            raise
        raise click.ClickException(_printable(_problem(error, _without_credentials(server)))) from None


def _problem(error: Exception, server: str) -> str:
    """Say what went wrong with a call."""
    import xmlrpc.client

    if isinstance(error, xmlrpc.client.Fault):
        return f"the server refused: {error.faultString}"
    if isinstance(error, xmlrpc.client.ProtocolError):
        hint = "; credentials go into the URI, http://USER:TOKEN@HOST:PORT" if error.errcode in (401, 403) else ""
        return f"{server} answered {error.errcode} {error.errmsg}{hint}"
    if isinstance(error, OSError):
        why = error.strerror or str(error) or "no answer"
        return f"nobody answers at {server} ({why}); is haizea serve running there?"
    return f"what answers at {server} is no lease manager ({type(error).__name__}: {error})"


def _proxy(server: str) -> "xmlrpc.client.ServerProxy":
    import http.client
    import xmlrpc.client
    from urllib.parse import urlsplit

    class Patient(xmlrpc.client.Transport):
        """Waits for an answer, but not for ever."""

        def make_connection(self, host: Any) -> http.client.HTTPConnection:
            connection = super().make_connection(host)
            connection.timeout = TIMEOUT_S
            return connection

    class PatientSecure(xmlrpc.client.SafeTransport):
        """The same with TLS."""

        def make_connection(self, host: Any) -> http.client.HTTPSConnection:
            connection = super().make_connection(host)
            connection.timeout = TIMEOUT_S
            return connection

    try:
        parts = urlsplit(server)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port is not None
    except ValueError:
        usable = False
    if not usable:
        wanted = "http://HOST:PORT or http://USER:TOKEN@HOST:PORT"
        raise click.UsageError(f"{_without_credentials(server)!r} is no server's URI; expected {wanted}")
    transport = PatientSecure() if parts.scheme == "https" else Patient()
    return xmlrpc.client.ServerProxy(server, transport=transport, allow_none=True)


def _without_credentials(server: str) -> str:
    before, at, after = server.rpartition("@")
    return f"{before.partition('://')[0]}://{after}" if at else server


def _lease_from_options(terms: Mapping[str, Any]) -> str:
    """Return the XML of the lease that options describe."""
    from lxml import etree

    from haizea.workloads.times import SPAN_FORM, parse_duration

    for name in ("start", "duration", "numnodes", "cpu", "mem"):
        if terms[name] is None:
            needed = "without a file, start, duration, numnodes, cpu and mem are needed"
            raise click.UsageError(f"--{name} is missing; {needed}")
    if math.isnan(terms["cpu"]):
        raise click.UsageError("--cpu nan is not in the range of numbers above 0")
    if (terms["vmimage"] is None) != (terms["vmimagesize"] is None):
        raise click.UsageError("--vmimage and --vmimagesize go together")
    try:
        unlimited = parse_duration(terms["duration"]) is None
    except ValueError as error:
        wrong = f"--duration {terms['duration']!r}: {error}"
        raise click.UsageError(f"{wrong}; expected {SPAN_FORM}, or unlimited") from None
    root = etree.Element("lease", {"state": "0", "preemptible": str(terms["preemptible"])})
    node_set = etree.SubElement(etree.SubElement(root, "nodes"), "node-set", {"numnodes": str(terms["numnodes"])})
    amounts = (("CPU", round(terms["cpu"] * 100)), ("Memory", terms["mem"]))
    for kind, amount in amounts:
        etree.SubElement(node_set, "res", {"type": kind, "amount": str(amount)})
    start = etree.SubElement(root, "start")
    if terms["start"] == "now":
        etree.SubElement(start, "now")
    elif terms["start"] != "best_effort":
        etree.SubElement(start, "exact", {"time": _time(terms["start"], "--start")})
    etree.SubElement(root, "duration", {"time": CENTURY if unlimited else terms["duration"]})
    software = etree.SubElement(root, "software")
    if terms["vmimage"] is None:
        etree.SubElement(software, "none")
    else:
        try:
            etree.SubElement(software, "disk-image", {"id": terms["vmimage"], "size": str(terms["vmimagesize"])})
        except ValueError:
            raise click.UsageError(f"--vmimage {terms['vmimage']!r} has characters that XML cannot hold") from None
    return etree.tostring(root, encoding="us-ascii").decode("ascii")


def _lease_from_file(path: str) -> str:
    """Return the XML of a file, its times with the zone of this machine where they name none."""
    from lxml import etree

    with open(path, "rb") as stream:
        text = stream.read(FILE_BYTES_MAX + 1)
    if len(text) > FILE_BYTES_MAX:
        raise click.UsageError(f"{path}: more than {FILE_BYTES_MAX} bytes, which is too much for a lease")
    try:
        root = etree.fromstring(text, _parser())
    except etree.XMLSyntaxError as error:
        raise click.UsageError(f"{path}: not well-formed XML ({error.msg})") from None
    for element in root.iterfind("start/exact"):
        element.set("time", _time(element.get("time") or "", path))
    for element in root.iterfind("deadline"):
        element.set("time", _time(element.get("time") or "", path))
    return etree.tostring(root, encoding="us-ascii").decode("ascii")


def _time(text: str, where: str) -> str:
    """Return a time as the server is to understand it: ``+`` and a span, or an instant with its zone."""
    from datetime import datetime

    from haizea.workloads.times import parse_span

    text = text.strip()
    try:
        if text.startswith("+"):
            parse_span(text)
            return text
        return datetime.fromisoformat(text).astimezone().isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        wanted = "an ISO timestamp such as 2026-11-25 13:00:00, or +HH:MM:SS from now"
        raise click.UsageError(f"{where}: {text!r} is no time; expected {wanted}") from None


def _lease_row(xml: str) -> Row:
    """Return the fields of a lease's XML that a table shows."""
    from lxml import etree

    try:
        lease = etree.fromstring(xml.encode(), _parser())
        state = LeaseState(int(lease.get("state", "")))
        nodes = sum(int(each.get("numnodes", "")) for each in lease.iterfind("nodes/node-set"))
    except (etree.XMLSyntaxError, ValueError, AttributeError) as error:
        raise click.ClickException(f"the server sent a lease that cannot be read ({error})") from None
    exact = lease.find("start/exact")
    deadline = lease.find("deadline") is not None
    if exact is not None:
        kind, start = "Deadline" if deadline else "AR", exact.get("time", "")
    elif lease.find("start/now") is not None:
        kind, start = "Immediate", "Now"
    else:
        kind, start = "Best-effort", "Unspecified"
    duration = lease.find("duration")
    return {
        "id": lease.get("id", ""),
        "type": kind,
        "state": _STATES.get(state) or state.label.title(),
        "start": start,
        "duration": duration.get("time", "") if duration is not None else "",
        "nodes": str(nodes),
    }


def _parser() -> Any:
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_comments=True, remove_pis=True
    )  # fmt: skip


def _print_table(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print a table as the original did, but wide enough for what is in it, and bold on a terminal only."""
    cells = [[_printable(row.get(column.field, "")) for column in columns] for row in rows]
    widths = [
        max(column.width, len(column.title), *(len(line[index]) for line in cells), 0)
        for index, column in enumerate(columns)
    ]
    head = "  ".join(column.title.ljust(width) for column, width in zip(columns, widths, strict=True))
    bold, plain = (BOLD, PLAIN) if sys.stdout.isatty() else ("", "")
    lines = [f"{bold} {head} {plain}"]
    lines += [" " + "  ".join(map(str.ljust, line, widths)) for line in cells]
    click.echo("\n".join(line.rstrip() for line in lines))


def _printable(text: str) -> str:
    """Return text of a server's fit for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def request_lease_main() -> None:
    """The entry point ``haizea-request-lease``."""
    _main(request_lease, "haizea-request-lease")


def cancel_lease_main() -> None:
    """The entry point ``haizea-cancel-lease``."""
    _main(cancel_lease, "haizea-cancel-lease")


def list_leases_main() -> None:
    """The entry point ``haizea-list-leases``."""
    _main(list_leases, "haizea-list-leases")


def show_queue_main() -> None:
    """The entry point ``haizea-show-queue``."""
    _main(show_queue, "haizea-show-queue")


def list_hosts_main() -> None:
    """The entry point ``haizea-list-hosts``."""
    _main(list_hosts, "haizea-list-hosts")


def _main(command: click.Command, name: str) -> None:
    sys.exit(guarded(lambda: run_click(sys.argv[1:], command, name)))
