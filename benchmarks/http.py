"""How many requests a running daemon answers, and how fast: ``python -m benchmarks.http URL``.

Clients are processes of their own with a few connections each, speaking HTTP by hand, so that what is measured is the
server. Only servers on this machine are called. ``--junk`` sends, beside that or alone, requests that are malformed or
unauthorised at a fixed rate: what a server must put up with while it does its work.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.tables import Column, Result, Row, render

SECONDS_MAX: Final = 600.0
KINDS: Final = ("request", "list", "show", "dry-run")
TIMEOUT_S: Final = 30.0
JUNK_CONNECTIONS: Final = 250
COLUMNS: Final = (
    Column("what", "what"),
    Column("requests", "requests", ",d"),
    Column("per second", "per second", ",.1f"),
    Column("p50 ms", "p50 ms", ".2f"),
    Column("p99 ms", "p99 ms", ".2f"),
    Column("max ms", "max ms", ".2f"),
    Column("answers", "answers by status"),
)


class Job(NamedTuple):
    """What one process does: call a server for some seconds over some connections, as often as it can or at a rate."""

    host: str
    port: int
    token: str
    kind: str
    seconds: float
    connections: int
    rate: float
    seed: int


class Tally(NamedTuple):
    """What came of it: seconds that each answered request took, and answers by status; 0 is a broken connection."""

    took_s: list[float]
    statuses: dict[int, int]


def head(job: Job, method: str, path: str, body: bytes = b"", token: str | None = None) -> bytes:
    """Return a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{job.port}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def wanted(chance: random.Random, kind: str) -> bytes:
    """Return the body of a request for a lease: best effort, or a reservation some days ahead."""
    nodes = [{"count": chance.randint(1, 8), "resources": {"CPU": 100, "Memory": 1024}}]
    body: dict[str, object] = {"nodes": nodes, "duration": chance.randrange(600, 7200)}
    if kind == "dry-run" or chance.random() < 0.5:
        body["start"] = f"+{chance.randint(2, 23):02}:{chance.randint(0, 59):02}:00"
    return json.dumps(body).encode()


def requests(job: Job) -> Iterator[bytes]:
    """Yield requests of a kind, for ever."""
    chance = random.Random(job.seed)
    while True:
        if job.kind == "request":
            yield head(job, "POST", "/v1/leases", wanted(chance, job.kind), job.token)
        elif job.kind == "dry-run":
            yield head(job, "POST", "/v1/dry-run", wanted(chance, job.kind), job.token)
        elif job.kind == "list":
            yield head(job, "GET", "/v1/leases?limit=100&order=-id", token=job.token)
        elif job.kind == "show":
            yield head(job, "GET", f"/v1/leases/{chance.randint(1, 50)}", token=job.token)
        else:
            yield junk(job, chance)


def junk(job: Job, chance: random.Random) -> bytes:
    """Return a request that no server should spend much on."""
    made_up = f"{chance.getrandbits(128):032x}"
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: head(job, "POST", "/v1/leases", b'{"nodes": [', made_up),
        lambda: head(job, "GET", "/v1/leases", token=made_up),
        lambda: head(job, "GET", f"/{made_up}"),
        lambda: head(job, "DELETE", "/v1/leases/1"),
        lambda: head(job, "GET", "/v1/leases?limit=x"),
        lambda: f"GET /v1/leases HTTP/1.1\r\nHost: {made_up}.example\r\n\r\n".encode(),
        lambda: made_up.encode() + b"\r\n\r\n",
    )
    return chance.choice(makers)()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read an answer. Returns its status, and whether the connection can be used again."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    await reader.readexactly(int(fields.get("content-length", "0")))
    return int(lines[0].split(" ")[1]), fields.get("connection") != "close"


