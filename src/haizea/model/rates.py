"""How fast operations are, as measured."""

from typing import NamedTuple

from haizea.model.units import Span


class Rates(NamedTuple):
    """What is planned with instead of what was configured; None where nothing is known.

    ``suspend`` and ``resume`` are MiB of VM memory a second, ``shutdown`` is a span, ``transfer`` is Mb/s.
    """

    suspend: int | None = None
    resume: int | None = None
    shutdown: Span | None = None
    transfer: int | None = None
