"""Webhooks: who wants to be told, and where that may not be."""

import pytest

from haizea.service.errors import Conflict, Forbidden, Invalid, NotFound
from haizea.service.models import WebhookIn
from haizea.service.webhooks import EACH_MAX, Targets, Webhooks, resolve
from tests.service.fakes import ADMIN, ANNA, BOB, OPERATOR, VIEWER, World, world

NAMES = {
    "example.org": ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"],
    "localhost": ["127.0.0.1"],
    "intranet.example.org": ["10.1.2.3"],
    "both.example.org": ["93.184.216.34", "192.168.0.1"],
    "empty.example.org": [],
}


def look_up(host: str, _port: int) -> list[str]:
    """Return the addresses of a name that these tests know."""
    if host not in NAMES:
        raise OSError("no such name")
    return NAMES[host]


def webhooks(there: World, *allowed: str) -> Webhooks:
    """Return the webhooks of a world."""
    return Webhooks(there.ledger, there.clock, Targets(allowed, look_up))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hooks?of=haizea",
        "http://example.org:8080",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/x",
    ],
)
def test_a_webhook_points_to_the_internet(url: str) -> None:
    """A URL of the web with a public address is taken as it is."""
    assert webhooks(world()).add(ANNA, WebhookIn(url=url)).url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org",
        "example.org/path",
        "https://",
        "https:///path",
        "https://anna:secret@example.org/",
        "https://example.org/#part",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://[::1/",
        "https://exa mple.org/",
        "https://example.org/\nHost: other",
        "https://example.org\\@localhost/",
        "https://exämple.org/",
        "https://unknown.example.org/",
        "https://empty.example.org/",
        "https://" + "a" * 300 + "/",
        "https://localhost/",
        "https://intranet.example.org/",
        "https://both.example.org/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1./",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fc00::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
    ],
)
def test_a_webhook_points_nowhere_else(url: str) -> None:
    """What is no URL of the web, or leads to this machine or its network, is refused, however it is written."""
    there = world()
    with pytest.raises(Invalid) as error:
        webhooks(there).add(ANNA, WebhookIn(url=url))
    assert (error.value.field, error.value.code) == ("url", "webhook-url")
    assert there.store.webhooks() == []


def test_a_site_may_allow_its_own_networks() -> None:
    """Networks that the configuration allows are public enough, and no others."""
    service = webhooks(world(), "10.0.0.0/8", "::1")
    for url in ("http://intranet.example.org/", "http://[::ffff:10.0.0.1]/", "http://[::1]:8080/"):
        service.add(ANNA, WebhookIn(url=url))
    with pytest.raises(Invalid, match=r"192\.168\.0\.1, which is not on the public Internet"):
        service.add(ANNA, WebhookIn(url="http://both.example.org/"))
    with pytest.raises(ValueError, match="'intranet' does not appear"):
        Targets(["intranet"])


def test_a_name_that_means_something_else_later_is_found_out() -> None:
    """Whoever sends asks for the addresses each time, and is refused once a name leads into the network."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    targets = Targets(resolve=lambda _host, _port: answers.pop(0))
    assert targets.addresses("https://example.org/") == ["93.184.216.34"]
    with pytest.raises(Invalid, match=r"is at 127\.0\.0\.1"):
        targets.addresses("https://example.org/")


def test_the_system_knows_this_machine() -> None:
    """The names that the system knows are looked up, and one that leads here is refused."""
    assert set(resolve("localhost", 80)) & {"127.0.0.1", "::1"}
    with pytest.raises(Invalid):
        Targets().addresses("http://localhost/")


def test_the_secret_is_shown_once() -> None:
    """A webhook comes with a secret of its own, which is in no list and not in the journal, nor is the URL's path."""
    there = world()
    service = webhooks(there)
    made = service.add(
        ANNA, WebhookIn(url="https://example.org/s3cr3t-path", kinds=["notice", "lease-changed", "notice"])
    )
    other = service.add(ANNA, WebhookIn(url="https://example.org/"))
    assert made.secret is not None
    assert len(made.secret) == 43
    assert made.secret != other.secret
    assert made.kinds == ["lease-changed", "notice"]
    assert there.store.webhooks()[0].secret == made.secret
    assert service.list(ANNA)[0] == made.model_copy(update={"secret": None})
    noted = repr(there.writer.notes)
    assert made.secret not in noted
    assert "s3cr3t" not in noted


def test_a_webhook_is_told_of_what_comes_after_it() -> None:
    """Entries that were there before a webhook are not sent to it."""
    service = webhooks(world())
    first = service.add(ANNA, WebhookIn(url="https://example.org/"))
    assert (first.cursor, service.add(ANNA, WebhookIn(url="https://example.org/")).cursor) == (0, 1)


def test_numbers_are_used_once() -> None:
    """The number of a webhook that was removed is not given to another."""
    service = webhooks(world())
    numbers = []
    for _ in range(3):
        numbers.append(service.add(ANNA, WebhookIn(url="https://example.org/")).id)
        service.remove(ANNA, numbers[-1])
    assert numbers == [1, 2, 3]


def test_webhooks_of_one_step_are_apart() -> None:
    """Two webhooks that are added in one step have different numbers; one that is removed in it stays removed."""
    there = world()
    service = webhooks(there)
    old = service.add(ANNA, WebhookIn(url="https://example.org/"))
    with there.writer.together():
        added = [service.add(who, WebhookIn(url="https://example.org/")).id for who in (ANNA, BOB)]
        service.remove(ANNA, old.id)
        service.note(old.id, cursor=9, failures=0)
    assert added == [2, 3]
    assert [row.id for row in there.store.webhooks()] == [2, 3]


def test_webhooks_are_their_owners() -> None:
    """Users see and remove their own; for others theirs do not exist; operators see and remove all."""
    there = world()
    service = webhooks(there)
    mine, other = (service.add(who, WebhookIn(url="https://example.org/")) for who in (ANNA, BOB))
    assert [each.id for each in service.list(ANNA)] == [mine.id]
    assert [each.owner for each in service.list(OPERATOR)] == ["anna", "bob"]
    for number in (other.id, 4711, -1):
        with pytest.raises(NotFound):
            service.remove(ANNA, number)
    with pytest.raises(Forbidden):
        service.add(VIEWER, WebhookIn(url="https://example.org/"))
    service.remove(OPERATOR, other.id)
    service.remove(ADMIN, mine.id)
    assert there.store.webhooks() == []


def test_a_user_has_so_many_webhooks_and_no_more() -> None:
    """Nobody can have the daemon send to more places than a few."""
    service = webhooks(world())
    for _ in range(EACH_MAX):
        service.add(ANNA, WebhookIn(url="https://example.org/"))
    with pytest.raises(Conflict, match="may not have more"):
        service.add(ANNA, WebhookIn(url="https://example.org/"))
    service.add(BOB, WebhookIn(url="https://example.org/"))


def test_how_far_a_webhook_has_come_is_kept() -> None:
    """Whoever sends keeps the cursor and failures; a webhook that was removed meanwhile does not come back."""
    there = world()
    service = webhooks(there)
    made = service.add(ANNA, WebhookIn(url="https://example.org/"))
    service.note(made.id, cursor=17, failures=0)
    assert (service.rows()[0].cursor, service.rows()[0].disabled) == (17, False)
    service.note(made.id, cursor=17, failures=20, disabled=True)
    assert there.writer.notes[-1].text == "webhook 1 of anna disabled: 20 deliveries failed in a row"
    assert service.list(ANNA)[0].disabled
    service.remove(ANNA, made.id)
    service.note(made.id, cursor=18, failures=0)
    assert service.rows() == []
