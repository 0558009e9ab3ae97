"""The connections to one host: threads of its own, time limits, keepalive, reconnection.

Whatever a host does, nobody waits longer than the limit that they gave, and no other host's connection notices.

Each thread has a connection that no other one uses. libvirt's clients before 10.4 crash where several threads wait for
answers of one connection and it is lost (CVE-2024-4418, and races that were mended about then).
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from haizea.backends.libvirt.config import HostConfig, Timing
from haizea.backends.libvirt.crew import Abandoned, Crew
from haizea.backends.libvirt.facade import LIFECYCLE, Api, Connection, Domain
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import SECOND, Span
from haizea.runtime.ports import PlatformUnavailable

T = TypeVar("T")

CALLS_SPARE: Final = 6
"""So many calls to a host may be under way beside those that take long (starting, saving, moving)."""
PAUSE_S: Final = 0.1
PAUSE_MAX_S: Final = 5.0
KEEPALIVES: Final = 3
CLOSING_S: Final = 2.0


class HostUnavailable(PlatformUnavailable):
    """A host does not answer at the moment."""


class CallFailed(Exception):
    """libvirt says no: ``code`` is its number for why, 0 where Haizea itself found out."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class TookTooLong(CallFailed):
    """A call was not over within its limit; it may yet do what it was to."""


class _Gone(Exception):
    """A connection is lost."""


class Event(NamedTuple):
    """What libvirt says has happened to a domain: numbers of the event and its detail."""

    name: str
    happened: int
    detail: int


