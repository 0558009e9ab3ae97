"""A lease manager for tests of XML-RPC: it keeps what it is told, checks access, and schedules nothing."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from haizea.model.events import Observed
from haizea.model.lease import LeaseState
from haizea.model.units import DAY, HOUR, Instant
from haizea.service import access
from haizea.service.errors import Conflict, Invalid, NotFound, Unauthenticated
from haizea.service.leasexml import lease_to_xml, request_from_xml
from haizea.service.models import (
    CalendarOut,
    EntryOut,
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
    OfferOut,
    OffersOut,
    PolicyOut,
    QueueItemOut,
    QueueOut,
    QuotaIn,
    QuotaOut,
    ReasonOut,
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
from haizea.service.order_models import TogetherIn, TogetherOut
from haizea.service.principal import Principal, Role
from haizea.workloads.times import parse_duration
from tests.api.fake_orders import FakeHostDesk, FakeLeaseDesk, FakeScheduling, FakeVMs, FakeWhatIf
from tests.api.fake_recurrences import FakeRecurrences

NOW: Final[Instant] = 20_782 * DAY + 13 * HOUR
"""2026-11-25T13:00:00Z."""

AT: Final = "2026-11-25T13:00:00Z"
ANNA: Final = Principal("anna", Role.USER, ("wind",), key="token:1")
BOB: Final = Principal("bob", Role.USER, key="token:2")
ADAM: Final = Principal("adam", Role.ADMIN, key="token:3")
GUEST: Final = Principal("guest", Role.ADMIN, via="anonymous", key="anonymous")
SECRETS: Final[Mapping[str, Principal]] = {"anna-secret": ANNA, "bob-secret": BOB, "adam-secret": ADAM}
FULL: Final = ReasonOut(cause="too-large", text="no host has so much memory")
MEMORY_OF_A_HOST: Final = 1024


def lease_out(number: int, owner: str, request: LeaseRequestIn, **changes: Any) -> LeaseOut:
    """Return a new lease as clients see it."""
    given = request.duration
    span = parse_duration(given) if isinstance(given, str) else round(given * 1000)
    kind = "best-effort" if request.start is None else "immediate" if request.start == "now" else "AR"
    fields: dict[str, Any] = {
        "id": number,
        "name": request.name,
        "owner": owner,
        "group": request.group,
        "type": "deadline" if request.deadline else kind,
        "state": LeaseState.QUEUED.label if kind == "best-effort" else LeaseState.SCHEDULED.label,
        "preemptible": bool(request.preemptible),
        "nodes": [each.model_dump() for each in request.nodes],
        "vms": sum(each.count for each in request.nodes),
        "duration_s": None if span is None else span / 1000,
        "start": AT if kind == "immediate" else request.start,
        "deadline": request.deadline,
        "submitted": AT,
        "starts": None,
        "ends": None,
        "delivered_s": 0.0,
        "remaining_s": None,
        "price": None,
        "reason": None,
        "software": request.software and request.software.model_dump(),
        "constraints": request.constraints.model_dump(),
        "on_guest_shutdown": request.on_guest_shutdown,
        "on_failure": request.on_failure,
        "extra": request.extra,
        "plan": [],
        "suspensions": 0,
        "resumptions": 0,
        "migrations": 0,
        "preemptions": 0,
        "requeued": 0,
        "version": number,
    }
    return LeaseOut.model_validate(fields | changes)


class Leases:
    """Leases that are kept, and never run."""

    def __init__(self, journal: "Journal") -> None:
        self.kept: dict[int, LeaseOut] = {}
        self.keys: dict[tuple[str, str], int] = {}
        self.seen: list[tuple[int, int, Observed]] = []
        self.journal = journal
        self.lock = threading.Lock()

    def request_together(self, who: Principal, wanted: TogetherIn, *, key: str | None = None) -> TogetherOut:
        """Keep leases that start together, without looking whether they do."""
        keys = [None if key is None else f"{key}-{number}" for number in range(len(wanted.leases))]
        asked = zip(wanted.leases, keys, strict=True)
        return TogetherOut(leases=[self.request(who, lease, key=each) for lease, each in asked])

    def request(self, who: Principal, request: LeaseRequestIn, *, key: str | None = None) -> LeaseOut:
        """Keep a lease; one with a VM that is too large is rejected."""
        owner = request.owner or who.user
        access.check(who, "lease.request", owner=owner, group=request.group)
        with self.lock:
            if key is not None and (owner, key) in self.keys:
                return self.kept[self.keys[owner, key]]
            number = len(self.kept) + 1
            too_large = any(each.resources.get("Memory", 0) > MEMORY_OF_A_HOST for each in request.nodes)
            changes = {"state": "rejected", "reason": FULL} if too_large else {}
            lease = self.kept[number] = lease_out(number, owner, request, **changes)
            if key is not None:
                self.keys[owner, key] = number
        self.journal.add(lease.id, "lease-requested", who.user)
        return lease

    def list(
        self, who: Principal, *, states: Sequence[str] = (), types: Sequence[str] = (), owner: str | None = None,
        group: str | None = None, name: str | None = None, active: bool | None = None, since: str | None = None,
        until: str | None = None, order: str = "id", limit: int = 100, offset: int = 0,
    ) -> LeasePage:  # fmt: skip
        """Return leases by state and owner."""
        access.check(who, "lease.list")
        found = [
            lease
            for lease in self.kept.values()
            if (not states or lease.state in states) and owner in (None, lease.owner)
        ]
        return LeasePage(total=len(found), limit=limit, offset=offset, items=found[offset : offset + limit])

    def show(self, who: Principal, lease: int) -> LeaseOut:
        """Return a lease."""
        if lease not in self.kept:
            raise NotFound(f"there is no lease {lease}, or it is not yours to see")
        access.check(who, "lease.show", owner=self.kept[lease].owner)
        return self.kept[lease]

    def timeline(self, who: Principal, lease: int) -> TimelineOut:
        """Return nothing that happened."""
        return TimelineOut(lease=self.show(who, lease).id, past=[], plan=[], entries=[])

    def explain(self, who: Principal, lease: int) -> ExplainOut:
        """Return why a lease waits."""
        shown = self.show(who, lease)
        return ExplainOut(
            lease=lease, state=shown.state, text="It waits.", reason=None, expected_start=None, in_the_way=[],
            suggestions=[],
        )  # fmt: skip

    def change(self, who: Principal, lease: int, wanted: LeaseChangeIn, *, version: int | None = None) -> LeaseOut:
        """Call a lease something else."""
        shown = self.show(who, lease)
        access.check(who, "lease.change", owner=shown.owner, what=f"lease {lease}")
        return shown if wanted.name is None else shown.model_copy(update={"name": wanted.name})

    def cancel(
        self, who: Principal, lease: int, *, reason: str = "", dry_run: bool = False, version: int | None = None
    ) -> LeaseOut:
        """Cancel a lease that is not over."""
        shown = self.show(who, lease)
        access.check(who, "lease.cancel", owner=shown.owner, what=f"lease {lease}")
        if shown.state in ("cancelled", "rejected"):
            raise Conflict(f"lease {lease} is {shown.state} already")
        cancelled = shown.model_copy(update={"state": "cancelled"})
        if not dry_run:
            self.kept[lease] = cancelled
            self.journal.add(lease, "lease-cancel", who.user, reason)
        return cancelled

    def observed(self, who: Principal, lease: int, vm: int, observed: Observed) -> None:
        """Remember what was seen."""
        shown = self.show(who, lease)
        access.check(who, "lease.cancel", owner=shown.owner)
        if vm > shown.vms:
            raise Invalid(f"lease {lease} has no VM {vm}")
        self.seen.append((lease, vm, observed))

    def xml(self, who: Principal, lease: int) -> str:
        """Return a lease as XML."""
        return lease_to_xml(self.show(who, lease))

    def request_xml(self, who: Principal, xml: str) -> LeaseOut:
        """Keep a lease that comes as XML."""
        return self.request(who, request_from_xml(xml, NOW))

    def list_xml(self, who: Principal) -> Sequence[str]:
        """Return the leases that are not over."""
        access.check(who, "lease.list")
        return [lease_to_xml(each) for each in self.kept.values() if each.state not in ("cancelled", "rejected")]


class Planning:
    """No plan."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def dry_run(self, who: Principal, request: LeaseRequestIn) -> VerdictOut:
        """Accept anything."""
        access.check(who, "lease.dry-run", owner=request.owner or who.user)
        return VerdictOut(
            accepted=True, state="scheduled", starts=AT, ends=None, plan=[], price=None, affected=[], reason=None
        )

    def offers(self, who: Principal, request: LeaseRequestIn, *, hold: bool = False) -> OffersOut:
        """Offer what was asked for."""
        verdict = self.dry_run(who, request)
        offer = OfferOut(
            id="o1" if hold else None, kind="later", text="later", request=request, verdict=verdict, expires=None
        )
        return OffersOut(verdict=verdict, offers=[offer])

    def accept(self, who: Principal, offer_id: str) -> LeaseOut:
        """Keep a lease for the one offer there is."""
        if offer_id != "o1":
            raise NotFound(f"there is no offer {offer_id[:60]!r}")
        return self._leases.request_xml(
            who,
            '<lease preemptible="true"><nodes><node-set numnodes="1"><res type="CPU" amount="100"/></node-set></nodes>'
            '<start/><duration time="01:00:00"/><software><none/></software></lease>',
        )

    def decline(self, who: Principal, offer_id: str) -> None:
        """Forget the one offer there is."""
        access.check(who, "offer.decline", owner=who.user)
        if offer_id != "o1":
            raise NotFound(f"there is no offer {offer_id[:60]!r}")

    def _queued(self) -> list[LeaseOut]:
        return [each for each in self._leases.kept.values() if each.state == "queued"]

    def queue(self, who: Principal) -> QueueOut:
        """Return the leases in the queue."""
        access.check(who, "queue.show")
        items = [
            QueueItemOut(
                position=position, lease=each.id, name=each.name, owner=each.owner, vms=each.vms, state=each.state,
                submitted=each.submitted, waiting_s=1.5, expected_start=None, reason=None,
            )
            for position, each in enumerate(self._queued(), start=1)
        ]  # fmt: skip
        return QueueOut(total=len(items), items=items)

    def queue_xml(self, who: Principal) -> list[str]:
        """Return the leases in the queue, as XML."""
        access.check(who, "queue.show")
        return [lease_to_xml(each) for each in self._queued()]

    def schedule(self, who: Principal, *, start: str | None, end: str | None) -> ScheduleOut:
        """Return no bars."""
        access.check(who, "schedule.show")
        return ScheduleOut(now=AT, start=start or AT, end=end or AT, hosts=["node1"], bars=[])

    def calendar(self, who: Principal, *, start: str | None, end: str | None) -> CalendarOut:
        """Return no samples."""
        access.check(who, "calendar.show")
        return CalendarOut(total={"CPU": 400}, samples=[])


