"""What people do to VMs is what they want: looked at with every event that the scheduler is handed.

The comparison with the platform would make up for much of what is not followed: a VM that is gone has failed then, and
its lease starts over. But that is not what whoever removed it wanted.
"""

from haizea.experiments.chaos.world import Violation, World
from haizea.model.events import Event, InstanceObserved, Observed
from haizea.model.lease import LeaseState
from haizea.plan.lease import Phase

_ENDED = (Observed.STOPPED, Observed.DELETED)


class Intents:
    """Looks on before and after each event: a VM that somebody has stopped or deleted is over then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ended: tuple[int, int] | None = None

    def before(self, event: Event) -> None:
        """Note which VM an event says was ended by somebody, if it was there by the plan, or its memory image was."""
        self._ended = None
        if not isinstance(event, InstanceObserved) or event.observed not in _ENDED:
            return
        lease = self._world.live.scheduler.desk.leases.get(event.lease)
        if lease is None or not 0 < event.vm <= lease.need.vms or event.vm in lease.over:
            return
        # What is stopped of a lease on hold somebody has to say more about.
        on_hold = lease.state is LeaseState.HELD and event.observed is Observed.STOPPED
        begun = bool(lease.stays) and lease.stays[0].phase is not Phase.PLANNED
        if (begun or lease.images is not None) and not on_hold:
            self._ended = event.lease, event.vm

    def after(self) -> None:
        """Check that it is over.

        Raises:
            Violation: it is not.
        """
        if self._ended is None:
            return
        number, vm = self._ended
        lease = self._world.live.scheduler.desk.leases.get(number)
        if lease is not None and vm not in lease.over:
            text = f"VM {number}.{vm} was ended by somebody, and its lease is {lease.state.label} with it."
            raise Violation("not-over", text)
