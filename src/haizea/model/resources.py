"""Amounts of resources.

A :class:`Capacity` says how much of each resource type something has or needs: ``CPU`` in percent of a core
(100 is one core), ``Memory`` and ``Disk`` in MiB, ``Net-in`` and ``Net-out`` in Mb/s, and whatever else a site
defines. A type that is not named counts as 0.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

CPU: Final = "CPU"
MEMORY: Final = "Memory"
DISK: Final = "Disk"
NET_IN: Final = "Net-in"
NET_OUT: Final = "Net-out"

AMOUNT_MAX: Final = (1 << 40) - 1
"""Largest amount of one resource type (a pebibyte in MiB is 2**30)."""


class Capacity:
    """An immutable vector of non-negative integer amounts, by resource type.

    Equal capacities compare and hash alike; the hash is computed once, because capacities are the keys of the
    planner's caches.
    """

    __slots__ = ("_amounts", "_hash")

    def __init__(self, amounts: Mapping[str, int] | Iterable[tuple[str, int]] = ()) -> None:
        """Take amounts by type. Types with amount 0 are dropped, so that equality means equality of amounts.

        Raises:
            ValueError: an amount is negative or above :data:`AMOUNT_MAX`.
        """
        pairs = amounts.items() if isinstance(amounts, Mapping) else amounts
        kept: dict[str, int] = {}
        for name, amount in sorted(pairs):
            if not 0 <= amount <= AMOUNT_MAX:
                raise ValueError(f"an amount of {name} must be between 0 and {AMOUNT_MAX}, not {amount}")
            if amount:
                kept[name] = amount
        self._amounts = kept
        self._hash = hash(tuple(kept.items()))

    def __getitem__(self, resource_type: str) -> int:
        return self._amounts.get(resource_type, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    def items(self) -> Iterable[tuple[str, int]]:
        """Return the types with a positive amount, in order of their names, each with its amount."""
        return self._amounts.items()

    def __len__(self) -> int:
        return len(self._amounts)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Capacity) and self._amounts == other._amounts)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Capacity({self._amounts})"

    def __str__(self) -> str:
        return " ".join(f"{name}:{amount}" for name, amount in self._amounts.items()) or "nothing"

    def fits_in(self, other: "Capacity") -> bool:
        """Whether ``other`` has at least this much of every type."""
        return all(other[name] >= amount for name, amount in self._amounts.items())

    def plus(self, other: "Capacity", times: int = 1) -> "Capacity":
        """Return the sum of this and ``times`` the other."""
        total = dict(self._amounts)
        for name, amount in other.items():
            total[name] = total.get(name, 0) + amount * times
        return Capacity(total)


def describe(demand: Capacity) -> str:
    """Say a demand as a person would: ``2 cores and 4096 MiB``."""
    words = []
    for name, amount in demand.items():
        if name == CPU:
            cores = f"{amount / 100:g}"
            words.append(f"{cores} core" if amount == 100 else f"{cores} cores")
        elif name == MEMORY:
            words.append(f"{amount} MiB")
        elif name == DISK:
            words.append(f"{amount} MiB of disk")
        else:
            words.append(f"{amount} {name}")
    if not words:
        return "nothing"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
