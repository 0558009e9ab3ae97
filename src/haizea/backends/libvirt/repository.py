"""The repository that disk images come from: a folder, or machines that may be asked by HTTP. Nothing in it is trusted.

An image is raw or qcow2, and is said to be so wherever it is used. One that refers to other files is refused: whoever
made it could name any file of a host.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

CHUNK: Final = 1 << 18
HEADER: Final = 512
HTTP_S: Final = 30.0
CHECKSUM_MAX: Final = 65_536
SPARE_MIB: Final = 16
"""An image may be so much larger than its lease says: formats have headers."""

_QCOW2: Final = b"QFI\xfb"
_EXTERNAL_DATA: Final = 1 << 2
_OTHER_FORMATS: Final = (
    (b"KDMV", "VMDK"), (b"COWD", "VMDK"), (b"# Disk DescriptorFile", "VMDK"), (b"vhdxfile", "VHDX"),
    (b"conectix", "VHD"), (b"QED\0", "QED"), (b"LUKS\xba\xbe", "LUKS"), (b"<<< ", "VDI"),
    (b"WithoutFreeSpace", "Parallels"), (b"WithouFreSpacExt", "Parallels"),
)  # fmt: skip


class ImageRefused(Exception):
    """An image is not there, is not what it should be, or must not be used; the message says which and why."""


class Kind(NamedTuple):
    """What an image is: ``raw`` or ``qcow2``, and how large the disk is in bytes."""

    format: str
    capacity: int


class LocalImage(NamedTuple):
    """An image on this machine, checked: ``digest`` is its SHA-256 in hexadecimal, ``length`` in bytes."""

    path: Path
    kind: Kind
    digest: str
    length: int

    def chunks(self) -> Iterator[bytes]:
        """Return what is in it.

        Raises:
            ImageRefused: it has been changed since it was checked.
        """
        sum_, length = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK):
                sum_.update(piece)
                length += len(piece)
                if length > self.length:
                    break
                yield piece
        if sum_.hexdigest() != self.digest:
            raise ImageRefused(f"{self.path.name}: it was changed while it was being transferred")


def kind_of(header: bytes, length: int, name: str) -> Kind:
    """Return what an image is, from its first bytes.

    Raises:
        ImageRefused: it is neither raw nor qcow2, or refers to other files.
    """
    for magic, format_name in _OTHER_FORMATS:
        if header.startswith(magic):
            raise ImageRefused(f"{name}: it is in the format {format_name}; convert it to qcow2 (qemu-img convert)")
    if not header.startswith(_QCOW2):
        if not length:
            raise ImageRefused(f"{name}: it is empty")
        return Kind("raw", length)
    if len(header) < 104 or int.from_bytes(header[4:8], "big") not in (2, 3):
        raise ImageRefused(f"{name}: its qcow2 header is damaged")
    if int.from_bytes(header[8:16], "big"):
        raise ImageRefused(
            f"{name}: it refers to a backing file, which images must not; make it stand alone (qemu-img convert)"
        )
    if int.from_bytes(header[4:8], "big") == 3 and int.from_bytes(header[72:80], "big") & _EXTERNAL_DATA:
        raise ImageRefused(f"{name}: it refers to an external data file, which images must not")
    capacity = int.from_bytes(header[24:32], "big")
    if not 0 < capacity < 1 << 50:
        raise ImageRefused(f"{name}: a disk of {capacity} bytes cannot be meant")
    return Kind("qcow2", capacity)


class Repository:
    """Finds images by what leases call them: a path below the folder or URL, or a whole URL of an allowed machine."""

    def __init__(self, place: str | None, hosts: tuple[str, ...], spool: Path, checksums_required: bool) -> None:
        """``spool`` is where what is fetched by HTTP is kept meanwhile."""
        self._place = place
        self._hosts = frozenset(hosts)
        if place is not None and _is_url(place):
            self._hosts |= {urlsplit(place).netloc}
        self._spool = spool
        self._required = checksums_required
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int, int], LocalImage]] = {}

    def fetch(self, image: str, size_mib: int, progress: Callable[[int], None]) -> LocalImage:
        """Return an image, on this machine and checked. ``progress`` is told how many bytes have come.

        Raises:
            ImageRefused: see there.
        """
        place = self._place
        if _is_url(image) or (place is not None and _is_url(place)):
            url = image if _is_url(image) else urljoin(f"{place}".rstrip("/") + "/", quote(_inside(image)))
            return self._from_web(url, size_mib, progress)
        if place is None:
            raise ImageRefused(f"{image}: there is no repository; say where images are (libvirt.images)")
        root = Path(place).resolve()
        path = (root / _inside(image)).resolve()
        if not path.is_relative_to(root):
            raise ImageRefused(f"{image}: it is not in the repository")
        return self._checked(path, image, lambda: _read_small(path.with_name(path.name + ".sha256")))

    def _checked(self, path: Path, name: str, expected: Callable[[], str | None]) -> LocalImage:
        try:
            status = path.stat()
            stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
            with self._lock:
                known = self._known.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            with path.open("rb") as file:
                kind = kind_of(file.read(HEADER), status.st_size, name)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as problem:
            raise ImageRefused(f"{name}: {problem.strerror or problem}") from problem
        self._compare(name, digest, expected())
        found = LocalImage(path, kind, digest, status.st_size)
        with self._lock:
            self._known[path] = (stamp, found)
        return found

    def _compare(self, name: str, digest: str, text: str | None) -> None:
        if text is None:
            if self._required:
                raise ImageRefused(f"{name}: there is no {name}.sha256 to check it by (libvirt.checksums)")
            return
        expected = text.split()[0].lower() if text.split() else ""
        if expected != digest:
            raise ImageRefused(f"{name}: its SHA-256 is {digest}, but should be {expected[:64] or 'empty'}")

    def _from_web(self, url: str, size_mib: int, progress: Callable[[int], None]) -> LocalImage:
        parts = urlsplit(url)
        if parts.netloc not in self._hosts:
            raise ImageRefused(f"{url}: images may not be fetched from {parts.netloc} (libvirt.image-hosts)")
        most = (size_mib + SPARE_MIB) << 20
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._spool / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.{threading.get_ident()}"
        try:
            with _get(url) as answer, path.open("wb") as file:
                length = 0
                while piece := answer.read(CHUNK):
                    length += len(piece)
                    if length > most:
                        raise ImageRefused(f"{url}: it is larger than {size_mib} MiB, which its lease says it has")
                    file.write(piece)
                    progress(length)
            return self._checked(path, url, lambda: _small_from_web(url + ".sha256"))
        except OSError as problem:
            path.unlink(missing_ok=True)
            raise ImageRefused(f"{url}: it cannot be fetched: {problem}") from problem
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def done(self, image: LocalImage) -> None:
        """Let go of an image: what was fetched for it is deleted."""
        if image.path.parent == self._spool:
            with self._lock:
                self._known.pop(image.path, None)
            image.path.unlink(missing_ok=True)


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _inside(name: str) -> str:
    """Return a name that cannot lead out of the repository.

    Raises:
        ImageRefused: it could.
    """
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "\0" in name or os.path.isabs(name):
        raise ImageRefused(f"{name!r} is no name of an image: a path within the repository is meant")
    return name


def _read_small(path: Path) -> str | None:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(CHECKSUM_MAX)
    except FileNotFoundError:
        return None


def _get(url: str) -> IO[bytes]:
    """Ask for a URL; one that leads elsewhere is not followed, for elsewhere may not be allowed."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_given: object, **_named: object) -> None:
            return None

    answer: IO[bytes] = build_opener(Stay).open(url, timeout=HTTP_S)
    return answer


def _small_from_web(url: str) -> str | None:
    from urllib.error import HTTPError

    try:
        with _get(url) as answer:
            return answer.read(CHECKSUM_MAX).decode("ascii", "replace")
    except HTTPError as problem:
        if problem.code == 404:
            return None
        raise
