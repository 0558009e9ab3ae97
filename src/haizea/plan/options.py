"""How the planner is to plan: the rules a site chooses, in the units of the core."""

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from haizea.model.units import DAY, Span

if TYPE_CHECKING:
    from fractions import Fraction


class Suspension(Enum):
    """Which leases may be suspended: none, those of a single VM, or all."""

    NONE = "none"
    SERIAL = "serial-only"
    ALL = "all"


class Exclusion(Enum):
    """Whether suspensions and resumptions go one at a time per host (LOCAL) or one at a time in the site."""

    LOCAL = "local"
    GLOBAL = "global"


class Migration(Enum):
    """Whether a suspended VM may resume on another host: never, after its images are copied, or at no cost."""

    NO = "no"
    YES = "yes"
    FREE = "yes-notransfer"


class Mechanism(Enum):
    """How images leave the repository: to one host at a time, or one transfer feeding many."""

    UNICAST = "unicast"
    MULTICAST = "multicast"


class Overdue(Enum):
    """What becomes of an operation that is late for too long: it is broken off, or its lease is cancelled."""

    FORCE = "force"
    CANCEL = "cancel"


class TransferOptions(NamedTuple):
    """Image transfer from one repository.

    ``bandwidth`` in Mb/s. ``fixed_time`` replaces the computed time of one transfer. ``cache_size`` is what each
    host may keep, in MiB: None without caches, -1 without limit.
    """

    bandwidth: int
    mechanism: Mechanism = Mechanism.MULTICAST
    avoid_redundant: bool = True
    fixed_time: Span | None = None
    cache_size: int | None = None


class Options(NamedTuple):
    """The planner's rules.

    ``reservations_max`` is how many best-effort leases may hold a reservation in the future: 0 is no
    backfilling, 1 aggressive (EASY), None conservative. Rates are MiB of VM memory a second,
    ``migration_bandwidth`` Mb/s. ``threshold_permille`` is the scheduling threshold's factor times 1000.
    ``transfer`` None means that images are not Haizea's business (unmanaged). What is done later than planned by
    more than ``lateness_max`` is planned anew.

    What VMs have used of their hosts is held for ``cleaning_time`` longer once they have left.

    A lease is extended by its own wish ``extensions_max`` times at most, and kept for ``kept_max`` after it was
    suspended at its end.

    A VM that is unknown counts as failed after ``vm_grace``, a host that is suspect as down after ``host_grace``. What
    fails is tried again ``restarts_max`` times, the first time at once, then after ``restart_backoff`` and twice as
    long each time. An operation may be late by ``overdue_max``, then ``overdue`` says what is done. After
    ``contradictions_max`` acts against the schedule a lease is held. ``images_survive`` says that memory images are not
    lost with the host they are on. With ``resume_in_place`` a lease whose images could be copied elsewhere resumes at
    once where they are if there is room, as it does not in Haizea 1.x. With ``spares`` nobody is suspended
    to make way for what is gone.
    """

    reservations_max: int | None = 1
    suspension: Suspension = Suspension.ALL
    exclusion: Exclusion = Exclusion.LOCAL
    migration: Migration = Migration.NO
    suspend_rate: "int | Fraction" = 32
    resume_rate: "int | Fraction" = 32
    suspend_time: Span | None = None
    resume_time: Span | None = None
    enactment_overhead: Span = 0
    shutdown_time: Span = 0
    cleaning_time: Span = 0
    threshold_permille: int = 1000
    threshold: Span | None = None
    non_schedulable: Span = 0
    migration_bandwidth: int = 100
    transfer: TransferOptions | None = None
    extensions_max: int = 100
    kept_max: Span = 30 * DAY
    lateness_max: Span = 5_000
    vm_grace: Span = 60_000
    host_grace: Span = 120_000
    restarts_max: int = 3
    restart_backoff: Span = 10_000
    overdue_max: Span = 1_800_000
    overdue: Overdue = Overdue.FORCE
    contradictions_max: int = 3
    images_survive: bool = False
    resume_in_place: bool = False
    spares: bool = False
