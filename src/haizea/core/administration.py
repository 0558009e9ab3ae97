"""Who carries out what people order: put together when the first order comes, since a simulation has none."""

from collections.abc import Callable
from typing import NamedTuple

from haizea.core.alarms import Bell
from haizea.core.booking import Booking
from haizea.core.claiming import claim_again
from haizea.core.clearing import Clearing
from haizea.core.deadlines import Deadlines
from haizea.core.desk import Desk
from haizea.core.endings import Endings
from haizea.core.execution import Execution
from haizea.core.host_orders import HostOrders
from haizea.core.lease_orders import LeaseOrders
from haizea.core.maintenance import Maintenance
from haizea.core.orders import Trial
from haizea.core.reactions import Reactions
from haizea.core.repair import Repair
from haizea.core.replanning import Replanning
from haizea.core.reservations import Reservations
from haizea.core.scheduler_orders import Adoption, SchedulerOrders
from haizea.core.sites import Sites
from haizea.core.transit import Transit
from haizea.model.events import (
    HostOrdered,
    LeaseAdopted,
    LeaseOrdered,
    MaintenanceOver,
    MaintenancePlanned,
    SchedulerOrdered,
    SiteChanged,
    StrangersObserved,
)
from haizea.model.lease import LeaseTerms
from haizea.model.units import Instant
from haizea.plan.lease import Lease


class Parts(NamedTuple):
    """What orders are carried out with."""

    desk: Desk
    execution: Execution
    booking: Booking
    reservations: Reservations
    deadlines: Deadlines
    repair: Repair
    reactions: Reactions


class Administration:
    """Orders by the events they come in, and what is to be done when an alarm of theirs is due."""

    def __init__(
        self,
        parts: Parts,
        trial: Trial,
        renewed: Callable[[], None],
        new_lease: Callable[[int, LeaseTerms, Instant], Lease],
    ) -> None:
        """``renewed`` is called when the slot table was made anew, ``new_lease`` makes a lease of adopted VMs."""
        desk, reactions = parts.desk, parts.reactions
        replanning = Replanning(desk, parts.booking, parts.reservations, parts.deadlines)
        orders = LeaseOrders(desk, parts.execution, parts.booking, parts.repair, reactions, replanning, trial)
        clearing = Clearing(desk, parts.execution, parts.booking, parts.repair, replanning, orders.moving)
        self.transit = Transit(desk, parts.repair, reactions.relocation, reactions.wishes, orders.moving, clearing)
        maintenance = Maintenance(desk, clearing, trial)
        self.sites = Sites(desk, clearing, reactions, renewed)
        endings = Endings(desk)
        hosts = HostOrders(desk, reactions, clearing, self.sites)
        self.bells: dict[Bell, Callable[[int], None]] = {
            Bell.WINDOW: reactions.outages.window_over,
            Bell.MOVED: orders.moving.moved,
            Bell.EXTEND: endings.extend,
            Bell.KEPT: endings.kept_for_long,
            Bell.HOST_DRAIN: hosts.drained,
            Bell.HOST_CLAIM: lambda host: claim_again(desk, host),
            Bell.MAINTENANCE: maintenance.begun,
            Bell.MAINTENANCE_OVER: maintenance.ended,
        }
        self.handlers: dict[type, Callable[..., None]] = {
            LeaseOrdered: orders.ordered,
            HostOrdered: hosts.ordered,
            SchedulerOrdered: SchedulerOrders(desk, replanning).ordered,
            MaintenancePlanned: maintenance.planned,
            MaintenanceOver: maintenance.over,
            StrangersObserved: maintenance.strangers_observed,
            SiteChanged: self.sites.changed,
            LeaseAdopted: Adoption(desk, clearing, new_lease).adopted,
        }
