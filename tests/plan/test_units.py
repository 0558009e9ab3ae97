"""Units of the slot table: as coarse as the demands allow, and nobody can tell."""

from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.core.desk import Policies
from haizea.core.scheduler import Scheduler
from haizea.model.events import CancelRequested, LeaseRequested, TimePassed
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.plan.options import Options
from haizea.plan.packing import Packing
from haizea.plan.units import Rewriting
from haizea.policy.protocols import PolicyContext
from haizea.policy.registry import resolve

TYPES = ("CPU", "Memory", "Disk")
CAPACITIES = (Capacity({"CPU": 400, "Memory": 8000, "Disk": 100}), Capacity({"CPU": 800, "Memory": 4100}))
DEMANDS = st.builds(
    lambda cpu, memory, disk: Capacity({"CPU": cpu, "Memory": memory, "Disk": disk}),
    st.sampled_from([100, 200, 50, 33]),
    st.sampled_from([1024, 2048, 512, 1000, 700]),
    st.sampled_from([0, 0, 30, 45]),
)
ONE_OF_EACH = Capacity(dict.fromkeys(TYPES, 1))


class Question:
    """A lease to ask for: its VMs, how long, when (None: best effort), and how long after the one before."""

    def __init__(self, nodes: tuple[NodeSet, ...], duration: int, start: int | None, pause: int) -> None:
        self.nodes = nodes
        self.duration = duration
        self.start = start
        self.pause = pause

    def __repr__(self) -> str:
        return f"{self.nodes} {self.duration} {self.start} {self.pause}"


QUESTIONS = st.lists(
    st.builds(
        Question,
        st.lists(st.builds(NodeSet, st.integers(1, 6), DEMANDS), min_size=1, max_size=2).map(tuple),
        st.integers(1, 60).map(lambda n: n * 1000),
        st.one_of(st.none(), st.integers(0, 60).map(lambda n: n * 1000)),
        st.integers(0, 10).map(lambda n: n * 1000),
    ),
    max_size=14,
)


def schedule(questions: list[Question], options: Options, *, fine: bool) -> list[object]:
    """Ask for leases one after the other; return what the table and the leases look like after every step."""
    context = PolicyContext()
    chosen = Policies(
        resolve("admission", "accept-all", context),
        resolve("host-selection", "greedy", context),
        resolve("preemption", "ar-preempts-everything", context),
        resolve("pricing", "free", context),
    )
    site = Site(tuple(Host(f"host-{i}", CAPACITIES[i % 2]) for i in range(7)), TYPES)
    scheduler = Scheduler(site, 0, options, chosen)
    desk = scheduler.desk
    if fine:
        # A demand like this makes every unit 1 from the first step on.
        scheduler.handle(LeaseRequested(0, 0, LeaseTerms((NodeSet(1, ONE_OF_EACH),), 1000)))
        scheduler.handle(CancelRequested(0, 0))
    found: list[object] = []

    def look() -> None:
        for lease in desk.leases.values():
            for stay in lease.stays:
                hosts = sorted(desk.table.hosts_of(stay.placement).items())
                found.append((desk.now, lease.id, lease.state, stay.start, stay.run_end, stay.end, hosts))
        for timeline in desk.table.timelines:
            packing = timeline.packing
            assert packing.sound(timeline.state(desk.now))
            found.append([packing.free(timeline.state(desk.now), i) for i in range(len(packing.hosts))])

    for number, question in enumerate(questions, 1):
        at = desk.now + question.pause
        while (due := scheduler.next_instant()) is not None and due < at:
            scheduler.handle(TimePassed(due))
            look()
        start = None if question.start is None else at + question.start
        scheduler.handle(LeaseRequested(at, number, LeaseTerms(question.nodes, question.duration, start)))
        scheduler.handle(TimePassed(at))
        look()
    while (due := scheduler.next_instant()) is not None:
        scheduler.handle(TimePassed(due))
        look()
    if fine:
        assert desk.table.units == (1, 1, 1)
    for timeline in desk.table.timelines:
        assert timeline.instants() == []
        assert timeline.window(desk.now, desk.now + 1) == timeline.packing.full
    return found


@given(QUESTIONS, st.sampled_from([None, 1]))
@settings(max_examples=150, deadline=None)
def test_a_schedule_is_the_same_whatever_amounts_are_counted_in(questions: list[Question], limit: int | None) -> None:
    """Leases of all sorts of demands go to the same hosts at the same times, coarse units or fine."""
    options = Options(reservations_max=limit)
    assert schedule(questions, options, fine=False) == schedule(questions, options, fine=True)


