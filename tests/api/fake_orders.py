"""Orders that are only remembered, for fake lease managers."""

from collections.abc import Callable
from typing import Final, NamedTuple

from haizea.service import access
from haizea.service.errors import Conflict, NotFound
from haizea.service.models import LeaseOut
from haizea.service.order_models import (
    AdoptIn,
    ConfigureIn,
    DiffOut,
    FiguresOut,
    HostIn,
    MaintenanceIn,
    MaintenanceOut,
    MaintenancesOut,
    OrderIn,
    OutcomeOut,
    ReconciledOut,
    SchedulerOut,
    StrayOut,
    StraysOut,
    VMOut,
    VMsOut,
    WhatIfIn,
    WhatIfOut,
)
from haizea.service.principal import Principal

WHEN: Final = "2026-11-25T13:00:00Z"
WINDOW: Final = MaintenanceOut(id=1, hosts=["node1"], start=WHEN, end=WHEN, by="root", reason="", open=False)
FIGURES: Final = FiguresOut(
    leases=0, done=0, failed=0, rejected=0, unfinished=0, preemptions=0, waiting_s=0, utilisation=0, last_end=None
)


class Ordered(NamedTuple):
    """An order that was given: what is checked, about what, and what was said."""

    verb: str
    about: str
    given: OrderIn


class FakeLeaseDesk:
    """Orders about leases, each carried out at once; what is over cannot be changed."""

    def __init__(self, show: Callable[[Principal, int], LeaseOut]) -> None:
        self._show = show
        self.orders: list[Ordered] = []

    def order(
        self, who: Principal, verb: str, lease: int, given: OrderIn, *, vm: int = 0, version: int | None = None
    ) -> OutcomeOut:
        """Remember an order."""
        shown = self._show(who, lease)
        access.check(who, verb, owner=shown.owner, what=f"lease {lease}")
        if shown.state == "cancelled":
            facts = {"reason": {"cause": "state"}, "retry_at": None}
            raise Conflict(f"lease {lease} is over", code="order-refused", remedy="Request a new one.", facts=facts)
        if version is not None and version != shown.version:
            raise Conflict(f"lease {lease} has changed", code="version", remedy="Look again.")
        if not given.dry_run:
            self.orders.append(Ordered(verb, f"{lease}.{vm}" if vm else str(lease), given))
        return outcome(given, shown)


class FakeHostDesk:
    """Orders about one host, node1, and one maintenance window."""

    def __init__(self) -> None:
        self.orders: list[Ordered] = []

    def order(self, who: Principal, verb: str, host: str, given: OrderIn) -> OutcomeOut:
        """Remember an order."""
        access.check(who, verb)
        if host != "node1":
            raise NotFound(f"there is no host {host}")
        self.orders.append(Ordered(verb, host, given))
        return outcome(given)

    def add(self, who: Principal, given: HostIn) -> OutcomeOut:
        """Remember an order."""
        access.check(who, "host.add")
        self.orders.append(Ordered("host.add", given.name, given))
        return outcome(given)

    def remove(self, who: Principal, host: str, given: OrderIn) -> OutcomeOut:
        """Remember an order."""
        return self.order(who, "host.remove", host, given)

    def windows(self, who: Principal) -> MaintenancesOut:
        """Return the window."""
        access.check(who, "host.list", owner=who.user)
        return MaintenancesOut(items=[WINDOW])

    def plan(self, who: Principal, given: MaintenanceIn, window: int | None = None) -> OutcomeOut:
        """Remember an order."""
        access.check(who, "host.maintain")
        self.orders.append(Ordered("host.maintain", str(window), given))
        return outcome(given)

    def end(self, who: Principal, window: int, given: OrderIn) -> OutcomeOut:
        """Remember an order about the window."""
        access.check(who, "host.maintain")
        if window != WINDOW.id:
            raise NotFound(f"there is no maintenance {window}")
        return outcome(given)


class FakeScheduling:
    """A scheduler that does as it is told."""

    def __init__(self) -> None:
        self.orders: list[Ordered] = []

    def show(self, who: Principal) -> SchedulerOut:
        """Return how it is."""
        access.check(who, "configuration.show", owner=who.user)
        return SchedulerOut(now=WHEN, scheduling=True, intake=True, queue=0, options={}, changed={})

    def order(self, who: Principal, verb: str, given: OrderIn) -> OutcomeOut:
        """Remember an order."""
        access.check(who, verb)
        self.orders.append(Ordered(verb, "", given))
        return outcome(given)

    def configure(self, who: Principal, given: ConfigureIn) -> OutcomeOut:
        """Remember an order."""
        return self.order(who, "scheduler.configure", given)

    def diff(self, who: Principal, *, everything: bool = False) -> DiffOut:
        """Return no differences."""
        access.check(who, "scheduler.diff")
        return DiffOut(at=WHEN, vms=[], hosts=[])

    def reconcile(self, who: Principal, given: OrderIn) -> ReconciledOut:
        """Find no differences."""
        access.check(who, "scheduler.reconcile")
        return ReconciledOut(differences=0)


class FakeVMs:
    """One VM of every lease, and one stray."""

    def __init__(self, show: Callable[[Principal, int], LeaseOut]) -> None:
        self._show = show

    def list(self, who: Principal, lease: int) -> VMsOut:
        """Return the VM of a lease."""
        self._show(who, lease)
        vm = VMOut(lease=lease, vm=1, host=None, desired="absent", observed="absent", resources={"CPU": 100})
        return VMsOut(items=[vm])

    def strays(self, who: Principal) -> StraysOut:
        """Return the stray."""
        access.check(who, "scheduler.diff")
        return StraysOut(items=[StrayOut(name="s", host="node1", resources={"CPU": 100}, labels={})])

    def adopt(self, who: Principal, given: AdoptIn) -> OutcomeOut:
        """Adopt the stray, and no others."""
        access.check(who, "lease.adopt")
        if given.strays != ["s"]:
            raise NotFound("there is no such stray")
        return outcome(given)


class FakeWhatIf:
    """Nothing makes a difference."""

    def what_if(self, who: Principal, given: WhatIfIn) -> WhatIfOut:
        """Return that."""
        access.check(who, "scheduler.simulate")
        return WhatIfOut(before=FIGURES, after=FIGURES, affected=[], requests=[], complete=True)


def outcome(given: OrderIn, lease: LeaseOut | None = None) -> OutcomeOut:
    """Return that it is done, or would be."""
    return OutcomeOut(done=not given.dry_run, text="It is done.", lease=lease, affected=[], left=[], notes=[])
