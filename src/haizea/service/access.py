"""Who may do what: one table of verbs, and the one check that every front end passes.

A verb has a least role for things of one's own and a least role for things of others. A token may narrow that down
by scopes, never widen it. Nothing here is stored: what a user is and has comes with the :class:`Principal`.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from haizea.service.errors import Forbidden, NotFound, ServiceError
from haizea.service.principal import Principal, Role


class Scope(IntEnum):
    """What a token may be limited to; each includes those before it."""

    READ = 0
    LEASE = 1
    OPERATE = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The scope as it is written."""
        return self.name.lower()


class Group(Enum):
    """What the group of a thing means for a verb."""

    NOTHING = "nothing"
    SHARES = "its members may do it as if the thing were their own"
    ADMITS = "only its members may have things booked on it"


class Rule(NamedTuple):
    """Who may carry out a verb: the least role for one's own things, and for those of others or of nobody.

    ``seen_by`` is the verb by which the thing is seen: to whom may not see it, it does not exist.
    """

    own: Role
    others: Role
    scope: Scope
    says: str
    seen_by: str = ""
    group: Group = Group.NOTHING


_VIEWER, _USER, _OPERATOR, _ADMIN = Role
_READ, _LEASE, _OPERATE, _ACCOUNT = Scope


def _change(says: str, others: Role = _OPERATOR, own: Role = _USER) -> Rule:
    return Rule(own, others, _LEASE if own < _OPERATOR else _OPERATE, says, seen_by="lease.show")


def _operate(says: str) -> Rule:
    return Rule(_OPERATOR, _OPERATOR, _OPERATE, says)


