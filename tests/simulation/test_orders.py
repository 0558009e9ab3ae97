"""Whatever is ordered: it is done as a whole or refused without a trace, and the schedule stays sound.

Set ``HAIZEA_WORLDS`` to look at more of them than a test run has time for.
"""

import json
import os
from typing import Any, Final

from hypothesis import HealthCheck, given, settings

from haizea.core.desk import Retired
from haizea.core.memory import lease_document
from haizea.core.scheduler import Scheduler
from haizea.experiments.verifier import Verifier
from haizea.model.effects import Command, Effect, Refused
from haizea.model.events import Event, LeaseRequested, TimePassed
from haizea.model.lease import LeaseState
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.slottable import Reservation
from haizea.service.pictures import rehearse
from tests.simulation.made_up import World
from tests.simulation.ordered import Aimed, ordered_worlds

WORLDS: Final = int(os.environ.get("HAIZEA_WORLDS", "200"))
MANY = settings(
    max_examples=WORLDS, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
Given = tuple[World, list[Event | Aimed]]
WAITING: Final = (LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED)
STEPS_MAX: Final = 20_000


class Watched:
    """A scheduler of which everything is looked at after every event."""

    def __init__(self, world: World) -> None:
        self.scheduler = Scheduler(world.site, 0, world.options, world.policies())
        self.verifier = Verifier(self.scheduler, full_every=1)
        self.world = world
        self.known: dict[int, Any] = {}
        self.over: dict[int, LeaseState] = {}

    def handle(self, event: Event) -> None:
        """Hand an event over, and check what has become of everything."""
        scheduler = self.scheduler
        before = json.dumps(scheduler.remember())
        refusal = None
        if not isinstance(event, TimePassed | LeaseRequested):
            rehearsed = rehearse(scheduler, [event])
            assert json.dumps(scheduler.remember()) == before, "a rehearsal has changed something"
            refusal = rehearsed.refusal
        effects = scheduler.handle(event)
        refused = [effect.reason for effect in effects if isinstance(effect, Refused)]
        assert refused == ([] if refusal is None else [refusal]), (refused, refusal)
        now_known = self._documents()
        if refused:
            assert refused[0].text.endswith((".", "?")), refused[0].text
            assert now_known == self.known, f"{event} was refused, and something changed"
            assert len(effects) == 1, "a refusal has other effects"
            after = json.loads(json.dumps(scheduler.remember()))
            assert {**after, "now": 0} == {**json.loads(before), "now": 0}, f"{event} was refused: {refused[0].text}"
        changed = {
            number for number, document in now_known.items() if _lasting(self.known.get(number)) != _lasting(document)
        }
        if not isinstance(event, LeaseRequested):
            assert changed <= scheduler.desk.touched, "a lease changed without being noted as touched"
        self.known = now_known
        self._effects(effects)
        self._sound(event)
        self.verifier.after(event, effects)
        assert not self.verifier.violations, (self.verifier.violations[:2], event)

    def _documents(self) -> dict[int, str]:
        desk = self.scheduler.desk
        return {number: json.dumps(lease_document(lease, desk)) for number, lease in desk.leases.items()}

    def _effects(self, effects: list[Effect | Retired]) -> None:
        for effect in effects:
            if isinstance(effect, Retired):
                assert effect.lease.id not in self.over, "a lease is over twice"
                self.over[effect.lease.id] = effect.lease.state
            elif isinstance(effect, Command):
                assert all(0 <= host < len(self.scheduler.desk.site.hosts) for host in effect.hosts())

    def _sound(self, event: Event) -> None:
        desk = self.scheduler.desk
        held = [Reservation(s.start, s.end, s.placement.held) for lease in desk.leases.values() for s in lease.stays]
        assert desk.table.check([*held, *desk.claims.reservations()]) == []
        queued = [lease.id for lease in desk.queue]
        assert len(queued) == len(set(queued))
        assert queued == [
            lease.id for lease in sorted(desk.queue, key=lambda one: (one.rank, one.turn, one.submitted, one.place))
        ]
        for lease in desk.leases.values():
            if lease.state is LeaseState.NEW:
                continue
            free = lease.parked or lease.degraded or lease.state in (LeaseState.HELD, LeaseState.MIGRATING)
            assert bool(lease.stays) + (lease.id in queued) == 1 or (free and lease.id not in queued), (lease, event)
            assert (lease.id in queued) is (lease.state in WAITING and not free), (lease, event)
            assert (lease in desk.reserved) is lease.reserved
            for stay in lease.stays:
                assert stay.start <= stay.run_start <= stay.run_end <= stay.end, (lease, event)
        self._same_when_recalled(decided=isinstance(event, TimePassed))

    def _same_when_recalled(self, *, decided: bool) -> None:
        old = self.scheduler
        new = Scheduler(self.world.site, old.desk.now, self.world.options, self.world.policies())
        rest = json.dumps(old.remember())
        documents = [json.loads(document) for document in self.known.values() if json.loads(document)["state"] != "new"]
        if len(documents) < len(self.known):
            return
        new.recall(documents, json.loads(rest))
        assert json.dumps(new.remember()) == rest
        found = {number: json.dumps(lease_document(lease, new.desk)) for number, lease in new.desk.leases.items()}
        assert found == {number: found[number] for number in self.known} == self.known
        assert [lease.id for lease in new.desk.queue] == [lease.id for lease in old.desk.queue]
        # What was to be looked at now is, whether it is remembered or not.
        assert not decided or new.next_instant() == old.next_instant()


def _lasting(document: str | None) -> Any:
    """Return what is known of a lease without its turn, which is found anew at every instant."""
    return None if document is None else {**json.loads(document), "turn": 0}


def run(world: World, events: list[Event | Aimed]) -> Watched:
    """Have a world come to its end, with everything that was ordered."""
    watched = Watched(world)
    asked: list[Event | Aimed] = [
        LeaseRequested(one.arrival, one.id, _terms(one, one.arrival)) for one in world.requests
    ]
    coming: list[Event | Aimed] = sorted([*asked, *events], key=lambda event: event.at)
    steps = 0
    while True:
        times = [at for at in (watched.scheduler.next_instant(), coming[0].at if coming else None) if at is not None]
        if not times:
            return watched
        now: Instant = max(watched.scheduler.desk.now, min(times))
        while coming and coming[0].at <= now:
            event = coming.pop(0)
            watched.handle(event.event(watched.scheduler.desk) if isinstance(event, Aimed) else event)
        watched.handle(TimePassed(now))
        steps += 1
        assert steps < STEPS_MAX, "it does not come to an end"


def _terms(request: Any, _arrival: Instant) -> Any:
    return request.terms


@MANY
@given(ordered_worlds())
def test_whatever_is_ordered_is_done_as_a_whole_or_refused_without_a_trace(
    given_: tuple[World, list[Event | Aimed]],
) -> None:
    """Nothing is overdrawn, nobody is lost, what is rehearsed comes true, and what is refused changes nothing."""
    world, events = given_
    watched = run(world, events)
    for lease in watched.scheduler.desk.leases.values():
        waits = lease.state in (*WAITING, LeaseState.HELD) or lease.left >= FAR_FUTURE
        assert waits, (lease, lease.parked, lease.stays)
