"""Usage accounting: what ran, cut to an interval, grouped, and exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.units import DAY, HOUR, MINUTE, SECOND, Instant
from haizea.runtime.rows import UsageRow
from haizea.service.errors import Forbidden, Invalid
from haizea.service.instants import iso, period_at
from haizea.service.models import UsageLineOut, UsageOut
from haizea.service.usage import Usage, running_stays
from tests.service.fakes import ADMIN, ANNA, NOW, OPERATOR, VIEWER, World, keep, lease, stay, terms, used, world


def usage(there: World) -> Usage:
    """Return the usage of a world."""
    return Usage(there.store, there.clock)


def hours(report: UsageOut) -> dict[str, float]:
    """Return the core-hours of each line by its period and subject."""
    return {f"{line.period} {line.subject}".strip(): line.core_hours for line in report.items}


def test_usage_is_cut_to_the_interval() -> None:
    """Of a stay that began before the interval or ended after it, only the part inside counts."""
    there = world()
    keep(there.store, used(1, NOW - 10 * HOUR, NOW - 2 * HOUR, vms=2, cpu=400, memory=8192))
    report = usage(there).report(ADMIN, start=iso(NOW - 5 * HOUR), end=iso(NOW - 4 * HOUR))
    assert report == UsageOut(
        start="2026-11-25T08:00:00Z",
        end="2026-11-25T09:00:00Z",
        items=[
            UsageLineOut(
                subject="anna", period="", leases=1, vm_hours=2, core_hours=4, memory_gib_hours=8, lost_core_hours=0
            )
        ],
    )


def test_usage_by_user_group_and_lease() -> None:
    """The same rows, added up by who owned the leases, by the group they were booked on, or each for itself."""
    there = world()
    keep(
        there.store,
        used(9, NOW - 3 * HOUR, NOW - 2 * HOUR, group="wind"),
        used(9, NOW - 2 * HOUR, NOW - HOUR, index=1, group="wind"),
        used(10, NOW - HOUR, NOW, owner="bob", group="wind"),
        used(11, NOW - HOUR, NOW, owner="bob", cpu=250),
    )
    service = usage(there)
    assert hours(service.report(ADMIN)) == {"anna": 2, "bob": 3.5}
    assert hours(service.report(ADMIN, by="group")) == {"": 2.5, "wind": 3}
    assert list(hours(service.report(ADMIN, by="lease")).items()) == [("9", 2), ("10", 1), ("11", 2.5)]
    assert [line.leases for line in service.report(ADMIN).items] == [1, 2]


def test_lost_work_stands_apart() -> None:
    """Time that was lost is told beside what was delivered, not in it."""
    there = world()
    keep(there.store, used(1, NOW - 3 * HOUR, NOW - 2 * HOUR, outcome="lost"), used(1, NOW - HOUR, NOW, index=1))
    line = usage(there).report(ADMIN).items[0]
    assert (line.vm_hours, line.core_hours, line.lost_core_hours, line.leases) == (1, 1, 1, 1)


def test_usage_by_day_week_and_month() -> None:
    """A stay that crosses the end of a period is divided there, in UTC; weeks begin on Monday."""
    there = world()
    midnight = NOW - 13 * HOUR
    month_end = period_at(NOW, "month").end
    keep(there.store, used(1, midnight - HOUR, midnight + 2 * HOUR), used(2, month_end - HOUR, month_end + 3 * HOUR))
    there.clock.now = NOW + 30 * DAY
    service = usage(there)
    asked = {"start": "2026-11-01", "end": "2026-12-24"}
    assert hours(service.report(ADMIN, period="day", **asked)) == {
        "2026-11-24 anna": 1,
        "2026-11-25 anna": 2,
        "2026-11-30 anna": 1,
        "2026-12-01 anna": 3,
    }
    assert hours(service.report(ADMIN, period="week", **asked)) == {"2026-W48 anna": 3, "2026-W49 anna": 4}
    assert hours(service.report(ADMIN, period="month", **asked)) == {"2026-11 anna": 4, "2026-12 anna": 3}


def test_what_runs_now_counts_until_now() -> None:
    """A lease that is running counts up to now, or to where its run ended, though its stay is not over."""
    there = world()
    keep(
        there.store,
        lease(1, terms(2, cpu=200), state="active", stays=(stay(NOW - HOUR, NOW + HOUR),)),
        lease(2, terms(), owner="bob", state="suspending", stays=(stay(NOW - 3 * HOUR, NOW - HOUR, "ending"),)),
        lease(3, terms(), owner="vera", state="scheduled", stays=(stay(NOW - MINUTE, NOW + HOUR, "planned"),)),
        lease(4, terms(), owner="olga"),
    )
    assert hours(usage(there).report(ADMIN)) == {"anna": 4, "bob": 2}
    assert hours(usage(there).report(ADMIN, start=iso(NOW - 30 * MINUTE), end=iso(NOW + DAY))) == {"anna": 2}


def test_what_ends_while_it_is_counted_counts_once() -> None:
    """A stay whose usage is written between two reads is not counted twice."""
    there = world()
    keep(there.store, lease(1, terms(), state="active", stays=(stay(NOW - 2 * HOUR, NOW + HOUR),)))
    keep(there.store, used(1, NOW - 2 * HOUR, NOW - 1))
    assert hours(usage(there).report(ADMIN, start=iso(NOW - 20 * DAY), end=iso(NOW + DAY)))["anna"] < 2


def test_users_see_their_own_usage() -> None:
    """Who is no operator gets a report of their own leases, and may not ask for that of others."""
    there = world()
    keep(there.store, used(1, NOW - HOUR, NOW), used(2, NOW - HOUR, NOW, owner="bob"))
    service = usage(there)
    assert list(hours(service.report(ANNA))) == ["anna"]
    assert hours(service.report(VIEWER)) == {}
    assert list(hours(service.report(OPERATOR))) == ["anna", "bob"]
    assert list(hours(service.report(OPERATOR, owner="bob"))) == ["bob"]
    with pytest.raises(Forbidden):
        service.report(ANNA, owner="bob")


def test_a_report_begins_with_the_month() -> None:
    """Without an interval, a report is of this month until now; without a start, of the end's month."""
    service = usage(world())
    report = service.report(ADMIN)
    assert (report.start, report.end) == ("2026-11-01T00:00:00Z", "2026-11-25T13:00:00Z")
    assert service.report(ADMIN, end="2026-08-05T12:00:00+02:00").start == "2026-08-01T00:00:00Z"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"start": "2026-11-02", "end": "2026-11-01"}, "start"),
        ({"start": "1970-01-01"}, "start"),
        ({"start": "last week"}, "start"),
        ({"end": "2026-02-30"}, "end"),
        ({"by": "owner"}, "by"),
        ({"period": "year"}, "period"),
    ],
)
def test_what_cannot_be_reported_is_said(asked: dict[str, str], field: str) -> None:
    """An interval or grouping that makes no sense is refused, and the field named."""
    with pytest.raises(Invalid) as error:
        usage(world()).report(ADMIN, **asked)
    assert error.value.field == field


