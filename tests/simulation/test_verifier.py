"""The verifier finds what is wrong: each scenario breaks a sound schedule in one way."""

from collections.abc import Callable
from typing import Any

import pytest

from haizea.core.desk import Retired
from haizea.model.effects import Command, LeaseChanged, Verb
from haizea.model.events import CancelRequested, HostObserved, SiteChanged, TimePassed
from haizea.model.lease import DiskImage, LeaseState
from haizea.model.site import HostState, Site
from haizea.model.units import MINUTE, SECOND
from haizea.plan.images import Transfer
from haizea.plan.options import Exclusion, Migration, Suspension, TransferOptions
from tests.core.play import Play


def found(play: Play, *effects: Command | Retired | LeaseChanged) -> list[str]:
    """Let the verifier look at the schedule as it is, and at these effects, and return what it finds."""
    play.verifier.after(TimePassed(play.scheduler.desk.now), list(effects))
    play.verifier.summary()
    return play.verifier.violations


def command(play: Play, verb: Verb, number: int, *hosts: int, until: float | None = None) -> Command:
    """A command that the scheduler has not given."""
    now = play.scheduler.desk.now
    return Command(now, verb, number, now if until is None else round(until * MINUTE), lambda: hosts)


def running(**options: Any) -> Play:
    """Lease 1 runs on one of two hosts since 0, and is to be suspended from 29:28 to 30:00 for reservation 2."""
    play = Play(2, **options)
    play.ask(1)
    play.ask(3)
    play.go(1)
    play.ask(2, vms=2, start=30, minutes=10)
    play.go(10)
    return play


def suspended(**options: Any) -> Play:
    """Lease 1 and 3 are suspended, reservation 2 runs until 40:00."""
    play = running(**options)
    play.go(35)
    return play


def test_a_sound_schedule_has_nothing_wrong_with_it() -> None:
    """Nothing is found where nothing is broken, from the first event to the end."""
    play = suspended()
    play.go(1000)
    assert play.verifier.summary() == {"events": play.verifier.events, "violations": []}
    assert play.verifier.found == 0


def test_a_lease_without_an_end_is_found() -> None:
    """A run that is over while a lease still runs is told."""
    play = running()
    violations = play.verifier.summary()["violations"]
    assert "Lease 1 (best-effort) has not come to an end at 1970-01-01T00:10:00Z." in violations


def test_going_past_a_lease_that_the_site_has_become_too_small_for_is_sound() -> None:
    """Without backfilling nobody overtakes, but for whom a host was taken away nobody waits."""
    play = Play(3, reservations_max=0)
    play.ask(1)
    play.go(1)
    play.ask(2, vms=3)
    play.go(2)
    hosts = play.scheduler.desk.site.hosts
    play.tell(SiteChanged(play.scheduler.desk.now, Site(hosts[:2], ("CPU", "Memory"))))
    play.ask(3)
    play.go(4)
    assert [play.state(number) for number in (2, 3)] == [LeaseState.QUEUED, LeaseState.ACTIVE]
    assert play.verifier.violations == []


def shift_reservation(play: Play) -> None:
    """A reservation a second late."""
    stay = play.lease(2).stays[0]
    stay.start += SECOND
    stay.run_start += SECOND


def crowd(play: Play) -> None:
    """Two leases on one host at a time."""
    one, other = play.lease(1).stays[0], play.lease(3).stays[0]
    other.placement, other.vm_hosts = one.placement, None


def hold_more(play: Play) -> None:
    """Capacity that nobody holds is not free."""
    stay = play.lease(1).stays[0]
    play.scheduler.desk.table.hold(100 * MINUTE, 200 * MINUTE, stay.placement.held)


def forget_lease(play: Play) -> None:
    """A lease that nobody knows any more."""
    del play.scheduler.desk.leases[1]


def suspend_quickly(play: Play) -> None:
    """A suspension that takes a second."""
    stay = play.lease(1).stays[0]
    stay.run_end = stay.end - SECOND


def run_shortly(play: Play) -> None:
    """A lease that would be shut down before it has run for as long as it asked for."""
    stay = play.lease(1).stays[0]
    stay.suspending = False


def queue_twice(play: Play) -> None:
    """A lease that runs and waits."""
    play.scheduler.desk.enqueue(play.lease(1))


def stay_past(play: Play) -> None:
    """A stay that should be over."""
    stay = play.lease(1).stays[0]
    stay.run_end, stay.end = 4 * MINUTE, 5 * MINUTE


