"""A disk with a guest that needs no operating system: it counts on its serial port (the source is ``guest.S``)."""

from pathlib import Path
from typing import Final

TICKS_A_SECOND: Final = 18.2065
SIZE: Final = 1 << 20
CODE: Final = bytes.fromhex(
    "fa31c08ed88ed0bc0070ea0f7c0000fbba0206b80001ef6631ff8b2ef47d66476689f831c96631d266bb0a00000066f7f352416685c075ed58"
    "0430e84e00e2f8b00ae84700be1200a16c04f43b066c0474f9ba0006edf6c401752285ed74034d74054e75e3ebb7803ef67d73741b803ef67d"
    "637508ba0505b001eeeb0cb021e80a00ba0406b80020eff4ebfdbaf803eec3"
)
"""What ``as`` makes of ``guest.S``, without the bytes that are filled in."""
OFF: Final = "o"
PANIC: Final = "c"
STAND: Final = "s"


def write(path: Path, after_s: float = 0, what: str = OFF) -> None:
    """Write a raw disk; so long after its boot (0: never) the guest turns itself off, panics, or stands still."""
    sector = bytearray(512)
    sector[: len(CODE)] = CODE
    sector[500:502] = round(after_s * TICKS_A_SECOND).to_bytes(2, "little")
    sector[502] = ord(what)
    sector[510:] = b"\x55\xaa"
    with path.open("wb") as file:
        file.write(sector)
        file.truncate(SIZE)


def counts(log: str) -> list[int]:
    """Return the numbers that a guest has counted, from what its serial port said; a line cut short is left out."""
    return [int(line) for line in log.split("\n")[:-1] if line.strip("!\r").isdigit()]
