"""Suspending, resuming and migrating: how long it takes, which host each VM is on, and who copies what when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import MEMORY, Capacity
from haizea.model.site import Host, Site
from haizea.model.units import HOUR, SECOND
from haizea.plan.lease import Lease
from haizea.plan.need import Need, Needs
from haizea.plan.operations import assign, assign_near, image_copies, length, migration_bound, spans
from haizea.plan.options import Exclusion, Migration, Options
from haizea.plan.slottable import Held, Part, Placement, SlotTable

SITE = Site(tuple(Host(f"host-{i}", Capacity({"CPU": 400, "Memory": 8192})) for i in range(6)))
SMALL, LARGE = Capacity({"CPU": 100, "Memory": 500}), Capacity({"CPU": 100, "Memory": 1500})
NODES = st.tuples(st.integers(1, 4), st.integers(0, 3)).map(
    lambda counts: tuple(NodeSet(n, d) for n, d in zip(counts, (SMALL, LARGE), strict=True) if n)
)


def prepare(nodes: tuple[NodeSet, ...], options: Options) -> tuple[SlotTable, Lease]:
    """A slot table, and a lease of these VMs."""
    table = SlotTable(SITE, 0, block_hosts=4)
    terms = LeaseTerms(nodes, HOUR)
    return table, Lease(1, terms, Needs(table, options).of(terms), 0, 1)


def placed(table: SlotTable, need: Need, hosts: tuple[int, ...]) -> Placement:
    """The placement that has each VM on a given host."""
    parts, first = [], 0
    for nodes, count in enumerate(need.counts):
        chosen = hosts[first : first + count]
        for host in sorted(set(chosen)):
            block, number = divmod(host, table.block_hosts)
            mask = table.timelines[block].packing.mask_of([number])
            parts.append(Part(block, nodes, chosen.count(host), mask))
        first += count
    return Placement(tuple(parts), (Held(0, 0, 0),), table.packings)


@st.composite
def moves(draw: st.DrawFn) -> tuple[tuple[NodeSet, ...], tuple[int, ...], tuple[int, ...]]:
    """VMs, the hosts their memory images are on, and the hosts they could be given."""
    nodes = draw(NODES)
    count = sum(node.count for node in nodes)
    hosts = st.lists(st.integers(0, 5), min_size=count, max_size=count).map(tuple)
    return nodes, draw(hosts), draw(hosts)


@given(moves())
@settings(max_examples=200)
def test_as_many_vms_as_possible_stay_where_their_images_are(
    move: tuple[tuple[NodeSet, ...], tuple[int, ...], tuple[int, ...]],
) -> None:
    """The same places are given out as without looking at images, and of each kind as many stay as there are places."""
    nodes, images, seats = move
    table, lease = prepare(nodes, Options())
    placement = placed(table, lease.need, seats)
    fresh = assign(table, lease.need, placement)
    near = assign_near(table, lease.need, placement, images)
    first = 0
    for count in lease.need.counts:
        mine, there = near[first : first + count], images[first : first + count]
        assert sorted(mine) == sorted(fresh[first : first + count])
        staying = sum(min(mine.count(host), there.count(host)) for host in set(mine))
        assert sum(a == b for a, b in zip(mine, there, strict=True)) == staying
        first += count


@given(moves(), st.sampled_from([100, 1000]), st.sampled_from([0, 700]), st.integers(0, 5).map(lambda n: n * SECOND))
@settings(max_examples=200)
def test_copies_that_share_a_host_go_one_after_the_other(
    move: tuple[tuple[NodeSet, ...], tuple[int, ...], tuple[int, ...]], bandwidth: int, disk: int, begin: int
) -> None:
    """Every VM that moves has its images copied, long enough, with no host busy twice, within the bound."""
    nodes, images, hosts = move
    options = Options(migration=Migration.YES, migration_bandwidth=bandwidth)
    _table, lease = prepare(nodes, options)
    lease.images = images
    copies = image_copies(lease, hosts, begin, options, disk)
    memory = [d[MEMORY] for count, d in zip(lease.need.counts, lease.need.demands, strict=True) for _ in range(count)]
    moving = [vm for vm, (a, b) in enumerate(zip(images, hosts, strict=True)) if a != b]
    assert sorted(vm for copy in copies for vm in copy.vms) == sorted(
        vm + 1 for vm in moving for _ in range(1 + bool(disk))
    )
    for vm in moving:
        mine = [copy for copy in copies if copy.vms == (vm + 1,)]
        assert {(copy.origin, copy.destination) for copy in mine} == {(images[vm], hosts[vm])}
        sizes = [disk, memory[vm]] if disk else [memory[vm]]
        for copy, size in zip(mine, sizes, strict=True):
            assert copy.end - copy.start >= -(-size * 8 // bandwidth) * SECOND
    for i, one in enumerate(copies):
        for other in copies[:i]:
            if {one.origin, one.destination} & {other.origin, other.destination}:
                assert one.end <= other.start or other.end <= one.start
    assert all(begin <= copy.start for copy in copies)
    assert max((copy.end for copy in copies), default=begin) <= begin + migration_bound(lease, options, disk)


def test_moving_at_no_cost_takes_no_time() -> None:
    """Where images need not be transferred, a VM moves at once."""
    options = Options(migration=Migration.FREE)
    _table, lease = prepare((NodeSet(2, SMALL),), options)
    lease.images = (0, 1)
    (copy,) = image_copies(lease, (0, 2), 5 * SECOND, options, 0)
    assert (copy.origin, copy.destination, copy.vms, copy.start, copy.end) == (1, 2, (2,), 5 * SECOND, 5 * SECOND)


@pytest.mark.parametrize(
    ("exclusion", "hosts", "expected"),
    [
        (Exclusion.LOCAL, (0, 1, 2), 16),
        (Exclusion.LOCAL, (0, 0, 2), 32),
        (Exclusion.LOCAL, (0, 0, 0), 48),
        (Exclusion.GLOBAL, (0, 1, 2), 48),
    ],
)
def test_vms_are_suspended_one_at_a_time(exclusion: Exclusion, hosts: tuple[int, ...], expected: int) -> None:
    """Local exclusion lets hosts work in parallel, global exclusion lets one VM of the site go at a time."""
    table, lease = prepare((NodeSet(3, SMALL),), Options())
    placement = placed(table, lease.need, hosts)
    assert length(table, lease.need, placement, lease.need.suspend_vm, exclusion) == expected * SECOND


@pytest.mark.parametrize(
    ("options", "suspend", "resume"),
    [
        (Options(suspend_rate=32, resume_rate=100), 16, 5),
        (Options(suspend_rate=33, resume_rate=1000), 16, 1),
        (Options(enactment_overhead=3 * SECOND), 19, 19),
        (Options(suspend_time=7 * SECOND, resume_time=0, enactment_overhead=SECOND), 8, 1),
    ],
)
def test_an_operation_takes_memory_over_rate_rounded_up_and_the_overhead(
    options: Options, suspend: int, resume: int
) -> None:
    """A VM of 500 MiB takes 500 / rate seconds, rounded up, plus the enactment overhead; or what is set."""
    _table, lease = prepare((NodeSet(1, SMALL),), options)
    assert (lease.need.suspend_vm, lease.need.resume_vm) == ((suspend * SECOND,), (resume * SECOND,))


def test_a_suspension_ends_together_and_a_resumption_begins_together() -> None:
    """Hosts with fewer VMs begin to suspend later, and are done earlier when they resume."""
    times = {3: 10, 4: 20}
    assert spans(times, 100, Exclusion.LOCAL, until=120) == [(3, 110, 120), (4, 100, 120)]
    assert spans(times, 100, Exclusion.LOCAL, until=100) == [(3, 100, 110), (4, 100, 120)]
    assert spans(times, 100, Exclusion.GLOBAL, until=130) == [(3, 100, 110), (4, 110, 130)]
