"""Stores of both kinds for daemons, and a server of PostgreSQL that can be stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.nursery import Site
from tests.stores.postgresql import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a server of PostgreSQL; skip where it is not installed."""
    server = Server()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """Return a site with an empty store, once for each database."""
    url = f"sqlite:///{tmp_path}/haizea.db"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("server")
        url = server.make()
    return Site(tmp_path, url, QUICK)


QUICK = {"live.site": "4 CPU:400 Memory:8192", "live.time-scale": "60", "scheduling.suspension": "all",
         "scheduling.policy-preemption": "ar-preempts-everything"}  # fmt: skip
"""Minutes pass as seconds, and leases suspend each other."""
