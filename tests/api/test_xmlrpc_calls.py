"""The second family, who may call what, and HTTP around calls."""

import gzip
import inspect
import xmlrpc.client
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from time import monotonic
from typing import Any

import pytest

from haizea.api.options import DoorOptions
from haizea.api.xmlrpc import XmlRpcOptions
from haizea.api.xmlrpc.faults import (
    ACTION,
    AUTHENTICATION,
    AUTHORIZATION,
    INTERNAL_ERROR,
    LOCKED,
    NO_EXISTS,
    XML_RPC_API,
)
from haizea.api.xmlrpc.filters import EntryFilterIn, LeaseFilterIn, SpanIn, UsageFilterIn
from haizea.api.xmlrpc.methods import REQUIRED, Family, Kind, Method
from haizea.api.xmlrpc.table import METHODS
from haizea.model.events import Observed
from haizea.service.access import VERBS
from haizea.service.accounts import Accounts
from haizea.service.host_desk import HostDesk
from haizea.service.hosts import HostService
from haizea.service.journal import Journal
from haizea.service.leases import Leases
from haizea.service.models import (
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
from haizea.service.order_models import (
    AdoptIn,
    AnnotateIn,
    ConfigureIn,
    DrainIn,
    ExtendIn,
    GiveIn,
    HostIn,
    HostsIn,
    LabelIn,
    MaintenanceIn,
    MigrateIn,
    MoveIn,
    OrderIn,
    OvercommitIn,
    PrioritiseIn,
    RecoverIn,
    ResizeIn,
    RestartIn,
    ShortenIn,
    TogetherIn,
    WhatIfIn,
)
from haizea.service.planning import Planning
from haizea.service.recurrences import Recurrences
from haizea.service.scheduling import Scheduling
from haizea.service.system import System
from haizea.service.usage import Usage
from haizea.service.vms import VMs
from haizea.service.webhooks import Webhooks
from haizea.service.whatif import WhatIf
from tests.api.xmlrpc_fake import FakeManager
from tests.api.xmlrpc_running import OPTIONS, Running, running

ANNA = "anna:anna-secret"
BOB = "bob:bob-secret"
ADAM = "adam:adam-secret"
REQUEST = {"nodes": [{"count": 2, "resources": {"CPU": 100, "Memory": 512}}], "duration": 3600}
CALL = xmlrpc.client.dumps((), "test_func").encode()

# What is checked inside other methods, or belongs to pages that are not calls.
NOT_METHODS = {"lease.extra", "event.account", "event.refusal", "offer.hold", "offer.show", "system.metrics"}


@pytest.fixture
def server() -> Iterator[Running]:
    """Return a server that lets nobody in without a name."""
    with running(FakeManager(guest=None)) as started:
        yield started


def test_a_lease_from_request_to_cancellation(server: Running) -> None:
    """A struct makes a lease, which is shown, listed, cancelled for a reason, and then cannot be cancelled again."""
    ok, lease, code = server.call("haizea.lease.request", ANNA, REQUEST)
    assert (ok, lease["owner"], lease["vms"], code) == (True, "anna", 2, 0)
    assert server.call("haizea.lease.info", ANNA, lease["id"])[1] == lease
    assert server.call("haizea.leasepool.info", BOB, {"owner": "anna"})[1]["items"] == [lease]
    assert server.call("haizea.lease.cancel", ANNA, lease["id"], "", True)[1]["state"] == "cancelled"
    assert server.call("haizea.lease.info", ANNA, lease["id"])[1]["state"] == "queued"
    assert server.call("haizea.lease.cancel", ANNA, lease["id"], "changed my mind")[1]["state"] == "cancelled"
    assert server.manager.journal.kept[-1].text == "changed my mind"
    assert server.call("haizea.lease.cancel", ANNA, lease["id"])[::2] == [False, ACTION]


def test_members_without_a_value_are_left_out(server: Running) -> None:
    """Old libraries know no nil: a lease without a deadline has no member for it."""
    lease = server.call("haizea.lease.request", ANNA, REQUEST)[1]
    assert "deadline" not in lease
    assert "reason" not in lease


def test_a_key_makes_a_request_repeatable(server: Running) -> None:
    """The same idempotency key gives the same lease, another key another."""
    none, empty = (server.call("haizea.lease.request", ANNA, REQUEST, *key)[1]["id"] for key in ((), ("",)))
    assert none != empty
    one, same, other = (server.call("haizea.lease.request", ANNA, REQUEST, key)[1]["id"] for key in ("a", "a", "b"))
    assert one == same != other


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ("", "says nothing about who sends it"),
        ("anna", "not of the form"),
        ("anna:", "not of the form"),
        (":anna-secret", "not of the form"),
        ("anna:wrong", "token is not known"),
        ("bob:anna-secret", "does not belong"),
        ("anna:\u20ac", "not of the form"),
        (7, "not a string"),
        ({}, "not a string"),
        ("x" * 5_000, "not a string"),
    ],
)
def test_sessions_that_name_nobody(server: Running, session: object, message: str) -> None:
    """A session that is empty, of another form, or with another's token is refused, and says what to do."""
    ok, text, code = server.call("haizea.lease.request", session, REQUEST)
    assert (ok, code) == (False, AUTHENTICATION)
    assert message in text
    assert server.manager.leases.kept == {}


