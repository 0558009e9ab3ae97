"""Which requests the built-in admission policies let through."""

import pytest

from haizea.model.units import HOUR
from haizea.policy.protocols import PolicyContext
from haizea.policy.registry import resolve
from tests.policy.fakes import SITE, SeenLease, best_effort, deadline_lease, immediate, reservation

ALL = [best_effort(), reservation(), immediate(), deadline_lease(HOUR, HOUR, 3 * HOUR)]


@pytest.mark.parametrize("lease", ALL, ids=lambda lease: lease.type.value)
def test_accept_all_accepts_every_type(lease: SeenLease) -> None:
    """With accept-all no request is turned away unseen."""
    assert resolve("admission", "accept-all", PolicyContext()).admit(lease, SITE, 0) is None


@pytest.mark.parametrize("lease", ALL, ids=lambda lease: lease.type.value)
def test_no_ars_refuses_advance_reservations_only(lease: SeenLease) -> None:
    """With no-ARs an advance reservation is refused with a sentence, and everything else is let through."""
    reason = resolve("admission", "no-ARs", PolicyContext()).admit(lease, SITE, 0)
    assert (reason is not None) == (lease.type.value == "AR")
    if reason is not None:
        assert "no advance reservations" in reason
