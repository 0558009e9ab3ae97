"""What the front doors need of the service: every verb, as they call it.

All methods may raise :class:`haizea.service.errors.ServiceError`, may block, and may be called on any thread.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from haizea.model.events import Observed
from haizea.service.figures import Figures
from haizea.service.models import (
    CalendarOut,
    EntryPage,
    ExplainOut,
    GroupIn,
    GroupOut,
    HostOut,
    HostsOut,
    LeaseChangeIn,
    LeaseOut,
    LeasePage,
    LeaseRequestIn,
    OffersOut,
    PolicyOut,
    QueueOut,
    QuotaIn,
    QuotaOut,
    RecurrenceChangeIn,
    RecurrenceIn,
    RecurrenceOut,
    ScheduleOut,
    StatusOut,
    TimelineOut,
    TokenIn,
    TokenOut,
    UsageOut,
    UserIn,
    UserOut,
    VerdictOut,
    WebhookIn,
    WebhookOut,
)
from haizea.service.order_models import (
    AdoptIn,
    ConfigureIn,
    DiffOut,
    HostIn,
    HostsIn,
    MaintenanceIn,
    MaintenancesOut,
    OrderIn,
    OutcomeOut,
    ReconciledOut,
    SchedulerOut,
    StraysOut,
    TogetherIn,
    TogetherOut,
    VMsOut,
    WhatIfIn,
    WhatIfOut,
)
from haizea.service.principal import Principal

UsageBy = Literal["user", "group", "lease"]
UsagePeriod = Literal["day", "week", "month"]


class Leases(Protocol):
    """Leases, from request to end."""

    def request(self, who: Principal, request: LeaseRequestIn, *, key: str | None = None) -> LeaseOut:
        """Request a lease; the same ``key`` gives the same one. A refused request is a lease in state rejected."""

    def request_together(self, who: Principal, wanted: TogetherIn, *, key: str | None = None) -> TogetherOut:
        """Request leases that start together: all of them, or none."""

    def list(
        self,
        who: Principal,
        *,
        states: Sequence[str] = (),
        types: Sequence[str] = (),
        owner: str | None = None,
        group: str | None = None,
        name: str | None = None,
        active: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        order: str = "id",
        limit: int = 100,
        offset: int = 0,
    ) -> LeasePage:
        """Return some of the leases that one may see."""

    def show(self, who: Principal, lease: int) -> LeaseOut:
        """Return a lease."""

    def timeline(self, who: Principal, lease: int) -> TimelineOut:
        """Return what happened to a lease and what is planned."""

    def cancel(
        self, who: Principal, lease: int, *, reason: str = "", dry_run: bool = False, version: int | None = None
    ) -> LeaseOut:
        """Cancel a lease; with ``version``, only if it is still of that version."""

    def change(self, who: Principal, lease: int, wanted: LeaseChangeIn, *, version: int | None = None) -> LeaseOut:
        """Change what a lease wishes for; with ``version``, only if it is still of that version."""

    def explain(self, who: Principal, lease: int) -> ExplainOut:
        """Return why a lease is where it is."""

    def observed(self, who: Principal, lease: int, vm: int, observed: Observed) -> None:
        """Report that a VM of a lease, or with 0 all of them, was seen in a state."""


class LeaseDesk(Protocol):
    """Orders about leases and their VMs."""

    def order(
        self, who: Principal, verb: str, lease: int, given: OrderIn, *, vm: int = 0, version: int | None = None
    ) -> OutcomeOut:
        """Give an order about a lease or one of its VMs, or only try it; ``verb`` as access is checked for it."""


class HostDesk(Protocol):
    """Orders about hosts."""

    def order(self, who: Principal, verb: str, host: str, given: OrderIn) -> OutcomeOut:
        """Give an order about a host, by name or number; ``verb`` as access is checked for it."""

    def add(self, who: Principal, given: HostIn) -> OutcomeOut:
        """Add a host."""

    def remove(self, who: Principal, host: str, given: HostsIn) -> OutcomeOut:
        """Take a host out of the site."""

    def windows(self, who: Principal) -> MaintenancesOut:
        """Return the maintenance windows that are not over."""

    def plan(self, who: Principal, given: MaintenanceIn, window: int | None = None) -> OutcomeOut:
        """Plan maintenance of hosts, or plan it anew."""

    def end(self, who: Principal, window: int, given: OrderIn) -> OutcomeOut:
        """End a maintenance window, or have it not begin."""


class Scheduling(Protocol):
    """Orders about the scheduler."""

    def show(self, who: Principal) -> SchedulerOut:
        """Return what the scheduler is doing, and by which options."""

    def order(self, who: Principal, verb: str, given: OrderIn) -> OutcomeOut:
        """Give an order about the scheduler; ``verb`` as access is checked for it."""

    def configure(self, who: Principal, given: ConfigureIn) -> OutcomeOut:
        """Have the scheduler go by other options until the daemon is restarted."""

    def diff(self, who: Principal, *, everything: bool = False) -> DiffOut:
        """Return what is desired beside what is observed."""

    def reconcile(self, who: Principal, given: OrderIn) -> ReconciledOut:
        """Compare what is desired with what is, and deal with every difference."""


class VMs(Protocol):
    """VMs, one by one."""

    def list(self, who: Principal, lease: int) -> VMsOut:
        """Return the VMs of a lease."""

    def strays(self, who: Principal) -> StraysOut:
        """Return the VMs that are no lease's."""

    def adopt(self, who: Principal, given: AdoptIn) -> OutcomeOut:
        """Take strays as one lease."""


