"""A lease manager of a few leases in memory, with the façade's signatures: what the front doors are tested against.

What the service refuses is refused here in a simple way, so that each kind of error comes up.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from haizea.api import examples
from haizea.api.facade import UsageBy, UsagePeriod
from haizea.model.events import Observed
from haizea.runtime.rows import WebhookRow
from haizea.service import access
from haizea.service.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
)
from haizea.service.figures import Distribution, Figures, Held
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
    SampleOut,
    ScheduleOut,
    StatusOut,
    TimelineOut,
    TokenIn,
    TokenOut,
    UsageLineOut,
    UsageOut,
    UserIn,
    UserOut,
    VerdictOut,
    WebhookIn,
    WebhookOut,
)
from haizea.service.order_models import TogetherIn, TogetherOut
from haizea.service.principal import Principal, Role
from tests.api.fake_orders import FakeHostDesk, FakeLeaseDesk, FakeScheduling, FakeVMs, FakeWhatIf
from tests.api.fake_recurrences import FakeRecurrences

WHEN: Final = "2026-11-25T13:00:00Z"
LEASE: Final = LeaseOut.model_validate(examples.LEASE)
VERDICT: Final = VerdictOut.model_validate(examples.VERDICT)
ADA: Final = Principal("ada", Role.USER, via="token", key="token:ada")
BOB: Final = Principal("bob", Role.USER, ("research",), via="token", key="token:bob")
ADMIN: Final = Principal("root", Role.ADMIN, via="token", key="token:root")
ANONYMOUS: Final = Principal("anonymous", Role.ADMIN, via="anonymous", key="anonymous")
TOKENS: Final = {"ada-token": ADA, "bob-token": BOB, "root-token": ADMIN}


class FakeLeases:
    """Leases in memory."""

    def __init__(self, journal: "FakeJournal") -> None:
        self.journal = journal
        self.kept: dict[int, LeaseOut] = {}
        self.keys: dict[tuple[str, str], tuple[LeaseRequestIn, int]] = {}
        self.lock = threading.Lock()
        self.pause_s = 0.0
        self.broken = False

    def request_together(self, who: Principal, wanted: TogetherIn, *, key: str | None = None) -> TogetherOut:
        """Keep leases that start together, without looking whether they do."""
        keys = [None if key is None else f"{key}-{number}" for number in range(len(wanted.leases))]
        asked = zip(wanted.leases, keys, strict=True)
        return TogetherOut(leases=[self.request(who, lease, key=each) for lease, each in asked])

    def request(self, who: Principal, request: LeaseRequestIn, *, key: str | None = None) -> LeaseOut:
        """Keep a lease; more than 1000 VMs are refused, more than 100 are over quota."""
        access.check(who, "lease.request", owner=who.user)
        time.sleep(self.pause_s)
        if self.broken:
            raise RuntimeError("secret inside")
        with self.lock:
            if key is not None and (who.user, key) in self.keys:
                before, lease = self.keys[who.user, key]
                if before != request:
                    raise Conflict("The key was used for another request.", code="key-reused")
                return self.kept[lease]
            vms = sum(nodes.count for nodes in request.nodes)
            if vms > 100:
                raise QuotaExceeded(f"{who.user} may hold 100 VMs.", facts={"limit": 100}, remedy="Ask for fewer VMs.")
            number = len(self.kept) + 1
            entry = self.journal.add("lease-requested", who.user, f"lease {number}", lease=number)
            self.kept[number] = LEASE.model_copy(
                update={
                    "id": number,
                    "owner": who.user,
                    "name": request.name,
                    "vms": vms,
                    "version": entry.number,
                    "state": "rejected" if vms > 50 else "scheduled",
                    "reason": ReasonOut(cause="capacity", text="There are 50 hosts.") if vms > 50 else None,
                }
            )
            if key is not None:
                self.keys[who.user, key] = (request, number)
            return self.kept[number]

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
        """Return leases that match."""
        access.check(who, "lease.list", owner=who.user)
        found = [
            lease
            for lease in self.kept.values()
            if (not states or lease.state in states)
            and (not types or lease.type in types)
            and owner in (None, lease.owner)
            and group in (None, lease.group)
            and name in (None, lease.name)
        ]
        found.sort(key=lambda lease: str(getattr(lease, order.lstrip("-"))).zfill(30), reverse=order.startswith("-"))
        return LeasePage(total=len(found), limit=limit, offset=offset, items=found[offset : offset + limit])

    def show(self, who: Principal, lease: int) -> LeaseOut:
        """Return a lease."""
        time.sleep(self.pause_s)
        if lease not in self.kept:
            raise NotFound(f"There is no lease {lease}.", code="no-such-lease")
        access.check(who, "lease.show", owner=self.kept[lease].owner)
        return self.kept[lease]

    def timeline(self, who: Principal, lease: int) -> TimelineOut:
        """Return the journal's entries about a lease."""
        self.show(who, lease)
        page = self.journal.entries(who, lease=lease)
        return TimelineOut(lease=lease, past=[], plan=[], entries=page.items)

    def change(self, who: Principal, lease: int, wanted: LeaseChangeIn, *, version: int | None = None) -> LeaseOut:
        """Call a lease something else."""
        shown = self.show(who, lease)
        access.check(who, "lease.change", owner=shown.owner, what=f"lease {lease}")
        return shown if wanted.name is None else shown.model_copy(update={"name": wanted.name})

    def cancel(
        self, who: Principal, lease: int, *, reason: str = "", dry_run: bool = False, version: int | None = None
    ) -> LeaseOut:
        """Cancel a lease once."""
        found = self.show(who, lease)
        access.check(who, "lease.cancel", owner=found.owner)
        if found.state == "cancelled":
            raise Conflict(f"Lease {lease} is over.", code="lease-over")
        cancelled = found.model_copy(update={"state": "cancelled"})
        if not dry_run:
            entry = self.journal.add("lease-cancel", who.user, reason or f"lease {lease}", lease=lease)
            cancelled = self.kept[lease] = cancelled.model_copy(update={"version": entry.number})
        return cancelled

    def observed(self, who: Principal, lease: int, vm: int, observed: Observed) -> None:
        """Report a VM of a lease that is there."""
        self.show(who, lease)

    def explain(self, who: Principal, lease: int) -> ExplainOut:
        """Explain a lease."""
        found = self.show(who, lease)
        return ExplainOut(
            lease=lease,
            state=found.state,
            text="It starts as planned.",
            reason=None,
            expected_start=found.starts,
            in_the_way=[],
            suggestions=[],
        )


