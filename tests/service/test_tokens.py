"""Access tokens: made, believed, expired, revoked; and tokens that others vouch for."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.units import DAY, HOUR
from haizea.service import access, oidc
from haizea.service.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from haizea.service.models import TokenIn, TokenOut
from haizea.service.oidc import TokenVerifier, VerifierError, VerifierUnavailable
from haizea.service.principal import Principal, Role
from haizea.service.tokens import ACTIVE_MAX, Tokens
from tests.service.fakes import ADMIN, ANNA, BOB, OPERATOR, VIEWER, World, world


def tokens(there: World, *verifiers: TokenVerifier) -> Tokens:
    """Return the tokens of a world."""
    return Tokens(there.ledger, there.clock, verifiers)


def secret_of(made: TokenOut) -> str:
    """Return the secret of a token that was just made."""
    assert made.secret is not None
    return made.secret


def refused(service: Tokens, secret: str) -> str:
    """Return with which code a token is refused."""
    with pytest.raises(Unauthenticated) as error:
        service.believe(secret)
    return error.value.code


def test_a_token_says_who_one_is() -> None:
    """A token that was made is believed: its user's role and groups, its own scopes."""
    service = tokens(world())
    made = service.make(ANNA, TokenIn(label="laptop", scopes=["lease", "lease", "read"]))
    assert service.believe(secret_of(made)) == Principal(
        "anna", Role.USER, ("wind",), frozenset({"lease", "read"}), "token", made.id
    )
    assert made.expires == "2027-02-23T13:00:00Z"


def test_only_a_hash_of_the_secret_is_kept() -> None:
    """The store and the journal have the SHA-256 of a token, never the token, and lists do not show it again."""
    there = world()
    service = tokens(there)
    secret = secret_of(service.make(ANNA, TokenIn()))
    assert re.fullmatch(r"haizea_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", secret)
    row = there.store.tokens()[0]
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret[24:] not in repr((row, there.writer.notes, service.list(ANNA)))
    assert service.list(ANNA)[0].secret is None


def test_no_two_tokens_are_alike() -> None:
    """Ids and secrets are drawn anew for each token."""
    service = tokens(world())
    made = [service.make(ANNA, TokenIn()) for _ in range(20)]
    assert len({each.id for each in made}) == len({each.secret for each in made}) == 20