async def client(job: Job, made: Iterator[bytes], until: float, number: int, tally: Tally) -> None:
    """Send requests over one connection, one after the other, making a new connection where one broke."""
    writer: asyncio.StreamWriter | None = None
    # At a rate, connections take turns: together they send evenly, not in bursts.
    pause_s = job.connections / job.rate if job.rate else 0.0
    due = time.monotonic() + pause_s * (number / job.connections - 1)
    for request in made:
        if time.monotonic() >= until:
            break
        if pause_s:
            due += pause_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        began = time.perf_counter()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(job.host, job.port)
            writer.write(request)
            async with asyncio.timeout(TIMEOUT_S):
                status, again = await answer(reader)
            tally.took_s.append(time.perf_counter() - began)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            status, again = 0, False
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        if not again and writer is not None:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


def work(job: Job) -> Tally:
    """Do a job, in a process of its own."""
    tally = Tally([], {})

    async def run() -> None:
        made = requests(job)
        until = time.monotonic() + job.seconds
        await asyncio.gather(*(client(job, made, until, number, tally) for number in range(job.connections)))

    asyncio.run(run())
    return tally


def measure(jobs: Sequence[Job]) -> list[Tally]:
    """Do jobs at the same time, each in a process of its own."""
    with ProcessPoolExecutor(len(jobs), mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(work, jobs))


def row(kind: str, tallies: Sequence[Tally], seconds: float) -> Row:
    """Return the figures of one kind of request."""
    took = sorted(itertools.chain.from_iterable(tally.took_s for tally in tallies))
    statuses: dict[int, int] = {}
    for tally in tallies:
        for status, count in tally.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    points = statistics.quantiles(took, n=100) if len(took) > 1 else [0.0] * 99
    return {
        "what": kind,
        "requests": sum(statuses.values()),
        "per second": round(sum(statuses.values()) / seconds, 1),
        "p50 ms": round(points[49] * 1000, 2),
        "p99 ms": round(points[98] * 1000, 2),
        "max ms": round(took[-1] * 1000, 2) if took else 0.0,
        "answers": " ".join(f"{status}:{count}" for status, count in sorted(statuses.items())),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__.split("\n\n")[0])
    parser.add_argument("url", help="http://127.0.0.1:PORT of a running daemon")
    parser.add_argument("what", nargs="*", default=[], help=f"of {', '.join(KINDS)}; all, unless only --junk is given")
    parser.add_argument("--token", default=os.environ.get("HAIZEA_TOKEN", ""), help="else that in HAIZEA_TOKEN")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each kind, at most 600 (10)")
    parser.add_argument("--processes", type=int, default=2, help="clients (2)")
    parser.add_argument("--connections", type=int, default=4, help="of each client (4)")
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second over all; 0: as many as possible")
    parser.add_argument("--junk", type=float, default=0.0, metavar="RATE", help="junk per second at the same time")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    given = parser.parse_intermixed_args(arguments)
    parts = urlsplit(given.url)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1") or parts.port is None:
        parser.error("the URL must be http://127.0.0.1:PORT: only servers on this machine are measured")
    if not 0 < given.seconds <= SECONDS_MAX or given.processes < 1 or given.connections < 1:
        parser.error("seconds must be above 0 and at most 600, processes and connections at least 1")
    if unknown := set(given.what) - set(KINDS):
        parser.error(f"not one of {', '.join(KINDS)}: {', '.join(sorted(unknown))}")

    def jobs(kind: str, processes: int, connections: int, rate: float) -> list[Job]:
        each = Job(parts.hostname or "", parts.port or 0, given.token, kind, given.seconds, connections, 0.0, 0)
        return [each._replace(rate=rate / processes, seed=number) for number in range(processes)]

    rows: list[Row] = []
    for kind in given.what or ([] if given.junk else KINDS):
        asked = jobs(kind, given.processes, given.connections, given.rate)
        rubbish = jobs("junk", 1, JUNK_CONNECTIONS, given.junk) if given.junk else []
        tallies = measure([*asked, *rubbish])
        rows.append(row(kind, tallies[: len(asked)], given.seconds))
        if rubbish:
            rows.append(row(f"junk beside {kind}", tallies[len(asked) :], given.seconds))
    if given.junk and not given.what:
        rows.append(row("junk", measure(jobs("junk", 1, JUNK_CONNECTIONS, given.junk)), given.seconds))
    print(json.dumps(rows, indent=1) if given.json else render(Result("http", given.url, COLUMNS, rows)))


if __name__ == "__main__":
    main()
