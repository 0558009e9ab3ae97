"""The daemon was down, or the clock jumped: what was due meanwhile is dealt with, and the schedule stays sound."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haizea.backends.simulated import SimulatedBackend
from haizea.core.desk import Retired
from haizea.core.scheduler import Scheduler
from haizea.model.effects import Effect
from haizea.model.events import Event, HostObserved, TimePassed
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.site import HostState
from haizea.model.units import MINUTE, SECOND, Instant
from haizea.plan.options import Suspension
from haizea.plan.slottable import Reservation
from haizea.runtime.loop import Direct, Loop
from haizea.runtime.workload import Arrivals
from tests.core.play import Play
from tests.simulation.made_up import World, faulty_worlds
from tests.simulation.running import Kept, Script


class JumpingClock:
    """A clock that now and then jumps ahead."""

    def __init__(self, jumps: list[int]) -> None:
        self._jumps = jumps
        self._now = 0

    def wait_until(self, at: Instant, /) -> Instant:
        """It is ``at``, or later than that."""
        self._now = max(self._now, at) + (self._jumps.pop() * SECOND if self._jumps else 0)
        return self._now


class Sound:
    """Looks whether the slot table is the sum of what leases hold, after every event."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._desk = scheduler.desk

    def after(self, event: Event, effects: Sequence[Effect | Retired], /) -> None:
        """Look."""
        stays = [stay for lease in self._desk.leases.values() for stay in lease.stays]
        held = [Reservation(stay.start, stay.end, stay.placement.held) for stay in stays]
        assert self._desk.table.check([*held, *self._desk.claims.reservations()]) == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(faulty_worlds(), st.lists(st.sampled_from([0, 0, 0, 1, 6, 40, 300, 3000]), max_size=60))
def test_whatever_is_missed_the_schedule_stays_sound(given_: tuple[World, list[Event]], jumps: list[int]) -> None:
    """No host is overdrawn and every lease comes to an end or is held, however late the clock lets things be done."""
    world, events = given_
    scheduler = Scheduler(world.site, 0, world.options, world.policies())
    backend, sink = SimulatedBackend(), Kept()
    requests = sorted(world.requests, key=lambda request: request.arrival)
    arrivals = Arrivals(requests, 0, backend.tell)
    step = Direct(scheduler, backend, sink, Sound(scheduler))
    loop = Loop(scheduler, JumpingClock(jumps), (backend, arrivals, Late(events)), step)
    loop.run(lambda at: at < 10**9)
    endless = {r.id for r in world.requests if r.terms.duration is None}
    left = scheduler.desk.leases.items()
    hopeless = {i for i, one in left if one.state.label.endswith("queued")}
    held = {i for i, one in left if one.state is LeaseState.HELD and not one.stays}
    assert scheduler.desk.leases.keys() <= endless | hopeless | held, [(one, one.stays) for _, one in left]


class Late(Script):
    """Events that are handed over when they are noticed, stamped with that time."""

    def due(self, now: Instant) -> list[Event]:
        """Those that have come, as of now."""
        return [event._replace(at=now) for event in super().due(now)]


def jump(play: Play, minutes: float) -> list[str]:
    """Let the clock jump: nothing is done until then."""
    play.said.clear()
    for effect in play.scheduler.handle(TimePassed(round(minutes * MINUTE))):
        play._note(effect)
    said, play.said = play.said, []
    return said


def test_a_reservation_whose_start_was_missed_starts_late_and_ends_when_it_was_to() -> None:
    """Its owner is told; who comes after it is not delayed."""
    play = Play()
    play.ask(1, start=10, minutes=60)
    play.go()
    assert jump(play, 15) == ["900s notice 1", "900s 1 active", "900s start 1"]
    assert play.stays(1) == [(15, 70)]


def test_a_reservation_that_was_missed_altogether_has_failed_and_says_why() -> None:
    """It is not started after its end."""
    play = Play()
    play.ask(1, start=10, minutes=60)
    play.go()
    jump(play, 80)
    assert play.state(1) is LeaseState.FAILED
    assert "over" in play.reason(1).text


def test_what_was_not_ended_in_time_keeps_its_hosts_before_anybody_is_put_there() -> None:
    """A lease has had its time when a host is found to be down: who loses that one starts when the other has ended."""
    play = Play(2, shutdown_time=30 * SECOND)
    play.ask(1, minutes=60)
    play.ask(2, start=0, minutes=120)
    play.go(10)
    play.scheduler.handle(HostObserved(65 * MINUTE, play.hosts(2)[0], HostState.DOWN))
    said = [line for minutes in (65, 65.5) for line in jump(play, minutes)]
    assert [line for line in said if line.endswith((" 1", " 1 done"))] == ["3900s shut-down 1", "3930s 1 done"]
    assert (play.over[1].delivered, play.over[1].requeued) == (65 * MINUTE, 0)
    assert play.stays(2)[0][0] == 65.5


def test_best_effort_whose_start_was_missed_gets_all_of_its_time_nevertheless() -> None:
    """It goes back to the queue and starts at once."""
    play = Play()
    play.ask(1, vms=2, minutes=10)
    play.ask(2, vms=2, minutes=10)
    play.go()
    jump(play, 25)
    assert play.stays(2) == [(25, 35)]


def test_what_was_to_be_suspended_and_was_not_is_suspended_now_and_the_reservation_is_told() -> None:
    """The hosts are not free in time, so the reservation starts when they are."""
    play = Play(suspension=Suspension.ALL)
    play.ask(1, vms=2, minutes=600)
    play.go()
    play.ask(2, vms=2, start=60, minutes=60, preemptible=False)
    play.go()
    said = jump(play, 61)
    assert "3660s suspend 1" in said
    assert "3660s notice 2" in said
    assert play.lease(2).type is LeaseType.ADVANCE_RESERVATION
    assert play.stays(2)[0][1] == 120
    assert play.stays(2)[0][0] > 61
