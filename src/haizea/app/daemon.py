"""``haizea serve``: the live lease manager, put together from settings, and taken apart again."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from haizea.api.options import ApiOptions, DoorOptions
from haizea.api.rest import Api
from haizea.api.server import Listener, Servers, Tls
from haizea.api.webhooks import Deliveries
from haizea.api.xmlrpc.app import XmlRpcApi, XmlRpcOptions
from haizea.app.compose import policies
from haizea.app.paths import data_folder, socket_path
from haizea.backends.pretended import PretendedPlatform
from haizea.config.errors import ConfigError
from haizea.config.options import to_options
from haizea.config.settings import Settings
from haizea.core.reasons import instant
from haizea.live.clock import LiveClock, Scale, real_now
from haizea.live.engine import Engine
from haizea.live.engine import Settings as EngineSettings
from haizea.model.site import Site
from haizea.model.units import Instant, Span
from haizea.policy.registry import available
from haizea.runtime.changes import Change
from haizea.runtime.store import Store, StoreError
from haizea.service.accounts import Accounts
from haizea.service.ledger import Ledger
from haizea.service.live import Live
from haizea.service.manager import Manager
from haizea.service.measures import Measures
from haizea.service.models import PolicyOut
from haizea.service.oidc import TokenVerifier
from haizea.service.oidc import load as load_verifier
from haizea.service.principal import Role
from haizea.service.system import Identity
from haizea.service.webhooks import Targets, Webhooks
from haizea.stores import open_store
from haizea.workloads.oneline import parse_site

SITE_FACT = "site"
CLOCK_FACT = "clock"
SECRET_OPTIONS = ("store.url",)


class Pulse:
    """What is seen of the loop from outside."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._engine.alive

    @property
    def trouble(self) -> str:
        """Why the store cannot be written."""
        return self._engine.keeper.trouble

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._engine.inbox)

    @property
    def lag(self) -> Span:
        """How late it woke last."""
        return self._engine.clock.lag

    @property
    def newest(self) -> int:
        """The number of the newest journal entry."""
        return self._engine.keeper.newest


class Parts(NamedTuple):
    """A daemon's parts."""

    settings: Settings
    engine: Engine
    store: Store
    manager: Manager
    webhooks: Webhooks
    targets: Targets
    measures: Measures


def store_url(settings: Settings) -> str:
    """Return where the store is, with the default filled in."""
    return settings.store.url or f"sqlite:///{data_folder() / 'haizea.sqlite'}"


def is_default(settings: Settings) -> bool:
    """Whether nothing was said of where to keep things and whom to let in: the site of somebody who tries Haizea out."""
    return settings.store.url is None and settings.server.anonymous == "none"


def build(settings: Settings, *, warn: Callable[[str], None]) -> Parts:
    """Make a daemon's parts.

    Raises:
        haizea.runtime.store.StoreError: the store cannot be used.
        ConfigError: settings do not go together.
    """
    store = open_store(store_url(settings), migrate=False)
    try:
        return _build(settings, store, warn)
    except BaseException:
        store.close()
        raise


def _build(settings: Settings, store: Store, warn: Callable[[str], None]) -> Parts:
    site = _site(settings, store)
    clock = _clock(settings, store)
    measures = Measures()
    engine = Engine(
        EngineSettings(site, to_options(settings), policies(settings)),
        store,
        PretendedPlatform(_platform_path(settings)),
        clock,
        measures,
        warn,
    )
    ledger = Ledger(store, engine)
    server = settings.server
    accounts = Accounts(
        ledger, clock.now, daemon_uid=os.getuid(), anonymous=_anonymous(settings), verifiers=_verifiers(settings)
    )
    targets = Targets(server.webhook_networks)
    webhooks = Webhooks(ledger, clock.now, targets)
    live = Live(engine, store, accounts, site, clock.now)
    identity = Identity(clock.now(), settings.live.time_scale, _shown(settings), tuple(_policies(settings)))
    manager = Manager(live, Pulse(engine), measures, identity, webhooks, _zone(server.time_zone))
    engine.chores.append(_expire(engine, manager))
    return Parts(settings, engine, store, manager, webhooks, targets, measures)


def _expire(engine: Engine, manager: Manager) -> Callable[[Instant], None]:
    """Return what looks now and then whether offers have expired."""

    def expire(_now: Instant) -> None:
        try:
            waiting = bool(engine.store.offers())
        except StoreError:
            # The loop tells of that by itself, and this can wait.
            return
        if waiting and engine.alive and not len(engine.inbox):
            engine.inbox.put(lambda change: _expired(manager, change), writes=True)

    return expire


def _expired(manager: Manager, change: Change) -> None:
    manager.planning.expire(change)


def _site(settings: Settings, store: Store) -> Site:
    """Return the site, having checked that it is the one that the store was made with, or has grown at its end."""
    site = parse_site(settings.live.site)
    described = [[host.name, dict(host.capacity.items()), dict(host.labels)] for host in site.hosts]
    kept = store.fact(SITE_FACT)
    if kept is not None and described[: len(kept)] != kept:
        raise ConfigError(
            f"live.site: {settings.live.site!r} is not the site that the store was made with ({len(kept)} hosts); "
            "hosts can only be added at its end. Start with the same site, or with another store (store.url)."
        )
    if kept != described:
        with store.write() as transaction:
            transaction.set_fact(SITE_FACT, described)
    return site


