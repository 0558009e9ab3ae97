"""The page's script in a real browser, where one is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from haizea.report.data import ReportData
from haizea.report.page import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--dump-dom",
)


@pytest.fixture(scope="module")
def browser() -> str:
    """Return the command of a browser; skip where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no chromium is installed")
    return found


def open_page(browser: str, folder: Path, data: ReportData, anchor: str = "") -> str:
    """Return the page's elements after its script has run."""
    write_report(folder / "report.html", data)
    address = (folder / "report.html").as_uri() + anchor
    command = [browser, *OPTIONS, f"--user-data-dir={folder / 'profile'}", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_script_unpacks_and_draws_everything(browser: str, tmp_path: Path, small_schedule: ReportData) -> None:
    """The script runs to its end under the page's own security policy and counts all reservations."""
    page = open_page(browser, tmp_path, small_schedule)
    assert f'data-drawn="{len(list(small_schedule.reservations))}"' in page
    assert re.search(r'id="view"[^>]*>2006-11-25 13:00:00\s+to\s+2006-11-25 16:50:00\s+\(3 h 50 min\)', page)


def test_a_link_can_point_at_a_lease(browser: str, tmp_path: Path, small_schedule: ReportData) -> None:
    """The lease is found and described from the packed data, in the dark."""
    page = open_page(browser, tmp_path, small_schedule, "#dark,lease-2")
    assert 'data-theme="dark"' in page
    assert "Lease 2 · AR · 4 VMs · done; runs on host-1, VM 1; 2006-11-25 14:00:00 to 2006-11-25 15:00:00 (1 h)" in page


def test_an_empty_schedule_draws(browser: str, tmp_path: Path) -> None:
    """Nothing to draw is no error."""
    assert 'data-drawn="0"' in open_page(browser, tmp_path, ReportData("Nothing", [], [], [], [], [], {}, {}))
