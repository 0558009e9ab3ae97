"""The storage pool of a host, in which images, disks and saved memory are. All for use within a call to the host.

Everything goes by libvirt's storage interface, so a host need not be this machine. What a file is is said when it is
made, never found out from what is in it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from xml.etree import ElementTree as Tree

from haizea.backends.libvirt.connection import CallFailed
from haizea.backends.libvirt.facade import (
    NO_STORAGE_POOL,
    NO_STORAGE_VOL,
    Api,
    Connection,
    Pool,
    Volume,
)

CHUNK = 1 << 18
REFRESH_TRIES = 20
REFRESH_S = 0.1


def open_pool(connection: Connection, name: str, folder: str, api: Api) -> Pool:
    """Return a pool, active; made in ``folder`` where there is none of that name.

    Raises:
        CallFailed: it keeps no files.
    """
    try:
        pool = connection.storagePoolLookupByName(name)
    except api.error as problem:
        if problem.get_error_code() != NO_STORAGE_POOL:
            raise
        root = Tree.Element("pool", {"type": "dir"})
        Tree.SubElement(root, "name").text = name
        Tree.SubElement(Tree.SubElement(root, "target"), "path").text = folder
        pool = connection.storagePoolDefineXML(Tree.tostring(root, encoding="unicode"))
        pool.build(0)
        pool.setAutostart(1)
    if not pool.isActive():
        pool.create(0)
    if Tree.fromstring(pool.XMLDesc()).get("type") not in ("dir", "fs", "netfs"):
        raise CallFailed(f"the storage pool {name} keeps no files: a pool of type dir, fs or netfs is needed")
    return pool


def look_up(pool: Pool, name: str, api: Api) -> Volume | None:
    """Return a file of the pool; None where there is none of that name."""
    try:
        return pool.storageVolLookupByName(name)
    except api.error as problem:
        if problem.get_error_code() == NO_STORAGE_VOL:
            return None
        raise


def remove(pool: Pool, name: str, api: Api) -> bool:
    """Delete a file; say whether there was one."""
    volume = look_up(pool, name, api)
    if volume is None:
        return False
    volume.delete(0)
    return True


def names(pool: Pool) -> list[str]:
    """Return the names of all files, as far as libvirt has made them itself or has been told to look."""
    return sorted(volume.name() for volume in pool.listAllVolumes())


def refresh(pool: Pool, api: Api) -> bool:
    """Have libvirt look what files there are; return whether it has, which it does not while it fills one."""
    for _attempt in range(REFRESH_TRIES):
        try:
            pool.refresh(0)
        except api.error:
            time.sleep(REFRESH_S)
        else:
            return True
    return False


def make(pool: Pool, name: str, form: str, capacity: int, backing: tuple[str, str] | None = None) -> Volume:
    """Make a file of ``capacity`` bytes, on top of an image where ``backing`` gives its path and format."""
    return pool.createXML(_xml(name, form, capacity, backing), 0)


def copy(pool: Pool, name: str, form: str, capacity: int, origin: Volume) -> Volume:
    """Make a file with what another one has."""
    return pool.createXMLFrom(_xml(name, form, capacity, None), origin, 0)


def _xml(name: str, form: str, capacity: int, backing: tuple[str, str] | None) -> str:
    root = Tree.Element("volume")
    Tree.SubElement(root, "name").text = name
    Tree.SubElement(root, "capacity", {"unit": "bytes"}).text = str(capacity)
    if form == "raw":
        Tree.SubElement(root, "allocation").text = "0"
    Tree.SubElement(Tree.SubElement(root, "target"), "format", {"type": form})
    if backing is not None:
        store = Tree.SubElement(root, "backingStore")
        Tree.SubElement(store, "path").text = backing[0]
        Tree.SubElement(store, "format", {"type": backing[1]})
    return Tree.tostring(root, encoding="unicode")


def upload(connection: Connection, volume: Volume, length: int, chunks: Iterator[bytes]) -> None:
    """Fill a file with ``length`` bytes; where that fails, it is deleted."""
    stream = connection.newStream(0)
    left = bytearray()
    problems: list[BaseException] = []

    def more(_stream: object, wanted: int, _opaque: None) -> bytes:
        try:
            while len(left) < wanted:
                chunk = next(chunks, b"")
                if not chunk:
                    break
                left.extend(chunk)
        except BaseException as problem:
            # libvirt would say no more than that something was raised.
            problems.append(problem)
            raise
        piece = bytes(left[:wanted])
        del left[:wanted]
        return piece

    try:
        volume.upload(stream, 0, length, 0)
        stream.sendAll(more, None)
        stream.finish()
    except BaseException:
        with suppress(Exception):
            stream.abort()
        with suppress(Exception):
            volume.delete(0)
        if problems:
            raise problems[0] from None
        raise


def download(connection: Connection, volume: Volume, sink: Callable[[bytes], object]) -> None:
    """Hand all that is in a file to ``sink``, piece by piece."""
    stream = connection.newStream(0)
    problems: list[BaseException] = []

    def take(_stream: object, piece: bytes, _opaque: None) -> int:
        try:
            sink(piece)
        except BaseException as problem:
            problems.append(problem)
            raise
        return len(piece)

    try:
        volume.download(stream, 0, 0, 0)
        stream.recvAll(take, None)
        stream.finish()
    except BaseException:
        with suppress(Exception):
            stream.abort()
        if problems:
            raise problems[0] from None
        raise
