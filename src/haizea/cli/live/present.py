"""Times and lengths of options, read at the server's present and in the user's time zone."""

import os
from collections.abc import Callable
from datetime import UTC, tzinfo
from time import time
from typing import Any, TypeVar

from haizea.cli.live.common import fail
from haizea.cli.live.values import parse_length
from haizea.cli.live.when import instant_of, instant_of_iso, iso, relative_text, zone_named
from haizea.client.errors import ClientError
from haizea.model.units import SECOND, Instant

T = TypeVar("T")


def local_zone() -> tzinfo:
    """Return the time zone that this machine or ``TZ`` says; UTC where neither does."""
    from zoneinfo import ZoneInfo

    named = os.environ.get("TZ", "").removeprefix(":")
    if named:
        try:
            return zone_named(named)
        except ValueError:
            return UTC
    try:
        with open("/etc/localtime", "rb") as file:
            name = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
            return ZoneInfo.from_file(file, key=name or None)
    except (OSError, ValueError):
        return UTC


def present_of(client: Any) -> Instant:
    """Return the server's present: its clock may run faster, in a simulation, or wrong."""
    try:
        return instant_of_iso(client.status()["now"])
    except ClientError as error:
        if error.status != 403:
            raise
        # A token may be for leases alone.
        return int(time() * SECOND)


def start_text(client: Any, text: str, option: str) -> str:
    """Return what the API takes of a time to come: ``now``, ``+HH:MM:SS`` or an instant.

    Raises:
        click.UsageError: it is no such time.
    """
    return _said(option, lambda: relative_text(text) or iso(instant_of(text, present_of(client), local_zone())))


def past_text(client: Any, text: str, option: str) -> str:
    """Return the instant that any time means.

    Raises:
        click.UsageError: it is none.
    """
    return _said(option, lambda: iso(instant_of(text, present_of(client), local_zone(), past=True)))


def length_option(text: str | None, option: str) -> float | None:
    """Return a length of time in seconds; None for none.

    Raises:
        click.UsageError: it is no length of time.
    """
    return None if text is None else _said(option, lambda: parse_length(text) / SECOND)


def _said(option: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:
        fail(f"{option}: {error}")
