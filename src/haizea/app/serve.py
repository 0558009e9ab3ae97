"""Starting a daemon: settings, log, first words, exit status."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from haizea.api.server import CannotListen
from haizea.app.daemon import Daemon, build, is_default, store_url
from haizea.app.notify import sd_notify
from haizea.config import Override
from haizea.config import load as load_settings
from haizea.config.settings import Settings
from haizea.runtime.store import StoreError

NO_SERVICE = 1
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
    settings = load_settings(config, sets=tuple(sets), overrides=list(overrides))
    _log_in(log)
    logger = structlog.get_logger("haizea")
    try:
        _make_folder(settings)
        parts = build(settings, warn=logger.warning)
        asyncio.run(Daemon(parts, lambda addresses: _first_words(settings, addresses)).serve())
    except (StoreError, CannotListen) as problem:
        logger.critical("cannot serve", why=str(problem))
        return NO_SERVICE
    return 0


def _make_folder(settings: Settings) -> None:
    url = store_url(settings)
    if settings.store.url is None:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _log_in(form: str) -> None:
    """Log lines for people on a terminal, JSON elsewhere; on standard error."""
    human = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _first_words(settings: Settings, addresses: Sequence[str]) -> None:
    """Say where requests are taken, and how to make the first one."""
    url = urlsplit(store_url(settings))
    where = url.path if url.scheme == "sqlite" else url.scheme
    lines = [f"Haizea {_version()} serves {settings.live.site} (process {os.getpid()}), state in {where}"]
    for address, what in zip(addresses, ("command line", "REST API", "XML-RPC"), strict=False):
        lines.append(f"  {what + ':':<14}{address}")
    if is_default(settings):
        lines.append("  Everybody on this machine is an administrator here, as nothing else was configured.")
    print("\n".join([*lines, "", FIRST_STEPS]), flush=True)
    sd_notify("READY=1")


def _version() -> str:
    from haizea import __version__

    return __version__
