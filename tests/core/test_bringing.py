"""VMs that are started again on a host that their disk image was not brought to."""

from typing import Any

import pytest

from haizea.model.events import InstanceObserved, Observed, OperationOutcome, OperationReported
from haizea.model.lease import DiskImage, LeaseState, OnFailure, OnGuestShutdown, Reactions
from haizea.model.orders import LeaseOrder, Migrate, Recover, Recovery, Restart
from haizea.model.units import MINUTE, SECOND
from haizea.plan.images import Images
from haizea.plan.options import Mechanism, Migration, TransferOptions
from tests.core.ordering import Ordering
from tests.core.play import made_anew

S = LeaseState
IMAGE = DiskImage("debian", 1000)
"""Takes 80 s to come."""


def see(play: Ordering, observed: Observed, vm: int = 1, host: int | None = None, by: str = "") -> list[str]:
    """Report what a VM of lease 1 was seen to be; return what comes of it."""
    play.tell(InstanceObserved(play.scheduler.desk.now, 1, vm, observed, host, by))
    return play.go()


def moved(vms: int = 1, failure: OnFailure = OnFailure.RESTART, **options: Any) -> Ordering:
    """A lease that runs from 80 s on with its image; after 10 minutes somebody has moved its first VM to host 3."""
    play = Ordering(4, transfer=TransferOptions(100, **options), migration=Migration.YES)
    play.ask(1, vms, 60, software=IMAGE, reactions=Reactions(OnGuestShutdown.RESTART, failure))
    play.go(10)
    assert play.hosts(1) == tuple(range(vms))
    see(play, Observed.RUNNING, 1, 3, "root")
    assert play.hosts(1)[0] == 3
    play.where.clear()
    return play


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("cache", [None, -1], ids=["no-cache", "cache"])
def test_a_vm_that_fails_where_somebody_moved_it_is_started_when_its_image_is_there(
    mechanism: Mechanism, cache: int | None
) -> None:
    """The image is brought first; until then the VM is down, and what the lease loses is told."""
    play = moved(mechanism=mechanism, cache_size=cache)
    assert see(play, Observed.CRASHED) == ["600s destroy 1", "600s notice 1", "600s notice 1", "600s transfer 1"]
    assert play.lease(1).down == {1}
    assert play.go(12) == ["680s notice 1", "680s start 1"]
    assert (play.where[1], play.lease(1).down) == ((3,), frozenset())
    assert play.lost(1) == 80 / 60
    assert play.lease(1).transfers[-1] == (3, (1,), 600 * SECOND, 680 * SECOND)


def test_a_vm_that_fails_where_an_order_moved_it_waits_for_its_image_too() -> None:
    """What moves with a VM is its disk, not what it was made of."""
    play = Ordering(4, transfer=TransferOptions(100), migration=Migration.YES)
    play.ask(1, 1, 60, software=IMAGE, reactions=Reactions(on_failure=OnFailure.RESTART))
    play.go(10)
    play.order(1, Migrate(1, to=2))
    play.go(15)
    assert "900s start 1" not in see(play, Observed.CRASHED)
    assert "980s start 1" in play.go(20)


def test_a_vm_that_fails_where_its_image_was_brought_to_is_started_at_once() -> None:
    """There is nothing to wait for, neither there nor after it was moved back."""
    play = Ordering(4, transfer=TransferOptions(100))
    play.ask(1, 1, 60, software=IMAGE, reactions=Reactions(on_failure=OnFailure.RESTART))
    play.go(10)
    assert "600s start 1" in see(play, Observed.CRASHED)
    play = moved()
    see(play, Observed.RUNNING, 1, 0, "root")
    assert "600s start 1" in see(play, Observed.CRASHED)


def test_a_vm_that_is_seen_to_be_gone_while_it_waits_for_its_image_has_not_failed_again() -> None:
    """Not when that is the last time that it is started again either."""
    play = moved()
    play.lease(1).restarts = play.scheduler.desk.options.restarts_max - 1
    for observed in (Observed.CRASHED, Observed.VANISHED, Observed.VANISHED):
        play.go(play.now + 0.5)
        see(play, observed)
    said = play.go(20)
    assert [line for line in said if "start" in line] == ["730s start 1"]
    assert (play.lease(1).requeued, play.hosts(1)) == (0, (3,))


def test_only_vms_that_lack_their_image_wait_for_it() -> None:
    """Of two that fail one is where it was."""
    play = moved(2)
    see(play, Observed.CRASHED, 2)
    assert play.lease(1).down == frozenset()
    see(play, Observed.CRASHED, 1)
    assert play.lease(1).down == {1}
    play.go(15)
    assert (play.lease(1).down, play.state(1)) == (frozenset(), S.ACTIVE)


def test_a_guest_that_shuts_itself_down_starts_from_its_own_disk() -> None:
    """The VM is there still: no image is needed for that, until it is removed."""
    play = moved()
    assert "600s start 1" in see(play, Observed.GUEST_SHUTDOWN)
    play.tell(OperationReported(play.scheduler.desk.now, 1, "boot", OperationOutcome.FAILED))
    assert not [line for line in play.go(11) if "start" in line]
    assert [line for line in play.go(15) if "start" in line]