class FakePlanning:
    """Plans that never change."""

    def __init__(self, leases: FakeLeases) -> None:
        self.leases = leases
        self.held: dict[str, LeaseRequestIn] = {}

    def dry_run(self, who: Principal, request: LeaseRequestIn) -> VerdictOut:
        """Accept everything."""
        if request.start == "yesterday":
            raise Invalid("The start is no instant.", field="start", code="bad-instant", remedy="Write ISO 8601.")
        return VERDICT

    def offers(self, who: Principal, request: LeaseRequestIn, *, hold: bool = False) -> OffersOut:
        """Offer the same, later."""
        number = f"offer{len(self.held) + 1}" if hold else None
        if number:
            self.held[number] = request
        offer = OfferOut(
            id=number,
            kind="later",
            text="An hour later",
            request=request,
            verdict=VERDICT,
            expires=WHEN if hold else None,
        )
        return OffersOut(verdict=VERDICT, offers=[offer])

    def accept(self, who: Principal, offer_id: str) -> LeaseOut:
        """Make a lease of an offer."""
        if offer_id not in self.held:
            raise NotFound(f"There is no offer {offer_id}.")
        return self.leases.request(who, self.held.pop(offer_id))

    def decline(self, who: Principal, offer_id: str) -> None:
        """Forget an offer."""
        if self.held.pop(offer_id, None) is None:
            raise NotFound(f"There is no offer {offer_id}.")

    def queue(self, who: Principal) -> QueueOut:
        """Return a queue of one."""
        item = QueueItemOut(
            position=1,
            lease=1,
            name="",
            owner="ada",
            vms=1,
            state="queued",
            submitted=WHEN,
            waiting_s=10.0,
            expected_start=None,
            reason=None,
        )
        return QueueOut(total=1, items=[item])

    def schedule(self, who: Principal, *, start: str | None, end: str | None) -> ScheduleOut:
        """Return an empty schedule."""
        return ScheduleOut(now=WHEN, start=start or WHEN, end=end or WHEN, hosts=["node1"], bars=[])

    def calendar(self, who: Principal, *, start: str | None, end: str | None) -> CalendarOut:
        """Return one step."""
        return CalendarOut(
            total={"CPU": 400}, samples=[SampleOut(at=start or WHEN, used={"CPU": 0}, free={"CPU": 400})]
        )


