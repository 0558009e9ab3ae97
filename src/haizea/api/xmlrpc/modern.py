"""The second family, in OpenNebula's style: a method for every verb that REST offers.

A session comes first, ``user:token``, or empty for whom the door let in. Names are ``haizea.THING.VERB``, and
``haizea.THINGpool.info`` for lists.
"""

from collections.abc import Sequence
from typing import Final

from haizea.api.xmlrpc.filters import LIMIT_MAX, EntryFilterIn, LeaseFilterIn, SpanIn, UsageFilterIn
from haizea.api.xmlrpc.methods import Family, Kind, Method, Parameter, Request
from haizea.api.xmlrpc.orders import ORDER_METHODS
from haizea.model.events import Observed
from haizea.service.errors import Invalid
from haizea.service.models import (
    EntryPage,
    GroupIn,
    LeaseChangeIn,
    LeaseRequestIn,
    QuotaIn,
    RecurrenceChangeIn,
    RecurrenceIn,
    TokenIn,
    UserIn,
    WebhookIn,
)
from haizea.service.order_models import TogetherIn

WAIT_S_MAX: Final = 25.0
"""Longest time that a call waits for news, in seconds."""

_MODERN: Final = Family.MODERN


def _observed(request: Request) -> object:
    lease, vm, state = request.arguments
    if state not in set(Observed):
        raise Invalid(f"state: there is no {state!r}", remedy=f"Send one of {', '.join(Observed)}.", field="state")
    request.manager.leases.observed(request.caller, lease, vm, Observed(state))
    return lease


def _wait(request: Request) -> EntryPage:
    """Return entries after a number: at once if there are any, else when there are, or when time is up."""
    after, limit, wait_s = request.arguments
    limit = min(max(limit, 1), LIMIT_MAX)
    journal = request.manager.journal
    page = journal.entries(request.caller, after=after, limit=limit)
    if not page.items and wait_s > 0:
        journal.wait(max(after, page.cursor), min(wait_s, WAIT_S_MAX))
        page = journal.entries(request.caller, after=after, limit=limit)
    return page


def _whoami(request: Request) -> dict[str, object]:
    who = request.caller
    return {"user": who.user, "role": who.role.label, "groups": who.groups, "scopes": who.scopes, "via": who.via}


def _delete(name: str, does: str, verb: str, what: Sequence[Parameter], says: str) -> Method:
    """Return a method that deletes; it answers true."""
    return Method(name, _MODERN, does, verb, tuple(what), "true", says, answers=lambda _: True, loop=True)


_ID: Final = Parameter("id", Kind.INT, "the lease's number")
_VERSION: Final = Parameter("version", Kind.INT, "only if it is still the lease's", to="version", default=None)
_DOCUMENT: Final = Parameter("document", Kind.STRUCT, "the request: `LeaseRequestIn`", model=LeaseRequestIn)
_SPAN: Final = Parameter("span", Kind.STRUCT, "from when until when: `SpanIn`", model=SpanIn, spread=True, default={})
_OFFER: Final = Parameter("id", Kind.STRING, "the offer's id")
_HOST: Final = Parameter("host", Kind.STRING, "the host's name or number")
_USER: Final = Parameter("name", Kind.STRING, "the user's name")
_GROUP: Final = Parameter("name", Kind.STRING, "the group's name")
_QUOTA: Final = (
    Parameter("kind", Kind.STRING, "`user`, `group`, or `default` for users without one of their own"),
    Parameter("subject", Kind.STRING, "whose: a name; empty for `default`"),
)
_LEASES: Final = Parameter(
    "filter", Kind.STRUCT, "which leases: `LeaseFilterIn`", model=LeaseFilterIn, spread=True, default={}
)
_ENTRIES: Final = Parameter(
    "filter", Kind.STRUCT, "which entries: `EntryFilterIn`", model=EntryFilterIn, spread=True, default={}
)
_USAGE: Final = Parameter(
    "filter", Kind.STRUCT, "which usage: `UsageFilterIn`", model=UsageFilterIn, spread=True, default={}
)

