"""What people do to VMs is what they want: looked at with every event that the scheduler is handed.

The comparison with the platform would make up for much of what is not followed: a VM that is gone has failed then, and
its lease starts over. But that is not what whoever removed it wanted. And a VM that runs while its lease waits would be
taken over when that begins, and run for nothing until then.
"""

from haizea.experiments.chaos.world import Violation, World
from haizea.model.events import Event, InstanceObserved, Observed
from haizea.model.lease import LeaseState
from haizea.plan.lease import Lease, Phase

_ENDED = (Observed.STOPPED, Observed.DELETED)


class Intents:
    """Looks on before and after each event: a VM that somebody has stopped or deleted is over then.

    One that runs though its lease waits is removed.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ended: tuple[int, int] | None = None
        self._stray: tuple[int, int] | None = None

    def before(self, event: Event) -> None:
        """Note which VM an event says was ended by somebody, if it was there by the plan, or its memory image was.

        And which one runs that is not to.
        """
        self._ended = self._stray = None
        if not isinstance(event, InstanceObserved):
            return
        lease = self._world.live.scheduler.desk.leases.get(event.lease)
        if lease is None or not 0 < event.vm <= lease.need.vms or event.vm in lease.over:
            return
        if event.observed is Observed.RUNNING and event.host is not None and _waits(lease):
            self._stray = event.lease, event.vm
        if event.observed not in _ENDED:
            return
        # What is stopped of a lease on hold somebody has to say more about.
        on_hold = lease.state is LeaseState.HELD and event.observed is Observed.STOPPED
        if not _waits(lease) and not on_hold:
            self._ended = event.lease, event.vm

    def after(self) -> None:
        """Check that it is over, or removed.

        Raises:
            Violation: it is not.
        """
        if self._stray is not None:
            self._removed(*self._stray)
        if self._ended is None:
            return
        number, vm = self._ended
        lease = self._world.live.scheduler.desk.leases.get(number)
        if lease is not None and vm not in lease.over:
            text = f"VM {number}.{vm} was ended by somebody, and its lease is {lease.state.label} with it."
            raise Violation("not-over", text)

    def _removed(self, number: int, vm: int) -> None:
        """Check that a VM of a lease that waits is removed, unless nobody is to do anything about that lease."""
        live = self._world.live
        lease = live.scheduler.desk.leases.get(number)
        if lease is None or lease.state is LeaseState.HELD or not _waits(lease):
            return
        commands = live.keeper.writing.unwritten.commands.values()
        removed = [one for one in commands if (one.verb, one.lease) == ("destroy", number)]
        if not any(vm in (one.vms or (vm,)) for one in removed):
            raise Violation("left", f"VM {number}.{vm} runs, its lease is {lease.state.label}, and it is left alone.")


def _waits(lease: Lease) -> bool:
    """Whether nothing of a lease is to be on hosts now, not even memory images."""
    return lease.images is None and (not lease.stays or lease.stays[0].phase is Phase.PLANNED)
