"""The slot table answers as a plain list of reservations would, whatever is held, given back, tried and undone."""

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.chunk import CHUNK_MAX
from haizea.plan.slottable import Held, Reservation, SlotTable
from haizea.plan.timeline import Timeline

TYPES = ("CPU", "Memory")
ROOM = Capacity({"CPU": 100_000, "Memory": 1_000_000})
TIMES = st.integers(0, 60).map(lambda n: n * 10)


class Taken(NamedTuple):
    """What somebody holds, on each host, during an interval."""

    start: Instant
    end: Instant
    amounts: tuple[tuple[int, int, int], ...]


class Naive:
    """A slot table that adds everything up each time it is asked."""

    def __init__(self, hosts: int) -> None:
        self.hosts = hosts
        self.taken: list[Taken] = []

    def free(self, host: int, at: Instant) -> tuple[int, int]:
        """What is free on a host at an instant."""
        cpu, memory = ROOM["CPU"], ROOM["Memory"]
        for start, end, amounts in self.taken:
            if start <= at < end:
                for number, c, m in amounts:
                    if number == host:
                        cpu, memory = cpu - c, memory - m
        return cpu, memory

    def instants(self, start: Instant, end: Instant) -> list[Instant]:
        """When something changes between two instants, the first of them included."""
        found = {at for taken in self.taken for at in taken[:2] if start < at < end}
        return sorted({start, *found})

    def least(self, host: int, start: Instant, end: Instant) -> tuple[int, int]:
        """What is free on a host throughout an interval."""
        free = [self.free(host, at) for at in self.instants(start, end)]
        return min(cpu for cpu, _ in free), min(memory for _, memory in free)

    def total(self, at: Instant) -> int:
        """How much CPU is free on all hosts."""
        return sum(self.free(host, at)[0] for host in range(self.hosts))


def site(hosts: int) -> Site:
    """Roomy hosts, so that anything drawn here fits."""
    return Site(tuple(Host(f"host-{i}", ROOM) for i in range(hosts)), TYPES)


def held(table: SlotTable, amounts: tuple[tuple[int, int, int], ...]) -> list[Held]:
    """What these amounts, as ``(host, CPU, memory)``, come to in each block."""
    packed: dict[int, tuple[int, int]] = {}
    for host, cpu, memory in amounts:
        block, number = divmod(host, table.block_hosts)
        packing = table.timelines[block].packing
        vector = packing.vector(Capacity({"CPU": cpu, "Memory": memory}))
        before, amount = packed.get(block, (0, 0))
        packed[block] = before + packing.held(packing.mask_of([number]), vector), amount + cpu
    return [Held(block, difference, amount) for block, (difference, amount) in packed.items()]


def read(table: SlotTable, states: list[int], host: int) -> tuple[int, int]:
    """What the states of all blocks say is free on a host."""
    block, number = divmod(host, table.block_hosts)
    free = table.timelines[block].packing.free(states[block], number)
    return free["CPU"], free["Memory"]


@st.composite
def takings(draw: st.DrawFn, hosts: int) -> Taken:
    """Something to hold."""
    start = draw(TIMES)
    end = draw(st.one_of(st.integers(1, 40).map(lambda n: start + n * 10), st.just(FAR_FUTURE)))
    where = draw(st.lists(st.integers(0, hosts - 1), min_size=1, max_size=3, unique=True))
    return Taken(start, end, tuple((host, draw(st.integers(1, 90)), draw(st.integers(0, 900))) for host in where))