def test_a_session_goes_before_the_address(server: Running) -> None:
    """The caller is whom the session names; with an empty one, whom the address names."""
    who = [server.call("haizea.system.whoami", session, credentials=BOB)[1]["user"] for session in ("", ANNA)]
    assert who == ["bob", "anna"]


def test_a_wrong_token_in_the_address_is_told_by_http(server: Running) -> None:
    """Credentials in the address that are not believed end in status 401, whatever the call is."""
    with pytest.raises(xmlrpc.client.ProtocolError) as refused:
        server.call("test_func", credentials="anna:wrong")
    assert refused.value.errcode == 401


def test_a_bearer_token_will_do(server: Running) -> None:
    """The header that REST takes is taken here too."""
    body = xmlrpc.client.dumps(("",), "haizea.system.whoami").encode()
    answer = server.post(body, authorization="Bearer anna-secret")
    assert answer.value()[1]["user"] == "anna"


def test_others_things_are_not_ones_own(server: Running) -> None:
    """Bob can see Anna's lease and not cancel it; users are for administrators."""
    lease = server.call("haizea.lease.request", ANNA, REQUEST)[1]["id"]
    assert server.call("haizea.lease.info", BOB, lease)[0] is True
    assert server.call("haizea.lease.cancel", BOB, lease)[::2] == [False, AUTHORIZATION]
    assert server.call("haizea.user.put", BOB, "bob", {"role": "admin"})[::2] == [False, NO_EXISTS]
    assert server.call("haizea.user.put", ADAM, "eve", {"role": "viewer"})[1]["role"] == "viewer"
    assert server.manager.leases.kept[lease].state == "queued"


def test_a_vm_is_reported(server: Running) -> None:
    """What a VM was seen to be is handed on; a word that is no state is refused."""
    lease = server.call("haizea.lease.request", ANNA, REQUEST)[1]["id"]
    assert server.call("haizea.lease.observed", ANNA, lease, 2, "crashed") == [True, lease, 0]
    assert server.call("haizea.lease.observed", ANNA, lease, 2, "bored")[::2] == [False, XML_RPC_API]
    assert server.manager.leases.seen == [(lease, 2, Observed.CRASHED)]


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("haizea.lease.request", ({**REQUEST, "colour": "red"},), "document.colour"),
        ("haizea.lease.request", ({"nodes": []},), "document.nodes"),
        ("haizea.lease.request", ("xml",), "document: expected struct"),
        ("haizea.lease.request", (), "the parameter document is missing. It is called as haizea.lease.request(session"),
        ("haizea.lease.request", (REQUEST, "", "", ""), "4 parameters"),
        ("haizea.lease.info", ("one",), "id: expected int"),
        ("haizea.lease.info", (1.5,), "id: expected int"),
        ("haizea.lease.info", (True,), "id: expected int"),
        ("haizea.lease.info", (None,), "id is missing"),
        ("haizea.lease.cancel", (1, 2.5), "reason: expected string"),
        ("haizea.lease.cancel", (1, b"\xff"), "reason: expected string"),
        ("haizea.lease.cancel", (1, "", "no"), "dry_run: expected boolean"),
        ("haizea.leasepool.info", ({"limit": 0},), "filter.limit"),
        ("haizea.leasepool.info", ({"limit": 10**6},), "filter.limit"),
        ("haizea.leasepool.info", ([],), "filter: expected struct"),
        ("haizea.usage.info", ({"by": "colour"},), "filter.by"),
        ("haizea.lease.requestxml", ("<lease",), "not well-formed"),
    ],
)
def test_wrong_parameters_are_told(server: Running, method: str, params: tuple[Any, ...], message: str) -> None:
    """A parameter that is missing, wrong or one too many is named in the answer."""
    ok, text, code = server.call(method, ANNA, *params)
    assert (ok, code) == (False, XML_RPC_API)
    assert message in text


