"""All verbs in one place: what every front end is given."""

from datetime import UTC, tzinfo

from haizea.service.accounts import Accounts
from haizea.service.field import Field
from haizea.service.host_desk import HostDesk
from haizea.service.hosts import HostService
from haizea.service.journal import Journal
from haizea.service.lease_desk import LeaseDesk
from haizea.service.leases import Leases
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.measures import Measures
from haizea.service.orders import Orders
from haizea.service.planning import Planning
from haizea.service.recurrences import Recurrences
from haizea.service.scheduling import Scheduling
from haizea.service.system import Identity, Pulse, System
from haizea.service.usage import Usage
from haizea.service.vms import VMs
from haizea.service.webhooks import Webhooks
from haizea.service.whatif import WhatIf


class Manager:
    """The lease manager, as people and programs use it."""

    def __init__(
        self,
        live: Live,
        pulse: Pulse,
        measures: Measures,
        identity: Identity,
        webhooks: Webhooks,
        field: Field,
        zone: tzinfo = UTC,
    ) -> None:
        """``zone`` is what times of 1.x clients are in."""
        lookup = Lookup(live, zone)
        self.planning = Planning(live, lookup)
        self.leases = Leases(live, lookup, self.planning, zone, field.progress)
        orders = Orders(live)
        self.lease_desk = LeaseDesk(live, lookup, orders)
        self.recurrences = Recurrences(live)
        self.host_desk = HostDesk(live, orders)
        self.scheduling = Scheduling(live, orders, field)
        self.vms = VMs(live, lookup, orders, field)
        self.what_if = WhatIf(live, lookup, field)
        self.hosts = HostService(live, field)
        self.journal = Journal(live, lambda: pulse.newest)
        self.system = System(live, pulse, measures, identity, self.scheduling.in_force)
        self.accounts: Accounts = live.accounts
        self.usage = Usage(live.store, live.now)
        self.webhooks = webhooks