VERBS: Final[Mapping[str, Rule]] = {
    "lease.request": Rule(_USER, _OPERATOR, _LEASE, "request a lease", group=Group.ADMITS),
    "lease.list": Rule(_VIEWER, _VIEWER, _READ, "list leases"),
    "lease.show": Rule(_VIEWER, _VIEWER, _READ, "see a lease"),
    "lease.extra": Rule(_VIEWER, _OPERATOR, _READ, "see the names and values that a lease carries along"),
    "lease.timeline": Rule(_VIEWER, _VIEWER, _READ, "see what happened to a lease"),
    "lease.explain": Rule(_VIEWER, _VIEWER, _READ, "ask why a lease is where it is"),
    "lease.cancel": _change("cancel a lease"),
    "lease.change": _change("change what a lease wishes for"),
    "lease.observed": _change("report in which state a VM of a lease was seen"),
    "lease.dry-run": Rule(_USER, _OPERATOR, _READ, "ask what would become of a request", group=Group.ADMITS),
    "offer.list": Rule(_USER, _OPERATOR, _READ, "ask for alternatives to a request", group=Group.ADMITS),
    "offer.hold": Rule(_USER, _OPERATOR, _LEASE, "have alternatives held", group=Group.ADMITS),
    "offer.show": Rule(_USER, _OPERATOR, _READ, "see an offer that is held"),
    "offer.accept": Rule(_USER, _OPERATOR, _LEASE, "accept an offer", seen_by="offer.show"),
    "offer.decline": Rule(_USER, _OPERATOR, _LEASE, "decline an offer", seen_by="offer.show"),
    "queue.show": Rule(_VIEWER, _VIEWER, _READ, "see the queue"),
    "schedule.show": Rule(_VIEWER, _VIEWER, _READ, "see the schedule"),
    "calendar.show": Rule(_VIEWER, _VIEWER, _READ, "see what is free, and when"),
    "host.list": Rule(_VIEWER, _VIEWER, _READ, "list hosts"),
    "host.show": Rule(_VIEWER, _VIEWER, _READ, "see a host"),
    "event.list": Rule(_VIEWER, _VIEWER, _READ, "read and follow the journal"),
    "event.account": Rule(_ADMIN, _ADMIN, _READ, "read what the journal says of accounts"),
    "event.refusal": Rule(_VIEWER, _OPERATOR, _READ, "read which orders were refused"),
    "system.status": Rule(_VIEWER, _VIEWER, _READ, "see how the daemon is"),
    "system.metrics": Rule(_VIEWER, _VIEWER, _READ, "read the figures for monitoring"),
    "policy.list": Rule(_VIEWER, _VIEWER, _READ, "list policies"),
    "configuration.show": Rule(_OPERATOR, _OPERATOR, _READ, "see the configuration"),
    "user.list": Rule(_OPERATOR, _OPERATOR, _READ, "list users"),
    "user.show": Rule(_VIEWER, _OPERATOR, _READ, "see a user"),
    "user.put": Rule(_ADMIN, _ADMIN, _ACCOUNT, "add or change a user", seen_by="user.show"),
    "user.delete": Rule(_ADMIN, _ADMIN, _ACCOUNT, "delete a user", seen_by="user.show"),
    "group.list": Rule(_OPERATOR, _OPERATOR, _READ, "see a group", group=Group.SHARES),
    "group.put": Rule(_ADMIN, _ADMIN, _ACCOUNT, "add or change a group"),
    "group.delete": Rule(_ADMIN, _ADMIN, _ACCOUNT, "delete a group"),
    "token.list": Rule(_VIEWER, _ADMIN, _READ, "list tokens"),
    "token.make": Rule(_VIEWER, _ADMIN, _ACCOUNT, "make a token"),
    "token.revoke": Rule(_VIEWER, _ADMIN, _ACCOUNT, "revoke a token", seen_by="token.list"),
    "quota.list": Rule(_VIEWER, _OPERATOR, _READ, "see a quota and what is used of it", group=Group.SHARES),
    "quota.put": Rule(_ADMIN, _ADMIN, _ACCOUNT, "set a quota"),
    "quota.delete": Rule(_ADMIN, _ADMIN, _ACCOUNT, "delete a quota"),
    "usage.report": Rule(_VIEWER, _OPERATOR, _READ, "see what was used"),
    "webhook.list": Rule(_USER, _OPERATOR, _READ, "list webhooks"),
    "webhook.add": Rule(_USER, _OPERATOR, _OPERATE, "add a webhook"),
    "webhook.remove": Rule(_USER, _OPERATOR, _OPERATE, "remove a webhook", seen_by="webhook.list"),
    "lease.annotate": _change("annotate a lease"),
    "lease.extend": _change("give a lease more time"),
    "lease.shorten": _change("give a lease less time"),
    "lease.move": _change("move the start of a reservation"),
    "lease.resize": _change("change the VMs of a lease"),
    "lease.suspend": _change("suspend a lease"),
    "lease.resume": _change("resume a lease"),
    "lease.pause": _change("pause a lease, which keeps its capacity"),
    "lease.unpause": _change("let a paused lease go on"),
    "lease.hold": _change("hold a lease back"),
    "lease.release": _change("release a lease that is held back"),
    "lease.requeue": _change("put a lease back into the queue"),
    "lease.restart": _change("start a lease over"),
    "lease.terminate": _change("end a lease now"),
    "lease.give": _change("give a lease to another owner", own=_OPERATOR),
    "lease.prioritise": _change("change a lease's priority", own=_OPERATOR),
    "lease.top": _change("move a lease to the top of the queue", own=_OPERATOR),
    "lease.bottom": _change("move a lease to the bottom of the queue"),
    "lease.migrate": _change("migrate a lease", own=_OPERATOR),
    "lease.recover": _change("say what became of a lease", own=_OPERATOR),
    "lease.adopt": _operate("take VMs nobody knows as a lease"),
    "vm.stop": _change("stop one VM of a lease"),
    "vm.restart": _change("restart one VM of a lease"),
    "host.drain": _operate("let a host run empty"),
    "host.evacuate": _operate("empty a host now"),
    "host.enable": _operate("enable a host"),
    "host.disable": _operate("disable a host"),
    "host.down": _operate("mark a host as down"),
    "host.maintain": _operate("plan maintenance of hosts"),
    "host.label": _operate("label a host"),
    "host.overcommit": _operate("change how far a host is overcommitted"),
    "host.add": _operate("add a host"),
    "host.remove": _operate("remove a host"),
    "intake.pause": _operate("take no requests"),
    "intake.resume": _operate("take requests again"),
    "scheduler.pause": _operate("pause scheduling"),
    "scheduler.resume": _operate("resume scheduling"),
    "scheduler.replan": _operate("plan anew"),
    "scheduler.configure": _operate("change policies and rates"),
    "scheduler.reconcile": _operate("compare with the platform, and mend"),
    "scheduler.diff": Rule(_OPERATOR, _OPERATOR, _READ, "see what is desired beside what is observed"),
    "scheduler.simulate": Rule(_OPERATOR, _OPERATOR, _READ, "try something on a copy"),
    "recurrence.list": Rule(_VIEWER, _VIEWER, _READ, "list recurring reservations", group=Group.SHARES),
    "recurrence.add": Rule(_USER, _OPERATOR, _LEASE, "add a recurring reservation", group=Group.ADMITS),
    "recurrence.change": Rule(_USER, _OPERATOR, _LEASE, "change a recurring reservation", seen_by="recurrence.list"),
    "recurrence.remove": Rule(_USER, _OPERATOR, _LEASE, "remove a recurring reservation", seen_by="recurrence.list"),
}
"""Every verb. A verb that is asked for and not here is a fault of the program, and raises KeyError."""