class FakeHosts:
    """Two hosts."""

    def list(self, who: Principal) -> HostsOut:
        """Return them."""
        return HostsOut(items=[self.show(who, "1"), self.show(who, "2")])

    def show(self, who: Principal, host: str) -> HostOut:
        """Return one."""
        if host.removeprefix("node") not in ("1", "2"):
            raise NotFound(f"There is no host {host[:50]}.")
        number = int(host.removeprefix("node"))
        capacity = {"CPU": 400, "Memory": 4096}
        return HostOut(
            id=number, name=f"node{number}", state="up", labels={}, capacity=capacity, used={"CPU": 0}, leases=[]
        )


class FakeJournal:
    """Entries in memory. Entries about leases of others are kept from users."""

    def __init__(self) -> None:
        self.kept: list[EntryOut] = []
        self.news = threading.Condition()

    def add(self, kind: str, actor: str, text: str, *, lease: int | None = None) -> EntryOut:
        """Append an entry."""
        with self.news:
            entry = EntryOut(
                number=len(self.kept) + 1, at=WHEN, kind=kind, lease=lease, host=None, actor=actor, text=text, data={}
            )
            self.kept.append(entry)
            self.news.notify_all()
            return entry

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
        """Return entries."""
        access.check(who, "event.list", owner=who.user)
        with self.news:
            found = [
                entry
                for entry in self.kept
                if entry.number > after
                and lease in (None, entry.lease)
                and host in (None, entry.host)
                and (not kinds or entry.kind in kinds)
                and (who.role >= Role.OPERATOR or entry.actor == who.user)
            ][:limit]
        return EntryPage(items=found, cursor=found[-1].number if found else after)

    def wait(self, after: int, timeout_s: float) -> int:
        """Wait for an entry."""
        with self.news:
            self.news.wait_for(lambda: len(self.kept) > after, timeout_s)
            return len(self.kept)


class FakeSystem:
    """A daemon that is well."""

    def __init__(self, leases: FakeLeases) -> None:
        self.leases = leases
        self.well = True

    def status(self, who: Principal) -> StatusOut:
        """Return that all is well."""
        return StatusOut(
            version="2.0",
            state="running",
            role="active",
            now=WHEN,
            started=WHEN,
            time_scale=1.0,
            hosts={"up": 2},
            leases={"scheduled": len(self.leases.kept)},
            queue=0,
            utilisation={"CPU": 0.0},
            next_event=None,
            entries=len(self.leases.journal.kept),
            warnings=[],
        )

    def version(self) -> str:
        """Return a version."""
        return "2.0"

    def policies(self, who: Principal) -> list[PolicyOut]:
        """Return one policy."""
        return [PolicyOut(kind="admission", name="accept-all", summary="All may be scheduled.", chosen=True)]

    def configuration(self, who: Principal) -> dict[str, Any]:
        """Return settings, to operators."""
        access.check(who, "configuration.show")
        return {"scheduling": {"backfilling": "aggressive"}}

    def healthy(self) -> tuple[bool, str]:
        """Whether it is well."""
        return self.well, "" if self.well else "the loop has stopped"

    def ready(self) -> tuple[bool, str]:
        """Whether it is well."""
        return self.well, "" if self.well else "the loop has stopped"

    def figures(self) -> Figures:
        """Return made-up figures."""
        taken = Distribution((0.01, 0.1), (3, 2, 1), 0.5)
        return Figures(
            leases={("scheduled", "AR"): len(self.leases.kept), ("queued", "best-effort"): 2},
            queue=2,
            queue_oldest_s=12.5,
            reservations={"kept": 5, "late": 1, "lost": 0},
            decisions=taken,
            commands={"start": taken},
            command_failures={"start": 1},
            capacity={"CPU": Held(800, 100, 200, 700)},
            hosts={"up": 2},
            loop_lag_s=0.002,
            transactions=taken,
            inbox=3,
            entries=len(self.leases.journal.kept),
            active=True,
        )


