"""Users, groups, and who somebody is."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from haizea.runtime.store import StoreUnavailable
from haizea.service.accounts import Accounts
from haizea.service.errors import Conflict, Forbidden, Invalid, NotFound, ServiceError, Unauthenticated, Unavailable
from haizea.service.ledger import Ledger
from haizea.service.models import GroupIn, QuotaIn, TokenIn, UserIn, WebhookIn
from haizea.service.principal import Principal, Role
from haizea.service.webhooks import Targets, Webhooks
from haizea.stores.memory import MemoryStore
from tests.service.fakes import ADMIN, ANNA, BOB, OPERATOR, VIEWER, DirectWriter, World, keep, lease, terms, world

UNIX = {0: "root", 990: "haizea-daemon", 1000: "anna", 1001: "nobody-here"}


def accounts(there: World, anonymous: Role | None = None) -> Accounts:
    """Return the accounts of a world, as the daemon with uid 990 has them."""
    return Accounts(there.ledger, there.clock, daemon_uid=990, anonymous=anonymous, name_of=lambda uid: UNIX.get(uid))


def test_the_first_administrator_is_who_runs_the_daemon() -> None:
    """With no user in the store, the daemon's own Unix user and root are administrators, and nobody else is anybody."""
    there = accounts(world(people=False))
    assert there.by_peer(990) == Principal("haizea-daemon", Role.ADMIN, via="socket", key="uid:990")
    assert there.by_peer(0).role is Role.ADMIN
    with pytest.raises(Unauthenticated, match="the Unix user anna is no user of Haizea"):
        there.by_peer(1000)


def test_the_first_token_makes_the_first_account() -> None:
    """An administrator by the socket makes a token for themselves, and with it is known over TCP too."""
    there = world(people=False)
    service = accounts(there)
    made = service.make_token(service.by_peer(990), TokenIn())
    assert made.secret is not None
    known = service.by_token(made.secret)
    assert (known.user, known.role, known.via) == ("haizea-daemon", Role.ADMIN, "token")
    assert [note.text.split(",")[0] for note in there.writer.notes] == [
        "user haizea-daemon added as admin",
        f"token {made.id} made for haizea-daemon",
    ]


def test_a_unix_user_is_the_user_of_that_name() -> None:
    """A Unix user who is a user of Haizea has their role and groups; one who is not, or is disabled, is refused."""
    there = world()
    service = accounts(there)
    assert service.by_peer(1000) == Principal("anna", Role.USER, ("wind",), via="socket", key="uid:1000")
    for uid in (1001, 4711):
        with pytest.raises(Unauthenticated) as refused:
            service.by_peer(uid)
        assert refused.value.code == "user-unknown"
    service.put_user(ADMIN, "anna", UserIn(disabled=True))
    with pytest.raises(Unauthenticated, match="anna is disabled"):
        service.by_peer(1000)


def test_nobody_is_let_in_only_where_the_site_says_so() -> None:
    """Without a token one is refused, unless the site gives a role to who says nothing about themselves."""
    with pytest.raises(Unauthenticated, match="a token is needed"):
        accounts(world()).anonymous()
    assert accounts(world(), Role.USER).anonymous().role is Role.USER


def test_things_are_done_on_behalf_of_who_is_still_there() -> None:
    """What goes on while its owner is away goes on with the owner's present role, and stops when they are gone."""
    service = accounts(world(), Role.VIEWER)
    assert service.by_name("anna") == Principal("anna", Role.USER, ("wind",), via="name", key="name:anna")
    assert [service.by_name(name).role for name in ("root", "haizea-daemon", "anonymous")] == [
        Role.ADMIN,
        Role.ADMIN,
        Role.VIEWER,
    ]
    service.put_user(ADMIN, "anna", UserIn(disabled=True))
    for name in ("anna", "zoe", "nobody-here"):
        with pytest.raises(Unauthenticated):
            service.by_name(name)
    with pytest.raises(Unauthenticated):
        accounts(world()).by_name("anonymous")


