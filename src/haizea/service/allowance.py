"""What leases may get beyond what they were requested with: checked against quotas like requests.

Orders are, unless they come from whoever could change the quota; so is what leases wish for by themselves at their end.
"""

from collections.abc import Collection
from typing import Final

from haizea.core.desk import Allows
from haizea.model.lease import LeaseTerms
from haizea.model.reason import Cause, Reason
from haizea.model.units import MINUTE, Instant
from haizea.plan.lease import Lease
from haizea.service.accounts import Accounts
from haizea.service.errors import QuotaExceeded, Unavailable
from haizea.service.quotas import ScheduledClaims, starts_of

AGAIN_AFTER: Final = MINUTE
"""So much later it is asked again where the store cannot be read."""


def check_change(
    accounts: Accounts, lease: Lease, wanted: LeaseTerms, leases: Collection[Lease], now: Instant, *, anew: bool
) -> None:
    """Return if a lease may have other terms; ``leases`` are all there are. ``anew``: it gets another start.

    Raises:
        QuotaExceeded: a limit would be exceeded.
    """
    others = [each for each in leases if each.id != lease.id]
    groups = [wanted.group] if wanted.group else []
    starts = None if anew else starts_of(lease)
    accounts.check_quota(wanted.user, groups, wanted, now, ScheduledClaims(others), starts=starts)


def allowed_by(accounts: Accounts) -> Allows:
    """Return what says whether quotas let a lease have more time by itself."""

    def allows(lease: Lease, wanted: LeaseTerms, leases: Collection[Lease], now: Instant) -> Reason | None:
        try:
            check_change(accounts, lease, wanted, leases, now, anew=False)
        except QuotaExceeded as problem:
            return Reason(Cause.POLICY, f"Quotas do not allow it: {problem.detail}.")
        except Unavailable as problem:
            return Reason(Cause.POLICY, f"Its quota cannot be read: {problem}.", retry_at=now + AGAIN_AFTER)
        return None

    return allows
