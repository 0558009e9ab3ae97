"""The disk that cloud-init reads."""

import shutil
import subprocess
from pathlib import Path

import pytest

from haizea.backends.libvirt.seed import USER_DATA_MAX, fat, seed_image


def read_fat(image: bytes) -> dict[str, bytes]:
    """Read a FAT12 file system by its specification, written apart from what makes it."""
    sector = int.from_bytes(image[11:13], "little")
    reserved, fats = int.from_bytes(image[14:16], "little"), image[16]
    entries, size = int.from_bytes(image[17:19], "little"), int.from_bytes(image[22:24], "little")
    table = image[reserved * sector : (reserved + size) * sector]
    root = (reserved + fats * size) * sector
    data = root + entries * 32
    found, long_name = {}, ""
    for place in range(root, data, 32):
        entry = image[place : place + 32]
        if entry[11] == 0x0F:
            units = entry[1:11] + entry[14:26] + entry[28:32]
            long_name = units.decode("utf-16-le").split("\0")[0].rstrip("\uffff")
        elif entry[11] == 0x20:
            cluster, length = int.from_bytes(entry[26:28], "little"), int.from_bytes(entry[28:32], "little")
            contents = b""
            while 2 <= cluster < 0xFF8:
                contents += image[data + (cluster - 2) * sector :][:sector]
                pair = int.from_bytes(table[cluster * 3 // 2 :][:2], "little")
                cluster = pair >> 4 if cluster & 1 else pair & 0xFFF
            found[long_name] = contents[:length]
    return found


def test_the_seed_says_who_the_guest_is() -> None:
    """The disk has the two files that cloud-init wants, with the VM's own name in them."""
    files = read_fat(seed_image("haizea-3-1", "#cloud-config\nhostname: ${name}\n", (3, 1)))
    assert files == {
        "meta-data": b"instance-id: haizea-3-1\nlocal-hostname: haizea-3-1\n",
        "user-data": b"#cloud-config\nhostname: haizea-3-1\n",
    }


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 1024, USER_DATA_MAX])
def test_files_of_any_length_come_back(length: int) -> None:
    """What is written is what is read, to the last byte."""
    contents = bytes(n % 251 for n in range(length))
    assert read_fat(fat({"meta-data": b"x", "user-data": contents})) == {"meta-data": b"x", "user-data": contents}


def test_too_much_is_refused() -> None:
    """User data that does not fit is said not to."""
    with pytest.raises(ValueError, match="64 KiB"):
        seed_image("x", "y" * (USER_DATA_MAX + 1), (1, 1))


def test_others_can_read_it(tmp_path: Path) -> None:
    """A program that knows file systems finds the label that cloud-init looks for."""
    blkid = shutil.which("blkid") or "/sbin/blkid"
    if not Path(blkid).exists():
        pytest.skip("blkid is not installed")
    (tmp_path / "seed").write_bytes(seed_image("x", "y", (1, 1)))
    run = subprocess.run([blkid, "-p", tmp_path / "seed"], capture_output=True, text=True, check=False)
    assert 'LABEL="CIDATA"' in run.stdout
    assert 'TYPE="vfat"' in run.stdout
