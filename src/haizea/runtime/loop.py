"""The one loop: wait for the next thing that happens, hand it to the scheduler, pass on what it asks for.

Simulation and live operation differ in the clock, the sources, the back end and the sink they give the loop.
"""

from collections.abc import Callable, Sequence

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Command, Effect
from haizea.model.events import TimePassed
from haizea.model.units import Instant
from haizea.runtime.ports import Backend, Clock, Sink, Source


class Loop:
    """Runs a scheduler."""

    def __init__(self, scheduler: Scheduler, clock: Clock, backend: Backend, sources: Sequence[Source], sink: Sink) -> None:
        """Take the parts. Events of one instant reach the scheduler from the back end first, then in order of sources."""
        self._scheduler = scheduler
        self._clock = clock
        self._backend = backend
        self._sources: tuple[Source, ...] = (backend, *sources)
        self._sink = sink

    def next_instant(self) -> Instant | None:
        """Return when something is to happen next; None where nothing is."""
        soonest = self._scheduler.next_instant()
        for source in self._sources:
            at = source.next_instant()
            if at is not None and (soonest is None or at < soonest):
                soonest = at
        return soonest

    def run(self, keep_going: Callable[[Instant], bool] | None = None) -> Instant | None:
        """Run until nothing is to happen any more, or until ``keep_going`` says no to the next instant.

        Returns the last instant that was dealt with, None if there was none.
        """
        handle, wait = self._scheduler.handle, self._clock.wait_until
        sources, pass_on = self._sources, self._pass_on
        now: Instant | None = None
        while (at := self.next_instant()) is not None:
            if keep_going is not None and not keep_going(at):
                return now
            now = wait(at)
            for source in sources:
                for event in source.due(now):
                    effects = handle(event)
                    if effects:
                        pass_on(effects)
            effects = handle(TimePassed(now))
            if effects:
                pass_on(effects)
        return now

    def _pass_on(self, effects: list[Effect | Retired]) -> None:
        for effect in effects:
            if isinstance(effect, Command):
                self._backend.execute(effect)
            elif isinstance(effect, Retired):
                self._sink.retired(effect)
            else:
                self._sink.changed(effect)
