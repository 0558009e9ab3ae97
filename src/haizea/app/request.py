"""What a run of ``haizea simulate`` is asked for, and the faults that are the surroundings' rather than Haizea's."""

from collections.abc import Callable
from typing import NamedTuple

from haizea.config.settings import Settings


class SimulateRequest(NamedTuple):
    """One simulation, as asked for; what is None or empty is left to the configuration.

    ``settings``, where given, are the whole configuration, already checked; ``config``, ``sets``, ``site``,
    ``starttime`` and the environment do not count then. ``sets`` are ``section.key=value``. ``detail`` is ``full`` or
    ``leases`` (no reservations.csv). ``memory`` is MiB for every VM of an SWF workload. ``processors`` says which
    field of an SWF workload counts first: ``requested`` or ``allocated``. ``starttime`` is ISO 8601. ``progress`` is
    called now and then with the simulated instant, in milliseconds, and the number of leases that have ended;
    ``status`` with each message that status-message-interval asks for.
    """

    workloads: tuple[str, ...]
    config: str | None = None
    site: str | None = None
    annotations: str | None = None
    injection: str | None = None
    sets: tuple[str, ...] = ()
    output: str | None = None
    report: bool = False
    detail: str = "full"
    verify: bool = False
    memory: int | None = None
    processors: str = "requested"
    starttime: str | None = None
    progress: Callable[[int, int], None] | None = None
    settings: Settings | None = None
    status: Callable[[str], None] | None = None
