"""Which platform runs the VMs: the back end that ``live.backend`` names, put together from settings.

A back end has one entry in :data:`MAKERS`. What it needs is imported when it is chosen.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from haizea.app.doors import store_url
from haizea.app.paths import data_folder
from haizea.config.errors import ConfigError
from haizea.config.settings import Settings
from haizea.model.lease import LeaseTerms
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site
from haizea.runtime.ports import Platform, Terms
from haizea.runtime.store import Store
from haizea.workloads.oneline import parse_site

SITE_FACT: Final = "site"
"""The fact under which the store has the hosts: name, capacity and labels of each."""


class Around(NamedTuple):
    """What a back end may be made of.

    ``kept`` is the site as it was when the daemon ran last, None where it never did: hosts keep their numbers, which
    are positions there. ``terms`` looks up what was asked for with a lease, ``warn`` tells an operator something.
    """

    settings: Settings
    kept: Site | None
    terms: Terms
    warn: Callable[[str], None]


class Chosen(NamedTuple):
    """A back end and its hosts, which begin with those that were kept.

    ``keeps_changing`` says whether it changes by itself, so that it is looked at every now and then (see
    ``live.reconcile-every``); one that is not is looked at when the daemon starts.
    """

    platform: Platform
    site: Site
    keeps_changing: bool = True


class Lookup:
    """The ``terms`` of a back end, which is there before who knows them."""

    def __init__(self) -> None:
        self.source: Terms = lambda _lease: None

    def __call__(self, lease: int, /) -> LeaseTerms | None:
        """Return what was asked for with a lease, None where there is no such lease."""
        return self.source(lease)


def _pretended(around: Around) -> Chosen:
    from haizea.backends.pretended import PretendedPlatform

    site = parse_site(around.settings.live.site)
    return Chosen(PretendedPlatform(platform_path(around.settings), len(site.hosts)), site)


MAKERS: Final[Mapping[str, Callable[[Around], Chosen]]] = MappingProxyType({"pretended": _pretended})
"""The back ends by the name that ``live.backend`` has of them."""


def choose(settings: Settings, store: Store, terms: Terms, warn: Callable[[str], None]) -> Chosen:
    """Return the platform that the settings name, with its site, which the store knows from now on.

    Raises:
        ConfigError: settings do not go together, or it is not the site that the store was made with.
    """
    kept = store.fact(SITE_FACT)
    chosen = MAKERS[settings.live.backend](Around(settings, site_from(kept), terms, warn))
    described = site_document(chosen.site)
    if kept is not None and described[: len(kept)] != kept:
        chosen.platform.stop()
        raise ConfigError(
            f"live.site: {settings.live.site!r} is not the site that the store was made with ({len(kept)} hosts); "
            "hosts can only be added at its end. Start with the same site, or with another store (store.url)."
        )
    if kept != described:
        with store.write() as transaction:
            transaction.set_fact(SITE_FACT, described)
    return chosen


def site_document(site: Site) -> list[Any]:
    """Return a site as the store keeps it."""
    return [[host.name, dict(host.capacity.items()), dict(host.labels)] for host in site.hosts]


def site_from(kept: list[Any] | None) -> Site | None:
    """Return the site that a store has kept."""
    if kept is None:
        return None
    hosts = tuple([Host(name, Capacity(capacity), labels) for name, capacity, labels in kept])
    types: dict[str, None] = {}
    for host in hosts:
        types.update(dict.fromkeys(host.capacity))
    return Site(hosts, tuple(types))


def platform_path(settings: Settings) -> Path | str:
    """Return where the pretended platform keeps its VMs; ``:memory:`` where nothing is to outlive the daemon."""
    if settings.live.platform_file is not None:
        return Path(settings.live.platform_file)
    url = store_url(settings)
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///")).with_suffix(".platform")
    if url == "memory:":
        return ":memory:"
    folder = data_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "haizea.platform"
