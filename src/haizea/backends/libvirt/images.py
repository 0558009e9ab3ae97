"""Images and disks on the hosts: transferred once, kept for later, disks made on top of them, unused ones evicted.

An image's file is named after what the lease calls it and what is in it. It counts only once a second, empty file says
that it is whole: a transfer that was broken off leaves none.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from haizea.backends.libvirt import volumes
from haizea.backends.libvirt.config import LibvirtConfig
from haizea.backends.libvirt.connection import CallFailed, Host
from haizea.backends.libvirt.domains import Disk, name_of
from haizea.backends.libvirt.facade import Api, Connection, Pool
from haizea.backends.libvirt.repository import LocalImage, Repository
from haizea.model.lease import DiskImage

T = TypeVar("T")
PREFIX: Final = "haizea-image-"
WHOLE: Final = ".whole"
DISK: Final = ".qcow2"
SEED: Final = ".seed"
SAVED: Final = ".saved"
SYSTEM_FOLDER: Final = "/var/lib/libvirt/haizea"


class Image(NamedTuple):
    """An image on a host: its file there, its format, the size of the disk in bytes."""

    path: str
    format: str
    capacity: int
    name: str


class Images:
    """Brings images to hosts' pools, and makes VMs' disks of them."""

    def __init__(self, config: LibvirtConfig, repository: Repository, api: Api, own_folder: str) -> None:
        """``own_folder`` is where the pool of a libvirtd without root's rights is made."""
        self._config = config
        self._repository = repository
        self._api = api
        self._own_folder = own_folder
        self._lock = threading.Lock()
        self._bringing: dict[tuple[int, str], threading.Lock] = {}

    def in_pool(self, host: Host, work: Callable[[Connection, Pool], T], *, long: bool = False) -> T:
        """Have something done with a host's pool.

        Raises:
            HostUnavailable, CallFailed: it cannot be done.
        """
        config = self._config
        folder = config.pool_folder or (f"{self._own_folder}/{host.name}" if host.config.session else SYSTEM_FOLDER)

        def do(connection: Connection) -> T:
            return work(connection, volumes.open_pool(connection, config.pool, folder, self._api))

        return host.call(do, config.timing.operation if long else None)

    # Images --------------------------------------------------------------------------------------------------

    def bring(self, host: Host, image: DiskImage, progress: Callable[[int], None], *, anew: bool) -> Image:
        """Return an image on a host, transferred where it is not there; ``progress`` is told thousandths.

        With ``anew`` the repository is asked whether it has changed.

        Raises:
            ImageRefused: it must not be used.
            HostUnavailable, CallFailed: it cannot be done.
        """
        with self._lock:
            one = self._bringing.setdefault((host.number, image.id), threading.Lock())
        with one:
            if not anew:
                found = self.in_pool(host, lambda _c, pool: self._there(pool, image.id) or self._look(pool, image.id))
                if found is not None:
                    return found
            local = self._repository.fetch(image.id, image.size, _half(progress, image.size << 20))
            try:
                return self._transferred(host, image.id, local, progress)
            finally:
                self._repository.done(local)

    def _transferred(self, host: Host, image: str, local: LocalImage, progress: Callable[[int], None]) -> Image:
        name = f"{PREFIX}{_key(image)}-{local.digest[:16]}.{local.kind.format}"
        self.in_pool(host, lambda _c, pool: self._evict(pool, local.length, keep=name))

        def counted() -> Iterator[bytes]:
            sent = 0
            for piece in local.chunks():
                yield piece
                sent += len(piece)
                progress(500 + 500 * sent // max(1, local.length))

        def transfer(connection: Connection, pool: Pool) -> Image:
            if self._config.shared:
                volumes.refresh(pool, self._api)
            found = volumes.look_up(pool, name, self._api)
            if found is None or volumes.look_up(pool, name + WHOLE, self._api) is None:
                size = f"{name}.{local.kind.capacity}{WHOLE}"
                for old in (name, size):
                    volumes.remove(pool, old, self._api)
                # As raw, so that nothing is written into it but what comes.
                found = volumes.make(pool, name, "raw", local.length)
                volumes.upload(connection, found, local.length, counted())
                volumes.make(pool, size, "raw", 1)
                volumes.make(pool, name + WHOLE, "raw", 1)
            return Image(found.path(), local.kind.format, local.kind.capacity, name)

        return self.in_pool(host, transfer, long=True)

    def _look(self, pool: Pool, image: str) -> Image | None:
        """Look again, for what somebody else has put there: where storage is shared, another host."""
        return self._there(pool, image) if self._config.shared and volumes.refresh(pool, self._api) else None

    def _there(self, pool: Pool, image: str) -> Image | None:
        """Return the image as it is there, the newest where there are several."""
        start = f"{PREFIX}{_key(image)}-"
        all_names = volumes.names(pool)
        for name in reversed(all_names):
            if name.startswith(start) and name.endswith((".raw", ".qcow2")) and name + WHOLE in all_names:
                for size in all_names:
                    capacity = size.removeprefix(name + ".").removesuffix(WHOLE)
                    if size.startswith(name + ".") and size.endswith(WHOLE) and capacity.isdigit():
                        path = pool.storageVolLookupByName(name).path()
                        return Image(path, name.rpartition(".")[2], int(capacity), name)
        return None

    def _evict(self, pool: Pool, coming: int, keep: str) -> None:
        """Delete images that no disk stands on, those unused longest first, until another one fits."""
        limit = self._config.cache
        if limit is None:
            return
        all_names = volumes.names(pool)
        used = {disk for name in all_names if name.endswith(DISK) and not name.startswith(PREFIX)
                for disk in [_backing_of(pool, name)] if disk}  # fmt: skip
        images = [name for name in all_names if name.startswith(PREFIX) and name.endswith((".raw", ".qcow2"))]
        sizes = {name: pool.storageVolLookupByName(name).info()[1] for name in images}
        there = sum(sizes.values()) + (0 if keep in sizes else coming)
        idle = [name for name in images if name != keep and pool.storageVolLookupByName(name).path() not in used]
        for name in sorted(idle, key=lambda name: _stamp(pool, name)):
            if there <= limit << 20:
                return
            for other in [other for other in all_names if other.startswith(name)]:
                volumes.remove(pool, other, self._api)
            there -= sizes[name]

    # Disks ---------------------------------------------------------------------------------------------------

    def disk(self, host: Host, lease: int, vm: int, image: Image, least_mib: int) -> Disk:
        """Make a VM's disk of an image, at least so large; one that is there already is kept.

        Raises:
            HostUnavailable, CallFailed: it cannot be done.
        """
        name = name_of(lease, vm) + DISK
        capacity = max(image.capacity, least_mib << 20)
        overlay = self._config.overlay

        def make(_connection: Connection, pool: Pool) -> Disk:
            there = volumes.look_up(pool, name, self._api)
            if there is None and overlay:
                there = volumes.make(pool, name, "qcow2", capacity, (image.path, image.format))
            elif there is None:
                origin = pool.storageVolLookupByName(image.name)
                there = volumes.copy(pool, name, "qcow2", capacity, origin)
            return Disk(there.path(), image.path, image.format) if overlay else Disk(there.path())

        return self.in_pool(host, make, long=not overlay)

    def seed(self, host: Host, lease: int, vm: int, contents: bytes) -> str:
        """Put a small file beside a VM's disk, for its first boot; return where."""
        name = name_of(lease, vm) + SEED

        def make(connection: Connection, pool: Pool) -> str:
            volumes.remove(pool, name, self._api)
            volume = volumes.make(pool, name, "raw", len(contents))
            volumes.upload(connection, volume, len(contents), iter([contents]))
            return volume.path()

        return self.in_pool(host, make)

    def save_path(self, host: Host, lease: int, vm: int) -> str:
        """Return where a VM's memory is to be saved: in a file that the pool knows of, so that it can be deleted."""
        name = name_of(lease, vm) + SAVED

        def make(_connection: Connection, pool: Pool) -> str:
            there = volumes.look_up(pool, name, self._api)
            return (there or volumes.make(pool, name, "raw", 1)).path()

        return self.in_pool(host, make)

    def clean(self, host: Host, lease: int, vm: int, endings: tuple[str, ...] = (DISK, SEED, SAVED)) -> None:
        """Delete a VM's files."""
        start = name_of(lease, vm)

        def delete(_connection: Connection, pool: Pool) -> None:
            if self._config.shared and not volumes.refresh(pool, self._api):
                raise CallFailed(f"host {host.name}: its storage pool is too busy to be looked at")
            for ending in endings:
                volumes.remove(pool, start + ending, self._api)

        self.in_pool(host, delete)

    def move(self, source: Host, target: Host, name: str) -> tuple[str, str]:
        """Copy a file of one host's pool to another's, by way of this machine; return both paths.

        Raises:
            HostUnavailable, CallFailed: it cannot be done.
        """
        import tempfile

        with tempfile.TemporaryFile(dir=self._config.spool) as between:

            def fetch(connection: Connection, pool: Pool) -> str:
                volume = volumes.look_up(pool, name, self._api)
                if volume is None:
                    raise CallFailed(f"host {source.name} has no file {name}")
                between.seek(0)
                between.truncate()
                volumes.download(connection, volume, between.write)
                return volume.path()

            def put(connection: Connection, pool: Pool) -> str:
                length = between.seek(0, 2)
                between.seek(0)
                volumes.remove(pool, name, self._api)
                volume = volumes.make(pool, name, "raw", length)
                volumes.upload(connection, volume, length, iter(lambda: between.read(volumes.CHUNK), b""))
                return volume.path()

            return self.in_pool(source, fetch, long=True), self.in_pool(target, put, long=True)


def _key(image: str) -> str:
    return hashlib.sha256(image.encode()).hexdigest()[:16]


def _half(progress: Callable[[int], None], length: int) -> Callable[[int], None]:
    """Fetching is the first half of bringing an image to a host."""
    return lambda done: progress(min(500, 500 * done // max(1, length)))


def _backing_of(pool: Pool, name: str) -> str:
    from xml.etree import ElementTree as Tree

    return Tree.fromstring(pool.storageVolLookupByName(name).XMLDesc()).findtext("backingStore/path") or ""


def _stamp(pool: Pool, name: str) -> float:
    """Return when an image was read last, as far as the file system tells."""
    from xml.etree import ElementTree as Tree

    text = Tree.fromstring(pool.storageVolLookupByName(name).XMLDesc()).findtext("target/timestamps/atime") or "0"
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0
