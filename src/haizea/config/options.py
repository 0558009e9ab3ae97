"""From settings to the planner's rules."""

from typing import TYPE_CHECKING

from haizea.config.settings import Settings
from haizea.model.units import SECOND, Span
from haizea.plan.options import Exclusion, Mechanism, Migration, Options, Overdue, Suspension, TransferOptions

if TYPE_CHECKING:
    from fractions import Fraction

NON_SCHEDULABLE_REAL: Span = 10 * SECOND
"""The non-schedulable interval on a real clock, where none is given."""

CACHE_UNLIMITED = -1


def to_options(settings: Settings) -> Options:
    """Return the planner's rules that checked settings stand for."""
    scheduling = settings.scheduling
    return Options(
        reservations_max=reservations_max(settings),
        suspension=Suspension(scheduling.suspension),
        exclusion=Exclusion(scheduling.suspendresume_exclusion),
        migration=Migration(scheduling.migration),
        suspend_rate=_rate(scheduling.suspend_rate),
        resume_rate=_rate(scheduling.resume_rate),
        suspend_time=scheduling.override_suspend_time,
        resume_time=scheduling.override_resume_time,
        enactment_overhead=scheduling.enactment_overhead,
        shutdown_time=scheduling.shutdown_time,
        cleaning_time=scheduling.cleaning_time,
        threshold_permille=round(scheduling.scheduling_threshold_factor * 1000),
        threshold=scheduling.force_scheduling_threshold,
        non_schedulable=non_schedulable(settings),
        migration_bandwidth=settings.simulation.imagetransfer_bandwidth,
        transfer=transfer_options(settings),
        extensions_max=scheduling.extensions_max,
        kept_max=scheduling.kept_max,
        lateness_max=settings.live.lateness,
        vm_grace=settings.live.vm_grace,
        host_grace=settings.live.host_grace,
        restarts_max=settings.live.restarts,
        restart_backoff=settings.live.restart_backoff,
        overdue_max=settings.live.overdue_after,
        overdue=Overdue(settings.live.overdue),
        contradictions_max=settings.live.contradictions,
        images_survive=settings.live.images_survive_host,
    )


def _rate(number: float) -> "int | Fraction":
    """Return a rate of at most three decimals exactly: times are rounded up, and must not be for what is a float's."""
    if number == int(number):
        return int(number)
    from fractions import Fraction

    return Fraction(round(number * 1000), 1000)


def live_options(settings: Settings) -> Options:
    """Return the planner's rules of a site day and night; only simulations have to do as Haizea 1.x does."""
    return to_options(settings)._replace(resume_in_place=True, spares=True)


def reservations_max(settings: Settings) -> int | None:
    """Return how many best-effort leases may hold a reservation in the future; None is no limit."""
    backfilling = settings.scheduling.backfilling
    if backfilling == "intermediate":
        return settings.scheduling.backfilling_reservations
    return {"off": 0, "aggressive": 1, "conservative": None}[backfilling]


def non_schedulable(settings: Settings) -> Span:
    """Return the non-schedulable interval: 1.x knows it on a real clock only, so elsewhere it must be asked for."""
    given = settings.scheduling.non_schedulable_interval
    if given is not None:
        return given
    simulated = settings.general.mode == "simulated" and settings.simulation.clock == "simulated"
    return 0 if simulated else NON_SCHEDULABLE_REAL


def transfer_options(settings: Settings) -> TransferOptions | None:
    """Return how images are transferred; None where that is not Haizea's business, as with OpenNebula."""
    general, deploy = settings.general, settings.deploy_imagetransfer
    if general.lease_preparation == "unmanaged" or general.mode == "opennebula":
        return None
    size = CACHE_UNLIMITED if deploy.diskimage_cache_size is None else deploy.diskimage_cache_size
    return TransferOptions(
        bandwidth=settings.simulation.imagetransfer_bandwidth,
        mechanism=Mechanism(deploy.transfer_mechanism),
        avoid_redundant=deploy.avoid_redundant_transfers,
        fixed_time=deploy.force_imagetransfer_time,
        cache_size=size if deploy.diskimage_reuse == "image-caches" else None,
    )
