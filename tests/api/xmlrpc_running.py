"""An XML-RPC server that listens while a test runs, and bare HTTP to talk to it."""

import asyncio
import threading
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple, cast

from haizea.api.facade import Manager
from haizea.api.options import DoorOptions
from haizea.api.server import Listener, Servers
from haizea.api.xmlrpc import XmlRpcApi, XmlRpcOptions, make_xmlrpc_app
from tests.api.xmlrpc_fake import FakeManager

OPTIONS = XmlRpcOptions(door=DoorOptions(anonymous=True, rate=0, peer_rate=0))


class Response(NamedTuple):
    """What came back over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def value(self) -> Any:
        """Return the value that the answer of a call holds; a fault raises."""
        return xmlrpc.client.loads(self.body)[0][0]


class Running:
    """A server, where it is, and what it serves."""

    def __init__(self, port: int, manager: Any) -> None:
        self.port = port
        self.manager = manager

    def uri(self, credentials: str = "") -> str:
        """Return the server's address, with credentials in it."""
        return f"http://{credentials and credentials + '@'}127.0.0.1:{self.port}"

    def proxy(self, credentials: str = "") -> xmlrpc.client.ServerProxy:
        """Return a client; it is closed by its own ``with``."""
        return xmlrpc.client.ServerProxy(self.uri(credentials), allow_none=True)

    def call(self, method: str, *params: object, credentials: str = "") -> Any:
        """Call a method once."""
        with self.proxy(credentials) as proxy:
            return getattr(proxy, method)(*params)

    def post(self, body: bytes, path: str = "/RPC2", method: str = "POST", **headers: str) -> Response:
        """Send a request as it is; names of headers have ``_`` for ``-``."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            fields = {"content-type": "text/xml"} | {name.replace("_", "-"): text for name, text in headers.items()}
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return Response(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()


@contextmanager
def running(manager: Any = None, options: XmlRpcOptions = OPTIONS) -> Iterator[Running]:
    """Serve a manager on a free port, in a thread, for as long as the context lasts."""
    served = manager or FakeManager()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    async def start() -> tuple[Servers, XmlRpcApi, str]:
        app = make_xmlrpc_app(cast("Manager", served), options)
        servers = Servers([Listener(app)])
        return servers, app, (await servers.start())[0]

    servers, app, address = run(start())
    try:
        yield Running(int(address.rpartition(":")[2]), served)
    finally:
        run(servers.stop())
        app.close()
        run(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
