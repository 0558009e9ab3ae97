"""What a workload is once it has been read: its requests in order of arrival, and what goes with them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.model.lease import NO_EXTRA, LeaseRequest
from haizea.model.site import Site
from haizea.model.units import Instant

NOTHING_SKIPPED: Final[Mapping[str, int]] = MappingProxyType({})


class Workload(NamedTuple):
    """Requests in order of arrival, and what goes with them.

    ``requests`` may be iterated more than once; those of a trace are read from the file as they are asked for,
    so that a long trace is never in memory as a whole. ``site`` is None where neither the file nor the caller
    named one. ``start`` is the instant at which the workload began, where the file says so. ``skipped`` counts
    what was left out, by cause: it is complete once ``requests`` has been iterated.
    """

    name: str
    requests: Iterable[LeaseRequest]
    description: str = ""
    attributes: Mapping[str, str] = NO_EXTRA
    site: Site | None = None
    start: Instant | None = None
    skipped: Mapping[str, int] = NOTHING_SKIPPED
