"""The file in which the pretended platform keeps its VMs, and what can be done to them without Haizea's knowing.

Two processes write to it: the daemon, which carries out commands, and ``haizea pretend``, which acts as an
administrator would with a real platform's own tools, as a guest, or as fate. What the latter does is also noted as
news, which the daemon reads and tells.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.model.events import Observed
from haizea.model.resources import Capacity
from haizea.model.site import NO_LABELS, HostState
from haizea.runtime.ports import HostSeen, Seen, Stranger

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS vms (
    lease INTEGER NOT NULL, vm INTEGER NOT NULL, state TEXT NOT NULL, host INTEGER NOT NULL, PRIMARY KEY (lease, vm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS actors (
    lease INTEGER NOT NULL, vm INTEGER NOT NULL, who TEXT NOT NULL, PRIMARY KEY (lease, vm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commands (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS failures (command INTEGER PRIMARY KEY, error TEXT NOT NULL, vms TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS operations (id INTEGER PRIMARY KEY, command TEXT NOT NULL, begun INTEGER, ends INTEGER);
CREATE TABLE IF NOT EXISTS machines (host INTEGER PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, capacity TEXT);
CREATE TABLE IF NOT EXISTS strangers (name TEXT PRIMARY KEY, host INTEGER NOT NULL, demand TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stranger_labels (name TEXT PRIMARY KEY, labels TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS paces (kind TEXT PRIMARY KEY, pace TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults (kind TEXT PRIMARY KEY, fails INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS news (number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL);
"""

BUSY_S: Final = 10.0
KINDS: Final = ("transfer", "boot", "suspend", "resume", "migrate", "shutdown")

_R, _S, _P, _O = Observed.RUNNING, Observed.SUSPENDED, Observed.PAUSED, Observed.STOPPED
_OFF: Final = (_O, Observed.GUEST_SHUTDOWN, Observed.CRASHED)
_ON: Final = (_R, _P, Observed.UNKNOWN)
_OBSERVED: Final = MappingProxyType({each.value: each for each in Observed})


class Act(NamedTuple):
    """Something that can be done to a VM: what it is then, in which states it must be, and whether somebody does it.

    ``gone`` is one after which the VM is nowhere any more.
    """

    becomes: Observed
    when: tuple[Observed, ...]
    by_somebody: bool = True
    gone: bool = False


ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "shutdown": Act(Observed.GUEST_SHUTDOWN, _ON, by_somebody=False),
        "crash": Act(Observed.CRASHED, _ON, by_somebody=False),
        "vanish": Act(Observed.VANISHED, (*_ON, _S, *_OFF), by_somebody=False, gone=True),
        "lose": Act(Observed.UNKNOWN, (_R, _P), by_somebody=False),
        "find": Act(_R, (Observed.UNKNOWN,), by_somebody=False),
        "stop": Act(_O, _ON),
        "suspend": Act(_S, (_R, _P)),
        "pause": Act(_P, (_R,)),
        "resume": Act(_R, (_S, _P, *_OFF)),
        "migrate": Act(_R, (_R,)),
        "delete": Act(Observed.DELETED, (*_ON, _S, *_OFF), gone=True),
    }
)
"""What ``haizea pretend vm`` can do."""

HOST_ACTS: Final[Mapping[str, HostState]] = MappingProxyType(
    {
        "fail": HostState.DOWN,
        "recover": HostState.UP,
        "silence": HostState.SUSPECT,
        "disable": HostState.DISABLED,
        "enable": HostState.UP,
    }
)
"""What ``haizea pretend host`` can do, and what the host is then."""


class Impossible(ValueError):
    """What was to be pretended makes no sense as things are; the message says why."""


