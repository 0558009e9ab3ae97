"""How fast operations are, as measured."""

from collections.abc import Mapping
from typing import NamedTuple

from haizea.model.units import Span

SUSPEND = "suspend"
RESUME = "resume"
TRANSFER = "transfer"
ANY_IMAGE = ""


class Measured(NamedTuple):
    """How fast one host is at an operation: ``kind`` is one of those above, ``value`` in the unit of the site's rate.

    ``image`` is the disk image that was transferred, :data:`ANY_IMAGE` for all images.
    """

    kind: str
    host: int
    image: str
    value: int


class Rates(NamedTuple):
    """What is planned with instead of what was configured; None where nothing is known.

    ``suspend`` and ``resume`` are MiB of VM memory a second, ``shutdown`` is a span, ``transfer`` is Mb/s: each that of
    the slowest host that was measured. ``hosts`` has those that are otherwise; who is not in it is as slow as the
    slowest.
    """

    suspend: int | None = None
    resume: int | None = None
    shutdown: Span | None = None
    transfer: int | None = None
    hosts: tuple[Measured, ...] = ()

    def of(self, kind: str) -> Mapping[tuple[int, str], int]:
        """Return what is known of an operation, by host and image."""
        return {(each.host, each.image): each.value for each in self.hosts if each.kind == kind}
