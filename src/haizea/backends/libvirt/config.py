"""What a site of libvirt hosts is made from, checked and in its own units."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from haizea.model.site import NO_LABELS
from haizea.model.units import Span

NONE: Final[Mapping[str, str]] = MappingProxyType({})


class HostConfig(NamedTuple):
    """One host: its name, how libvirt reaches it, its labels.

    ``migration`` is where other hosts send VMs to (``tcp://10.0.0.2``; ``{name}`` stands for the domain's name), empty
    where libvirt is to find out.
    """

    name: str
    uri: str
    labels: Mapping[str, str] = NO_LABELS
    migration: str = ""

    @property
    def pretends(self) -> bool:
        """Whether it is libvirt's own mock driver."""
        return urlsplit(self.uri).scheme == "test"

    @property
    def session(self) -> bool:
        """Whether it is somebody's own libvirtd, without root's rights."""
        return urlsplit(self.uri).path.rstrip("/") == "/session"


class Timing(NamedTuple):
    """How long is waited for what, in milliseconds."""

    call: Span = 10_000
    operation: Span = 600_000
    keepalive: Span = 3_000
    shutdown: Span | None = None
    rescan: Span = 30_000
    progress: Span = 500


class LibvirtConfig(NamedTuple):
    """A site of libvirt hosts.

    ``images`` is the repository, a folder or the beginning of a URL; ``image_hosts`` are the machines that images may
    be fetched from by HTTP; ``cache`` is how many MiB of images a host keeps although nothing uses them (None: all).
    ``parallel`` is how many VMs a host starts, saves, restores and moves at a time. ``shared`` says that all pools are
    one storage.
    """

    hosts: tuple[HostConfig, ...]
    template: Path | None = None
    domain_type: str = "auto"
    network: str | None = None
    images: str | None = None
    image_hosts: tuple[str, ...] = ()
    checksums_required: bool = False
    cache: int | None = None
    spool: Path | None = None
    pool: str = "haizea"
    pool_folder: str | None = None
    overlay: bool = True
    shared: bool = False
    managed_save: bool = False
    cpu_limits: str = "auto"
    user_data: Path | None = None
    parallel: int = 4
    timing: Timing = Timing()
