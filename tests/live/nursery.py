"""Daemons as processes of their own that start within a moment, and can be killed at a labelled point or at any time.

They are forked from a process that has imported everything already, so that a thousand of them can be started and
killed in a few minutes. What they log goes to a file.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import structlog

from haizea.app import serve
from haizea.app.daemon import Daemon, build
from haizea.config import Override
from haizea.config.load import load
from haizea.config.settings import Settings
from haizea.stores.sql.leadership import Leadership
from haizea.stores.sql.transaction import SqlTransaction

START_S = 60.0
LEAD_S = 60.0
LABELS = (
    "begin",
    "begun",
    "jobs",
    "decided",
    "written",
    "flushed",
    "committed",
    "answered",
    "sent",
)
"""Every point of a step at which a daemon can be killed, in the order in which they are passed; ``flushed`` is within
the database's transaction."""

START_LABELS = ("reserved", "resent")
"""The points that it passes once, when it starts."""


class Stop(NamedTuple):
    """Where to kill the daemon: the label, and how many times it is passed before."""

    label: str
    after: int


class Site(NamedTuple):
    """A site for tests: its folder, its store, and what else is set."""

    folder: Path
    url: str
    options: Mapping[str, str]

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.folder / "s"

    @property
    def platform(self) -> Path:
        """Where the pretended platform keeps its VMs."""
        return Path(self.options.get("live.platform-file", self.folder / "platform"))

    def settings(self) -> Settings:
        """Return the settings of its daemon."""
        given = {
            "store.url": self.url,
            "server.socket": str(self.socket),
            "server.listen": "none",
            "server.xmlrpc": "none",
            "server.rate": "0",
            "live.platform-file": str(self.platform),
            "live.pretended-times": "suspend=0x,resume=0x,shutdown=0x,transfer=0x,migrate=0x",
            **self.options,
        }
        return load(None, overrides=[Override(name, text, "test") for name, text in given.items()])


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.live.nursery", "psycopg", "sqlalchemy.dialects.postgresql"])
    return context


class Kill:
    """A checkpoint that kills the process where it is to be killed."""

    def __init__(self, stop: Stop | None) -> None:
        self._stop = stop
        self._passed = 0

    def __call__(self, label: str) -> None:
        """Pass a point."""
        if self._stop is None or self._stop.label != label:
            return
        self._passed += 1
        if self._passed > self._stop.after:
            os.kill(os.getpid(), signal.SIGKILL)


def _run(site: Site, stop: Stop | None, many: bool) -> None:
    """Be a daemon."""
    log = os.open(site.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = sys.stderr = os.fdopen(log, "w", buffering=1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    settings = site.settings()
    if many:
        asyncio.run(serve._live(settings, site.settings))
        return
    kill = Kill(stop)
    _stop_in_transaction(kill)
    parts = build(settings, warn=structlog.get_logger("haizea").warning, leadership=lead(site), checkpoint=kill)
    asyncio.run(Daemon(parts, lambda _addresses: None, site.settings).serve())


def lead(site: Site) -> Leadership:
    """Take the lead as soon as the server of the database has noticed that the daemon before was killed."""
    found = Leadership(site.url)
    until = time.monotonic() + LEAD_S
    while not found.try_acquire():
        assert time.monotonic() < until, "another has the lead"
        time.sleep(0.01)
    return found


def _stop_in_transaction(kill: Callable[[str], None]) -> None:
    plain = SqlTransaction.flush

    def flush(self: SqlTransaction, connection: object, last_entry: int, *, again: bool) -> None:
        plain(self, connection, last_entry, again=again)  # type: ignore[arg-type] # whatever the store hands over
        kill("flushed")

    SqlTransaction.flush = flush  # type: ignore[method-assign] # in a process of its own


class Running:
    """A daemon that runs."""

    def __init__(self, site: Site, stop: Stop | None = None, *, many: bool = False) -> None:
        """Start it. ``many`` lets it stand by where another one leads."""
        self.site = site
        self.process: ForkServerProcess = _context().Process(target=_run, args=(site, stop, many), daemon=True)
        self.process.start()

    def wait(self, until: Callable[[], bool], within_s: float = START_S) -> bool:
        """Wait until something is so; return whether it is before the daemon ends."""
        end = time.monotonic() + within_s
        while not until():
            if not self.process.is_alive():
                return until()
            assert time.monotonic() < end, f"not within {within_s} s; {self.log()}"
            time.sleep(0.005)
        return True

    def log(self) -> str:
        """Return the end of what it logged."""
        file = self.site.folder / "log"
        return file.read_text(encoding="utf-8")[-3000:] if file.exists() else ""

    def kill(self) -> None:
        """Kill it as if the power were lost."""
        self.process.kill()
        self.join()

    def stop(self) -> None:
        """Have it stop cleanly."""
        self.process.terminate()
        self.join()

    def join(self) -> int | None:
        """Wait for its end; return its status."""
        self.process.join(START_S)
        assert not self.process.is_alive(), f"it does not end; {self.log()}"
        return self.process.exitcode
