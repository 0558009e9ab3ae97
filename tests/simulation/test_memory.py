"""What the scheduler remembers is enough to go on exactly as before."""

import json
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings

from haizea.backends.simulated import SimulatedBackend
from haizea.core.desk import Retired
from haizea.core.memory import Forgotten, lease_document
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Command, Effect
from haizea.model.events import Event, TimePassed
from haizea.model.units import Instant
from haizea.runtime.clocks import SimulatedClock
from haizea.runtime.loop import Direct, Loop
from haizea.runtime.workload import Arrivals
from tests.core.play import Play
from tests.simulation.made_up import World, faulty_worlds
from tests.simulation.running import INSTANTS_MAX, Kept, Script

SOME = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Told:
    """A scheduler that writes down what it is told and answers; ``forgetful``, it is made anew after every event."""

    def __init__(self, world: World, forgetful: bool) -> None:
        self._world = world
        self._forgetful = forgetful
        self._scheduler = Scheduler(world.site, 0, world.options, world.policies())
        self.story: list[str] = []
        self.handed = 0
        self.record: dict[int, str] = {}

    def handle(self, event: Event) -> list[Effect | Retired]:
        """Hand an event over, and remember what has come of it."""
        self.handed += 1
        assert self.handed < INSTANTS_MAX, "the simulation does not come to an end"
        effects = self._scheduler.handle(event)
        desk = self._scheduler.desk
        for effect in effects:
            if isinstance(effect, Command):
                self.story.append(f"{effect.at} {effect.verb} {effect.lease} {effect.until} {effect.hosts()}")
            elif isinstance(effect, Retired):
                # When it was noted why a lease waits depends on what there was to look at, and decides nothing.
                document = {**lease_document(effect.lease, desk), "wait": None}
                self.story.append(f"{effect.at} over {json.dumps(document)}")
                self.record.pop(effect.lease.id, None)
            else:
                self.story.append(str(effect))
        for lease in desk.touched:
            if lease in desk.leases:
                self.record[lease] = json.dumps(lease_document(desk.leases[lease], desk))
        if self._forgetful and type(event).__name__ == "TimePassed":
            self._begin_anew()
        return effects

    def pass_time(self, now: Instant) -> list[Effect | Retired]:
        """Hand over that time has passed, as an event like any other."""
        return self.handle(TimePassed(now))

    def _begin_anew(self) -> None:
        old = self._scheduler
        everything = {i: json.dumps(lease_document(one, old.desk)) for i, one in old.desk.leases.items()}
        assert self.record == everything, "a lease changed without being noted as touched"
        rest = json.dumps(old.remember())
        new = Scheduler(self._world.site, old.desk.now, self._world.options, self._world.policies())
        for policy, fresh in zip(old.desk.policies, new.desk.policies, strict=True):
            assert type(policy) is type(fresh)
        new.recall([json.loads(document) for document in self.record.values()], json.loads(rest))
        assert json.dumps(new.remember()) == rest
        assert {i: json.dumps(lease_document(one, new.desk)) for i, one in new.desk.leases.items()} == everything
        self._scheduler = new

    def next_instant(self) -> Instant | None:
        """When something is to happen next."""
        return self._scheduler.next_instant()


def story(world: World, events: list[Event], forgetful: bool) -> list[str]:
    """What a scheduler did in a world."""
    told, backend = Told(world, forgetful), SimulatedBackend()
    requests = sorted(world.requests, key=lambda request: request.arrival)
    arrivals = Arrivals(requests, 0, backend.tell)
    scheduler = cast(Any, told)
    step = Direct(scheduler, backend, Kept())
    loop = Loop(scheduler, SimulatedClock(), (backend, arrivals, Script(events)), step)
    loop.run(lambda at: at < 10**9)
    return told.story


@SOME
@given(faulty_worlds())
def test_a_scheduler_made_anew_goes_on_as_if_nothing_had_been(given_: tuple[World, list[Event]]) -> None:
    """Stopping after any instant and going on from what was remembered gives the same schedule to the byte."""
    world, events = given_
    assert story(world, events, forgetful=True) == story(world, events, forgetful=False)


def test_what_was_remembered_of_another_site_is_refused() -> None:
    """A lease on a host that is gone, or half a document, is told of and not guessed at."""
    play = Play(3)
    play.ask(1, vms=3)
    play.go()
    desk = play.scheduler.desk
    document, rest = lease_document(desk.leases[1], desk), play.scheduler.remember()
    for documents, remembered in (([document], rest), ([{"id": 1, "order": 1}], rest), ([document], {})):
        smaller = Play(2).scheduler
        with pytest.raises(Forgotten, match=r"\w"):
            smaller.recall(documents, remembered)
