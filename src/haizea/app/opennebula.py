"""OpenNebula put together from settings: how it is reached, its hosts as the site, the platform."""

import time
from collections.abc import Callable
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from haizea.backends.opennebula.client import Access, Client, OneError, OneUnreachable, access
from haizea.backends.opennebula.operations import Rules
from haizea.backends.opennebula.platform import OpenNebulaPlatform, Setup
from haizea.backends.opennebula.polling import Publisher
from haizea.backends.opennebula.pools import BadAnswer, servers
from haizea.backends.opennebula.site import site_of
from haizea.config.errors import ConfigError
from haizea.config.settings import Settings
from haizea.model.site import Site
from haizea.model.units import SECOND
from haizea.runtime.ports import Platform, Terms
from haizea.service.manager import Manager

if TYPE_CHECKING:
    from haizea.app.intake import Intake

HOSTS_WAIT_S: Final = 60.0
"""So long a host is waited for that OpenNebula knows the capacity of, where it has one that was not monitored yet."""


POLL_MIN_S: Final = 0.05


def where(settings: Settings) -> Access:
    """Return how OpenNebula is reached.

    Raises:
        ConfigError: that is not said, or the session cannot be read.
    """
    given = settings.opennebula
    try:
        return access(given.endpoint, given.auth_file, fallback=f"http://{given.host}:{given.port}/RPC2")
    except ValueError as problem:
        raise ConfigError(f"opennebula: {problem}") from problem


def setup_of(settings: Settings) -> Setup:
    """Return how OpenNebula is used.

    Raises:
        ConfigError: the event publisher is to be listened to, and what that takes is not installed.
    """
    given = settings.opennebula
    if given.publisher is not None:
        try:
            Publisher(given.publisher, lambda: None)
        except ValueError as problem:
            raise ConfigError(str(problem)) from problem
    return Setup(
        Rules(
            shutdown=given.shutdown_limit / SECOND,
            stuck=given.stuck_after / SECOND,
            stop=given.suspend == "stop",
            settle=min(Rules().settle, 4 * given.poll_interval / SECOND),
        ),
        max(POLL_MIN_S, given.poll_interval / SECOND),
        given.owners,
        "" if given.template is None else str(given.template),
        given.cpu == "vcpu",
        given.publisher or "",
    )


def make(
    settings: Settings, kept: Site | None, terms: Terms, over: Callable[[int], bool], warn: Callable[[str], None]
) -> tuple[OpenNebulaPlatform, Site]:
    """Return OpenNebula as a platform, and its hosts, which begin with those that were kept.

    Where there is a site already OpenNebula need not answer: promises that were made go on when it does.

    Raises:
        ConfigError: it cannot be reached, or has no host that anything is known of.
    """
    client = Client(where(settings))
    site = _site(client, kept, warn)
    names = [host.name for host in site.hosts]
    return OpenNebulaPlatform(client, names, terms, setup_of(settings), over=over, warn=warn), site


def intake_of(
    settings: Settings, platform: Platform, manager: Manager, zone: tzinfo, warn: Callable[[str], None]
) -> "Intake":
    """Return what takes VMs of OpenNebula in. It has a connection of its own."""
    from haizea.app.intake import Intake

    if not isinstance(platform, OpenNebulaPlatform):
        raise TypeError(f"VMs are taken in from OpenNebula, not from a {type(platform).__name__}")
    return Intake(platform, Client(where(settings)), manager, settings.opennebula, zone, warn)


def _site(client: Client, kept: Site | None, warn: Callable[[str], None]) -> Site:
    until = time.monotonic() + HOSTS_WAIT_S
    while True:
        try:
            found = servers(client.hosts())
        except (OneError, OneUnreachable, BadAnswer) as problem:
            if kept is not None:
                warn(f"OpenNebula cannot be asked for its hosts, those of before are taken: {problem}")
                return kept
            raise ConfigError(f"opennebula: {problem}. See what haizea opennebula check says.") from problem
        site = site_of(found, kept)
        if site.hosts:
            return site
        if not found or time.monotonic() > until:
            raise ConfigError(
                f"OpenNebula at {client.endpoint} has no host whose capacity it knows ({len(found)} in all): "
                "see onehost list"
            )
        time.sleep(1)