def test_a_user_is_added_changed_and_deleted() -> None:
    """An administrator adds a user, changes what is known, and deletes them; the journal has it all."""
    there = world()
    service = accounts(there)
    assert service.put_user(ADMIN, "carl", UserIn(groups=["wind", "water", "wind"])).groups == ["water", "wind"]
    there.clock.now += 1_000
    changed = service.put_user(ADMIN, "carl", UserIn(role="operator", note="night shift"))
    assert (changed.role, changed.groups, changed.created) == ("operator", [], "2026-11-25T13:00:00Z")
    assert service.user(ADMIN, "carl") == changed
    service.delete_user(ADMIN, "carl")
    with pytest.raises(NotFound):
        service.user(ADMIN, "carl")
    assert [(note.kind, note.actor, note.text) for note in there.writer.notes] == [
        ("account", "adam", "user carl added: user"),
        ("account", "adam", "user carl changed: operator"),
        ("account", "adam", "user carl deleted"),
    ]


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "ä", "-a", "a/b", "a\n", "x" * 129, "haizea", "anonymous"])
def test_a_name_must_be_one(name: str) -> None:
    """A user or group cannot have a name that would not fit into a URI, a line of a log, or the journal."""
    service = accounts(world())
    with pytest.raises(Invalid) as refused:
        service.put_user(ADMIN, name, UserIn())
    assert refused.value.field == "name"
    with pytest.raises(Invalid) as refused:
        service.put_group(ADMIN, name, GroupIn())
    assert refused.value.field == "name"


def test_a_user_cannot_be_in_a_group_that_is_not_there() -> None:
    """A group that is misspelt is found out, and nothing is changed."""
    there = world()
    with pytest.raises(Invalid, match="no group 'wnd'"):
        accounts(there).put_user(ADMIN, "carl", UserIn(groups=["wnd"]))
    assert there.store.user("carl") is None


def test_administrators_cannot_shut_themselves_out() -> None:
    """One's own account stays an administrator's, enabled and there; others may be changed."""
    service = accounts(world())
    for wanted in (UserIn(role="user"), UserIn(role="admin", disabled=True)):
        with pytest.raises(Conflict) as refused:
            service.put_user(ADMIN, "adam", wanted)
        assert refused.value.code == "own-account"
    with pytest.raises(Conflict):
        service.delete_user(ADMIN, "adam")
    assert service.put_user(ADMIN, "adam", UserIn(role="admin", note="me")).note == "me"
    service.delete_user(ADMIN._replace(user="root"), "adam")


def test_who_has_leases_stays() -> None:
    """A user or group with unfinished leases cannot be deleted; when they are over, it can."""
    there = world()
    service = accounts(there)
    keep(there.store, lease(1, terms(), owner="anna", group="wind"))
    with pytest.raises(Conflict, match="user anna has leases that are not over: 1"):
        service.delete_user(ADMIN, "anna")
    with pytest.raises(Conflict, match="group wind has leases that are not over: 1"):
        service.delete_group(ADMIN, "wind")
    keep(there.store, lease(1, terms(), owner="anna", group="wind", state="done"))
    service.delete_group(ADMIN, "wind")
    assert service.user(ADMIN, "anna").groups == []
    service.delete_user(ADMIN, "anna")
    assert there.store.user("anna") is None


def test_what_belongs_to_a_user_goes_with_them() -> None:
    """With a user go their tokens, quota and webhooks."""
    there = world()
    service = accounts(there)
    secret = service.make_token(ANNA, TokenIn()).secret or ""
    service.put_quota(ADMIN, "user", "anna", QuotaIn(vms=1))
    Webhooks(there.ledger, there.clock, Targets(resolve=lambda _host, _port: ["93.184.216.34"])).add(
        ANNA, WebhookIn(url="https://example.org/")
    )
    service.delete_user(ADMIN, "anna")
    assert (there.store.tokens("anna"), there.store.quotas(), there.store.webhooks()) == ([], [], [])
    with pytest.raises(Unauthenticated):
        service.by_token(secret)


