"""A daemon that was down, and comes back late, knows just what the one before it knew."""

from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haizea.backends.simulated import SimulatedBackend
from haizea.model.events import Event
from haizea.runtime.loop import Direct, Loop
from haizea.runtime.workload import Arrivals
from tests.simulation.made_up import World, faulty_worlds
from tests.simulation.running import Kept
from tests.simulation.test_lateness import JumpingClock, Late
from tests.simulation.test_memory import Told


def story(world: World, events: list[Event], jumps: list[int], forgetful: bool) -> list[str]:
    """What a scheduler did in a world in which it was late now and then."""
    told, backend = Told(world, forgetful), SimulatedBackend()
    requests = sorted(world.requests, key=lambda request: request.arrival)
    scheduler = cast(Any, told)
    sources = (backend, Arrivals(requests, 0, backend.tell), Late(events))
    Loop(scheduler, JumpingClock(jumps), sources, Direct(scheduler, backend, Kept())).run(lambda at: at < 10**9)
    return told.story


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(faulty_worlds(), st.lists(st.sampled_from([0, 0, 0, 1, 6, 40, 300, 3000]), max_size=60))
def test_what_was_missed_is_dealt_with_alike_by_a_scheduler_made_anew(
    given_: tuple[World, list[Event]], jumps: list[int]
) -> None:
    """Whatever lateness leads to is written down: stopping after any instant changes nothing."""
    world, events = given_
    assert story(world, events, list(jumps), forgetful=True) == story(world, events, list(jumps), forgetful=False)