_LEASE_METHODS: Final[Sequence[Method]] = (
    Method(
        "haizea.lease.request", _MODERN, "leases.request", "lease.request",
        (_DOCUMENT, Parameter("key", Kind.STRING, "an idempotency key: the same one gives the same lease",
                              to="key", default=None)),
        "`LeaseOut`; a refused request is a lease in state `rejected`, with the reason",
        "Request a lease.", loop=True,
    ),
    Method(
        "haizea.lease.requesttogether", _MODERN, "leases.request_together", "lease.request",
        (Parameter("document", Kind.STRUCT, "the requests: `TogetherIn`", model=TogetherIn),
         Parameter("key", Kind.STRING, "an idempotency key: the same one gives the same leases",
                   to="key", default=None)),
        "`TogetherOut`", "Request leases that start together: all of them, or none.", loop=True,
    ),
    Method(
        "haizea.lease.requestxml", _MODERN, "leases.request_xml", "lease.request",
        (Parameter("xml", Kind.STRING, "the `lease` element of Haizea 1.x"),),
        "`LeaseOut`", "Request a lease by XML.", loop=True,
    ),
    Method("haizea.lease.info", _MODERN, "leases.show", "lease.show", (_ID,), "`LeaseOut`", "Show a lease."),
    Method(
        "haizea.lease.xml", _MODERN, "leases.xml", "lease.show", (_ID,), "its `lease` element, as text",
        "Show a lease as the XML of Haizea 1.x.",
    ),
    Method(
        "haizea.lease.timeline", _MODERN, "leases.timeline", "lease.timeline", (_ID,), "`TimelineOut`",
        "Tell what happened to a lease and what is planned.",
    ),
    Method(
        "haizea.lease.explain", _MODERN, "leases.explain", "lease.explain", (_ID,), "`ExplainOut`",
        "Tell why a lease is where it is.", loop=True,
    ),
    Method(
        "haizea.lease.cancel", _MODERN, "leases.cancel", "lease.cancel",
        (
            _ID,
            Parameter("reason", Kind.STRING, "why; it is kept in the journal", to="reason", default=""),
            Parameter("dry_run", Kind.BOOLEAN, "only tell what it would look like", to="dry_run", default=False),
            _VERSION,
        ),
        "`LeaseOut`", "Cancel a lease.", loop=True,
    ),
    Method(
        "haizea.lease.change", _MODERN, "leases.change", "lease.change",
        (
            _ID,
            Parameter("document", Kind.STRUCT, "what is to be different: `LeaseChangeIn`", model=LeaseChangeIn),
            _VERSION,
        ),
        "`LeaseOut`", "Change what a lease wishes for.", loop=True,
    ),
    Method(
        "haizea.lease.observed", _MODERN, _observed, "lease.observed",
        (
            _ID,
            Parameter("vm", Kind.INT, "the VM's number in the lease, from 1; 0: all of them"),
            Parameter("state", Kind.STRING, f"what it was seen to be: {', '.join(f'`{each}`' for each in Observed)}"),
        ),
        "the lease's number", "Report in what state a VM was seen.", loop=True,
    ),
    Method(
        "haizea.leasepool.info", _MODERN, "leases.list", "lease.list", (_LEASES,), "`LeasePage`", "List leases.",
    ),
    Method(
        "haizea.lease.dryrun", _MODERN, "planning.dry_run", "lease.dry-run", (_DOCUMENT,), "`VerdictOut`",
        "Tell what would become of a request: when, where, who would give way.", loop=True,
    ),
    Method(
        "haizea.lease.offers", _MODERN, "planning.offers", "offer.list",
        (_DOCUMENT, Parameter("hold", Kind.BOOLEAN, "hold them for a while, so that they can be accepted",
                              to="hold", default=False)),
        "`OffersOut`", "Tell what would become of a request, and what could be had instead.", loop=True,
    ),
    Method(
        "haizea.offer.accept", _MODERN, "planning.accept", "offer.accept", (_OFFER,), "`LeaseOut`",
        "Take an offer that is held.", loop=True,
    ),
    _delete("haizea.offer.decline", "planning.decline", "offer.decline", (_OFFER,), "Let go of an offer that is held."),
)  # fmt: skip

_RECURRENCE: Final = Parameter("id", Kind.INT, "the recurring reservation's number")