def test_no_parameters_at_all(server: Running) -> None:
    """Without a session there is no fault either, but an answer that asks for one."""
    assert server.call("haizea.queue.info")[::2] == [False, XML_RPC_API]


def test_hosts_go_by_name_or_number(server: Running) -> None:
    """A host's number will do where its name does; sizes beyond 32 bits arrive whole."""
    by_name, by_number = (server.call("haizea.host.info", ANNA, which)[1] for which in ("node2", 2))
    assert by_name == by_number
    assert by_name["capacity"]["Disk"] == 1 << 33
    assert server.call("haizea.host.info", ANNA, "node9")[::2] == [False, NO_EXISTS]


def test_settings_of_every_type(server: Running) -> None:
    """Numbers of any size, lists and truth values arrive; what has no value is left out."""
    section = server.call("haizea.system.config", ADAM)[1]["scheduling"]
    assert section == {"rate": 1e16, "list": ["a", 2], "big": 1 << 40, "yes": True}


def test_characters_that_xml_does_not_have(server: Running) -> None:
    """A text with a control character arrives with a replacement for it."""
    assert server.call("haizea.system.status", ANNA)[1]["warnings"] == ["a\ufffdb <&> \u20ac"]


def test_waiting_for_news(server: Running) -> None:
    """Whoever follows the journal waits until something happens, and not longer than was asked for."""
    began = monotonic()
    assert server.call("haizea.eventpool.wait", ANNA, 0, 10, 0.2)[1]["items"] == []
    assert 0.15 < monotonic() - began < 60
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.call, "haizea.eventpool.wait", ANNA, 0, 10, 20.0)
        server.call("haizea.lease.request", ANNA, REQUEST)
        entries = waiting.result(10)[1]
    assert [entry["kind"] for entry in entries["items"]] == ["lease-requested"]
    assert entries["cursor"] == 1


def test_those_who_wait_do_not_keep_others_out() -> None:
    """When all threads for waiting are taken, one more is refused at once, and other calls go on."""
    options = OPTIONS._replace(waiters=1)
    with running(options=options) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.call, "haizea.eventpool.wait", "", 0, 10, 20.0)
        while not server.manager.journal.news._waiters:
            server.call("test_func")
        with pytest.raises(xmlrpc.client.ProtocolError) as refused:
            server.call("haizea.eventpool.wait", "", 0, 10, 20.0)
        assert refused.value.errcode == 503
        assert server.call("test_func") == 0
        server.call("haizea.lease.request", "", REQUEST)
        assert waiting.result(10)[1]["cursor"] == 1


def test_several_calls_in_one(server: Running) -> None:
    """Calls of several people and families are carried out in order; one that fails does not stop the next."""
    with server.proxy() as proxy:
        calls = xmlrpc.client.MultiCall(proxy)
        calls.haizea.lease.request(ANNA, REQUEST)
        calls.get_leases()
        calls.nothing()
        calls.system.multicall([])
        calls.haizea.eventpool.wait(ANNA, 0)
        calls.haizea.queue.info(BOB)
        results: Any = calls().results
    assert results[0][0][1]["id"] == 1
    assert [each["faultCode"] for each in results[1:5]] == [1, -32601, -32602, -32602]
    assert results[5][0][1]["total"] == 1


@pytest.mark.parametrize("params", [(), (7,), ([{}] * 101,), ([], [])], ids=["none", "number", "too many", "two"])
def test_several_calls_that_are_none(server: Running, params: tuple[Any, ...]) -> None:
    """What is not one array of up to a hundred structs is a fault."""
    with pytest.raises(xmlrpc.client.Fault) as fault:
        server.call("system.multicall", *params)
    assert fault.value.faultCode == -32602


@pytest.mark.parametrize(
    "inner", [7, {}, {"methodName": 7}, {"methodName": "test_func", "params": 7}, {"a": 1, "b": 2}]
)
def test_one_of_several_calls_that_is_none(server: Running, inner: object) -> None:
    """What is not a call is a fault in its place."""
    faults = server.call("system.multicall", [inner])
    assert [each["faultCode"] for each in faults] == [-32602]