class FakeAccounts:
    """Three users with a token each."""

    def __init__(self) -> None:
        self.tokens_valid = dict(TOKENS)
        self.peers: dict[int, Principal] = {}
        self.anonymous_as: Principal | None = None
        self.asked = 0
        self.known: dict[str, UserOut] = {}
        self.limits: dict[tuple[str, str], QuotaOut] = {}

    def by_token(self, secret: str) -> Principal:
        """Return whose token this is."""
        self.asked += 1
        if secret not in self.tokens_valid:
            raise Unauthenticated("The token is not known.")
        return self.tokens_valid[secret]

    def by_peer(self, uid: int) -> Principal:
        """Return who a Unix user is."""
        self.asked += 1
        if uid not in self.peers:
            raise Unauthenticated(f"Unix user {uid} is no user here.")
        return self.peers[uid]

    def anonymous(self) -> Principal:
        """Return nobody in particular."""
        if self.anonymous_as is None:
            raise Unauthenticated("Say who you are.")
        return self.anonymous_as

    def users(self, who: Principal) -> list[UserOut]:
        """Return users."""
        access.check(who, "user.list")
        return list(self.known.values())

    def user(self, who: Principal, name: str) -> UserOut:
        """Return a user."""
        if name not in self.known:
            raise NotFound("There is no such user.")
        return self.known[name]

    def put_user(self, who: Principal, name: str, wanted: UserIn) -> UserOut:
        """Keep a user."""
        access.check(who, "user.put")
        self.known[name] = UserOut(name=name, created=WHEN, **wanted.model_dump())
        return self.known[name]

    def delete_user(self, who: Principal, name: str) -> None:
        """Forget a user."""
        self.user(who, name)
        del self.known[name]

    def groups(self, who: Principal) -> list[GroupOut]:
        """Return one group."""
        return [GroupOut(name="research", note="", created=WHEN, members=["bob"])]

    def put_group(self, who: Principal, name: str, wanted: GroupIn) -> GroupOut:
        """Return what would be kept."""
        return GroupOut(name=name, note=wanted.note, created=WHEN, members=[])

    def delete_group(self, who: Principal, name: str) -> None:
        """Refuse."""
        raise NotFound("There is no such group.")

    def tokens(self, who: Principal, user: str | None = None) -> list[TokenOut]:
        """Return tokens."""
        return [self._token(secret) for secret in self.tokens_valid]

    def make_token(self, who: Principal, wanted: TokenIn) -> TokenOut:
        """Make one for the caller."""
        secret = f"made-{len(self.tokens_valid)}"
        self.tokens_valid[secret] = who
        return self._token(secret).model_copy(update={"secret": secret})

    def revoke_token(self, who: Principal, token: str) -> TokenOut:
        """Revoke one."""
        if token not in self.tokens_valid:
            raise NotFound("There is no such token.")
        shown = self._token(token)
        del self.tokens_valid[token]
        return shown

    def _token(self, secret: str) -> TokenOut:
        return TokenOut(
            id=secret,
            user=self.tokens_valid[secret].user,
            label="",
            scopes=[],
            created=WHEN,
            expires=None,
            revoked=None,
        )

    def quotas(self, who: Principal) -> list[QuotaOut]:
        """Return quotas."""
        return list(self.limits.values())

    def put_quota(self, who: Principal, kind: str, subject: str, wanted: QuotaIn) -> QuotaOut:
        """Keep a quota."""
        self.limits[kind, subject] = QuotaOut(kind=kind, subject=subject, **wanted.model_dump())
        return self.limits[kind, subject]

    def delete_quota(self, who: Principal, kind: str, subject: str) -> None:
        """Forget a quota."""
        if self.limits.pop((kind, subject), None) is None:
            raise NotFound("There is no such quota.")