_RECURRENCE_METHODS: Final[Sequence[Method]] = (
    Method(
        "haizea.recurrencepool.info", _MODERN, "recurrences.list", "recurrence.list",
        (Parameter("ended", Kind.BOOLEAN, "those that are over too", to="ended", default=False),),
        "an array of `RecurrenceOut`", "List recurring reservations.",
    ),
    Method(
        "haizea.recurrence.info", _MODERN, "recurrences.show", "recurrence.list", (_RECURRENCE,), "`RecurrenceOut`",
        "Show a recurring reservation, with what became of each occurrence.",
    ),
    Method(
        "haizea.recurrence.add", _MODERN, "recurrences.add", "recurrence.add",
        (
            Parameter("document", Kind.STRUCT, "what recurs, and when: `RecurrenceIn`", model=RecurrenceIn),
            Parameter("dry_run", Kind.BOOLEAN, "only tell when it would recur", to="dry_run", default=False),
        ),
        "`RecurrenceOut`", "Add a recurring reservation.", loop=True,
    ),
    Method(
        "haizea.recurrence.change", _MODERN, "recurrences.change", "recurrence.change",
        (_RECURRENCE, Parameter("document", Kind.STRUCT, "which days: `RecurrenceChangeIn`", model=RecurrenceChangeIn)),
        "`RecurrenceOut`", "Leave days out of a recurring reservation, or take them in.", loop=True,
    ),
    Method(
        "haizea.recurrence.remove", _MODERN, "recurrences.remove", "recurrence.remove",
        (
            _RECURRENCE,
            Parameter("reason", Kind.STRING, "why; it is kept in the journal", to="reason", default=""),
            Parameter("dry_run", Kind.BOOLEAN, "only tell what would be cancelled", to="dry_run", default=False),
        ),
        "`RecurrenceOut`", "End a recurring reservation.", loop=True,
    ),
)  # fmt: skip

_SITE_METHODS: Final[Sequence[Method]] = (
    Method(
        "haizea.queue.info", _MODERN, "planning.queue", "queue.show", (), "`QueueOut`", "Show the queue.", loop=True,
    ),
    Method(
        "haizea.schedule.info", _MODERN, "planning.schedule", "schedule.show", (_SPAN,), "`ScheduleOut`",
        "Show what ran, runs and is planned on which host.",
    ),
    Method(
        "haizea.calendar.info", _MODERN, "planning.calendar", "calendar.show", (_SPAN,), "`CalendarOut`",
        "Show how much is free when.", loop=True,
    ),
    Method(
        "haizea.hostpool.info", _MODERN, "hosts.list", "host.list", (), "`HostsOut`", "List the hosts.", loop=True,
    ),
    Method(
        "haizea.host.info", _MODERN, "hosts.show", "host.show", (_HOST,), "`HostOut`", "Show a host.", loop=True,
    ),
    Method(
        "haizea.eventpool.info", _MODERN, "journal.entries", "event.list", (_ENTRIES,), "`EntryPage`",
        "Read the journal.",
    ),
    Method(
        "haizea.eventpool.wait", _MODERN, _wait, "event.list",
        (
            Parameter("after", Kind.INT, "the number of the last entry that is known: `cursor` of the page before"),
            Parameter("limit", Kind.INT, "how many at most", default=100),
            Parameter("wait", Kind.DOUBLE, f"how long to wait, in seconds, at most {WAIT_S_MAX:g}", default=WAIT_S_MAX),
        ),
        "`EntryPage`; empty where nothing happened", "Follow the journal: wait until there is something new.",
        waits=True,
    ),
    Method(
        "haizea.usage.info", _MODERN, "usage.report", "usage.report", (_USAGE,), "`UsageOut`", "Report what was used.",
    ),
    Method(
        "haizea.system.status", _MODERN, "system.status", "system.status", (), "`StatusOut`",
        "Tell how the daemon is.", loop=True,
    ),
    Method(
        "haizea.system.version", _MODERN, lambda request: request.manager.system.version(), "", (),
        "the version that runs", "Tell the version. Nobody has to be named.",
    ),
    Method(
        "haizea.system.policies", _MODERN, "system.policies", "policy.list", (), "an array of `PolicyOut`",
        "List the policies that can be chosen.",
    ),
    Method(
        "haizea.system.config", _MODERN, "system.configuration", "configuration.show", (),
        "a struct of the sections, each a struct of its options", "Show the settings in force.",
    ),
    Method(
        "haizea.system.whoami", _MODERN, _whoami, "system.status", (),
        "a struct: `user`, `role`, `groups`, `scopes`, `via`", "Tell whom the session stands for.",
    ),
)  # fmt: skip

