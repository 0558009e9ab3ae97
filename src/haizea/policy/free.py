"""The pricing policy of a site that asks for nothing; apart from the others, so that such a site does not load them."""

from collections.abc import Sequence
from typing import Final

from haizea.policy.money import Money
from haizea.policy.protocols import PolicyContext, Quote
from haizea.policy.views import LeaseView

_FREE: Final = Quote(0, None, True)


class Free:
    """Every lease costs nothing, and nobody is asked what they would pay."""

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return 0."""
        return 0

    def quote(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Quote:
        """Return the price of 0, accepted."""
        return _FREE

    def feedback(self, lease: LeaseView, accepted: bool, /) -> None:
        """Learn nothing."""
