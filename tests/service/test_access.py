"""Who may do what: every role with every verb, on things of their own, of others, and of nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.service import access
from haizea.service.access import VERBS, Scope, check
from haizea.service.errors import Forbidden, NotFound
from haizea.service.principal import Principal, Role
from tests.service.fakes import BOB, OPERATOR, VIEWER

# For each verb, what a viewer, a user, an operator and an admin may do it to: nothing (-), their own things (o), or
# everything, things of nobody included (a). An n instead of - says that things of others do not exist for them, an
# N instead of o that they may do it to their own and do not see those of others.
MATRIX = """
lease.request       - o a a
lease.list          a a a a
lease.show          a a a a
lease.extra         o o a a
lease.timeline      a a a a
lease.explain       a a a a
lease.cancel        - o a a
lease.change        - o a a
lease.observed      - o a a
lease.dry-run       - o a a
offer.list          - o a a
offer.hold          - o a a
offer.show          - o a a
offer.accept        n N a a
offer.decline       n N a a
queue.show          a a a a
schedule.show       a a a a
calendar.show       a a a a
host.list           a a a a
host.show           a a a a
event.list          a a a a
event.account       - - - a
event.refusal       o o a a
system.status       a a a a
system.metrics      a a a a
policy.list         a a a a
configuration.show  - - a a
user.list           - - a a
user.show           o o a a
user.put            n n - a
user.delete         n n - a
group.list          - - a a
group.put           - - - a
group.delete        - - - a
token.list          o o o a
token.make          o o o a
token.revoke        N N N a
quota.list          o o a a
quota.put           - - - a
quota.delete        - - - a
usage.report        o o a a
webhook.list        - o a a
webhook.add         - o a a
webhook.remove      n N a a
lease.annotate      - o a a
lease.extend        - o a a
lease.shorten       - o a a
lease.move          - o a a
lease.resize        - o a a
lease.suspend       - o a a
lease.resume        - o a a
lease.pause         - o a a
lease.unpause       - o a a
lease.hold          - o a a
lease.release       - o a a
lease.requeue       - o a a
lease.restart       - o a a
lease.terminate     - o a a
lease.give          - - a a
lease.prioritise    - - a a
lease.top           - - a a
lease.bottom        - o a a
lease.migrate       - - a a
lease.recover       - - a a
lease.adopt         - - a a
vm.stop             - o a a
vm.restart          - o a a
host.drain          - - a a
host.evacuate       - - a a
host.enable         - - a a
host.disable        - - a a
host.down           - - a a
host.maintain       - - a a
host.label          - - a a
host.overcommit     - - a a
host.add            - - a a
host.remove         - - a a
intake.pause        - - a a
intake.resume       - - a a
scheduler.pause     - - a a
scheduler.resume    - - a a
scheduler.replan    - - a a
scheduler.configure - - a a
scheduler.reconcile - - a a
scheduler.diff      - - a a
scheduler.simulate  - - a a
recurrence.list     a a a a
recurrence.add      - o a a
recurrence.change   - o a a
recurrence.remove   - o a a
"""
WRITTEN = {line.split()[0]: line.split()[1:] for line in MATRIX.strip().splitlines()}
CASES = [
    (verb, role, cell, whose)
    for verb, cells in WRITTEN.items()
    for role, cell in zip(Role, cells, strict=True)
    for whose in ("own", "other's", "nobody's")
]
OWNERS = {"own": "me", "other's": "them", "nobody's": None}


def said(who: Principal, verb: str, owner: str | None = None, group: str | None = None) -> str:
    """Return what comes of asking: ``yes``, or the code of the refusal."""
    try:
        access.check(who, verb, owner=owner, group=group, what="lease 7")
    except (Forbidden, NotFound) as error:
        assert access.may(who, verb, owner=owner, group=group) is False
        return error.code
    assert access.may(who, verb, owner=owner, group=group)
    return "yes"


def test_the_matrix_has_every_verb() -> None:
    """A verb that is added to the program is added here too, or this fails."""
    assert list(WRITTEN) == list(VERBS)


@pytest.mark.parametrize(("verb", "role", "cell", "whose"), CASES)
def test_every_role_may_what_the_matrix_says(verb: str, role: Role, cell: str, whose: str) -> None:
    """A role may do to its own things, to those of others and to those of nobody what the matrix says, and no more."""
    allowed = cell == "a" or (whose == "own" and cell in "oN")
    unseen = whose != "own" and cell in "nN"
    expected = "yes" if allowed else "not-found" if unseen else "role"
    assert said(Principal("me", role), verb, OWNERS[whose]) == expected


@given(
    st.sampled_from(list(VERBS)), st.sampled_from(list(Role)), st.frozensets(st.sampled_from([*VERBS, "read", "lease"]))
)
def test_scopes_never_widen(verb: str, role: Role, scopes: frozenset[str]) -> None:
    """Whatever a token with scopes may do, its user may do without them."""
    limited, whole = Principal("me", role, scopes=scopes), Principal("me", role)
    for owner in OWNERS.values():
        assert access.may(whole, verb, owner=owner) or not access.may(limited, verb, owner=owner)


@given(st.sampled_from(list(VERBS)), st.sampled_from(["", "wind"]), st.sampled_from(list(OWNERS.values())))
def test_a_higher_role_may_no_less(verb: str, group: str, owner: str | None) -> None:
    """What a role may, every higher role may."""
    allowed = [access.may(Principal("me", role, ("wind",)), verb, owner=owner, group=group) for role in Role]
    assert allowed == sorted(allowed)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ({"read"}, {"lease.show", "user.list", "token.list"}),
        ({"lease"}, {"lease.show", "user.list", "token.list", "lease.request", "lease.cancel"}),
        (
            {"operate"},
            {"lease.show", "user.list", "token.list", "lease.request", "lease.cancel", "host.drain", "webhook.add"},
        ),
        ({"lease.cancel"}, {"lease.cancel"}),
        ({"read", "quota.put"}, {"lease.show", "user.list", "token.list", "quota.put"}),
    ],
)
def test_a_token_is_limited_to_its_scopes(scopes: set[str], allowed: set[str]) -> None:
    """A scope includes those before it; a verb's name allows that verb alone; nobody is exempt."""
    verbs = {"lease.show", "user.list", "token.list", "lease.request", "lease.cancel", "host.drain", "webhook.add"}
    who = Principal("me", Role.ADMIN, scopes=frozenset(scopes))
    assert {verb for verb in verbs | {"quota.put", "token.make"} if access.may(who, verb, owner="me")} == allowed