class Pair:
    """A slot table, and a naive one to which everything is done that is done to it."""

    def __init__(self, hosts: int, block_hosts: int) -> None:
        self.hosts = hosts
        self.table = SlotTable(site(hosts), 0, block_hosts)
        self.naive = Naive(hosts)
        self.saved: list[list[Taken]] = []

    def hold(self, taken: Taken) -> None:
        """Hold, from now on at the earliest."""
        start = max(taken.start, self.table.now)
        if taken.end > start:
            self.table.hold(start, taken.end, held(self.table, taken.amounts))
            self.naive.taken.append(taken._replace(start=start))

    def release(self, which: int, share: int) -> None:
        """Give back the end of what is held: from an instant within it."""
        if not self.naive.taken:
            return
        taken = self.naive.taken.pop(which % len(self.naive.taken))
        end = taken.end if taken.end < FAR_FUTURE else taken.start + 1_000
        at = max(self.table.now, taken.start + (end - taken.start) * share // 4)
        if at >= taken.end:
            self.naive.taken.append(taken)
            return
        self.table.release(at, taken.end, held(self.table, taken.amounts))
        if at > taken.start:
            self.naive.taken.append(taken._replace(end=at))

    def begin(self) -> None:
        """Begin to try something."""
        self.table.begin()
        self.saved.append(list(self.naive.taken))

    def finish(self, *, keep: bool) -> None:
        """Keep what was tried, or undo it."""
        if not self.saved:
            return
        before = self.saved.pop()
        if keep:
            self.table.keep()
        else:
            self.table.undo()
            self.naive.taken = before

    def advance(self, by: int) -> None:
        """Let time pass, unless something is being tried."""
        if not self.saved:
            self.table.advance(self.table.now + by)

    def compare(self, start: Instant, end: Instant) -> None:
        """Ask both about an interval from now on."""
        table, naive = self.table, self.naive
        start = max(start, table.now)
        end = max(end, start + 1)
        window = table.window(start, end)
        states = [timeline.state(start) for timeline in table.timelines]
        for host in range(self.hosts):
            assert read(table, states, host) == naive.free(host, start)
            assert read(table, window, host) == naive.least(host, start, end)
        assert table.free_now() == naive.total(table.now)
        profile = table.profile()
        profile.reach(FAR_FUTURE)
        for at, free in zip(profile.times, profile.totals, strict=True):
            assert free == naive.total(at)
        assert set(profile.times) >= self._rising(start)
        for at, block, state in table.falls(start, end):
            assert start < at < end
            assert state == table.timelines[block].state(at)
        assert {at for at, _block, _state in table.falls(start, end)} >= self._falling(start, end)

    def _rising(self, after: Instant) -> set[Instant]:
        """The instants at which a host has more free than just before."""
        found = [at for at in self.naive.instants(after, FAR_FUTURE) if at > after]
        return {
            at
            for at in found
            for host in range(self.hosts)
            if any(
                now > then for now, then in zip(self.naive.free(host, at), self.naive.free(host, at - 1), strict=True)
            )
        }

    def _falling(self, start: Instant, end: Instant) -> set[Instant]:
        found = [at for at in self.naive.instants(start, end) if at > start]
        return {
            at
            for at in found
            for host in range(self.hosts)
            if any(
                now < then for now, then in zip(self.naive.free(host, at), self.naive.free(host, at - 1), strict=True)
            )
        }

    def check(self) -> None:
        """Verify from zero."""
        assert (
            self.table.check(
                [Reservation(t.start, t.end, tuple(held(self.table, t.amounts))) for t in self.naive.taken]
            )
            == []
        )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), takings(5)),
        st.tuples(st.just("hold"), takings(5)),
        st.tuples(st.just("release"), st.integers(0, 20), st.integers(0, 4)),
        st.tuples(st.just("begin")),
        st.tuples(st.just("keep")),
        st.tuples(st.just("undo")),
        st.tuples(st.just("advance"), st.integers(1, 60)),
        st.tuples(st.just("ask"), TIMES, TIMES),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([1, 2, 512]))
@settings(max_examples=150)
def test_the_slot_table_agrees_with_a_list_of_reservations(steps: list[tuple], block_hosts: int) -> None:  # type: ignore[type-arg]
    """Holding, giving back, trying, undoing and letting time pass leave the table as a naive one would be."""
    pair = Pair(5, block_hosts)
    for step in steps:
        match step:
            case ("hold", taken):
                pair.hold(taken)
            case ("release", which, share):
                pair.release(which, share)
            case ("begin",):
                pair.begin()
            case ("keep",):
                pair.finish(keep=True)
            case ("undo",):
                pair.finish(keep=False)
            case ("advance", by):
                pair.advance(by)
            case ("ask", start, end):
                pair.compare(start, end)
    while pair.saved:
        pair.finish(keep=False)
    pair.compare(pair.table.now, pair.table.now + 500)
    pair.compare(pair.table.now + 100, FAR_FUTURE)
    pair.check()