def _clock(settings: Settings, store: Store) -> LiveClock:
    """Return the clock; a site that lives faster than real time goes on from when it stopped."""
    factor = settings.live.time_scale
    kept = store.fact(CLOCK_FACT)
    now = real_now()
    if kept is None and factor == 1.0:
        return LiveClock()
    if kept is not None and kept["factor"] == factor:
        return LiveClock(Scale(kept["real"], kept["shown"], factor))
    shown = now if kept is None else Scale(kept["real"], kept["shown"], kept["factor"]).shown_at(now)
    with store.write() as transaction:
        transaction.set_fact(CLOCK_FACT, {"real": now, "shown": shown, "factor": factor})
    return LiveClock(Scale(now, shown, factor))


def _platform_path(settings: Settings) -> Path | str:
    url = store_url(settings)
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///")).with_suffix(".platform")
    if url == "memory:":
        return ":memory:"
    folder = data_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "haizea.platform"


def _anonymous(settings: Settings) -> Role | None:
    name = settings.server.anonymous
    if name != "none":
        return Role[name.upper()]
    return Role.ADMIN if is_default(settings) else None


def _verifiers(settings: Settings) -> list[TokenVerifier]:
    name = settings.server.token_verifier
    return [] if name is None else [load_verifier(name, settings.policy.get(name, {}))]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise ConfigError(f"server.time-zone: there is no zone {name!r}, as in Europe/Madrid") from problem


def _policies(settings: Settings) -> list[PolicyOut]:
    scheduling = settings.scheduling
    chosen = {
        "admission": scheduling.policy_admission,
        "host-selection": scheduling.policy_host_selection,
        "preemption": scheduling.policy_preemption,
        "pricing": scheduling.policy_pricing,
    }
    return [
        PolicyOut(kind=kind, name=info.name, summary=info.description, chosen=chosen[kind] == info.name)
        for kind in chosen
        for info in available(kind)
    ]


def _shown(settings: Settings) -> dict[str, Any]:
    """Return the settings in force, without what must stay secret."""
    from haizea.config.settings import SECTIONS

    found: dict[str, Any] = {}
    for section in SECTIONS:
        values = settings.section(section)
        found[section] = {
            name.replace("_", "-"): _plain(getattr(values, name))
            for name in values.names()
            if f"{section}.{name.replace('_', '-')}" not in SECRET_OPTIONS
        }
    return found


def _plain(value: object) -> object:
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value)


# Serving -----------------------------------------------------------------------------------------------------


class Daemon:
    """Serves until it is told to stop."""

    def __init__(self, parts: Parts, ready: Callable[[Sequence[str]], None]) -> None:
        """``ready`` is called with the addresses once requests are taken."""
        self._parts = parts
        self._ready = ready
        self._log = structlog.get_logger("haizea")

    async def serve(self) -> None:
        """Listen, work, and stop cleanly on SIGTERM or SIGINT: no new requests, state saved, VMs left running.

        Raises:
            haizea.api.server.CannotListen: an address cannot be listened at.
        """
        parts, stop = self._parts, asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        door = _door(parts.settings)
        api = Api(parts.manager, ApiOptions(door=door))
        xmlrpc = XmlRpcApi(parts.manager, XmlRpcOptions(door=door))
        servers = Servers(_listeners(parts.settings, api, xmlrpc), on_stop=api.stop_streams)
        deliveries = Deliveries(
            parts.manager.journal, parts.webhooks, parts.targets.addresses, parts.manager.accounts.by_name
        )
        parts.engine.start()
        tasks: list[asyncio.Task[Any]] = []
        try:
            addresses = await servers.start()
            tasks = [
                asyncio.create_task(deliveries.run()),
                asyncio.create_task(stop.wait()),
                asyncio.create_task(servers.wait()),
                asyncio.create_task(self._watch()),
            ]
            self._ready(addresses)
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._log.info("stopping")
            parts.manager.system.stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await servers.stop()
            api.close()
            xmlrpc.close()
            await asyncio.to_thread(parts.engine.stop)
            parts.store.close()
            self._log.info("stopped", at=instant(parts.engine.clock.now()))
        if parts.engine.failure is not None:
            raise parts.engine.failure

    async def _watch(self) -> None:
        """Return when the loop has ended by itself; tell who waits for news of them meanwhile."""
        newest = -1
        while self._parts.engine.alive:
            if self._parts.engine.keeper.newest != newest:
                newest = self._parts.engine.keeper.newest
                self._parts.manager.journal.tell()
            await asyncio.sleep(0.05)


def _door(settings: Settings) -> DoorOptions:
    server = settings.server
    return DoorOptions(
        anonymous=_anonymous(settings) is not None,
        rate=server.rate,
        burst=2 * server.rate,
        hosts=server.hosts,
    )


def _listeners(settings: Settings, api: Api, xmlrpc: XmlRpcApi) -> list[Listener]:
    server = settings.server
    tls = _tls(settings)
    path = Path(server.socket) if server.socket is not None else socket_path()
    found = [Listener(api, path=path)]
    for name, address, app in (("listen", server.listen, api), ("xmlrpc", server.xmlrpc, xmlrpc)):
        if address != "none":
            host, port = _address(name, address)
            found.append(Listener(app, host=host, port=port, tls=tls))
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