class Host:
    """A host: connected to whenever it answers."""

    def __init__(
        self,
        number: int,
        config: HostConfig,
        api: Api,
        timing: Timing,
        parallel: int,
        heard: Callable[["Host", Event], None],
    ) -> None:
        """``heard`` is called with every event, by libvirt's thread, and must return at once."""
        self.number = number
        self.config = config
        self._api = api
        self._timing = timing
        self._heard = heard
        self._condition = threading.Condition()
        self._calls_max = parallel + CALLS_SPARE
        self._connection: Connection | None = None
        self._keeper = self._new_keeper()
        self._crew = self._new_crew()
        self._lost = threading.Event()
        self._stopping = False
        self._tried = False
        self._why = "it was not yet connected to"
        self._events = 0
        self.heavy = threading.BoundedSemaphore(parallel)
        self.capacity: Capacity | None = None
        self.domain_type = "qemu"
        self._changed: Callable[[Host, bool], None] = lambda _host, _up: None
        self._thread = threading.Thread(target=self._keep, name=f"libvirt-{config.name}-keeper", daemon=True)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.config.name

    @property
    def up(self) -> bool:
        """Whether it is connected to."""
        return self._connection is not None

    @property
    def why(self) -> str:
        """Why it is not."""
        return self._why

    def start(self, changed: Callable[["Host", bool], None]) -> None:
        """Begin to keep the connection; ``changed`` is called whenever it was made or lost."""
        self._changed = changed
        self._thread.start()

    def stop(self) -> None:
        """Let go of the host."""
        self._stopping = True
        self._lost.set()
        self._thread.join(2 * self._timing.call / SECOND)

    def wait(self, limit: Span) -> bool:
        """Wait until it is connected to, at most so long; return whether it is."""
        with self._condition:
            return self._condition.wait_for(lambda: self.up or self._stopping, limit / SECOND) and self.up

    def wait_tried(self, limit: Span) -> bool:
        """Wait until it is connected to, or could not be for the first time; return whether it is."""
        with self._condition:
            self._condition.wait_for(lambda: self._tried or self._stopping, limit / SECOND)
        return self.up

    def call(self, work: Callable[[Connection], T], limit: Span | None = None) -> T:
        """Have something done with the connection; it takes at most ``limit``, or what calls usually may.

        Raises:
            HostUnavailable: there is no connection, or it was lost meanwhile.
            TookTooLong: it is not over yet.
            CallFailed: libvirt refuses.
        """
        limit = self._timing.call if limit is None else limit
        if not self.wait(self._timing.call):
            raise HostUnavailable(f"host {self.name} does not answer: {self._why}")
        with self._condition:
            crew = self._crew

        def guarded(connection: Connection) -> T:
            try:
                return work(connection)
            except self._api.error as problem:
                if self._alive(connection):
                    raise
                raise _Gone(str(problem)) from problem

        return self._wait_for(crew, guarded, limit)

    def _wait_for(self, crew: Crew[Connection], work: Callable[[Connection], T], limit: Span) -> T:
        future = crew.submit(work)
        try:
            return future.result(limit / SECOND)
        except FutureTimeout:
            future.cancel()
            raise TookTooLong(f"host {self.name} did not do it within {limit / SECOND:g} s") from None
        except Abandoned as problem:
            raise HostUnavailable(f"host {self.name}: {problem}") from None
        except _Gone as problem:
            raise HostUnavailable(f"host {self.name}: {problem}") from None
        except self._api.error as problem:
            raise CallFailed(f"host {self.name}: {problem}", problem.get_error_code()) from problem

    # Connections ---------------------------------------------------------------------------------------------

    def _new_keeper(self) -> Crew[Connection]:
        return Crew(f"libvirt-{self.name}-main", 1, self._open_main, self._close_main, lambda _connection: True)

    def _new_crew(self) -> Crew[Connection]:
        return Crew(f"libvirt-{self.name}", self._calls_max, self._open, self._close, self._alive)

    def _open(self) -> Connection:
        if self.config.pretends:
            # Another connection would show another world, and this one is no connection at all.
            connection = self._connection
            if connection is None:
                raise _Gone(self._why)
            return connection
        try:
            connection = self._api.open(self.config.uri)
            connection.setKeepAlive(max(1, self._timing.keepalive // SECOND // KEEPALIVES), KEEPALIVES)
        except self._api.error as problem:
            raise _Gone(str(problem)) from problem
        return connection

    def _alive(self, connection: Connection) -> bool:
        try:
            return bool(connection.isAlive())
        except self._api.error:
            return False

    def _close(self, connection: Connection) -> None:
        if not self.config.pretends:
            with suppress(self._api.error):
                connection.close()

    def _open_main(self) -> Connection:
        """Open the connection that events come by, and find out what the host has."""
        connection = self._api.open(self.config.uri)
        if not self.config.pretends:
            connection.setKeepAlive(max(1, self._timing.keepalive // SECOND // KEEPALIVES), KEEPALIVES)
            connection.registerCloseCallback(self._closed, None)
        self._events = connection.domainEventRegisterAny(None, LIFECYCLE, self._event, None)
        information = connection.getInfo()
        memory = connection.getMemoryStats(-1)["total"] // 1024 if not self.config.pretends else int(information[1])
        self.capacity = Capacity({CPU: 100 * int(information[2]), MEMORY: memory})
        if self.config.pretends:
            self.domain_type = "test"
        else:
            self.domain_type = "kvm" if "<domain type='kvm'" in connection.getCapabilities() else "qemu"
        return connection

    def _close_main(self, connection: Connection) -> None:
        with suppress(self._api.error):
            connection.domainEventDeregisterAny(self._events)
        if not self.config.pretends:
            with suppress(self._api.error):
                connection.unregisterCloseCallback()
        with suppress(self._api.error):
            connection.close()

    def _closed(self, _connection: Connection, _reason: int, _opaque: None) -> None:
        self._why = "libvirtd has closed the connection, or does not answer"
        self._lost.set()

    def _event(self, _connection: Connection, domain: Domain, happened: int, detail: int, _opaque: None) -> None:
        self._heard(self, Event(domain.name(), happened, detail))

    # The keeper ----------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        pause = PAUSE_S
        while not self._stopping:
            self._lost.clear()
            try:
                connection = self._wait_for(self._keeper, lambda connection: connection, self._timing.call)
            except (CallFailed, HostUnavailable) as problem:
                self._why = str(problem)
                self._drop(f"it cannot be connected to: {problem}")
            else:
                pause = PAUSE_S
                with self._condition:
                    self._connection = connection
                    self._tried = True
                    self._condition.notify_all()
                self._changed(self, True)
                self._watch()
                self._drop("the connection was lost")
            with self._condition:
                self._tried = True
                self._condition.notify_all()
            if not self._stopping:
                self._changed(self, False)
                self._lost.clear()
                self._lost.wait(pause)
                pause = min(2 * pause, PAUSE_MAX_S)

    def _watch(self) -> None:
        """Return when the connection is lost, or the host is let go of."""
        every = max(1.0, self._timing.keepalive / SECOND)
        while not self._lost.wait(every):
            try:
                self._wait_for(self._keeper, lambda connection: connection.getLibVersion(), self._timing.keepalive)
            except (CallFailed, HostUnavailable) as problem:
                self._why = str(problem)
                return

    def _drop(self, why: str) -> None:
        """Give all connections up, whatever is still waited for; each is closed by the thread that has it."""
        with self._condition:
            self._connection = None
            keeper, self._keeper = self._keeper, self._new_keeper()
            crew, self._crew = self._crew, self._new_crew()
        for each in (crew, keeper):
            each.abandon(why)
        if self._stopping:
            for each in (crew, keeper):
                each.wait(CLOSING_S)


def now_ms() -> int:
    """Return milliseconds that only ever grow, to measure with."""
    return time.monotonic_ns() // 1_000_000
