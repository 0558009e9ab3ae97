"""The clients of Haizea 1.x: what they sent, byte for byte, and what they could do with the answers.

The bodies are those that the XML-RPC library of Python 2 made of the calls of Haizea 1.x.
"""

import socket
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from xmlrpc.client import Fault, loads

import pytest

from haizea.model.events import Observed
from tests.api.xmlrpc_fake import FakeManager
from tests.api.xmlrpc_running import Running, running

HEAD = "POST /RPC2 HTTP/1.1\r\nHost: localhost:{port}\r\nAccept-Encoding: gzip\r\n"
AGENT = "User-Agent: xmlrpclib.py/1.0.1 (by www.pythonware.com)\r\nContent-Type: text/xml\r\n"
CREATE = (
    "<?xml version='1.0'?>\n<methodCall>\n<methodName>create_lease</methodName>\n<params>\n<param>\n<value><string>"
    '&lt;lease preemptible="False" state="0"&gt;&lt;nodes&gt;&lt;node-set numnodes="2"&gt;&lt;res amount="100" '
    'type="CPU" /&gt;&lt;res amount="512" type="Memory" /&gt;&lt;/node-set&gt;&lt;/nodes&gt;&lt;start&gt;&lt;exact '
    'time="2026-11-25 18:00:00.00" /&gt;&lt;/start&gt;&lt;duration time="01:00:00.00" /&gt;&lt;software&gt;'
    '&lt;disk-image id="foobar.img" size="1024" /&gt;&lt;/software&gt;&lt;/lease&gt;'
    "</string></value>\n</param>\n</params>\n</methodCall>\n"
)
BEST_EFFORT = CREATE.replace('&lt;exact time="2026-11-25 18:00:00.00" /&gt;', "").replace(
    'duration time="01:00:00.00"', 'duration time="36500:00:00:00.00"'
)
NOW = CREATE.replace('&lt;exact time="2026-11-25 18:00:00.00" /&gt;', "&lt;now /&gt;")
CANCEL = (
    "<?xml version='1.0'?>\n<methodCall>\n<methodName>cancel_lease</methodName>\n<params>\n<param>\n"
    "<value><int>{id}</int></value>\n</param>\n</params>\n</methodCall>\n"
)
PLAIN = "<?xml version='1.0'?>\n<methodCall>\n<methodName>{name}</methodName>\n<params>\n</params>\n</methodCall>\n"
NOTIFY = (
    "<?xml version='1.0'?>\n<methodCall>\n<methodName>notify_event</methodName>\n<params>\n<param>\n"
    "<value><int>{id}</int></value>\n</param>\n<param>\n<value><int>17</int></value>\n</param>\n<param>\n"
    "<value><int>{event}</int></value>\n</param>\n</params>\n</methodCall>\n"
)


class OldClient:
    """Sends what Python 2 sent, and reads answers as it did."""

    def __init__(self, server: Running, credentials: str = "") -> None:
        self._server = server
        self._authorization = credentials and f"Authorization: Basic {credentials}\r\n"

    def send(self, body: str) -> object:
        """Return the one value that an answer holds; raise the fault that it is."""
        head = HEAD.format(port=self._server.port) + self._authorization + AGENT
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii")
        with socket.create_connection(("127.0.0.1", self._server.port), timeout=60) as connection:
            connection.sendall(request)
            answer = b""
            while b"</methodResponse>" not in answer and (piece := connection.recv(65536)):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\ncontent-type: text/xml\r\n" in answer.lower()
        return loads(answer.partition(b"\r\n\r\n")[2])[0][0]


class OldLease:
    """A lease as the original client took it from XML; anything it could not read raises."""

    def __init__(self, xml: object) -> None:
        assert isinstance(xml, str)
        element = ET.fromstring(xml)
        assert xml.isascii()
        self.id = int(element.get("id", ""))
        self.state = int(element.get("state", ""))
        user = element.get("user")
        self.user = None if user is None else int(user)
        self.submitted = datetime.strptime(element.get("submit-time", ""), "%Y-%m-%d %H:%M:%S.%f")
        self.preemptible = {"True": True, "False": False}[element.get("preemptible", "").capitalize()]
        start = element.find("start")
        assert start is not None
        self.start = start[0].get("time", start[0].tag) if len(start) else None
        duration = element.find("duration")
        assert duration is not None
        fields = [float(field) for field in duration.get("time", "").split(":")]
        self.duration_s = sum(field * unit for field, unit in zip(reversed(fields), (1, 60, 3600, 86400), strict=False))
        sets = element.findall("nodes/node-set")
        self.nodes = sum(int(each.get("numnodes", "")) for each in sets)
        self.amounts = [{res.get("type"): int(res.get("amount", "")) for res in each} for each in sets]
        image = element.find("software/disk-image")
        self.image = None if image is None else (image.get("id"), int(image.get("size", "")))
        assert image is not None or element.find("software/none") is not None


@pytest.fixture
def server() -> Iterator[Running]:
    """Return a server that lets anonymous callers in."""
    with running() as started:
        yield started


