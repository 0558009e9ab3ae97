"""Whatever the site, the rules, the workload and what goes wrong: no promise is broken.

Set ``HAIZEA_WORLDS`` to look at more of them than a test run has time for.
"""

import os
from typing import Final

from hypothesis import HealthCheck, given, settings

from haizea.model.events import Event
from haizea.model.lease import LeaseState, LeaseType
from tests.simulation.made_up import World, faulty_worlds, worlds
from tests.simulation.running import simulate

WORLDS: Final = int(os.environ.get("HAIZEA_WORLDS", "500"))
MANY = settings(max_examples=WORLDS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@MANY
@given(worlds())
def test_whatever_is_asked_for_no_promise_is_broken(world: World) -> None:
    """The verifier finds nothing wrong after any event, and every lease that can comes to its end."""
    outcome = simulate(world.site, world.options, world.policies(), world.requests)
    assert outcome.violations == []
    assert len(outcome.leases) == len(world.requests)
    if all(request.terms.duration or request.real_duration for request in world.requests):
        assert LeaseState.CANCELLED not in outcome.states().values()


@MANY
@given(faulty_worlds())
def test_whatever_goes_wrong_the_schedule_stays_sound(given_: tuple[World, list[Event]]) -> None:
    """Hosts that go down, VMs that crash, late operations and cancellations leave nothing overdrawn and nobody lost."""
    world, events = given_
    outcome = simulate(world.site, world.options, world.policies(), world.requests, events)
    assert outcome.violations == []
    assert len(outcome.leases) == len(world.requests)
    for lease in outcome.leases.values():
        if lease.type is LeaseType.BEST_EFFORT:
            assert lease.state is not LeaseState.FAILED or lease.reason is not None
