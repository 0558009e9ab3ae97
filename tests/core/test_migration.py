"""Where suspended leases resume when their memory images can move, and what the copies mean for others meanwhile."""

from haizea.model.events import CancelRequested
from haizea.model.lease import LeaseState
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.plan.options import Migration
from haizea.policy.protocols import HostOrder
from haizea.policy.views import HostView, LeaseView
from tests.core.play import Play
from tests.simulation.running import policies


def copying(hosts: int, vms: int = 1, threshold: Span | None = None) -> Play:
    """Lease 1 is about to resume on the first hosts, after it was on the second: from 1200 s on an image is copied."""
    play = Play(hosts, migration=Migration.YES, reservations_max=0, threshold=threshold)
    play.ask(9, minutes=5)
    play.ask(1, vms)
    play.go(1)
    assert play.hosts(1) == tuple(range(1, vms + 1))
    play.ask(2, vms=hosts, start=10, minutes=10)
    play.go(20)
    return play


def test_a_lease_that_can_move_resumes_on_the_best_hosts() -> None:
    """Two hosts are equally good, so the first is taken, though the memory image is on the second."""
    play = copying(2)
    play.go(25)
    assert play.where[1] == (0,)
    assert play.lease(1).migrations == 1


def test_a_lease_that_moves_does_not_use_up_a_short_gap() -> None:
    """With 48 minutes left it leaves a host that is free for 55, because another one is free for its whole hour."""
    play = Play(2, migration=Migration.YES)
    play.ask(1)
    play.go(1)
    play.ask(2, vms=2, start=10, minutes=2)
    play.ask(3, start=67, minutes=10)
    play.go(14)
    assert play.scheduler.desk.table.hosts_of(play.lease(3).stays[0].placement) == {0: 1}
    assert play.where[1] == (1,)


def test_vms_whose_images_are_on_one_of_the_hosts_stay_there() -> None:
    """Of two VMs on the hosts 1 and 2 that resume on 0 and 1 only one is copied."""
    play = copying(3, 2)
    play.go(30)
    assert sorted(play.where[1]) == [0, 1]
    (entry,) = [entry for entry in play.lease(1).log if entry.kind == "migrate"]
    assert [(copy.origin, copy.destination) for copy in entry.stay.copies] == [(2, 0)]


def test_hosts_that_images_are_copied_between_come_last() -> None:
    """A lease that arrives during a copy starts on the host that has no part in it, though others have room."""
    play = copying(3)
    play.ask(3, minutes=30)
    play.go(21)
    assert play.where[3] == (2,)


def test_reservations_keep_off_copies_too() -> None:
    """A reservation that begins during a copy gets the host that has no part in it."""
    play = copying(3)
    play.ask(3, start=20.5, minutes=0.5)
    play.go(21)
    assert play.where[3] == (2,)


def test_copies_that_are_over_do_not_count() -> None:
    """From the moment the image has arrived the host that it came from is as good as any."""
    play = copying(3)
    play.go(21.5)
    play.ask(3, minutes=30)
    play.go(22)
    assert play.where[3] == (1,)


def test_copies_that_nobody_needs_any_more_do_not_count() -> None:
    """When the lease that the image belongs to is cancelled, both hosts of the copy are free again."""
    play = copying(3)
    play.go(20.1)
    play.tell(CancelRequested(play.scheduler.desk.now, 1))
    play.ask(3, minutes=30)
    play.go(21)
    assert play.where[3] == (0,)


def test_of_two_hosts_of_a_copy_the_first_is_taken_for_as_long_as_it_is_free() -> None:
    """Both are disturbed when the copy is over, so nothing is to choose between 81 s and an unlimited time."""
    play = copying(2)
    play.go(20 + 1 / 60)
    play.ask(3, minutes=30)
    play.go(21.4)
    assert play.where[3] == (0,)
    assert [(e.kind, e.start, e.end) for e in play.lease(3).log] == [
        ("run", 1201 * SECOND, 1250 * SECOND),
        ("suspend", 1250 * SECOND, 1282 * SECOND),
    ]


def test_a_lease_that_waits_for_the_end_of_a_copy_starts_then() -> None:
    """A host with too short a gap is better than one that sends an image, until the image is gone: 1282 s."""
    play = copying(3, 2, 100 * SECOND)
    play.go(1270 / 60)
    play.ask(3, minutes=30)
    play.go(22)
    assert play.lease(3).started == 1282 * SECOND
    assert play.where[3] == (2,)


def test_without_backfilling_copies_are_made_while_hosts_are_still_taken() -> None:
    """Its images take 164 s to move, so a lease in front is given hosts of which one is free only in 60 s."""
    play = Play(2, migration=Migration.YES, reservations_max=0)
    play.ask(1, 2)
    play.go(1)
    play.ask(2, vms=2, start=10, minutes=10)
    play.ask(3, start=20, minutes=1)
    play.go(20)
    assert play.state(1) is LeaseState.SUSPENDED_SCHEDULED
    assert play.lease(1).stays[0].start == (1200 + 164) * SECOND


class Watching:
    """A host selection policy that a user wrote: the first host is best; it keeps what it was shown."""

    order = HostOrder.SCORED

    def __init__(self) -> None:
        self.seen: dict[int, HostView] = {}

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Lower numbers are better."""
        self.seen[host.index] = host
        return -host.index


def test_a_policy_that_a_user_wrote_sees_copies() -> None:
    """Both hosts of a copy have a lease, and are disturbed when it is over; the third is neither."""
    watching = Watching()
    play = Play(3, policies()._replace(selection=watching), migration=Migration.YES, reservations_max=0)
    play.ask(1)
    play.go(1)
    play.ask(2, vms=3, start=10, minutes=10)
    play.ask(4, start=20, minutes=30)
    play.go(20)
    assert [(copy.origin, copy.destination) for copy in play.lease(1).stays[0].copies] == [(0, 1)]
    watching.seen.clear()
    play.ask(3, minutes=1)
    play.go()
    assert {i: (view.leases, view.undisturbed) for i, view in watching.seen.items()} == {
        1: (1, 82 * SECOND),
        2: (0, FAR_FUTURE),
    }
