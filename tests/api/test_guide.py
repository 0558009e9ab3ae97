"""The guide to the API does what it says: its commands are run, and its answers compared with what comes back."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haizea.api.webhooks import sign
from tests.api.background import background
from tests.api.fake_manager import ADA, FakeManager

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guide" / "api.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def commands() -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield the commands, each with the answer that is shown below it, if one is."""
    blocks = BLOCK.findall(GUIDE)
    for (kind, text), (next_kind, next_text) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "sh":
            lines = re.split(r"\n(?=curl )", text.strip())
            yield from ((line, None) for line in lines[:-1])
            yield lines[-1], json.loads(next_text) if next_kind == "json" else None


def call(command: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command, and return status and contents of what came back."""
    wait = 1 if " -N " in command else 10
    command = re.sub(r"^curl ", f"curl -sS --max-time {wait} -w '\\\\n%{{http_code}}' ", command)
    run = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0 or (run.returncode == 28 and wait == 1), run.stderr
    body, _, status = run.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_commands_of_the_guide_work(tmp_path: Path) -> None:
    """Every command is answered without an error, or with the one that is shown, and with the fields that are shown."""
    manager, path = FakeManager(), tmp_path / "haizea.sock"
    manager.accounts.peers[os.getuid()] = ADA
    environment = {**os.environ, "TOKEN": "ada-token", "SOCKET": str(path)}
    ran = 0
    with background(manager, path=path) as addresses:
        for command, shown in commands():
            status, body = call(command.replace("http://localhost:42480", addresses[0]), environment)
            ran += 1
            assert status == (shown.get("status", status) if shown else status), command
            assert status < 400 or (shown is not None and shown["status"] == status), (command, body)
            if shown is not None:
                answer = json.loads(body)
                assert set(shown) <= set(answer), command
                known = {name: answer[name] for name, value in shown.items() if None not in (value, answer[name])}
                assert {name: type(shown[name]) for name in known} == {name: type(known[name]) for name in known}
                if status >= 400:
                    assert {name: answer[name] for name in ("type", "detail", "field")}.items() <= shown.items()
            if '"offers"' in body:
                environment["OFFER"] = json.loads(body)["offers"][0]["id"]
            if " -N " in command:
                assert "\nid: 1\nevent: lease-requested\ndata: {" in f"\n{body}"
    assert ran == GUIDE.count("\ncurl ")


def test_the_signature_is_checked_as_the_guide_shows() -> None:
    """The function of the guide believes what the daemon signed lately, and nothing else."""
    code = next(text for kind, text in BLOCK.findall(GUIDE) if kind == "python" and "def genuine" in text)
    names: dict[str, Any] = {}
    exec(code, names)  # the guide's own code, which readers run too
    now = int(time.time())
    header = sign("s3cret", b"{}", now)
    assert names["genuine"]("s3cret", header, b"{}", now)
    assert not names["genuine"]("s3cret", header, b"{ }", now)
    assert not names["genuine"]("other", header, b"{}", now)
    assert not names["genuine"]("s3cret", header, b"{}", now + 1_000)


def test_the_client_works_as_the_guide_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """The program at the end of the guide requests a lease and lists it."""
    code = next(text for kind, text in BLOCK.findall(GUIDE) if kind == "python" and "Client(" in text)
    with background(FakeManager()) as addresses:
        exec(code.replace("http://localhost:42480", addresses[0]), {"token": "ada-token"})
    assert capsys.readouterr().out == "1 scheduled\n1 2026-11-25T13:00:00Z\n"
