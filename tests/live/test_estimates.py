"""What is measured on hosts, and how it comes to be planned with."""

from collections import deque
from typing import Any

from haizea.live.assembly import Care
from haizea.live.estimates import ESTIMATES, Estimates, Rules
from haizea.model.events import LeaseOrdered, OperationOutcome, OperationReported
from haizea.model.lease import DiskImage
from haizea.model.orders import Suspend
from haizea.model.rates import Measured, Rates
from haizea.model.units import HOUR, MINUTE, SECOND
from haizea.plan.options import Options, TransferOptions
from haizea.runtime.changes import Change
from tests.live.stage import Stage
from tests.live.test_rehearsed import handed, reported

OPTIONS = Options(suspend_rate=32, resume_rate=32, transfer=TransferOptions(bandwidth=100))


def known(*rows: tuple[str, int, str, int]) -> list[Any]:
    """Return what is remembered where each of these was measured three times."""
    return [[kind, host, image, [value] * 3] for kind, host, image, value in rows]


def test_each_host_is_planned_with_its_own_rate() -> None:
    """The slowest is that of the site; others that are noticeably faster, and images that are slow, are told apart."""
    estimates = Estimates(
        Rules(),
        OPTIONS,
        known(
            ("suspend", 0, "", 16),
            ("suspend", 1, "", 60),
            ("suspend", 2, "", 16),
            ("transfer", 0, "", 80),
            ("transfer", 0, "debian", 81),
            ("transfer", 0, "windows", 40),
        ),
    )
    assert estimates.rates(lambda _host: True) == Rates(
        suspend=16, transfer=80, hosts=(Measured("suspend", 1, "", 60), Measured("transfer", 0, "windows", 40))
    )
    assert estimates.rates(lambda host: host == 1) == Rates(suspend=60)


def test_what_a_host_is_planned_with_is_within_bounds_and_shown() -> None:
    """However fast a host is, it is planned with half of what is configured at least; ``haizea host show`` says so."""
    estimates = Estimates(Rules(low=50, high=400), OPTIONS, known(("suspend", 0, "", 900), ("suspend", 1, "", 1)))
    assert estimates.rates(lambda _host: True).hosts == (Measured("suspend", 0, "", 64),)
    shown = [(each.measured, each.planned) for host in (0, 1) for each in estimates.of(host)]
    assert shown == [(900, 64), (1, 8)]
    slow = Estimates(Rules(), OPTIONS, known(("transfer", 0, "", 100), ("transfer", 0, "windows", 50)))
    assert [(each.image, each.planned) for each in slow.of(0)] == [("", 100), ("windows", 50)]


def test_what_is_planned_with_keeps_to_rates_that_were_set_by_an_order() -> None:
    """The bounds are those of what is configured now, not of when the daemon was started."""
    stage = Stage(care=Care(0, rules=Rules(low=50, high=400)))
    learner = stage.live.assembly._learner
    learner.estimates._known.update({("suspend", 0, ""): deque([20] * 3)})
    scheduler = stage.live.scheduler
    [news] = learner.news(scheduler.desk.now)
    assert news.rates.suspend == 20
    scheduler.follow(scheduler.desk.configured._replace(suspend_rate=200), scheduler.desk.policies)
    [news] = learner.news(scheduler.desk.now)
    assert news.rates.suspend == 50
    assert [each.planned for each in learner.estimates.of(0)] == [50]


def test_nothing_is_told_of_hosts_where_nothing_is_to_be_learnt() -> None:
    """Who has fixed the rates by configuration has them everywhere."""
    rows = known(("suspend", 0, "", 16), ("suspend", 1, "", 60))
    assert Estimates(Rules(learn=False), OPTIONS, rows).rates(lambda _host: True) == Rates()
    fixed = OPTIONS._replace(suspend_time=30 * SECOND)
    assert Estimates(Rules(), fixed, rows).rates(lambda _host: True) == Rates()


def test_a_daemon_plans_by_the_hosts_after_it_was_killed() -> None:
    """What was measured is kept, and so are the lengths of suspensions on slow and fast hosts."""
    stage = Stage()
    rows = [("suspend", host, "", rate) for host, rate in enumerate((16, 64, 32, 16))]

    def keep(change: Change) -> None:
        change.transaction.set_fact(ESTIMATES, known(*rows))

    stage.live.change(keep)
    for _ in range(2):
        stage.restart()
        stage.after(SECOND)
    leases = [stage.request(cpu=400, memory=1024, duration=HOUR) for _ in range(4)]
    stage.after(MINUTE)
    spans = {}
    for number in leases:
        host = stage.vms()[number, 1][1]
        order(stage, number)
        stay = stage.lease(number).stays[0]
        spans[host] = (stay.end - stay.run_end) / SECOND
    assert spans == {0: 64, 1: 16, 2: 32, 3: 64}


def order(stage: Stage, number: int) -> None:
    """Have a lease suspended by an order."""
    stage.live.change(lambda change: change.hand_over(LeaseOrdered(change.now, number, Suspend(), "ann")))


def test_an_image_that_always_boots_slowly_is_not_late() -> None:
    """A boot counts as late when it takes longer than usual for that image on that host, and a minute at least."""
    stage = Stage()
    image = DiskImage("windows", 1000)
    stage.fate.set_pace("boot", str(100 * SECOND))
    events = handed(stage)
    for _ in range(4):
        stage.cancel(booted(stage, image))
        stage.after(MINUTE)
    late = [event for event in reported(events) if event.outcome is OperationOutcome.LATE]
    assert len({event.lease for event in late}) == 3
    events.clear()
    other = booted(stage, DiskImage("debian", 1000))
    assert [event for event in reported(events) if event.lease == other] == []
    stage.fate.set_pace("boot", str(600 * SECOND))
    slow = booted(stage, image)
    assert any(_late(event, slow) for event in reported(events))


def booted(stage: Stage, image: DiskImage) -> int:
    """Request a lease of an image, and wait for three minutes."""
    number = stage.request(software=image, duration=HOUR)
    stage.after(3 * MINUTE)
    return number


def _late(event: OperationReported, lease: int) -> bool:
    return event.lease == lease and event.outcome is OperationOutcome.LATE