def test_a_token_for_cancelling_alone_sees_no_leases_of_others() -> None:
    """To whom may not see leases, another's lease is not there; their own can be cancelled."""
    who = Principal("me", Role.OPERATOR, scopes=frozenset({"lease.cancel"}))
    assert said(who, "lease.cancel", "me") == "yes"
    assert said(who, "lease.cancel", "them") == "not-found"


def test_a_missing_scope_is_named() -> None:
    """Who lacks a scope is told which would do."""
    with pytest.raises(Forbidden, match="may not cancel a lease: its scopes are read") as refused:
        access.check(Principal("me", Role.USER, scopes=frozenset({"read"})), "lease.cancel", owner="me")
    assert refused.value.code == "scope"
    assert "lease or lease.cancel" in refused.value.remedy


def test_a_missing_role_is_named() -> None:
    """Who has too low a role is told which would do, and that it would be another matter with one's own."""
    with pytest.raises(Forbidden) as refused:
        access.check(Principal("me", Role.USER), "lease.cancel", owner="them")
    assert refused.value.detail == (
        "me is a user, and may cancel a lease only if it is their own: for what is somebody else's it takes an operator"
    )
    assert refused.value.facts == {"verb": "lease.cancel", "role": "user", "needed": "operator"}


def test_what_may_not_be_seen_looks_like_what_is_not_there() -> None:
    """A refusal does not betray that a thing exists."""
    with pytest.raises(NotFound) as refused:
        access.check(Principal("me", Role.USER), "token.revoke", owner="them", what="token 'x'")
    assert refused.value.detail == access.missing("token 'x'").detail


@pytest.mark.parametrize("verb", ["lease.request", "lease.dry-run", "offer.list", "offer.hold", "recurrence.add"])
@pytest.mark.parametrize("role", [Role.USER, Role.OPERATOR, Role.ADMIN])
def test_only_members_book_on_a_group(verb: str, role: Role) -> None:
    """A lease of one's own is booked on a group one is in, or on none, whatever one's role."""
    who = Principal("me", role, ("wind",))
    assert said(who, verb, "me", "wind") == "yes"
    assert said(who, verb, "me", "") == "yes"
    assert said(who, verb, "me", "water") == "not-a-member"


@pytest.mark.parametrize("verb", ["quota.list", "group.list"])
def test_members_see_their_group(verb: str) -> None:
    """A group and its quota can be seen by who is in it, and by operators."""
    assert said(Principal("me", Role.VIEWER, ("wind",)), verb, group="wind") == "yes"
    assert said(Principal("me", Role.VIEWER, ("wind",)), verb, group="water") == "role"
    assert said(Principal("me", Role.OPERATOR), verb, group="water") == "yes"


def test_a_group_does_not_share_leases() -> None:
    """Being in the group of a lease does not make it one's own."""
    assert said(Principal("me", Role.USER, ("wind",)), "lease.cancel", "them", "wind") == "role"


def test_reading_is_what_changes_nothing() -> None:
    """Whatever can be done with a token for reading is called list, show, or what else only looks."""
    looking = {"list", "show", "extra", "timeline", "explain", "dry-run", "account", "refusal"}
    looking |= {"status", "metrics", "report"}
    reading = {verb.split(".")[1] for verb, rule in VERBS.items() if rule.scope is Scope.READ}
    assert reading == looking | {"diff", "simulate"}


@pytest.mark.parametrize(
    ("who", "verb", "owner", "remedy"),
    [
        (BOB, "lease.cancel", "anna", "Ask an operator to do it, or whose it is."),
        (BOB, "host.drain", None, "Ask an operator to do it, or an administrator to give bob another role."),
        (VIEWER, "lease.request", "vera", "Ask a user to do it, or an administrator to give vera another role."),
        (OPERATOR, "user.put", "bob", "Ask an admin to do it, or an administrator to give olga another role."),
    ],
)
def test_what_would_help_fits_what_is_missing(who: Principal, verb: str, owner: str | None, remedy: str) -> None:
    """Whoever may not is told who may."""
    with pytest.raises(Forbidden) as refused:
        check(who, verb, owner=owner)
    assert refused.value.remedy == remedy
