"""A small disk that cloud-init reads at a guest's first boot (source NoCloud): a FAT file system named ``cidata``."""

import struct
from string import Template
from typing import Final

USER_DATA_MAX: Final = 65_536
_SECTOR: Final = 512
_SECTORS: Final = 320
_FAT_SECTORS: Final = 1
_ROOT_ENTRIES: Final = 64
_ROOT_SECTORS: Final = _ROOT_ENTRIES * 32 // _SECTOR
_FIRST_DATA: Final = 1 + 2 * _FAT_SECTORS + _ROOT_SECTORS
_LABEL: Final = b"CIDATA     "


def seed_image(name: str, user_data: str, vm: tuple[int, int]) -> bytes:
    """Return the disk for a VM; in ``user_data`` ``${name}``, ``${lease}`` and ``${vm}`` stand for its own.

    Raises:
        ValueError: the user data is too long.
    """
    text = Template(user_data).safe_substitute(name=name, lease=str(vm[0]), vm=str(vm[1]))
    if len(text.encode()) > USER_DATA_MAX:
        raise ValueError(f"user data of more than {USER_DATA_MAX >> 10} KiB does not fit")
    meta = f"instance-id: {name}\nlocal-hostname: {name}\n"
    return fat({"meta-data": meta.encode(), "user-data": text.encode()})


def fat(files: dict[str, bytes]) -> bytes:
    """Return a FAT12 file system with a few small files, as FAT's specification (Microsoft, 2000) has it."""
    table = [0xFF8, 0xFFF]
    root = bytearray(_entry(_LABEL, 0x08, 0, 0))
    data = bytearray()
    for number, (name, contents) in enumerate(files.items()):
        short = f"FILE{number}".ljust(11).encode("ascii")
        clusters = -(-len(contents) // _SECTOR)
        first = len(table) if clusters else 0
        table += [len(table) + step for step in range(1, clusters)] + [0xFFF] * bool(clusters)
        root += _long_name(name, short) + _entry(short, 0x20, first, len(contents))
        data += contents.ljust(clusters * _SECTOR, b"\0")
    packed = bytearray()
    for even, odd in zip(table[::2], [*table[1::2], 0], strict=False):
        packed += struct.pack("<I", even | odd << 12)[:3]
    start = struct.pack(
        "<3s8sHBHBHHBHHHII BBBI11s8s".replace(" ", ""),
        b"\xeb\x3c\x90", b"HAIZEA  ", _SECTOR, 1, 1, 2, _ROOT_ENTRIES, _SECTORS, 0xF8, _FAT_SECTORS, 32, 2, 0, 0,
        0x80, 0, 0x29, 0x48415A45, _LABEL, b"FAT12   ",
    )  # fmt: skip
    image = bytearray(_SECTORS * _SECTOR)
    image[: len(start)] = start
    image[510:512] = b"\x55\xaa"
    for copy in range(2):
        place = (1 + copy * _FAT_SECTORS) * _SECTOR
        image[place : place + len(packed)] = packed
    place = (1 + 2 * _FAT_SECTORS) * _SECTOR
    image[place : place + len(root)] = root
    image[_FIRST_DATA * _SECTOR : _FIRST_DATA * _SECTOR + len(data)] = data
    return bytes(image)


def _entry(name: bytes, attributes: int, first: int, size: int) -> bytes:
    # The date is that of 1 January 2000.
    return struct.pack("<11sBBBHHHHHHHI", name, attributes, 0, 0, 0, 0x2821, 0x2821, 0, 0, 0x2821, first, size)


def _long_name(name: str, short: bytes) -> bytes:
    """Return the entry that gives a file a name longer than eight and three characters, up to 13."""
    total = 0
    for byte in short:
        total = ((total >> 1) | (total & 1) << 7) + byte & 0xFF
    units = (name + "\0").encode("utf-16-le")[:26].ljust(26, b"\xff")
    return struct.pack("<B10sBBB12sH4s", 0x41, units[:10], 0x0F, 0, total, units[10:22], 0, units[22:])
