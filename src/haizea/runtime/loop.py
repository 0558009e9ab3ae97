"""The one loop: wait for the next thing that happens, hand it to the scheduler, pass on what it asks for.

Simulation and live operation differ in the clock, the sources, the back end and the sink they give the loop.
"""

from collections.abc import Callable, Sequence

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Command, Effect
from haizea.model.events import Event, TimePassed
from haizea.model.units import FAR_FUTURE, Instant
from haizea.runtime.ports import Backend, Clock, Observer, Sink, Source


class Loop:
    """Runs a scheduler."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Clock,
        backend: Backend,
        sources: Sequence[Source],
        sink: Sink,
        observer: Observer | None = None,
    ) -> None:
        """Take the parts. Events of one instant reach the scheduler from the back end first, then in order of sources.

        The observer, if there is one, sees every event and what it led to before anything is done about it.
        """
        self._scheduler = scheduler
        self._clock = clock
        self._backend = backend
        self._sources: tuple[Source, ...] = (backend, *sources)
        self._sink = sink
        self._observer = observer

    def run(self, keep_going: Callable[[Instant], bool] | None = None) -> Instant | None:
        """Run until nothing is to happen any more, or until ``keep_going`` says no to the next instant.

        Returns the last instant that was dealt with, None if there was none.
        """
        scheduler, sources, wait, pass_on = self._scheduler, self._sources, self._clock.wait_until, self._pass_on
        handle = scheduler.handle if self._observer is None else self.handle
        now: Instant | None = None
        while True:
            at = scheduler.next_instant()
            soonest = FAR_FUTURE if at is None else at
            for source in sources:
                if source.next_at < soonest:
                    soonest = source.next_at
            if soonest >= FAR_FUTURE or (keep_going is not None and not keep_going(soonest)):
                return now
            now = wait(soonest)
            for source in sources:
                if source.next_at <= now:
                    for event in source.due(now):
                        effects = handle(event)
                        if effects:
                            pass_on(effects)
            effects = handle(TimePassed(now))
            if effects:
                pass_on(effects)

    def handle(self, event: Event) -> list[Effect | Retired]:
        """Hand an event to the scheduler, and show the observer what it led to."""
        effects = self._scheduler.handle(event)
        if self._observer is not None:
            self._observer.after(event, effects)
        return effects

    def _pass_on(self, effects: list[Effect | Retired]) -> None:
        for effect in effects:
            if isinstance(effect, Command):
                self._backend.execute(effect)
            elif isinstance(effect, Retired):
                self._sink.retired(effect)
            else:
                self._sink.changed(effect)