class HostService:
    """Two hosts."""

    def list(self, who: Principal) -> HostsOut:
        """Return both."""
        access.check(who, "host.list")
        return HostsOut(items=[self.show(who, name) for name in ("node1", "node2")])

    def show(self, who: Principal, host: str) -> HostOut:
        """Return a host by name or number."""
        access.check(who, "host.show")
        numbers = {"node1": 1, "node2": 2, "1": 1, "2": 2}
        if host not in numbers:
            raise NotFound(f"there is no host {host[:60]!r}")
        number = numbers[host]
        capacity = {"CPU": 100, "Memory": 1024, "Disk": 1 << 33}
        return HostOut(id=number, name=f"node{number}", state="up", labels={}, capacity=capacity, used={}, leases=[])


class Journal:
    """Entries in memory."""

    def __init__(self) -> None:
        self.kept: list[EntryOut] = []
        self.news = threading.Condition()

    def add(self, lease: int, kind: str, actor: str, text: str = "") -> None:
        """Write an entry."""
        with self.news:
            number = len(self.kept) + 1
            self.kept.append(
                EntryOut(number=number, at=AT, kind=kind, lease=lease, host=None, actor=actor, text=text, data={})
            )
            self.news.notify_all()

    def entries(
        self, who: Principal, *, after: int = 0, limit: int = 100, lease: int | None = None, kinds: Sequence[str] = (),
        host: str | None = None,
    ) -> EntryPage:  # fmt: skip
        """Return entries after a number."""
        access.check(who, "event.list")
        found = [each for each in self.kept if each.number > after and lease in (None, each.lease)][:limit]
        return EntryPage(items=found, cursor=found[-1].number if found else after)

    def wait(self, after: int, timeout_s: float) -> int:
        """Wait for an entry."""
        with self.news:
            self.news.wait_for(lambda: len(self.kept) > after, timeout_s)
            return len(self.kept)


