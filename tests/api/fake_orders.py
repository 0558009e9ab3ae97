"""Orders that are only remembered, for fake lease managers."""

from collections.abc import Callable
from typing import NamedTuple

from haizea.service import access
from haizea.service.errors import Conflict
from haizea.service.models import LeaseOut
from haizea.service.order_models import OrderIn, OutcomeOut
from haizea.service.principal import Principal


class Ordered(NamedTuple):
    """An order that was given: what is checked, about what, and what was said."""

    verb: str
    about: str
    given: OrderIn


class FakeLeaseDesk:
    """Orders about leases, each carried out at once; what is over cannot be changed."""

    def __init__(self, show: Callable[[Principal, int], LeaseOut]) -> None:
        self._show = show
        self.orders: list[Ordered] = []

    def order(
        self, who: Principal, verb: str, lease: int, given: OrderIn, *, vm: int = 0, version: int | None = None
    ) -> OutcomeOut:
        """Remember an order."""
        shown = self._show(who, lease)
        access.check(who, verb, owner=shown.owner, what=f"lease {lease}")
        if shown.state == "cancelled":
            facts = {"reason": {"cause": "state"}, "retry_at": None}
            raise Conflict(f"lease {lease} is over", code="order-refused", remedy="Request a new one.", facts=facts)
        if version is not None and version != shown.version:
            raise Conflict(f"lease {lease} has changed", code="version", remedy="Look again.")
        if not given.dry_run:
            self.orders.append(Ordered(verb, f"{lease}.{vm}" if vm else str(lease), given))
        return outcome(given, shown)


def outcome(given: OrderIn, lease: LeaseOut | None = None) -> OutcomeOut:
    """Return that it is done, or would be."""
    return OutcomeOut(done=not given.dry_run, text="It is done.", lease=lease, affected=[], left=[], notes=[])