class WhatIf(Protocol):
    """Trying things on a copy."""

    def what_if(self, who: Principal, given: WhatIfIn) -> WhatIfOut:
        """Return what would become of all leases, as it stands and as it would be."""


class Planning(Protocol):
    """What would be, and what is planned."""

    def dry_run(self, who: Principal, request: LeaseRequestIn) -> VerdictOut:
        """Return what would become of a request."""

    def offers(self, who: Principal, request: LeaseRequestIn, *, hold: bool = False) -> OffersOut:
        """Return alternatives to a request, held for a while if wanted."""

    def accept(self, who: Principal, offer_id: str) -> LeaseOut:
        """Take a held offer."""

    def decline(self, who: Principal, offer_id: str) -> None:
        """Let go of a held offer."""

    def queue(self, who: Principal) -> QueueOut:
        """Return the queue."""

    def schedule(self, who: Principal, *, start: str | None, end: str | None) -> ScheduleOut:
        """Return what is on which host when."""

    def calendar(self, who: Principal, *, start: str | None, end: str | None) -> CalendarOut:
        """Return how much is free when."""


class HostService(Protocol):
    """Hosts."""

    def list(self, who: Principal) -> HostsOut:
        """Return all hosts."""

    def show(self, who: Principal, host: str) -> HostOut:
        """Return a host, by name or number."""


class Journal(Protocol):
    """What happened."""

    def entries(
        self,
        who: Principal,
        *,
        after: int = 0,
        limit: int = 100,
        lease: int | None = None,
        kinds: Sequence[str] = (),
        host: str | None = None,
    ) -> EntryPage:
        """Return entries with numbers above ``after``, of those that one may see."""

    def wait(self, after: int, timeout_s: float) -> int:
        """Return the newest entry's number: as soon as it is above ``after``, or when time is up."""


class System(Protocol):
    """The daemon itself."""

    def status(self, who: Principal) -> StatusOut:
        """Return how the daemon is."""

    def version(self) -> str:
        """Return the version that runs."""

    def policies(self, who: Principal) -> list[PolicyOut]:
        """Return the policies there are."""

    def configuration(self, who: Principal) -> dict[str, Any]:
        """Return the settings in force, without secrets."""

    def healthy(self) -> tuple[bool, str]:
        """Whether the daemon should go on, and why not."""

    def ready(self) -> tuple[bool, str]:
        """Whether the daemon can take requests, and why not."""

    def figures(self) -> Figures:
        """Return what is measured."""


