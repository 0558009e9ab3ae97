"""Integers packed small enough for months of a schedule to travel inside a page.

A column of numbers becomes base64 of LEB128: seven bits a byte, the lowest first, the eighth bit set while more
follow. ``page.js`` holds the other half.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

PACKED_MAX: Final = 1 << 53
"""Numbers stay below this, so that a script reads them without loss."""


def pack(numbers: Iterable[int]) -> str:
    """Pack integers from 0 to :data:`PACKED_MAX`.

    Raises:
        ValueError: a number is negative or too large.
    """
    from base64 import b64encode

    out = bytearray()
    append = out.append
    for number in numbers:
        left = number
        if not 0 <= left < PACKED_MAX:
            raise ValueError(f"only integers from 0 to {PACKED_MAX - 1} can be packed, not {number}")
        while left > 127:
            append(left & 127 | 128)
            left >>= 7
        append(left)
    return b64encode(out).decode("ascii")


def zigzag(number: int) -> int:
    """Map 0, -1, 1, -2, 2 to 0, 1, 2, 3, 4, and so on."""
    return number * 2 if number >= 0 else -number * 2 - 1


def pack_changes(numbers: Iterable[int]) -> str:
    """Pack each integer as its difference from the one before it; the first from 0."""
    return pack(zigzag(after - before) for before, after in pairwise((0, *numbers)))
