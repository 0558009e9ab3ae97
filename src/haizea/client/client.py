"""Every call of the REST API as a method. Answers are dictionaries of the shapes in :mod:`haizea.client.shapes`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import sleep
from types import TracebackType
from typing import Any, Final, Self, cast

from haizea.client import shapes
from haizea.client.addresses import Address, parse_address
from haizea.client.calls import Calls, part
from haizea.client.order_shapes import Together
from haizea.client.orders import OrderCalls

TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 256 << 20
PAGE: Final = 500


class Client(OrderCalls):
    """A client of one server. Keeps its connection; not for several threads at once.

    Every method raises :class:`~haizea.client.errors.HaizeaError`: ``ClientError`` where the server refuses,
    ``ServerGone``, ``TimedOut`` and others where no answer comes.
    """

    def __init__(
        self,
        server: str | Address,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        cafile: str | None = None,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        """Name the server, ``unix:///path``, ``http://host:port`` or ``https://host:port``, and who asks.

        A call ends with ``TimedOut`` after ``timeout_s`` seconds. ``cafile`` holds the certificates that the server's
        must come from, where they are not the system's.

        Raises:
            BadAddress: the address makes no sense, or a token would travel over the network unencrypted.
        """
        self.address = parse_address(server) if isinstance(server, str) else server
        self._pause = pause
        self._calls = Calls(
            self.address, token, timeout_s=timeout_s, answer_bytes_max=answer_bytes_max, cafile=cafile, pause=pause
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; a later call makes a new one."""
        self._calls.close()

    # Leases --------------------------------------------------------------------------------------------------

    def request_lease(self, request: Mapping[str, Any], *, key: str | None = None) -> shapes.Lease:
        """Request a lease; a refused one comes back in the state ``rejected`` with its reason.

        ``key`` names the request for all time: the same key gives the same lease, not a second one. One is made up
        where none is given, so that repeating the call after a broken connection does no harm.
        """
        return cast("shapes.Lease", self._document("POST", "/v1/leases", body=dict(request), key=key or _new_key()))

    def request_together(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        reason: str = "",
        key: str | None = None,
        dry_run: bool = False,
    ) -> list[shapes.Lease]:
        """Request leases that start together; refused with ``ClientError`` unless all of them can be had.

        ``key`` is as for :meth:`request_lease`. With ``dry_run`` nothing is kept, and they have no numbers.
        """
        body: dict[str, Any] = {"leases": [dict(request) for request in requests], "reason": reason}
        if dry_run:
            body["dry_run"] = True
        found = self._document("POST", "/v1/leases/together", body=body, key=key or _new_key())
        return cast("Together", found)["leases"]

    def leases(
        self,
        *,
        states: Iterable[str] = (),
        types: Iterable[str] = (),
        owner: str | None = None,
        group: str | None = None,
        name: str | None = None,
        active: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        order: str = "id",
        limit: int = 100,
        offset: int = 0,
    ) -> shapes.LeasePage:
        """Return part of the leases that match."""
        query = {
            "state": tuple(states), "type": tuple(types), "owner": owner, "group": group, "name": name,
            "active": active, "since": since, "until": until, "order": order, "limit": limit, "offset": offset,
        }  # fmt: skip
        return cast("shapes.LeasePage", self._document("GET", "/v1/leases", query))

    def all_leases(self, *, most: int | None = None, **wanted: Any) -> Iterator[shapes.Lease]:
        """Yield all leases that match, page by page, at most ``most``; arguments as for :meth:`leases`.

        A lease that moves from one page to another in the meantime comes once.
        """
        seen: set[int] = set()
        offset = 0
        while most is None or len(seen) < most:
            page = self.leases(**wanted, limit=PAGE if most is None else min(PAGE, most - len(seen)), offset=offset)
            for lease in page["items"]:
                if lease["id"] not in seen:
                    seen.add(lease["id"])
                    yield lease
            offset += len(page["items"])
            if not page["items"] or offset >= page["total"]:
                return

    def lease(self, lease: int) -> shapes.Lease:
        """Return a lease."""
        return cast("shapes.Lease", self._document("GET", f"/v1/leases/{part(lease)}"))

    def cancel_lease(
        self, lease: int, *, reason: str = "", dry_run: bool = False, version: int | None = None
    ) -> shapes.Lease:
        """Cancel a lease, or say what it would be like; with ``version``, only if it is still of that version."""
        query = {"reason": reason or None, "dry_run": dry_run or None, "version": version}
        return cast("shapes.Lease", self._document("DELETE", f"/v1/leases/{part(lease)}", query))

    def change_lease(self, lease: int, wanted: Mapping[str, Any], *, version: int | None = None) -> shapes.Lease:
        """Change what a lease wishes for; with ``version``, only if it is still of that version."""
        query = {"version": version}
        return cast("shapes.Lease", self._document("PATCH", f"/v1/leases/{part(lease)}", query, body=dict(wanted)))

    def timeline(self, lease: int) -> shapes.Timeline:
        """Return what happened to a lease and what is planned."""
        return cast("shapes.Timeline", self._document("GET", f"/v1/leases/{part(lease)}/timeline"))

    def explanation(self, lease: int) -> shapes.Explanation:
        """Return why a lease is where it is."""
        return cast("shapes.Explanation", self._document("GET", f"/v1/leases/{part(lease)}/explanation"))

    # Planning ------------------------------------------------------------------------------------------------

    def dry_run(self, request: Mapping[str, Any]) -> shapes.Verdict:
        """Return what would become of a request."""
        return cast("shapes.Verdict", self._document("POST", "/v1/dry-run", body=dict(request)))

    def offers(self, request: Mapping[str, Any], *, hold: bool = False) -> shapes.Offers:
        """Return what could be had instead of a request that is refused; with ``hold``, kept for a few minutes."""
        return cast("shapes.Offers", self._document("POST", "/v1/offers", {"hold": hold}, body=dict(request)))

    def accept_offer(self, offer: str) -> shapes.Lease:
        """Take an offer that is held."""
        return cast("shapes.Lease", self._document("POST", f"/v1/offers/{part(offer)}/accept"))

    def decline_offer(self, offer: str) -> None:
        """Let go of an offer that is held."""
        self._calls.json("DELETE", f"/v1/offers/{part(offer)}")

    def queue(self) -> shapes.Queue:
        """Return the queue."""
        return cast("shapes.Queue", self._document("GET", "/v1/queue"))

    def schedule(self, start: str | None = None, end: str | None = None) -> shapes.Schedule:
        """Return what ran, runs and is planned to run, by host."""
        return cast("shapes.Schedule", self._document("GET", "/v1/schedule", {"start": start, "end": end}))

    def calendar(self, start: str | None = None, end: str | None = None) -> shapes.Calendar:
        """Return how much is free over time."""
        return cast("shapes.Calendar", self._document("GET", "/v1/calendar", {"start": start, "end": end}))

    # Hosts, events, the daemon -------------------------------------------------------------------------------

    def hosts(self) -> list[shapes.Host]:
        """Return the hosts."""
        return cast("list[shapes.Host]", self._items("/v1/hosts"))

    def host(self, host: str | int) -> shapes.Host:
        """Return a host, by name or number."""
        return cast("shapes.Host", self._document("GET", f"/v1/hosts/{part(host)}"))

    def events(
        self,
        after: int = 0,
        *,
        limit: int = 100,
        lease: int | None = None,
        kinds: Iterable[str] = (),
        host: str | None = None,
    ) -> shapes.EntryPage:
        """Return journal entries with numbers above ``after``, in order."""
        query = {"after": after, "limit": limit, "lease": lease, "kind": tuple(kinds), "host": host}
        return cast("shapes.EntryPage", self._document("GET", "/v1/events", query))

    def all_events(self, after: int = 0, **wanted: Any) -> Iterator[shapes.Entry]:
        """Yield all journal entries that match and are there now, page by page; arguments as for :meth:`events`."""
        while True:
            page = self.events(after, **{**wanted, "limit": PAGE})
            yield from page["items"]
            # A page may have nothing that one may see, and the next one something.
            if page["cursor"] <= after:
                return
            after = page["cursor"]

    def follow(
        self,
        after: int | None = None,
        *,
        lease: int | None = None,
        kinds: Iterable[str] = (),
        host: str | None = None,
        idle_s: float = 15.0,
        give_up_s: float = 300.0,
    ) -> Iterator[shapes.Entry | None]:
        """Yield journal entries as they come, for ever; None at least every ``idle_s`` seconds where none came.

        Begins after the entry ``after``, or now: what happens after the first None is not missed. A broken connection
        is mended without losing or repeating an entry; where that does not succeed for ``give_up_s`` seconds, the
        error is raised.
        """
        from haizea.client.events import follow

        query = {"lease": lease, "kind": tuple(kinds), "host": host}
        return follow(
            self._calls, "/v1/events/stream", query, after, idle_s=idle_s, give_up_s=give_up_s, pause=self._pause
        )

    def status(self) -> shapes.Status:
        """Return how the daemon is."""
        return cast("shapes.Status", self._document("GET", "/v1/status"))

    def version(self) -> str:
        """Return the server's version."""
        found = self._calls.json("GET", "/v1/version")
        return str(found.get("version", "")) if isinstance(found, dict) else str(found)

    def policies(self) -> list[shapes.Policy]:
        """Return the policies that can be chosen."""
        return cast("list[shapes.Policy]", self._items("/v1/policies"))

    def configuration(self) -> dict[str, Any]:
        """Return the settings in effect."""
        return cast("dict[str, Any]", self._document("GET", "/v1/configuration"))

    def whoami(self) -> dict[str, Any]:
        """Return whom the server takes the caller for."""
        return cast("dict[str, Any]", self._document("GET", "/v1/whoami"))

    def usage(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        by: str = "user",
        period: str | None = None,
        owner: str | None = None,
    ) -> shapes.Usage:
        """Return usage between two instants ``by`` user, group or lease, for each ``period`` (day, week, month)."""
        query = {"start": start, "end": end, "by": by, "period": period, "owner": owner}
        return cast("shapes.Usage", self._document("GET", "/v1/usage", query))

    # Accounts ------------------------------------------------------------------------------------------------

    def users(self) -> list[shapes.User]:
        """Return the users."""
        return cast("list[shapes.User]", self._items("/v1/users"))

    def user(self, name: str) -> shapes.User:
        """Return a user."""
        return cast("shapes.User", self._document("GET", f"/v1/users/{part(name)}"))

    def put_user(self, name: str, user: Mapping[str, Any]) -> shapes.User:
        """Make or change a user."""
        return cast("shapes.User", self._document("PUT", f"/v1/users/{part(name)}", body=dict(user)))

    def delete_user(self, name: str) -> None:
        """Delete a user."""
        self._calls.json("DELETE", f"/v1/users/{part(name)}")

    def groups(self) -> list[shapes.Group]:
        """Return the groups."""
        return cast("list[shapes.Group]", self._items("/v1/groups"))

    def put_group(self, name: str, group: Mapping[str, Any]) -> shapes.Group:
        """Make or change a group."""
        return cast("shapes.Group", self._document("PUT", f"/v1/groups/{part(name)}", body=dict(group)))

    def delete_group(self, name: str) -> None:
        """Delete a group."""
        self._calls.json("DELETE", f"/v1/groups/{part(name)}")

    def tokens(self, user: str | None = None) -> list[shapes.Token]:
        """Return tokens, without their secrets."""
        return cast("list[shapes.Token]", self._items("/v1/tokens", {"user": user}))

    def make_token(self, token: Mapping[str, Any]) -> shapes.Token:
        """Make a token; its secret is in this answer and in no other."""
        return cast("shapes.Token", self._document("POST", "/v1/tokens", body=dict(token)))

    def revoke_token(self, token: str) -> None:
        """Make a token worthless."""
        self._calls.json("DELETE", f"/v1/tokens/{part(token)}")

    def quotas(self) -> list[shapes.Quota]:
        """Return the quotas."""
        return cast("list[shapes.Quota]", self._items("/v1/quotas"))

    def put_quota(self, kind: str, subject: str, quota: Mapping[str, Any]) -> shapes.Quota:
        """Set the quota of a ``user`` or ``group``, or the ``default`` (whose subject is empty)."""
        return cast("shapes.Quota", self._document("PUT", _quota(kind, subject), body=dict(quota)))

    def delete_quota(self, kind: str, subject: str) -> None:
        """Delete a quota."""
        self._calls.json("DELETE", _quota(kind, subject))

    def webhooks(self) -> list[shapes.Webhook]:
        """Return the webhooks."""
        return cast("list[shapes.Webhook]", self._items("/v1/webhooks"))

    def add_webhook(self, webhook: Mapping[str, Any]) -> shapes.Webhook:
        """Add a webhook; its secret is in this answer and in no other."""
        return cast("shapes.Webhook", self._document("POST", "/v1/webhooks", body=dict(webhook)))

    def remove_webhook(self, webhook: int) -> None:
        """Remove a webhook."""
        self._calls.json("DELETE", f"/v1/webhooks/{part(webhook)}")

    def recurrences(self, *, ended: bool = False) -> list[shapes.Recurrence]:
        """Return the recurring reservations; with ``ended`` those that are over too."""
        return cast("list[shapes.Recurrence]", self._items("/v1/recurrences", {"ended": ended}))

    def recurrence(self, recurrence: int) -> shapes.Recurrence:
        """Return a recurring reservation."""
        return cast("shapes.Recurrence", self._document("GET", f"/v1/recurrences/{part(recurrence)}"))

    def add_recurrence(self, recurrence: Mapping[str, Any], *, dry_run: bool = False) -> shapes.Recurrence:
        """Add a recurring reservation, or only learn when it would recur."""
        query = {"dry_run": dry_run}
        return cast("shapes.Recurrence", self._document("POST", "/v1/recurrences", query, body=dict(recurrence)))

    def change_recurrence(self, recurrence: int, changes: Mapping[str, Any]) -> shapes.Recurrence:
        """Leave days out of a recurring reservation, or take them in."""
        path = f"/v1/recurrences/{part(recurrence)}"
        return cast("shapes.Recurrence", self._document("PATCH", path, body=dict(changes)))

    def remove_recurrence(self, recurrence: int, *, reason: str = "", dry_run: bool = False) -> shapes.Recurrence:
        """End a recurring reservation; its leases that have not begun are cancelled, or would be."""
        query = {"reason": reason, "dry_run": dry_run or None}
        path = f"/v1/recurrences/{part(recurrence)}"
        return cast("shapes.Recurrence", self._document("DELETE", path, query))


def _quota(kind: str, subject: str) -> str:
    return f"/v1/quotas/{part(kind)}/{part(subject)}" if subject else f"/v1/quotas/{part(kind)}"


def _new_key() -> str:
    from os import urandom

    return urandom(16).hex()
