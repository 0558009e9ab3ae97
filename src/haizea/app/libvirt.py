"""From settings to a site of libvirt hosts."""

from pathlib import Path
from typing import Final

from haizea.app.doors import store_url
from haizea.app.paths import data_folder
from haizea.backends.libvirt.config import HostConfig, LibvirtConfig, Timing
from haizea.backends.libvirt.domains import TemplateError
from haizea.backends.libvirt.facade import NoLibvirt
from haizea.backends.libvirt.platform import LibvirtPlatform
from haizea.config.errors import ConfigError
from haizea.config.settings import Settings
from haizea.model.site import Site
from haizea.runtime.ports import PlatformUnavailable, Terms

SCHEMES: Final = ("qemu", "qemu+ssh", "qemu+tls", "qemu+tcp", "qemu+unix", "qemu+libssh", "qemu+libssh2", "test")


def make(settings: Settings, kept: Site | None, terms: Terms) -> tuple[LibvirtPlatform, Site]:
    """Return the platform and its hosts; those in ``kept`` as they are there.

    Raises:
        ConfigError: settings are wrong, or libvirt's package is not installed.
        PlatformUnavailable: what a new host has is not known, because it does not answer.
    """
    config = config_of(settings)
    names = [host.name for host in config.hosts]
    before = [] if kept is None else [host.name for host in kept.hosts]
    if names[: len(before)] != before:
        raise ConfigError(
            "libvirt.hosts: the hosts that the store was made with must come first, in their order: "
            + ", ".join(before)
        )
    if settings.live.time_scale != 1.0:
        raise ConfigError("live.time-scale: real VMs live no faster than real time; leave it at 1")
    try:
        platform = LibvirtPlatform(config, terms, folder_of(settings))
    except NoLibvirt as problem:
        raise ConfigError(f"live.backend = libvirt: {problem}") from problem
    except TemplateError as problem:
        raise ConfigError(f"libvirt.template: {problem}") from problem
    platform.connect()
    try:
        return platform, platform.site(kept)
    except PlatformUnavailable as problem:
        platform.stop()
        raise PlatformUnavailable(
            f"{problem}. A host that was never connected to must answer when Haizea starts: see to it, or take it out "
            "of libvirt.hosts until it does."
        ) from problem


def config_of(settings: Settings) -> LibvirtConfig:
    """Return what a site of libvirt hosts is made from.

    Raises:
        ConfigError: there are no hosts, or what is said of them is wrong.
    """
    given = settings.libvirt
    if not given.hosts:
        raise ConfigError('libvirt.hosts: there are none; name some, such as hosts = { here = "qemu:///system" }')
    for option in ("labels", "migration_uris"):
        unknown = sorted(getattr(given, option).keys() - given.hosts.keys())
        if unknown:
            raise ConfigError(f"libvirt.{option.replace('_', '-')}: there is no host {unknown[0]} in libvirt.hosts")
    for name, uri in given.hosts.items():
        if uri.partition("://")[0] not in SCHEMES:
            raise ConfigError(
                f"libvirt.hosts: {name} = {uri!r} is no URI of a libvirt host that runs QEMU, such as qemu:///system "
                "or qemu+ssh://root@host/system"
            )
    limit = settings.deploy_imagetransfer
    return LibvirtConfig(
        hosts=tuple(
            [
                HostConfig(name, uri, _labels(name, given.labels.get(name, "")), given.migration_uris.get(name, ""))
                for name, uri in given.hosts.items()
            ]
        ),
        template=None if given.template is None else Path(given.template),
        domain_type=given.domain_type,
        network=given.network,
        images=given.images,
        image_hosts=given.image_hosts,
        checksums_required=given.checksums == "required",
        cache=limit.diskimage_cache_size if limit.diskimage_reuse == "image-caches" else 0,
        pool=given.pool,
        pool_folder=given.pool_folder,
        overlay=given.disks == "overlay",
        shared=given.shared_storage,
        managed_save=given.suspend_to == "managed",
        cpu_limits=given.cpu_limits,
        user_data=None if given.user_data is None else Path(given.user_data),
        parallel=given.parallel,
        timing=Timing(
            call=given.call_limit,
            operation=given.operation_limit,
            keepalive=given.keepalive,
            shutdown=given.shutdown_limit,
        ),
    )


def _labels(host: str, text: str) -> dict[str, str]:
    found = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise ConfigError(f"libvirt.labels: {host}: {word!r} is not of the form name=value")
        found[name] = value
    return found


def folder_of(settings: Settings) -> Path:
    """Return where files are kept on their way, and the disks of hosts without root's rights."""
    if settings.libvirt.folder is not None:
        return Path(settings.libvirt.folder).absolute()
    url = store_url(settings)
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///")).absolute().with_suffix(".libvirt")
    return data_folder() / "libvirt"
