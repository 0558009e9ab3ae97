"""A server that is meant, in a time zone that everybody's machine has."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import Outcome, haizea
from tests.client.fake_server import FakeServer, served

Run = Callable[..., Outcome]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Return the server that commands mean where nothing else is said."""
    for name in ("HAIZEA_TOKEN", "HAIZEA_CONTEXT", "HAIZEA_CAFILE", "NO_COLOR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    with served(tmp_path / "haizea.sock") as fake:
        monkeypatch.setenv("HAIZEA_SERVER", fake.address)
        yield fake
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def run(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command against that server."""
    return lambda *arguments: haizea(capsys, *arguments)
