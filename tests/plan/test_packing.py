"""A packed block says the same as a dictionary of amounts for every host."""

from hypothesis import given
from hypothesis import strategies as st

from haizea.model.resources import Capacity
from haizea.model.site import Host
from haizea.plan.packing import Packing

TYPES = ("CPU", "Memory", "GPU")
AMOUNTS = st.fixed_dictionaries(
    {"CPU": st.integers(0, 800), "Memory": st.integers(0, 70_000), "GPU": st.integers(0, 3)}
)
BLOCKS = st.lists(AMOUNTS, min_size=1, max_size=9)
DEMANDS = st.fixed_dictionaries(
    {"CPU": st.integers(0, 300), "Memory": st.integers(0, 30_000), "GPU": st.integers(0, 2)}
)


def packing_of(capacities: list[dict[str, int]]) -> Packing:
    """A block of hosts with these capacities."""
    return Packing(tuple(Host(f"host-{i}", Capacity(amounts)) for i, amounts in enumerate(capacities)), TYPES)


def packed(packing: Packing, free: list[dict[str, int]]) -> int:
    """The state in which these amounts are free, made by holding all the rest on each host alone."""
    state = packing.full
    for number, (host, left) in enumerate(zip(packing.hosts, free, strict=True)):
        used = Capacity({name: host.capacity[name] - left[name] for name in TYPES})
        state -= packing.held(packing.mask_of([number]), packing.vector(used))
    return state


def unpacked(packing: Packing, state: int) -> list[dict[str, int]]:
    """What a state says is free on each host."""
    return [{name: packing.free(state, i)[name] for name in TYPES} for i in range(len(packing.hosts))]


@st.composite
def blocks_and_free(draw: st.DrawFn, states: int = 1) -> tuple[list[dict[str, int]], list[list[dict[str, int]]]]:
    """Capacities of a block's hosts, and several times what might be free on them."""
    capacities = draw(BLOCKS)
    found = [[{name: draw(st.integers(0, host[name])) for name in TYPES} for host in capacities] for _ in range(states)]
    return capacities, found


@given(blocks_and_free())
def test_what_is_packed_can_be_read_back(given_: tuple[list[dict[str, int]], list[list[dict[str, int]]]]) -> None:
    """Every host's free amounts come out of a state as they went in, and the state is sound."""
    capacities, (free,) = given_
    packing = packing_of(capacities)
    state = packed(packing, free)
    assert unpacked(packing, state) == free
    assert packing.sound(state)


@given(blocks_and_free(), DEMANDS)
def test_hosts_with_room_are_those_that_have_enough_of_every_type(
    given_: tuple[list[dict[str, int]], list[list[dict[str, int]]]], demand: dict[str, int]
) -> None:
    """For every number of VMs, exactly the hosts with enough of each resource type fit."""
    capacities, (free,) = given_
    packing = packing_of(capacities)
    shape = packing.shape(Capacity(demand))
    state = packed(packing, free)
    for count in range(1, shape.per_host_max + 1):
        enough = [i for i, host in enumerate(free) if all(host[name] >= count * demand[name] for name in TYPES)]
        assert packing.members(packing.fits(state, shape.multiples[count])) == enough
    roomiest = max(
        (min(host[name] // amount for name, amount in demand.items() if amount) for host in capacities)
        if any(demand.values())
        else [0]
    )
    assert shape.per_host_max == roomiest


@given(blocks_and_free(states=2))
def test_the_minimum_of_two_states_is_the_smaller_amount_of_each(
    given_: tuple[list[dict[str, int]], list[list[dict[str, int]]]],
) -> None:
    """The minimum takes, host by host and type by type, the smaller of the two free amounts."""
    capacities, (one, other) = given_
    packing = packing_of(capacities)
    least = packing.minimum(packed(packing, one), packed(packing, other))
    expected = [{name: min(a[name], b[name]) for name in TYPES} for a, b in zip(one, other, strict=True)]
    assert unpacked(packing, least) == expected


@given(st.integers(1, 40), st.data())
def test_the_lowest_hosts_of_a_mask_are_the_first_ones(hosts: int, data: st.DataObject) -> None:
    """Taking some hosts of a set takes those with the lowest numbers."""
    packing = packing_of([{"CPU": 100, "Memory": 1024, "GPU": 0}] * hosts)
    members = sorted(data.draw(st.sets(st.integers(0, hosts - 1), min_size=1)))
    count = data.draw(st.integers(1, len(members)))
    mask = packing.mask_of(set(members))
    assert packing.members(mask) == members
    assert packing.members(packing.lowest(mask, count)) == members[:count]


def test_an_overdrawn_host_is_not_sound() -> None:
    """A state in which a host gives more than it has, or gets back more than it gave, is found out."""
    packing = packing_of([{"CPU": 100, "Memory": 1024, "GPU": 0}] * 3)
    one = packing.held(packing.mask_of([1]), packing.vector(Capacity({"CPU": 60})))
    assert packing.sound(packing.full - one)
    assert not packing.sound(packing.full - 2 * one)
    assert not packing.sound(packing.full + one)


def test_a_demand_for_an_unknown_resource_fits_nowhere() -> None:
    """A VM that needs a resource type the site does not have, or nothing at all, fits on no host."""
    packing = packing_of([{"CPU": 100, "Memory": 1024, "GPU": 0}])
    assert packing.shape(Capacity({"CPU": 100, "Licences": 1})).per_host_max == 0
    assert packing.shape(Capacity()).per_host_max == 0
