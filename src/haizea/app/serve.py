"""Starting a daemon: settings, log, first words, exit status."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from haizea.api.server import CannotListen
from haizea.app.daemon import Daemon, Ending, build
from haizea.app.doors import Signals, is_default, store_url
from haizea.app.logs import Log
from haizea.app.notify import sd_notify
from haizea.app.standby import Standby, may_stand_by
from haizea.config import Override
from haizea.config import load as load_settings
from haizea.config.settings import Settings
from haizea.runtime.ports import PlatformUnavailable
from haizea.runtime.store import Deposed, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from haizea.stores.sql.leadership import Leadership

NO_SERVICE: Final = 1
FIRST_STEPS = """
Try it, in another terminal:
  haizea lease request --nodes 1 --cpu 1 --memory 1G --duration 10m
  haizea schedule
""".strip()


def run(config: str | None, sets: Sequence[str], overrides: Sequence[Override], log: str) -> int:
    """Serve until told to stop; return the exit status.

    Raises:
        haizea.config.errors.ConfigError: the configuration is wrong.
    """

    def read() -> Settings:
        return load_settings(config, sets=tuple(sets), overrides=list(overrides))

    settings = read()
    follow = Log(log, settings).follow
    logger = structlog.get_logger("haizea")
    try:
        _make_folder(settings)
        asyncio.run(_live(settings, read, follow))
    except (StoreError, CannotListen, PlatformUnavailable) as problem:
        logger.critical("cannot serve", why=str(problem))
        return NO_SERVICE
    return 0


async def _live(
    settings: Settings, read: Callable[[], Settings], log: Callable[[Settings], None] = lambda _settings: None
) -> None:
    """Serve; where several daemons share a store, stand by until it is this one's turn, and again when it was.

    ``log`` sets how much is logged.
    """
    signals = Signals()
    if not may_stand_by(settings):
        await _lead(_Serving(settings, read, log), signals, None)
        return
    from haizea.stores.sql.leadership import Leadership

    logger = structlog.get_logger("haizea")
    lead = Leadership(store_url(settings), address=_address(settings))
    serving = _Serving(settings, read, log)
    try:
        while not signals.stop.is_set():
            standby = Standby(serving.settings, lead, _standby_words, read, log)
            ending = await standby.serve(signals)
            serving.settings = standby.settings
            if ending is Ending.STOPPED:
                return
            try:
                ending = await _lead(serving, signals, lead)
            except (StoreUnavailable, Deposed) as problem:
                # The store went away between two moments: whoever reaches it first leads.
                logger.warning("cannot lead", why=str(problem))
                ending = Ending.DEPOSED
            lead.release()
            if ending is Ending.STOPPED:
                return
            await asyncio.sleep(1)
    finally:
        lead.release()


class _Serving:
    """What a daemon serves by, whether it leads or stands by; settings that were reloaded stay in force."""

    def __init__(self, settings: Settings, read: Callable[[], Settings], log: Callable[[Settings], None]) -> None:
        self.settings = settings
        self.read = read
        self.log = log


async def _lead(serving: _Serving, signals: Signals, lead: "Leadership | None") -> Ending:
    warn = structlog.get_logger("haizea").warning
    settings = serving.settings
    parts = await asyncio.to_thread(build, settings, warn=warn, leadership=lead)
    daemon = Daemon(parts, lambda addresses: _first_words(settings, addresses), serving.read, lead, serving.log)
    try:
        return await daemon.serve(signals)
    finally:
        serving.settings = daemon.settings


def _address(settings: Settings) -> str:
    """Return where others are told that this daemon is reached."""
    server = settings.server
    if server.listen == "none":
        return ""
    return f"{'http' if server.tls_certificate is None else 'https'}://{server.listen}"


def _make_folder(settings: Settings) -> None:
    url = store_url(settings)
    if settings.store.url is None:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _first_words(settings: Settings, addresses: Sequence[str]) -> None:
    """Say where requests are taken, and how to make the first one."""
    url = urlsplit(store_url(settings))
    where = url.path.replace("//", "/", 1) if url.scheme == "sqlite" else url.scheme
    lines = [f"Haizea {_version()} serves {_site(settings)} (process {os.getpid()}), state in {where}"]
    for address, what in zip(addresses, ("command line", "REST API", "XML-RPC"), strict=False):
        lines.append(f"  {what + ':':<14}{address}")
    if is_default(settings):
        lines.append("  Everybody on this machine is an administrator here, as nothing else was configured.")
    print("\n".join([*lines, "", FIRST_STEPS]), flush=True)
    sd_notify("READY=1\nSTATUS=It leads.")


def _standby_words(addresses: Sequence[str], who: str) -> None:
    """Say that requests are not taken here for now, and where questions are."""
    lines = [f"Haizea {_version()} stands by (process {os.getpid()}): {who}."]
    for address, what in zip(addresses, ("command line", "REST API", "XML-RPC"), strict=False):
        lines.append(f"  {what + ':':<14}{address}")
    print("\n".join(lines), flush=True)
    sd_notify("READY=1\nSTATUS=It stands by.")


def _site(settings: Settings) -> str:
    if settings.live.backend != "libvirt":
        return settings.live.site
    hosts = settings.libvirt.hosts
    return ", ".join([f"{name} ({uri})" for name, uri in hosts.items()][:4]) + (" and others" if len(hosts) > 4 else "")


def _version() -> str:
    from haizea import __version__

    return __version__