def test_a_suspended_lease_resumes_where_it_was_although_units_have_changed_since() -> None:
    """While a lease is suspended a demand comes that makes units finer: it goes back to its host, and holds as much."""
    context = PolicyContext()
    chosen = Policies(
        resolve("admission", "accept-all", context),
        resolve("host-selection", "greedy", context),
        resolve("preemption", "ar-preempts-besteffort", context),
        resolve("pricing", "free", context),
    )
    capacity = Capacity({"CPU": 100, "Memory": 1024})
    site = Site(tuple(Host(f"host-{i}", capacity) for i in range(3)), TYPES)
    scheduler = Scheduler(site, 0, Options(reservations_max=0), chosen)
    desk = scheduler.desk

    def ask(number: int, count: int, memory: int, duration: int, start: int | None = None) -> None:
        nodes = (NodeSet(count, Capacity({"CPU": 100, "Memory": memory})),)
        scheduler.handle(LeaseRequested(desk.now, number, LeaseTerms(nodes, duration, start)))
        scheduler.handle(TimePassed(desk.now))

    def run(until: int) -> None:
        while (due := scheduler.next_instant()) is not None and due <= until:
            scheduler.handle(TimePassed(due))

    ask(1, 1, 1024, 100_000)
    ask(2, 1, 1024, 1_000_000)
    ask(3, 2, 1024, 100_000, 500_000)
    ask(4, 1, 1024, 1_000_000)
    run(510_000)
    suspended = [lease for lease in desk.leases.values() if lease.images]
    before = [lease.images for lease in suspended]
    assert before
    ask(5, 1, 700, 10_000, 5_000_000)
    assert desk.table.units == (100, 4, 0)
    run(700_000)
    for lease, images in zip(suspended, before, strict=True):
        assert tuple(desk.table.hosts_of(lease.stays[0].placement)) == images
    run(10_000_000)
    for timeline in desk.table.timelines:
        assert timeline.window(desk.now, desk.now + 1) == timeline.packing.full


def test_units_are_as_coarse_as_the_demands_allow() -> None:
    """The unit of a type is what all demands so far are multiples of; what no host could take does not count."""
    context = PolicyContext()
    chosen = Policies(
        resolve("admission", "accept-all", context),
        resolve("host-selection", "greedy", context),
        resolve("preemption", "no-preemption", context),
        resolve("pricing", "free", context),
    )
    scheduler = Scheduler(Site((Host("a", CAPACITIES[0]),), TYPES), 0, Options(), chosen)
    units = []
    for number, (cpu, memory) in enumerate([(200, 2048), (100, 4096), (100, 9999), (100, 1536)], 1):
        terms = LeaseTerms((NodeSet(1, Capacity({"CPU": cpu, "Memory": memory})),), 1000)
        scheduler.handle(LeaseRequested(0, number, terms))
        units.append(scheduler.desk.table.units)
    assert units == [(200, 2048, 0), (100, 2048, 0), (100, 2048, 0), (100, 512, 0)]


@given(
    st.lists(
        st.tuples(st.integers(0, 10), st.integers(0, 30), st.integers(0, 7)),
        min_size=1,
        max_size=40,
    ),
    st.tuples(st.sampled_from([1, 2, 10]), st.sampled_from([1, 3]), st.sampled_from([1, 64])),
    st.data(),
)
def test_what_is_free_and_held_means_the_same_in_finer_units(
    taken: list[tuple[int, int, int]], ratios: tuple[int, int, int], data: st.DataObject
) -> None:
    """States, held amounts and sets of hosts say the same of every host once they are written anew."""
    capacity = Capacity({"CPU": 10 * 30 + 7, "Memory": 30 * 3 + 1, "Disk": 64 * 7})
    hosts = tuple(Host(f"host-{i}", capacity) for i in range(len(taken)))
    coarse = Packing(hosts, TYPES, (30, 3, 64))
    units = (30 // ratios[0], 3 // ratios[1], 64 // ratios[2])
    fine = Packing(hosts, TYPES, units)
    rewriting = Rewriting(coarse, fine)

    def held(packing: Packing) -> int:
        amounts = [Capacity({"CPU": c * 30, "Memory": m * 3, "Disk": d * 64}) for c, m, d in taken]
        return sum(packing.held(packing.mask_of([i]), packing.vector(each)) for i, each in enumerate(amounts))

    assert rewriting.held(held(coarse)) == held(fine)
    assert rewriting.state(coarse.full - held(coarse)) == fine.full - held(fine)
    members = data.draw(st.sets(st.integers(0, len(taken) - 1)))
    assert rewriting.mask(coarse.mask_of(members)) == fine.mask_of(members)
    number = data.draw(st.integers(0, len(taken) - 1))
    cpu, memory, disk = taken[number]
    free = fine.free(rewriting.state(coarse.full - held(coarse)), number)
    assert (free["CPU"], free["Memory"], free["Disk"]) == (307 - cpu * 30, 91 - memory * 3, 448 - disk * 64)
