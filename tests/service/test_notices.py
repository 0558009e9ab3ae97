"""What people are told before it happens."""

from haizea.app.compose import policies
from haizea.config import load
from haizea.config.options import to_options
from haizea.core.scheduler import Scheduler
from haizea.model.events import LeaseRequested, TimePassed
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.units import HOUR, MINUTE, SECOND, Instant
from haizea.service.notices import Notices
from haizea.workloads.oneline import parse_site

ALL = (NodeSet(1, Capacity({"CPU": 100, "Memory": 1024})),)


class Site:
    """A scheduler of one host, and the notices about its leases."""

    def __init__(self, last: Instant | None = None) -> None:
        settings = load(sets=("scheduling.suspension=all", "scheduling.policy-preemption=ar-preempts-everything"))
        site = parse_site("1 CPU:100 Memory:1024")
        self.scheduler = Scheduler(site, 0, to_options(settings), policies(settings))
        self.notices = Notices(10 * MINUTE, 10 * MINUTE, last)

    def request(self, lease: int, **terms: object) -> None:
        """Request a lease now."""
        asked = LeaseTerms(nodes=ALL, **{"duration": HOUR, "name": "class", **terms})  # type: ignore[arg-type]
        self.scheduler.handle(LeaseRequested(self.scheduler.desk.now, lease, asked))
        self.scheduler.handle(TimePassed(self.scheduler.desk.now))

    def until(self, at: Instant) -> list[str]:
        """Let time pass, looking every minute; return what was told."""
        told = []
        while self.scheduler.desk.now < at:
            now = self.scheduler.desk.now + MINUTE
            while (due := self.scheduler.next_instant()) is not None and due <= now:
                self.scheduler.handle(TimePassed(due))
            self.scheduler.handle(TimePassed(now))
            told += [f"{now // MINUTE} {each.about} {each.lease}" for each in self.notices.due(self.scheduler, now)]
        return told


def test_a_start_and_an_end_are_told_once_ten_minutes_before() -> None:
    """A reservation from 1:00 to 2:00 is told at 0:50 and 1:50, and at no other time."""
    site = Site()
    site.request(1, start=HOUR)
    assert site.until(3 * HOUR) == ["50 start 1", "110 end 1"]


def test_who_starts_at_once_is_not_told_that_it_will() -> None:
    """A lease that starts when it is requested is told of its end only, a short one of nothing."""
    site = Site()
    site.request(1, start=None)
    assert site.until(HOUR) == ["50 end 1"]
    site.request(2, start=None, duration=15 * MINUTE)
    assert site.until(2 * HOUR) == []


def test_who_has_to_make_way_is_told_as_soon_as_it_is_known() -> None:
    """A lease that will be suspended for a reservation is told when that is planned, with the time."""
    site = Site()
    site.request(1, start=None, duration=3 * HOUR, preemptible=True)
    assert site.until(10 * MINUTE) == []
    site.request(2, start=HOUR, preemptible=False)
    told = site.until(3 * HOUR)
    assert told[0] == "11 preemption 1"
    assert [each.split(" ", 1)[1] for each in told].count("preemption 1") == 1
    assert "50 start 2" in told


def test_a_daemon_that_was_down_goes_on_where_it_looked_last() -> None:
    """What came near while nobody looked is told when somebody looks again; what was told before is not."""
    site = Site(last=20 * MINUTE)
    site.request(1, start=HOUR)
    site.request(2, start=25 * MINUTE, duration=10 * MINUTE)
    site.scheduler.handle(TimePassed(24 * MINUTE))
    assert site.notices.due(site.scheduler, 24 * MINUTE) == []
    site.scheduler.handle(TimePassed(25 * MINUTE))
    assert [each.about for each in site.notices.due(site.scheduler, 55 * MINUTE)] == ["start"]


def test_what_could_not_be_kept_is_told_again() -> None:
    """When the store could not be written, the same is found again."""
    site = Site()
    site.request(1, start=HOUR)
    site.until(45 * MINUTE)
    before = site.notices.last
    assert [each.text for each in site.notices.due(site.scheduler, 52 * MINUTE)] == [
        "Lease 1 (class) starts at 1970-01-01T01:00:00Z."
    ]
    site.notices.again(before)
    assert [each.lease for each in site.notices.due(site.scheduler, 52 * MINUTE + SECOND)] == [1]
