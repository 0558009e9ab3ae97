"""Stores of every kind for the tests of what they have in common."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haizea.runtime.store import Store
from haizea.stores import open_store
from tests.stores.postgresql import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a server of PostgreSQL; skip where it is not installed."""
    server = Server()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a store that is not there yet, once for each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/haizea.db"
    server: Server = request.getfixturevalue("server")
    return server.make()


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Return how to open stores that are closed when the test is over."""
    stores: list[Store] = []

    def open_(url: str, **how: bool) -> Store:
        stores.append(open_store(url, **how))  # type: ignore[arg-type] # the lead is never a truth value
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[..., Store]) -> Store:
    """Return an empty store, once for each kind there is."""
    if request.param == "memory":
        return opened("memory:")
    if request.param == "sqlite":
        return opened(f"sqlite:///{tmp_path}/store/haizea.db")
    server: Server = request.getfixturevalue("server")
    return opened(server.make())