class FakeUsage:
    """Usage that is always the same."""

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
        """Return one line."""
        line = UsageLineOut(
            subject=owner or "ada",
            period=period or "",
            leases=1,
            vm_hours=1.0,
            core_hours=1.0,
            memory_gib_hours=1.0,
            lost_core_hours=0.0,
        )
        return UsageOut(start=start or WHEN, end=end or WHEN, items=[line])


class FakeWebhooks:
    """Webhooks in memory."""

    def __init__(self) -> None:
        self.kept: dict[int, WebhookRow] = {}
        self.notes: list[tuple[int, int, int, bool]] = []

    def list(self, who: Principal) -> list[WebhookOut]:
        """Return them."""
        return [_shown(row) for row in self.kept.values()]

    def add(self, who: Principal, wanted: WebhookIn) -> WebhookOut:
        """Keep one."""
        if not wanted.url.startswith("http"):
            raise Invalid("The URL is no URL of the web.", field="url")
        number = len(self.kept) + 1
        row = WebhookRow(number, who.user, wanted.url, "s3cret", tuple(wanted.kinds), 0, 0, 0, False)
        self.kept[number] = row
        return _shown(row).model_copy(update={"secret": row.secret})

    def remove(self, who: Principal, webhook: int) -> None:
        """Forget one."""
        if webhook not in self.kept:
            raise NotFound("There is no such webhook.")
        if self.kept[webhook].owner != who.user:
            raise Forbidden("It is another's.")
        del self.kept[webhook]

    def rows(self) -> "list_[WebhookRow]":
        """Return them as they are kept."""
        return [*self.kept.values()]

    def note(self, webhook: int, *, cursor: int, failures: int, disabled: bool = False) -> None:
        """Keep how far one is."""
        self.notes.append((webhook, cursor, failures, disabled))
        if webhook in self.kept:
            row = self.kept[webhook]
            self.kept[webhook] = row._replace(cursor=cursor, failures=failures, disabled=disabled)


# The class has a method of that name.
list_ = list


def _shown(row: WebhookRow) -> WebhookOut:
    return WebhookOut(
        id=row.id,
        owner=row.owner,
        url=row.url,
        kinds=list(row.kinds),
        created=WHEN,
        cursor=row.cursor,
        failures=row.failures,
        disabled=row.disabled,
    )


class FakeManager:
    """All of it."""

    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.leases = FakeLeases(self.journal)
        self.lease_desk = FakeLeaseDesk(self.leases.show)
        self.host_desk = FakeHostDesk()
        self.scheduling = FakeScheduling()
        self.vms = FakeVMs(self.leases.show)
        self.what_if = FakeWhatIf()
        self.planning = FakePlanning(self.leases)
        self.recurrences = FakeRecurrences()
        self.hosts = FakeHosts()
        self.system = FakeSystem(self.leases)
        self.accounts = FakeAccounts()
        self.usage = FakeUsage()
        self.webhooks = FakeWebhooks()


class StuckJournal(FakeJournal):
    """A journal that cannot be read."""

    def wait(self, after: int, timeout_s: float) -> int:
        """Fail."""
        raise Unavailable("The store cannot be reached.")