def test_a_group_is_listed_with_its_members() -> None:
    """Operators see all groups, members their own, and who is in none is refused."""
    service = accounts(world())
    assert service.put_group(ADMIN, "sun", GroupIn(note="new")).members == []
    assert [(group.name, group.members) for group in service.groups(OPERATOR)] == [
        ("sun", []),
        ("water", []),
        ("wind", ["anna"]),
    ]
    assert [group.name for group in service.groups(ANNA)] == ["wind"]
    with pytest.raises(Forbidden):
        service.groups(BOB)
    with pytest.raises(Forbidden, match="scopes"):
        service.groups(ANNA._replace(scopes=frozenset({"lease.request"})))


def test_users_see_themselves() -> None:
    """A user sees their own account; that of another is not theirs to see."""
    service = accounts(world())
    assert service.user(ANNA, "anna").role == "user"
    with pytest.raises(Forbidden):
        service.user(ANNA, "bob")
    with pytest.raises(Forbidden):
        service.users(ANNA)
    assert [user.name for user in service.users(OPERATOR)] == ["adam", "anna", "bob", "olga", "vera"]


@pytest.mark.parametrize("who", [VIEWER, ANNA, OPERATOR])
def test_accounts_are_the_administrators(who: Principal) -> None:
    """Nobody but an administrator adds, changes or deletes users, groups or quotas."""
    there = world()
    service = accounts(there)
    tries: tuple[Callable[[], object], ...] = (
        lambda: service.put_user(who, "bob", UserIn(role="admin")),
        lambda: service.put_user(who, who.user, UserIn(role="admin")),
        lambda: service.delete_user(who, "bob"),
        lambda: service.put_group(who, "sun", GroupIn()),
        lambda: service.delete_group(who, "wind"),
        lambda: service.put_quota(who, "user", who.user, QuotaIn()),
        lambda: service.delete_quota(who, "user", who.user),
    )
    for attempt in tries:
        with pytest.raises((Forbidden, NotFound)):
            attempt()
    assert {note.kind for note in there.writer.notes} == {"order-refused"}


def test_what_is_refused_of_accounts_is_in_the_journal() -> None:
    """Who wanted what is kept, as of any other order; a token that was given in place of its id is not repeated."""
    there = world()
    mine = accounts(there)
    secret = mine.make_token(ANNA, TokenIn()).secret or ""
    there.writer.notes.clear()
    for wanted in (
        lambda: mine.put_user(BOB, "bob", UserIn(role="admin")),
        lambda: mine.delete_user(ADMIN, "nobody"),
        lambda: mine.put_group(OPERATOR, "wind", GroupIn()),
        lambda: mine.delete_group(ANNA, "wind"),
        lambda: mine.make_token(BOB, TokenIn(user="anna")),
        lambda: mine.revoke_token(ANNA, secret),
        lambda: mine.put_quota(ANNA, "user", "anna", QuotaIn(vms=9)),
        lambda: mine.delete_quota(ADMIN, "user", "anna"),
    ):
        with pytest.raises(ServiceError):
            wanted()
    assert {note.kind for note in there.writer.notes} == {"order-refused"}
    assert [(note.actor, note.data["verb"], note.data["about"]) for note in there.writer.notes] == [
        ("bob", "user.put", "user 'bob'"),
        ("adam", "user.delete", "user 'nobody'"),
        ("olga", "group.put", "group 'wind'"),
        ("anna", "group.delete", "group 'wind'"),
        ("bob", "token.make", "for anna"),
        ("anna", "token.revoke", "token of such an id"),
        ("anna", "quota.put", "user anna"),
        ("adam", "quota.delete", "user anna"),
    ]
    assert secret not in str(there.writer.notes)


def test_a_lease_is_requested_for_oneself_or_by_an_operator() -> None:
    """Users request for themselves, operators for anybody there is, and only for who is in the group."""
    there = world()
    service = accounts(there)
    verb = "lease.request"
    assert service.for_whom(ANNA, verb) == "anna"
    assert service.for_whom(ANNA, verb, "anna", "wind") == "anna"
    assert service.for_whom(OPERATOR, verb, "anna", "wind") == "anna"
    for who, owner, group, error in (
        (ANNA, "bob", "", Forbidden),
        (ANNA, None, "water", Forbidden),
        (OPERATOR, "bob", "wind", Forbidden),
        (OPERATOR, "zoe", "", Invalid),
    ):
        with pytest.raises(error):
            service.for_whom(who, verb, owner, group)
    service.put_user(ADMIN, "anna", UserIn(disabled=True))
    with pytest.raises(Conflict, match="anna is disabled"):
        service.for_whom(OPERATOR, verb, "anna")


