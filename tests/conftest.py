"""What all tests share: how hypothesis searches, and where the large shared workloads are."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# CI tries the same examples every time, so that a failure there belongs to the change it is shown on. Machines differ
# in speed by more than any deadline per example tells.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared workloads and known schedules beside the repository; skip where there is none."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no ../shared here")
    return folder