@pytest.mark.parametrize(
    "order", [Restart(), Restart(1), Recover(Recovery.RETRY)], ids=["restart", "restart-one", "retry"]
)
def test_an_order_to_restart_waits_for_the_image_too(order: LeaseOrder) -> None:
    """The VM is removed at once and started when its image is there."""
    play = moved()
    assert play.order(1, order) is None
    assert play.lease(1).down == {1}
    said = [line for line in play.go(12) if "notice" not in line]
    assert said == ["600s destroy 1", "600s transfer 1", "680s start 1"]


def test_a_reservation_that_is_made_anew_waits_for_the_image_too() -> None:
    """It is made anew where it is."""
    play = Ordering(2, transfer=TransferOptions(100))
    play.ask(1, 1, 60, start=2, software=IMAGE)
    play.go(10)
    see(play, Observed.RUNNING, 1, 1, "root")
    play.order(1, Recover(Recovery.RECREATE))
    assert [line for line in play.go(12) if "start" in line] == ["680s start 1"]


def test_a_late_image_is_waited_for_and_one_that_is_early_is_not() -> None:
    """The VM starts when the image is there."""
    for outcome, until, started in ((OperationOutcome.LATE, 15, 900), (OperationOutcome.DONE, None, 660)):
        play = moved()
        see(play, Observed.CRASHED)
        play.go(11)
        at = play.scheduler.desk.now
        play.tell(OperationReported(at, 1, "transfer", outcome, None if until is None else until * MINUTE))
        assert [line for line in play.go(20) if "start" in line] == [f"{started}s start 1"]


def test_an_image_that_does_not_come_is_sent_again_and_then_the_lease_starts_over() -> None:
    """Its other VMs run on as long as that is tried."""
    play = moved(2)
    see(play, Observed.CRASHED)
    for tried in range(1, play.scheduler.desk.options.restarts_max + 1):
        play.tell(OperationReported(play.scheduler.desk.now, 1, "transfer", OperationOutcome.FAILED))
        assert any("transfer 1" in line for line in play.go())
        assert (play.lease(1).retries, play.state(1), play.lease(1).requeued) == (tried, S.ACTIVE, 0)
    play.tell(OperationReported(play.scheduler.desk.now, 1, "transfer", OperationOutcome.FAILED))
    play.go(20)
    assert (play.lease(1).requeued, play.state(1)) == (1, S.ACTIVE)


def test_a_scheduler_made_anew_knows_where_images_are_and_where_they_are_brought_to() -> None:
    """The VM starts when its image is there, and the next time it fails at once."""
    play = moved()
    see(play, Observed.CRASHED)
    play.go(11)
    play.scheduler = made_anew(play.scheduler)
    desk = play.scheduler.desk
    images = desk.images
    assert images is not None
    assert [images.has(desk.leases[1], host) for host in range(4)] == [True, False, False, False]
    assert images.coming(desk.leases[1], 3) == 680 * SECOND
    assert made_anew(play.scheduler).remember() == play.scheduler.remember()


def test_where_images_are_is_known_of_leases_that_began_before_that_was_written_down() -> None:
    """It was written down with each lease where its image was brought to."""
    desk = moved().scheduler.desk
    assert desk.images is not None
    assert desk.options.transfer is not None
    remembered = desk.images.remember()
    assert remembered.pop("brought") == [[1, [0]]]
    again = Images(desk.table, desk.hosts, desk.options.transfer)
    again.recall(remembered, desk.leases)
    assert [again.has(desk.leases[1], host) for host in range(4)] == [True, False, False, False]


def test_nothing_is_brought_for_a_lease_that_is_over_or_suspended() -> None:
    """What was on its way for it alone is broken off."""
    play = moved()
    see(play, Observed.CRASHED)
    images = play.scheduler.desk.images
    assert images is not None
    assert images.transfers
    see(play, Observed.SUSPENDED, 1, 3, "root")
    assert (play.state(1), images.transfers) == (S.SUSPENDED_QUEUED, [])
    play = moved()
    see(play, Observed.CRASHED)
    see(play, Observed.DELETED, 1, 3, "root")
    images = play.scheduler.desk.images
    assert images is not None
    assert (play.over[1].state, images.transfers) == (S.DONE, [])


def test_images_of_reservations_make_way_for_each_other_though_one_is_brought_for_who_runs() -> None:
    """What is planned for who runs stays where it is, and is not taken to be too late for a start that is past."""
    play = Ordering(4, transfer=TransferOptions(100))
    play.ask(1, 1, 60, start=2, software=IMAGE, reactions=Reactions(on_failure=OnFailure.RESTART))
    play.go(5)
    see(play, Observed.RUNNING, 1, 3, "root")
    for number, start in ((2, 10), (3, 12)):
        play.ask(number, 1, 60, start=start, software=DiskImage(f"image-{number}", 1000))
    play.go(7.5)
    # There are 70 s before the first of them, 40 s between them: it is brought from 720 s on.
    see(play, Observed.CRASHED)
    play.ask(4, 1, 60, start=850 / 60, software=DiskImage("large", 1250))
    play.go(60)
    assert [play.lease(number).started for number in (2, 3, 4)] == [600 * SECOND, 720 * SECOND, 850 * SECOND]
    assert play.lease(1).transfers[-1][2:] == (720 * SECOND, 800 * SECOND)