def two_stays(play: Play) -> None:
    """A reservation that is in two places."""
    play.lease(2).stays.append(play.lease(2).stays[0])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (shift_reservation, "Lease 2 (AR) is not planned for the time it was promised, 1970-01-01T00:30:00Z,"),
        (crowd, "holds 200 CPU at 1970-01-01T00:10:00Z but has 100; it holds them for leases 1, 3."),
        (hold_more, "is said to have nothing free at 1970-01-01T01:40:00Z; it has CPU:100 Memory:1024."),
        (hold_more, "The slot table is wrong"),
        (forget_lease, "Lease 1 is lost at"),
        (suspend_quickly, "has 1000 ms planned for being suspended, which is too little,"),
        (run_shortly, "is planned to run 1768000 ms in all, not 3600000,"),
        (queue_twice, "Lease 1 both waits and is planned at"),
        (stay_past, "should have ended a stay at 1970-01-01T00:05:00Z"),
        (two_stays, "Lease 2 (AR) has one stay until 1970-01-01T00:40:00Z and another from 1970-01-01T00:30:00Z on"),
    ],
)
def test_a_broken_plan_is_found(broken: Callable[[Play], None], said: str) -> None:
    """Whatever is wrong with the plan is told, with lease or host and instant."""
    play = running()
    broken(play)
    assert [text for text in found_again(play) if said in text] != []


def found_again(play: Play) -> list[str]:
    """What is found in a schedule that was looked at before."""
    play.verifier.after(TimePassed(play.scheduler.desk.now), [])
    return play.verifier.violations


@pytest.mark.parametrize(
    ("verb", "number", "hosts", "said"),
    [
        (Verb.START, 2, (0, 1), "Lease 2 (AR) starts before 1970-01-01T00:30:00Z, when it was wanted,"),
        (Verb.START, 1, (0,), "Lease 1 (best-effort) is started while it is running"),
        (Verb.RESUME, 1, (0,), "Lease 1 (best-effort) is resumed while it is running"),
        (Verb.SUSPEND, 1, (0,), "has 0 ms to be suspended in, not 32000,"),
        (Verb.SHUT_DOWN, 2, (0, 1), "Lease 2 (AR) is shut down while it is absent"),
        (Verb.TRANSFER, 1, (0,), "is sent an image though images are not managed"),
        (Verb.START, 17, (0,), "Lease 17 is told to start at 1970-01-01T00:10:00Z, but is over."),
    ],
)
def test_a_command_that_must_not_be_is_found(verb: Verb, number: int, hosts: tuple[int, ...], said: str) -> None:
    """Commands are checked against the story of the lease and its terms."""
    play = running()
    assert [text for text in found(play, command(play, verb, number, *hosts)) if said in text] != []


def test_a_lease_that_must_not_be_suspended_is_found() -> None:
    """Neither a reservation, nor a lease that is not preemptible, nor any lease where the site has no suspension."""
    play = Play(3, suspension=Suspension.NONE)
    play.ask(1)
    play.ask(2, start=0)
    play.go(10)
    said = found(play, *(command(play, Verb.SUSPEND, n, *play.hosts(n), until=11) for n in (1, 2)))
    assert any(text.startswith("Lease 1 (best-effort) is suspended though it must not be") for text in said)
    assert any(text.startswith("Lease 2 (AR) is suspended though it was promised its time") for text in said)


def test_preempting_a_lease_that_is_not_preemptible_is_found() -> None:
    """Its VMs are destroyed though nothing has happened to them."""
    play = Play(1)
    play.ask(1, preemptible=False)
    play.go(10)
    said = found(play, command(play, Verb.DESTROY, 1, 0))
    assert any(text.startswith("Lease 1 (best-effort) is preempted though it must not be") for text in said)


def test_starting_on_a_host_that_is_not_up_is_found() -> None:
    """A lease that starts on a host that has just gone down is told with the host."""
    play = Play(2, reservations_max=0)
    play.ask(1, minutes=None)
    play.ask(2, vms=2)
    play.go(1)
    play.tell(HostObserved(play.scheduler.desk.now, 1 - play.hosts(1)[0], HostState.DOWN))
    said = found(play, command(play, Verb.START, 2, 0, 1))
    assert any("starts VMs on host host-" in text and "which is down," in text for text in said)


@pytest.mark.parametrize("migration", [Migration.NO, Migration.YES])
def test_resuming_where_the_memory_image_is_not_is_found(migration: Migration) -> None:
    """Without migration never, with migration only after a copy."""
    play = suspended(migration=migration)
    images = play.lease(1).images
    assert images is not None
    said = found(play, command(play, Verb.RESUME, 1, 1 - images[0], until=36))
    expected = "though its memory image is on host" if migration is Migration.NO else "was not copied,"
    assert any("Lease 1 (best-effort) resumes VM 1 on host" in text and expected in text for text in said)


def test_a_lease_that_is_done_too_early_is_found() -> None:
    """A done lease must have run for as long as it asked for, and its rows must say so."""
    play = running()
    lease = play.lease(1)
    play.scheduler.desk.leases.pop(1)
    for stay in list(lease.stays):
        play.scheduler.desk.drop(stay)
    lease.state, lease.ended, lease.delivered = LeaseState.DONE, play.scheduler.desk.now, 600 * SECOND
    said = found(play, command(play, Verb.SHUT_DOWN, 1, *play.where[1]), Retired(play.scheduler.desk.now, lease))
    assert any("Lease 1 (best-effort) is done after running 600000 ms, not 3600000," in text for text in said)
    assert any("has rows of 0 ms of running, but delivered 600000," in text for text in said)


