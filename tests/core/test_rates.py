"""What was measured of single hosts and images is planned with, on the hosts that a lease is on."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.core.scheduler import Scheduler
from haizea.model.events import InstanceObserved, LeaseOrdered, Observed, RatesMeasured, TimePassed
from haizea.model.lease import DiskImage, LeaseState, NodeSet
from haizea.model.orders import Resume, Suspend, Terminate
from haizea.model.rates import Measured, Rates
from haizea.model.resources import MEMORY, Capacity
from haizea.model.units import MINUTE, SECOND
from haizea.plan.images import TransferState
from haizea.plan.lease import Stay
from haizea.plan.operations import hosts_of
from haizea.plan.options import Exclusion, Mechanism, Options, Suspension, TransferOptions
from tests.core.play import VM, Play, site
from tests.simulation.running import policies

# Host 0 is slow, host 1 twice as fast, of host 2 nothing is known. A VM has 1024 MiB.
RATES = Rates(16, 16, hosts=(Measured("resume", 1, "", 64), Measured("suspend", 1, "", 32)))


class Measuring(Play):
    """A site of which hosts were measured."""

    def pass_by(self, minutes: float) -> None:
        """Let time pass without the verifier, which goes by what was configured."""
        until = round(minutes * MINUTE)
        while (due := self.scheduler.next_instant()) is not None and due < until:
            self.scheduler.handle(TimePassed(due))
        self.scheduler.handle(TimePassed(until))


def play(hosts: int = 3, **options: Any) -> Measuring:
    """Return a site with the rates above."""
    there = Measuring(hosts, suspension=Suspension.ALL, **options)
    there.scheduler.handle(RatesMeasured(0, RATES))
    return there


def suspended(there: Play, number: int) -> Stay:
    """Have a lease that runs suspended by an order; return the stay that ends so."""
    desk = there.scheduler.desk
    there.scheduler.handle(LeaseOrdered(desk.now, number, Suspend(), "ann"))
    return desk.leases[number].stays[0]


@pytest.mark.parametrize(("host", "span"), [(0, 64), (1, 32), (2, 64)])
def test_a_slow_host_suspends_for_longer_and_a_fast_one_does_not(host: int, span: int) -> None:
    """A suspension is planned by the host it is on; one that was never measured counts as slow as the slowest."""
    there = play()
    for number in (1, 2, 3):
        there.ask(number, minutes=120)
    there.go(10)
    lease = next(number for number in (1, 2, 3) if there.hosts(number) == (host,))
    stay = suspended(there, lease)
    assert stay.end - stay.run_end == span * SECOND


def test_the_slowest_of_those_that_act_together_says_how_long() -> None:
    """VMs on a fast and a slow host are suspended when the slow one is done; one after the other where that is it."""
    for exclusion, span in ((Exclusion.LOCAL, 64), (Exclusion.GLOBAL, 96)):
        there = play(2, exclusion=exclusion)
        there.ask(1, vms=2, minutes=120)
        there.go(10)
        stay = suspended(there, 1)
        assert stay.end - stay.run_end == span * SECOND


def test_a_resumption_is_planned_by_the_host_it_is_on() -> None:
    """Who was suspended on the fast host resumes faster than who was on the slow one."""
    there = play(2)
    for number in (1, 2):
        there.ask(number, minutes=120)
    there.go(10)
    spans = {}
    for number in (1, 2):
        suspended(there, number)
    there.pass_by(14)
    for number in (1, 2):
        host = there.lease(number).images
        there.scheduler.handle(LeaseOrdered(there.scheduler.desk.now, number, Resume(), "ann"))
        there.pass_by(15)
        stay = there.lease(number).stays[0]
        spans[host] = (stay.run_start - stay.start) // SECOND
    assert spans == {(0,): 64, (1,): 16}


def test_room_is_made_by_the_hosts_own_rates() -> None:
    """Who gives way for a reservation runs until just before it: on the fast host for longer than on the slow one."""
    there = play(2)
    for number in (1, 2):
        there.ask(number, minutes=600)
    there.go(4)
    there.ask(3, vms=2, minutes=30, start=60)
    there.pass_by(5)
    spans = {there.hosts(number): _ends_in(there, number) for number in (1, 2)}
    assert spans == {(0,): 64, (1,): 32}


def _ends_in(there: Play, number: int) -> float:
    stay = there.lease(number).stays[0]
    assert stay.suspending
    return (stay.end - stay.run_end) / SECOND


def test_what_was_measured_is_remembered() -> None:
    """Another scheduler that is told what this one knows plans by the same rates, and by none without them."""
    there = play(2)
    there.ask(1, minutes=120)
    there.ask(2, minutes=120)
    there.go(10)
    remembered = json.loads(json.dumps(there.scheduler.remember()))
    other = there.scheduler.copy()
    assert other.desk.rates == there.scheduler.desk.rates == RATES
    assert remembered["rates"][-1] == [list(each) for each in RATES.hosts]
    spans = []
    for scheduler in (there.scheduler, other):
        for number in (1, 2):
            scheduler.handle(LeaseOrdered(scheduler.desk.now, number, Suspend(), "ann"))
        spans.append(sorted(lease.stays[0].end - lease.stays[0].run_end for lease in scheduler.desk.leases.values()))
    assert spans == [[32 * SECOND, 64 * SECOND]] * 2
    earlier = Scheduler(site(2), 0, Options(), policies())
    earlier.recall([], {**remembered, "rates": [16, None, None, None]})
    assert earlier.desk.rates == Rates(16)


def test_rates_outlast_a_change_of_the_site_and_of_the_rules() -> None:
    """Hosts that come, and options that are changed, do not make the scheduler forget what was measured."""
    there = play(2)
    scheduler = there.scheduler
    scheduler.follow(Options(suspension=Suspension.ALL, restarts_max=7), policies())
    assert scheduler.desk.options.restarts_max == 7
    assert scheduler.desk.options.suspend_rate == 16
    assert scheduler.desk.planner.paces is not None


class Sent(Play):
    """A site whose images are sent to hosts at 100 Mb/s."""

    def __init__(self, mechanism: Mechanism, *known: Measured) -> None:
        super().__init__(2, transfer=TransferOptions(100, mechanism))
        self.scheduler.handle(RatesMeasured(0, Rates(transfer=50, hosts=known)))

    def span(self, vms: int, image: str = "debian") -> float:
        """How many seconds the transfers for a lease of so many VMs take."""
        self.scheduler.handle(RatesMeasured(0, self.scheduler.desk.rates))
        self.ask(1, vms=vms, start=120, software=DiskImage(image, 1000))
        self.go()
        images = self.scheduler.desk.images
        assert images is not None
        return sum(each.end - each.start for each in images.transfers) / SECOND


@pytest.mark.parametrize(
    ("mechanism", "vms", "span"),
    [
        (Mechanism.MULTICAST, 1, 80),
        (Mechanism.MULTICAST, 2, 160),
        (Mechanism.UNICAST, 2, 80 + 160),
    ],
)
def test_a_transfer_is_planned_by_the_hosts_it_goes_to(mechanism: Mechanism, vms: int, span: int) -> None:
    """To a fast host it takes less; to several at once as long as to the slowest, one by one the sum."""
    assert Sent(mechanism, Measured("transfer", 0, "", 100)).span(vms) == span


def test_an_image_that_was_slow_is_planned_as_slow() -> None:
    """What is known of an image on a host says more than what is known of the host."""
    known = Measured("transfer", 0, "", 100), Measured("transfer", 0, "windows", 25)
    assert Sent(Mechanism.MULTICAST, *known).span(1, "windows") == 320
    assert Sent(Mechanism.MULTICAST, *known).span(1, "debian") == 80


def test_a_transfer_that_was_planned_for_a_fast_host_is_not_joined_by_a_slow_one() -> None:
    """Another lease on the slow host has the image sent again, or in time; never planned shorter than it takes."""
    there = Sent(Mechanism.MULTICAST, Measured("transfer", 0, "", 100))
    image = DiskImage("debian", 1000)
    there.ask(1, start=60, software=image)
    there.ask(2, start=60, software=image)
    there.go()
    images = there.scheduler.desk.images
    assert images is not None
    for transfer in images.transfers:
        assert transfer.state is TransferState.PLANNED
        slow = 1 in transfer.hosts
        assert transfer.end - transfer.start >= (160 if slow else 80) * SECOND
    assert {there.state(1), there.state(2)} <= {LeaseState.SCHEDULED, LeaseState.PREPARING}


RATE = st.sampled_from([8, 16, 24, 32, 64])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), RATE, st.dictionaries(st.integers(0, 3), RATE), st.sampled_from(Exclusion), st.data())
def test_no_host_gets_less_time_than_it_takes(
    vms: int, slowest: int, known: dict[int, int], exclusion: Exclusion, data: st.DataObject
) -> None:
    """However fast hosts are, what is planned is what its hosts take, and never more than the slowest rate would."""
    there = Play(site(4, cores=2), suspension=Suspension.ALL, exclusion=exclusion)
    hosts = tuple([Measured("suspend", host, "", max(rate, slowest)) for host, rate in known.items()])
    there.scheduler.handle(RatesMeasured(0, Rates(slowest, slowest, hosts=hosts)))
    small = NodeSet(data.draw(st.integers(1, 2)), Capacity({"CPU": 50, "Memory": 512}))
    there.ask(1, minutes=120, nodes=(NodeSet(vms, VM), small))
    there.go(10)
    desk = there.scheduler.desk
    stay = suspended(there, 1)
    times: dict[int, int] = {}
    demands = [d for n, d in zip(stay.need.counts, stay.need.demands, strict=True) for _ in range(n)]
    for host, demand in zip(hosts_of(stay, desk.table), demands, strict=True):
        rate = max(known.get(host, slowest), slowest)
        times[host] = times.get(host, 0) + -(-demand[MEMORY] // rate) * SECOND
    expected = sum(times.values()) if exclusion is Exclusion.GLOBAL else max(times.values())
    assert stay.end - stay.run_end == expected
    assert desk.now + expected <= 11 * MINUTE + 20 * MINUTE


def test_who_is_moved_to_a_slow_host_is_suspended_sooner() -> None:
    """A VM that is seen on a slower host, by somebody's act, begins to be suspended early enough for who comes next."""
    there = play(2)
    there.ask(1, minutes=600)
    there.ask(2, minutes=600)
    there.go(4)
    there.ask(3, vms=2, minutes=30, start=60)
    there.pass_by(5)
    fast = next(number for number in (1, 2) if there.hosts(number) == (1,))
    there.scheduler.handle(LeaseOrdered(there.scheduler.desk.now, 3 - fast, Terminate(), "ann"))
    seen = InstanceObserved(there.scheduler.desk.now, fast, 1, Observed.RUNNING, 0)
    there.scheduler.handle(seen)
    assert there.hosts(fast) == (0,)
    assert _ends_in(there, fast) == 64
