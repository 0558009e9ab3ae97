"""Calls to oned: XML-RPC, with a session, a time limit and a bound on what is answered.

Every call is ``one.…`` with the session first; every answer is ``[ok, value or message, code, …]``. Each call has a
connection of its own: oned keeps few open, and closes them as it likes.
"""

import http.client
import os
import ssl
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

ANSWER_MAX: Final = 512 << 20
"""Most bytes of an answer: a pool of some ten thousand VMs."""

TIMEOUT_S: Final = 15.0
ENDPOINT: Final = "http://localhost:2633/RPC2"
AUTH_MAX: Final = 4_096
_CONTROL: Final = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20)])

AUTHENTICATION: Final = 0x0100
AUTHORIZATION: Final = 0x0200
NO_EXISTS: Final = 0x0400
ACTION: Final = 0x0800


class OneError(Exception):
    """OpenNebula has refused a call. ``code`` is one of its own."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"OpenNebula refused {method}: {message}")
        self.method = method
        self.code = code
        self.message = message


class OneUnreachable(Exception):
    """OpenNebula has not answered, or with something else than an answer: what it did is not known."""


class Access(NamedTuple):
    """Where oned is, and ``user:password`` or ``user:token`` to tell it."""

    endpoint: str
    session: str


def access(
    endpoint: str | None = None,
    auth_file: str | None = None,
    environ: Mapping[str, str] | None = None,
    fallback: str = ENDPOINT,
) -> Access:
    """Return where oned is and who we are: as given, else as ONE_XMLRPC and ONE_AUTH say, else as usual.

    Raises:
        ValueError: the file cannot be read or holds no session, or the address is none.
    """
    environ = os.environ if environ is None else environ
    where = endpoint or environ.get("ONE_XMLRPC") or fallback
    parts = urlsplit(where)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{where!r} is no address of an XML-RPC server, such as {ENDPOINT}")
    path = Path(auth_file or environ.get("ONE_AUTH") or "~/.one/one_auth").expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            session = file.read(AUTH_MAX).strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(
            f"the session for OpenNebula cannot be read from {path}: {problem}; it is a file that holds user:password, "
            "named by opennebula.auth-file or ONE_AUTH"
        ) from problem
    if ":" not in session or "\n" in session:
        raise ValueError(f"{path}: expected one line, user:password")
    return Access(where, session)


class Client:
    """Calls oned. For several threads at a time."""

    def __init__(self, where: Access, timeout_s: float = TIMEOUT_S) -> None:
        """``timeout_s`` limits how long oned may keep silent during a call."""
        self._session = where.session
        self.endpoint = where.endpoint
        self._parts = urlsplit(where.endpoint)
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context() if self._parts.scheme == "https" else None

    @property
    def user(self) -> str:
        """The name that we call under."""
        return self._session.partition(":")[0]

    def call(self, method: str, *args: str | int | bool) -> Any:
        """Call a method with the session and return what it answers.

        Raises:
            OneError: it was refused.
            OneUnreachable: it was not answered.
        """
        body = xmlrpc.client.dumps((self._session, *args), method, encoding="utf-8").encode()
        answer = self._exchange(method, body)
        try:
            values, _method = xmlrpc.client.loads(answer)
        except xmlrpc.client.Fault as fault:
            raise OneError(method, fault.faultCode, str(fault.faultString)) from fault
        except Exception as problem:
            # Whatever the parser makes of it, it is not an answer.
            raise OneUnreachable(f"{self.endpoint} answered {method} with something else than XML-RPC") from problem
        given = values[0] if len(values) == 1 else None
        if not isinstance(given, list) or len(given) < 3 or not isinstance(given[0], bool):
            raise OneUnreachable(f"{self.endpoint} answered {method} otherwise than OpenNebula does")
        if not given[0]:
            raise OneError(method, given[2] if isinstance(given[2], int) else 0, str(given[1])[:2_000])
        return given[1]

    def _exchange(self, method: str, body: bytes) -> str:
        host, port = self._parts.hostname or "", self._parts.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=self._timeout_s)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)
        )
        try:
            path = self._parts.path or "/RPC2"
            connection.request("POST", path, body, {"Content-Type": "text/xml", "User-Agent": "haizea"})
            response = connection.getresponse()
            data = response.read(ANSWER_MAX + 1)
        except (OSError, http.client.HTTPException) as problem:
            raise OneUnreachable(f"{self.endpoint} does not answer {method}: {problem}") from problem
        finally:
            connection.close()
        if response.status != 200:
            raise OneUnreachable(f"{self.endpoint} answered {method} with HTTP status {response.status}")
        if len(data) > ANSWER_MAX:
            raise OneUnreachable(f"{self.endpoint} answered {method} with more than {ANSWER_MAX >> 20} MiB")
        # What users write into templates comes as it is, control characters too, which XML does not allow.
        return data.decode("utf-8", "replace").translate(_CONTROL)

    # Looking -------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """Return oned's version, such as 6.10.0."""
        return str(self.call("one.system.version"))

    def config(self) -> str:
        """Return oned's configuration in XML; only oneadmin may ask."""
        return str(self.call("one.system.config"))

    def myself(self) -> str:
        """Return the user that we are, in XML."""
        return str(self.call("one.user.info", -1))

    def vms(self) -> str:
        """Return all VMs that are not done, with their whole templates and their last history record, in XML."""
        return str(self.call("one.vmpool.infoextended", -2, -1, -1, -1))

    def vm(self, number: int) -> str:
        """Return a VM in XML, one that is done too."""
        return str(self.call("one.vm.info", number))

    def hosts(self) -> str:
        """Return all hosts, in XML."""
        return str(self.call("one.hostpool.info"))

    def users(self) -> str:
        """Return all users, in XML."""
        return str(self.call("one.userpool.info"))

    def groups(self) -> str:
        """Return all groups, in XML."""
        return str(self.call("one.grouppool.info"))

    def datastores(self) -> str:
        """Return all datastores, in XML."""
        return str(self.call("one.datastorepool.info"))

    # Acting --------------------------------------------------------------------------------------------------

    def deploy(self, vm: int, host: int, datastore: int = -1) -> None:
        """Start a VM on a host, without OpenNebula's own check of capacity: Haizea sees to that."""
        self.call("one.vm.deploy", vm, host, False, datastore, "")

    def act(self, vm: int, action: str) -> None:
        """Have something done with a VM: suspend, resume, stop, terminate, terminate-hard, hold, …."""
        self.call("one.vm.action", action, vm)

    def migrate(self, vm: int, host: int, *, live: bool) -> None:
        """Move a VM to a host, running (live) or saved."""
        self.call("one.vm.migrate", vm, host, live, False, -1, 0)

    def recover(self, vm: int, how: int) -> None:
        """Say what became of an operation (0 failed, 1 succeeded), or retry (2), delete (3) or recreate (4) the VM."""
        self.call("one.vm.recover", vm, how)

    def annotate(self, vm: int, values: Mapping[str, str]) -> None:
        """Set attributes of a VM's user template; others stay."""
        self.call("one.vm.update", vm, template(values), 1)

    def give(self, vm: int, user: int, group: int) -> None:
        """Make somebody else a VM's owner."""
        self.call("one.vm.chown", vm, user, group)

    def instantiate(self, number: int, name: str, extra: Mapping[str, str]) -> int:
        """Make a VM of a template, on hold; return its number."""
        return int(self.call("one.template.instantiate", number, name, True, template(extra), False))


def template(values: Mapping[str, str]) -> str:
    """Write attributes as OpenNebula reads them, in XML, so that nothing in a value can be more than a value."""
    from lxml import etree

    root = etree.Element("TEMPLATE")
    for name, value in values.items():
        etree.SubElement(root, name).text = value.translate(_CONTROL)
    return etree.tostring(root, encoding="unicode")