def test_a_reservation_is_requested_and_listed(server: Running) -> None:
    """haizea-request-lease gets a number, and haizea-list-leases reads the lease that it asked for."""
    client = OldClient(server)
    number = client.send(CREATE)
    leases = client.send(PLAIN.format(name="get_leases"))
    assert isinstance(leases, list)
    lease = OldLease(leases[0])
    assert (lease.id, lease.state, lease.preemptible) == (number, 3, False)
    assert (lease.start, lease.duration_s) == ("2026-11-25 18:00:00.00", 3600)
    assert (lease.nodes, lease.amounts) == (2, [{"CPU": 100, "Memory": 512}])
    assert (lease.image, lease.user) == (("foobar.img", 1024), None)


def test_the_queue_shows_what_has_no_start(server: Running) -> None:
    """A best-effort lease of unlimited duration, which the old client writes as a century, is in haizea-show-queue."""
    client = OldClient(server)
    client.send(BEST_EFFORT)
    queue = client.send(PLAIN.format(name="get_queue"))
    assert isinstance(queue, list)
    lease = OldLease(queue[0])
    assert (lease.state, lease.start, lease.duration_s) == (4, None, 36_500 * 86_400)
    assert server.manager.leases.kept[lease.id].duration_s is None


def test_an_immediate_lease_is_one(server: Running) -> None:
    """A start of now comes back as now."""
    client = OldClient(server)
    assert OldLease(client.send(CANCEL.replace("cancel_lease", "get_lease").format(id=client.send(NOW)))).start == "now"


def test_a_lease_is_cancelled(server: Running) -> None:
    """haizea-cancel-lease gets 0, and the lease is listed no more."""
    client = OldClient(server)
    number = client.send(CREATE)
    assert client.send(CANCEL.format(id=number)) == 0
    assert client.send(PLAIN.format(name="get_leases")) == []


def test_hosts_are_structs(server: Running) -> None:
    """haizea-list-hosts gets number, name, CPU in percent and memory of each host."""
    hosts = OldClient(server).send(PLAIN.format(name="get_hosts"))
    assert hosts == [{"id": n, "hostname": f"node{n}", "cpu": 100, "mem": 1024} for n in (1, 2)]


def test_the_end_of_a_vm_is_reported(server: Running) -> None:
    """notify_event with the one event that there was says that the lease's VMs have shut down."""
    client = OldClient(server)
    number = client.send(CREATE)
    assert client.send(NOTIFY.format(id=number, event=0)) == 0
    assert server.manager.leases.seen == [(number, 0, Observed.GUEST_SHUTDOWN)]


def test_other_events_are_faults(server: Running) -> None:
    """An event that Haizea 1.x did not know is refused, and nothing is reported."""
    client = OldClient(server)
    number = client.send(CREATE)
    with pytest.raises(Fault, match="event 5 is not known"):
        client.send(NOTIFY.format(id=number, event=5))
    assert server.manager.leases.seen == []


def test_somebody_answers(server: Running) -> None:
    """test_func gives 0."""
    assert OldClient(server).send(PLAIN.format(name="test_func")) == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (CANCEL.format(id=77), "there is no lease 77"),
        (CANCEL.format(id=-1), "id: expected int"),
        (CANCEL.format(id="77</int></value></param><param><value><int>1"), "2 parameters were given"),
        (CREATE.replace("2026-11-25 18:00:00.00", "tomorrow"), "is no time|not an instant"),
        (CREATE.replace("numnodes", "nodes"), "unknown attribute 'nodes'"),
        (PLAIN.format(name="create_lease"), "the parameter xml is missing"),
    ],
)
def test_what_is_wrong_is_fault_1(server: Running, body: str, message: str) -> None:
    """All that is wrong with a call of an old method is fault 1, whose text says what it is."""
    with pytest.raises(Fault, match=message) as fault:
        OldClient(server).send(body)
    assert fault.value.faultCode == 1


def test_a_refused_request_still_has_a_number(server: Running) -> None:
    """A request that is rejected gets a number as it did, and its state tells."""
    client = OldClient(server)
    number = client.send(CREATE.replace('amount="512"', 'amount="4096"'))
    assert OldLease(client.send(CANCEL.replace("cancel_lease", "get_lease").format(id=number))).state == 2


def test_credentials_in_the_address() -> None:
    """Where anonymous callers are not let in, http://anna:anna-secret@localhost:42493 does it."""
    with running(FakeManager(guest=None)) as server:
        with pytest.raises(Fault, match="http://USER:TOKEN@HOST:42493"):
            OldClient(server).send(CREATE)
        number = OldClient(server, "YW5uYTphbm5hLXNlY3JldA==").send(CREATE)
        assert [(each.id, each.owner) for each in server.manager.leases.kept.values()] == [(number, "anna")]


def test_users_with_numbers_keep_them() -> None:
    """A user whose name is a number is written where old clients read one."""
    with running() as server:
        client = OldClient(server)
        xml = CREATE.replace("&lt;lease ", '&lt;lease user="7" ')
        lease = client.send(CANCEL.replace("cancel_lease", "get_lease").format(id=client.send(xml)))
        assert OldLease(lease).user == 7
