"""Which hosts the built-in host selection policies prefer."""

from collections.abc import Sequence

import pytest

from haizea.model.units import FAR_FUTURE, HOUR, MINUTE
from haizea.policy.protocols import HostOrder, PolicyContext
from haizea.policy.registry import resolve
from haizea.policy.views import HostView
from tests.policy.fakes import best_effort, host


def preferred(policy: str, hosts: Sequence[HostView], duration: int | None = HOUR) -> list[int]:
    """Return the hosts' numbers, the best first; at equal scores in the site's order."""
    selection = resolve("host-selection", policy, PolicyContext())
    lease = best_effort(duration=duration)
    return [h.index for h in sorted(hosts, key=lambda h: -selection.score(h, lease, 0))]


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("greedy", HostOrder.MOST_FREE),
        ("first-fit", HostOrder.FIRST_FIT),
        ("no-policy", HostOrder.FIRST_FIT),
        ("best-fit", HostOrder.LEAST_FREE),
        ("pack", HostOrder.LEAST_FREE),
        ("spread", HostOrder.SPREAD),
    ],
)
def test_built_in_policies_name_an_order_of_the_planner(name: str, order: HostOrder) -> None:
    """Each name, those of 1.x included, stands for an order that the planner knows by itself."""
    assert resolve("host-selection", name, PolicyContext()).order is order


def test_first_fit_keeps_the_order_of_the_site() -> None:
    """First fit looks at nothing but a host's number."""
    assert preferred("first-fit", [host(2, used=900), host(0, leases=5), host(1)]) == [0, 1, 2]


def test_greedy_prefers_fewest_leases_then_longest_undisturbed() -> None:
    """A host with fewer leases wins however soon it is disturbed; among equals the longest undisturbed one does."""
    hosts = [
        host(0, leases=1, undisturbed=FAR_FUTURE),
        host(1, undisturbed=10 * MINUTE),
        host(2, undisturbed=20 * MINUTE),
    ]
    assert preferred("greedy", hosts) == [2, 1, 0]


def test_greedy_saves_long_gaps() -> None:
    """Two hosts that stay undisturbed for as long as the lease needs are equally good, so the first is taken."""
    hosts = [host(0, undisturbed=2 * HOUR), host(1, undisturbed=FAR_FUTURE)]
    assert preferred("greedy", hosts) == [0, 1]
    assert preferred("greedy", hosts, duration=None) == [1, 0]


def test_best_fit_fills_and_spread_levels() -> None:
    """Best fit begins with the fullest host, spread with the emptiest."""
    hosts = [host(0, used=500), host(1, used=0), host(2, used=750)]
    assert preferred("best-fit", hosts) == [2, 0, 1]
    assert preferred("spread", hosts) == [1, 0, 2]