class Pretence:
    """The file. Not for several threads at a time."""

    def __init__(self, path: Path | str, *, make: bool = True) -> None:
        """Open the file, or make it.

        Raises:
            Impossible: there is none, and none is to be made; or it is something else.
        """
        if not make and not Path(path).is_file():
            raise Impossible(f"there is no pretended platform at {path}; start haizea serve first")
        try:
            self.database = sqlite3.connect(str(path), BUSY_S, isolation_level=None, check_same_thread=False)
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=OFF")
            self.database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.DatabaseError as problem:
            raise Impossible(f"{path} is not the file of a pretended platform: {problem}") from problem

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, kept at the end of the block; within one, go on with it."""
        database = self.database
        if database.in_transaction:
            yield database
            return
        database.execute("BEGIN IMMEDIATE")
        with database:
            yield database

    # What there is -------------------------------------------------------------------------------------------

    def vms(self) -> list[Seen]:
        """Return all VMs there are, by lease and number."""
        found = self.database.execute(
            "SELECT v.lease, v.vm, v.state, v.host, coalesce(a.who, '') "
            "FROM vms v LEFT JOIN actors a USING (lease, vm) ORDER BY v.lease, v.vm"
        )
        return [Seen(lease, vm, _OBSERVED[state], host, who) for lease, vm, state, host, who in found]

    def vm(self, lease: int, vm: int) -> Seen | None:
        """Return a VM."""
        row = self.database.execute(
            "SELECT v.state, v.host, coalesce(a.who, '') FROM vms v LEFT JOIN actors a USING (lease, vm) "
            "WHERE v.lease = ? AND v.vm = ?",
            (lease, vm),
        ).fetchone()
        return None if row is None else Seen(lease, vm, _OBSERVED[row[0]], row[1], row[2])

    def put(self, lease: int, vm: int, state: Observed, host: int, who: str = "") -> None:
        """Have a VM be in a state on a host; ``who`` brought it there, empty for Haizea and nobody."""
        self.database.execute("INSERT OR REPLACE INTO vms VALUES (?, ?, ?, ?)", (lease, vm, state.value, host))
        if who:
            self.database.execute("INSERT OR REPLACE INTO actors VALUES (?, ?, ?)", (lease, vm, who))
        else:
            self.database.execute("DELETE FROM actors WHERE lease = ? AND vm = ?", (lease, vm))

    def remove(self, lease: int, vms: Iterable[int]) -> None:
        """Have VMs be nowhere."""
        for vm in vms:
            self.database.execute("DELETE FROM vms WHERE lease = ? AND vm = ?", (lease, vm))
            self.database.execute("DELETE FROM actors WHERE lease = ? AND vm = ?", (lease, vm))

    def name_hosts(self, names: Iterable[str]) -> None:
        """Take note of the hosts there are, for whoever calls them by their names."""
        with self.change() as database:
            for host, name in enumerate(names):
                database.execute(
                    "INSERT INTO machines VALUES (?, ?, 'up', NULL) "
                    "ON CONFLICT (host) DO UPDATE SET name = excluded.name",
                    (host, name),
                )

    def hosts(self) -> list[HostSeen]:
        """Return all hosts."""
        found = self.database.execute("SELECT host, state, capacity FROM machines ORDER BY host")
        return [
            HostSeen(host, HostState(state), None if capacity is None else Capacity(json.loads(capacity)))
            for host, state, capacity in found
        ]

    def host(self, name: str) -> int:
        """Return the number of a host.

        Raises:
            Impossible: there is none of this name or number.
        """
        row = self.database.execute("SELECT host FROM machines WHERE name = ?", (name,)).fetchone()
        if row is None:
            names = [each[0] for each in self.database.execute("SELECT name FROM machines ORDER BY host LIMIT 5")]
            raise Impossible(f"there is no host {name!r}; there are {', '.join(names) or 'none yet'}, …")
        number: int = row[0]
        return number

    def works(self, host: int) -> bool:
        """Whether a host is not down."""
        row = self.database.execute("SELECT state FROM machines WHERE host = ?", (host,)).fetchone()
        return row is None or row[0] != HostState.DOWN.value

    def silent(self) -> frozenset[int]:
        """Return the hosts that do not answer."""
        found = self.database.execute("SELECT host FROM machines WHERE state = ?", (HostState.SUSPECT.value,))
        return frozenset(host for (host,) in found)

    def strangers(self) -> list[Stranger]:
        """Return the VMs that are no lease's."""
        found = self.database.execute(
            "SELECT name, host, demand, labels FROM strangers LEFT JOIN stranger_labels USING (name) ORDER BY name"
        )
        return [
            Stranger(name, host, Capacity(json.loads(demand)), {} if labels is None else json.loads(labels))
            for name, host, demand, labels in found
        ]

    # Behind Haizea's back ------------------------------------------------------------------------------------

    def act(self, lease: int, vm: int | None, how: str, who: str, to: str | None = None) -> int:
        """Do something to a VM of a lease, or to all of them; return to how many.

        Raises:
            Impossible: there is none, or it is in no state in which that can be done.
        """
        act = ACTS[how]
        target = self.host(to) if to is not None else None
        with self.change():
            there = [one for one in self.vms() if one.lease == lease and vm in (None, one.vm)]
            if not there:
                raise Impossible(f"there is no VM of lease {lease}" if vm is None else f"there is no VM {lease}.{vm}")
            wrong = next((one for one in there if one.observed not in act.when), None)
            if wrong is not None:
                raise Impossible(f"VM {wrong.lease}.{wrong.vm} is {wrong.observed.value}: {how} is not possible")
            by = who if act.by_somebody else ""
            for one in there:
                host = one.host if target is None else target
                if act.gone:
                    self.remove(lease, [one.vm])
                elif host is not None:
                    self.put(lease, one.vm, act.becomes, host, by)
                self._tell(Seen(lease, one.vm, act.becomes, None if act.gone else host, by))
        return len(there)

    def act_on_host(self, name: str, how: str) -> None:
        """Do something to a host. VMs that run on one that fails are gone; suspended ones wait on its disk.

        Raises:
            Impossible: there is none of this name.
        """
        host, state = self.host(name), HOST_ACTS[how]
        with self.change() as database:
            database.execute("UPDATE machines SET state = ? WHERE host = ?", (state.value, host))
            if state is HostState.DOWN:
                for one in self.vms():
                    if one.host == host and one.observed is not Observed.SUSPENDED:
                        self.remove(one.lease, [one.vm])
            self._tell(HostSeen(host, state))

    def set_capacity(self, name: str, capacity: Capacity) -> None:
        """Have a host be of another size.

        Raises:
            Impossible: there is none of this name.
        """
        host = self.host(name)
        with self.change() as database:
            found = json.dumps(dict(capacity.items()))
            database.execute("UPDATE machines SET capacity = ? WHERE host = ?", (found, host))

    def put_stranger(self, name: str, host: str, demand: Capacity, labels: Mapping[str, str] = NO_LABELS) -> None:
        """Have a VM run that is no lease's.

        Raises:
            Impossible: there is no such host.
        """
        number = self.host(host)
        with self.change() as database:
            row = (name, number, json.dumps(dict(demand.items())))
            database.execute("INSERT OR REPLACE INTO strangers VALUES (?, ?, ?)", row)
            database.execute("INSERT OR REPLACE INTO stranger_labels VALUES (?, ?)", (name, json.dumps(dict(labels))))

    def remove_stranger(self, name: str) -> None:
        """End such a VM.

        Raises:
            Impossible: there is none of this name.
        """
        with self.change() as database:
            if not database.execute("DELETE FROM strangers WHERE name = ?", (name,)).rowcount:
                raise Impossible(f"there is no stranger {name!r}")
            database.execute("DELETE FROM stranger_labels WHERE name = ?", (name,))

    def set_pace(self, kind: str, pace: str) -> None:
        """Have operations of a kind take ``3x`` as long as they would, or a number of milliseconds."""
        with self.change() as database:
            database.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (kind, pace))

    def pace(self, kind: str) -> str | None:
        """Return how long operations of a kind take, None for as usual."""
        row = self.database.execute("SELECT pace FROM paces WHERE kind = ?", (kind,)).fetchone()
        return None if row is None else row[0]

    def set_fault(self, kind: str, times: int) -> None:
        """Have the next operations of a kind fail."""
        with self.change() as database:
            database.execute("INSERT OR REPLACE INTO faults VALUES (?, ?)", (kind, times))

    def fails(self, kind: str) -> bool:
        """Whether an operation of a kind is to fail; that counts as one."""
        statement = "UPDATE faults SET fails = fails - 1 WHERE kind = ? AND fails > 0"
        return self.database.execute(statement, (kind,)).rowcount > 0

    # News ----------------------------------------------------------------------------------------------------

    def _tell(self, what: Seen | HostSeen) -> None:
        if isinstance(what, Seen):
            found = ["vm", what.lease, what.vm, what.observed.value, what.host, what.by]
        else:
            found = ["host", what.host, what.state.value]
        self.database.execute("INSERT INTO news (what) VALUES (?)", (json.dumps(found),))

    def news(self) -> list[Seen | HostSeen]:
        """Take out what has happened without Haizea's knowing. Within a transaction."""
        rows = self.database.execute("SELECT number, what FROM news ORDER BY number").fetchall()
        if not rows:
            return []
        self.database.execute("DELETE FROM news WHERE number <= ?", (rows[-1][0],))
        found: list[Seen | HostSeen] = []
        for _number, text in rows:
            kind, *what = json.loads(text)
            if kind == "vm":
                lease, vm, state, host, who = what
                found.append(Seen(lease, vm, _OBSERVED[state], host, who))
            else:
                found.append(HostSeen(what[0], HostState(what[1])))
        return found
