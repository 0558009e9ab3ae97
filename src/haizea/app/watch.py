"""Onlookers of a run: its log, status messages in simulated time, and probes. Each is there only where asked for."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Final, Self

from haizea.app.compose import Scenario, logfile
from haizea.app.request import SimulateRequest
from haizea.app.written import named
from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.experiments.records import Iso, seconds
from haizea.model.effects import Command, Effect, HostChanged, LeaseChanged, Notice
from haizea.model.events import Event, LeaseRequested, TimePassed
from haizea.model.lease import LeaseState, LeaseTerms
from haizea.model.units import Instant, Span
from haizea.runtime.ports import Observer

LEVELS: Final = ("STATUS", "INFO", "DEBUG", "VDEBUG")
"""How much is logged, each with all of those before it."""


class Status:
    """Says how far a run has come, every so much simulated time."""

    def __init__(self, scheduler: Scheduler, interval: Span, tell: Callable[[str], None]) -> None:
        """Begin at the present; ``tell`` takes each message."""
        self._scheduler = scheduler
        self._interval = interval
        self._tell = tell
        self._next = scheduler.desk.now + interval
        self._over = 0
        self._iso = Iso()

    def after(self, event: Event, effects: Sequence[Effect | Retired], /) -> None:
        """Look at what an event has led to."""
        self._over += sum(1 for effect in effects if isinstance(effect, Retired))
        if event.at >= self._next and isinstance(event, TimePassed):
            self._next += ((event.at - self._next) // self._interval + 1) * self._interval
            self._tell(self.message(event.at))

    def message(self, at: Instant) -> str:
        """Return how things stand."""
        desk = self._scheduler.desk
        running = sum(1 for lease in desk.leases.values() if lease.state is LeaseState.ACTIVE)
        used = 1000 - desk.table.free_now() * 1000 // max(1, desk.site.total(desk.table.key))
        return (
            f"{self._iso.text(at)}: {self._over} leases over, {running} running, {len(desk.queue)} waiting; "
            f"{used / 10:.1f} % of {desk.table.key} taken"
        )


class Log:
    """Writes what happens to a file, in simulated time: the same run writes the same bytes."""

    def __init__(self, file: IO[str], level: str, scheduler: Scheduler) -> None:
        """Take an open text file and a level of :data:`LEVELS`."""
        self._file = file
        self._detail = LEVELS.index(level)
        self._scheduler = scheduler
        self._iso = Iso()

    def line(self, level: str, at: Instant, text: str) -> None:
        """Write a line, if the level is to be logged."""
        if LEVELS.index(level) <= self._detail:
            with named(self._file.name):
                self._file.write(f"{self._iso.text(at)} {level:<6} {text}\n")

    def after(self, event: Event, effects: Sequence[Effect | Retired], /) -> None:
        """Write what has happened."""
        if isinstance(event, LeaseRequested):
            self.line("INFO", event.at, f"lease {event.lease} requested: {_asked(event.terms)}")
        elif self._detail == 3:
            self._vdebug(event)
        for effect in effects:
            if isinstance(effect, Retired):
                lease = effect.lease
                why = f": {' '.join(lease.reason.text.split())}" if lease.reason is not None else ""
                self.line("INFO", effect.at, f"lease {lease.id} {lease.state.label}{why}")
            elif isinstance(effect, Command):
                told = f"{effect.verb.value} lease {effect.lease}, until {self._iso.text(effect.until)}"
                self.line("DEBUG", effect.at, told)
            elif isinstance(effect, LeaseChanged):
                if not effect.state.final:
                    self.line("DEBUG", effect.at, f"lease {effect.lease} {effect.state.label}")
            elif isinstance(effect, Notice):
                self.line("INFO", effect.at, f"lease {effect.lease}: {effect.text}")
            elif isinstance(effect, HostChanged):
                self.line("INFO", effect.at, f"host {effect.host} {effect.state.value}: {effect.text}")
            else:
                self.line("INFO", effect.at, f"refused: {effect.reason.text}")

    def _vdebug(self, event: Event) -> None:
        desk = self._scheduler.desk
        if isinstance(event, TimePassed):
            queue = " ".join(str(lease.id) for lease in desk.queue) or "empty"
            self.line("VDEBUG", event.at, f"{desk.table.free_now()} of {desk.table.key} free; queue: {queue}")
        else:
            self.line("VDEBUG", event.at, f"{type(event).__name__} of lease {getattr(event, 'lease', '-')}")


def _asked(terms: LeaseTerms) -> str:
    length = "without end" if terms.duration is None else f"for {seconds(terms.duration)} s"
    vms = "1 VM" if terms.node_count == 1 else f"{terms.node_count} VMs"
    return f"{terms.type.value}, {vms} {length}"


class Watch:
    """All onlookers of a run but the verifier. A context manager: the log is closed at the end of it."""

    def __init__(self, request: SimulateRequest, found: Scenario, scheduler: Scheduler) -> None:
        """Find out who is to look on."""
        self._request = request
        self._found = found
        self._scheduler = scheduler
        self._file: IO[str] | None = None
        self._log: Log | None = None
        self._status: Status | None = None
        self.observers: list[Observer] = []

    def __enter__(self) -> Self:
        """Open the log."""
        scheduler, start = self._scheduler, self._found.start
        path = logfile(self._found.settings)
        if path is not None:
            self._file = open(path, "w", encoding="utf-8")
            self._log = Log(self._file, self._found.settings.general.loglevel, scheduler)
            self._log.line("STATUS", start, f"simulating {self._found.name} on {len(self._found.site.hosts)} hosts")
            self.observers.append(self._log)
        interval = self._found.settings.simulation.status_message_interval
        if interval is not None:
            self._status = Status(scheduler, interval, self._tell)
            self.observers.append(self._status)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log, with a last word."""
        if self._file is not None and self._log is not None:
            now = self._scheduler.desk.now
            self._log.line("STATUS", now, "the end" if error is None else f"ended by {type(error).__name__}: {error}")
            with named(self._file.name):
                self._file.close()

    def _tell(self, message: str) -> None:
        if self._log is not None:
            self._log.line("STATUS", self._scheduler.desk.now, message.partition(": ")[2])
        if self._request.status is not None:
            self._request.status(message)


class Together:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        """Take them; each event is shown to them in this order."""
        self._observers = tuple(observers)

    def after(self, event: Event, effects: Sequence[Effect | Retired], /) -> None:
        """Show an event to all."""
        for observer in self._observers:
            observer.after(event, effects)