@given(st.text(max_size=80) | st.from_regex(r"haizea_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_what_is_no_token_is_refused(secret: str) -> None:
    """Whatever is sent instead of a token is refused, and nothing else happens."""
    assert refused(tokens(world(people=False)), secret) == "token-unknown"


def test_a_token_that_was_tampered_with_is_refused() -> None:
    """A token with any letter changed, something added or taken away, or another's id is not known."""
    service = tokens(world())
    secret = secret_of(service.make(ANNA, TokenIn()))
    other = secret_of(service.make(BOB, TokenIn()))
    changed = [secret[:at] + ("b" if secret[at] == "a" else "a") + secret[at + 1 :] for at in range(len(secret))]
    for wrong in [*changed, secret + "a", secret[:-1], secret + "\n", " " + secret, other[:24] + secret[24:]]:
        assert refused(service, wrong) == "token-unknown"


def test_a_token_expires() -> None:
    """A token is good until the instant it expires at, and not at that instant."""
    there = world()
    service = tokens(there)
    secret = secret_of(service.make(ANNA, TokenIn(expires="+01:00:00")))
    there.clock.now += HOUR - 1
    assert service.believe(secret).user == "anna"
    there.clock.now += 1
    assert refused(service, secret) == "token-expired"


def test_a_revoked_token_is_refused_at_once() -> None:
    """From the moment a token is revoked it is refused; revoking it again changes nothing."""
    there = world()
    service = tokens(there)
    made, kept = service.make(ANNA, TokenIn()), service.make(ANNA, TokenIn())
    assert service.believe(secret_of(made)).user == "anna"
    service.revoke(ANNA, made.id)
    assert refused(service, secret_of(made)) == "token-revoked"
    there.clock.now += HOUR
    assert service.revoke(ANNA, made.id).revoked == "2026-11-25T13:00:00Z"
    assert service.believe(secret_of(kept)).user == "anna"
    assert [note.text for note in there.writer.notes if "revoked" in note.text] == [f"token {made.id} of anna revoked"]


def test_a_change_of_its_user_holds_for_a_token_at_once() -> None:
    """A token has its user's present role and groups, and is refused while the user is disabled."""
    there = world()
    service = tokens(there)
    secret = secret_of(service.make(ANNA, TokenIn()))
    anna = there.store.user("anna")
    assert anna is not None
    with there.store.write() as transaction:
        transaction.put_user(anna._replace(role="viewer", groups=()))
    assert service.believe(secret) == service.believe(secret)._replace(role=Role.VIEWER, groups=())
    with there.store.write() as transaction:
        transaction.put_user(anna._replace(disabled=True))
    assert refused(service, secret) == "user-disabled"


def test_only_administrators_make_tokens_for_ever() -> None:
    """A token that never expires, or lasts more than a year, takes an administrator."""
    there = world()
    service = tokens(there)
    for wanted in ("never", "2030-01-01"):
        with pytest.raises(Forbidden):
            service.make(OPERATOR, TokenIn(expires=wanted))
    secret = secret_of(service.make(ADMIN, TokenIn(user="anna", expires="never")))
    there.clock.now += 10_000 * DAY
    assert service.believe(secret).user == "anna"


@pytest.mark.parametrize(
    "expires", ["yesterday", "2020-01-01", "now", "2026-13-01", "+1h", "0", "9" * 64, "1969-01-01"]
)
def test_an_expiry_must_be_an_instant_to_come(expires: str) -> None:
    """When a token expires must be readable and in the future."""
    with pytest.raises(Invalid) as error:
        tokens(world()).make(ANNA, TokenIn(expires=expires))
    assert error.value.field == "expires"


def test_tokens_are_made_for_oneself() -> None:
    """Only administrators make tokens for others, and only for users there are, and that are not disabled."""
    there = world()
    service = tokens(there)
    for who in (VIEWER, ANNA, OPERATOR):
        with pytest.raises(Forbidden):
            service.make(who, TokenIn(user="bob"))
    assert service.make(ADMIN, TokenIn(user="bob")).user == "bob"
    with pytest.raises(NotFound):
        service.make(ADMIN, TokenIn(user="zoe"))
    with pytest.raises(NotFound):
        service.make(Principal("root", Role.ADMIN, via="anonymous"), TokenIn())
    bob = there.store.user("bob")
    assert bob is not None
    with there.store.write() as transaction:
        transaction.put_user(bob._replace(disabled=True))
    with pytest.raises(Conflict):
        service.make(ADMIN, TokenIn(user="bob"))


SCOPES = st.frozensets(
    st.sampled_from(["read", "lease", "operate", "admin", "token.make", "lease.cancel", "host.list"])
)


@given(SCOPES, SCOPES)
def test_a_token_cannot_grant_more_than_its_maker_has(has: frozenset[str], asked: frozenset[str]) -> None:
    """Whatever a token makes, the new one allows no verb that the old one does not allow."""
    there = world()
    service = tokens(there)
    maker = ADMIN._replace(scopes=has, via="token")
    try:
        made = service.make(maker, TokenIn(scopes=sorted(asked)))
    except Forbidden:
        return
    new = service.believe(secret_of(made))
    allowed = {verb for verb in access.VERBS if access.may(new, verb)}
    assert allowed <= {verb for verb in access.VERBS if access.may(maker, verb)}


def test_a_token_for_accounts_makes_narrower_ones() -> None:
    """A token with the scope admin makes tokens with that scope or less, but none without limits."""
    service = tokens(world())
    maker = ANNA._replace(scopes=frozenset({"admin"}))
    assert service.make(maker, TokenIn(scopes=["lease", "host.list"])).scopes == ["host.list", "lease"]
    with pytest.raises(Forbidden, match="without limits") as error:
        service.make(maker, TokenIn())
    assert error.value.code == "wider-scope"


def test_a_token_for_reading_makes_none() -> None:
    """Tokens that may read or work with leases cannot make others of their kind."""
    for scope in ("read", "lease", "operate"):
        with pytest.raises(Forbidden):
            tokens(world()).make(ADMIN._replace(scopes=frozenset({scope})), TokenIn(scopes=[scope]))


def test_a_scope_must_be_one() -> None:
    """A scope that is misspelt is found out."""
    with pytest.raises(Invalid, match="no scope 'leases'"):
        tokens(world()).make(ANNA, TokenIn(scopes=["leases"]))


def test_users_see_and_revoke_their_own_tokens() -> None:
    """Tokens of others are not there for who is no administrator."""
    service = tokens(world())
    mine, other = service.make(ANNA, TokenIn()), service.make(BOB, TokenIn())
    assert [each.id for each in service.list(ANNA)] == [mine.id]
    with pytest.raises(Forbidden):
        service.list(ANNA, "bob")
    for unknown in (other.id, "0" * 16, "x" * 10_000):
        with pytest.raises(NotFound):
            service.revoke(ANNA, unknown)
    assert {each.id for each in service.list(ADMIN)} == {mine.id, other.id}
    assert [each.id for each in service.list(ADMIN, "bob")] == [other.id]
    assert service.revoke(ADMIN, other.id).revoked is not None


def test_a_user_has_so_many_tokens_and_no_more() -> None:
    """Usable tokens are counted; revoked and expired ones make room."""
    there = world()
    service = tokens(there)
    made = [service.make(ANNA, TokenIn(expires="+01:00:00")) for _ in range(ACTIVE_MAX)]
    with pytest.raises(Conflict, match="may not have more"):
        service.make(ANNA, TokenIn())
    service.revoke(ANNA, made[0].id)
    service.make(ANNA, TokenIn(expires="+01:00:00"))
    there.clock.now += HOUR
    service.make(ANNA, TokenIn())


# Tokens that others vouch for -------------------------------------------------------------------------------


class Campus:
    """A verifier that knows some tokens, and does with others what a test wants."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def verify(self, secret: str, /) -> Principal | None:
        """Return, or raise, what is set for this token."""
        self.asked.append(secret)
        answer = self.answers.get(secret)
        if isinstance(answer, Exception):
            raise answer
        found: Principal | None = answer
        return found


def test_a_verifier_vouches_for_who_is_not_stored() -> None:
    """A token that is none of ours is shown to the verifiers in turn, and the first that knows it is believed."""
    first = Campus({})
    second = Campus({"eyJ": Principal("dora@example.org", Role.USER, ("wind",), frozenset({"read"}), "campus")})
    found = tokens(world(), first, second).believe("eyJ")
    assert found == Principal(
        "dora@example.org", Role.USER, ("wind",), frozenset({"read"}), "campus", "campus:dora@example.org"
    )
    assert first.asked == ["eyJ"]
    assert refused(tokens(world(), first, second), "eyX") == "token-unknown"


def test_the_store_has_the_last_word_on_who_is_stored() -> None:
    """A verifier says who somebody is; what they may is the store's to say, and a disabled user stays out."""
    there = world()
    service = tokens(there, Campus({"t": Principal("anna", Role.ADMIN, ("water",))}))
    assert service.believe("t") == Principal("anna", Role.USER, ("wind",), via="verifier", key="verifier:anna")
    anna = there.store.user("anna")
    assert anna is not None
    with there.store.write() as transaction:
        transaction.put_user(anna._replace(disabled=True))
    assert refused(service, "t") == "user-disabled"


def test_tokens_of_haizea_are_shown_to_nobody() -> None:
    """A verifier never gets to see a token of ours, known, revoked or misspelt; nor nothing, nor too much."""
    campus = Campus({})
    service = tokens(world(), campus)
    secret = secret_of(service.make(ANNA, TokenIn()))
    service.believe(secret)
    for wrong in (secret + "x", "haizea_", "", "x" * 20_000):
        assert refused(service, wrong) == "token-unknown"
    assert campus.asked == []


@pytest.mark.parametrize(
    "answer", [VerifierUnavailable("keys cannot be fetched"), RuntimeError("a bug"), "anna", Principal("", Role.USER)]
)
def test_a_verifier_that_fails_refuses_for_now(answer: object) -> None:
    """Whatever a verifier does wrong lets nobody in, and is told as something to try again."""
    with pytest.raises(Unavailable) as error:
        tokens(world(), Campus({"t": answer})).believe("t")
    assert error.value.code == "verifier-unavailable"


def test_a_verifier_is_loaded_by_name() -> None:
    """A verifier named module:Class is made with its settings."""
    verifier = oidc.load(f"{__name__}:Campus", {"t": ANNA})
    assert verifier.verify("t") == ANNA


def broken(_settings: Mapping[str, Any]) -> TokenVerifier:
    """Fail, as a verifier with wrong settings does."""
    raise KeyError("issuer")


def nothing(_settings: Mapping[str, Any]) -> str:
    """Return what is no verifier."""
    return "no verifier"


NO_FUNCTION = 7


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no.such.module:Class", "cannot be loaded"),
        (f"{__name__}:Missing", "cannot be loaded"),
        (f"{__name__}:broken", "cannot be set up: KeyError: 'issuer'"),
        (f"{__name__}:nothing", "has no method verify"),
        (f"{__name__}:NO_FUNCTION", "is not a class or function"),
        ("campus", "no token verifier 'campus'; known are: none is installed"),
        ("", "no token verifier ''"),
    ],
)
def test_what_cannot_be_loaded_is_said(name: str, expected: str) -> None:
    """A verifier that cannot be had is told in one line that names it and the reason."""
    with pytest.raises(VerifierError, match=re.escape(expected)) as error:
        oidc.load(name, {})
    assert "\n" not in str(error.value)


def test_an_installed_package_offers_verifiers(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier is found under the name of its entry point."""
    folder = tmp_path / "campus-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: campus\nVersion: 1.0\n", encoding="utf-8")
    (folder / "entry_points.txt").write_text(
        f"[haizea.token_verifiers]\ncampus = {__name__}:Campus\ngone = no.such:Thing\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    make: Callable[[str], TokenVerifier] = lambda name: oidc.load(name, {"t": BOB})  # noqa: E731
    assert make("campus").verify("t") == BOB
    with pytest.raises(VerifierError, match="cannot be loaded"):
        make("gone")
    with pytest.raises(VerifierError, match="known are: campus, gone"):
        make("other")