def test_rejecting_an_accepted_reservation_is_found() -> None:
    """A reservation that was given its time must not be refused afterwards."""
    play = running()
    lease = play.lease(2)
    for stay in list(lease.stays):
        play.scheduler.desk.drop(stay)
    del play.scheduler.desk.leases[2]
    lease.state, lease.ended = LeaseState.REJECTED, play.scheduler.desk.now
    said = found(play, Retired(play.scheduler.desk.now, lease))
    assert any(text.startswith("Lease 2 (AR) is rejected after it was accepted") for text in said)
    assert any(text.startswith("Lease 2 (AR) is rejected without a reason") for text in said)


def test_an_end_that_comes_twice_is_found() -> None:
    """A lease can end only once."""
    play = running()
    play.tell(CancelRequested(play.scheduler.desk.now, 1))
    said = found(play, Retired(play.scheduler.desk.now, play.over[1]))
    assert any(text.startswith("Lease 1 ends at 1970-01-01T00:10:00Z, but was over") for text in said)


def test_rows_that_contradict_each_other_are_found() -> None:
    """A VM that runs in two rows at a time is told."""
    play = running()
    lease = play.lease(1)
    play.scheduler.desk.log("run", lease.stays[0], 0, 5 * MINUTE, "lost")
    play.scheduler.desk.log("run", lease.stays[0], 4 * MINUTE, 6 * MINUTE, "lost")
    effects = play.scheduler.handle(CancelRequested(play.scheduler.desk.now, 1))
    play.verifier.after(CancelRequested(play.scheduler.desk.now, 1), effects)
    assert any("has VM 1 in two rows, run and run," in text for text in play.verifier.violations)


def test_with_global_exclusion_two_hosts_at_a_time_are_found() -> None:
    """Rows of two hosts that suspend VMs of one lease at the same time are told."""
    play = Play(2, exclusion=Exclusion.GLOBAL)
    play.ask(1, vms=2)
    play.go(10)
    lease = play.lease(1)
    for start in (2, 2.2):
        play.scheduler.desk.log("suspend", lease.stays[0], round(start * MINUTE), round(start * MINUTE) + 64 * SECOND)
    event = CancelRequested(play.scheduler.desk.now, 1)
    play.verifier.after(event, play.scheduler.handle(event))
    assert any("has two hosts suspend at a time" in text for text in play.verifier.violations)


def test_transfers_that_overlap_or_come_too_late_are_found() -> None:
    """The repository sends one image at a time, and before the lease starts."""
    play = Play(2, transfer=TransferOptions(100))
    play.ask(1, start=30, software=DiskImage("debian", 1000))
    play.go(10)
    images = play.scheduler.desk.images
    assert images is not None
    first = images.transfers[0]
    other = Transfer("centos", 500, first.start + SECOND, 40 * MINUTE)
    other.targets = list(first.targets)
    images.transfers.append(other)
    said = found_again(play)
    assert any(text.startswith("Transfers of debian and centos overlap at") for text in said)
    assert any("before its image reaches host host-" in text for text in said)


def test_starting_without_an_image_is_found() -> None:
    """A lease whose image was never sent must not start."""
    play = Play(1, transfer=TransferOptions(100))
    play.ask(1, start=30, software=DiskImage("debian", 1000))
    play.go(29.9)
    lease = play.lease(1)
    said = found(play, command(play, Verb.START, 1, *play.hosts(1)))
    assert not lease.transfers
    assert any(text.startswith("Lease 1 starts on host host-0 without its image debian") for text in said)


def test_a_queue_out_of_order_is_found() -> None:
    """Whoever was submitted first waits in front."""
    play = Play(1, reservations_max=0)
    for number in (1, 2, 3):
        play.ask(number)
        play.go(number)
    queue = play.scheduler.desk.queue
    queue.reverse()
    assert any(text.startswith("Lease 3 is before lease 2 in queue") for text in found_again(play))


def test_an_idle_site_with_a_queue_is_found() -> None:
    """A lease that could run from now to its end must not wait."""
    play = Play(1, reservations_max=0)
    play.ask(1, minutes=30)
    play.ask(2, minutes=30)
    play.go(1)
    desk = play.scheduler.desk
    lease = desk.leases.pop(1)
    desk.drop(lease.stays[0])
    lease.state, lease.ended = LeaseState.CANCELLED, desk.now
    said = found(play, Retired(desk.now, lease))
    assert any(text.startswith("Lease 2 (best-effort) waits though it could run from now") for text in said)


def test_time_that_runs_backwards_is_found() -> None:
    """An event from before the last one is told."""
    play = running()
    play.verifier.after(TimePassed(5 * MINUTE), [])
    said = play.verifier.violations
    assert any(text.startswith("The event TimePassed of 1970-01-01T00:05:00Z comes after") for text in said)


def test_what_is_found_is_bounded() -> None:
    """However much is wrong, only the first hundred sentences are kept; all are counted."""
    play = Play(1)
    for number in range(1000, 1300):
        play.verifier.after(TimePassed(0), [command(play, Verb.START, number, 0)])
    assert (len(play.verifier.violations), play.verifier.found) == (100, 300)
