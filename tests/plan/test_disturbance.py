"""When hosts are first disturbed, checked against a list of who holds what."""

from hypothesis import given
from hypothesis import strategies as st

from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.model.units import FAR_FUTURE
from haizea.plan.disturbance import first_disturbances
from haizea.plan.lease import Copy
from haizea.plan.slottable import Held, SlotTable

HOSTS = 5
FULL = Capacity({"CPU": 100})
SPANS = st.lists(st.tuples(st.integers(0, HOSTS - 1), st.integers(0, 40), st.integers(1, 20)), max_size=8)


@given(SPANS, st.lists(st.tuples(st.integers(0, HOSTS - 2), st.integers(0, 40), st.integers(1, 20)), max_size=3))
def test_a_free_host_is_disturbed_by_the_next_that_begins(
    asked: list[tuple[int, int, int]], sent: list[tuple[int, int, int]]
) -> None:
    """On a host that is free, that is the next reservation, or where a copy from or to it begins or ends."""
    table = SlotTable(Site(tuple(Host(f"host-{i}", FULL) for i in range(HOSTS))), 0, block_hosts=2)
    taken: list[tuple[int, int, int]] = []
    for host, start, length in asked:
        if all(other != host or start + length < a or b < start for other, a, b in taken):
            taken.append((host, start, start + length))
            block, number = divmod(host, 2)
            packing = table.timelines[block].packing
            held = packing.held(packing.mask_of([number]), packing.vector(FULL))
            table.hold(start, start + length, [Held(block, held, 100)])
    copies = [Copy(host, host + 1, (1,), start, start + length) for host, start, length in sent]
    for now in (0, 7, 25):
        table.advance(now)
        for at in (now, now + 9):
            live = [copy for copy in copies if copy.end > at]
            found = first_disturbances(table, at, live)
            for host in range(HOSTS):
                if any(other == host and a <= at < b for other, a, b in taken):
                    continue
                expected = [a for other, a, _b in taken if other == host and a > at]
                mine = [copy for copy in live if host in (copy.origin, copy.destination)]
                expected += [copy.start if copy.start > at else copy.end for copy in mine]
                assert found.get(host, FAR_FUTURE) == min(expected, default=FAR_FUTURE)