def test_answers_have_a_limit() -> None:
    """An answer that would be too long is refused with advice, also as the sum of several."""
    with running(options=OPTIONS._replace(answer_max=1_000)) as server:
        for _ in range(5):
            server.call("haizea.lease.request", "", REQUEST)
        ok, text, code = server.call("haizea.leasepool.info", "")
        assert (ok, code) == (False, XML_RPC_API)
        assert "too long" in text
        answers = server.call("system.multicall", [{"methodName": "system.listMethods", "params": []}] * 3)
        assert answers[-1]["faultCode"] == -32602


def test_too_many_calls_are_refused() -> None:
    """Beyond a principal's rate a call is answered with the code for it, also in the middle of several."""
    door = DoorOptions(anonymous=True, rate=0.001, burst=3, peer_rate=1000, peer_burst=1000)
    with running(options=XmlRpcOptions(door=door)) as server:
        call = {"methodName": "haizea.system.whoami", "params": [ANNA]}
        codes = [answer[0][2] for answer in server.call("system.multicall", [call] * 5)]
        assert codes == [0, 0, 0, LOCKED, LOCKED]
        assert server.call("haizea.system.whoami", BOB)[0] is True


def test_our_own_errors_are_told_by_number(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong inside is not shown: there is a number under which it is logged."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(server.manager.hosts, "list", broken)
    ok, text, code = server.call("haizea.hostpool.info", ANNA)
    assert (ok, code) == (False, INTERNAL_ERROR)
    assert "logged under" in text
    with pytest.raises(xmlrpc.client.Fault, match="logged under") as fault:
        server.call("get_hosts", credentials=ANNA)
    assert fault.value.faultCode == -32603
    assert "secret" not in text + fault.value.faultString


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/", "POST", {}, 200),
        ("/RPC2", "POST", {"content_type": "application/xml; charset=utf-8"}, 200),
        ("/RPC2", "GET", {}, 405),
        ("/RPC2", "PUT", {}, 405),
        ("/v1/leases", "POST", {}, 401),
        ("/RPC2", "POST", {"content_type": "text/plain"}, 415),
        ("/RPC2", "POST", {"content_type": "application/x-www-form-urlencoded"}, 415),
        ("/RPC2", "POST", {"origin": "http://evil.example"}, 403),
        ("/RPC2", "POST", {"host": "evil.example"}, 421),
        ("/RPC2", "POST", {"authorization": "Basic !"}, 401),
    ],
)
def test_http(server: Running, path: str, method: str, headers: dict[str, str], status: int) -> None:
    """Only calls, sent as XML by POST to the two paths, from no page of another site, are looked at."""
    assert server.post(CALL, path, method, **headers).status == status


def test_compressed_bodies_are_refused(server: Running) -> None:
    """A compressed call is refused by a status that says so."""
    assert server.post(gzip.compress(CALL), content_encoding="gzip").status == 415


def test_long_bodies_are_refused(server: Running) -> None:
    """A body of more than a mebibyte is refused by a status, and the next call is answered."""
    assert server.post(b"<methodCall>" + b" " * (1 << 20)).status == 413
    assert server.call("test_func") == 0


def test_the_server_tells_of_every_method(server: Running) -> None:
    """Every method is listed, and has help that begins with how it is called, and signatures that fit it."""
    names = server.call("system.listMethods")
    assert names == sorted(method.name for method in METHODS)
    with server.proxy() as proxy:
        for method in METHODS:
            assert str(proxy.system.methodHelp(method.name)).startswith(f"{method.name}(")
            signatures: Any = proxy.system.methodSignature(method.name)
            session = method.family is Family.MODERN
            assert max(map(len, signatures)) == 1 + session + len(method.parameters)
            assert {kind for signature in signatures for kind in signature} <= {kind.value for kind in Kind}


def test_methods_that_are_not_there(server: Running) -> None:
    """A method that nobody knows is a fault, and so is a question about one."""
    for method, params, code in (("nope", (), -32601), ("system.methodHelp", ("nope",), -32602)):
        with pytest.raises(xmlrpc.client.Fault, match="there is no method 'nope'") as fault:
            server.call(method, *params)
        assert fault.value.faultCode == code


def test_every_verb_has_a_method() -> None:
    """Whatever can be done by REST can be done here."""
    verbs = {method.verb for method in METHODS if method.family is Family.MODERN}
    assert set(VERBS) - NOT_METHODS <= verbs


@pytest.mark.parametrize("method", [m for m in METHODS if m.verb], ids=lambda method: method.name)
def test_methods_need_a_name(server: Running, method: Method) -> None:
    """No method with a verb does anything for somebody without a name."""
    body = xmlrpc.client.dumps(("",) * (method.family is Family.MODERN), method.name).encode()
    answer = server.post(body).body
    assert b"says nothing about who sends it" in answer


