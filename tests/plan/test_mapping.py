"""Where VMs go: never more on a host than fit, all of them or none, and none only if they really do not fit."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.model.lease import NO_CONSTRAINTS, Constraints, LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.plan.mapping import Mapper, room
from haizea.plan.need import Need, Needs
from haizea.plan.operations import assign
from haizea.plan.options import Options
from haizea.plan.slottable import Placement, SlotTable
from haizea.policy.protocols import HostOrder

TYPES = ("CPU", "Memory")
VM = Capacity({"CPU": 100, "Memory": 1024})
DEMANDS = [VM, Capacity({"CPU": 50, "Memory": 2048}), Capacity({"CPU": 250}), Capacity({"Memory": 3000})]


class Question(NamedTuple):
    """VMs to be placed on hosts with so much free, of which some may be used."""

    free: list[Capacity]
    usable: set[int]
    nodes: tuple[NodeSet, ...]
    block_hosts: int


class Asked(NamedTuple):
    """A question, prepared for a mapper."""

    table: SlotTable
    need: Need
    states: list[int]
    usable: list[int]


def prepare(question: Question) -> Asked:
    """Make the slot table in which the question arises."""
    roomy = Capacity({"CPU": 800, "Memory": 8192})
    site = Site(tuple(Host(f"host-{i}", roomy) for i in range(len(question.free))), TYPES)
    table = SlotTable(site, 0, question.block_hosts)
    states = [timeline.packing.full for timeline in table.timelines]
    for host, free in enumerate(question.free):
        block, number = divmod(host, question.block_hosts)
        packing = table.timelines[block].packing
        used = Capacity({name: roomy[name] - free[name] for name in TYPES})
        states[block] -= packing.held(packing.mask_of([number]), packing.vector(used))
    need = Needs(table, Options()).of(LeaseTerms(question.nodes, 1000))
    return Asked(table, need, states, table.masks(question.usable))


@st.composite
def questions(draw: st.DrawFn, sets_max: int = 3) -> Question:
    """Hosts more or less full, and VMs that may or may not fit."""
    free = [
        Capacity({"CPU": draw(st.integers(0, 16)) * 50, "Memory": draw(st.integers(0, 16)) * 512})
        for _ in range(draw(st.integers(1, 7)))
    ]
    usable = draw(st.sets(st.integers(0, len(free) - 1)))
    everywhere = draw(st.booleans())
    node_sets = st.builds(NodeSet, st.integers(1, 6), st.sampled_from(DEMANDS))
    nodes = tuple(draw(st.lists(node_sets, min_size=1, max_size=sets_max)))
    return Question(free, set(range(len(free))) if everywhere else usable, nodes, draw(st.sampled_from([1, 3, 512])))


def place(asked: Asked, order: HostOrder, constraints: Constraints) -> Placement | None:
    """Ask a mapper; where hosts are scored, those with high numbers are best."""
    scorer = (lambda host, _room: host) if order is HostOrder.SCORED else None
    return Mapper(asked.table, order).place(asked.need, asked.states, asked.usable, constraints, scorer)


def demands(need: Need) -> list[Capacity]:
    """The demand of every VM, in order."""
    return [demand for count, demand in zip(need.counts, need.demands, strict=True) for _ in range(count)]


def fit(free: Capacity, demand: Capacity) -> int:
    """How many VMs of a kind fit where so much is free."""
    return min(free[name] // amount for name, amount in demand.items())


ORDERS = st.sampled_from(HostOrder)
CONSTRAINTS = st.sampled_from(
    [
        NO_CONSTRAINTS,
        NO_CONSTRAINTS,
        Constraints(spread=True),
        Constraints(together=True),
        Constraints(require=(("a", "b"),)),
    ]
)


@given(questions(), ORDERS, CONSTRAINTS)
@settings(max_examples=300)
def test_a_placement_is_whole_and_within_what_is_free(
    question: Question, order: HostOrder, constraints: Constraints
) -> None:
    """Every VM gets one usable host, no host gives more than it has free, VMs are apart or together as asked."""
    asked = prepare(question)
    placement = place(asked, order, constraints)
    if placement is None:
        return
    hosts = assign(asked.table, asked.need, placement)
    vms = demands(asked.need)
    assert len(hosts) == len(vms) == sum(nodes.count for nodes in question.nodes)
    assert set(hosts) <= question.usable
    for host in set(hosts):
        on_it = [vm for vm, where in zip(vms, hosts, strict=True) if where == host]
        for name in TYPES:
            assert sum(vm[name] for vm in on_it) <= question.free[host][name]
    if constraints.spread:
        assert len(set(hosts)) == len(hosts)
    if constraints.together:
        assert len(set(hosts)) == 1
    assert asked.table.hosts_of(placement) == {host: hosts.count(host) for host in sorted(set(hosts))}
    assert sum(held.amount for held in placement.held) == sum(vm["CPU"] for vm in vms)


@given(questions(), ORDERS, CONSTRAINTS)
@settings(max_examples=200)
def test_what_a_placement_holds_is_what_its_vms_need(
    question: Question, order: HostOrder, constraints: Constraints
) -> None:
    """Holding a placement takes from each host exactly what the VMs on it need."""
    asked = prepare(question)
    placement = place(asked, order, constraints)
    if placement is None:
        return
    hosts, vms = assign(asked.table, asked.need, placement), demands(asked.need)
    left = list(asked.states)
    for held in placement.held:
        left[held.block] -= held.packed
    for host, before in enumerate(question.free):
        block, number = divmod(host, question.block_hosts)
        after = asked.table.timelines[block].packing.free(left[block], number)
        for name in TYPES:
            taken = sum(vm[name] for vm, where in zip(vms, hosts, strict=True) if where == host)
            assert after[name] == before[name] - taken


@given(questions(sets_max=1), ORDERS, st.booleans())
@settings(max_examples=300)
def test_identical_vms_are_placed_if_and_only_if_they_fit(question: Question, order: HostOrder, spread: bool) -> None:
    """VMs of one kind are refused only where the hosts together really have no room for so many."""
    asked = prepare(question)
    (nodes,) = question.nodes
    rooms = [fit(question.free[host], nodes.demand) for host in question.usable]
    most = sum(min(here, 1) if spread else here for here in rooms)
    placement = place(asked, order, Constraints(spread=spread))
    assert (placement is not None) is (most >= nodes.count)
    packings = [timeline.packing for timeline in asked.table.timelines]
    assert room(packings, asked.need.shapes[0], asked.states, asked.usable) == sum(rooms)


@given(questions(), ORDERS)
@settings(max_examples=200)
def test_vms_are_put_together_if_and_only_if_one_host_has_room(question: Question, order: HostOrder) -> None:
    """VMs that must be together are refused only where no single host has room for all of them."""
    asked = prepare(question)
    total = Capacity()
    for nodes in question.nodes:
        total = total.plus(nodes.demand, nodes.count)
    fits = any(total.fits_in(question.free[host]) for host in question.usable)
    assert (place(asked, order, Constraints(together=True)) is not None) is fits


@given(questions(), ORDERS, st.booleans())
def test_vms_of_several_kinds_find_room_on_a_spacious_site(question: Question, order: HostOrder, spread: bool) -> None:
    """Where every VM could have an empty host of its own, all VMs are placed, apart from each other or not."""
    spacious = question._replace(free=[Capacity({"CPU": 800, "Memory": 8192})] * 18, usable=set(range(18)))
    assert place(prepare(spacious), order, Constraints(spread=spread)) is not None


def hosts_for(order: HostOrder, free: list[int], count: int) -> list[int]:
    """The hosts of so many VMs, where hosts have room for so many VMs each."""
    capacities = [Capacity({"CPU": 100 * vms, "Memory": 1024 * vms}) for vms in free]
    asked = prepare(Question(capacities, set(range(len(free))), (NodeSet(count, VM),), 512))
    placement = place(asked, order, NO_CONSTRAINTS)
    assert placement is not None
    return list(assign(asked.table, asked.need, placement))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (HostOrder.FIRST_FIT, [0, 1, 1, 1]),
        (HostOrder.MOST_FREE, [3, 3, 3, 3]),
        (HostOrder.LEAST_FREE, [0, 2, 2, 1]),
        (HostOrder.SCORED, [3, 3, 3, 3]),
    ],
)
def test_hosts_are_filled_in_the_order_of_the_policy(order: HostOrder, expected: list[int]) -> None:
    """First fit goes by number, most free by room, least free by lack of it, and scored by the user's policy."""
    assert sorted(hosts_for(order, [1, 3, 2, 4], 4)) == sorted(expected)


def test_spreading_gives_every_host_one_before_any_gets_a_second() -> None:
    """VMs are spread evenly, and what is left over goes to the hosts with most room."""
    assert sorted(hosts_for(HostOrder.SPREAD, [1, 3, 2, 4], 4)) == [0, 1, 2, 3]
    assert sorted(hosts_for(HostOrder.SPREAD, [1, 3, 2, 4], 6)) in ([0, 1, 1, 2, 3, 3], [0, 1, 2, 2, 3, 3])
    assert sorted(hosts_for(HostOrder.SPREAD, [1, 3, 2, 4], 10)) == [0, 1, 1, 1, 2, 2, 3, 3, 3, 3]


def test_nothing_can_be_both_apart_and_together() -> None:
    """Two VMs that must be on different hosts and on one host are placed nowhere."""
    asked = prepare(Question([Capacity({"CPU": 800, "Memory": 8192})] * 3, {0, 1, 2}, (NodeSet(2, VM),), 512))
    assert place(asked, HostOrder.FIRST_FIT, Constraints(spread=True, together=True)) is None