SPANS = st.tuples(st.integers(0, 40 * DAY), st.integers(1, 20 * DAY)).map(
    lambda span: (NOW - 60 * DAY + span[0], span[1])
)


@given(
    st.lists(st.tuples(SPANS, st.integers(0, 1600), st.sampled_from(["anna", "bob"])), max_size=8),
    st.tuples(st.integers(0, 60 * DAY), st.integers(0, 60 * DAY)).map(sorted),
)
def test_every_grouping_adds_up_to_the_same(
    ran: list[tuple[tuple[Instant, int], int, str]], interval: list[Instant]
) -> None:
    """By user, group or lease, whole or by period: the sum is that of the rows, counted millisecond by millisecond."""
    there = world()
    rows: list[UsageRow] = [
        used(number, start, start + span, owner=owner, cpu=cpu)
        for number, ((start, span), cpu, owner) in enumerate(ran, 1)
    ]
    keep(there.store, *rows)
    first, last = (NOW - 60 * DAY + at for at in interval)
    expected = sum(row.cpu * max(0, min(row.end, last) - max(row.start, first)) for row in rows)
    for by in ("user", "group", "lease"):
        for period in (None, "day", "week", "month"):
            report = usage(there).report(ADMIN, start=iso(first), end=iso(last), by=by, period=period)
            assert sum(line.core_hours for line in report.items) == pytest.approx(expected / (100 * HOUR), rel=1e-12)


def test_only_what_runs_is_running() -> None:
    """Stays that are planned, being resumed or over are not running; one that starts now has no usage yet."""
    stays = [stay(NOW - HOUR, NOW + HOUR, phase) for phase in ("over", "resuming", "planned")]
    assert list(running_stays(lease(1, terms(), stays=(*stays, stay(NOW, NOW + HOUR))), NOW)) == []
    row = next(iter(running_stays(lease(1, terms(3), group="wind", stays=(stay(NOW - SECOND, NOW + HOUR),)), NOW)))
    assert row == used(1, NOW - SECOND, NOW, index=-1, group="wind", vms=3, cpu=300, memory=3072)
