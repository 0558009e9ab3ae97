"""The made-up schedules as fixtures."""

import pytest

from haizea.report.data import ReportData
from tests.report.made_up import big, small


@pytest.fixture
def small_schedule() -> ReportData:
    """The small made-up schedule."""
    return small()


@pytest.fixture(scope="session")
def big_schedule() -> ReportData:
    """A month of 144 hosts and 5,000 leases."""
    return big()
