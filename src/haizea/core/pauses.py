"""What may be paused, and what is said to those who come meanwhile."""

from haizea.core.desk import Desk
from haizea.model.lease import LeaseType
from haizea.model.reason import Cause, Reason
from haizea.plan.lease import Lease

SCHEDULING, INTAKE = "scheduling", "intake"


def refused_by_pause(desk: Desk, lease: Lease) -> Reason | None:
    """Say why a lease is not taken while scheduling or intake is paused; None where it is."""
    if INTAKE in desk.pauses:
        return Reason(Cause.POLICY, f"No requests are taken at the moment. {desk.pauses[INTAKE]}")
    if lease.type is LeaseType.IMMEDIATE:
        return Reason(Cause.POLICY, f"Nothing is started at the moment. {desk.pauses[SCHEDULING]}")
    return None
