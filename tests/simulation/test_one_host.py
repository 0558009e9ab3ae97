"""One host of one VM, without backfilling: what the rules say can be worked out by hand, and is compared.

The model here knows no slot table, no planner and no events. It goes through time from one decision to the next: the
lease in front of the queue starts as soon as it can end, or run for long enough and be suspended, before the next
reservation; whoever is suspended is in front again, for nobody who was submitted before it is left.
"""

from fractions import Fraction
from math import ceil
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.model.lease import LeaseRequest, LeaseState, LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import SECOND
from haizea.plan.options import Exclusion, Migration, Options, Suspension
from tests.simulation.running import policies, simulate

SITE = Site((Host("host", Capacity({"CPU": 100, "Memory": 4096})),))


class Rules(NamedTuple):
    """What is configured, in seconds."""

    suspension: bool
    suspend_rate: Fraction
    resume_rate: Fraction
    suspend_time: int | None
    overhead: int
    shutdown: int
    factor: Fraction
    least: int | None

    def suspending(self, memory: int) -> int:
        """How long suspending a VM takes."""
        taken = ceil(memory / self.suspend_rate) if self.suspend_time is None else self.suspend_time
        return taken + self.overhead

    def resuming(self, memory: int) -> int:
        """How long resuming a VM takes."""
        return ceil(memory / self.resume_rate) + self.overhead

    def leaving(self) -> int:
        """How long a host is held when a lease is over."""
        return self.shutdown + self.overhead

    def options(self) -> Options:
        """The planner's."""
        return Options(
            reservations_max=0,
            suspension=Suspension.ALL if self.suspension else Suspension.NONE,
            exclusion=Exclusion.LOCAL,
            migration=Migration.NO,
            suspend_rate=self.suspend_rate,
            resume_rate=self.resume_rate,
            suspend_time=None if self.suspend_time is None else self.suspend_time * SECOND,
            enactment_overhead=self.overhead * SECOND,
            shutdown_time=self.shutdown * SECOND,
            threshold_permille=int(self.factor * 1000),
            threshold=None if self.least is None else self.least * SECOND,
        )


class Asked(NamedTuple):
    """A lease of one VM, in seconds and MiB; ``start`` is None for best effort."""

    arrival: int
    start: int | None
    duration: int
    memory: int
    preemptible: bool


Run = tuple[int, int]


def accepted(asked: list[Asked], rules: Rules) -> dict[int, Run]:
    """From when to when the host is held by each reservation: the first come are the first served."""
    held: dict[int, Run] = {}
    for number, lease in enumerate(asked, 1):
        if lease.start is None:
            continue
        end = lease.start + lease.duration + rules.leaving()
        if all(end <= begin or lease.start >= over for begin, over in held.values()):
            held[number] = (lease.start, end)
    return held


def expected(asked: list[Asked], rules: Rules) -> dict[int, list[Run]]:
    """When each lease's VM runs, by the rules."""
    held = accepted(asked, rules)
    runs: dict[int, list[Run]] = {n: [(start, start + asked[n - 1].duration)] for n, (start, _end) in held.items()}
    waiting = sorted((lease.arrival, n) for n, lease in enumerate(asked, 1) if lease.start is None)
    now = 0
    for arrival, number in waiting:
        lease, left = asked[number - 1], asked[number - 1].duration
        runs[number] = []
        now = max(now, arrival)
        while left:
            busy = [end for begin, end in held.values() if begin <= now < end]
            if busy:
                now = busy[0]
                continue
            following = min((begin for begin, _end in held.values() if begin > now), default=None)
            resuming = rules.resuming(lease.memory) if runs[number] else 0
            begin = now + resuming
            if following is None or begin + left + rules.leaving() <= following:
                runs[number].append((begin, begin + left))
                now, left = begin + left + rules.leaving(), 0
                continue
            until = following - rules.suspending(lease.memory)
            # What would be over, but for shutting down, is not suspended.
            over_by_then = following > begin + left or until >= begin + left
            if may_start(rules, lease, resuming, following - now) and begin < until and not over_by_then:
                runs[number].append((begin, until))
                left -= until - begin
                now = following
            else:
                # The queue is looked at again when somebody asks for a lease, or the host is free.
                now = min([other for other, _n in waiting if now < other < following], default=following)
    return runs


def may_start(rules: Rules, lease: Asked, resuming: int, gap: int) -> bool:
    """Whether a lease that will have to be suspended is worth starting in a gap."""
    if not rules.suspension or not lease.preemptible:
        return False
    if rules.least is not None:
        return gap >= rules.least
    # A time that is given outright is what is reckoned with; sending the command comes on top of it all the same.
    suspending = rules.suspending(lease.memory) if rules.suspend_time is None else rules.suspend_time
    overheads = suspending + resuming
    return gap - overheads >= rules.factor * overheads


RATES = st.sampled_from([Fraction(1, 2), Fraction(8), Fraction(64, 5), Fraction(32), Fraction(333, 10), Fraction(4096)])

RULES = st.builds(
    Rules,
    suspension=st.sampled_from([True, True, True, False]),
    suspend_rate=RATES,
    resume_rate=RATES,
    suspend_time=st.none() | st.integers(1, 90),
    overhead=st.sampled_from([0, 0, 3, 20]),
    shutdown=st.sampled_from([0, 0, 5, 60]),
    factor=st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1), Fraction(1), Fraction(3)]),
    least=st.none() | st.integers(0, 300),
)

ASKED = st.lists(
    st.builds(
        Asked,
        arrival=st.integers(1, 3000),
        start=st.none(),
        duration=st.integers(1, 1500),
        memory=st.sampled_from([0, 1, 100, 512, 1024, 4096]),
        preemptible=st.sampled_from([True, True, True, False]),
    )
    | st.builds(
        Asked,
        arrival=st.just(0),
        start=st.integers(1, 6000),
        duration=st.integers(1, 800),
        memory=st.just(4096),
        preemptible=st.just(False),
    ),
    min_size=1,
    max_size=9,
    # Of several that were submitted at one instant, who was suspended goes behind the others: another matter.
    unique_by=lambda lease: (lease.arrival, lease.start),
)


@settings(max_examples=300, deadline=None)
@given(RULES, ASKED)
def test_one_host_without_backfilling_is_as_worked_out_by_hand(rules: Rules, asked: list[Asked]) -> None:
    """To the second: gaps, thresholds, suspensions and resumptions, shutting down, and who waits for whom."""
    requests = [
        LeaseRequest(
            number,
            lease.arrival * SECOND,
            LeaseTerms(
                (NodeSet(1, Capacity({"CPU": 100, "Memory": lease.memory})),),
                lease.duration * SECOND,
                None if lease.start is None else lease.start * SECOND,
                preemptible=lease.preemptible,
            ),
        )
        for number, lease in enumerate(asked, 1)
    ]
    chosen = policies("no-preemption", suspension="all" if rules.suspension else "none")
    outcome = simulate(SITE, rules.options(), chosen, requests)
    assert outcome.violations == []
    found = {
        number: [(e.start / SECOND, e.end / SECOND) for e in lease.log if e.kind == "run"]
        for number, lease in outcome.leases.items()
        if lease.state is LeaseState.DONE
    }
    assert found == expected(asked, rules)
