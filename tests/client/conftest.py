"""Servers to speak with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from haizea.client import Client
from tests.client.fake_server import FakeServer, served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    """Return a server on a Unix socket."""
    with served(tmp_path / "haizea.sock") as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    """Return a client of it that pauses for no time."""
    with Client(server.address, timeout_s=5, pause=lambda seconds: None) as made:
        yield made
