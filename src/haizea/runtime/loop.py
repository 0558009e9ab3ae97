"""The one loop: wait for the next thing that happens, hand it to the scheduler, pass on what it asks for.

Simulation and live operation differ in the clock, the sources and the step they give the loop: how the events of one
instant are handed over, and what becomes of what they lead to.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Command, Effect
from haizea.model.events import Event, TimePassed
from haizea.model.units import FAR_FUTURE, Instant

if TYPE_CHECKING:
    from haizea.runtime.ports import Clock, Executor, Observer, Sink, Source, Step


class Loop:
    """Runs a scheduler."""

    def __init__(self, scheduler: Scheduler, clock: "Clock", sources: "Sequence[Source]", step: "Step") -> None:
        """Take the parts. Events of one instant reach the scheduler in the order of sources."""
        self._scheduler = scheduler
        self._clock = clock
        self._sources = tuple(sources)
        self._step = step

    def run(self, keep_going: Callable[[Instant], bool] | None = None) -> Instant | None:
        """Run until nothing is to happen any more, or until ``keep_going`` says no to the next instant.

        Returns the last instant that was dealt with, None if there was none.
        """
        scheduler, sources, wait, take = self._scheduler, self._sources, self._clock.wait_until, self._step.take
        now: Instant | None = None
        nothing: Sequence[Any] = []
        while True:
            at = scheduler.next_instant()
            soonest = FAR_FUTURE if at is None else at
            for source in sources:
                next_at = source.next_at
                if next_at < soonest:
                    soonest = next_at
            if soonest >= FAR_FUTURE or (keep_going is not None and not keep_going(soonest)):
                return now
            now = wait(soonest)
            events = nothing
            for source in sources:
                if source.next_at <= now:
                    due = source.due(now)
                    events = [*events, *due] if events else due
            take(now, events)


class Direct:
    """The step of a simulation: everything happens at once, and nothing needs to be kept."""

    def __init__(
        self, scheduler: Scheduler, backend: "Executor", sink: "Sink", observer: "Observer | None" = None
    ) -> None:
        """The observer, if there is one, sees every event and what it led to before anything is done about it."""
        self._scheduler = scheduler
        self._backend = backend
        self._sink = sink
        self._observer = observer

    def take(self, now: Instant, events: Sequence[Event]) -> None:
        """Hand over the events of an instant, and that they are all."""
        for event in events:
            effects = self.handle(event)
            if effects:
                self._pass_on(effects)
        effects = self._scheduler.pass_time(now) if self._observer is None else self.handle(TimePassed(now))
        if effects:
            self._pass_on(effects)

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
