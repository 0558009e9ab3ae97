"""A site of libvirt hosts, as it is configured."""

from pathlib import Path

import pytest

from haizea.app.libvirt import config_of, folder_of, make
from haizea.backends.libvirt.config import Timing
from haizea.cli.serve import _named
from haizea.config.errors import ConfigError
from haizea.config.load import load
from haizea.config.settings import Settings
from haizea.model.resources import Capacity
from haizea.model.site import Host, Site

HOSTS = 'hosts = { a = "qemu:///session?socket=/run/a=1", b = "qemu+ssh://root@b/system" }\n'


def settings(folder: Path, text: str, more: str = "") -> Settings:
    """Return the settings of a file with a section about libvirt."""
    file = folder / "haizea.toml"
    file.write_text(f'[live]\nbackend = "libvirt"\n{more}[libvirt]\n{text}')
    return load(str(file))


def test_everything_reaches_its_place(tmp_path: Path) -> None:
    """Hosts keep their order, labels are theirs, limits are milliseconds."""
    config = config_of(
        settings(
            tmp_path,
            HOSTS + 'labels = { b = "rack=2 ssd=yes" }\nmigration-uris = { b = "tcp://10.0.0.2" }\n'
            'call-limit = "5s"\nshutdown-limit = 20\nsuspend-to = "managed"\ndisks = "copy"\nchecksums = "required"\n',
        )
    )
    assert [(host.name, host.session, dict(host.labels), host.migration) for host in config.hosts] == [
        ("a", True, {}, ""),
        ("b", False, {"rack": "2", "ssd": "yes"}, "tcp://10.0.0.2"),
    ]
    assert config.timing == Timing(call=5_000, shutdown=20_000)
    assert (config.managed_save, config.overlay, config.checksums_required, config.cache) == (True, False, True, 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "libvirt.hosts: there are none"),
        ('hosts = { a = "xen:///" }', "a = 'xen:///' is no URI of a libvirt host"),
        (HOSTS + 'labels = { c = "x=y" }', "libvirt.labels: there is no host c"),
        (HOSTS + 'labels = { a = "fast" }', "libvirt.labels: a: 'fast' is not of the form name=value"),
        (HOSTS + 'migration-uris = { c = "tcp://c" }', "libvirt.migration-uris: there is no host c"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, why: str) -> None:
    """A mistake is told with the option that it is in."""
    with pytest.raises(ConfigError) as caught:
        config_of(settings(tmp_path, text))
    assert why in str(caught.value)


def test_hosts_keep_their_places(tmp_path: Path) -> None:
    """The hosts that a store was made with come first, or their numbers would mean others."""
    kept = Site((Host("b", Capacity({"CPU": 100, "Memory": 1})),))
    with pytest.raises(ConfigError, match="must come first, in their order: b"):
        make(settings(tmp_path, HOSTS), kept, lambda _lease: None)


def test_real_vms_live_in_real_time(tmp_path: Path) -> None:
    """Time cannot be sped up for them."""
    with pytest.raises(ConfigError, match=r"live.time-scale"):
        make(settings(tmp_path, HOSTS, "time-scale = 2\n"), None, lambda _lease: None)


def test_a_template_that_is_none_is_told(tmp_path: Path) -> None:
    """A template that cannot be read is a mistake in the configuration."""
    pytest.importorskip("libvirt")
    with pytest.raises(ConfigError, match=r"libvirt.template: .*nowhere"):
        make(settings(tmp_path, HOSTS + 'template = "/nowhere"'), None, lambda _lease: None)


def test_files_are_beside_the_store(tmp_path: Path) -> None:
    """Where nothing else is said, files under way are beside the store's."""
    assert folder_of(settings(tmp_path, HOSTS + 'folder = "/x"')) == Path("/x")
    given = settings(tmp_path, HOSTS).with_values({"store": {"url": f"sqlite:///{tmp_path}/haizea.db"}})
    assert folder_of(given) == tmp_path / "haizea.libvirt"


def test_hosts_on_the_command_line_have_names() -> None:
    """A host that is named by its URI alone is called what its machine is called."""
    uris = ["qemu:///session", "qemu+ssh://root@alpha/system", "qemu+ssh://root@alpha:2022/system"]
    assert [word.partition("=")[0] for word in _named(uris)] == ["here", "alpha", "alpha-3"]
