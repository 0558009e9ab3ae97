"""The daemon's log: its form, and how much there is of it."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

from haizea.config.settings import Settings

LEVELS: Final[Mapping[str, int]] = {
    "STATUS": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "VDEBUG": logging.DEBUG,
}
"""What a daemon logs at least: what somebody should see to; what it does; every request as well."""


class Log:
    """Log lines on standard error, as many as the settings say."""

    def __init__(self, form: str, settings: Settings) -> None:
        """Begin: ``form`` is ``console`` for people, ``json`` for programs, ``auto`` by whether it is a terminal."""
        self._least = logging.INFO
        self.follow(settings)
        human = form == "console" or (form == "auto" and sys.stderr.isatty())
        renderer = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer()
        structlog.configure(
            processors=[
                self._drop,
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
            cache_logger_on_first_use=True,
        )

    def follow(self, settings: Settings) -> None:
        """Log as much as settings say."""
        self._least = LEVELS[settings.general.loglevel]

    def _drop(self, _logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if logging.getLevelNamesMapping().get(method.upper(), logging.ERROR) < self._least:
            raise structlog.DropEvent
        return line


def logs_requests(settings: Settings) -> bool:
    """Whether every request is to be logged."""
    return LEVELS[settings.general.loglevel] <= logging.DEBUG