class Accounts(Protocol):
    """Users, groups, tokens, quotas."""

    def by_token(self, secret: str) -> Principal:
        """Return whose token this is; raises Unauthenticated."""

    def by_peer(self, uid: int) -> Principal:
        """Return who this Unix user is; raises Unauthenticated."""

    def anonymous(self) -> Principal:
        """Return who somebody without a name is; raises Unauthenticated."""

    def users(self, who: Principal) -> list[UserOut]:
        """Return users."""

    def user(self, who: Principal, name: str) -> UserOut:
        """Return a user."""

    def put_user(self, who: Principal, name: str, wanted: UserIn) -> UserOut:
        """Make or change a user."""

    def delete_user(self, who: Principal, name: str) -> None:
        """Forget a user."""

    def groups(self, who: Principal) -> list[GroupOut]:
        """Return groups."""

    def put_group(self, who: Principal, name: str, wanted: GroupIn) -> GroupOut:
        """Make or change a group."""

    def delete_group(self, who: Principal, name: str) -> None:
        """Forget a group."""

    def tokens(self, who: Principal, user: str | None = None) -> list[TokenOut]:
        """Return tokens, without their secrets."""

    def make_token(self, who: Principal, wanted: TokenIn) -> TokenOut:
        """Make a token; its secret is in the answer, once."""

    def revoke_token(self, who: Principal, token: str) -> TokenOut:
        """Make a token invalid."""

    def quotas(self, who: Principal) -> list[QuotaOut]:
        """Return quotas, with what is used of them."""

    def put_quota(self, who: Principal, kind: str, subject: str, wanted: QuotaIn) -> QuotaOut:
        """Set a quota."""

    def delete_quota(self, who: Principal, kind: str, subject: str) -> None:
        """Remove a quota."""


class Usage(Protocol):
    """What was used."""

    def report(
        self,
        who: Principal,
        *,
        start: str | None = None,
        end: str | None = None,
        by: UsageBy = "user",
        period: UsagePeriod | None = None,
        owner: str | None = None,
    ) -> UsageOut:
        """Return usage between two instants."""


class Webhooks(Protocol):
    """Who wants to be told."""

    def list(self, who: Principal) -> list[WebhookOut]:
        """Return webhooks."""

    def add(self, who: Principal, wanted: WebhookIn) -> WebhookOut:
        """Add a webhook; its secret is in the answer, once."""

    def remove(self, who: Principal, webhook: int) -> None:
        """Remove a webhook."""


class Recurrences(Protocol):
    """Reservations that recur."""

    def list(self, who: Principal, *, ended: bool = False) -> list[RecurrenceOut]:
        """Return recurring reservations."""

    def show(self, who: Principal, recurrence: int) -> RecurrenceOut:
        """Return one."""

    def add(self, who: Principal, wanted: RecurrenceIn, *, dry_run: bool = False) -> RecurrenceOut:
        """Add one."""

    def change(self, who: Principal, recurrence: int, wanted: RecurrenceChangeIn) -> RecurrenceOut:
        """Leave days out, or take them in."""

    def remove(self, who: Principal, recurrence: int, *, reason: str = "", dry_run: bool = False) -> RecurrenceOut:
        """End one."""


class Manager(Protocol):
    """Everything."""

    @property
    def recurrences(self) -> Recurrences:
        """Reservations that recur."""

    @property
    def leases(self) -> Leases:
        """Leases."""

    @property
    def lease_desk(self) -> LeaseDesk:
        """Orders about leases."""

    @property
    def host_desk(self) -> HostDesk:
        """Orders about hosts."""

    @property
    def scheduling(self) -> Scheduling:
        """Orders about the scheduler."""

    @property
    def vms(self) -> VMs:
        """VMs, one by one."""

    @property
    def what_if(self) -> WhatIf:
        """Trying things on a copy."""

    @property
    def planning(self) -> Planning:
        """What would be, and what is planned."""

    @property
    def hosts(self) -> HostService:
        """Hosts."""

    @property
    def journal(self) -> Journal:
        """What happened."""

    @property
    def system(self) -> System:
        """The daemon itself."""

    @property
    def accounts(self) -> Accounts:
        """Users, groups, tokens, quotas."""

    @property
    def usage(self) -> Usage:
        """What was used."""

    @property
    def webhooks(self) -> Webhooks:
        """Who wants to be told."""
