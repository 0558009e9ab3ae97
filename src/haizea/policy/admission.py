"""The built-in admission policies."""

from haizea.model.lease import LeaseType
from haizea.model.units import Instant
from haizea.policy.protocols import PolicyContext
from haizea.policy.views import LeaseView, SiteView


class AcceptAll:
    """Every request may be scheduled."""

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def admit(self, lease: LeaseView, site: SiteView, now: Instant, /) -> str | None:
        """Accept."""
        return None


class NoAdvanceReservations:
    """Every request but advance reservations may be scheduled; a deadline lease is none."""

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def admit(self, lease: LeaseView, site: SiteView, now: Instant, /) -> str | None:
        """Accept all but advance reservations."""
        if lease.type is LeaseType.ADVANCE_RESERVATION:
            return "this site takes no advance reservations; ask without a start, with start now, or with a deadline"
        return None
