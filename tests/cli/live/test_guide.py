"""The examples of the guide are commands that there are, with options and values that they take."""

import re
from pathlib import Path
from shlex import split

import pytest

from tests.cli.live.conftest import Run
from tests.client.fake_server import FakeServer, entry, event, status

GUIDE = (Path(__file__).resolve().parents[3] / "docs/guide/command-line.md").read_text(encoding="utf-8")
EXAMPLES = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
FILES = re.findall(r"```toml\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL)


def test_there_are_examples() -> None:
    """The patterns above find what they look for."""
    assert len(EXAMPLES) > 30
    assert [name for name, _ in FILES] == ["class.toml", "head.toml", "workers.toml"]


def test_examples_are_understood(server: FakeServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None ends with wrong usage; each but those about contexts asks the server for something."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    server.put("GET", "/v1/status", status())
    server.put("GET", "/v1/quotas", {"items": []})
    server.streams = [event(entry(number)) for number in range(1, 9)]
    asked = {}
    for example in EXAMPLES:
        program, *arguments = split(example)
        before = len(server.seen)
        assert (program, run(*arguments).status == 2) == ("haizea", False), example
        asked[example] = len(server.seen) - before
    assert {example.split()[1] for example, count in asked.items() if not count} == {"context"}
