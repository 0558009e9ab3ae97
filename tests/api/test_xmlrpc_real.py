"""XML-RPC before the lease manager itself: a simulated site, with its store in memory."""

import doctest
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from haizea.api.xmlrpc.faults import INTERNAL_ERROR
from haizea.api.xmlrpc.methods import Family, Kind, Method
from haizea.api.xmlrpc.table import METHODS
from haizea.app.daemon import build
from haizea.config.load import load
from tests.api.test_xmlrpc_calls import REQUEST, SAMPLES
from tests.api.test_xmlrpc_guide import GUIDE
from tests.api.test_xmlrpc_legacy import BEST_EFFORT, CANCEL, PLAIN, OldClient, OldLease
from tests.api.xmlrpc_running import Running, running

CONFIGURATION = '[server]\nanonymous = "admin"\n[store]\nurl = "memory:"\n'


@contextmanager
def served(folder: Path) -> Iterator[Running]:
    """Serve a lease manager of a simulated site, where anybody may do anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        file = Path(folder, "haizea.toml")
        file.write_text(CONFIGURATION)
        parts = build(load(str(file)), warn=lambda _: None)
        parts.engine.start()
        try:
            with running(parts.manager) as started:
                yield started
        finally:
            parts.engine.stop()
            parts.store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a server that most tests share."""
    with served(tmp_path_factory.mktemp("data")) as started:
        yield started


def test_the_guide_holds(server: Running) -> None:
    """What the guide shows happens on a lease manager that runs."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    session = "".join(blocks).replace("http://localhost:42493", server.uri())
    test = doctest.DocTestParser().get_doctest(session, {}, GUIDE.name, str(GUIDE), 0)
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=told.append, clear_globs=False)
    test.globs["haizea"]("close")()
    assert (result.failed, "".join(told)) == (0, "")


def test_old_clients_can_read_what_they_get(server: Running) -> None:
    """A lease that an old client requests runs, is listed, and is gone when it was cancelled."""
    client = OldClient(server)
    number = client.send(BEST_EFFORT)
    lease = OldLease(client.send(CANCEL.replace("cancel_lease", "get_lease").format(id=number)))
    assert (lease.id, lease.nodes, lease.duration_s) == (number, 2, 36_500 * 86_400)
    listed: Any = client.send(PLAIN.format(name="get_leases"))
    assert number in [OldLease(each).id for each in listed]
    assert client.send(CANCEL.format(id=number)) == 0
    listed = client.send(PLAIN.format(name="get_leases"))
    assert number not in [OldLease(each).id for each in listed]


@pytest.mark.parametrize("method", [m for m in METHODS if m.family is Family.MODERN], ids=lambda method: method.name)
def test_every_method_is_answered(server: Running, method: Method) -> None:
    """No method, with parameters of the right types and a lease that is there, ends in an error of our own."""
    lease = server.call("haizea.lease.request", "", REQUEST)[1]["id"]
    samples = {**SAMPLES, (Kind.INT, None): lease, (Kind.DOUBLE, None): 0.01}
    ok, value, code = server.call(method.name, "", *(samples[p.kind, p.model] for p in method.parameters))
    assert code != INTERNAL_ERROR, value
    assert ok is (code == 0)


def test_what_clients_were_refused_is_in_the_journal(tmp_path: Path) -> None:
    """Both families leave an entry of every order that was refused."""
    with served(tmp_path) as server:
        assert "faultCode" in server.post(CANCEL.format(id=4_000).encode()).body.decode()
        assert server.call("haizea.lease.extend", "", 4_000, {"by": 60})[0] is False
        found = server.call("haizea.eventpool.info", "", {"kinds": ["order-refused"], "lease": 4_000})[1]
    assert [entry["data"]["verb"] for entry in found["items"]] == ["lease.cancel", "lease.extend"]
