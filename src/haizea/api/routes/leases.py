"""Leases: request, list, show, explain, cancel."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Header, Query

from haizea.api import examples
from haizea.api.facade import Leases
from haizea.api.preconditions import IfMatch, Precondition, Version
from haizea.api.routing import (
    Asked,
    Endpoint,
    Lanes,
    LeaseNumber,
    Limit,
    NameQuery,
    Offset,
    Reply,
    WhenQuery,
    page_links,
    router,
)
from haizea.service.fields import Name, Text
from haizea.service.models import (
    ExplainOut,
    LeaseChangeIn,
    LeaseOut,
    LeasePage,
    LeaseRequestIn,
    TimelineOut,
)
from haizea.service.order_models import TogetherIn, TogetherOut

COLUMNS: Final = "id|type|state|owner|group|name|vms|submitted|starts|ends|version"

RequestBody = Annotated[LeaseRequestIn, Body(openapi_examples=examples.REQUESTS)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Names this request for ever: sent again with the same key, it gives the same lease.",
    ),
]
States = Annotated[list[Name], Query(max_length=32, description="Only in one of these states.")]
Types = Annotated[list[Name], Query(max_length=32, description="Only of one of these types.")]
Order = Annotated[
    str, Query(pattern=rf"^-?({COLUMNS})$", description="The column to sort by; with - in front, descending.")
]


class LeaseRoutes:
    """Answers requests about leases."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def request_lease(self, asked: Asked, body: RequestBody, idempotency_key: Key = None) -> Reply:
        """The lease is kept before the answer comes.

        A request that is refused gives a lease in the state `rejected`, whose `reason` says why.
        """
        lease = self._leases.request(asked.who, body, key=idempotency_key)
        return Reply(lease, {"location": f"/v1/leases/{lease.id}"})

    def request_together(self, asked: Asked, body: TogetherIn, idempotency_key: Key = None) -> TogetherOut:
        """All are accepted, or the answer is 409 and none is kept.

        Those without a start of their own are reservations for the first instant at which all of them can be had.
        """
        return self._leases.request_together(asked.who, body, key=idempotency_key)

    def list_leases(
        self,
        asked: Asked,
        state: States = [],  # noqa: B006 - never changed
        type: Types = [],  # noqa: B006
        owner: NameQuery = None,
        group: NameQuery = None,
        name: NameQuery = None,
        active: Annotated[
            bool | None, Query(description="Only those that are not over, or only those that are.")
        ] = None,
        since: WhenQuery = None,
        until: WhenQuery = None,
        order: Order = "id",
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Reply:
        """Those that the caller may see. The header `Link` leads to the next part."""
        page = self._leases.list(
            asked.who,
            states=tuple(state),
            types=tuple(type),
            owner=owner,
            group=group,
            name=name,
            active=active,
            since=since,
            until=until,
            order=order,
            limit=limit,
            offset=offset,
        )
        return Reply(page, page_links(asked, total=page.total, limit=limit, offset=offset))

    def show_lease(self, asked: Asked, lease: LeaseNumber) -> LeaseOut:
        """Its `ETag` is the lease's version; with `If-None-Match` the answer is 304 while nothing has changed."""
        return self._leases.show(asked.who, lease)

    def cancel_lease(
        self,
        asked: Asked,
        lease: LeaseNumber,
        reason: Annotated[Text, Query()] = "",
        dry_run: Annotated[bool, Query(description="Only show what would become of it.")] = False,
        version: Version = None,
        if_match: IfMatch = None,
    ) -> LeaseOut:
        """Its VMs are shut down if it has begun."""
        with Precondition(if_match, version).version(lambda: self._leases.show(asked.who, lease)) as seen:
            return self._leases.cancel(asked.who, lease, reason=reason, dry_run=dry_run, version=seen)

    def change_lease(
        self,
        asked: Asked,
        lease: LeaseNumber,
        body: LeaseChangeIn,
        version: Version = None,
        if_match: IfMatch = None,
    ) -> LeaseOut:
        """What no plan depends on: its name, what it carries along, whether it may give way, what it wishes for."""
        with Precondition(if_match, version).version(lambda: self._leases.show(asked.who, lease)) as seen:
            return self._leases.change(asked.who, lease, body, version=seen)

    def show_timeline(self, asked: Asked, lease: LeaseNumber) -> TimelineOut:
        """What its VMs did, what they are planned to do, and the journal's entries about it."""
        return self._leases.timeline(asked.who, lease)

    def explain_lease(self, asked: Asked, lease: LeaseNumber) -> ExplainOut:
        """Why it is where it is, when it will start, what is in its way, and what could be had sooner."""
        return self._leases.explain(asked.who, lease)


def lease_routes(leases: Leases, lanes: Lanes) -> APIRouter:
    """Return the routes of leases."""
    on = LeaseRoutes(leases)
    page = {"total": 1, "limit": 100, "offset": 0, "items": [examples.LEASE]}
    timeline = {"lease": 17, "past": [], "plan": [examples.STAY], "entries": [examples.ENTRY]}
    return router(
        "leases",
        lanes,
        [
            Endpoint("POST", "/v1/leases", on.request_lease, LeaseOut, "Request a lease", examples.LEASE, 201),
            Endpoint(
                "POST",
                "/v1/leases/together",
                on.request_together,
                TogetherOut,
                "Request leases that start together",
                {"leases": [examples.LEASE, {**examples.LEASE, "id": 18}]},
                201,
            ),
            Endpoint("GET", "/v1/leases", on.list_leases, LeasePage, "List leases", page),
            Endpoint("GET", "/v1/leases/{lease}", on.show_lease, LeaseOut, "Show a lease", examples.LEASE),
            Endpoint("PATCH", "/v1/leases/{lease}", on.change_lease, LeaseOut, "Change a lease", examples.LEASE),
            Endpoint("DELETE", "/v1/leases/{lease}", on.cancel_lease, LeaseOut, "Cancel a lease"),
            Endpoint("GET", "/v1/leases/{lease}/timeline", on.show_timeline, TimelineOut, "Show its history", timeline),
            Endpoint("GET", "/v1/leases/{lease}/explanation", on.explain_lease, ExplainOut, "Explain its state"),
        ],
    )
