"""Access tokens: making them, believing them, revoking them.

A token is ``haizea_<id>_<secret>``: 16 hexadecimal digits that name it, and 32 random bytes in base64url. Only the
SHA-256 of the whole is stored. Nothing is cached, so a token that is revoked, and a user that is disabled or gets
another role, is so from the next request on.
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from haizea.model.units import DAY, Instant, Span
from haizea.runtime.changes import Change
from haizea.runtime.rows import TokenRow, UserRow
from haizea.service import access
from haizea.service.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from haizea.service.instants import iso, iso_or_none, read_instant
from haizea.service.ledger import Ledger, Present
from haizea.service.models import TokenIn, TokenOut
from haizea.service.oidc import TokenVerifier, VerifierUnavailable
from haizea.service.principal import Principal, Role
from haizea.service.reads import reading
from haizea.service.refusals import Attempt

PREFIX: Final = "haizea_"
LIFETIME: Final[Span] = 90 * DAY
"""How long a token lasts where nothing else is asked for."""
LIFETIME_MAX: Final[Span] = 366 * DAY
"""The longest that anybody but an administrator can ask for."""
ACTIVE_MAX: Final = 100
"""How many usable tokens a user may have."""
SECRET_MAX: Final = 16_384
"""The longest secret that is looked at, in characters; a verifier's may be long."""

