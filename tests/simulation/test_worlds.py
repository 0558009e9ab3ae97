"""Whatever the site, the rules and the workload: no promise is broken."""

from hypothesis import given, settings

from haizea.model.lease import LeaseState
from tests.simulation.made_up import World, worlds
from tests.simulation.running import simulate


@given(worlds())
@settings(max_examples=200)
def test_whatever_is_asked_for_no_promise_is_broken(world: World) -> None:
    """The verifier finds nothing wrong after any event of any simulation, and every lease comes to an end."""
    outcome = simulate(world.site, world.options, world.policies(), world.requests)
    assert outcome.violations == []
    assert len(outcome.leases) == len(world.requests)
    if all(request.terms.duration or request.real_duration for request in world.requests):
        assert LeaseState.CANCELLED not in outcome.states().values()
