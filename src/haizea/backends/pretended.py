"""A platform whose VMs are only pretended, for trying Haizea out live: it outlives the daemon, as a real one does.

Its state is a small SQLite file of its own. It does at once whatever it is told, and what it has done once it does not
do again. That the file is not flushed to the disk at every command is meant: a machine that loses power loses its VMs.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from haizea.model.events import Observed
from haizea.model.site import HostState
from haizea.runtime.ports import HostSeen, Report, Said, Seen, Stranger
from haizea.runtime.rows import CommandRow

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS vms (
    lease INTEGER NOT NULL, vm INTEGER NOT NULL, state TEXT NOT NULL, host INTEGER NOT NULL, PRIMARY KEY (lease, vm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commands (id INTEGER PRIMARY KEY);
"""
_KEPT: Final = 100_000
"""So many commands are remembered as done."""


class PretendedPlatform:
    """Pretends to run VMs. Not for several threads at a time."""

    def __init__(self, path: Path | str, hosts: int) -> None:
        """Open the file, or make it; ``:memory:`` forgets everything when it is stopped. It pretends so many hosts."""
        self._hosts = hosts
        self._database = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.executescript(_SCHEMA)
        self._tell: Callable[[Said], None] | None = None

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin to tell how commands went."""
        self._tell = tell

    def submit(self, command: CommandRow, /) -> None:
        """Do what is to be done, if it was not done before."""
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        with database:
            new = database.execute("INSERT OR IGNORE INTO commands VALUES (?)", (command.id,)).rowcount
            if new:
                self._do(command)
                database.execute("DELETE FROM commands WHERE id < ?", (command.id - _KEPT,))
        if self._tell is not None:
            self._tell(Report(command.id, command.verb, command.lease, ""))

    def _do(self, command: CommandRow) -> None:
        if command.verb in ("shut-down", "destroy"):
            self._database.execute("DELETE FROM vms WHERE lease = ?", (command.lease,))
        elif command.verb in ("start", "resume", "suspend"):
            state = Observed.SUSPENDED if command.verb == "suspend" else Observed.RUNNING
            rows = [(command.lease, vm, state.value, host) for vm, host in enumerate(command.hosts, 1)]
            self._database.executemany("INSERT OR REPLACE INTO vms VALUES (?, ?, ?, ?)", rows)

    def observe(self) -> list[Seen]:
        """Return all VMs there are, by lease and number."""
        found = self._database.execute("SELECT lease, vm, state, host FROM vms ORDER BY lease, vm").fetchall()
        return [Seen(lease, vm, Observed(state), host) for lease, vm, state, host in found]

    def hosts(self) -> list[HostSeen]:
        """Return all hosts: none of them ever fails."""
        return [HostSeen(host, HostState.UP) for host in range(self._hosts)]

    def strangers(self) -> list[Stranger]:
        """Return the VMs that are no lease's: nobody else uses this platform."""
        return []

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """There is nothing to adopt.

        Raises:
            LookupError: always.
        """
        raise LookupError(f"there is no VM {name} to be lease {lease}'s VM {vm}")

    def stop(self) -> None:
        """Close the file; the VMs that it pretends run on."""
        self._tell = None
        self._database.close()