_FORM: Final = re.compile(r"haizea_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_ID: Final = re.compile(r"[0-9a-f]{16}")
_NEVER: Final = "never"
_log = logging.getLogger(__name__)


class _Made(NamedTuple):
    """What a token is to be, as far as the request says."""

    row: TokenRow
    secret: str


class Tokens:
    """The tokens of all users."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], Instant],
        verifiers: Sequence[TokenVerifier] = (),
    ) -> None:
        """Take the parts; ``verifiers`` are asked in order for tokens that are none of ours."""
        self._ledger = ledger
        self._store = ledger.store
        self._clock = clock
        self._verifiers = tuple(verifiers)

    def believe(self, secret: str) -> Principal:
        """Return whose token this is.

        Raises:
            Unauthenticated: nobody's, or it has expired or was revoked, or its user is disabled.
            Unavailable: the store, or a verifier, cannot tell at the moment.
        """
        if secret.startswith(PREFIX):
            return self._stored(secret)
        if 0 < len(secret) <= SECRET_MAX:
            for verifier in self._verifiers:
                found = _ask(verifier, secret)
                if found is not None:
                    return self._known(found)
        raise _not_believed()

    def list(self, who: Principal, user: str | None = None) -> list[TokenOut]:
        """Return tokens without their secrets: of a user; or, where none is named, all that ``who`` may see."""
        if user is None and not access.may(who, "token.list"):
            user = who.user
        access.check(who, "token.list", owner=user, what=f"user {user!r}")
        with reading():
            return [_shown(row) for row in self._store.tokens(user)]

    def make(self, who: Principal, wanted: TokenIn) -> TokenOut:
        """Make a token, and return it with its secret, which nobody can show again.

        An administrator who came by the Unix socket and is no stored user becomes one with their first own token.

        Raises:
            Forbidden: for another user, wider than what ``who`` has, or for ever without being an administrator.
            NotFound: there is no such user.
            Conflict: the user is disabled, or has too many tokens.
        """
        with self._ledger.refusals.kept(who, Attempt("token.make", about=f"for {wanted.user or who.user}")):
            user = wanted.user or who.user
            access.check(who, "token.make", owner=user, what=f"user {user!r}")
            scopes = _grantable(who, wanted.scopes)
            now = self._clock()
            token = secrets.token_hex(8)
            secret = f"{PREFIX}{token}_{secrets.token_urlsafe(32)}"
            expires = _expiry(who, wanted.expires, now)
            made = _Made(TokenRow(token, user, _digest(secret), scopes, wanted.label, now, expires, None), secret)
            self._ledger.change(lambda change, present: self._insert(who, made, change, present))
            return _shown(made.row, made.secret)

    def revoke(self, who: Principal, token: str) -> TokenOut:
        """Make a token useless from now on; to do so twice does no harm."""
        with self._ledger.refusals.kept(who, Attempt("token.revoke", about=_named(token))):

            def job(change: Change, present: Present) -> TokenRow:
                row = next((row for row in present.tokens() if row.id == token), None)
                access.check(who, "token.revoke", owner=row.user if row else None, what=_named(token))
                if row is None:
                    raise access.missing(_named(token))
                if row.revoked is None:
                    row = row._replace(revoked=self._clock())
                    present.put_token(row)
                    change.note("account", who.user, f"token {row.id} of {row.user} revoked", data=_facts(row))
                return row

            return _shown(self._ledger.change(job))

    def _stored(self, secret: str) -> Principal:
        form = _FORM.fullmatch(secret)
        if form is None:
            raise _not_believed()
        digest = _digest(secret)
        with reading():
            row = self._store.token(digest)
            user = None if row is None else self._store.user(row.user)
        # The look-up by digest tells a guesser nothing: who does not have the secret cannot steer its SHA-256.
        if row is None or user is None or not _same(row.digest, digest) or not _same(row.id, form[1]):
            raise _not_believed()
        if row.revoked is not None:
            raise Unauthenticated(f"token {row.id} was revoked", code="token-revoked", remedy="Use another token.")
        if row.expires is not None and row.expires <= self._clock():
            raise Unauthenticated(
                f"token {row.id} expired at {iso(row.expires)}", code="token-expired", remedy="Make a new token."
            )
        if user.disabled:
            raise disabled(user.name)
        return Principal(user.name, Role[user.role.upper()], user.groups, frozenset(row.scopes), "token", row.id)

    def _known(self, found: Principal) -> Principal:
        """Return what a verifier says of somebody, corrected by what the store says."""
        with reading():
            user = self._store.user(found.user)
        found = found._replace(via=found.via or "verifier", key=found.key or f"{found.via or 'verifier'}:{found.user}")
        if user is None:
            return found
        if user.disabled:
            raise disabled(user.name)
        return found._replace(role=Role[user.role.upper()], groups=user.groups)

    def _insert(self, who: Principal, made: _Made, change: Change, present: Present) -> None:
        row = made.row
        user = present.user(row.user)
        there = present.tokens(row.user)
        if user is None:
            user = _own_account(who, row)
            present.put_user(user)
            change.note("account", who.user, f"user {user.name} added as admin", data={"user": user.name})
        if user.disabled:
            raise Conflict(f"{user.name} is disabled", code="user-disabled", remedy="Enable the user first.")
        usable = [
            each for each in there if each.revoked is None and (each.expires is None or each.expires > row.created)
        ]
        if len(usable) >= ACTIVE_MAX:
            raise Conflict(
                f"{user.name} has {len(usable)} tokens that can be used, and may not have more",
                code="too-many-tokens",
                remedy="Revoke those that are not needed any more.",
            )
        present.put_token(row)
        until = "for ever" if row.expires is None else f"until {iso(row.expires)}"
        change.note("account", who.user, f"token {row.id} made for {row.user}, {until}", data=_facts(row))


def disabled(user: str) -> Unauthenticated:
    """Return what is said to a disabled user."""
    return Unauthenticated(f"{user} is disabled", code="user-disabled", remedy="Ask an administrator.")


def _not_believed() -> Unauthenticated:
    return Unauthenticated("the token is not known", code="token-unknown", remedy="Check the token, or make a new one.")


def _ask(verifier: TokenVerifier, secret: str) -> Principal | None:
    """Ask a verifier, whose code is not ours, in a way that it can do no worse than refuse."""
    name = type(verifier).__name__
    try:
        found = verifier.verify(secret)
    except VerifierUnavailable as error:
        raise _cannot_tell(name) from error
    except Exception as error:
        _log.exception("token verifier %s failed", name)
        raise _cannot_tell(name) from error
    if found is None or _is_principal(found):
        return found
    _log.error("token verifier %s returned %s, not a principal with a user and a role", name, type(found).__name__)
    raise _cannot_tell(name)


def _is_principal(found: object) -> bool:
    # A type checker takes the role for granted; whoever wrote the verifier may not have used one.
    return isinstance(found, Principal) and isinstance(getattr(found, "role", None), Role) and found.user != ""


def _cannot_tell(verifier: str) -> Unavailable:
    return Unavailable(
        f"the token verifier {verifier} cannot tell at the moment",
        code="verifier-unavailable",
        remedy="Try again later.",
    )


def _grantable(who: Principal, names: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes of a new token, having checked that its maker has them all."""
    for name in names:
        if not access.is_scope(name):
            known = ", ".join(scope.label for scope in access.Scope)
            raise Invalid(f"there is no scope {name!r}; there are {known}, and every verb's name", field="scopes")
    wider = [name for name in names if not access.includes(who.scopes, name)]
    if wider or (who.scopes and not names):
        raise Forbidden(
            f"this token is limited to {', '.join(sorted(who.scopes))}, and cannot make one "
            f"{'with ' + ', '.join(wider) if wider else 'without limits'}",
            code="wider-scope",
            remedy="Ask for scopes that the token you use has itself.",
        )
    return tuple(sorted(set(names)))


def _expiry(who: Principal, text: str | None, now: Instant) -> Instant | None:
    if text is None:
        return now + LIFETIME
    if text.lower() == _NEVER:
        if who.role < Role.ADMIN:
            raise Forbidden(
                "only an administrator can make a token that never expires",
                code="role",
                remedy=f"Ask for at most {LIFETIME_MAX // DAY} days.",
            )
        return None
    expires = read_instant(text, now, "expires")
    if expires <= now:
        raise Invalid(f"expires: {text} is not in the future", field="expires")
    if expires > now + LIFETIME_MAX and who.role < Role.ADMIN:
        raise Forbidden(
            f"a token may last {LIFETIME_MAX // DAY} days, not until {iso(expires)}",
            code="role",
            remedy="Ask for less, or have an administrator make it.",
        )
    return expires


def _own_account(who: Principal, row: TokenRow) -> UserRow:
    """Return an account for the administrator at the socket, who needs no account to be one."""
    if who.via != "socket" or who.role is not Role.ADMIN or row.user != who.user:
        raise NotFound(f"there is no user {row.user!r} that a token could be for", remedy="Add the user first.")
    return UserRow(who.user, Role.ADMIN.label, (), False, row.created, "")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _named(token: str) -> str:
    # Whoever gives a token whole in place of its id has it repeated nowhere, least of all in the journal.
    return f"token {token}" if _ID.fullmatch(token) else "token of such an id"


def _facts(row: TokenRow) -> dict[str, object]:
    return {"token": row.id, "user": row.user, "scopes": list(row.scopes)}


def _shown(row: TokenRow, secret: str | None = None) -> TokenOut:
    return TokenOut(
        id=row.id,
        user=row.user,
        label=row.label,
        scopes=list(row.scopes),
        created=iso(row.created),
        expires=iso_or_none(row.expires),
        revoked=iso_or_none(row.revoked),
        secret=secret,
    )
