"""Which platform runs the VMs: the back end that ``live.backend`` names, put together from settings.

A back end has one entry in :data:`MAKERS`. What it needs is imported when it is chosen.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.app.doors import store_url
from haizea.app.paths import data_folder
from haizea.app.sites import merged
from haizea.config.errors import ConfigError
from haizea.config.settings import Settings
from haizea.config.spans import read_span
from haizea.live.assembly import Time
from haizea.live.records import SITE, site_document, site_from
from haizea.model.lease import LeaseTerms
from haizea.model.site import Site
from haizea.runtime.ports import Platform, Terms
from haizea.runtime.store import Store
from haizea.workloads.oneline import parse_site

PACE_MAX: Final = 1_000


class Around(NamedTuple):
    """What a back end may be made of.

    ``kept`` is the site as it was when the daemon ran last, None where it never did: hosts keep their numbers, which
    are positions there. ``terms`` looks up what was asked for with a lease, ``over`` whether it has ended for good,
    ``warn`` tells an operator something. Commands are stamped with the time of ``clock``.
    """

    settings: Settings
    kept: Site | None
    terms: Terms
    warn: Callable[[str], None]
    clock: Time
    over: Callable[[int], bool]


class Chosen(NamedTuple):
    """A back end and its hosts, which begin with those that were kept.

    ``configured`` are the hosts as the configuration says they are, ``kept`` as :class:`Around`.
    ``keeps_changing`` says whether it changes by itself, so that it is looked at every now and then (see
    ``live.reconcile-every``); one that is not is looked at when the daemon starts.
    """

    platform: Platform
    site: Site
    keeps_changing: bool = True
    configured: Site | None = None
    kept: Site | None = None


class Lookup:
    """The ``terms`` of a back end, which is there before who knows them."""

    def __init__(self) -> None:
        self.source: Terms = lambda _lease: None

    def __call__(self, lease: int, /) -> LeaseTerms | None:
        """Return what was asked for with a lease, None where there is no such lease."""
        return self.source(lease)


def _pretended(around: Around) -> Chosen:
    from haizea.backends.pretended import PretendedPlatform

    settings = around.settings
    site = parse_site(settings.live.site)
    platform = PretendedPlatform(
        platform_path(settings),
        [host.name for host in merged(around.kept, site).hosts],
        around.clock.now,
        factor=around.clock.factor,
        times={kind: pace_of(kind, text) for kind, text in settings.live.pretended_times.items()},
    )
    return Chosen(platform, merged(around.kept, site), configured=site)


def pace_of(kind: str, text: str) -> str:
    """Return a pace as the pretended platform takes it: ``3x``, or milliseconds.

    Raises:
        ConfigError: there is no such kind of operation, or it is no pace.
    """
    from haizea.backends.pretence import KINDS

    if kind not in KINDS:
        raise ConfigError(f"there is no operation {kind!r}: expected {', '.join(KINDS)}")
    number = text.removesuffix("x")
    try:
        if text.endswith("x") and 0 <= float(number) <= PACE_MAX:
            return f"{float(number):g}x"
        return str(read_span(text))
    except ValueError as problem:
        raise ConfigError(f"{kind} {text!r}: expected 3x for three times as long, or a span such as 90s") from problem


def _opennebula(around: Around) -> Chosen:
    from haizea.app.opennebula import make

    return Chosen(*make(around.settings, around.kept, around.terms, around.over, around.warn))


def _libvirt(around: Around) -> Chosen:
    from haizea.app.libvirt import make

    platform, site = make(around.settings, around.kept, around.terms)
    return Chosen(platform, site)


MAKERS: Final[Mapping[str, Callable[[Around], Chosen]]] = MappingProxyType(
    {"pretended": _pretended, "libvirt": _libvirt, "opennebula": _opennebula}
)
"""The back ends by the name that ``live.backend`` has of them."""


def choose(settings: Settings, store: Store, terms: Terms, warn: Callable[[str], None], clock: Time) -> Chosen:
    """Return the platform that the settings name, with its site, which the store knows from now on.

    Raises:
        ConfigError: settings do not go together.
    """
    kept = store.fact(SITE)

    def over(lease: int) -> bool:
        row = store.lease(lease)
        return row is not None and row.final

    chosen = MAKERS[settings.live.backend](Around(settings, site_from(kept), terms, warn, clock, over))
    if kept is None:
        with store.write() as transaction:
            transaction.set_fact(SITE, site_document(chosen.site))
    return chosen._replace(configured=chosen.configured or chosen.site, kept=site_from(kept))


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
