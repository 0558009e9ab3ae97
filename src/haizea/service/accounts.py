"""Users and groups, and the one door to all that concerns accounts: who somebody is, tokens, quotas.

The daemon's own Unix user and root are administrators by themselves: whoever can read the store's file needs no
account to do with it as they please. That is also how the first account comes about.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from haizea.model.lease import LeaseTerms
from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.runtime.rows import GroupRow, LeaseFilter, UserRow
from haizea.service import access
from haizea.service.errors import Conflict, Forbidden, Invalid, Unauthenticated
from haizea.service.instants import iso
from haizea.service.ledger import Ledger, Present
from haizea.service.models import GroupIn, GroupOut, QuotaIn, QuotaOut, TokenIn, TokenOut, UserIn, UserOut
from haizea.service.oidc import TokenVerifier
from haizea.service.principal import Principal, Role
from haizea.service.quotas import Claims, Quotas
from haizea.service.reads import reading
from haizea.service.refusals import Attempt, Refusals
from haizea.service.tokens import Tokens, disabled

ROOT: Final = 0
ANONYMOUS: Final = "anonymous"
RESERVED: Final = frozenset({ANONYMOUS, "haizea", "platform"})
"""Names that the journal uses for others than users."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")


def unix_name(uid: int) -> str | None:
    """Return the name of a Unix user, None where there is no such user."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


class Accounts:
    """Users, groups, tokens and quotas."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], Instant],
        *,
        daemon_uid: int,
        anonymous: Role | None = None,
        verifiers: Sequence[TokenVerifier] = (),
        priority_max: int = 0,
        name_of: Callable[[int], str | None] = unix_name,
    ) -> None:
        """Take the parts.

        ``anonymous`` is the role of who says nothing about themselves, None where that is not allowed; whether they
        come from where it is allowed is for the front end to see to. ``priority_max`` is the highest priority that
        users may ask for.
        """
        self._ledger = ledger
        self._store = ledger.store
        self._daemon_uid = daemon_uid
        self._anonymous = anonymous
        self._name_of = name_of
        self._priority_max = priority_max
        self._tokens = Tokens(ledger, clock, verifiers)
        self._quotas = Quotas(ledger, clock)

    @property
    def refusals(self) -> Refusals:
        """What is written of orders that were refused."""
        return self._ledger.refusals

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Have something called, on whatever thread, whenever somebody may have become somebody else, or nobody."""
        self._ledger.when_changed(tell)

    # Who somebody is -------------------------------------------------------------------------------------

    def by_token(self, secret: str) -> Principal:
        """Return whose token this is.

        Raises:
            Unauthenticated: nobody's, or not any more.
            Unavailable: that cannot be told at the moment.
        """
        return self._tokens.believe(secret)

    def by_peer(self, uid: int) -> Principal:
        """Return who is at the other end of the Unix socket.

        Raises:
            Unauthenticated: there is no user of that name, or it is disabled.
        """
        name = self._name_of(uid)
        with reading():
            user = None if name is None else self._store.user(name)
        if uid in (ROOT, self._daemon_uid):
            groups = () if user is None else user.groups
            return Principal(name or f"uid-{uid}", Role.ADMIN, groups, via="socket", key=f"uid:{uid}")
        if user is None:
            raise Unauthenticated(
                f"the Unix user {name or uid} is no user of Haizea",
                code="user-unknown",
                remedy="Ask an administrator to add a user of this name.",
            )
        if user.disabled:
            raise disabled(user.name)
        return Principal(user.name, Role[user.role.upper()], user.groups, via="socket", key=f"uid:{uid}")

    def anonymous(self) -> Principal:
        """Return who says nothing about themselves.

        Raises:
            Unauthenticated: this site wants to know.
        """
        if self._anonymous is None:
            raise Unauthenticated("a token is needed", code="token-missing", remedy="Send Authorization: Bearer TOKEN.")
        return Principal(ANONYMOUS, self._anonymous, via="anonymous", key=ANONYMOUS)

    def by_name(self, name: str) -> Principal:
        """Return as whom something is done on somebody's behalf while they are away, such as sending to a webhook.

        Raises:
            Unauthenticated: there is no such user any more, or it is disabled.
        """
        with reading():
            user = self._store.user(name)
        if user is None and name == ANONYMOUS:
            return self.anonymous()
        if user is None and name in (self._name_of(ROOT), self._name_of(self._daemon_uid)):
            return Principal(name, Role.ADMIN, via="name", key=f"name:{name}")
        if user is None:
            raise Unauthenticated(f"there is no {_named('user', name)} any more", code="user-unknown")
        if user.disabled:
            raise disabled(user.name)
        return Principal(user.name, Role[user.role.upper()], user.groups, via="name", key=f"name:{name}")

    def for_whom(
        self, who: Principal, verb: str, owner: str | None = None, group: str = "", *, field: str = "owner"
    ) -> str:
        """Return whose lease a request is for, having checked that ``who`` may ask for it, on that group's account.

        ``verb`` is ``lease.request`` or one like it. Without an owner, it is for ``who``. ``field`` is where the owner
        stands in the request.

        Raises:
            Forbidden: not for that owner, or the owner is not in that group.
            Invalid: there is no such owner.
            Conflict: the owner is disabled.
        """
        name = owner or who.user
        access.check(who, verb, owner=name, group=group)
        if name == who.user:
            return name
        with reading():
            user = self._store.user(name)
        if user is None:
            remedy = "Check the name (haizea user list), or add the user first."
            raise Invalid(f"there is no user {name[:128]!r} that a lease could be for", field=field, remedy=remedy)
        if user.disabled:
            raise Conflict(f"{name} is disabled", code="user-disabled", remedy="Enable the user first.", field=field)
        if group and group not in user.groups:
            raise access.no_member(name, group, access.VERBS[verb].says)
        return name

    # Users ------------------------------------------------------------------------------------------------

    def users(self, who: Principal) -> list[UserOut]:
        """Return all users, by name."""
        access.check(who, "user.list")
        with reading():
            return [_user_shown(row) for row in self._store.users()]

    def user(self, who: Principal, name: str) -> UserOut:
        """Return a user.

        Raises:
            NotFound: there is none of that name.
        """
        access.check(who, "user.show", owner=name, what=_named("user", name))
        with reading():
            row = self._store.user(name)
        if row is None:
            raise access.missing(_named("user", name))
        return _user_shown(row)

    def put_user(self, who: Principal, name: str, wanted: UserIn) -> UserOut:
        """Add a user, or replace what is known of one. It holds from the next request on, for tokens too.

        Raises:
            Invalid: the name cannot be used, or there is no such group.
            Conflict: ``who`` would shut themselves out.
        """
        with self._ledger.refusals.kept(who, Attempt("user.put", about=_named("user", name))):
            access.check(who, "user.put", owner=name, what=_named("user", name))
            _check_name("user", name)
            if name == who.user and who.via != "socket" and (wanted.disabled or wanted.role != Role.ADMIN.label):
                raise _own_account("disable or demote")
            groups = tuple(sorted(set(wanted.groups)))

            def job(change: Change, present: Present) -> UserRow:
                _check_groups(groups, present)
                there = present.user(name)
                created = change.now if there is None else there.created
                row = UserRow(name, wanted.role, groups, wanted.disabled, created, wanted.note, wanted.mail)
                present.put_user(row)
                done = "added" if there is None else "changed"
                state = ", disabled" if row.disabled else ""
                text = f"user {name} {done}: {row.role}{state}"
                change.note("account", who.user, text, data={"user": name, "role": row.role, "groups": list(groups)})
                return row

            return _user_shown(self._ledger.change(job))

    def delete_user(self, who: Principal, name: str) -> None:
        """Forget a user with their tokens, quota and webhooks.

        Raises:
            NotFound: there is none of that name.
            Conflict: leases of theirs are not over, or they are ``who``.
        """
        with self._ledger.refusals.kept(who, Attempt("user.delete", about=_named("user", name))):
            access.check(who, "user.delete", owner=name, what=_named("user", name))
            if name == who.user and who.via != "socket":
                raise _own_account("delete")

            def job(change: Change, present: Present) -> None:
                if present.user(name) is None:
                    raise access.missing(_named("user", name))
                self._check_unused(LeaseFilter(owner=name, active=True), f"user {name}", "disable the user")
                present.delete_user(name)
                change.note("account", who.user, f"user {name} deleted", data={"user": name})

            self._ledger.change(job)

    # Groups -----------------------------------------------------------------------------------------------

    def groups(self, who: Principal) -> list[GroupOut]:
        """Return all groups, by name, or those that ``who`` is in where they may not see others."""
        with reading():
            rows, users = self._store.groups(), self._store.users()
        seen = [row for row in rows if access.may(who, "group.list", group=row.name)]
        if not seen:
            access.check(who, "group.list", group=next(iter(who.groups), None))
        return [_group_shown(row, users) for row in seen]

    def put_group(self, who: Principal, name: str, wanted: GroupIn) -> GroupOut:
        """Add a group, or replace its note. Who is in it stands with the users.

        Raises:
            Invalid: the name cannot be used.
        """
        with self._ledger.refusals.kept(who, Attempt("group.put", about=_named("group", name))):
            access.check(who, "group.put")
            _check_name("group", name)

            def job(change: Change, present: Present) -> GroupRow:
                there = present.groups().get(name)
                row = GroupRow(name, change.now if there is None else there.created, wanted.note)
                present.put_group(row)
                done = "added" if there is None else "changed"
                change.note("account", who.user, f"group {name} {done}", data={"group": name})
                return row

            row = self._ledger.change(job)
            with reading():
                return _group_shown(row, self._store.users())

    def delete_group(self, who: Principal, name: str) -> None:
        """Forget a group, its quota and its memberships.

        Raises:
            NotFound: there is none of that name.
            Conflict: leases of it are not over.
        """
        with self._ledger.refusals.kept(who, Attempt("group.delete", about=_named("group", name))):
            access.check(who, "group.delete")

            def job(change: Change, present: Present) -> None:
                if name not in present.groups():
                    raise access.missing(_named("group", name))
                self._check_unused(LeaseFilter(group=name, active=True), f"group {name}", "take the users out of it")
                present.delete_group(name)
                change.note("account", who.user, f"group {name} deleted", data={"group": name})

            self._ledger.change(job)

    # Tokens and quotas ------------------------------------------------------------------------------------

    def tokens(self, who: Principal, user: str | None = None) -> list[TokenOut]:
        """Return tokens, without secrets; see :meth:`Tokens.list`."""
        return self._tokens.list(who, user)

    def make_token(self, who: Principal, wanted: TokenIn) -> TokenOut:
        """Make a token, and return it with its secret; see :meth:`Tokens.make`."""
        return self._tokens.make(who, wanted)

    def revoke_token(self, who: Principal, token: str) -> TokenOut:
        """Make a token useless; see :meth:`Tokens.revoke`."""
        return self._tokens.revoke(who, token)

    def quotas(self, who: Principal) -> list[QuotaOut]:
        """Return quotas and what is used of them; see :meth:`Quotas.list`."""
        return self._quotas.list(who)

    def put_quota(self, who: Principal, kind: str, subject: str, wanted: QuotaIn) -> QuotaOut:
        """Set a quota; see :meth:`Quotas.put`."""
        return self._quotas.put(who, kind, subject, wanted)

    def delete_quota(self, who: Principal, kind: str, subject: str) -> None:
        """Remove a quota; see :meth:`Quotas.delete`."""
        self._quotas.delete(who, kind, subject)

    def check_quota(
        self,
        user: str,
        groups: Sequence[str],
        terms: LeaseTerms,
        now: Instant,
        claims: Claims | None = None,
        *,
        starts: Instant | None = None,
    ) -> None:
        """Return if a lease fits into the quotas; see :meth:`Quotas.check`. ``groups`` are those it is booked on."""
        self._quotas.check(user, groups, terms, now, claims, starts=starts)

    def check_priority(self, who: Principal, priority: int) -> None:
        """Return if ``who`` may ask for a lease of this priority: operators for any, users up to what is configured.

        Raises:
            Forbidden: they may not.
        """
        if priority > self._priority_max and not access.may(who, "lease.prioritise"):
            raise Forbidden(
                f"{who.user} may ask for priorities up to {self._priority_max}, not {priority}",
                code="priority-too-high",
                remedy="Ask for a lower priority, or ask an operator to raise it.",
                field="priority",
            )

    def _check_unused(self, wanted: LeaseFilter, what: str, instead: str) -> None:
        with reading():
            unfinished = self._store.count_leases(wanted)
        if unfinished:
            raise Conflict(
                f"{what} has leases that are not over: {unfinished}",
                code="in-use",
                remedy=f"Cancel them or wait until they are over; or {instead}.",
                facts={"leases": unfinished},
            )


def _named(kind: str, name: str) -> str:
    return f"{kind} {name[:128]!r}"


def _check_groups(names: Sequence[str], present: Present) -> None:
    known = present.groups()
    for name in names:
        if name not in known:
            remedy = "Add the group first, or check its name."
            raise Invalid(f"there is no {_named('group', name)}", field="groups", remedy=remedy)


def _check_name(kind: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise Invalid(
            f"a {kind} cannot be called {name[:128]!r}: a name has at most 128 letters (a to z), digits and . _ @ + -, "
            "and begins with a letter or digit",
            field="name",
        )
    if name in RESERVED:
        raise Invalid(f"a {kind} cannot be called {name}: the journal uses that name for others", field="name")


def _own_account(what: str) -> Conflict:
    return Conflict(
        f"you cannot {what} your own account: you might shut yourself out",
        code="own-account",
        remedy="Let another administrator do it, or do it over the Unix socket as the user that the daemon runs as.",
    )


def _user_shown(row: UserRow) -> UserOut:
    return UserOut(
        name=row.name,
        role=row.role,
        groups=list(row.groups),
        disabled=row.disabled,
        created=iso(row.created),
        note=row.note,
        mail=row.mail,
    )


def _group_shown(row: GroupRow, users: Sequence[UserRow]) -> GroupOut:
    members = [user.name for user in users if row.name in user.groups]
    return GroupOut(name=row.name, note=row.note, created=iso(row.created), members=members)