def test_jobs_of_one_step_know_of_each_other() -> None:
    """What one job changes holds for the next, though both are kept in one transaction that nobody can read yet."""
    there = world()
    service = accounts(there)
    old = service.make_token(ANNA, TokenIn())
    with there.writer.together():
        service.put_group(ADMIN, "sun", GroupIn())
        service.put_user(ADMIN, "carl", UserIn(groups=["sun"]))
        made = service.make_token(ADMIN, TokenIn(user="carl"))
        service.delete_user(ADMIN, "anna")
        service.delete_group(ADMIN, "wind")
        with pytest.raises(NotFound):
            service.make_token(ADMIN, TokenIn(user="anna"))
        with pytest.raises(NotFound):
            service.revoke_token(ADMIN, old.id)
        with pytest.raises(NotFound):
            service.put_quota(ADMIN, "group", "wind", QuotaIn())
        with pytest.raises(Invalid):
            service.put_user(ADMIN, "bob", UserIn(groups=["wind"]))
    assert service.by_token(made.secret or "").groups == ("sun",)
    assert [user.name for user in there.store.users()] == ["adam", "bob", "carl", "olga", "vera"]


def test_who_remembers_accounts_is_told_of_changes() -> None:
    """After each change that was kept, and after no other, whoever remembers what accounts say is told."""
    there = world()
    told: list[str] = []
    ledger = Ledger(there.store, there.writer, lambda: told.append(repr(there.store.user("anna"))))
    service = Accounts(ledger, there.clock, daemon_uid=990)
    service.put_user(ADMIN, "anna", UserIn(disabled=True))
    assert len(told) == 1
    assert "disabled=True" in told[0]
    with pytest.raises(NotFound):
        service.delete_user(ADMIN, "zoe")
    assert len(told) == 1


class Stuck(DirectWriter):
    """A writer whose store cannot be written."""

    def change(self, job: object, /) -> NoReturn:
        """Raise."""
        raise StoreUnavailable("no space left")


def test_a_change_that_cannot_be_kept_is_not_acknowledged() -> None:
    """While the store cannot be written, changes are refused for now, and nobody is told of one."""
    there = world()
    told: list[int] = []
    service = Accounts(
        Ledger(there.store, Stuck(there.store, there.clock), lambda: told.append(1)), there.clock, daemon_uid=990
    )
    with pytest.raises(Unavailable, match="no space left"):
        service.put_user(ADMIN, "anna", UserIn())
    assert told == []


class Broken(MemoryStore):
    """A store that cannot be read."""

    def user(self, name: str, /) -> None:
        """Raise."""
        raise StoreUnavailable("the disk is gone")


def test_a_store_that_cannot_be_read_is_nobodys_fault() -> None:
    """What goes wrong in the store is told as something to try again, not as a refusal."""
    there = world()
    service = Accounts(Ledger(Broken(), there.writer), there.clock, daemon_uid=990, name_of=lambda uid: UNIX.get(uid))
    with pytest.raises(Unavailable, match="the disk is gone") as refused:
        service.by_peer(990)
    assert isinstance(refused.value, ServiceError)
    assert refused.value.code == "store-unavailable"


def test_users_may_ask_for_priorities_up_to_what_is_configured() -> None:
    """Anna may ask for 5, which the site allows, and for less; an operator for any."""
    there = world()
    service = Accounts(there.ledger, there.clock, daemon_uid=990, priority_max=5)
    for priority in (-7, 0, 5):
        service.check_priority(ANNA, priority)
    with pytest.raises(Forbidden, match="up to 5, not 6"):
        service.check_priority(ANNA, 6)
    service.check_priority(OPERATOR, 1_000_000)