@pytest.mark.parametrize(("seed", "block_hosts"), [(1, 512), (2, 512), (3, 2)])
def test_thousands_of_instants_are_kept_in_order(seed: int, block_hosts: int) -> None:
    """With so many reservations that chunks split and vanish again, the table still agrees with the naive one."""
    random = Random(seed)
    pair = Pair(3, block_hosts)
    for _ in range(550):
        start = random.randrange(100_000)
        end = start + random.randrange(1, 20_000)
        pair.hold(Taken(start, end, ((random.randrange(3), random.randrange(1, 50), random.randrange(50)),)))
    assert sum(len(taken[:2]) for taken in pair.naive.taken) > 1_000 > CHUNK_MAX
    for _ in range(6):
        start = random.randrange(90_000)
        pair.compare(start, start + random.randrange(1, 3_000))
    for _ in range(400):
        pair.release(random.randrange(1_000), random.randrange(5))
    pair.advance(40_000)
    pair.naive.taken = [taken for taken in pair.naive.taken if taken.end > 40_000]
    for _ in range(6):
        start = random.randrange(40_000, 90_000)
        pair.compare(start, start + random.randrange(1, 3_000))
    pair.check()


@given(st.lists(takings(2), max_size=12), st.integers(1, 300), st.integers(1, 200), TIMES)
@settings(max_examples=100)
def test_the_profile_finds_every_start_at_which_enough_is_free_for_long_enough(
    all_taken: list[Taken], amount: int, length: int, after: Instant
) -> None:
    """Of the instants at which something changes, exactly those with enough free throughout are proposed."""
    pair = Pair(2, 1)
    for taken in all_taken:
        pair.hold(taken)
    naive = pair.naive
    wanted = ROOM["CPU"] * 2 - amount
    expected = [
        at
        for at in naive.instants(0, FAR_FUTURE)
        if at > after and min(naive.total(i) for i in naive.instants(at, at + length)) >= wanted
    ]
    proposed = list(pair.table.profile().starts(wanted, length, after))
    # Where one reservation ends as another begins with the same amount nothing changes: no need to look there.
    assert [at for at in proposed if at not in expected] == []
    assert [at for at in expected if at not in proposed and naive.total(at) != naive.total(at - 1)] == []


def test_what_is_wrong_is_found_by_verifying_from_zero() -> None:
    """A reservation that the table does not hold, and one that overdraws a host, are both told."""
    table = SlotTable(site(2), 0)
    amounts = ((0, 60_000, 0),)
    table.hold(10, 20, held(table, amounts))
    reservation = Reservation(10, 20, tuple(held(table, amounts)))
    assert table.check([reservation]) == []
    assert "not what its reservations add up to" in table.check([])[0]
    assert "above its capacity" in table.check([reservation, reservation])[0]


def test_a_reservation_that_begins_in_the_past_counts_from_now_on() -> None:
    """Giving back what was held since before now leaves the present and the future as if it had never been."""
    table = SlotTable(site(1), 0)
    table.hold(0, 100, held(table, ((0, 500, 0),)))
    table.advance(50)
    table.release(0, 100, held(table, ((0, 500, 0),)))
    assert table.free_now() == ROOM["CPU"]
    assert table.check([]) == []


def test_time_that_passes_leaves_no_trace_in_a_timeline() -> None:
    """Once all reservations are over a timeline is what it was at first, however many there were."""
    table = SlotTable(site(1), 0)
    for i in range(1_500):
        table.hold(i * 10, i * 10 + 5, held(table, ((0, 500, 0),)))
    table.advance(20_000)
    timeline = table.timelines[0]
    assert isinstance(timeline, Timeline)
    assert timeline.instants() == []
    assert timeline.free == ROOM["CPU"]
    assert timeline.window(20_000, FAR_FUTURE) == timeline.packing.full