class System:
    """A daemon that is well."""

    def status(self, who: Principal) -> StatusOut:
        """Return how it is."""
        access.check(who, "system.status")
        return StatusOut(
            version="2.0", state="running", role="active", now=AT, started=AT, time_scale=1.0, hosts={"up": 2},
            leases={}, queue=0, utilisation={"CPU": 0.5}, next_event=None, entries=0, warnings=["a\x00b <&> \u20ac"],
        )  # fmt: skip

    def version(self) -> str:
        """Return a version."""
        return "2.0"

    def policies(self, who: Principal) -> list[PolicyOut]:
        """Return one policy."""
        access.check(who, "policy.list")
        return [PolicyOut(kind="admission", name="accept-all", summary="Accept all.", chosen=True)]

    def configuration(self, who: Principal) -> dict[str, Any]:
        """Return settings of every type."""
        access.check(who, "configuration.show")
        return {"scheduling": {"rate": 1e16, "none": None, "list": ("a", 2), "big": 1 << 40, "yes": True}}


class Accounts:
    """Three people with a token each; anonymous callers are let in, or not."""

    def __init__(self, guest: Principal | None) -> None:
        self._guest = guest

    def by_token(self, secret: str) -> Principal:
        """Return whose token this is."""
        if secret not in SECRETS:
            raise Unauthenticated("the token is not known")
        return SECRETS[secret]

    def by_peer(self, uid: int) -> Principal:
        """Nobody is known by the system's users."""
        raise Unauthenticated("no such user")

    def anonymous(self) -> Principal:
        """Return the guest, if there is one."""
        if self._guest is None:
            raise Unauthenticated("the request says nothing about who sends it")
        return self._guest

    def users(self, who: Principal) -> list[UserOut]:
        """Return nobody."""
        access.check(who, "user.list")
        return []

    def user(self, who: Principal, name: str) -> UserOut:
        """Return a user that is there."""
        access.check(who, "user.show", owner=name, what=f"user {name[:60]}")
        return UserOut(name=name, role="user", groups=[], disabled=False, created=AT, note="")

    def put_user(self, who: Principal, name: str, user: UserIn) -> UserOut:
        """Return the user as written."""
        access.check(who, "user.put")
        return UserOut(name=name, created=AT, **user.model_dump())

    def delete_user(self, who: Principal, name: str) -> None:
        """Forget a user."""
        access.check(who, "user.delete")

    def groups(self, who: Principal) -> list[GroupOut]:
        """Return no group."""
        return []

    def put_group(self, who: Principal, name: str, group: GroupIn) -> GroupOut:
        """Return the group as written."""
        access.check(who, "group.put")
        return GroupOut(name=name, note=group.note, created=AT, members=[])

    def delete_group(self, who: Principal, name: str) -> None:
        """Forget a group."""
        access.check(who, "group.delete")

    def tokens(self, who: Principal, user: str | None = None) -> list[TokenOut]:
        """Return no tokens."""
        access.check(who, "token.list", owner=user or who.user)
        return []

    def make_token(self, who: Principal, token: TokenIn) -> TokenOut:
        """Return a token."""
        user = token.user or who.user
        access.check(who, "token.make", owner=user)
        return TokenOut(
            id="t1", user=user, label=token.label, scopes=token.scopes, created=AT, expires=None, revoked=None,
            secret="once",
        )  # fmt: skip

    def revoke_token(self, who: Principal, token: str) -> None:
        """Forget a token."""
        raise NotFound(f"there is no token {token[:60]!r}")

    def quotas(self, who: Principal) -> list[QuotaOut]:
        """Return no quotas."""
        return []

    def put_quota(self, who: Principal, kind: str, subject: str, quota: QuotaIn) -> QuotaOut:
        """Return the quota as written."""
        access.check(who, "quota.put")
        return QuotaOut(kind=kind, subject=subject, **quota.model_dump())

    def delete_quota(self, who: Principal, kind: str, subject: str) -> None:
        """Forget a quota."""
        access.check(who, "quota.delete")


