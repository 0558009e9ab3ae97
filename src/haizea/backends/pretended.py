"""A platform whose VMs are only pretended, for trying Haizea out live: it outlives the daemon, as a real one does.

Its state is a small SQLite file of its own (:mod:`~haizea.backends.pretence`). Operations take as long as they were
planned to, or as long as it is told; what it has done once it does not do again, and what it was doing when it was
killed it goes on with. That the file is not flushed to the disk at every command is meant: a machine that loses power
loses its VMs.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from haizea.backends.pretence import Pretence
from haizea.model.events import Observed
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.runtime.ports import HostSeen, PlatformUnavailable, Report, Said, Seen, Shown, Stranger
from haizea.runtime.rows import CommandRow, concerns_same

KEPT: Final = 100_000
"""So many commands are remembered as done."""

LEAD: Final[Span] = 250
"""What takes as long as planned is over by so much earlier, so that the news of it is there in time."""

POLL_S: Final = 0.2

_KINDS: Final = MappingProxyType(
    {
        "transfer": "transfer",
        "start": "boot",
        "suspend": "suspend",
        "resume": "resume",
        "migrate": "migrate",
        "shut-down": "shutdown",
    }
)
_FROM: Final = MappingProxyType(
    {
        "suspend": (Observed.RUNNING, Observed.PAUSED, Observed.SUSPENDED),
        "resume": (Observed.SUSPENDED, Observed.RUNNING),
        "migrate": (Observed.RUNNING, Observed.PAUSED, Observed.SUSPENDED),
        "pause": (Observed.RUNNING, Observed.PAUSED),
        "unpause": (Observed.PAUSED, Observed.RUNNING),
    }
)
_TO: Final = MappingProxyType(
    {
        "start": Observed.RUNNING,
        "suspend": Observed.SUSPENDED,
        "resume": Observed.RUNNING,
        "pause": Observed.PAUSED,
        "unpause": Observed.RUNNING,
    }
)
_MOVES: Final = ("start", "resume", "migrate")


class _Operation:
    """A command that is being carried out, or waits for its turn while ``ends`` is None."""

    __slots__ = ("begun", "command", "ends")

    def __init__(self, command: CommandRow, begun: Instant | None = None, ends: Instant | None = None) -> None:
        self.command = command
        self.begun = begun
        self.ends = ends


class PretendedPlatform:
    """Pretends to run VMs.

    With a thread of its own it works by itself. Without one it does what is due whenever :meth:`advance` is called;
    ``next_at`` is when that should be.
    """

    def __init__(
        self,
        path: Path | str,
        hosts: Sequence[str],
        now: Callable[[], Instant],
        *,
        factor: float = 1.0,
        times: Mapping[str, str] = MappingProxyType({}),
        threaded: bool = True,
    ) -> None:
        """Open the file, or make it; ``:memory:`` forgets everything when it is stopped.

        Args:
            path: the file.
            hosts: their names.
            now: what time it is, in the time that commands are stamped with.
            factor: how many times faster than real time that runs.
            times: how long operations take, by kind (see :data:`~haizea.backends.pretence.KINDS`): ``3x`` as long as
                planned, or a number of milliseconds.
            threaded: whether it has a thread of its own.
        """
        self._pretence = Pretence(path)
        self._pretence.name_hosts(hosts)
        self._now = now
        self._factor = factor
        self._times = times
        self._lead = round(LEAD * factor) if threaded else 0
        self._lock = threading.RLock()
        self._open: dict[int, _Operation] = {}
        self._tell: Callable[[Said], None] | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="haizea-pretended", daemon=True)
        for number, text, begun, ends in self._pretence.database.execute("SELECT * FROM operations ORDER BY id"):
            self._open[number] = _Operation(_command_from(text), begun, ends)

    # The port ------------------------------------------------------------------------------------------------

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin to work, and to tell. What happened before, nobody was told of: it can only be seen."""
        with self._lock, self._pretence.change():
            self._pretence.news()
        self._tell = tell
        if self._thread is not None:
            self._thread.start()

    def submit(self, command: CommandRow, /) -> None:
        """Begin to do what is to be done, if it was not done before.

        Raises:
            PlatformUnavailable: the file cannot be written.
        """
        try:
            with self._lock:
                said = self._submit(command)
        except sqlite3.OperationalError as problem:
            raise PlatformUnavailable(f"the pretended platform's file cannot be used: {problem}") from problem
        self._say(said)
        self._wake.set()

    def observe(self) -> Shown[Seen]:
        """Return all VMs there are, by lease and number, but for those on hosts that are silent."""
        with self._lock:
            away = self._pretence.silent()
            return Shown([one for one in self._pretence.vms() if one.host not in away], away)

    def hosts(self) -> list[HostSeen]:
        """Return all hosts."""
        with self._lock:
            return self._pretence.hosts()

    def strangers(self) -> Shown[Stranger]:
        """Return the VMs that are no lease's, but for those on hosts that are silent."""
        with self._lock:
            away = self._pretence.silent()
            return Shown([one for one in self._pretence.strangers() if one.host not in away], away)

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a stranger to be a lease's VM.

        Raises:
            LookupError: there is none of that name.
        """
        with self._lock, self._pretence.change() as database:
            found = next((one for one in self._pretence.strangers() if one.name == name), None)
            if found is None:
                raise LookupError(f"there is no VM {name} to be lease {lease}'s VM {vm}")
            database.execute("DELETE FROM strangers WHERE name = ?", (name,))
            self._pretence.put(lease, vm, Observed.RUNNING, found.host)

    def stop(self) -> None:
        """Close the file; the VMs that it pretends run on."""
        self._stopping = True
        self._tell = None
        self._wake.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(5.0)
        with self._lock:
            self._pretence.close()

    # Work ----------------------------------------------------------------------------------------------------

    @property
    def next_at(self) -> Instant:
        """When the next operation is over, as far as is known."""
        with self._lock:
            return min([each.ends for each in self._open.values() if each.ends is not None], default=FAR_FUTURE)

    def advance(self, now: Instant) -> None:
        """End what is over by now, begin what it kept waiting, and tell what was done behind Haizea's back."""
        with self._lock:
            said = self._advance(now)
        self._say(said)

    def _run(self) -> None:
        while not self._stopping:
            # The file may be busy, or be closed just now.
            with suppress(sqlite3.Error):
                self.advance(self._now())
            left = (self.next_at - self._now()) / SECOND / self._factor
            self._wake.wait(min(POLL_S, max(0.001, left)))
            self._wake.clear()

    def _say(self, said: Sequence[Said]) -> None:
        for each in said:
            if self._tell is not None:
                self._tell(each)

    def _submit(self, command: CommandRow) -> list[Said]:
        with self._pretence.change() as database:
            if command.id in self._open:
                return []
            if not database.execute("INSERT OR IGNORE INTO commands VALUES (?)", (command.id,)).rowcount:
                return [self._once_more(command)]
            database.execute("DELETE FROM commands WHERE id < ?", (command.id - KEPT,))
            self._open[command.id] = _Operation(command)
            database.execute("INSERT INTO operations VALUES (?, ?, NULL, NULL)", (command.id, _text_of(command)))
            return self._work(self._now())

    def _once_more(self, command: CommandRow) -> Report:
        """Return how a command went that was carried out before."""
        select = "SELECT error, vms FROM failures WHERE command = ?"
        row = self._pretence.database.execute(select, (command.id,)).fetchone()
        if row is None:
            return Report(command.id, command.verb, command.lease, "")
        return Report(command.id, command.verb, command.lease, row[0], tuple(json.loads(row[1])))

    def _advance(self, now: Instant) -> list[Said]:
        database = self._pretence.database
        due = self.next_at <= now or any(each.ends is None for each in self._open.values())
        if not due and database.execute("SELECT 1 FROM news LIMIT 1").fetchone() is None:
            return []
        with self._pretence.change():
            said: list[Said] = [*self._pretence.news()]
            return said + self._work(now)

    def _work(self, now: Instant) -> list[Said]:
        """Begin and end operations until nothing more is due. Within a transaction."""
        said: list[Said] = []
        while True:
            self._begin(now, said)
            over = [each for each in self._open.values() if each.ends is not None and each.ends <= now]
            if not over:
                return said
            over.sort(key=lambda each: (each.ends or 0, each.command.id))
            said += [self._finish(operation, now) for operation in over]

    def _begin(self, now: Instant, said: list[Said]) -> None:
        """Begin whatever nothing before it is in the way of."""
        for operation in list(self._open.values()):
            if operation.ends is not None:
                continue
            command = operation.command
            if command.verb == "destroy":
                self._break_off(command, now, said)
            elif any(concerns_same(command, other.command) for other in self._before(command)):
                continue
            operation.begun = now
            operation.ends = self._end_of(command, now)
            self._pretence.database.execute(
                "UPDATE operations SET begun = ?, ends = ? WHERE id = ?", (now, operation.ends, command.id)
            )

    def _before(self, command: CommandRow) -> list[_Operation]:
        return [each for number, each in self._open.items() if number < command.id]

    def _break_off(self, command: CommandRow, now: Instant, said: list[Said]) -> None:
        # That a single VM is destroyed does not keep the others' images from coming.
        over = [
            other
            for other in self._before(command)
            if concerns_same(command, other.command) and not (command.vms and other.command.verb == "transfer")
        ]
        said += [self._close(other, now, "it was broken off: the VM was destroyed", ()) for other in over]

    def _end_of(self, command: CommandRow, now: Instant) -> Instant:
        kind = _KINDS.get(command.verb)
        if kind is None:
            return now
        planned = max(0, command.until - command.at)
        usual, pace = self._times.get(kind, "1x"), self._pretence.pace(kind)
        if pace is None and usual == "1x":
            if command.until <= now:
                return now + planned
            return max(now, command.until - min(self._lead, planned // 2))
        base = _length(usual, planned)
        return now + (base if pace is None else _length(pace, base))

    def _finish(self, operation: _Operation, now: Instant) -> Report:
        """Bring the VMs to where they are to be."""
        command, pretence = operation.command, self._pretence
        about = _vms(command)
        if command.verb in ("shut-down", "destroy"):
            pretence.remove(command.lease, about if command.vms else _all_of(pretence, command.lease))
            return self._close(operation, now, "", ())
        if command.verb == "transfer":
            failed = about if pretence.fails("transfer") else []
            return self._close(operation, now, "the transfer was cut off" if failed else "", ())
        wrong: dict[int, str] = {}
        fails = pretence.fails(_KINDS.get(command.verb, command.verb))
        for vm in about:
            why = f"the {command.verb} failed, as it was told to" if fails else self._bring(command, vm)
            if why:
                wrong[vm] = why
        whole = len(wrong) == len(about)
        return self._close(operation, now, "; ".join(dict.fromkeys(wrong.values())), () if whole else tuple(wrong))

    def _bring(self, command: CommandRow, vm: int) -> str:
        """Bring one VM to where it is to be; return why that is not possible."""
        pretence, verb = self._pretence, command.verb
        one, host = pretence.vm(command.lease, vm), command.hosts[vm - 1]
        if verb in _FROM and (one is None or one.observed not in _FROM[verb]):
            state = "not there" if one is None else one.observed.value
            return f"VM {command.lease}.{vm} is {state}"
        if verb in _MOVES and not pretence.works(host):
            return f"host number {host} is down"
        if verb not in _MOVES and one is not None and one.host is not None:
            host = one.host
        if verb == "migrate" and one is not None and one.host == host:
            # It is there: whoever brought it there, it was not this.
            return ""
        # What moves is afterwards what it was: a memory image stays one.
        state = one.observed if verb == "migrate" and one is not None else _TO[verb]
        pretence.put(command.lease, vm, state, host)
        return ""

    def _close(self, operation: _Operation, now: Instant, error: str, vms: tuple[int, ...]) -> Report:
        command, database = operation.command, self._pretence.database
        del self._open[command.id]
        database.execute("DELETE FROM operations WHERE id = ?", (command.id,))
        if error:
            row = (command.id, error, json.dumps(vms))
            database.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", row)
            database.execute("DELETE FROM failures WHERE command < ?", (command.id - KEPT,))
        span = 0 if operation.begun is None else round((now - operation.begun) / self._factor)
        took = tuple([(vm, span) for vm in _vms(command)]) if span and not error else ()
        return Report(command.id, command.verb, command.lease, error, vms, took)


def _vms(command: CommandRow) -> list[int]:
    return list(command.vms) or list(range(1, len(command.hosts) + 1))


def _all_of(pretence: Pretence, lease: int) -> Collection[int]:
    found = pretence.database.execute("SELECT vm FROM vms WHERE lease = ?", (lease,)).fetchall()
    return [vm for (vm,) in found]


def _length(pace: str, base: Span) -> Span:
    """Return how long something takes at a pace."""
    if pace.endswith("x"):
        return round(base * float(pace[:-1]))
    return int(pace)


def _text_of(command: CommandRow) -> str:
    return json.dumps([*command])


def _command_from(text: str) -> CommandRow:
    values = json.loads(text)
    found = CommandRow(*values)
    return found._replace(hosts=tuple(found.hosts), vms=tuple(found.vms))
