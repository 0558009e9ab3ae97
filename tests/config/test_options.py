"""From settings to the planner's rules."""

import pytest

from haizea.config import load
from haizea.config.options import to_options
from haizea.plan.options import Exclusion, Mechanism, Migration, Options, Suspension, TransferOptions


def options(*sets: str) -> Options:
    """Return the planner's rules for a few settings."""
    return to_options(load(environ={}, sets=[s if "." in s.split("=")[0] else f"scheduling.{s}" for s in sets]))


@pytest.mark.parametrize(
    ("backfilling", "reservations"),
    [("off", 0), ("aggressive", 1), ("intermediate", 4), ("conservative", None)],
)
def test_backfilling_is_a_number_of_reservations(backfilling: str, reservations: int | None) -> None:
    """Off, EASY, N and all are the same rule with another limit."""
    assert options(f"backfilling={backfilling}", "backfilling-reservations=4").reservations_max == reservations


def test_every_rule_arrives_in_the_units_of_the_core() -> None:
    """Spans are milliseconds, the factor is in thousandths, words are members of their enumerations."""
    found = options(
        "suspension=serial-only", "suspendresume-exclusion=global", "migration=yes-notransfer", "suspend-rate=50",
        "resume-rate=40", "override-suspend-time=5", "override-resume-time=6s", "enactment-overhead=1.5",
        "shutdown-time=00:00:03", "cleaning-time=4", "scheduling-threshold-factor=1.5", "force-scheduling-threshold=2m",
        "non-schedulable-interval=10", "simulation.imagetransfer-bandwidth=1000",
    )  # fmt: skip
    assert found == Options(
        reservations_max=1, suspension=Suspension.SERIAL, exclusion=Exclusion.GLOBAL, migration=Migration.FREE,
        suspend_rate=50, resume_rate=40, suspend_time=5_000, resume_time=6_000, enactment_overhead=1_500,
        shutdown_time=3_000, cleaning_time=4_000, threshold_permille=1_500, threshold=120_000, non_schedulable=10_000,
        migration_bandwidth=1000, transfer=None,
    )  # fmt: skip


def test_the_non_schedulable_interval_of_1x_holds_on_a_real_clock() -> None:
    """Ten seconds where time is real, none where it is simulated, and what is asked for in both."""
    assert options().non_schedulable == 0
    assert options("simulation.clock=real").non_schedulable == 10_000
    assert options("general.mode=opennebula").non_schedulable == 10_000
    assert options("simulation.clock=real", "non-schedulable-interval=0").non_schedulable == 0


def test_images_are_transferred_where_leases_are_prepared() -> None:
    """Unmanaged preparation and OpenNebula know no transfers."""
    prepare = "general.lease-preparation=imagetransfer"
    assert options("simulation.imagetransfer-bandwidth=50").transfer is None
    assert options(prepare, "general.mode=opennebula").transfer is None
    assert options(prepare).transfer == TransferOptions(bandwidth=100, mechanism=Mechanism.MULTICAST)


@pytest.mark.parametrize(
    ("sets", "size"),
    [
        (("diskimage-cache-size=20480",), None),
        (("diskimage-reuse=image-caches",), -1),
        (("diskimage-reuse=image-caches", "diskimage-cache-size=20480"), 20480),
    ],
)
def test_caches_are_used_only_where_images_are_reused(sets: tuple[str, ...], size: int | None) -> None:
    """A size alone makes no caches; caches without a size have no limit."""
    transfer = options("general.lease-preparation=imagetransfer", *(f"deploy-imagetransfer.{s}" for s in sets)).transfer
    assert transfer is not None
    assert transfer.cache_size == size