class Usage:
    """Nothing was used."""

    def report(
        self, who: Principal, *, start: str | None, end: str | None, by: str = "user", period: str | None = None,
        owner: str | None = None,
    ) -> UsageOut:  # fmt: skip
        """Return no lines."""
        access.check(who, "usage.report", owner=owner)
        return UsageOut(start=start or AT, end=end or AT, items=[])


class Webhooks:
    """Nobody is told."""

    def list(self, who: Principal) -> list[WebhookOut]:
        """Return none."""
        return []

    def add(self, who: Principal, webhook: WebhookIn) -> WebhookOut:
        """Return the webhook as written."""
        access.check(who, "webhook.add", owner=who.user)
        return WebhookOut(
            id=1, owner=who.user, created=AT, cursor=0, failures=0, disabled=False, secret="once",
            **webhook.model_dump(),
        )  # fmt: skip

    def remove(self, who: Principal, webhook: int) -> None:
        """There is none."""
        raise NotFound(f"there is no webhook {webhook}")


class FakeManager:
    """Everything together. ``guest`` is who anonymous callers are, None where they are not let in."""

    def __init__(self, guest: Principal | None = GUEST) -> None:
        self.journal = Journal()
        self.leases = Leases(self.journal)
        self.lease_desk = FakeLeaseDesk(self.leases.show)
        self.host_desk = FakeHostDesk()
        self.scheduling = FakeScheduling()
        self.vms = FakeVMs(self.leases.show)
        self.what_if = FakeWhatIf()
        self.planning = Planning(self.leases)
        self.recurrences = FakeRecurrences()
        self.hosts = HostService()
        self.system = System()
        self.accounts = Accounts(guest)
        self.usage = Usage()
        self.webhooks = Webhooks()
