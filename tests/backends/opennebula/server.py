"""oned's XML-RPC server in front of the cloud of :mod:`tests.backends.opennebula.cloud`."""

import threading
import time
import xmlrpc.client
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from lxml import etree

from haizea.backends.opennebula.client import Access, Client
from tests.backends.opennebula.cloud import AUTHORIZATION, NO_EXISTS, VM, Cloud, Refusal

AUTHENTICATION: Final = 0x0100

USERS: Final = {
    "oneadmin": (0, "secret", (0, "oneadmin")),
    "haizea": (2, "secret", (0, "oneadmin")),
    "ana": (3, "secret", (1, "users")),
    "bruno": (4, "secret", (1, "users")),
}
"""Users: number, password, group."""


class Oned:
    """A server that can be stopped and started again at the same port, as oned can."""

    def __init__(
        self, cloud: Cloud | None = None, version: str = "7.4.0", scheduler: str = "-p dummy -o dummy"
    ) -> None:
        self.cloud = cloud or Cloud()
        self.version = version
        self.scheduler = scheduler
        self.calls: list[str] = []
        self.deaf = False
        self._lock = threading.Lock()
        self._port = 0
        self._http: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}/RPC2"

    def start(self) -> "Oned":
        """Listen."""
        oned = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = oned.answer(body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._http = _Http(("127.0.0.1", self._port), Handler)
        self._port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening; what was under way is forgotten."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
        with self._lock:
            self.cloud.restart()

    def client(self, user: str = "haizea") -> Client:
        """Return a client that calls as a user."""
        return Client(Access(self.endpoint, f"{user}:secret"), timeout_s=5)

    def auth_file(self, folder: Path, user: str = "haizea") -> Path:
        """Write a session file."""
        path = folder / f"{user}_auth"
        path.write_text(f"{user}:secret\n")
        return path

    def act(self, what: Callable[[Cloud], object]) -> None:
        """Have something happen behind everybody's back."""
        with self._lock:
            self.cloud.advance()
            what(self.cloud)

    # Wire ----------------------------------------------------------------------------------------------------

    def answer(self, body: bytes) -> bytes:
        """Answer a call."""
        values, method = xmlrpc.client.loads(body)
        session, *args = values
        name, _, password = str(session).partition(":")
        given: list[Any]
        with self._lock:
            self.calls.append(str(method))
            self.cloud.advance()
            try:
                if name not in USERS or USERS[name][1] != password:
                    raise Refusal(AUTHENTICATION, f"[{method}] User couldn't be authenticated, aborting call.")
                given = [True, self._do(str(method), name, args), 0]
            except Refusal as refusal:
                given = [False, f"[{method}] {refusal}", refusal.code, -1]
        return xmlrpc.client.dumps((given,), methodresponse=True, encoding="utf-8").encode()

    def _do(self, method: str, user: str, args: list[Any]) -> Any:
        cloud, number = self.cloud, USERS[user][0]
        admin = USERS[user][2][0] == 0
        if method.startswith("one.vm."):
            vm = cloud.find(args[1] if method == "one.vm.action" else args[0])
            if not admin and vm.owner != user:
                raise Refusal(AUTHORIZATION, f"User [{number}] : Not authorized to perform this action")
            return self._do_vm(method, vm, number, args)
        if method == "one.vmpool.infoextended":
            shown = [vm for vm in cloud.vms.values() if vm.state != 6 and (admin or vm.owner == user)]
            return _written(_pool("VM_POOL", [_vm(vm, 1) for vm in shown]))
        if method == "one.hostpool.info":
            return _written(_pool("HOST_POOL", [_host(host) for host in cloud.hosts.values()]))
        if method == "one.userpool.info":
            return _written(_pool("USER_POOL", [_user(name) for name in USERS]))
        if method == "one.grouppool.info":
            return _written(
                _pool("GROUP_POOL", [_tree("GROUP", ID=n, NAME=name) for n, name in {u[2] for u in USERS.values()}])
            )
        if method == "one.datastorepool.info":
            return _written(_pool("DATASTORE_POOL", [_tree("DATASTORE", ID=0, NAME="system", TYPE=1, FREE_MB=1000)]))
        if method == "one.user.info":
            return _written(_user(user))
        if method == "one.system.version":
            return self.version
        if method == "one.system.config":
            if not admin:
                raise Refusal(AUTHORIZATION, "User couldn't be authorized")
            return (
                "<OPENNEBULA_CONFIGURATION><SCHED_MAD><ARGUMENTS>"
                + self.scheduler
                + "</ARGUMENTS><EXECUTABLE>one_sched"
                "</EXECUTABLE></SCHED_MAD><DRS_INTERVAL>-1</DRS_INTERVAL></OPENNEBULA_CONFIGURATION>"
            )
        if method == "one.template.instantiate":
            if args[0] != 0:
                raise Refusal(NO_EXISTS, f"Error getting template [{args[0]}].")
            return self._made(user, args[1], args[3], args[2]).id
        raise Refusal(0x1000, f"there is no method {method}")

    def _do_vm(self, method: str, vm: VM, user: int, args: list[Any]) -> Any:
        cloud = self.cloud
        if method == "one.vm.info":
            return _written(_vm(vm, 2))
        cloud.log.append((f"{method} {args[0]}" if method == "one.vm.action" else method, vm.id))
        if method == "one.vm.deploy":
            cloud.deploy(vm, args[1])
        elif method == "one.vm.action":
            cloud.act(vm, args[0], user)
        elif method == "one.vm.migrate":
            cloud.migrate(vm, args[1], args[2], user)
        elif method == "one.vm.recover":
            cloud.recover(vm, args[1], user)
        elif method == "one.vm.update":
            vm.said = _read(args[1]) if args[2] == 0 else {**vm.said, **_read(args[1])}
        elif method == "one.vm.chown":
            vm.uid = args[1]
        else:
            raise Refusal(0x1000, f"there is no method {method}")
        return vm.id

    def _made(self, user: str, name: str, text: str, hold: bool) -> VM:
        said = _read(text)
        capacity: dict[str, str] = {key: str(said.pop(key)) for key in ("CPU", "VCPU", "MEMORY") if key in said}
        number, _, (gid, group) = USERS[user]
        vm = self.cloud.add(name, (number, user, gid, group), said, hold)
        vm.template |= capacity
        return vm

    def create(
        self, user: str, name: str, cpu: float = 1, memory: int = 128, hold: bool = False, /, **haizea: str
    ) -> int:
        """Create a VM as a user does, with a HAIZEA attribute where it is given; return its number."""
        said: dict[str, object] = {"HAIZEA": {key.upper(): value for key, value in haizea.items()}} if haizea else {}
        with self._lock:
            number, _, (gid, group) = USERS[user]
            vm = self.cloud.add(name, (number, user, gid, group), said, hold)
            vm.template |= {"CPU": str(cpu), "MEMORY": str(memory)}
            return vm.id

    def states(self) -> dict[int, tuple[int, int, int | None]]:
        """Return state, life cycle state and host of every VM."""
        with self._lock:
            self.cloud.advance()
            return {
                vm.id: (vm.state, vm.lcm, vm.here.host if vm.history and not vm.here.ended else None)
                for vm in self.cloud.vms.values()
            }

    def said(self, number: int) -> dict[str, object]:
        """Return what a VM's user template says."""
        with self._lock:
            return dict(self.cloud.vms[number].said)

    def wait(self, number: int, state: int, lcm: int = 0, seconds: float = 60.0) -> None:
        """Wait for a VM to be in a state."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.states().get(number)
            if found is not None and found[:2] == (state, lcm):
                return
            time.sleep(0.01)
        raise AssertionError(f"VM {number} is {self.states().get(number)}, not {(state, lcm)}: {self.cloud.log[-20:]}")


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


# XML ---------------------------------------------------------------------------------------------------------


def _tree(tag: str, **values: object) -> etree._Element:
    element = etree.Element(tag)
    for name, value in values.items():
        if isinstance(value, dict):
            element.append(_tree(name, **value))
        else:
            etree.SubElement(element, name).text = str(value)
    return element


def _pool(tag: str, items: list[etree._Element]) -> etree._Element:
    element = etree.Element(tag)
    element.extend(items)
    return element


def _written(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode")


def _vm(vm: VM, records: int) -> etree._Element:
    element = _tree(
        "VM", ID=vm.id, UID=vm.uid, GID=vm.gid, UNAME=vm.owner, GNAME=vm.group, NAME=vm.name, STATE=vm.state,
        LCM_STATE=vm.lcm, STIME=vm.since, TEMPLATE=dict(vm.template), USER_TEMPLATE=dict(vm.said),
    )  # fmt: skip
    history = etree.SubElement(element, "HISTORY_RECORDS")
    for each in vm.history[-records:]:
        history.append(
            _tree("HISTORY", SEQ=each.number, HID=each.host, ETIME=each.ended, ACTION=each.action, UID=each.by)
        )
    return element


def _host(host: Any) -> etree._Element:
    share = {"MAX_CPU": host.cpu, "MAX_MEM": host.memory * 1024}
    if host.state == 8:
        share = {"MAX_CPU": 0, "MAX_MEM": 0}
    return _tree("HOST", ID=host.id, NAME=host.name, STATE=host.state, CLUSTER="default", HOST_SHARE=share)


def _user(name: str) -> etree._Element:
    number, _, (group, group_name) = USERS[name]
    return _tree("USER", ID=number, GID=group, GROUPS={"ID": group}, GNAME=group_name, NAME=name)


def _read(text: str) -> dict[str, object]:
    return {str(each.tag): each.text or "" for each in etree.fromstring(text)} if text else {}