def check(who: Principal, verb: str, *, owner: str | None = None, group: str | None = None, what: str = "") -> None:
    """Return if this user may do that.

    ``owner`` is whose thing it is; None, a thing of nobody, counts as somebody else's, so that an owner that was
    forgotten opens nothing. ``group`` is what it is booked on, None or empty for none; whether another owner is in it
    is not known here. ``what`` names the thing (``lease 7``) in messages.

    Raises:
        NotFound: the thing is another's and may not even be seen.
        Forbidden: the role, the token's scopes or the group do not allow it.
    """
    refused = _refusal(who, verb, owner, group, what)
    if refused is not None:
        raise refused


def may(who: Principal, verb: str, *, owner: str | None = None, group: str | None = None) -> bool:
    """Whether :func:`check` would return."""
    return _refusal(who, verb, owner, group, "") is None


def missing(what: str) -> NotFound:
    """Return what is said of a thing that is not there: the same as of one that may not be seen."""
    return NotFound(f"there is no {what or 'such thing'}, or it is not yours to see")


def no_member(user: str, group: str, to_do: str) -> Forbidden:
    """Return what is said where something is to be booked on a group by, or for, somebody who is not in it."""
    return Forbidden(
        f"{user} is not in the group {group[:128]!r}; to {to_do} on its account takes a member",
        code="not-a-member",
        remedy=f"Name a group that {user} is in, or an empty one for none, or ask an administrator to add {user}.",
        field="group",
        facts={"user": user, "group": group},
    )


def covers(scopes: frozenset[str], verb: str) -> bool:
    """Whether a token of these scopes may be used for a verb; no scopes are no limit."""
    least = VERBS[verb].scope
    return not scopes or verb in scopes or any(scope.label in scopes for scope in Scope if scope >= least)


def is_scope(name: str) -> bool:
    """Whether a token can be limited to this: a scope, or a verb."""
    return name in VERBS or any(scope.label == name for scope in Scope)


def includes(scopes: frozenset[str], name: str) -> bool:
    """Whether ``name``, a scope or a verb, allows nothing that ``scopes`` do not allow."""
    if name in VERBS:
        return covers(scopes, name)
    return not scopes or any(scope.label in scopes for scope in Scope if scope >= Scope[name.upper()])


def reach(role: Role, verb: str) -> str:
    """Say how far a role goes with a verb: ``no``, ``own`` or ``all``."""
    rule = VERBS[verb]
    if role >= rule.others:
        return "all"
    return "own" if role >= rule.own or rule.group is Group.SHARES else "no"


def _refusal(who: Principal, verb: str, owner: str | None, group: str | None, what: str) -> ServiceError | None:
    rule = VERBS[verb]
    in_group = bool(group) and group in who.groups
    mine = owner == who.user or (rule.group is Group.SHARES and in_group)
    if rule.seen_by and not mine and _refusal(who, rule.seen_by, owner, group, what) is not None:
        return missing(what)
    if not covers(who.scopes, verb):
        return Forbidden(
            f"this token may not {rule.says}: its scopes are {', '.join(sorted(who.scopes))}",
            code="scope",
            remedy=f"Use a token with the scope {rule.scope.label} or {verb}.",
            facts={"verb": verb, "scope": rule.scope.label},
        )
    shared = rule.group is Group.SHARES and in_group
    needed = Role.VIEWER if shared else rule.own if mine else rule.others
    if who.role < needed:
        return _too_low(who, verb, rule, needed, mine)
    if rule.group is Group.ADMITS and group and mine and not in_group:
        return no_member(who.user, group, rule.says)
    return None


def _too_low(who: Principal, verb: str, rule: Rule, needed: Role, mine: bool) -> Forbidden:
    if not mine and rule.own <= who.role < rule.others:
        may = f"{who.user} is {_article(who.role)}, and may {rule.says} only if it is their own"
        detail = f"{may}: for what is somebody else's it takes {_article(needed)}"
        instead = "whose it is"
    else:
        instead = f"an administrator to give {who.user} another role"
        detail = f"{who.user} is {_article(who.role)}; to {rule.says} takes {_article(needed)}"
    return Forbidden(
        detail,
        code="role",
        remedy=f"Ask {_article(needed)} to do it, or {instead}.",
        facts={"verb": verb, "role": who.role.label, "needed": needed.label},
    )


def _article(role: Role) -> str:
    return f"{'an' if role.label[0] in 'ao' else 'a'} {role.label}"