_ACCOUNT_METHODS: Final[Sequence[Method]] = (
    Method("haizea.userpool.info", _MODERN, "accounts.users", "user.list", (), "an array of `UserOut`", "List users."),
    Method("haizea.user.info", _MODERN, "accounts.user", "user.show", (_USER,), "`UserOut`", "Show a user."),
    Method(
        "haizea.user.put", _MODERN, "accounts.put_user", "user.put",
        (_USER, Parameter("document", Kind.STRUCT, "the user: `UserIn`", model=UserIn)),
        "`UserOut`", "Add or change a user.", loop=True,
    ),
    _delete("haizea.user.delete", "accounts.delete_user", "user.delete", (_USER,), "Delete a user."),
    Method(
        "haizea.grouppool.info", _MODERN, "accounts.groups", "group.list", (), "an array of `GroupOut`",
        "List groups.",
    ),
    Method(
        "haizea.group.put", _MODERN, "accounts.put_group", "group.put",
        (_GROUP, Parameter("document", Kind.STRUCT, "the group: `GroupIn`", model=GroupIn, default={})),
        "`GroupOut`", "Add or change a group.", loop=True,
    ),
    _delete("haizea.group.delete", "accounts.delete_group", "group.delete", (_GROUP,), "Delete a group."),
    Method(
        "haizea.tokenpool.info", _MODERN, "accounts.tokens", "token.list",
        (Parameter("user", Kind.STRING, "whose; your own where it is left out", default=None),),
        "an array of `TokenOut`", "List tokens.",
    ),
    Method(
        "haizea.token.make", _MODERN, "accounts.make_token", "token.make",
        (Parameter("document", Kind.STRUCT, "the token: `TokenIn`", model=TokenIn, default={}),),
        "`TokenOut`, once with its `secret`", "Make a token.", loop=True,
    ),
    _delete(
        "haizea.token.revoke", "accounts.revoke_token", "token.revoke",
        (Parameter("id", Kind.STRING, "the token's id"),), "Make a token invalid.",
    ),
    Method(
        "haizea.quotapool.info", _MODERN, "accounts.quotas", "quota.list", (), "an array of `QuotaOut`",
        "List quotas, with what is used of them.",
    ),
    Method(
        "haizea.quota.put", _MODERN, "accounts.put_quota", "quota.put",
        (*_QUOTA, Parameter("document", Kind.STRUCT, "the limits: `QuotaIn`", model=QuotaIn)),
        "`QuotaOut`", "Set a quota.", loop=True,
    ),
    _delete("haizea.quota.delete", "accounts.delete_quota", "quota.delete", _QUOTA, "Remove a quota."),
    Method(
        "haizea.webhookpool.info", _MODERN, "webhooks.list", "webhook.list", (), "an array of `WebhookOut`",
        "List webhooks.",
    ),
    Method(
        "haizea.webhook.add", _MODERN, "webhooks.add", "webhook.add",
        (Parameter("document", Kind.STRUCT, "the webhook: `WebhookIn`", model=WebhookIn),),
        "`WebhookOut`, once with its `secret`", "Add a webhook.", loop=True,
    ),
    _delete(
        "haizea.webhook.remove", "webhooks.remove", "webhook.remove",
        (Parameter("id", Kind.INT, "the webhook's number"),), "Remove a webhook.",
    ),
)  # fmt: skip

MODERN_METHODS: Final[Sequence[Method]] = (
    *_LEASE_METHODS, *ORDER_METHODS, *_RECURRENCE_METHODS, *_SITE_METHODS, *_ACCOUNT_METHODS,
)  # fmt: skip
