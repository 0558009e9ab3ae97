"""The front doors: from settings to what listens where, and again when the configuration is read anew."""

import asyncio
import signal
from pathlib import Path

from haizea.api.options import ApiOptions, DoorOptions
from haizea.api.rest import Api
from haizea.api.server import CannotListen, Listener, Servers, Tls, group_number, tls_context
from haizea.api.xmlrpc.app import XmlRpcApi, XmlRpcOptions
from haizea.app.paths import data_folder, socket_path
from haizea.config.errors import ConfigError
from haizea.config.settings import Settings
from haizea.service.manager import Manager
from haizea.service.principal import Role


def store_url(settings: Settings) -> str:
    """Return where the store is, with the default filled in."""
    return settings.store.url or f"sqlite:///{data_folder() / 'haizea.sqlite'}"


def is_default(settings: Settings) -> bool:
    """Whether nothing was said of where to keep things and whom to let in: somebody tries Haizea out."""
    return settings.source is None and "server.anonymous" not in settings.origins


def anonymous_role(settings: Settings) -> Role | None:
    """Return what somebody on loopback who does not say who they are may do; None: nothing."""
    name = settings.server.anonymous
    if name != "none":
        return Role[name.upper()]
    return Role.ADMIN if is_default(settings) else None


class Signals:
    """What the daemon is told by signals: SIGTERM and SIGINT to stop, SIGHUP to read its configuration anew."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number, event in ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self.reload)):
            loop.add_signal_handler(number, event.set)


class Doors:
    """The front doors of a manager: opened, opened anew with other settings, closed."""

    def __init__(self, manager: Manager, settings: Settings) -> None:
        self._manager = manager
        self._settings = settings
        self._api: Api | None = None
        self._xmlrpc: XmlRpcApi | None = None
        self._servers: Servers | None = None
        self._access_log = False
        self.addresses: list[str] = []
        # What is remembered of who somebody is, at any door, must not outlive a change at another.
        manager.accounts.when_changed(self._forget_callers)

    def bind(self) -> Servers:
        """Take the addresses: whoever connects waits until the doors are open.

        Raises:
            haizea.api.server.CannotListen: an address cannot be listened at.
            ConfigError: one is none.
        """
        listeners_checked(self._settings)
        door = _door(self._settings)._replace(access_log=self._access_log)
        api = self._api = Api(self._manager, ApiOptions(door=door))
        xmlrpc = self._xmlrpc = XmlRpcApi(self._manager, XmlRpcOptions(door=door), api.metrics)
        servers = self._servers = Servers(_listeners(self._settings, api, xmlrpc), on_stop=api.stop_streams)
        servers.bind()
        return servers

    async def open(self) -> list[str]:
        """Listen; return the addresses.

        Raises:
            haizea.api.server.CannotListen: an address cannot be listened at.
        """
        servers = self._servers or self.bind()
        self.addresses = await servers.start()
        return self.addresses

    def log_requests(self, wanted: bool) -> None:
        """Say whether each request is logged."""
        self._access_log = wanted
        for api in (self._api, self._xmlrpc):
            if api is not None:
                api.door.access_log = wanted

    async def reopen(self, settings: Settings) -> list[str]:
        """Close, finishing what is under way, and open with other settings, or with the old ones if they do not work.

        Raises:
            haizea.api.server.CannotListen: with the new settings nothing can be listened at.
        """
        before = self._settings
        listeners_checked(settings)
        await self.close()
        self._settings = settings
        try:
            return await self.open()
        except CannotListen:
            self._settings = before
            await self.close()
            await self.open()
            raise

    async def watch(self) -> None:
        """Return when the doors have closed by themselves, which they should not."""
        while True:
            servers = self._servers
            if servers is None:
                await asyncio.sleep(0.1)
                continue
            await servers.wait()
            # They are closed and opened one after the other where settings are read anew.
            await asyncio.sleep(1.0)
            if servers is self._servers:
                return

    async def close(self) -> None:
        """Take no more requests; finish those under way."""
        servers, self._servers = self._servers, None
        if servers is not None:
            await servers.stop()
        for api in (self._api, self._xmlrpc):
            if api is not None:
                api.close()
        self._api = self._xmlrpc = None

    def _forget_callers(self) -> None:
        for api in (self._api, self._xmlrpc):
            if api is not None:
                api.forget_callers()


def _door(settings: Settings) -> DoorOptions:
    server = settings.server
    return DoorOptions(
        anonymous=anonymous_role(settings) is not None,
        rate=server.rate,
        burst=2 * server.rate,
        hosts=server.hosts,
    )


def listeners_checked(settings: Settings) -> None:
    """Raise what is wrong with settings of listeners, as far as that shows before they are used.

    Raises:
        ConfigError: an address is none.
        CannotListen: the certificate cannot be used, or there is no such group.
    """
    for name in ("listen", "xmlrpc"):
        address = getattr(settings.server, name)
        if address != "none":
            _address(name, address)
    tls = _tls(settings)
    if tls is not None:
        tls_context(tls)
    if settings.server.socket_group is not None:
        group_number(settings.server.socket_group)


def _listeners(settings: Settings, api: Api, xmlrpc: XmlRpcApi) -> list[Listener]:
    server = settings.server
    tls = _tls(settings)
    path = Path(server.socket) if server.socket is not None else socket_path()
    group, mode = server.socket_group, server.socket_mode or ("0600" if server.socket_group is None else "0660")
    malformed = api.metrics.malformed
    found = [Listener(api, path=path, mode=int(mode, 8), group=group, malformed=malformed)]
    for name, address, app in (("listen", server.listen, api), ("xmlrpc", server.xmlrpc, xmlrpc)):
        if address != "none":
            host, port = _address(name, address)
            found.append(Listener(app, host=host, port=port, tls=tls, malformed=malformed))
    return found


def _address(name: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise ConfigError(f"server.{name}: expected ADDRESS:PORT, such as 127.0.0.1:42480, or none; not {text!r}")
    return host.strip("[]"), int(port)


def _tls(settings: Settings) -> Tls | None:
    certificate, key = settings.server.tls_certificate, settings.server.tls_key
    if (certificate is None) != (key is None):
        raise ConfigError("server.tls-certificate and server.tls-key go together: name both, or neither")
    return None if certificate is None or key is None else Tls(Path(certificate), Path(key))
