"""Images from folders and from the web, none of which is trusted."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.backends.libvirt.repository import ImageRefused, Kind, Repository, kind_of

MIB = 1 << 20


def qcow2(*, version: int = 3, backing: int = 0, capacity: int = MIB, features: int = 0) -> bytes:
    """Return the header of a qcow2 image."""
    header = bytearray(112)
    for place, size, value in ((4, 4, version), (8, 8, backing), (24, 8, capacity), (72, 8, features)):
        header[place : place + size] = value.to_bytes(size, "big")
    return b"QFI\xfb" + bytes(header[4:])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two images."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.raw").write_bytes(b"boot" * 100)
    (folder / "b.qcow2").write_bytes(qcow2(capacity=5 * MIB))
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


def repository(folder: Path | str, *, hosts: tuple[str, ...] = (), required: bool = False, spool: Path) -> Repository:
    """Return a repository."""
    return Repository(str(folder), hosts, spool, required)


def fetched(source: Repository, name: str, size_mib: int = 1) -> bytes:
    """Fetch an image, read it as a host would get it, let go of it."""
    image = source.fetch(name, size_mib, lambda _bytes: None)
    found = b"".join(image.chunks())
    source.done(image)
    return found


def test_an_image_is_found_by_its_name(folder: Path, tmp_path: Path) -> None:
    """A lease's image is a path within the repository; what it is is found out once, and said from then on."""
    source = repository(folder, spool=tmp_path)
    assert fetched(source, "a.raw") == b"boot" * 100
    assert source.fetch("a.raw", 1, lambda _bytes: None).kind == Kind("raw", 400)
    assert source.fetch("b.qcow2", 1, lambda _bytes: None).kind == Kind("qcow2", 5 * MIB)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "x/../../secret", "", "link", "none.raw", "a\0b"])
def test_no_name_leads_out_of_the_repository(folder: Path, tmp_path: Path, name: str) -> None:
    """Whatever a lease calls its image, no other file is read."""
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ImageRefused):
        repository(folder, spool=tmp_path).fetch(name, 1, lambda _bytes: None)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (qcow2(backing=200), "refers to a backing file"),
        (qcow2(features=4), "refers to an external data file"),
        (qcow2(version=9), "header is damaged"),
        (b"QFI\xfb", "header is damaged"),
        (qcow2(capacity=0), "cannot be meant"),
        (b"KDMV" + bytes(600), "in the format VMDK"),
        (b"", "it is empty"),
    ],
)
def test_an_image_that_cannot_be_trusted_is_refused(folder: Path, tmp_path: Path, contents: bytes, why: str) -> None:
    """An image must stand alone and be raw or qcow2."""
    (folder / "x").write_bytes(contents)
    with pytest.raises(ImageRefused, match=why):
        repository(folder, spool=tmp_path).fetch("x", 1, lambda _bytes: None)


@given(st.binary(max_size=200))
def test_any_header_is_an_image_or_refused(header: bytes) -> None:
    """Whatever an image begins with, it is raw, a qcow2 that stands alone, or refused."""
    try:
        kind = kind_of(header, len(header), "x")
    except ImageRefused:
        return
    assert kind.format == ("qcow2" if header.startswith(b"QFI\xfb") else "raw")
    assert kind.capacity > 0


def test_checksums_are_compared(folder: Path, tmp_path: Path) -> None:
    """A checksum beside an image must be the image's; where checksums are required, nothing goes without."""
    right = hashlib.sha256((folder / "a.raw").read_bytes()).hexdigest()
    (folder / "a.raw.sha256").write_text(f"{right}  a.raw\n")
    assert fetched(repository(folder, required=True, spool=tmp_path), "a.raw")
    with pytest.raises(ImageRefused, match=r"there is no b.qcow2.sha256"):
        repository(folder, required=True, spool=tmp_path).fetch("b.qcow2", 1, lambda _bytes: None)
    (folder / "a.raw.sha256").write_text("0" * 64)
    with pytest.raises(ImageRefused, match="but should be 0000"):
        repository(folder, spool=tmp_path).fetch("a.raw", 1, lambda _bytes: None)


def test_an_image_that_changes_under_way_is_refused(folder: Path, tmp_path: Path) -> None:
    """What reaches a host is what was checked."""
    image = repository(folder, spool=tmp_path).fetch("a.raw", 1, lambda _bytes: None)
    (folder / "a.raw").write_bytes(b"another one")
    with pytest.raises(ImageRefused, match="was changed while"):
        list(image.chunks())


class _Web(SimpleHTTPRequestHandler):
    """A web server that also sends visitors elsewhere."""

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    """Return the address of a web server that has the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Web, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_images_come_from_the_web(folder: Path, web: str, tmp_path: Path) -> None:
    """A repository may be a URL, and an image a URL on a machine that is allowed; nothing stays here afterwards."""
    spool = tmp_path / "spool"
    assert fetched(repository(f"http://{web}/", spool=spool), "a.raw") == b"boot" * 100
    assert fetched(repository(folder, hosts=(web,), spool=spool), f"http://{web}/a.raw") == b"boot" * 100
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"), [("moved", "cannot be fetched"), ("none", "cannot be fetched"), ("big", "larger than 1 MiB")]
)
def test_what_the_web_sends_is_not_believed(folder: Path, web: str, tmp_path: Path, path: str, why: str) -> None:
    """Redirections are not followed, and an image may not be larger than its lease says."""
    with (folder / "big").open("wb") as file:
        file.truncate(20 * MIB)
    with pytest.raises(ImageRefused, match=why):
        repository(folder, hosts=(web,), spool=tmp_path / "s").fetch(f"http://{web}/{path}", 1, lambda _bytes: None)
    assert list((tmp_path / "s").iterdir()) == []


def test_only_allowed_machines_are_asked(folder: Path, web: str, tmp_path: Path) -> None:
    """An image on a machine that nobody has allowed is not fetched."""
    with pytest.raises(ImageRefused, match=r"may not be fetched from 127.0.0.1"):
        repository(folder, spool=tmp_path).fetch(f"http://{web}/a.raw", 1, lambda _bytes: None)
