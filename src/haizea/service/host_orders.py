"""The orders that can be given about a host: one table, from which every front end has them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from haizea.core.reasons import instant
from haizea.core.scheduler import Scheduler
from haizea.model import orders
from haizea.model.units import Instant
from haizea.service.instants import read_instant
from haizea.service.order_models import DrainIn, HostsIn, LabelIn, OrderIn, OvercommitIn
from haizea.service.present import overcommitted_of, real_site

Order = orders.HostOrder

ALL: Final = 100
"""Percent: planned with just what there is."""


class HostCase(NamedTuple):
    """What an order is about: the host, by its number, the scheduler, the present."""

    host: int
    scheduler: Scheduler
    now: Instant


class HostVerb(NamedTuple):
    """A row; ``done`` says what has become of the host, to go after "is". ``empties``: nobody is to be left on it.

    ``first`` is ordered of all hosts before any of several is given the order itself.
    """

    name: str
    verb: str
    model: type[OrderIn]
    order: Callable[[HostCase, Any], Order]
    done: Callable[[Any], str]
    says: str
    empties: bool = False
    ends: bool = False
    first: Order | None = None


def _plain(order: Order) -> Callable[[HostCase, OrderIn], Order]:
    return lambda _case, _given: order


def _always(text: str) -> Callable[[Order], str]:
    return lambda _order: text


def _drained(case: HostCase, given: DrainIn) -> Order:
    return orders.Drain(None if given.until is None else read_instant(given.until, case.now, "until"))


def _drains(order: orders.Drain) -> str:
    return "drained" if order.deadline is None else f"drained, and emptied by {instant(order.deadline)}"


def _labelled(case: HostCase, given: LabelIn) -> Order:
    present = real_site(case.scheduler).hosts[case.host].labels
    labels = {**present, **given.labels}
    return orders.Label(tuple([(name, value) for name, value in sorted(labels.items()) if value is not None]))


def _labels(order: orders.Label) -> str:
    return "labelled " + (", ".join(f"{name}={value}" for name, value in order.labels) or "with nothing")


def _overcommitted(case: HostCase, given: OvercommitIn) -> Order:
    percent = {**overcommitted_of(case.scheduler, case.host), **given.percent}
    return orders.Overcommit(tuple([(name, share) for name, share in sorted(percent.items()) if share != ALL]))


def _overcommits(order: orders.Overcommit) -> str:
    shares = ", ".join(f"{percent} % of its {name}" for name, percent in order.percent)
    return f"planned with {shares or 'just what it has'}"


HOST_VERBS: Final[Sequence[HostVerb]] = (
    HostVerb("drain", "host.drain", DrainIn, _drained, _drains,
             "Let a host run empty: it finishes what runs, and takes nothing new"),
    HostVerb("evacuate", "host.evacuate", HostsIn, _plain(orders.Evacuate()), _always("emptied now"),
             "Empty a host now: whoever is on it migrates, is suspended or requeued", empties=True, ends=True,
             first=orders.Drain(None)),
    HostVerb("disable", "host.disable", HostsIn, _plain(orders.Disable()), _always("disabled"),
             "Keep a host out of all planning; who runs there may finish"),
    HostVerb("enable", "host.enable", OrderIn, _plain(orders.Enable()), _always("enabled"), "Use a host again"),
    HostVerb("down", "host.down", HostsIn, _plain(orders.MarkDown()), _always("marked as down"),
             "Take a host to have failed: its leases are seen to elsewhere", ends=True, first=orders.Disable()),
    HostVerb("label", "host.label", LabelIn, _labelled, _labels, "Give a host labels, or take them away"),
    HostVerb("overcommit", "host.overcommit", OvercommitIn, _overcommitted, _overcommits,
             "Plan with more of a host, or less, than it has"),
)  # fmt: skip

HOST_BY_VERB: Final[Mapping[str, HostVerb]] = {row.verb: row for row in HOST_VERBS}
