"""Small workload files as text, for the tests of reading them."""

from pathlib import Path

LEASE = """<lease id="{id}" preemptible="{preemptible}">
  <nodes><node-set numnodes="2"><res type="CPU" amount="100"/><res type="Memory" amount="1024"/></node-set></nodes>
  <start>{start}</start>
  <duration time="{duration}"/>{more}
  <software><none/></software>
</lease>"""

NODES = (
    '<nodes><node-set numnodes="4"><res type="CPU" amount="100"/><res type="Memory" amount="1024"/></node-set></nodes>'
)
SITE = f'<site><resource-types names="CPU Memory"/>{NODES}</site>'


def lease(id: int = 1, start: str = "", duration: str = "01:00:00", preemptible: str = "true", more: str = "") -> str:
    """Return a lease of two VMs of one core and 1 GiB."""
    return LEASE.format(id=id, start=start, duration=duration, preemptible=preemptible, more=more)


def request(arrival: str = "00:00:00.00", body: str | None = None, before: str = "") -> str:
    """Return a request of a lease."""
    return f'<lease-request arrival="{arrival}">{before}{lease() if body is None else body}</lease-request>\n'


def lwf(*requests: str, head: str = "") -> str:
    """Return a workload of requests."""
    body = "".join(requests)
    inside = f"{head}\n<lease-requests>\n{body}</lease-requests>\n"
    return f'<?xml version="1.0"?>\n<lease-workload name="test">{inside}</lease-workload>\n'


def job(
    number: int = 1, submit: str = "0", run: str = "60", size: int = 4, asked: str = "300", *, allocated: int = -1,
    kilobytes: str = "-1", status: int = 1, user: str = "7", queue: int = 1,
) -> str:  # fmt: skip
    """Return a line of SWF."""
    known = f"{number} {submit} 5 {run} {allocated} 0.5 -1 {size} {asked} {kilobytes} {status} {user} 3 9 {queue}"
    return f"{known} -1 -1 -1\n"


def write(folder: Path, text: str | bytes, name: str = "workload") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path
