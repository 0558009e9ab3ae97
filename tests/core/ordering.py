"""A scheduler to play with by orders, with everything it holds added up after every event."""

from haizea.model.effects import Effect, HostChanged, Refused
from haizea.model.events import Event, HostOrdered, LeaseOrdered, MaintenancePlanned, SchedulerOrdered
from haizea.model.orders import HostOrder, LeaseOrder, SchedulerOrder
from haizea.model.reason import Reason
from haizea.model.units import MINUTE
from tests.core.play import Play


class Ordering(Play):
    """Orders are given now, by ann. ``hosts_said`` has what was said of hosts."""

    hosts_said: list[str]

    def tell(self, event: Event) -> None:
        """Hand over an event, note what comes of it, and add up what is held."""
        self._take(event)

    def order(self, number: int, order: LeaseOrder) -> Reason | None:
        """Order something about a lease; return why that was refused, if it was."""
        return self._take(LeaseOrdered(self.scheduler.desk.now, number, order, "ann"))

    def host(self, number: int, order: HostOrder) -> Reason | None:
        """Order something about a host; return why that was refused, if it was."""
        return self._take(HostOrdered(self.scheduler.desk.now, number, order, "ann"))

    def command(self, order: SchedulerOrder, reason: str = "") -> Reason | None:
        """Order the scheduler to do something; return why that was refused, if it was."""
        return self._take(SchedulerOrdered(self.scheduler.desk.now, order, "ann", reason))

    def maintain(self, hosts: tuple[int, ...], start: float, end: float, *, force: bool = False) -> Reason | None:
        """Plan maintenance window 1, in minutes; return why that was refused, if it was."""
        desk = self.scheduler.desk
        window = MaintenancePlanned(desk.now, 1, hosts, round(start * MINUTE), round(end * MINUTE), force=force)
        return self._take(window)

    def refused(self, number: int, order: LeaseOrder) -> str:
        """Order something about a lease that is to be refused; return why."""
        reason = self.order(number, order)
        assert reason is not None
        return reason.text

    def _take(self, event: Event) -> Reason | None:
        effects = self.scheduler.handle(event)
        self.verifier.after(event, effects)
        assert self.verifier.violations == []
        self.hosts_said = [effect.text for effect in effects if isinstance(effect, HostChanged)]
        for effect in effects:
            self._note(effect)
        return _refusal([effect for effect in effects if isinstance(effect, Effect)])


def _refusal(effects: list[Effect]) -> Reason | None:
    return next((effect.reason for effect in effects if isinstance(effect, Refused)), None)