@pytest.mark.parametrize("method", [m for m in METHODS if isinstance(m.does, str)], ids=lambda method: method.name)
def test_methods_lead_to_the_facade(method: Method) -> None:
    """What the table says a method does is there to be called."""
    assert isinstance(method.does, str)
    assert callable(attrgetter(method.does)(FakeManager()))


def test_verbs_are_those_of_the_table_of_access() -> None:
    """Every verb of a method is one that access is checked for."""
    assert {method.verb for method in METHODS} - {""} <= set(VERBS)


FACADE: Mapping[str, type] = {
    "host_desk": HostDesk,
    "scheduling": Scheduling,
    "vms": VMs,
    "what_if": WhatIf,
    "leases": Leases,
    "planning": Planning,
    "recurrences": Recurrences,
    "hosts": HostService,
    "journal": Journal,
    "system": System,
    "accounts": Accounts,
    "usage": Usage,
    "webhooks": Webhooks,
}


@pytest.mark.parametrize("method", [m for m in METHODS if isinstance(m.does, str)], ids=lambda method: method.name)
def test_methods_fit_the_service(method: Method) -> None:
    """The service takes what a method hands on, with all its parameters and with as few as may be."""
    assert isinstance(method.does, str)
    part, _, name = method.does.partition(".")
    signature = inspect.signature(getattr(FACADE[part], name))
    for count in {sum(p.default is REQUIRED for p in method.parameters), len(method.parameters)}:
        arguments, keywords = method.convert([SAMPLES[p.kind, p.model] for p in method.parameters][:count])
        signature.bind(None, None, *arguments, **keywords)


SAMPLES: Mapping[tuple[Kind, type | None], object] = {
    (Kind.STRING, None): "a",
    (Kind.INT, None): 1,
    (Kind.BOOLEAN, None): True,
    (Kind.STRUCT, LeaseRequestIn): REQUEST,
    (Kind.STRUCT, TogetherIn): {"leases": [REQUEST, REQUEST]},
    (Kind.STRUCT, LeaseChangeIn): {"name": "other"},
    (Kind.STRUCT, UserIn): {},
    (Kind.STRUCT, GroupIn): {},
    (Kind.STRUCT, TokenIn): {},
    (Kind.STRUCT, QuotaIn): {},
    (Kind.STRUCT, WebhookIn): {"url": "https://example.org"},
    (Kind.STRUCT, RecurrenceIn): {"lease": REQUEST, "rule": "FREQ=DAILY"},
    (Kind.STRUCT, RecurrenceChangeIn): {"leave_out": ["2026-12-24"]},
    (Kind.STRUCT, LeaseFilterIn): {},
    (Kind.STRUCT, EntryFilterIn): {},
    (Kind.STRUCT, UsageFilterIn): {},
    (Kind.STRUCT, SpanIn): {},
    (Kind.STRUCT, OrderIn): {},
    (Kind.STRUCT, HostsIn): {"also": ["h2"]},
    (Kind.STRUCT, HostIn): {"name": "h", "capacity": {"CPU": 100}},
    (Kind.STRUCT, AdoptIn): {"strays": ["s"], "duration": 60},
    (Kind.STRUCT, ConfigureIn): {"options": {"scheduling.backfilling": "off"}},
    (Kind.STRUCT, WhatIfIn): {},
    (Kind.STRUCT, ExtendIn): {"by": 60},
    (Kind.STRUCT, ShortenIn): {"by": 60},
    (Kind.STRUCT, MoveIn): {"start": "+01:00:00"},
    (Kind.STRUCT, ResizeIn): {"count": 2},
    (Kind.STRUCT, RestartIn): {},
    (Kind.STRUCT, MigrateIn): {},
    (Kind.STRUCT, RecoverIn): {"how": "retry"},
    (Kind.STRUCT, GiveIn): {"to": "a"},
    (Kind.STRUCT, PrioritiseIn): {"priority": 1},
    (Kind.STRUCT, AnnotateIn): {"extra": {"a": "b"}},
    (Kind.STRUCT, DrainIn): {},
    (Kind.STRUCT, LabelIn): {"labels": {"a": "b"}},
    (Kind.STRUCT, OvercommitIn): {"percent": {"CPU": 150}},
    (Kind.STRUCT, MaintenanceIn): {"hosts": ["a"], "start": "+01:00:00", "duration": 60},
}
